//! Static zones beside the number zone, who may transfer them, and the keys that are shared for that.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::absolute;
use super::dnssec::parent_mistakes;
use super::ranges::AddressRange;

/// Static zones: each is looked at for every question, and is in memory.
const ZONES_MAX: usize = 256;
/// Catalogs, keys, and secondaries of one zone.
const CATALOGS_MAX: usize = 16;
const KEYS_MAX: usize = 64;
const SECONDARIES_MAX: usize = 64;

/// A static zone from a master file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Its apex.
    pub name: String,
    /// Its master file. Default: `<name>zone` in `paths.zones`.
    #[serde(default)]
    pub file: PathBuf,
    /// Whether it is signed, with keys from `paths.keys` of the algorithm `dnssec.algorithm`. Default: false.
    #[serde(default)]
    pub sign: bool,
    /// How a signed zone proves what is not there: `nsec`, or `nsec3` with the parameters `1 0 0 -` (RFC 9276), so that its
    /// names have to be guessed. Default: `nsec`.
    #[serde(default)]
    pub denial: Option<Denial>,
    /// Every server of its parent zone: they are asked for the DS, as by `dnssec.parent`. Default: none, the operator confirms
    /// what the parent has. At most 32.
    #[serde(default)]
    pub parent: Vec<SocketAddr>,
    /// Where serials come from: `file`, `increment` or `unixtime`. Default: `file`, in a signed zone `increment`.
    #[serde(default)]
    pub serial: Option<Serial>,
    /// Whether each version has a digest over all of it (ZONEMD, RFC 8976). Default: false.
    #[serde(default)]
    pub zonemd: bool,
    /// The catalog that names it. Default: none.
    #[serde(default)]
    pub catalog: String,
    /// Who may transfer it. Default: nobody.
    #[serde(default)]
    pub allow_transfer: Vec<Secondary>,
    /// Whether only over TLS (RFC 9103). Default: false.
    #[serde(default)]
    pub transfer_over_tls: bool,
    /// Who is told of a new version. Default: nobody.
    #[serde(default)]
    pub notify: Vec<Notify>,
}

/// A catalog zone (RFC 9432): the list of the zones that name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// Its apex.
    pub name: String,
    /// Who may transfer it. Default: nobody.
    #[serde(default)]
    pub allow_transfer: Vec<Secondary>,
    /// Whether only over TLS (RFC 9103). Default: false.
    #[serde(default)]
    pub transfer_over_tls: bool,
    /// Who is told of a new version. Default: nobody.
    #[serde(default)]
    pub notify: Vec<Notify>,
}

/// How a signed zone proves what is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Denial {
    /// A chain of its names.
    Nsec,
    /// A chain of their hashes.
    Nsec3,
}

/// Where the serial of a version comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Serial {
    /// From the file: whoever changes it counts.
    File,
    /// One more than the last, or the file's if that is later.
    Increment,
    /// Unix seconds, or one more than the last.
    Unixtime,
}

/// Who may transfer a zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secondary {
    /// The name of the key that its requests are signed with.
    pub key: String,
    /// From where. Default: from anywhere.
    #[serde(default)]
    pub from: Vec<AddressRange>,
}

/// Who is told of a new version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// Address and port.
    pub to: SocketAddr,
    /// The name of the key that the message is signed with. Default: none.
    #[serde(default)]
    pub key: String,
}

/// A secret shared with other servers (RFC 8945).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tsig {
    /// The name that both sides know it by.
    pub name: String,
    /// `hmac-sha256`, `hmac-sha384` or `hmac-sha512`. Default: `hmac-sha256`.
    #[serde(default = "hmac_sha256")]
    pub algorithm: String,
    /// The file with the secret in base64, mode 0600.
    pub file: PathBuf,
}

fn hmac_sha256() -> String {
    "hmac-sha256".to_owned()
}

impl Zone {
    /// Where its serials come from.
    pub fn serial(&self) -> Serial {
        self.serial.unwrap_or(if self.sign { Serial::Increment } else { Serial::File })
    }

    /// How it proves what is not there.
    pub fn denial(&self) -> Denial {
        self.denial.unwrap_or(Denial::Nsec)
    }

    /// Completes names and paths; `zones` is where master files lie.
    pub(super) fn under(&mut self, dir: &Path, zones: &Path) {
        self.file = match self.file.as_os_str().is_empty() {
            true => zones.join(format!("{}zone", self.name)),
            false => dir.join(&self.file),
        };
    }
}

/// Writes every name in lower case with its final dot.
pub(super) fn complete_names(zones: &mut [Zone], catalogs: &mut [Catalog], keys: &mut [Tsig]) {
    let complete = |name: &mut String| {
        if !name.is_empty() {
            *name = absolute(name);
        }
    };
    let secondaries = |allowed: &mut [Secondary], notify: &mut [Notify]| {
        allowed.iter_mut().for_each(|secondary| complete(&mut secondary.key));
        notify.iter_mut().for_each(|notify| complete(&mut notify.key));
    };
    for zone in zones {
        complete(&mut zone.name);
        complete(&mut zone.catalog);
        secondaries(&mut zone.allow_transfer, &mut zone.notify);
    }
    for catalog in catalogs {
        complete(&mut catalog.name);
        secondaries(&mut catalog.allow_transfer, &mut catalog.notify);
    }
    keys.iter_mut().for_each(|key| complete(&mut key.name));
}

/// The three lists of a configuration, to be checked together.
pub(super) struct Statics<'a> {
    pub(super) apex: &'a str,
    pub(super) zones: &'a [Zone],
    pub(super) catalogs: &'a [Catalog],
    pub(super) keys: &'a [Tsig],
}

impl Statics<'_> {
    /// What is wrong, a line a mistake.
    pub(super) fn mistakes(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (what, count, most) in [
            ("zone", self.zones.len(), ZONES_MAX),
            ("catalog", self.catalogs.len(), CATALOGS_MAX),
            ("tsig", self.keys.len(), KEYS_MAX),
        ] {
            if count > most {
                found.push(format!("there are {count} [[{what}]]: at most {most}"));
            }
        }
        let mut apexes = BTreeSet::from([self.apex]);
        let named = self.zones.iter().map(|zone| ("zone", &zone.name));
        for (what, name) in named.chain(self.catalogs.iter().map(|catalog| ("catalog", &catalog.name))) {
            if !is_name(name) {
                found.push(format!("[[{what}]] name = {name:?}: a domain name is needed, such as \"example.org\""));
            } else if !apexes.insert(name) {
                found.push(format!("[[{what}]] {name} is there twice, or is the number zone: keep one"));
            }
        }
        let mut names = BTreeSet::new();
        for key in self.keys {
            if !is_name(&key.name) {
                found.push(format!(
                    "[[tsig]] name = {:?}: a domain name is needed, such as \"ns2.example.org\"",
                    key.name
                ));
            } else if !names.insert(&*key.name) {
                found.push(format!("[[tsig]] {} is there twice: keep one", key.name));
            }
            if !["hmac-sha256", "hmac-sha384", "hmac-sha512"].contains(&&*key.algorithm) {
                let (name, algorithm) = (&key.name, &key.algorithm);
                found.push(format!(
                    "[[tsig]] {name}: algorithm = {algorithm:?}: hmac-sha256, hmac-sha384 or hmac-sha512"
                ));
            }
        }
        for zone in self.zones {
            if zone.sign && zone.serial == Some(Serial::File) {
                found.push(format!(
                    "[[zone]] {}: serial = \"file\" with sign = true: signatures change every day and each change needs a serial; use \"increment\" or \"unixtime\"",
                    zone.name
                ));
            }
            if zone.denial.is_some() && !zone.sign {
                found.push(format!(
                    "[[zone]] {}: denial without sign = true: only a signed zone proves what is not there",
                    zone.name
                ));
            }
            found.extend(parent_mistakes(&format!("[[zone]] {}: parent", zone.name), &zone.parent));
            if !zone.parent.is_empty() && !zone.sign {
                found.push(format!(
                    "[[zone]] {}: parent without sign = true: nobody is asked for the DS of a zone that is not signed",
                    zone.name
                ));
            }
            if !zone.catalog.is_empty() && !self.catalogs.iter().any(|catalog| catalog.name == zone.catalog) {
                found.push(format!("[[zone]] {}: there is no [[catalog]] {}", zone.name, zone.catalog));
            }
            found.extend(self.of_secondaries(("zone", &zone.name), &zone.allow_transfer, &zone.notify));
        }
        for catalog in self.catalogs {
            found.extend(self.of_secondaries(("catalog", &catalog.name), &catalog.allow_transfer, &catalog.notify));
        }
        found
    }

    fn of_secondaries(&self, of: (&str, &str), allowed: &[Secondary], notify: &[Notify]) -> Vec<String> {
        let (what, name) = of;
        let mut found = Vec::new();
        let keys = allowed.iter().map(|a| &a.key).chain(notify.iter().map(|n| &n.key).filter(|key| !key.is_empty()));
        for key in keys.filter(|key| !self.keys.iter().any(|known| known.name == **key)) {
            found.push(format!("[[{what}]] {name}: there is no [[tsig]] {key:?}"));
        }
        if allowed.len().max(notify.len()) > SECONDARIES_MAX {
            found.push(format!("[[{what}]] {name}: at most {SECONDARIES_MAX} entries in allow_transfer and in notify"));
        }
        found
    }
}

/// Whether this is an absolute domain name of at most 255 octets: letters, digits, hyphens, underscores and slashes
/// (RFC 2317 4) in labels.
fn is_name(name: &str) -> bool {
    let Some(labels) = name.strip_suffix('.') else { return false };
    name.len() < 255
        && labels.split('.').all(|label| {
            let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/');
            (1..=63).contains(&label.len()) && label.bytes().all(fits)
        })
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use std::path::Path;

    const HEAD: &str = "apex = \"a.example\"\nhost = \"a.example\"\n";

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(&format!("{HEAD}{text}"), Path::new("config.toml")).map_err(|e| e.to_string())
    }

    #[test]
    fn names_are_completed_and_files_found() {
        let text = "[[zone]]\nname = \"Example.ORG\"\nsign = true\ncatalog = \"Cat.Example\"\n\
                    allow_transfer = [{ key = \"K.\", from = [\"192.0.2.0/24\"] }]\nnotify = [{ to = \"192.0.2.1:53\", key = \"k\" }]\n\
                    [[zone]]\nname = \"other.example.\"\nfile = \"o.db\"\n[[catalog]]\nname = \"cat.example\"\n\
                    [[tsig]]\nname = \"k\"\nfile = \"keys/k.tsig\"\n";
        let config = parse(text).unwrap().under(Path::new("/dir"));
        let [org, other] = &config.zone[..] else { panic!("two zones") };
        assert_eq!((&*org.name, &*org.catalog), ("example.org.", "cat.example."));
        assert_eq!((org.file.to_str(), other.file.to_str()), (Some("/dir/zones/example.org.zone"), Some("/dir/o.db")));
        assert_eq!((org.serial(), other.serial()), (super::Serial::Increment, super::Serial::File));
        assert_eq!((&*org.allow_transfer[0].key, &*org.notify[0].key), ("k.", "k."));
        assert_eq!(
            (&*config.tsig[0].algorithm, config.tsig[0].file.to_str()),
            ("hmac-sha256", Some("/dir/keys/k.tsig"))
        );
    }

    #[test]
    fn mistakes_are_told_with_what_would_be_right() {
        for (text, word) in [
            ("[[zone]]\nname = \"a..b\"\n", "a domain name is needed"),
            ("[[zone]]\nname = \"a.example\"\n", "is the number zone"),
            ("[[zone]]\nname = \"b.example\"\n[[catalog]]\nname = \"b.example\"\n", "there twice"),
            ("[[zone]]\nname = \"b.example\"\nsign = true\nserial = \"file\"\n", "increment"),
            ("[[zone]]\nname = \"b.example\"\nserial = \"date\"\n", "unknown variant"),
            ("[[zone]]\nname = \"b.example\"\nsign = true\ndenial = \"nsec5\"\n", "unknown variant"),
            ("[[zone]]\nname = \"b.example\"\ndenial = \"nsec3\"\n", "denial without sign = true"),
            ("[[zone]]\nname = \"b.example\"\ncatalog = \"c\"\n", "no [[catalog]] c."),
            ("[[zone]]\nname = \"b.example\"\nallow_transfer = [{ key = \"k\" }]\n", "no [[tsig]] \"k.\""),
            ("[[zone]]\nname = \"b.example\"\nallow_transfer = [{ from = [\"::/0\"] }]\n", "missing field `key`"),
            ("[[zone]]\nname = \"b.example\"\nnotify = [{ to = \"192.0.2.1\" }]\n", "socket address"),
            ("[[tsig]]\nname = \"k\"\nalgorithm = \"hmac-md5\"\nfile = \"f\"\n", "hmac-sha384"),
            ("[[tsig]]\nname = \"k\"\nsecret = \"c2VjcmV0\"\n", "unknown field"),
        ] {
            let said = parse(text).unwrap_err();
            assert!(said.contains(word), "{text}\n{said}");
        }
    }
}

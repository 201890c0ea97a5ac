//! A zone's keys and the directory they lie in: PKCS#8 in PEM, mode 0600, named `K<apex>+<algorithm>+<tag>.<ksk|zsk>.p8`.
//!
//! A key is never made where one is expected: [`create`] and [`load`] are different calls, and each refuses the other's case.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::BASE64;
use ring::rand::SecureRandom;
use zeroize::Zeroizing;

use super::rrsig::{dnskey_rdata, key_tag};
use super::{Algorithm, KeyRole};
use super::signer::{self, SignFault, ZoneSigner};
use crate::wire::Name;
use crate::wire::rr::flatten;
use crate::zone::slot::{Slot, Slots};

/// TTL of the DNSKEY RRset in seconds: an hour, so that a key roll is a matter of hours.
pub const DNSKEY_TTL_S: u32 = 3_600;
/// How often a new key is made again because its tag is taken; two in 65 536 collide.
const TAG_TRIES: usize = 8;
const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

/// The keys that sign one zone now.
pub struct ZoneKeys {
    ksk: Key,
    zsk: Key,
    dnskeys: Box<[u8]>,
    slot: Slots,
}

/// A private key's handle and the DNSKEY that names it.
pub struct Key {
    /// Makes the signatures.
    pub signer: Arc<dyn ZoneSigner>,
    /// RFC 4034 appendix B.
    pub tag: u16,
    dnskey: Vec<u8>,
}

/// Why keys cannot be used. Says what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The directory cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read a private key.
    #[error(
        "{path} can be read by others (mode {mode:04o}): run chmod 600 {path}, and replace the key if anyone may have copied it"
    )]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its mode bits.
        mode: u32,
    },
    /// Not a PKCS#8 key of its algorithm, or not the one that its name says.
    #[error("{path} is not the private key that its name says ({reason}): restore it from the backup")]
    Garbage {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: &'static str,
    },
    /// There is no key of a role.
    #[error(
        "{dir} holds no {role} of {apex}: restore the keys from the backup, or make new ones with `callbook init` if this is a new zone"
    )]
    Missing {
        /// The directory.
        dir: PathBuf,
        /// `ksk` or `zsk`.
        role: &'static str,
        /// The zone.
        apex: String,
    },
    /// There is more than one key of a role.
    #[error("{dir} holds more than one {role} of {apex}: move the one that is not to sign elsewhere")]
    Several {
        /// The directory.
        dir: PathBuf,
        /// `ksk` or `zsk`.
        role: &'static str,
        /// The zone.
        apex: String,
    },
    /// New keys were asked for where there are some.
    #[error("{dir} already holds keys of {apex}: use them, or move them away first if the zone is to get new ones")]
    Exists {
        /// The directory.
        dir: PathBuf,
        /// The zone.
        apex: String,
    },
    /// The keys that are there are of another algorithm.
    #[error(
        "{dir} holds keys of algorithm {found} of {apex}, and algorithm {wanted} was asked for: set dnssec.algorithm = {found}; \
         a zone changes its algorithm by a key roll, which is not offered yet"
    )]
    OtherAlgorithm {
        /// The directory.
        dir: PathBuf,
        /// The zone.
        apex: String,
        /// What the keys are of.
        found: Algorithm,
        /// What was asked for.
        wanted: Algorithm,
    },
    /// No random numbers.
    #[error("a key could not be made: {0}")]
    Fault(#[from] SignFault),
}

impl Key {
    fn new(role: KeyRole, signer: Arc<dyn ZoneSigner>) -> Self {
        let dnskey = dnskey_rdata(role.flags(), signer.algorithm(), signer.public_key());
        Self { signer, tag: key_tag(&dnskey), dnskey }
    }
}

impl ZoneKeys {
    fn new(ksk: Key, zsk: Key) -> Self {
        let dnskeys = flatten(vec![ksk.dnskey.clone(), zsk.dnskey.clone()]);
        Self { ksk, zsk, dnskeys, slot: Slots::empty(1) }
    }

    /// New keys of the default algorithm that are never written anywhere (tests).
    pub fn in_memory(random: &dyn SecureRandom) -> Result<Self, KeyError> {
        Self::in_memory_of(Algorithm::default(), random)
    }

    /// New keys that are never written anywhere (`zone serve`, tests).
    pub fn in_memory_of(algorithm: Algorithm, random: &dyn SecureRandom) -> Result<Self, KeyError> {
        let (ksk, zsk) = make(algorithm, random)?;
        Ok(Self::new(ksk.key, zsk.key))
    }

    /// The key that signs data.
    pub fn zsk(&self) -> &Key {
        &self.zsk
    }

    /// The key that signs keys.
    pub fn ksk(&self) -> &Key {
        &self.ksk
    }

    /// DNSKEY RDATA of the entry point.
    pub fn ksk_dnskey(&self) -> &[u8] {
        &self.ksk.dnskey
    }

    /// Its tag.
    pub fn ksk_tag(&self) -> u16 {
        self.ksk.tag
    }

    /// The DNSKEY RRset in the form of [`crate::wire::Rdatas`].
    pub fn dnskeys(&self) -> &[u8] {
        &self.dnskeys
    }

    /// Where the signature over the DNSKEY RRset lies.
    pub fn slot(&self) -> Option<Slot<'_>> {
        self.slot.slot(0)
    }
}

/// Makes a KSK and a ZSK for `apex` and writes them into `dir`, which must hold none of that zone. Durable when it returns.
pub fn create(dir: &Path, apex: &Name, algorithm: Algorithm, random: &dyn SecureRandom) -> Result<ZoneKeys, KeyError> {
    fs::create_dir_all(dir).map_err(io_at(dir))?;
    if !list(dir, apex)?.is_empty() {
        return Err(KeyError::Exists { dir: dir.to_owned(), apex: apex.to_text() });
    }
    let (ksk, zsk) = make(algorithm, random)?;
    for (made, role) in [(&ksk, KeyRole::Ksk), (&zsk, KeyRole::Zsk)] {
        write(&dir.join(file_name(apex, algorithm, made.key.tag, role)), &made.document)?;
    }
    fs::File::open(dir).and_then(|d| d.sync_all()).map_err(io_at(dir))?;
    Ok(ZoneKeys::new(ksk.key, zsk.key))
}

/// Reads the keys of `apex` from `dir`: exactly one KSK and one ZSK, both of `algorithm`.
pub fn load(dir: &Path, apex: &Name, algorithm: Algorithm, random: &dyn SecureRandom) -> Result<ZoneKeys, KeyError> {
    let files = list(dir, apex)?;
    if let Some(other) = files.iter().find(|file| file.algorithm != algorithm) {
        let (dir, apex, found) = (dir.to_owned(), apex.to_text(), other.algorithm);
        return Err(KeyError::OtherAlgorithm { dir, apex, found, wanted: algorithm });
    }
    let one = |role: KeyRole| {
        let mut of_role = files.iter().filter(|file| file.role == role);
        let (dir, apex, role) = (dir.to_owned(), apex.to_text(), role.as_str());
        match (of_role.next(), of_role.next()) {
            (None, _) => Err(KeyError::Missing { dir, role, apex }),
            (Some(_), Some(_)) => Err(KeyError::Several { dir, role, apex }),
            (Some(file), None) => read(file, random),
        }
    };
    Ok(ZoneKeys::new(one(KeyRole::Ksk)?, one(KeyRole::Zsk)?))
}

/// A key that was just made, with the document to be written.
struct Made {
    document: Zeroizing<Vec<u8>>,
    key: Key,
}

/// A KSK and a ZSK whose tags differ: signature stamps and validators tell keys apart by it.
fn make(algorithm: Algorithm, random: &dyn SecureRandom) -> Result<(Made, Made), SignFault> {
    let one = |role| {
        let document = Zeroizing::new(signer::generate(algorithm, random)?);
        let signer = signer::open(algorithm, &document, random).ok_or(SignFault)?;
        Ok(Made { document, key: Key::new(role, signer) })
    };
    let ksk = one(KeyRole::Ksk)?;
    for _ in 0..TAG_TRIES {
        let zsk = one(KeyRole::Zsk)?;
        if zsk.key.tag != ksk.key.tag {
            return Ok((ksk, zsk));
        }
    }
    Err(SignFault)
}

/// A key file by what its name says.
#[derive(Clone)]
struct KeyFile {
    path: PathBuf,
    algorithm: Algorithm,
    tag: u16,
    role: KeyRole,
}

fn file_name(apex: &Name, algorithm: Algorithm, tag: u16, role: KeyRole) -> String {
    format!("K{}+{:03}+{tag:05}.{}.p8", apex_text(apex), algorithm.number(), role.as_str())
}

fn apex_text(apex: &Name) -> String {
    apex.to_text().trim_end_matches('.').replace('/', "\\047")
}

/// The key files of `apex`. Other files are none of our business.
fn list(dir: &Path, apex: &Name) -> Result<Vec<KeyFile>, KeyError> {
    let prefix = format!("K{}+", apex_text(apex));
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(io_at(dir))? {
        let path = entry.map_err(io_at(dir))?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        found.extend(name.strip_prefix(&prefix).and_then(|rest| key_file(&path, rest)));
    }
    found.sort_by(|a: &KeyFile, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Reads `<algorithm>+<tag>.<role>.p8`.
fn key_file(path: &Path, rest: &str) -> Option<KeyFile> {
    let (algorithm, rest) = rest.split_once('+')?;
    let (tag, role) = rest.split_once('.')?;
    let role = match role {
        "ksk.p8" => KeyRole::Ksk,
        "zsk.p8" => KeyRole::Zsk,
        _ => return None,
    };
    Some(KeyFile { path: path.to_owned(), algorithm: algorithm.parse().ok()?, tag: tag.parse().ok()?, role })
}

fn write(path: &Path, document: &[u8]) -> Result<(), KeyError> {
    let body = Zeroizing::new(BASE64.encode(document));
    let mut pem = Zeroizing::new(format!("{PEM_BEGIN}\n"));
    for line in body.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str(&format!("{PEM_END}\n"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io_at(path))?;
    file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()).map_err(io_at(path))
}

fn read(file: &KeyFile, random: &dyn SecureRandom) -> Result<Key, KeyError> {
    let path = file.path.as_path();
    let mode = fs::metadata(path).map_err(io_at(path))?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Permissions { path: path.to_owned(), mode });
    }
    let garbage = |reason| KeyError::Garbage { path: path.to_owned(), reason };
    let pem = Zeroizing::new(fs::read(path).map_err(io_at(path))?);
    let text = std::str::from_utf8(&pem).map_err(|_| garbage("not PEM text"))?;
    let body = text.trim().strip_prefix(PEM_BEGIN).and_then(|t| t.strip_suffix(PEM_END));
    let body: Zeroizing<String> =
        Zeroizing::new(body.ok_or_else(|| garbage("not one PEM block"))?.split_whitespace().collect());
    let document = Zeroizing::new(BASE64.decode(body.as_bytes()).map_err(|_| garbage("not base64"))?);
    let signer = signer::open(file.algorithm, &document, random);
    let key = Key::new(file.role, signer.ok_or_else(|| garbage("not a PKCS#8 key of its algorithm"))?);
    if key.tag == file.tag { Ok(key) } else { Err(garbage("the key has another tag")) }
}

fn io_at(path: &Path) -> impl Fn(io::Error) -> KeyError {
    let path = path.to_owned();
    move |source| KeyError::Io { path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;

    fn apex() -> Name {
        Name::from_text("e164.example.").unwrap()
    }

    fn why(result: Result<ZoneKeys, KeyError>) -> String {
        result.err().map(|e| e.to_string()).unwrap_or_default()
    }

    fn create(dir: &Path, algorithm: Algorithm) -> Result<ZoneKeys, KeyError> {
        super::create(dir, &apex(), algorithm, &SystemRandom::new())
    }

    fn load(dir: &Path, algorithm: Algorithm) -> Result<ZoneKeys, KeyError> {
        super::load(dir, &apex(), algorithm, &SystemRandom::new())
    }

    #[test]
    fn what_is_created_is_loaded() {
        for algorithm in Algorithm::ALL {
            let dir = tempfile::tempdir().unwrap();
            let made = create(dir.path(), algorithm).unwrap();
            let loaded = load(dir.path(), algorithm).unwrap();
            assert_eq!(made.dnskeys(), loaded.dnskeys());
            assert_eq!(made.ksk_dnskey(), loaded.ksk_dnskey());
            assert_eq!(loaded.ksk_dnskey()[3], algorithm.number());
            for file in list(dir.path(), &apex()).unwrap() {
                assert_eq!(fs::metadata(file.path).unwrap().permissions().mode() & 0o777, 0o600);
            }
            for any in Algorithm::ALL {
                assert!(why(create(dir.path(), any)).contains("already holds keys"));
            }
        }
    }

    #[test]
    fn keys_of_another_algorithm_are_refused() {
        let [p256, ed25519] = Algorithm::ALL;
        for (made, wanted) in [(p256, ed25519), (ed25519, p256)] {
            let dir = tempfile::tempdir().unwrap();
            create(dir.path(), made).unwrap();
            let said = why(load(dir.path(), wanted));
            assert!(said.contains(&format!("keys of algorithm {made}")), "{said}");
            assert!(said.contains(&format!("set dnssec.algorithm = {made}")), "{said}");
            // Another name does not make another key of it.
            for file in list(dir.path(), &apex()).unwrap() {
                let renamed = dir.path().join(file_name(&apex(), wanted, file.tag, file.role));
                fs::rename(&file.path, renamed).unwrap();
            }
            assert!(why(load(dir.path(), wanted)).contains("not a PKCS#8 key of its algorithm"));
        }
    }

    #[test]
    fn nothing_is_made_where_a_key_is_expected() {
        let dir = tempfile::tempdir().unwrap();
        assert!(why(load(dir.path(), Algorithm::default())).contains("holds no ksk of e164.example."));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(why(load(&dir.path().join("absent"), Algorithm::default())).contains("absent"));
    }

    #[test]
    fn open_wrong_and_doubled_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let algorithm = Algorithm::default();
        create(dir.path(), algorithm).unwrap();
        let load = || why(load(dir.path(), algorithm));
        let ksk = list(dir.path(), &apex()).unwrap().into_iter().find(|file| file.role == KeyRole::Ksk).unwrap();
        let (path, tag) = (ksk.path, ksk.tag);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(load().contains("mode 0640") && load().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let good = fs::read(&path).unwrap();
        let other = dir.path().join(file_name(&apex(), algorithm, tag ^ 1, KeyRole::Ksk));
        fs::write(&other, &good).unwrap();
        fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(load().contains("more than one ksk"));
        fs::remove_file(&path).unwrap();
        assert!(load().contains("another tag"));
        fs::write(&other, b"not a key").unwrap();
        assert!(load().contains("not one PEM block"));
        fs::write(&other, &good[..good.len() / 2]).unwrap();
        assert!(load().contains("restore it from the backup"));
    }
}

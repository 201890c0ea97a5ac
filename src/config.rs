//! The configuration file of an installation: every key with its default, its unit and its bounds.

mod audit;
mod console;
mod delegation;
mod dnssec;
mod escrow;
mod file;
mod http;
mod limits;
mod log;
mod pkcs11;
pub mod ranges;
mod secrets;
mod statics;
mod tsig;
mod webhooks;
mod witness;
mod witnesses;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use audit::Audit;
pub use console::Console;
pub use delegation::{Delegation, Signal};
pub use dnssec::Dnssec;
pub use escrow::Escrow;
pub use http::Http;
pub use limits::Limits;
pub use log::Log;
pub use pkcs11::{Pkcs11, TokenHolds};
pub use ranges::AddressRange;
pub use secrets::{SecretsError, read_cookie_secrets};
pub use statics::{Catalog, Denial, Notify, Secondary, Serial, Tsig, Zone};
pub use tsig::{TsigFileError, read_tsig_secret};
pub use webhooks::Webhooks;
pub use witness::{WITNESS_FILE, Witness, WitnessedLog};
pub use witnesses::{AskedWitness, WitnessPolicy};

/// The name of the configuration file inside an installation's directory.
pub const FILE_NAME: &str = "config.toml";

/// The whole configuration. Unknown keys are refused, so a typing mistake never passes for a setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The apex of the number zone, a domain name such as `e164.example.`; the final dot may be left out.
    pub apex: String,
    /// The host name that prefixes the origins of the public logs (`<host>/map/<era>`, `<host>/gov`).
    pub host: String,
    /// The name server.
    #[serde(default)]
    pub dns: Dns,
    /// Signatures over the number zone.
    #[serde(default)]
    pub dnssec: Dnssec,
    /// The keys of delegated blocks.
    #[serde(default)]
    pub delegation: Delegation,
    /// Copies for an escrow agent.
    #[serde(default)]
    pub escrow: Escrow,
    /// What an address may ask the name server for.
    #[serde(default)]
    pub limits: Limits,
    /// The HTTP API.
    #[serde(default)]
    pub http: Http,
    /// What audits of validation entities use.
    #[serde(default)]
    pub audit: Audit,
    /// The console of the staff.
    #[serde(default)]
    pub console: Console,
    /// Where webhooks may go.
    #[serde(default)]
    pub webhooks: Webhooks,
    /// Epochs of the public log.
    #[serde(default)]
    pub publish: Publish,
    /// Who signs the public log.
    #[serde(default)]
    pub log: Log,
    /// Where things lie, relative to the configuration file.
    #[serde(default)]
    pub paths: Paths,
    /// Static zones beside the number zone. Default: none.
    #[serde(default)]
    pub zone: Vec<Zone>,
    /// Catalogs of these zones. Default: none.
    #[serde(default)]
    pub catalog: Vec<Catalog>,
    /// Keys that are shared with other servers. Default: none.
    #[serde(default)]
    pub tsig: Vec<Tsig>,
}

/// The name server's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    /// Addresses to answer on, UDP and TCP alike. Default: `127.0.0.1:5300`.
    pub listen: Vec<SocketAddr>,
    /// Addresses for DNS over TLS, such as `192.0.2.53:853`. Default: none.
    pub tls_listen: Vec<SocketAddr>,
    /// Addresses for DNS over QUIC, such as `192.0.2.53:853`. Default: none.
    pub quic_listen: Vec<SocketAddr>,
    /// Addresses for DNS over HTTPS, such as `192.0.2.53:443`. Default: none.
    pub https_listen: Vec<SocketAddr>,
    /// The certificate chain for these three, PEM, the server's own first; looked at each second. Default: none.
    pub tls_cert: PathBuf,
    /// Its private key, PEM, mode 0600. Default: none.
    pub tls_key: PathBuf,
    /// Threads that answer UDP; 0 means one a processor. Default: 0. At most 256.
    pub udp_threads: usize,
    /// Whether each of these threads stays on one processor. Default: false.
    pub pin_threads: bool,
    /// Connections at once, all transports together; when there are as many, the one idle longest gives way to a new one.
    /// Default: 1024. From 1 to 65 536.
    pub connections_max: usize,
    /// Connections at once from one /32 (IPv4) or /56 (IPv6). Default: 32. From 1 to 65 536.
    pub connections_per_prefix_max: usize,
    /// Seconds without a query after which a connection is closed. Default: 10. From 1 to 600.
    pub tcp_idle_s: u64,
    /// Seconds in which a handshake or a message must be finished and an answer be taken. Default: 5. From 1 to 60.
    pub tcp_patience_s: u64,
    /// Of a hundred questions for possible numbers in a minute, so many may find nothing before the log warns of a walk;
    /// 100 switches that off. Default: 95.
    pub missed_pct_max: u64,
    /// What `version.bind` and `version.server` say (RFC 4892). Default: empty, they are refused.
    pub version: String,
    /// What `hostname.bind` and `id.server` say (RFC 4892). Default: empty, they are refused.
    pub identity: String,
    /// What this server calls itself to who asks with NSID (RFC 5001); at most 255 octets. Default: empty, it does not say.
    pub nsid: String,
    /// File with the secrets of DNS cookies, one of 32 hexadecimal digits a line, the first in use, all accepted; the same on
    /// all servers behind one address (RFC 9018). Default: empty, a random secret for each start.
    pub cookie_secrets: PathBuf,
    /// Signatures a second that are made ahead of the first question while few questions come; 0 makes none over numbers.
    /// Default: 5000, a tenth of what one processor signs. At most 1 000 000.
    pub filler_per_s: u32,
    /// Zone transfers at once, all zones together. Default: 8. From 1 to 256.
    pub transfers_max: usize,
}

/// How epochs are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Publish {
    /// Milliseconds between epochs while there are events; 0 publishes with each commit batch. Default: 1000. At most 60 000.
    pub epoch_ms: u64,
    /// Seconds after which an epoch is made even without events. Default: 60. From 1 to 3600.
    pub heartbeat_s: u64,
}

/// Where things lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Paths {
    /// Private keys, mode 0600. Default: `keys`.
    pub keys: PathBuf,
    /// Master files; the number zone's is `<apex>zone`. Default: `zones`.
    pub zones: PathBuf,
    /// The charter: `charter.md` and `policy.toml`. Default: `charter`.
    pub charter: PathBuf,
    /// The ledger. Default: `data`.
    pub data: PathBuf,
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 5300))],
            tls_listen: Vec::new(),
            quic_listen: Vec::new(),
            https_listen: Vec::new(),
            tls_cert: PathBuf::new(),
            tls_key: PathBuf::new(),
            udp_threads: 0,
            pin_threads: false,
            connections_max: 1024,
            connections_per_prefix_max: 32,
            tcp_idle_s: 10,
            tcp_patience_s: 5,
            missed_pct_max: 95,
            version: String::new(),
            identity: String::new(),
            nsid: String::new(),
            cookie_secrets: PathBuf::new(),
            filler_per_s: 5_000,
            transfers_max: 8,
        }
    }
}

impl Default for Publish {
    fn default() -> Self {
        Self { epoch_ms: 1000, heartbeat_s: 60 }
    }
}

impl Default for Paths {
    fn default() -> Self {
        Self { keys: "keys".into(), zones: "zones".into(), charter: "charter".into(), data: "data".into() }
    }
}

/// What is wrong with a configuration; every mistake that can be told at once.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "cannot read {path}: {source}. Make an installation with `callbook init --dir DIR --apex NAME`, or name one with --dir"
    )]
    Unreadable {
        /// The file that was tried.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not TOML, an unknown key or a value of the wrong type; the text names line and column.
    #[error("{path}: {why}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The parser's words, with the line.
        why: String,
    },
    /// Values out of bounds.
    #[error("{path}:\n  {}", mistakes.join("\n  "))]
    Values {
        /// The file.
        path: PathBuf,
        /// One line a mistake: key, value, what would be accepted.
        mistakes: Vec<String>,
    },
}

impl Config {
    /// A configuration with the defaults for an apex and a host.
    pub fn new(apex: &str, host: &str) -> Self {
        Self {
            apex: absolute(apex),
            host: host.to_owned(),
            dns: Dns::default(),
            dnssec: Dnssec::default(),
            delegation: Delegation::default(),
            escrow: Escrow::default(),
            limits: Limits::default(),
            http: Http::default(),
            audit: Audit::default(),
            console: Console::default(),
            webhooks: Webhooks::default(),
            publish: Publish::default(),
            log: Log::default(),
            paths: Paths::default(),
            zone: Vec::new(),
            catalog: Vec::new(),
            tsig: Vec::new(),
        }
    }

    /// Reads and checks `dir/config.toml`; relative paths become relative to `dir`.
    pub fn load(dir: &Path) -> Result<Self, ConfigError> {
        let path = dir.join(FILE_NAME);
        let text =
            std::fs::read_to_string(&path).map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
        Ok(Self::parse(&text, &path)?.under(dir))
    }

    /// The same with relative paths seen from `dir`.
    pub fn under(mut self, dir: &Path) -> Self {
        if !self.dns.cookie_secrets.as_os_str().is_empty() {
            self.dns.cookie_secrets = dir.join(&self.dns.cookie_secrets);
        }
        let paths = &mut self.paths;
        for place in [&mut paths.keys, &mut paths.zones, &mut paths.charter, &mut paths.data] {
            *place = dir.join(&*place);
        }
        for file in [&mut self.dns.tls_cert, &mut self.dns.tls_key, &mut self.http.tls_cert, &mut self.http.tls_key] {
            if !file.as_os_str().is_empty() {
                *file = dir.join(&*file);
            }
        }
        self.zone.iter_mut().for_each(|zone| zone.under(dir, &self.paths.zones));
        self.tsig.iter_mut().for_each(|key| key.file = dir.join(&key.file));
        self.dnssec.under(dir);
        self.delegation.under(dir);
        self.escrow.under(dir);
        self.audit.under(dir);
        self.webhooks.under(dir);
        self.log.under(dir);
        self
    }

    /// Reads and checks a configuration text; `path` is only for the errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text)
            .map_err(|e| ConfigError::Syntax { path: path.to_owned(), why: e.to_string().trim_end().to_owned() })?;
        config.apex = absolute(&config.apex);
        statics::complete_names(&mut config.zone, &mut config.catalog, &mut config.tsig);
        let mistakes = config.mistakes();
        if mistakes.is_empty() { Ok(config) } else { Err(ConfigError::Values { path: path.to_owned(), mistakes }) }
    }

    /// The number zone's master file.
    pub fn zone_file(&self) -> PathBuf {
        self.paths.zones.join(format!("{}zone", self.apex))
    }

    /// The file of the blocks that are delegated by command, beside the number zone's.
    pub fn delegations_file(&self) -> PathBuf {
        self.paths.zones.join(format!("{}delegations", self.apex))
    }

    fn mistakes(&self) -> Vec<String> {
        let mut found = self.dns.mistakes();
        let (apex, zones, catalogs, keys) = (&*self.apex, &*self.zone, &*self.catalog, &*self.tsig);
        found.extend(statics::Statics { apex, zones, catalogs, keys }.mistakes());
        let mut need = |ok: bool, text: String| {
            if !ok {
                found.push(text);
            }
        };
        need(
            is_domain(&self.apex),
            format!(
                "apex = {:?}: a domain name of letters, digits and hyphens is needed, such as \"e164.example.\"",
                self.apex
            ),
        );
        need(
            is_domain(&absolute(&self.host)),
            format!("host = {:?}: a host name is needed, such as \"directory.example\"", self.host),
        );
        for (key, text) in [("version", &self.dns.version), ("identity", &self.dns.identity), ("nsid", &self.dns.nsid)]
        {
            need(text.len() <= 255, format!("dns.{key} has {} octets: at most 255", text.len()));
        }
        need(
            self.dns.missed_pct_max <= 100,
            format!("dns.missed_pct_max = {}: at most 100 (of a hundred)", self.dns.missed_pct_max),
        );
        need(
            self.dns.filler_per_s <= 1_000_000,
            format!("dns.filler_per_s = {}: at most 1000000", self.dns.filler_per_s),
        );
        need(
            self.publish.epoch_ms <= 60_000,
            format!("publish.epoch_ms = {}: at most 60000 (one minute)", self.publish.epoch_ms),
        );
        need(
            (1..=3600).contains(&self.publish.heartbeat_s),
            format!("publish.heartbeat_s = {}: from 1 to 3600 (one hour)", self.publish.heartbeat_s),
        );
        found.extend(self.audit.mistakes());
        found.extend(self.dnssec.mistakes());
        found.extend(self.delegation.mistakes());
        found.extend(self.escrow.mistakes());
        found.extend(self.log.mistakes());
        found.extend(self.limits.mistakes());
        found.extend(self.http.mistakes());
        found.extend(self.console.mistakes());
        found
    }
}

impl Dns {
    /// Whether any transport needs a certificate.
    pub fn is_encrypted(&self) -> bool {
        [&self.tls_listen, &self.quic_listen, &self.https_listen].iter().any(|addresses| !addresses.is_empty())
    }

    fn mistakes(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (key, file) in [("tls_cert", &self.tls_cert), ("tls_key", &self.tls_key)] {
            if self.is_encrypted() && file.as_os_str().is_empty() {
                found.push(format!(
                    "dns.{key} is missing: DNS over TLS, QUIC and HTTPS need tls_cert and tls_key, PEM files such as \"tls/chain.pem\" and \"tls/key.pem\""
                ));
            }
        }
        for (one, addresses, other, taken) in [
            ("tls_listen", &self.tls_listen, "listen", &self.listen),
            ("https_listen", &self.https_listen, "listen", &self.listen),
            ("https_listen", &self.https_listen, "tls_listen", &self.tls_listen),
            ("quic_listen", &self.quic_listen, "listen", &self.listen),
        ] {
            if let Some(twice) = addresses.iter().find(|address| address.port() != 0 && taken.contains(address)) {
                found.push(format!("dns.{one} has {twice}, which dns.{other} has too: give it a port of its own"));
            }
        }
        if self.listen.is_empty() {
            found.push("dns.listen is empty: give at least one address, such as \"127.0.0.1:5300\"".to_owned());
        }
        for (key, value, from, to) in [
            ("udp_threads", self.udp_threads as u64, 0, 256),
            ("connections_max", self.connections_max as u64, 1, 65_536),
            ("connections_per_prefix_max", self.connections_per_prefix_max as u64, 1, 65_536),
            ("tcp_idle_s", self.tcp_idle_s, 1, 600),
            ("tcp_patience_s", self.tcp_patience_s, 1, 60),
            ("transfers_max", self.transfers_max as u64, 1, 256),
        ] {
            if !(from..=to).contains(&value) {
                found.push(format!("dns.{key} = {value}: from {from} to {to}"));
            }
        }
        found
    }
}

/// A domain name in lower case with its final dot.
fn absolute(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.').to_ascii_lowercase())
}

/// Whether this is an absolute host-like domain name (RFC 1123 2.1) that leaves room for a number's labels below it.
fn is_domain(name: &str) -> bool {
    /// 15 digit labels, a purpose label and the 56-character hash labels must still fit into 255 octets (RFC 1035 2.3.4).
    const OCTETS_MAX: usize = 160;
    let Some(labels) = name.strip_suffix('.') else { return false };
    name.len() <= OCTETS_MAX
        && labels.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("config.toml"))
    }

    #[test]
    fn the_file_written_is_the_file_read() {
        let config = Config::new("E164.Example", "dir.example");
        assert_eq!(parse(&config.to_file()).unwrap(), config);
        assert_eq!(config.apex, "e164.example.");
        assert_eq!(config.zone_file(), Path::new("zones/e164.example.zone"));
    }

    #[test]
    fn two_keys_are_enough() {
        assert_eq!(
            parse("apex = \"e164.example\"\nhost = \"dir.example\"").unwrap(),
            Config::new("e164.example.", "dir.example")
        );
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let error =
            parse("apex = \"e164.example\"\nhost = \"dir.example\"\n[dns]\nlisen = []").unwrap_err().to_string();
        assert!(error.contains("lisen") && error.contains("line 4"), "{error}");
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let text = "apex = \"a b.\"\nhost = \"-\"\n[dns]\nlisten = []\nudp_threads = 300\nfiller_per_s = 1000001\nconnections_max = 0\n\
                    connections_per_prefix_max = 65537\ntcp_idle_s = 0\ntcp_patience_s = 61\n\
                    [dnssec]\nalgorithm = 8\nzsk_life_d = 3651\nksk_life_d = 3651\nremoved_keep_d = 3651\nds_ttl_s = 604801\npropagation_s = 604801\n\
                    parent = [\"192.0.2.1:53\", \"192.0.2.1:53\"]\n[publish]\nepoch_ms = 60001\nheartbeat_s = 0\n\
                    [delegation]\npoll_s = 604801";
        let error = parse(text).unwrap_err().to_string();
        for key in [
            "apex",
            "host",
            "dns.listen",
            "dnssec.algorithm",
            "delegation.poll_s",
            "publish.epoch_ms",
            "publish.heartbeat_s",
        ] {
            assert!(error.contains(key), "{key} is missing in: {error}");
        }
        for key in
            ["zsk_life_d =", "ksk_life_d =", "removed_keep_d =", "ds_ttl_s =", "propagation_s =", "parent has 192"]
        {
            assert!(error.contains(&format!("dnssec.{key}")), "{key} is missing in: {error}");
        }
        for key in [
            "udp_threads",
            "filler_per_s",
            "connections_max",
            "connections_per_prefix_max",
            "tcp_idle_s",
            "tcp_patience_s",
        ] {
            assert!(error.contains(&format!("dns.{key} =")), "{key} is missing in: {error}");
        }
    }

    #[test]
    fn encrypted_transports_need_a_certificate_and_ports_of_their_own() {
        let head = "apex = \"a.example\"\nhost = \"a.example\"\n[dns]\nlisten = [\"127.0.0.1:53\"]\n";
        for (key, clash) in [("tls", "127.0.0.1:53"), ("quic", "127.0.0.1:53"), ("https", "127.0.0.1:53")] {
            let error = parse(&format!("{head}{key}_listen = [\"{clash}\"]")).unwrap_err().to_string();
            assert!(error.contains("dns.tls_cert is missing") && error.contains("dns.tls_key is missing"), "{error}");
            assert!(error.contains(&format!("dns.{key}_listen has {clash}")), "{error}");
        }
        let files = "tls_cert = \"tls/chain.pem\"\ntls_key = \"/tls/key.pem\"\n";
        let right = "tls_listen = [\"127.0.0.1:853\"]\nquic_listen = [\"127.0.0.1:853\"]\n";
        let config = parse(&format!("{head}{files}{right}")).unwrap().under(Path::new("/dir"));
        assert_eq!(config.dns.tls_cert, Path::new("/dir/tls/chain.pem"));
        assert_eq!(config.dns.tls_key, Path::new("/tls/key.pem"));
        assert_eq!(parse(&config.to_file()).unwrap(), config);
    }

    #[test]
    fn a_passphrase_is_in_a_file_beside_the_configuration_or_a_credential() {
        let head = "apex = \"a.example\"\nhost = \"a.example\"\n[dnssec]\n";
        let place = |text: &str| {
            let config = parse(&format!("{head}passphrase_file = \"{text}\"")).unwrap().under(Path::new("/dir"));
            assert_eq!(parse(&config.to_file()).unwrap(), config);
            config.dnssec.passphrase_file.to_string()
        };
        assert_eq!(place("secret/passphrase"), "/dir/secret/passphrase");
        assert_eq!(place("/run/passphrase"), "/run/passphrase");
        assert_eq!(place("credential:zone-keys"), "credential:zone-keys");
        assert!(!parse(head).unwrap().under(Path::new("/dir")).dnssec.passphrase_file.is_set());
        for text in ["credential:", "credential:../etc/shadow"] {
            let error = parse(&format!("{head}passphrase_file = \"{text}\"")).unwrap_err().to_string();
            assert!(error.contains("dnssec.passphrase_file"), "{error}");
        }
    }

    #[test]
    fn a_missing_file_tells_how_to_make_one() {
        let error = Config::load(Path::new("/nonexistent")).unwrap_err().to_string();
        assert!(error.contains("callbook init"), "{error}");
    }
}

//! The zone's keys: which there are, how long they live, and who its parent is.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Pkcs11;
use crate::seal::Lock;

/// Signatures over the number zone, and the life of its keys (docs/keys.md).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dnssec {
    /// The algorithm of the first keys: 13 (ECDSA P-256) or 15 (Ed25519). Default: 13. Later it is changed by a roll.
    pub algorithm: u8,
    /// Whether one key signs everything, instead of a KSK and a ZSK; a change takes effect with the next roll of the key
    /// that the parent knows. Default: false.
    pub csk: bool,
    /// Days that a ZSK signs until the next one takes over; 0: until it is asked for. Default: 30. At most 3650.
    pub zsk_life_d: u32,
    /// Days that a KSK or CSK is used until the next one takes over; 0: until it is asked for. Default: 365. At most 3650.
    pub ksk_life_d: u32,
    /// Every server of the parent zone, such as `192.0.2.1:53`: they are asked for the DS. Default: none, the operator
    /// confirms what the parent has. At most 32.
    pub parent: Vec<SocketAddr>,
    /// TTL of the DS RRset in the parent in seconds, if it is higher than what its servers show. Default: 86 400. At most
    /// 604 800.
    pub ds_ttl_s: u32,
    /// Seconds until all servers of this zone, or of its parent, serve a change. Default: 300. At most 604 800.
    pub propagation_s: u32,
    /// Whether resolvers pin the zone's key and follow its rolls by themselves (RFC 5011): a new key is then shown for 32
    /// days before the old one goes, which leaves revoked. Default: false.
    pub rfc5011: bool,
    /// Days that the file of a removed key is kept. Default: 30. At most 3650.
    pub removed_keep_d: u32,
    /// The file whose one line is the passphrase that seals private keys, mode 0600, or `credential:NAME` for one that
    /// systemd hands over; the authority's own keys in the same folder are sealed too. Default: none, new keys are plain.
    pub passphrase_file: Lock,
    /// The token that holds keys. Default: none, they are files.
    pub pkcs11: Pkcs11,
}

impl Default for Dnssec {
    fn default() -> Self {
        Self {
            algorithm: 13,
            csk: false,
            zsk_life_d: 30,
            ksk_life_d: 365,
            parent: Vec::new(),
            ds_ttl_s: 86_400,
            propagation_s: 300,
            rfc5011: false,
            removed_keep_d: 30,
            passphrase_file: Lock::default(),
            pkcs11: Pkcs11::default(),
        }
    }
}

impl Dnssec {
    /// What is out of bounds, a line a mistake.
    pub(super) fn mistakes(&self) -> Vec<String> {
        /// Ten years: longer means never, which is 0.
        const LIFE_D_MAX: u32 = 3_650;
        /// A week: no parent takes longer, and longer TTLs are cut by resolvers (RFC 8767 4).
        const WAIT_S_MAX: u32 = 604_800;
        let mut found = Vec::new();
        if !matches!(self.algorithm, 13 | 15) {
            found.push(format!("dnssec.algorithm = {}: 13 (ECDSA P-256) or 15 (Ed25519)", self.algorithm));
        }
        for (key, value, max) in [
            ("zsk_life_d", self.zsk_life_d, LIFE_D_MAX),
            ("ksk_life_d", self.ksk_life_d, LIFE_D_MAX),
            ("removed_keep_d", self.removed_keep_d, LIFE_D_MAX),
            ("ds_ttl_s", self.ds_ttl_s, WAIT_S_MAX),
            ("propagation_s", self.propagation_s, WAIT_S_MAX),
        ] {
            if value > max {
                found.push(format!("dnssec.{key} = {value}: at most {max}"));
            }
        }
        found.extend(parent_mistakes("dnssec.parent", &self.parent));
        if !self.passphrase_file.is_well_formed() {
            found.push(format!(
                "dnssec.passphrase_file = \"{}\": after credential: comes the name that the unit's LoadCredential= has, without a slash",
                self.passphrase_file
            ));
        }
        found.extend(self.pkcs11.mistakes());
        found
    }

    /// With the files of passphrase and PIN seen from `dir`, and the folder that systemd names to a service with credentials.
    #[allow(clippy::disallowed_methods)] // the environment says where that folder is
    pub(crate) fn under(&mut self, dir: &Path) {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        self.passphrase_file = std::mem::take(&mut self.passphrase_file).under(dir, credentials.clone());
        self.pkcs11.under(dir, credentials);
    }
}

/// What is wrong with the servers of a parent, a line a mistake.
pub(super) fn parent_mistakes(key: &str, parent: &[SocketAddr]) -> Vec<String> {
    /// The root has 26 addresses.
    const PARENT_MAX: usize = 32;
    let mut found = Vec::new();
    if parent.len() > PARENT_MAX {
        found.push(format!("{key} has {} addresses: at most {PARENT_MAX}", parent.len()));
    }
    if let Some(twice) = parent.iter().find(|one| parent.iter().filter(|other| other == one).count() > 1) {
        found.push(format!("{key} has {twice} twice: name each server once"));
    }
    found
}

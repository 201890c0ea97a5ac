//! What audits of validation entities use beside the directory itself: a public beacon, and who sends codes.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The part of audits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// The name of the public beacon whose rounds make the seeds of draws: of drand, the hash of its chain. Default: none.
    pub beacon_chain: String,
    /// When its round 1 came, Unix seconds. Default: 0.
    pub beacon_genesis_s: u64,
    /// Seconds between its rounds. Default: 30.
    pub beacon_period_s: u64,
    /// Who sends codes for spot checks: `https://…`, `smpp://SYSTEM-ID@HOST:PORT` or `sip:USER@HOST:PORT`. Default: nobody.
    pub sender: String,
    /// The file with the hook's bearer token or the SMPP password. Default: none.
    pub sender_secret_file: PathBuf,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            beacon_chain: String::new(),
            beacon_genesis_s: 0,
            beacon_period_s: 30,
            sender: String::new(),
            sender_secret_file: PathBuf::new(),
        }
    }
}

impl Audit {
    /// Paths as seen from the folder of the configuration file.
    pub(super) fn under(&mut self, dir: &Path) {
        if !self.sender_secret_file.as_os_str().is_empty() {
            self.sender_secret_file = dir.join(&self.sender_secret_file);
        }
    }
}

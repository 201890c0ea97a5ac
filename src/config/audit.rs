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
    /// What cannot be meant.
    pub(super) fn mistakes(&self) -> Vec<String> {
        /// A day: a slower beacon would hold audits up.
        const PERIOD_S_MAX: u64 = 86_400;
        /// Of drand, a chain's hash has 64 digits.
        const CHAIN_LEN_MAX: usize = 128;
        let mut found = Vec::new();
        let visible =
            self.beacon_chain.len() <= CHAIN_LEN_MAX && self.beacon_chain.bytes().all(|b| b.is_ascii_graphic());
        if !visible {
            found.push(format!("audit.beacon_chain: at most {CHAIN_LEN_MAX} visible ASCII characters"));
        }
        if !self.beacon_chain.is_empty() && self.beacon_genesis_s == 0 {
            found.push("audit.beacon_genesis_s is missing: when round 1 of the beacon came, Unix seconds".to_owned());
        }
        if !(1..=PERIOD_S_MAX).contains(&self.beacon_period_s) {
            found.push(format!("audit.beacon_period_s = {}: 1 to {PERIOD_S_MAX} seconds", self.beacon_period_s));
        }
        let known = ["https://", "http://", "smpp://", "sip:"].iter().any(|form| self.sender.starts_with(form));
        if !self.sender.is_empty() && !known {
            found.push(
                "audit.sender: https://…, smpp://SYSTEM-ID@HOST:PORT or sip:USER@HOST:PORT; empty for nobody"
                    .to_owned(),
            );
        }
        found
    }

    /// Paths as seen from the folder of the configuration file.
    pub(super) fn under(&mut self, dir: &Path) {
        if !self.sender_secret_file.as_os_str().is_empty() {
            self.sender_secret_file = dir.join(&self.sender_secret_file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_told() {
        assert_eq!(Audit::default().mistakes(), Vec::<String>::new());
        let wrong = Audit {
            beacon_chain: "two words".into(),
            beacon_genesis_s: 0,
            beacon_period_s: 0,
            sender: "mailto:me".into(),
            sender_secret_file: PathBuf::new(),
        };
        assert_eq!(wrong.mistakes().len(), 4, "{:?}", wrong.mistakes());
        let good = Audit {
            beacon_chain: "52db9ba7".into(),
            beacon_genesis_s: 1_692_803_367,
            beacon_period_s: 3,
            sender: "smpp://dir@127.0.0.1:2775".into(),
            sender_secret_file: PathBuf::new(),
        };
        assert_eq!(good.mistakes(), Vec::<String>::new());
    }
}

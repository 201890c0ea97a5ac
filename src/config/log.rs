//! Who signs the public log, and where it is remembered what was signed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The part of the public log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// The folder of what was signed last (`log.state`, `gov.state`); on no backup that is restored together with the ledger.
    /// Default: empty, the folder of the keys.
    pub signer_state: PathBuf,
}

impl Log {
    /// Paths as seen from the folder of the configuration file.
    pub(super) fn under(&mut self, dir: &Path) {
        if !self.signer_state.as_os_str().is_empty() {
            self.signer_state = dir.join(&self.signer_state);
        }
    }

    /// The folder of what was signed last, of an installation whose keys lie in `keys`.
    pub fn state_folder(&self, keys: &Path) -> PathBuf {
        if self.signer_state.as_os_str().is_empty() { keys.to_owned() } else { self.signer_state.clone() }
    }
}

//! Who signs the public log, and where it is remembered what was signed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The part of the public log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// The era of the map log, the last part of its name. Raised by one when the council closes a log for ever, and only
    /// together with `callbook log new-era`. Default: 0.
    pub era: u64,
    /// The folder of what was signed last (`log.state`, `gov.state`); on no backup that is restored together with the ledger.
    /// Default: empty, the folder of the keys.
    pub signer_state: PathBuf,
    /// The socket of a signer in a process of its own, `unix:/path`, which has the only copy of `log.key` and `gov.key`.
    /// Default: empty, this process signs.
    pub signer: String,
    /// The file that says which witnesses cosign the checkpoints of the map log, and how many must. Default: none.
    pub witnesses: PathBuf,
}

/// What the place of a socket begins with.
const UNIX: &str = "unix:";
/// The system's bound on the path of a socket is 107; a new one is made beside it under a longer name.
const SOCKET_BYTES_MAX: usize = 99;

impl Log {
    /// Paths as seen from the folder of the configuration file.
    pub(super) fn under(&mut self, dir: &Path) {
        if !self.signer_state.as_os_str().is_empty() {
            self.signer_state = dir.join(&self.signer_state);
        }
        if !self.witnesses.as_os_str().is_empty() {
            self.witnesses = dir.join(&self.witnesses);
        }
        if let Some(path) = self.socket() {
            self.signer = format!("{UNIX}{}", dir.join(path).display());
        }
    }

    /// The socket of the signer, if it is another process.
    pub fn socket(&self) -> Option<PathBuf> {
        self.signer.strip_prefix(UNIX).map(PathBuf::from)
    }

    /// What cannot be, a line a mistake.
    pub(super) fn mistakes(&self) -> Vec<String> {
        let mut found = Vec::new();
        let path = self.signer.strip_prefix(UNIX);
        if !self.signer.is_empty() && path.is_none_or(|path| path.is_empty() || path.len() > SOCKET_BYTES_MAX) {
            let text = &self.signer;
            found.push(format!(
                "log.signer = {text:?}: \"unix:PATH\" is needed, a socket's path of at most {SOCKET_BYTES_MAX} octets; or \"\", and this process signs"
            ));
        }
        if !self.signer.is_empty() && !self.signer_state.as_os_str().is_empty() {
            found
                .push("log.signer_state is set beside log.signer: a signer of its own is told with --state".to_owned());
        }
        found
    }

    /// The folder of what was signed last, of an installation whose keys lie in `keys`.
    pub fn state_folder(&self, keys: &Path) -> PathBuf {
        if self.signer_state.as_os_str().is_empty() { keys.to_owned() } else { self.signer_state.clone() }
    }
}

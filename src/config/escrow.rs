//! Where escrow deposits go, and for whom they are encrypted.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The part of escrow. When a deposit is due the charter says (10.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Escrow {
    /// The escrow agent's public key, `age1…`. Default: empty, the service makes no deposits.
    pub recipient: String,
    /// The folder that deposits are written to; bringing them to the agent is another program's work.
    /// Default: empty, `escrow` beside the configuration file.
    pub folder: PathBuf,
}

impl Escrow {
    /// Paths as seen from the folder of the configuration file.
    pub(super) fn under(&mut self, dir: &Path) {
        if !self.folder.as_os_str().is_empty() {
            self.folder = dir.join(&self.folder);
        }
    }

    /// Where deposits are written, of an installation in `dir`.
    pub fn folder_of(&self, dir: &Path) -> PathBuf {
        if self.folder.as_os_str().is_empty() { dir.join("escrow") } else { self.folder.clone() }
    }

    /// What cannot be, a line a mistake.
    pub(super) fn mistakes(&self) -> Option<String> {
        if self.recipient.is_empty() {
            return None;
        }
        let wrong = crate::seal::age::Recipient::parse(&self.recipient).err()?;
        Some(format!("escrow.recipient = {:?}: {wrong}", self.recipient))
    }
}

//! Where escrow deposits go, and for whom they are encrypted.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The part of escrow. When a deposit is due the charter says (10.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Escrow {
    /// The escrow agent's public key, `age1…`. Default: empty, the service makes no deposits.
    pub recipient: String,
    /// The folder that deposits are written to; bringing them to the agent is another program's work. Default: `escrow`.
    pub folder: PathBuf,
}

impl Default for Escrow {
    fn default() -> Self {
        Self { recipient: String::new(), folder: "escrow".into() }
    }
}

impl Escrow {
    /// Paths as seen from the folder of the configuration file.
    pub(super) fn under(&mut self, dir: &Path) {
        self.folder = dir.join(&self.folder);
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

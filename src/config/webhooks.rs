//! Where webhooks may go, beyond what everybody's may.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The part of webhooks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Webhooks {
    /// Whether endpoints on this machine are allowed, also without TLS: for development and tests. Default: false.
    pub loopback: bool,
    /// The only certification authorities that endpoints may have, PEM. Default: none, the public ones are meant.
    pub ca_file: PathBuf,
}

impl Webhooks {
    /// Paths as seen from the folder of the configuration file.
    pub(super) fn under(&mut self, dir: &Path) {
        if !self.ca_file.as_os_str().is_empty() {
            self.ca_file = dir.join(&self.ca_file);
        }
    }
}

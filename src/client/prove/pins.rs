//! What a caller remembers from one proof to the next, as a file of its own: how far the log had come, so that it can neither
//! shrink nor fork unseen, and which keys a contact had, so that a change is told.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::client::prove::changes::Pending;
use crate::log::Hash;
use crate::log::bytes::{array_from_base64, from_base64};
use crate::log::state::State;

/// The longest file that is read: some ten thousand contacts.
const FILE_LEN_MAX: u64 = 4 * 1024 * 1024;

/// A file of pins that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PinsError {
    /// The file system says no.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{} is no file of pins ({why}): move it away, or name another", path.display())]
    Form {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    /// The logs, by origin.
    #[serde(default)]
    pub(super) logs: BTreeMap<String, PinnedLog>,
    /// The contacts, by number.
    #[serde(default)]
    pub(super) contacts: BTreeMap<String, PinnedContact>,
    /// What is watched, by label in base64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) watched: BTreeMap<String, PinnedNumber>,
}

/// How far a number that is watched had come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PinnedNumber {
    /// The origin of the log.
    pub(super) log: String,
    /// The number, if the watcher knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) number: Option<String>,
    /// Its State, base64 of 212 bytes.
    pub(super) state: String,
    /// The proof of that: what the log cannot deny.
    pub(super) proof: String,
    /// The request behind `pending` of that State.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) request: Option<Pending>,
}

impl PinnedNumber {
    /// The State.
    pub(super) fn state(&self) -> Option<State> {
        State::parse(&from_base64(&self.state)?).ok()
    }
}

/// How far a log had come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PinnedLog {
    /// Leaves.
    pub(super) size: u64,
    /// The root over them, base64.
    pub(super) root: String,
    /// The checkpoint itself, signed: what the log cannot deny.
    pub(super) checkpoint: String,
}

impl PinnedLog {
    /// The root.
    pub(super) fn root(&self) -> Option<Hash> {
        array_from_base64(&self.root)
    }
}

/// Which keys a contact had.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PinnedContact {
    /// The thumbprint of the control key, base64url.
    pub(super) control: String,
    /// SHA-256 of each identity key, hex, sorted.
    pub(super) identity: Vec<String>,
}

impl Pins {
    /// Reads the file; nothing is pinned yet if there is none.
    pub fn load(path: &Path) -> Result<Self, PinsError> {
        let failed = |source| PinsError::Io { path: path.to_owned(), source };
        let form = |why: String| PinsError::Form { path: path.to_owned(), why };
        let length = match std::fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            found => found.map_err(failed)?.len(),
        };
        if length > FILE_LEN_MAX {
            return Err(form(format!("it is longer than {FILE_LEN_MAX} bytes")));
        }
        let pins: Self =
            serde_json::from_slice(&std::fs::read(path).map_err(failed)?).map_err(|e| form(e.to_string()))?;
        let sound = pins.logs.values().all(|log| log.root().is_some());
        match sound && pins.watched.values().all(|number| number.state().is_some()) {
            true => Ok(pins),
            false => Err(form("the root of a log is not base64 of 32 bytes, or a State not one of 212".to_owned())),
        }
    }

    /// Writes the file whole or not at all; only its owner may read whom he calls.
    pub fn save(&self, path: &Path) -> Result<(), PinsError> {
        let failed = |source| PinsError::Io { path: path.to_owned(), source };
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let written = (|| {
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            std::fs::rename(&partial, path)
        })();
        written.map_err(failed)
    }
}

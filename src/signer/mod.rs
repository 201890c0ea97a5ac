//! The signer of both logs: a seam, with a memory of its own, so that no log is ever signed in two ways.
//!
//! ```text
//! authority --head, proof from the last one--> signer: compare with its memory, remember (fdatasync), sign --> line
//! ```
//! It behaves like a witness (C2SP tlog-witness): a smaller size, the same size with another root and a bad proof are refused,
//! and the same head again gets the same signature. The memory lies apart from the ledger, so that a ledger that is restored
//! from a backup does not bring an older memory along: that is how a rollback is seen (docs/decisions/0033-signer-with-a-memory.md).

mod frame;
pub mod key_file;
mod local;
mod memory;
mod remote;
mod service;

use std::path::{Path, PathBuf};

pub use crate::signer::local::Local;
pub use crate::signer::memory::{Memory, MemoryError, ORIGIN_BYTES_MAX};
pub use crate::signer::remote::Remote;
pub use crate::signer::service::Service;

pub use crate::log::tile::Log;

use crate::log::Hash;
use crate::log::bytes::Malformed;
use crate::log::checkpoint::Checkpoint;
use crate::log::cosigner::{Refused, Seen};
use crate::log::note::VerifierKey;
use crate::seal::Lock;

/// What a log is to its signer.
impl Log {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Map, Self::Gov];

    /// The purpose of its key.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Map => "log",
            Self::Gov => "gov",
        }
    }

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Map => "map log",
            Self::Gov => "gov log",
        }
    }
}

/// The names of both logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origins {
    /// Of the map log.
    pub map: String,
    /// Of the gov log.
    pub gov: String,
    /// The era of the map log; the first is 0.
    pub era: u64,
}

impl Origins {
    /// Of an era of the directory at `host`.
    pub fn of_era(host: &str, era: u64) -> Self {
        Self { map: format!("{host}/map/{era}"), gov: format!("{host}/gov"), era }
    }

    /// The file in `folder` that says what was signed last of a log. Each era has its own: a closed log is never signed again.
    pub fn state_file(&self, log: Log, folder: &Path) -> PathBuf {
        match (log, self.era) {
            (Log::Map, era) if era > 0 => folder.join(format!("{}-{era}.state", log.key())),
            _ => folder.join(format!("{}.state", log.key())),
        }
    }

    /// The name of one of them.
    pub fn of(&self, log: Log) -> &str {
        match log {
            Log::Map => &self.map,
            Log::Gov => &self.gov,
        }
    }
}

/// Where the signer of an installation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the same process, with the keys of the installation; what was signed last stands in this folder.
    Here(PathBuf),
    /// In a process of its own, behind this socket.
    Socket(PathBuf),
}

/// Why something was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// It does not go on from what was signed before.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Nothing is signed for a log of that name.
    #[error("this signer does not sign for a log {0:?}")]
    Unknown(String),
    /// It is not in the form of what is signed.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// What was signed last is not known, or cannot be remembered.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The signer's process does not do its part.
    #[error(
        "the signer at {path} does not sign: {why}. `callbook signer serve` runs it; what is published goes on until it is back"
    )]
    Away {
        /// Its socket.
        path: PathBuf,
        /// What was seen.
        why: String,
    },
    /// A key refuses.
    #[error(transparent)]
    Key(Box<key_file::KeyError>),
}

/// Whoever signs for the two logs of a directory.
#[derive(Debug)]
pub enum LogSigner {
    /// In this process.
    Local(Box<Local>),
    /// In a process of its own.
    Remote(Box<Remote>),
}

impl LogSigner {
    /// Opens the signer. `keys` is the folder of the installation's keys; `known` are the keys of both logs, if they are
    /// known: without them a signer in a process of its own must be there.
    pub fn open(
        place: &Place,
        keys: &Path,
        lock: &Lock,
        origins: &Origins,
        known: Option<[VerifierKey; 2]>,
    ) -> Result<Self, SignerError> {
        match place {
            Place::Here(state) => Ok(Self::Local(Box::new(Local::open(keys, state, lock, origins)?))),
            Place::Socket(path) => Ok(Self::Remote(Box::new(Remote::open(path, origins, known)?))),
        }
    }

    /// The key to check what is signed of a log.
    pub fn verifier(&self, log: Log) -> &VerifierKey {
        match self {
            Self::Local(local) => local.verifier(log),
            Self::Remote(remote) => remote.verifier(log),
        }
    }

    /// What was signed last of both logs.
    pub fn all_seen(&self) -> Result<[Seen; 2], SignerError> {
        match self {
            Self::Local(local) => Ok([local.seen(Log::Map)?, local.seen(Log::Gov)?]),
            Self::Remote(remote) => remote.all_seen(),
        }
    }

    /// The signature line over a head, when `proof` shows that it goes on from the last one, which had size `old`.
    pub fn sign(&self, head: &Checkpoint, old: u64, proof: &[Hash]) -> Result<String, SignerError> {
        match self {
            Self::Local(local) => local.sign(head, old, proof),
            Self::Remote(remote) => remote.sign(head, old, proof),
        }
    }

    /// The signature line over the text of a leaf of the gov log.
    pub fn sign_leaf(&self, text: &str) -> Result<String, SignerError> {
        match self {
            Self::Local(local) => local.sign_leaf(text),
            Self::Remote(remote) => remote.sign_leaf(text),
        }
    }
}

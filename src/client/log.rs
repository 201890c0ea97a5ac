//! A directory's public logs, checked by whoever wants to: over HTTP or from a folder, and copied into one.
//!
//! ```text
//! place (URL, folder) --> logs and their keys --> head (a signed checkpoint) --> tree (tiles, each shown to belong there)
//!                                                                                  |
//!                        check: the form of every leaf, both logs together <-------+-------> proof: inclusion, consistency
//!                          |
//!                        mirror: the same, and what was checked is stored
//! ```
//!
//! Nothing here trusts the server: it can withhold, and everything else that it does is found.

mod check;
mod head;
mod mirror;
mod place;
mod proof;
mod walk;

use std::path::PathBuf;

use crate::client::provider::ApiError;
use crate::log::misbehaviour::Misbehaviour;
use crate::log::tree::TreeError;

pub use check::{Before, Check, Checked, CheckedLog};
pub use head::{Head, Trust};
pub use mirror::{Mirrored, before_in};
#[cfg(feature = "server")]
pub(crate) use place::Files;
pub use place::{LogAt, Named, Place, named};
pub use proof::{Consistency, Inclusion};
pub use walk::{Leaf, decode};

/// Why a log was not checked, or did not pass.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The server does not answer, or not with a file.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// There is no log.
    #[error(
        "there is no log at {at}: give the address of a directory, of its /v1/log, of one log below that, or a folder that `callbook log mirror` made"
    )]
    NoLog {
        /// Where it was looked for.
        at: String,
    },
    /// There is no key to check it with.
    #[error(
        "no key is known for the log {origin}{given}: name its vkey with --key; the operator publishes it, and GET /v1/log of the directory shows it"
    )]
    NoKey {
        /// The log, by its own word.
        origin: String,
        /// What was tried, in words.
        given: String,
    },
    /// What was asked for is not in the log, or cannot be asked so.
    #[error("{0}")]
    Asked(String),
    /// The log contradicts its own checkpoint, or what a log must be.
    #[error("{log}: {why}")]
    Untrue {
        /// Its name, or where it is.
        log: String,
        /// What is wrong.
        why: String,
    },
    /// Two checkpoints, both signed by the log, that cannot both be true.
    #[error("{log}: {why}")]
    Fork {
        /// Its name.
        log: String,
        /// What is wrong.
        why: String,
        /// The checkpoint of before, and the one of now.
        notes: Box<[String; 2]>,
        /// Where both are kept.
        kept: Vec<PathBuf>,
        /// What proves it to others. None for a log that only became shorter: then nothing that it signed contradicts the rest.
        evidence: Option<Box<Misbehaviour>>,
    },
}

impl LogError {
    /// Whether the log was read and did not pass: then it, or the way to it, is not to be trusted.
    pub const fn is_untrue(&self) -> bool {
        matches!(self, Self::Untrue { .. } | Self::Fork { .. })
    }

    fn untrue(log: &str, why: impl Into<String>) -> Self {
        Self::Untrue { log: log.to_owned(), why: why.into() }
    }

    /// What came of reading tiles of that log.
    pub(crate) fn of(log: &str, error: TreeError<Self>) -> Self {
        match error {
            TreeError::Source(error) => error,
            untrue => Self::untrue(log, untrue.to_string()),
        }
    }
}

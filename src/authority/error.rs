//! Why an authority does not open, and the ways in which it says no.

use crate::ledger::{self, LedgerError};
use crate::log::random::NoRandomness;
use crate::registry::refusal::Refusal;
use crate::signer::SignerError;
use crate::signer::key_file::KeyError;

/// Why an authority does not open. Each text ends with what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The ledger refuses.
    #[error(transparent)]
    Ledger(#[from] ledger::OpenError),
    /// A key refuses.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The signer refuses.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// Reading or writing failed half-way.
    #[error("{0}. Check the disk's space and health, then start again")]
    Storage(#[from] LedgerError),
    /// Two parts that must agree do not.
    #[error("{what}. {remedy}")]
    Disagree {
        /// What does not agree.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// No randomness to be had.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// The system refused.
    #[error("{what}: {source}")]
    Io {
        /// The file or folder.
        what: String,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A no to somebody who asked for something.
#[derive(Debug)]
pub enum Rejection {
    /// The law refuses; every reason that could be told at once.
    Refused(Vec<Refusal>),
    /// There is no such thing for this actor; alike whether it exists for others or for nobody.
    NotFound,
    /// The token does not allow it; why.
    Forbidden(String),
    /// It does not fit what is there; why.
    Conflict(String),
    /// The Idempotency-Key was used for another request.
    IdempotencyReused,
    /// The first request with this Idempotency-Key is still being worked on.
    IdempotencyInFlight,
    /// Too much at a time by this actor; nothing was changed.
    TooMany {
        /// When to try again.
        retry_after_s: u32,
        /// Which bound was met.
        why: String,
    },
    /// A place in a list or feed that no longer exists; why, and the way back in.
    Gone(String),
    /// Not now: the disk is full or too many wait. Nothing was changed.
    Unavailable {
        /// When to try again.
        retry_after_s: u32,
        /// Why, without details of the machine.
        why: String,
    },
    /// The ledger does not agree with what was signed: nothing is changed until somebody has mended that.
    Frozen,
    /// A mistake of ours; it was logged. The text has no details.
    Fault(String),
}

/// A full queue drains in a second or two.
const RETRY_BUSY_S: u32 = 2;
/// A full disk takes a person.
const RETRY_STORAGE_S: u32 = 30;

impl Rejection {
    /// Nothing can be stored just now. Whoever makes many of these at once says so to the log himself, once: a full disk
    /// must not be filled further by its own lament.
    pub(super) fn not_stored() -> Self {
        let why = "changes cannot be stored just now; look-ups go on".to_owned();
        Self::Unavailable { retry_after_s: RETRY_STORAGE_S, why }
    }
}

impl From<LedgerError> for Rejection {
    fn from(error: LedgerError) -> Self {
        let later = |why: &str, retry_after_s| Self::Unavailable { retry_after_s, why: why.to_owned() };
        match error {
            LedgerError::Busy => later("too many changes are waiting", RETRY_BUSY_S),
            LedgerError::Frozen => Self::Frozen,
            LedgerError::Closed => later("the directory is stopping", RETRY_STORAGE_S),
            LedgerError::Unavailable(why) => {
                tracing::error!(%why, "a change was refused: the ledger cannot be written");
                Self::not_stored()
            }
            fault => {
                tracing::error!(error = %fault, "the ledger failed");
                Self::Fault("the ledger failed".to_owned())
            }
        }
    }
}

impl From<NoRandomness> for Rejection {
    fn from(error: NoRandomness) -> Self {
        tracing::error!(%error, "no randomness");
        Self::Fault("no randomness".to_owned())
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(vec![refusal])
    }
}

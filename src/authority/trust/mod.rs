//! The trust repository of an installation: drafts, signatures, publication, and what the running directory signs by itself.
//!
//! ```text
//! charter/trust.toml   the plan: who holds which key. Not published
//! charter/trust-draft/ what is to be signed next, one file a role, and the new targets
//! charter/trust/       what is published: exactly the files that clients read
//! ```

mod draft;
mod facts;
mod live;
mod online;
mod publish;
mod status;
mod store;

pub use draft::{Drafted, DraftedChange, TrustWish, draft, drafted_changes};
pub use facts::{TrustFacts, charter_at_start, facts, register_named};
pub use live::{TrustVitals, check_start};
pub use publish::{Published, publish};
pub use status::{RoleStatus, status};
pub use store::TrustStore;

pub(super) use live::LiveTrust;
pub(super) use online::KEYS;

use std::path::PathBuf;

use crate::authority::error::OpenError;
use crate::charter::trust::Untrusted;
use crate::ledger::LedgerError;
use crate::log::random::NoRandomness;
use crate::signer::key_file::KeyError;

/// Why something could not be done with the repository.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A client would refuse it.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// The plan is wrong.
    #[error("{path}: {why}")]
    Plan {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what would be accepted.
        why: String,
    },
    /// It cannot be done now.
    #[error("{0}")]
    Refused(String),
    /// A key of the directory is not there.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

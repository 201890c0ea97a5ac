//! What can go wrong with the ledger: at the door, and while it works.

use std::path::PathBuf;

use rusqlite::ErrorCode;

/// Why a ledger could not be opened. Each text ends with what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{path} is in use by process {holder}: one ledger serves one process. Stop that one first")]
    InUse {
        /// The lock file.
        path: PathBuf,
        /// The process id that the holder wrote, or `unknown`.
        holder: String,
    },
    /// There is none.
    #[error(
        "there is no ledger at {path}. `callbook init` makes an installation; if there was one, restore it from a backup"
    )]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There is one already, and it is not to be overwritten.
    #[error("{path} exists already: an installation is made once. Choose another directory")]
    Exists {
        /// The file that is there.
        path: PathBuf,
    },
    /// A file that is not a ledger.
    #[error("{path} is not a callbook ledger. Move it away, and restore the ledger from a backup")]
    Alien {
        /// The file.
        path: PathBuf,
    },
    /// Written by a newer program.
    #[error(
        "{path} has format {found}, this program knows up to {known}. Use the newer callbook, or restore a backup made by this one"
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// Bytes that contradict each other.
    #[error("{path} is damaged: {what}. Keep the file for inspection, and restore the ledger from a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        what: String,
    },
    /// The system refused.
    #[error("cannot open {path}: {source}. Check that the directory exists, is writable and has space")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// SQLite refused for another reason.
    #[error("cannot open {path}: {source}")]
    Sql {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

/// Why a read or a write did not happen.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Nothing can be written just now: disk full, file system read-only. Reads go on; trying again later helps.
    #[error("the ledger cannot be written: {0}")]
    Unavailable(String),
    /// More writes wait than the queue holds; trying again soon helps.
    #[error("too many writes are waiting")]
    Busy,
    /// The ledger was closed.
    #[error("the ledger is closed")]
    Closed,
    /// It does not agree with what was published: it is read as it is, and not written.
    #[error("the ledger is frozen: it does not agree with what was signed")]
    Frozen,
    /// Stored bytes that cannot be what was stored.
    #[error("the ledger is damaged: {0}")]
    Damaged(&'static str),
    /// A mistake of ours or of SQLite.
    #[error("ledger: {0}")]
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::OutOfMemory,
            ) => Self::Unavailable(error.to_string()),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged("SQLite reports a malformed file")
            }
            _ => Self::Sql(error),
        }
    }
}

/// Whether an error means that bytes which were written may not be on disk: after that only a restart tells the truth.
pub(super) fn lost_durability(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_IOERR_DIR_FSYNC, SQLITE_IOERR_FSYNC};
    matches!(error.sqlite_error(), Some(e) if [SQLITE_IOERR_FSYNC, SQLITE_IOERR_DIR_FSYNC].contains(&e.extended_code))
}

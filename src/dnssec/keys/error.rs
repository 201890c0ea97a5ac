//! Why keys cannot be used. Each error says what to do.

use std::io;
use std::path::{Path, PathBuf};

use crate::dnssec::life::Refused;
use crate::dnssec::offline::OfflineError;
#[cfg(feature = "pkcs11")]
use crate::dnssec::pkcs11::TokenError;
use crate::dnssec::{KeyId, SignFault};
use crate::seal::SealError;

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The directory or a file in it cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read a private key.
    #[error(
        "{path} can be read by others (mode {mode:04o}): run chmod 600 {path}, and replace the key if anyone may have copied it"
    )]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its mode bits.
        mode: u32,
    },
    /// Not a key of its algorithm, or not the one that its name says.
    #[error("{path} is not the private key that its name says ({reason}): restore it from the backup")]
    Garbage {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: &'static str,
    },
    /// A file that is to be taken in is no private key that is understood.
    #[error(
        "{path} is no private key that can be taken in ({reason}): give a PKCS#8 key in PEM, or BIND's format v1.3, of \
         algorithm 13 or 15"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: &'static str,
    },
    /// There is no key at all.
    #[error(
        "{dir} holds no keys of {apex}: restore them from the backup, or make new ones with `callbook init` if this is a new zone"
    )]
    None {
        /// The directory.
        dir: PathBuf,
        /// The zone.
        apex: String,
    },
    /// The file of a key that is in use is not there.
    #[error(
        "{path} is missing, the private key of {key}: restore it from the backup. No other key is made in its place"
    )]
    Missing {
        /// Where it was expected.
        path: PathBuf,
        /// The key.
        key: KeyId,
    },
    /// Keys without a record, and not enough of them to go on with.
    #[error("{dir} holds keys of {apex}, but none that signs {what}: restore the missing file from the backup")]
    Half {
        /// The directory.
        dir: PathBuf,
        /// The zone.
        apex: String,
        /// `data` or `keys`.
        what: &'static str,
    },
    /// New keys were asked for where there are some.
    #[error("{dir} already holds keys of {apex}: use them, or move them away first if the zone is to get new ones")]
    Exists {
        /// The directory.
        dir: PathBuf,
        /// The zone.
        apex: String,
    },
    /// The record was lost in the middle of a roll of the algorithm.
    #[error(
        "{record} is missing and {dir} holds keys of two algorithms: restore it from the backup; without it, move the keys away \
         that are not of the algorithm of the parent's DS, and roll again later"
    )]
    TwoAlgorithms {
        /// The file that is missing.
        record: PathBuf,
        /// The directory.
        dir: PathBuf,
    },
    /// The record of the keys cannot be read.
    #[error(
        "{path} cannot be read ({why}): restore it from the backup. If there is none, delete it: the keys in the directory then \
         all sign until it is known which are needed"
    )]
    Record {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        why: String,
    },
    /// The record was written by a later version.
    #[error("{path} is of version {version}, which this program does not know: run the newer program that wrote it")]
    RecordVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// Somebody else holds the lock.
    #[error("{path} is held by another callbook that does not go on: end it (`fuser {path}` names it), then try again")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A key that is in use makes no signature now.
    #[error(
        "{key} does not sign now: its token is away, or the system gives no random numbers. Nothing goes on until it does"
    )]
    Silent {
        /// The key.
        key: KeyId,
    },
    /// No free tag was found, or no random numbers.
    #[error("a key could not be made: {0}")]
    Fault(#[from] SignFault),
    /// It cannot be sealed or opened.
    #[error(transparent)]
    Sealed(#[from] SealError),
    /// A file of an offline KSK is not taken.
    #[error(transparent)]
    Offline(#[from] OfflineError),
    /// The token, or a key in it, cannot be used.
    #[cfg(feature = "pkcs11")]
    #[error(transparent)]
    Token(#[from] TokenError),
    /// What was asked for is not possible now.
    #[error(transparent)]
    Refused(#[from] Refused),
}

pub(crate) fn io_at(path: &Path) -> impl Fn(io::Error) -> KeyError {
    let path = path.to_owned();
    move |source| KeyError::Io { path: path.clone(), source }
}

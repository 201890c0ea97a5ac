//! Why a key cannot be sealed or opened, or a token's PIN not be read. Each error says what to do, and none repeats a secret.

use std::io;
use std::path::{Path, PathBuf};

use super::passphrase::OCTETS_MIN;

/// Why a key cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Sealed, and nobody said where the passphrase is.
    #[error(
        "{path} is sealed and no passphrase is configured: set dnssec.passphrase_file in config.toml to the file that holds it, or \
         to \"credential:NAME\""
    )]
    NoPassphrase {
        /// The sealed file.
        path: PathBuf,
    },
    /// There is nothing to seal with.
    #[error(
        "no passphrase is configured: make one (umask 077; openssl rand -base64 32 >FILE), keep a copy of it away from this machine, \
         and set dnssec.passphrase_file in config.toml"
    )]
    NothingToSealWith,
    /// The passphrase is another one.
    #[error(
        "{path} does not open with the passphrase in {place}: give the one that it was sealed with. If a change of the passphrase was \
         cut off, run callbook keys seal --new-passphrase-file again with both. No other key is made in its place"
    )]
    Wrong {
        /// The sealed file.
        path: PathBuf,
        /// Where the passphrase is from.
        place: String,
    },
    /// New keys would be sealed under another passphrase than those that are there.
    #[error(
        "the keys in {folder} are sealed under another passphrase than the one in {place}: configure theirs. To change it, run \
         callbook keys seal --new-passphrase-file"
    )]
    AnotherPassphrase {
        /// The folder of the sealed files.
        folder: PathBuf,
        /// Where the passphrase is from.
        place: String,
    },
    /// Right passphrase, but the octets are not those that were sealed under this name.
    #[error("{path} is damaged, or is another key's file ({reason}): restore it from the backup")]
    Damaged {
        /// The sealed file.
        path: PathBuf,
        /// What does not fit.
        reason: &'static str,
    },
    /// It asks for more work or memory than any file of ours.
    #[error("{path} asks for more than a sealed key of callbook does ({what}): restore it from the backup")]
    Costly {
        /// The sealed file.
        path: PathBuf,
        /// Which parameter, and its bounds.
        what: &'static str,
    },
    /// The passphrase's file cannot be read.
    #[error("cannot read the passphrase in {place}: {source}. Restore the file: without it the sealed keys are lost")]
    Unreadable {
        /// Where it should be.
        place: String,
        /// What the system says.
        source: io::Error,
    },
    /// A credential is named, and there is no folder of credentials.
    #[error(
        "there is no credential {name}: systemd sets CREDENTIALS_DIRECTORY for a unit with LoadCredential= or \
         LoadCredentialEncrypted=. For a command by hand use systemd-run with the same property, or set it to a folder with that file"
    )]
    NoCredentials {
        /// The credential.
        name: String,
    },
    /// Others can read a secret.
    #[error(
        "{path} can be read by others (mode {mode:04o}): run chmod 600 {path}, and think about who may have read it"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode bits.
        mode: u32,
    },
    /// Not a passphrase that protects anything.
    #[error(
        "{place} holds no passphrase ({reason}): write one line of {OCTETS_MIN} to 1024 octets, such as openssl rand -base64 32 prints"
    )]
    NoSecret {
        /// Where it was read.
        place: String,
        /// What does not fit.
        reason: &'static str,
    },
    /// The file of a token's PIN cannot be read.
    #[error("cannot read the PIN in {place}: {source}. Restore the file: without the PIN the token opens for nobody")]
    PinUnreadable {
        /// Where it should be.
        place: String,
        /// What the system says.
        source: io::Error,
    },
    /// Not a PIN.
    #[error("{place} holds no PIN ({reason}): write the token's user PIN as its one line, 1 to 255 octets, mode 0600")]
    NoPin {
        /// Where it was read.
        place: String,
        /// What does not fit.
        reason: &'static str,
    },
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file that was written is not what was to be written; the one before is still in its place.
    #[error("{path} was not written as it should be, and nothing was replaced: look at the disk, then try again")]
    Unfaithful {
        /// The file that was to be replaced.
        path: PathBuf,
    },
    /// The memory that the derivation of a key takes is not there.
    #[error("there are not {mib} MiB of memory to derive a key from the passphrase: free some, then try again")]
    Memory {
        /// How much it takes.
        mib: u32,
    },
    /// No randomness from the system.
    #[error("the system gave no random numbers: nothing was sealed")]
    Random,
}

pub(super) fn io_at(path: &Path) -> impl Fn(io::Error) -> SealError {
    let path = path.to_owned();
    move |source| SealError::Io { path: path.clone(), source }
}

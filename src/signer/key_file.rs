//! A private key as a file: one line, `callbook/key/v1 PURPOSE BASE64(32 bytes)`, mode 0600.
//!
//! The purpose inside makes sure that no file is taken for another, and a text survives every way of copying. Where there is
//! a passphrase the file is sealed.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::log::bytes::{array_from_base64, to_base64};
use crate::log::key::{Algorithm, SigningKey};
use crate::seal::{Beside, Lock, SealError};

const FORM: &str = "callbook/key/v1";
/// Nobody but the owner reads or writes a private key.
const MODE: u32 = 0o600;
/// A key is one short line; whatever is longer is something else.
const LINE_BYTES_MAX: usize = 256;
/// Sealed it has some hundred bytes more.
const FILE_BYTES_MAX: u64 = 16 * 1_024;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is not there.
    #[error(
        "{path} is missing: restore it from the backup. A new key would not fit what was published before, so none is made"
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// There is one already.
    #[error("{path} exists already: keys are made once. Choose another directory")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Others may read it.
    #[error(
        "{path} can be read by others (mode {mode:o}): run `chmod 600 {path}`, and think about who may have read it"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Not a key, or one for another purpose.
    #[error("{path} is not a callbook key for {purpose:?}: restore the right file from the backup")]
    Form {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        purpose: String,
    },
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It cannot be sealed or opened.
    #[error(transparent)]
    Sealed(#[from] SealError),
    /// No randomness to make keys from.
    #[error(transparent)]
    Random(#[from] crate::log::random::NoRandomness),
}

/// Writes the file of a key that is not there yet.
pub fn make(dir: &Path, purpose: &str, secret: &[u8; 32], lock: &Lock) -> Result<(), KeyError> {
    let path = file(dir, purpose);
    let content = content(&path, purpose, secret, lock)?;
    write_new(&path, content.as_bytes()).map_err(|source| KeyError::Io { path, source })
}

/// What the file of a key holds.
pub fn content(path: &Path, purpose: &str, secret: &[u8; 32], lock: &Lock) -> Result<Zeroizing<String>, KeyError> {
    let line = Zeroizing::new(format!("{FORM} {purpose} {}\n", to_base64(secret)));
    Ok(match lock.is_set() {
        true => Zeroizing::new(lock.seal(path, line.as_bytes(), Beside::Others)?),
        false => line,
    })
}

/// Reads a key that signs.
pub fn signing(dir: &Path, purpose: &str, lock: &Lock) -> Result<SigningKey, KeyError> {
    let secret = read(dir, purpose, lock)?;
    SigningKey::from_bytes(Algorithm::Ed25519, &secret)
        .map_err(|_| KeyError::Form { path: file(dir, purpose), purpose: purpose.to_owned() })
}

/// Where a key lies.
pub fn file(dir: &Path, purpose: &str) -> PathBuf {
    dir.join(format!("{purpose}.key"))
}

/// Writes a file durably that only its owner reads; refuses if it is there.
pub fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Reads the secret of a key.
pub fn read(dir: &Path, purpose: &str, lock: &Lock) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let path = file(dir, purpose);
    let at = |source| KeyError::Io { path: path.clone(), source };
    let file = match File::open(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(KeyError::Missing { path }),
        other => other.map_err(at)?,
    };
    let mode = file.metadata().map_err(at)?.permissions().mode() & 0o777;
    if mode & !MODE != 0 {
        return Err(KeyError::Open { path, mode });
    }
    let mut text = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX as usize));
    file.take(FILE_BYTES_MAX).read_to_end(&mut text).map_err(at)?;
    let text = lock.open(&path, text)?;
    secret_of(&text, purpose).ok_or_else(|| KeyError::Form { path, purpose: purpose.to_owned() })
}

fn secret_of(text: &[u8], purpose: &str) -> Option<Zeroizing<[u8; 32]>> {
    let text = std::str::from_utf8(text.get(..text.len().min(LINE_BYTES_MAX))?).ok()?;
    let encoded =
        text.strip_suffix('\n')?.strip_prefix(FORM)?.strip_prefix(' ')?.strip_prefix(purpose)?.strip_prefix(' ')?;
    array_from_base64(encoded).map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_open_or_swapped_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::default();
        for (purpose, secret) in [("log", [1; 32]), ("gov", [2; 32])] {
            make(dir.path(), purpose, &secret, &lock).unwrap();
        }
        assert!(make(dir.path(), "log", &[3; 32], &lock).is_err(), "keys are made once");
        let (log, gov) = (file(dir.path(), "log"), file(dir.path(), "gov"));
        assert_eq!(std::fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::copy(&gov, &log).unwrap();
        assert!(matches!(signing(dir.path(), "log", &lock), Err(KeyError::Form { purpose, .. }) if purpose == "log"));
        std::fs::set_permissions(&gov, PermissionsExt::from_mode(0o640)).unwrap();
        assert!(matches!(read(dir.path(), "gov", &lock), Err(KeyError::Open { mode: 0o640, .. })));
        std::fs::remove_file(&log).unwrap();
        assert!(matches!(signing(dir.path(), "log", &lock), Err(KeyError::Missing { .. })));
    }
}

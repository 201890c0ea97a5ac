//! The authority's own private keys: files in `keys/`, made once by `init`, never made anew in silence.
//!
//! A file is one line, `callbook/key/v1 PURPOSE BASE64(32 bytes)`, mode 0600: the purpose inside makes sure that no file
//! is taken for another, and a text survives every way of copying. Where there is a passphrase the file is sealed.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::log::bytes::{array_from_base64, to_base64};
use crate::log::key::{Algorithm, SigningKey};
use crate::log::random::Random;
use crate::log::vrf;
use crate::seal::{Beside, Lock, SealError};

/// What a key is for; the word stands in its file and is the file's name.
const PURPOSES: [&str; 6] = ["log", "gov", "sequencer", "vrf", "nonce", WEBHOOK];
/// Signs webhooks. An installation from before there were any gets one when it is opened: nothing was signed by another.
pub(super) const WEBHOOK: &str = "webhook";
/// The one before it, which signs too until its owner says that everybody knows the newer.
pub(super) const WEBHOOK_BEFORE: &str = "webhook-before";
const FORM: &str = "callbook/key/v1";
/// Nobody but the owner reads or writes a private key.
const MODE: u32 = 0o600;
/// A key is one short line; whatever is longer is something else.
const LINE_BYTES_MAX: usize = 256;
/// Sealed it has some hundred bytes more.
const FILE_BYTES_MAX: u64 = 16 * 1_024;

/// The keys of one installation.
pub(super) struct Keys {
    /// Signs checkpoints of the map log (Ed25519, as C2SP notes want it).
    pub(super) log: SigningKey,
    /// Signs leaves of the gov log.
    pub(super) gov: SigningKey,
    /// Signs the releases of numbers that lapsed (role 6).
    pub(super) sequencer: SigningKey,
    /// Gives every number its label.
    pub(super) vrf: vrf::SecretKey,
    /// Binds nonces and ephemeral keys to what they were given out for.
    pub(super) nonce: Zeroizing<[u8; 32]>,
}

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
        purpose: &'static str,
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

impl Keys {
    /// Makes every key anew in `dir`, durably; refuses if one of them is there.
    pub(super) fn create(dir: &Path, random: &dyn Random, lock: &Lock) -> Result<(), KeyError> {
        let paths = PURPOSES.map(|purpose| file(dir, purpose));
        if let Some(path) = paths.iter().find(|path| path.exists()) {
            return Err(KeyError::Exists { path: path.clone() });
        }
        for purpose in PURPOSES {
            let mut secret = Zeroizing::new([0; 32]);
            random.fill(&mut *secret)?;
            make(dir, purpose, &secret, lock)?;
        }
        File::open(dir).and_then(|d| d.sync_all()).map_err(|source| KeyError::Io { path: dir.to_owned(), source })
    }

    /// Reads every key from `dir`.
    pub(super) fn open(dir: &Path, lock: &Lock) -> Result<Self, KeyError> {
        Ok(Self {
            log: signing(dir, "log", lock)?,
            gov: signing(dir, "gov", lock)?,
            sequencer: signing(dir, "sequencer", lock)?,
            vrf: vrf::SecretKey::from_seed(&*read(dir, "vrf", lock)?),
            nonce: read(dir, "nonce", lock)?,
        })
    }
}

/// The files of the authority's own keys in `dir`, whether they are there or not.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    PURPOSES.iter().chain([&WEBHOOK_BEFORE]).map(|purpose| file(dir, purpose)).collect()
}

/// Writes the file of a key that is not there yet.
pub(super) fn make(dir: &Path, purpose: &str, secret: &[u8; 32], lock: &Lock) -> Result<(), KeyError> {
    let path = file(dir, purpose);
    let content = content(&path, purpose, secret, lock)?;
    write_new(&path, content.as_bytes()).map_err(|source| KeyError::Io { path, source })
}

/// What the file of a key holds.
pub(super) fn content(
    path: &Path,
    purpose: &str,
    secret: &[u8; 32],
    lock: &Lock,
) -> Result<Zeroizing<String>, KeyError> {
    let line = Zeroizing::new(format!("{FORM} {purpose} {}\n", to_base64(secret)));
    Ok(match lock.is_set() {
        true => Zeroizing::new(lock.seal(path, line.as_bytes(), Beside::Others)?),
        false => line,
    })
}

pub(super) fn signing(dir: &Path, purpose: &'static str, lock: &Lock) -> Result<SigningKey, KeyError> {
    let secret = read(dir, purpose, lock)?;
    SigningKey::from_bytes(Algorithm::Ed25519, &secret)
        .map_err(|_| KeyError::Form { path: file(dir, purpose), purpose })
}

/// Where a key lies.
pub(super) fn file(dir: &Path, purpose: &str) -> PathBuf {
    dir.join(format!("{purpose}.key"))
}

/// Writes a file durably that only its owner reads; refuses if it is there.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn read(dir: &Path, purpose: &'static str, lock: &Lock) -> Result<Zeroizing<[u8; 32]>, KeyError> {
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
    secret_of(&text, purpose).ok_or(KeyError::Form { path, purpose })
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
    use crate::log::random::Seeded;

    #[test]
    fn keys_are_made_once_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        Keys::create(dir.path(), &Seeded::new([1; 32]), &Lock::default()).unwrap();
        let (first, again) =
            (Keys::open(dir.path(), &Lock::default()).unwrap(), Keys::open(dir.path(), &Lock::default()).unwrap());
        assert_eq!(first.log.public(), again.log.public());
        assert_ne!(first.log.public(), first.gov.public());
        assert!(matches!(
            Keys::create(dir.path(), &Seeded::new([2; 32]), &Lock::default()),
            Err(KeyError::Exists { .. })
        ));
        let mode = std::fs::metadata(file(dir.path(), "log")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_missing_open_or_swapped_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        Keys::create(dir.path(), &Seeded::new([1; 32]), &Lock::default()).unwrap();
        let (log, gov) = (file(dir.path(), "log"), file(dir.path(), "gov"));
        std::fs::copy(&gov, &log).unwrap();
        assert!(matches!(Keys::open(dir.path(), &Lock::default()), Err(KeyError::Form { purpose: "log", .. })));
        std::fs::set_permissions(&gov, PermissionsExt::from_mode(0o640)).unwrap();
        assert!(matches!(read(dir.path(), "gov", &Lock::default()), Err(KeyError::Open { mode: 0o640, .. })));
        std::fs::remove_file(&log).unwrap();
        assert!(matches!(Keys::open(dir.path(), &Lock::default()), Err(KeyError::Missing { .. })));
    }

    #[test]
    fn sealed_keys_are_the_same_keys() {
        let dir = tempfile::tempdir().unwrap();
        let (plain, sealed) = (dir.path().join("plain"), dir.path().join("sealed"));
        let passphrase = dir.path().join("passphrase");
        write_new(&passphrase, b"a long passphrase").unwrap();
        let lock = Lock::cheap(&passphrase);
        for (folder, lock) in [(&plain, &Lock::default()), (&sealed, &lock)] {
            std::fs::create_dir(folder).unwrap();
            Keys::create(folder, &Seeded::new([1; 32]), lock).unwrap();
        }
        let keys = [Keys::open(&plain, &lock).unwrap(), Keys::open(&sealed, &lock).unwrap()];
        assert_eq!(keys[0].log.public(), keys[1].log.public());
        assert_eq!(keys[0].nonce, keys[1].nonce);
        for file in files(&sealed).into_iter().filter(|file| file.exists()) {
            assert!(crate::seal::is_sealed(&std::fs::read(file).unwrap()));
        }
        assert!(matches!(Keys::open(&sealed, &Lock::default()), Err(KeyError::Sealed(SealError::NoPassphrase { .. }))));
        std::fs::copy(sealed.join("gov.key"), sealed.join("log.key")).unwrap();
        assert!(matches!(Keys::open(&sealed, &lock), Err(KeyError::Sealed(SealError::Damaged { .. }))));
    }
}

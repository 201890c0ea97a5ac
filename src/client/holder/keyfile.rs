//! Private keys on disk: one line of text that says what it is, readable by its owner only, never overwritten.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::client::holder::DeviceKey;
use crate::log::bytes::{from_base64url, to_base64url};
use crate::log::key::{Algorithm, SigningKey};

/// The longest key file: the longest prefix, 43 characters of key and a line feed fit with room to spare.
const FILE_LEN_MAX: u64 = 256;

/// Why a key file is not read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is a file already; a key is never overwritten.
    #[error("{0} exists already; a key is never overwritten: move it away or name another file")]
    Exists(PathBuf),
    /// Others may read or write the file.
    #[error("{0} is open to other users; close it with: chmod 600 {0}")]
    Open(PathBuf),
    /// The text is not a key of the wanted kind.
    #[error("this is not a key file of the kind `{0}`")]
    Form(&'static str),
    /// The file system says no.
    #[error("{0}: {1}")]
    Io(PathBuf, #[source] io::Error),
}

/// A private key that can be kept as one line of text.
pub trait KeptKey: Sized {
    /// What the text starts with.
    const TAG: &'static str;

    /// The algorithm's name in the text, and the 32 secret bytes.
    fn parts(&self) -> (&'static str, Zeroizing<[u8; 32]>);

    /// The key of these parts.
    fn from_parts(algorithm: &str, secret: &[u8; 32]) -> Option<Self>;
}

/// `callbook-control-key-v1:ed25519:…` or `…:es256:…`.
impl KeptKey for SigningKey {
    const TAG: &'static str = "callbook-control-key-v1";

    fn parts(&self) -> (&'static str, Zeroizing<[u8; 32]>) {
        (name(self.public().algorithm()), self.to_bytes())
    }

    fn from_parts(algorithm: &str, secret: &[u8; 32]) -> Option<Self> {
        let algorithm = [Algorithm::Ed25519, Algorithm::Es256].into_iter().find(|a| name(*a) == algorithm)?;
        Self::from_bytes(algorithm, secret).ok()
    }
}

/// `callbook-device-key-v1:ed25519:…`, `…:es256:…` or `…:x25519:…`.
impl KeptKey for DeviceKey {
    const TAG: &'static str = "callbook-device-key-v1";

    fn parts(&self) -> (&'static str, Zeroizing<[u8; 32]>) {
        match self {
            Self::Signing(key) => key.parts(),
            Self::X25519(secret) => ("x25519", secret.0.clone()),
        }
    }

    fn from_parts(algorithm: &str, secret: &[u8; 32]) -> Option<Self> {
        match algorithm {
            "x25519" => Some(Self::from_x25519_bytes(secret)),
            _ => SigningKey::from_parts(algorithm, secret).map(Self::Signing),
        }
    }
}

/// The key as one line without line feed: tag, algorithm, base64url of the 32 secret bytes, joined by colons.
///
/// ```
/// use callbook::client::holder::{from_text, to_text};
/// use callbook::log::key::{Algorithm, SigningKey};
/// let key = SigningKey::from_bytes(Algorithm::Ed25519, &[7; 32]).unwrap();
/// let text = to_text(&key);
/// assert_eq!(*text, "callbook-control-key-v1:ed25519:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc");
/// assert_eq!(from_text::<SigningKey>(&text).unwrap().public(), key.public());
/// ```
pub fn to_text<K: KeptKey>(key: &K) -> Zeroizing<String> {
    let (algorithm, secret) = key.parts();
    let secret = Zeroizing::new(to_base64url(&*secret));
    Zeroizing::new([K::TAG, ":", algorithm, ":", &secret].concat())
}

/// Reads what [`to_text`] wrote; one line feed at the end is allowed.
pub fn from_text<K: KeptKey>(text: &str) -> Result<K, KeyFileError> {
    let form = || KeyFileError::Form(K::TAG);
    let text = text.strip_suffix('\n').unwrap_or(text);
    let rest = text.strip_prefix(K::TAG).and_then(|rest| rest.strip_prefix(':')).ok_or_else(form)?;
    let (algorithm, secret) = rest.split_once(':').ok_or_else(form)?;
    let raw = Zeroizing::new(from_base64url(secret).ok_or_else(form)?);
    let mut secret = Zeroizing::new([0; 32]);
    if raw.len() != secret.len() {
        return Err(form());
    }
    secret.copy_from_slice(&raw);
    K::from_parts(algorithm, &secret).ok_or_else(form)
}

/// Writes the key into a new file of mode 0600; durable when this returns.
pub fn save<K: KeptKey>(path: &Path, key: &K) -> Result<(), KeyFileError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_owned()),
        _ => KeyFileError::Io(path.to_owned(), error),
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(failed)?;
    let mut text = to_text(key);
    text.push('\n');
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// Reads a key file; refuses one that other users may read or write.
pub fn load<K: KeptKey>(path: &Path) -> Result<K, KeyFileError> {
    let failed = |error| KeyFileError::Io(path.to_owned(), error);
    let file = File::open(path).map_err(failed)?;
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().map_err(failed)?.permissions());
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Open(path.to_owned()));
        }
    }
    // Room for the whole file at once: a buffer that grows would leave copies of the key behind.
    let mut text = Zeroizing::new(String::with_capacity(FILE_LEN_MAX as usize + 1));
    file.take(FILE_LEN_MAX).read_to_string(&mut text).map_err(failed)?;
    from_text(&text)
}

const fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Ed25519 => "ed25519",
        Algorithm::Es256 => "es256",
    }
}

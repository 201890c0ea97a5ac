//! Where a passphrase or a PIN is read: a file for its owner alone, or a credential that systemd hands to the service.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::SealError;

/// A dozen octets that somebody thought of resist for a while; fewer do not.
pub(super) const OCTETS_MIN: usize = 12;
/// Longer lines are other files.
const OCTETS_MAX: usize = 1_024;
/// A token says itself how long its PIN may be; none takes more than this.
const PIN_OCTETS_MAX: usize = 255;
/// What stands before the name of a credential.
pub(super) const CREDENTIAL: &str = "credential:";

/// What the one line of a file is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Secret {
    Passphrase,
    Pin,
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Nowhere,
    File(PathBuf),
    /// A file of this name in the folder that systemd made, if there is one.
    Credential(String, Option<PathBuf>),
}

/// Which content of a file was read: another after every change of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    octets: u64,
    changed: (i64, i64),
}

impl Place {
    /// As it stands in the configuration.
    pub(super) fn of(text: &str) -> Self {
        match text.strip_prefix(CREDENTIAL) {
            _ if text.is_empty() => Self::Nowhere,
            None => Self::File(text.into()),
            Some(name) => Self::Credential(name.to_owned(), None),
        }
    }

    /// The secret, without the end of its line.
    pub(super) fn read(&self, secret: Secret) -> Result<(Zeroizing<Vec<u8>>, Stamp), SealError> {
        let unreadable = |source| secret.unreadable(self, source);
        let path = self.path(secret)?;
        let file = File::open(&path).map_err(unreadable)?;
        let data = file.metadata().map_err(unreadable)?;
        // Of a credential systemd has closed the folder, and the bits show an access list that lets the service in.
        if matches!(self, Self::File(_)) && data.mode() & 0o077 != 0 {
            return Err(SealError::Open { path, mode: data.mode() & 0o7777 });
        }
        let (octets_min, octets_max) = secret.octets();
        let mut line = Zeroizing::new(Vec::with_capacity(OCTETS_MAX + 2));
        file.take(OCTETS_MAX as u64 + 2).read_to_end(&mut line).map_err(unreadable)?;
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let no = |reason| Err(secret.none(self.to_string(), reason));
        match line.len() {
            0 => no("it is empty"),
            octets if octets < octets_min => no("it is too short"),
            octets if octets > octets_max => no("it is too long"),
            _ if line.iter().any(|octet| matches!(octet, b'\n' | b'\r' | 0)) => no("it is not one line of text"),
            _ => Ok((line, Stamp::of(&data))),
        }
    }

    /// Which content would be read now.
    pub(super) fn stamp(&self, secret: Secret) -> Result<Stamp, SealError> {
        let data = std::fs::metadata(self.path(secret)?);
        data.map(|data| Stamp::of(&data)).map_err(|source| secret.unreadable(self, source))
    }

    fn path(&self, secret: Secret) -> Result<PathBuf, SealError> {
        match self {
            Self::Nowhere if secret == Secret::Passphrase => Err(SealError::NothingToSealWith),
            Self::Nowhere => Err(secret.none("dnssec.pkcs11.pin_file".to_owned(), "it is not set")),
            Self::File(path) => Ok(path.clone()),
            Self::Credential(name, Some(folder)) => Ok(folder.join(name)),
            Self::Credential(name, None) => Err(SealError::NoCredentials { name: name.clone() }),
        }
    }

    /// The same, seen from a folder, and with the folder of credentials.
    pub(super) fn under(self, dir: &Path, credentials: Option<PathBuf>) -> Self {
        match self {
            Self::Nowhere => Self::Nowhere,
            Self::File(path) => Self::File(dir.join(path)),
            Self::Credential(name, _) => Self::Credential(name, credentials),
        }
    }
}

impl Secret {
    fn octets(self) -> (usize, usize) {
        match self {
            Self::Passphrase => (OCTETS_MIN, OCTETS_MAX),
            Self::Pin => (1, PIN_OCTETS_MAX),
        }
    }

    fn none(self, place: String, reason: &'static str) -> SealError {
        match self {
            Self::Passphrase => SealError::NoSecret { place, reason },
            Self::Pin => SealError::NoPin { place, reason },
        }
    }

    fn unreadable(self, place: &Place, source: std::io::Error) -> SealError {
        let place = place.to_string();
        match self {
            Self::Passphrase => SealError::Unreadable { place, source },
            Self::Pin => SealError::PinUnreadable { place, source },
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nowhere => Ok(()),
            Self::File(path) => path.display().fmt(f),
            Self::Credential(name, _) => write!(f, "{CREDENTIAL}{name}"),
        }
    }
}

impl Stamp {
    fn of(data: &std::fs::Metadata) -> Self {
        Self { inode: data.ino(), octets: data.size(), changed: (data.mtime(), data.mtime_nsec()) }
    }
}

/// Whether a name can be that of a credential: one file name.
pub(super) fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn one_closed_line_is_a_passphrase_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passphrase");
        let place = Place::of(path.to_str().unwrap());
        let read = |text: &str, mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            place.read(Secret::Passphrase).map(|(line, _)| line.to_vec()).map_err(|e| e.to_string())
        };
        for text in ["a long passphrase", "a long passphrase\n", "a long passphrase\r\n"] {
            assert_eq!(read(text, 0o400).unwrap(), b"a long passphrase");
            fs::remove_file(&path).unwrap();
        }
        for (text, mode, word) in [
            ("", 0o600, "it is empty"),
            ("\n", 0o600, "it is empty"),
            ("eleven octe", 0o600, "too short"),
            (&"x".repeat(1_025), 0o600, "too long"),
            (&"x".repeat(100_000), 0o600, "too long"),
            ("two lines are\nnot one\n", 0o600, "not one line"),
            ("a long passphrase", 0o640, "chmod 600"),
        ] {
            let why = read(text, mode).unwrap_err();
            assert!(why.contains(word) && !why.contains("octe\n") && !why.contains("two lines"), "{why}");
        }
        assert_eq!(read(&"x".repeat(1_024), 0o600).unwrap().len(), 1_024);
        fs::remove_file(&path).unwrap();
        assert!(
            place.read(Secret::Passphrase).err().unwrap().to_string().contains("without it the sealed keys are lost")
        );
    }

    #[test]
    fn a_credential_is_looked_for_in_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("zone-keys");
        fs::write(&path, "handed over by systemd").unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o440)).unwrap(); // as its access lists look
        let place = Place::of("credential:zone-keys");
        assert_eq!(place.to_string(), "credential:zone-keys");
        let without = place.clone().under(dir.path(), None).read(Secret::Passphrase).err().unwrap().to_string();
        assert!(without.contains("CREDENTIALS_DIRECTORY"), "{without}");
        let there = place.under(dir.path(), Some(dir.path().into()));
        assert_eq!(&*there.read(Secret::Passphrase).unwrap().0, b"handed over by systemd");
        assert!(is_name("zone-keys") && !is_name("") && !is_name("..") && !is_name("a/b"));
    }
}

//! Where the PIN of a token is read, each time that it is needed; it is not kept.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::SealError;
use super::passphrase::{Place, Secret, Stamp, is_name};

/// The place of a PIN: the one line of a file of mode 0600, or of a credential. In text it is the place alone, as in the
/// configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Pin {
    place: Place,
}

impl Pin {
    /// Of a file, of `credential:NAME`, or of nothing if the text is empty.
    pub fn of(text: &str) -> Self {
        Self { place: Place::of(text) }
    }

    /// The same, with a path seen from `dir`, and credentials in their folder.
    pub fn under(self, dir: &Path, credentials: Option<PathBuf>) -> Self {
        Self { place: self.place.under(dir, credentials) }
    }

    /// Whether there is a place. It is not looked at.
    pub fn is_set(&self) -> bool {
        self.place != Place::Nowhere
    }

    /// Whether what is configured can be a place.
    pub fn is_well_formed(&self) -> bool {
        match &self.place {
            Place::Credential(name, _) => is_name(name),
            Place::Nowhere | Place::File(_) => true,
        }
    }

    /// Reads the PIN, 1 to 255 octets, and says which content of the file it is from.
    pub fn read(&self) -> Result<(Zeroizing<Vec<u8>>, Stamp), SealError> {
        self.place.read(Secret::Pin)
    }

    /// Which content of the file would be read now.
    pub fn stamp(&self) -> Result<Stamp, SealError> {
        self.place.stamp(Secret::Pin)
    }
}

impl Default for Pin {
    fn default() -> Self {
        Self::of("")
    }
}

impl From<String> for Pin {
    fn from(text: String) -> Self {
        Self::of(&text)
    }
}

impl From<Pin> for String {
    fn from(pin: Pin) -> Self {
        pin.to_string()
    }
}

impl std::fmt::Display for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.place.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn one_closed_line_is_a_pin_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pin");
        let pin = Pin::of("pin").under(dir.path(), None);
        assert!(pin.read().unwrap_err().to_string().contains("without the PIN"));
        let read = |text: &str, mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            pin.read().map(|(line, stamp)| (line.to_vec(), stamp)).map_err(|e| e.to_string())
        };
        let (line, stamp) = read("1234\n", 0o600).unwrap();
        assert_eq!((&*line, pin.stamp().unwrap()), (&b"1234"[..], stamp));
        assert_ne!(read("12345\n", 0o600).unwrap().1, stamp);
        for (text, mode, word) in [
            ("", 0o600, "it is empty"),
            ("12\n34\n", 0o600, "not one line"),
            (&"1".repeat(256), 0o600, "too long"),
            ("1234", 0o640, "chmod 600"),
        ] {
            let why = read(text, mode).unwrap_err();
            assert!(why.contains(word) && !why.contains("12"), "{why}");
        }
        assert!(Pin::default().read().unwrap_err().to_string().contains("dnssec.pkcs11.pin_file"));
        assert!(!Pin::of("credential:a/b").is_well_formed() && !Pin::default().is_set());
    }
}

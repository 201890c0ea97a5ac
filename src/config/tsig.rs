//! The file of a TSIG secret: one line of base64, `#` starts a comment, readable by its owner only.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use zeroize::Zeroizing;

/// Octets of a secret: fewer can be guessed (RFC 8945 8 asks for as many as the hash has), more than a block are hashed anyway.
const OCTETS: std::ops::RangeInclusive<usize> = 16..=128;
/// Read, write, execute for group and others.
const OTHERS: u32 = 0o077;

/// Why a secret cannot be used. What stands in its file is never repeated.
#[derive(Debug, thiserror::Error)]
pub enum TsigFileError {
    /// The file cannot be read.
    #[error("cannot read the TSIG secret in {path}: {source}. Make it with `openssl rand -base64 32`, mode 0600")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Others can read it.
    #[error(
        "{path} can be read by others (mode {mode:03o}): run `chmod 600 {path}`, and replace the secret on both sides"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not one secret.
    #[error(
        "{path} holds no TSIG secret: write one line of base64 of 16 to 128 octets, such as `openssl rand -base64 32` prints"
    )]
    Content {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a secret.
pub fn read_tsig_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, TsigFileError> {
    let unreadable = |source| TsigFileError::Unreadable { path: path.to_owned(), source };
    let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        return Err(TsigFileError::Open { path: path.to_owned(), mode });
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(unreadable)?);
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let mut lines = lines.filter(|line| !line.is_empty());
    let secret = match (lines.next(), lines.next()) {
        (Some(line), None) => BASE64.decode(line.as_bytes()).ok().map(Zeroizing::new),
        _ => None,
    };
    secret
        .filter(|secret| OCTETS.contains(&secret.len()))
        .ok_or_else(|| TsigFileError::Content { path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_openssl_prints_and_refuses_the_rest_without_repeating_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.tsig");
        let read = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            read_tsig_secret(&path)
        };
        let good = "q8ZAE8yKDTfOsQOLzCCJd8D0OEZ3bzI3Hd/EiiXQYQ0=";
        assert_eq!(read(&format!("# of ns2\n{good}\n"), 0o600).unwrap().len(), 32);
        for (text, mode, word) in [
            (good, 0o640, "chmod 600"),
            ("c2hvcnQ=", 0o600, "16 to 128"),
            ("secret words", 0o600, "openssl"),
            ("", 0o600, "openssl"),
            (&format!("{good}\n{good}"), 0o600, "one line"),
        ] {
            let error = read(text, mode).unwrap_err().to_string();
            assert!(error.contains(word) && !error.contains("q8ZA") && !error.contains("words"), "{error}");
        }
        assert!(read_tsig_secret(Path::new("/nonexistent")).is_err());
    }
}

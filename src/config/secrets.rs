//! The file of DNS cookie secrets: one of 32 hexadecimal digits a line, `#` starts a comment, readable by its owner only.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER_PERMISSIVE;

/// More than two at a time serve nobody (RFC 9018 5); some room for slow changes.
const SECRETS_MAX: usize = 8;
/// Read, write, execute for group and others.
const OTHERS: u32 = 0o077;

/// Why the file cannot be used. What stands in it is never repeated.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The file cannot be read.
    #[error("cannot read the cookie secrets in {path}: {source}. Make the file, or leave dns.cookie_secrets empty")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Others can read it.
    #[error("{path} can be read by others (mode {mode:03o}): run `chmod 600 {path}`")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A line that is no secret, or none at all, or too many.
    #[error(
        "{path}: {reason}. Write 1 to {SECRETS_MAX} lines of 32 hexadecimal digits, such as `openssl rand -hex 16` prints"
    )]
    Content {
        /// The file.
        path: PathBuf,
        /// Which line, or how many.
        reason: String,
    },
}

/// Reads the secrets; the first is in use, all are accepted. No path: no secrets.
pub fn read_cookie_secrets(path: &Path) -> Result<Vec<[u8; 16]>, SecretsError> {
    if path.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let unreadable = |source| SecretsError::Unreadable { path: path.to_owned(), source };
    let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        return Err(SecretsError::Open { path: path.to_owned(), mode });
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let content = |reason: String| SecretsError::Content { path: path.to_owned(), reason };
    let mut secrets = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            let octets = HEXLOWER_PERMISSIVE.decode(line.as_bytes()).ok().and_then(|octets| octets.try_into().ok());
            secrets.push(octets.ok_or_else(|| content(format!("line {} is no secret", i + 1)))?);
        }
    }
    match secrets.len() {
        1..=SECRETS_MAX => Ok(secrets),
        other => Err(content(format!("{other} secrets"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_openssl_prints_and_refuses_the_rest_without_repeating_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets");
        let read = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            read_cookie_secrets(&path)
        };
        let two =
            read("# in use\nE5e973e5a6b2a43f48e7dc849e37bfcf\n\n445536bcd2513298075a5d379663c962 # next\n", 0o600)
                .unwrap();
        assert_eq!((two.len(), two[0][0], two[1][15]), (2, 0xe5, 0x62));
        for (text, mode, word) in [
            ("e5e973e5a6b2a43f48e7dc849e37bfcf\n", 0o640, "chmod 600"),
            ("e5e973e5a6b2a43f48e7dc849e37bf\n", 0o600, "line 1"),
            ("\n\nsecret words\n", 0o600, "line 3"),
            ("# none\n", 0o600, "0 secrets"),
            (&"e5e973e5a6b2a43f48e7dc849e37bfcf\n".repeat(9), 0o600, "9 secrets"),
        ] {
            let error = read(text, mode).unwrap_err().to_string();
            assert!(error.contains(word) && !error.contains("e5e973") && !error.contains("words"), "{error}");
        }
        assert!(read_cookie_secrets(Path::new("")).unwrap().is_empty());
        assert!(read_cookie_secrets(Path::new("/nonexistent")).is_err());
    }
}

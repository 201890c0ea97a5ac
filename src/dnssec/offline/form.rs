//! Files that go from machine to machine: JSON, bounded, and none of it believed before it was looked at.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use data_encoding::{BASE64, HEXLOWER};
use ring::digest::{SHA256, digest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::OfflineError;
use crate::dnssec::keys::KeyError;
use crate::dnssec::keys::error::io_at;
use crate::zone::slot::SignatureBytes;

/// The version that is written. A file of another one is refused.
pub(super) const VERSION: u64 = 1;
/// A year of signatures for six nodes, with and without each of them, needs five.
const OCTETS_MAX: u64 = 16 << 20;

/// Octets of a file; `None` if there is none.
pub(super) fn read(path: &Path, what: &'static str) -> Result<Option<Vec<u8>>, KeyError> {
    let mut text = Vec::new();
    match File::open(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.and_then(|file| file.take(OCTETS_MAX + 1).read_to_end(&mut text)).map_err(io_at(path))?,
    };
    if text.len() as u64 > OCTETS_MAX {
        return Err(garbage(path, what, "it is far too long").into());
    }
    Ok(Some(text))
}

/// What a file's text says.
pub(super) fn parse<T: DeserializeOwned>(path: &Path, what: &'static str, text: &[u8]) -> Result<T, KeyError> {
    #[derive(Deserialize)]
    struct Head {
        version: u64,
    }
    let bad = |e: serde_json::Error| garbage(path, what, &e.to_string());
    let Head { version } = serde_json::from_slice(text).map_err(bad)?;
    if version != VERSION {
        return Err(
            garbage(path, what, &format!("it is of version {version}, and this program knows {VERSION}")).into()
        );
    }
    Ok(serde_json::from_slice(text).map_err(bad)?)
}

/// Replaces a file in one step, mode 0600. Durable when this returns.
pub(super) fn write(path: &Path, form: &impl Serialize) -> Result<(), KeyError> {
    let text = text(form);
    let partial = path.with_extension("partial");
    let replace = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&partial, path)?;
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(dir)?.sync_all()
    };
    replace().map_err(io_at(path))
}

/// The text of a form; the same form always has the same.
pub(super) fn text(form: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(form).unwrap_or_default(); // names, numbers and lists: it cannot fail
    text.push(b'\n');
    text
}

/// What people compare to know that two files are the same: SHA-256 in groups of four hexadecimal digits.
pub(super) fn fingerprint(text: &[u8]) -> String {
    let hex = HEXLOWER.encode(digest(&SHA256, text).as_ref());
    let groups: Vec<&str> = (0..hex.len()).step_by(4).map(|at| &hex[at..at + 4]).collect();
    groups.join(" ")
}

pub(super) fn garbage(path: &Path, what: &'static str, why: &str) -> OfflineError {
    OfflineError::Form { path: path.to_owned(), what, why: why.to_owned() }
}

/// A signature, in base64.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Signature(pub(super) SignatureBytes);

impl TryFrom<String> for Signature {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let octets = BASE64.decode(text.as_bytes()).map_err(|_| "a signature is in base64")?;
        octets.try_into().map(Self).map_err(|_| "a signature has 64 octets")
    }
}

impl From<Signature> for String {
    fn from(signature: Signature) -> Self {
        BASE64.encode(&signature.0)
    }
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("signature")
    }
}

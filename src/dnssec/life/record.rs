//! The record of the keys' lives beside the keys: one small file, replaced in one step, and a lock for those who change it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::facts::Life;
use crate::dnssec::keys::KeyError;
use crate::dnssec::keys::error::io_at;
use crate::dnssec::keys::files::apex_text;
use crate::wire::Name;

/// The version that is written. A record of a later one is refused.
const VERSION: u64 = 1;
/// The lock is held for a step: milliseconds, and a disk's sync. Five seconds mean that its holder does not go on.
const LOCK_TRIES: u32 = 250;
const LOCK_WAIT: Duration = Duration::from_millis(20);
/// A dozen keys need some kilobytes; more is another file.
const OCTETS_MAX: u64 = 1 << 20;

/// The record of one zone: `K<apex>.state`.
pub struct RecordFile {
    dir: PathBuf,
    apex: String,
    path: PathBuf,
    lock: PathBuf,
}

/// The right to change the record; given back when dropped.
pub struct Locked(#[allow(dead_code)] File); // the descriptor is the lock

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u64,
    apex: String,
    life: Life,
}

/// Read before everything else, whatever else there is.
#[derive(Deserialize)]
struct Version {
    version: u64,
}

impl RecordFile {
    /// The record of `apex` in `dir`.
    pub fn new(dir: &Path, apex: &Name) -> Self {
        let name = apex_text(apex);
        Self {
            dir: dir.to_owned(),
            apex: apex.to_text(),
            path: dir.join(format!("K{name}.state")),
            lock: dir.join(format!("K{name}.lock")),
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the lock. It is the system's, so it ends with its holder, however that ends.
    pub fn lock(&self) -> Result<Locked, KeyError> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&self.lock);
        let file = file.map_err(io_at(&self.lock))?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Locked(file)),
                Err(TryLockError::WouldBlock) => thread::sleep(LOCK_WAIT),
                Err(TryLockError::Error(error)) => return Err(io_at(&self.lock)(error)),
            }
        }
        Err(KeyError::Locked { path: self.lock.clone() })
    }

    /// Reads it; none if there is none.
    pub fn read(&self) -> Result<Option<Life>, KeyError> {
        let garbage = |why: String| KeyError::Record { path: self.path.clone(), why };
        let text = match fs::metadata(&self.path).and_then(|data| match data.len() > OCTETS_MAX {
            true => Err(io::Error::new(io::ErrorKind::InvalidData, "it is far too long")),
            false => fs::read_to_string(&self.path),
        }) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) if e.kind() == io::ErrorKind::InvalidData => return Err(garbage(e.to_string())),
            other => other.map_err(io_at(&self.path))?,
        };
        let Version { version } = serde_json::from_str(&text).map_err(|e| garbage(e.to_string()))?;
        if version > VERSION {
            return Err(KeyError::RecordVersion { path: self.path.clone(), version });
        }
        let form: Form = serde_json::from_str(&text).map_err(|e| garbage(e.to_string()))?;
        match form.apex == self.apex {
            true => Ok(Some(form.life)),
            false => Err(garbage(format!("it is of {}", form.apex))),
        }
    }

    /// Replaces it in one step. Durable when this returns.
    pub fn write(&self, life: &Life, _held: &Locked) -> Result<(), KeyError> {
        let form = Form { version: VERSION, apex: self.apex.clone(), life: life.clone() };
        let text = serde_json::to_string_pretty(&form).map_err(|e| KeyError::Record {
            path: self.path.clone(),
            why: e.to_string(), // never: it has only names, numbers and lists
        })?;
        let partial = self.path.with_extension("partial");
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&partial, &self.path)?;
            File::open(&self.dir)?.sync_all()
        };
        write().map_err(io_at(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dnssec::{Algorithm, KeyId, KeyRole};
    use std::os::unix::fs::PermissionsExt;

    fn record(dir: &Path) -> RecordFile {
        RecordFile::new(dir, &Name::from_text("e164.example.").unwrap())
    }

    fn life() -> Life {
        Life::begin(vec![KeyId { role: KeyRole::Csk, algorithm: Algorithm::Ed25519, tag: 7 }], 1_800_000_000)
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let record = record(dir.path());
        assert_eq!(record.read().unwrap(), None);
        let held = record.lock().unwrap();
        record.write(&life(), &held).unwrap();
        assert_eq!(record.read().unwrap(), Some(life()));
        assert_eq!(fs::metadata(record.path()).unwrap().permissions().mode() & 0o777, 0o600);
        // A step that was cut off leaves a part, which the next one replaces.
        fs::write(record.path().with_extension("partial"), "{").unwrap();
        assert_eq!(record.read().unwrap(), Some(life()));
        record.write(&life(), &held).unwrap();
    }

    #[test]
    fn the_lock_is_one_holders() {
        let dir = tempfile::tempdir().unwrap();
        let record = record(dir.path());
        let held = record.lock().unwrap();
        let other = File::options().write(true).open(&record.lock).unwrap();
        assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
        drop(held);
        assert!(other.try_lock().is_ok());
    }

    #[test]
    fn what_is_no_record_is_refused_with_its_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let record = record(dir.path());
        record.write(&life(), &record.lock().unwrap()).unwrap();
        let good = fs::read_to_string(record.path()).unwrap();
        for (text, why) in [
            (good[..good.len() / 2].to_owned(), "delete it"),
            (String::new(), "delete it"),
            (good.replace("\"version\": 1", "\"version\": 2"), "newer program"),
            (good.replace("e164.example.", "e165.example."), "it is of e165.example."),
            (good.replace("\"tag\"", "\"tga\""), "unknown field"),
            (good.replace("\"csk\"", "\"dsk\""), "unknown variant"),
            (good.replace("15", "8"), "the algorithms are 13"),
        ] {
            fs::write(record.path(), text).unwrap();
            let said = record.read().unwrap_err().to_string();
            assert!(said.contains(why), "{said}");
        }
    }
}

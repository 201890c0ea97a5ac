//! What is remembered of backups beside the ledger: the last ones that were made, and the last one that was proven good.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The file in the folder of the ledger.
const FILE: &str = "backups.json";
/// Backups that are remembered: a month of daily ones.
const MADE_MAX: usize = 31;
/// A longer file is another one.
const OCTETS_MAX: u64 = 1 << 20;

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Backups {
    /// The newest last.
    pub made: Vec<Backup>,
    /// The one that was proven good last.
    pub verified: Option<Verified>,
}

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// Where it was written to.
    pub path: PathBuf,
    /// When it was begun, Unix seconds: it has what was in the ledger then.
    pub made_s: u64,
    /// The SHA-256 of its manifest, in hexadecimal digits.
    pub manifest: String,
}

/// A backup that was proven good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Which.
    pub backup: Backup,
    /// When it was proven, Unix seconds.
    pub verified_s: u64,
}

impl Backups {
    /// What is remembered in the folder `data` of a ledger; nothing if there is no file, or none that can be read.
    pub fn read(data: &Path) -> Self {
        let path = data.join(FILE);
        let small = fs::metadata(&path).is_ok_and(|found| found.len() <= OCTETS_MAX);
        let text = small.then(|| fs::read(&path).ok()).flatten();
        text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    /// Remembers a backup that was made.
    pub fn made(data: &Path, backup: Backup) -> io::Result<()> {
        let mut all = Self::read(data);
        all.made.push(backup);
        let surplus = all.made.len().saturating_sub(MADE_MAX);
        all.made.drain(..surplus);
        all.write(data)
    }

    /// Remembers one that was proven good, unless a newer one was.
    pub fn verified(data: &Path, verified: Verified) -> io::Result<()> {
        let mut all = Self::read(data);
        if all.verified.as_ref().is_none_or(|before| before.backup.made_s <= verified.backup.made_s) {
            all.verified = Some(verified);
        }
        all.write(data)
    }

    fn write(&self, data: &Path) -> io::Result<()> {
        let (path, partial) = (data.join(FILE), data.join(format!("{FILE}.partial")));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        serde_json::to_writer(&mut file, self)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&partial, &path)?;
        File::open(data)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_remembered_and_an_older_proof_does_not_hide_a_newer() {
        let dir = tempfile::tempdir().unwrap();
        let backup = |made_s| Backup { path: format!("/backups/{made_s}").into(), made_s, manifest: String::new() };
        assert_eq!(Backups::read(dir.path()), Backups::default());
        for made_s in 0..40 {
            Backups::made(dir.path(), backup(made_s)).unwrap();
        }
        for made_s in [20, 30, 10] {
            Backups::verified(dir.path(), Verified { backup: backup(made_s), verified_s: 50 }).unwrap();
        }
        let all = Backups::read(dir.path());
        assert_eq!((all.made.len(), all.made[0].made_s, all.made[30].made_s), (MADE_MAX, 9, 39));
        assert_eq!(all.verified.unwrap().backup.made_s, 30);
        fs::write(dir.path().join(FILE), b"{").unwrap();
        assert_eq!(Backups::read(dir.path()), Backups::default());
    }
}

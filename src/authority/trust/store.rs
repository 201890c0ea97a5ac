//! The folders of the trust repository: read with bounds, changed in steps that leave a whole repository wherever they end.
//!
//! ```text
//! publish: trust.next is filled and synced -> trust becomes trust.before -> trust.next becomes trust -> trust.before goes
//! ```
//! Cut off before the second step, `trust.next` is thrown away; after it there is no `trust`, and `trust.next` is whole.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::authority::trust::TrustError;
use crate::charter::trust::plan::Plan;
use crate::charter::trust::{Kept, TARGETS_FOLDER, Update, Wanted, is_target_path};

/// Bytes of the plan.
const PLAN_BYTES_MAX: u64 = 256 * 1024;
/// The root that an installation believes of itself, and that it hands to its clients.
pub(super) const FIRST_ROOT: &str = "1.root.json";

/// The trust repository below an installation's charter folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustStore {
    charter: PathBuf,
}

impl TrustStore {
    /// Of that charter folder.
    pub fn at(charter: &Path) -> Self {
        Self { charter: charter.to_owned() }
    }

    /// What is published.
    pub fn published(&self) -> PathBuf {
        self.charter.join("trust")
    }

    /// What is to be signed.
    pub fn draft(&self) -> PathBuf {
        self.charter.join("trust-draft")
    }

    /// The plan.
    pub fn plan_file(&self) -> PathBuf {
        self.charter.join("trust.toml")
    }

    /// Whether something was published ever.
    pub fn exists(&self) -> bool {
        self.published().join(FIRST_ROOT).is_file() || self.is_cut_off_at_the_end()
    }

    fn next(&self) -> PathBuf {
        self.charter.join("trust.next")
    }

    fn before(&self) -> PathBuf {
        self.charter.join("trust.before")
    }

    /// Reads the plan.
    pub fn plan(&self) -> Result<Plan, TrustError> {
        let path = self.plan_file();
        let text = read_bounded(&path, PLAN_BYTES_MAX).map_err(at(&path))?;
        let why = |why: String| TrustError::Plan { path: path.clone(), why };
        let text =
            text.ok_or_else(|| why("there is none: it says who holds which key (docs/charter.md)".to_owned()))?;
        let text = String::from_utf8(text).map_err(|_| why("not UTF-8".to_owned()))?;
        Plan::read(&text).map_err(why)
    }

    /// One process at a time changes the repository; the lock goes with what is returned.
    pub(super) fn lock(&self) -> Result<File, TrustError> {
        let (file, path) = self.lock_file()?;
        file.lock().map_err(at(&path))?;
        self.finish()?;
        Ok(file)
    }

    /// The same for who does not wait; None while another process has it.
    pub(super) fn try_lock(&self) -> Result<Option<File>, TrustError> {
        let (file, path) = self.lock_file()?;
        match file.try_lock() {
            Ok(()) => self.finish().map(|()| Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(at(&path)(error)),
        }
    }

    fn lock_file(&self) -> Result<(File, PathBuf), TrustError> {
        let path = self.charter.join("trust.lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
        Ok((file, path))
    }

    /// Finishes or forgets a publication that was cut off.
    fn finish(&self) -> Result<(), TrustError> {
        let (now, next, before) = (self.published(), self.next(), self.before());
        if self.is_cut_off_at_the_end() {
            fs::rename(&next, &now).map_err(at(&now))?;
            sync_folder(&self.charter)?;
        }
        for gone in [next, before] {
            if gone.exists() {
                fs::remove_dir_all(&gone).map_err(at(&gone))?;
            }
        }
        Ok(())
    }

    /// Between the two renames: the old state has its other name, and the new one is whole.
    fn is_cut_off_at_the_end(&self) -> bool {
        !self.published().exists() && self.before().exists() && self.next().join(FIRST_ROOT).is_file()
    }

    /// A published file by its name in the repository; None if there is none, or it is no name of one.
    pub fn file(&self, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, TrustError> {
        read_below(&self.published(), name, bytes_max)
    }

    /// Walks through what is published as a client does, from the first root. With `now_s` 0 nothing is over: what is signed
    /// is looked at, not whether it is fresh.
    pub fn walk(&self, now_s: u64) -> Result<Update, TrustError> {
        if self.is_cut_off_at_the_end() {
            drop(self.lock()?);
        }
        let pinned = self.file(FIRST_ROOT, crate::charter::trust::ROOT_BYTES_MAX)?;
        let pinned = pinned.ok_or_else(|| TrustError::Refused("nothing is published yet".to_owned()))?;
        let mut update = Update::begin(&pinned, Kept::default(), now_s)?;
        update.run::<TrustError>(|wanted| self.fetch(wanted))?;
        Ok(update)
    }

    /// A file that an update wants.
    pub fn fetch(&self, wanted: &Wanted) -> Result<Option<Vec<u8>>, TrustError> {
        self.file(&wanted.file, wanted.bytes_max)
    }

    /// Puts a whole new state in the place of the old one: what was there stays, `files` are added or replaced.
    pub(super) fn replace(&self, files: &BTreeMap<String, Vec<u8>>) -> Result<(), TrustError> {
        let (now, next, before) = (self.published(), self.next(), self.before());
        fs::create_dir_all(next.join(TARGETS_FOLDER)).map_err(at(&next))?;
        if now.exists() {
            link_all(&now, &next)?;
        }
        for (name, bytes) in files {
            write_durably(&next, name, bytes)?;
        }
        sync_all_folders(&next)?;
        if now.exists() {
            fs::rename(&now, &before).map_err(at(&now))?;
        } else {
            fs::create_dir_all(&before).map_err(at(&before))?; // tells a publication that was cut off here
        }
        sync_folder(&self.charter)?;
        fs::rename(&next, &now).map_err(at(&now))?;
        sync_folder(&self.charter)?;
        fs::remove_dir_all(&before).map_err(at(&before))
    }

    /// Adds files that nobody refers to yet, then the timestamp that refers to them.
    pub(super) fn add(&self, files: &BTreeMap<String, Vec<u8>>, timestamp: &[u8]) -> Result<(), TrustError> {
        let folder = self.published();
        for (name, bytes) in files {
            write_durably(&folder, name, bytes)?;
        }
        sync_folder(&folder)?;
        write_durably(&folder, "timestamp.json", timestamp)?;
        sync_folder(&folder)
    }

    /// The draft of a role.
    pub(super) fn drafted(&self, role: &str) -> Result<Option<Vec<u8>>, TrustError> {
        read_below(&self.draft(), &format!("{role}.json"), crate::charter::trust::TARGETS_BYTES_MAX)
    }

    /// A target of the draft.
    pub(super) fn drafted_target(&self, path: &str) -> Result<Option<Vec<u8>>, TrustError> {
        let name = format!("{TARGETS_FOLDER}/{path}");
        read_below(&self.draft(), &name, crate::charter::trust::TARGET_BYTES_MAX)
    }

    /// Writes a file of the draft.
    pub(super) fn write_draft(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, TrustError> {
        let folder = self.draft();
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        write_durably(&folder, name, bytes)?;
        Ok(folder.join(name))
    }

    /// Takes the draft of a role away.
    pub(super) fn drop_draft(&self, role: &str) -> Result<(), TrustError> {
        let path = self.draft().join(format!("{role}.json"));
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(at(&path)(e)),
            _ => Ok(()),
        }
    }
}

pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> TrustError {
    let path = path.to_owned();
    |source| TrustError::Io { path, source }
}

/// A file below a folder by a name that leads nowhere else. One byte more than the bound is read, so that it is seen to be more.
pub(super) fn read_below(folder: &Path, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, TrustError> {
    if !is_target_path(name) {
        return Ok(None);
    }
    let path = folder.join(name);
    read_bounded(&path, bytes_max).map_err(at(&path))
}

fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        other => other?,
    };
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Writes beside the place and renames: a reader finds the old file or the new one.
fn write_durably(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), TrustError> {
    let path = folder.join(name);
    let parent = path.parent().unwrap_or(folder);
    fs::create_dir_all(parent).map_err(at(parent))?;
    let partial = path.with_extension("partial");
    let written = File::create(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&partial, &path)).map_err(at(&path))
}

/// The same files under another folder, without a copy of their bytes: they are never written again.
fn link_all(from: &Path, to: &Path) -> Result<(), TrustError> {
    fs::create_dir_all(to).map_err(at(to))?;
    for entry in fs::read_dir(from).map_err(at(from))? {
        let entry = entry.map_err(at(from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().map_err(at(&source))?.is_dir() {
            link_all(&source, &target)?;
        } else if source.extension().is_none_or(|ending| ending != "partial") && !target.exists() {
            fs::hard_link(&source, &target).map_err(at(&target))?;
        }
    }
    Ok(())
}

fn sync_all_folders(folder: &Path) -> Result<(), TrustError> {
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let entry = entry.map_err(at(folder))?;
        if entry.file_type().map_err(at(folder))?.is_dir() {
            sync_all_folders(&entry.path())?;
        }
    }
    sync_folder(folder)
}

fn sync_folder(folder: &Path) -> Result<(), TrustError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> BTreeMap<String, Vec<u8>> {
        names.iter().map(|name| ((*name).to_owned(), name.as_bytes().to_vec())).collect()
    }

    #[test]
    fn a_publication_that_was_cut_off_is_finished_or_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let store = TrustStore::at(dir.path());
        assert!(!store.exists());
        store.replace(&files(&[FIRST_ROOT, "targets/a.b"])).unwrap();
        // Cut off while the next state was being filled.
        fs::create_dir_all(store.next()).unwrap();
        fs::write(store.next().join("2.root.json"), "half").unwrap();
        drop(store.lock().unwrap());
        assert!(!store.next().exists() && store.file("2.root.json", 9).unwrap().is_none());
        // Cut off between the two renames: the next state was whole.
        fs::create_dir_all(store.next()).unwrap();
        link_all(&store.published(), &store.next()).unwrap();
        write_durably(&store.next(), "2.root.json", b"whole").unwrap();
        fs::rename(store.published(), store.before()).unwrap();
        assert!(store.exists());
        drop(store.lock().unwrap());
        assert_eq!(store.file("2.root.json", 9).unwrap().unwrap(), b"whole");
        assert_eq!(store.file("targets/a.b", 99).unwrap().unwrap(), b"targets/a.b");
        assert!(!store.before().exists());
    }

    #[test]
    fn names_that_lead_elsewhere_are_no_files() {
        let dir = tempfile::tempdir().unwrap();
        let store = TrustStore::at(&dir.path().join("charter"));
        fs::create_dir_all(&store.charter).unwrap();
        store.replace(&files(&[FIRST_ROOT])).unwrap();
        fs::write(dir.path().join("charter/secret"), "x").unwrap();
        for name in ["../secret", "/etc/passwd", "targets", "", "targets/../../secret"] {
            assert_eq!(store.file(name, 9).unwrap(), None, "{name}");
        }
        assert_eq!(store.file(FIRST_ROOT, 3).unwrap().unwrap().len(), 4, "one byte more than allowed");
    }
}

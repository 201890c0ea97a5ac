//! Key files changed from plain to sealed and back: each in one step, and never without a whole file in its place.
//!
//! ```text
//! FILE ──read──> FILE.partial written, synced, read back and opened ──rename──> FILE, and its folder synced
//! ```
//! Killed anywhere, the file is as it was or as it shall be; doing it again goes on from there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::SealError;
use super::error::io_at;
use super::form::{FILE_OCTETS_MAX, Head, Sealed, is_sealed};
use super::lock::{Beside, Lock};

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was replaced.
    Changed,
    /// It was so already.
    AsBefore,
}

/// Seals a file; one that is sealed already must open.
pub fn seal(path: &Path, lock: &Lock) -> Result<Outcome, SealError> {
    let text = begin(path)?;
    let was_sealed = is_sealed(&text);
    let plain = lock.open(path, text)?;
    if was_sealed {
        return Ok(Outcome::AsBefore);
    }
    let sealed = lock.seal(path, &plain, Beside::Others)?;
    replace(path, sealed.as_bytes(), |written| Ok(*lock.open(path, written)? == *plain))
}

/// Seals a file under a new passphrase, whether it is plain, sealed under the old one, or under the new one already.
pub fn reseal(path: &Path, old: &Lock, new: &Lock) -> Result<Outcome, SealError> {
    let text = begin(path)?;
    let plain = match is_sealed(&text) && new.fits(path, &text)? {
        true => {
            new.open(path, text)?;
            return Ok(Outcome::AsBefore);
        }
        false => old.open(path, text)?,
    };
    let sealed = new.seal(path, &plain, Beside::Anything)?;
    replace(path, sealed.as_bytes(), |written| Ok(*new.open(path, written)? == *plain))
}

/// Gives a sealed file back as it was.
pub fn unseal(path: &Path, lock: &Lock) -> Result<Outcome, SealError> {
    let text = begin(path)?;
    if !is_sealed(&text) {
        return Ok(Outcome::AsBefore);
    }
    let plain = lock.open(path, text)?;
    replace(path, &plain, |written| Ok(*written == *plain))
}

/// What a sealed file of the folder says before its secret; none of what is no sealed file.
pub(super) fn head(path: &Path) -> Option<Head> {
    if !path.is_file() {
        return None;
    }
    let mut text = Vec::new();
    File::open(path).ok()?.take(FILE_OCTETS_MAX).read_to_end(&mut text).ok()?;
    // A partial file is of a run that was cut off, and perhaps of the passphrase that it did not get to.
    let is_partial = path.extension().is_some_and(|ending| ending == PARTIAL);
    Sealed::read(&text).ok().filter(|_| !is_partial).map(|sealed| sealed.head)
}

const PARTIAL: &str = "partial";

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(PARTIAL);
    name.into()
}

/// Clears away what a run that was cut off has left, perhaps a secret, and reads the file.
fn begin(path: &Path) -> Result<Zeroizing<Vec<u8>>, SealError> {
    match fs::remove_file(partial(path)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io_at(&partial(path))(e)),
        _ => read(path),
    }
}

/// Reads a file that nobody else may read.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let file = File::open(path).map_err(io_at(path))?;
    let mode = file.metadata().map_err(io_at(path))?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SealError::Open { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(Vec::with_capacity(FILE_OCTETS_MAX as usize + 1));
    file.take(FILE_OCTETS_MAX + 1).read_to_end(&mut text).map_err(io_at(path))?;
    match text.len() as u64 > FILE_OCTETS_MAX {
        true => Err(SealError::Damaged { path: path.to_owned(), reason: "it is far too long" }),
        false => Ok(text),
    }
}

/// Puts other octets in a file's place, of the same owner, once they are on the disk and `is_right` has seen them there.
fn replace(
    path: &Path,
    octets: &[u8],
    is_right: impl FnOnce(Zeroizing<Vec<u8>>) -> Result<bool, SealError>,
) -> Result<Outcome, SealError> {
    let partial = partial(path);
    let written = || -> io::Result<()> {
        let before = fs::metadata(path)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
        let made = file.metadata()?;
        if (made.uid(), made.gid()) != (before.uid(), before.gid()) {
            fchown(&file, Some(before.uid()), Some(before.gid()))?; // done by root, it stays the service's
        }
        file.write_all(octets)?;
        file.sync_all()
    };
    let checked = written().map_err(io_at(&partial)).and_then(|()| {
        // Under the name that it will have: that is sealed with it.
        is_right(read(&partial)?)
    });
    if !matches!(checked, Ok(true)) {
        let _ = fs::remove_file(&partial); // the reason is told
        checked?;
        return Err(SealError::Unfaithful { path: path.to_owned() });
    }
    fs::rename(&partial, path).map_err(io_at(path))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_at(folder))?;
    Ok(Outcome::Changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    struct Home {
        dir: tempfile::TempDir,
    }

    impl Home {
        fn new() -> Self {
            let home = Self { dir: tempfile::tempdir().unwrap() };
            fs::create_dir(home.dir.path().join("keys")).unwrap();
            for name in ["a.key", "b.key", "c.key"] {
                home.put(&home.key(name), format!("the secret of {name}\n").as_bytes());
            }
            home
        }

        fn put(&self, path: &Path, text: &[u8]) {
            fs::write(path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        }

        fn key(&self, name: &str) -> PathBuf {
            self.dir.path().join("keys").join(name)
        }

        fn lock(&self, passphrase: &str) -> Lock {
            let path = self.dir.path().join(passphrase.replace(' ', "-"));
            self.put(&path, passphrase.as_bytes());
            Lock::cheap(&path)
        }

        fn plain(&self, name: &str, lock: &Lock) -> String {
            let text = lock.open(&self.key(name), Zeroizing::new(fs::read(self.key(name)).unwrap()));
            String::from_utf8_lossy(&text.unwrap()).into_owned()
        }
    }

    #[test]
    fn files_go_there_and_back_and_share_one_salt() {
        let home = Home::new();
        let lock = home.lock("the first passphrase");
        let path = home.key("a.key");
        assert_eq!(seal(&path, &lock).unwrap(), Outcome::Changed);
        assert_eq!(seal(&path, &lock).unwrap(), Outcome::AsBefore);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(!fs::read_to_string(&path).unwrap().contains("secret"));
        // Another process later, and a new file of the service: the same salt.
        let later = home.lock("the first passphrase");
        seal(&home.key("b.key"), &later).unwrap();
        assert_eq!(head(&path), head(&home.key("b.key")));
        assert!(head(&path).is_some() && head(&home.key("c.key")).is_none());
        assert_eq!(home.plain("a.key", &later), "the secret of a.key\n");
        for name in ["a.key", "b.key", "c.key"] {
            unseal(&home.key(name), &later).unwrap();
            assert_eq!(fs::read_to_string(home.key(name)).unwrap(), format!("the secret of {name}\n"));
        }
    }

    #[test]
    fn swapped_foreign_and_open_files_are_refused_and_left_alone() {
        let home = Home::new();
        let lock = home.lock("the first passphrase");
        for name in ["a.key", "b.key"] {
            seal(&home.key(name), &lock).unwrap();
        }
        let before = fs::read(home.key("b.key")).unwrap();
        fs::copy(home.key("b.key"), home.key("a.key")).unwrap();
        let why = |result: Result<Outcome, SealError>| result.unwrap_err().to_string();
        assert!(why(unseal(&home.key("a.key"), &lock)).contains("another key's file"));
        let wrong = home.lock("another passphrase");
        assert!(why(unseal(&home.key("b.key"), &wrong)).contains("does not open with the passphrase"));
        assert!(why(unseal(&home.key("b.key"), &Lock::default())).contains("no passphrase is configured"));
        assert!(why(seal(&home.key("c.key"), &wrong)).contains("sealed under another passphrase"));
        assert!(why(seal(&home.key("c.key"), &Lock::default())).contains("umask 077"));
        assert_eq!(fs::read(home.key("b.key")).unwrap(), before);
        assert_eq!(home.plain("c.key", &lock), "the secret of c.key\n");
        fs::set_permissions(home.key("c.key"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(why(seal(&home.key("c.key"), &lock)).contains("chmod 600"));
        home.put(&home.key("c.key"), &[b'x'; 20_000]);
        assert!(why(seal(&home.key("c.key"), &lock)).contains("far too long"));
        assert!(why(seal(&home.key("d.key"), &lock)).contains("No such file"));
    }

    #[test]
    fn a_change_of_the_passphrase_that_is_cut_off_goes_on() {
        let home = Home::new();
        let (old, new) = (home.lock("the first passphrase"), home.lock("the next passphrase"));
        seal(&home.key("a.key"), &old).unwrap();
        seal(&home.key("b.key"), &old).unwrap();
        assert_eq!(reseal(&home.key("a.key"), &old, &new).unwrap(), Outcome::Changed);
        // Cut off here, with half a file; another process goes on.
        home.put(&partial(&home.key("b.key")), b"the secr");
        let (old, new) = (home.lock("the first passphrase"), home.lock("the next passphrase"));
        let outcomes = ["a.key", "b.key", "c.key"].map(|name| reseal(&home.key(name), &old, &new).unwrap());
        assert_eq!(outcomes, [Outcome::AsBefore, Outcome::Changed, Outcome::Changed]);
        assert!(!partial(&home.key("b.key")).exists());
        let heads = ["a.key", "b.key", "c.key"].map(|name| head(&home.key(name)));
        assert!(heads[0].is_some() && heads.iter().all(|head| *head == heads[0]), "one salt");
        for name in ["a.key", "b.key", "c.key"] {
            assert_eq!(home.plain(name, &new), format!("the secret of {name}\n"));
        }
        assert!(unseal(&home.key("a.key"), &old).is_err());
    }

    #[test]
    fn a_passphrase_that_becomes_right_is_noticed() {
        let home = Home::new();
        let lock = home.lock("the first passphrase");
        seal(&home.key("a.key"), &lock).unwrap();
        let configured = home.lock("another passphrase");
        assert!(matches!(unseal(&home.key("a.key"), &configured), Err(SealError::Wrong { .. })));
        assert!(matches!(unseal(&home.key("a.key"), &configured), Err(SealError::Wrong { .. })));
        fs::write(home.dir.path().join("another-passphrase"), "the first passphrase\n").unwrap();
        assert_eq!(unseal(&home.key("a.key"), &configured).unwrap(), Outcome::Changed);
    }
}

//! What was signed last of one log, on a disk of its own: a small file that survives a crash at any moment.
//!
//! ```text
//! offset 0     slot: "callbook/signed/v1\0" ‖ u64 turn ‖ u64 size ‖ root[32] ‖ lp16(origin) ‖ SHA-256 of all that
//! offset 4096  slot: the same; the two are written in turn, each write followed by fdatasync
//! ```
//! A write that is torn spoils the slot that it was for, and the other still says what was signed before: what was being
//! written was not given out yet. The higher turn counts.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::log::bytes::{Malformed, Reader, put_lp16};
use crate::log::cosigner::Seen;
use crate::log::sha256;

const TAG: &[u8] = b"callbook/signed/v1\0";
/// A page of the file system, so that writing one slot cannot touch the other.
const SLOT_BYTES: usize = 4096;
/// The longest name of a log: a slot has room for it, and no log is named like that.
pub const ORIGIN_BYTES_MAX: usize = 1024;
/// Nobody but the owner: whoever can write here can make the signer sign two stories.
const MODE: u32 = 0o600;

/// Why what was signed last is not known.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The file is gone.
    #[error(
        "{path} is missing: it says what was signed last, and without it a log could be signed twice in two ways. Move it back \
         from where it was. If it is lost: `callbook signer adopt` makes it anew from the newest signed checkpoint in the ledger; \
         do that only if the ledger was not restored from a backup"
    )]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Neither slot can be read.
    #[error(
        "{path} is damaged: it does not say any more what was signed last. Move it away, then `callbook signer adopt` makes it anew from \
         the newest signed checkpoint in the ledger; do that only if the ledger was not restored from a backup"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// It belongs to another log.
    #[error("{path} is about the log {found:?}, not {wanted:?}: put the right file there")]
    Another {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        wanted: String,
    },
    /// Another process signs.
    #[error("{path} is in use: one process signs for a log. Stop the other one first")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Others can write it.
    #[error("{path} is open to others (mode {mode:o}): run `chmod 600 {path}`")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The system refused.
    #[error("{path}: {source}. Nothing is signed before this can be written: check the disk's space and health")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The file of one log, held by this process.
#[derive(Debug)]
pub struct Memory {
    file: File,
    path: PathBuf,
    origin: String,
    seen: Seen,
    /// The turn that `seen` was written in; the next one goes into the other slot.
    turn: u64,
}

impl Memory {
    /// Makes the file, durably; refuses if it is there.
    pub fn create(path: &Path, origin: &str, seen: Seen) -> Result<Self, MemoryError> {
        let io = |source| MemoryError::Io { path: path.to_owned(), source };
        let first = slot(0, origin, &seen).map_err(|why| io(io::Error::other(why)))?;
        // Under its name it is whole or not there.
        let partial = path.with_extension("state.partial");
        let made = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&partial)?;
            file.write_all(&first)?;
            file.write_all(&[0; SLOT_BYTES])?;
            file.sync_all()?;
            std::fs::hard_link(&partial, path)?; // unlike a renaming, it replaces nothing
            std::fs::remove_file(&partial)?;
            File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
        };
        made().map_err(io)?;
        Self::open(path, origin)
    }

    /// Opens the file and keeps other processes out.
    pub fn open(path: &Path, origin: &str) -> Result<Self, MemoryError> {
        let io = |source| MemoryError::Io { path: path.to_owned(), source };
        let path = path.to_owned();
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(MemoryError::Missing { path }),
            other => other.map_err(io)?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(MemoryError::InUse { path }),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let (seen, turn) = read(&file, &path, origin)?;
        Ok(Self { file, path, origin: origin.to_owned(), seen, turn })
    }

    /// What a file says, also while another process holds it.
    pub fn peek(path: &Path, origin: &str) -> Result<Seen, MemoryError> {
        match File::open(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(MemoryError::Missing { path: path.to_owned() }),
            Err(source) => Err(MemoryError::Io { path: path.to_owned(), source }),
            Ok(file) => read(&file, path, origin).map(|(seen, _)| seen),
        }
    }

    /// What was signed last.
    pub const fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Remembers what is about to be signed: durable when this returns. After a failure the next try writes the same slot.
    pub fn keep(&mut self, seen: Seen) -> Result<(), MemoryError> {
        let io = |source| MemoryError::Io { path: self.path.clone(), source };
        let turn = self.turn + 1;
        let bytes = slot(turn, &self.origin, &seen).map_err(|why| io(io::Error::other(why)))?;
        self.file.write_all_at(&bytes, offset(turn)).and_then(|()| self.file.sync_data()).map_err(io)?;
        (self.seen, self.turn) = (seen, turn);
        Ok(())
    }
}

impl Drop for Memory {
    /// Lets go at once, though a child process that is being started may still have the file.
    fn drop(&mut self) {
        let _ = self.file.unlock(); // what cannot be unlocked goes with the file
    }
}

const fn offset(turn: u64) -> u64 {
    (turn % 2) * SLOT_BYTES as u64
}

/// What both slots say together.
fn read(file: &File, path: &Path, origin: &str) -> Result<(Seen, u64), MemoryError> {
    let io = |source| MemoryError::Io { path: path.to_owned(), source };
    let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
    if mode & !MODE != 0 {
        return Err(MemoryError::Open { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::with_capacity(2 * SLOT_BYTES);
    file.take(2 * SLOT_BYTES as u64).read_to_end(&mut bytes).map_err(io)?;
    let slots = bytes.chunks(SLOT_BYTES).map(|slot| (slot.iter().any(|byte| *byte != 0), read_slot(slot).ok()));
    let slots: Vec<_> = slots.collect();
    if slots.iter().any(|(written, read)| *written && read.is_none()) {
        tracing::warn!(path = %path.display(), "a write was cut off: what was signed before it counts");
    }
    let newest = slots.into_iter().filter_map(|(_, read)| read).max_by_key(|(_, _, turn)| *turn);
    let (found, seen, turn) = newest.ok_or_else(|| MemoryError::Damaged { path: path.to_owned() })?;
    if found != origin {
        return Err(MemoryError::Another { path: path.to_owned(), found, wanted: origin.to_owned() });
    }
    Ok((seen, turn))
}

/// The bytes of a slot.
fn slot(turn: u64, origin: &str, seen: &Seen) -> Result<Vec<u8>, Malformed> {
    Malformed::unless(origin.len() <= ORIGIN_BYTES_MAX, "the name of a log", "too long")?;
    let mut bytes = Vec::with_capacity(SLOT_BYTES);
    bytes.extend(TAG);
    bytes.extend(turn.to_be_bytes());
    bytes.extend(seen.size.to_be_bytes());
    bytes.extend(seen.root);
    put_lp16(&mut bytes, origin.as_bytes());
    bytes.extend(sha256(&[&bytes]));
    bytes.resize(SLOT_BYTES, 0);
    Ok(bytes)
}

/// The log, what was signed of it, and the turn.
fn read_slot(bytes: &[u8]) -> Result<(String, Seen, u64), Malformed> {
    const WHAT: &str = "a slot";
    let mut fields = Reader::new(bytes, WHAT);
    fields.tag(TAG)?;
    let (turn, size, root) = (fields.u64()?, fields.u64()?, fields.array()?);
    let origin = fields.lp16()?.to_vec();
    let sum: [u8; 32] = fields.array()?;
    let summed = bytes.get(..TAG.len() + 8 + 8 + 32 + 2 + origin.len()).unwrap_or_default();
    Malformed::unless(sha256(&[summed]) == sum, WHAT, "checksum")?;
    let origin = String::from_utf8(origin).map_err(|_| Malformed::new(WHAT, "origin"))?;
    Ok((origin, Seen { size, root }, turn))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "dir.example/map/0";

    fn seen(n: u64) -> Seen {
        Seen { size: n, root: [n as u8; 32] }
    }

    fn home() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.state");
        (dir, path)
    }

    #[test]
    fn what_was_kept_is_read_back_by_the_next_process() {
        let (_dir, path) = home();
        let mut memory = Memory::create(&path, ORIGIN, Seen::nothing()).unwrap();
        for n in 1..6 {
            memory.keep(seen(n)).unwrap();
            assert!(matches!(Memory::open(&path, ORIGIN), Err(MemoryError::InUse { .. })));
            assert_eq!(Memory::peek(&path, ORIGIN).unwrap(), seen(n));
            drop(memory);
            memory = Memory::open(&path, ORIGIN).unwrap();
            assert_eq!(*memory.seen(), seen(n));
        }
        assert!(Memory::create(&path, ORIGIN, seen(1)).is_err(), "what is there is not replaced");
    }

    /// The file as it is before and after a write, and at every place where the write may be cut off.
    #[test]
    fn torn_anywhere_it_says_the_old_or_the_new() {
        for last in [3, 4] {
            let (_dir, path) = home();
            let mut memory = Memory::create(&path, ORIGIN, Seen::nothing()).unwrap();
            (1..last).for_each(|n| memory.keep(seen(n)).unwrap());
            let before = std::fs::read(&path).unwrap();
            memory.keep(seen(last)).unwrap();
            let after = std::fs::read(&path).unwrap();
            drop(memory);
            let start = offset(last) as usize;
            for cut in (0..140).chain([SLOT_BYTES]) {
                let mut torn = before.clone();
                torn[start..start + cut].copy_from_slice(&after[start..start + cut]);
                std::fs::write(&path, &torn).unwrap();
                let found = *Memory::open(&path, ORIGIN).unwrap().seen();
                assert!([seen(last - 1), seen(last)].contains(&found), "{last} cut at {cut}: {found:?}");
            }
            // The other slot is no longer needed.
            let mut lost = after.clone();
            lost[SLOT_BYTES - start..2 * SLOT_BYTES - start].fill(0xff);
            std::fs::write(&path, &lost).unwrap();
            assert_eq!(*Memory::open(&path, ORIGIN).unwrap().seen(), seen(last));
            lost.fill(0xff);
            std::fs::write(&path, &lost).unwrap();
            assert!(Memory::open(&path, ORIGIN).unwrap_err().to_string().contains("signer adopt"));
        }
    }

    #[test]
    fn a_write_that_fails_changes_nothing_and_is_made_up_for() {
        let (_dir, path) = home();
        let mut memory = Memory::create(&path, ORIGIN, seen(1)).unwrap();
        let right = std::mem::replace(&mut memory.file, File::open(&path).unwrap()); // cannot be written
        assert!(matches!(memory.keep(seen(2)), Err(MemoryError::Io { .. })));
        assert_eq!((*memory.seen(), Memory::peek(&path, ORIGIN).unwrap()), (seen(1), seen(1)));
        memory.file = right;
        memory.keep(seen(2)).unwrap();
        assert_eq!(Memory::peek(&path, ORIGIN).unwrap(), seen(2));
    }

    #[test]
    fn missing_foreign_and_open_files_are_refused_in_words() {
        let (_dir, path) = home();
        let why = |result: Result<Memory, MemoryError>| result.unwrap_err().to_string();
        assert!(why(Memory::open(&path, ORIGIN)).contains("signer adopt"));
        drop(Memory::create(&path, ORIGIN, seen(1)).unwrap());
        assert!(why(Memory::open(&path, "dir.example/gov")).contains("dir.example/map/0"));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o620)).unwrap();
        assert!(why(Memory::open(&path, ORIGIN)).contains("chmod 600"));
        assert!(Memory::create(&path, &"x".repeat(ORIGIN_BYTES_MAX + 1), seen(1)).is_err());
    }
}

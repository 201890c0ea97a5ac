//! The passphrase at work: opens sealed files and seals new ones, with one derivation for all files that share a salt.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::SealError;
use super::error::io_at;
use super::files;
use super::form::{Cost, Derived, Head, Kdf, Malformed, Sealed, is_sealed};
use super::passphrase::{Place, Secret, Stamp, is_name};

/// Salts of one folder that are tried: one, and two while the passphrase is being changed; the rest is room.
const SALTS_MAX: usize = 8;

/// Where the passphrase is, and what was derived from it: nothing is read before a file needs it. Clones share what was
/// derived. The passphrase itself is not kept. In text it is the place alone, as in the configuration.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Lock {
    place: Place,
    cost: Cost,
    known: Arc<Mutex<Known>>,
}

/// What a new file is sealed like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// Under the passphrase of those that are in its folder.
    Others,
    /// Under this one, whatever the others are sealed under.
    Anything,
}

#[derive(Default)]
struct Known {
    derived: Vec<(Arc<Derived>, Stamp)>,
    /// Heads that some passphrase does not fit, so that it is not tried again and again.
    misfits: Vec<(Head, Stamp)>,
}

impl Lock {
    /// Of a passphrase in a file, in `credential:NAME`, or without one if the text is empty.
    pub fn of(text: &str) -> Self {
        Self { place: Place::of(text), cost: Cost::ORDINARY, known: Arc::default() }
    }

    /// The same for tests that do not wait.
    #[cfg(test)]
    pub(crate) fn cheap(path: &Path) -> Self {
        let cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };
        Self { cost, ..Self::of(&path.display().to_string()) }
    }

    /// The same, with a path seen from `dir`, and credentials in their folder.
    pub fn under(self, dir: &Path, credentials: Option<PathBuf>) -> Self {
        Self { place: self.place.under(dir, credentials), ..self }
    }

    /// Whether there is a passphrase. It is not looked at.
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

    /// Reads the passphrase and forgets it: whether there is one that can be used.
    pub fn check(&self) -> Result<(), SealError> {
        self.place.read(Secret::Passphrase).map(drop)
    }

    /// What a file holds: a sealed one is opened, another is given back as it is.
    pub fn open(&self, path: &Path, text: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, SealError> {
        if !is_sealed(&text) {
            return Ok(text);
        }
        let sealed = read(path, &text)?;
        if !self.is_set() {
            return Err(SealError::NoPassphrase { path: path.to_owned() });
        }
        let derived = self.fitting(sealed.head)?;
        let derived = derived.ok_or_else(|| SealError::Wrong { path: path.to_owned(), place: self.to_string() })?;
        let reason = "the octets are not those that were sealed under its name";
        derived.open(&name(path), &sealed).ok_or_else(|| SealError::Damaged { path: path.to_owned(), reason })
    }

    /// The sealed file that `plain` becomes at this path.
    pub fn seal(&self, path: &Path, plain: &[u8], beside: Beside) -> Result<String, SealError> {
        Ok(self.for_new(path, beside)?.seal(&name(path), plain)?.write())
    }

    /// Whether a sealed file is sealed under this passphrase.
    pub(super) fn fits(&self, path: &Path, text: &[u8]) -> Result<bool, SealError> {
        Ok(self.fitting(read(path, text)?.head)?.is_some())
    }

    /// The key that new files of a folder are sealed with: that of the others, so that there is one derivation.
    fn for_new(&self, path: &Path, beside: Beside) -> Result<Arc<Derived>, SealError> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut heads: Vec<Head> = Vec::new();
        for entry in fs::read_dir(folder).map_err(io_at(folder))? {
            let Some(head) = files::head(&entry.map_err(io_at(folder))?.path()) else { continue };
            if let Some(known) = self.known().find(head) {
                return Ok(known);
            }
            if heads.len() < SALTS_MAX && !heads.contains(&head) {
                heads.push(head);
            }
        }
        for head in &heads {
            if let Some(derived) = self.fitting(*head)? {
                return Ok(derived);
            }
        }
        if beside == Beside::Others && !heads.is_empty() {
            return Err(SealError::AnotherPassphrase { folder: folder.to_owned(), place: self.to_string() });
        }
        let stamp = self.place.stamp(Secret::Passphrase)?;
        if let Some((known, _)) = self.known().derived.iter().find(|(_, of)| *of == stamp) {
            return Ok(Arc::clone(known));
        }
        let (passphrase, stamp) = self.place.read(Secret::Passphrase)?;
        let derived = Arc::new(Kdf::new(self.cost)?.derive(&passphrase)?);
        self.known().keep(&derived, stamp);
        Ok(derived)
    }

    /// The key of a head, if the passphrase fits it.
    fn fitting(&self, head: Head) -> Result<Option<Arc<Derived>>, SealError> {
        let mut known = self.known(); // held while one derives, so that others wait for it instead of doing the same
        if let Some(derived) = known.find(head) {
            return Ok(Some(derived));
        }
        if known.misfits.contains(&(head, self.place.stamp(Secret::Passphrase)?)) {
            return Ok(None);
        }
        let (passphrase, stamp) = self.place.read(Secret::Passphrase)?;
        let derived = Arc::new(head.kdf.derive(&passphrase)?);
        if derived.head != head {
            known.misfits.truncate(SALTS_MAX - 1);
            known.misfits.insert(0, (head, stamp));
            return Ok(None);
        }
        known.keep(&derived, stamp);
        Ok(Some(derived))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn find(&self, head: Head) -> Option<Arc<Derived>> {
        self.derived.iter().find(|(derived, _)| derived.head == head).map(|(derived, _)| Arc::clone(derived))
    }

    fn keep(&mut self, derived: &Arc<Derived>, stamp: Stamp) {
        self.derived.truncate(SALTS_MAX - 1);
        self.derived.insert(0, (Arc::clone(derived), stamp));
    }
}

/// Reads a sealed file.
fn read(path: &Path, text: &[u8]) -> Result<Sealed, SealError> {
    Sealed::read(text).map_err(|malformed| match malformed {
        Malformed::Form(reason) => SealError::Damaged { path: path.to_owned(), reason },
        Malformed::Costly(what) => SealError::Costly { path: path.to_owned(), what },
    })
}

/// The name that is sealed with a file: wherever it is moved to, it keeps that.
fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl Default for Lock {
    fn default() -> Self {
        Self::of("")
    }
}

impl From<String> for Lock {
    fn from(text: String) -> Self {
        Self::of(&text)
    }
}

impl From<Lock> for String {
    fn from(lock: Lock) -> Self {
        lock.to_string()
    }
}

/// By the place alone.
impl PartialEq for Lock {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl Eq for Lock {}

impl std::fmt::Debug for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Lock").field(&self.place).finish()
    }
}

impl std::fmt::Display for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.place.fmt(f)
    }
}

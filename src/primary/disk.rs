//! Files that belong to zones: each is replaced whole, and is on the disk before anything goes on from it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::PrimaryError;

/// Octets that are written at once.
const WRITE_OCTETS: usize = 1 << 18;

/// Whether a file has to survive a crash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durable {
    /// Synced, and its folder too.
    Yes,
    /// It tells about the moment.
    No,
}

/// Makes the folder, for its owner alone.
pub(crate) fn make_folder(folder: &Path) -> Result<(), PrimaryError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at(folder))
}

/// A file's octets; `None` if it is not there.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, PrimaryError> {
    match fs::read(path) {
        Ok(octets) => Ok(Some(octets)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path)(error)),
    }
}

/// Replaces a file at once, or leaves it as it was.
pub(crate) fn replace(
    path: &Path,
    durable: Durable,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), PrimaryError> {
    let partial = PathBuf::from(format!("{}.partial", path.display()));
    let written = || {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        let mut out = BufWriter::with_capacity(WRITE_OCTETS, file);
        write(&mut out)?;
        out.flush()?;
        if durable == Durable::Yes {
            out.get_ref().sync_all()?;
        }
        fs::rename(&partial, path)?;
        match path.parent().filter(|_| durable == Durable::Yes) {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    written().map_err(at(path))
}

pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> PrimaryError {
    let path = path.to_owned();
    move |source| PrimaryError::Io { path: path.clone(), source }
}

//! How much room there is on the disk of a folder.

use std::path::Path;

/// Octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// What the service may still use.
    pub(crate) free: u64,
    /// All of it.
    pub(crate) all: u64,
}

/// Of the disk that `folder` lies on (POSIX statvfs).
pub(crate) fn room(folder: &Path) -> std::io::Result<Room> {
    let said = rustix::fs::statvfs(folder)?;
    Ok(Room { free: said.f_bavail.saturating_mul(said.f_frsize), all: said.f_blocks.saturating_mul(said.f_frsize) })
}

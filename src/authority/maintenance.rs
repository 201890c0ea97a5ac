//! Maintenance: changes are refused with a reason while everything else goes on. A file says so, and it outlives restarts.
//!
//! The running service looks at the file each second. What was accepted before is sealed and published all the same.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use serde::{Deserialize, Serialize};

use crate::authority::{Authority, Core};

/// The file in the folder of the ledger.
const FILE: &str = "maintenance.json";
/// A longer file is another one.
const OCTETS_MAX: u64 = 4096;
/// A reason is one line that callers read.
pub const MAINTENANCE_REASON_MAX: usize = 200;
/// When callers are told to come back, in seconds, if nobody said when it ends.
pub const MAINTENANCE_RETRY_S: u32 = 600;

/// That changes are refused, since when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Since when, Unix seconds.
    pub since_s: u64,
    /// What callers are told.
    pub reason: String,
    /// When callers are told to come back, in seconds.
    pub retry_after_s: u32,
}

impl Maintenance {
    /// Whether it is on in the directory whose ledger lies in `data`. A file that cannot be read means that it is.
    pub fn read(data: &Path) -> Option<Self> {
        let path = data.join(FILE);
        let length = match fs::metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return None,
            found => found.map_or(0, |found| found.len()),
        };
        let text = if length <= OCTETS_MAX { fs::read(&path).unwrap_or_default() } else { Vec::new() };
        let unknown = || Self {
            since_s: 0,
            reason: "maintenance of the directory".to_owned(),
            retry_after_s: MAINTENANCE_RETRY_S,
        };
        Some(serde_json::from_slice(&text).unwrap_or_else(|_| unknown()))
    }

    /// Switches it on, durably.
    pub fn on(&self, data: &Path) -> io::Result<()> {
        let (path, partial) = (data.join(FILE), data.join(format!("{FILE}.partial")));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        serde_json::to_writer(&mut file, self)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&partial, &path)?;
        File::open(data)?.sync_all()
    }

    /// Switches it off, durably; false if it was off.
    pub fn off(data: &Path) -> io::Result<bool> {
        match fs::remove_file(data.join(FILE)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
            Ok(()) => File::open(data)?.sync_all().map(|()| true),
        }
    }
}

/// As the folder of the ledger says it.
pub(super) fn found(data: &Path) -> ArcSwapOption<Maintenance> {
    ArcSwapOption::from(Maintenance::read(data).map(Arc::new))
}

impl Core {
    /// Looks whether it is on, and says so in the log when that has changed.
    pub(super) fn mind_maintenance(&self) {
        let found = Maintenance::read(&self.settings.data).map(Arc::new);
        let before = self.maintenance.load_full();
        if found == before {
            return;
        }
        match &found {
            Some(on) => tracing::warn!(reason = on.reason, "maintenance: changes are refused, look-ups go on"),
            None => tracing::warn!("maintenance is over: changes are taken"),
        }
        self.maintenance.store(found);
    }
}

impl Authority {
    /// Whether changes are refused for maintenance, as the running service knows.
    pub fn maintenance(&self) -> Option<Arc<Maintenance>> {
        self.core.maintenance.load_full()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_read_means_that_it_is_on() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Maintenance::read(dir.path()), None);
        let on = Maintenance { since_s: 7, reason: "a new disk".to_owned(), retry_after_s: 60 };
        on.on(dir.path()).unwrap();
        assert_eq!(Maintenance::read(dir.path()), Some(on));
        for text in ["", "{", &"x".repeat(10_000)] {
            fs::write(dir.path().join(FILE), text).unwrap();
            assert!(Maintenance::read(dir.path()).is_some_and(|on| !on.reason.is_empty() && on.retry_after_s > 0));
        }
        assert!(Maintenance::off(dir.path()).unwrap() && !Maintenance::off(dir.path()).unwrap());
        assert_eq!(Maintenance::read(dir.path()), None);
    }
}

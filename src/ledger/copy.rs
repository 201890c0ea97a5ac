//! A copy of the ledger while it works: one moment of it, page by page, into a file of its own.
//!
//! ```text
//! reader: BEGIN, one read --> its moment is held --> 1024 pages at a time --> copy, no WAL --> synced
//! ```
//! The writer goes on meanwhile; its write-ahead log is not emptied before the copy is done, and grows by what is written.

use std::fs::File;
use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::ledger::Ledger;
use crate::ledger::error::OpenError;
use crate::ledger::open::{self, FILE_NAME};

/// Pages copied in one step: 4 MiB.
const STEP_PAGES: i32 = 1024;
/// The copy's page cache in KiB: pages pass through it once.
const CACHE_KIB: i64 = 4 << 10;

impl Ledger {
    /// Copies one moment of the ledger in `from`, which another process may have open, into the new folder `to`. `progress`
    /// is told pages done and pages in all. Durable when this returns, but for the folder's own entry.
    ///
    /// # Errors
    /// When `to` holds a ledger, or the disk refuses: what was written until then stays for the caller to remove.
    pub fn copy(from: &Path, to: &Path, mut progress: impl FnMut(u64, u64)) -> Result<(), OpenError> {
        let path = to.join(FILE_NAME);
        if path.exists() {
            return Err(OpenError::Exists { path });
        }
        let sql = |source| OpenError::Sql { path: path.clone(), source };
        let io = |source| OpenError::Io { path: path.clone(), source };
        let source = open::peek(from)?;
        let moment = source.unchecked_transaction().map_err(sql)?;
        // The transaction has its moment from the first read on; without it every commit of the writer would begin the copy anew.
        moment.query_row("SELECT count(*) FROM meta", [], |row| row.get::<_, i64>(0)).map_err(sql)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut copy = Connection::open_with_flags(&path, flags).map_err(sql)?;
        copy.pragma_update(None, "cache_size", -CACHE_KIB).map_err(sql)?;
        copy.pragma_update(None, "synchronous", "OFF").map_err(sql)?; // synced once, at the end
        {
            let pages = Backup::new(&moment, &mut copy).map_err(sql)?;
            while pages.step(STEP_PAGES).map_err(sql)? != StepResult::Done {
                let at = pages.progress();
                let total = u64::try_from(at.pagecount).unwrap_or(0);
                progress(total.saturating_sub(u64::try_from(at.remaining).unwrap_or(0)), total);
            }
        }
        // One file that opens without a write-ahead log beside it.
        copy.pragma_update(None, "journal_mode", "DELETE").map_err(sql)?;
        copy.close().map_err(|(_, source)| sql(source))?;
        File::open(&path).and_then(|file| file.sync_all()).map_err(io)?;
        File::open(to).and_then(|folder| folder.sync_all()).map_err(io)
    }

    /// Looks at every page of the ledger in `dir`, whatever its size, as nobody does at a start.
    ///
    /// # Errors
    /// [`OpenError::Damaged`] with the first contradiction.
    pub fn check_pages(dir: &Path) -> Result<(), OpenError> {
        let path = dir.join(FILE_NAME);
        let conn = open::peek(dir)?;
        let said: String = conn
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
            .map_err(|source| OpenError::Sql { path: path.clone(), source })?;
        if said == "ok" { Ok(()) } else { Err(OpenError::Damaged { path, what: said }) }
    }

    /// The name of the ledger's file in its folder.
    pub const fn file_name() -> &'static str {
        FILE_NAME
    }

    /// The format of the ledgers that this program writes: the number of the newest migration.
    pub fn format() -> u64 {
        u64::try_from(crate::ledger::migrate::newest()).unwrap_or(0)
    }
}

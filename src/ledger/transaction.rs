//! What a job may change: everything here is undone when the job refuses or the commit fails.

use std::ops::Deref;

use rusqlite::Connection;

use crate::ledger::error::LedgerError;
use crate::ledger::recent::Recent;
use crate::ledger::snapshot::Snapshot;

/// A change in the making. It reads like a [`Snapshot`]; the writes stand beside their tables in this room.
pub struct Transaction<'c> {
    now: Snapshot<'c>,
}

impl<'c> Deref for Transaction<'c> {
    type Target = Snapshot<'c>;

    fn deref(&self) -> &Snapshot<'c> {
        &self.now
    }
}

impl<'c> Transaction<'c> {
    pub(super) fn new(conn: &'c Connection) -> Self {
        Self { now: Snapshot::new(conn) }
    }

    /// The same, with the hints to what is not in its index yet.
    pub(super) fn with(conn: &'c Connection, recent: &'c Recent) -> Self {
        Self { now: Snapshot::with(conn, recent) }
    }

    /// Sets a value of `meta`.
    pub fn set_meta(&self, name: &str, value: &[u8]) -> Result<(), LedgerError> {
        self.change("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)", (name, value))?;
        Ok(())
    }

    pub(super) fn limit_pages(&self, pages: u32) -> Result<(), LedgerError> {
        self.first(&format!("PRAGMA max_page_count = {pages}"), [], |row| row.get::<_, i64>(0))?;
        Ok(())
    }
}

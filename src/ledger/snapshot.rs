//! One moment of the ledger, to read from; and how stored values become ours.

use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row};

use crate::ledger::error::LedgerError;
use crate::ledger::recent::Recent;

/// One moment of the ledger. The rows it gives are typed; the reads stand beside their tables in this room.
pub struct Snapshot<'c> {
    pub(super) conn: &'c Connection,
    /// Where to look in `recent`; None: everywhere.
    pub(super) recent: Option<&'c Recent>,
}

impl<'c> Snapshot<'c> {
    pub(super) fn new(conn: &'c Connection) -> Self {
        Self { conn, recent: None }
    }

    /// The same, with the hints to what is not in its index yet.
    pub(super) fn with(conn: &'c Connection, recent: &'c Recent) -> Self {
        Self { conn, recent: Some(recent) }
    }

    /// A statement, prepared once a connection.
    pub(super) fn prepare(&self, sql: &str) -> Result<CachedStatement<'c>, LedgerError> {
        Ok(self.conn.prepare_cached(sql)?)
    }

    /// The first row, if there is one.
    pub(super) fn first<T>(
        &self,
        sql: &str,
        params: impl Params,
        row: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, LedgerError> {
        Ok(self.prepare(sql)?.query_row(params, row).optional()?)
    }

    /// Every row; for tables and pages that are small by their own bounds.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, LedgerError> {
        let mut statement = self.prepare(sql)?;
        Ok(statement.query_map(params, row)?.collect::<Result<_, _>>()?)
    }

    /// Runs a change and says how many rows it touched.
    pub(super) fn change(&self, sql: &str, params: impl Params) -> Result<usize, LedgerError> {
        Ok(self.prepare(sql)?.execute(params)?)
    }

    /// The key of the row that was inserted last.
    pub(super) fn last_insert_rowid(&self) -> u64 {
        u64::try_from(self.conn.last_insert_rowid()).unwrap_or(0)
    }

    /// A value of `meta` (public facts about the installation).
    pub fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        self.first("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0))
    }
}

/// How SQLite holds our unsigned integers: its own are signed, and no time, count or packed number of ours comes near the sign.
pub(super) fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// The column as an unsigned integer.
pub(super) fn uint(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    let n: i64 = row.get(at)?;
    u64::try_from(n).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(at, n))
}

/// The column as an unsigned integer that may be missing.
pub(super) fn uint_option(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<u64>> {
    row.get::<_, Option<i64>>(at)?.map(|_| uint(row, at)).transpose()
}

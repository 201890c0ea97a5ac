//! What the doors of article 6 rest on: transfer codes in force, and what became of earlier requests.

use rusqlite::Row;

use crate::ledger::error::LedgerError;
use crate::ledger::snapshot::{Snapshot, int, uint};
use crate::ledger::transaction::Transaction;
use crate::log::Hash;
use crate::log::event::Kind;
use crate::log::label::Label;
use crate::registry::past::{Happened, Past};

impl Snapshot<'_> {
    /// The hash of the transfer code that is in force for a label.
    pub fn transfer_code(&self, label: &Label, now_ms: u64) -> Result<Option<Hash>, LedgerError> {
        let sql = "SELECT hash FROM transfer_codes WHERE label = ?1 AND expires_ms > ?2";
        self.first(sql, (&label.0, int(now_ms)), |row| row.get(0))
    }

    /// What is remembered of a label's requests, the oldest first.
    pub fn past(&self, label: &Label) -> Result<Vec<Past>, LedgerError> {
        let sql = "SELECT time_ms, what, provider, control FROM past WHERE label = ?1 ORDER BY time_ms, what";
        self.all(sql, [&label.0], stored)?.into_iter().collect()
    }
}

impl Transaction<'_> {
    /// Puts a transfer code in force, in the place of any before it.
    pub fn set_transfer_code(&self, label: &Label, hash: &Hash, expires_ms: u64) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO transfer_codes (label, hash, expires_ms) VALUES (?1, ?2, ?3)
             ON CONFLICT (label) DO UPDATE SET hash = ?2, expires_ms = ?3",
            (&label.0, hash, int(expires_ms)),
        )?;
        Ok(())
    }

    /// The label's transfer code is used up or void.
    pub fn void_transfer_code(&self, label: &Label) -> Result<(), LedgerError> {
        self.change("DELETE FROM transfer_codes WHERE label = ?1", [&label.0])?;
        Ok(())
    }

    /// Remembers what happened to a label at `time_ms`.
    pub fn remember(&self, label: &Label, happened: &Happened, time_ms: u64) -> Result<(), LedgerError> {
        let (what, provider, control) = match happened {
            Happened::Completed { control_before } => (Kind::Complete, None, Some(control_before)),
            Happened::Vetoed { provider } => (Kind::Veto, Some(provider), None),
            Happened::Revalidated => (Kind::Renew, None, None),
        };
        self.change(
            "INSERT OR REPLACE INTO past (label, time_ms, what, provider, control) VALUES (?1, ?2, ?3, ?4, ?5)",
            (&label.0, int(time_ms), what as u8, provider, control),
        )?;
        Ok(())
    }

    /// Forgets everything of a label that is released.
    pub fn forget_past(&self, label: &Label) -> Result<(), LedgerError> {
        self.change("DELETE FROM past WHERE label = ?1", [&label.0])?;
        self.void_transfer_code(label)
    }

    /// Forgets what nothing waits for any more: what happened before `before_ms`, and codes that expired before `now_ms`; at
    /// most `limit` of each.
    pub fn purge_past(&self, before_ms: u64, now_ms: u64, limit: usize) -> Result<(), LedgerError> {
        self.change(
            "DELETE FROM past WHERE (label, time_ms, what) IN
             (SELECT label, time_ms, what FROM past WHERE time_ms < ?1 ORDER BY time_ms LIMIT ?2)",
            (int(before_ms), limit as i64),
        )?;
        self.change(
            "DELETE FROM transfer_codes WHERE label IN
             (SELECT label FROM transfer_codes WHERE expires_ms <= ?1 ORDER BY expires_ms LIMIT ?2)",
            (int(now_ms), limit as i64),
        )?;
        Ok(())
    }
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Result<Past, LedgerError>> {
    let (time_ms, provider, control) = (uint(row, 0)?, row.get(2)?, row.get(3)?);
    let what = match (Kind::from_u8(row.get(1)?), provider, control) {
        (Some(Kind::Complete), None, Some(control_before)) => Happened::Completed { control_before },
        (Some(Kind::Veto), Some(provider), None) => Happened::Vetoed { provider },
        (Some(Kind::Renew), None, None) => Happened::Revalidated,
        _ => return Ok(Err(LedgerError::Damaged("a past of a number that is none"))),
    };
    Ok(Ok(Past { what, time_ms }))
}

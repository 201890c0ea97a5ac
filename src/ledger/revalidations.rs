//! Codes that were sent to numbers. The code itself is never here, only its hash.

use rusqlite::Row;

use crate::ledger::error::LedgerError;
use crate::ledger::snapshot::{Snapshot, int, uint, uint_option};
use crate::ledger::transaction::Transaction;
use crate::log::Hash;
use crate::log::label::Label;

/// A code on its way.
///
/// ```text
/// sending --the sender took it--> sent --answered with code and key--> confirmed
///    '--it did not--> unsent        |--too many wrong codes--> wrong
///                                   '--expires_ms is over----> expired
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevalidationRow {
    /// Names it.
    pub id: String,
    /// The drawn token that it is about.
    pub item: String,
    /// The label of the number that it went to.
    pub label: Label,
    /// SHA-256 over id and code.
    pub code: Hash,
    /// When it was made.
    pub made_ms: u64,
    /// From when on it is not taken.
    pub expires_ms: u64,
    /// Wrong codes so far, each signed by the right key.
    pub wrong: u64,
    /// See the picture.
    pub state: String,
    /// When it came to its end.
    pub done_ms: Option<u64>,
}

const COLUMNS: &str = "id, item, label, code, made_ms, expires_ms, wrong, state, done_ms";

impl Snapshot<'_> {
    /// The codes that were sent for a drawn token, the oldest first.
    pub fn revalidations_of(&self, item: &str) -> Result<Vec<RevalidationRow>, LedgerError> {
        let sql = format!("SELECT {COLUMNS} FROM revalidations WHERE item = ?1 ORDER BY made_ms, id");
        self.all(&sql, [item], stored)
    }

    /// The newest code that waits for an answer from a label.
    pub fn open_revalidation(&self, label: &Label, now_ms: u64) -> Result<Option<RevalidationRow>, LedgerError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM revalidations WHERE label = ?1 AND state IN ('sending', 'sent') AND expires_ms > ?2
             ORDER BY made_ms DESC LIMIT 1"
        );
        self.first(&sql, (&label.0, int(now_ms)), stored)
    }

    /// How many codes were made since `from_ms`: for a label, and for all.
    pub fn count_revalidations(&self, label: &Label, from_ms: u64) -> Result<(u64, u64), LedgerError> {
        let sql = "SELECT coalesce(sum(label = ?1), 0), count(*) FROM revalidations WHERE made_ms >= ?2";
        let counts = self.first(sql, (&label.0, int(from_ms)), |row| Ok((uint(row, 0)?, uint(row, 1)?)))?;
        Ok(counts.unwrap_or((0, 0)))
    }
}

impl Transaction<'_> {
    /// Adds a code that is about to be sent.
    pub fn add_revalidation(&self, row: &RevalidationRow) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO revalidations (id, item, label, code, made_ms, expires_ms, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (&row.id, &row.item, &row.label.0, &row.code, int(row.made_ms), int(row.expires_ms), &row.state),
        )?;
        Ok(())
    }

    /// Whether the sender took it. A code that was answered already stays confirmed.
    pub fn note_revalidation_sent(&self, id: &str, sent: bool) -> Result<(), LedgerError> {
        let state = if sent { "sent" } else { "unsent" };
        self.change("UPDATE revalidations SET state = ?2 WHERE id = ?1 AND state = 'sending'", (id, state))?;
        Ok(())
    }

    /// A wrong code was answered.
    pub fn note_wrong_answer(&self, id: &str) -> Result<(), LedgerError> {
        self.change("UPDATE revalidations SET wrong = wrong + 1 WHERE id = ?1", [id])?;
        Ok(())
    }

    /// It came to its end.
    pub fn end_revalidation(&self, id: &str, state: &str, now_ms: u64) -> Result<(), LedgerError> {
        self.change("UPDATE revalidations SET state = ?2, done_ms = ?3 WHERE id = ?1", (id, state, int(now_ms)))?;
        Ok(())
    }

    /// Ends what nobody answered in time, at most `limit`.
    pub fn expire_revalidations(&self, now_ms: u64, limit: usize) -> Result<(), LedgerError> {
        let sql = "UPDATE revalidations SET state = 'expired', done_ms = ?1 WHERE id IN (SELECT id FROM revalidations
                   WHERE state IN ('sending', 'sent') AND expires_ms <= ?1 LIMIT ?2)";
        self.change(sql, (int(now_ms), limit as i64))?;
        Ok(())
    }
}

fn stored(row: &Row<'_>) -> rusqlite::Result<RevalidationRow> {
    Ok(RevalidationRow {
        id: row.get(0)?,
        item: row.get(1)?,
        label: Label(row.get(2)?),
        code: row.get(3)?,
        made_ms: uint(row, 4)?,
        expires_ms: uint(row, 5)?,
        wrong: uint(row, 6)?,
        state: row.get(7)?,
        done_ms: uint_option(row, 8)?,
    })
}

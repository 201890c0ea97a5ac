//! Batches: who sent them, and what became of each item. The items themselves are never stored.

use rusqlite::Row;

use crate::ledger::error::LedgerError;
use crate::ledger::snapshot::{Snapshot, int, uint, uint_option};
use crate::ledger::transaction::Transaction;
use crate::log::Hash;

/// A batch that was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRow {
    /// Names it.
    pub id: String,
    /// The provider that sent it.
    pub owner: String,
    /// Its Idempotency-Key.
    pub key: Option<String>,
    /// SHA-256 of the request.
    pub request: Hash,
    /// Whether its items are judged only.
    pub dry_run: bool,
    /// How many items it has.
    pub items: u64,
    /// When it was taken in.
    pub made_ms: u64,
    /// When its last item got its result.
    pub ended_ms: Option<u64>,
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchResult {
    /// Its place in the batch, from 0.
    pub item: u64,
    /// The hash of the accepted event.
    pub event: Option<Hash>,
    /// The version that it makes, or in a dry run would make.
    pub version: Option<u64>,
    /// Why not, as the authority wrote it.
    pub refusal: Option<String>,
}

/// How far a batch has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchCount {
    /// Items with a result.
    pub done: u64,
    /// Those of them that were refused.
    pub refused: u64,
}

const COLUMNS: &str = "id, owner, key, request, dry_run, items, made_ms, ended_ms";

impl Snapshot<'_> {
    /// The batch of this id.
    pub fn batch(&self, id: &str) -> Result<Option<BatchRow>, LedgerError> {
        self.first(&format!("SELECT {COLUMNS} FROM batches WHERE id = ?1"), [id], batch)
    }

    /// The batch that `owner` sent under this Idempotency-Key.
    pub fn batch_by_key(&self, owner: &str, key: &str) -> Result<Option<BatchRow>, LedgerError> {
        self.first(&format!("SELECT {COLUMNS} FROM batches WHERE owner = ?1 AND key = ?2"), (owner, key), batch)
    }

    /// How far a batch has come.
    pub fn batch_count(&self, id: &str) -> Result<BatchCount, LedgerError> {
        let sql = "SELECT count(*), count(refusal) FROM batch_results WHERE batch = ?1";
        let counted = |row: &Row<'_>| Ok(BatchCount { done: uint(row, 0)?, refused: uint(row, 1)? });
        Ok(self.first(sql, [id], counted)?.unwrap_or_default())
    }

    /// Results of a batch from item `from` on in their order, at most `limit`.
    pub fn batch_results(&self, id: &str, from: u64, limit: usize) -> Result<Vec<BatchResult>, LedgerError> {
        let sql = "SELECT item, event, version, refusal FROM batch_results WHERE batch = ?1 AND item >= ?2
                   ORDER BY item LIMIT ?3";
        self.all(sql, (id, int(from), limit as i64), |row| {
            Ok(BatchResult {
                item: uint(row, 0)?,
                event: row.get(1)?,
                version: uint_option(row, 2)?,
                refusal: row.get(3)?,
            })
        })
    }

    /// The items of a batch that have their result.
    pub fn batch_done(&self, id: &str) -> Result<Vec<u64>, LedgerError> {
        self.all("SELECT item FROM batch_results WHERE batch = ?1 ORDER BY item", [id], |row| uint(row, 0))
    }
}

impl Transaction<'_> {
    /// Takes a batch in.
    pub fn add_batch(&self, batch: &BatchRow) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO batches (id, owner, key, request, dry_run, items, made_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                &batch.id,
                &batch.owner,
                &batch.key,
                &batch.request,
                batch.dry_run,
                int(batch.items),
                int(batch.made_ms),
            ),
        )?;
        Ok(())
    }

    /// Keeps the result of an item; the first one stays.
    pub fn add_batch_result(&self, id: &str, result: &BatchResult) -> Result<(), LedgerError> {
        self.change(
            "INSERT OR IGNORE INTO batch_results (batch, item, event, version, refusal) VALUES (?1, ?2, ?3, ?4, ?5)",
            (id, int(result.item), result.event, result.version.map(int), &result.refusal),
        )?;
        Ok(())
    }

    /// Every item has its result.
    pub fn end_batch(&self, id: &str, ended_ms: u64) -> Result<(), LedgerError> {
        self.change("UPDATE batches SET ended_ms = ?2 WHERE id = ?1 AND ended_ms IS NULL", (id, int(ended_ms)))?;
        Ok(())
    }

    /// Forgets results of batches that were taken in before `before_ms`, at most `limit` of them, and the batches that
    /// have none left; gives how many rows went.
    pub fn purge_batches(&self, before_ms: u64, limit: usize) -> Result<usize, LedgerError> {
        let oldest = "SELECT id FROM batches WHERE made_ms < ?1 ORDER BY made_ms LIMIT 1";
        let Some(id) = self.first(oldest, [int(before_ms)], |row| row.get::<_, String>(0))? else { return Ok(0) };
        let gone = self.change(
            "DELETE FROM batch_results WHERE batch = ?1 AND item IN
             (SELECT item FROM batch_results WHERE batch = ?1 ORDER BY item LIMIT ?2)",
            (&id, limit as i64),
        )?;
        if gone < limit {
            return Ok(gone + self.change("DELETE FROM batches WHERE id = ?1", [&id])?);
        }
        Ok(gone)
    }
}

fn batch(row: &Row<'_>) -> rusqlite::Result<BatchRow> {
    Ok(BatchRow {
        id: row.get(0)?,
        owner: row.get(1)?,
        key: row.get(2)?,
        request: row.get(3)?,
        dry_run: row.get(4)?,
        items: uint(row, 5)?,
        made_ms: uint(row, 6)?,
        ended_ms: uint_option(row, 7)?,
    })
}

//! The two logs as rows: epochs of the map log (sealed, then signed) and leaves of the gov log.

use rusqlite::Row;

use crate::ledger::error::LedgerError;
use crate::ledger::snapshot::{Snapshot, int, uint};
use crate::ledger::tiles::Leaves;
use crate::ledger::transaction::Transaction;

/// A leaf of the map log.
///
/// ```text
/// SEALED (row, note NULL) --checkpoint signed and stored--> SIGNED (note) --views switched--> PUBLISHED
/// ```
/// Published is no column: it is a fact about a running process, and a process that starts publishes everything signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochRow {
    /// Its number and leaf index; 0 is the configuration leaf.
    pub n: u64,
    /// Its time.
    pub time_ms: u64,
    /// The leaf's bytes.
    pub leaf: Vec<u8>,
    /// The newest event that it or an earlier epoch covers; 0 before the first.
    pub last_seq: u64,
    /// The size of the gov log that it rests on.
    pub gov_size: u64,
    /// The signed checkpoint over the log with this leaf last, with the cosignatures that came; None while it is only sealed.
    pub note: Option<String>,
}

/// How far an epoch reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochPosition {
    /// Its number.
    pub n: u64,
    /// The newest event that it or an earlier one covers.
    pub last_seq: u64,
    /// The size of the gov log that it rests on.
    pub gov_size: u64,
}

const COLUMNS: &str = "n, time_ms, leaf, last_seq, gov_size, note";

impl Snapshot<'_> {
    /// The newest epoch.
    pub fn newest_epoch(&self) -> Result<Option<EpochRow>, LedgerError> {
        self.first(&format!("SELECT {COLUMNS} FROM epochs ORDER BY n DESC LIMIT 1"), [], stored)
    }

    /// How far the newest epoch reaches, without its leaf and note.
    pub fn newest_epoch_position(&self) -> Result<EpochPosition, LedgerError> {
        let sql = "SELECT n, last_seq, gov_size FROM epochs ORDER BY n DESC LIMIT 1";
        let position =
            |row: &Row<'_>| Ok(EpochPosition { n: uint(row, 0)?, last_seq: uint(row, 1)?, gov_size: uint(row, 2)? });
        self.first(sql, [], position)?.ok_or(LedgerError::Damaged("the map log has no leaf"))
    }

    /// Epoch `n`.
    pub fn epoch(&self, n: u64) -> Result<Option<EpochRow>, LedgerError> {
        self.first(&format!("SELECT {COLUMNS} FROM epochs WHERE n = ?1"), [int(n)], stored)
    }

    /// How far epoch `n` reaches, without its leaf and note.
    pub fn epoch_position(&self, n: u64) -> Result<Option<EpochPosition>, LedgerError> {
        let position =
            |row: &Row<'_>| Ok(EpochPosition { n: uint(row, 0)?, last_seq: uint(row, 1)?, gov_size: uint(row, 2)? });
        self.first("SELECT n, last_seq, gov_size FROM epochs WHERE n = ?1", [int(n)], position)
    }

    /// The same of an era that is closed.
    pub fn past_epoch_position(&self, era: u64, n: u64) -> Result<Option<EpochPosition>, LedgerError> {
        let position =
            |row: &Row<'_>| Ok(EpochPosition { n: uint(row, 0)?, last_seq: uint(row, 1)?, gov_size: uint(row, 2)? });
        let sql = "SELECT n, last_seq, gov_size FROM past_epochs WHERE era = ?1 AND n = ?2";
        self.first(sql, [int(era), int(n)], position)
    }

    /// Epochs from `from` on in their order, at most `limit`.
    pub fn epochs_from(&self, from: u64, limit: usize) -> Result<Vec<EpochRow>, LedgerError> {
        let sql = format!("SELECT {COLUMNS} FROM epochs WHERE n >= ?1 ORDER BY n LIMIT ?2");
        self.all(&sql, (int(from), limit as i64), stored)
    }

    /// The epoch that covers the event at `seq`, if one does yet; of an event from a closed era, an epoch of that one.
    pub fn epoch_of(&self, seq: u64) -> Result<Option<EpochRow>, LedgerError> {
        let sql = format!("SELECT {COLUMNS} FROM epochs WHERE last_seq >= ?1 ORDER BY last_seq, n LIMIT 1");
        let found = self.first(&sql, [int(seq)], stored)?;
        if found.as_ref().is_none_or(|epoch| epoch.n > 0) {
            return Ok(found);
        }
        let sql = format!("SELECT {COLUMNS} FROM past_epochs WHERE last_seq >= ?1 ORDER BY last_seq, era, n LIMIT 1");
        self.first(&sql, [int(seq)], stored)
    }

    /// How many leaves the gov log has.
    pub fn gov_size(&self) -> Result<u64, LedgerError> {
        self.log_size(Leaves::Gov)
    }

    /// Leaf `idx` of the gov log.
    pub fn gov_leaf(&self, idx: u64) -> Result<Option<Vec<u8>>, LedgerError> {
        self.first("SELECT leaf FROM gov WHERE idx = ?1", [int(idx)], |row| row.get(0))
    }

    /// Leaves of the gov log from `from` on, at most `limit`.
    pub fn gov_leaves_from(&self, from: u64, limit: u64) -> Result<Vec<Vec<u8>>, LedgerError> {
        let sql = "SELECT leaf FROM gov WHERE idx >= ?1 ORDER BY idx LIMIT ?2";
        self.all(sql, [int(from), int(limit)], |row| row.get(0))
    }

    /// The first `size` leaves of the gov log.
    pub fn gov_leaves(&self, size: u64) -> Result<Vec<Vec<u8>>, LedgerError> {
        self.all("SELECT leaf FROM gov WHERE idx < ?1 ORDER BY idx", [int(size)], |row| row.get(0))
    }
}

impl Transaction<'_> {
    /// Adds the next epoch, sealed (its note is not looked at), and closes the events that it covers. The number is the
    /// fence: a second sequencer that sealed the same one meanwhile makes this fail.
    pub fn seal(&self, epoch: &EpochRow) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO epochs (n, time_ms, leaf, last_seq, gov_size) VALUES (?1, ?2, ?3, ?4, ?5)",
            (int(epoch.n), int(epoch.time_ms), &epoch.leaf, int(epoch.last_seq), int(epoch.gov_size)),
        )?;
        self.close_events(epoch.last_seq)?;
        self.complete_tiles(Leaves::Map, epoch.n + 1)
    }

    /// Stores the signed checkpoint of a sealed epoch; one that is there stays, for a note is given out once.
    pub fn sign(&self, n: u64, note: &str) -> Result<(), LedgerError> {
        self.change("UPDATE epochs SET note = ?2 WHERE n = ?1 AND note IS NULL", (int(n), note))?;
        Ok(())
    }

    /// Adds a witness's cosignature to the signed checkpoint of an epoch; one that is there is not added again.
    pub fn cosign(&self, n: u64, line: &str) -> Result<(), LedgerError> {
        self.change("UPDATE epochs SET note = note || ?2 WHERE n = ?1 AND instr(note, ?2) = 0", (int(n), line))?;
        Ok(())
    }

    /// Adds a leaf to the gov log at index `idx`, which must be its size.
    pub fn add_gov_leaf(&self, idx: u64, leaf: &[u8]) -> Result<(), LedgerError> {
        self.change("INSERT INTO gov (idx, leaf) VALUES (?1, ?2)", (int(idx), leaf))?;
        self.complete_tiles(Leaves::Gov, idx + 1)
    }
}

fn stored(row: &Row<'_>) -> rusqlite::Result<EpochRow> {
    Ok(EpochRow {
        n: uint(row, 0)?,
        time_ms: uint(row, 1)?,
        leaf: row.get(2)?,
        last_seq: uint(row, 3)?,
        gov_size: uint(row, 4)?,
        note: row.get(5)?,
    })
}

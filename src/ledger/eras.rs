//! Eras: a map log is closed, and every live number gets the place that the next era's key gives it; and what is taken back when
//! a log goes on otherwise than it was about to.
//!
//! What belongs to a number is moved to its new label in one pass over each table. A label that is released stays behind:
//! nobody knows its number any more, so all that is kept of it is how long it rests.

use rusqlite::Row;

use crate::ledger::error::LedgerError;
use crate::ledger::snapshot::{Snapshot, int, uint};
use crate::ledger::transaction::Transaction;
use crate::log::label::Label;

/// A closed era.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EraRow {
    /// Which one; the first is 0.
    pub era: u64,
    /// The origin of its map log.
    pub origin: String,
    /// The key that signed it, as a `vkey`.
    pub vkey: String,
    /// Its leaves.
    pub size: u64,
    /// When it was closed.
    pub closed_ms: u64,
}

/// Where a label goes in the next era.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The label in the era that ends.
    pub old: Label,
    /// The label in the era that begins.
    pub new: Label,
    /// The VRF proof that this is its number's.
    pub proof: [u8; 80],
}

/// Tables with a column `label`, beside `states` and `personal`.
const LABELLED: [&str; 12] = [
    "transfer_codes",
    "past",
    "act_labels",
    "validations",
    "changes",
    "notice_marks",
    "complaints",
    "published_keys",
    "audit_tokens",
    "audit_items",
    "revalidations",
    "desk",
];

impl Snapshot<'_> {
    /// The eras that are closed, the oldest first.
    pub fn eras(&self) -> Result<Vec<EraRow>, LedgerError> {
        self.all("SELECT era, origin, vkey, size, closed_ms FROM eras ORDER BY era", [], stored)
    }

    /// The last checkpoint of a closed era that was signed.
    pub fn last_note_of_era(&self, era: u64) -> Result<Option<String>, LedgerError> {
        let sql = "SELECT note FROM past_epochs WHERE era = ?1 AND note IS NOT NULL ORDER BY n DESC LIMIT 1";
        self.first(sql, [int(era)], |row| row.get(0))
    }

    /// When a label of an era before was released, Unix milliseconds; None if it was not, or before the ledger kept that.
    pub fn resting(&self, label: &Label) -> Result<Option<u64>, LedgerError> {
        self.first("SELECT released_ms FROM resting WHERE label = ?1", [&label.0], |row| uint(row, 0))
    }

    /// Whether a number still rests that was given back in an era before.
    pub fn anyone_rests(&self) -> Result<bool, LedgerError> {
        Ok(self.first("SELECT 1 FROM resting LIMIT 1", [], |_| Ok(()))?.is_some())
    }

    /// Live numbers whose record was lost with a ledger.
    pub fn count_without_record(&self) -> Result<u64, LedgerError> {
        let sql = "SELECT count(*) FROM states WHERE due_s IS NOT NULL AND label NOT IN (SELECT label FROM personal)";
        Ok(self.first(sql, [], |row| uint(row, 0))?.unwrap_or(0))
    }

    /// Changes that were accepted after `last_seq` and wait for an epoch.
    pub fn count_waiting(&self, last_seq: u64) -> Result<u64, LedgerError> {
        let sql = "SELECT count(*) FROM events WHERE seq > ?1";
        Ok(self.first(sql, [int(last_seq)], |row| uint(row, 0))?.unwrap_or(0))
    }
}

impl Transaction<'_> {
    /// Closes an era: its epochs and tiles go to where they are kept, and the map log is empty. Changes that were told stay
    /// readable: they count as told in epoch 0 of the next one.
    pub fn close_era(&self, era: &EraRow) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO eras (era, origin, vkey, size, closed_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            (int(era.era), &era.origin, &era.vkey, int(era.size), int(era.closed_ms)),
        )?;
        self.change(
            "INSERT INTO past_epochs (era, n, time_ms, leaf, last_seq, gov_size, note)
             SELECT ?1, n, time_ms, leaf, last_seq, gov_size, note FROM epochs ORDER BY n",
            [int(era.era)],
        )?;
        self.change("DELETE FROM epochs", [])?;
        self.close_tiles(era.era)?;
        self.change("UPDATE changes SET epoch = 0", [])?;
        Ok(())
    }

    /// Moves all that belongs to live numbers to their new labels; all of these must be in `carried`. Released labels leave the
    /// map and rest.
    pub fn carry_labels(&self, carried: &[Carried]) -> Result<(), LedgerError> {
        self.settle_recent()?;
        for one in carried {
            let sql = "INSERT INTO carried (old, new, proof) VALUES (?1, ?2, ?3)";
            self.change(sql, (&one.old.0, &one.new.0, &one.proof))?;
        }
        for table in LABELLED {
            let sql = format!(
                "UPDATE {table} SET label = (SELECT new FROM carried WHERE old = label)
                 WHERE label IN (SELECT old FROM carried)"
            );
            self.change(&sql, [])?;
        }
        // A look at a number that nobody had: whoever has the old VRF key could tell which.
        self.change("UPDATE desk SET label = NULL WHERE label NOT IN (SELECT new FROM carried)", [])?;
        self.change(
            "UPDATE personal SET (label, proof) = (SELECT new, proof FROM carried WHERE old = label)
             WHERE label IN (SELECT old FROM carried)",
            [],
        )?;
        self.change(
            "INSERT OR REPLACE INTO resting (label, released_ms)
             SELECT label, time_ms FROM states WHERE label NOT IN (SELECT old FROM carried) AND due_s IS NULL",
            [],
        )?;
        self.change("DELETE FROM states WHERE label NOT IN (SELECT old FROM carried) AND due_s IS NULL", [])?;
        self.change(
            "UPDATE states SET label = (SELECT new FROM carried WHERE old = label)
             WHERE label IN (SELECT old FROM carried)",
            [],
        )?;
        self.change("DELETE FROM carried", [])?;
        Ok(())
    }

    /// Forgets what was accepted after `last_seq` and can never be sealed, as if it had not been asked for. Gives the labels that
    /// are still registered, whose published keys are for the caller to note again: records are not read in this room.
    pub fn forget_waiting(&self, last_seq: u64) -> Result<Vec<Label>, LedgerError> {
        self.settle_recent()?;
        let labels: Vec<Label> = self.all("SELECT label FROM open_events", [], |row| row.get(0).map(Label))?;
        for label in &labels {
            self.change("DELETE FROM published_keys WHERE label = ?1", [&label.0])?;
        }
        for sql in [
            "DELETE FROM open_events",
            "UPDATE personal SET next_opening = NULL, next_record = NULL WHERE next_record IS NOT NULL",
            "DELETE FROM personal WHERE label NOT IN (SELECT label FROM states WHERE due_s IS NOT NULL)",
            "DELETE FROM validations WHERE id NOT IN (SELECT validation FROM personal WHERE validation IS NOT NULL)",
        ] {
            self.change(sql, [])?;
        }
        self.count_holdings()?;
        let sql = "DELETE FROM idempotency WHERE event IN (SELECT hash FROM events WHERE seq > ?1)";
        self.change(sql, [int(last_seq)])?;
        let sql = "DELETE FROM audit_tokens WHERE event IN (SELECT hash FROM events WHERE seq > ?1)";
        self.change(sql, [int(last_seq)])?;
        self.change("UPDATE act_labels SET event = NULL WHERE event > ?1", [int(last_seq)])?;
        self.change("DELETE FROM event_places WHERE seq > ?1", [int(last_seq)])?;
        self.change("DELETE FROM events WHERE seq > ?1", [int(last_seq)])?;
        let mut registered = Vec::with_capacity(labels.len());
        for label in labels {
            if self.personal(&label)?.is_some() {
                registered.push(label);
            }
        }
        Ok(registered)
    }

    /// Counts anew how many numbers each provider has, by what is sealed.
    pub fn count_holdings(&self) -> Result<(), LedgerError> {
        self.change("DELETE FROM holdings", [])?;
        self.change(
            "INSERT INTO holdings (provider, numbers)
             SELECT sponsor, count(*) FROM states WHERE due_s IS NOT NULL GROUP BY sponsor",
            [],
        )?;
        Ok(())
    }

    /// Takes back that events from `seq` on were accepted: they are given another place.
    pub fn take_waiting(&self, seq: u64) -> Result<(), LedgerError> {
        self.settle_recent()?;
        self.change("DELETE FROM event_places WHERE seq >= ?1", [int(seq)])?;
        self.change("DELETE FROM events WHERE seq >= ?1", [int(seq)])?;
        self.change("DELETE FROM open_events", [])?;
        Ok(())
    }

    /// Forgets which keys a label publishes.
    pub fn forget_published_keys(&self, label: &Label) -> Result<(), LedgerError> {
        self.settle_recent()?;
        self.change("DELETE FROM published_keys WHERE label = ?1", [&label.0])?;
        Ok(())
    }

    /// Forgets numbers that rest no more: they were released before `before_ms`. At most `limit`; gives how many.
    pub fn purge_resting(&self, before_ms: u64, limit: usize) -> Result<usize, LedgerError> {
        let sql = "DELETE FROM resting WHERE label IN (SELECT label FROM resting WHERE released_ms < ?1 LIMIT ?2)";
        self.change(sql, (int(before_ms), limit as i64))
    }
}

fn stored(row: &Row<'_>) -> rusqlite::Result<EraRow> {
    Ok(EraRow {
        era: uint(row, 0)?,
        origin: row.get(1)?,
        vkey: row.get(2)?,
        size: uint(row, 3)?,
        closed_ms: uint(row, 4)?,
    })
}

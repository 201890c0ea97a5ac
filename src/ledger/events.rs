//! Events: every accepted change as it was submitted, which of them wait for an epoch, and what they used up.

use rusqlite::Row;

use crate::ledger::error::LedgerError;
use crate::ledger::recent::Kind;
use crate::ledger::snapshot::{Snapshot, int, uint, uint_option};
use crate::ledger::transaction::Transaction;
use crate::log::Hash;
use crate::log::event::Event;
use crate::log::label::Label;

/// An event to be accepted.
#[derive(Clone, Debug)]
pub struct Accepted<'e> {
    /// The label that it changes.
    pub label: &'e Label,
    /// Its hash as submitted.
    pub hash: &'e Hash,
    /// Its bytes as submitted, both epochs 0.
    pub event: &'e [u8],
    /// When it was accepted.
    pub received_ms: u64,
    /// Leaves of the gov log under which it was judged.
    pub gov_size: u64,
    /// The latest epoch that will hold it.
    pub promised: u64,
    /// The label's event before this one.
    pub before_seq: Option<u64>,
}

/// An accepted event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Its place in the order of acceptance.
    pub seq: u64,
    /// Its hash as submitted.
    pub hash: Hash,
    /// As it was submitted, both epochs 0.
    pub event: Event,
    /// When it was accepted.
    pub received_ms: u64,
    /// Leaves of the gov log under which it was judged.
    pub gov_size: u64,
    /// The latest epoch that will hold it.
    pub promised: u64,
    /// The label's event before this one.
    pub before_seq: Option<u64>,
}

const COLUMNS: &str = "seq, hash, event, received_ms, gov_size, promised, before_seq";

impl Snapshot<'_> {
    /// The event with this hash.
    pub fn event_by_hash(&self, hash: &Hash) -> Result<Option<EventRow>, LedgerError> {
        for (_, seq) in self.recent(Kind::Event, hash, |row| row.get::<_, i64>(0))? {
            let sql = format!("SELECT {COLUMNS} FROM events WHERE seq = ?1 AND hash = ?2");
            if let Some(row) = self.first(&sql, (seq, hash), stored)? {
                return row.map(Some);
            }
        }
        if !self.may_be_merged(hash) {
            return Ok(None);
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM events WHERE seq = (SELECT seq FROM event_places WHERE hash = ?1) AND hash = ?1"
        );
        self.first(&sql, [hash], stored)?.transpose()
    }

    /// The event at a place in the order of acceptance.
    pub fn event_by_seq(&self, seq: u64) -> Result<Option<EventRow>, LedgerError> {
        self.first(&format!("SELECT {COLUMNS} FROM events WHERE seq = ?1"), [int(seq)], stored)?.transpose()
    }

    /// Accepted events after `after_seq` in their order, at most `limit`.
    pub fn events_after(&self, after_seq: u64, limit: usize) -> Result<Vec<EventRow>, LedgerError> {
        let sql = format!("SELECT {COLUMNS} FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2");
        self.all(&sql, (int(after_seq), limit as i64), stored)?.into_iter().collect()
    }

    /// The place of the newest event; 0 without any.
    pub fn newest_event(&self) -> Result<u64, LedgerError> {
        Ok(self.first("SELECT coalesce(max(seq), 0) FROM events", [], |row| uint(row, 0))?.unwrap_or(0))
    }

    /// Whether events after `after_seq` wait.
    pub fn has_events_after(&self, after_seq: u64) -> Result<bool, LedgerError> {
        Ok(self.first("SELECT 1 FROM events WHERE seq > ?1 LIMIT 1", [int(after_seq)], |_| Ok(()))?.is_some())
    }

    /// The event of this label that waits for its epoch.
    pub fn open_event(&self, label: &Label) -> Result<Option<u64>, LedgerError> {
        self.first("SELECT seq FROM open_events WHERE label = ?1", [&label.0], |row| uint(row, 0))
    }

    /// Whether a validation token was used up; `jti` names it (see the table).
    pub fn jti_is_used(&self, jti: &[u8; 16]) -> Result<bool, LedgerError> {
        let is_recent = !self.recent(Kind::Token, jti, |_| Ok(()))?.is_empty();
        let is_merged = || self.first("SELECT 1 FROM jtis WHERE hash = ?1", [jti], |_| Ok(()));
        Ok(is_recent || self.may_be_merged(jti) && is_merged()?.is_some())
    }
}

impl Transaction<'_> {
    /// Adds an event to the facts, as the one that waits for its label; gives its place in the order of acceptance.
    pub fn accept(&self, accepted: &Accepted<'_>) -> Result<u64, LedgerError> {
        self.change(
            "INSERT INTO events (hash, event, received_ms, gov_size, promised, before_seq) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (
                accepted.hash,
                accepted.event,
                int(accepted.received_ms),
                int(accepted.gov_size),
                int(accepted.promised),
                accepted.before_seq.map(int),
            ),
        )?;
        let seq = self.last_insert_rowid();
        self.add_recent(Kind::Event, accepted.hash, int(seq))?;
        self.change("INSERT INTO open_events (label, seq) VALUES (?1, ?2)", (&accepted.label.0, int(seq)))?;
        Ok(seq)
    }

    /// Uses a validation token up, until `until_s`; false if it was used up already.
    pub fn use_jti(&self, jti: &[u8; 16], until_s: u64) -> Result<bool, LedgerError> {
        let is_new = !self.jti_is_used(jti)?;
        if is_new {
            self.add_recent(Kind::Token, jti, int(until_s))?;
        }
        Ok(is_new)
    }

    /// Forgets used tokens that nobody could present any more, at most `limit`; gives how many. Those that are not in their index yet
    /// wait for that.
    pub fn purge_jtis(&self, now_s: u64, limit: usize) -> Result<usize, LedgerError> {
        self.change(
            "DELETE FROM jtis WHERE hash IN (SELECT hash FROM jtis WHERE until_s < ?1 ORDER BY until_s LIMIT ?2)",
            (int(now_s), limit as i64),
        )
    }

    /// The events up to `last_seq` wait no more.
    pub(super) fn close_events(&self, last_seq: u64) -> Result<usize, LedgerError> {
        self.change("DELETE FROM open_events WHERE seq <= ?1", [int(last_seq)])
    }
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Result<EventRow, LedgerError>> {
    let Ok(event) = Event::parse(row.get_ref(2)?.as_blob().unwrap_or_default()) else {
        return Ok(Err(LedgerError::Damaged("an event that breaks its own form")));
    };
    Ok(Ok(EventRow {
        seq: uint(row, 0)?,
        hash: row.get(1)?,
        event,
        received_ms: uint(row, 3)?,
        gov_size: uint(row, 4)?,
        promised: uint(row, 5)?,
        before_seq: uint_option(row, 6)?,
    }))
}

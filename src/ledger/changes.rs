//! The change feed: what happened to numbers, in order, for those whom it concerns. Rows refer to labels; the number is
//! looked up when somebody reads, so an erased one is gone from every row at once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rusqlite::Row;

use crate::ledger::error::LedgerError;
use crate::ledger::snapshot::{Snapshot, int, uint, uint_option};
use crate::ledger::transaction::Transaction;
use crate::log::Hash;
use crate::log::label::Label;
use crate::number::Number;

/// A change to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The epoch with which it becomes visible.
    pub epoch: u64,
    /// When it happened.
    pub time_ms: u64,
    /// The label.
    pub label: Label,
    /// The event's kind by its number; 0 is a notice.
    pub kind: u8,
    /// The event's door by its number.
    pub door: u8,
    /// The version that the number has after it.
    pub version: u64,
    /// The event's hash as submitted.
    pub event: Option<Hash>,
    /// The sponsor before.
    pub before: Option<String>,
    /// The sponsor after.
    pub after: Option<String>,
    /// Who asked for a change at a door.
    pub requester: Option<String>,
    /// Which notice it is, and which end it is about (Unix seconds).
    pub notice: Option<(u64, u64)>,
}

/// A change as a reader finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRow {
    /// Its place in the reader's own count, from 1.
    pub n: u64,
    /// What happened.
    pub changed: Changed,
    /// The number, while the registration that this belongs to is not erased.
    pub number: Option<Number>,
}

/// How far a reader's count goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangeHead {
    /// The newest place; 0 before the first.
    pub newest: u64,
    /// Places up to this one are forgotten.
    pub purged: u64,
}

/// The columns of a change, after the reader's place.
const COLUMNS: &str = "c.epoch, c.time_ms, c.label, c.kind, c.door, c.version, c.event, c.before, c.after, c.requester, \
                       c.notice_d, c.ends_s, (SELECT number FROM personal p WHERE p.label = c.label AND p.feed_from < c.seq)";

impl Snapshot<'_> {
    /// Changes that concern `provider` (None: all of them, for the operator) after place `after` and visible at `epoch`,
    /// in their order, at most `limit`.
    pub fn changes_after(
        &self,
        provider: Option<&str>,
        after: u64,
        epoch: u64,
        limit: usize,
    ) -> Result<Vec<ChangeRow>, LedgerError> {
        let (after, epoch, limit) = (int(after), int(epoch), limit as i64);
        let rows = match provider {
            Some(provider) => {
                let sql = format!(
                    "SELECT r.n, {COLUMNS} FROM change_readers r JOIN changes c ON c.seq = r.seq
                     WHERE r.provider = ?1 AND r.n > ?2 AND c.epoch <= ?3 ORDER BY r.n LIMIT ?4"
                );
                self.all(&sql, (provider, after, epoch, limit), stored)?
            }
            None => {
                let sql = format!(
                    "SELECT c.seq, {COLUMNS} FROM changes c WHERE c.seq > ?1 AND c.epoch <= ?2 ORDER BY c.seq LIMIT ?3"
                );
                self.all(&sql, (after, epoch, limit), stored)?
            }
        };
        rows.into_iter().collect()
    }

    /// How far a reader's count goes; the operator is `None`.
    pub fn change_head(&self, provider: Option<&str>) -> Result<ChangeHead, LedgerError> {
        let sql = "SELECT newest, purged FROM change_heads WHERE provider = ?1";
        let head = |row: &Row<'_>| Ok(ChangeHead { newest: uint(row, 0)?, purged: uint(row, 1)? });
        let head = self.first(sql, [provider.unwrap_or("")], head)?.unwrap_or_default();
        if provider.is_some() {
            return Ok(head);
        }
        // The operator's place is the row itself; SQLite remembers the last one it gave out.
        let last = self.first("SELECT seq FROM sqlite_sequence WHERE name = 'changes'", [], |row| uint(row, 0))?;
        Ok(ChangeHead { newest: last.unwrap_or(0), ..head })
    }

    /// Up to which end (Unix seconds) and label the notice of so many days was given.
    pub fn notice_mark(&self, notice_d: u64) -> Result<Option<(u64, Label)>, LedgerError> {
        self.first("SELECT due_s, label FROM notice_marks WHERE notice_d = ?1", [int(notice_d)], |row| {
            Ok((uint(row, 0)?, Label(row.get(1)?)))
        })
    }

    /// Labels whose end comes after the mark `after` and no later than `until_s`, in the order of their ends, at most `limit`.
    pub fn ends_between(
        &self,
        after: &(u64, Label),
        until_s: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Label)>, LedgerError> {
        self.all(
            "SELECT due_s, label FROM states WHERE due_s IS NOT NULL AND (due_s, label) > (?1, ?2) AND due_s >= ?1 AND due_s <= ?3
             ORDER BY due_s, label LIMIT ?4",
            (int(after.0), &after.1.0, int(until_s), limit as i64),
            |row| Ok((uint(row, 0)?, Label(row.get(1)?))),
        )
    }
}

impl Transaction<'_> {
    /// Tells changes in their order to the operator, and each to these providers, once.
    pub fn add_changes<'t>(
        &self,
        told: impl IntoIterator<Item = (&'t Changed, &'t [String])>,
    ) -> Result<(), LedgerError> {
        // Heads are read once and written once, however many changes go to the same provider.
        let mut heads: BTreeMap<&str, u64> = BTreeMap::new();
        for (changed, providers) in told {
            let seq = self.add_change(changed)?;
            for provider in providers {
                let n = match heads.entry(provider) {
                    Entry::Occupied(head) => head.into_mut(),
                    Entry::Vacant(place) => place.insert(self.change_head(Some(provider))?.newest),
                };
                *n += 1;
                let sql = "INSERT INTO change_readers (provider, n, seq) VALUES (?1, ?2, ?3)";
                self.change(sql, (provider, int(*n), int(seq)))?;
            }
        }
        for (provider, newest) in heads {
            let sql = "INSERT INTO change_heads (provider, newest) VALUES (?1, ?2) ON CONFLICT (provider) DO UPDATE SET newest = ?2";
            self.change(sql, (provider, int(newest)))?;
        }
        Ok(())
    }

    fn add_change(&self, changed: &Changed) -> Result<u64, LedgerError> {
        self.change(
            "INSERT INTO changes (epoch, time_ms, label, kind, door, version, event, before, after, requester, notice_d, ends_s)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            (
                int(changed.epoch),
                int(changed.time_ms),
                &changed.label.0,
                changed.kind,
                changed.door,
                int(changed.version),
                changed.event,
                &changed.before,
                &changed.after,
                &changed.requester,
                changed.notice.map(|(notice_d, _)| int(notice_d)),
                changed.notice.map(|(_, ends_s)| int(ends_s)),
            ),
        )?;
        Ok(self.last_insert_rowid())
    }

    /// Moves the mark of a notice on.
    pub fn set_notice_mark(&self, notice_d: u64, mark: &(u64, Label)) -> Result<(), LedgerError> {
        self.change(
            "INSERT OR REPLACE INTO notice_marks (notice_d, due_s, label) VALUES (?1, ?2, ?3)",
            (int(notice_d), int(mark.0), &mark.1.0),
        )?;
        Ok(())
    }

    /// Forgets changes from before `before_ms`, at most `limit`, and remembers for each reader up to where; gives how many.
    pub fn purge_changes(&self, before_ms: u64, limit: usize) -> Result<usize, LedgerError> {
        let last = self.first(
            "SELECT max(seq) FROM (SELECT seq FROM changes WHERE time_ms < ?1 ORDER BY time_ms LIMIT ?2)",
            (int(before_ms), limit as i64),
            |row| row.get::<_, Option<i64>>(0),
        )?;
        let Some(last) = last.flatten() else { return Ok(0) };
        self.change(
            "UPDATE change_heads SET purged = max(purged, coalesce(
                 (SELECT max(n) FROM change_readers r WHERE r.provider = change_heads.provider AND r.seq <= ?1), 0))
             WHERE provider IN (SELECT provider FROM change_readers WHERE seq <= ?1)",
            [last],
        )?;
        self.change(
            "INSERT INTO change_heads (provider, newest, purged) VALUES ('', 0, ?1)
             ON CONFLICT (provider) DO UPDATE SET purged = max(purged, ?1)",
            [last],
        )?;
        self.change("DELETE FROM change_readers WHERE seq <= ?1", [last])?;
        self.change("DELETE FROM changes WHERE seq <= ?1", [last])
    }
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Result<ChangeRow, LedgerError>> {
    let notice = uint_option(row, 11)?.zip(uint_option(row, 12)?);
    let changed = Changed {
        epoch: uint(row, 1)?,
        time_ms: uint(row, 2)?,
        label: Label(row.get(3)?),
        kind: row.get(4)?,
        door: row.get(5)?,
        version: uint(row, 6)?,
        event: row.get(7)?,
        before: row.get(8)?,
        after: row.get(9)?,
        requester: row.get(10)?,
        notice,
    };
    let number = match uint_option(row, 13)?.map(Number::from_u64).transpose() {
        Ok(number) => number,
        Err(_) => return Ok(Err(LedgerError::Damaged("a number that is none"))),
    };
    Ok(Ok(ChangeRow { n: uint(row, 0)?, changed, number }))
}

//! Complaints: what somebody wrote, about which label, and how far it came.

use rusqlite::Row;

use crate::ledger::error::LedgerError;
use crate::ledger::snapshot::{Snapshot, int, uint};
use crate::ledger::transaction::Transaction;
use crate::log::label::Label;
use crate::number::Number;

/// A complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComplaintRow {
    /// Its place in the order in which they came; 0 in one that is about to be added.
    pub seq: u64,
    /// Names it.
    pub id: String,
    /// When it came.
    pub made_ms: u64,
    /// When it was last moved on.
    pub changed_ms: u64,
    /// What sort it is.
    pub about: String,
    /// The label of the number that it is about.
    pub label: Option<Label>,
    /// `open`, `in_work` or `closed`.
    pub state: String,
    /// How a closed one ended.
    pub outcome: Option<String>,
    /// What it says; None once erased.
    pub text: Option<String>,
    /// How to reach who sent it.
    pub contact: Option<String>,
    /// What came of it.
    pub led_to: LedTo,
}

/// What a complaint led to, and who saw to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedTo {
    /// The clause of the charter that the outcome rests on.
    pub clause: Option<String>,
    /// An act of the operator.
    pub act: Option<String>,
    /// A drawn token of an audit.
    pub item: Option<String>,
    /// Who took it up.
    pub taken_by: Option<String>,
    /// Who closed it.
    pub closed_by: Option<String>,
}

const COLUMNS: &str =
    "seq, id, made_ms, changed_ms, about, label, state, outcome, text, contact, clause, act, item, taken_by, closed_by";

impl Snapshot<'_> {
    /// The complaint of this id.
    pub fn complaint(&self, id: &str) -> Result<Option<ComplaintRow>, LedgerError> {
        self.first(&format!("SELECT {COLUMNS} FROM complaints WHERE id = ?1"), [id], stored)
    }

    /// Complaints behind place `after` in the order in which they came, those in `state` if one is named, at most `limit`.
    pub fn complaints(&self, state: Option<&str>, after: u64, limit: usize) -> Result<Vec<ComplaintRow>, LedgerError> {
        match state {
            Some(state) => {
                let sql =
                    format!("SELECT {COLUMNS} FROM complaints WHERE state = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3");
                self.all(&sql, (state, int(after), limit as i64), stored)
            }
            None => {
                let sql = format!("SELECT {COLUMNS} FROM complaints WHERE seq > ?1 ORDER BY seq LIMIT ?2");
                self.all(&sql, (int(after), limit as i64), stored)
            }
        }
    }

    /// How many complaints are in this state.
    pub fn count_complaints(&self, state: &str) -> Result<u64, LedgerError> {
        Ok(self.first("SELECT count(*) FROM complaints WHERE state = ?1", [state], |row| uint(row, 0))?.unwrap_or(0))
    }

    /// Complaints of a span of time: how many came, and how many were closed with each outcome.
    pub fn complaint_counts(&self, from_ms: u64, to_ms: u64) -> Result<(u64, Vec<(String, u64)>), LedgerError> {
        let sql = "SELECT count(*) FROM complaints WHERE made_ms >= ?1 AND made_ms < ?2";
        let came = self.first(sql, (int(from_ms), int(to_ms)), |row| uint(row, 0))?.unwrap_or(0);
        let sql =
            "SELECT outcome, count(*) FROM complaints WHERE state = 'closed' AND changed_ms >= ?1 AND changed_ms < ?2
                   AND outcome IS NOT NULL GROUP BY outcome ORDER BY outcome";
        let closed = self.all(sql, (int(from_ms), int(to_ms)), |row| Ok((row.get(0)?, uint(row, 1)?)))?;
        Ok((came, closed))
    }

    /// The number behind a label, while it is registered.
    pub fn number_of(&self, label: &Label) -> Result<Option<Number>, LedgerError> {
        let packed = self.first("SELECT number FROM personal WHERE label = ?1", [&label.0], |row| uint(row, 0))?;
        packed.map(Number::from_u64).transpose().map_err(|_| LedgerError::Damaged("a number that is none"))
    }
}

impl Transaction<'_> {
    /// Adds a complaint.
    pub fn add_complaint(&self, complaint: &ComplaintRow) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO complaints (id, made_ms, changed_ms, about, label, state, text, contact)
             VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                &complaint.id,
                int(complaint.made_ms),
                &complaint.about,
                complaint.label.map(|label| label.0),
                &complaint.state,
                &complaint.text,
                &complaint.contact,
            ),
        )?;
        Ok(())
    }

    /// Moves a complaint on.
    pub fn move_complaint(
        &self,
        id: &str,
        (state, outcome): (&str, Option<&str>),
        led_to: &LedTo,
        now_ms: u64,
    ) -> Result<(), LedgerError> {
        self.change(
            "UPDATE complaints SET state = ?2, outcome = ?3, changed_ms = ?4, clause = ?5, act = ?6, item = ?7,
             taken_by = coalesce(taken_by, ?8), closed_by = ?9 WHERE id = ?1",
            (
                id,
                state,
                outcome,
                int(now_ms),
                &led_to.clause,
                &led_to.act,
                &led_to.item,
                &led_to.taken_by,
                &led_to.closed_by,
            ),
        )?;
        Ok(())
    }

    /// Erases text, contact and label of complaints that were closed before `before_ms`, at most `limit`; gives how many.
    pub fn erase_complaints(&self, before_ms: u64, limit: usize) -> Result<usize, LedgerError> {
        self.change(
            "UPDATE complaints SET text = NULL, contact = NULL, label = NULL WHERE seq IN
             (SELECT seq FROM complaints WHERE state = 'closed' AND text IS NOT NULL AND changed_ms < ?1
              ORDER BY changed_ms LIMIT ?2)",
            (int(before_ms), limit as i64),
        )
    }
}

fn stored(row: &Row<'_>) -> rusqlite::Result<ComplaintRow> {
    Ok(ComplaintRow {
        seq: uint(row, 0)?,
        id: row.get(1)?,
        made_ms: uint(row, 2)?,
        changed_ms: uint(row, 3)?,
        about: row.get(4)?,
        label: row.get::<_, Option<[u8; 32]>>(5)?.map(Label),
        state: row.get(6)?,
        outcome: row.get(7)?,
        text: row.get(8)?,
        contact: row.get(9)?,
        led_to: LedTo {
            clause: row.get(10)?,
            act: row.get(11)?,
            item: row.get(12)?,
            taken_by: row.get(13)?,
            closed_by: row.get(14)?,
        },
    })
}

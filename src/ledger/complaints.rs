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
}

const COLUMNS: &str = "seq, id, made_ms, changed_ms, about, label, state, outcome, text, contact";

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
    pub fn move_complaint(&self, id: &str, state: &str, outcome: Option<&str>, now_ms: u64) -> Result<(), LedgerError> {
        self.change(
            "UPDATE complaints SET state = ?2, outcome = ?3, changed_ms = ?4 WHERE id = ?1",
            (id, state, outcome, int(now_ms)),
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
    })
}

//! The texts of the charter's versions; which of them is in force when stands in the gov log.

use crate::ledger::error::LedgerError;
use crate::ledger::snapshot::{Snapshot, int, uint};
use crate::ledger::transaction::Transaction;

/// A version of the charter as it was announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CharterRow {
    /// Its number.
    pub version: u64,
    /// From when on it is in force, milliseconds.
    pub effective_ms: u64,
    /// `policy.toml`.
    pub policy: String,
    /// `charter.md`.
    pub prose: String,
}

/// The version that an act of kind `charter` announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActCharterRow {
    /// The version that was the newest when it was asked for.
    pub follows: u64,
    /// `policy.toml`.
    pub policy: String,
    /// `charter.md`.
    pub prose: String,
    /// Whom it touched when it was asked for: JSON, counts only.
    pub touched: String,
}

impl Snapshot<'_> {
    /// What an act of kind `charter` announces.
    pub fn act_charter(&self, act: u64) -> Result<Option<ActCharterRow>, LedgerError> {
        self.first("SELECT follows, policy, prose, touched FROM act_charters WHERE act = ?1", [int(act)], |row| {
            Ok(ActCharterRow { follows: uint(row, 0)?, policy: row.get(1)?, prose: row.get(2)?, touched: row.get(3)? })
        })
    }

    /// Every version, the first first.
    pub fn charters(&self) -> Result<Vec<CharterRow>, LedgerError> {
        self.all("SELECT version, effective_ms, policy, prose FROM charters ORDER BY version", [], |row| {
            Ok(CharterRow {
                version: uint(row, 0)?,
                effective_ms: uint(row, 1)?,
                policy: row.get(2)?,
                prose: row.get(3)?,
            })
        })
    }
}

impl Transaction<'_> {
    /// Keeps what an act of kind `charter` announces.
    pub fn add_act_charter(&self, act: u64, row: &ActCharterRow) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO act_charters (act, follows, policy, prose, touched) VALUES (?1, ?2, ?3, ?4, ?5)",
            (int(act), int(row.follows), &row.policy, &row.prose, &row.touched),
        )?;
        Ok(())
    }

    /// Adds a version.
    pub fn add_charter(&self, row: &CharterRow) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO charters (version, effective_ms, policy, prose) VALUES (?1, ?2, ?3, ?4)",
            (int(row.version), int(row.effective_ms), &row.policy, &row.prose),
        )?;
        Ok(())
    }
}

//! What registrations rest on: the tokens of each number's newest validation, and keys that were reported as lost.

use crate::ledger::error::LedgerError;
use crate::ledger::snapshot::{Snapshot, int, uint, uint_option};
use crate::ledger::transaction::Transaction;
use crate::log::key::Thumbprint;
use crate::log::label::Label;
use crate::registry::token::Basis;

/// A token key that was reported as lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompromisedRow {
    /// The thumbprint.
    pub key: Thumbprint,
    /// The validation entity.
    pub entity: String,
    /// Tokens from then on do not count, Unix seconds.
    pub since_s: u64,
    /// When it was reported.
    pub found_ms: u64,
    /// When what still rests on it is withheld; None once that was asked for.
    pub due_ms: Option<u64>,
}

impl Snapshot<'_> {
    /// Every token key that was reported as lost, by time.
    pub fn compromised(&self) -> Result<Vec<CompromisedRow>, LedgerError> {
        let sql = "SELECT key, entity, since_s, found_ms, due_ms FROM compromised ORDER BY found_ms, key";
        self.all(sql, [], |row| {
            Ok(CompromisedRow {
                key: row.get(0)?,
                entity: row.get(1)?,
                since_s: uint(row, 2)?,
                found_ms: uint(row, 3)?,
                due_ms: uint_option(row, 4)?,
            })
        })
    }

    /// Labels whose newest validation rests on a token of that key minted at `since_s` or later, after `after`, in order.
    pub fn resting_on(
        &self,
        key: &Thumbprint,
        since_s: u64,
        after: Option<&Label>,
        limit: usize,
    ) -> Result<Vec<Label>, LedgerError> {
        let sql = "SELECT DISTINCT label FROM validations WHERE key = ?1 AND iat_s >= ?2 AND (?3 IS NULL OR label > ?3)
                   ORDER BY label LIMIT ?4";
        self.all(sql, (key, int(since_s), after.map(|label| label.0), limit as i64), |row| row.get(0).map(Label))
    }

    /// Whether the newest validation of a label rests on such a token.
    pub fn rests_on(&self, label: &Label, key: &Thumbprint, since_s: u64) -> Result<bool, LedgerError> {
        let sql = "SELECT 1 FROM validations WHERE id = (SELECT validation FROM personal WHERE label = ?1) AND key = ?2
                   AND iat_s >= ?3 LIMIT 1";
        Ok(self.first(sql, (&label.0, key, int(since_s)), |_| Ok(()))?.is_some())
    }

    /// The lost key for which an act was prepared, and since when it is lost.
    pub fn lost_key_of_act(&self, act: u64) -> Result<Option<(Thumbprint, u64)>, LedgerError> {
        self.first("SELECT key, since_s FROM compromised WHERE act = ?1", [int(act)], |row| {
            Ok((row.get(0)?, uint(row, 1)?))
        })
    }

    /// How many of them each provider has, by its id.
    pub fn count_resting_on(&self, key: &Thumbprint, since_s: u64) -> Result<Vec<(String, u64)>, LedgerError> {
        let sql = "SELECT sponsor, count(*) FROM states WHERE label IN
                   (SELECT label FROM validations WHERE key = ?1 AND iat_s >= ?2) GROUP BY sponsor ORDER BY sponsor";
        self.all(sql, (key, int(since_s)), |row| Ok((row.get(0)?, uint(row, 1)?)))
    }
}

impl Transaction<'_> {
    /// Notes what a registration rests on from now on. Its personal data must be there.
    pub fn set_validation(&self, label: &Label, rests_on: &[Basis]) -> Result<(), LedgerError> {
        self.remove_validation(label)?;
        let id: i64 = self
            .first("SELECT coalesce(max(id), 0) + 1 FROM validations", [], |row| row.get(0))?
            .ok_or(LedgerError::Damaged("an aggregate without a row"))?;
        self.change("UPDATE personal SET validation = ?2 WHERE label = ?1", (&label.0, id))?;
        for (n, basis) in rests_on.iter().enumerate() {
            self.change(
                "INSERT INTO validations (id, n, label, entity, key, iat_s, methods) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                (
                    id,
                    n as i64,
                    &label.0,
                    &basis.entity,
                    &basis.key,
                    int(basis.issued_s),
                    basis.methods.join("\n"),
                ),
            )?;
        }
        Ok(())
    }

    /// Forgets what a registration rests on: it is released.
    pub fn remove_validation(&self, label: &Label) -> Result<(), LedgerError> {
        self.change(
            "DELETE FROM validations WHERE id = (SELECT validation FROM personal WHERE label = ?1)",
            [&label.0],
        )?;
        Ok(())
    }

    /// Notes a token key as lost. Of two reports the earlier time counts.
    pub fn add_compromised(&self, row: &CompromisedRow) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO compromised (key, entity, since_s, found_ms, due_ms) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (key) DO UPDATE SET since_s = min(since_s, ?3), due_ms = coalesce(due_ms, ?5)",
            (&row.key, &row.entity, int(row.since_s), int(row.found_ms), row.due_ms.map(int)),
        )?;
        Ok(())
    }

    /// The withholding of what rests on a key was asked for, or there was nothing.
    pub fn settle_compromised(&self, key: &Thumbprint, act: Option<u64>) -> Result<(), LedgerError> {
        self.change("UPDATE compromised SET due_ms = NULL, act = ?2 WHERE key = ?1", (key, act.map(int)))?;
        Ok(())
    }
}

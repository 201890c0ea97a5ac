//! First answers: which event a request with an Idempotency-Key led to, so that asking again changes nothing.

use crate::ledger::error::LedgerError;
use crate::ledger::snapshot::{Snapshot, int};
use crate::ledger::transaction::Transaction;
use crate::log::Hash;

/// A request that was answered with the receipt of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstAnswer {
    /// SHA-256 of the request.
    pub request: Hash,
    /// The event's hash.
    pub event: Hash,
}

impl Snapshot<'_> {
    /// What `owner` was answered under `key`.
    pub fn first_answer(&self, owner: &str, key: &str) -> Result<Option<FirstAnswer>, LedgerError> {
        self.first("SELECT request, event FROM idempotency WHERE owner = ?1 AND key = ?2", (owner, key), |row| {
            Ok(FirstAnswer { request: row.get(0)?, event: row.get(1)? })
        })
    }
}

impl Transaction<'_> {
    /// Keeps the first answer to a request, made at `made_ms`.
    pub fn keep_answer(&self, owner: &str, key: &str, made_ms: u64, answer: &FirstAnswer) -> Result<(), LedgerError> {
        self.change(
            "INSERT OR REPLACE INTO idempotency (owner, key, made_ms, request, event) VALUES (?1, ?2, ?3, ?4, ?5)",
            (owner, key, int(made_ms), &answer.request, &answer.event),
        )?;
        Ok(())
    }

    /// Forgets answers made before `before_ms`, at most `limit`; gives how many.
    pub fn purge_answers(&self, before_ms: u64, limit: usize) -> Result<usize, LedgerError> {
        self.change(
            "DELETE FROM idempotency WHERE (owner, key) IN
             (SELECT owner, key FROM idempotency WHERE made_ms < ?1 ORDER BY made_ms LIMIT ?2)",
            (int(before_ms), limit as i64),
        )
    }
}

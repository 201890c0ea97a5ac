//! Idempotency keys: the same request again gets the first answer, another request under the same key is refused.
//!
//! While the first request is worked on its key is held in memory; that it led to an event is kept in the transaction that
//! accepts the event. A refusal is not kept: it changed nothing, and the same request is judged anew.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::authority::error::Rejection;
use crate::ledger::{FirstAnswer, Ledger, LedgerError, Transaction};
use crate::log::Hash;

/// Bytes of an Idempotency-Key; a UUID has 36.
pub const KEY_LEN_MAX: usize = 128;

/// A request with an Idempotency-Key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The key, 1 to [`KEY_LEN_MAX`] bytes.
    pub key: String,
    /// SHA-256 over method, path and body: what makes it the same request.
    pub request: Hash,
}

/// Who goes on with a request.
pub(super) enum Begun {
    /// It is the first of its key: do it, and keep the answer with the change.
    First(Ticket),
    /// It led to this event before.
    Again(Hash),
}

type Held = Arc<Mutex<HashSet<(String, String)>>>;

/// Requests that are being worked on.
#[derive(Clone, Default)]
pub(super) struct Tickets(Held);

/// The right to answer first under an Idempotency-Key; it goes back when it is dropped.
pub(super) struct Ticket {
    held: Held,
    place: (String, String),
    request: Hash,
}

impl Tickets {
    /// Takes the key, unless somebody has it or had it.
    pub(super) fn begin(&self, ledger: &Ledger, owner: &str, wanted: &Idempotency) -> Result<Begun, Rejection> {
        if wanted.key.is_empty() || wanted.key.len() > KEY_LEN_MAX {
            return Err(Rejection::Conflict(format!("an Idempotency-Key has 1 to {KEY_LEN_MAX} bytes")));
        }
        let place = (owner.to_owned(), wanted.key.clone());
        if !self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place.clone()) {
            return Err(Rejection::IdempotencyInFlight);
        }
        let ticket = Ticket { held: self.0.clone(), place, request: wanted.request };
        let (answer, batch) = ledger.read::<_, LedgerError>(|now| {
            Ok((now.first_answer(owner, &wanted.key)?, now.batch_by_key(owner, &wanted.key)?))
        })?;
        if batch.is_some_and(|batch| batch.request != wanted.request) {
            return Err(Rejection::IdempotencyReused);
        }
        match answer {
            None => Ok(Begun::First(ticket)),
            Some(answer) if answer.request == wanted.request => Ok(Begun::Again(answer.event)),
            Some(_) => Err(Rejection::IdempotencyReused),
        }
    }
}

impl Ticket {
    /// Keeps the answer: this event, accepted at `now_ms`.
    pub(super) fn keep(&self, tx: &Transaction<'_>, event: Hash, now_ms: u64) -> Result<(), LedgerError> {
        let (owner, key) = &self.place;
        tx.keep_answer(owner, key, now_ms, &FirstAnswer { request: self.request, event })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.place);
    }
}

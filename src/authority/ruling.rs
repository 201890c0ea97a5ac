//! A decision about the directory: its leaves of the gov log and all that goes with them, in one transaction, then in force.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use serde_json::Value;

use crate::authority::Core;
use crate::authority::error::Rejection;
use crate::authority::gov::{self, InForce};
use crate::charter::Policy;
use crate::ledger::{LedgerError, Transaction};
use crate::signer::Log;

/// What is stored with the leaves; it is told the index of the first of them.
type Store<T> = Box<dyn FnOnce(&Transaction<'_>, u64) -> Result<T, LedgerError> + Send>;

/// A decision: leaves, by type and body, and what is stored with them.
pub(super) struct Ruling<T> {
    /// None: nothing becomes public.
    pub(super) leaves: Vec<(&'static str, Value)>,
    /// The text of a version of the charter that one of the leaves announces.
    pub(super) text: Option<Arc<Policy>>,
    /// The rest of the same transaction.
    pub(super) store: Store<T>,
}

impl<T> Ruling<T> {
    pub(super) fn new(
        leaves: Vec<(&'static str, Value)>,
        store: impl FnOnce(&Transaction<'_>, u64) -> Result<T, LedgerError> + Send + 'static,
    ) -> Self {
        Self { leaves, text: None, store: Box::new(store) }
    }

    /// The same, where a leaf announces a version of the charter with this text.
    pub(super) fn knowing(self, text: Option<Arc<Policy>>) -> Self {
        Self { text, ..self }
    }
}

impl Core {
    /// Decides something about the directory. One decision at a time: what it rests on stays true until it is in force.
    pub(super) fn rule<T: Send + 'static>(
        &self,
        decision: impl FnOnce(&InForce) -> Result<Ruling<T>, Rejection>,
    ) -> Result<T, Rejection> {
        let _one_at_a_time = self.deciding.lock().unwrap_or_else(PoisonError::into_inner);
        let law = self.law();
        let Ruling { leaves, text, store } = decision(&law)?;
        let first = law.size();
        let (texts, next) = self.sign_leaves(&law, leaves, text)?;
        let size = next.size();
        // The writer judges by the size that it finds in the ledger, so the next law must be at hand before it is in force.
        let laws = || self.laws.write().unwrap_or_else(PoisonError::into_inner);
        if size > first {
            laws().push(Arc::new(next));
        }
        let done: Result<T, LedgerError> = self
            .ledger
            .write(move |tx| {
                for (idx, leaf) in (first..).zip(&texts) {
                    tx.add_gov_leaf(idx, leaf.as_bytes())?;
                }
                store(tx, first)
            })
            .wait_blocking();
        match done {
            Ok(done) => {
                self.gov_size.store(size, Ordering::Release);
                Ok(done)
            }
            Err(error) => {
                laws().retain(|law| law.size() <= first);
                Err(error.into())
            }
        }
    }

    fn sign_leaves(
        &self,
        law: &InForce,
        leaves: Vec<(&'static str, Value)>,
        text: Option<Arc<Policy>>,
    ) -> Result<(Vec<String>, InForce), Rejection> {
        let (mut next, mut texts) = (InForce::clone(law), Vec::with_capacity(leaves.len()));
        text.into_iter().for_each(|text| next.know(text));
        let key = self.signer.verifier(Log::Gov);
        for (kind, body) in leaves {
            let (seq, time_ms) = (next.size(), self.now_ms().max(next.time_ms() + 1));
            let leaf = self.sign_leaf(&gov::leaf(kind, body, seq, time_ms))?;
            if let Err(error) = next.append([leaf.as_str()], key) {
                tracing::error!(%error, "a leaf of the gov log that we made cannot be read");
                return Err(Rejection::Fault("the decision could not be written".to_owned()));
            }
            texts.push(leaf);
        }
        Ok((texts, next))
    }
}

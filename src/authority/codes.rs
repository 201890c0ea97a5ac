//! Transfer codes: made for the number's provider, who gives them to the holder; and wrong ones, counted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::authority::access::{Actor, Verb};
use crate::authority::error::Rejection;
use crate::authority::{Authority, Core};
use crate::ledger::{LedgerError, Snapshot, Transaction};
use crate::log::label::Label;
use crate::log::state::Status;
use crate::number::Number;
use crate::registry::code::TransferCode;
use crate::registry::terms::DAY_MS;

/// A transfer code, shown this once.
#[derive(Clone, Debug)]
pub struct NewCode {
    /// The code.
    pub code: TransferCode,
    /// From when on it is not taken any more, Unix milliseconds.
    pub expires_ms: u64,
}

/// Wrong codes by provider that the ledger does not know of yet. A refusal changes nothing there, so upkeep notes them.
#[derive(Default)]
pub(super) struct WrongCodes(Mutex<HashMap<(String, u64), u64>>);

impl WrongCodes {
    /// Counts one more on that day.
    pub(super) fn add(&self, provider: &str, day: u64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *all.entry((provider.to_owned(), day)).or_default() += 1;
    }

    /// How many there were on that day.
    pub(super) fn on(&self, now: &Snapshot<'_>, provider: &str, day: u64) -> Result<u64, LedgerError> {
        let noted = now.wrong_codes(provider, day)?;
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(noted.saturating_add(all.get(&(provider.to_owned(), day)).copied().unwrap_or(0)))
    }

    /// What is not noted yet: provider, day, how many. It counts as noted from here on.
    pub(super) fn take(&self) -> Vec<(String, u64, u64)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.drain().map(|((provider, day), count)| (provider, day, count)).collect()
    }
}

/// Notes wrong codes in the ledger.
pub(super) fn note(tx: &Transaction<'_>, wrong: &[(String, u64, u64)]) -> Result<(), LedgerError> {
    wrong.iter().try_for_each(|(provider, day, count)| tx.count_wrong_codes(provider, *day, *count))
}

impl Authority {
    /// Makes a transfer code for a number of the actor's provider, in the place of any before it (clause 6.8). Everybody else
    /// is told that there is no such number. Durable when this returns; blocks.
    pub fn transfer_code(&self, actor: &Actor, number: Number) -> Result<NewCode, Rejection> {
        if !actor.may(Verb::Write, Some(number)) {
            return Err(Rejection::Forbidden("this token does not allow changing this number".to_owned()));
        }
        let no = || Rejection::Forbidden("only providers ask for transfer codes".to_owned());
        let provider = actor.provider().ok_or_else(no)?.to_owned();
        let core = &self.core;
        let (label, _) = core.labels.of(&core.keys.vrf, &core.origin, number);
        let policy = core.policy();
        let code = TransferCode::generate(policy.transfer_code_bits_min, &core.random)?;
        let expires_ms = core.now_ms().saturating_add(policy.transfer_code_life_d * DAY_MS);
        let hash = code.hash(&label);
        let stored = core.ledger.write(move |tx| {
            if !Core::sponsors(tx, &label, &provider)? {
                return Err(Rejection::NotFound);
            }
            Ok(tx.set_transfer_code(&label, &hash, expires_ms)?)
        });
        stored.wait_blocking()?;
        Ok(NewCode { code, expires_ms })
    }
}

impl Core {
    /// Whether that provider is the one of a registered number, and stays it when what waits is published.
    fn sponsors(now: &Snapshot<'_>, label: &Label, provider: &str) -> Result<bool, LedgerError> {
        let theirs = now.standing(label)?.is_some_and(|standing| {
            standing.entry.provider == provider && standing.entry.state.status != Status::Released
        });
        let leaves = now.open_event(label)?.map(|seq| now.event_by_seq(seq)).transpose()?.flatten();
        Ok(theirs && leaves.is_none_or(|row| row.event.provider.is_empty() || row.event.provider == provider))
    }
}

//! Preparation: what a device needs before it can build and sign an event. Alike for every number, so it tells nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::authority::access::{Actor, Verb};
use crate::authority::error::Rejection;
use crate::authority::receipt::Pending;
use crate::authority::{Authority, Core};
use crate::charter::Policy;
use crate::clock::unix_s;
use crate::ledger::{Ledger, LedgerError, Standing, Transaction};
use crate::log::Hash;
use crate::log::label::Label;
use crate::log::state::State;
use crate::log::vrf::Proof;
use crate::number::Number;
use crate::registry::decide;
use crate::registry::decide::Counters;
use crate::registry::refusal;
use crate::registry::terms::{DAY_S, Terms};
use crate::registry::token::{self, Expected};

/// What a device needs before it can build and sign an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The number's label in the map.
    pub label: Label,
    /// The VRF proof that the label is this number's.
    pub proof: Proof,
    /// The VRF public key.
    pub vrf_key: [u8; 32],
    /// The origin of the number map.
    pub origin: String,
    /// Goes into the newest validation token, which is minted last.
    pub nonce: String,
    /// When the nonce expires, Unix seconds.
    pub nonce_expires_s: u64,
    /// An X25519 public key for the possession proofs of X25519 keys.
    pub ephemeral: [u8; 32],
    /// The directory's time, Unix seconds.
    pub now_s: u64,
    /// What only the number's provider is told, and who comes with a good token for it.
    pub sponsored: Option<Sponsored>,
}

/// What the number's provider is told of its State, and who comes with a good token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sponsored {
    /// Its version.
    pub version: u64,
    /// Its hash, the `prev` of the next State.
    pub prev: Hash,
    /// The State.
    pub state: State,
    /// What is pending.
    pub pending: Option<Pending>,
}

/// Preparations of today by provider: counted in memory, noted in the ledger by upkeep.
#[derive(Default)]
pub(super) struct Prepares(Mutex<HashMap<String, Today>>);

#[derive(Clone, Copy, Default)]
struct Today {
    day: u64,
    prepares: u64,
    noted: u64,
}

impl Prepares {
    /// Counts one more, unless the provider's day is full.
    fn count(&self, ledger: &Ledger, provider: &str, day: u64, policy: &Policy) -> Result<(), Rejection> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut today = all.get(provider).copied().filter(|today| today.day == day);
        if today.is_none() {
            let (_, noted) = ledger.read::<_, LedgerError>(|now| now.counted(provider, day))?;
            today = Some(Today { day, prepares: noted, noted });
        }
        let mut today = today.unwrap_or_default();
        let counters = Counters { prepares_today: today.prepares, ..Counters::default() };
        decide::prepare(&counters, policy)?;
        today.prepares += 1;
        all.insert(provider.to_owned(), today);
        Ok(())
    }

    /// What is not noted yet: provider, day, how many. It counts as noted from here on.
    pub(super) fn take(&self) -> Vec<(String, u64, u64)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fresh = Vec::new();
        for (provider, today) in all.iter_mut() {
            let count = today.prepares - std::mem::replace(&mut today.noted, today.prepares);
            if count > 0 {
                fresh.push((provider.clone(), today.day, count));
            }
        }
        fresh
    }
}

/// Notes preparations in the ledger.
pub(super) fn note(tx: &Transaction<'_>, prepares: &[(String, u64, u64)]) -> Result<(), LedgerError> {
    prepares.iter().try_for_each(|(provider, day, count)| tx.count(provider, *day, 0, *count))
}

impl Authority {
    /// Prepares a change of a number for a provider. Blocks.
    pub fn prepare_blocking(&self, actor: &Actor, number: Number) -> Result<Prepared, Rejection> {
        self.prepare_with_blocking(actor, number, &[])
    }

    /// Prepares a change of a number for a provider. Whoever brings good, unused validation tokens that name him is told what
    /// the number's own provider is (REGISTRY.md 2); the tokens are not used up. Blocks for 0.2 ms of curve arithmetic.
    pub fn prepare_with_blocking(
        &self,
        actor: &Actor,
        number: Number,
        tokens: &[String],
    ) -> Result<Prepared, Rejection> {
        if !actor.may(Verb::Write, Some(number)) {
            return Err(Rejection::Forbidden("this token does not allow changing this number".to_owned()));
        }
        let provider =
            actor.provider().ok_or_else(|| Rejection::Forbidden("only providers submit numbers".to_owned()))?;
        let core = &self.core;
        let (label, proof) = core.labels.of(&core.keys.vrf, &core.origin, number);
        let now_ms = core.now_ms();
        let now_s = unix_s(now_ms);
        let policy = core.policy();
        core.prepares.count(&core.ledger, provider, now_s / DAY_S, &policy)?;
        let nonce_expires_s = now_s + policy.nonce_ttl_min * 60;
        let nonce = core.nonces.make(provider, &label, nonce_expires_s);
        let proved = core.proves(provider, number, &label, tokens, now_s)?;
        let standing = core.ledger.read::<_, LedgerError>(|now| now.standing(&label))?;
        let theirs = standing.filter(|standing| proved || standing.entry.provider == provider);
        let sponsored = theirs.map(|Standing { entry, .. }| Sponsored {
            version: entry.state.version,
            prev: entry.state.hash(),
            pending: Pending::of(&entry, &Terms::of(&policy), now_ms),
            state: entry.state,
        });
        Ok(Prepared {
            label,
            proof,
            vrf_key: self.vrf_key(),
            origin: core.origin.clone(),
            ephemeral: core.nonces.ephemeral(&nonce),
            nonce,
            nonce_expires_s,
            now_s,
            sponsored,
        })
    }

    /// The same inside async code.
    pub async fn prepare(&self, actor: &Actor, number: Number, tokens: Vec<String>) -> Result<Prepared, Rejection> {
        let (authority, actor) = (self.clone(), actor.clone());
        self.core.examining(move || authority.prepare_with_blocking(&actor, number, &tokens)).await
    }
}

impl Core {
    /// Whether these tokens are good for this provider and number, and not used; false without any. What is wrong with them
    /// is told whether the number is registered or not.
    fn proves(
        &self,
        provider: &str,
        number: Number,
        label: &Label,
        tokens: &[String],
        now_s: u64,
    ) -> Result<bool, Rejection> {
        let law = self.law();
        let expected = Expected {
            register: law.register(),
            policy: law.policy_at(now_s * 1000),
            nonce_key: &self.nonces,
            apex: &self.settings.apex,
            number,
            label,
            provider,
            control: None, // no event yet: it will be bound to one
            now_s,
        };
        let verdict = token::verify(tokens, &expected);
        if !verdict.refusals.is_empty() {
            return Err(Rejection::Refused(verdict.refusals));
        }
        let Some(validation) = verdict.validation else { return Ok(false) };
        let used = self.ledger.read::<_, LedgerError>(|now| {
            validation.used.iter().try_fold(false, |used, token| Ok(used | now.jti_is_used(&token.short())?))
        })?;
        match used {
            true => Err(refusal::TOKEN_REPLAYED.at("/validation", "a token was used before").into()),
            false => Ok(true),
        }
    }
}

//! Proofs for callers: what the published epoch says of a number, shown so that nobody need believe us (TRUST.md 3).
//!
//! Of a number that is known its place is stored. That of any other has to be computed, 0.1 ms of curve work that a stranger
//! can ask for at will: such questions wait in a queue of their own and never get more than a quarter of one processor.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::authority::error::Rejection;
use crate::authority::shown::View;
use crate::authority::{Authority, Core};
use crate::ledger::{Disclosed, LedgerError, Personal, Snapshot, Standing};
use crate::log::label::Label;
use crate::log::proof::{Extra, Found, Opened, Present, Proof};
use crate::log::proved;
use crate::log::state::Status;
use crate::log::vrf;
use crate::number::Number;

/// What the place of one unknown number may cost in all, in microseconds: four times what it takes (docs/performance.md), so that
/// all of them together get a quarter of one processor.
const STRANGER_US: u64 = 400;
/// How far ahead of that pace they may be, in microseconds: a timer is no finer than some of them.
const AHEAD_US_MAX: u64 = 20_000;
/// Questions that wait for their turn; with more, the last would wait for longer than a tenth of a second.
const WAITING_MAX: usize = 256;
/// When to try again if the queue is full.
const RETRY_S: u32 = 1;

/// The turns of questions about numbers that nobody registered.
pub(super) struct Strangers {
    waiting: Semaphore,
    turn: tokio::sync::Mutex<()>,
    /// When the pace allows what was done so far, in microseconds.
    paid_us: AtomicU64,
}

impl Default for Strangers {
    fn default() -> Self {
        Self { waiting: Semaphore::new(WAITING_MAX), turn: tokio::sync::Mutex::default(), paid_us: AtomicU64::new(0) }
    }
}

impl Strangers {
    /// Books the next one at `now_us`; gives how long it has to wait. One turn at a time does this.
    fn book(&self, now_us: u64) -> Duration {
        // Nobody is ever further ahead than this, unless the clock was set back: then nothing is owed from before.
        let ahead_us_max = AHEAD_US_MAX + STRANGER_US;
        let paid_us = self.paid_us.load(Ordering::Relaxed).clamp(now_us, now_us + ahead_us_max);
        self.paid_us.store(paid_us + STRANGER_US, Ordering::Relaxed);
        let ahead_us = paid_us - now_us;
        Duration::from_micros(if ahead_us > AHEAD_US_MAX { ahead_us } else { 0 })
    }
}

impl Authority {
    /// The proof of what the newest published epoch says about `number`, present or not.
    pub async fn prove(&self, number: Number) -> Result<Proof, Rejection> {
        if let Some(proof) = self.run(move |authority| authority.core.prove_known(number)).await? {
            return Ok(proof);
        }
        let strangers = &self.core.strangers;
        let too_many = |_| Rejection::Unavailable {
            retry_after_s: RETRY_S,
            why:
                "too many ask about numbers that nobody registered; a proof of absence costs more than one of presence"
                    .to_owned(),
        };
        let _place = strangers.waiting.try_acquire().map_err(too_many)?;
        let _turn = strangers.turn.lock().await;
        let wait = strangers.book(self.core.now_ms() * 1000);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await; // even one of nothing waits for the next tick of the timer
        }
        self.run(move |authority| authority.core.prove_stranger(number)).await
    }
}

/// When to ask again for a number whose record was lost: somebody has to bring it.
const RECORD_RETRY_S: u32 = 600;

impl Core {
    /// The proof for a number whose place is known; None if it is not.
    fn prove_known(&self, number: Number) -> Result<Option<Proof>, Rejection> {
        self.ledger.read(|now| {
            let find = |changing: &HashMap<Number, Label>| {
                Ok::<_, LedgerError>(now.label_of(number)?.or_else(|| changing.get(&number).copied()))
            };
            let Some(view) = self.shown.view(find)? else { return Ok(None) };
            prove(now, &view, None).map(Some)
        })
    }

    /// The proof for a number whose place is not known, present or not.
    fn prove_stranger(&self, number: Number) -> Result<Proof, Rejection> {
        let (label, pi) = self.keys.vrf.label(&self.origin, number);
        self.ledger.read(|now| {
            // The reading is what matters: it fixes the moment of the ledger.
            let view = self.shown.view(|_| now.standing(&label).map(|_| Some(label)))?;
            prove(now, &view.ok_or(LedgerError::Damaged("a label that is not in view"))?, Some(pi))
        })
    }
}

/// The proof of what is in view; `pi` unless the number's personal data holds it.
pub(super) fn prove(now: &Snapshot<'_>, view: &View, pi: Option<vrf::Proof>) -> Result<Proof, Rejection> {
    let Some(epoch) = &view.epoch else {
        let why = "nothing is published yet: the first epoch is being made".to_owned();
        return Err(Rejection::Unavailable { retry_after_s: RETRY_S, why });
    };
    let (standing, personal) = match &view.own {
        Some(before) => (before.standing.clone(), before.personal.clone()),
        None => (now.standing(&view.label)?, now.personal(&view.label)?),
    };
    let pi = pi.or_else(|| personal.as_ref().map(|personal| personal.proof));
    let pi = pi.ok_or(LedgerError::Damaged("a number without its place"))?;
    let path = view.path(now)?;
    let found = match (standing, path.end) {
        (Some(standing), _) if personal.is_none() && is_live(&standing) => {
            let why = "its record was lost and is waited for: its provider has it, and submits it again".to_owned();
            return Err(Rejection::Unavailable { retry_after_s: RECORD_RETRY_S, why });
        }
        (Some(standing), _) => Found::Present(Box::new(present(now, &standing, personal, epoch.leaf.time_ms)?)),
        (None, Some(other)) => Found::Other(other),
        (None, None) => Found::Empty,
    };
    let extra = Extra { leaf: epoch.leaf.clone(), pi, found, siblings: path.siblings };
    // With the cosignatures that came after the epoch was shown.
    let index = epoch.leaf.epoch;
    let checkpoint = now.epoch(index)?.and_then(|row| row.note);
    let checkpoint = checkpoint.ok_or(LedgerError::Damaged("a published epoch without its note"))?;
    Ok(Proof { extra, index, path: epoch.path.clone(), checkpoint })
}

fn is_live(standing: &Standing) -> bool {
    standing.entry.state.status != Status::Released
}

/// What is shown of a number that is in the map.
fn present(
    now: &Snapshot<'_>,
    standing: &Standing,
    personal: Option<Personal>,
    epoch_ms: u64,
) -> Result<Present, LedgerError> {
    let state = standing.entry.state.clone();
    let event = match state.status {
        Status::Released => None,
        _ => {
            let row = now.event_by_seq(standing.keys_seq)?;
            Some(row.ok_or(LedgerError::Damaged("the event that fixed a number's keys"))?.event)
        }
    };
    let active = proved::standing(&state, epoch_ms) == proved::Standing::Active;
    let opened = |personal: Personal| {
        let Disclosed { opening, record } = personal.disclosed;
        Opened { opening, record }
    };
    Ok(Present { state, event, opened: personal.filter(|_| active).map(opened) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_keep_to_their_pace() {
        let strangers = Strangers::default();
        let mut now_us = 1_000_000;
        for _ in 0..10_000 {
            now_us += strangers.book(now_us).as_micros() as u64;
        }
        let pace_us = 10_000 * STRANGER_US;
        assert!((pace_us - AHEAD_US_MAX - STRANGER_US..=pace_us).contains(&(now_us - 1_000_000)), "{now_us}");
        assert_eq!(strangers.book(now_us + 1_000_000), Duration::ZERO, "what was waited for is not owed");
        let after_a_step_back = strangers.book(now_us - 900_000);
        assert!(after_a_step_back <= Duration::from_micros(AHEAD_US_MAX + STRANGER_US), "{after_a_step_back:?}");
    }
}

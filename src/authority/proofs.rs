//! Proofs for callers: what the published epoch says of a number, shown so that nobody need believe us (TRUST.md 3).
//!
//! Of a number that is known its place is stored. That of any other has to be computed, 0.1 ms of curve work that a stranger
//! can ask for at will: such questions wait in a queue of their own and never get more than a quarter of one processor.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

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

/// Of one processor's time, the part that the places of unknown numbers may take: one in so many.
const SHARE: u32 = 4;
/// How far ahead of its share the work may be before the next must wait: a timer is no finer than this.
const AHEAD_MAX: Duration = Duration::from_millis(20);
/// Questions that wait for their turn; with more, the last would wait for about a tenth of a second.
const WAITING_MAX: usize = 256;
/// When to try again if the queue is full.
const RETRY_S: u32 = 1;

/// The turns of questions about numbers that nobody registered.
pub(super) struct Strangers {
    waiting: Semaphore,
    turn: tokio::sync::Mutex<()>,
    /// When the share of what was done so far will have passed.
    paid: Mutex<Instant>,
}

impl Default for Strangers {
    fn default() -> Self {
        Self {
            waiting: Semaphore::new(WAITING_MAX),
            turn: tokio::sync::Mutex::default(),
            paid: Mutex::new(Instant::now()),
        }
    }
}

impl Strangers {
    fn paid(&self) -> Instant {
        *self.paid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Books `spent` of work that was just done.
    fn book(&self, spent: Duration) {
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        *paid = (*paid).max(Instant::now()) + spent * SHARE;
    }

    /// How long the next one has to wait.
    fn owed(&self) -> Duration {
        let ahead = self.paid().saturating_duration_since(Instant::now());
        if ahead > AHEAD_MAX { ahead } else { Duration::ZERO }
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
        tokio::time::sleep(strangers.owed()).await;
        self.run(move |authority| authority.core.prove_stranger(number)).await
    }
}

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
        let started = Instant::now();
        let (label, pi) = self.keys.vrf.label(&self.origin, number);
        self.strangers.book(started.elapsed());
        self.ledger.read(|now| {
            // The reading is what matters: it fixes the moment of the ledger.
            let view = self.shown.view(|_| now.standing(&label).map(|_| Some(label)))?;
            prove(now, &view.ok_or(LedgerError::Damaged("a label that is not in view"))?, Some(pi))
        })
    }
}

/// The proof of what is in view; `pi` unless the number's personal data holds it.
fn prove(now: &Snapshot<'_>, view: &View, pi: Option<vrf::Proof>) -> Result<Proof, Rejection> {
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
        (Some(standing), _) => Found::Present(Box::new(present(now, &standing, personal, epoch.leaf.time_ms)?)),
        (None, Some(other)) => Found::Other(other),
        (None, None) => Found::Empty,
    };
    let extra = Extra { leaf: epoch.leaf.clone(), pi, found, siblings: path.siblings };
    Ok(Proof { extra, index: epoch.leaf.epoch, path: epoch.path.clone(), checkpoint: epoch.note.clone() })
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

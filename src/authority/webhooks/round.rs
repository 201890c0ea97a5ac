//! Who gets a turn, and when: one thread looks for endpoints with news whose time has come, and gives each a thread of its
//! own. It looks when the feed grows, when an owner sets something, when a turn ends, and when the next wait is over.
//!
//! Nothing is held in memory but who is at work, so there is nothing to bring back after a crash.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::authority::webhooks::{Courier, TEST_EVERY_MS};
use crate::authority::{Authority, Core};
use crate::ledger::{LedgerError, WebhookRow, WebhookState};

/// Endpoints that are sent to at the same time: each has a thread that waits for the network.
const AT_WORK_MAX: usize = 64;
/// The same of one owner: whose endpoints are slow keeps nobody else's waiting, as long as sixteen do not agree on it.
const AT_WORK_PER_OWNER_MAX: usize = 4;
/// Endpoints of one look: those who wait longest, enough to fill every place though some owners use up theirs.
const LOOK_MAX: usize = 1024;
/// The longest time between two looks: a clock that was set is noticed by then.
const LOOK_EVERY_MS: u64 = 10_000;
/// The pause after a failure of the ledger.
const FAILED_PAUSE: Duration = Duration::from_secs(1);
/// How long a stop waits for turns that are under way. What they sent and could not note is sent again.
const STOP_WAIT: Duration = Duration::from_secs(2);

/// Who is at work.
#[derive(Default)]
pub(super) struct Round {
    desk: Mutex<Desk>,
    changed: Condvar,
    taken: AtomicU64,
    refused: AtomicU64,
}

#[derive(Default)]
struct Desk {
    stop: bool,
    /// Grows with everything that a look could find.
    news: u64,
    /// Endpoints at work and their owners.
    at_work: HashMap<u64, Option<String>>,
    /// When each owner sent a test last.
    tests: HashMap<Option<String>, u64>,
    counts: [u64; 5],
}

/// How webhooks do, without names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookVitals {
    /// Deliveries of changes that were taken since the start.
    pub taken: u64,
    /// Attempts that were not.
    pub refused: u64,
    /// How many endpoints are in each state.
    pub states: Vec<(&'static str, u64)>,
}

impl Round {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There may be something to do.
    pub(super) fn news(&self) {
        self.desk().news += 1;
        self.changed.notify_all();
    }

    pub(super) fn count(&self, taken: bool) {
        let counter = if taken { &self.taken } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether an owner may send a test now; then it has.
    pub(super) fn may_test(&self, owner: Option<&str>, now_ms: u64) -> bool {
        let mut desk = self.desk();
        desk.tests.retain(|_, at_ms| now_ms.abs_diff(*at_ms) < TEST_EVERY_MS);
        let may = !desk.tests.contains_key(&owner.map(str::to_owned));
        if may {
            desk.tests.insert(owner.map(str::to_owned), now_ms);
        }
        may
    }

    fn stops(&self) -> bool {
        self.desk().stop
    }

    /// Takes a place for an endpoint, if there is one.
    fn begin(&self, row: &WebhookRow) -> bool {
        let mut desk = self.desk();
        let of_owner = desk.at_work.values().filter(|owner| **owner == row.owner).count();
        let free = desk.at_work.len() < AT_WORK_MAX && of_owner < AT_WORK_PER_OWNER_MAX;
        if desk.stop || !free || desk.at_work.contains_key(&row.seq) {
            return false;
        }
        desk.at_work.insert(row.seq, row.owner.clone());
        true
    }
}

/// Endpoints are sent to as long as this lives. Dropping it ends that, after the deliveries at hand or a moment later.
pub struct Sending {
    core: Arc<Core>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Sending {
    fn drop(&mut self) {
        let round = &self.core.webhooks.round;
        round.desk().stop = true;
        round.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the round of webhooks had panicked");
        }
        let busy = |desk: &mut Desk| !desk.at_work.is_empty();
        let _left = round.changed.wait_timeout_while(round.desk(), STOP_WAIT, busy);
    }
}

impl Authority {
    /// Starts sending to endpoints, by this courier.
    pub fn send_webhooks(&self, courier: Courier) -> std::io::Result<Sending> {
        let _first_stays = self.core.webhooks.courier.set(courier);
        let core = self.core.clone();
        let thread = thread::Builder::new().name("webhooks".into()).spawn(move || go_round(&core))?;
        Ok(Sending { core: self.core.clone(), thread: Some(thread) })
    }

    /// For tests: which courier is used, where nothing is sent by itself.
    #[doc(hidden)]
    pub fn webhooks_by(&self, courier: Courier) {
        let _first_stays = self.core.webhooks.courier.set(courier);
    }

    /// Gives each endpoint that is due one turn, one after the other: what the threads of [`Authority::send_webhooks`] do
    /// again and again. Gives how many had a turn. Blocks.
    pub fn deliver_webhooks(&self) -> Result<usize, LedgerError> {
        let due = self.core.due()?.0;
        due.iter().try_for_each(|row| self.core.deliver(row, || true))?;
        Ok(due.len())
    }

    /// How webhooks do; cheap enough to be asked every second.
    pub fn webhook_vitals(&self) -> WebhookVitals {
        let round = &self.core.webhooks.round;
        let states = WebhookState::ALL.iter().map(|state| state.name()).zip(round.desk().counts).collect();
        let [taken, refused] = [&round.taken, &round.refused].map(|counter| counter.load(Ordering::Relaxed));
        WebhookVitals { taken, refused, states }
    }
}

impl Core {
    /// Endpoints that are due, and when the next one will be.
    fn due(&self) -> Result<(Vec<WebhookRow>, Option<u64>), LedgerError> {
        if self.frozen().is_some() {
            return Ok((Vec::new(), None)); // no place in the feed could be kept
        }
        let (now_ms, published) = (self.now_ms(), *self.published.borrow());
        let (due, next_ms, counts) = self.ledger.read::<_, LedgerError>(|now| {
            let due = now.webhooks_due(now_ms, published, LOOK_MAX)?;
            Ok((due, now.webhook_next_ms(now_ms)?, now.count_webhooks()?))
        })?;
        self.webhooks.round.desk().counts = counts;
        Ok((due, next_ms))
    }
}

fn go_round(core: &Arc<Core>) {
    let round = &core.webhooks.round;
    loop {
        let seen = round.desk().news;
        let pause_ms = match core.due() {
            Ok((due, next_ms)) => {
                due.into_iter().filter(|row| round.begin(row)).for_each(|row| give_turn(core, row));
                next_ms.map_or(LOOK_EVERY_MS, |next_ms| next_ms.saturating_sub(core.now_ms()).min(LOOK_EVERY_MS))
            }
            Err(error) => {
                tracing::error!(%error, "webhooks could not be looked at; trying again");
                FAILED_PAUSE.as_millis() as u64
            }
        };
        let quiet = |desk: &mut Desk| !desk.stop && desk.news == seen;
        let pause = Duration::from_millis(pause_ms);
        let waited = round.changed.wait_timeout_while(round.desk(), pause, quiet);
        if waited.unwrap_or_else(PoisonError::into_inner).0.stop {
            return;
        }
    }
}

/// An endpoint's place at work; given back however its turn ends.
struct Place {
    core: Arc<Core>,
    seq: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        let round = &self.core.webhooks.round;
        round.desk().at_work.remove(&self.seq);
        round.news();
    }
}

fn give_turn(core: &Arc<Core>, row: WebhookRow) {
    let place = Place { core: core.clone(), seq: row.seq };
    let turn = move || {
        let round = &place.core.webhooks.round;
        if let Err(error) = place.core.deliver(&row, || !round.stops()) {
            tracing::error!(%error, "a webhook's turn could not be kept; what it was sent comes again");
            thread::sleep(FAILED_PAUSE);
        }
    };
    // Without a thread the place is given back at once, and the next look tries again.
    if let Err(error) = thread::Builder::new().name("webhook".into()).spawn(turn) {
        tracing::error!(%error, "no thread for a webhook");
        thread::sleep(FAILED_PAUSE);
    }
}

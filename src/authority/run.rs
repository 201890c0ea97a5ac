//! The line of work behind a submission: one turn makes one epoch, and a thread makes the turns.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::authority::image::{self, Keep};
use crate::authority::publish::{self, View};
use crate::authority::sequencer::{EPOCH_EVENTS_MAX, Head, PlanError};
use crate::authority::shown::ShownEpoch;
use crate::authority::signed::TurnError;
use crate::authority::upkeep::Swept;
use crate::authority::witnesses::Witnesses;
use crate::authority::{Authority, Core, Vitals};
use crate::ledger::{LedgerError, Snapshot, die};
use crate::zone::Change;

/// How long a failed turn (a full disk) waits before the next try.
const RETRY: Duration = Duration::from_secs(1);
/// How often the thread looks around when epochs follow commits, so that heartbeats and upkeep come in time.
const LOOK: Duration = Duration::from_secs(1);
/// How often the log says again that the directory is frozen.
const FROZEN_SAID: Duration = Duration::from_secs(600);

/// The steps of an epoch: where a test may stop the process, or make the step fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The epoch is computed and nothing is stored.
    BeforeSeal,
    /// It is sealed and durable.
    AfterSeal,
    /// It goes to the signer, who has not seen it yet.
    BeforeSigner,
    /// The signer remembers it and has answered; the note is not stored.
    BeforeSign,
    /// The note is durable.
    AfterSign,
    /// The view shows it.
    AfterPublish,
}

/// A test's hand in the works: see [`Step`].
pub(super) type Interrupt = Box<dyn Fn(Step) -> Result<(), LedgerError> + Send + Sync>;

/// What a turn did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// There was nothing to do.
    Idle,
    /// This epoch was published.
    Published(u64),
}

/// Where the work stands. One turn at a time holds it.
pub(super) struct Line {
    /// None after a failure half-way: read it anew from the ledger.
    pub(super) head: Option<Head>,
    /// Changes of the newest epoch that wait for its signature, and then for the view.
    pub(super) unpublished: Option<Vec<Change>>,
    /// Personal data was erased, and its bytes may still lie in the write-ahead log.
    pub(super) erased: bool,
    /// When upkeep was last done.
    pub(super) upkeep_ms: u64,
    /// How far upkeep has looked for lapsed numbers.
    pub(super) swept: Swept,
}

/// How a commit wakes the thread.
#[derive(Default)]
pub(super) struct Wake {
    state: Mutex<WakeState>,
    changed: Condvar,
}

#[derive(Default)]
struct WakeState {
    pending: bool,
    stop: bool,
}

impl Wake {
    fn state(&self) -> MutexGuard<'_, WakeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is an event to seal.
    pub(super) fn pending(&self) {
        self.state().pending = true;
        self.changed.notify_all();
    }

    fn stop(&self) {
        self.state().stop = true;
        self.changed.notify_all();
    }

    /// Waits `pause` long, or, when `early`, only until there is an event. True: stop.
    fn wait(&self, pause: Duration, early: bool) -> bool {
        let quiet = |state: &mut WakeState| !(state.stop || early && state.pending);
        let waited = self.changed.wait_timeout_while(self.state(), pause, quiet);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.pending = false;
        state.stop
    }
}

/// The running sequencer and upkeep. Dropping it ends them after the turn at hand.
pub struct Running {
    core: Arc<Core>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Ends the thread after the turn at hand.
    pub fn stop(self) {}
}

impl Drop for Running {
    fn drop(&mut self) {
        self.core.wake.stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the sequencer had panicked");
        }
        self.core.keep_image(Keep::Last);
    }
}

impl Authority {
    /// Starts making epochs, which become visible in `view`: whatever was acknowledged before is sealed at once.
    pub fn start(&self, view: Arc<dyn View>) -> std::io::Result<Running> {
        self.show_in(view);
        let core = self.core.clone();
        let thread = std::thread::Builder::new().name("sequencer".into()).spawn(move || sequence(&core))?;
        Ok(Running { core: self.core.clone(), thread: Some(thread) })
    }

    /// Makes changes visible in `view` from now on. The first view stays.
    pub fn show_in(&self, view: Arc<dyn View>) {
        let _first_stays = self.core.view.set(view);
    }

    /// Makes one epoch by hand, if one is due: what the thread of [`Authority::start`] does again and again.
    pub fn turn(&self) -> Result<Turned, TurnError> {
        let turned = self.core.turn();
        self.core.note_incident();
        turned
    }

    /// For tests: calls `hand` at every step of an epoch.
    #[doc(hidden)]
    pub fn interrupt(&self, hand: impl Fn(Step) -> Result<(), LedgerError> + Send + Sync + 'static) {
        let _first_stays = self.core.interrupt.set(Box::new(hand));
    }

    /// For tests: as if the disk had room for `pages` pages of 4096 bytes only.
    #[doc(hidden)]
    pub fn limit_pages(&self, pages: u32) -> Result<(), LedgerError> {
        self.core.ledger.limit_pages(pages).wait_blocking()
    }
}

fn sequence(core: &Arc<Core>) {
    let epoch_ms = core.settings.epoch_ms;
    let (pause, early) = if epoch_ms == 0 { (LOOK, true) } else { (Duration::from_millis(epoch_ms), false) };
    while let Some(why) = core.frozen() {
        tracing::error!(%why, "FROZEN: look-ups go on, every change is refused");
        if core.wake.wait(FROZEN_SAID, false) {
            return;
        }
    }
    loop {
        core.mind_maintenance();
        let turned = core.turn();
        core.note_incident();
        if let Err(TurnError::Unconfirmed) = &turned {
            tracing::warn!("the newest epoch waits for the cosignatures of its witnesses");
        } else if let Err(error) = &turned {
            tracing::error!(%error, "an epoch could not be made; trying again");
            let mut vitals = core.vitals.lock().unwrap_or_else(PoisonError::into_inner);
            match error {
                TurnError::Ledger(error) => vitals.trouble = Some(error.to_string()),
                TurnError::Signer(error) => vitals.unsigned = Some(error.to_string()),
                TurnError::Unconfirmed => {}
            }
        }
        if let Err(error) = core.upkeep_when_due() {
            tracing::error!(%error, "upkeep failed; trying again later");
        }
        image::keep_in_background(core);
        let (pause, early) = match turned {
            Ok(_) if core.has_a_full_epoch_waiting() => (Duration::ZERO, false),
            Ok(_) => (pause, early),
            Err(_) => (RETRY, false),
        };
        if core.wake.wait(pause, early) {
            return;
        }
    }
}

impl Core {
    fn step(&self, step: Step) -> Result<(), LedgerError> {
        self.interrupt.get().map_or(Ok(()), |hand| hand(step))
    }

    pub(super) fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether more waits than one epoch holds: then the next one does not wait for its time.
    fn has_a_full_epoch_waiting(&self) -> bool {
        let line = self.line();
        let Some(head) = &line.head else { return false };
        let newest = self.ledger.read::<_, LedgerError>(|now| now.newest_event()).unwrap_or(0);
        newest.saturating_sub(head.epoch.last_seq) >= EPOCH_EVENTS_MAX as u64
    }

    fn turn(&self) -> Result<Turned, TurnError> {
        if self.frozen().is_some() {
            return Ok(Turned::Idle);
        }
        let mut line = self.line();
        if line.head.is_none() {
            line.head = Some(self.ledger.read(|now| self.load(now))?);
        }
        if let Some(head) = &line.head
            && !self.agrees(head)?
        {
            return Ok(Turned::Idle);
        }
        if let Some(head) = &mut line.head {
            self.collect(head)?;
        }
        self.publish(&mut line)?;
        let Some(head) = &mut line.head else { return Ok(Turned::Idle) };
        let now_ms = self.now_ms();
        let heartbeat = now_ms >= head.epoch.time_ms.saturating_add(self.settings.heartbeat_s * 1000);
        if !heartbeat && !self.ledger.read::<_, LedgerError>(|now| now.has_events_after(head.epoch.last_seq))? {
            return Ok(Turned::Idle);
        }
        let n = match self.seal(&mut line, now_ms) {
            Ok(n) => n,
            Err(error) => {
                line.head = None; // its map may hold what was not stored
                return Err(error.into());
            }
        };
        self.step(Step::AfterSeal)?;
        self.publish(&mut line)?;
        Ok(Turned::Published(n))
    }

    /// The head from the ledger, and the map anew: the one in memory may hold what was not stored.
    fn load(&self, now: &Snapshot<'_>) -> Result<Head, LedgerError> {
        let mut head = Head::load(now)?.ok_or(LedgerError::Damaged("the map log has no leaf"))?;
        self.shown.replace_map(head.read_map(now)?);
        Ok(head)
    }

    /// Computes and stores the next epoch.
    fn seal(&self, line: &mut Line, now_ms: u64) -> Result<u64, LedgerError> {
        let Line { head: Some(head), unpublished, erased, .. } = line else { return Err(LedgerError::Closed) };
        let laws = self.laws.read().unwrap_or_else(PoisonError::into_inner).clone();
        let plan = self.ledger.read(|now| {
            if head.has_outgrown(self.shown.bits()) {
                self.shown.replace_map(head.read_map(now)?);
            }
            head.plan(now, &self.shown, &laws, now_ms)
        });
        let plan = match plan {
            Ok(plan) => plan,
            Err(PlanError::Ledger(error)) => return Err(error),
            Err(PlanError::Broken(rule)) => die("an accepted event cannot be sealed", &rule),
        };
        let (n, changes, erases) = (plan.n(), plan.changes()?, plan.erases());
        if erases {
            self.images.discard()?;
        }
        self.step(Step::BeforeSeal)?;
        let stored = plan.store(&self.ledger)?;
        head.advance(&stored);
        *unpublished = Some(changes);
        *erased |= erases;
        let gov_size = head.epoch.gov_size;
        self.laws.write().unwrap_or_else(PoisonError::into_inner).retain(|law| law.size() >= gov_size);
        Ok(n)
    }

    /// Signs what is sealed and shows what is signed, as far as that is not done yet.
    pub(super) fn publish(&self, line: &mut Line) -> Result<(), TurnError> {
        let Some(head) = &mut line.head else { return Ok(()) };
        let n = head.epoch.n;
        if head.epoch.note.is_none() {
            self.step(Step::BeforeSigner)?;
            let note = self.sign_map(head)?;
            self.step(Step::BeforeSign)?;
            let stored = note.clone();
            self.ledger.write::<_, LedgerError, _>(move |tx| tx.sign(n, &stored)).wait_blocking()?;
            head.epoch.note = Some(note);
            self.step(Step::AfterSign)?;
        }
        if line.unpublished.is_some() && !self.confirm(head)? {
            return Err(TurnError::Unconfirmed);
        }
        if let Some(changes) = line.unpublished.take() {
            if let Some(view) = self.view.get()
                && !changes.is_empty()
                && let Err(error) = view.apply(&changes, publish::serial(head.generation))
            {
                // Refused before acceptance; only a zone file that changed under way can bring it here.
                tracing::error!(%error, "the zone does not take an epoch's changes");
            }
            if let Some(path) = head.path.take()
                && let Some(epoch) = ShownEpoch::of(&head.epoch, path)?
            {
                self.shown.publish(epoch);
            }
            let mut shown = self.vitals.lock().unwrap_or_else(PoisonError::into_inner);
            let unconfirmed = self.witnesses.as_ref().and_then(Witnesses::words);
            *shown = Vitals { overdue: shown.overdue, frozen: shown.frozen.take(), unconfirmed, ..vitals(head) };
            drop(shown);
            self.published.send_replace(n);
            self.webhooks.feed_has_grown();
            self.step(Step::AfterPublish)?;
        }
        Ok(())
    }
}

/// How the work goes when `head` is the newest published epoch.
pub(super) fn vitals(head: &Head) -> Vitals {
    let (epoch, epoch_ms) = (head.epoch.n, head.epoch.time_ms);
    Vitals { epoch, epoch_ms, labels: head.labels, ..Vitals::default() }
}

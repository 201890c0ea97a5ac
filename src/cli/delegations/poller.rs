//! The poller: asks the servers of every delegated zone with DS in turn, on a thread of its own, and hands over what it found.
//!
//! ```text
//! due (a day later, a bit of chance) -> look -> handed to whoever changes delegations -> due
//!                                         └─ a server was silent, or they disagree: an hour later
//! ```
//! It changes nothing and holds nothing up: neither DNS nor the ledger know of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::look::{Look, Looked};
use super::{Shown, records};
use crate::cli::report::Failure;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::zone::delegation::{Delegation, Delegations};

/// How often it looks which children are due.
const TURN: Duration = Duration::from_secs(1);
/// Children at once: each takes as many sockets as it has servers, at most 39.
const AT_ONCE: usize = 8;
/// A child that was never asked is, after so many seconds at most; not all of them in one moment.
const FIRST_S: u32 = 60;
/// A look is over within so many seconds, so a child that is being asked is not due before.
const UNDER_WAY_S: u32 = 120;
/// A look that failed for a reason that may pass is made again after this part of the time between looks.
const AGAIN_PART: u32 = 24;
/// Up to this part of the time between looks is left out by chance, so that children spread over the day.
const CHANCE_PART: u32 = 4;

/// It runs. Stops when dropped.
pub(super) struct Poller {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// When a child is due, as the delegation was then.
struct Due {
    at_s: u64,
    changed_s: u64,
}

struct Polling {
    config: Config,
    shown: Arc<Shown>,
    delegations: Arc<ArcSwap<Delegations>>,
    found: SyncSender<Looked>,
    due: HashMap<String, Due>,
    under_way: JoinSet<Looked>,
}

impl Poller {
    /// Asks from now on; `found` gets what came of it.
    pub(super) fn start(
        config: &Config,
        shown: &Arc<Shown>,
        delegations: &Arc<ArcSwap<Delegations>>,
        found: SyncSender<Looked>,
    ) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let polling = Polling {
            config: config.clone(),
            shown: Arc::clone(shown),
            delegations: Arc::clone(delegations),
            found,
            due: HashMap::new(),
            under_way: JoinSet::new(),
        };
        let thread = thread::Builder::new().name("children".to_owned());
        let thread = thread.spawn(move || runtime.block_on(polling.run(stopped)))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Polling {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        loop {
            self.begin(SystemClock.now_s());
            tokio::select! {
                _ = &mut stopped => return,
                Some(done) = self.under_way.join_next(), if !self.under_way.is_empty() => {
                    let Ok(looked) = done else { continue };
                    self.again(&looked);
                    if self.found.send(looked).is_err() {
                        return;
                    }
                }
                () = tokio::time::sleep(TURN) => {}
            }
        }
    }

    /// Begins the looks that are due.
    fn begin(&mut self, now_s: u64) {
        let delegations = self.delegations.load_full();
        self.due.retain(|block, _| delegations.of(block).is_some());
        for delegation in delegations.iter().filter(|delegation| !delegation.ds.is_empty()) {
            if self.under_way.len() >= AT_ONCE {
                return;
            }
            if self.is_due(delegation, now_s) {
                self.wait(delegation, now_s, UNDER_WAY_S); // until it is done
                self.look(delegation, now_s);
            }
        }
    }

    fn is_due(&mut self, delegation: &Delegation, now_s: u64) -> bool {
        match self.due.get(&delegation.block) {
            Some(due) if due.changed_s == delegation.changed_s => {
                let latest_s = now_s + u64::from(self.config.delegation.poll_s.max(UNDER_WAY_S));
                due.at_s <= now_s || due.at_s > latest_s
            }
            // The operator has changed it since, perhaps while it was looked at: what was found then counts no more.
            Some(_) => {
                self.wait(delegation, now_s, 0);
                false
            }
            None => {
                let poll_s = self.config.delegation.poll_s;
                let checked_s = records::read(&self.config, &delegation.block).map_or(0, |known| known.checked_s);
                let since_s = now_s.saturating_sub(checked_s);
                let rest_s = u64::from(poll_s).saturating_sub(since_s).min(u64::from(poll_s)) as u32; // at most poll_s
                let wait_s = if checked_s == 0 || rest_s == 0 { chance(poll_s.min(FIRST_S)) } else { rest_s };
                self.wait(delegation, now_s, wait_s);
                false
            }
        }
    }

    fn wait(&mut self, delegation: &Delegation, now_s: u64, wait_s: u32) {
        let due = Due { at_s: now_s + u64::from(wait_s), changed_s: delegation.changed_s };
        self.due.insert(delegation.block.clone(), due);
    }

    fn look(&mut self, delegation: &Delegation, now_s: u64) {
        let known = records::read(&self.config, &delegation.block).map_err(|failure| failure.to_string());
        let zone = self.shown.zone();
        let look = known.and_then(|known| Look::at(&self.config, zone.fixed(), delegation, &known));
        match look {
            Ok(look) => {
                self.under_way.spawn(async move { look.look(&SystemClock).await });
            }
            Err(why) => {
                tracing::error!(block = delegation.block, why, "the servers of a delegated block cannot be asked");
                self.wait(delegation, now_s, self.config.delegation.poll_s);
            }
        }
    }

    /// When it is looked at next.
    fn again(&mut self, looked: &Looked) {
        let poll_s = self.config.delegation.poll_s;
        let wait_s = match &looked.verdict {
            Err(refusal) if refusal.may_pass() => (poll_s / AGAIN_PART).max(1),
            _ => (poll_s - chance(poll_s / CHANCE_PART)).max(1),
        };
        self.wait(&looked.was, looked.at_s, wait_s);
    }
}

/// A number below `below`, by chance; 0 if that is 0, or if the system gives no random numbers.
fn chance(below: u32) -> u32 {
    let mut octets = [0; 4];
    match SystemRandom::new().fill(&mut octets) {
        Ok(()) => u32::from_ne_bytes(octets).checked_rem(below).unwrap_or(0),
        Err(_) => 0,
    }
}

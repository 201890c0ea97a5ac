//! The thread that looks after static zones: reloads, signatures, secondaries, status.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use ring::rand::SystemRandom;

use super::kept::{Backward, Kept};
use super::reload::{Answer, Outcome, Reloaded};
use super::secondaries::Secondaries;
use super::status::{EVERY_S, Status};
use super::{Primary, Switch};
use crate::clock::Clock;
use crate::nameserver::{Served, View};

/// Between two turns: an answer of a secondary is heard within this.
const TURN: Duration = Duration::from_millis(20);
const QUIET_TURN: Duration = Duration::from_millis(100);
/// How often files are looked at that others write, and times.
const LOOK_MS: u64 = 500;
/// After signatures could not be made.
const REST_S: u64 = 60;

/// Static zones that are looked after. Stops when dropped.
pub struct Running {
    reload: Switch,
    other_keys: Switch,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub(super) fn start(primary: Primary, view: Arc<ArcSwap<View>>, clock: Arc<dyn Clock>) -> Self {
        let mut running =
            Self { reload: Switch::default(), other_keys: Switch::default(), stop: Arc::default(), thread: None };
        if primary.zones.is_empty() {
            return running;
        }
        let (asked, stop) = ((running.reload.clone(), running.other_keys.clone()), running.stop.clone());
        let spawned = thread::Builder::new().name("zones".to_owned()).spawn(move || match Keeper::new(primary, view) {
            Ok(mut keeper) => keeper.run(&*clock, &asked, &stop),
            Err(error) => tracing::error!(%error, "static zones are served, but not looked after"),
        });
        match spawned {
            Ok(thread) => running.thread = Some(thread),
            Err(error) => tracing::error!(%error, "static zones are served, but not looked after"),
        }
        running
    }

    /// What a signal sets to have files read again.
    pub fn switch(&self) -> Switch {
        self.reload.clone()
    }

    /// What is set when the record of a zone's keys says that others sign from now on.
    pub fn other_keys(&self) -> Switch {
        self.other_keys.clone()
    }

    /// Stops looking after them; they are served on.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

struct Keeper {
    zones: Vec<Kept>,
    secondaries: Secondaries,
    view: Arc<ArcSwap<View>>,
    folder: PathBuf,
    shown: Option<Status>,
    /// After signatures could not be made: not every turn again.
    rests_until_s: u64,
}

impl Keeper {
    fn new(primary: Primary, view: Arc<ArcSwap<View>>) -> Result<Self, super::PrimaryError> {
        let secondaries = Secondaries::new(&primary.zones, &primary.keys)?;
        Ok(Self { zones: primary.zones, secondaries, view, folder: primary.folder, shown: None, rests_until_s: 0 })
    }

    fn run(&mut self, clock: &dyn Clock, asked: &(Switch, Switch), stop: &AtomicBool) {
        let mut looked_ms = 0;
        self.zones.iter().for_each(|zone| self.secondaries.tell(zone, clock.now_ms()));
        self.show(clock.now_s());
        while !stop.load(Ordering::Relaxed) {
            let now_ms = clock.now_ms();
            let mut news = self.secondaries.turn(now_ms);
            if now_ms.abs_diff(looked_ms) >= LOOK_MS {
                looked_ms = now_ms;
                news |= self.look(clock, asked);
            }
            let age_s = self.shown.as_ref().map_or(u64::MAX, |shown| clock.now_s().abs_diff(shown.written_at));
            if news || age_s >= EVERY_S {
                self.show(clock.now_s());
            }
            thread::sleep(if self.secondaries.is_waiting() { TURN } else { QUIET_TURN });
        }
    }

    /// Does what was asked for and what is due; true if anything changed.
    fn look(&mut self, clock: &dyn Clock, (reload, other_keys): &(Switch, Switch)) -> bool {
        let request = super::reload::take(&self.folder);
        let mut news = false;
        if reload.take() || request.is_some() {
            let restart = request.as_ref().map_or(&[][..], |request| &request.restart_serial);
            let zones = self.reload(clock, restart);
            news = true;
            if let Some(request) = request {
                // First what `zone status` shows: whoever has the answer may look at once.
                self.show(clock.now_s());
                let answered = super::reload::answer(&self.folder, &Answer { id: request.id, zones });
                if let Err(error) = answered {
                    tracing::error!(%error, "the outcome of a reload cannot be written");
                }
            }
        }
        if other_keys.take() {
            self.zones.iter_mut().for_each(|zone| zone.look_at_keys(clock.now_s()));
        }
        self.refresh(clock) || news
    }

    fn reload(&mut self, clock: &dyn Clock, restart: &[String]) -> Vec<Reloaded> {
        let (mut done, mut changed) = (Vec::new(), Vec::new());
        for (i, zone) in self.zones.iter_mut().enumerate() {
            let name = zone.name().to_text();
            let backward = if restart.contains(&name) { Backward::Allowed } else { Backward::Refused };
            let result = zone.reload(clock.now_s(), &SystemRandom::new(), backward);
            let serial = zone.published().map(|published| published.version.serial());
            let (outcome, problem) = match result {
                Ok(false) => (Outcome::Unchanged, None),
                Ok(true) => {
                    changed.push(i);
                    tracing::info!(zone = name, serial, "a zone has a new version");
                    (Outcome::Changed, None)
                }
                Err(error) => {
                    tracing::error!(zone = name, %error, "a zone's file cannot be served: the version before is");
                    (Outcome::Refused, Some(error.to_string()))
                }
            };
            done.push(Reloaded { name, outcome, serial, problem });
        }
        self.serve(&changed, clock.now_ms());
        done
    }

    fn refresh(&mut self, clock: &dyn Clock) -> bool {
        let (mut changed, now_s) = (Vec::new(), clock.now_s());
        if now_s < self.rests_until_s {
            return false;
        }
        for (i, zone) in self.zones.iter_mut().enumerate().filter(|(_, zone)| zone.needs_signatures(now_s)) {
            match zone.refresh(now_s, &SystemRandom::new()) {
                Ok(()) => changed.push(i),
                Err(error) => {
                    tracing::error!(zone = zone.name().to_text(), %error, "the signatures of a zone cannot be made anew");
                    self.rests_until_s = now_s + REST_S;
                }
            }
        }
        self.serve(&changed, clock.now_ms());
        !changed.is_empty()
    }

    /// Serves new versions, and only then tells of them.
    fn serve(&mut self, changed: &[usize], now_ms: u64) {
        if changed.is_empty() {
            return;
        }
        let served =
            || self.zones.iter().filter_map(|zone| Some(Served::published(zone.published()?.clone()))).collect();
        self.view.rcu(|view| view.with_static(served()));
        for zone in changed.iter().filter_map(|i| self.zones.get(*i)) {
            self.secondaries.tell(zone, now_ms);
        }
    }

    fn show(&mut self, now_s: u64) {
        let status = Status::of(&self.zones, &self.secondaries, now_s);
        if let Err(error) = status.write(&self.folder) {
            tracing::error!(%error, "the status of static zones cannot be written");
        }
        self.shown = Some(status);
    }
}

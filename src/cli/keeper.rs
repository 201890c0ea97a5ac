//! The keeper: turns the machine of the keys' lives while the service runs, asks the parent, and hands new keys to DNS.
//!
//! It reads the record each two seconds, so what a command asks for beside the running service is taken up within that.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use crate::cli::init;
use crate::cli::report::Failure;
use crate::client::delegation;
use crate::clock::Clock;
use crate::config::Config;
use crate::dnssec::ZoneKeys;
use crate::dnssec::life::{Change, ClockTrust, DsSet, Keeping, Life, Policy, SAFETY_S, ServerSaid, Sighting};
use crate::nameserver::View;
use crate::wire::Name;

/// Between two turns: reading a small file.
const TURN: Duration = Duration::from_secs(2);
/// Between two looks at the parent: while it is waited for, and otherwise, so that `keys status` knows.
const LOOK_WAITING: Duration = Duration::from_secs(60);
const LOOK_RESTING: Duration = Duration::from_secs(3_600);
/// How long each of a parent's servers may take to answer.
const PARENT_WAIT_MS: u64 = 2_000;
/// From here on a difference between the clock and the time that went by is a clock that was set.
const CLOCK_SET_S: u64 = SAFETY_S / 4;

/// The keys of a signed zone of an installation: the number zone, or one of `[[zone]]`. The zone's highest TTL is the one on
/// record until it is told.
pub(crate) fn keeping(config: &Config, apex: &Name) -> Keeping {
    let text = apex.to_text();
    let of_zone = config.zone.iter().find(|zone| zone.name == text).map(|zone| &zone.parent);
    let policy = Policy::of(&config.dnssec, of_zone.unwrap_or(&config.dnssec.parent), 0);
    Keeping::configured(&config.paths.keys, apex, policy, &config.dnssec)
}

/// A running keeper. Stops when dropped.
pub(crate) struct Keeper {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What has other keys served.
pub(crate) type Serve = Box<dyn FnMut(&Arc<ZoneKeys>) + Send>;

/// One zone's keys, and who is to have new ones.
pub(crate) struct Keep {
    pub(crate) keeping: Keeping,
    /// What is served to begin with.
    pub(crate) keys: Arc<ZoneKeys>,
    pub(crate) apex: Name,
    pub(crate) parent: Vec<SocketAddr>,
    /// What DNS answers from.
    pub(crate) view: Arc<ArcSwap<View>>,
    /// Has other keys served from now on.
    pub(crate) serve: Serve,
}

impl Keeper {
    /// Turns all of them from now on.
    pub(crate) fn start(mut keeps: Vec<Keep>, clock: Arc<dyn Clock>, runtime: Handle) -> Result<Self, Failure> {
        let (stop, stopped) = channel::<()>();
        let thread = thread::Builder::new().name("keys".to_owned()).spawn(move || {
            let mut rounds: Vec<Round> = keeps.iter().map(|_| Round::new(&*clock)).collect();
            loop {
                keeps.iter_mut().zip(&mut rounds).for_each(|(keep, round)| keep.turn(round, &*clock, &runtime));
                match stopped.recv_timeout(TURN) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a keeper remembers from turn to turn.
struct Round {
    started: Instant,
    /// The clock when it was trusted last, less the time that had gone by.
    origin_s: i64,
    clock: ClockTrust,
    look_after: Instant,
    life: Option<Life>,
    /// What went wrong the last time: said once.
    complaint: String,
}

impl Round {
    #[allow(clippy::disallowed_methods)] // time that goes by, whatever the clock says
    fn new(clock: &dyn Clock) -> Self {
        let started = Instant::now();
        let origin_s = clock.now_s() as i64;
        Self { started, origin_s, clock: ClockTrust::Steady, look_after: started, life: None, complaint: String::new() }
    }

    /// Notices a clock that was set, and remembers it until a turn has been told.
    fn watch(&mut self, now_s: u64) {
        let origin_s = now_s as i64 - self.started.elapsed().as_secs() as i64;
        if origin_s.abs_diff(self.origin_s) > CLOCK_SET_S {
            tracing::warn!(by_s = origin_s - self.origin_s, "the clock was set: waits of key rolls begin anew");
            (self.origin_s, self.clock) = (origin_s, ClockTrust::Stepped);
        }
    }
}

impl Keep {
    #[allow(clippy::disallowed_methods)] // time that goes by, whatever the clock says
    fn turn(&mut self, round: &mut Round, clock: &dyn Clock, runtime: &Handle) {
        round.watch(clock.now_s());
        if let Some(zone) = self.view.load().zone(&self.apex) {
            self.keeping.zone_has_ttl(zone.highest_ttl_s());
        }
        let now = Instant::now();
        let sighting = match &round.life {
            Some(life) if now >= round.look_after && !self.parent.is_empty() => {
                let waits = life.submitted().is_some() || life.is_unknown_to_parent();
                round.look_after = now + if waits { LOOK_WAITING } else { LOOK_RESTING };
                Some(self.look(life, clock, runtime))
            }
            _ => None,
        };
        match self.keeping.turn(sighting.as_ref(), clock.now_s(), round.clock) {
            Ok(turned) => {
                round.clock = ClockTrust::Steady;
                round.complaint.clear();
                if !turned.changes.is_empty() {
                    round.look_after = now;
                }
                turned.changes.iter().for_each(tell);
                turned.leftovers.iter().for_each(|error| tracing::warn!(%error, "a removed key is still in its place"));
                if asks(&turned.life) && !round.life.as_ref().is_some_and(asks) {
                    tracing::warn!(zone = %self.apex.to_text(), "the offline KSK's signatures end soon: run `callbook keys request`");
                }
                if let Some(keys) = turned.keys {
                    self.keys = Arc::new(keys);
                    (self.serve)(&self.keys);
                }
                round.life = Some(turned.life);
            }
            Err(error) => {
                let complaint = error.to_string();
                if complaint != round.complaint {
                    tracing::error!(%error, "the keys' lives do not go on; what is served stays as it is");
                    round.complaint = complaint;
                }
            }
        }
    }

    /// Asks every server of the parent at the same time.
    fn look(&self, life: &Life, clock: &dyn Clock, runtime: &Handle) -> Sighting {
        let zone = self.apex.to_text();
        let servers = runtime.block_on(async {
            let asked: Vec<_> = self
                .parent
                .iter()
                .map(|server| {
                    let (server, zone) = (*server, zone.clone());
                    tokio::spawn(async move { (server, delegation::ds_at(server, &zone, PARENT_WAIT_MS).await) })
                })
                .collect();
            let mut answers = Vec::new();
            for (task, server) in asked.into_iter().zip(&self.parent) {
                let gone = |_| (*server, Err("it could not be asked".to_owned()));
                answers.push(task.await.unwrap_or_else(gone));
            }
            answers
        });
        let said = |(server, answer): (SocketAddr, Result<delegation::DsRrset, String>)| ServerSaid {
            server: server.to_string(),
            said: answer.map(|set| DsSet::of(&self.apex, life, &self.keys, &set.rdatas, set.ttl_s)),
        };
        Sighting { at_s: clock.now_s(), servers: servers.into_iter().map(said).collect() }
    }
}

/// Whether somebody has to see to the next ceremony of an offline KSK.
fn asks(life: &Life) -> bool {
    life.offline.is_some_and(|offline| offline.ask)
}

fn tell(change: &Change) {
    match change {
        Change::Entered(key, state) => tracing::info!(%key, state = state.as_str(), "a key goes on in its life"),
        Change::Forgotten(key) => tracing::info!(%key, "the file of a removed key was deleted"),
    }
}

/// The number zone's new keys are answered from at once, and handed on to who pins them.
pub(crate) fn serve_number_zone(view: &ArcSwap<View>, dir: &Path, apex: &Name, keys: &Arc<ZoneKeys>) {
    view.rcu(|view| view.resigned(apex, keys));
    if let Err(error) = write_anchors(dir, apex, keys) {
        tracing::warn!(%error, "the anchor files could not be brought up to date");
    }
}

/// Replaces the anchor files where they say something else.
fn write_anchors(dir: &Path, apex: &Name, keys: &ZoneKeys) -> Result<(), Failure> {
    for (name, text) in init::anchors(apex, keys) {
        let path = dir.join(name);
        // Whoever has taken the file away does not want it.
        if !path.exists() || std::fs::read_to_string(&path).is_ok_and(|there| there == text) {
            continue;
        }
        let partial = path.with_extension("partial");
        std::fs::write(&partial, text)?;
        std::fs::rename(&partial, &path)?;
    }
    Ok(())
}

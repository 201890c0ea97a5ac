//! The keeper: turns the machine of the keys' lives while the service runs, asks the parent, and hands new keys to DNS.
//!
//! It reads the record each two seconds, so what a command asks for beside the running service is taken up within that.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
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
use crate::dnssec::keys::DNSKEY_TTL_S;
use crate::dnssec::life::{
    ADD_HOLD_DOWN_S, Change, ClockTrust, DsSet, Keeping, Life, ParentNews, Pinned, Policy, REVOKED_S, ServerSaid,
    Sighting, Structure,
};
use crate::nameserver::View;
use crate::wire::Name;
use crate::zone::{StaticZone, Ttls};

/// Between two turns: reading a small file.
const TURN: Duration = Duration::from_secs(2);
/// Between two looks at the parent: while it is waited for, and otherwise, so that `keys status` knows.
const LOOK_WAITING: Duration = Duration::from_secs(60);
const LOOK_RESTING: Duration = Duration::from_secs(3_600);
/// How long each of a parent's servers may take to answer.
const PARENT_WAIT_MS: u64 = 2_000;
/// Added to every wait. Signatures begin an hour early, so a clock may be wrong by as much; what a clock may jump unseen is
/// half of it.
const SAFETY_S: u64 = 3_600;
/// From here on a difference between the clock and the time that went by is a clock that was set.
const CLOCK_SET_S: u64 = SAFETY_S / 4;
const DAY_S: u64 = 86_400;

/// The policy of a configuration, for a zone whose highest TTL is this.
pub(crate) fn policy(config: &Config, data_ttl_s: u32) -> Policy {
    let dnssec = &config.dnssec;
    Policy {
        structure: if dnssec.csk { Structure::Csk } else { Structure::KskZsk },
        zsk_life_s: u64::from(dnssec.zsk_life_d) * DAY_S,
        ksk_life_s: u64::from(dnssec.ksk_life_d) * DAY_S,
        dnskey_ttl_s: DNSKEY_TTL_S,
        data_ttl_s,
        ds_ttl_s: dnssec.ds_ttl_s,
        propagation_s: dnssec.propagation_s.into(),
        safety_s: SAFETY_S,
        parent: if dnssec.parent.is_empty() { ParentNews::Told } else { ParentNews::Asked },
        pinned: match dnssec.rfc5011 {
            true => Pinned::Yes { hold_down_s: ADD_HOLD_DOWN_S, revoked_s: REVOKED_S },
            false => Pinned::No,
        },
        removed_keep_s: u64::from(dnssec.removed_keep_d) * DAY_S,
    }
}

/// The keys of an installation. Where the zone's highest TTL is not known, the one on record counts.
pub(crate) fn keeping(config: &Config, data_ttl_s: u32) -> Result<Keeping, Failure> {
    let apex = Name::from_text(&config.apex).map_err(|e| Failure::new(format!("apex {}: {e}", config.apex)))?;
    Ok(Keeping::files(&config.paths.keys, &apex, policy(config, data_ttl_s)))
}

/// The highest TTL of what a number zone serves.
pub(crate) fn highest_ttl_s(fixed: &StaticZone, ttls: Ttls) -> u32 {
    let of_file = fixed.in_order().flat_map(|(_, node)| node.rrsets().map(|set| set.ttl_s).max()).max();
    of_file.unwrap_or(0).max(ttls.positive_s).max(ttls.negative_s)
}

/// A running keeper. Stops when dropped.
pub(crate) struct Keeper {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What a keeper needs.
pub(crate) struct Keep {
    pub(crate) keeping: Keeping,
    /// What DNS answers from.
    pub(crate) view: Arc<ArcSwap<View>>,
    /// What is served to begin with.
    pub(crate) keys: Arc<ZoneKeys>,
    pub(crate) apex: Name,
    pub(crate) parent: Vec<SocketAddr>,
    /// Where the anchor files lie.
    pub(crate) dir: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) runtime: Handle,
}

impl Keeper {
    /// Turns from now on.
    pub(crate) fn start(mut keep: Keep) -> Result<Self, Failure> {
        let (stop, stopped) = channel::<()>();
        let thread = thread::Builder::new().name("keys".to_owned()).spawn(move || {
            let mut round = Round::new(&*keep.clock);
            loop {
                keep.turn(&mut round);
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
    fn turn(&mut self, round: &mut Round) {
        round.watch(self.clock.now_s());
        let now = Instant::now();
        let sighting = match &round.life {
            Some(life) if now >= round.look_after && !self.parent.is_empty() => {
                let waits = life.submitted().is_some() || life.is_unknown_to_parent();
                round.look_after = now + if waits { LOOK_WAITING } else { LOOK_RESTING };
                Some(self.look(life))
            }
            _ => None,
        };
        match self.keeping.turn(sighting.as_ref(), self.clock.now_s(), round.clock) {
            Ok(turned) => {
                round.clock = ClockTrust::Steady;
                round.complaint.clear();
                if !turned.changes.is_empty() {
                    round.look_after = now;
                }
                turned.changes.iter().for_each(tell);
                turned.leftovers.iter().for_each(|error| tracing::warn!(%error, "a removed key is still in its place"));
                if let Some(keys) = turned.keys {
                    self.serve(keys);
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

    fn serve(&mut self, keys: ZoneKeys) {
        let keys = Arc::new(keys);
        self.view.rcu(|view| view.resigned(&self.apex, &keys));
        self.keys = keys;
        if let Err(error) = write_anchors(&self.dir, &self.apex, &self.keys) {
            tracing::warn!(%error, "the anchor files could not be brought up to date");
        }
    }

    /// Asks every server of the parent at the same time.
    fn look(&self, life: &Life) -> Sighting {
        let zone = self.apex.to_text();
        let servers = self.runtime.block_on(async {
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
        Sighting { at_s: self.clock.now_s(), servers: servers.into_iter().map(said).collect() }
    }
}

fn tell(change: &Change) {
    match change {
        Change::Entered(key, state) => tracing::info!(%key, state = state.as_str(), "a key goes on in its life"),
        Change::Forgotten(key) => tracing::info!(%key, "the file of a removed key was deleted"),
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

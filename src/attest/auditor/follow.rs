//! Following a directory: what is new of both logs and the batches, through the replay; then the cosignature.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::api::log::LogKind;
use crate::attest::auditor::alarm::{Alarm, Evidence};
use crate::attest::auditor::decided::Decided;
use crate::attest::auditor::replay::{Position, Replay, Stop, misdated};
use crate::attest::auditor::rule::{At, Fault, Rule};
use crate::attest::auditor::store::{Store, StoreError};
use crate::client::log::{Head, LogAt, LogError, Place};
use crate::client::provider::{Api, ApiError};
use crate::clock::Clock;
use crate::log::audit::read_batches;
use crate::log::bytes::Malformed;
use crate::log::epoch::EpochLeaf;
use crate::log::key::SigningKey;
use crate::log::merkle::Frontier;
use crate::log::note::{LineType, Note, NoteSigner, VerifierKey};
use crate::log::tile::TILE_WIDTH;
use crate::log::tree::Tree;

/// How far an epoch may lie ahead of our clock, milliseconds.
const AHEAD_MS_MAX: u64 = 60_000;
/// Epochs in one transaction of the store, each of which is flushed to the disk once.
const EPOCHS_PER_COMMIT: u64 = 1024;

/// Why a round does not end with a cosignature.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The directory does not answer, or does not want to.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A log cannot be read, or contradicts its own checkpoint.
    #[error(transparent)]
    Log(#[from] LogError),
    /// What was replayed cannot be kept or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key cannot sign under that name.
    #[error(
        "{0:?} cannot name an auditor: a URL without scheme, space and plus sign is needed, such as auditor.example"
    )]
    Name(String),
    /// The answer of the directory is no answer.
    #[error("the directory's batches cannot be read: {0}")]
    Answer(#[from] Malformed),
    /// The charter is newer than this program.
    #[error("version {0} of the charter cannot be read by this version of callbook: use a newer one")]
    Charter(u64),
    /// The log has fewer leaves than it had.
    #[error(
        "the log shows {shown} leaves, and {replayed} were replayed: an old copy is shown, or the directory has lost something"
    )]
    Behind {
        /// How many it shows.
        shown: u64,
        /// How many there were.
        replayed: u64,
    },
    /// Our clock or theirs is wrong.
    #[error("the newest epoch is {0} s ahead of the clock of this machine: set the clock (NTP)")]
    Clock(u64),
    /// The directory has no such log.
    #[error("there is no {0} log at this address: is it the API of a directory?")]
    NoLog(&'static str),
    /// This audit is of another log.
    #[error(
        "this folder is the audit of {ours}, and the directory has {theirs}: an audit of another log or era needs a folder of its own"
    )]
    Another {
        /// What was audited.
        ours: String,
        /// What is there.
        theirs: String,
    },
    /// A batch cannot be kept.
    #[error("{}: {source}. Batches are kept with --keep: check the disk's space and health", path.display())]
    Keep {
        /// Its file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A rule is broken.
    #[error("{}", .0.in_words())]
    Broken(Box<Alarm>),
}

/// What came of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// Leaves of the map log that are replayed.
    pub size: u64,
    /// Epochs that were new.
    pub epochs: u64,
    /// Events that were new.
    pub events: u64,
    /// The time of the newest epoch, Unix milliseconds.
    pub time_ms: u64,
    /// The checkpoint with our cosignature.
    pub checkpoint: String,
}

/// An auditor at work.
pub struct Auditor {
    api: Api,
    signer: NoteSigner,
    key: SigningKey,
    name: String,
    gov_key: VerifierKey,
    origin: String,
    logs: [LogAt; 2],
    replay: Replay<Store>,
    clock: Arc<dyn Clock>,
    /// Where batches are kept, if they are.
    keep: Option<PathBuf>,
}

/// A log replayed up to a head.
struct Caught {
    head: Head,
    epochs: u64,
    events: u64,
}

impl Auditor {
    /// Opens the audit in `dir`; at the first time it is begun: `given` is the gov log's key, else the directory's own word for
    /// it is taken, and kept.
    pub fn open(
        dir: &Path,
        name: &str,
        key: SigningKey,
        api: Api,
        given: Option<VerifierKey>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, FollowError> {
        let mut store = Store::open(dir)?;
        let kept = store.text("gov key")?.and_then(|vkey| VerifierKey::parse(&vkey).ok());
        let logs = Place::Http(api.clone(), String::new()).logs()?;
        let of_kind = |kind| logs.iter().filter(move |log| log.info().is_some_and(|info| info.kind == kind));
        let gov_log = of_kind(LogKind::Gov).next().cloned().ok_or(FollowError::NoLog("gov"))?;
        // An audit begins with the first era; the logs of closed ones are behind the present one, the oldest last.
        let first = of_kind(LogKind::Map).next_back().ok_or(FollowError::NoLog("map"))?;
        let origin = store.text("log")?.unwrap_or_else(|| origin_of(first));
        let map_log = of_kind(LogKind::Map).find(|log| origin_of(log) == origin).cloned();
        let another = || FollowError::Another { ours: origin.clone(), theirs: origin_of(first) };
        let logs = [gov_log, map_log.ok_or_else(another)?];
        let believed: Vec<VerifierKey> = given.or(kept).into_iter().collect();
        let gov = logs[0].head(&believed)?;
        let gov_key = gov.keys.first().cloned().ok_or(FollowError::NoLog("gov"))?;
        store.set_meta("gov key", gov_key.to_string().as_bytes())?;
        store.set_meta("log", origin.as_bytes())?;
        let start = Position { log: Frontier::new(), time_ms: 0, gov_size: 0 };
        let position = store.position()?.unwrap_or(start);
        store.commit(&position)?;
        let decided = store.decided(gov_key.clone(), &position)?;
        let replay = Replay::at(store, &origin, decided, position).map_err(|stop| match stop {
            Stop::Kept(error) => FollowError::from(error),
            Stop::Broken(fault) => FollowError::Broken(Box::new(Alarm::new(&origin, &fault, &Evidence::default(), 0))),
            Stop::Charter(version) => FollowError::Charter(version),
        })?;
        let bytes = key.to_bytes();
        let again =
            SigningKey::from_bytes(key.public().algorithm(), &bytes).map_err(|_| FollowError::Name(name.to_owned()))?;
        let signer = NoteSigner::new(name, again).ok_or_else(|| FollowError::Name(name.to_owned()))?;
        let keep = None;
        Ok(Self { api, signer, key, name: name.to_owned(), gov_key, origin, logs, replay, clock, keep })
    }

    /// Keeps every batch in that folder from now on, `ERA/EPOCH`: what brings a directory back whose ledger is lost.
    pub fn keep_batches_in(&mut self, folder: PathBuf) {
        self.keep = Some(folder);
    }

    /// The key of its cosignatures.
    pub fn verifier(&self) -> VerifierKey {
        self.signer.verifier(LineType::Cosignature)
    }

    /// The map log that is audited.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The key of the gov log by which everything is believed.
    pub const fn gov_key(&self) -> &VerifierKey {
        &self.gov_key
    }

    /// Replays what is new, through eras that were closed meanwhile, cosigns the newest checkpoint and hands it in. `progress` is
    /// told how many leaves are replayed, and of how many. Blocks.
    pub fn round(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<Round, FollowError> {
        let (mut epochs, mut events) = (0, 0);
        let head = loop {
            let next = self.next_log()?;
            let caught = self.catch_up(progress)?;
            (epochs, events) = (epochs + caught.epochs, events + caught.events);
            match next {
                Some(next) => self.move_on(next)?,
                None => break caught.head,
            }
        };
        let line = self.signer.cosign(&head.checkpoint.write(), self.clock.now_s());
        let log_line = head.note.lines().find(|line| line.starts_with(&format!("— {} ", self.origin)));
        let note = format!("{}\n{}\n{line}", head.checkpoint.write(), log_line.unwrap_or_default());
        let position = self.replay.position().clone();
        let store = self.replay.kept();
        store.set_meta("cosigned", note.as_bytes())?;
        store.commit(&position)?;
        self.api.audited(note.clone())?;
        let size = head.checkpoint.size;
        Ok(Round { size, epochs, events, time_ms: position.time_ms, checkpoint: note })
    }

    /// Replays the log at hand up to its newest head.
    fn catch_up(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<Caught, FollowError> {
        let map_key = self.map_key()?;
        // The map log's head first: the gov log's then has all that it rests on.
        let head = self.logs[1].head(&[map_key])?;
        let gov_head = self.logs[0].head(std::slice::from_ref(&self.gov_key))?;
        let (size, replayed) = (head.checkpoint.size, self.replay.position().log.size());
        if size < replayed {
            return Err(FollowError::Behind { shown: size, replayed });
        }
        let mut new = Incoming {
            map: Leaves::of(&self.logs[1], &head)?,
            gov: Leaves::of(&self.logs[0], &gov_head)?,
            head: &head,
        };
        self.check_head(&mut new, false)?;
        let events = self.replay_all(&mut new, progress)?;
        self.check_head(&mut new, true)?;
        Ok(Caught { head, epochs: size - replayed, events })
    }

    /// The map log of the next era, if the directory has closed the one at hand.
    fn next_log(&mut self) -> Result<Option<LogAt>, FollowError> {
        let logs = Place::Http(self.api.clone(), String::new()).logs()?;
        let named = |origin: &str| logs.iter().find(|log| origin_of(log) == origin).cloned();
        if let Some(same) = named(&self.origin) {
            self.logs[1] = same; // the witnesses may be others now
        }
        Ok(next_origin(&self.origin).and_then(|origin| named(&origin)))
    }

    fn move_on(&mut self, next: LogAt) -> Result<(), FollowError> {
        let (origin, position) = (origin_of(&next), self.replay.position().clone());
        let position = self.replay.kept().next_era(&self.origin, &position, &origin)?;
        self.replay.move_on(&origin, position).map_err(|stop| match stop {
            Stop::Kept(error) => FollowError::from(error),
            Stop::Broken(fault) => self.alarm(&fault, &Evidence::default()),
            Stop::Charter(version) => FollowError::Charter(version),
        })?;
        (self.origin, self.logs[1]) = (origin, next);
        Ok(())
    }

    /// The key that signs the map log, by the leaf of the gov log that opens its era: leaf 0 for the first.
    fn map_key(&mut self) -> Result<VerifierKey, FollowError> {
        if let Some(era) = self.replay.era() {
            return Ok(era.log_key.clone());
        }
        let gov_head = self.logs[0].head(std::slice::from_ref(&self.gov_key))?;
        let mut gov = self.logs[0].tree_at(&gov_head.checkpoint)?;
        for index in self.replay.gov_leaves().max(1)..gov.size() {
            let leaf = gov.entry(index).map_err(|error| LogError::of(&gov_head.checkpoint.origin, error))?;
            if let Some(era) = self.replay.decided().opens(&leaf, index, &self.origin) {
                return Ok(era.log_key);
            }
        }
        let first = gov.entry(0).map_err(|error| LogError::of(&gov_head.checkpoint.origin, error))?;
        let mut decided = Decided::new(self.gov_key.clone());
        let evidence = Evidence { leaf: first.clone(), checkpoint: gov_head.note, ..Evidence::default() };
        let broken = |rule| self.alarm(&Fault { at: At::Gov(0), rule }, &evidence);
        decided.append(&first).map_err(broken)?;
        decided.era_of(&self.origin).map(|era| era.log_key.clone()).ok_or_else(|| broken(Rule::GovEra))
    }

    fn alarm(&self, fault: &Fault, evidence: &Evidence) -> FollowError {
        FollowError::Broken(Box::new(Alarm::new(&self.origin, fault, evidence, self.clock.now_s())))
    }

    /// The checkpoint against what is replayed: before, that it goes on from it; after, that it is just that, and its dates.
    fn check_head(&self, new: &mut Incoming<'_>, replayed: bool) -> Result<(), FollowError> {
        let (head, position) = (&new.head.checkpoint, self.replay.position());
        let size = position.log.size();
        let root = new.map.tree.root_at(size).map_err(|error| LogError::of(&head.origin, error))?;
        let evidence = Evidence { checkpoint: new.head.note.clone(), ..Evidence::default() };
        let broken = |rule| self.alarm(&Fault { at: At::Head(head.size), rule }, &evidence);
        if root != position.log.root() || replayed && size != head.size {
            return Err(broken(Rule::CheckpointRoot));
        }
        if !replayed || position.log.size() < 2 {
            return Ok(());
        }
        let witnesses = self.logs[1].info().map(|info| info.witnesses.as_slice()).unwrap_or_default();
        let keys: Vec<_> = witnesses.iter().filter_map(|vkey| VerifierKey::parse(vkey).ok()).collect();
        let note = Note::open(&new.head.note, &keys).map_err(|_| broken(Rule::Checkpoint))?;
        let cosigned_s: Vec<u64> = note.signed.iter().filter_map(|(_, time_s)| *time_s).collect();
        if let Some(rule) = misdated(position.time_ms, &cosigned_s) {
            return Err(broken(rule));
        }
        match position.time_ms.checked_sub(self.clock.now_ms().saturating_add(AHEAD_MS_MAX)) {
            Some(ahead_ms) if ahead_ms > 0 => Err(FollowError::Clock((ahead_ms + AHEAD_MS_MAX) / 1000)),
            _ => Ok(()),
        }
    }

    /// Replays all leaves up to the head; gives how many events there were.
    fn replay_all(&mut self, new: &mut Incoming<'_>, progress: &mut dyn FnMut(u64, u64)) -> Result<u64, FollowError> {
        let (size, mut events) = (new.head.checkpoint.size, 0);
        let mut committed = self.replay.position().log.size();
        loop {
            let next = self.replay.position().log.size();
            if next == size {
                break;
            }
            let raw = match next {
                0 => None,
                _ => Some(self.api.audit_batches(&self.origin, &self.name, &self.key, self.clock.now_s(), next)?),
            };
            let batches = raw.as_deref().map_or(Ok(vec![&[][..]]), |raw| read_batches(raw, next))?;
            if batches.is_empty() {
                return Err(Malformed::new("batches", "an epoch that is published has none").into());
            }
            for (n, batch) in (next..size).zip(batches) {
                let leaf = new.map.leaf(n)?;
                let done = self.one(new, n, &leaf, batch);
                if let Err(error) = done {
                    // What has passed stays, and is not replayed again.
                    let position = self.replay.position().clone();
                    self.replay.kept().commit(&position)?;
                    return Err(self.told(error, &leaf, batch, new));
                }
                self.keep_batch(n, batch)?;
                events += events_in(batch);
                if n + 1 - committed >= EPOCHS_PER_COMMIT {
                    let position = self.replay.position().clone();
                    self.replay.kept().commit(&position)?;
                    committed = n + 1;
                }
            }
            progress(self.replay.position().log.size(), size);
        }
        let position = self.replay.position().clone();
        self.replay.kept().commit(&position)?;
        Ok(events)
    }

    /// Keeps a batch that has passed, for its owner alone.
    fn keep_batch(&self, epoch: u64, batch: &[u8]) -> Result<(), FollowError> {
        let Some(folder) = self.keep.as_ref().filter(|_| !batch.is_empty()) else { return Ok(()) };
        let folder = folder.join(self.origin.rsplit('/').next().unwrap_or_default());
        let (path, partial) = (folder.join(epoch.to_string()), folder.join("partial"));
        let kept = || -> io::Result<()> {
            DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
            file.write_all(batch)?;
            file.sync_data()?;
            std::fs::rename(&partial, &path)
        };
        kept().map_err(|source| FollowError::Keep { path: path.clone(), source })
    }

    /// Replays a leaf, with what it wants to know of gov log and charter.
    fn one(&mut self, new: &mut Incoming<'_>, n: u64, leaf: &[u8], batch: &[u8]) -> Result<(), Told> {
        let rests_on = std::str::from_utf8(leaf).ok().and_then(|text| EpochLeaf::parse(text).ok());
        let wanted = rests_on.map_or(1, |leaf| leaf.gov_size).min(new.gov.tree.size());
        let wanted = if n == 0 { new.gov.tree.size() } else { wanted };
        for index in self.replay.gov_leaves()..wanted {
            let leaf = new.gov.leaf(index).map_err(FollowError::from)?;
            let is_enough = n == 0 && self.replay.decided().opens(&leaf, index, &self.origin).is_some();
            self.replay.kept().keep_gov(index, &leaf).map_err(FollowError::from)?;
            self.replay.add_gov(leaf);
            if is_enough {
                break;
            }
        }
        let mut known = None;
        loop {
            let done = if n == 0 { self.replay.config(leaf) } else { self.replay.epoch(leaf, batch) };
            match done {
                Ok(()) => return Ok(()),
                Err(Stop::Broken(fault)) => return Err(Told::Fault(fault)),
                Err(Stop::Kept(error)) => return Err(Told::Error(error.into())),
                Err(Stop::Charter(version)) if known == Some(version) => {
                    let at = At::Gov(self.replay.decided().size());
                    return Err(Told::Fault(Fault { at, rule: Rule::GovCharter }));
                }
                Err(Stop::Charter(version)) => {
                    let text = self.api.charter_version(version).map_err(FollowError::from)?.policy_toml;
                    if !self.replay.know(&text) {
                        return Err(Told::Error(FollowError::Charter(version)));
                    }
                    self.replay.kept().keep_text(version, &text).map_err(FollowError::from)?;
                    known = Some(version);
                }
            }
        }
    }

    fn told(&self, told: Told, leaf: &[u8], batch: &[u8], new: &mut Incoming<'_>) -> FollowError {
        match told {
            Told::Error(error) => error,
            Told::Fault(fault) => {
                let leaf = match fault.at {
                    At::Gov(index) => new.gov.leaf(index).unwrap_or_default(),
                    _ => leaf.to_vec(),
                };
                let evidence = Evidence { leaf, batch: batch.to_vec(), checkpoint: new.head.note.clone() };
                self.alarm(&fault, &evidence)
            }
        }
    }
}

/// Why a leaf did not pass, or was not looked at.
enum Told {
    Fault(Fault),
    Error(FollowError),
}

impl From<FollowError> for Told {
    fn from(error: FollowError) -> Self {
        Self::Error(error)
    }
}

/// Both logs under the heads of this round.
struct Incoming<'h> {
    map: Leaves,
    gov: Leaves,
    head: &'h Head,
}

/// The leaves of a log, read in their order.
struct Leaves {
    origin: String,
    tree: LogTree,
    /// The bundle that was read last.
    bundle: (u64, Vec<Vec<u8>>),
}

impl Leaves {
    fn of(at: &LogAt, head: &Head) -> Result<Self, LogError> {
        let (tree, origin) = (at.tree_at(&head.checkpoint)?, head.checkpoint.origin.clone());
        Ok(Self { origin, tree, bundle: (u64::MAX, Vec::new()) })
    }

    fn leaf(&mut self, n: u64) -> Result<Vec<u8>, LogError> {
        if self.bundle.0 != n / TILE_WIDTH {
            let entries = self.tree.entries(n / TILE_WIDTH).map_err(|error| LogError::of(&self.origin, error))?;
            self.bundle = (n / TILE_WIDTH, entries);
        }
        let place = usize::try_from(n % TILE_WIDTH).unwrap_or(usize::MAX);
        Ok(self.bundle.1.get(place).cloned().unwrap_or_default())
    }
}

type LogTree = Tree<crate::client::log::Files>;

fn origin_of(log: &LogAt) -> String {
    log.info().map(|info| info.origin.clone()).unwrap_or_default()
}

/// The origin of the map log of the next era: `host/map/1` behind `host/map/0`.
fn next_origin(origin: &str) -> Option<String> {
    let (log, era) = origin.rsplit_once('/')?;
    Some(format!("{log}/{}", era.parse::<u64>().ok()?.checked_add(1)?))
}

/// How many events a batch has, each behind its length.
fn events_in(mut batch: &[u8]) -> u64 {
    let mut events = 0;
    while let Some((length, rest)) = batch.split_first_chunk() {
        batch = rest.get(usize::from(u16::from_be_bytes(*length))..).unwrap_or_default();
        events += 1;
    }
    events
}

//! The replay: every leaf of the map log from the first, every event by the rules, and the map computed anew.
//!
//! ```text
//! leaf --form, number, time, gov log--> batch --form, root, order--> each event --table, signatures, register--> map root
//! ```
//!
//! Nothing of an epoch is kept before all of it has passed. The order of the checks is fixed: two auditors name the same rule.

use std::collections::{BTreeMap, BTreeSet};

use crate::attest::auditor::decided::{Decided, Era};
use crate::attest::auditor::rule::{At, Fault, Rule};
use crate::log::Hash;
use crate::log::bytes::Reader;
use crate::log::epoch::{ConfigLeaf, EpochLeaf, PrevEra};
use crate::log::event::{Event, Kind, Role};
use crate::log::label::Label;
use crate::log::map::{Leaf, MapTop};
use crate::log::merkle::{self, Frontier};
use crate::log::note::VerifierKey;
use crate::log::state::Status;
use crate::registry::rules::{self, Entry, Law};

/// An epoch may be dated before the newest leaf of the gov log that it rests on by this much: clocks differ (TRUST.md 2, notes).
const BEFORE_GOV_MS_MAX: u64 = 10 * 60 * 1000;
/// Events that one thread checks alone: fewer cost less than another thread.
const ALONE_MAX: usize = 32;
/// The map's top is made for this many labels at least, so that a young directory does not rebuild it at every turn.
const LABELS_MIN: u64 = 1 << 12;
/// When there are so many levels too few in the map's top, it is built anew.
const BITS_BEHIND_MAX: u32 = 2;

/// Where the labels are kept.
pub trait Kept {
    /// Why something cannot be read or written.
    type Error;

    /// What is kept of a label.
    fn entry(&self, label: &Label) -> Result<Option<Entry>, Self::Error>;

    /// The leaves of the map from one label to another, in order.
    fn leaves(&self, first: &Label, last: &Label) -> Result<Vec<Leaf>, Self::Error>;

    /// Every leaf of the map, in order.
    fn each_leaf(&self, each: &mut dyn FnMut(Leaf)) -> Result<(), Self::Error>;

    /// Keeps entries, all of one epoch.
    fn keep(&mut self, entries: &[(Label, Entry)]) -> Result<(), Self::Error>;

    /// The head at which the era before ended; None in the first.
    fn era_before(&self) -> Result<Option<PrevEra>, Self::Error>;

    /// What was live when the era before ended and is not carried over yet, by the hash of its State.
    fn to_carry(&self, state: &Hash) -> Result<Option<Entry>, Self::Error>;

    /// How many of these there are.
    fn count_to_carry(&self) -> Result<u64, Self::Error>;

    /// These are carried over now.
    fn carried(&mut self, states: &[Hash]) -> Result<(), Self::Error>;
}

/// In memory, for logs of some thousand numbers.
#[derive(Clone, Debug, Default)]
pub struct InMemory {
    labels: BTreeMap<Label, Entry>,
    era_before: Option<PrevEra>,
    to_carry: BTreeMap<Hash, Entry>,
}

impl InMemory {
    /// What is kept when an era has ended at that head and the next one begins.
    #[must_use]
    pub fn in_the_next_era(self, head: PrevEra) -> Self {
        let live = self.labels.into_values().filter(|entry| entry.state.status != Status::Released);
        let to_carry = live.map(|entry| (entry.state.hash(), entry)).collect();
        Self { labels: BTreeMap::new(), era_before: Some(head), to_carry }
    }
}

impl Kept for InMemory {
    type Error = std::convert::Infallible;

    fn entry(&self, label: &Label) -> Result<Option<Entry>, Self::Error> {
        Ok(self.labels.get(label).cloned())
    }

    fn leaves(&self, first: &Label, last: &Label) -> Result<Vec<Leaf>, Self::Error> {
        Ok(self.labels.range(*first..=*last).map(|(label, entry)| (*label, entry.state.hash())).collect())
    }

    fn each_leaf(&self, each: &mut dyn FnMut(Leaf)) -> Result<(), Self::Error> {
        self.labels.iter().for_each(|(label, entry)| each((*label, entry.state.hash())));
        Ok(())
    }

    fn keep(&mut self, entries: &[(Label, Entry)]) -> Result<(), Self::Error> {
        self.labels.extend(entries.iter().cloned());
        Ok(())
    }

    fn era_before(&self) -> Result<Option<PrevEra>, Self::Error> {
        Ok(self.era_before.clone())
    }

    fn to_carry(&self, state: &Hash) -> Result<Option<Entry>, Self::Error> {
        Ok(self.to_carry.get(state).cloned())
    }

    fn count_to_carry(&self) -> Result<u64, Self::Error> {
        Ok(self.to_carry.len() as u64)
    }

    fn carried(&mut self, states: &[Hash]) -> Result<(), Self::Error> {
        self.to_carry.retain(|state, _| !states.contains(state));
        Ok(())
    }
}

/// Why a replay does not go on.
#[derive(Debug, thiserror::Error)]
pub enum Stop<E> {
    /// The log breaks a rule.
    #[error(transparent)]
    Broken(#[from] Fault),
    /// What is kept cannot be read or written.
    #[error("{0}")]
    Kept(E),
    /// This version of the charter must be known first ([`Replay::know`]).
    #[error("version {0} of the charter must be known first")]
    Charter(u64),
}

/// How far a log was replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The tree over its leaves.
    pub log: Frontier,
    /// The time of the newest epoch, Unix milliseconds; 0 before the first.
    pub time_ms: u64,
    /// The size of the gov log that the newest epoch rests on.
    pub gov_size: u64,
}

/// A log that is being replayed.
pub struct Replay<K> {
    kept: K,
    origin: String,
    decided: Decided,
    /// Leaves of the gov log that no epoch has rested on yet.
    coming: std::collections::VecDeque<Vec<u8>>,
    position: Position,
    top: MapTop,
    labels: u64,
}

impl<K: Kept> Replay<K> {
    /// A replay of the map log of that origin from its first leaf. The leaves of the gov log are signed by `gov_key`.
    pub fn new(kept: K, origin: &str, gov_key: VerifierKey) -> Result<Self, Stop<K::Error>> {
        Self::at(kept, origin, Decided::new(gov_key), Position { log: Frontier::new(), time_ms: 0, gov_size: 0 })
    }

    /// A replay that goes on from a position: `decided` is the gov log of the size that the position rests on, `kept` has the
    /// labels of that time.
    pub fn at(kept: K, origin: &str, decided: Decided, position: Position) -> Result<Self, Stop<K::Error>> {
        let (top, labels) = top_of(&kept)?;
        let coming = std::collections::VecDeque::new();
        Ok(Self { kept, origin: origin.to_owned(), decided, coming, position, top, labels })
    }

    /// How far it has come.
    pub const fn position(&self) -> &Position {
        &self.position
    }

    /// How many labels the map has.
    pub const fn labels(&self) -> u64 {
        self.labels
    }

    /// The gov log up to there.
    pub const fn decided(&self) -> &Decided {
        &self.decided
    }

    /// What keeps the labels.
    pub const fn kept(&mut self) -> &mut K {
        &mut self.kept
    }

    /// Leaves of the gov log that were handed over, whether an epoch has rested on them or not.
    pub fn gov_leaves(&self) -> u64 {
        self.decided.size() + self.coming.len() as u64
    }

    /// Hands over the next leaf of the gov log; it is looked at when an epoch rests on it.
    pub fn add_gov(&mut self, leaf: Vec<u8>) {
        self.coming.push_back(leaf);
    }

    /// Hands over a text of the charter (`policy.toml`); false if it cannot be read.
    pub fn know(&mut self, policy_toml: &str) -> bool {
        self.decided.know(policy_toml)
    }

    /// Replays leaf 0, which says what the log is.
    pub fn config(&mut self, raw: &[u8]) -> Result<(), Stop<K::Error>> {
        self.decide(1, At::Epoch(0), Rule::GovEra)?;
        while self.era().is_none() && !self.coming.is_empty() {
            self.decide(self.decided.size() + 1, At::Epoch(0), Rule::GovEra)?;
        }
        let leaf = std::str::from_utf8(raw).ok().and_then(|text| ConfigLeaf::parse(text).ok());
        let leaf = leaf.filter(|leaf| leaf.origin == self.origin && self.position.log.size() == 0);
        let leaf = leaf.ok_or(broken(At::Epoch(0), Rule::Config))?;
        let era = self.decided.era_of(&self.origin).filter(|era| era.vrf == leaf.vrf);
        let carry_until = era.ok_or(broken(At::Epoch(0), Rule::GovEra))?.carry_until;
        if leaf.prev_era != self.kept.era_before().map_err(Stop::Kept)? {
            return Err(broken(At::Epoch(0), Rule::EraBefore).into());
        }
        self.none_left_behind(0, carry_until, 0)?;
        self.position.log.append(merkle::leaf_hash(raw));
        Ok(())
    }

    /// All of the era before must be carried over by that epoch, with the `now` numbers that come over in it.
    fn none_left_behind(&self, epoch: u64, carry_until: u64, now: u64) -> Result<(), Stop<K::Error>> {
        if epoch != carry_until || self.kept.count_to_carry().map_err(Stop::Kept)? == now {
            return Ok(());
        }
        Err(broken(At::Epoch(epoch), Rule::CarriedOver).into())
    }

    /// What was of a label before an event: in this era, or where it comes over from the one before.
    fn before(&self, event: &Event) -> Result<Option<Entry>, Stop<K::Error>> {
        let here = self.kept.entry(&event.label).map_err(Stop::Kept)?;
        match (here, event.kind) {
            (None, Kind::Carry) => self.kept.to_carry(&event.prev).map_err(Stop::Kept),
            (here, _) => Ok(here),
        }
    }

    /// Goes on in the map log of the next era, at its first leaf: what is kept has moved there with that position.
    pub fn move_on(&mut self, origin: &str, position: Position) -> Result<(), Stop<K::Error>> {
        (self.top, self.labels) = top_of(&self.kept)?;
        (self.origin, self.position) = (origin.to_owned(), position);
        Ok(())
    }

    /// The era that is replayed.
    pub fn era(&self) -> Option<&Era> {
        self.decided.era_of(&self.origin)
    }

    /// Replays an epoch: its leaf and its batch. What was broken is told, and nothing of it is kept.
    pub fn epoch(&mut self, raw: &[u8], batch: &[u8]) -> Result<(), Stop<K::Error>> {
        let n = self.position.log.size();
        let leaf = self.leaf(n, raw)?;
        let events = read_batch(batch, &leaf.batch).map_err(|(place, rule)| match place {
            Some(i) => broken(At::Event(n, i), rule),
            None => broken(At::Epoch(n), rule),
        })?;
        let before = events.iter().map(|event| self.before(event)).collect::<Result<Vec<_>, _>>()?;
        let law = self.decided.law_at(leaf.time_ms).map_err(|rule| broken(At::Epoch(n), rule))?;
        let entries = check_all(&events, &before, &self.origin, &leaf, &law)
            .map_err(|(i, rule)| broken(At::Event(n, i), rule))?;
        let carried: BTreeSet<Hash> =
            events.iter().filter(|event| event.kind == Kind::Carry).map(|event| event.prev).collect();
        if carried.len() != events.iter().filter(|event| event.kind == Kind::Carry).count() {
            return Err(broken(At::Epoch(n), Rule::CarriedOver).into());
        }
        self.none_left_behind(n, self.decided.carry_until(), carried.len() as u64)?;
        let entries: Vec<(Label, Entry)> = events.iter().map(|event| event.label).zip(entries).collect();
        if self.map_after(&entries)? != leaf.map {
            // The map in memory is ahead of what is kept now: the next look at it begins with what is kept.
            (self.top, self.labels) = top_of(&self.kept)?;
            return Err(broken(At::Epoch(n), Rule::MapRoot).into());
        }
        self.kept.keep(&entries).map_err(Stop::Kept)?;
        if !carried.is_empty() {
            self.kept.carried(&carried.into_iter().collect::<Vec<_>>()).map_err(Stop::Kept)?;
        }
        self.position.log.append(merkle::leaf_hash(raw));
        (self.position.time_ms, self.position.gov_size) = (leaf.time_ms, leaf.gov_size);
        if bits_for(self.labels) >= self.top.bits() + BITS_BEHIND_MAX {
            (self.top, self.labels) = top_of(&self.kept)?;
        }
        Ok(())
    }

    /// The leaf of epoch `n`, and the gov log moved on to the size that it rests on.
    fn leaf(&mut self, n: u64, raw: &[u8]) -> Result<EpochLeaf, Stop<K::Error>> {
        let at = At::Epoch(n);
        let leaf = std::str::from_utf8(raw).ok().and_then(|text| EpochLeaf::parse(text).ok());
        let leaf = leaf.ok_or(broken(at, Rule::EpochForm))?;
        let must = |ok: bool, rule| if ok { Ok(()) } else { Err(broken(at, rule)) };
        must(leaf.epoch == n && n > 0, Rule::EpochNumber)?;
        must(leaf.time_ms > self.position.time_ms, Rule::EpochTime)?;
        must(leaf.gov_size >= self.position.gov_size.max(1), Rule::GovSize)?;
        self.decide(leaf.gov_size, at, Rule::GovSize)?;
        must(self.decided.size() == leaf.gov_size && self.decided.root() == leaf.gov_root, Rule::GovRoot)?;
        must(leaf.time_ms.saturating_add(BEFORE_GOV_MS_MAX) >= self.decided.time_ms(), Rule::BeforeGov)?;
        Ok(leaf)
    }

    /// Takes leaves of the gov log up to that size.
    fn decide(&mut self, size: u64, at: At, missing: Rule) -> Result<(), Stop<K::Error>> {
        while self.decided.size() < size {
            let Some(leaf) = self.coming.front() else { return Err(broken(at, missing).into()) };
            if let Some(version) = self.decided.wants(leaf) {
                return Err(Stop::Charter(version));
            }
            let index = self.decided.size();
            self.decided.append(leaf).map_err(|rule| broken(At::Gov(index), rule))?;
            self.coming.pop_front();
        }
        Ok(())
    }

    /// The root of the map with these entries in it; the map's top has them then.
    fn map_after(&mut self, entries: &[(Label, Entry)]) -> Result<Hash, Stop<K::Error>> {
        let mut buckets: BTreeMap<u32, Vec<Leaf>> = BTreeMap::new();
        for (label, entry) in entries {
            buckets.entry(self.top.bucket_of(label)).or_default().push((*label, entry.state.hash()));
        }
        for (bucket, changed) in buckets {
            let (first, last) = self.top.bucket_range(bucket);
            let mut leaves: BTreeMap<Label, Hash> =
                self.kept.leaves(&first, &last).map_err(Stop::Kept)?.into_iter().collect();
            self.labels -= leaves.len() as u64;
            leaves.extend(changed);
            self.labels += leaves.len() as u64;
            self.top.update(bucket, &leaves.into_iter().collect::<Vec<_>>());
        }
        self.top.show(); // nobody is shown the version before
        Ok(self.top.root())
    }
}

const fn broken(at: At, rule: Rule) -> Fault {
    Fault { at, rule }
}

fn bits_for(labels: u64) -> u32 {
    MapTop::bits_for(labels.max(LABELS_MIN))
}

/// The top of the map as it is kept, and how many labels there are.
fn top_of<K: Kept>(kept: &K) -> Result<(MapTop, u64), Stop<K::Error>> {
    let mut leaves = Vec::new();
    kept.each_leaf(&mut |leaf| leaves.push(leaf)).map_err(Stop::Kept)?;
    let labels = leaves.len() as u64;
    let top = MapTop::build(bits_for(labels), leaves.into_iter().map(Ok::<_, Stop<K::Error>>))?;
    Ok((top, labels))
}

/// The events of a batch, which must be the one of that root; else the rule, and the event if it is one's.
fn read_batch(raw: &[u8], root: &Hash) -> Result<Vec<Event>, (Option<usize>, Rule)> {
    let (mut reader, mut parts) = (Reader::new(raw, "batch"), Vec::new());
    while !reader.is_empty() {
        parts.push(reader.lp16().map_err(|_| (None, Rule::BatchForm))?);
    }
    let hashes: Vec<Hash> = parts.iter().map(|part| merkle::leaf_hash(part)).collect();
    if merkle::root(&hashes) != *root {
        return Err((None, Rule::BatchRoot));
    }
    let read = |(i, part): (usize, &&[u8])| Event::parse(part).map_err(|_| (Some(i), Rule::EventForm));
    let events = parts.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
    match events.is_sorted_by(|a, b| a.label < b.label) {
        true => Ok(events),
        false => Err((None, Rule::BatchOrder)),
    }
}

/// Every event by the rules, on as many threads as there are processors; of several that are broken the first is told.
fn check_all(
    events: &[Event],
    before: &[Option<Entry>],
    origin: &str,
    leaf: &EpochLeaf,
    law: &Law<'_>,
) -> Result<Vec<Entry>, (usize, Rule)> {
    let check = |(event, before): (&Event, &Option<Entry>)| check_one(event, before.as_ref(), origin, leaf, law);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = events.len().div_ceil(threads).max(ALONE_MAX);
    let shares = events.chunks(share).zip(before.chunks(share));
    let checked: Vec<Vec<Result<Entry, Rule>>> = if events.len() <= share {
        vec![events.iter().zip(before).map(check).collect()]
    } else {
        std::thread::scope(|scope| {
            let at_work: Vec<_> = shares
                .map(|(events, before)| scope.spawn(move || events.iter().zip(before).map(check).collect()))
                .collect();
            at_work.into_iter().map(|one| one.join().unwrap_or_default()).collect()
        })
    };
    let all = checked.into_iter().flatten().enumerate();
    let entries = all.map(|(i, one)| one.map_err(|rule| (i, rule))).collect::<Result<Vec<_>, _>>()?;
    // A thread that panicked has left its events unchecked, and unchecked is not passed.
    if entries.len() == events.len() { Ok(entries) } else { Err((entries.len(), Rule::EventForm)) }
}

fn check_one(
    event: &Event,
    before: Option<&Entry>,
    origin: &str,
    leaf: &EpochLeaf,
    law: &Law<'_>,
) -> Result<Entry, Rule> {
    let entry = rules::check(event, origin, leaf.epoch, leaf.time_ms, before, law)?;
    let provider = event.signature(Role::Provider).and_then(|_| law.register.provider(&event.provider));
    match provider.and_then(|provider| provider.status.refuses(event.kind, event.door)) {
        Some(_) => Err(Rule::ProviderStatus),
        None => Ok(entry),
    }
}

/// The rule that a time breaks which witnesses have seen otherwise: `cosigned_s` are the times (Unix seconds) of their
/// cosignatures of the checkpoint whose newest epoch says `time_ms`.
pub fn misdated(time_ms: u64, cosigned_s: &[u64]) -> Option<Rule> {
    /// Clocks differ by this much (TRUST.md 2, notes).
    const AHEAD_MS_MAX: u64 = 10 * 60 * 1000;
    /// Only a directory that stood still dates an epoch back, to when its events were accepted: they hold for a day.
    const BACK_MS_MAX: u64 = 24 * 60 * 60 * 1000;
    let first_ms = cosigned_s.iter().min()?.saturating_mul(1000);
    if first_ms.saturating_add(AHEAD_MS_MAX) < time_ms {
        return Some(Rule::DatedAhead);
    }
    (first_ms > time_ms.saturating_add(BACK_MS_MAX)).then_some(Rule::Backdated)
}

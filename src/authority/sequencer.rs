//! Epochs: accepted events become States, States become the map, and its root becomes a leaf of the log.
//!
//! ```text
//! accepted events --seal (one transaction)--> SEALED --sign, store the note--> SIGNED --switch the view--> PUBLISHED
//! ```
//! Each step is durable before the next begins, and a start goes on from whichever was the last. Nothing is served whose
//! epoch is not signed. The computing happens beside the writer, which only stores the results: only the sequencer
//! changes States, so what it read stays true until it seals.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::authority::changes::{self, Told};
use crate::authority::gov::InForce;
use crate::authority::publish;
use crate::authority::shown::{Before, Shown, path_of_next};
use crate::ledger::{EpochRow, EventRow, Ledger, LedgerError, Personal, Snapshot, Standing, Transaction};
use crate::log::batch::Batch;
use crate::log::epoch::EpochLeaf;
use crate::log::event::{Event, Kind};
use crate::log::label::Label;
use crate::log::map::{Leaf, MapTop};
use crate::log::merkle::{self, Frontier};
use crate::log::record::Record;
use crate::log::{Hash, ZERO};
use crate::registry::keys::{self, Published};
use crate::registry::rules::{self, Broken};
use crate::zone::Change;

/// Events in one epoch. Sealing as many takes the writer some tens of milliseconds; what is left over waits for the next
/// epoch, which follows at once.
pub const EPOCH_EVENTS_MAX: usize = 2048;
/// Epochs between acceptance and publication when nothing is behind: one may be in the making when an event arrives.
const PROMISE_EPOCHS: u64 = 2;
/// The map's top starts out as if for this many labels, so that a young directory need not rebuild it at every turn.
const LABELS_EXPECTED_MIN: u64 = 1 << 16;
/// When the directory has outgrown the map's top by this many levels, it is built anew.
const BITS_BEHIND_MAX: u32 = 2;

/// The latest epoch by which an event that is accepted now will be in, when `waiting` events wait and the gov log is
/// `gov_behind` leaves ahead of the newest epoch (an epoch rests on one size of it).
pub(super) fn promise(newest: u64, waiting: u64, gov_behind: u64) -> u64 {
    newest + PROMISE_EPOCHS + gov_behind + waiting / EPOCH_EVENTS_MAX as u64
}

/// The log as far as it is sealed.
pub(super) struct Head {
    /// The newest leaf.
    pub(super) epoch: EpochRow,
    /// The tree over all leaves.
    pub(super) log: Frontier,
    /// The same without the newest leaf; None where an older version sealed it.
    pub(super) before: Option<Frontier>,
    /// The inclusion proof of the newest leaf, if it was made here.
    pub(super) path: Option<Vec<Hash>>,
    /// How many labels the map has.
    pub(super) labels: u64,
    /// The generation of what is served; the SOA serial comes from it.
    pub(super) generation: u64,
}

/// The name under which the tree over all leaves is kept in the ledger.
pub(super) const LOG_FRONTIER: &str = "map log frontier";
/// The name under which the tree without the newest leaf is kept: the signer may be one behind after a crash.
pub(super) const LOG_FRONTIER_BEFORE: &str = "map log frontier before";
/// The name under which the generation is kept.
pub(super) const GENERATION: &str = "generation";

/// One label's part of an epoch.
pub(super) struct Sealed {
    pub(super) event: Event,
    pub(super) standing: Standing,
    pub(super) personal: Option<Personal>,
    /// Keys that the label no longer publishes.
    pub(super) dropped_keys: Vec<Hash>,
    /// What the change feed tells of it.
    pub(super) told: Told,
    /// What its label was before.
    pub(super) before: Option<Standing>,
}

/// An epoch that is computed and not stored yet.
pub(super) struct Plan {
    pub(super) epoch: EpochRow,
    pub(super) before: Frontier,
    pub(super) log: Frontier,
    /// The inclusion proof of its leaf.
    pub(super) path: Vec<Hash>,
    pub(super) generation: u64,
    pub(super) sealed: Vec<Sealed>,
    pub(super) labels: u64,
}

/// Why an epoch cannot be made.
#[derive(Debug)]
pub(super) enum PlanError {
    Ledger(LedgerError),
    /// An accepted event does not fit the rules: what was acknowledged could not be kept.
    Broken(Broken),
}

impl From<LedgerError> for PlanError {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl Head {
    /// The state that the ledger tells; the labels are counted by whoever reads the map.
    pub(super) fn load(now: &Snapshot<'_>) -> Result<Option<Self>, LedgerError> {
        let Some(epoch) = now.newest_epoch()? else { return Ok(None) };
        let log = now.meta(LOG_FRONTIER)?.and_then(|raw| read_frontier(&raw));
        let log = log.ok_or(LedgerError::Damaged("the stored tree over the map log"))?;
        let before = now.meta(LOG_FRONTIER_BEFORE)?.and_then(|raw| read_frontier(&raw));
        let before = before.filter(|before| before.size() + 1 == log.size());
        let generation = now.meta(GENERATION)?.and_then(|raw| Some(u64::from_be_bytes(raw.try_into().ok()?)));
        let generation = generation.ok_or(LedgerError::Damaged("the stored generation"))?;
        Ok(Some(Self { epoch, log, before, path: None, labels: 0, generation }))
    }

    /// Reads the whole map anew.
    pub(super) fn read_map(&mut self, now: &Snapshot<'_>) -> Result<MapTop, LedgerError> {
        let leaves = now.leaves(&Label([0; 32]), &Label([u8::MAX; 32]))?;
        self.labels = leaves.len() as u64;
        MapTop::build(bits_for(self.labels), leaves.into_iter().map(Ok::<_, LedgerError>))
    }

    /// Computes the next epoch over waiting events, or over none for a heartbeat. Moves the map on: if the plan is not stored
    /// then, the head must be loaded and the map read anew.
    pub(super) fn plan(
        &self,
        now: &Snapshot<'_>,
        shown: &Shown,
        laws: &[Arc<InForce>],
        now_ms: u64,
    ) -> Result<Plan, PlanError> {
        let mut events = now.events_after(self.epoch.last_seq, EPOCH_EVENTS_MAX)?;
        // One epoch rests on one size of the gov log; what was judged under the next waits for the next epoch.
        let newest_size = now.gov_size()?;
        let gov_size = events.first().map_or(newest_size, |event| event.gov_size);
        events.truncate(events.partition_point(|event| event.gov_size == gov_size));
        let law = laws.iter().find(|law| law.size() == gov_size);
        let law = law.ok_or(LedgerError::Damaged("an event judged under an unknown size of the gov log"))?;
        let n = self.epoch.n + 1;
        let (time_ms, sealed) = self.seal_events(now, &events, law, n, now_ms)?;
        let batch = Batch::new(sealed.iter().map(|one| one.event.clone()).collect());
        let batch = batch.map_err(|_| LedgerError::Damaged("two waiting events of one label"))?.root();
        let (labels, map) = self.advance_map(now, shown, &sealed)?;
        let leaf = EpochLeaf { epoch: n, time_ms, map, batch, gov_size, gov_root: law.root() };
        let leaf = leaf.write().into_bytes();
        let path = path_of_next(&self.log);
        let before = self.log.clone();
        let mut log = before.clone();
        log.append(merkle::leaf_hash(&leaf));
        let last_seq = events.last().map_or(self.epoch.last_seq, |event| event.seq);
        let generation = self.generation + u64::from(!sealed.is_empty());
        let epoch = EpochRow { n, time_ms, leaf, last_seq, gov_size, note: None };
        Ok(Plan { epoch, before, log, path, generation, sealed, labels })
    }

    /// Fills the epochs in. The epoch's time is now; only after a long stop are the events' own limits over by now, and
    /// then it is the time at which they were accepted.
    fn seal_events(
        &self,
        now: &Snapshot<'_>,
        events: &[EventRow],
        law: &InForce,
        n: u64,
        now_ms: u64,
    ) -> Result<(u64, Vec<Sealed>), PlanError> {
        let after_last = self.epoch.time_ms + 1;
        let accepted = events.iter().map(|event| event.received_ms).max().unwrap_or(now_ms);
        let mut by_label: Vec<usize> = (0..events.len()).collect();
        by_label.sort_unstable_by_key(|at| events[*at].event.label);
        let mut broken = Broken::ValidUntil;
        for time_ms in [now_ms.max(after_last), accepted.max(after_last)] {
            // In the order of the labels: the upper pages of their indexes are read once then.
            let sealed = by_label.iter().map(|at| Ok((*at, seal_event(now, &events[*at], law, n, time_ms)?)));
            let sealed = sealed.collect::<Result<BTreeMap<_, _>, _>>().map(|sealed| sealed.into_values().collect());
            match sealed {
                Ok(sealed) => return Ok((time_ms, sealed)),
                Err(PlanError::Broken(rule)) => broken = rule,
                Err(failed) => return Err(failed),
            }
        }
        Err(PlanError::Broken(broken))
    }

    /// Moves the map on; gives how many labels it has, and its root.
    pub(super) fn advance_map(
        &self,
        now: &Snapshot<'_>,
        shown: &Shown,
        sealed: &[Sealed],
    ) -> Result<(u64, Hash), LedgerError> {
        let mut buckets: BTreeMap<u32, Vec<Leaf>> = BTreeMap::new();
        for one in sealed {
            let leaf = (one.event.label, one.standing.entry.state.hash());
            buckets.entry(shown.bucket_of(&leaf.0)).or_default().push(leaf);
        }
        let mut labels = self.labels;
        let mut after = Vec::with_capacity(buckets.len());
        for (bucket, changed) in buckets {
            let (first, last) = shown.bucket_range(bucket);
            let mut leaves: BTreeMap<Label, Hash> = now.leaves(&first, &last)?.into_iter().collect();
            labels -= leaves.len() as u64;
            leaves.extend(changed);
            labels += leaves.len() as u64;
            after.push((bucket, leaves.into_iter().collect()));
        }
        let before =
            |one: &Sealed| (one.event.label, Before { standing: one.before.clone(), personal: one.personal.clone() });
        Ok((labels, shown.advance(&after, sealed.iter().map(before).collect())))
    }

    /// Whether the top of the map, of that many levels, has become too small for the directory.
    pub(super) fn has_outgrown(&self, map_bits: u32) -> bool {
        bits_for(self.labels) >= map_bits + BITS_BEHIND_MAX
    }
}

fn seal_event(now: &Snapshot<'_>, row: &EventRow, law: &InForce, n: u64, time_ms: u64) -> Result<Sealed, PlanError> {
    let label = row.event.label;
    let before = now.standing(&label)?;
    let personal = now.personal(&label)?;
    let entry = before.as_ref().map(|standing| &standing.entry);
    let (event, after) = rules::seal(&row.event, n, time_ms, entry, &law.law_at(time_ms)).map_err(PlanError::Broken)?;
    let told = changes::told(row, entry, &after, n);
    let sets_record = event.kind.sets_record();
    let keys_seq = before.as_ref().filter(|_| !sets_record).map_or(row.seq, |standing| standing.keys_seq);
    let dropped_keys = personal.as_ref().map_or_else(Vec::new, |personal| dropped_keys(event.kind, personal));
    Ok(Sealed {
        before,
        event,
        standing: Standing { entry: after, event_seq: row.seq, keys_seq },
        personal,
        dropped_keys,
        told,
    })
}

/// Keys that were published by what a sealed event replaces and are not any more.
pub(super) fn dropped_keys(kind: Kind, personal: &Personal) -> Vec<Hash> {
    match (kind, &personal.next) {
        (Kind::Release, _) => keys_of(&personal.disclosed.record),
        (_, Some(next)) => {
            let kept = keys_of(&next.record);
            keys_of(&personal.disclosed.record).into_iter().filter(|key| !kept.contains(key)).collect()
        }
        _ => Vec::new(),
    }
}

/// The keys that an accepted record publishes, by the names in the index of published keys.
pub(super) fn keys_of(record: &[u8]) -> Vec<Hash> {
    let Ok(record) = Record::parse(record) else { return Vec::new() };
    keys::published(&record).into_iter().filter(Published::counts).map(|key| key.spki_hash).collect()
}

impl Plan {
    /// The epoch's number.
    pub(super) fn n(&self) -> u64 {
        self.epoch.n
    }

    /// Whether personal data is erased by it.
    pub(super) fn erases(&self) -> bool {
        self.sealed.iter().any(|one| one.event.kind == Kind::Release)
    }

    /// What becomes visible with this epoch.
    pub(super) fn changes(&self) -> Result<Vec<Change>, LedgerError> {
        let mut changes = Vec::with_capacity(self.sealed.len());
        for one in &self.sealed {
            // Without personal data there was nothing to serve before, nor is there now.
            let Some(personal) = &one.personal else { continue };
            let shown = personal.next.as_ref().filter(|_| one.event.kind.sets_record()).unwrap_or(&personal.disclosed);
            changes.push(publish::change(personal.number, &one.standing.entry.state, &shown.record)?);
        }
        Ok(changes)
    }

    /// Stores the epoch: all of it, in one transaction. Gives the head's new parts back.
    pub(super) fn store(self, ledger: &Ledger) -> Result<Stored, LedgerError> {
        let plan = Arc::new(self);
        let job = plan.clone();
        ledger.write_bulk(job.sealed.len().max(1), move |tx| job.write(tx)).wait_blocking()?;
        Ok(Stored(plan))
    }

    /// Writes the epoch.
    pub(super) fn write(&self, tx: &Transaction<'_>) -> Result<(), LedgerError> {
        for one in &self.sealed {
            let label = &one.event.label;
            // Each look into an index is another page when there are many numbers: what is known to be new is only added.
            match one.before {
                None => tx.add_standing(label, &one.standing)?,
                Some(_) => tx.set_standing(label, &one.standing)?,
            }
            let has_next = one.personal.as_ref().is_some_and(|personal| personal.next.is_some());
            match one.event.kind {
                Kind::Release => {
                    tx.erase_personal(label)?;
                    tx.forget_past(label)?;
                    tx.remove_holding(&one.standing.entry.provider)?;
                }
                kind if kind.sets_record() && has_next => tx.settle_next(label)?,
                _ => {}
            }
            for key in &one.dropped_keys {
                tx.remove_published_key(key, label)?;
            }
        }
        tx.add_changes(self.sealed.iter().map(|one| (&one.told.changed, &one.told.readers[..])))?;
        tx.set_meta(LOG_FRONTIER_BEFORE, &write_frontier(&self.before))?;
        tx.set_meta(LOG_FRONTIER, &write_frontier(&self.log))?;
        tx.set_meta(GENERATION, &self.generation.to_be_bytes())?;
        tx.seal(&self.epoch)
    }
}

/// An epoch that is sealed.
pub(super) struct Stored(pub(super) Arc<Plan>);

impl Head {
    /// Takes up what was stored.
    pub(super) fn advance(&mut self, stored: &Stored) {
        let plan = &stored.0;
        self.epoch = plan.epoch.clone();
        (self.before, self.log) = (Some(plan.before.clone()), plan.log.clone());
        self.path = Some(plan.path.clone());
        self.generation = plan.generation;
        self.labels = plan.labels;
    }
}

/// A tree as stored: `u64 size ‖ root*`.
pub(super) fn write_frontier(log: &Frontier) -> Vec<u8> {
    [&log.size().to_be_bytes()[..], log.roots().as_flattened()].concat()
}

fn read_frontier(raw: &[u8]) -> Option<Frontier> {
    let (size, roots) = raw.split_first_chunk()?;
    let (roots, rest) = roots.as_chunks::<32>();
    if rest.is_empty() { Frontier::from_parts(u64::from_be_bytes(*size), roots.to_vec()) } else { None }
}

pub(super) fn bits_for(labels: u64) -> u32 {
    MapTop::bits_for(labels.max(LABELS_EXPECTED_MIN))
}

/// The root of an empty map, which leaf 0 stands for.
pub(super) const EMPTY_MAP: Hash = ZERO;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_tree_reads_back() {
        let mut log = Frontier::new();
        for n in 0..11u8 {
            assert_eq!(read_frontier(&write_frontier(&log)), Some(log.clone()));
            log.append([n; 32]);
        }
        assert_eq!(read_frontier(&[0; 9]), None);
        assert_eq!(read_frontier(b""), None);
    }

    #[test]
    fn a_promise_grows_with_what_waits() {
        assert_eq!(promise(7, 0, 0), 9);
        assert_eq!(promise(7, 3 * EPOCH_EVENTS_MAX as u64, 1), 13);
    }
}

//! The newest published epoch as proofs show it, while the sequencer makes the next one.
//!
//! The map moves on when an epoch is planned, the ledger when it is sealed, and both are shown only once it is published. So
//! of every label that an unpublished epoch changes the earlier content is kept here: whoever reads map and ledger at any
//! moment in between, and puts these back, sees the published epoch whole.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::ledger::{EpochRow, LedgerError, Personal, Snapshot, Standing};
use crate::log::Hash;
use crate::log::epoch::EpochLeaf;
use crate::log::label::Label;
use crate::log::map::{Leaf, MapTop, Path, Way};
use crate::log::merkle::Frontier;
use crate::number::Number;

/// Buckets of the map that change under one hold of the lock: some tenths of a millisecond, for callers wait meanwhile.
const BUCKETS_AT_ONCE: usize = 32;

/// What a label was before an epoch that is not published yet.
#[derive(Clone)]
pub(super) struct Before {
    /// Its State; None: it was not in the map.
    pub(super) standing: Option<Standing>,
    /// The personal data that went with it.
    pub(super) personal: Option<Personal>,
}

/// An epoch whose checkpoint is signed.
pub(super) struct ShownEpoch {
    /// Its leaf.
    pub(super) leaf: EpochLeaf,
    /// The inclusion proof of that leaf, topmost hash last.
    pub(super) path: Vec<Hash>,
    /// The signed checkpoint.
    pub(super) note: String,
}

impl ShownEpoch {
    /// The epoch of that row; `path` proves its leaf. None for leaf 0, which is no epoch, and without a note.
    pub(super) fn of(row: &EpochRow, path: Vec<Hash>) -> Result<Option<Self>, LedgerError> {
        let (1.., Some(note)) = (row.n, &row.note) else { return Ok(None) };
        let leaf = std::str::from_utf8(&row.leaf).ok().and_then(|text| EpochLeaf::parse(text).ok());
        let leaf = leaf.ok_or(LedgerError::Damaged("the newest leaf of the map log"))?;
        Ok(Some(Self { leaf, path, note: note.clone() }))
    }
}

/// The inclusion proof of the leaf that is appended next to that tree, topmost hash last: the roots of all complete subtrees.
pub(super) fn path_of_next(log: &Frontier) -> Vec<Hash> {
    log.roots().iter().rev().copied().collect()
}

/// The map with what is shown of it. See the module.
pub(super) struct Shown(RwLock<Inner>);

struct Inner {
    map: MapTop,
    epoch: Option<Arc<ShownEpoch>>,
    before: BTreeMap<Label, Before>,
    numbers: HashMap<Number, Label>,
}

impl Shown {
    /// Shows that epoch (None: nothing is published yet) over that map.
    pub(super) fn new(map: MapTop, epoch: Option<ShownEpoch>) -> Self {
        let epoch = epoch.map(Arc::new);
        Self(RwLock::new(Inner { map, epoch, before: BTreeMap::new(), numbers: HashMap::new() }))
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the map by one that was built from the ledger, when nothing sealed waits to be published.
    pub(super) fn replace_map(&self, map: MapTop) {
        let mut inner = self.write();
        inner.map = map;
        inner.before.clear();
        inner.numbers.clear();
    }

    /// The number of top levels of the map.
    pub(super) fn bits(&self) -> u32 {
        self.read().map.bits()
    }

    /// The bucket of a label.
    pub(super) fn bucket_of(&self, label: &Label) -> u32 {
        self.read().map.bucket_of(label)
    }

    /// The first and the last label of a bucket.
    pub(super) fn bucket_range(&self, bucket: u32) -> (Label, Label) {
        self.read().map.bucket_range(bucket)
    }

    /// Moves the map on; gives its new root. `before` holds every label that changes, and must come before the ledger moves on.
    pub(super) fn advance(&self, buckets: &[(u32, Vec<Leaf>)], before: Vec<(Label, Before)>) -> Hash {
        for part in buckets.chunks(BUCKETS_AT_ONCE) {
            let mut inner = self.write();
            part.iter().for_each(|(bucket, leaves)| inner.map.update(*bucket, leaves));
        }
        let mut inner = self.write();
        for (label, before) in before {
            if let Some(personal) = &before.personal {
                inner.numbers.insert(personal.number, label);
            }
            inner.before.insert(label, before);
        }
        inner.map.root()
    }

    /// Shows the epoch that the map and the ledger have come to.
    pub(super) fn publish(&self, epoch: ShownEpoch) {
        let mut inner = self.write();
        inner.map.show();
        inner.before.clear();
        inner.numbers.clear();
        inner.epoch = Some(Arc::new(epoch));
    }

    /// What is shown of the label that `find` names; None if it names none. `find` is handed the numbers that an unpublished
    /// epoch changes, and must be the first to read from the ledger: no epoch is planned meanwhile, so that [`View`] puts back
    /// whatever that reading finds changed.
    pub(super) fn view<E>(
        &self,
        find: impl FnOnce(&HashMap<Number, Label>) -> Result<Option<Label>, E>,
    ) -> Result<Option<View>, E> {
        let inner = self.read();
        let Some(label) = find(&inner.numbers)? else { return Ok(None) };
        let way = inner.map.shown_way(&label);
        let beside = |(first, last)| inner.before.range(first..=last).map(|(label, b)| (*label, b.clone())).collect();
        let before = way.below().map_or_else(BTreeMap::new, beside);
        let own = inner.before.get(&label).cloned();
        Ok(Some(View { label, epoch: inner.epoch.clone(), way, before, own }))
    }
}

/// One label in the published epoch, but for what the ledger tells.
pub(super) struct View {
    /// The label.
    pub(super) label: Label,
    /// The epoch; None: nothing was published yet.
    pub(super) epoch: Option<Arc<ShownEpoch>>,
    way: Way,
    /// Labels at the end of the way that an unpublished epoch changes.
    before: BTreeMap<Label, Before>,
    /// The same of the label itself.
    pub(super) own: Option<Before>,
}

impl View {
    /// The path through the map, with what the ledger tells about the end of it.
    pub(super) fn path(&self, now: &Snapshot<'_>) -> Result<Path, LedgerError> {
        let leaves = self.way.below().map_or(Ok(Vec::new()), |(first, last)| now.leaves(&first, &last))?;
        Ok(self.way.clone().finish(&self.label, &self.put_back(leaves)))
    }

    /// The leaves at the end of the way as they were: `leaves` is what the ledger tells.
    fn put_back(&self, mut leaves: Vec<Leaf>) -> Vec<Leaf> {
        if self.before.is_empty() {
            return leaves;
        }
        leaves.retain(|(label, _)| !self.before.contains_key(label));
        let standings = self.before.iter().filter_map(|(label, b)| Some((label, b.standing.as_ref()?)));
        leaves.extend(standings.map(|(label, standing)| (*label, standing.entry.state.hash())));
        leaves.sort_unstable_by_key(|leaf| leaf.0);
        leaves
    }
}

//! The table of numbers: 65 536 small immutable shards, each swapped whole when one of its numbers changes.
//!
//! Readers take what is there and never wait; a change copies one shard (some 15 numbers of a million).

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};

use super::hashes::HashOwners;
use super::pack::{self, KINDS, Packed};
use super::slot::{Slot, Slots};
use super::{Change, NumberData};
use crate::log::record::Prefix;
use crate::number::Number;

/// Shards: at a million numbers each holds 15, at a hundred million 1 500. Costs 1 MB when empty.
const SHARD_BITS: u32 = 16;
const SHARDS: usize = 1 << SHARD_BITS;

/// All numbers that are served, packed.
pub struct Table {
    shards: Box<[ArcSwap<Shard>]>,
    hashes: HashOwners,
    count: AtomicUsize,
    writer: Mutex<()>,
}

/// Some numbers in ascending order, their facts in one piece, their signature slots in another.
#[derive(Default)]
struct Shard {
    heads: Box<[Head]>,
    facts: Box<[u8]>,
    slots: Slots,
}

#[derive(Clone, Copy)]
struct Head {
    number: Number,
    facts_at: u32,
    slots_at: u32,
}

/// Where a [`Table::walk`] has come to. Numbers that come and go meanwhile do not move it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    shard: usize,
    from: u64,
}

/// A number that is there. Holds its shard alive; take it for one answer, not longer.
pub struct Entry {
    shard: Guard<Arc<Shard>>,
    index: usize,
}

impl Table {
    /// A table without numbers.
    pub fn empty() -> Self {
        let nothing = Arc::new(Shard::default());
        Self {
            shards: (0..SHARDS).map(|_| ArcSwap::new(nothing.clone())).collect(),
            hashes: HashOwners::empty(),
            count: AtomicUsize::new(0),
            writer: Mutex::new(()),
        }
    }

    /// The number whose packed value is `key`; 0 and other impossible values are never there and cost the same.
    pub fn get(&self, key: u64) -> Option<Entry> {
        let shard = self.shards[shard_of(key)].load();
        let index = shard.heads.binary_search_by_key(&key, |head| head.number.as_u64()).ok()?;
        Some(Entry { shard, index })
    }

    /// The number that owns a hash owner name (first 28 octets of SHA-256 of "+E164").
    pub fn by_hash(&self, hash: &[u8; 28]) -> Option<Entry> {
        self.get(self.hashes.get(hash).map_or(0, Number::as_u64))
    }

    /// How many numbers are in the table, lapsed ones included.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether no number is in the table.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes the changes visible, shard by shard. The last one about a number counts.
    pub fn apply(&self, changes: &[Change]) {
        let _one_writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner); // guards no data of its own
        let mut order: Vec<(usize, u64, usize)> =
            changes.iter().enumerate().map(|(i, c)| (shard_of(c.number().as_u64()), c.number().as_u64(), i)).collect();
        order.sort_unstable();
        for group in order.chunk_by(|a, b| a.0 == b.0) {
            let newest: Vec<&Change> =
                group.chunk_by(|a, b| a.1 == b.1).map(|same| &changes[same[same.len() - 1].2]).collect();
            self.rebuild(group[0].0, &newest);
        }
    }

    /// Exact octets on the heap, for metrics and for the memory test.
    pub fn heap_octets(&self) -> usize {
        let shard = |s: &Shard| 96 + size_of_val(&*s.heads) + s.facts.len() + s.slots.heap_octets();
        SHARDS * size_of::<ArcSwap<Shard>>()
            + self.shards.iter().map(|s| s.load()).filter(|s| !s.heads.is_empty()).map(|s| shard(&s)).sum::<usize>()
            + self.hashes.heap_octets()
    }

    /// Calls `each` with every number, in no useful order.
    pub fn for_each(&self, mut each: impl FnMut(Packed<'_>)) {
        for shard in &self.shards {
            let shard = shard.load_full();
            (0..shard.heads.len()).filter_map(|i| shard.packed(i)).for_each(&mut each);
        }
    }

    /// Hands every number from `place` on to `each` until that breaks off; says where to go on, `None` at the end.
    pub fn walk(&self, place: Place, mut each: impl FnMut(&Entry) -> ControlFlow<()>) -> Option<Place> {
        let mut from = place.from;
        for (i, shard) in self.shards.iter().enumerate().skip(place.shard) {
            let mut entry = Entry { shard: shard.load(), index: 0 };
            entry.index = entry.shard.heads.partition_point(|head| head.number.as_u64() < from);
            while let Some(head) = entry.shard.heads.get(entry.index) {
                from = head.number.as_u64() + 1;
                if each(&entry).is_break() {
                    return Some(Place { shard: i, from });
                }
                entry.index += 1;
            }
            from = 0;
        }
        None
    }

    /// Calls `each` with every number, its packed facts and how many slots it has, shard by shard.
    pub(super) fn each_packed<E>(&self, mut each: impl FnMut(Number, &[u8], usize) -> Result<(), E>) -> Result<(), E> {
        for shard in &self.shards {
            let shard = shard.load_full();
            for index in 0..shard.heads.len() {
                each(shard.heads[index].number, shard.facts(index), shard.slots(index).len())?;
            }
        }
        Ok(())
    }

    /// Whether the table holds exactly this; `scratch` is overwritten.
    pub fn holds(&self, data: &NumberData, scratch: &mut Vec<u8>) -> bool {
        scratch.clear();
        pack::pack(data, scratch);
        self.get(data.number.as_u64()).is_some_and(|entry| entry.shard.facts(entry.index) == scratch.as_slice())
    }

    /// Fills shard `i` of a new table with packed facts in ascending order of number.
    pub(super) fn fill<'a>(&self, i: usize, sorted: impl Iterator<Item = (Number, &'a [u8], usize)> + Clone) {
        let mut build = Build::with_room(sorted.clone().count(), sorted.clone().map(|s| s.1.len()).sum());
        sorted.for_each(|(number, facts, slots)| build.push(number, facts, slots));
        let shard = build.finish();
        for index in 0..shard.heads.len() {
            if let Some(packed) = shard.packed(index).filter(Packed::is_hashed) {
                self.hashes.insert(packed.number);
            }
        }
        self.count.fetch_add(shard.heads.len(), Ordering::Relaxed);
        self.shards[i].store(Arc::new(shard));
    }

    fn rebuild(&self, i: usize, changes: &[&Change]) {
        let old = self.shards[i].load_full();
        let mut build = Build::with_room(old.heads.len() + changes.len(), old.facts.len() + 96 * changes.len());
        let (mut kept, mut carried) = (0, Vec::new());
        for change in changes {
            while kept < old.heads.len() && old.heads[kept].number < change.number() {
                carried.extend(build.carry(&old, kept));
                kept += 1;
            }
            if kept < old.heads.len() && old.heads[kept].number == change.number() {
                kept += 1; // replaced or removed, with its signatures
            }
            match change {
                Change::Put(data) => build.put(data),
                Change::Remove(_) => {}
            }
        }
        for rest in kept..old.heads.len() {
            carried.extend(build.carry(&old, rest));
        }
        let new = build.finish();
        for (to, from) in carried {
            if let (Some(to), Some(from)) = (new.slots.slot(to), old.slots.slot(from)) {
                to.copy_from(from);
            }
        }
        for change in changes {
            let index = new.heads.binary_search_by_key(&change.number(), |head| head.number);
            match index.ok().and_then(|at| new.packed(at)).filter(Packed::is_hashed) {
                Some(_) => self.hashes.insert(change.number()),
                None => self.hashes.remove(change.number()),
            }
        }
        self.count.fetch_add(new.heads.len(), Ordering::Relaxed);
        self.count.fetch_sub(old.heads.len(), Ordering::Relaxed);
        self.shards[i].store(Arc::new(new));
    }
}

impl Entry {
    /// The number's facts.
    pub fn packed(&self) -> Option<Packed<'_>> {
        self.shard.packed(self.index)
    }

    /// The signature slot beside the RRset of `prefix`; none for OpenPGP and S/MIME, which are signed when asked for.
    pub fn slot(&self, prefix: Prefix) -> Option<Slot<'_>> {
        let at = self.packed()?.slot_of(prefix)?;
        self.shard.slots.slot(self.shard.heads[self.index].slots_at as usize + at)
    }
}

impl Shard {
    fn facts(&self, index: usize) -> &[u8] {
        let end = self.heads.get(index + 1).map_or(self.facts.len(), |next| next.facts_at as usize);
        &self.facts[self.heads[index].facts_at as usize..end]
    }

    fn packed(&self, index: usize) -> Option<Packed<'_>> {
        Packed::read(self.heads[index].number, self.facts(index))
    }

    fn slots(&self, index: usize) -> std::ops::Range<usize> {
        let from = self.heads[index].slots_at as usize;
        from..from + self.packed(index).map_or(0, |p| KINDS.iter().filter(|k| p.slot_of(**k).is_some()).count())
    }
}

/// A shard being put together, in ascending order of number.
struct Build {
    heads: Vec<Head>,
    facts: Vec<u8>,
    slots: usize,
}

impl Build {
    fn with_room(heads: usize, facts: usize) -> Self {
        Self { heads: Vec::with_capacity(heads), facts: Vec::with_capacity(facts), slots: 0 }
    }

    fn push(&mut self, number: Number, facts: &[u8], slots: usize) {
        self.head(number);
        self.facts.extend_from_slice(facts);
        self.slots += slots;
    }

    fn put(&mut self, data: &NumberData) {
        self.head(data.number);
        self.slots += pack::pack(data, &mut self.facts);
    }

    /// Takes number `index` of `old` over; says which slots correspond: (new, old).
    fn carry(&mut self, old: &Shard, index: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (to, from) = (self.slots, old.slots(index));
        self.push(old.heads[index].number, old.facts(index), from.len());
        from.enumerate().map(move |(i, from)| (to + i, from))
    }

    fn head(&mut self, number: Number) {
        self.heads.push(Head { number, facts_at: self.facts.len() as u32, slots_at: self.slots as u32 });
    }

    fn finish(self) -> Shard {
        Shard {
            heads: self.heads.into_boxed_slice(),
            facts: self.facts.into_boxed_slice(),
            slots: Slots::empty(self.slots),
        }
    }
}

/// Neighbouring numbers must not share a shard: the top bits of a multiplicative hash.
pub(super) fn shard_of(key: u64) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SHARD_BITS)) as usize
}

//! The table of numbers: 65 536 small shards, each replaced whole when one of its numbers changes.
//!
//! Readers take what is there and never wait; a change copies one shard (some 15 numbers of a million).
//!
//! ```text
//! shard = key* ‖ place* ‖ block*      in words of 8 octets, one piece of memory; one key, place and block a number
//! key   = the number                  ascending, so that a search touches neighbouring cache lines
//! place = u32 at ‖ u24 octets ‖ u8 slots
//! block = facts, filled up to words ‖ slot*
//! ```
//! A look-up waits for memory four times as long as it computes: so what one answer needs lies close together.

use std::array;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use arc_swap::{ArcSwapAny, Guard};
use triomphe::ThinArc;

use super::hashes::HashOwners;
use super::pack::{self, Packed};
use super::slot::{SLOT_WORDS, Slot};
use super::{Change, NumberData};
use crate::log::record::Prefix;
use crate::number::Number;

/// Shards: at a million numbers each holds 15, at a hundred million 1 500. Costs 512 KB when empty.
const SHARD_BITS: u32 = 16;
const SHARDS: usize = 1 << SHARD_BITS;
/// Up to so many keys are compared all of them, without a branch that could be mispredicted.
const SCANNED_MAX: usize = 32;
/// Numbers whose memory is asked for at once: as many as a thread can hold shards without counting references.
const PREFETCHED: usize = 8;
/// Words of a cache line.
const LINE_WORDS: usize = 8;
/// Octets of a shard beside its words: two counters, the count of numbers, and what the allocator adds.
const SHARD_OVERHEAD_OCTETS: usize = 40;

/// All numbers that are served, packed.
pub struct Table {
    shards: Box<[ArcSwapAny<Memory>]>,
    hashes: HashOwners,
    count: AtomicUsize,
    writer: Mutex<()>,
}

/// A shard's memory: how many numbers, and the words. Only the words of slots ever change.
type Memory = ThinArc<u32, AtomicU64>;

/// A shard being read.
#[derive(Clone, Copy)]
struct Shard<'a> {
    count: usize,
    words: &'a [AtomicU64],
}

/// Where a [`Table::walk`] has come to. Numbers that come and go meanwhile do not move it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    shard: usize,
    from: u64,
}

/// A number that is there. Holds its shard alive; take it for one answer, not longer.
pub struct Entry {
    memory: Guard<Memory>,
    index: usize,
}

impl Table {
    /// A table without numbers.
    pub fn empty() -> Self {
        let nothing = Build::default().finish();
        Self {
            shards: (0..SHARDS).map(|_| ArcSwapAny::new(nothing.clone())).collect(),
            hashes: HashOwners::empty(),
            count: AtomicUsize::new(0),
            writer: Mutex::new(()),
        }
    }

    /// The number whose packed value is `key`; 0 and other impossible values are never there and cost the same.
    pub fn get(&self, key: u64) -> Option<Entry> {
        let memory = self.shards[shard_of(key)].load();
        let index = Shard::of(&memory).find(key).ok()?;
        Some(Entry { memory, index })
    }

    /// Makes the processor fetch what answers about these numbers will read, for all of them at once: waiting for memory
    /// one number after the other takes longer than answering. Changes nothing else, whether they are there or not.
    pub fn prefetch(&self, keys: &[u64]) {
        for keys in keys.chunks(PREFETCHED) {
            // Three passes, so that within each no load waits for another.
            let memories: [Option<Guard<Memory>>; PREFETCHED] =
                array::from_fn(|i| Some(self.shards[shard_of(*keys.get(i)?)].load()));
            let shards = || memories.iter().flatten().map(|memory| Shard::of(memory)).zip(keys);
            for (shard, _) in shards() {
                shard.touch(0, 2 * shard.count.min(SCANNED_MAX));
            }
            for (shard, key) in shards() {
                if let Ok(index) = shard.find(*key) {
                    let block = shard.block(index);
                    shard.touch(block.at, block.facts_words() + SLOT_WORDS);
                }
            }
        }
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
        let octets = |memory: Guard<Memory>| match memory.header.header {
            0 => 0, // all of them share one
            _ => SHARD_OVERHEAD_OCTETS + size_of_val(&memory.slice),
        };
        SHARDS * size_of::<ArcSwapAny<Memory>>()
            + self.shards.iter().map(|shard| octets(shard.load())).sum::<usize>()
            + self.hashes.heap_octets()
    }

    /// Calls `each` with every number, in no useful order.
    pub fn for_each(&self, mut each: impl FnMut(Packed<'_>)) {
        let mut facts = Vec::new();
        for shard in &self.shards {
            let memory = shard.load_full();
            let shard = Shard::of(&memory);
            for index in 0..shard.count {
                if let Some(packed) = shard.packed(index, &mut facts) {
                    each(packed);
                }
            }
        }
    }

    /// Hands every number from `place` on to `each` until that breaks off; says where to go on, `None` at the end.
    pub fn walk(&self, place: Place, mut each: impl FnMut(&Entry) -> ControlFlow<()>) -> Option<Place> {
        let mut from = place.from;
        for (i, shard) in self.shards.iter().enumerate().skip(place.shard) {
            let mut entry = Entry { memory: shard.load(), index: 0 };
            entry.index = entry.shard().find(from).unwrap_or_else(|next| next);
            while entry.index < entry.shard().count {
                from = entry.shard().key(entry.index) + 1;
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
    pub(super) fn each_packed<E>(&self, mut each: impl FnMut(u64, &[u8], usize) -> Result<(), E>) -> Result<(), E> {
        let mut facts = Vec::new();
        for shard in &self.shards {
            let memory = shard.load_full();
            let shard = Shard::of(&memory);
            for index in 0..shard.count {
                shard.facts(index, &mut facts);
                each(shard.key(index), &facts, shard.block(index).slots)?;
            }
        }
        Ok(())
    }

    /// Whether the table holds exactly this; `scratch` is overwritten.
    pub fn holds(&self, data: &NumberData, scratch: &mut Vec<u8>) -> bool {
        scratch.clear();
        pack::pack(data, scratch);
        let mut facts = Vec::new();
        self.get(data.number.as_u64()).is_some_and(|entry| {
            entry.shard().facts(entry.index, &mut facts);
            facts == *scratch
        })
    }

    /// Fills shard `i` of a new table with packed facts in ascending order of number.
    pub(super) fn fill<'a>(&self, i: usize, sorted: impl Iterator<Item = (Number, &'a [u8], usize)>) {
        let mut build = Build::default();
        sorted.for_each(|(number, facts, slots)| build.push(number.as_u64(), facts, slots));
        let memory = build.finish();
        let (shard, mut facts) = (Shard::of(&memory), Vec::new());
        for index in 0..shard.count {
            if let Some(packed) = shard.packed(index, &mut facts).filter(Packed::is_hashed) {
                self.hashes.insert(packed.number);
            }
        }
        self.count.fetch_add(shard.count, Ordering::Relaxed);
        self.shards[i].store(memory);
    }

    fn rebuild(&self, i: usize, changes: &[&Change]) {
        let memory = self.shards[i].load_full();
        let old = Shard::of(&memory);
        let (mut build, mut carried, mut kept) = (Build::default(), Vec::with_capacity(old.count), 0);
        build.words.reserve(old.words.len());
        let mut carry = |build: &mut Build, index: usize| {
            carried.push((build.heads.len(), index));
            build.carry(old, index);
        };
        for change in changes {
            let key = change.number().as_u64();
            while kept < old.count && old.key(kept) < key {
                carry(&mut build, kept);
                kept += 1;
            }
            if kept < old.count && old.key(kept) == key {
                kept += 1; // replaced or removed, with its signatures
            }
            match change {
                Change::Put(data) => build.put(data),
                Change::Remove(_) => {}
            }
        }
        (kept..old.count).for_each(|rest| carry(&mut build, rest));
        let memory = build.finish();
        let new = Shard::of(&memory);
        for (to, from) in carried {
            for i in 0..new.block(to).slots {
                if let (Some(to), Some(from)) = (new.slot(to, i), old.slot(from, i)) {
                    to.copy_from(from);
                }
            }
        }
        self.keep_hashes(new, changes);
        self.count.fetch_add(new.count, Ordering::Relaxed);
        self.count.fetch_sub(old.count, Ordering::Relaxed);
        self.shards[i].store(memory);
    }

    fn keep_hashes(&self, new: Shard<'_>, changes: &[&Change]) {
        let mut facts = Vec::new();
        for change in changes {
            let index = new.find(change.number().as_u64()).ok();
            match index.and_then(|at| new.packed(at, &mut facts)).filter(Packed::is_hashed) {
                Some(_) => self.hashes.insert(change.number()),
                None => self.hashes.remove(change.number()),
            }
        }
    }
}

impl Entry {
    /// The number's facts, which are copied into `facts` for that.
    pub fn packed<'f>(&self, facts: &'f mut Vec<u8>) -> Option<Packed<'f>> {
        self.shard().packed(self.index, facts)
    }

    /// The signature slot beside the RRset of `prefix`, of which `packed` tells; none for OpenPGP and S/MIME, which are
    /// signed when asked for.
    pub fn slot(&self, packed: &Packed<'_>, prefix: Prefix) -> Option<Slot<'_>> {
        self.shard().slot(self.index, packed.slot_of(prefix)?)
    }

    fn shard(&self) -> Shard<'_> {
        Shard::of(&self.memory)
    }
}

/// Where the facts and slots of a number lie.
#[derive(Clone, Copy)]
struct Block {
    at: usize,
    octets: usize,
    slots: usize,
}

impl Block {
    /// The words of its facts; its slots follow.
    fn facts_words(self) -> usize {
        self.octets.div_ceil(8)
    }

    fn words(self) -> usize {
        self.facts_words() + self.slots * SLOT_WORDS
    }

    fn to_word(self) -> u64 {
        (self.at as u64) << 32 | (self.octets as u64) << 8 | self.slots as u64
    }

    fn from_word(word: u64) -> Self {
        Self { at: (word >> 32) as usize, octets: (word >> 8 & 0xff_ffff) as usize, slots: (word & 0xff) as usize }
    }
}

impl<'a> Shard<'a> {
    fn of(memory: &'a Memory) -> Self {
        Self { count: memory.header.header as usize, words: &memory.slice }
    }

    /// Reads one word of each cache line of a stretch.
    fn touch(self, at: usize, words: usize) {
        let stretch = self.words.get(at..(at + words).min(self.words.len())).unwrap_or_default();
        for word in stretch.iter().step_by(LINE_WORDS).chain(stretch.last()) {
            black_box(word.load(Ordering::Relaxed));
        }
    }

    /// Where `key` is, or where it would be.
    fn find(self, key: u64) -> Result<usize, usize> {
        let keys = &self.words[..self.count];
        let below = |word: &AtomicU64| word.load(Ordering::Relaxed) < key;
        let at = match keys.len() {
            ..=SCANNED_MAX => keys.iter().filter(|word| below(word)).count(),
            _ => keys.partition_point(below),
        };
        match keys.get(at).is_some_and(|word| word.load(Ordering::Relaxed) == key) {
            true => Ok(at),
            false => Err(at),
        }
    }

    fn key(self, index: usize) -> u64 {
        self.words[index].load(Ordering::Relaxed)
    }

    fn block(self, index: usize) -> Block {
        Block::from_word(self.words[self.count + index].load(Ordering::Relaxed))
    }

    /// Copies the facts of a number.
    fn facts(self, index: usize, into: &mut Vec<u8>) {
        let block = self.block(index);
        into.clear();
        for word in &self.words[block.at..block.at + block.facts_words()] {
            into.extend_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
        into.truncate(block.octets);
    }

    fn packed<'f>(self, index: usize, facts: &'f mut Vec<u8>) -> Option<Packed<'f>> {
        self.facts(index, facts);
        Packed::read(Number::from_u64(self.key(index)).ok()?, facts)
    }

    fn slot(self, index: usize, i: usize) -> Option<Slot<'a>> {
        let block = self.block(index);
        let at = block.at + block.facts_words() + i * SLOT_WORDS;
        Slot::in_words(self.words.get(at..at + SLOT_WORDS)?)
    }
}

/// A shard being put together, in ascending order of number.
#[derive(Default)]
struct Build {
    heads: Vec<(u64, Block)>,
    /// The blocks; their places count from here.
    words: Vec<u64>,
    /// What is being packed.
    facts: Vec<u8>,
}

impl Build {
    fn push(&mut self, key: u64, facts: &[u8], slots: usize) {
        let (whole, rest) = facts.as_chunks();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        let last = Some(last).filter(|_| !rest.is_empty());
        let words = whole.iter().copied().chain(last).map(u64::from_ne_bytes);
        self.add(key, facts.len(), slots, words);
    }

    fn put(&mut self, data: &NumberData) {
        let mut facts = std::mem::take(&mut self.facts);
        facts.clear();
        let slots = pack::pack(data, &mut facts);
        self.push(data.number.as_u64(), &facts, slots);
        self.facts = facts;
    }

    /// Takes a number over as it is, its slots empty.
    fn carry(&mut self, old: Shard<'_>, index: usize) {
        let block = old.block(index);
        let facts = &old.words[block.at..block.at + block.facts_words()];
        self.add(old.key(index), block.octets, block.slots, facts.iter().map(|word| word.load(Ordering::Relaxed)));
    }

    fn add(&mut self, key: u64, octets: usize, slots: usize, facts: impl Iterator<Item = u64>) {
        let block = Block { at: self.words.len(), octets, slots };
        self.words.extend(facts);
        self.words.resize(block.at + block.words(), 0);
        self.heads.push((key, block));
    }

    fn finish(self) -> Memory {
        let before = 2 * self.heads.len();
        let keys = self.heads.iter().map(|(key, _)| *key);
        let places = self.heads.iter().map(|(_, block)| Block { at: before + block.at, ..*block }.to_word());
        let mut words = Vec::with_capacity(before + self.words.len());
        words.extend(keys.chain(places));
        words.extend_from_slice(&self.words);
        ThinArc::from_header_and_iter(self.heads.len() as u32, words.into_iter().map(AtomicU64::new))
    }
}

/// Neighbouring numbers must not share a shard: the top bits of a multiplicative hash.
pub(super) fn shard_of(key: u64) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SHARD_BITS)) as usize
}

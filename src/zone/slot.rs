//! Signature slots: room for one signature beside each RRset, filled by whichever reader needs it first, without a lock.
//!
//! Each slot is a stamp and eight words, all atomics, used as a sequence lock: a writer takes the slot by marking its
//! stamp busy, a reader that sees the stamp change reads nothing. Losing a race costs one signature, never a wrong one.

use std::sync::atomic::{AtomicU64, Ordering, fence};

/// A raw signature of algorithm 13 or 15.
pub type SignatureBytes = [u8; 64];

/// Words of 8 octets that a slot takes: the stamp and the signature.
pub(super) const SLOT_WORDS: usize = WORDS;
const WORDS: usize = 9;
const BUSY: u64 = 1;
const READY: u64 = 2;
const SEQUENCE: u64 = 0xfffc;

/// What a stored signature was made with: it serves only who wants exactly that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Start of the time slot (DNS.md 4), Unix seconds.
    pub start_s: u32,
    /// The signing key's tag.
    pub key_tag: u16,
}

/// Slots for `n` RRsets: 72 octets each.
#[derive(Default)]
pub struct Slots(Box<[AtomicU64]>);

/// One slot.
#[derive(Clone, Copy)]
pub struct Slot<'a>(&'a [AtomicU64; WORDS]);

impl Slots {
    /// `n` empty slots.
    pub fn empty(n: usize) -> Self {
        Self((0..n * WORDS).map(|_| AtomicU64::new(0)).collect())
    }

    /// Slot `i`.
    pub fn slot(&self, i: usize) -> Option<Slot<'_>> {
        self.0.get(i * WORDS..(i + 1) * WORDS)?.try_into().ok().map(Slot)
    }

    /// Octets on the heap.
    pub fn heap_octets(&self) -> usize {
        self.0.len() * 8
    }
}

impl<'a> Slot<'a> {
    /// The slot that is made of these words, [`SLOT_WORDS`] of them.
    pub(super) fn in_words(words: &'a [AtomicU64]) -> Option<Self> {
        words.try_into().ok().map(Self)
    }
}

impl Slot<'_> {
    /// The signature, if one with this stamp is there.
    pub fn read(&self, stamp: Stamp) -> Option<SignatureBytes> {
        let seen = self.0[0].load(Ordering::Acquire);
        if seen & !SEQUENCE != bits(stamp) | READY {
            return None;
        }
        let mut signature = [0u8; 64];
        for (into, word) in signature.chunks_exact_mut(8).zip(&self.0[1..]) {
            into.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
        fence(Ordering::Acquire);
        (self.0[0].load(Ordering::Relaxed) == seen).then_some(signature)
    }

    /// What the signature that is there was made with.
    pub fn stamp(&self) -> Option<Stamp> {
        let seen = self.0[0].load(Ordering::Acquire);
        let stamp = Stamp { start_s: (seen >> 32) as u32, key_tag: (seen >> 16) as u16 };
        (seen & !SEQUENCE == bits(stamp) | READY).then_some(stamp)
    }

    /// Stores a signature, unless another writer is at it this moment.
    pub fn write(&self, stamp: Stamp, signature: &SignatureBytes) {
        let seen = self.0[0].load(Ordering::Relaxed);
        let sequence = seen.wrapping_add(4) & SEQUENCE;
        if seen & BUSY != 0
            || self.0[0].compare_exchange(seen, sequence | BUSY, Ordering::Acquire, Ordering::Relaxed).is_err()
        {
            return;
        }
        fence(Ordering::Release); // no word may be seen before the busy mark
        for (word, from) in self.0[1..].iter().zip(signature.chunks_exact(8)) {
            word.store(u64::from_ne_bytes(from.try_into().expect("chunks of 8")), Ordering::Relaxed);
        }
        self.0[0].store(bits(stamp) | sequence | READY, Ordering::Release);
    }

    /// Takes over what `old` holds, for a record that stays the same when its shard is rebuilt.
    pub fn copy_from(&self, old: Slot<'_>) {
        if let Some((stamp, signature)) = old.stamp().and_then(|stamp| Some((stamp, old.read(stamp)?))) {
            self.write(stamp, &signature);
        }
    }
}

fn bits(stamp: Stamp) -> u64 {
    u64::from(stamp.start_s) << 32 | u64::from(stamp.key_tag) << 16
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { start_s: 1_800_000_000, key_tag: 12345 };

    #[test]
    fn gives_back_only_what_was_asked_for() {
        let slots = Slots::empty(2);
        let slot = slots.slot(1).unwrap();
        assert!(slot.read(STAMP).is_none());
        slot.write(STAMP, &[7; 64]);
        assert_eq!((slot.read(STAMP), slot.stamp()), (Some([7; 64]), Some(STAMP)));
        assert_eq!(slots.slot(0).unwrap().stamp(), None);
        assert!(slot.read(Stamp { key_tag: 1, ..STAMP }).is_none());
        assert!(slot.read(Stamp { start_s: 1, ..STAMP }).is_none());
        assert!(slots.slot(0).unwrap().read(STAMP).is_none());
        assert!(slots.slot(2).is_none());
        let copy = Slots::empty(1);
        copy.slot(0).unwrap().copy_from(slot);
        assert_eq!(copy.slot(0).unwrap().read(STAMP), Some([7; 64]));
    }
}

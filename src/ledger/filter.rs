//! Which keys may stand in the large indexes: most that are looked up there are new, and need no page to be read for that.
//!
//! A blocked Bloom filter (Putze, Sanders and Singler 2007): seven bits of one cache line tell of a key. It is filled beside
//! everything else after a start; until then every key may stand there. Nothing is ever taken out, so what is removed, or was
//! added by a transaction that was undone, costs a look.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A cache line: 512 bits.
type Block = [AtomicU64; 8];

/// Bits for each key that is expected: one in a hundred others is looked up in vain then.
const BITS_EACH: u64 = 10;
const BITS_SET: u32 = 7;

pub(super) struct Filter {
    blocks: Box<[Block]>,
    /// Everything that stands in the indexes is in here.
    is_full: AtomicBool,
}

impl Filter {
    /// An empty one, with room for so many keys.
    pub(super) fn for_keys(expected: u64) -> Self {
        let blocks = (expected * BITS_EACH).div_ceil(512).max(1);
        Self { blocks: (0..blocks).map(|_| Block::default()).collect(), is_full: AtomicBool::new(false) }
    }

    /// `key` is as good as random: the first 16 octets are all that counts.
    pub(super) fn add(&self, key: &[u8]) {
        let (block, bits) = self.place(key);
        for (word, bits) in block.iter().zip(bits) {
            if bits != 0 {
                word.fetch_or(bits, Ordering::Relaxed);
            }
        }
    }

    /// False: it stands in none.
    pub(super) fn may_hold(&self, key: &[u8]) -> bool {
        let (block, bits) = self.place(key);
        !self.is_full.load(Ordering::Acquire)
            || block.iter().zip(bits).all(|(word, bits)| word.load(Ordering::Relaxed) & bits == bits)
    }

    /// All that stands in the indexes was added.
    pub(super) fn trust(&self) {
        self.is_full.store(true, Ordering::Release);
    }

    fn place(&self, key: &[u8]) -> (&Block, [u64; 8]) {
        let word = |at: usize| {
            u64::from_be_bytes(key.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default())
        };
        let at = (u128::from(word(0)) * self.blocks.len() as u128) >> 64;
        let mut bits = [0u64; 8];
        for n in 0..BITS_SET {
            let bit = (word(8) >> (9 * n)) as usize % 512;
            bits[bit / 64] |= 1 << (bit % 64);
        }
        (&self.blocks[at as usize], bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::sha256;

    #[test]
    fn what_was_added_may_be_there_and_of_the_rest_one_in_a_hundred() {
        let filter = Filter::for_keys(10_000);
        let key = |n: u64| sha256(&[&n.to_be_bytes()]);
        assert!(filter.may_hold(&key(1)), "nobody has said yet that this is all");
        (0..10_000).for_each(|n| filter.add(&key(n)));
        filter.trust();
        assert!((0..10_000).all(|n| filter.may_hold(&key(n)) && filter.may_hold(&key(n)[..16])));
        let in_vain = (10_000..110_000).filter(|n| filter.may_hold(&key(*n))).count();
        assert!(in_vain < 2_000, "{in_vain}");
    }

    #[test]
    fn a_small_one_is_never_wrong_about_what_is_there() {
        let filter = Filter::for_keys(0);
        filter.trust();
        assert!(!filter.may_hold(&[0; 16]));
        filter.add(b"short");
        assert!(filter.may_hold(b"short"));
    }
}

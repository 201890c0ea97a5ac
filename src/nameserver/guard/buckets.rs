//! Token buckets for prefixes of addresses: one atomic word each, shared by all threads, forgotten with the process.
//!
//! A word is a *theoretical arrival time* (the generic cell rate algorithm of ATM): whoever keeps to the rate finds it in
//! the past; a burst moves it into the future, at most `burst` ahead. No timer refills anything, and stale words mean
//! "full bucket" by themselves.

use std::hash::Hasher;
use std::sync::atomic::{AtomicU64, Ordering};

use siphasher::sip::SipHasher24;

/// Buckets in a table: with fewer busy prefixes than this a stranger rarely shares one. 1 MiB.
const BUCKETS: usize = 1 << 17;
/// Races lost before a query passes uncounted: under such contention the others count.
const RACES_MAX: usize = 4;
/// The key by which prefixes choose their buckets changes so often: nobody can aim at somebody's bucket, and no memory
/// dump tells whose an old word was.
const KEY_LIFE_S: u64 = 600;
const US_PER_S: u64 = 1_000_000;

/// How much passes: a steady rate, and how far ahead of it one may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rate {
    /// A second; 0 means that nothing is counted.
    pub(super) per_s: u32,
    /// Seconds' worth that may come at once. At least 2: time comes in whole seconds.
    pub(super) burst_s: u32,
}

/// The buckets.
pub(super) struct Buckets {
    words: Box<[AtomicU64]>,
    secret: [u8; 16],
}

impl Buckets {
    /// Full buckets; `secret` must be random.
    pub(super) fn new(secret: [u8; 16]) -> Self {
        Self { words: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(), secret }
    }

    /// Takes one token of `rate` from the bucket of `who`; false if there is none, and then nothing is taken.
    pub(super) fn take(&self, who: &[u8], rate: Rate, now_s: u64) -> bool {
        if rate.per_s == 0 {
            return true;
        }
        let Some(word) = self.words.get(self.place(who, now_s)) else { return true };
        let (now_us, step_us) = (now_s * US_PER_S, US_PER_S / u64::from(rate.per_s).min(US_PER_S));
        let latest_us = now_us + u64::from(rate.burst_s) * US_PER_S;
        let mut seen_us = word.load(Ordering::Relaxed);
        for _ in 0..RACES_MAX {
            let next_us = seen_us.max(now_us) + step_us;
            if next_us > latest_us {
                return false;
            }
            match word.compare_exchange_weak(seen_us, next_us, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => seen_us = now,
            }
        }
        true
    }

    fn place(&self, who: &[u8], now_s: u64) -> usize {
        let mut hasher = SipHasher24::new_with_key(&self.secret);
        hasher.write_u64(now_s / KEY_LIFE_S); // the same as a new key, for whoever does not know the secret
        hasher.write(who);
        hasher.finish() as usize % BUCKETS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_s: 10, burst_s: 3 };
    const NOW_S: u64 = 1_800_000_000;

    #[test]
    fn a_burst_then_the_rate() {
        let buckets = Buckets::new([1; 16]);
        let taken = |who: &[u8], now_s| (0..100).filter(|_| buckets.take(who, RATE, now_s)).count();
        assert_eq!(taken(b"a", NOW_S), 30);
        assert_eq!(taken(b"b", NOW_S), 30, "another prefix has a bucket of its own");
        assert_eq!(taken(b"a", NOW_S + 1), 10);
        assert_eq!(taken(b"a", NOW_S + 3), 20);
        assert_eq!(taken(b"a", NOW_S + 60), 30, "it does not fill above its brim");
    }

    #[test]
    fn no_rate_means_no_limit() {
        let buckets = Buckets::new([1; 16]);
        assert!((0..1000).all(|_| buckets.take(b"a", Rate { per_s: 0, burst_s: 2 }, NOW_S)));
    }
}

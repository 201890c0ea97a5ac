//! How often one address may ask a witness: a word for each, the time at which its next request would be in order.
//!
//! That is the generic cell rate algorithm. The place of a word is chosen by a keyed hash, so nobody aims at another's.

use std::hash::Hasher;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use siphasher::sip::SipHasher24;

use crate::config::ranges::shortened;

/// 64 KiB; a witness has dozens of clients.
const WORDS: usize = 1 << 13;
/// Seconds' worth of requests that may come at once: a log that catches up.
const BURST_MS: u64 = 10_000;
/// Networks of this length are one IPv6 client: what a home or an office is given.
const IPV6_LENGTH: u8 = 56;
const US_PER_S: u64 = 1_000_000;

/// The words.
pub(super) struct Rates {
    words: Box<[AtomicU64]>,
    secret: [u8; 16],
    step_us: Option<u64>,
}

impl Rates {
    /// `per_s` requests a second for each address, 0: as many as they like; `secret` must be random.
    pub(super) fn new(per_s: u32, secret: [u8; 16]) -> Self {
        let words = (0..WORDS).map(|_| AtomicU64::new(0)).collect();
        Self { words, secret, step_us: US_PER_S.checked_div(u64::from(per_s)) }
    }

    /// Counts a request; if it is one too many, the seconds after which the next one passes.
    pub(super) fn take(&self, address: IpAddr, now_ms: u64) -> Result<(), u64> {
        let Some(step_us) = self.step_us else { return Ok(()) };
        let mut hasher = SipHasher24::new_with_key(&self.secret);
        match address.to_canonical() {
            IpAddr::V4(v4) => hasher.write(&v4.octets()),
            v6 @ IpAddr::V6(_) => hasher.write(shortened(v6, IPV6_LENGTH).to_string().as_bytes()),
        }
        let Some(word) = self.words.get(hasher.finish() as usize % WORDS) else { return Ok(()) };
        let (now_us, burst_us) = (now_ms * 1000, BURST_MS * 1000);
        let next = |seen_us: u64| Some(seen_us.max(now_us) + step_us).filter(|next_us| *next_us <= now_us + burst_us);
        match word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(_) => Ok(()),
            Err(seen_us) => Err((seen_us + step_us).saturating_sub(now_us + burst_us).div_ceil(US_PER_S).max(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_burst_and_then_its_rate() {
        let (rates, now_ms) = (Rates::new(2, [7; 16]), 1_800_000_000_000);
        let passed = |address: &str, now_ms| {
            (0..100).take_while(|_| rates.take(address.parse().unwrap(), now_ms).is_ok()).count()
        };
        assert_eq!(passed("192.0.2.1", now_ms), 20);
        assert_eq!(rates.take("192.0.2.1".parse().unwrap(), now_ms), Err(1));
        assert_eq!(passed("192.0.2.1", now_ms + 1000), 2);
        assert_eq!(passed("2001:db8::1", now_ms), 20);
        assert_eq!(passed("2001:db8:0:ff::1", now_ms), 0, "the same home");
        assert!((0..100).all(|_| Rates::new(0, [7; 16]).take("192.0.2.1".parse().unwrap(), now_ms).is_ok()));
    }
}

//! When a failed delivery is tried again: the steps that Standard Webhooks recommends, each a little later by chance that
//! everybody can recompute.

use crate::log::sha256;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// The waits after the first, second, … failure in a row (Standard Webhooks, "Deliverability and reliability"); the last one
/// stays.
const WAITS_MS: [u64; 9] = [
    5_000,
    5 * MINUTE_MS,
    30 * MINUTE_MS,
    2 * HOUR_MS,
    5 * HOUR_MS,
    10 * HOUR_MS,
    14 * HOUR_MS,
    20 * HOUR_MS,
    24 * HOUR_MS,
];
/// A wait grows by up to this part of it, so that endpoints which failed together do not come back together.
const JITTER_PARTS: u64 = 5;
/// Who took nothing for so long is given up: a weekend and a holiday, and three more attempts a day apart.
pub(super) const GIVEN_UP_MS: u64 = 5 * DAY_MS;
/// The bounds within which `Retry-After` is believed: nobody makes the directory ask each moment, or wait for days.
const RETRY_AFTER_MS: (u64, u64) = (1_000, HOUR_MS);

/// How long to wait after the `failures`-th failure in a row (from 1) of the endpoint `id`, in milliseconds.
pub(super) fn wait_ms(id: &str, failures: u64) -> u64 {
    let step = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX).min(WAITS_MS.len() - 1);
    let wait_ms = WAITS_MS[step];
    let hash = sha256(&[id.as_bytes(), &failures.to_be_bytes()]);
    let chance = u64::from(u16::from_be_bytes([hash[0], hash[1]]));
    wait_ms + wait_ms / JITTER_PARTS * chance / u64::from(u16::MAX)
}

/// What an endpoint asked for in `Retry-After`, in seconds, as it is obeyed.
pub(super) fn asked_ms(retry_after_s: u64) -> u64 {
    retry_after_s.saturating_mul(1000).clamp(RETRY_AFTER_MS.0, RETRY_AFTER_MS.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_vary_and_are_the_same_each_time() {
        let waits: Vec<u64> = (1..=12).map(|failures| wait_ms("a", failures)).collect();
        for (step, wait) in waits.iter().enumerate() {
            let least = WAITS_MS[step.min(8)];
            assert!((least..=least + least / 5).contains(wait), "{step}: {wait}");
        }
        assert!(waits[..9].is_sorted());
        assert_eq!(waits, (1..=12).map(|failures| wait_ms("a", failures)).collect::<Vec<_>>());
        let ids: std::collections::BTreeSet<u64> = (0..100).map(|n| wait_ms(&format!("id{n}"), 4)).collect();
        assert!(ids.len() > 90, "{} different waits of a hundred endpoints", ids.len());
    }

    /// The sixth day brings no further attempt: the failure that ends it comes after five days and a half at the latest.
    #[test]
    fn who_takes_nothing_is_given_up_within_the_week() {
        let mut since_ms = 0;
        let attempts = (1..).take_while(|failures| {
            since_ms += wait_ms("a", *failures);
            since_ms < GIVEN_UP_MS
        });
        assert_eq!(attempts.count(), 10);
        assert!((GIVEN_UP_MS..GIVEN_UP_MS + 36 * HOUR_MS).contains(&since_ms), "{since_ms}");
    }

    #[test]
    fn retry_after_has_bounds() {
        assert_eq!((asked_ms(0), asked_ms(30), asked_ms(u64::MAX)), (1_000, 30_000, HOUR_MS));
    }
}

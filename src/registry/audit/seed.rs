//! The seed of a draw: what nobody could know when the population was committed to (REGISTRY.md 10, 2).
//!
//! `seed = H("callbook/audit-seed/v1\0" ‖ lp16(head) ‖ lp16(chain) ‖ u64 round ‖ lp16(value))`; head is the text of the checkpoint of
//! the map log that ends with the first epoch which rests on the leaf that closed the month. Without a beacon chain and value are
//! empty and round is 0.

use crate::log::bytes::put_lp16;
use crate::log::{Hash, sha256};

/// How long after the closing leaf the beacon's round comes, in seconds: the head is signed, and seen, by then.
const BEACON_AFTER_S: u64 = 600;

/// A public source of randomness that comes in numbered rounds, such as drand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beacon {
    /// Its name: of drand, the hash of the chain in hexadecimal digits.
    pub chain: String,
    /// When round 1 came, Unix seconds.
    pub genesis_s: u64,
    /// Seconds between rounds.
    pub period_s: u64,
}

impl Beacon {
    /// The round that a draw uses whose month was closed by a leaf of that time: the first one 10 minutes after it, or later.
    pub fn round_after(&self, closed_ms: u64) -> u64 {
        let at_s = closed_ms.div_ceil(1000).saturating_add(BEACON_AFTER_S);
        at_s.saturating_sub(self.genesis_s).div_ceil(self.period_s.max(1)) + 1
    }

    /// When a round comes, Unix seconds.
    pub fn time_s(&self, round: u64) -> u64 {
        self.genesis_s.saturating_add(round.saturating_sub(1).saturating_mul(self.period_s))
    }
}

/// One round of a beacon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// The beacon's name.
    pub chain: String,
    /// Which round.
    pub round: u64,
    /// What it said.
    pub value: Vec<u8>,
}

/// The seed by a head of the map log and a round of the beacon, if there is one.
pub fn seed(head: &str, round: Option<&Round>) -> Hash {
    let mut bytes = b"callbook/audit-seed/v1\0".to_vec();
    put_lp16(&mut bytes, head.as_bytes());
    put_lp16(&mut bytes, round.map_or("", |round| &round.chain).as_bytes());
    bytes.extend_from_slice(&round.map_or(0, |round| round.round).to_be_bytes());
    put_lp16(&mut bytes, round.map_or(&[], |round| &round.value));
    sha256(&[&bytes])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_round_is_fixed_by_the_time_of_the_leaf() {
        let beacon = Beacon { chain: "c".into(), genesis_s: 1000, period_s: 30 };
        // 2000 s + 600 s = 2600 s; rounds come at 1000, 1030, …
        assert_eq!(beacon.round_after(2_000_000), 55);
        assert_eq!((beacon.time_s(55), beacon.time_s(54)), (2620, 2590));
        assert_eq!(beacon.round_after(2_020_000), 55, "one that comes just then counts");
        assert_eq!(beacon.round_after(2_020_001), 56);
    }

    #[test]
    fn every_part_counts() {
        let round = |chain: &str, round, value: &[u8]| Round { chain: chain.into(), round, value: value.into() };
        let seeds = [
            seed("a", None),
            seed("b", None),
            seed("a", Some(&round("c", 1, b"v"))),
            seed("a", Some(&round("c", 2, b"v"))),
            seed("a", Some(&round("d", 1, b"v"))),
            seed("a", Some(&round("c", 1, b"w"))),
        ];
        assert!((0..seeds.len()).all(|i| seeds[..i].iter().all(|other| *other != seeds[i])));
    }
}

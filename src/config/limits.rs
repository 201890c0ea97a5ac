//! The name server's limits: what an address may ask for before it is slowed down or refused.

use serde::{Deserialize, Serialize};

use super::ranges::AddressRange;

/// Limits on what an address, or the network around it, may ask for (docs/DNS.md).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Answers a second over UDP to a /24 or /56 that shows no valid DNS cookie; 0 means no limit. Default: 1000.
    pub responses_per_s: u32,
    /// Every so many-th answer over that limit goes out truncated, the others are dropped; 0 drops all. Default: 2.
    pub slip: u32,
    /// Names of possible numbers a second that a /24 or /56 may ask for in the long run, ten minutes' worth at once; 0 means
    /// no limit. Default: 10.
    pub numbers_per_s: u32,
    /// Ranges to which no limit applies. Default: `127.0.0.0/8` and `::1/128`.
    pub exempt: Vec<AddressRange>,
    /// Ranges of resolvers that ask for many people: a hundred times the budget, of which only misses are shed. Default: none.
    pub resolvers: Vec<AddressRange>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            responses_per_s: 1_000,
            slip: 2,
            numbers_per_s: 10,
            exempt: ["127.0.0.0/8", "::1/128"].iter().filter_map(|range| range.parse().ok()).collect(),
            resolvers: Vec::new(),
        }
    }
}

impl Limits {
    /// No limits at all.
    pub fn none() -> Self {
        Self { responses_per_s: 0, slip: 2, numbers_per_s: 0, exempt: Vec::new(), resolvers: Vec::new() }
    }

    /// What is out of bounds, a line a mistake.
    pub(super) fn mistakes(&self) -> Vec<String> {
        /// Time in the buckets has microseconds; above this a limit would be none.
        const RATE_MAX: u32 = 1_000_000;
        /// Ranges are searched one by one for each query.
        const RANGES_MAX: usize = 256;
        let mut found = Vec::new();
        for (key, rate) in [("responses_per_s", self.responses_per_s), ("numbers_per_s", self.numbers_per_s)] {
            if rate > RATE_MAX {
                found.push(format!("limits.{key} = {rate}: at most {RATE_MAX}; 0 means no limit"));
            }
        }
        for (key, ranges) in [("exempt", &self.exempt), ("resolvers", &self.resolvers)] {
            if ranges.len() > RANGES_MAX {
                found.push(format!("limits.{key} has {} ranges: at most {RANGES_MAX}", ranges.len()));
            }
        }
        found
    }
}

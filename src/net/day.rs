//! What the name server did in the last day, in quarters of an hour: counts for a picture, without names and addresses.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::Clock;
use crate::nameserver::Counters;
use crate::net::counted::sums;

/// How often somebody has to look, in seconds: as often as `/metrics` moves (DNS.md 7).
pub const LOOK_EVERY_S: u64 = 60;
const QUARTER_S: u64 = 900;
const QUARTERS: usize = 96;

/// A quarter of an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quarter {
    /// When it began, Unix seconds.
    pub from_s: u64,
    /// Answers.
    pub answers: u64,
    /// Questions for possible numbers that found one.
    pub found: u64,
    /// Those that did not.
    pub missed: u64,
}

/// The last day.
pub struct Day {
    workers: Vec<Arc<Counters>>,
    clock: Arc<dyn Clock>,
    kept: Mutex<(Quarter, VecDeque<Quarter>)>,
}

impl Day {
    /// A day that begins now.
    pub fn new(workers: &[Arc<Counters>], clock: Arc<dyn Clock>) -> Self {
        let day = Self { workers: workers.to_vec(), clock, kept: Mutex::default() };
        day.look();
        day
    }

    /// Books what came since the last look on the quarter of now.
    pub fn look(&self) {
        let sums = sums(&self.workers);
        let from_s = self.clock.now_s() / QUARTER_S * QUARTER_S;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, quarters) = &mut *kept;
        // A clock that was set back books on the newest quarter there is.
        if quarters.back().is_none_or(|newest| newest.from_s < from_s) {
            quarters.push_back(Quarter { from_s, ..Quarter::default() });
        }
        while quarters.len() > QUARTERS {
            quarters.pop_front();
        }
        if let Some(newest) = quarters.back_mut() {
            newest.answers += sums.answers.saturating_sub(before.answers);
            newest.found += sums.found.saturating_sub(before.found);
            newest.missed += sums.missed.saturating_sub(before.missed);
        }
        *before = sums;
    }

    /// The quarters, the oldest first.
    pub fn quarters(&self) -> Vec<Quarter> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).1.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FakeClock;

    #[test]
    fn a_day_has_its_quarters_and_no_more() {
        let clock = Arc::new(FakeClock::at((QUARTER_S * 10 + 5) * 1000));
        let day = Day::new(&[], clock.clone());
        day.look();
        assert_eq!(day.quarters(), [Quarter { from_s: QUARTER_S * 10, ..Quarter::default() }]);
        for _ in 0..200 {
            clock.advance(QUARTER_S * 1000);
            day.look();
        }
        let quarters = day.quarters();
        assert_eq!((quarters.len(), quarters[95].from_s), (QUARTERS, QUARTER_S * 210));
    }
}

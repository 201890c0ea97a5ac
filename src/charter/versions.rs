//! The versions of a charter: each is in force from its date until the next one's (clause 10.1).

use std::sync::Arc;

use crate::charter::policy::Policy;

/// A day in milliseconds.
const DAY_MS: u64 = 86_400_000;

/// One version of a charter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// 1 for the first, then one more each time; 0 before any was announced.
    pub number: u64,
    /// From when on it is in force, Unix milliseconds.
    pub effective_ms: u64,
    /// Its parameters and its text.
    pub policy: Arc<Policy>,
}

/// The versions of a directory's charter in the order of their dates. There is always one in force.
#[derive(Clone, Debug)]
pub struct Versions {
    first: Version,
    later: Vec<Version>,
}

/// Why a version cannot be the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Not one more than the newest.
    #[error("it is not the next version")]
    Number,
    /// Before the date of an announced one.
    #[error("it would take effect before the version that was announced last")]
    Order,
}

impl Versions {
    /// What is in force before anything was announced.
    pub fn new(policy: Arc<Policy>) -> Self {
        Self { first: Version { number: 0, effective_ms: 0, policy }, later: Vec::new() }
    }

    /// Adds the next version.
    pub fn announce(&mut self, next: Version) -> Result<(), Unfit> {
        let newest = self.newest();
        if next.number != newest.number + 1 {
            return Err(Unfit::Number);
        }
        if next.effective_ms < newest.effective_ms {
            return Err(Unfit::Order);
        }
        self.later.push(next);
        Ok(())
    }

    /// The version in force at a time (Unix milliseconds).
    pub fn at(&self, now_ms: u64) -> &Version {
        self.later.iter().rev().find(|version| version.effective_ms <= now_ms).unwrap_or(&self.first)
    }

    /// Those announced and not in force yet.
    pub fn coming(&self, now_ms: u64) -> impl Iterator<Item = &Version> {
        self.later.iter().filter(move |version| version.effective_ms > now_ms)
    }

    /// The version announced last.
    pub fn newest(&self) -> &Version {
        self.later.last().unwrap_or(&self.first)
    }

    /// The version with that number.
    pub fn get(&self, number: u64) -> Option<&Version> {
        std::iter::once(&self.first).chain(&self.later).find(|version| version.number == number)
    }

    /// When a version that is announced now may take effect at the earliest.
    pub fn earliest_ms(&self, now_ms: u64) -> u64 {
        let notice_ms = self.at(now_ms).policy.charter_notice_d * DAY_MS;
        now_ms.saturating_add(notice_ms).max(self.newest().effective_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u64, effective_ms: u64) -> Version {
        Version { number, effective_ms, policy: Arc::new(Policy::embedded()) }
    }

    #[test]
    fn each_is_in_force_from_its_date_until_the_next() {
        let mut all = Versions::new(Arc::new(Policy::embedded()));
        assert_eq!(all.at(5).number, 0);
        all.announce(version(1, 10)).unwrap();
        all.announce(version(2, 20)).unwrap();
        assert_eq!([9, 10, 19, 20, 99].map(|now| all.at(now).number), [0, 1, 1, 2, 2]);
        assert_eq!(all.coming(10).map(|v| v.number).collect::<Vec<_>>(), [2]);
        assert_eq!(all.announce(version(2, 30)), Err(Unfit::Number));
        assert_eq!(all.announce(version(3, 19)), Err(Unfit::Order));
        assert_eq!(all.get(1), Some(&version(1, 10)));
        assert_eq!(all.get(7), None);
    }

    #[test]
    fn the_notice_is_that_of_the_version_in_force() {
        let mut all = Versions::new(Arc::new(Policy::embedded()));
        assert_eq!(all.earliest_ms(1000), 1000 + 60 * DAY_MS);
        all.announce(version(1, 90 * DAY_MS)).unwrap();
        assert_eq!(all.earliest_ms(1000), 90 * DAY_MS, "not before the one that is announced");
    }
}

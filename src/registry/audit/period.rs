//! The month that an audit is about: a calendar month in UTC, written `2026-11`.

use std::fmt;

use crate::clock::{parse_rfc3339, rfc3339, unix_s};

/// A calendar month in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    year: u64,
    month: u64,
}

impl Period {
    /// The month in which a time (Unix milliseconds) lies.
    pub fn of(at_ms: u64) -> Self {
        Self::parse(&rfc3339(unix_s(at_ms))[..7]).expect("a time of ours has a year and a month")
    }

    /// Reads `2026-11`; nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        parse_rfc3339(&format!("{text}-01T00:00:00Z"))?;
        let (year, month) = text.split_once('-')?;
        Some(Self { year: year.parse().ok()?, month: month.parse().ok()? })
    }

    /// Its first moment, Unix milliseconds.
    pub fn from_ms(self) -> u64 {
        parse_rfc3339(&format!("{self}-01T00:00:00Z")).expect("a month of ours is one").saturating_mul(1000)
    }

    /// The first moment after it.
    pub fn to_ms(self) -> u64 {
        self.next().from_ms()
    }

    /// The month after it.
    pub const fn next(self) -> Self {
        match self.month {
            12 => Self { year: self.year + 1, month: 1 },
            month => Self { year: self.year, month: month + 1 },
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_follows_another_without_a_gap() {
        let mut month = Period::parse("2027-11").unwrap();
        for text in ["2027-12", "2028-01", "2028-02", "2028-03"] {
            assert_eq!(month.to_ms(), month.next().from_ms());
            assert_eq!(Period::of(month.to_ms() - 1), month);
            month = Period::of(month.to_ms());
            assert_eq!(month.to_string(), text);
        }
        assert_eq!(
            Period::parse("2028-02").unwrap().to_ms() - Period::parse("2028-02").unwrap().from_ms(),
            29 * 86_400_000
        );
        for wrong in ["", "2027", "2027-13", "2027-1", "2027-00", "02027-01", "2027-01-01", "+027-01"] {
            assert_eq!(Period::parse(wrong), None, "{wrong}");
        }
    }
}

//! When signatures begin and end: fixed slots, never "from now", so that a signature's times do not tell when a number
//! was first asked for, and nodes agree (DNS.md 4).

use crate::wire::name::spread;
use crate::zone::Stamp;

const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 24 * HOUR_S;

/// Which rule a signature's times follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Data of a number: slots of a day, shifted by the name; three days; never beyond the number's end.
    Number {
        /// Unix seconds.
        not_after_s: u64,
    },
    /// Denials: whole hours, 25 hours.
    Denial,
    /// Static data, the apex above all: slots of a week, fourteen days. So each day a seventh of the names is signed anew, and
    /// every signature is good for a week at least.
    Fixed,
    /// The DNSKEY RRset: slots of a day, at most seven days with the hour before: a stolen key must age fast.
    Dnskey,
}

/// Inception and expiration, Unix seconds, and the slot's start that stands for both in a [`Stamp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The slot's start.
    pub start_s: u32,
    /// An hour earlier, for clocks that are behind.
    pub inception_s: u32,
    /// The end.
    pub expiration_s: u32,
}

impl Window {
    /// The slot that `now_s` lies in, for a lower-case owner name in wire form.
    pub fn at(self, now_s: u64, owner: &[u8]) -> Validity {
        let (period_s, valid_s, end_s) = match self {
            Self::Number { not_after_s } => (DAY_S, 3 * DAY_S, not_after_s),
            Self::Denial => (HOUR_S, 25 * HOUR_S, u64::MAX),
            Self::Fixed => (7 * DAY_S, 14 * DAY_S, u64::MAX),
            Self::Dnskey => (DAY_S, 7 * DAY_S - HOUR_S, u64::MAX),
        };
        let shift_s = if self == Self::Denial { 0 } else { spread(owner) % period_s };
        let start_s = ((now_s + shift_s) / period_s * period_s).saturating_sub(shift_s);
        // Serial arithmetic (RFC 4034 3.1.5): the low 32 bits are the value, also after 2106.
        Validity {
            start_s: start_s as u32,
            inception_s: start_s.saturating_sub(HOUR_S) as u32,
            expiration_s: (start_s + valid_s).min(end_s) as u32,
        }
    }
}

impl Validity {
    /// The stamp of a signature of this slot by the key with this tag.
    pub fn stamp(self, key_tag: u16) -> Stamp {
        Stamp { start_s: self.start_s, key_tag }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn now_is_inside_and_the_slot_does_not_move(now in 1_700_000_000u64..4_000_000_000, name in "[a-z]{1,20}", life in 1u64..9_000_000) {
            let owner = name.as_bytes();
            for (window, longest) in [
                (Window::Number { not_after_s: now + life }, 3 * DAY_S),
                (Window::Denial, 25 * HOUR_S),
                (Window::Fixed, 14 * DAY_S),
                (Window::Dnskey, 7 * DAY_S - HOUR_S),
            ] {
                let v = window.at(now, owner);
                prop_assert!(u64::from(v.inception_s) + HOUR_S <= now && now < u64::from(v.expiration_s));
                prop_assert!(u64::from(v.expiration_s) - u64::from(v.start_s) <= longest);
                prop_assert_eq!(window.at(u64::from(v.start_s), owner), v);
                if let Window::Number { not_after_s } = window {
                    prop_assert!(u64::from(v.expiration_s) <= not_after_s);
                }
            }
        }
    }

    #[test]
    fn denials_change_on_the_hour_and_names_change_at_different_times() {
        assert_eq!(Window::Denial.at(7_199, b"a").start_s, 3_600);
        assert_eq!(Window::Denial.at(7_200, b"b").start_s, 7_200);
        let start = |name: &[u8]| Window::Fixed.at(1_800_000_000, name).start_s;
        assert_ne!(start(b"a"), start(b"b"));
    }
}

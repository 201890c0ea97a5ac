//! The days of the DNSKEY RRset's signatures: when each begins, at one apex.

use crate::dnssec::Window;
use crate::wire::Name;

/// Seconds of a slot of [`Window::Dnskey`].
pub const SLOT_S: u64 = 86_400;

/// The slots at one apex.
#[derive(Clone, Copy, Debug)]
pub struct Slots {
    apex: Name,
}

impl Slots {
    /// Those of `apex`.
    pub fn of(apex: &Name) -> Self {
        Self { apex: *apex }
    }

    /// When the slot began that `at_s` lies in, Unix seconds.
    pub fn start(self, at_s: u64) -> u64 {
        Window::Dnskey.at(at_s, self.apex.as_wire()).start_s.into()
    }

    /// The first beginning of a slot at `at_s` or after.
    pub fn up(self, at_s: u64) -> u64 {
        self.start(at_s.saturating_add(SLOT_S - 1))
    }

    /// Whether a slot begins then.
    pub fn is_start(self, at_s: u64) -> bool {
        self.start(at_s) == at_s
    }
}

/// A wait in whole slots.
pub(super) fn whole(wait_s: u64) -> u64 {
    wait_s.div_ceil(SLOT_S) * SLOT_S
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_follow_each_other_a_day_apart() {
        let slots = Slots::of(&Name::from_text("e164.example.").unwrap());
        let start = slots.start(1_800_000_000);
        assert!(start <= 1_800_000_000 && start + SLOT_S > 1_800_000_000);
        assert_eq!((slots.start(start), slots.up(start), slots.up(start + 1)), (start, start, start + SLOT_S));
        assert_eq!(slots.start(start + SLOT_S - 1), start);
        assert!(slots.is_start(start + 9 * SLOT_S) && !slots.is_start(start + 1));
        assert_eq!((whole(0), whole(1), whole(SLOT_S), whole(SLOT_S + 1)), (0, SLOT_S, SLOT_S, 2 * SLOT_S));
    }
}

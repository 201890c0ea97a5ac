//! What became of earlier requests for a number, as far as later ones must wait for it (clauses 6.3, 6.5).

use crate::log::event::Door;
use crate::log::key::Thumbprint;

/// One thing that happened to a number and is remembered for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// What happened.
    pub what: Happened,
    /// When it was accepted, Unix milliseconds.
    pub time_ms: u64,
}

/// What is remembered. None of it names a person: the number's label stands beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A change by code or by claim took effect.
    Completed {
        /// The control key that it took the number from.
        control_before: Thumbprint,
    },
    /// A request for a recovery, by code or by claim was vetoed.
    Vetoed {
        /// The provider that had made it.
        provider: String,
    },
    /// The holder validated again after an objection, as clause 6.3 asks both sides to.
    Revalidated,
}

/// Everything that is remembered of one number.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    past: &'a [Past],
    now_ms: u64,
    pause_ms: u64,
}

impl<'a> History<'a> {
    /// What happened until `now_ms`; a pause lasts `pause_ms`.
    pub const fn new(past: &'a [Past], now_ms: u64, pause_ms: u64) -> Self {
        Self { past, now_ms, pause_ms }
    }

    /// Until when a change by code or by claim lets no other follow, Unix milliseconds. The claim by which the key before
    /// it returns need not wait: `door` and the control key that is asked for.
    pub fn paused_until_ms(&self, door: Door, control: &Thumbprint) -> Option<u64> {
        let pauses = |past: &&Past| match &past.what {
            Happened::Completed { control_before } => !(door == Door::Validation && control_before == control),
            _ => false,
        };
        self.recent().filter(pauses).map(|past| past.time_ms.saturating_add(self.pause_ms)).max()
    }

    /// Until when a veto lets this provider make no request.
    pub fn vetoed_until_ms(&self, provider: &str) -> Option<u64> {
        let theirs = |past: &&Past| matches!(&past.what, Happened::Vetoed { provider: vetoed } if vetoed == provider);
        self.recent().filter(theirs).map(|past| past.time_ms.saturating_add(self.pause_ms)).max()
    }

    /// How many vetoes there were lately.
    pub fn vetoes(&self) -> usize {
        self.recent().filter(|past| matches!(past.what, Happened::Vetoed { .. })).count()
    }

    /// Whether the holder has validated again since `since_ms`.
    pub fn revalidated_since(&self, since_ms: u64) -> bool {
        self.past.iter().any(|past| past.what == Happened::Revalidated && past.time_ms >= since_ms)
    }

    fn recent(&self) -> impl Iterator<Item = &'a Past> {
        let (now_ms, pause_ms) = (self.now_ms, self.pause_ms);
        self.past.iter().filter(move |past| now_ms < past.time_ms.saturating_add(pause_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_end_and_the_way_back_does_not_wait() {
        let completed = Past { what: Happened::Completed { control_before: [1; 32] }, time_ms: 100 };
        let vetoed = |time_ms| Past { what: Happened::Vetoed { provider: "acme".into() }, time_ms };
        let past = [completed, vetoed(90), vetoed(120)];
        let at = |now_ms| History::new(&past, now_ms, 50);
        assert_eq!(at(149).paused_until_ms(Door::Validation, &[2; 32]), Some(150));
        assert_eq!(at(149).paused_until_ms(Door::Code, &[1; 32]), Some(150));
        assert_eq!(at(149).paused_until_ms(Door::Validation, &[1; 32]), None);
        assert_eq!(at(150).paused_until_ms(Door::Validation, &[2; 32]), None);
        assert_eq!((at(130).vetoed_until_ms("acme"), at(130).vetoed_until_ms("bell")), (Some(170), None));
        assert_eq!((at(139).vetoes(), at(140).vetoes(), at(170).vetoes()), (2, 1, 0));
        assert!(!at(130).revalidated_since(0));
    }
}

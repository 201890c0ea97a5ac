//! What the rules of events keep of a label beside its State: whose it is, what is pending, and what can be taken back.

use crate::log::event::Door;
use crate::log::key::Thumbprint;
use crate::log::state::{Flags, State};
use crate::registry::terms::Terms;

/// What is kept of a label beside its State.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The present State, epochs filled in.
    pub state: State,
    /// The provider of the registration; of a released number the last one.
    pub provider: String,
    /// The time of the State's epoch, Unix milliseconds.
    pub time_ms: u64,
    /// The request behind `state.pending`.
    pub request: Option<Request>,
    /// From which key a change by code or by claim took it, while that key may take it back.
    pub taken: Option<Taken>,
}

/// A change by code or by claim that the key before can undo (clause 6.10): nobody had objected, and nobody had ruled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The control key before.
    pub control: Thumbprint,
    /// The time of the epoch of the change, Unix milliseconds.
    pub time_ms: u64,
}

/// A pending request, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Which way it takes.
    pub door: Door,
    /// The control key that it asks for; zero for the notice of a release.
    pub control: Thumbprint,
    /// The provider that asks.
    pub provider: String,
    /// The time of its epoch, Unix milliseconds.
    pub time_ms: u64,
    /// Did the recovery key sign it?
    pub fast: bool,
    /// The time of the epoch of an objection, Unix milliseconds.
    pub objected_ms: Option<u64>,
}

impl Entry {
    /// When the pending request may be completed, Unix milliseconds. An objection may put that off.
    pub fn opens_ms(&self, terms: &Terms) -> Option<u64> {
        let request = self.request.as_ref()?;
        Some(request.time_ms.saturating_add(self.wait_ms(request, terms)))
    }

    /// When the pending request becomes void, Unix milliseconds; where the wait itself is as long, as long after its end.
    pub fn void_ms(&self, terms: &Terms) -> Option<u64> {
        let request = self.request.as_ref()?;
        let (wait_ms, objected) = (self.wait_ms(request, terms), self.state.flags.contains(Flags::OBJECTED));
        let life_ms = if objected { terms.objected_void_ms } else { terms.void_ms };
        let over_ms = if wait_ms < life_ms { life_ms } else { wait_ms.saturating_add(life_ms) };
        Some(request.time_ms.saturating_add(over_ms))
    }

    fn wait_ms(&self, request: &Request, terms: &Terms) -> u64 {
        let flags = self.state.flags;
        match request.door {
            door if flags.contains(Flags::LOCK) && door != Door::Direct => terms.locked_ms,
            Door::Validation if flags.contains(Flags::PROVIDER_HELD) => terms.held_ms,
            _ if request.fast => terms.fast_ms,
            door => terms.cooldown_ms(door),
        }
    }
}

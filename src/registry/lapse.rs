//! What the sequencer does without being asked: a registration that nobody renews is released (clause 5.3), and live numbers
//! are carried over into a new era.

use crate::log::ZERO;
use crate::log::event::{Door, Event, Kind, Role};
use crate::log::key::SigningKey;
use crate::log::label::Label;
use crate::log::state::{Flags, State, Status};
use crate::registry::rules::Entry;
use crate::registry::terms::{DAY_S, Terms};

/// When the sequencer releases a number that is not renewed, Unix milliseconds; `None` if it is released already.
pub fn release_due_ms(entry: &Entry, terms: &Terms) -> Option<u64> {
    let live = entry.state.status != Status::Released;
    live.then(|| entry.state.not_after.saturating_mul(1000).saturating_add(terms.grace_ms))
}

/// The event by which the sequencer releases a lapsed number, signed and with both epochs 0. It is lawful from
/// [`release_due_ms`] on.
pub fn release(entry: &Entry, label: Label, origin: &str, now_ms: u64, sequencer: &SigningKey) -> Event {
    let prev = entry.state.hash();
    let state = State {
        status: Status::Released,
        flags: Flags::NONE,
        version: entry.state.version.saturating_add(1),
        since_epoch: 0,
        key_epoch: 0,
        not_after: entry.state.not_after,
        prev,
        control: ZERO,
        recovery: ZERO,
        pending: ZERO,
        commitment: ZERO,
    };
    by_sequencer(Kind::Release, state, label, origin, now_ms, sequencer)
}

/// The event by which the sequencer carries a number in that State over into the era of `origin`, signed and with both epochs 0
/// (TRUST.md 2, kind 12).
pub fn carry(before: &State, label: Label, origin: &str, now_ms: u64, sequencer: &SigningKey) -> Event {
    let (version, prev) = (before.version.saturating_add(1), before.hash());
    let state = State { version, since_epoch: 0, key_epoch: 0, prev, ..before.clone() };
    by_sequencer(Kind::Carry, state, label, origin, now_ms, sequencer)
}

fn by_sequencer(kind: Kind, state: State, label: Label, origin: &str, now_ms: u64, sequencer: &SigningKey) -> Event {
    let mut event = Event {
        kind,
        door: Door::Main,
        label,
        prev: state.prev,
        state,
        provider: String::new(),
        evidence: ZERO,
        valid_until: now_ms / 1000 + DAY_S,
        signatures: Vec::new(),
    };
    event.sign(origin, Role::Sequencer, sequencer);
    event
}

//! Events by order: what two of the operator's staff sign about a number, built from its present State (clauses 5.7 and 11.4).

use crate::log::Hash;
use crate::log::ZERO;
use crate::log::event::{Door, Event, Kind};
use crate::log::label::Label;
use crate::log::state::{Flags, State, Status};
use crate::registry::acts::ActKind;
use crate::registry::rules::Entry;
use crate::registry::terms::DAY_S;

/// The kind of event that an act about numbers leads to.
pub const fn kind(act: ActKind) -> Option<Kind> {
    match act {
        ActKind::SuspendNumbers => Some(Kind::Suspend),
        ActKind::ResumeNumbers => Some(Kind::Resume),
        ActKind::VetoClaim => Some(Kind::Veto),
        _ => None,
    }
}

/// The event for a number as it stands, without signatures and with both epochs 0, good for a day; `evidence` is the hash of
/// the order's leaf. `None` if there is nothing to do: it is withheld already, or not, or nobody claims it.
pub fn event(act: ActKind, entry: &Entry, label: Label, evidence: Hash, now_s: u64) -> Option<Event> {
    let (kind, old) = (kind(act)?, &entry.state);
    let held = old.flags.contains(Flags::SUSP_OP);
    let claimed = entry.request.as_ref().is_some_and(|request| request.door == Door::Validation);
    let flags = match kind {
        Kind::Suspend if !held => old.flags.with(Flags::SUSP_OP),
        Kind::Resume if held => old.flags.without(Flags::SUSP_OP),
        Kind::Veto if claimed => old.flags.without(Flags::OBJECTED),
        _ => return None,
    };
    if old.status == Status::Released {
        return None;
    }
    let prev = old.hash();
    let status = if flags.intersects(Flags::SUSPENSIONS) { Status::Suspended } else { Status::Active };
    let pending = if kind == Kind::Veto { ZERO } else { old.pending };
    let version = old.version.saturating_add(1);
    let state = State { status, flags, version, prev, pending, ..old.as_signed() };
    Some(Event {
        kind,
        door: Door::Main,
        label,
        prev,
        state,
        provider: String::new(),
        evidence,
        valid_until: now_s + DAY_S,
        signatures: Vec::new(),
    })
}

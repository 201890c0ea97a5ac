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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::charter::Policy;
    use crate::log::event::Role;
    use crate::log::key::{Algorithm, SigningKey};
    use crate::log::pending;
    use crate::registry::register::Register;
    use crate::registry::rules::{self, Broken, Law, Request};
    use crate::registry::terms::Terms;

    const ORIGIN: &str = "dir.example/map/0";
    const NOW_MS: u64 = 1_800_000_000_000;

    fn key(n: u8) -> SigningKey {
        SigningKey::from_bytes(Algorithm::Ed25519, &[n; 32]).unwrap()
    }

    /// A number that another person claims, to which the holder has objected.
    fn contested(flags: Flags) -> Entry {
        let request = Request {
            door: Door::Validation,
            control: [8; 32],
            provider: "bell".into(),
            time_ms: NOW_MS - 5,
            fast: false,
            objected_ms: Some(NOW_MS - 3),
        };
        let state = State {
            status: if flags.intersects(Flags::SUSPENSIONS) { Status::Suspended } else { Status::Active },
            flags: flags.with(Flags::OBJECTED),
            version: 4,
            since_epoch: 3,
            key_epoch: 1,
            not_after: NOW_MS / 1000 + 9_000_000,
            prev: [1; 32],
            control: [2; 32],
            recovery: ZERO,
            pending: pending::hash(Door::Validation, &[8; 32], "bell"),
            commitment: [3; 32],
        };
        Entry { state, provider: "acme".into(), time_ms: NOW_MS - 3, request: Some(request), taken: None }
    }

    /// What auditors say of the event of an act, signed by these keys; the staff has the keys 1 and 2.
    fn judged(act: ActKind, entry: &Entry, signers: &[u8], evidence: Hash) -> Result<Entry, Broken> {
        let register = Register::new([], [], [key(1).public().clone(), key(2).public().clone()]);
        let terms = Terms::of(&Policy::embedded());
        let gov = HashSet::from([[7; 32]]);
        let law = Law { register: &register, sequencer: &[], gov: &gov, terms: &terms, carry_until: 0 };
        let mut event = event(act, entry, Label([5; 32]), evidence, NOW_MS / 1000).expect("there is something to do");
        signers.iter().for_each(|n| event.sign(ORIGIN, Role::Operator, &key(*n)));
        let (sealed, after) = rules::seal(&event, 4, NOW_MS, Some(entry), &law)?;
        assert_eq!(rules::check(&sealed, ORIGIN, 4, NOW_MS, Some(entry), &law).as_ref(), Ok(&after));
        Ok(after)
    }

    #[test]
    fn two_of_the_staff_withhold_give_back_and_rule() {
        for flags in [Flags::NONE, Flags::SUSP_HOLDER, Flags::LOCK, Flags::PROVIDER_HELD] {
            let entry = contested(flags);
            let held = judged(ActKind::SuspendNumbers, &entry, &[1, 2], [7; 32]).unwrap();
            assert_eq!(held.state.flags, entry.state.flags.with(Flags::SUSP_OP));
            assert_eq!(held.request, entry.request, "a claim goes on");
            assert!(
                event(ActKind::SuspendNumbers, &held, Label([5; 32]), [7; 32], 9).is_none(),
                "it is withheld already"
            );
            let held = Entry { state: State { since_epoch: 3, ..held.state }, ..held };
            let back = judged(ActKind::ResumeNumbers, &held, &[2, 1], [7; 32]).unwrap();
            assert_eq!((back.state.flags, back.state.status), (entry.state.flags, entry.state.status));
            let ruled = judged(ActKind::VetoClaim, &entry, &[1, 2], [7; 32]).unwrap();
            assert_eq!((ruled.state.pending, ruled.state.flags, ruled.request), (ZERO, flags, None));
            assert_eq!(ruled.state.control, entry.state.control, "the old holder keeps the number");
        }
    }

    #[test]
    fn one_hand_a_stranger_and_a_missing_order_do_nothing() {
        let entry = contested(Flags::NONE);
        for act in [ActKind::SuspendNumbers, ActKind::VetoClaim] {
            assert_eq!(judged(act, &entry, &[1], [7; 32]), Err(Broken::Signers));
            assert_eq!(judged(act, &entry, &[], [7; 32]), Err(Broken::Signers));
            assert_eq!(judged(act, &entry, &[1, 3], [7; 32]), Err(Broken::NotOperator));
            assert_eq!(judged(act, &entry, &[1, 2], [6; 32]), Err(Broken::Evidence));
        }
        let unclaimed = Entry { request: None, ..contested(Flags::NONE) };
        assert!(event(ActKind::VetoClaim, &unclaimed, Label([5; 32]), [7; 32], 9).is_none());
        assert!(event(ActKind::ResumeNumbers, &entry, Label([5; 32]), [7; 32], 9).is_none());
    }
}

//! What a dishonest operator can try, and who catches it. Rewriting for a mirror: `copied`; for a witness: `crate::witness`; DNS against
//! log: `crate::walk::proofs`. Backdating and forged batches are the auditor's.

use callbook::client::evidence::{Explained, Verdict, explain};
use callbook::client::holder::Change;
use callbook::client::prove::{Monitored, Pins, Refused, Watched};
use callbook::log::ZERO;
use callbook::log::event::{Door, Role};
use callbook::log::misbehaviour::{Misbehaviour, What};
use callbook::log::state::Flags;

use super::crook::{Crook, HOLDER, THIEF, World, key};

fn seen(watched: Result<Watched, impl std::fmt::Display>) -> Monitored {
    match watched {
        Ok(Watched::Seen(seen)) => seen,
        Ok(Watched::Refused(Refused { why, .. })) => panic!("refused: {why}"),
        Err(error) => panic!("{error}"),
    }
}

fn refused(watched: Result<Watched, impl std::fmt::Display>) -> Refused {
    match watched {
        Ok(Watched::Refused(refused)) => refused,
        Ok(Watched::Seen(seen)) => panic!("believed: {seen:?}"),
        Err(error) => panic!("{error}"),
    }
}

/// The evidence, read back from its file; and explained.
fn proved(refused: &Refused) -> (Misbehaviour, Explained) {
    let evidence = refused.evidence.as_ref().unwrap_or_else(|| panic!("no evidence: {}", refused.why));
    let text = evidence.write();
    if std::env::var_os("CALLBOOK_UPDATE_CORPUS").is_some() {
        let file = format!("{}/fuzz/corpus/evidence/{}", env!("CARGO_MANIFEST_DIR"), evidence.kind());
        std::fs::write(file, &text).unwrap();
    }
    assert_eq!(Misbehaviour::parse(&text).as_ref(), Ok(&**evidence));
    (*evidence.clone(), explain(evidence, None, None).unwrap())
}

/// A holder who has looked once.
fn known(crook: &Crook) -> Pins {
    let mut pins = Pins::default();
    let first = seen(crook.watch(&mut pins));
    assert!(first.first_use && !first.has_changed() && first.own);
    assert_eq!((first.version, first.changes.len()), (2, 2));
    let again = seen(crook.watch(&mut pins));
    assert!(!again.first_use && again.changes.is_empty() && !again.alarms());
    pins
}

#[test]
fn an_honest_operator_is_believed_and_each_change_is_told() {
    let crook = Crook::honest();
    let mut pins = known(&crook);
    crook.do_so(|world| world.publish(Some(world.update("sip:c@acme.example", HOLDER)), 3000));
    let after = seen(crook.watch(&mut pins));
    assert_eq!((after.changes.len(), after.version, after.alarms()), (1, 3, false));
    assert_eq!(
        (after.changes[0].told.as_str(), after.changes[0].own),
        ("the record was changed, signed by your key", true)
    );

    // A recovery that somebody else asks for: seen at once, and stopped.
    crook.do_so(|world| {
        let request =
            Change::request(world.label, world.state.as_ref().unwrap(), Door::Main, key(THIEF).public(), "acme");
        let request = World::signed(request.evidence(&["a.b.c"]).unwrap(), &[(Role::NewControl, THIEF)], true);
        world.publish(Some(request), 2500);
    });
    let after = seen(crook.watch(&mut pins));
    assert!(after.alarms() && after.changes[0].alarm && after.own);
    let pending = after.pending.unwrap();
    assert_eq!((pending.door, pending.provider.as_str()), (0, "acme"));
    assert!(pending.remedy.contains("callbook number veto"), "{pending:?}");
    assert!(seen(crook.watch(&mut pins)).pending.is_some(), "as long as it waits");
    crook.do_so(|world| {
        let veto = Change::veto(world.label, world.state.as_ref().unwrap());
        world.publish(Some(World::signed(veto, &[(Role::Control, HOLDER)], false)), 2000);
    });
    let after = seen(crook.watch(&mut pins));
    assert!(!after.alarms() && after.pending.is_none() && after.changes[0].own);
}

/// One caller is shown another key: the two histories cannot both grow out of one log.
#[test]
fn another_world_for_one_caller_is_caught_by_its_pins() {
    let crook = Crook::honest();
    let mut pins = known(&crook);
    let mut other = crook.copy();
    other.rewrite(1);
    for leaves in [3, 4] {
        if leaves == 4 {
            other.publish(None, 1000);
        }
        let refused = refused(Crook::with(other.clone()).watch(&mut pins));
        assert!(refused.why.contains("fork of the last one seen"), "{}", refused.why);
        let (evidence, explained) = proved(&refused);
        assert_eq!((evidence.kind(), explained.verdict), ("checkpoints", Verdict::Proved));
        assert!(explained.not_proved.iter().any(|line| line.contains("--trust")), "{explained:?}");
        flipped(&evidence);
    }
    assert!(!seen(crook.watch(&mut pins)).has_changed(), "nothing of it was remembered");
}

/// A change that the holder did not make, and what must be said of it.
type Swap = (&'static str, fn(&mut World));

const SWAPS: [Swap; 5] = [
    ("signed by a key that is not the number's", |world| {
        let before = world.state.clone().unwrap();
        let change = Change::update(world.label, &before, &World::record("sip:b@acme.example"), [6; 32]);
        let change = change.control(key(THIEF).public());
        let event = World::signed(change, &[(Role::Control, THIEF), (Role::NewControl, THIEF)], true);
        world.publish(Some(event), 3000);
    }),
    ("pending", |world| {
        let before = world.state.clone().unwrap();
        let change = Change::complete(
            world.label,
            &before,
            Door::Main,
            &World::record("sip:b@acme.example"),
            [6; 32],
            key(THIEF).public(),
            before.not_after,
        );
        let change = change.evidence(&["a.b.c"]).unwrap();
        world.publish(Some(World::signed(change, &[(Role::NewControl, THIEF)], true)), 3000);
    }),
    ("door or signatures", |world| {
        let mut event = world.update("sip:c@acme.example", HOLDER);
        event.signatures.retain(|signature| signature.role != Role::Control);
        world.publish(Some(event), 3000);
    }),
    ("bad signature", |world| {
        let mut event = world.update("sip:c@acme.example", HOLDER);
        event.signatures[0].bytes[0] ^= 1;
        world.publish(Some(event), 3000);
    }),
    ("none that was shown makes the State", |world| {
        let mut state = world.state.clone().unwrap();
        (state.prev, state.version, state.flags) = (state.hash(), state.version + 1, Flags::LOCK);
        state.since_epoch = 3;
        world.state = Some(state);
        world.seal(3000);
    }),
];

#[test]
fn a_key_swapped_without_the_holder_is_caught_by_the_monitor() {
    let honest = Crook::honest();
    let pins = known(&honest);
    for (words, cheat) in SWAPS {
        let mut pins = pins.clone();
        let mut world = honest.copy();
        cheat(&mut world);
        let refused = refused(Crook::with(world).watch(&mut pins));
        let told = format!("{words}: {}", refused.why);
        assert!(refused.why.contains(words) || refused.why.contains("the proof does not hold: event"), "{told}");
        let (evidence, explained) = proved(&refused);
        assert_eq!((evidence.kind(), explained.verdict), ("unsigned", Verdict::Question), "{told}");
        assert!(explained.not_proved.iter().any(|line| line.contains("no other events")), "{explained:?}");
        flipped(&evidence);
    }
}

#[test]
fn two_states_of_one_version_are_caught_by_the_monitor() {
    let crook = Crook::honest();
    let mut pins = known(&crook);
    crook.do_so(|world| {
        let created = world.events[0].clone();
        world.events.truncate(1);
        world.state = Some(created.state);
        world.publish(Some(world.update("sip:c@acme.example", HOLDER)), 3000);
    });
    let other = refused(crook.watch(&mut pins));
    let (evidence, explained) = proved(&other);
    assert_eq!((evidence.kind(), explained.verdict), ("states", Verdict::Proved));
    assert!(explained.contradiction.contains("two States of version 2"), "{explained:?}");
    flipped(&evidence);

    // A number that goes back to what it was.
    crook.do_so(|world| {
        world.events.truncate(1);
        world.state = Some(world.events[0].state.clone());
        world.seal(2000);
    });
    let back = refused(crook.watch(&mut pins));
    let (evidence, explained) = proved(&back);
    assert!(evidence.kind() == "states" && explained.contradiction.contains("never goes back"), "{explained:?}");

    // Honest proofs of one log contradict nothing, in whatever order.
    let What::States { label, proofs } = evidence.what.clone() else { panic!("states") };
    let same = Box::new([proofs[0].clone(), proofs[0].clone()]);
    let none = Misbehaviour { what: What::States { label, proofs: same }, ..evidence };
    assert!(none.check().is_err() && explain(&none, None, None).is_err());
}

/// An event that was accepted and never published: whoever has its receipt sees that its time is over.
#[test]
fn a_dropped_event_is_caught_by_its_receipt() {
    let crook = Crook::honest();
    let mut pins = known(&crook);
    let dropped = crook.copy().update("sip:c@acme.example", HOLDER);
    let there = crook.copy().events[1].hash();
    assert!(!seen(crook.watch_for(&mut pins, Some((dropped.hash(), 3)))).has_changed(), "it may still come");
    crook.do_so(|world| world.publish(None, 3000));
    let late = refused(crook.watch_for(&mut pins, Some((dropped.hash(), 3))));
    assert!(late.why.contains("promised it for epoch 3") && late.evidence.is_none(), "{}", late.why);
    assert!(!seen(crook.watch_for(&mut pins, Some((there, 3)))).has_changed(), "this one is there");
}

#[test]
fn a_frozen_log_and_an_old_one_are_caught_by_their_time() {
    let crook = Crook::honest();
    let mut pins = known(&crook);
    let old = crook.copy();
    crook.do_so(|world| world.publish(None, 3000));
    seen(crook.watch(&mut pins));
    let back = refused(Crook::with(old).watch(&mut pins));
    assert!(back.why.contains("older than the last one seen") && back.evidence.is_none(), "{}", back.why);

    let day_ms = 24 * 3600 * 1000;
    let frozen = {
        let mut world = crook.copy();
        world.publish(None, day_ms + 60_000);
        Crook::with(world)
    };
    let refused = refused(frozen.watch(&mut Pins::default()));
    assert!(refused.why.contains("epoch: too old"), "{}", refused.why);
    let stale = {
        let mut world = crook.copy();
        world.publish(None, 11 * 60 * 1000);
        Crook::with(world)
    };
    assert!(seen(stale.watch(&mut Pins::default())).warnings.contains(&"stale"));
}

/// Everything that the operator can do to events that it shows: none of it is believed by whoever knows the number, or by who does not.
#[test]
fn no_change_to_an_event_passes() {
    let crook = Crook::honest();
    let pins = known(&crook);
    crook.do_so(|world| world.publish(Some(world.update("sip:c@acme.example", HOLDER)), 3000));
    let world = crook.copy();
    type Spoil = fn(&mut World);
    let spoils: [Spoil; 9] = [
        |world| world.events.truncate(2),
        |world| drop(world.events.remove(1)),
        |world| world.events.swap(1, 2),
        |world| world.events[2].state.since_epoch += 1,
        |world| world.events[2].state.key_epoch = 0,
        |world| world.events[2].state.not_after += 1,
        |world| world.events[2].state.recovery = [9; 32],
        |world| world.events[1].prev = ZERO,
        |world| world.events[2].signatures.clear(),
    ];
    for (i, spoil) in spoils.into_iter().enumerate() {
        let mut spoiled = world.clone();
        spoil(&mut spoiled);
        let crook = Crook::with(spoiled);
        for mut pins in [Pins::default(), pins.clone()] {
            let watched = crook.watch(&mut pins);
            assert!(matches!(watched, Ok(Watched::Refused(_))), "spoil {i}");
        }
    }
    assert!(seen(Crook::with(world).watch(&mut pins.clone())).has_changed());
}

/// Every byte of evidence: with one bit of it changed it proves nothing, or the very same.
fn flipped(evidence: &Misbehaviour) {
    let text = evidence.write();
    let whole = explain(evidence, None, None).unwrap();
    let (mut bytes, mut harmless) = (text.clone().into_bytes(), 0);
    for at in 0..bytes.len() {
        let bit = 1 << (at % 7);
        bytes[at] ^= bit;
        let read = std::str::from_utf8(&bytes).ok().map(callbook::log::misbehaviour::read_any);
        assert!(!matches!(read, Some(Err(_))), "byte {at}: {read:?}");
        let read = std::str::from_utf8(&bytes).ok().and_then(|text| Misbehaviour::parse(text).ok());
        if let Some(explained) = read.and_then(|read| explain(&read, None, None).ok()) {
            assert_eq!((&explained.signed, &explained.vkey), (&whole.signed, &whole.vkey), "byte {at}");
            harmless += 1;
        }
        bytes[at] ^= bit;
    }
    // What is not signed by the log itself: how an event is signed, what a record says.
    assert!(evidence.kind() != "checkpoints" || harmless == 0, "{harmless}");
    for length in 0..text.len() {
        let cut = Misbehaviour::parse(&text[..length]);
        assert!(
            cut.is_err() || cut.is_ok_and(|cut| explain(&cut, None, None).is_err()) || evidence.kind() == "unsigned",
            "{length} bytes"
        );
    }
}

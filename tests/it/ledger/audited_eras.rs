//! Auditors go on in the next era: what was live must come over, all of it and once, from the head that they have replayed.

use std::path::Path;

use callbook::attest::auditor::{At, Auditor, Fault, InMemory, Position, Replay, Rule, Stop, Store};
use callbook::authority::{self, Authority, EraWish, Leaves};
use callbook::charter::Policy;
use callbook::log::batch::Batch;
use callbook::log::epoch::{ConfigLeaf, EpochLeaf, PrevEra};
use callbook::log::event::Event;
use callbook::log::map;
use callbook::log::merkle::Frontier;
use callbook::log::random::Seeded;
use callbook::log::tile::{Tile, read_bundle};
use callbook::registry::acts::ActKind;
use callbook::registry::rules::Broken;

use super::audited::{NAME, Town, key, vkey};
use crate::ledger::desk::{era_in, settings};

fn open_era(dir: &Path, now_ms: u64) {
    std::fs::write(dir.join("era"), (era_in(dir) + 1).to_string()).unwrap();
    let wish = EraWish { reason: "a test of the council".into(), forgets_waiting: false };
    authority::open_era(&settings(dir), Policy::embedded(), &wish, now_ms + 500, &Seeded::new([9; 32])).unwrap();
}

#[test]
fn an_audit_goes_on_through_eras() {
    let town = Town::new();
    town.live();
    town.admit(ActKind::AuditorAdmit, vkey()).unwrap();
    town.turn();
    let kept = tempfile::tempdir().unwrap();
    let round = |town: &Town| {
        let mut auditor = town.auditor().unwrap();
        auditor.keep_batches_in(kept.path().to_owned());
        auditor.round(&mut |_, _| {}).map(|round| (auditor.origin().to_owned(), round)).unwrap()
    };
    assert_eq!(round(&town).0, "dir.example/map/0");
    // What comes behind the last round, and the whole first era for whoever begins later, is replayed before the next one.
    town.desk.register(7);
    town.turn();
    let last = town.desk.authority.published_epoch();
    let town = town.after(open_era);
    let (origin, seen) = round(&town);
    assert_eq!((origin.as_str(), seen.size), ("dir.example/map/1", town.desk.authority.published_epoch() + 1));
    town.desk.register(8);
    town.desk.submit(&town.desk.update(7, "sip:seven@acme.example")).unwrap();
    town.turn();
    assert_eq!(round(&town).1.events, 2);
    let audited = town.desk.authority.audited(&[], town.desk.authority.published_epoch() + 1).unwrap();
    assert!(audited.is_some(), "callers are shown it");
    let town = town.after(open_era);
    assert_eq!(round(&town).0, "dir.example/map/2");

    let home = tempfile::tempdir().unwrap();
    Store::create(home.path()).unwrap();
    let clock = town.desk.clock.clone();
    let mut late = Auditor::open(home.path(), NAME, key(), town.client(), None, clock).unwrap();
    assert_eq!(late.origin(), "dir.example/map/0", "an audit begins with the first era");
    late.round(&mut |_, _| {}).unwrap();
    assert_eq!(late.origin(), "dir.example/map/2");

    let authority = &town.desk.authority;
    for n in 1..=last {
        let batch = authority.audit_batch(Leaves::Past(0), n).unwrap();
        let file = kept.path().join(format!("0/{n}"));
        assert_eq!(std::fs::read(file).unwrap_or_default(), batch, "epoch {n}");
    }
    assert!(authority.audit_batch(Leaves::Past(0), last + 1).is_err());
    assert!(kept.path().join("1/1").exists());
}

/// Everything that an auditor fetches of one era.
struct Fetched {
    gov: Vec<Vec<u8>>,
    leaves: Vec<Vec<u8>>,
    batches: Vec<Vec<u8>>,
}

fn fetched(authority: &Authority, log: Leaves, size: u64) -> Fetched {
    let read = |log, size: u64| -> Vec<Vec<u8>> {
        let bundle = |n: u64| {
            let width = (size - n * 256).min(256);
            let name = if width == 256 { format!("{n:03}") } else { format!("{n:03}.p/{width}") };
            let tile = Tile::parse(&format!("tile/entries/{name}")).unwrap();
            read_bundle(&authority.log_tile(log, &tile).unwrap().unwrap(), width).unwrap()
        };
        (0..size.div_ceil(256)).flat_map(bundle).collect()
    };
    let gov_size = authority.logs().unwrap()[0].size;
    let batches = (1..size).map(|n| authority.audit_batch(log, n).unwrap()).collect();
    Fetched { gov: read(Leaves::Gov, gov_size), leaves: read(log, size), batches }
}

/// A batch of fewer or other events, and the leaf that would commit to it.
fn forged(leaf: &[u8], events: Vec<Event>) -> (Vec<u8>, Vec<u8>) {
    let mut leaf = EpochLeaf::parse(std::str::from_utf8(leaf).unwrap()).unwrap();
    let mut places: Vec<map::Leaf> = events.iter().map(|event| (event.label, event.state.hash())).collect();
    places.sort_unstable();
    leaf.map = map::root(&places);
    let batch = Batch::new(events).unwrap();
    leaf.batch = batch.root();
    (leaf.write().into_bytes(), batch.write())
}

#[test]
fn nobody_is_left_behind_or_doubled() {
    let town = Town::new();
    (1..=4).for_each(|n| drop(town.desk.register(n)));
    let gov_key = town.desk.authority.log_keys().gov;
    let town = town.after(open_era);
    let authority = &town.desk.authority;
    let size = authority.logs().unwrap()[2].size;
    let (old, new) = (fetched(authority, Leaves::Past(0), size), fetched(authority, Leaves::Map, 2));

    let mut replay = Replay::new(InMemory::default(), "dir.example/map/0", gov_key).unwrap();
    old.gov.iter().for_each(|leaf| replay.add_gov(leaf.clone()));
    let policy = town.desk.authority.policy();
    assert!(replay.know(policy.source()));
    replay.config(&old.leaves[0]).unwrap();
    old.leaves[1..].iter().zip(&old.batches).for_each(|(leaf, batch)| replay.epoch(leaf, batch).unwrap());
    let head = PrevEra {
        origin: "dir.example/map/0".into(),
        size: replay.position().log.size(),
        root: replay.position().log.root(),
    };
    let (decided, position) = (replay.decided().clone(), replay.position().clone());
    let start = |kept: InMemory| {
        let position = Position { log: Frontier::new(), ..position.clone() };
        let mut next = Replay::at(kept, "dir.example/map/1", decided.clone(), position).unwrap();
        new.gov[decided.size() as usize..].iter().for_each(|leaf| next.add_gov(leaf.clone()));
        next
    };
    let kept = replay.kept().clone();
    let begun = || {
        let mut next = start(kept.clone().in_the_next_era(head.clone()));
        next.config(&new.leaves[0]).unwrap();
        next
    };
    let rule = |done: Result<(), Stop<std::convert::Infallible>>| match done {
        Ok(()) => None,
        Err(Stop::Broken(Fault { rule, at: At::Epoch(_) | At::Event(..) })) => Some(rule),
        Err(other) => panic!("{other}"),
    };
    assert_eq!(rule(begun().epoch(&new.leaves[1], &new.batches[0])), None);

    let events = Batch::parse(&new.batches[0]).unwrap().events().to_vec();
    assert_eq!(events.len(), 4);
    let (leaf, batch) = forged(&new.leaves[1], events[1..].to_vec());
    assert_eq!(rule(begun().epoch(&leaf, &batch)), Some(Rule::CarriedOver), "one is left behind");
    let mut doubled = events.clone();
    doubled[3] = Event { label: events[3].label, ..events[2].clone() };
    doubled[3].state = events[2].state.clone();
    let (leaf, batch) = forged(&new.leaves[1], doubled);
    let found = rule(begun().epoch(&leaf, &batch));
    assert!(matches!(found, Some(Rule::CarriedOver | Rule::Event(Broken::BadSignature))), "{found:?}");
    let mut changed = events.clone();
    changed[0].state.control = events[1].state.control;
    let (leaf, batch) = forged(&new.leaves[1], changed);
    assert_eq!(rule(begun().epoch(&leaf, &batch)), Some(Rule::Event(Broken::ChangesMore)), "another key");

    // Another head, and no head at all.
    let shorter = PrevEra { size: head.size - 1, ..head.clone() };
    let mut next = start(kept.clone().in_the_next_era(shorter));
    assert_eq!(rule(next.config(&new.leaves[0])), Some(Rule::EraBefore));
    assert_eq!(rule(start(kept.clone()).config(&new.leaves[0])), Some(Rule::EraBefore));
    let said = ConfigLeaf::parse(std::str::from_utf8(&new.leaves[0]).unwrap()).unwrap();
    assert_eq!(said.prev_era, Some(head.clone()));

    // Later no number comes over any more.
    let mut next = begun();
    next.epoch(&new.leaves[1], &new.batches[0]).unwrap();
    let mut late = EpochLeaf::parse(std::str::from_utf8(&new.leaves[1]).unwrap()).unwrap();
    (late.epoch, late.time_ms) = (2, late.time_ms + 1);
    let again = rule(next.epoch(late.write().as_bytes(), &new.batches[0]));
    assert!(matches!(again, Some(Rule::Event(_))), "{again:?}");
}

//! A new era: every live number comes over as it is, what was given back still rests, and nothing of the old log changes.

use std::path::Path;

use callbook::authority::{self, Actor, ChangesFrom, EraWish, Leaves, OpenedEra, past_keys};
use callbook::charter::Policy;
use callbook::client::holder::Change;
use callbook::ledger::Ledger;
use callbook::log::batch::Batch;
use callbook::log::epoch::{ConfigLeaf, EpochLeaf};
use callbook::log::event::Kind;
use callbook::log::map;
use callbook::log::proof::Proof;
use callbook::log::proved::{self, Standing};
use callbook::log::random::Seeded;
use callbook::log::tile::Tile;
use callbook::log::trust::TrustList;
use callbook::log::vrf;
use rusqlite::Connection;

use crate::ledger::desk::{Desk, START_MS, address, era_in, let_go, number, settings};

const DAY_MS: u64 = 86_400_000;

fn wish() -> EraWish {
    EraWish { reason: "the VRF key was copied".into(), forgets_waiting: false }
}

/// Stops a directory and names the next era in its configuration.
fn stopped(desk: Desk, dir: &Path) -> u64 {
    let now_ms = callbook::clock::Clock::now_ms(&*desk.clock);
    drop(desk);
    let_go(dir);
    std::fs::write(dir.join("era"), (era_in(dir) + 1).to_string()).unwrap();
    now_ms
}

fn open_era(dir: &Path, now_ms: u64, wish: &EraWish) -> Result<OpenedEra, authority::OpenError> {
    authority::open_era(&settings(dir), Policy::embedded(), wish, now_ms, &Seeded::new([9; 32]))
}

pub(super) fn in_the_next_era(desk: Desk, dir: &Path) -> (Desk, OpenedEra) {
    let now_ms = stopped(desk, dir);
    let opened = open_era(dir, now_ms + 1000, &wish()).unwrap();
    let desk = Desk::open(dir, now_ms + 2000).unwrap();
    if opened.carried == 0 {
        desk.clock.advance(60_000); // nothing can be proved before there is a first epoch
        desk.authority.turn().unwrap();
    }
    (desk, opened)
}

fn trust(desk: &Desk) -> TrustList {
    TrustList {
        origin: desk.authority.origin().to_owned(),
        log: desk.authority.log_keys().map,
        witnesses: Vec::new(),
        quorum: 0,
        auditors: Vec::new(),
        vrf: vrf::PublicKey::new(&desk.authority.vrf_key()).unwrap(),
        eras: desk.authority.past_origins(),
    }
}

fn prove(desk: &Desk, n: u64) -> Proof {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(desk.authority.prove(number(n))).unwrap()
}

/// Where a number stands and in which version, proved.
fn stands(desk: &Desk, n: u64) -> (Standing, u64) {
    let proof = Proof::parse(&prove(desk, n).write()).unwrap();
    let proved = proved::check(&proof, number(n), &trust(desk), desk.now_s() * 1000, None).unwrap();
    (proved.standing, proved.number.map_or(0, |number| number.state.version))
}

/// How many changes the feed has.
fn told(desk: &Desk) -> usize {
    desk.authority.changes(&Actor::operator(), ChangesFrom::Oldest, 1000).unwrap().changes.len()
}

#[test]
fn every_live_number_comes_over_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    (1..=6).for_each(|n| drop(desk.register(n)));
    desk.clock.advance(1000);
    desk.submit(&desk.update(2, "sip:new@acme.example")).unwrap();
    desk.authority.holder_event_blocking(&desk.holder(3, Change::suspend)).unwrap();
    desk.authority.holder_event_blocking(&desk.holder(4, Change::release)).unwrap();
    desk.submit(&desk.notice(5)).unwrap();
    desk.authority.turn().unwrap();
    let before: Vec<_> = (1..=6).map(|n| desk.board.shows(number(n))).collect();
    let old_proof = prove(&desk, 1);
    let (serial, told) = (desk.authority.serial(), told(&desk));
    let (desk, opened) = in_the_next_era(desk, dir.path());

    assert_eq!((opened.era, opened.carried, opened.epochs, opened.is_old), (1, 5, 1, false));
    assert_eq!((opened.origin.as_str(), opened.prev.origin.as_str()), ("dir.example/map/1", "dir.example/map/0"));
    assert!(desk.authority.serial() > serial);
    for (n, before) in (1..=6).zip(before) {
        let (now, n) = (desk.board.shows(number(n)), number(n));
        assert_eq!(now.as_ref().map(address), before.as_ref().map(address), "{n}");
        assert_eq!(now.map(|data| data.version), before.map(|data| data.version + 1), "{n}");
    }
    use Standing::{Absent, Active, Suspended};
    let expected = [(Active, 2), (Active, 3), (Suspended, 3), (Absent, 0), (Active, 3), (Active, 2), (Absent, 0)];
    assert_eq!((1..=7).map(|n| stands(&desk, n)).collect::<Vec<_>>(), expected);
    assert!(
        proved::check(&old_proof, number(1), &trust(&desk), desk.now_s() * 1000, None).is_err(),
        "the old log's proof"
    );
    assert_eq!(self::told(&desk), told + 5, "providers are told of each new version");

    // Life goes on: what was pending is pending still, and its time runs from when it was asked for.
    desk.submit(&desk.update(1, "sip:newer@acme.example")).unwrap();
    desk.authority.holder_event_blocking(&desk.holder(3, Change::resume)).unwrap();
    desk.submit(&desk.renewal(6, "after")).unwrap();
    desk.register(8);
    desk.authority.turn().unwrap();
    let expected = [(1, 3), (3, 4), (6, 3), (8, 1)];
    expected.iter().for_each(|(n, version)| assert_eq!(stands(&desk, *n), (Active, *version), "{n}"));
    assert!(desk.board.shows(number(3)).is_some(), "resumed");
    let now_ms = desk.now_s() * 1000;
    drop(desk);
    let_go(dir.path());
    let desk = Desk::open(dir.path(), now_ms).unwrap();
    expected.iter().for_each(|(n, version)| assert_eq!(stands(&desk, *n), (Active, *version), "{n}, restarted"));
}

#[test]
fn the_first_epochs_are_what_an_auditor_computes() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    (1..=20).for_each(|n| drop(desk.register(n)));
    desk.authority.holder_event_blocking(&desk.holder(7, Change::release)).unwrap();
    desk.authority.turn().unwrap();
    let last = desk.authority.log_checkpoint(Leaves::Map).unwrap();
    let (desk, opened) = in_the_next_era(desk, dir.path());
    assert_eq!(desk.authority.log_checkpoint(Leaves::Past(0)).unwrap(), last);
    let bundle = desk.authority.log_tile(Leaves::Map, &Tile::parse("tile/entries/000.p/2").unwrap()).unwrap().unwrap();
    let leaves = callbook::log::tile::read_bundle(&bundle, 2).unwrap();
    let text = |n: usize| std::str::from_utf8(&leaves[n]).unwrap();
    let (config, leaf) = (ConfigLeaf::parse(text(0)).unwrap(), EpochLeaf::parse(text(1)).unwrap());
    assert_eq!((config.prev_era, config.vrf), (Some(opened.prev), desk.authority.vrf_key()));
    drop(desk);
    let_go(dir.path());

    let ledger = Ledger::open(&dir.path().join("data")).unwrap();
    let epoch = ledger.read::<_, callbook::ledger::LedgerError>(|now| now.epoch(1)).unwrap().unwrap();
    let before = ledger.read::<_, callbook::ledger::LedgerError>(|now| now.epoch(0)).unwrap().unwrap();
    let events = ledger.read::<_, callbook::ledger::LedgerError>(|now| now.events_after(before.last_seq, 100)).unwrap();
    assert_eq!((events.len(), epoch.last_seq), (19, events.last().unwrap().seq));
    let mut sealed = Vec::new();
    for row in &events {
        assert_eq!((row.event.kind, row.before_seq.is_some()), (Kind::Carry, true));
        assert!(row.event.signatures_verify("dir.example/map/1") && !row.event.signatures_verify("dir.example/map/0"));
        let mut event = row.event.clone();
        (event.state.since_epoch, event.state.key_epoch) = (1, 0);
        sealed.push(event);
    }
    let mut places: Vec<map::Leaf> = sealed.iter().map(|event| (event.label, event.state.hash())).collect();
    places.sort_unstable();
    assert_eq!(map::root(&places), leaf.map);
    assert_eq!(Batch::new(sealed).unwrap().root(), leaf.batch);
}

/// Nobody knows any more whose the released label was, but whoever asks for the number finds that it rests.
#[test]
fn a_number_that_was_given_back_rests_on() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    desk.register(1);
    desk.authority.holder_event_blocking(&desk.holder(1, Change::release)).unwrap();
    desk.authority.turn().unwrap();
    desk.clock.advance(10 * DAY_MS);
    let (desk, _) = in_the_next_era(desk, dir.path());
    assert_eq!(stands(&desk, 1).0, Standing::Absent);
    let refused = |desk: &Desk, jti: &str| format!("{:?}", desk.submit(&desk.registration(1, jti)).map(|_| ()));
    assert!(refused(&desk, "early").contains("quarantine"), "{}", refused(&desk, "again"));
    assert_eq!(past_keys(&settings(dir.path())).unwrap(), [(dir.path().join("keys/vrf.key"), true)]);
    let (desk, _) = in_the_next_era(desk, dir.path());
    assert!(refused(&desk, "two eras later").contains("quarantine"), "a second era changes nothing");
    desk.clock.advance(25 * DAY_MS);
    desk.authority.turn().unwrap();
    let late = refused(&desk, "late");
    assert!(late.contains("two_methods") || late.contains("registered lately"), "{late}");
    desk.clock.advance(60 * DAY_MS);
    desk.authority.turn().unwrap();
    desk.authority.upkeep().unwrap();
    desk.register(1);
    assert_eq!(stands(&desk, 1), (Standing::Active, 1));
    let keys = past_keys(&settings(dir.path())).unwrap();
    assert_eq!(keys.iter().map(|(_, needed)| *needed).collect::<Vec<_>>(), [false, false]);
    // Without these keys the directory starts all the same.
    drop(desk);
    let_go(dir.path());
    keys.iter().for_each(|(path, _)| std::fs::remove_file(path).unwrap());
    Desk::open(dir.path(), START_MS + 96 * DAY_MS).unwrap();
    assert_eq!(past_keys(&settings(dir.path())).unwrap(), []);
}

#[test]
fn it_is_refused_in_words_until_everything_fits() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    desk.register(1);
    desk.submit(&desk.registration(2, "waits")).unwrap();
    desk.submit(&desk.update(1, "sip:waits@acme.example")).unwrap();
    let now_ms = callbook::clock::Clock::now_ms(&*desk.clock);
    drop(desk);
    let_go(dir.path());
    let why = |result: Result<OpenedEra, authority::OpenError>| result.unwrap_err().to_string();
    assert!(why(open_era(dir.path(), now_ms, &wish())).contains("Set log.era"), "the era that is open");
    std::fs::write(dir.path().join("era"), "2").unwrap();
    let skipped = why(open_era(dir.path(), now_ms, &wish()));
    assert!(skipped.contains("dir.example/map/0") && skipped.contains("dir.example/map/1"), "{skipped}");
    std::fs::write(dir.path().join("era"), "1").unwrap();
    let not_yet = Desk::open(dir.path(), now_ms).err().unwrap().to_string();
    assert!(not_yet.contains("callbook log new-era"), "{not_yet}");
    let waiting = why(open_era(dir.path(), now_ms, &wish()));
    assert!(waiting.contains("2 accepted changes wait") && waiting.contains("--forget-waiting"), "{waiting}");
    let behind = why(open_era(dir.path(), START_MS - 10 * DAY_MS, &wish()));
    assert!(behind.contains("clock"), "{behind}");

    // All of that has changed nothing: the old era goes on.
    std::fs::write(dir.path().join("era"), "0").unwrap();
    let desk = Desk::open(dir.path(), now_ms).unwrap();
    desk.authority.turn().unwrap();
    assert!(desk.board.shows(number(2)).is_some());
}

#[test]
fn what_waits_for_a_dead_log_is_forgotten_whole() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    desk.register(1);
    desk.register(3);
    desk.submit(&desk.registration(2, "waits")).unwrap();
    desk.submit(&desk.update(1, "sip:waits@acme.example")).unwrap();
    desk.authority.holder_event_blocking(&desk.holder(3, Change::release)).unwrap();
    let now_ms = stopped(desk, dir.path());
    let forgets = EraWish { forgets_waiting: true, ..wish() };
    assert_eq!(open_era(dir.path(), now_ms + 1000, &forgets).unwrap().carried, 2);
    let desk = Desk::open(dir.path(), now_ms + 2000).unwrap();
    assert_eq!([1, 2, 3].map(|n| stands(&desk, n).1), [2, 0, 2]);
    assert_eq!(desk.board.len(), 2);
    // Asked for anew, each of them goes through; the keys of the forgotten registration are free again.
    desk.register(2);
    desk.submit(&desk.update(1, "sip:again@acme.example")).unwrap();
    desk.authority.holder_event_blocking(&desk.holder(3, Change::release)).unwrap();
    desk.authority.turn().unwrap();
    assert_eq!([1, 2].map(|n| stands(&desk, n)), [(Standing::Active, 3), (Standing::Active, 1)]);
    assert_eq!(stands(&desk, 3).0, Standing::Released);
    let stolen = desk.submit(&desk.registration_with_keys_of(9, 1)).unwrap_err();
    assert!(format!("{stolen:?}").contains("key"), "number 1 still publishes its keys: {stolen:?}");
}

#[test]
fn broken_off_before_the_signature_it_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    (1..=3).for_each(|n| drop(desk.register(n)));
    let now_ms = stopped(desk, dir.path());
    open_era(dir.path(), now_ms + 1000, &wish()).unwrap();
    let_go(dir.path());
    // As after a crash between transaction and signature.
    let conn = Connection::open(dir.path().join("data/ledger.sqlite")).unwrap();
    conn.execute("UPDATE epochs SET note = NULL", []).unwrap();
    conn.close().unwrap();
    std::fs::remove_file(dir.path().join("keys/log-1.state")).unwrap();
    let refused = Desk::open(dir.path(), now_ms + 2000).err().unwrap().to_string();
    assert!(refused.contains("log-1.state") || refused.contains("log new-era"), "{refused}");
    let again = open_era(dir.path(), now_ms + 3000, &wish()).unwrap();
    assert_eq!((again.is_old, again.carried, again.epochs), (true, 3, 1));
    let desk = Desk::open(dir.path(), now_ms + 4000).unwrap();
    assert_eq!([1, 2, 3].map(|n| stands(&desk, n)), [(Standing::Active, 2); 3]);
}

/// A log whose end was lost with its ledger is over: the next era goes on from what is left, and says how much is not.
#[test]
fn a_dead_log_is_left_behind() {
    let (dir, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let desk = Desk::new(dir.path());
    desk.register(1);
    let now_ms = callbook::clock::Clock::now_ms(&*desk.clock);
    drop(desk);
    let_go(dir.path());
    let file = |dir: &Path| dir.join("ledger.sqlite");
    std::fs::copy(file(&dir.path().join("data")), file(backup.path())).unwrap();
    let desk = Desk::open(dir.path(), now_ms).unwrap();
    desk.register(2);
    desk.register(3);
    drop(desk);
    let_go(dir.path());
    for name in ["ledger.sqlite-wal", "ledger.sqlite-shm", "served.image"] {
        let _ = std::fs::remove_file(dir.path().join("data").join(name));
    }
    std::fs::copy(file(backup.path()), file(&dir.path().join("data"))).unwrap();
    let frozen = Desk::open(dir.path(), now_ms + 1000).unwrap();
    assert!(frozen.authority.vitals().frozen.is_some());
    let now_ms = stopped(frozen, dir.path());
    let opened = open_era(dir.path(), now_ms + 1000, &wish()).unwrap();
    let desk = Desk::open(dir.path(), now_ms + 2000).unwrap();
    assert_eq!((desk.authority.vitals().frozen.is_some(), opened.carried), (false, 1));
    desk.register(2);
    assert_eq!([1, 2].map(|n| stands(&desk, n).0), [Standing::Active; 2]);
    drop(desk);
    let_go(dir.path());
    let ledger = Ledger::open(&dir.path().join("data")).unwrap();
    let leaves = ledger.read::<_, callbook::ledger::LedgerError>(|now| now.gov_leaves(now.gov_size()?)).unwrap();
    let opening = leaves.iter().rev().map(|leaf| String::from_utf8_lossy(leaf)).find(|leaf| leaf.contains("era-open"));
    let opening = opening.unwrap();
    assert!(opening.contains("\"lost\":2") && opening.contains("the VRF key was copied"), "{opening}");
}

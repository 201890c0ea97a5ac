//! Every durable step of an epoch may fail, and the disk may be full: what waits goes on later, and nothing is shown early.

use std::sync::atomic::{AtomicBool, Ordering};

use callbook::authority::{OpenError, Rejection, Step, Turned, Visibility};
use callbook::ledger::LedgerError;

use crate::ledger::desk::{Desk, START_MS, number};

const STEPS: [Step; 5] = [Step::BeforeSeal, Step::AfterSeal, Step::BeforeSigner, Step::BeforeSign, Step::AfterSign];

#[test]
fn a_step_that_fails_is_made_up_for_by_the_next_turn() {
    for failing in STEPS {
        let dir = tempfile::tempdir().unwrap();
        let desk = Desk::new(dir.path());
        let receipt = desk.submit(&desk.registration(1, "a")).unwrap();
        let once = AtomicBool::new(true);
        desk.authority.interrupt(move |step| {
            let fails = step == failing && once.swap(false, Ordering::SeqCst);
            if fails { Err(LedgerError::Unavailable("a test".into())) } else { Ok(()) }
        });
        assert!(desk.authority.turn().is_err(), "{failing:?}");
        assert!(desk.board.shows(number(1)).is_none(), "{failing:?}: shown before its epoch was signed");
        let pending = desk.authority.receipt(&desk.actor, &receipt.event_hash).unwrap().unwrap();
        assert_eq!(pending.visibility, Visibility::Pending, "{failing:?}");
        while desk.authority.turn().unwrap() != Turned::Idle {}
        assert!(desk.board.shows(number(1)).is_some(), "{failing:?}");
        let published = desk.authority.receipt(&desk.actor, &receipt.event_hash).unwrap().unwrap();
        assert!(matches!(published.visibility, Visibility::Published { epoch: 1, .. }), "{failing:?}: {published:?}");
        drop(desk);
        assert_eq!(Desk::open(dir.path(), START_MS + 1000).unwrap().board.len(), 1, "{failing:?}");
    }
}

#[test]
fn a_full_disk_refuses_changes_and_goes_on_answering() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    desk.register(1);
    let late = desk.registration(2, "b");
    let waiting = desk.submit(&desk.registration(3, "c")).unwrap();
    desk.authority.limit_pages(1).unwrap();
    let mut full = false;
    for n in 10..200 {
        match desk.submit(&desk.registration(n, &format!("jti {n}"))) {
            Ok(_) => {} // free pages inside the file are used up first
            Err(Rejection::Unavailable { .. }) => {
                full = true;
                break;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(full, "the disk was never full");
    assert!(matches!(desk.submit(&late), Err(Rejection::Unavailable { .. })));
    assert!(desk.board.shows(number(1)).is_some());
    assert!(desk.authority.read(&desk.actor, number(1)).unwrap().is_some());
    desk.authority.limit_pages(1_000_000).unwrap();
    desk.submit(&late).unwrap();
    while desk.authority.turn().unwrap() != Turned::Idle {}
    let receipt = desk.authority.receipt(&desk.actor, &waiting.event_hash).unwrap().unwrap();
    assert!(matches!(receipt.visibility, Visibility::Published { .. }));
    assert!(desk.board.shows(number(2)).is_some());
}

fn refusal(dir: &std::path::Path, now_ms: u64) -> String {
    match Desk::open(dir, now_ms) {
        Ok(_) => panic!("it opened"),
        Err(why) => {
            assert!(!matches!(why, OpenError::Storage(_)), "{why}");
            why.to_string()
        }
    }
}

#[test]
fn parts_that_do_not_belong_together_do_not_open() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    Desk::new(one.path()).register(1);
    callbook::authority::init(
        &crate::ledger::desk::settings(two.path()),
        START_MS,
        &callbook::log::random::Seeded::new([77; 32]),
    )
    .unwrap();
    for key in ["log", "gov", "vrf"] {
        let (ours, theirs) = (one.path().join(format!("keys/{key}.key")), two.path().join(format!("keys/{key}.key")));
        let kept = std::fs::read(&ours).unwrap();
        std::fs::copy(&theirs, &ours).unwrap();
        let why = refusal(one.path(), START_MS + 1000);
        assert!(why.contains(key) && why.contains("Restore"), "{key}: {why}");
        std::fs::write(&ours, kept).unwrap();
    }
    std::fs::remove_file(one.path().join("keys/log.key")).unwrap();
    let why = refusal(one.path(), START_MS);
    assert!(why.contains("log.key is missing"), "{why}");
}

#[test]
fn a_clock_that_stands_before_the_newest_epoch_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    Desk::new(dir.path()).register(1);
    let why = refusal(dir.path(), START_MS - 3_600_000);
    assert!(why.contains("clock") && why.contains("3600 s"), "{why}");
}

#[test]
fn a_state_that_was_changed_behind_the_log_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    Desk::new(dir.path()).register(1);
    let file = rusqlite::Connection::open(dir.path().join("data/ledger.sqlite")).unwrap();
    let state: Vec<u8> = file.query_row("SELECT state FROM states", [], |row| row.get(0)).unwrap();
    let mut longer = callbook::log::state::State::parse(&state).unwrap();
    longer.not_after += 1;
    file.execute("UPDATE states SET state = ?1", [&longer.write()]).unwrap();
    let why = refusal(dir.path(), START_MS + 1000);
    assert!(why.contains("not the one of its hash"), "{why}");
    file.execute("UPDATE states SET hash = ?1", [&longer.hash()]).unwrap();
    drop(file);
    let why = refusal(dir.path(), START_MS + 1000);
    assert!(why.contains("newest epoch"), "{why}");
}

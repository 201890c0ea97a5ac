//! What the signer remembers against what the ledger says: a ledger that is older than what was signed, or tells something
//! else, is frozen; and the memory is never made anew in silence.

use std::path::Path;

use callbook::authority::{Actor, Leaves, OpenError, Rejection, Turned};
use callbook::client::holder::Change;
use callbook::ledger::{Ledger, LedgerError};
use callbook::log::checkpoint::Checkpoint;
use callbook::log::epoch::EpochLeaf;
use callbook::log::merkle::{self, Frontier};
use callbook::log::note::{Note, VerifierKey};

use crate::ledger::desk::{Desk, START_MS, acme, let_go, number};

const LATER_MS: u64 = START_MS + 60_000;

/// Closes a directory and gives the bytes of its ledger.
fn closed(desk: Desk, dir: &Path) -> Vec<u8> {
    drop(desk);
    let_go(dir);
    std::fs::read(dir.join("data/ledger.sqlite")).unwrap()
}

fn restore(dir: &Path, ledger: &[u8]) {
    std::fs::write(dir.join("data/ledger.sqlite"), ledger).unwrap();
    for rest in ["ledger.sqlite-wal", "ledger.sqlite-shm"] {
        let _ = std::fs::remove_file(dir.join("data").join(rest));
    }
}

fn assert_frozen(desk: &Desk, word: &str) {
    let why = desk.authority.vitals().frozen.expect("it is frozen");
    assert!(why.contains(word) && why.contains("restore") && why.contains("era"), "{why}");
    assert_eq!(desk.authority.turn().unwrap(), Turned::Idle, "no epoch is made");
    assert!(matches!(desk.submit(&desk.registration(7, "new")), Err(Rejection::Frozen)));
    let holder = desk.holder(1, Change::suspend);
    assert!(matches!(desk.authority.holder_event_blocking(&holder), Err(Rejection::Frozen)));
    let mut other = acme();
    other.id = "other".into();
    assert!(matches!(desk.authority.add_provider(&Actor::operator(), other), Err(Rejection::Frozen)));
    assert!(desk.authority.log_checkpoint(Leaves::Gov).is_err(), "nothing is signed");
    assert!(desk.authority.upkeep().is_err());
    // Reads go on, and what is shown is what the ledger says.
    assert!(desk.board.shows(number(1)).is_some());
    assert!(desk.authority.read(&desk.actor, number(1)).unwrap().is_some());
}

#[test]
fn a_ledger_that_is_older_than_what_was_signed_is_frozen_until_the_newer_one_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    desk.register(1);
    let old = closed(desk, dir.path());
    let desk = Desk::open(dir.path(), LATER_MS).unwrap();
    desk.register(2);
    let new = closed(desk, dir.path());
    restore(dir.path(), &old);
    let desk = Desk::open(dir.path(), LATER_MS).unwrap();
    assert_frozen(&desk, "older");
    assert!(desk.board.shows(number(2)).is_none());
    // Also with the threads of the real thing, which have nothing to do.
    desk.authority.start(desk.board.clone()).unwrap().stop();
    assert_eq!(closed(desk, dir.path()), old, "nothing was written");
    restore(dir.path(), &new);
    let desk = Desk::open(dir.path(), LATER_MS + 1000).unwrap();
    assert_eq!(desk.authority.vitals().frozen, None);
    desk.register(3);
    assert_eq!(desk.board.len(), 3);
}

#[test]
fn a_decision_that_was_published_and_is_gone_freezes_too() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    desk.register(1);
    let old = closed(desk, dir.path());
    let desk = Desk::open(dir.path(), LATER_MS).unwrap();
    let mut other = acme();
    other.id = "other".into();
    desk.authority.add_provider(&Actor::operator(), other).unwrap();
    desk.authority.log_checkpoint(Leaves::Gov).unwrap();
    drop(closed(desk, dir.path()));
    restore(dir.path(), &old);
    assert_frozen(&Desk::open(dir.path(), LATER_MS).unwrap(), "gov log");
}

/// Somebody who can write the ledger changes the newest leaf and everything in the ledger that depends on it.
#[test]
fn a_ledger_that_tells_something_else_than_was_signed_is_frozen() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    (1..=3).for_each(|n| drop(desk.register(n)));
    drop(closed(desk, dir.path()));
    let file = rusqlite::Connection::open(dir.path().join("data/ledger.sqlite")).unwrap();
    let leaves: Vec<Vec<u8>> = {
        let mut rows = file.prepare("SELECT leaf FROM epochs ORDER BY n").unwrap();
        rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let (newest, others) = leaves.split_last().unwrap();
    let mut leaf = EpochLeaf::parse(std::str::from_utf8(newest).unwrap()).unwrap();
    leaf.time_ms += 1;
    let mut log = Frontier::new();
    others.iter().for_each(|leaf| log.append(merkle::leaf_hash(leaf)));
    log.append(merkle::leaf_hash(leaf.write().as_bytes()));
    let stored = [&log.size().to_be_bytes()[..], log.roots().as_flattened()].concat();
    file.execute(
        "UPDATE epochs SET leaf = ?1, note = NULL WHERE n = ?2",
        (leaf.write().as_bytes(), others.len() as i64),
    )
    .unwrap();
    file.execute("UPDATE meta SET value = ?1 WHERE name = 'map log frontier'", [stored]).unwrap();
    drop(file);
    assert_frozen(&Desk::open(dir.path(), LATER_MS).unwrap(), "not the one that was signed");
}

fn refusal(dir: &Path) -> String {
    match Desk::open(dir, LATER_MS) {
        Ok(_) => panic!("it opened"),
        Err(OpenError::Signer(why)) => why.to_string(),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_memory_is_taken_from_the_ledger_once_and_never_again_in_silence() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    desk.register(1);
    drop(closed(desk, dir.path()));
    let state = |name: &str| dir.path().join("keys").join(name);
    for name in ["log.state", "gov.state"] {
        let kept = std::fs::read(state(name)).unwrap();
        std::fs::remove_file(state(name)).unwrap();
        let why = refusal(dir.path());
        assert!(why.contains(name) && why.contains("missing") && why.contains("callbook signer adopt"), "{why}");
        std::fs::write(state(name), vec![7; kept.len()]).unwrap();
        let why = refusal(dir.path());
        assert!(why.contains(name) && why.contains("open to others"), "{why}");
        let closed_to_others = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(state(name), closed_to_others).unwrap();
        let why = refusal(dir.path());
        assert!(why.contains(name) && why.contains("damaged"), "{why}");
        std::fs::write(state(name), kept).unwrap();
    }
    // A ledger from before there was a memory.
    for name in ["log.state", "gov.state"] {
        std::fs::remove_file(state(name)).unwrap();
    }
    let file = rusqlite::Connection::open(dir.path().join("data/ledger.sqlite")).unwrap();
    let marked =
        file.execute("DELETE FROM meta WHERE name IN ('signer remembers', 'map log frontier before')", []).unwrap();
    assert_eq!(marked, 2);
    drop(file);
    let desk = Desk::open(dir.path(), LATER_MS).unwrap();
    desk.register(2);
    drop(closed(desk, dir.path()));
    std::fs::remove_file(state("log.state")).unwrap();
    assert!(refusal(dir.path()).contains("log.state"));
}

#[test]
fn a_memory_that_is_behind_is_brought_up_by_proof() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    desk.register(1);
    drop(closed(desk, dir.path()));
    let state = dir.path().join("keys/log.state");
    let old = std::fs::read(&state).unwrap();
    let desk = Desk::open(dir.path(), LATER_MS).unwrap();
    (2..=6).for_each(|n| drop(desk.register(n)));
    drop(closed(desk, dir.path()));
    std::fs::write(&state, old).unwrap();
    let desk = Desk::open(dir.path(), LATER_MS).unwrap();
    desk.register(7);
    assert_eq!((desk.authority.vitals().frozen, desk.board.len()), (None, 7));
}

#[test]
fn the_gov_log_is_signed_as_it_grows() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    let mut heads = vec![(0, merkle::root(&[]))];
    let mut notes = vec![desk.authority.log_checkpoint(Leaves::Gov).unwrap()];
    for id in ["one", "two", "three"] {
        let mut other = acme();
        other.id = id.into();
        desk.authority.add_provider(&Actor::operator(), other).unwrap();
        let note = desk.authority.log_checkpoint(Leaves::Gov).unwrap();
        assert_eq!(desk.authority.log_checkpoint(Leaves::Gov).unwrap(), note, "the same size, the same note");
        notes.push(note);
    }
    drop(closed(desk, dir.path()));
    let ledger = Ledger::open(&dir.path().join("data")).unwrap();
    let leaves = ledger.read::<_, LedgerError>(|now| now.gov_leaves(now.gov_size()?)).unwrap();
    let hashes: Vec<_> = leaves.iter().map(|leaf| merkle::leaf_hash(leaf)).collect();
    let secret = callbook::signer::key_file::signing(&dir.path().join("keys"), "gov", &Default::default()).unwrap();
    let line_type = callbook::log::note::LineType::Signature;
    let key = VerifierKey::new("dir.example/gov", line_type, secret.public().clone()).unwrap();
    for note in notes {
        let opened = Note::open(&note, std::slice::from_ref(&key)).unwrap();
        assert_eq!(opened.signed.len(), 1);
        let head = Checkpoint::parse(&opened.text).unwrap();
        assert_eq!(head.root, merkle::root(&hashes[..head.size as usize]));
        heads.push((head.size, head.root));
    }
    assert!(heads.is_sorted_by(|a, b| a.0 < b.0), "{heads:?}");
}

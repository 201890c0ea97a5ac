//! A ledger's file and folder: second instances, foreign, newer and damaged files are refused with the remedy.

use std::path::Path;

use callbook::ledger::{Ledger, LedgerError, OpenError};
use rusqlite::Connection;

fn refusal(dir: &Path) -> OpenError {
    match Ledger::open(dir) {
        Ok(_) => panic!("the ledger opened"),
        Err(why) => why,
    }
}

fn file(dir: &Path) -> std::path::PathBuf {
    dir.join("ledger.sqlite")
}

#[test]
fn a_second_instance_is_refused_and_told_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = Ledger::create(dir.path()).unwrap();
    let why = refusal(dir.path());
    assert!(matches!(&why, OpenError::InUse { holder, .. } if *holder == std::process::id().to_string()), "{why}");
    drop(first);
    Ledger::open(dir.path()).unwrap();
}

#[test]
fn nothing_is_made_silently() {
    let dir = tempfile::tempdir().unwrap();
    let why = refusal(dir.path());
    assert!(matches!(why, OpenError::Missing { .. }), "{why}");
    assert!(why.to_string().contains("callbook init"), "{why}");
    assert!(!file(dir.path()).exists());
    drop(Ledger::create(dir.path()).unwrap());
    assert!(matches!(Ledger::create(dir.path()), Err(OpenError::Exists { .. })));
}

#[test]
fn a_foreign_file_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(file(dir.path()), "a letter to grandmother, and long enough to be a page\n".repeat(100)).unwrap();
    let why = refusal(dir.path());
    assert!(matches!(why, OpenError::Alien { .. }), "{why}");
    std::fs::remove_file(file(dir.path())).unwrap();
    Connection::open(file(dir.path())).unwrap().execute_batch("CREATE TABLE recipes (cake TEXT)").unwrap();
    let why = refusal(dir.path());
    assert!(matches!(why, OpenError::Alien { .. }), "{why}");
}

#[test]
fn a_newer_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(Ledger::create(dir.path()).unwrap());
    Connection::open(file(dir.path())).unwrap().pragma_update(None, "user_version", 999).unwrap();
    let why = refusal(dir.path());
    assert!(matches!(why, OpenError::TooNew { found: 999, .. }), "{why}");
}

#[test]
fn a_file_from_before_the_first_format_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let old = Connection::open(file(dir.path())).unwrap();
    old.pragma_update(None, "application_id", 0x6362_6f6b).unwrap();
    drop(old);
    let ledger = Ledger::open(dir.path()).unwrap();
    assert_eq!(ledger.read::<_, LedgerError>(|now| now.count_numbers()).unwrap(), 0);
    drop(ledger);
    let version: i64 =
        Connection::open(file(dir.path())).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert!(version >= 1);
}

#[test]
fn a_damaged_file_is_refused_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(dir.path()).unwrap();
    let fill = ledger.write(|tx| (0..200).try_for_each(|n| tx.set_meta(&format!("fact {n}"), &[7; 300])));
    fill.wait_blocking().map_err(|e: LedgerError| e.to_string()).unwrap();
    assert!(ledger.truncate_wal().unwrap());
    drop(ledger);
    let mut bytes = std::fs::read(file(dir.path())).unwrap();
    for page in bytes.chunks_mut(4096).skip(1) {
        page[..64].fill(0xa5); // the head of every page but the first, where the file names itself
    }
    std::fs::write(file(dir.path()), bytes).unwrap();
    let why = refusal(dir.path());
    assert!(matches!(why, OpenError::Damaged { .. }), "{why}");
    assert!(why.to_string().contains("restore"), "{why}");
}

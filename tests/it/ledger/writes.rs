//! Writes: grouped into few commits, each whole or not at all, refused but not lost when the disk is full.

use std::sync::mpsc::channel;

use callbook::ledger::{Ledger, LedgerError};

fn open() -> (tempfile::TempDir, Ledger) {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(dir.path()).unwrap();
    (dir, ledger)
}

fn meta(ledger: &Ledger, name: &str) -> Option<Vec<u8>> {
    ledger.read::<_, LedgerError>(|now| now.meta(name)).unwrap()
}

#[test]
fn one_refused_job_does_not_hurt_its_group() {
    let (_dir, ledger) = open();
    // The first job keeps the thread busy until all are queued, so that they share one commit.
    let (go, gate) = channel::<()>();
    let first = ledger.write::<_, LedgerError, _>(move |_| {
        let _ = gate.recv();
        Ok(())
    });
    let replies: Vec<_> = (0..100u8)
        .map(|n| {
            ledger.write(move |tx| {
                tx.set_meta(&format!("job {n}"), &[n])?;
                if n % 10 == 3 { Err(LedgerError::Damaged("this one refuses after it wrote")) } else { Ok(n) }
            })
        })
        .collect();
    go.send(()).unwrap();
    first.wait_blocking().unwrap();
    for (n, reply) in (0..100u8).zip(replies) {
        let outcome = reply.wait_blocking();
        let stored = meta(&ledger, &format!("job {n}"));
        if n % 10 == 3 {
            assert!(matches!(outcome, Err(LedgerError::Damaged(_))), "{n}: {outcome:?}");
            assert_eq!(stored, None, "{n}");
        } else {
            assert_eq!(outcome.unwrap(), n);
            assert_eq!(stored, Some(vec![n]));
        }
    }
}

#[test]
fn what_was_answered_is_there_after_a_restart() {
    let (dir, ledger) = open();
    ledger.write::<_, LedgerError, _>(|tx| tx.set_meta("kept", b"yes")).wait_blocking().unwrap();
    drop(ledger);
    assert_eq!(meta(&Ledger::open(dir.path()).unwrap(), "kept"), Some(b"yes".to_vec()));
}

#[test]
fn a_full_disk_refuses_writes_and_goes_on_reading() {
    let (_dir, ledger) = open();
    ledger.write::<_, LedgerError, _>(|tx| tx.set_meta("before", b"here")).wait_blocking().unwrap();
    ledger.limit_pages(1).wait_blocking().unwrap(); // SQLite takes the file's present size when it is larger
    let big = || ledger.write::<_, LedgerError, _>(|tx| tx.set_meta("big", &[1; 100_000])).wait_blocking();
    for _ in 0..3 {
        let full = big();
        assert!(matches!(full, Err(LedgerError::Unavailable(_))), "{full:?}");
        assert_eq!(meta(&ledger, "before"), Some(b"here".to_vec()));
        assert_eq!(meta(&ledger, "big"), None);
    }
    ledger.limit_pages(1_000_000).wait_blocking().unwrap();
    big().unwrap();
    assert_eq!(meta(&ledger, "big").map(|value| value.len()), Some(100_000));
}

#[test]
fn a_job_that_fills_the_disk_does_not_take_small_ones_down_silently() {
    let (_dir, ledger) = open();
    let (go, gate) = channel::<()>();
    let first = ledger.write::<_, LedgerError, _>(move |_| {
        let _ = gate.recv();
        Ok(())
    });
    let limit = ledger.limit_pages(1);
    let small = ledger.write::<_, LedgerError, _>(|tx| tx.set_meta("small", b"1"));
    let big = ledger.write::<_, LedgerError, _>(|tx| tx.set_meta("big", &[1; 100_000]));
    go.send(()).unwrap();
    let _ = (first.wait_blocking(), limit.wait_blocking());
    assert!(matches!(big.wait_blocking(), Err(LedgerError::Unavailable(_))));
    // Landed and said so, or did not land and said so.
    assert_eq!(small.wait_blocking().is_ok(), meta(&ledger, "small").is_some());
}

#[test]
fn the_write_ahead_log_can_be_emptied() {
    let (dir, ledger) = open();
    ledger.write::<_, LedgerError, _>(|tx| tx.set_meta("x", &[9; 5000])).wait_blocking().unwrap();
    assert!(std::fs::metadata(dir.path().join("ledger.sqlite-wal")).unwrap().len() > 0);
    assert!(ledger.truncate_wal().unwrap());
    assert_eq!(std::fs::metadata(dir.path().join("ledger.sqlite-wal")).unwrap().len(), 0);
    assert_eq!(meta(&ledger, "x").map(|value| value.len()), Some(5000));
}

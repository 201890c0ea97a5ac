//! A ledger from an old backup, brought up to what was signed from a mirror's copy of the logs and an auditor's batches.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;

use callbook::authority::{self, Actor, Copies, Refilled, Rejection, Submission, Visibility};
use callbook::charter::Policy;
use callbook::client::holder::Change;
use callbook::ledger::{Ledger, LedgerError, Snapshot};
use callbook::log::Hash;
use callbook::log::batch::Batch;
use callbook::log::epoch::EpochLeaf;
use callbook::log::map;
use callbook::log::tile::Log;
use callbook::number::Number;

use crate::ledger::desk::{Desk, START_MS, acme, address, let_go, number, settings};

const LATER_MS: u64 = START_MS + 60_000;

/// What mirror and auditor have at the end, taken from the ledger that is lost afterwards.
#[derive(Clone, Default)]
struct Kept {
    notes: BTreeMap<&'static str, String>,
    leaves: BTreeMap<&'static str, Vec<Vec<u8>>>,
    batches: BTreeMap<u64, Vec<u8>>,
    asked: Cell<u64>,
}

impl Kept {
    fn of(dir: &Path, gov_note: String) -> Self {
        let ledger = Ledger::open(&dir.join("data")).unwrap();
        let read = |now: &Snapshot<'_>| {
            let epochs = now.epochs_from(0, 1000)?;
            let mut kept = Self::default();
            kept.notes.insert("map log", epochs.last().unwrap().note.clone().unwrap());
            kept.notes.insert("gov log", gov_note.clone());
            kept.leaves.insert("map log", epochs.iter().map(|epoch| epoch.leaf.clone()).collect());
            kept.leaves.insert("gov log", now.gov_leaves(now.gov_size()?)?);
            for pair in epochs.windows(2) {
                let events = now.events_after(pair[0].last_seq, (pair[1].last_seq - pair[0].last_seq) as usize)?;
                let n = pair[1].n;
                let sealed = events.into_iter().map(|row| {
                    let mut event = row.event;
                    event.state.since_epoch = n;
                    // Of the kinds that these tests use, only these change the control key.
                    let sets = matches!(event.kind as u8, 1 | 9);
                    let before = |seq| Ok::<_, LedgerError>(now.event_by_seq(seq)?.unwrap());
                    let mut at = row.before_seq;
                    event.state.key_epoch = n;
                    if !sets {
                        let mut first = None;
                        while let Some(seq) = at {
                            let row = before(seq)?;
                            first = Some(seq);
                            at = row.before_seq;
                        }
                        event.state.key_epoch = now.epoch_of(first.unwrap())?.unwrap().n;
                    }
                    Ok(event)
                });
                let batch = Batch::new(sealed.collect::<Result<_, LedgerError>>()?).unwrap();
                let leaf = EpochLeaf::parse(std::str::from_utf8(&pair[1].leaf).unwrap()).unwrap();
                assert_eq!(batch.root(), leaf.batch, "the test makes the batches as they were");
                kept.batches.insert(n, batch.write());
            }
            Ok(kept)
        };
        ledger.read::<_, LedgerError>(read).unwrap()
    }
}

impl Copies for Kept {
    fn note(&self, log: Log) -> Result<String, String> {
        Ok(self.notes[log.name()].clone())
    }

    fn leaf(&self, log: Log, n: u64, size: u64) -> Result<Vec<u8>, String> {
        assert!(n < size);
        self.leaves[log.name()].get(n as usize).cloned().ok_or_else(|| format!("leaf {n} is nowhere"))
    }

    fn batch(&self, epoch: u64) -> Result<Vec<u8>, String> {
        self.asked.set(self.asked.get() + 1);
        self.batches.get(&epoch).cloned().ok_or_else(|| "it is nowhere".to_owned())
    }
}

/// The root of the map as the States in the ledger make it, and everything that is shown.
fn facts(desk: &Desk, dir: &Path) -> (Vec<Option<(u64, String)>>, Hash) {
    let shown = (1..=8).map(|n| desk.board.shows(number(n)).map(|data| (data.version, address(&data)))).collect();
    let read = |now: &Snapshot<'_>| {
        let mut leaves = Vec::new();
        now.each_number(|leaf, _| {
            leaves.push(leaf);
            Ok(())
        })?;
        leaves.sort_unstable();
        Ok::<_, LedgerError>(map::root(&leaves))
    };
    (shown, Ledger::peek::<_, authority::OpenError>(&dir.join("data"), |now| Ok(read(now)?)).unwrap())
}

fn restore(dir: &Path, ledger: &[u8]) {
    std::fs::write(dir.join("data/ledger.sqlite"), ledger).unwrap();
    for rest in ["ledger.sqlite-wal", "ledger.sqlite-shm"] {
        let _ = std::fs::remove_file(dir.join("data").join(rest));
    }
}

fn refill(dir: &Path, kept: &Kept) -> Result<Refilled, authority::OpenError> {
    authority::refill(&settings(dir), Policy::embedded(), kept)
}

/// A directory that lived on after a backup, the backup, what others kept, and what its provider still has.
struct Lost {
    dir: tempfile::TempDir,
    old: Vec<u8>,
    kept: Kept,
    sent: Vec<(u64, Submission)>,
    facts: (Vec<Option<(u64, String)>>, Hash),
}

fn lost() -> Lost {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    (1..=4).for_each(|n| drop(desk.register(n)));
    // At the moment of the backup two changes are accepted and not sealed.
    let mut sent = vec![(5, desk.registration(5, "e")), (2, desk.update(2, "sip:waits@acme.example"))];
    sent.iter().for_each(|(_, submission)| drop(desk.submit(submission).unwrap()));
    drop(desk);
    let_go(dir.path());
    let old = std::fs::read(dir.path().join("data/ledger.sqlite")).unwrap();

    let desk = Desk::open(dir.path(), LATER_MS).unwrap();
    desk.authority.turn().unwrap();
    desk.clock.advance(1000);
    let mut other = acme();
    other.id = "other".into();
    desk.authority.add_provider(&Actor::operator(), other).unwrap();
    let mut submit = |n, submission: Submission| {
        desk.submit(&submission).unwrap();
        sent.push((n, submission));
    };
    submit(6, desk.registration(6, "f"));
    submit(1, desk.update(1, "sip:later@acme.example"));
    desk.authority.turn().unwrap();
    desk.clock.advance(61_000);
    desk.authority.turn().unwrap(); // a heartbeat
    desk.authority.holder_event_blocking(&desk.holder(3, Change::release)).unwrap();
    desk.authority.holder_event_blocking(&desk.holder(4, Change::suspend)).unwrap();
    submit(7, desk.registration(7, "g"));
    desk.authority.turn().unwrap();
    desk.clock.advance(1000);
    submit(7, desk.update(7, "sip:seven@acme.example"));
    desk.authority.turn().unwrap();
    let gov_note = desk.authority.log_checkpoint(authority::Leaves::Gov).unwrap();
    let facts = facts(&desk, dir.path());
    drop(desk);
    let_go(dir.path());
    let kept = Kept::of(dir.path(), gov_note);
    restore(dir.path(), &old);
    Lost { dir, old, kept, sent, facts }
}

const RESTART_MS: u64 = LATER_MS + 120_000;

#[test]
fn it_comes_back_to_what_was_signed_and_records_with_their_providers() {
    let Lost { dir, kept, sent, facts: before, .. } = lost();
    let dir = dir.path();
    assert!(Desk::open(dir, RESTART_MS).unwrap().authority.vitals().frozen.is_some());
    let_go(dir);
    let refilled = refill(dir, &kept).unwrap();
    assert_eq!((refilled.epochs, refilled.decisions, refilled.events), (5, 1, 8));
    assert_eq!((refilled.without_record, refilled.forgotten), (3, 0), "1, 6 and 7");
    assert_eq!(kept.asked.get(), 4, "one epoch was a heartbeat");
    assert_eq!(refill(dir, &kept).unwrap(), Refilled { without_record: 3, ..Refilled::default() }, "there is no more");

    let desk = Desk::open(dir, RESTART_MS).unwrap();
    assert_eq!(desk.authority.vitals().frozen, None);
    let (shown, root) = facts(&desk, dir);
    assert_eq!(root, before.1, "every State is as it was");
    let lost = [1, 6, 7];
    for (n, (now, before)) in (1..).zip(shown.iter().zip(&before.0)) {
        let waits = lost.contains(&n);
        assert_eq!(now, if waits { &None } else { before }, "number {n}");
    }
    // Nothing half is proved.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let unproved = runtime.block_on(desk.authority.prove(number(6))).unwrap_err();
    assert!(matches!(&unproved, Rejection::Unavailable { why, .. } if why.contains("record")), "{unproved:?}");

    // The provider sends everything again that it sent since; each is known, and what was lost is back.
    let serial = desk.board.serial();
    for (_, submission) in &sent {
        let receipt = desk.submit(submission).unwrap();
        assert!(matches!(receipt.visibility, Visibility::Published { .. }), "{receipt:?}");
    }
    assert_eq!(facts(&desk, dir), before);
    assert!(desk.board.serial() > serial);
    runtime.block_on(desk.authority.prove(number(6))).unwrap();
    assert!(format!("{:?}", desk.submit(&desk.registration_with_keys_of(9, 6)).unwrap_err()).contains("key"));

    // Life goes on, and a restart changes nothing.
    desk.submit(&desk.update(6, "sip:six@acme.example")).unwrap();
    desk.register(8);
    let after = facts(&desk, dir);
    assert_eq!(after.0.iter().flatten().count(), before.0.iter().flatten().count() + 1);
    drop(desk);
    let_go(dir);
    assert_eq!(facts(&Desk::open(dir, RESTART_MS + 1000).unwrap(), dir), after);
}

#[test]
fn a_record_that_is_not_the_lost_one_is_not_taken() {
    let Lost { dir, kept, sent, .. } = lost();
    refill(dir.path(), &kept).unwrap();
    let desk = Desk::open(dir.path(), RESTART_MS).unwrap();
    // The first record of number 7 was replaced by another, so it is nothing any more.
    let first = sent.iter().find(|(n, _)| *n == 7).unwrap();
    desk.submit(&first.1).unwrap();
    assert!(desk.board.shows(number(7)).is_none());
    let last = sent.iter().rfind(|(n, _)| *n == 7).unwrap();
    for change in [
        |s: &mut Submission| s.opening = s.opening.map(|opening| opening.map(|byte| byte ^ 1)),
        |s: &mut Submission| s.record = s.record.as_ref().map(|record| [&record[..record.len() - 1], b"x"].concat()),
        |s: &mut Submission| s.record = None,
        |s: &mut Submission| s.number = Number::from_u64(999_000_000_099).unwrap(),
    ] {
        let mut other = last.1.clone();
        change(&mut other);
        let _receipt_or_refusal = desk.submit(&other);
        assert!(desk.board.shows(number(7)).is_none() && desk.board.shows(number(99)).is_none());
    }
    desk.submit(&last.1).unwrap();
    assert!(desk.board.shows(number(7)).is_some());
}

#[test]
fn copies_that_do_not_fit_are_refused_and_nothing_is_spoilt() {
    let Lost { dir, old, kept, .. } = lost();
    let dir = dir.path();
    let why = |kept: &Kept| refill(dir, kept).unwrap_err().to_string();
    let with = |change: &dyn Fn(&mut Kept)| {
        let mut other = kept.clone();
        change(&mut other);
        other
    };
    let shorter = with(&|kept| {
        kept.leaves.get_mut("map log").unwrap().pop();
    });
    assert!(why(&shorter).contains("is nowhere"), "{}", why(&shorter));
    for log in ["map log", "gov log"] {
        let changed = with(&|kept| kept.leaves.get_mut(log).unwrap().last_mut().unwrap()[40] ^= 1);
        assert!(why(&changed).contains("does not go on"), "{}", why(&changed));
        let unsigned = with(&|kept| {
            let note = kept.notes.get_mut(log).unwrap();
            *note = note.replacen("dir.example", "dir.elsewhere", 1);
        });
        assert!(why(&unsigned).contains("not signed by us"), "{}", why(&unsigned));
    }
    assert_eq!(std::fs::read(dir.join("data/ledger.sqlite")).unwrap().len(), old.len());
    // A batch that is missing or not the epoch's stops there; what came before it stays, and with the right one it goes on.
    let last = *kept.batches.keys().next_back().unwrap();
    let without = with(&|kept| drop(kept.batches.remove(&last)));
    assert!(why(&without).contains(&format!("epoch {last}: it is nowhere")), "{}", why(&without));
    let mixed = with(&|kept| {
        let other = kept.batches[&(last - 1)].clone();
        kept.batches.insert(last, other);
    });
    assert!(why(&mixed).contains("not its batch"), "{}", why(&mixed));
    let broken_off = Desk::open(dir, RESTART_MS).err().expect("not before it has everything").to_string();
    assert!(broken_off.contains("callbook log refill"), "{broken_off}");
    let_go(dir);
    assert_eq!(refill(dir, &kept).unwrap().epochs, 1);
    assert_eq!(Desk::open(dir, RESTART_MS).unwrap().authority.vitals().frozen, None);
}

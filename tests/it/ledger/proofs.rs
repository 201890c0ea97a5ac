//! Proofs for callers are right at every moment: before, while and after an epoch is made, for numbers that are there, that
//! are not, and that are just coming or going; after a failure half-way and after a restart too.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use callbook::authority::{Authority, Rejection, Step};
use callbook::client::holder::Change;
use callbook::ledger::LedgerError;
use callbook::log::proof::Proof;
use callbook::log::proved::{self, Proved, Standing, Warning};
use callbook::log::trust::TrustList;
use callbook::log::vrf;

use crate::ledger::desk::{Desk, START_MS, let_go, number};

fn trust(authority: &Authority) -> TrustList {
    TrustList {
        origin: authority.origin().to_owned(),
        log: authority.log_keys().map,
        witnesses: Vec::new(),
        quorum: 0,
        auditors: Vec::new(),
        vrf: vrf::PublicKey::new(&authority.vrf_key()).unwrap(),
        eras: Vec::new(),
    }
}

fn ask(authority: &Authority, n: u64) -> Result<Proof, Rejection> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(authority.prove(number(n)))
}

/// The proof for the n-th number, checked as of `now_ms`.
fn proved(authority: &Authority, n: u64, now_ms: u64) -> Proved {
    let proof = ask(authority, n).unwrap();
    assert_eq!(Proof::parse(&proof.write()).as_ref(), Ok(&proof));
    proved::check(&proof, number(n), &trust(authority), now_ms, None).unwrap()
}

/// What must be proved: by number where it stands, and under which version (0: none).
type Expected = BTreeMap<u64, (Standing, u64)>;

fn seen(proved: &Proved) -> (Standing, u64) {
    (proved.standing, proved.number.as_ref().map_or(0, |number| number.state.version))
}

/// Numbers that are asked about; some of them nobody ever registers.
const ASKED: u64 = 9;

fn check_all(authority: &Authority, expected: &Expected, epoch: u64, now_ms: u64) {
    for n in 1..=ASKED {
        let found = proved(authority, n, now_ms);
        assert_eq!(found.epoch, epoch);
        assert_eq!(seen(&found), expected.get(&n).copied().unwrap_or((Standing::Absent, 0)), "number {n}");
    }
}

#[test]
fn at_every_step_of_every_kind_of_change() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    assert!(matches!(ask(&desk.authority, 1), Err(Rejection::Unavailable { .. })), "nothing is published yet");
    let shown = Arc::new(Mutex::new((Expected::new(), 0, START_MS)));
    let coming = Arc::new(Mutex::new(Expected::new()));
    let steps = Arc::new(AtomicU64::new(0));
    desk.authority.interrupt({
        let (authority, shown, coming, steps) = (desk.authority.clone(), shown.clone(), coming.clone(), steps.clone());
        move |step| {
            let mut shown = shown.lock().unwrap();
            if step == Step::AfterPublish {
                (shown.0, shown.1) = (coming.lock().unwrap().clone(), shown.1 + 1);
            }
            if shown.1 > 0 {
                check_all(&authority, &shown.0, shown.1, shown.2);
                steps.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        }
    });
    let turn = |after: &[(u64, Standing, u64)]| {
        coming.lock().unwrap().extend(after.iter().map(|(n, standing, version)| (*n, (*standing, *version))));
        desk.clock.advance(1000);
        shown.lock().unwrap().2 += 1000;
        desk.authority.turn().unwrap();
    };
    let submit = |submission| drop(desk.submit(&submission).unwrap());
    let holder = |n, change: fn(_, &_) -> Change| {
        desk.authority.holder_event_blocking(&desk.holder(n, change)).unwrap();
    };
    use Standing::{Active, Released, Suspended};
    submit(desk.registration(1, "a"));
    turn(&[(1, Active, 1)]);
    submit(desk.registration(2, "b"));
    submit(desk.registration(3, "c"));
    submit(desk.update(1, "sip:new@acme.example"));
    turn(&[(1, Active, 2), (2, Active, 1), (3, Active, 1)]);
    holder(2, Change::suspend);
    submit(desk.renewal(3, "d"));
    turn(&[(2, Suspended, 2), (3, Active, 2)]);
    holder(2, Change::resume);
    holder(1, Change::release);
    turn(&[(2, Active, 3), (1, Released, 3)]);
    holder(2, Change::release);
    submit(desk.registration(4, "e"));
    submit(desk.registration(5, "f"));
    turn(&[(2, Released, 4), (4, Active, 1), (5, Active, 1)]);
    assert!(steps.load(Ordering::Relaxed) >= 5 * 4);
}

#[test]
fn what_is_disclosed_is_what_was_published_then() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    desk.register(1);
    desk.clock.advance(1000);
    let address = |proved: &Proved| {
        let record = proved.number.as_ref().unwrap().record.as_ref().unwrap().write();
        String::from_utf8(record).unwrap()
    };
    let before = address(&proved(&desk.authority, 1, START_MS));
    desk.submit(&desk.update(1, "sip:new@acme.example")).unwrap();
    assert_eq!(address(&proved(&desk.authority, 1, START_MS)), before, "accepted is not published");
    desk.authority.turn().unwrap();
    assert_ne!(address(&proved(&desk.authority, 1, START_MS + 1000)), before);
}

#[test]
fn a_registration_that_is_over_discloses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    desk.register(1);
    desk.clock.advance(81 * 86_400_000);
    desk.authority.turn().unwrap();
    let over = proved(&desk.authority, 1, START_MS + 81 * 86_400_000);
    assert_eq!((over.standing, over.number.unwrap().record), (Standing::Lapsed, None));
}

#[test]
fn an_epoch_that_failed_half_way_was_never_shown() {
    for fails_at in [Step::BeforeSeal, Step::AfterSeal, Step::BeforeSign, Step::AfterSign] {
        let dir = tempfile::tempdir().unwrap();
        let desk = Desk::new(dir.path());
        desk.register(1);
        let failing = Arc::new(AtomicBool::new(true));
        desk.authority.interrupt({
            let failing = failing.clone();
            move |step| match step == fails_at && failing.load(Ordering::Relaxed) {
                true => Err(LedgerError::Unavailable("a test".into())),
                false => Ok(()),
            }
        });
        let now_ms = START_MS + 1000;
        desk.clock.advance(1000);
        desk.submit(&desk.registration(2, "b")).unwrap();
        desk.submit(&desk.update(1, "sip:new@acme.example")).unwrap();
        let before = Expected::from([(1, (Standing::Active, 1))]);
        assert!(desk.authority.turn().is_err());
        check_all(&desk.authority, &before, 1, now_ms);
        failing.store(false, Ordering::Relaxed);
        desk.authority.turn().unwrap();
        let after = Expected::from([(1, (Standing::Active, 2)), (2, (Standing::Active, 1))]);
        check_all(&desk.authority, &after, 2, now_ms);
    }
}

fn reopened(dir: &Path, now_ms: u64) -> Desk {
    let_go(dir);
    Desk::open(dir, now_ms).unwrap()
}

#[test]
fn a_restart_proves_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    for n in 1..=5 {
        desk.register(n);
        desk.clock.advance(1000);
    }
    let before: Vec<Proof> = (1..=ASKED).map(|n| ask(&desk.authority, n).unwrap()).collect();
    drop(desk);
    let desk = reopened(dir.path(), START_MS + 6000);
    let after: Vec<Proof> = (1..=ASKED).map(|n| ask(&desk.authority, n).unwrap()).collect();
    assert_eq!(before, after);
    desk.register(6);
    assert_eq!(seen(&proved(&desk.authority, 6, START_MS + 6000)), (Standing::Active, 1));
}

/// Whoever asks while the sequencer works hears of one epoch or the next, whole.
#[test]
fn callers_and_the_sequencer_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    desk.register(1);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let askers: Vec<_> = (0..3)
            .map(|i| {
                let (authority, stop, ends) = (&desk.authority, &stop, START_MS + 3_600_000);
                scope.spawn(move || {
                    let (mut asked, mut newest) = (0u64, 0);
                    while !stop.load(Ordering::Relaxed) {
                        let n = 1 + (asked + i) % 6;
                        let found = proved(authority, n, ends);
                        assert!(found.epoch >= newest, "never an older one");
                        let version = found.number.as_ref().map_or(0, |number| number.state.version);
                        // Number n is created in epoch n and updated in each that follows.
                        assert_eq!(version, (found.epoch + 1).saturating_sub(n), "number {n}, epoch {}", found.epoch);
                        assert!(!found.warnings.contains(&Warning::Pending));
                        (asked, newest) = (asked + 1, found.epoch);
                    }
                    asked
                })
            })
            .collect();
        for epoch in 2..=40u64 {
            desk.clock.advance(1000);
            (1..epoch.min(7))
                .for_each(|n| drop(desk.submit(&desk.update(n, &format!("sip:e{epoch}@acme.example"))).unwrap()));
            if epoch <= 6 {
                desk.submit(&desk.registration(epoch, &format!("n {epoch}"))).unwrap();
            }
            desk.authority.turn().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        assert!(askers.into_iter().map(|asker| asker.join().unwrap()).sum::<u64>() > 100);
    });
}

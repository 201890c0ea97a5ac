//! What a holder sees of its own number, and nobody else: every change since a version, proved, at every moment of an epoch.

use std::sync::{Arc, Mutex};

use callbook::api::monitor::MONITOR_PAGE_MAX;
use callbook::authority::{Rejection, Step, Watch, Watched};
use callbook::client::holder::Change;
use callbook::log::event::Kind;
use callbook::log::key::SigningKey;
use callbook::log::label::Label;
use callbook::log::monitor::{self, GRANT_S_MAX, Grant};
use callbook::log::proof::{Found, Proof};
use callbook::log::proved::{self, Proved, Standing};
use callbook::log::trust::TrustList;
use callbook::log::vrf;

use crate::ledger::desk::{Desk, START_MS, device, let_go, number};

fn trust(desk: &Desk) -> TrustList {
    TrustList {
        origin: desk.authority.origin().to_owned(),
        log: desk.authority.log_keys().map,
        witnesses: Vec::new(),
        quorum: 0,
        auditors: Vec::new(),
        vrf: vrf::PublicKey::new(&desk.authority.vrf_key()).unwrap(),
        eras: Vec::new(),
    }
}

fn label(desk: &Desk, n: u64) -> Label {
    desk.authority.prepare_blocking(&desk.actor, number(n)).unwrap().label
}

fn question(desk: &Desk, label: Label, from_version: u64, key: &SigningKey, grant: Option<Grant>) -> Watch {
    let at_s = desk.now_s();
    let signature = key.sign(&monitor::tbs(desk.authority.origin(), &label, from_version, at_s));
    Watch { label, from_version, at_s, key: key.public().clone(), signature, grant }
}

/// Asks as the holder of the n-th number, and makes the checks that need no network.
fn watched(desk: &Desk, n: u64, from_version: u64) -> (Watched, Proved) {
    let label = label(desk, n);
    let watched =
        desk.authority.watch_blocking(&question(desk, label, from_version, &device(n).control, None)).unwrap();
    assert_eq!(Proof::parse(&watched.proof.write()).as_ref(), Ok(&watched.proof));
    let proved = proved::check_label(&watched.proof, label, &trust(desk), desk.clock_ms(), None).unwrap();
    (watched, proved)
}

trait ClockMs {
    fn clock_ms(&self) -> u64;
}

impl ClockMs for Desk {
    fn clock_ms(&self) -> u64 {
        callbook::clock::Clock::now_ms(&*self.clock)
    }
}

/// Each event follows from the one before, and the last is what the map holds.
fn is_a_chain(watched: &Watched, proved: &Proved) {
    let states: Vec<_> = watched.events.iter().map(|event| &event.state).collect();
    for pair in states.windows(2) {
        assert_eq!((pair[1].prev, pair[1].version), (pair[0].hash(), pair[0].version + 1));
    }
    if !watched.more {
        assert_eq!(states.last().copied(), proved.number.as_ref().map(|number| &number.state));
    }
}

fn turn(desk: &Desk) {
    desk.clock.advance(1000);
    desk.authority.turn().unwrap();
}

fn holder(desk: &Desk, n: u64, change: fn(Label, &callbook::log::state::State) -> Change) {
    desk.authority.holder_event_blocking(&desk.holder(n, change)).unwrap();
    turn(desk);
}

#[test]
fn the_whole_life_of_a_number() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    desk.register(1);
    turn(&desk);
    desk.submit(&desk.update(1, "sip:b@acme.example")).unwrap();
    turn(&desk);
    holder(&desk, 1, Change::suspend);
    holder(&desk, 1, Change::resume);
    desk.submit(&desk.renewal(1, "again")).unwrap();
    turn(&desk);
    desk.submit(&desk.notice(1)).unwrap();
    turn(&desk);
    let kinds = |from| -> Vec<Kind> { watched(&desk, 1, from).0.events.iter().map(|event| event.kind).collect() };
    let all = [Kind::Create, Kind::Update, Kind::Suspend, Kind::Resume, Kind::Renew, Kind::Request];
    assert_eq!(kinds(0), all);
    for from in 1..=all.len() as u64 {
        assert_eq!(kinds(from), all[from as usize - 1..], "from {from}");
        let (watched, proved) = watched(&desk, 1, from);
        is_a_chain(&watched, &proved);
        assert!(!watched.more && proved.number.unwrap().record.is_some(), "its own record is opened");
    }
    holder(&desk, 1, Change::release);
    let (after, proved) = watched(&desk, 1, 3);
    is_a_chain(&after, &proved);
    assert_eq!((proved.standing, after.events.last().unwrap().kind), (Standing::Released, Kind::Release));
    assert_eq!(after.proof.extra.pi, [0; 80]);
    let late = question(&desk, label(&desk, 1), 7, &device(1).control, None);
    assert!(matches!(desk.authority.watch_blocking(&late), Err(Rejection::NotFound)), "it has no key in that version");

    let before = watched(&desk, 1, 1);
    drop(desk);
    let_go(dir.path());
    let desk = Desk::open(dir.path(), before.1.epoch_ms).unwrap();
    assert_eq!(watched(&desk, 1, 1), before, "a restart tells the same");
}

#[test]
fn for_everybody_else_there_is_no_such_number() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    desk.register(1);
    desk.register(2);
    turn(&desk);
    let (own, own_key, other_key) = (label(&desk, 1), device(1).control, device(2).control);
    let good = question(&desk, own, 1, &own_key, None);
    assert!(desk.authority.watch_blocking(&good).is_ok());
    let spoiled = |spoil: &dyn Fn(&mut Watch)| {
        let mut watch = good.clone();
        spoil(&mut watch);
        watch
    };
    let (watcher, now_s) = (device(3).control, desk.now_s());
    let grant = |by: &SigningKey, label: &Label, until_s| {
        Grant::give(desk.authority.origin(), label, &watcher.public().thumbprint(), until_s, by)
    };
    let strangers = [
        ("another's key", question(&desk, own, 1, &other_key, None)),
        ("a label that is none", question(&desk, Label([9; 32]), 1, &own_key, None)),
        ("another's label", question(&desk, label(&desk, 2), 1, &own_key, None)),
        ("another label was signed", spoiled(&|watch| watch.label = label(&desk, 2))),
        ("another version was signed", spoiled(&|watch| watch.from_version = 0)),
        ("another time was signed", spoiled(&|watch| watch.at_s += 1)),
        ("a broken signature", spoiled(&|watch| watch.signature[0] ^= 1)),
        ("a version that is not there yet", question(&desk, own, 2, &own_key, None)),
        ("a watcher without leave", question(&desk, own, 1, &watcher, None)),
        ("leave by a stranger", question(&desk, own, 1, &watcher, Some(grant(&other_key, &own, now_s + 9)))),
        (
            "leave for another label",
            question(&desk, own, 1, &watcher, Some(grant(&own_key, &Label([9; 32]), now_s + 9))),
        ),
        ("leave that is over", question(&desk, own, 1, &watcher, Some(grant(&own_key, &own, now_s)))),
        ("leave for ever", question(&desk, own, 1, &watcher, Some(grant(&own_key, &own, now_s + GRANT_S_MAX + 1)))),
        ("another's leave", question(&desk, own, 1, &other_key, Some(grant(&own_key, &own, now_s + 9)))),
    ];
    for (who, watch) in strangers {
        assert!(matches!(desk.authority.watch_blocking(&watch), Err(Rejection::NotFound)), "{who}");
    }
    for at_s in [now_s - 301, now_s + 301] {
        let watch = spoiled(&|watch| watch.at_s = at_s);
        assert!(matches!(desk.authority.watch_blocking(&watch), Err(Rejection::Forbidden(_))), "{at_s}");
    }
    let watch = question(&desk, own, 1, &watcher, Some(grant(&own_key, &own, now_s + 9)));
    let seen = desk.authority.watch_blocking(&watch).unwrap();
    let Found::Present(present) = &seen.proof.extra.found else { panic!("it is there") };
    assert_eq!((present.opened.as_ref(), seen.proof.extra.pi), (None, [0; 80]), "a watcher learns no number");
    let proved = proved::check_label(&seen.proof, own, &trust(&desk), desk.clock_ms(), None).unwrap();
    is_a_chain(&seen, &proved);
}

/// Who had the number before still sees what becomes of it, and not what is published now.
#[test]
fn a_former_holder_sees_that_it_was_lost() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    desk.register(1);
    holder(&desk, 1, Change::release);
    desk.clock.advance(200 * 86_400_000); // past the quarantine, and the years-old number needs no second method
    let again = desk.registration_after_release_by(1, "new holder", device(50));
    desk.submit(&again).unwrap();
    turn(&desk);
    let (watched, proved) = watched(&desk, 1, 1);
    is_a_chain(&watched, &proved);
    let kinds: Vec<Kind> = watched.events.iter().map(|event| event.kind).collect();
    assert_eq!((kinds, proved.standing), (vec![Kind::Create, Kind::Release, Kind::Create], Standing::Active));
    assert_eq!((proved.number.unwrap().record, watched.proof.extra.pi), (None, [0; 80]));
    let newest = &watched.events[2].state;
    assert_eq!((newest.key_epoch, newest.control), (newest.since_epoch, device(50).control.public().thumbprint()));
    let late = question(&desk, label(&desk, 1), 2, &device(1).control, None);
    assert!(matches!(desk.authority.watch_blocking(&late), Err(Rejection::NotFound)));
}

#[test]
fn a_long_past_comes_page_by_page() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    desk.register(1);
    let versions = 2 * MONITOR_PAGE_MAX as u64 + 3;
    for version in 2..=versions {
        holder(&desk, 1, if version % 2 == 0 { Change::suspend } else { Change::resume });
    }
    let (mut from, mut pages, mut seen) = (1, 0, Vec::new());
    loop {
        let (page, proved) = watched(&desk, 1, from);
        is_a_chain(&page, &proved);
        assert_eq!(proved.number.unwrap().state.version, versions, "each page proves the newest");
        (pages, from) = (pages + 1, from + page.events.len() as u64);
        seen.extend(page.events);
        if !page.more {
            break;
        }
        assert_eq!(seen.len(), pages * MONITOR_PAGE_MAX);
    }
    assert_eq!((pages, seen.len() as u64), (3, versions));
    assert!(seen.windows(2).all(|pair| pair[1].state.prev == pair[0].state.hash()));
}

#[test]
fn at_every_step_of_an_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Arc::new(Desk::new(dir.path()));
    desk.register(1);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let own = label(&desk, 1);
    let asked = question(&desk, own, 1, &device(1).control, None);
    desk.authority.interrupt({
        let (authority, seen, asked) = (desk.authority.clone(), seen.clone(), asked);
        move |step| {
            let watched = authority.watch_blocking(&asked).unwrap();
            let Found::Present(present) = &watched.proof.extra.found else { panic!("it is there") };
            assert_eq!(watched.events.last().map(|event| &event.state), Some(&present.state), "{step:?}");
            seen.lock().unwrap().push((step == Step::AfterPublish, present.state.version));
            Ok(())
        }
    });
    for version in 2..=4u64 {
        desk.submit(&desk.update(1, &format!("sip:v{version}@acme.example"))).unwrap();
        turn(&desk);
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        assert!(seen.iter().all(|(published, at)| *at == if *published { version } else { version - 1 }), "{seen:?}");
        assert!(seen.len() >= 5);
    }
    assert!(desk.clock_ms() < START_MS + 300_000);
}

//! The way of a change: receipt, epoch, view; and every way in which it is told no.

use callbook::authority::{Idempotency, Rejection, Turned, Visibility};
use callbook::client::holder::Change;
use callbook::log::checkpoint::Checkpoint;
use callbook::log::note::Note;
use callbook::log::sha256;
use callbook::registry::refusal::{self, Reason};

use crate::ledger::desk::{Desk, START_MS, acme, address, device, number};

fn desk() -> (tempfile::TempDir, Desk) {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    (dir, desk)
}

fn refused<T: std::fmt::Debug>(answer: Result<T, Rejection>, reason: &Reason) {
    match answer {
        Err(Rejection::Refused(all)) => assert!(all.iter().any(|refusal| refusal.is(reason)), "{all:?}"),
        other => panic!("{other:?}, expected {}", reason.code),
    }
}

#[test]
fn a_registration_is_durable_then_published() {
    let (_dir, desk) = desk();
    let receipt = desk.submit(&desk.registration(1, "a")).unwrap();
    assert_eq!((receipt.version, receipt.visibility), (1, Visibility::Pending));
    assert!(desk.board.shows(number(1)).is_none(), "nothing is served before its epoch is signed");
    assert_eq!(desk.authority.turn().unwrap(), Turned::Published(1));
    assert!(receipt.epoch_latest >= 1);

    let shown = desk.board.shows(number(1)).unwrap();
    assert!(address(&shown).contains("sip:alice@acme.example"));
    let now = desk.authority.receipt(&desk.actor, &receipt.event_hash).unwrap().unwrap();
    let Visibility::Published { epoch: 1, state_hash: Some(hash) } = now.visibility else { panic!("{now:?}") };
    assert_eq!(hash[..16], shown.state_hash);
    let view = desk.authority.read(&desk.actor, number(1)).unwrap().unwrap();
    let state = view.state.unwrap();
    assert_eq!((state.version, state.since_epoch, state.key_epoch, state.hash()), (1, 1, 1, hash));
    assert_eq!(desk.authority.turn().unwrap(), Turned::Idle);
}

#[test]
fn an_update_replaces_what_is_shown_and_a_release_removes_it() {
    let (_dir, desk) = desk();
    desk.register(1);
    desk.submit(&desk.update(1, "sip:bob@acme.example")).unwrap();
    assert!(address(&desk.board.shows(number(1)).unwrap()).contains("alice"));
    desk.clock.advance(1000);
    desk.authority.turn().unwrap();
    assert!(address(&desk.board.shows(number(1)).unwrap()).contains("bob"));
    assert_eq!(desk.board.shows(number(1)).unwrap().version, 2);

    desk.authority.holder_event_blocking(&desk.holder(1, Change::release)).unwrap();
    desk.authority.turn().unwrap();
    assert!(desk.board.shows(number(1)).is_none());
    assert!(desk.authority.read(&desk.actor, number(1)).unwrap().is_none(), "personal data is erased");
    assert_eq!(desk.authority.count_numbers().unwrap(), 0);
}

#[test]
fn the_holder_alone_suspends_and_resumes() {
    let (_dir, desk) = desk();
    desk.register(1);
    desk.authority.holder_event_blocking(&desk.holder(1, Change::suspend)).unwrap();
    desk.authority.turn().unwrap();
    assert!(desk.board.shows(number(1)).is_none());
    desk.authority.holder_event_blocking(&desk.holder(1, Change::resume)).unwrap();
    desk.authority.turn().unwrap();
    assert!(desk.board.shows(number(1)).is_some());
}

#[test]
fn the_same_event_again_gets_the_first_receipt_however_late() {
    let (_dir, desk) = desk();
    let submission = desk.registration(1, "a");
    let first = desk.submit(&submission).unwrap();
    assert_eq!(desk.submit(&submission).unwrap(), first);
    desk.authority.turn().unwrap();
    desk.clock.advance(3 * 86_400_000); // nonce, token and valid_until are long over
    let again = desk.submit(&submission).unwrap();
    assert_eq!(
        (again.event_hash, again.accepted_ms, again.epoch_latest),
        (first.event_hash, first.accepted_ms, first.epoch_latest)
    );
    assert!(matches!(again.visibility, Visibility::Published { epoch: 1, .. }));
}

#[test]
fn a_validation_is_used_once_and_a_number_waits_for_its_epoch() {
    let (_dir, desk) = desk();
    let (one, two) = (desk.registration(1, "same"), desk.registration(2, "same"));
    desk.submit(&one).unwrap();
    refused(desk.submit(&two), &refusal::TOKEN_REPLAYED);
    refused(desk.submit(&desk.registration(1, "other")), &refusal::EVENT_PENDING);
    desk.authority.turn().unwrap();
    refused(desk.submit(&desk.registration(1, "third")), &refusal::EXISTS);
    assert_eq!(desk.board.len(), 1);
}

#[test]
fn all_mistakes_are_told_together() {
    let (_dir, desk) = desk();
    let mut submission = desk.registration(1, "a");
    submission.opening = Some([0; 32]);
    submission.possession.clear();
    let Err(Rejection::Refused(all)) = desk.submit(&submission) else { panic!("accepted") };
    assert!(all.iter().any(|refusal| refusal.is(&refusal::COMMITMENT)), "{all:?}");
    assert!(all.iter().any(|refusal| refusal.is(&refusal::POSSESSION_MISSING)), "{all:?}");
}

#[test]
fn an_idempotency_key_belongs_to_one_request() {
    let (_dir, desk) = desk();
    let (one, two) = (desk.registration(1, "a"), desk.registration(2, "b"));
    let key = |request: &[u8]| Idempotency { key: "k".into(), request: sha256(&[request]) };
    let submit = |s, k| desk.authority.submit_blocking(&desk.actor, s, Some(&k));
    let first = submit(&one, key(b"one")).unwrap();
    assert_eq!(submit(&one, key(b"one")).unwrap(), first);
    assert!(matches!(submit(&two, key(b"two")), Err(Rejection::IdempotencyReused)));
    desk.clock.advance(25 * 3600 * 1000);
    desk.authority.upkeep().unwrap();
    let late = desk.registration(3, "c");
    assert!(submit(&late, key(b"three")).is_ok(), "kept for 24 hours");
}

#[test]
fn strangers_learn_nothing() {
    let (_dir, desk) = desk();
    desk.register(1);
    let mut other = acme();
    other.id = "other".into();
    let operator = callbook::authority::Actor::operator();
    desk.authority.add_provider(&operator, other).unwrap();
    let stranger = callbook::authority::Actor {
        party: callbook::authority::Party::Provider("other".into()),
        ..desk.actor.clone()
    };
    for n in [1, 2] {
        assert!(desk.authority.prepare_blocking(&stranger, number(n)).unwrap().sponsored.is_none());
        assert_eq!(desk.authority.read(&stranger, number(n)).unwrap(), None);
    }
}

#[test]
fn a_suspended_provider_is_refused_and_its_numbers_stay() {
    let (_dir, desk) = desk();
    desk.register(1);
    let operator = callbook::authority::Actor::operator();
    let waiting = desk.submit(&desk.registration(2, "b")).unwrap();
    desk.authority.set_provider_status(&operator, "acme", true, "7.2").unwrap();
    refused(desk.submit(&desk.registration(3, "c")), &refusal::PROVIDER_SUSPENDED);
    while desk.authority.turn().unwrap() != Turned::Idle {}
    let receipt = desk.authority.receipt(&desk.actor, &waiting.event_hash).unwrap().unwrap();
    assert!(matches!(receipt.visibility, Visibility::Published { .. }), "accepted before the decision");
    assert!(desk.board.shows(number(1)).is_some());
    desk.authority.set_provider_status(&operator, "acme", false, "7.2").unwrap();
    desk.submit(&desk.registration(3, "c")).unwrap();
}

#[test]
fn many_at_once_are_judged_one_by_one() {
    let (_dir, desk) = desk();
    let mut all: Vec<_> = (0..300).map(|n| desk.registration(n, &format!("jti {n}"))).collect();
    all[17].opening = Some([0; 32]);
    all.push(all[3].clone());
    all.push(desk.registration(4, "another"));
    let answers = desk.authority.submit_many(&desk.actor, &all);
    assert_eq!(answers.len(), all.len());
    for (n, answer) in answers.iter().enumerate() {
        match n {
            17 => assert!(matches!(answer, Err(Rejection::Refused(_))), "{answer:?}"),
            301 => assert!(matches!(answer, Err(Rejection::Refused(_))), "{answer:?}"),
            _ => assert!(answer.is_ok(), "{n}: {answer:?}"),
        }
    }
    assert_eq!(answers[300].as_ref().unwrap(), answers[3].as_ref().unwrap());
    while desk.authority.turn().unwrap() != Turned::Idle {}
    assert_eq!(desk.board.len(), 299);
}

#[test]
fn a_restart_shows_the_same() {
    let (dir, desk) = desk();
    for n in 1..=5 {
        desk.register(n);
    }
    let (before, serial) = (desk.board.shows(number(3)).unwrap(), desk.board.serial());
    desk.submit(&desk.registration(6, "waits")).unwrap();
    drop(desk);
    let desk = Desk::open(dir.path(), START_MS + 60_000).unwrap();
    assert_eq!(desk.board.len(), 5);
    assert_eq!(desk.board.shows(number(3)).unwrap().state_hash, before.state_hash);
    assert!(desk.authority.serial() > serial, "the serial never falls");
    desk.authority.turn().unwrap();
    assert_eq!(desk.board.len(), 6, "what was acknowledged is published by the next process");
}

#[test]
fn after_a_long_stop_the_epoch_tells_when_its_events_were_accepted() {
    let (dir, desk) = desk();
    desk.submit(&desk.registration(1, "a")).unwrap();
    drop(desk);
    let desk = Desk::open(dir.path(), START_MS + 100 * 86_400_000).unwrap();
    desk.authority.turn().unwrap();
    let receipt = desk.authority.read(&desk.actor, number(1)).unwrap().unwrap();
    assert_eq!(receipt.state.unwrap().since_epoch, 1);
}

#[test]
fn a_number_that_lapsed_is_released_after_its_grace() {
    let (_dir, desk) = desk();
    desk.register(1);
    desk.clock.advance(81 * 86_400_000);
    desk.authority.upkeep().unwrap();
    assert!(desk.authority.read(&desk.actor, number(1)).unwrap().is_some(), "its grace is not over");
    desk.clock.advance(31 * 86_400_000);
    desk.authority.upkeep().unwrap();
    desk.authority.turn().unwrap();
    assert!(desk.board.shows(number(1)).is_none());
    assert!(desk.authority.read(&desk.actor, number(1)).unwrap().is_none());
}

#[test]
fn the_heartbeat_makes_an_epoch_without_events() {
    let (_dir, desk) = desk();
    assert_eq!(desk.authority.turn().unwrap(), Turned::Idle);
    desk.clock.advance(60_000);
    assert_eq!(desk.authority.turn().unwrap(), Turned::Published(1));
    assert_eq!(desk.authority.turn().unwrap(), Turned::Idle);
}

#[test]
fn whoever_waits_is_told_of_the_publication() {
    let (_dir, desk) = desk();
    let submission = desk.registration(1, "a");
    let running = desk.authority.start(desk.board.clone()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let seen = runtime.block_on(async {
        let receipt = desk.authority.submit(&desk.actor, submission, None).await.unwrap();
        desk.authority.wait_published(&desk.actor, &receipt.event_hash, 60_000).await.unwrap().unwrap()
    });
    assert!(matches!(seen.visibility, Visibility::Published { epoch: 1, .. }), "{seen:?}");
    assert!(desk.board.shows(number(1)).is_some());
    running.stop();
}

#[test]
fn the_checkpoint_is_a_note_that_anyone_can_check() {
    let (dir, desk) = desk();
    desk.register(1);
    drop(desk);
    let ledger = callbook::ledger::Ledger::open(&dir.path().join("data")).unwrap();
    let read = ledger.read::<_, callbook::ledger::LedgerError>(|now| Ok((now.newest_epoch()?, now.gov_leaves(1)?)));
    let (epoch, gov) = read.unwrap();
    let gov = String::from_utf8(gov[0].clone()).unwrap();
    let vkey = gov.split("\"log_key\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let key = callbook::log::note::VerifierKey::parse(vkey).unwrap();
    let note = Note::open(&epoch.unwrap().note.unwrap(), &[key]).unwrap();
    assert_eq!(note.signed.len(), 1);
    let checkpoint = Checkpoint::parse(&note.text).unwrap();
    assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("dir.example/map/0", 2));
}

#[test]
fn another_holder_cannot_publish_the_same_key() {
    let (_dir, desk) = desk();
    desk.register(1);
    let key = device(1).keys;
    assert!(!key.is_empty());
    // The second holder's record names the first one's key, and its proof is good: only the key's owner could make it.
    let submission = desk.registration_with_keys_of(2, 1);
    refused(desk.submit(&submission), &refusal::DUPLICATE_KEY);
}

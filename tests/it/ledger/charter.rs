//! Versions of the charter: announced in time, in force from their date, kept over a restart, and what they touch.

use std::path::Path;
use std::sync::Arc;

use callbook::authority::{self, Actor, Authority, JudgedBy, OpenError, Party, Rejection, affected};
use callbook::charter::{POLICY_TEXT, Policy, TEXT, numbering};
use callbook::clock::FakeClock;
use callbook::log::random::Seeded;

use super::desk::{Desk, START_MS, acme, settings};

const DAY_MS: u64 = 86_400_000;

fn policy(change: impl Fn(String) -> String) -> Policy {
    Policy::parse(&change(POLICY_TEXT.to_owned())).expect("a sound policy").beside(TEXT)
}

/// The shipped charter without the sandbox, where the desk's numbers are.
fn without_sandbox() -> Policy {
    policy(|text| text.replace("prefix = \"+999\"", "prefix = \"+998\""))
}

fn open(dir: &Path, policy: Policy, now_ms: u64) -> Result<Authority, OpenError> {
    Authority::open(settings(dir), policy, Arc::new(FakeClock::at(now_ms)), |_| {})
}

fn codes(no: &Rejection) -> Vec<&'static str> {
    match no {
        Rejection::Refused(all) => all.iter().map(|refusal| refusal.code).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_folder_is_the_charter_until_somebody_relies_on_it() {
    let dir = tempfile::tempdir().unwrap();
    authority::init(&settings(dir.path()), START_MS, &Seeded::new([5; 32])).unwrap();
    let first = open(dir.path(), Policy::embedded(), START_MS).unwrap();
    assert_eq!(first.charter().newest().number, 1);
    assert_eq!(first.charter().newest().effective_ms, START_MS);
    assert_eq!(first.numbering(), numbering::EDITION);
    drop(first);
    // An operator adapts the file and starts again: nobody is accredited yet.
    let second = open(dir.path(), without_sandbox(), START_MS + 1000).unwrap();
    assert_eq!(second.charter().newest().number, 2);
    assert_eq!(*second.policy(), without_sandbox());
    second.add_provider(&Actor::operator(), acme()).unwrap();
    drop(second);
    // From now on another file is a draft.
    let third = open(dir.path(), Policy::embedded(), START_MS + 2000).unwrap();
    assert_eq!(third.charter().newest().number, 2);
    assert_eq!(*third.policy(), without_sandbox());
    drop(third);
    let peeked = authority::charter_in_force(&dir.path().join("data"), START_MS + 2000).unwrap();
    assert_eq!(peeked, Some(without_sandbox()));
    assert_eq!(authority::charter_in_force(&dir.path().join("data"), START_MS).unwrap(), Some(Policy::embedded()));
}

#[test]
fn a_version_is_announced_in_time_and_judges_from_its_date() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    desk.register(1);
    let operator = Actor::operator();
    let announce = |policy, at| desk.authority.announce_charter(&operator, policy, at);
    let same = announce(Policy::embedded(), None).unwrap_err();
    assert!(matches!(&same, Rejection::Conflict(why) if why.contains("version 1")), "{same:?}");
    let early = announce(without_sandbox(), Some(START_MS + 59 * DAY_MS)).unwrap_err();
    assert_eq!(codes(&early), ["charter_notice"]);
    let Rejection::Refused(told) = &early else { panic!("{early:?}") };
    assert_eq!((told[0].clause, told[0].parameter), ("10.1", Some("charter_notice_d")));
    assert!(told[0].detail.contains("2027-03-16"), "the earliest date is told: {}", told[0].detail);
    let stranger = Actor { party: Party::Provider("acme".into()), ..Actor::operator() };
    let no = desk.authority.announce_charter(&stranger, without_sandbox(), None).unwrap_err();
    assert!(matches!(no, Rejection::Forbidden(_)));

    let second = announce(without_sandbox(), None).unwrap();
    assert_eq!((second.number, second.effective_ms), (2, START_MS + 60 * DAY_MS));
    let sooner =
        announce(policy(|text| text.replace("value = 60 }", "value = 61 }")), Some(START_MS + 60 * DAY_MS - 1));
    assert_eq!(codes(&sooner.unwrap_err()), ["charter_notice"]);
    let before = desk.submit(&desk.registration(2, "before")).unwrap();
    let judged_by = |charter_version| JudgedBy { charter_version, numbering: numbering::EDITION.to_owned() };
    assert_eq!(before.judged_by, judged_by(1));
    desk.authority.turn().unwrap();

    // Two minutes before its date what is accepted must stand under either; from its date on the new one judges.
    desk.clock.set(second.effective_ms - 60_000);
    assert_eq!(*desk.authority.policy(), Policy::embedded());
    desk.clock.set(second.effective_ms);
    assert_eq!(*desk.authority.policy(), without_sandbox());
    let no = desk.submit(&desk.registration(3, "after")).unwrap_err();
    assert_eq!(codes(&no), ["number_not_served"]);
    // What is registered stays published, and its holder can still act.
    assert!(desk.board.shows(super::desk::number(1)).is_some());
    let released = desk.holder(1, callbook::client::holder::Change::release);
    let after = desk.authority.holder_event_blocking(&released).unwrap();
    assert_eq!(after.judged_by, judged_by(2));
    desk.authority.turn().unwrap();
    assert!(desk.board.shows(super::desk::number(1)).is_none());
    drop(desk);

    let desk = Desk::open(dir.path(), second.effective_ms + 1000).unwrap();
    assert_eq!(desk.authority.charter().at(second.effective_ms).number, 2);
    for (receipt, version) in [(before, 1), (after, 2)] {
        let kept = desk.authority.receipt(&operator, &receipt.event_hash).unwrap().unwrap();
        assert_eq!(kept.judged_by, judged_by(version), "a receipt says by what it was judged, whatever came since");
    }
    assert_eq!(*desk.authority.policy(), without_sandbox());
}

#[test]
fn whom_a_change_touches_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    for n in 1..=3 {
        desk.register(n);
    }
    let look = |then: &Policy| {
        affected(&dir.path().join("data"), "e164.example.", START_MS / 1000, &Policy::embedded(), then).unwrap()
    };
    let none = look(&policy(|text| text.replace("value = [30, 15, 3]", "value = [30, 3]")));
    assert_eq!((none.registrations, none.affected), (3, 0));
    let all = look(&without_sandbox());
    assert_eq!((all.registrations, all.affected), (3, 3));
    assert_eq!(all.providers.into_iter().collect::<Vec<_>>(), [("acme".to_owned(), 3)]);
    assert_eq!(all.reasons.into_iter().collect::<Vec<_>>(), [(("number_not_served", "1.2"), 3)]);
    let services = look(&policy(|text| text.replace("value = [\"sip\", ", "value = [")));
    assert_eq!(services.reasons.into_iter().collect::<Vec<_>>(), [(("naptr_service", "4.1"), 3)]);
}

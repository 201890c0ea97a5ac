//! Versions of the charter: announced in time, in force from their date, kept over a restart, and what they touch.

use std::path::Path;
use std::sync::Arc;

use callbook::authority::{self, Actor, Authority, JudgedBy, OpenError, Party, Proposal, Rejection, Subject, affected};
use callbook::charter::{POLICY_TEXT, Policy, TEXT, Version, numbering};
use callbook::clock::FakeClock;
use callbook::log::random::Seeded;
use callbook::registry::acts::ActKind;
use callbook::registry::refusal;

use super::desk::{Desk, START_MS, acme, let_go, settings};
use super::staff::{House, gov_log, refused, wish};

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

/// What an act announces.
fn next(policy: Policy, effective_ms: Option<u64>) -> Subject {
    Subject::Charter(Proposal { policy: Arc::new(policy), effective_ms })
}

/// Asked for by the admin, approved by the officer: the version that was announced.
fn announce(house: &House, policy: Policy, effective_ms: Option<u64>) -> Result<Version, Rejection> {
    let act = house.both(ActKind::Charter, next(policy, effective_ms))?;
    assert_eq!(act.row.state, "done");
    Ok(house.desk.authority.charter().newest().clone())
}

#[test]
fn a_version_is_announced_in_time_and_judges_from_its_date() {
    let house = House::new();
    let desk = &house.desk;
    desk.register(1);
    let operator = Actor::operator();
    let now_ms = desk.now_s() * 1000;
    let same = announce(&house, Policy::embedded(), None).unwrap_err();
    assert!(matches!(&same, Rejection::Conflict(why) if why.contains("version 1")), "{same:?}");
    let early = announce(&house, without_sandbox(), Some(now_ms + 59 * DAY_MS)).unwrap_err();
    assert_eq!(codes(&early), ["charter_notice"]);
    let Rejection::Refused(told) = &early else { panic!("{early:?}") };
    assert_eq!((told[0].clause, told[0].parameter), ("10.1", Some("charter_notice_d")));
    assert!(told[0].detail.contains("2027-03-16"), "the earliest date is told: {}", told[0].detail);

    let second = announce(&house, without_sandbox(), None).unwrap();
    let announced_ms = desk.authority.acts(&house.ada, 0, None, 1).unwrap()[0].steps.last().unwrap().at_ms;
    assert_eq!((second.number, second.effective_ms), (2, announced_ms + 60 * DAY_MS));
    let other = policy(|text| text.replace("value = 60 }", "value = 61 }"));
    let sooner = announce(&house, other, Some(second.effective_ms - 1));
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
    let House { desk, dir, .. } = house;
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
fn one_person_announces_nothing_and_the_other_sees_what_it_changes() {
    let house = House::new();
    let (desk, authority) = (&house.desk, &house.desk.authority);
    desk.register(1);
    let ask = |who: &Actor| authority.request_act(who, wish(ActKind::Charter, next(without_sandbox(), None)), None);
    let stranger = Actor { party: Party::Provider("acme".into()), ..Actor::operator() };
    assert!(matches!(ask(&stranger), Err(Rejection::Forbidden(_))));
    refused(ask(&house.ben), &refusal::STAFF_ROLE);
    refused(ask(&Actor::operator()), &refusal::ACT_PERSON);
    let leaves = gov_log(&house).len();
    let act = ask(&house.ada).unwrap();
    assert_eq!((act.row.state.as_str(), act.row.hands), ("open", 2));
    assert!(!act.row.parameters.contains("+998"), "an act shows digests, not texts: {}", act.row.parameters);
    refused(authority.approve_act(&house.ada, &act.row.id), &refusal::ACT_OWN);
    assert_eq!((authority.charter().newest().number, gov_log(&house).len()), (1, leaves), "nothing is announced yet");

    let seen = authority.proposed_charter(&house.ben, &act.row.id).unwrap();
    assert_eq!((seen.follows, seen.compared_with), (1, 1));
    let changed: Vec<_> = seen.differences.iter().map(|one| one.parameter.as_str()).collect();
    assert_eq!(changed, ["served +998", "served +999"]);
    assert_eq!((seen.touched["registrations"].as_u64(), seen.touched["affected"].as_u64()), (Some(1), Some(1)));
    assert_eq!(seen.touched["by_provider"]["acme"].as_u64(), Some(1), "{}", seen.touched);
    assert!(seen.clauses.is_empty() && *seen.proposal.policy == without_sandbox());
    assert!(authority.proposed_charter(&stranger, &act.row.id).is_err());

    let done = authority.approve_act(&house.ben, &act.row.id).unwrap();
    let second = authority.charter().newest().clone();
    assert_eq!((done.row.state.as_str(), second.number), ("done", 2));
    let leaf = &gov_log(&house)[usize::try_from(done.row.gov.unwrap()).unwrap()];
    assert!(leaf.contains("\"charter\"") && leaf.contains(&second.effective_ms.to_string()), "{leaf}");
    assert_eq!(authority.approve_act(&house.ben, &act.row.id).unwrap().row.gov, done.row.gov, "again changes nothing");
    assert_eq!(authority.charter().newest().number, 2);
    // What it was compared with stays what it was.
    desk.clock.set(second.effective_ms + 1);
    assert_eq!(authority.proposed_charter(&house.ben, &act.row.id).unwrap().differences, seen.differences);
}

#[test]
fn what_was_asked_for_is_announced_or_nothing() {
    let house = House::new();
    let authority = &house.desk.authority;
    let other = || policy(|text| text.replace("value = [30, 15, 3]", "value = [30, 3]"));
    let ask = |policy, at| authority.request_act(&house.ada, wish(ActKind::Charter, next(policy, at)), None).unwrap();
    // Of two that wait, the second was compared with a version that is not the newest any more.
    let (first, second) = (ask(without_sandbox(), None), ask(other(), None));
    authority.approve_act(&house.ben, &first.row.id).unwrap();
    refused(authority.approve_act(&house.ben, &second.row.id), &refusal::CHARTER_MOVED);
    authority.withdraw_act(&house.ben, &second.row.id).unwrap();
    refused(authority.approve_act(&house.ben, &second.row.id), &refusal::ACT_OVER);
    // A date that left the notice when it was asked for, and does not when it is approved.
    let newest_ms = authority.charter().newest().effective_ms;
    let now_ms = house.desk.now_s() * 1000;
    let tight = ask(other(), Some(newest_ms.max(now_ms + 60 * DAY_MS)));
    house.desk.clock.advance(3_600_000);
    refused(authority.approve_act(&house.ben, &tight.row.id), &refusal::CHARTER_NOTICE);
    // Nobody approves in time.
    let late = ask(other(), None);
    house.desk.clock.set(late.row.expires_ms);
    refused(authority.approve_act(&house.ben, &late.row.id), &refusal::ACT_OVER);
    assert_eq!(authority.charter().newest().number, 2);
    // One that waits over a restart is announced with the same text.
    let waits = ask(other(), None);
    let House { desk, ada: _, ben, dir } = house;
    let now_ms = desk.now_s() * 1000;
    drop(desk);
    let_go(dir.path());
    let desk = Desk::open(dir.path(), now_ms + 1000).unwrap();
    desk.authority.approve_act(&ben, &waits.row.id).unwrap();
    let newest = desk.authority.charter().newest().clone();
    assert_eq!((newest.number, &*newest.policy), (3, &other()));
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

//! The operator's orders about numbers, and what becomes of numbers whose validation rests on a lost key.

use callbook::authority::{Act, Rejection, Subject};
use callbook::client::holder::Change;
use callbook::log::event::Role;
use callbook::log::key::SigningKey;
use callbook::log::state::{Flags, State, Status};
use callbook::registry::acts::ActKind;
use callbook::registry::refusal;

use crate::ledger::desk::{number, token_key};
use crate::ledger::staff::{House, gov_log, key_of, refused, wish};

const DAY_MS: u64 = 86_400_000;

fn numbers(all: &[u64], days: u64) -> Subject {
    Subject::Numbers { numbers: all.iter().map(|n| number(*n)).collect(), days }
}

impl House {
    /// Signs what an act asks for by these keys and hands it in.
    fn sign(&self, act: &Act, keys: &[&SigningKey]) -> Vec<Result<u64, Rejection>> {
        let authority = &self.desk.authority;
        let page = authority.act_events(&self.ben, &act.row.id, None).unwrap();
        let signed = page.events.into_iter().map(|mut one| {
            keys.iter().for_each(|key| one.event.sign(authority.origin(), Role::Operator, key));
            one.event.write()
        });
        let answers = authority.submit_order(&self.ben, &act.row.id, signed.collect()).unwrap();
        answers.into_iter().map(|answer| answer.map(|receipt| receipt.version)).collect()
    }

    fn sign_by_both(&self, act: &Act) -> usize {
        let (ada, ben) = (key_of("admin"), key_of("ben"));
        let answers = self.sign(act, &[&ada, &ben]);
        answers.iter().for_each(|answer| assert!(answer.is_ok(), "{answer:?}"));
        self.desk.clock.advance(1000);
        self.desk.authority.turn().unwrap();
        answers.len()
    }

    fn flags(&self, n: u64) -> Flags {
        self.desk.authority.read(&self.desk.actor, number(n)).unwrap().unwrap().state.unwrap().flags
    }
}

#[test]
fn two_people_withhold_numbers_until_a_date() {
    let house = House::new();
    let (desk, authority) = (&house.desk, &house.desk.authority);
    for n in 1..=3 {
        desk.register(n);
    }
    refused(house.both(ActKind::SuspendNumbers, numbers(&[1], 91)), &refusal::ORDER_TERM);
    assert!(matches!(house.both(ActKind::SuspendNumbers, numbers(&[1, 99], 10)), Err(Rejection::NotFound)));
    let open = authority.request_act(&house.ada, wish(ActKind::SuspendNumbers, numbers(&[1, 2], 10)), None).unwrap();
    refused(authority.act_events(&house.ben, &open.row.id, None).map(|_| ()), &refusal::ACT_OPEN);
    let act = authority.approve_act(&house.ben, &open.row.id).unwrap();
    assert_eq!((act.numbers, act.accepted), (2, 0));
    assert_eq!(desk.board.len(), 3, "nothing happens before two keys have signed");

    let (ada, ben) = (key_of("admin"), key_of("ben"));
    for answer in house.sign(&act, &[&ada]).into_iter().chain(house.sign(&act, &[&ada, &key_of("stranger")])) {
        refused(answer, &refusal::EVENT_SIGNERS);
    }
    assert_eq!(house.sign(&act, &[&ada, &ben]).into_iter().map(Result::unwrap).collect::<Vec<_>>(), [2, 2]);
    authority.turn().unwrap();
    assert!(desk.board.shows(number(1)).is_none() && desk.board.shows(number(3)).is_some());
    assert_eq!(house.flags(1), Flags::SUSP_OP);
    assert_eq!(authority.act(&house.ada, &act.row.id).unwrap().accepted, 2);
    // The order is public; whom it concerns is not.
    let leaf = gov_log(&house).pop().unwrap();
    for said in [r#""kind":"suspend""#, r#""count":2"#, r#""clause":"11.2""#, &format!(r#""act":"{}""#, act.row.id)] {
        assert!(leaf.contains(said), "{leaf}");
    }
    assert!(!leaf.contains("999000") && leaf.contains(r#""until":18"#), "{leaf}");
    // The holder cannot end it, and may give the number back.
    let resumed = desk.holder(1, |label, state| {
        Change::resume(label, &State { flags: state.flags.with(Flags::SUSP_HOLDER), ..state.clone() })
    });
    refused(authority.holder_event_blocking(&resumed).map(|_| ()), &refusal::STATE_STALE);
    authority.holder_event_blocking(&desk.holder(2, Change::release)).unwrap();
    desk.clock.advance(1000);
    authority.turn().unwrap();

    let resume = house.both(ActKind::ResumeNumbers, numbers(&[1], 0)).unwrap();
    assert_eq!(house.sign_by_both(&resume), 1);
    assert!(desk.board.shows(number(1)).is_some());
    desk.clock.advance(30 * DAY_MS);
    authority.upkeep().unwrap();
    assert_eq!(authority.vitals().overdue, 0);
}

#[test]
fn an_order_covers_its_numbers_and_nothing_else() {
    let house = House::new();
    let (desk, authority) = (&house.desk, &house.desk.authority);
    for n in 1..=2 {
        desk.register(n);
    }
    let one = house.both(ActKind::SuspendNumbers, numbers(&[1], 5)).unwrap();
    let two = house.both(ActKind::SuspendNumbers, numbers(&[2], 5)).unwrap();
    let resume = house.both(ActKind::ResumeNumbers, numbers(&[1], 0)).unwrap();
    let mut event = authority.act_events(&house.ben, &one.row.id, None).unwrap().events.remove(0).event;
    for key in [key_of("admin"), key_of("ben")] {
        event.sign(authority.origin(), Role::Operator, &key);
    }
    for other in [&two, &resume] {
        let answer = authority.submit_order(&house.ada, &other.row.id, vec![event.write()]).unwrap().remove(0);
        refused(answer.map(|_| ()), &refusal::ORDER_NOT_COVERED);
    }
    assert!(authority.act_events(&house.ben, &resume.row.id, None).unwrap().events.is_empty(), "nothing is withheld");
    let first = authority.submit_order(&house.ada, &one.row.id, vec![event.write()]).unwrap().remove(0).unwrap();
    let again = authority.submit_order(&house.ada, &one.row.id, vec![event.write()]).unwrap().remove(0).unwrap();
    assert_eq!(first, again);
    // Whoever has only a provider's or holder's way cannot bring such an event in.
    let mut plain = desk.holder(2, Change::suspend);
    plain.event = event.write();
    plain.number = number(1);
    desk.authority.turn().unwrap();
    assert!(authority.holder_event_blocking(&plain).is_ok(), "the same event again gets its first receipt");
    let mut fresh = authority.act_events(&house.ben, &two.row.id, None).unwrap().events.remove(0).event;
    for key in [key_of("admin"), key_of("ben")] {
        fresh.sign(authority.origin(), Role::Operator, &key);
    }
    plain.event = fresh.write();
    plain.number = number(2);
    refused(authority.holder_event_blocking(&plain).map(|_| ()), &refusal::NOT_OFFERED);
}

#[test]
fn the_end_of_a_suspension_is_prepared_and_its_delay_is_shouted() {
    let house = House::new();
    let (desk, authority) = (&house.desk, &house.desk.authority);
    for n in 1..=2 {
        desk.register(n);
    }
    let act = house.both(ActKind::SuspendNumbers, numbers(&[1, 2], 10)).unwrap();
    assert_eq!(house.sign_by_both(&act), 2);
    desk.clock.advance(9 * DAY_MS);
    authority.upkeep().unwrap();
    authority.upkeep().unwrap();
    let open = authority.acts(&house.ada, 0, Some("open"), 9).unwrap();
    assert_eq!(open.len(), 1, "once");
    let prepared = &open[0];
    assert_eq!((prepared.kind, prepared.numbers, prepared.row.hands), (ActKind::ResumeNumbers, 2, 2));
    assert_eq!(prepared.steps[0].who, None, "the register asks, and two people still have to agree");
    // Nobody looks: it expires, is prepared anew, and the numbers are counted as overdue.
    desk.clock.advance(4 * DAY_MS);
    authority.upkeep().unwrap();
    authority.upkeep().unwrap();
    assert_eq!(authority.vitals().overdue, 2);
    let open = authority.acts(&house.ada, 0, Some("open"), 9).unwrap();
    assert_eq!(open.len(), 1);
    let id = &open[0].row.id;
    assert_eq!(authority.approve_act(&house.ada, id).unwrap().row.state, "open");
    let again = authority.approve_act(&house.login("admin"), id).unwrap();
    assert_eq!(again.row.state, "open", "the same person is one hand, with any token");
    let done = authority.approve_act(&house.ben, id).unwrap();
    assert_eq!(house.sign_by_both(&done), 2);
    authority.upkeep().unwrap();
    assert_eq!((authority.vitals().overdue, desk.board.len()), (0, 2));
    assert!(authority.acts(&house.ada, 0, Some("open"), 9).unwrap().is_empty());
}

fn lost(key: &SigningKey, since_s: u64) -> Subject {
    Subject::LostKey { provider: "acme".into(), key: key.public().thumbprint(), since_s }
}

#[test]
fn numbers_that_rest_on_a_lost_key_are_validated_anew_or_withheld() {
    let house = House::new();
    let (desk, authority) = (&house.desk, &house.desk.authority);
    desk.register(1);
    desk.clock.advance(DAY_MS);
    let since_s = desk.now_s();
    for n in 2..=5 {
        desk.register(n);
    }
    let key = token_key().public().thumbprint();
    assert!(authority.flagged(&house.ada, &key, None).is_err());
    refused(
        authority.request_act(&house.ben, wish(ActKind::CompromisedKey, lost(&key_of("x"), since_s)), None),
        &refusal::TOKEN_KEY,
    );
    authority.request_act(&house.ben, wish(ActKind::CompromisedKey, lost(&token_key(), since_s)), None).unwrap();
    refused(desk.submit(&desk.registration(6, "after")), &refusal::TOKEN_ENTITY);
    let flagged = || authority.flagged(&house.ada, &key, None).unwrap().numbers.len();
    assert_eq!(flagged(), 4, "those before the loss stand");
    assert_eq!(authority.lost_keys(&desk.actor).unwrap()[0].by_provider, [("acme".to_owned(), 4)]);
    assert_eq!(authority.flagged(&desk.actor, &key, None).unwrap().numbers.len(), 4);
    let back = Subject::Keys {
        provider: "acme".into(),
        statement_keys: vec![crate::ledger::desk::statement_key().public().clone()],
        validation_keys: vec![token_key().public().clone()],
    };
    refused(house.both(ActKind::ProviderKeys, back), &refusal::KEY_COMPROMISED);
    // With another key the provider validates one number anew: it leaves the list by itself. Another is given back.
    let fresh = SigningKey::from_bytes(callbook::log::key::Algorithm::Ed25519, &[61; 32]).unwrap();
    let keys = Subject::Keys {
        provider: "acme".into(),
        statement_keys: vec![crate::ledger::desk::statement_key().public().clone()],
        validation_keys: vec![fresh.public().clone()],
    };
    house.both(ActKind::ProviderKeys, keys).unwrap();
    desk.submit(&desk.renewal_by(2, &fresh)).unwrap();
    authority.holder_event_blocking(&desk.holder(3, Change::release)).unwrap();
    desk.clock.advance(1000);
    authority.turn().unwrap();
    assert_eq!(flagged(), 2);
    desk.clock.advance(13 * DAY_MS);
    authority.upkeep().unwrap();
    assert!(authority.acts(&house.ada, 0, Some("open"), 9).unwrap().is_empty());
    desk.clock.advance(2 * DAY_MS);
    authority.upkeep().unwrap();
    authority.upkeep().unwrap();
    let open = authority.acts(&house.ada, 0, Some("open"), 9).unwrap();
    assert_eq!((open.len(), open[0].kind, open[0].numbers), (1, ActKind::SuspendNumbers, 2));
    desk.submit(&desk.renewal_by(5, &fresh)).unwrap();
    authority.turn().unwrap();
    assert!(desk.board.shows(number(4)).is_some(), "nobody is withheld by a machine alone");
    authority.approve_act(&house.ada, &open[0].row.id).unwrap();
    let done = authority.approve_act(&house.ben, &open[0].row.id).unwrap();
    assert_eq!(house.sign_by_both(&done), 1, "whoever was validated meanwhile is left alone");
    assert!(desk.board.shows(number(4)).is_none() && desk.board.shows(number(2)).is_some());
    let state = authority.read(&desk.actor, number(4)).unwrap().unwrap().state.unwrap();
    assert_eq!(state.status, Status::Suspended);
}

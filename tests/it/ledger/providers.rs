//! The accreditation machine on real files: what each status may submit, what time does, appeals; records stay published.

use callbook::authority::{NewToken, Party, Subject};
use callbook::log::key::{Algorithm, SigningKey};
use callbook::registry::acts::ActKind;
use callbook::registry::refusal;
use callbook::registry::standing::ProviderStatus as S;

use crate::ledger::desk::{Desk, acme, number, token_key};
use crate::ledger::staff::{House, gov_log, provider, refused, wish};

const DAY_MS: u64 = 86_400_000;

#[test]
fn sanctions_gate_commands_and_records_stay_published() {
    let house = House::new();
    let desk = &house.desk;
    desk.register(1);
    house.both(ActKind::Warn, provider("acme")).unwrap();
    desk.submit(&desk.registration(2, "b")).unwrap();
    house.both(ActKind::Restrict, provider("acme")).unwrap();
    refused(desk.submit(&desk.registration(3, "c")), &refusal::PROVIDER_RESTRICTED);
    desk.authority.turn().unwrap();
    desk.submit(&desk.update(1, "sip:bob@acme.example")).unwrap();
    desk.authority.turn().unwrap();
    house.both(ActKind::Suspend, provider("acme")).unwrap();
    refused(desk.submit(&desk.update(1, "sip:eve@acme.example")), &refusal::PROVIDER_SUSPENDED);
    house.both(ActKind::Terminate, provider("acme")).unwrap();
    refused(desk.submit(&desk.registration(3, "d")), &refusal::PROVIDER_ENDED);
    refused(house.both(ActKind::Accredit, provider("acme")), &refusal::STANDING_STEP);
    while desk.authority.turn().unwrap() != callbook::authority::Turned::Idle {}
    assert!(desk.board.shows(number(1)).is_some() && desk.board.shows(number(2)).is_some());
    // The holder acts by himself, and each change is in the public log with its clause.
    desk.authority.holder_event_blocking(&desk.holder(1, callbook::client::holder::Change::suspend)).unwrap();
    let leaves = gov_log(&house);
    for status in ["warned", "restricted", "suspended", "terminated"] {
        let said = format!(r#""status":"{status}""#);
        assert!(leaves.iter().any(|leaf| leaf.contains(&said) && leaf.contains(r#""clause":"11.2""#)), "{status}");
    }
}

#[test]
fn time_moves_providers_on_once_and_in_order_also_after_a_long_stop() {
    let house = House::new();
    house.desk.clock.advance(12 * 31 * DAY_MS + 1);
    let before = gov_log(&house).len();
    house.desk.authority.upkeep().unwrap();
    assert_eq!(house.status("acme"), S::Warned);
    house.desk.authority.upkeep().unwrap();
    assert_eq!(gov_log(&house).len(), before + 1, "once");
    house.desk.clock.advance(21 * DAY_MS - 1);
    house.desk.authority.upkeep().unwrap();
    assert_eq!(house.status("acme"), S::Warned);
    // Down for a year in the middle of it: the next process does what is due.
    let (dir, now_ms) = (house.dir.path().to_owned(), callbook::clock::Clock::now_ms(&*house.desk.clock));
    drop(house.desk);
    let desk = Desk::open(&dir, now_ms + 365 * DAY_MS).unwrap();
    desk.authority.upkeep().unwrap();
    let found = desk.authority.providers().into_iter().find(|p| p.id == "acme").unwrap();
    assert_eq!((found.standing.status, found.clause.as_deref()), (S::Restricted, Some("7.7")));
    desk.authority.upkeep().unwrap();
    assert_eq!(desk.authority.providers()[0], found);
}

#[test]
fn an_emergency_that_nobody_confirms_ends_after_three_days() {
    let house = House::new();
    let (desk, authority) = (&house.desk, &house.desk.authority);
    authority.request_act(&house.ben, wish(ActKind::Emergency, provider("acme")), None).unwrap();
    refused(desk.submit(&desk.registration(1, "a")), &refusal::PROVIDER_SUSPENDED);
    desk.clock.advance(72 * 3_600_000 - 1);
    authority.upkeep().unwrap();
    assert_eq!(house.status("acme"), S::Suspended);
    desk.clock.advance(1);
    authority.upkeep().unwrap();
    assert_eq!(house.status("acme"), S::Accredited);
    desk.submit(&desk.registration(1, "b")).unwrap();
    // Whoever of them it is: one person does not stop it again and again.
    for person in [&house.ben, &house.ada] {
        let again = authority.request_act(person, wish(ActKind::Emergency, provider("acme")), None);
        refused(again.map(|act| act.row.id), &refusal::EMERGENCY_AGAIN);
    }
    refused(authority.set_provider_status(&house.ben, "acme", true, "7.8").map(|a| a.id), &refusal::EMERGENCY_AGAIN);
    desk.clock.advance(30 * DAY_MS);
    // Confirmed by two, it stays.
    authority.request_act(&house.ben, wish(ActKind::Emergency, provider("acme")), None).unwrap();
    house.both(ActKind::Suspend, provider("acme")).unwrap();
    desk.clock.advance(30 * DAY_MS);
    authority.upkeep().unwrap();
    assert_eq!(house.status("acme"), S::Suspended);
    refused(authority.set_provider_status(&house.ben, "acme", false, "7.2").map(|a| a.id), &refusal::ACT_NEEDS_TWO);
}

#[test]
fn an_appeal_is_decided_by_others() {
    let house = House::new();
    let (desk, authority) = (&house.desk, &house.desk.authority);
    refused(authority.appeal(&desk.actor, "acme").map(|a| a.id), &refusal::APPEAL_LATE);
    house.both(ActKind::Suspend, provider("acme")).unwrap();
    refused(house.both(ActKind::Overturn, provider("acme")), &refusal::APPEAL_MISSING);
    let stranger = callbook::authority::Actor { party: Party::Provider("other".into()), ..desk.actor.clone() };
    assert!(authority.appeal(&stranger, "acme").is_err());
    authority.appeal(&desk.actor, "acme").unwrap();
    authority.appeal(&desk.actor, "acme").unwrap();
    refused(house.both(ActKind::Overturn, provider("acme")), &refusal::APPEAL_SAME_HANDS);
    let [dan, eve] = ["dan", "eve"].map(|id| house.officer(id));
    let act = authority.request_act(&dan, wish(ActKind::Overturn, provider("acme")), None).unwrap();
    refused(authority.approve_act(&house.ada, &act.row.id), &refusal::APPEAL_SAME_HANDS);
    authority.approve_act(&eve, &act.row.id).unwrap();
    assert_eq!(house.status("acme"), S::Accredited);
    // A lost appeal is lost, and one that comes too late is none.
    house.both(ActKind::Warn, provider("acme")).unwrap();
    authority.appeal(&desk.actor, "acme").unwrap();
    let act = authority.request_act(&dan, wish(ActKind::Uphold, provider("acme")), None).unwrap();
    authority.approve_act(&eve, &act.row.id).unwrap();
    assert_eq!(house.status("acme"), S::Warned);
    refused(authority.appeal(&desk.actor, "acme").map(|a| a.id), &refusal::APPEAL_LATE);
    refused(authority.request_act(&dan, wish(ActKind::Overturn, provider("acme")), None), &refusal::APPEAL_MISSING);
    house.both(ActKind::Restrict, provider("acme")).unwrap();
    desk.clock.advance(14 * DAY_MS);
    refused(authority.appeal(&desk.actor, "acme").map(|a| a.id), &refusal::APPEAL_LATE);
}

#[test]
fn a_provider_that_gives_up_is_closed_after_its_notice() {
    let house = House::new();
    let desk = &house.desk;
    desk.register(1);
    let short = Subject::Provider { provider: "acme".into(), days: 89 };
    refused(house.both(ActKind::WindDown, short), &refusal::WINDING_DOWN_SHORT);
    house.both(ActKind::WindDown, provider("acme")).unwrap();
    refused(desk.submit(&desk.registration(2, "b")), &refusal::PROVIDER_WINDING_DOWN);
    desk.submit(&desk.update(1, "sip:new@acme.example")).unwrap();
    desk.authority.turn().unwrap();
    desk.clock.advance(90 * DAY_MS);
    desk.authority.upkeep().unwrap();
    assert_eq!(house.status("acme"), S::Closed);
}

#[test]
fn a_probation_has_few_numbers_and_other_keys_take_two_people() {
    let house = House::new();
    let (desk, authority) = (&house.desk, &house.desk.authority);
    let mut new = acme();
    (new.id, new.status) = ("late".into(), S::Probation);
    let statement = SigningKey::from_bytes(Algorithm::Ed25519, &[77; 32]).unwrap();
    new.statement_keys = vec![statement.public().clone()];
    new.validation_keys = Vec::new();
    authority.add_provider(&house.ada, new).unwrap();
    let wish =
        NewToken { provider: Some("late".into()), scopes: Vec::new(), test: true, expires_in_d: 9, certificate: None };
    let token = authority.add_token(&house.ben, wish).unwrap();
    assert_eq!(authority.authenticate(&token.token).unwrap().provider(), Some("late"));
    let keys = Subject::Keys {
        provider: "late".into(),
        statement_keys: vec![statement.public().clone()],
        validation_keys: vec![token_key().public().clone()],
    };
    house.both(ActKind::ProviderKeys, keys).unwrap();
    let found = authority.providers().into_iter().find(|p| p.id == "late").unwrap();
    assert_eq!((found.validation_keys.len(), found.standing.status), (1, S::Probation));
    house.both(ActKind::Suspend, provider("late")).unwrap();
    desk.clock.advance(400 * DAY_MS);
    house.both(ActKind::Accredit, provider("late")).unwrap();
    assert_eq!(house.status("late"), S::Probation, "no way round the probation");
    house.both(ActKind::Accredit, provider("late")).unwrap();
    assert_eq!(house.status("late"), S::Accredited);
}

//! The bulk door on real files: ordered by two people, public without a number, and closed by time, also after a standstill.

use callbook::authority::{
    Actor, ChangesFrom, Condition, NumbersWanted, Party, Rejection, Submission, bulk_doors_ordered, change_shown,
};
use callbook::client::holder::{Change, Device, RecordDraft};
use callbook::client::ve::ValidationToken;
use callbook::log::event::{Door, Role};
use callbook::log::key::{Algorithm, SigningKey};
use callbook::log::state::State;
use callbook::registry::acts::ActKind;
use callbook::registry::possession::Proof;
use callbook::registry::refusal;

use crate::ledger::desk::{Desk, acme, address, device, let_go, number};
use crate::ledger::staff::{House, gov_log, provider, refused, wish};

const DAY_MS: u64 = 86_400_000;
const DAY_S: u64 = 86_400;

pub(super) fn bell_key() -> SigningKey {
    SigningKey::from_bytes(Algorithm::Ed25519, &[31; 32]).unwrap()
}

pub(super) fn bells_token_key() -> SigningKey {
    SigningKey::from_bytes(Algorithm::Ed25519, &[32; 32]).unwrap()
}

/// A house with two people, three numbers of acme, and bell, which validates for itself.
fn house() -> (House, Actor) {
    let house = House::new();
    let mut bell = acme();
    bell.id = "bell".into();
    bell.statement_keys = vec![bell_key().public().clone()];
    bell.validation_keys = vec![bells_token_key().public().clone()];
    house.desk.authority.add_provider(&Actor::operator(), bell).unwrap();
    (1..=3).for_each(|n| drop(house.desk.register(n)));
    let bell = Actor { party: Party::Provider("bell".into()), ..house.desk.actor.clone() };
    (house, bell)
}

/// A step of bell's by one validation, with the State that its token lets it know.
pub(super) fn step(desk: &Desk, bell: &Actor, n: u64, device: &Device, door: Option<Door>) -> Submission {
    let prepared = desk.authority.prepare_blocking(bell, number(n)).unwrap();
    let token = ValidationToken {
        issuer: "bell".into(),
        audience: "e164.example.".into(),
        id: callbook::log::bytes::to_base64url(&callbook::log::sha256(&[prepared.nonce.as_bytes()])[..16]),
        issued_s: desk.now_s(),
        number: number(n),
        provider: "bell".into(),
        methods: vec!["sms".into()],
        validated_s: desk.now_s(),
        expires_s: desk.now_s() + 85 * DAY_S,
        control: device.control.public().thumbprint(),
        evidence: [0; 32],
        nonce: Some(prepared.nonce.clone()),
    };
    let tokens = vec![token.mint(&bells_token_key())];
    let told = desk.authority.prepare_with_blocking(bell, number(n), &tokens).unwrap();
    let before: State = told.sponsored.expect("who brings a token is told").state;
    let (label, public) = (prepared.label, device.control.public());
    let record = RecordDraft::new(number(n), "bell").sip("sip:alice@bell.example").unwrap().device(device).build();
    let (change, signer) = match door {
        None => (Change::transfer(label, &before, &record.unwrap(), [5; 32]), Role::Control),
        Some(door) if before.pending == callbook::log::ZERO => {
            (Change::request(label, &before, door, public, "bell"), Role::NewControl)
        }
        Some(door) => {
            let end_s = desk.now_s() + 80 * DAY_S;
            (Change::complete(label, &before, door, &record.unwrap(), [6; 32], public, end_s), Role::NewControl)
        }
    };
    let change = change.evidence(&tokens).unwrap().valid_until(desk.now_s() + 3600);
    let mut signed = change.sign(&desk.directory(), &[(signer, &device.control)]).unwrap();
    if signed.record.is_some() {
        signed.prove(&desk.directory(), &device.keys, &prepared.ephemeral).unwrap();
    }
    signed.cosign(&desk.directory(), &bell_key());
    let proof = |p: callbook::client::holder::Proved| Proof { prefix: p.prefix, spki: p.spki, proof: p.proof };
    let (record, opening) = signed.record.unzip();
    Submission {
        number: number(n),
        event: signed.event.write(),
        record,
        opening,
        possession: signed.possession.into_iter().map(proof).collect(),
        validation: tokens,
        nonce: None,
        code: None,
    }
}

fn submit(desk: &Desk, bell: &Actor, submission: &Submission) -> Result<u64, Rejection> {
    let receipt = desk.authority.submit_blocking(bell, submission, None)?;
    desk.clock.advance(1000);
    desk.authority.turn().unwrap();
    Ok(receipt.version)
}

#[test]
fn two_people_open_it_for_who_is_gone() {
    let (house, bell) = house();
    let (desk, authority) = (&house.desk, &house.desk.authority);
    refused(house.both(ActKind::BulkDoor, provider("acme")), &refusal::BULK_STATUS);
    assert!(matches!(house.both(ActKind::BulkDoor, provider("nobody")), Err(Rejection::NotFound)));
    authority.set_provider_status(&house.ada, "acme", true, "7.8").unwrap();
    refused(house.both(ActKind::BulkDoor, provider("acme")), &refusal::BULK_STATUS);
    house.both(ActKind::Suspend, provider("acme")).unwrap();
    let one_method = step(desk, &bell, 1, &device(60), Some(Door::Validation));
    refused(submit(desk, &bell, &one_method), &refusal::TWO_METHODS);

    let asked = authority.request_act(&house.ada, wish(ActKind::BulkDoor, provider("acme")), None).unwrap();
    refused(authority.approve_act(&house.ada, &asked.row.id), &refusal::ACT_OWN);
    assert_eq!((authority.bulk_doors(&house.ada).unwrap().len(), authority.bulk_door_until_ms("acme")), (0, None));
    let act = authority.approve_act(&house.ben, &asked.row.id).unwrap();
    refused(house.both(ActKind::BulkDoor, provider("acme")), &refusal::BULK_OPEN);
    let open = authority.bulk_doors(&house.ben).unwrap().remove(0);
    assert_eq!((open.provider.as_str(), open.numbers), ("acme", 3));
    assert_eq!(open.door.until_ms - open.door.opened_ms, 90 * DAY_MS);
    assert_eq!(authority.bulk_door_until_ms("acme"), Some(open.door.until_ms));
    assert_eq!(act.row.until_s, Some(open.door.until_ms.div_ceil(1000)));
    assert!(matches!(authority.bulk_doors(&bell), Err(Rejection::Forbidden(_))));
    // Public are provider, clause, dates and the act; no number and no count.
    let leaf = gov_log(&house).pop().unwrap();
    for said in [r#""type":"bulk-door""#, r#""provider":"acme""#, r#""clause":"11.2""#, r#""until":18"#, &act.row.id] {
        assert!(leaf.contains(said), "{leaf}");
    }
    assert!(!leaf.contains("999000") && !leaf.contains("count") && !leaf.contains("numbers"), "{leaf}");
    assert!((1..=3).all(|n| desk.board.shows(number(n)).is_some()), "nobody is taken off the air");
}

/// Opens the door of acme.
fn opened() -> (House, Actor) {
    let (house, bell) = house();
    house.both(ActKind::Suspend, provider("acme")).unwrap();
    house.both(ActKind::BulkDoor, provider("acme")).unwrap();
    (house, bell)
}

#[test]
fn holders_leave_by_one_method_or_by_their_key() {
    let (house, bell) = opened();
    let (desk, authority) = (&house.desk, &house.desk.authority);
    let listed = |status| {
        let wanted = NumbersWanted { status: Some(status), limit: 10, ..NumbersWanted::default() };
        let page = authority.numbers(&desk.actor, &wanted).unwrap();
        page.numbers.into_iter().map(|(row, _)| row.number).collect::<Vec<_>>()
    };
    let claim = step(desk, &bell, 1, &device(60), Some(Door::Validation));
    assert_eq!(submit(desk, &bell, &claim).unwrap(), 2);
    assert_eq!((listed(Condition::Contested), listed(Condition::Recovering)), (vec![number(1)], vec![]));
    assert_eq!(listed(Condition::Active), [number(2), number(3)]);
    assert!(address(&desk.board.shows(number(1)).unwrap()).contains("acme"), "published and unchanged until then");
    let moved = step(desk, &bell, 2, &device(2), None);
    assert_eq!(submit(desk, &bell, &moved).unwrap(), 2);
    let early = step(desk, &bell, 1, &device(60), Some(Door::Validation));
    refused(submit(desk, &bell, &early), &refusal::CLAIM_WAIT);
    desk.clock.advance(7 * DAY_MS);
    let done = step(desk, &bell, 1, &device(60), Some(Door::Validation));
    assert_eq!(submit(desk, &bell, &done).unwrap(), 3);
    for n in [1, 2] {
        assert!(address(&desk.board.shows(number(n)).unwrap()).contains("sip:alice@bell.example"));
    }
    let open = authority.bulk_doors(&house.ada).unwrap().remove(0);
    assert_eq!(open.numbers, 1, "one is still there");
    let ordered = bulk_doors_ordered(&house.dir.path().join("data"), desk.now_s()).unwrap();
    assert_eq!(ordered, [("acme".to_owned(), open.door.until_ms.div_ceil(1000), 1)]);
    // It works again, for instance after an appeal: the door is closed, whatever its date.
    house.both(ActKind::Accredit, provider("acme")).unwrap();
    assert!(authority.bulk_doors(&house.ada).unwrap().is_empty());
    let late = step(desk, &bell, 3, &device(61), Some(Door::Validation));
    refused(submit(desk, &bell, &late), &refusal::TWO_METHODS);
}

/// What a reader's feed tells of bulk doors: days, when it closes, whose.
fn told(desk: &Desk, who: &Actor) -> Vec<(u64, String, String)> {
    let who = Actor { test: false, ..who.clone() };
    let page = desk.authority.changes(&who, ChangesFrom::Oldest, 100).unwrap();
    let rows = page.changes.iter().map(change_shown).filter(|change| change.kind == "bulk-door");
    rows.map(|change| {
        assert_eq!((change.number, change.event_hash), (None, None), "it is about no number");
        (change.notice_d.unwrap(), change.not_after.unwrap(), change.provider_before.unwrap())
    })
    .collect()
}

#[test]
fn it_is_told_in_one_row_when_it_opens_some_before_it_closes_and_one_when_it_is_closed() {
    let (house, bell) = opened();
    let (desk, authority) = (&house.desk, &house.desk.authority);
    let acme = Actor { party: Party::Provider("acme".into()), ..bell.clone() };
    let zeta = Actor { party: Party::Provider("zeta".into()), ..bell.clone() };
    let until_ms = authority.bulk_door_until_ms("acme").unwrap();
    let days = |who: &Actor| told(desk, who).into_iter().map(|(days, ..)| days).collect::<Vec<_>>();
    for _ in 0..2 {
        authority.upkeep().unwrap();
        assert_eq!(days(&bell), [90], "once, however many numbers are behind it");
    }
    let closes = callbook::clock::rfc3339(until_ms.div_ceil(1000));
    assert_eq!(told(desk, &bell), [(90, closes.clone(), "acme".to_owned())]);
    assert_eq!((days(&acme), days(&Actor::operator()), days(&zeta)), (vec![90], vec![90], vec![]));
    desk.clock.set(until_ms - 30 * DAY_MS - 1);
    authority.upkeep().unwrap();
    assert_eq!(days(&bell), [90]);
    desk.clock.set(until_ms - 30 * DAY_MS);
    authority.upkeep().unwrap();
    assert_eq!(days(&bell), [90, 30]);
    // After a standstill the one that says most is told, not those that would be untrue by now.
    desk.clock.set(until_ms - 2 * DAY_MS);
    authority.upkeep().unwrap();
    assert_eq!(days(&bell), [90, 30, 2]);
    desk.clock.set(until_ms);
    authority.upkeep().unwrap();
    assert_eq!(days(&bell), [90, 30, 2, 0]);
    assert_eq!(told(desk, &bell)[3].1, closes);
    desk.clock.advance(40 * DAY_MS);
    authority.upkeep().unwrap();
    assert_eq!(days(&bell), [30, 2, 0], "nothing more is told, and the feed forgets as ever");
}

#[test]
fn that_it_closed_early_is_told_and_that_it_is_open_again() {
    let (house, bell) = opened();
    let (desk, authority) = (&house.desk, &house.desk.authority);
    authority.upkeep().unwrap();
    house.both(ActKind::Accredit, provider("acme")).unwrap();
    let now_s = desk.now_s();
    authority.upkeep().unwrap();
    let rows = told(desk, &bell);
    assert_eq!((rows.len(), rows[1].0, rows[1].1.clone()), (2, 0, callbook::clock::rfc3339(now_s)));
    desk.clock.advance(DAY_MS);
    house.both(ActKind::Suspend, provider("acme")).unwrap();
    for _ in 0..2 {
        authority.upkeep().unwrap();
        assert_eq!(told(desk, &bell).iter().map(|row| row.0).collect::<Vec<_>>(), [90, 0, 89]);
    }
}

#[test]
fn what_lapsed_behind_it_is_released_once_it_is_closed_in_order_and_after_a_standstill() {
    let (house, bell) = opened();
    let released = |desk: &Desk| {
        let sponsor = |n: u64| if n == 2 { &bell } else { &desk.actor };
        let told = |n| desk.authority.prepare_blocking(sponsor(n), number(n)).unwrap().sponsored.unwrap().state;
        (1..=3).filter(|n| told(*n).status == callbook::log::state::Status::Released).collect::<Vec<_>>()
    };
    let desk = &house.desk;
    let opened_ms = desk.authority.bulk_doors(&house.ada).unwrap()[0].door.opened_ms;
    // Their validation was good for 80 days; bell's own number lapses as ever.
    let moved = step(desk, &bell, 2, &device(2), None);
    submit(desk, &bell, &moved).unwrap();
    house.both(ActKind::Terminate, provider("acme")).unwrap();
    let reopened = opened_ms + 90 * DAY_MS + 5000;
    desk.clock.set(reopened);
    let house_at = |house: &House| (house.login("admin"), house.login("ben"));
    let (ada, ben) = house_at(&house);
    let again = desk.authority.request_act(&ada, wish(ActKind::BulkDoor, provider("acme")), None).unwrap();
    let again = desk.authority.approve_act(&ben, &again.row.id).unwrap();
    let closes_ms = again.row.until_s.unwrap() * 1000;
    desk.clock.set(opened_ms + 115 * DAY_MS);
    desk.authority.upkeep().unwrap();
    while desk.authority.turn().unwrap() != callbook::authority::Turned::Idle {}
    assert_eq!(released(desk), [2_u64], "of the one whose provider works");
    let (dir, data) = (house.dir, house.desk);
    drop(data);
    let_go(dir.path());
    // Months of standstill: the door has closed meanwhile.
    let desk = Desk::open(dir.path(), closes_ms + 40 * DAY_MS).unwrap();
    for _ in 0..2 {
        desk.authority.upkeep().unwrap();
        while desk.authority.turn().unwrap() != callbook::authority::Turned::Idle {}
        assert_eq!(released(&desk), [1_u64, 2, 3]);
    }
    let versions: Vec<u64> = [1, 3]
        .map(|n| desk.authority.prepare_blocking(&desk.actor, number(n)).unwrap().sponsored.unwrap().version)
        .into();
    assert_eq!(versions, [2, 2], "each once");
}

//! An audit on real files from end to end: ten thousand registrations, five entities, one of them dishonest; and what goes wrong.
//!
//! ```text
//! January: everybody registers -> 1 February: closed, drawn -> evidence, silence -> findings -> two persons -> the bulk door
//! ```

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Output};

use callbook::authority::{
    Actor, Audit, ChangesFrom, Entrant, Party, Rejection, Scope, Submission, Turned, change_shown,
};
use callbook::client::holder::{Change, Device, RecordDraft, opening};
use callbook::client::ve::ValidationToken;
use callbook::log::event::{Door, Role};
use callbook::log::gov::GovLeaf;
use callbook::log::key::{Algorithm, SigningKey};
use callbook::log::note::{LineType, Note, VerifierKey};
use callbook::log::random::Seeded;
use callbook::log::{Hash, sha256};
use callbook::registry::acts::ActKind;
use callbook::registry::audit::period::Period;
use callbook::registry::audit::seed::Beacon;
use callbook::registry::audit::verdict::Fault;
use callbook::registry::audit::verify::{Closed, DrawSaid, verify};
use callbook::registry::refusal;
use callbook::registry::standing::ProviderStatus;

use crate::ledger::bulk::{bell_key, bells_token_key, step};
use crate::ledger::desk::{Desk, acme, address, device, let_go, number, statement_key, token_key};
use crate::ledger::staff::{House, gov_log, provider, refused};
use crate::witness::{Running, made_for};

const DAY_MS: u64 = 86_400_000;
const DAY_S: u64 = 86_400;
const HOUR_MS: u64 = 3_600_000;
pub(super) const MONTH: &str = "2027-01";
/// The first moment of February 2027.
pub(super) const FEBRUARY_MS: u64 = 1_801_440_000_000;

/// A provider that validates for itself, with the evidence that it keeps.
pub(super) struct Entity {
    id: &'static str,
    method: &'static str,
    statement: SigningKey,
    token: SigningKey,
    actor: Actor,
    pub(super) kept: HashMap<Hash, Vec<u8>>,
}

fn seeded(seed: u8) -> SigningKey {
    SigningKey::from_bytes(Algorithm::Ed25519, &[seed; 32]).unwrap()
}

/// The device of the n-th holder without keys that are published: quick to register.
fn plain(n: u64) -> Device {
    Device { keys: Vec::new(), ..device(n) }
}

impl Entity {
    fn join(house: &House, id: &'static str, method: &'static str, keys: (SigningKey, SigningKey)) -> Self {
        let (statement, token) = keys;
        let entrant = Entrant {
            id: id.into(),
            name: id.into(),
            statement_keys: vec![statement.public().clone()],
            validation_keys: vec![token.public().clone()],
            ..acme()
        };
        if id != "acme" {
            house.desk.authority.add_provider(&Actor::operator(), entrant).unwrap();
        }
        let actor = Actor { party: Party::Provider(id.into()), ..house.desk.actor.clone() };
        Self { id, method, statement, token, actor, kept: HashMap::new() }
    }

    /// A registration of the n-th number; the evidence is kept, if there is any.
    fn registration(&mut self, desk: &Desk, n: u64, keeps: bool) -> Submission {
        let device = plain(n);
        let prepared = desk.authority.prepare_blocking(&self.actor, number(n)).unwrap();
        let evidence = format!("{{\"tel\":\"{}\",\"method\":\"{}\",\"salt\":\"{n:032x}\"}}", number(n), self.method);
        let evd = sha256(&[evidence.as_bytes()]);
        if keeps {
            self.kept.insert(evd, evidence.into_bytes());
        }
        let token = ValidationToken {
            issuer: self.id.into(),
            audience: "e164.example.".into(),
            id: callbook::log::bytes::to_base64url(&sha256(&[&prepared.label.0])[..16]),
            issued_s: desk.now_s(),
            number: number(n),
            provider: self.id.into(),
            methods: vec![self.method.into()],
            validated_s: desk.now_s(),
            expires_s: desk.now_s() + 85 * DAY_S,
            control: device.control.public().thumbprint(),
            evidence: evd,
            nonce: Some(prepared.nonce.clone()),
        };
        let tokens = vec![token.mint(&self.token)];
        let record = RecordDraft::new(number(n), self.id).sip("sip:alice@example.net").unwrap().build().unwrap();
        let opening = opening(&Seeded::new(sha256(&[&prepared.label.0]))).unwrap();
        let end_s = desk.now_s() + 80 * DAY_S;
        let change = Change::create(prepared.label, &record, opening, device.control.public(), end_s);
        let change = change.evidence(&tokens).unwrap().valid_until(desk.now_s() + 3600);
        let mut signed = change.sign(&desk.directory(), &[(Role::NewControl, &device.control)]).unwrap();
        signed.cosign(&desk.directory(), &self.statement);
        let (record, opening) = signed.record.unzip();
        Submission {
            number: number(n),
            event: signed.event.write(),
            record,
            opening,
            possession: Vec::new(),
            validation: tokens,
            nonce: None,
            code: None,
        }
    }

    fn register(&mut self, desk: &Desk, numbers: impl Iterator<Item = u64>, keeps: impl Fn(u64) -> bool) {
        let all: Vec<Submission> = numbers.map(|n| self.registration(desk, n, keeps(n))).collect();
        for answer in desk.authority.submit_many(&self.actor, &all) {
            answer.unwrap();
        }
    }

    /// Answers what it is asked for, as far as it can; gives how many it could not.
    fn answer(&self, desk: &Desk) -> usize {
        let (mut after, mut missing) = (String::new(), 0);
        loop {
            let page = desk.authority.audit_requests(&self.actor, &after, 100).unwrap();
            for item in page.items {
                match self.kept.get(&item.evd) {
                    Some(evidence) => {
                        let answered = desk.authority.answer_audit(&self.actor, &item.id, evidence.clone()).unwrap();
                        assert_eq!(answered.state, "answered");
                    }
                    None => missing += 1,
                }
            }
            match page.after {
                Some(next) => after = next,
                None => return missing,
            }
        }
    }
}

/// Publishes whatever waits.
fn publish(desk: &Desk) {
    desk.clock.advance(1000);
    while desk.authority.turn().unwrap() != Turned::Idle {}
}

/// A house with one entity that has registered some numbers this month; `keeps` says for which there is evidence.
pub(super) fn small(numbers: u64, keeps: impl Fn(u64) -> bool) -> (House, Entity) {
    let house = House::new();
    let mut acme = Entity::join(&house, "acme", "sms", (statement_key(), token_key()));
    acme.register(&house.desk, 1..=numbers, keeps);
    publish(&house.desk);
    (house, acme)
}

/// Goes to a time, closes what is over, publishes the head, draws.
pub(super) fn to_the_draw(desk: &Desk) {
    desk.clock.set(FEBRUARY_MS + HOUR_MS);
    desk.authority.upkeep().unwrap();
    assert_eq!(desk.authority.audit_of(MONTH).unwrap().row.state, "closed");
    publish(desk);
    desk.authority.upkeep().unwrap();
    assert_eq!(desk.authority.audit_of(MONTH).unwrap().row.state, "drawn");
}

/// Judges everything that was answered: it stands, unless `fault` says otherwise.
fn judge(house: &House, who: &Actor, fault: impl Fn(&str) -> Option<Fault>) {
    let page = house.desk.authority.audit_items(who, MONTH, (None, Some("answered")), "", 500).unwrap();
    assert_eq!(page.after, None);
    for item in page.items {
        let view = house.desk.authority.audit_item(who, &item.id).unwrap();
        let text = String::from_utf8(view.evidence.unwrap()).unwrap();
        let number = view.number.map(|number| number.to_string()).unwrap_or_default();
        assert!(text.contains(&number), "the evidence is about the number that the staff sees");
        house.desk.authority.judge_audit(who, &item.id, fault(&item.id)).unwrap();
    }
}

/// The whole population, page by page.
fn population(desk: &Desk) -> String {
    let (mut text, mut lines) = (String::new(), 0);
    loop {
        let page = desk.authority.population(MONTH, lines).unwrap();
        if page.is_empty() {
            return text;
        }
        lines += page.lines().count();
        text += &page;
    }
}

/// Has the other program draw again.
fn drawn_again(dir: &Path, texts: [&str; 3]) -> Output {
    let mut command = Command::new("python3");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judges/draw.py"));
    for (name, text) in ["population", "close", "draw"].iter().zip(texts) {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        command.arg(path);
    }
    command.output().expect("python3 is there")
}

fn body(audit: &Audit, at: usize) -> serde_json::Value {
    GovLeaf::parse(&Note::open(&audit.leaves[at].1, &[]).unwrap().text).unwrap().body
}

/// Both programs draw the same, and neither is content with anything else.
fn recomputed(house: &House, drawn: &[String]) {
    let desk = &house.desk;
    let (audit, text) = (desk.authority.audit_of(MONTH).unwrap(), population(desk));
    let (closed, said) = (Closed::read(&body(&audit, 0)).unwrap(), DrawSaid::read(&body(&audit, 1)).unwrap());
    assert!(verify(&closed, &said, &text).is_ok());
    let (close, draw) = (audit.leaves[0].1.as_str(), audit.leaves[1].1.as_str());
    let output = drawn_again(house.dir.path(), [&text, close, draw]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Vec<String> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| line[..32].to_owned()).collect();
    assert_eq!(theirs, drawn, "the second program draws the same");

    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let without = [&lines[..5], &lines[6..]].concat().concat();
    let moved = text.replacen(" weak ", " usual ", 1);
    let seed = data_encoding::HEXLOWER.encode(&said.seed);
    let other = data_encoding::HEXLOWER.encode(&[7; 32]);
    let drawn_hash = data_encoding::HEXLOWER.encode(&said.drawn);
    for (population, close, draw) in [
        (without.as_str(), close.to_owned(), draw.to_owned()),
        (&moved, close.to_owned(), draw.to_owned()),
        (&text, close.replace("\"permille\":10", "\"permille\":11"), draw.to_owned()),
        (&text, close.to_owned(), draw.replace(&seed, &other)),
        (&text, close.to_owned(), draw.replace(&drawn_hash, &other)),
    ] {
        let output = drawn_again(house.dir.path(), [population, &close, &draw]);
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let folder = house.dir.path().join("copy");
    std::fs::create_dir(&folder).unwrap();
    for (name, text) in [("population", text.as_str()), ("audit-close", close), ("audit-draw", draw)] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let gov = desk.authority.log_keys().gov.to_string();
    let program = |key: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callbook"));
        command.args(["audit", "draw", "--key", key, "--verify"]).arg(&folder).output().unwrap()
    };
    let good = program(&gov);
    let told = String::from_utf8_lossy(&good.stdout).into_owned();
    assert!(
        good.status.success() && told.contains("could have steered") && told.contains("signed by the key"),
        "{told}"
    );
    let map = desk.authority.log_keys().map.to_string();
    assert_eq!(program(&map).status.code(), Some(1), "a leaf that this key did not sign");
    std::fs::write(folder.join("population"), &without).unwrap();
    assert_eq!(program(&gov).status.code(), Some(1), "another population");

    let lied = DrawSaid { drawn: [7; 32], ..said.clone() };
    assert_eq!(verify(&closed, &lied, &text), Err("another sample comes out"));
    let lied = DrawSaid { seed: [7; 32], ..said };
    assert_eq!(verify(&closed, &lied, &text), Err("the seed does not follow from head and beacon"));
}

#[test]
fn the_dishonest_one_of_five_is_found_and_its_customers_move() {
    let house = House::new();
    let mut entities = [
        Entity::join(&house, "acme", "sms", (statement_key(), token_key())),
        Entity::join(&house, "bell", "sms", (bell_key(), bells_token_key())),
        Entity::join(&house, "coda", "operator-db", (seeded(41), seeded(42))),
        Entity::join(&house, "dora", "document", (seeded(43), seeded(44))),
        Entity::join(&house, "echo", "callback", (seeded(45), seeded(46))),
    ];
    let desk = &house.desk;
    // Of acme's validations six in ten never happened.
    for round in 0..40 {
        for (i, entity) in entities.iter_mut().enumerate() {
            let honest = entity.id != "acme";
            let first = i as u64 * 100_000 + round * 50;
            entity.register(desk, first..first + 50, |n| honest || n % 10 >= 6);
        }
        desk.clock.advance(HOUR_MS);
        while desk.authority.turn().unwrap() != Turned::Idle {}
    }
    assert_eq!(desk.authority.count_numbers().unwrap(), 10_000);
    to_the_draw(desk);
    let audit = desk.authority.audit_of(MONTH).unwrap();
    assert_eq!(audit.row.count, 10_000);
    let drawn = desk.authority.audit_items(&house.ada, MONTH, (None, None), "", 500).unwrap().items;
    assert_eq!(drawn.len(), 100, "one in a hundred, and at least twenty of each");
    recomputed(&house, &drawn.iter().map(|item| item.id.clone()).collect::<Vec<_>>());

    let silent: Vec<usize> = entities.iter().map(|entity| entity.answer(desk)).collect();
    assert!(silent[0] >= 3 && silent[1..] == [0; 4], "{silent:?}");
    judge(&house, &house.ada, |_| None);
    refused(desk.authority.publish_audit(&house.ada, MONTH), &refusal::AUDIT_STATE);
    refused(desk.authority.propose_sanction(&house.ada, MONTH, "acme"), &refusal::AUDIT_STATE);
    desk.clock.advance(7 * DAY_MS);
    desk.authority.upkeep().unwrap();
    let published = desk.authority.publish_audit(&house.ada, MONTH).unwrap();
    let said = body(&published, 2);
    let of = |id: &str| said["entities"].as_array().unwrap().iter().find(|e| e["id"] == id).unwrap().clone();
    assert_eq!(
        (of("acme")["failed"].as_u64().unwrap() as usize, of("acme")["proposed"].as_str()),
        (silent[0], Some("suspend"))
    );
    for id in ["bell", "coda", "dora", "echo"] {
        assert_eq!((of(id)["failed"].as_u64(), of(id)["proposed"].as_str()), (Some(0), None), "{id}");
        refused(desk.authority.propose_sanction(&house.ada, MONTH, id), &refusal::AUDIT_CLEAN);
    }
    // No number and no label in anything that is public.
    let public = gov_log(&house).concat() + &population(desk);
    assert!(!public.contains("999000"), "a number is public");

    let act = desk.authority.propose_sanction(&house.ada, MONTH, "acme").unwrap();
    assert_eq!((act.kind, act.row.state.as_str()), (ActKind::Suspend, "open"));
    assert_eq!(desk.authority.propose_sanction(&house.ada, MONTH, "acme").unwrap().row.id, act.row.id, "once");
    refused(desk.authority.approve_act(&house.ada, &act.row.id), &refusal::ACT_OWN);
    assert_eq!(house.status("acme"), ProviderStatus::Accredited);
    desk.authority.approve_act(&house.ben, &act.row.id).unwrap();
    assert_eq!(house.status("acme"), ProviderStatus::Suspended);

    house.both(ActKind::BulkDoor, provider("acme")).unwrap();
    let bell = &entities[1].actor;
    let submit = |n: u64, door| {
        desk.authority.submit_blocking(bell, &step(desk, bell, n, &plain(n), door), None).unwrap();
        publish(desk);
    };
    (0..20).for_each(|n| submit(n, None));
    submit(20, Some(Door::Validation));
    desk.clock.advance(7 * DAY_MS + HOUR_MS);
    submit(20, Some(Door::Validation));
    for n in 0..=20 {
        assert!(address(&desk.board.shows(number(n)).unwrap()).contains("sip:alice@bell.example"), "{n}");
    }
    assert_eq!(desk.authority.bulk_doors(&house.ada).unwrap()[0].numbers, 2000 - 21);
    // What is audited next is February, in which they moved.
    desk.clock.set(FEBRUARY_MS + 40 * DAY_MS);
    desk.authority.upkeep().unwrap();
    assert_eq!(desk.authority.audits().unwrap()[0].row.period, "2027-02");
}

#[test]
fn evidence_must_open_the_commitment_and_come_in_time_from_whom_it_is_asked() {
    let (house, acme) = small(30, |n| n != 7);
    let desk = &house.desk;
    let bell = Entity::join(&house, "bell", "sms", (bell_key(), bells_token_key()));
    refused(desk.authority.close_audit(&house.ada, Period::parse(MONTH).unwrap()), &refusal::AUDIT_STATE);
    to_the_draw(desk);
    assert!(desk.authority.audit_requests(&bell.actor, "", 100).unwrap().items.is_empty());
    assert!(matches!(desk.authority.audit_requests(&house.ada, "", 100), Err(Rejection::Forbidden(_))));
    assert!(matches!(
        desk.authority.audit_items(&acme.actor, MONTH, (None, None), "", 9),
        Err(Rejection::Forbidden(_))
    ));
    let told = |actor: &Actor| {
        let actor = Actor { test: false, ..actor.clone() };
        let page = desk.authority.changes(&actor, ChangesFrom::Oldest, 1000).unwrap();
        page.changes.iter().map(change_shown).filter(|change| change.kind == "audit").collect::<Vec<_>>()
    };
    let row = told(&acme.actor);
    assert_eq!((row.len(), row[0].number.as_ref(), &row[0].label.0[..]), (1, None, &[0; 32][..]));
    assert!(told(&bell.actor).is_empty());
    let asked = desk.authority.audit_requests(&acme.actor, "", 100).unwrap().items;
    assert_eq!(asked.len(), 20);
    let (first, last) = (&asked[0], &asked[19]);
    let good = |item: &callbook::ledger::AuditItem| acme.kept.get(&item.evd).cloned().unwrap_or_default();
    for _ in 0..3 {
        // Who floods fills nothing: what does not open is not kept, and the same again is the same.
        refused(desk.authority.answer_audit(&acme.actor, &first.id, vec![9; 4000]), &refusal::AUDIT_EVIDENCE);
    }
    assert!(matches!(desk.authority.answer_audit(&bell.actor, &first.id, good(first)), Err(Rejection::NotFound)));
    let read_only = Actor { scopes: vec![Scope::parse("read:+").unwrap()], ..acme.actor.clone() };
    assert!(desk.authority.audit_requests(&read_only, "", 1).is_ok());
    let refused_to = desk.authority.answer_audit(&read_only, &first.id, good(first));
    assert!(matches!(refused_to, Err(Rejection::Forbidden(_))));
    let held = asked.iter().find(|item| acme.kept.contains_key(&item.evd)).unwrap();
    let once = desk.authority.answer_audit(&acme.actor, &held.id, good(held)).unwrap();
    assert_eq!(desk.authority.answer_audit(&acme.actor, &held.id, good(held)).unwrap(), once);
    desk.clock.set(last.due_ms);
    let late = asked.iter().rev().find(|item| acme.kept.contains_key(&item.evd)).unwrap();
    refused(desk.authority.answer_audit(&acme.actor, &late.id, good(late)), &refusal::AUDIT_STATE);
    desk.authority.upkeep().unwrap();
    refused(desk.authority.answer_audit(&acme.actor, &late.id, good(late)), &refusal::AUDIT_STATE);
    let found = desk.authority.audit_found(&house.ada, MONTH).unwrap().remove(0);
    assert_eq!((found.drawn, found.silent, found.waiting), (20, 19, 1));
    refused(desk.authority.judge_audit(&Actor::operator(), &held.id, None), &refusal::ACT_PERSON);
    refused(desk.authority.judge_audit(&house.ben, &late.id, None), &refusal::AUDIT_STATE);
    desk.authority.judge_audit(&house.ben, &held.id, None).unwrap();
    // A person may think again until it is published.
    let again = desk.authority.judge_audit(&house.ben, &held.id, Some(Fault::Forged)).unwrap();
    assert_eq!((again.fault.as_deref(), again.clause.as_deref()), (Some("forged"), Some("3.1")));
    desk.authority.publish_audit(&house.ben, MONTH).unwrap();
    refused(desk.authority.judge_audit(&house.ben, &held.id, None), &refusal::AUDIT_STATE);
    let steps = desk.authority.audit_of(MONTH).unwrap().steps;
    let said: Vec<(&str, Option<&str>)> = steps.iter().map(|(step, who, _)| (step.as_str(), who.as_deref())).collect();
    assert_eq!(said[..3], [("closed", None), ("drawn", None), ("silent failed", None)]);
    assert_eq!((said[3].0.split(':').next(), said[4]), (Some("judged again"), ("published", Some("ben"))));
}

#[test]
fn a_restart_in_every_state_goes_on_and_gives_the_lost_time_back() {
    let (house, acme) = small(25, |_| true);
    let House { desk, dir, .. } = house;
    let reopen = |desk: Desk, now_ms: u64| {
        drop(desk);
        let_go(dir.path());
        Desk::open(dir.path(), now_ms).unwrap()
    };
    let state = |desk: &Desk| desk.authority.audit_of(MONTH).map(|audit| audit.row.state);
    // The program sleeps over the end of the month.
    let desk = reopen(desk, FEBRUARY_MS + 3 * DAY_MS);
    desk.authority.upkeep().unwrap();
    assert_eq!(state(&desk).unwrap(), "closed");
    let desk = reopen(desk, FEBRUARY_MS + 4 * DAY_MS);
    desk.authority.upkeep().unwrap();
    publish(&desk);
    desk.authority.upkeep().unwrap();
    let drawn = desk.authority.audit_of(MONTH).unwrap();
    assert_eq!(drawn.row.state, "drawn");
    let due_ms = drawn.row.due_ms.unwrap();
    desk.clock.advance(DAY_MS);
    desk.authority.upkeep().unwrap();
    let seen_ms = FEBRUARY_MS + 5 * DAY_MS + 2000;
    // Ten days without the directory: nobody could answer, so nobody was silent.
    let desk = reopen(desk, seen_ms + 10 * DAY_MS);
    desk.authority.upkeep().unwrap();
    assert_eq!(desk.authority.audit_of(MONTH).unwrap().leaves, drawn.leaves, "drawn once");
    let asked = desk.authority.audit_requests(&acme.actor, "", 100).unwrap().items;
    assert_eq!(asked.len(), 20);
    let given = asked[0].due_ms - due_ms;
    assert!((10 * DAY_MS..10 * DAY_MS + HOUR_MS).contains(&given), "{given}");
    assert_eq!(acme.answer(&desk), 0);
    let desk = reopen(desk, seen_ms + 30 * DAY_MS);
    desk.authority.upkeep().unwrap();
    let ada = desk.authority.audit_found(&Actor::operator(), MONTH).unwrap().remove(0);
    assert_eq!((ada.waiting, ada.failed), (20, 0), "what came in time waits for a person, however long");
}

#[test]
fn evidence_is_erased_with_the_number_once_it_was_judged() {
    let (house, acme) = small(20, |_| true);
    let desk = &house.desk;
    to_the_draw(desk);
    assert_eq!(acme.answer(desk), 0);
    let items = desk.authority.audit_items(&house.ada, MONTH, (Some("acme"), None), "", 500).unwrap().items;
    let seen = |id: &str| desk.authority.audit_item(&house.ada, id).unwrap();
    let number_of = |id: &str| seen(id).number.unwrap().as_u64() - number(0).as_u64();
    let release = |n: u64| {
        desk.authority.holder_event_blocking(&desk.holder(n, Change::release)).unwrap();
        publish(desk);
    };
    let (judged, unjudged) = (&items[0].id, &items[1].id);
    desk.authority.judge_audit(&house.ada, judged, None).unwrap();
    assert!(seen(judged).evidence.is_some(), "an appeal may look at it again");
    let numbers = [number_of(judged), number_of(unjudged)];
    numbers.into_iter().for_each(release);
    assert_eq!((seen(judged).evidence, seen(judged).number), (None, None));
    assert!(seen(unjudged).evidence.is_some(), "nobody escapes an audit by giving the number back");
    desk.authority.judge_audit(&house.ada, unjudged, Some(Fault::Mismatch)).unwrap();
    assert_eq!(seen(unjudged).evidence, None);
    // What is left goes with the retention.
    assert!(seen(&items[2].id).evidence.is_some());
    desk.clock.advance(19 * 31 * DAY_MS);
    desk.authority.upkeep().unwrap();
    assert_eq!(seen(&items[2].id).evidence, None);
    assert!(matches!(desk.authority.population(MONTH, 0), Ok(_) | Err(Rejection::Gone(_))));
}

#[test]
fn an_appeal_is_decided_by_others_and_gives_the_standing_back() {
    let (house, acme) = small(40, |n| n % 2 == 0);
    let desk = &house.desk;
    to_the_draw(desk);
    assert!(acme.answer(desk) >= 3);
    judge(&house, &house.ben, |_| None);
    desk.clock.advance(7 * DAY_MS);
    desk.authority.upkeep().unwrap();
    let act = desk.authority.propose_sanction(&house.ben, MONTH, "acme").unwrap();
    desk.authority.approve_act(&house.ada, &act.row.id).unwrap();
    assert_eq!(house.status("acme"), ProviderStatus::Suspended);
    desk.authority.appeal(&acme.actor, "acme").unwrap();
    refused(house.both(ActKind::Overturn, provider("acme")), &refusal::APPEAL_SAME_HANDS);
    let (cyd, dan) = (house.officer("cyd"), house.officer("dan"));
    let wish = crate::ledger::staff::wish(ActKind::Overturn, provider("acme"));
    let overturn = desk.authority.request_act(&cyd, wish, None).unwrap();
    desk.authority.approve_act(&dan, &overturn.row.id).unwrap();
    assert_eq!(house.status("acme"), ProviderStatus::Accredited);
    // What was found stays found, and is published.
    let audit = desk.authority.publish_audit(&house.ada, MONTH).unwrap();
    assert_eq!(body(&audit, 2)["entities"][0]["proposed"], "suspend");
}

#[test]
fn with_a_beacon_the_round_is_fixed_and_without_one_the_report_says_so() {
    let (house, _acme) = small(25, |_| true);
    let desk = &house.desk;
    desk.authority.use_beacon(Beacon { chain: "chain".into(), genesis_s: 1_700_000_000, period_s: 30 });
    desk.clock.set(FEBRUARY_MS + HOUR_MS);
    desk.authority.upkeep().unwrap();
    publish(desk);
    desk.authority.upkeep().unwrap();
    let audit = desk.authority.audit_of(MONTH).unwrap();
    assert_eq!(audit.row.state, "closed", "the beacon has not spoken");
    let closed_ms = GovLeaf::parse(&Note::open(&audit.leaves[0].1, &[]).unwrap().text).unwrap().time_ms;
    let round = (closed_ms.div_ceil(1000) + 600 - 1_700_000_000).div_ceil(30) + 1;
    let draw = |round: u64, value: &[u8]| desk.authority.draw_audit(&house.ada, MONTH, Some((round, value.to_vec())));
    refused(draw(round, &[5; 32]), &refusal::AUDIT_STATE);
    desk.clock.advance(HOUR_MS);
    refused(draw(round + 1, &[5; 32]), &refusal::AUDIT_STATE);
    refused(draw(round, &[5; 3]), &refusal::AUDIT_STATE);
    refused(desk.authority.draw_audit(&house.ada, MONTH, None), &refusal::AUDIT_STATE);
    let audit = draw(round, &[5; 32]).unwrap();
    let said = DrawSaid::read(&body(&audit, 1)).unwrap();
    assert_eq!((said.round.as_ref().unwrap().round, said.steerable()), (round, false));
    let output = drawn_again(house.dir.path(), [&population(desk), &audit.leaves[0].1, &audit.leaves[1].1]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let (house, _acme) = small(25, |_| true);
    to_the_draw(&house.desk);
    let said = body(&house.desk.authority.audit_of(MONTH).unwrap(), 1);
    assert_eq!((said["steerable"].as_bool(), said["witnesses"].as_u64()), (Some(true), Some(0)));
}

#[test]
fn a_head_that_every_named_witness_has_cosigned_cannot_be_steered() {
    const ORIGIN: &str = "dir.example/map/0";
    let (house, _acme) = small(25, |_| true);
    let House { desk, dir, .. } = house;
    drop(desk);
    let_go(dir.path());
    let key = callbook::signer::key_file::signing(&dir.path().join("keys"), "log", &Default::default()).unwrap();
    let vkey = VerifierKey::new(ORIGIN, LineType::Signature, key.public().clone()).unwrap().to_string();
    let (_folder, folder) = made_for(ORIGIN, &vkey);
    let witness = Running::start(&folder);
    let policy = format!("quorum = 1\n[[witness]]\nvkey = \"{}\"\nurl = \"http://{}\"\n", witness.key, witness.address);
    std::fs::write(dir.path().join("witnesses.toml"), policy).unwrap();
    let desk = Desk::open(dir.path(), FEBRUARY_MS + HOUR_MS).unwrap();
    desk.authority.upkeep().unwrap();
    publish(&desk);
    desk.authority.upkeep().unwrap();
    let audit = desk.authority.audit_of(MONTH).unwrap();
    assert_eq!(audit.row.state, "drawn");
    let said = DrawSaid::read(&body(&audit, 1)).unwrap();
    assert_eq!((said.cosigned, said.steerable()), ((1, 1), false));
    let note = Note::open(audit.row.checkpoint.as_ref().unwrap(), std::slice::from_ref(&witness.key)).unwrap();
    assert_eq!((note.text, note.signed.len()), (said.head, 1), "the cosigned head is there for everybody");
}

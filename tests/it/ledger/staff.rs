//! The operator's people: one person's acts and two persons', keys, tokens, and who may do what.

use callbook::authority::{Act, Actor, Idempotency, NewToken, Rejection, StaffWish, Subject, Wish};
use callbook::log::key::{Algorithm, SigningKey};
use callbook::log::sha256;
use callbook::log::staff::{bound_token_proof, token_proof};
use callbook::registry::acts::{ActKind, Hands, StaffRole};
use callbook::registry::refusal::{self, Reason};
use callbook::registry::standing::ProviderStatus;

use crate::ledger::desk::{Desk, START_MS, acme};

/// A directory with its first admin, an officer, an auditor and a viewer, each with key and token.
pub(super) struct House {
    pub(super) desk: Desk,
    pub(super) ada: Actor,
    pub(super) ben: Actor,
    pub(super) dir: tempfile::TempDir,
}

pub(super) fn key_of(person: &str) -> SigningKey {
    SigningKey::from_bytes(Algorithm::Ed25519, &sha256(&[b"staff", person.as_bytes()])).unwrap()
}

pub(super) fn refused<T: std::fmt::Debug>(answer: Result<T, Rejection>, reason: &Reason) {
    match answer {
        Err(Rejection::Refused(all)) => assert!(all.iter().any(|refusal| refusal.is(reason)), "{all:?}"),
        other => panic!("{other:?}, expected {}", reason.code),
    }
}

pub(super) fn wish(kind: ActKind, subject: Subject) -> Wish {
    Wish { kind, clause: "11.2".into(), reason: "a test".into(), subject }
}

pub(super) fn provider(id: &str) -> Subject {
    Subject::Provider { provider: id.into(), days: 90 }
}

pub(super) fn person(id: &str, role: Option<StaffRole>) -> Subject {
    let key = role.is_some().then(|| key_of(id).public().clone());
    Subject::Staff(StaffWish { person: id.into(), role, key })
}

/// A directory's first admin and an officer, each with key and token.
pub(super) fn two_people(desk: &Desk) -> (Actor, Actor) {
    let ada = Actor::operator();
    let token = desk.authority.add_token(
        &ada,
        NewToken { provider: None, scopes: Vec::new(), test: false, expires_in_d: 90, certificate: None },
    );
    let ada = desk.authority.authenticate(&token.unwrap().token).unwrap();
    desk.authority.set_first_key(&ada, key_of("admin").public()).unwrap();
    let join = wish(ActKind::StaffAdd, person("ben", Some(StaffRole::Officer)));
    let joined = desk.authority.request_act(&ada, join, None).unwrap();
    assert_eq!(joined.row.state, "done", "the first admin makes the second person alone");
    (ada, login(desk, "ben"))
}

fn login(desk: &Desk, id: &str) -> Actor {
    desk.clock.advance(1000);
    let at_s = desk.now_s();
    let signature = key_of(id).sign(&token_proof(desk.authority.origin(), id, at_s));
    let issued = desk.authority.staff_token(id, at_s, &signature, None).unwrap();
    desk.authority.authenticate(&issued.token).unwrap()
}

impl House {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let desk = Desk::new(dir.path());
        let (ada, ben) = two_people(&desk);
        Self { desk, ada, ben, dir }
    }

    /// A new token for a person, by the person's key.
    pub(super) fn login(&self, id: &str) -> Actor {
        login(&self.desk, id)
    }

    /// Asked for by the admin, approved by the officer.
    pub(super) fn both(&self, kind: ActKind, subject: Subject) -> Result<Act, Rejection> {
        let act = self.desk.authority.request_act(&self.ada, wish(kind, subject), None)?;
        assert_eq!(act.row.state, "open");
        self.desk.authority.approve_act(&self.ben, &act.row.id)
    }

    pub(super) fn status(&self, id: &str) -> ProviderStatus {
        self.desk.authority.providers().iter().find(|p| p.id == id).unwrap().standing.status
    }

    /// One officer more.
    pub(super) fn officer(&self, id: &str) -> Actor {
        self.join(id, StaffRole::Officer)
    }

    fn join(&self, id: &str, role: StaffRole) -> Actor {
        self.both(ActKind::StaffAdd, person(id, Some(role))).unwrap();
        self.login(id)
    }
}

/// The gov log as text.
pub(super) fn gov_log(house: &House) -> Vec<String> {
    use callbook::ledger::{Ledger, LedgerError, OpenError};
    #[derive(Debug)]
    struct Failed;
    impl From<OpenError> for Failed {
        fn from(_: OpenError) -> Self {
            Self
        }
    }
    impl From<LedgerError> for Failed {
        fn from(_: LedgerError) -> Self {
            Self
        }
    }
    let leaves = Ledger::peek(&house.dir.path().join("data"), |now| Ok::<_, Failed>(now.gov_leaves(now.gov_size()?)?));
    leaves.unwrap().into_iter().map(|leaf| String::from_utf8(leaf).unwrap()).collect()
}

#[test]
fn nobody_approves_what_he_asked_for_himself() {
    let house = House::new();
    let authority = &house.desk.authority;
    let act = authority.request_act(&house.ada, wish(ActKind::Warn, provider("acme")), None).unwrap();
    refused(authority.approve_act(&house.ada, &act.row.id), &refusal::ACT_OWN);
    let again = house.login("admin");
    assert_ne!(again.token_id, house.ada.token_id);
    refused(authority.approve_act(&again, &act.row.id), &refusal::ACT_OWN);
    refused(authority.approve_act(&Actor::operator(), &act.row.id), &refusal::ACT_PERSON);
    assert_eq!(house.status("acme"), ProviderStatus::Accredited);
    let done = authority.approve_act(&house.ben, &act.row.id).unwrap();
    assert_eq!((done.row.state.as_str(), house.status("acme")), ("done", ProviderStatus::Warned));
    let said: Vec<_> = done.steps.iter().map(|s| (s.step.as_str(), s.who.as_deref())).collect();
    assert_eq!(said, [("asked", Some("admin")), ("approved", Some("ben")), ("done", None)]);
    // The same approval again changes nothing; another one comes too late.
    assert_eq!(authority.approve_act(&house.ben, &act.row.id).unwrap(), done);
    refused(authority.withdraw_act(&house.ben, &act.row.id), &refusal::ACT_OVER);
}

#[test]
fn an_act_is_asked_for_once_expires_and_can_be_withdrawn() {
    let house = House::new();
    let authority = &house.desk.authority;
    let key = |request: &[u8]| Idempotency { key: "k".into(), request: sha256(&[request]) };
    let ask = |reason: &str| {
        let wish = Wish { reason: reason.into(), ..wish(ActKind::Restrict, provider("acme")) };
        authority.request_act(&house.ada, wish, Some(&key(reason.as_bytes())))
    };
    let first = ask("one").unwrap();
    assert_eq!(ask("one").unwrap().row.id, first.row.id);
    assert!(matches!(ask("two"), Err(Rejection::IdempotencyReused)));
    house.desk.clock.advance(72 * 3_600_000);
    refused(authority.approve_act(&house.ben, &first.row.id), &refusal::ACT_OVER);
    authority.upkeep().unwrap();
    let expired = authority.act(&house.ben, &first.row.id).unwrap();
    assert_eq!((expired.row.state.as_str(), expired.steps.len()), ("expired", 2));
    authority.upkeep().unwrap();
    assert_eq!(authority.act(&house.ben, &first.row.id).unwrap(), expired, "once");

    let second = authority.request_act(&house.ada, wish(ActKind::Restrict, provider("acme")), None).unwrap();
    assert_eq!(authority.withdraw_act(&house.ben, &second.row.id).unwrap().row.state, "withdrawn");
    refused(authority.approve_act(&house.ben, &second.row.id), &refusal::ACT_OVER);
    assert_eq!(house.status("acme"), ProviderStatus::Accredited);
    let listed = authority.acts(&house.ada, 0, None, 2).unwrap();
    assert_eq!((listed[0].row.id.as_str(), listed.len()), (second.row.id.as_str(), 2));
    let older = authority.acts(&house.ada, listed[1].row.seq, None, 100).unwrap();
    assert_eq!(older.len(), 1, "the newcomer's own act");
    assert!(authority.acts(&house.ada, 0, Some("open"), 100).unwrap().is_empty());
    assert!(matches!(authority.approve_act(&house.ben, "nothing"), Err(Rejection::NotFound)));
}

#[test]
fn the_last_admin_stays_and_whoever_leaves_is_out_at_once() {
    let house = House::new();
    let authority = &house.desk.authority;
    let leave = |who: &str| house.both(ActKind::StaffEnd, person(who, None));
    refused(leave("admin"), &refusal::STAFF_LAST_ADMIN);
    let demoted = Subject::Staff(StaffWish { person: "admin".into(), role: Some(StaffRole::Viewer), key: None });
    refused(house.both(ActKind::StaffChange, demoted), &refusal::STAFF_LAST_ADMIN);
    refused(leave("nobody"), &refusal::STAFF_UNKNOWN);
    refused(house.both(ActKind::StaffAdd, person("ben", Some(StaffRole::Admin))), &refusal::STAFF_EXISTS);
    let borrowed =
        StaffWish { person: "eve".into(), role: Some(StaffRole::Officer), key: Some(key_of("ben").public().clone()) };
    refused(house.both(ActKind::StaffAdd, Subject::Staff(borrowed)), &refusal::STAFF_KEY);

    let cyd = house.join("cyd", StaffRole::Admin);
    assert_eq!(cyd.person.as_ref().unwrap().role, StaffRole::Admin);
    let token = authority
        .add_token(&cyd, NewToken { provider: None, scopes: vec![], test: false, expires_in_d: 9, certificate: None })
        .unwrap();
    leave("cyd").unwrap();
    assert!(authority.authenticate(&token.token).is_none());
    let (at_s, key) = (house.desk.now_s() + 1, key_of("cyd"));
    let signature = key.sign(&token_proof(authority.origin(), "cyd", at_s));
    refused(authority.staff_token("cyd", at_s, &signature, None).map(|issued| issued.id), &refusal::STAFF_PROOF);
    refused(house.both(ActKind::StaffAdd, person("cyd", Some(StaffRole::Admin))), &refusal::STAFF_EXISTS);
    // After a restart everything is as it was.
    let (dir, now_ms) = (house.dir.path().to_owned(), START_MS + 100_000);
    drop(house.desk);
    let desk = Desk::open(&dir, now_ms).unwrap();
    assert!(desk.authority.authenticate(&token.token).is_none());
    assert_eq!(desk.authority.staff(&Actor::operator()).unwrap().len(), 3);
}

#[test]
fn whoever_left_stands_behind_nothing() {
    let house = House::new();
    let authority = &house.desk.authority;
    let [dan, eve] = ["dan", "eve"].map(|id| house.officer(id));
    let act = authority.request_act(&dan, wish(ActKind::Warn, provider("acme")), None).unwrap();
    house.both(ActKind::StaffEnd, person("dan", None)).unwrap();
    assert_eq!(authority.approve_act(&house.ben, &act.row.id).unwrap().row.state, "open");
    assert_eq!(authority.approve_act(&eve, &act.row.id).unwrap().row.state, "done");
}

#[test]
fn a_token_is_for_whoever_has_the_key_and_each_proof_counts_once() {
    let house = House::new();
    let authority = &house.desk.authority;
    let at_s = house.desk.now_s() + 1;
    let sign = |id: &str, at_s| key_of(id).sign(&token_proof(authority.origin(), id, at_s));
    let ask =
        |id: &str, at_s, signature: [u8; 64]| authority.staff_token(id, at_s, &signature, None).map(|issued| issued.id);
    refused(ask("ben", at_s, sign("admin", at_s)), &refusal::STAFF_PROOF);
    refused(ask("nobody", at_s, sign("nobody", at_s)), &refusal::STAFF_PROOF);
    refused(ask("ben", at_s + 301, sign("ben", at_s + 301)), &refusal::STAFF_PROOF);
    ask("ben", at_s, sign("ben", at_s)).unwrap();
    refused(ask("ben", at_s, sign("ben", at_s)), &refusal::STAFF_PROOF);
    ask("ben", at_s + 1, sign("ben", at_s + 1)).unwrap();
}

/// The binding is part of what is signed: on the way it can neither be taken off nor be exchanged.
#[test]
fn a_token_is_bound_to_the_certificate_that_its_owner_signed_for() {
    let house = House::new();
    let authority = &house.desk.authority;
    let at_s = house.desk.now_s() + 1;
    let ask = |at_s, signed: Vec<u8>, certificate| {
        authority.staff_token("ben", at_s, &key_of("ben").sign(&signed), certificate).map(|issued| issued.token)
    };
    let bound = |at_s| bound_token_proof(authority.origin(), "ben", at_s, &[7; 32]);
    refused(ask(at_s, bound(at_s), None), &refusal::STAFF_PROOF);
    refused(ask(at_s, bound(at_s), Some([8; 32])), &refusal::STAFF_PROOF);
    refused(ask(at_s, token_proof(authority.origin(), "ben", at_s), Some([7; 32])), &refusal::STAFF_PROOF);
    let token = ask(at_s, bound(at_s), Some([7; 32])).unwrap();
    assert_eq!(authority.authenticate(&token).unwrap().certificate, Some([7; 32]));
    refused(ask(at_s, bound(at_s), Some([7; 32])), &refusal::STAFF_PROOF);
}

#[test]
fn the_public_log_tells_roles_and_keys_and_no_person() {
    let house = House::new();
    house.join("cyd", StaffRole::Auditor);
    let leaves = gov_log(&house);
    let staff: Vec<_> = leaves.iter().filter(|leaf| leaf.contains(r#""type":"staff""#)).collect();
    assert_eq!(staff.len(), 3);
    let b64 = |id: &str| callbook::log::bytes::to_base64(key_of(id).public().bytes());
    for (id, role) in [("admin", "admin"), ("ben", "officer"), ("cyd", "auditor")] {
        let said = format!(r#""role":"{role}""#);
        assert!(staff.iter().any(|leaf| leaf.contains(&b64(id)) && leaf.contains(&said)), "{id}");
    }
    let all = leaves.concat();
    assert!(!all.contains(r#""ben""#) && !all.contains(r#""cyd""#), "{all}");
}

#[test]
fn roles_change_at_once_and_acts_ask_for_as_many_as_they_must() {
    let house = House::new();
    let authority = &house.desk.authority;
    let vic = house.join("vic", StaffRole::Viewer);
    refused(authority.request_act(&vic, wish(ActKind::Emergency, provider("acme")), None), &refusal::STAFF_ROLE);
    refused(
        authority.request_act(&house.ben, wish(ActKind::StaffEnd, person("vic", None)), None),
        &refusal::STAFF_ROLE,
    );
    let officer = Subject::Staff(StaffWish { person: "vic".into(), role: Some(StaffRole::Officer), key: None });
    house.both(ActKind::StaffChange, officer).unwrap();
    let vic = house.login("vic");
    let stopped = authority.request_act(&vic, wish(ActKind::Emergency, provider("acme")), None).unwrap();
    assert_eq!((stopped.row.state.as_str(), house.status("acme")), ("done", ProviderStatus::Suspended));
    assert_eq!(ActKind::Emergency.hands(), Hands::One);
    // What an act does is judged when it is approved, not when it was asked for.
    let act = authority.request_act(&house.ada, wish(ActKind::Suspend, provider("acme")), None).unwrap();
    authority.request_act(&vic, wish(ActKind::EndEmergency, provider("acme")), None).unwrap();
    authority.approve_act(&house.ben, &act.row.id).unwrap();
    assert_eq!(house.status("acme"), ProviderStatus::Suspended);
    refused(house.both(ActKind::Warn, provider("acme")), &refusal::STANDING_STEP);
}

#[test]
fn one_person_enters_newcomers_and_no_more() {
    let house = House::new();
    let authority = &house.desk.authority;
    let mut new = acme();
    new.id = "late".into();
    refused(authority.add_provider(&house.ada, new.clone()).map(|a| a.id), &refusal::ACT_NEEDS_TWO);
    new.status = ProviderStatus::Applied;
    authority.add_provider(&house.ben, new).unwrap();
    assert_eq!(house.status("late"), ProviderStatus::Applied);
    authority.request_act(&house.ben, wish(ActKind::Admit, provider("late")), None).unwrap();
    assert_eq!(house.status("late"), ProviderStatus::Probation);
    refused(house.both(ActKind::Accredit, provider("late")), &refusal::PROBATION_RUNS);
}

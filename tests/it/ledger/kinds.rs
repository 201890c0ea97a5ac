//! Every kind of command that the directory takes, one at a time: what it needs beforehand, the command itself, which may be
//! given again until it is taken, and how one sees later that it happened once.
//!
//! Whoever kills the process or fills its disk walks through all of them; a test holds the list against the code.

use std::sync::Arc;

use callbook::authority::{
    About, Actor, Authority, BatchState, ChangesFrom, ComplaintMove, ComplaintState, Courier, Entrant, ItemOutcome,
    NewBatch, NewComplaint, NewToken, NewWebhook, Party, Proposal, Receipt, Rejection, StaffWish, Subject, Submission,
    Turned, Visibility, WebhookEdit, WebhookState, WebhookWanted, Wish,
};
use callbook::charter::{Policy, TEXT};
use callbook::client::holder::Change;
use callbook::config;
use callbook::log::event::{Door, Event, Kind, Role};
use callbook::log::key::{Algorithm, SigningKey};
use callbook::log::label::Label;
use callbook::log::note::{LineType, NoteSigner, VerifierKey};
use callbook::log::staff::token_proof;
use callbook::log::state::{Flags, Status};
use callbook::registry::acts::{ActKind, Hands, StaffRole};
use callbook::registry::code::TransferCode;
use callbook::registry::standing::ProviderStatus;
use tokio::runtime::Runtime;

use crate::ledger::desk::{Desk, acme, address, device, number, token_key};
use crate::ledger::doors;
use crate::ledger::staff::{House, key_of, person, provider, wish};

/// Commands about one number, and what kind of event each makes.
const NUMBERS: [(&str, Option<Kind>); 15] = [
    ("number", Some(Kind::Create)),
    ("changed", Some(Kind::Update)),
    ("renewed", Some(Kind::Renew)),
    ("moved", Some(Kind::Transfer)),
    ("asked", Some(Kind::Request)),
    ("claimed", Some(Kind::Request)),
    ("noticed", Some(Kind::Request)),
    ("completed", Some(Kind::Complete)),
    ("vetoed", Some(Kind::Veto)),
    ("objected", Some(Kind::Object)),
    ("suspended", Some(Kind::Suspend)),
    ("resumed", Some(Kind::Resume)),
    ("given-back", Some(Kind::Release)),
    ("released", Some(Kind::Release)),
    ("code", None),
];
/// The others, but for the acts.
const OTHERS: [&str; 16] = [
    "batch",
    "open",
    "withdrawn",
    "ordered",
    "token",
    "revoked",
    "staff-token",
    "provider",
    "stopped",
    "appealed",
    "hook",
    "hook-paused",
    "hook-placed",
    "hook-removed",
    "complaint",
    "taken-up",
];
/// Items of a batch.
const ITEMS: u64 = 5;
/// Numbers that one command may use, from its own on.
pub(super) const STRIDE: u64 = 10;
/// Requests and notices that are made at the beginning, so that their waits are over later.
pub(super) const POOL: u64 = 24;
const POOL_ASKED: u64 = 5_000_000;
const POOL_NOTICED: u64 = 6_000_000;
/// The device that takes a number over is that of another holder.
const OTHER_DEVICE: u64 = 1_000_000;
/// After so long every wait of the pool is over, and nothing of it is void.
pub(super) const LATER_MS: u64 = 8 * 86_400_000;
/// Far more than an epoch takes.
const PUBLISHED_WAIT_MS: u64 = 20_000;
/// Who acts for the operator: who asks, who approves, and two who had no hand in that.
const PEOPLE: [&str; 4] = ["admin", "ben", "cyd", "dan"];

/// Every kind's name.
pub(super) fn all() -> Vec<String> {
    let acts = ActKind::ALL.map(|kind| format!("act-{}", kind.name()));
    NUMBERS.iter().map(|(name, _)| (*name).to_owned()).chain(OTHERS.map(str::to_owned)).chain(acts).collect()
}

/// A command, ready to be given. It says what it will be known by.
pub(super) type Ready<'a> = Box<dyn Fn() -> Result<String, Rejection> + 'a>;

/// What was acknowledged.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) what: String,
    /// The number that the command was about, or the first of those that were its own.
    pub(super) n: u64,
    /// What it is known by.
    pub(super) of: String,
}

/// Makes what every walk begins with: bell, four people, and requests and notices whose waits begin.
pub(super) fn founded(house: &House) {
    let desk = &house.desk;
    let statement_keys = vec![crate::ledger::bulk::bell_key().public().clone()];
    let bell = Entrant { statement_keys, ..entrant("bell", ProviderStatus::Accredited) };
    desk.authority.add_provider(&Actor::operator(), bell).unwrap();
    PEOPLE[2..].iter().for_each(|id| drop(house.officer(id)));
    let bell = bell_of(desk);
    for i in 0..POOL {
        desk.submit(&desk.registration(POOL_ASKED + i, &format!("pool asked {i}"))).unwrap();
        desk.submit(&desk.registration(POOL_NOTICED + i, &format!("pool noticed {i}"))).unwrap();
    }
    desk.authority.turn().unwrap();
    desk.clock.advance(1000);
    for i in 0..POOL {
        let n = POOL_ASKED + i;
        let code = desk.authority.transfer_code(&desk.actor, number(n)).unwrap();
        let asked = doors::request(desk, &bell, n, &device(n + OTHER_DEVICE), Door::Code, Some(code.code.text()));
        desk.authority.submit_blocking(&bell, &asked, None).unwrap();
        desk.submit(&desk.notice(POOL_NOTICED + i)).unwrap();
    }
    while desk.authority.turn().unwrap() != Turned::Idle {}
}

fn bell_of(desk: &Desk) -> Actor {
    Actor { party: Party::Provider("bell".into()), ..desk.actor.clone() }
}

fn login(authority: &Authority, at_s: u64, id: &str) -> Actor {
    let signature = key_of(id).sign(&token_proof(authority.origin(), id, at_s));
    let token = crate::ledger::crash_mixed::patiently(&|| Ok(authority.staff_token(id, at_s, &signature, None)?.token));
    authority.authenticate(&token).unwrap()
}

/// A directory at work, and those who send commands to it.
pub(super) struct Town<'a> {
    pub(super) desk: &'a Desk,
    bell: Actor,
    people: [Actor; 4],
    runtime: Runtime,
}

impl<'a> Town<'a> {
    pub(super) fn new(desk: &'a Desk) -> Self {
        let config = config::Webhooks { loopback: true, ..config::Webhooks::default() };
        desk.authority.webhooks_by(Courier::new(&config).unwrap());
        let people = PEOPLE.map(|id| login(&desk.authority, desk.now_s(), id));
        Self { desk, bell: bell_of(desk), people, runtime: Runtime::new().unwrap() }
    }

    /// Does what the command needs beforehand. `n` and the numbers behind it are its own, and so is the pool's `pool`-th.
    pub(super) fn ready(&'a self, what: &str, n: u64, pool: u64) -> Ready<'a> {
        if let Some(act) = what.strip_prefix("act-") {
            return self.act(ActKind::from_name(act).expect("a kind of act"), n);
        }
        let found = self.of_number(what, n, pool).or_else(|| self.of_house(what, n)).or_else(|| self.of_hook(what, n));
        found.unwrap_or_else(|| panic!("{what}?"))
    }

    fn published(&self, receipt: &Receipt) {
        let waiting = self.desk.authority.wait_published(&self.desk.actor, &receipt.event_hash, PUBLISHED_WAIT_MS);
        self.runtime.block_on(waiting).unwrap();
    }

    fn registered(&self, n: u64) {
        self.published(&self.desk.submit(&self.desk.registration(n, &format!("jti {n}"))).unwrap());
    }

    fn by_bell(&self, submission: &Submission) {
        self.published(&self.desk.authority.submit_blocking(&self.bell, submission, None).unwrap());
    }

    fn by_holder(&self, submission: &Submission) {
        self.published(&self.desk.authority.holder_event_blocking(submission).unwrap());
    }

    /// bell asks for the number, by a code or by fresh validation.
    fn asks(&self, n: u64, door: Door) -> Submission {
        let code =
            (door == Door::Code).then(|| self.desk.authority.transfer_code(&self.desk.actor, number(n)).unwrap());
        let code = code.as_ref().map(|code| code.code.text());
        doors::request(self.desk, &self.bell, n, &device(n + OTHER_DEVICE), door, code)
    }

    fn of_number(&'a self, what: &str, n: u64, pool: u64) -> Option<Ready<'a>> {
        let (desk, bell) = (self.desk, Some(&self.bell));
        if !["number", "completed", "released"].contains(&what) && NUMBERS.iter().any(|(name, _)| *name == what) {
            self.registered(n);
        }
        let (by, submission) = match what {
            "number" => (Some(&desk.actor), desk.registration(n, &format!("jti {n}"))),
            "changed" => (Some(&desk.actor), desk.update(n, &format!("sip:changed-{n}@acme.example"))),
            "renewed" => (Some(&desk.actor), desk.renewal_by(n, &token_key())),
            "moved" => (bell, doors::transfer(desk, &self.bell, n, &device(n))),
            "asked" => (bell, self.asks(n, Door::Code)),
            "claimed" => (bell, self.asks(n, Door::Validation)),
            "noticed" => (Some(&desk.actor), desk.notice(n)),
            "completed" => {
                let n = POOL_ASKED + pool;
                (bell, doors::complete(desk, &self.bell, n, &device(n + OTHER_DEVICE), Door::Code))
            }
            "released" => (Some(&desk.actor), desk.release_after_notice(POOL_NOTICED + pool)),
            "vetoed" => {
                self.by_bell(&self.asks(n, Door::Code));
                (None, desk.holder(n, Change::veto))
            }
            "objected" => {
                self.by_bell(&self.asks(n, Door::Validation));
                (None, desk.holder(n, Change::object))
            }
            "suspended" => (None, desk.holder(n, Change::suspend)),
            "resumed" => {
                self.by_holder(&desk.holder(n, Change::suspend));
                (None, desk.holder(n, Change::resume))
            }
            "given-back" => (None, desk.holder(n, Change::release)),
            "code" => {
                let code = move || Ok(desk.authority.transfer_code(&desk.actor, number(n))?.code.text().to_owned());
                return Some(Box::new(code));
            }
            _ => return None,
        };
        Some(Box::new(move || submitted(desk, by, &submission)))
    }

    fn of_house(&'a self, what: &str, n: u64) -> Option<Ready<'a>> {
        let (authority, [ada, ben, ..]) = (&self.desk.authority, &self.people);
        let id = format!("p{n}");
        Some(match what {
            "batch" => {
                let items: Vec<_> =
                    (1..=ITEMS).map(|i| Ok(self.desk.registration(n + i, &format!("item {n} {i}")))).collect();
                Box::new(move || {
                    let batch = NewBatch {
                        items: items.clone(),
                        dry_run: false,
                        request: [n as u8; 32],
                        key: Some(n.to_string()),
                    };
                    Ok(authority.take_batch(&self.desk.actor, batch)?.id)
                })
            }
            "open" => {
                self.registered(n);
                Box::new(move || Ok(authority.request_act(ada, self.withholds(n), None)?.row.id))
            }
            "withdrawn" => {
                self.registered(n);
                let open = authority.request_act(ada, self.withholds(n), None).unwrap().row.id;
                Box::new(move || Ok(authority.withdraw_act(ben, &open)?.row.id))
            }
            "ordered" => {
                let (act, event) = self.ordered(n);
                Box::new(move || {
                    let receipt = authority.submit_order(ben, &act, vec![event.clone()])?.remove(0)?;
                    assert_eq!(receipt.version, 2);
                    Ok(act.clone())
                })
            }
            "token" => Box::new(move || Ok(authority.add_token(&Actor::operator(), for_bell())?.token)),
            "revoked" => {
                let made = authority.add_token(&Actor::operator(), for_bell()).unwrap();
                Box::new(move || authority.revoke_token(&Actor::operator(), &made.id).map(|()| made.token.clone()))
            }
            "staff-token" => {
                self.joined(&id);
                let at_s = self.desk.now_s();
                let signature = key_of(&id).sign(&token_proof(authority.origin(), &id, at_s));
                Box::new(move || Ok(authority.staff_token(&id, at_s, &signature, None)?.token))
            }
            "provider" => {
                let new = entrant(&id, ProviderStatus::Applied);
                Box::new(move || Ok(authority.add_provider(ben, new.clone())?.id))
            }
            "stopped" => {
                self.stands(ActKind::Warn, &id);
                Box::new(move || Ok(authority.set_provider_status(ben, &id, true, "7.8")?.id))
            }
            "appealed" => {
                self.stands(ActKind::Accredit, &id);
                Box::new(move || Ok(authority.appeal(ben, &id)?.id))
            }
            "complaint" => Box::new(move || authority.complain(complaint(n))),
            "taken-up" => {
                let id = authority.complain(complaint(n)).unwrap();
                Box::new(move || authority.move_complaint(ben, &id, ComplaintMove::TakeUp).map(|_| id.clone()))
            }
            _ => return None,
        })
    }

    /// Endpoints: of a provider each, since one has a few at most.
    fn of_hook(&'a self, what: &str, n: u64) -> Option<Ready<'a>> {
        let authority = &self.desk.authority;
        let owner = Actor { party: Party::Provider(format!("p{n}")), test: false, ..self.desk.actor.clone() };
        let new = move || NewWebhook {
            url: authority.webhook_url("http://127.0.0.1:9999/hook").unwrap(),
            kinds: Vec::new(),
            description: String::new(),
        };
        if !what.starts_with("hook") {
            return None;
        }
        self.stands(ActKind::Warn, &format!("p{n}"));
        if what == "hook" {
            return Some(Box::new(move || Ok(authority.add_webhook(&owner, new())?.row.id)));
        }
        let id = authority.add_webhook(&owner, new()).unwrap().row.id;
        let paused = WebhookEdit { wanted: Some(WebhookWanted::Paused), ..WebhookEdit::default() };
        Some(match what {
            "hook-paused" => Box::new(move || Ok(authority.edit_webhook(&owner, &id, paused.clone())?.row.id)),
            "hook-placed" => Box::new(move || Ok(authority.redeliver(&owner, &id, ChangesFrom::Oldest)?.row.id)),
            "hook-removed" => Box::new(move || authority.remove_webhook(&owner, &id).map(|()| id.clone())),
            _ => return None,
        })
    }

    fn withholds(&self, n: u64) -> Wish {
        wish(ActKind::SuspendNumbers, Subject::Numbers { numbers: vec![number(n)], days: 5 })
    }

    /// Asked for by the first of the people, approved by the second.
    fn both(&self, wish: Wish) -> String {
        let act = self.desk.authority.request_act(&self.people[0], wish, None).unwrap();
        self.desk.authority.approve_act(&self.people[1], &act.row.id).unwrap().row.id
    }

    /// An order about the number, and its event, signed by two.
    fn ordered(&self, n: u64) -> (String, Vec<u8>) {
        self.registered(n);
        let (authority, act) = (&self.desk.authority, self.both(self.withholds(n)));
        let mut event = authority.act_events(&self.people[1], &act, None).unwrap().events.remove(0).event;
        for id in &PEOPLE[..2] {
            event.sign(authority.origin(), Role::Operator, &key_of(id));
        }
        (act, event.write())
    }

    fn joined(&self, id: &str) {
        self.both(wish(ActKind::StaffAdd, person(id, Some(StaffRole::Officer))));
    }

    /// Enters a provider and brings it to where such an act can be taken.
    fn stands(&self, before: ActKind, id: &str) {
        let authority = &self.desk.authority;
        let status = if before == ActKind::Admit { ProviderStatus::Applied } else { ProviderStatus::Accredited };
        authority.add_provider(&Actor::operator(), entrant(id, status)).unwrap();
        match before {
            ActKind::Accredit => drop(self.both(wish(ActKind::Warn, provider(id)))),
            ActKind::Overturn | ActKind::Uphold => {
                self.both(wish(ActKind::Warn, provider(id)));
                authority.appeal(&self.people[1], id).unwrap();
            }
            ActKind::EndEmergency => {
                authority.request_act(&self.people[1], wish(ActKind::Emergency, provider(id)), None).unwrap();
            }
            ActKind::Terminate | ActKind::BulkDoor => drop(self.both(wish(ActKind::Suspend, provider(id)))),
            _ => {}
        }
    }

    /// What an act of that kind is about; everything is there that it needs.
    fn subject(&self, kind: ActKind, n: u64) -> Subject {
        let (id, numbers) = (format!("p{n}"), vec![number(n)]);
        let key = || SigningKey::from_bytes(Algorithm::Ed25519, &callbook::log::sha256(&[b"key", &n.to_be_bytes()]));
        let key = || key().unwrap().public().clone();
        if kind.is_order() {
            self.registered(n);
        }
        match kind {
            ActKind::SuspendNumbers => Subject::Numbers { numbers, days: 5 },
            ActKind::ResumeNumbers => {
                self.both(self.withholds(n));
                Subject::Numbers { numbers, days: 0 }
            }
            ActKind::VetoClaim => {
                self.by_bell(&self.asks(n, Door::Validation));
                Subject::Numbers { numbers, days: 0 }
            }
            ActKind::Charter => {
                let policy = Arc::new(Policy::embedded().beside(format!("{TEXT}\n{n}\n")));
                Subject::Charter(Proposal { policy, effective_ms: None })
            }
            ActKind::StaffAdd => person(&id, Some(StaffRole::Viewer)),
            ActKind::StaffChange | ActKind::StaffEnd => {
                self.joined(&id);
                let role = (kind == ActKind::StaffChange).then_some(StaffRole::Viewer);
                Subject::Staff(StaffWish { person: id, role, key: None })
            }
            ActKind::AuditorAdmit => Subject::Auditor(auditor(n)),
            ActKind::AuditorEnd => {
                self.both(wish(ActKind::AuditorAdmit, Subject::Auditor(auditor(n))));
                Subject::Auditor(auditor(n))
            }
            ActKind::ProviderKeys => {
                self.stands(kind, &id);
                Subject::Keys { provider: id, statement_keys: vec![key()], validation_keys: Vec::new() }
            }
            ActKind::CompromisedKey => {
                let entity = entrant(&id, ProviderStatus::Accredited);
                let entity = Entrant { validation_keys: vec![key()], ..entity };
                self.desk.authority.add_provider(&Actor::operator(), entity).unwrap();
                self.both(wish(ActKind::Suspend, provider(&id)));
                Subject::LostKey { provider: id, key: key().thumbprint(), since_s: self.desk.now_s() - 60 }
            }
            _ => {
                self.stands(kind, &id);
                provider(&id)
            }
        }
    }

    fn act(&'a self, kind: ActKind, n: u64) -> Ready<'a> {
        let (authority, wish) = (&self.desk.authority, wish(kind, self.subject(kind, n)));
        // Nobody decides an appeal who decided before.
        let fresh = matches!(kind, ActKind::Overturn | ActKind::Uphold);
        let [asks, approves] = if fresh { [2, 3] } else { [0, 1] }.map(|i| &self.people[i]);
        if kind.hands() == Hands::One {
            return Box::new(move || Ok(authority.request_act(asks, wish.clone(), None)?.row.id));
        }
        let id = authority.request_act(asks, wish, None).unwrap().row.id;
        Box::new(move || Ok(authority.approve_act(approves, &id)?.row.id))
    }
}

/// A provider that validates nothing: with a second entity in good standing, claims would need tokens of both.
fn entrant(id: &str, status: ProviderStatus) -> Entrant {
    Entrant { id: id.into(), status, validation_keys: Vec::new(), ..acme() }
}

fn auditor(n: u64) -> VerifierKey {
    let key = SigningKey::from_bytes(Algorithm::Ed25519, &callbook::log::sha256(&[&n.to_be_bytes()])).unwrap();
    NoteSigner::new(&format!("auditor-{n}.example"), key).unwrap().verifier(LineType::Cosignature)
}

fn for_bell() -> NewToken {
    NewToken { provider: Some("bell".into()), scopes: Vec::new(), test: true, expires_in_d: 90, certificate: None }
}

fn complaint(n: u64) -> NewComplaint {
    NewComplaint { about: About::WrongHolder, number: None, text: format!("complaint {n}"), contact: None }
}

/// Submits; what was refused is not there.
fn submitted(desk: &Desk, by: Option<&Actor>, submission: &Submission) -> Result<String, Rejection> {
    let answer = match by {
        Some(actor) => desk.authority.submit_blocking(actor, submission, None),
        None => desk.authority.holder_event_blocking(submission),
    };
    let hash = Event::parse(&submission.event).unwrap().hash();
    let found = desk.authority.receipt(by.unwrap_or(&desk.actor), &hash).unwrap();
    assert_eq!(found.is_some(), answer.is_ok(), "{answer:?}");
    Ok(answer?.version.to_string())
}

/// What was acknowledged is so, and once. `whole`: nothing ended a batch early.
pub(super) fn happened(desk: &Desk, log: &[String], heard: &Heard, whole: bool) {
    let (authority, operator, Heard { what, n, of }) = (&desk.authority, Actor::operator(), heard);
    let told = format!("{heard:?}");
    if NUMBERS.iter().any(|(name, _)| name == what) {
        return number_is_so(desk, what, *n, of);
    }
    let status = |id: &str| authority.providers().iter().find(|p| p.id == id).map(|p| p.standing.status);
    let owner = Actor { party: Party::Provider(format!("p{n}")), test: false, ..desk.actor.clone() };
    let hook = || authority.webhook(&owner, of).map(|view| view.row.progress.state);
    match what.as_str() {
        "batch" => batch_is_whole(desk, of, whole),
        "ordered" => {
            let view = authority.read(&desk.actor, number(*n)).unwrap().expect("its provider sees it");
            let state = view.state.expect("published");
            assert_eq!((state.version, state.flags), (2, Flags::SUSP_OP), "{told}");
            assert_eq!(authority.act(&operator, of).unwrap().accepted, 1, "{told}");
        }
        "token" | "staff-token" => assert!(authority.authenticate(of).is_some(), "{told}: acknowledged and lost"),
        "revoked" => assert!(authority.authenticate(of).is_none(), "{told}: it still opens"),
        "provider" => assert_eq!(status(of), Some(ProviderStatus::Applied), "{told}"),
        "stopped" => assert_eq!(status(of), Some(ProviderStatus::Suspended), "{told}"),
        "appealed" => assert_eq!(status(of), Some(ProviderStatus::Warned), "{told}"),
        "complaint" => assert_eq!(authority.complaint(&operator, of).unwrap().state, ComplaintState::Open, "{told}"),
        "taken-up" => assert_eq!(authority.complaint(&operator, of).unwrap().state, ComplaintState::InWork, "{told}"),
        "hook" | "hook-placed" => assert!(hook().is_ok(), "{told}"),
        "hook-paused" => assert_eq!(hook().unwrap(), WebhookState::Paused, "{told}"),
        "hook-removed" => assert!(matches!(hook(), Err(Rejection::NotFound)), "{told}"),
        _ => {
            let state = match what.as_str() {
                "open" => "open",
                "withdrawn" => "withdrawn",
                _ => "done",
            };
            let act = authority.act(&operator, of).unwrap();
            assert_eq!(act.row.state, state, "{told}");
            assert_eq!(
                act.steps.iter().filter(|step| step.step == state).count(),
                usize::from(state != "open"),
                "{told}"
            );
            let leaves = log.iter().filter(|leaf| leaf.contains(of.as_str())).count();
            assert!(leaves <= 1 && (leaves == 1 || state != "done" || !act.kind.is_order()), "{told}: {leaves} leaves");
        }
    }
}

/// Every result of a batch stands for a registration that is there.
fn batch_is_whole(desk: &Desk, id: &str, whole: bool) {
    let view = desk.authority.batch(&desk.actor, id).unwrap().expect("acknowledged and lost");
    assert!(view.state != BatchState::Running && view.items == ITEMS, "{view:?}");
    assert!(!whole || view.state == BatchState::Done && view.done == ITEMS, "{view:?}");
    let outcomes = desk.authority.batch_outcomes(&desk.actor, id, 0, 100).unwrap().unwrap();
    assert_eq!((outcomes.len() as u64, view.refused), (view.done, 0), "{outcomes:?}");
    for (_, outcome) in outcomes {
        let ItemOutcome::Accepted(receipt) = outcome else { panic!("{outcome:?}") };
        let found = desk.authority.receipt(&desk.actor, &receipt.event_hash).unwrap().expect("its event is there");
        assert!(matches!(found.visibility, Visibility::Published { .. }) && found.version == 1, "{found:?}");
    }
}

/// The number the command was about: the pool's, for those that wait.
fn number_is_so(desk: &Desk, what: &str, n: u64, of: &str) {
    let told = format!("{what} of {n}: {of}");
    let read = |actor: &Actor| desk.authority.read(actor, number(n)).unwrap();
    let shown = desk.board.shows(number(n));
    if ["given-back", "released"].contains(&what) {
        let told_last =
            desk.authority.prepare_blocking(&desk.actor, number(n)).unwrap().sponsored.expect("its last one");
        assert_eq!(
            (told_last.state.status, told_last.version.to_string()),
            (Status::Released, of.to_owned()),
            "{told}"
        );
        return assert!(shown.is_none(), "{told}: still shown");
    }
    let (ours, bells) = (read(&desk.actor), read(&bell_of(desk)));
    assert!(ours.is_some() != bells.is_some(), "{told}: with one provider, ours {}", ours.is_some());
    assert_eq!(bells.is_some(), ["moved", "completed"].contains(&what), "{told}");
    let view = ours.or(bells).expect("one of them");
    let state = view.state.expect("published");
    assert!(matches!(view.newest.visibility, Visibility::Published { .. }), "{told}: {:?}", view.newest);
    if what == "code" {
        let label = desk.authority.prepare_blocking(&desk.actor, number(n)).unwrap().label;
        let kept = code_of(desk, &label);
        return assert_eq!(kept, TransferCode::from_text(of).map(|code| code.hash(&label)), "{told}");
    }
    assert_eq!(state.version.to_string(), of, "{told}: done once, and nothing after it");
    let pending = view.pending.map(|pending| (pending.door, pending.objected_s.is_some()));
    let wanted = match what {
        "asked" => Some((Door::Code, false)),
        "claimed" => Some((Door::Validation, false)),
        "objected" => Some((Door::Validation, true)),
        "noticed" => Some((Door::Direct, false)),
        _ => None,
    };
    assert_eq!(pending, wanted, "{told}");
    assert_eq!(shown.is_none(), what == "suspended", "{told}");
    let shown = shown.map(|shown| address(&shown)).unwrap_or_default();
    match what {
        "changed" => assert!(shown.contains(&format!("changed-{n}@")), "{told}: {shown}"),
        "moved" | "completed" => assert!(shown.contains("bell.example"), "{told}: {shown}"),
        _ => {}
    }
}

/// The hash of the code that is kept for a number.
fn code_of(desk: &Desk, label: &Label) -> Option<[u8; 32]> {
    let file = rusqlite::Connection::open(desk.authority.settings().data.join("ledger.sqlite")).unwrap();
    file.query_row("SELECT hash FROM transfer_codes WHERE label = ?1", [&label.0], |row| row.get(0)).ok()
}

/// The number that a command of that kind is about.
pub(super) fn its_number(what: &str, n: u64, pool: u64) -> u64 {
    match what {
        "completed" => POOL_ASKED + pool,
        "released" => POOL_NOTICED + pool,
        _ => n,
    }
}

/// Operations of the API that change nothing here, or are walked elsewhere, and why.
const NOT_WALKED: [(&str, &str); 18] = [
    ("post_number_prepare", "it stores nothing"),
    ("post_monitor", "it stores nothing"),
    ("post_proofs", "it stores nothing"),
    ("put_staff_key", "once in the life of a directory, before anything else"),
    ("post_staff_link", "a link is made again when its answer is lost"),
    ("post_webhook_test", "it sends; what it stores is a line for the developer"),
    ("post_audit_checkpoint", "an auditor sends his newest again; the older one counts no more"),
    ("post_audit_close", "the same again changes nothing: `ledger::audits`"),
    ("post_audit_draw", "the same again changes nothing: `ledger::audits`"),
    ("post_audit_evidence", "the same again changes nothing: `ledger::audits`"),
    ("post_audit_finding", "until it is published a person thinks again: `ledger::audits`"),
    ("post_audit_publication", "by the same way into the gov log as an act"),
    ("post_audit_revalidations", "a code is sent again when its answer is lost: `ledger::revalidations`"),
    ("post_audit_sanctions", "it asks for an act: `open`"),
    ("post_revalidations", "the same again changes nothing: `ledger::revalidations`"),
    ("delete_number_transfer", "the event of `vetoed`, by another route"),
    ("post_number_transfer_objection", "the event of `objected`, by another route"),
    ("post_act_events", "`ordered`"),
];
/// Which kind walks an operation of the API.
const WALKED: [(&str, &str); 23] = [
    ("post_acts", "open"),
    ("post_charter", "act-charter"),
    ("delete_act", "withdrawn"),
    ("post_act_approval", "act-warn"),
    ("post_batches", "batch"),
    ("post_complaints", "complaint"),
    ("patch_complaint", "taken-up"),
    ("post_holder_events", "suspended"),
    ("put_number", "number"),
    ("delete_number", "noticed"),
    ("post_number_transfer", "moved"),
    ("post_number_transfer_code", "code"),
    ("post_number_validation", "renewed"),
    ("post_providers", "provider"),
    ("patch_provider", "stopped"),
    ("post_provider_appeal", "appealed"),
    ("post_provider_tokens", "token"),
    ("post_staff_token", "staff-token"),
    ("delete_token", "revoked"),
    ("post_webhooks", "hook"),
    ("delete_webhook", "hook-removed"),
    ("patch_webhook", "hook-paused"),
    ("post_webhook_redelivery", "hook-placed"),
];

/// Who adds a kind of event, a kind of act or an operation of the API adds it to the walk, or says why not.
#[test]
fn every_kind_of_command_is_walked_or_it_is_said_why_not() {
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Carry) {
        assert!(NUMBERS.iter().any(|(_, made)| *made == Some(kind)), "{kind:?} is walked by nobody");
    }
    let document: serde_json::Value = serde_json::from_str(include_str!("../walk/openapi.json")).unwrap();
    let paths = document["paths"].as_object().unwrap().values();
    let operations: Vec<&str> = paths
        .flat_map(|path| path.as_object().unwrap())
        .filter(|(method, _)| ["post", "put", "patch", "delete"].contains(&method.as_str()))
        .map(|(_, operation)| operation["operationId"].as_str().unwrap())
        .collect();
    let names = all();
    for operation in &operations {
        let walked = WALKED.iter().any(|(id, by)| id == operation && names.iter().any(|name| name == by));
        let excused = NOT_WALKED.iter().any(|(id, _)| id == operation);
        assert!(walked != excused, "{operation}: add it to WALKED or NOT_WALKED");
    }
    for (id, _) in WALKED.iter().chain(&NOT_WALKED) {
        assert!(operations.contains(id), "{id} is no operation any more");
    }
}

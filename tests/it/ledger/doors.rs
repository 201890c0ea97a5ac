//! The doors on real files: whose number it is, who is told what, codes, pauses, and all of it over a restart.

use std::path::Path;

use callbook::authority::{Actor, NumberView, Party, Prepared, Rejection, Submission};
use callbook::client::holder::{Change, Device, Proved, RecordDraft, Signed};
use callbook::client::ve::ValidationToken;
use callbook::ledger::{Ledger, LedgerError, OpenError};
use callbook::log::event::{Door, Role};
use callbook::log::key::{Algorithm, SigningKey};
use callbook::log::label::Label;
use callbook::log::state::State;
use callbook::registry::code::TransferCode;
use callbook::registry::possession::Proof;
use callbook::registry::refusal::{self, Reason};

use crate::ledger::desk::{Desk, START_MS, acme, address, device, number, token_key};

const DAY_MS: u64 = 86_400_000;
const DAY_S: u64 = 86_400;

/// A directory with a second provider, and the first number registered by the first one.
fn desk() -> (tempfile::TempDir, Desk, Actor) {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    let mut bell = acme();
    bell.id = "bell".into();
    bell.statement_keys = vec![bell_key().public().clone()];
    bell.validation_keys = Vec::new();
    desk.authority.add_provider(&Actor::operator(), bell).unwrap();
    while desk.authority.turn().unwrap() != callbook::authority::Turned::Idle {}
    desk.register(1);
    let actor = Actor { party: Party::Provider("bell".into()), ..desk.actor.clone() };
    (dir, desk, actor)
}

fn bell_key() -> SigningKey {
    SigningKey::from_bytes(Algorithm::Ed25519, &[31; 32]).unwrap()
}

fn refused<T: std::fmt::Debug>(answer: Result<T, Rejection>, reason: &Reason) {
    match answer {
        Err(Rejection::Refused(all)) => assert!(all.iter().any(|refusal| refusal.is(reason)), "{all:?}"),
        other => panic!("{other:?}, expected {}", reason.code),
    }
}

/// A token that names `provider`; the newest one carries the nonce.
fn token(
    desk: &Desk,
    provider: &str,
    n: u64,
    control: &SigningKey,
    (method, ago_s): (&str, u64),
    nonce: Option<&str>,
) -> String {
    let validated_s = desk.now_s() - ago_s;
    let id = [provider, method, &n.to_string(), &validated_s.to_string(), nonce.unwrap_or_default()].concat();
    ValidationToken {
        issuer: "acme".into(),
        audience: "e164.example.".into(),
        id: callbook::log::bytes::to_base64url(&callbook::log::sha256(&[id.as_bytes()])[..16]),
        issued_s: desk.now_s(),
        number: number(n),
        provider: provider.into(),
        methods: vec![method.into()],
        validated_s,
        expires_s: validated_s + 85 * DAY_S,
        control: control.public().thumbprint(),
        evidence: [0; 32],
        nonce: nonce.map(str::to_owned),
    }
    .mint(&token_key())
}

/// Everything for one step of bell's, up to what the event is built from.
struct Step<'a> {
    desk: &'a Desk,
    n: u64,
    tokens: Vec<String>,
    first: Prepared,
    told: Prepared,
}

impl<'a> Step<'a> {
    fn new(desk: &'a Desk, bell: &Actor, n: u64, control: &SigningKey, earlier: Option<(&str, u64)>) -> Self {
        Self::tried(desk, bell, n, control, earlier, "operator-db")
    }

    /// The same, the newest validation by another method.
    fn tried(
        desk: &'a Desk,
        bell: &Actor,
        n: u64,
        control: &SigningKey,
        earlier: Option<(&str, u64)>,
        method: &str,
    ) -> Self {
        let first = desk.authority.prepare_blocking(bell, number(n)).unwrap();
        let mut tokens: Vec<String> =
            earlier.map(|earlier| token(desk, "bell", n, control, earlier, None)).into_iter().collect();
        tokens.push(token(desk, "bell", n, control, (method, 0), Some(&first.nonce)));
        let told = desk.authority.prepare_with_blocking(bell, number(n), &tokens).unwrap();
        Self { desk, n, tokens, first, told }
    }

    fn before(&self) -> State {
        self.told.sponsored.as_ref().expect("who brings a token is told").state.clone()
    }

    fn label(&self) -> Label {
        self.first.label
    }

    fn record(&self, device: &Device) -> callbook::log::record::Record {
        let draft = RecordDraft::new(number(self.n), "bell").sip("sip:alice@bell.example").unwrap();
        draft.device(device).build().unwrap()
    }

    fn submission(
        self,
        change: Change,
        signers: &[(Role, &SigningKey)],
        device: Option<&Device>,
        code: Option<&str>,
    ) -> Submission {
        let directory = self.desk.directory();
        let change = change.evidence(&self.tokens).unwrap().valid_until(self.desk.now_s() + 3600);
        let mut signed: Signed = change.sign(&directory, signers).unwrap();
        if let Some(device) = device {
            signed.prove(&directory, &device.keys, &self.first.ephemeral).unwrap();
        }
        signed.cosign(&directory, &bell_key());
        let proof = |p: Proved| Proof { prefix: p.prefix, spki: p.spki, proof: p.proof };
        let (record, opening) = signed.record.unzip();
        Submission {
            number: number(self.n),
            event: signed.event.write(),
            record,
            opening,
            possession: signed.possession.into_iter().map(proof).collect(),
            validation: self.tokens,
            nonce: None,
            code: code.and_then(TransferCode::from_text),
        }
    }
}

pub(super) fn transfer(desk: &Desk, bell: &Actor, n: u64, device: &Device) -> Submission {
    let step = Step::new(desk, bell, n, &device.control, None);
    let change = Change::transfer(step.label(), &step.before(), &step.record(device), [5; 32]);
    step.submission(change, &[(Role::Control, &device.control)], Some(device), None)
}

pub(super) fn request(
    desk: &Desk,
    bell: &Actor,
    n: u64,
    device: &Device,
    door: Door,
    code: Option<&str>,
) -> Submission {
    let earlier = (door == Door::Validation).then_some(("sms", DAY_S));
    let step = Step::new(desk, bell, n, &device.control, earlier);
    let change = Change::request(step.label(), &step.before(), door, device.control.public(), "bell");
    step.submission(change, &[(Role::NewControl, &device.control)], None, code)
}

pub(super) fn complete(desk: &Desk, bell: &Actor, n: u64, device: &Device, door: Door) -> Submission {
    let step = Step::new(desk, bell, n, &device.control, None);
    let (record, end_s, public) = (step.record(device), desk.now_s() + 80 * DAY_S, device.control.public());
    let change = Change::complete(step.label(), &step.before(), door, &record, [6; 32], public, end_s);
    step.submission(change, &[(Role::NewControl, &device.control)], Some(device), None)
}

/// The key before takes the number back through bell: the line tried now, the subscription a day before.
fn take_back(desk: &Desk, bell: &Actor, n: u64, device: &Device) -> Submission {
    let step = Step::tried(desk, bell, n, &device.control, Some(("operator-db", DAY_S)), "sms");
    let (record, end_s, public) = (step.record(device), desk.now_s() + 80 * DAY_S, device.control.public());
    let change = Change::take_back(step.label(), &step.before(), &record, [7; 32], public, end_s);
    step.submission(change, &[(Role::NewControl, &device.control)], Some(device), None)
}

fn submit(desk: &Desk, bell: &Actor, submission: &Submission) -> Result<u64, Rejection> {
    let receipt = desk.authority.submit_blocking(bell, submission, None)?;
    desk.clock.advance(1000);
    desk.authority.turn().unwrap();
    Ok(receipt.version)
}

fn view(desk: &Desk, actor: &Actor, n: u64) -> Option<NumberView> {
    desk.authority.read(actor, number(n)).unwrap()
}

fn holdings(dir: &Path) -> (u64, u64) {
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
    let read = Ledger::peek::<_, Failed>(&dir.join("data"), |now| Ok((now.holdings("acme")?, now.holdings("bell")?)));
    read.unwrap()
}

#[test]
fn a_transfer_moves_number_holdings_and_sight_at_once() {
    let (dir, desk, bell) = desk();
    let moved = transfer(&desk, &bell, 1, &device(1));
    assert_eq!(holdings(dir.path()), (1, 0));
    desk.authority.submit_blocking(&bell, &moved, None).unwrap();
    assert_eq!(holdings(dir.path()), (0, 1));
    assert!(address(&desk.board.shows(number(1)).unwrap()).contains("acme"), "until its epoch is published");
    desk.clock.advance(1000);
    desk.authority.turn().unwrap();
    assert!(address(&desk.board.shows(number(1)).unwrap()).contains("sip:alice@bell.example"));
    assert!(view(&desk, &desk.actor, 1).is_none(), "a stranger from now on");
    assert_eq!(view(&desk, &bell, 1).unwrap().state.unwrap().version, 2);
    refused(desk.authority.transfer_code(&desk.actor, number(1)).map_err(code_refused), &refusal::NOT_FOUND);
    // Released later, the number leaves the gaining provider's account.
    let before = view(&desk, &bell, 1).unwrap().state.unwrap();
    let release = Change::release(moved_label(&desk, &bell), &before).valid_until(desk.now_s() + 3600);
    let signed = release.sign(&desk.directory(), &[(Role::Control, &device(1).control)]).unwrap();
    let mut act = moved;
    (act.event, act.record, act.opening) = (signed.event.write(), None, None);
    (act.possession, act.validation) = (Vec::new(), Vec::new());
    desk.authority.holder_event_blocking(&act).unwrap();
    desk.clock.advance(1000);
    desk.authority.turn().unwrap();
    assert_eq!(holdings(dir.path()), (0, 0));
}

fn moved_label(desk: &Desk, bell: &Actor) -> Label {
    desk.authority.prepare_blocking(bell, number(1)).unwrap().label
}

/// That a number is not theirs is told providers in two forms, one of the law and one of the desk.
fn code_refused(no: Rejection) -> Rejection {
    match no {
        Rejection::NotFound => refusal::NOT_FOUND.at("", "").into(),
        other => other,
    }
}

#[test]
fn a_good_token_opens_prepare_and_stays_good() {
    let (_dir, desk, bell) = desk();
    let control = SigningKey::from_bytes(Algorithm::Ed25519, &[44; 32]).unwrap();
    let first = desk.authority.prepare_blocking(&bell, number(1)).unwrap();
    assert!(first.sponsored.is_none());
    let good = token(&desk, "bell", 1, &control, ("sms", 0), Some(&first.nonce));
    let ask = |tokens: &[String]| desk.authority.prepare_with_blocking(&bell, number(1), tokens);
    for _ in 0..2 {
        let told = ask(std::slice::from_ref(&good)).unwrap().sponsored.unwrap();
        assert_eq!((told.version, told.prev), (1, told.state.hash()));
    }
    // One for somebody else, for another number, without the nonce: told alike for every number.
    let others = token(&desk, "acme", 1, &control, ("sms", 0), Some(&first.nonce));
    refused(ask(&[others]), &refusal::TOKEN_PROVIDER);
    let other = token(&desk, "bell", 2, &control, ("sms", 0), Some(&first.nonce));
    refused(ask(&[other]), &refusal::TOKEN_SUBJECT);
    let bare = token(&desk, "bell", 1, &control, ("sms", 0), None);
    refused(ask(&[bare]), &refusal::TOKEN_NONCE);
    let free = desk.authority.prepare_blocking(&bell, number(2)).unwrap();
    let nobody = token(&desk, "bell", 2, &control, ("sms", 0), Some(&free.nonce));
    assert!(desk.authority.prepare_with_blocking(&bell, number(2), &[nobody]).unwrap().sponsored.is_none());
    let moved = transfer(&desk, &bell, 1, &device(1));
    submit(&desk, &bell, &moved).unwrap();
    refused(desk.authority.prepare_with_blocking(&bell, number(1), &moved.validation), &refusal::TOKEN_REPLAYED);
}

#[test]
fn a_code_is_good_once_and_wrong_ones_are_counted_over_a_restart() {
    let (dir, desk, bell) = desk();
    let new = device(50);
    assert!(matches!(desk.authority.transfer_code(&bell, number(1)), Err(Rejection::NotFound)));
    assert!(matches!(desk.authority.transfer_code(&desk.actor, number(2)), Err(Rejection::NotFound)));
    let first = desk.authority.transfer_code(&desk.actor, number(1)).unwrap();
    let code = desk.authority.transfer_code(&desk.actor, number(1)).unwrap();
    let ask = |desk: &Desk, code: &str| {
        let asked = request(desk, &bell, 1, &new, Door::Code, Some(code));
        submit(desk, &bell, &asked)
    };
    refused(ask(&desk, first.code.text()), &refusal::NOT_FOUND); // a newer one took its place
    let max = desk.authority.policy().wrong_codes_per_day_max;
    for _ in 1..max {
        desk.clock.advance(1000);
        refused(ask(&desk, "cbt_guessed"), &refusal::NOT_FOUND);
    }
    desk.clock.advance(1000);
    refused(ask(&desk, code.code.text()), &refusal::QUOTA_CODES);
    desk.authority.upkeep().unwrap();
    let now_ms = desk.now_s() * 1000;
    drop(desk);
    let desk = Desk::open(dir.path(), now_ms + 1000).unwrap();
    refused(ask(&desk, code.code.text()), &refusal::QUOTA_CODES);
    desk.clock.advance(DAY_MS);
    assert_eq!(ask(&desk, code.code.text()).unwrap(), 2);
    // The losing provider sees what waits, and whose it is.
    let pending = view(&desk, &desk.actor, 1).unwrap().pending.unwrap();
    assert_eq!((pending.door, pending.provider.as_str(), pending.can_be_vetoed), (Door::Code, "bell", true));
    assert_eq!(pending.effective_from_s - pending.since_s, 5 * DAY_S);
    desk.clock.advance(5 * DAY_MS);
    let done = complete(&desk, &bell, 1, &new, Door::Code);
    submit(&desk, &bell, &done).unwrap();
    assert_eq!(holdings(dir.path()), (0, 1));
    assert!(address(&desk.board.shows(number(1)).unwrap()).contains("sip:alice@bell.example"));
    let again = desk.authority.transfer_code(&bell, number(1)).unwrap();
    assert!(again.code.text().len() > 20 && again.expires_ms == desk.now_s() * 1000 + 14 * DAY_MS);
}

#[test]
fn a_claim_waits_through_a_stop_and_is_objected_to_without_a_provider() {
    let (dir, desk, bell) = desk();
    let new = device(51);
    let claim = request(&desk, &bell, 1, &new, Door::Validation, None);
    submit(&desk, &bell, &claim).unwrap();
    drop(desk);
    let desk = Desk::open(dir.path(), START_MS + 3 * DAY_MS).unwrap();
    let pending = view(&desk, &desk.actor, 1).unwrap().pending.unwrap();
    assert_eq!((pending.door, pending.can_be_vetoed, pending.objected_s), (Door::Validation, false, None));
    refused(desk.submit(&desk.update(1, "sip:bob@acme.example")), &refusal::CONTESTED);
    desk.authority.holder_event_blocking(&desk.holder(1, Change::object)).unwrap();
    desk.clock.advance(1000);
    desk.authority.turn().unwrap();
    assert!(view(&desk, &desk.actor, 1).unwrap().pending.unwrap().objected_s.is_some());
    desk.clock.advance(5 * DAY_MS);
    let early = complete(&desk, &bell, 1, &new, Door::Validation);
    refused(submit(&desk, &bell, &early), &refusal::SECOND_ROUND);
    desk.clock.advance(7 * DAY_MS);
    let late = complete(&desk, &bell, 1, &new, Door::Validation);
    refused(submit(&desk, &bell, &late), &refusal::CONTEST_STOP);
    desk.clock.advance(46 * DAY_MS);
    assert!(view(&desk, &desk.actor, 1).unwrap().pending.is_none(), "void");
    assert!(address(&desk.board.shows(number(1)).unwrap()).contains("acme"));
}

#[test]
fn a_veto_is_remembered_and_forgotten() {
    let (dir, desk, bell) = desk();
    let new = device(52);
    let ask = |desk: &Desk| {
        let code = desk.authority.transfer_code(&desk.actor, number(1)).unwrap();
        let asked = request(desk, &bell, 1, &new, Door::Code, Some(code.code.text()));
        submit(desk, &bell, &asked)
    };
    ask(&desk).unwrap();
    desk.authority.holder_event_blocking(&desk.holder(1, Change::veto)).unwrap();
    desk.clock.advance(1000);
    desk.authority.turn().unwrap();
    let now_ms = desk.now_s() * 1000;
    drop(desk);
    let desk = Desk::open(dir.path(), now_ms + 29 * DAY_MS).unwrap();
    desk.authority.upkeep().unwrap();
    refused(ask(&desk), &refusal::VETO_PAUSE);
    desk.clock.advance(DAY_MS);
    ask(&desk).unwrap();
}

#[test]
fn a_ledger_of_the_first_format_comes_along() {
    let dir = tempfile::tempdir().unwrap();
    let conn = rusqlite::Connection::open(dir.path().join("ledger.sqlite")).unwrap();
    conn.execute_batch(include_str!("../../../migrations/0001-facts.sql")).unwrap();
    conn.pragma_update(None, "application_id", 0x6362_6f6b).unwrap();
    conn.pragma_update(None, "user_version", 1).unwrap();
    conn.execute_batch("INSERT INTO counters VALUES ('acme', 20000, 3, 5); INSERT INTO holdings VALUES ('acme', 3)")
        .unwrap();
    drop(conn);
    let ledger = Ledger::open(dir.path()).unwrap();
    let read = ledger.read::<_, LedgerError>(|now| {
        Ok((now.counted("acme", 20_000)?, now.wrong_codes("acme", 20_000)?, now.past(&Label([1; 32]))?.len()))
    });
    assert_eq!(read.unwrap(), ((3, 5), 0, 0));
    let counted: Result<(), LedgerError> = ledger.write(|tx| tx.count_wrong_codes("acme", 20_000, 2)).wait_blocking();
    counted.unwrap();
    let read =
        ledger.read::<_, LedgerError>(|now| Ok((now.counted("acme", 20_000)?, now.wrong_codes("acme", 20_000)?)));
    assert_eq!(read.unwrap(), ((3, 5), 2));
}

/// Taken by code while the holder was away; he comes home, and the directory was stopped in between.
#[test]
fn a_number_is_taken_back_over_a_restart_and_only_once() {
    let (dir, desk, bell) = desk();
    let new = device(53);
    let code = desk.authority.transfer_code(&desk.actor, number(1)).unwrap();
    let asked = request(&desk, &bell, 1, &new, Door::Code, Some(code.code.text()));
    submit(&desk, &bell, &asked).unwrap();
    desk.clock.advance(5 * DAY_MS);
    let done = complete(&desk, &bell, 1, &new, Door::Code);
    submit(&desk, &bell, &done).unwrap();
    let taken_ms = desk.now_s() * 1000;
    drop(desk);
    let desk = Desk::open(dir.path(), taken_ms + 20 * DAY_MS).unwrap();
    let stranger = take_back(&desk, &bell, 1, &device(54));
    refused(submit(&desk, &bell, &stranger), &refusal::UNDO_MISSING); // bell has the number: it is told
    let back = take_back(&desk, &bell, 1, &device(1));
    submit(&desk, &bell, &back).unwrap();
    let state = view(&desk, &bell, 1).unwrap().state.unwrap();
    assert_eq!((state.control, state.version), (device(1).control.public().thumbprint(), 4));
    assert!(address(&desk.board.shows(number(1)).unwrap()).contains("sip:alice@bell.example"));
    let again = take_back(&desk, &bell, 1, &new);
    refused(submit(&desk, &bell, &again), &refusal::UNDO_MISSING);
    drop(desk);
    // Nothing of it is left in the file, and the log is what it was.
    let desk = Desk::open(dir.path(), taken_ms + 21 * DAY_MS).unwrap();
    let again = take_back(&desk, &bell, 1, &new);
    refused(submit(&desk, &bell, &again), &refusal::UNDO_MISSING);
}

//! A number that was given back is registered again by another provider, over HTTP, with the provider's own kit.

use std::net::SocketAddr;
use std::sync::Arc;

use callbook::api::Problem;
use callbook::api::numbers::Prepared;
use callbook::api::service::Check;
use callbook::authority::{Actor, BatchState, ItemOutcome, NewBatch, NewToken, Rejection, Submission};
use callbook::client::holder::{Change, RecordDraft};
use callbook::client::provider::{Api, ApiError};
use callbook::client::register::{Finding, RegisterError, Registered, Registrar, Validation};
use callbook::client::transfer::Earlier;
use callbook::config::Http;
use callbook::http::{self, Limits};
use callbook::ledger::{Ledger, LedgerError, OpenError};
use callbook::log::random::Seeded;
use callbook::log::state::Status;
use callbook::net;
use callbook::telemetry::Metrics;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::ledger::desk::{Desk, acme, address, device, number, statement_key, token_key};

const DAY_MS: u64 = 86_400_000;
const DAY_S: u64 = 86_400;
const HOUR_S: u64 = 3600;

/// The API of a desk on a port of its own, in the desk's time.
struct Office {
    runtime: Runtime,
    stop: watch::Sender<bool>,
    at: SocketAddr,
}

impl Office {
    fn open(desk: &Desk) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = net::http::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let at = listener.local_addr().unwrap();
        let api = http::Api {
            authority: desk.authority.clone(),
            clock: desk.clock.clone(),
            random: Arc::new(ring::rand::SystemRandom::new()),
            metrics: Metrics::new(vec![]),
            console: None,
            dns_probe: Arc::new(|| Check { name: "dns".into(), ok: true, detail: String::new() }),
            apex: "e164.example.".into(),
            zone: Arc::new(callbook::rdap::Apex::default),
            limits: Arc::new(Limits::new(Http::default(), [3; 16])),
        };
        let (stop, stopped) = watch::channel(false);
        runtime.spawn(net::http::serve(vec![net::http::Front::plain(listener)], http::router(api), stopped));
        Self { runtime, stop, at }
    }

    /// The kit of a provider, with a new token.
    fn kit(&self, desk: &Desk, provider: &str) -> (Api, Actor) {
        let wish = NewToken {
            provider: Some(provider.into()),
            scopes: Vec::new(),
            test: true,
            expires_in_d: 365,
            certificate: None,
        };
        let issued = desk.authority.add_token(&Actor::operator(), wish).unwrap();
        let actor = desk.authority.authenticate(&issued.token).unwrap();
        (Api::at(&format!("http://{}", self.at), &issued.token).unwrap(), actor)
    }

    fn close(self) {
        self.stop.send(true).unwrap();
        self.runtime.shutdown_background();
    }
}

/// A directory with two providers, the first of which has registered the first number.
fn desk() -> (tempfile::TempDir, Desk) {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    let mut bell = acme();
    bell.id = "bell".into();
    bell.statement_keys = vec![bell_key().public().clone()];
    bell.validation_keys = Vec::new();
    desk.authority.add_provider(&Actor::operator(), bell).unwrap();
    desk.register(1);
    (dir, desk)
}

fn bell_key() -> callbook::log::key::SigningKey {
    callbook::log::key::SigningKey::from_bytes(callbook::log::key::Algorithm::Ed25519, &[31; 32]).unwrap()
}

fn turn(desk: &Desk) {
    desk.clock.advance(1000);
    desk.authority.turn().unwrap();
}

fn give_back(desk: &Desk, n: u64) {
    desk.clock.advance(1000);
    desk.authority.holder_event_blocking(&desk.holder(n, Change::release)).unwrap();
    turn(desk);
}

fn finding(desk: &Desk, method: &str, ago_s: u64) -> Finding {
    let validated_s = desk.now_s() - ago_s;
    Finding { methods: vec![method.into()], validated_s, not_after_s: validated_s + 80 * DAY_S, evidence: [5; 32] }
}

/// Registers the n-th number for `provider`, whose holder has the device `with`; `two`: by two methods.
fn register(
    desk: &Desk,
    api: &Api,
    provider: &str,
    (n, with): (u64, u64),
    two: bool,
) -> Result<Registered, RegisterError> {
    let (directory, token_key, random) = (desk.directory(), token_key(), Seeded::new([desk.now_s() as u8; 32]));
    let statement_key = if provider == "bell" { bell_key() } else { statement_key() };
    let validation = Validation { issuer: "acme", key: &token_key };
    let registrar =
        Registrar { api, directory: &directory, provider, statement_key: &statement_key, validation, random: &random };
    let device = device(with);
    let draft = RecordDraft::new(number(n), provider).sip(&format!("sip:new@{provider}.example")).unwrap();
    let (first, newest) = (finding(desk, "sms", 25 * HOUR_S), finding(desk, "operator-db", 0));
    let earlier = two.then_some(Earlier { finding: &first, validation });
    registrar.register(number(n), draft.device(&device), &device, &newest, earlier, 0)
}

fn code(answer: Result<Registered, RegisterError>) -> String {
    match answer {
        Err(RegisterError::Api(no)) => no.code().unwrap_or("no problem").to_owned(),
        other => panic!("{other:?}"),
    }
}

/// What a stranger is shown of a number, without what is new in every answer.
fn shown_to_strangers(api: &Api, n: u64) -> (Prepared, Option<Problem>) {
    let mut prepared = api.prepare(number(n)).unwrap();
    for own in [&mut prepared.label, &mut prepared.vrf_proof, &mut prepared.ephemeral] {
        own.0.clear();
    }
    (prepared.nonce, prepared.nonce_expires, prepared.now_s) = (String::new(), String::new(), 0);
    let problem = match api.release(number(n), &callbook::api::numbers::Release { event: vec![1, 2, 3].into() }) {
        Err(ApiError::Problem(mut problem)) => {
            problem.request_id = String::new();
            Some(*problem)
        }
        _ => None,
    };
    assert!(api.number(number(n)).unwrap().is_none());
    (prepared, problem)
}

#[test]
fn a_number_that_was_given_back_goes_on_with_another_provider() {
    let (dir, desk) = desk();
    let office = Office::open(&desk);
    let (ours, _) = office.kit(&desk, "acme");
    let (bell, bells) = office.kit(&desk, "bell");
    let never = shown_to_strangers(&bell, 77);
    assert!(never.1.is_some());
    assert_eq!(shown_to_strangers(&bell, 1), never, "registered");
    assert_eq!(code(register(&desk, &bell, "bell", (1, 60), true)), "exists");

    let old = addresses(&desk, &desk.actor);
    give_back(&desk, 1);
    assert!(desk.board.shows(number(1)).is_none());
    assert_eq!(shown_to_strangers(&bell, 1), never, "in quarantine");
    assert_eq!(code(register(&desk, &bell, "bell", (1, 60), true)), "quarantine");
    desk.clock.advance(30 * DAY_MS - 60_000);
    assert_eq!(code(register(&desk, &bell, "bell", (1, 60), true)), "quarantine");
    desk.clock.advance(62_000);
    assert_eq!(shown_to_strangers(&bell, 1), never, "free");

    // Somebody else had it lately: one method is not enough, and the kit says so.
    assert_eq!(code(register(&desk, &bell, "bell", (1, 60), false)), "two_methods");
    desk.clock.advance(1000);
    let done = register(&desk, &bell, "bell", (1, 60), true).unwrap();
    assert_eq!((done.receipt.version, done.state.version, done.state.status), (3, 3, Status::Active));
    turn(&desk);
    assert!(address(&desk.board.shows(number(1)).unwrap()).contains("sip:new@bell.example"));
    assert_eq!(bell.number(number(1)).unwrap().unwrap().version, 3);
    assert_eq!(shown_to_strangers(&ours, 1), never, "to its former provider too");
    let new = addresses(&desk, &bells);
    desk.authority.upkeep().unwrap();
    office.close();
    drop(desk);
    nothing_is_left_of_the_old_holder(dir.path(), &old, &new);
}

/// The line of the first number's record that holds its addresses.
fn addresses(desk: &Desk, sponsor: &Actor) -> Vec<u8> {
    let record = desk.authority.read(sponsor, number(1)).unwrap().unwrap().record;
    let line = record.split(|octet| *octet == b'\n').find(|line| line.starts_with(b"rr @ ")).expect("an address");
    line.to_vec()
}

/// The old record is nowhere in the ledger's files.
fn nothing_is_left_of_the_old_holder(dir: &std::path::Path, old: &[u8], new: &[u8]) {
    let mut found = false;
    for name in ["ledger.sqlite", "ledger.sqlite-wal"] {
        let Ok(bytes) = std::fs::read(dir.join("data").join(name)) else { continue };
        let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        assert!(!holds(old), "{name}");
        found |= holds(new);
    }
    assert!(found, "the new one is there");
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
    let held = Ledger::peek::<_, Failed>(&dir.join("data"), |now| Ok((now.holdings("acme")?, now.holdings("bell")?)));
    assert_eq!(held.unwrap(), (0, 1));
}

#[test]
fn the_last_provider_takes_it_back_and_later_one_method_is_enough() {
    let (_dir, desk) = desk();
    let office = Office::open(&desk);
    let ((ours, _), (bell, _)) = (office.kit(&desk, "acme"), office.kit(&desk, "bell"));
    give_back(&desk, 1);
    desk.clock.advance(91 * DAY_MS);
    // Whoever had it last is told its State without a token, as ever.
    assert_eq!(ours.prepare(number(1)).unwrap().version, Some(2));
    let done = register(&desk, &ours, "acme", (1, 61), false).unwrap();
    assert_eq!(done.receipt.version, 3);
    turn(&desk);
    assert!(address(&desk.board.shows(number(1)).unwrap()).contains("sip:new@acme.example"));
    assert_eq!(code(register(&desk, &bell, "bell", (1, 62), true)), "exists");
    office.close();
}

/// The library's own way, many at once: what follows the wrong State is told, what follows the right one is taken.
#[test]
fn a_batch_takes_numbers_that_were_given_back() {
    let (_dir, desk) = desk();
    let first = desk.registration(1, "never sent");
    give_back(&desk, 1);
    desk.clock.advance(120 * DAY_MS);
    let wrong = Submission { ..desk.registration(1, "from the start") };
    let right = desk.registration_after_release(1, "goes on");
    let batch = NewBatch {
        items: vec![Ok(first), Ok(wrong), Ok(right), Ok(desk.registration(2, "a new one"))],
        dry_run: false,
        request: [1; 32],
        key: None,
    };
    let taken = desk.authority.take_batch(&desk.actor, batch).unwrap();
    for _ in 0..2000 {
        if desk.authority.batch(&desk.actor, &taken.id).unwrap().unwrap().state != BatchState::Running {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let outcomes = desk.authority.batch_outcomes(&desk.actor, &taken.id, 0, 10).unwrap().unwrap();
    let said = |outcome: &ItemOutcome| match outcome {
        ItemOutcome::Accepted(receipt) => format!("version {}", receipt.version),
        ItemOutcome::Refused(Rejection::Refused(all)) => all[0].code.to_owned(),
        other => format!("{other:?}"),
    };
    let said: Vec<String> = outcomes.iter().map(|(_, outcome)| said(outcome)).collect();
    assert_eq!(said[1..], ["state_stale", "version 3", "version 1"], "{said:?}");
    assert_ne!(said[0], "version 1", "its tokens and its event are over");
}

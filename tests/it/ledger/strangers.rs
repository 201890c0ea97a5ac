//! The stranger: whoever is no party to a registration gets the same bytes for every number, whatever stands behind it
//! (clause 1.4). Every route of the OpenAPI document is walked, over numbers in every condition.

use std::collections::BTreeSet;
use std::sync::Arc;

use callbook::api::service::Check;
use callbook::authority::{Actor, Entrant, NewBatch, NewToken};
use callbook::client::holder::{Change, Device, RecordDraft, Signed, opening};
use callbook::client::ve::ValidationToken;
use callbook::http::{self, Api};
use callbook::log::bytes::to_base64;
use callbook::log::event::Role;
use callbook::log::key::{Algorithm, SigningKey};
use callbook::log::monitor;
use callbook::log::random::Seeded;
use callbook::log::state::State;
use callbook::net;
use callbook::number::Number;
use callbook::registry::refusal;
use callbook::registry::standing::ProviderStatus;
use callbook::telemetry::Metrics;
use serde_json::{Value, json};

use crate::ledger::desk::{Desk, START_MS, number};

const DAY_MS: u64 = 86_400_000;
const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];
/// What only a party may learn: each of these says that something stands behind a number.
const FACTS: [&str; 14] = [
    "exists",
    "event_pending",
    "state_stale",
    "suspended",
    "not_suspended",
    "released",
    "lapsed",
    "grace_over",
    "quarantine",
    "notice_missing",
    "notice_running",
    "request_pending",
    "duplicate_key",
    "version_mismatch",
];

/// A directory with numbers in every condition, and its API on a port.
struct Town {
    desk: Desk,
    base: String,
    /// The provider that is a party to nothing, by its tokens: live and test.
    tokens: [String; 2],
    statement: SigningKey,
    validation: SigningKey,
    stop: tokio::sync::watch::Sender<bool>,
    _runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

/// Active, suspended, lapsed, in quarantine, after it, with a notice of release, with a change that waits, never registered.
const NUMBERS: [u64; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

impl Town {
    fn new() -> Self {
        Self::with(callbook::config::Http::default())
    }

    fn with(settings: callbook::config::Http) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let desk = Desk::new(dir.path());
        let [statement, validation] = [31, 32].map(|n| SigningKey::from_bytes(Algorithm::Ed25519, &[n; 32]).unwrap());
        let zeta = Entrant {
            id: "zeta".into(),
            name: "Zeta".into(),
            status: ProviderStatus::Accredited,
            statement_keys: vec![statement.public().clone()],
            validation_keys: vec![validation.public().clone()],
        };
        desk.authority.add_provider(&Actor::operator(), zeta).unwrap();
        let tokens = [false, true].map(|test| {
            let wish = NewToken {
                provider: Some("zeta".into()),
                scopes: Vec::new(),
                test,
                expires_in_d: 365,
                certificate: None,
            };
            desk.authority.add_token(&Actor::operator(), wish).unwrap().token
        });
        fill(&desk);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = net::http::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = tokio::sync::watch::channel(false);
        runtime.spawn(net::http::serve(
            vec![net::http::Front::plain(listener)],
            http::router(api(&desk, settings)),
            stopped,
        ));
        Self { desk, base, tokens, statement, validation, stop, _runtime: runtime, _dir: dir }
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

pub(super) fn api(desk: &Desk, settings: callbook::config::Http) -> Api {
    Api {
        authority: desk.authority.clone(),
        clock: desk.clock.clone(),
        random: Arc::new(ring::rand::SystemRandom::new()),
        metrics: Metrics::new(Vec::new()),
        console: None,
        dns_probe: Arc::new(|| Check { name: "dns".into(), ok: true, detail: "not asked".into() }),
        apex: "e164.example.".into(),
        zone: Arc::new(callbook::rdap::Apex::default),
        limits: Arc::new(http::Limits::new(settings, [9; 16])),
    }
}

fn fill(desk: &Desk) {
    let turn = || {
        desk.clock.advance(1000);
        desk.authority.turn().unwrap();
    };
    let holder = |n: u64, change: fn(callbook::log::label::Label, &State) -> Change| {
        desk.authority.holder_event_blocking(&desk.holder(n, change)).unwrap();
        turn();
    };
    desk.register(3);
    desk.register(5);
    turn();
    holder(5, Change::release);
    desk.clock.set(START_MS + 60 * DAY_MS);
    for n in [1, 2, 4, 6] {
        desk.register(n);
    }
    turn();
    holder(2, Change::suspend);
    holder(4, Change::release);
    desk.clock.set(START_MS + 82 * DAY_MS);
    desk.submit(&desk.notice(6)).unwrap();
    turn();
    desk.submit(&desk.registration(7, "waits")).unwrap();
}

/// An answer without what names the request or the time.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    status: u16,
    headers: Vec<String>,
    body: String,
}

impl Town {
    fn ask(&self, method: &str, path: &str, token: Option<&str>, body: Option<(&str, &[u8])>) -> (Told, Value) {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).allow_non_standard_methods(true).build().into();
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some((media, _)) = body {
            request = request.header("content-type", media);
        }
        let body = body.map(|(_, body)| body.to_vec()).unwrap_or_default();
        let mut response = agent.run(request.body(body).unwrap()).unwrap();
        // Whether a connection is kept depends on how much of a body had come when the answer went out.
        const LEFT_OUT: [&str; 3] = ["connection", "content-length", "location"];
        let names = response.headers().keys().filter(|name| !LEFT_OUT.contains(&name.as_str()));
        let mut headers: Vec<String> = names.map(ToString::to_string).collect();
        headers.sort();
        let status = response.status().as_u16();
        let text = String::from_utf8_lossy(&response.body_mut().read_to_vec().unwrap()).into_owned();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        (Told { status, headers, body: text }, json)
    }

    /// The same, with all that may differ taken out: the number itself, its label, ids, nonces and times.
    fn told(&self, n: u64, method: &str, path: &str, token: Option<&str>, body: Option<(&str, &[u8])>) -> Told {
        let (mut told, json) = self.ask(method, path, token, body);
        let mut json = json;
        blank(&mut json);
        if json != Value::Null {
            told.body = json.to_string();
        }
        told.body = told.body.replace(&number(n).to_string(), "NUMBER");
        told
    }
}

/// Empties what names a request, a label, a nonce or a time; its length stays.
fn blank(json: &mut Value) {
    const NAMES: [&str; 10] = [
        "request_id",
        "label",
        "vrf_proof",
        "nonce",
        "nonce_expires",
        "ephemeral",
        "now_s",
        "id",
        "results",
        "made_at",
    ];
    match json {
        Value::Object(map) => {
            for (name, value) in map {
                match value.as_str().map(str::len) {
                    Some(length) if NAMES.contains(&name.as_str()) => *value = json!(length),
                    _ => blank(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(blank),
        _ => {}
    }
}

/// Everything that a stranger can write for a number: from nothing to events that are well signed by keys of its own.
fn bodies(town: &Town, n: u64) -> Vec<Vec<u8>> {
    let number = number(n);
    let garbage = json!({"record": "x", "opening": "A".repeat(43) + "=", "event": "AAAA", "possession": [], "validation": ["a.b.c"]});
    let mut all = vec![b"".to_vec(), b"{".to_vec(), b"{}".to_vec(), garbage.to_string().into_bytes()];
    all.extend(signed(town, number).into_iter().map(|value| value.to_string().into_bytes()));
    all
}

/// Update, renewal with a good token, notice, release, a registration without a good token: as bodies of `PUT`, renewal and
/// `DELETE`; and what a holder with another key would send.
fn signed(town: &Town, number: Number) -> Vec<Value> {
    let zeta = town.desk.authority.authenticate(&town.tokens[0]).unwrap();
    let prepared = town.desk.authority.prepare_blocking(&zeta, number).unwrap();
    let (label, directory, now_s) = (prepared.label, town.desk.directory(), town.desk.now_s());
    let device = Device::generate(Algorithm::Ed25519, &Seeded::new([77; 32])).unwrap();
    let before = State {
        control: device.control.public().thumbprint(),
        ..town
            .desk
            .authority
            .prepare_blocking(&town.desk.actor, crate::ledger::desk::number(1))
            .unwrap()
            .sponsored
            .unwrap()
            .state
    };
    let cosigned = |change: Change, signers: &[(Role, &SigningKey)]| -> Signed {
        let mut signed = change.valid_until(now_s + 3600).sign(&directory, signers).unwrap();
        signed.cosign(&directory, &town.statement);
        signed
    };
    let record = RecordDraft::new(number, "zeta").sip("sip:a@zeta.example").unwrap().build().unwrap();
    let control = &device.control;
    let token = |nonce: &str| {
        ValidationToken {
            issuer: "zeta".into(),
            audience: "e164.example.".into(),
            id: callbook::log::bytes::to_base64url(&callbook::log::sha256(&[nonce.as_bytes()])[..16]),
            issued_s: now_s,
            number,
            provider: "zeta".into(),
            methods: vec!["sms".into()],
            validated_s: now_s,
            expires_s: now_s + 80 * 86_400,
            control: control.public().thumbprint(),
            evidence: [0; 32],
            nonce: Some(nonce.into()),
        }
        .mint(&town.validation)
    };
    let (good, stale) = (token(&prepared.nonce), token("no such nonce"));
    let update = cosigned(Change::update(label, &before, &record, [3; 32]), &[(Role::Control, control)]);
    let renew = Change::renew(label, &before, "zeta", now_s + 90 * 86_400).evidence(&[&good]).unwrap();
    let create =
        Change::create(label, &record, opening(&Seeded::new([8; 32])).unwrap(), control.public(), now_s + 86_400);
    let create = cosigned(create.evidence(&[&stale]).unwrap(), &[(Role::NewControl, control)]);
    let mut all = vec![
        serde_json::to_value(update.submission(vec![])).unwrap(),
        serde_json::to_value(create.submission(vec![stale])).unwrap(),
        serde_json::to_value(cosigned(renew, &[]).renewal(vec![good])).unwrap(),
        serde_json::to_value(cosigned(Change::release_notice(label, &before, "zeta"), &[]).provider_release()).unwrap(),
        serde_json::to_value(cosigned(Change::release_after_notice(label, &before, "zeta"), &[]).provider_release())
            .unwrap(),
    ];
    for change in [Change::suspend(label, &before), Change::release(label, &before), Change::resume(label, &before)] {
        let alone = change.valid_until(now_s + 3600).sign(&directory, &[(Role::Control, control)]).unwrap();
        all.push(serde_json::to_value(alone.holder_act(number)).unwrap());
    }
    // What became of it, asked with a key of one's own.
    let signature = control.sign(&monitor::tbs(directory.origin(), &label, 1, now_s));
    let key = json!({"algorithm": "ed25519", "key": to_base64(control.public().bytes())});
    all.push(json!({"label": to_base64(label.as_bytes()), "from_version": 1, "at_s": now_s, "key": key, "signature": to_base64(&signature)}));
    all
}

#[test]
fn nothing_tells_a_stranger_what_stands_behind_a_number() {
    let town = Town::new();
    let strangers = [None, Some(town.tokens[0].as_str()), Some(town.tokens[1].as_str())];
    let document: Value = serde_json::from_str(&http::openapi_document()).unwrap();
    let bodies: Vec<Vec<Vec<u8>>> = NUMBERS.iter().map(|n| bodies(&town, *n)).collect();
    let (mut codes, mut asked) = (BTreeSet::new(), 0);
    for (template, item) in document["paths"].as_object().unwrap() {
        // A number stands in the path, in the body, or in a filter.
        let path = |n: u64| fixed(&template.replace("{number}", &number(n).to_string()));
        let lists = template == "/v1/numbers";
        let path = |n: u64| if lists { format!("{}?prefix={}", path(n), &number(n).to_string()[1..]) } else { path(n) };
        for method in METHODS.into_iter().filter(|method| item.get(method).is_some()) {
            for token in strangers {
                for which in 0..bodies[0].len() {
                    let answers = NUMBERS.iter().zip(&bodies).map(|(n, bodies)| {
                        let body =
                            (!bodies[which].is_empty()).then_some(("application/json", bodies[which].as_slice()));
                        town.told(*n, &method.to_uppercase(), &path(*n), token, body)
                    });
                    let answers: Vec<Told> = answers.collect();
                    asked += answers.len();
                    let first = &answers[0];
                    if template != "/metrics" {
                        assert!(
                            answers.iter().all(|told| told == first),
                            "{method} {template} body {which}: {answers:#?}"
                        );
                    }
                    let json: Value = serde_json::from_str(&first.body).unwrap_or(Value::Null);
                    codes.extend(json["code"].as_str().map(str::to_owned));
                }
            }
        }
    }
    for code in FACTS {
        assert!(!codes.contains(code), "a stranger was told {code}");
        assert!(
            code == "version_mismatch" || refusal::ALL.iter().any(|reason| reason.code == code),
            "{code} is no code"
        );
    }
    for code in ["not_found", "unauthorized", "invalid_request", "token_nonce", "operator_only"] {
        assert!(codes.contains(code), "the walk did not come to {code}: {codes:?}");
    }
    assert!(asked > 3000, "{asked}");
}

/// The other parameters of paths, which name no number: a stranger's guesses.
fn fixed(path: &str) -> String {
    let known = [
        ("{event_hash}", "00"),
        ("{id}", "guess"),
        ("{code}", "fault"),
        ("{era}", "0"),
        ("{path}", "0/000.p/1"),
        ("{epoch}", "1"),
        ("{version}", "1"),
    ];
    let path = known.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value));
    assert!(!path.contains('{'), "{path} has a parameter that this test does not know");
    path
}

/// Batches judge by the same law; dry runs too.
#[test]
fn nothing_in_a_batch_tells_it_either() {
    let town = Town::new();
    let [live, test] = &town.tokens;
    for (token, dry_run) in [(live, false), (live, true), (test, true)] {
        let mut told = Vec::new();
        for n in NUMBERS {
            let lines: Vec<String> = signed(&town, number(n))
                .into_iter()
                .zip(["put", "put", "renew", "release", "release"])
                .map(|(mut line, op)| {
                    (line["op"], line["number"]) = (json!(op), json!(number(n).to_string()));
                    line.to_string()
                })
                .collect();
            let body = lines.join("\n");
            let path = format!("/v1/batches?dry_run={dry_run}");
            let (taken, batch) = town.ask("POST", &path, Some(token), Some(("application/x-ndjson", body.as_bytes())));
            assert_eq!(taken.status, 202, "{batch}");
            let at = format!("/v1/batches/{}", batch["id"].as_str().unwrap());
            while town.ask("GET", &at, Some(token), None).1["state"] == "running" {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            let (results, _) = town.ask("GET", &format!("{at}/results"), Some(token), None);
            let lines = results.body.lines().map(|line| {
                let mut line: Value = serde_json::from_str(line).unwrap();
                blank(&mut line);
                line.to_string()
            });
            told.push(lines.collect::<Vec<_>>());
        }
        assert_eq!(told[0].len(), 5);
        assert!(told.iter().all(|lines| *lines == told[0]), "dry_run {dry_run}: {told:#?}");
        assert!(told[0].iter().filter(|line| line.contains("\"not_found\"")).count() == 4, "{:#?}", told[0]);
    }
}

/// Who asks too often is told when to come again, before anything is looked at; complaints have a bound of their own.
#[test]
fn too_many_requests_are_told_to_wait() {
    let settings =
        callbook::config::Http { requests_per_s: 1, exempt: Vec::new(), complaints_per_h: 2, ..Default::default() };
    let town = Town::with(settings);
    let complaint = json!({"about": "other", "text": "x"}).to_string();
    let complain = || town.ask("POST", "/v1/complaints", None, Some(("application/json", complaint.as_bytes())));
    assert_eq!([complain(), complain()].map(|(told, _)| told.status), [202, 202]);
    let (told, json) = complain();
    assert_eq!((told.status, json["code"].as_str()), (429, Some("too_many_requests")), "{json}");
    assert!(told.headers.contains(&"retry-after".to_owned()), "{told:?}");
    let passed = (0..20).filter(|_| town.ask("GET", "/v1/providers", None, None).0.status == 200).count();
    assert_eq!(passed, 7, "ten seconds' worth, three of them spent");
    let (told, json) = town.ask("GET", "/v1/numbers/+999000000001", Some(&town.tokens[0]), None);
    assert_eq!((told.status, json["code"].as_str()), (429, Some("too_many_requests")), "{json}");
    town.desk.clock.advance(1000);
    assert_eq!(town.ask("GET", "/v1/providers", None, None).0.status, 200);
}

/// What has an id of its own is not there for others: receipts, batches, tokens.
#[test]
fn what_is_another_s_is_not_there() {
    let town = Town::new();
    let receipt = town.desk.submit(&town.desk.registration(9, "theirs")).unwrap();
    let hash = data_encoding::HEXLOWER.encode(&receipt.event_hash);
    let new = NewBatch { items: vec![Err(vec![])], dry_run: true, request: [0; 32], key: None };
    let batch = town.desk.authority.take_batch(&town.desk.actor, new).unwrap().id;
    let wish =
        NewToken { provider: Some("acme".into()), scopes: Vec::new(), test: false, expires_in_d: 1, certificate: None };
    let issued = town.desk.authority.add_token(&Actor::operator(), wish).unwrap();
    for (method, theirs, nobodys) in [
        ("GET", format!("/v1/receipts/{hash}"), format!("/v1/receipts/{}", "0".repeat(64))),
        ("GET", format!("/v1/batches/{batch}"), "/v1/batches/AAAAAAAAAAAAAAAA".into()),
        ("GET", format!("/v1/batches/{batch}/results"), "/v1/batches/AAAAAAAAAAAAAAAA/results".into()),
        ("DELETE", format!("/v1/tokens/{}", issued.id), "/v1/tokens/AAAAAAAAAAAA".into()),
    ] {
        for token in [None, Some(town.tokens[0].as_str()), Some(town.tokens[1].as_str())] {
            let told = [&theirs, &nobodys].map(|path| town.told(9, method, path, token, None));
            assert_eq!(told[0], told[1], "{method} {theirs}");
            assert_eq!(told[0].status, if token.is_some() { 404 } else { 401 });
        }
    }
    assert!(town.desk.authority.authenticate(&issued.token).is_some(), "a stranger revokes nothing");
}

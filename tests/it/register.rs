//! A registration from beginning to end against a scripted directory: what is sent is complete, and nothing is signed for
//! a directory that is not the pinned one.

use callbook::api::Base64;
use callbook::api::numbers::{Prepared, Renewal, Submission, Transfer, Visibility};
use callbook::client::holder::{CertificateKey, Change, Device, Directory, RecordDraft};
use callbook::client::register::{Finding, RegisterError, Registrar, Validation};
use callbook::client::transfer::Earlier;
use callbook::log::event::{Event, Kind, Role};
use callbook::log::key::{Algorithm, SigningKey};
use callbook::log::possession::{self, PublishedKey};
use callbook::log::random::Seeded;
use callbook::log::record::{Prefix, Record, commitment};
use callbook::log::state::State;
use callbook::log::{evidence, vrf};
use callbook::number::Number;
use data_encoding::BASE64URL_NOPAD;

use crate::provider::{answer, api, problem, receipt_answer, server};

const ORIGIN: &str = "dir.example.org/map/0";
const NOW_S: u64 = 1_800_000_000;
const EPHEMERAL: [u8; 32] = [9; 32];

struct Cast {
    random: Seeded,
    vrf: vrf::SecretKey,
    statement_key: SigningKey,
    validation_key: SigningKey,
    device: Device,
}

impl Cast {
    fn new() -> Self {
        let random = Seeded::new([1; 32]);
        Self {
            vrf: vrf::SecretKey::generate(&random).unwrap(),
            statement_key: SigningKey::generate(Algorithm::Ed25519, &random).unwrap(),
            validation_key: SigningKey::generate(Algorithm::Ed25519, &random).unwrap(),
            device: Device::generate(Algorithm::Ed25519, &random).unwrap(),
            random,
        }
    }

    fn directory(&self) -> Directory {
        Directory::new(ORIGIN, self.vrf.public().as_bytes()).unwrap()
    }

    /// The directory's answer to prepare, with the State that its provider may see.
    fn prepared(&self, state: Option<&State>) -> String {
        let (label, proof) = self.vrf.label(ORIGIN, number());
        let prepared = Prepared {
            apex: "e164.example.".into(),
            origin: ORIGIN.into(),
            label: Base64::from(label.as_bytes()),
            vrf_proof: Base64::from(proof),
            vrf_key: Base64::from(self.vrf.public().as_bytes()),
            nonce: "n-1".into(),
            nonce_expires: "2027-01-15T08:15:00Z".into(),
            ephemeral: Base64::from(possession::x25519_public(&EPHEMERAL)),
            now_s: NOW_S,
            version: state.map(|state| state.version),
            prev: state.map(|state| Base64::from(state.hash())),
            state: state.map(|state| Base64::from(state.write())),
            pending: None,
        };
        answer("200 OK", "", &serde_json::to_string(&prepared).unwrap())
    }

    fn registrar<'a>(&'a self, api: &'a callbook::client::provider::Api, directory: &'a Directory) -> Registrar<'a> {
        let validation = Validation { issuer: "ve", key: &self.validation_key };
        let (statement_key, random) = (&self.statement_key, &self.random);
        Registrar { api, directory, provider: "acme", statement_key, validation, random }
    }
}

fn number() -> Number {
    Number::parse("+99900123456").unwrap()
}

fn draft(device: &Device, uri: &str) -> RecordDraft {
    RecordDraft::new(number(), "acme").sip(uri).unwrap().device(device)
}

fn finding(not_after_s: u64) -> Finding {
    Finding { methods: vec!["sms".into()], validated_s: NOW_S - 60, not_after_s, evidence: [5; 32] }
}

fn claims(token: &str) -> serde_json::Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
}

#[test]
fn a_registration_is_complete_and_waits_for_publication() {
    let cast = Cast::new();
    let script = vec![cast.prepared(None), receipt_answer(Visibility::Pending), receipt_answer(Visibility::Published)];
    let (address, seen) = server(script);
    let (api, directory) = (api(address), cast.directory());
    let registrar = cast.registrar(&api, &directory);
    let draft = draft(&cast.device, "sip:alice@acme.example");
    let not_after_s = NOW_S + 90 * 86_400;
    let done = registrar.register(number(), draft, &cast.device, &finding(not_after_s), None, 10_000).unwrap();
    assert_eq!(done.receipt.visibility, Visibility::Published);

    let requests: Vec<_> = seen.iter().collect();
    assert_eq!(requests[0].line, "POST /v1/numbers/+99900123456/prepare HTTP/1.1");
    assert_eq!(requests[1].line, "PUT /v1/numbers/+99900123456 HTTP/1.1");
    assert!(requests[2].line.starts_with("GET /v1/receipts/"));
    let body: Submission = serde_json::from_str(&requests[1].body).unwrap();
    let event = Event::parse(&body.event.0).unwrap();
    assert_eq!((event.kind, event.state.version, event.state.not_after), (Kind::Create, 1, not_after_s));
    assert_eq!(event.label, cast.vrf.label(ORIGIN, number()).0);
    assert!(event.signatures_verify(ORIGIN));
    assert_eq!(event.signature(Role::NewControl).unwrap().key, *cast.device.control.public());
    assert_eq!(event.signature(Role::Provider).unwrap().key, *cast.statement_key.public());
    assert_eq!(event.evidence, evidence::hash(&body.validation).unwrap());
    assert!(event.valid_until > NOW_S && event.valid_until <= NOW_S + 86_400);
    assert_eq!(done.state, event.state);

    let record = Record::parse(body.record.as_bytes()).unwrap();
    assert_eq!((record.number, record.provider.as_str()), (number(), "acme"));
    let opening: [u8; 32] = body.opening.0.as_slice().try_into().unwrap();
    assert_eq!(done.opening, Some(opening));
    assert_eq!(commitment(&opening, body.record.as_bytes()), event.state.commitment);
    for proof in &body.possession {
        let prefix = Prefix::from_text(&proof.prefix).unwrap();
        let key = PublishedKey::from_spki(&proof.spki.0).unwrap();
        assert!(key.is_proved_by(&proof.proof.0, &event.tbs(ORIGIN), prefix, &EPHEMERAL), "{}", proof.prefix);
    }
    assert_eq!(body.possession.len(), 2);
    let claims = claims(&body.validation[0]);
    assert_eq!(claims["nonce"], "n-1");
    assert_eq!(claims["aud"], "e164.example.");
    assert_eq!(claims["vex"], not_after_s);
    assert_eq!(claims["cnf"]["jkt"], BASE64URL_NOPAD.encode(&cast.device.control.public().thumbprint()));
}

#[test]
fn a_second_time_changes_the_record_and_renewing_changes_the_date() {
    let cast = Cast::new();
    let (api_address, _seen) = server(vec![cast.prepared(None), receipt_answer(Visibility::Pending)]);
    let (first_api, directory) = (api(api_address), cast.directory());
    let first = cast.registrar(&first_api, &directory);
    let record = draft(&cast.device, "sip:a@acme.example");
    let first = first.register(number(), record, &cast.device, &finding(NOW_S + 1000), None, 0).unwrap();

    let script = vec![cast.prepared(Some(&first.state)), receipt_answer(Visibility::Pending)];
    let (address, seen) = server([script.clone(), script].concat());
    let api = api(address);
    let registrar = cast.registrar(&api, &directory);
    let record = draft(&cast.device, "sip:b@acme.example");
    let second = registrar.register(number(), record, &cast.device, &finding(NOW_S + 1000), None, 0).unwrap();
    let renewed = registrar.renew(number(), &finding(NOW_S + 5000), 0).unwrap();
    let requests: Vec<_> = seen.iter().collect();

    assert_eq!(requests[1].header("if-match"), Some("\"1\""));
    let body: Submission = serde_json::from_str(&requests[1].body).unwrap();
    let event = Event::parse(&body.event.0).unwrap();
    assert_eq!((event.kind, event.prev), (Kind::Update, first.state.hash()));
    assert!(event.signature(Role::Control).is_some() && event.signatures_verify(ORIGIN));
    assert_ne!(second.opening, first.opening, "a fresh opening for every record");

    assert_eq!(requests[3].line, "POST /v1/numbers/+99900123456/validation HTTP/1.1");
    let body: Renewal = serde_json::from_str(&requests[3].body).unwrap();
    let event = Event::parse(&body.event.0).unwrap();
    assert_eq!((event.kind, event.state.not_after), (Kind::Renew, NOW_S + 5000));
    assert_eq!(event.evidence, evidence::hash(&body.validation).unwrap());
    assert!(event.signature(Role::Control).is_none() && event.signatures_verify(ORIGIN));
    assert_eq!(renewed.opening, None);
}

/// Nobody knows beforehand that a number was registered once: the directory says that the event follows another State, and
/// tells that State to who brings the tokens.
#[test]
fn a_number_that_was_given_back_goes_on_from_there() {
    let cast = Cast::new();
    let directory = cast.directory();
    let label = cast.vrf.label(ORIGIN, number()).0;
    let record = draft(&cast.device, "sip:old@acme.example").build().unwrap();
    let old = Change::create(label, &record, [1; 32], cast.device.control.public(), NOW_S).state().clone();
    let released = Change::release(label, &old).state().clone();
    let script = |told: Option<&State>| {
        vec![
            cast.prepared(None),
            problem(412, "state_stale", ""),
            cast.prepared(told),
            receipt_answer(Visibility::Pending),
        ]
    };
    let (address, seen) = server(script(Some(&released)));
    let api = api(address);
    let (registrar, new) = (cast.registrar(&api, &directory), draft(&cast.device, "sip:new@acme.example"));
    let earlier = Earlier { finding: &finding(NOW_S + 500), validation: registrar.validation };
    let done = registrar.register(number(), new, &cast.device, &finding(NOW_S + 1000), Some(earlier), 0).unwrap();
    let requests: Vec<_> = seen.iter().take(4).collect();
    assert_eq!(requests[2].line, "POST /v1/numbers/+99900123456/prepare HTTP/1.1");
    let [first, second]: [Submission; 2] = [1, 3].map(|at: usize| serde_json::from_str(&requests[at].body).unwrap());
    let asked: serde_json::Value = serde_json::from_str(&requests[2].body).unwrap();
    assert_eq!((asked["validation"][1].as_str(), first.validation.len()), (first.validation.last().map(|t| &**t), 2));
    assert_eq!(first.validation, second.validation, "the tokens are as good as before");
    let [first, second] = [first, second].map(|body| Event::parse(&body.event.0).unwrap());
    assert_eq!((first.state.version, second.state.version), (1, 3));
    assert_eq!((second.prev, second.state.prev), (released.hash(), released.hash()));
    assert_eq!((done.state, second.state.not_after), (second.state.clone(), NOW_S + 500));
    assert!(second.signatures_verify(ORIGIN));

    // Somebody else was faster, or nothing is told: the first refusal stands, and nothing more is signed.
    for told in [Some(&old), None] {
        let (address, _seen) = server(script(told));
        let api = crate::provider::api(address);
        let (registrar, new) = (cast.registrar(&api, &directory), draft(&cast.device, "sip:new@acme.example"));
        let no = registrar.register(number(), new, &cast.device, &finding(NOW_S + 1000), None, 0).unwrap_err();
        assert!(matches!(&no, RegisterError::Api(no) if no.code() == Some("state_stale")), "{no}");
    }
}

/// The key of a certificate is proved where a number changes its provider as well as where it is registered.
#[test]
fn whoever_takes_a_number_over_proves_every_key() {
    let mut cast = Cast::new();
    let key = SigningKey::generate(Algorithm::Ed25519, &cast.random).unwrap();
    cast.device.certificates.push(CertificateKey::Signing(key));
    let directory = cast.directory();
    let label = cast.vrf.label(ORIGIN, number()).0;
    let record = draft(&cast.device, "sip:old@bell.example").build().unwrap();
    let old = Change::create(label, &record, [1; 32], cast.device.control.public(), NOW_S).state().clone();
    let script = vec![cast.prepared(None), cast.prepared(Some(&old)), receipt_answer(Visibility::Pending)];
    let (address, seen) = server(script);
    let api = api(address);
    let (registrar, new) = (cast.registrar(&api, &directory), draft(&cast.device, "sip:new@acme.example"));
    registrar.transfer(number(), new, &cast.device, &finding(NOW_S + 1000), 0).unwrap();
    let requests: Vec<_> = seen.iter().take(3).collect();
    assert_eq!(requests[2].line, "POST /v1/numbers/+99900123456/transfer HTTP/1.1");
    let body: Transfer = serde_json::from_str(&requests[2].body).unwrap();
    let tbs = Event::parse(&body.event.0).unwrap().tbs(ORIGIN);
    let proved = body.possession.iter().map(|proof| {
        let (prefix, key) =
            (Prefix::from_text(&proof.prefix).unwrap(), PublishedKey::from_spki(&proof.spki.0).unwrap());
        assert!(key.is_proved_by(&proof.proof.0, &tbs, prefix, &EPHEMERAL), "{}", proof.prefix);
        proof.prefix.as_str()
    });
    assert_eq!(proved.collect::<Vec<_>>(), ["_id", "_e2e", "_smimecert"]);
}

#[test]
fn nothing_is_signed_for_another_directory() {
    let cast = Cast::new();
    let other = vrf::SecretKey::generate(&Seeded::new([2; 32])).unwrap();
    for (origin, vrf) in [("other.example.org/map/0", &cast.vrf), (ORIGIN, &other)] {
        let (address, seen) = server(vec![cast.prepared(None)]);
        let (api, directory) = (api(address), Directory::new(origin, vrf.public().as_bytes()).unwrap());
        let registrar = cast.registrar(&api, &directory);
        let record = draft(&cast.device, "sip:a@acme.example");
        let error = registrar.register(number(), record, &cast.device, &finding(NOW_S + 1000), None, 0).unwrap_err();
        match origin {
            ORIGIN => assert!(matches!(error, RegisterError::Holder(_)), "{error}"),
            _ => assert!(matches!(error, RegisterError::OtherLog { .. }), "{error}"),
        }
        assert_eq!(seen.iter().count(), 1, "nothing was submitted");
    }
    let (address, _seen) = server(vec![cast.prepared(None)]);
    let (api, directory) = (api(address), cast.directory());
    let error = cast.registrar(&api, &directory).renew(number(), &finding(NOW_S + 1000), 0).unwrap_err();
    assert!(matches!(error, RegisterError::NotSponsored), "{error}");
}

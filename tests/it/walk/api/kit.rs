//! A provider's side of the API: builds and signs with the holder kit, sends through plain HTTP.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use callbook::api::numbers::{NumberView, Prepared, Submission};
use callbook::client::holder::{self, Change, Device, Directory, RecordDraft, Signed};
use callbook::client::ve::{ValidationToken, token_id};
use callbook::log::event::Role;
use callbook::log::key::{Algorithm, SigningKey, Thumbprint};
use callbook::log::label::Label;
use callbook::log::state::State;
use callbook::number::Number;
use ring::rand::SystemRandom;
use serde::Serialize;

use super::super::child::{Answer, Demo};

pub(super) const DAY_S: u64 = 86_400;
/// How long a validation is good for in these tests.
pub(super) const VALID_S: u64 = 90 * DAY_S;
/// Far more than an epoch takes.
pub(super) const WAIT: [(&str, &str); 1] = [("prefer", "wait=20")];

/// A provider with its folder.
pub(in crate::walk) struct Kit<'a> {
    pub(in crate::walk) demo: &'a Demo,
    pub(in crate::walk) provider: String,
    pub(in crate::walk) token: String,
    pub(in crate::walk) directory: Directory,
    pub(in crate::walk) statement: SigningKey,
    pub(in crate::walk) validation: SigningKey,
}

/// A registration, signed and not sent yet.
pub(in crate::walk) struct Made {
    pub(super) number: Number,
    pub(super) device: Device,
    /// The validation token in it.
    pub(super) validation: String,
    pub(in crate::walk) body: Submission,
}

impl<'a> Kit<'a> {
    /// The demo's own provider.
    pub(in crate::walk) fn acme(demo: &'a Demo) -> Self {
        Self::of(demo, "acme", demo.fact("provider_dir").as_ref())
    }

    /// A provider by its folder.
    pub(super) fn of(demo: &'a Demo, provider: &str, folder: &Path) -> Self {
        let token = std::fs::read_to_string(folder.join("token")).expect("a token").trim().to_owned();
        let any = demo.http("POST", "/v1/numbers/+9990000000/prepare", Some(&token), &[], None);
        let any: Prepared = serde_json::from_value(any.json).expect("a preparation");
        let vrf_key = any.vrf_key.0.as_slice().try_into().expect("32 bytes");
        Self {
            demo,
            provider: provider.to_owned(),
            token,
            directory: Directory::new(&any.origin, vrf_key).expect("a directory"),
            statement: holder::load(&folder.join("statement.key")).expect("a key"),
            validation: holder::load(&folder.join("validation.key")).expect("a key"),
        }
    }

    /// A further provider, made by the operator's command.
    pub(super) fn added(demo: &'a Demo, provider: &str) -> Self {
        let folder = demo.dir().join(provider);
        let (operator, api) = (demo.dir().join("operator.token"), format!("http://{}", demo.fact("http")));
        let (folder_text, operator) = (folder.to_str().expect("UTF-8"), operator.to_str().expect("UTF-8"));
        let made =
            demo.run(&["provider", "add", provider, "--folder", folder_text, "--api", &api, "--token-file", operator]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self::of(demo, provider, &folder)
    }

    /// A request with the provider's token.
    pub(in crate::walk) fn http(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &impl Serialize,
    ) -> Answer {
        let body = serde_json::to_vec(body).expect("JSON");
        self.demo.http(method, path, Some(&self.token), headers, Some(&body))
    }

    pub(super) fn prepare(&self, number: Number) -> Prepared {
        let path = format!("/v1/numbers/{number}/prepare");
        let answer = self.demo.http("POST", &path, Some(&self.token), &[], None);
        assert_eq!(answer.status, 200, "{}", answer.json);
        serde_json::from_value(answer.json).expect("a preparation")
    }

    /// The label of a number, its proof checked.
    pub(super) fn label(&self, number: Number) -> Label {
        self.directory.label(number, &self.prepare(number).vrf_proof.0).expect("a proof")
    }

    /// Signs a new registration with fresh keys, valid for a day less than its validation.
    pub(in crate::walk) fn create(&self, number: Number) -> Made {
        let (random, prepared) = (SystemRandom::new(), self.prepare(number));
        let label = self.directory.label(number, &prepared.vrf_proof.0).expect("a proof");
        let device = Device::generate(Algorithm::Ed25519, &random).expect("keys");
        let record = RecordDraft::new(number, &self.provider).sip("sip:api@acme.example").expect("a URI");
        let record = record.device(&device).build().expect("a record");
        let validation = self.validated(number, device.control.public().thumbprint(), &prepared.nonce);
        let opening = holder::opening(&random).expect("random bytes");
        let not_after = prepared.now_s + VALID_S - DAY_S;
        let change = Change::create(label, &record, opening, device.control.public(), not_after);
        let change = change.evidence(&[&validation]).expect("short").valid_until(prepared.now_s + 3600);
        let mut signed = change.sign(&self.directory, &[(Role::NewControl, &device.control)]).expect("complete");
        let ephemeral = prepared.ephemeral.0.as_slice().try_into().expect("32 bytes");
        signed.prove(&self.directory, &device.keys, ephemeral).expect("proofs");
        signed.cosign(&self.directory, &self.statement);
        let body = signed.submission(vec![validation.clone()]);
        Made { number, device, validation, body }
    }

    /// A validation token for that control key.
    pub(super) fn validated(&self, number: Number, control: Thumbprint, nonce: &str) -> String {
        let now_s = now_s();
        ValidationToken {
            issuer: self.provider.clone(),
            audience: self.demo.fact("apex").to_owned(),
            id: token_id(&SystemRandom::new()).expect("random bytes"),
            issued_s: now_s,
            number,
            provider: self.provider.clone(),
            methods: vec!["operator-db".into()],
            validated_s: now_s,
            expires_s: now_s + VALID_S,
            control,
            evidence: [7; 32],
            nonce: Some(nonce.to_owned()),
        }
        .mint(&self.validation)
    }

    /// Registers a number and waits until DNS has it.
    pub(in crate::walk) fn registered(&self, number: &str) -> Made {
        let made = self.create(Number::parse(number).expect("a number"));
        let answer = self.http("PUT", &format!("/v1/numbers/{number}"), &WAIT, &made.body);
        assert_eq!((answer.status, answer.json["visibility"].as_str()), (202, Some("published")), "{}", answer.json);
        made
    }

    /// The registration as its provider sees it.
    pub(super) fn view(&self, number: Number) -> NumberView {
        let answer = self.demo.http("GET", &format!("/v1/numbers/{number}"), Some(&self.token), &[], None);
        assert_eq!(answer.status, 200, "{}", answer.json);
        serde_json::from_value(answer.json).expect("a number")
    }

    /// Its published State.
    pub(super) fn state(&self, number: Number) -> State {
        State::parse(&self.view(number).state.expect("a state").0).expect("a well-formed state")
    }

    /// Signs a change by these keys, valid for an hour.
    pub(super) fn signed(&self, change: Change, signers: &[(Role, &SigningKey)]) -> Signed {
        change.valid_until(now_s() + 3600).sign(&self.directory, signers).expect("complete")
    }
}

pub(super) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// A problem without the id of its request: what two strangers' answers are compared by.
pub(super) fn anonymous(answer: &Answer) -> serde_json::Value {
    let mut json = answer.json.clone();
    json["request_id"] = serde_json::Value::Null;
    json
}

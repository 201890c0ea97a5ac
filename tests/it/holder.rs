//! The holder's kit: what it builds is lawful, proves possession, and its keys survive the disk.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use callbook::charter::Policy;
use callbook::client::holder::{
    Change, Device, DeviceKey, Directory, HolderError, KeyFileError, RecordDraft, Signed, from_text, load, naptr_rdata,
    opening, save, to_text,
};
use callbook::client::ve::{ValidationToken, token_id};
use callbook::log::bytes::from_base64url;
use callbook::log::event::{Event, Role};
use callbook::log::key::{Algorithm, SigningKey};
use callbook::log::label::Label;
use callbook::log::possession::{PublishedKey, x25519_public};
use callbook::log::random::{Random, Seeded};
use callbook::log::record::{Prefix, Record, commitment};
use callbook::log::state::{Flags, Status};
use callbook::log::{ZERO, evidence, vrf};
use callbook::number::Number;
use callbook::registry::register::{Provider, ProviderStatus, Register};
use callbook::registry::rules::{Broken, Entry, Law, check, seal};
use callbook::registry::terms::{DAY_MS, Terms};
use proptest::prelude::*;
use serde_json::{Value, json};

const ORIGIN: &str = "dir.example.org/map/0";
const TOKEN: &str = "eyJ0eXAi.eyJpc3Mi.c2ln";
const START_MS: u64 = 1_800_000_000_000;

/// A directory, a provider, a holder, and the number's life so far.
struct Life {
    directory: Directory,
    label: Label,
    number: Number,
    provider: SigningKey,
    device: Device,
    random: Seeded,
    register: Register,
    terms: Terms,
    gov: HashSet<[u8; 32]>,
    entry: Option<Entry>,
    epoch: u64,
    now_ms: u64,
}

impl Life {
    fn new(control: Algorithm, seed: u8) -> Self {
        let random = Seeded::new([seed; 32]);
        let (number, server) = (Number::parse("+999 0012 3456").unwrap(), vrf::SecretKey::generate(&random).unwrap());
        let directory = Directory::new(ORIGIN, server.public().as_bytes()).unwrap();
        let (_, proof) = server.label(ORIGIN, number);
        let provider = SigningKey::generate(Algorithm::Ed25519, &random).unwrap();
        let acme = Provider {
            id: "acme".into(),
            name: "Acme".into(),
            status: ProviderStatus::Accredited,
            statement_keys: vec![provider.public().clone()],
        };
        Self {
            label: directory.label(number, &proof).unwrap(),
            directory,
            number,
            provider,
            device: Device::generate(control, &random).unwrap(),
            random,
            register: Register::new([acme], [], []),
            terms: Terms::of(&Policy::embedded()),
            gov: HashSet::new(),
            entry: None,
            epoch: 0,
            now_ms: START_MS,
        }
    }

    fn before(&self) -> &callbook::log::state::State {
        &self.entry.as_ref().unwrap().state
    }

    fn record(&self, uri: &str) -> (Record, [u8; 32]) {
        let draft = RecordDraft::new(self.number, "acme").sip(uri).unwrap().device(&self.device);
        (draft.build().unwrap(), opening(&self.random).unwrap())
    }

    fn create(&self) -> Change {
        let (record, opening) = self.record("sip:alice@acme.example");
        let not_after = self.now_ms / 1000 + 90 * 86_400;
        Change::create(self.label, &record, opening, self.device.control.public(), not_after)
            .evidence(&[TOKEN])
            .unwrap()
    }

    /// Signs, seals into the next epoch and checks by the law.
    fn take(&mut self, change: Change, roles: &[Role]) -> Result<Signed, Broken> {
        self.take_with(change, roles, None)
    }

    fn take_with(&mut self, change: Change, roles: &[Role], new: Option<&SigningKey>) -> Result<Signed, Broken> {
        let signers: Vec<(Role, &SigningKey)> = roles
            .iter()
            .map(|role| match role {
                Role::Provider => (*role, &self.provider),
                Role::NewControl => (*role, new.unwrap_or(&self.device.control)),
                _ => (*role, &self.device.control),
            })
            .collect();
        let signed = change.valid_until(self.now_ms / 1000 + 3600).sign(&self.directory, &signers).unwrap();
        assert_eq!(Event::parse(&signed.event.write()).as_ref(), Ok(&signed.event));
        let law = Law { register: &self.register, sequencer: &[], gov: &self.gov, terms: &self.terms, carry_until: 0 };
        let before = self.entry.as_ref();
        let (sealed, entry) = seal(&signed.event, self.epoch + 1, self.now_ms, before, &law)?;
        assert_eq!(check(&sealed, ORIGIN, self.epoch + 1, self.now_ms, before, &law).as_ref(), Ok(&entry));
        (self.entry, self.epoch, self.now_ms) = (Some(entry), self.epoch + 1, self.now_ms + 1000);
        Ok(signed)
    }
}

#[test]
fn a_whole_life_is_lawful() {
    for control in [Algorithm::Ed25519, Algorithm::Es256] {
        let mut life = Life::new(control, 1);
        let created = life.take(life.create().locked(), &[Role::Provider, Role::NewControl]).unwrap();
        let (text, opening) = created.record.as_ref().unwrap();
        assert_eq!(created.event.state.commitment, commitment(opening, text));
        assert_eq!(life.before().flags, Flags::LOCK);

        let (record, opening) = life.record("sip:new@acme.example");
        let update = Change::update(life.label, life.before(), &record, opening).unlocked();
        life.take(update, &[Role::Control, Role::Provider]).unwrap();
        assert_eq!(life.before().flags, Flags::NONE);

        life.take(Change::suspend(life.label, life.before()), &[Role::Control]).unwrap();
        assert_eq!(life.before().status, Status::Suspended);
        life.take(Change::resume(life.label, life.before()), &[Role::Control]).unwrap();
        assert_eq!(life.before().status, Status::Active);

        let later = life.before().not_after + 86_400;
        let renew = Change::renew(life.label, life.before(), "acme", later).evidence(&[TOKEN]).unwrap();
        life.take(renew, &[Role::Provider]).unwrap();
        assert_eq!(life.before().not_after, later);

        let new = SigningKey::generate(Algorithm::Ed25519, &life.random).unwrap();
        let (record, opening) = life.record("sip:new@acme.example");
        let rotate = Change::update(life.label, life.before(), &record, opening).control(new.public());
        let roles = [Role::Control, Role::Provider, Role::NewControl];
        life.take_with(rotate, &roles, Some(&new)).unwrap();
        assert_eq!(life.before().control, new.public().thumbprint());
        life.device.control = new;

        let revoked = life.device.keys[0].1.public().thumbprint();
        let draft = RecordDraft::new(life.number, "acme").sip("sip:new@acme.example").unwrap();
        let record = draft.revoked(revoked, life.now_ms / 1000).build().unwrap();
        let direct = Change::update_direct(life.label, life.before(), &record, opening);
        life.take(direct, &[Role::Control]).unwrap();
        assert_eq!(life.before().keys_txt(&record).len(), 2);

        life.take(Change::release(life.label, life.before()), &[Role::Control]).unwrap();
        assert_eq!(life.before().status, Status::Released);
        let again = |life: &Life| life.create().after_release(life.before());
        let early = life.take(again(&life), &[Role::Provider, Role::NewControl]);
        assert_eq!(early.err(), Some(Broken::Quarantine));
        life.now_ms += 31 * DAY_MS;
        life.take(again(&life), &[Role::Provider, Role::NewControl]).unwrap();
        assert_eq!(life.before().version, 9);
    }
}

#[test]
fn a_provider_releases_after_its_notice() {
    let mut life = Life::new(Algorithm::Ed25519, 2);
    life.take(life.create(), &[Role::Provider, Role::NewControl]).unwrap();
    let without_notice = Change::release_after_notice(life.label, life.before(), "acme");
    assert_eq!(life.take(without_notice, &[Role::Provider]).err(), Some(Broken::PendingDoesNotOpen));
    life.take(Change::release_notice(life.label, life.before(), "acme"), &[Role::Provider]).unwrap();
    let release = |life: &Life| Change::release_after_notice(life.label, life.before(), "acme");
    assert_eq!(life.take(release(&life), &[Role::Provider]).err(), Some(Broken::CoolDown));
    // The holder's next update takes the notice back.
    let (record, opening) = life.record("sip:alice@acme.example");
    let update = Change::update(life.label, life.before(), &record, opening);
    life.take(update, &[Role::Control, Role::Provider]).unwrap();
    assert_eq!(life.before().pending, ZERO);
    life.take(Change::release_notice(life.label, life.before(), "acme"), &[Role::Provider]).unwrap();
    life.now_ms += 8 * DAY_MS;
    life.take(release(&life), &[Role::Provider]).unwrap();
}

#[test]
fn a_provider_held_number_becomes_the_holders() {
    let mut life = Life::new(Algorithm::Ed25519, 3);
    life.take(life.create().provider_held(), &[Role::Provider, Role::NewControl]).unwrap();
    assert!(life.before().flags.contains(Flags::PROVIDER_HELD));
    let new = SigningKey::generate(Algorithm::Es256, &life.random).unwrap();
    let (record, opening) = life.record("sip:alice@acme.example");
    let upgrade = Change::update(life.label, life.before(), &record, opening).control(new.public());
    life.take_with(upgrade, &[Role::Control, Role::Provider, Role::NewControl], Some(&new)).unwrap();
    assert_eq!(life.before().flags, Flags::NONE);
}

#[test]
fn every_published_key_is_proved() {
    let mut life = Life::new(Algorithm::Ed25519, 4);
    let signing = |algorithm| DeviceKey::Signing(SigningKey::generate(algorithm, &life.random).unwrap());
    let more = [(Prefix::Id, signing(Algorithm::Es256)), (Prefix::SipClient, signing(Algorithm::Es256))];
    life.device.keys.extend(more);
    let server = [77; 32];
    let signers = [(Role::NewControl, &life.device.control)];
    let mut signed = life.create().valid_until(START_MS / 1000).sign(&life.directory, &signers).unwrap();
    let tbs = signed.event.tbs(ORIGIN);
    signed.prove(&life.directory, &life.device.keys, &x25519_public(&server)).unwrap();
    signed.cosign(&life.directory, &life.provider);
    assert!(signed.event.signatures_verify(ORIGIN));
    assert_eq!(signed.event.tbs(ORIGIN), tbs, "the provider's signature leaves the proofs alone");
    let record = Record::parse(&signed.record.as_ref().unwrap().0).unwrap();
    assert_eq!((signed.possession.len(), record.rr.len()), (4, 5));
    for proved in &signed.possession {
        let key = PublishedKey::from_spki(&proved.spki).unwrap();
        assert!(key.is_proved_by(&proved.proof, &tbs, proved.prefix, &server));
        assert!(!key.is_proved_by(&proved.proof, b"another event", proved.prefix, &server));
    }
    let mut of_low_order = life.create().valid_until(1).sign(&life.directory, &signers).unwrap();
    assert!(matches!(of_low_order.prove(&life.directory, &life.device.keys, &[0; 32]), Err(HolderError::Malformed(_))));
}

#[test]
fn bodies_carry_the_event() {
    let life = Life::new(Algorithm::Ed25519, 5);
    let signers = [(Role::NewControl, &life.device.control)];
    let signed = life.create().valid_until(1).sign(&life.directory, &signers).unwrap();
    let body = signed.submission(vec![TOKEN.into()]);
    assert_eq!(Event::parse(&body.event.0).as_ref(), Ok(&signed.event));
    assert_eq!(signed.event.evidence, evidence::hash(&body.validation).unwrap());
    let opening: [u8; 32] = body.opening.0.try_into().unwrap();
    assert_eq!(commitment(&opening, body.record.as_bytes()), signed.event.state.commitment);
    assert_eq!(signed.renewal(vec![]).event.0, signed.event.write());
    assert_eq!(signed.provider_release().event.0, signed.event.write());
    assert_eq!(signed.holder_act(life.number).number, "+99900123456");
}

#[test]
fn the_same_source_gives_the_same_registration() {
    let build = || {
        let life = Life::new(Algorithm::Ed25519, 6);
        let signers = [(Role::NewControl, &life.device.control), (Role::Provider, &life.provider)];
        life.create().valid_until(1).sign(&life.directory, &signers).unwrap().event.write()
    };
    assert_eq!(build(), build());
}

#[test]
fn what_cannot_be_right_is_not_signed() {
    let life = Life::new(Algorithm::Ed25519, 7);
    let sign = |change: Change| change.sign(&life.directory, &[(Role::NewControl, &life.device.control)]).map(drop);
    assert!(matches!(sign(life.create()), Err(HolderError::Incomplete(_))), "valid_until is missing");
    let twice = RecordDraft::new(life.number, "acme").rr(Prefix::Id, vec![3, 1, 0]).rr(Prefix::Id, vec![3, 1, 0]);
    assert!(matches!(twice.build(), Err(HolderError::Malformed(_))));
    assert!(RecordDraft::new(life.number, "Acme").build().is_err());
    let long = RecordDraft::new(life.number, "acme").rr(Prefix::OpenPgpKey, vec![7; 13_000]);
    assert!(long.build().is_err());
    for uri in ["alice@acme.example", "sip:al ice@acme.example", "sip:a!b@c", "sip:a\\1@c", "sip:é@c", "http://a/"] {
        assert!(matches!(RecordDraft::new(life.number, "acme").sip(uri), Err(HolderError::Uri(_))), "{uri}");
    }
    assert!(naptr_rdata(10, "E2U+sip", &format!("sip:{}", "a".repeat(244))).is_ok());
    assert!(naptr_rdata(10, "E2U+sip", &format!("sip:{}", "a".repeat(245))).is_err());
    let elsewhere = Directory::new(ORIGIN, &[1; 32]);
    assert!(elsewhere.is_err() || elsewhere.unwrap().label(life.number, &[0; 80]).is_err());
    assert!(life.directory.label(life.number, &[0; 80]).is_err());
}

#[test]
fn naptr_is_that_of_the_safe_profile() {
    let record = RecordDraft::new(Number::parse("+9990001").unwrap(), "acme");
    let record = record.sip("sip:b@x.example").unwrap().sip("sips:a@x.example").unwrap().build().unwrap();
    let rdata: Vec<&[u8]> = record.rdata(Prefix::Naptr).collect();
    assert_eq!(rdata[0], b"\x00\x64\x00\x0a\x01u\x07E2U+sip\x16!^.*$!sip:b@x.example!\x00");
    assert_eq!(rdata[1], b"\x00\x64\x00\x14\x01u\x07E2U+sip\x17!^.*$!sips:a@x.example!\x00");
}

#[test]
fn key_files() {
    let (folder, random) = (tempfile::tempdir().unwrap(), Seeded::new([8; 32]));
    for algorithm in [Algorithm::Ed25519, Algorithm::Es256] {
        let (key, path) = (SigningKey::generate(algorithm, &random).unwrap(), folder.path().join(algorithm.jws_name()));
        save(&path, &key).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(load::<SigningKey>(&path).unwrap().public(), key.public());
        assert!(matches!(save(&path, &key), Err(KeyFileError::Exists(_))), "never overwritten");
        assert!(matches!(load::<DeviceKey>(&path), Err(KeyFileError::Form(_))), "another kind of key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(load::<SigningKey>(&path), Err(KeyFileError::Open(_))), "open to others");
    }
    let (device, path) = (DeviceKey::x25519(&random).unwrap(), folder.path().join("e2e"));
    save(&path, &device).unwrap();
    assert_eq!(load::<DeviceKey>(&path).unwrap().public(), device.public());
    assert!(matches!(load::<DeviceKey>(&folder.path().join("none")), Err(KeyFileError::Io(..))));
    let good = to_text(&SigningKey::generate(Algorithm::Ed25519, &random).unwrap());
    assert!(from_text::<SigningKey>(&format!("{}\n", *good)).is_ok());
    for bad in [&good[1..], &good[..good.len() - 1], &format!("{}=", *good), &good.replace("ed25519", "rsa"), ""] {
        assert!(from_text::<SigningKey>(bad).is_err(), "{bad}");
    }
    let no_scalar = format!("callbook-control-key-v1:es256:{}", "_".repeat(42) + "8");
    assert!(from_text::<SigningKey>(&no_scalar).is_err(), "not below the order of P-256");
}

#[test]
fn secrets_are_not_shown() {
    let device = Device::generate(Algorithm::Es256, &Seeded::new([9; 32])).unwrap();
    let (shown, secret) = (format!("{device:?}"), device.control.to_bytes());
    assert!(!shown.contains(&format!("{:?}", secret[0..4].to_vec())[1..10]), "{shown}");
    assert!(shown.contains("X25519Secret(…)"));
}

#[test]
fn validation_tokens_are_compact_jws() {
    let random = Seeded::new([10; 32]);
    for algorithm in [Algorithm::Ed25519, Algorithm::Es256] {
        let key = SigningKey::generate(algorithm, &random).unwrap();
        let token = ValidationToken {
            issuer: "ve1".into(),
            audience: "e164.example.".into(),
            id: token_id(&random).unwrap(),
            issued_s: 5,
            number: Number::parse("+34600111222").unwrap(),
            provider: "acme".into(),
            methods: vec!["sms".into(), "operator-db".into()],
            validated_s: 4,
            expires_s: 9,
            control: key.public().thumbprint(),
            evidence: [7; 32],
            nonce: Some("n".into()),
        };
        let jws = token.mint(&key);
        let (signed, signature) = jws.rsplit_once('.').unwrap();
        let signature: [u8; 64] = from_base64url(signature).unwrap().try_into().unwrap();
        assert!(key.public().verify(signed.as_bytes(), &signature));
        let parts: Vec<Value> =
            signed.split('.').map(|part| serde_json::from_slice(&from_base64url(part).unwrap()).unwrap()).collect();
        let jkt = data_encoding::BASE64URL_NOPAD.encode(&key.public().thumbprint());
        assert_eq!(parts[0], json!({"typ": "enum-validation+jwt", "alg": algorithm.jws_name(), "kid": jkt}));
        assert_eq!(
            parts[1],
            json!({"iss": "ve1", "aud": "e164.example.", "jti": token.id, "iat": 5, "sub": "tel:+34600111222",
                   "prv": "acme", "mth": ["sms", "operator-db"], "vat": 4, "vex": 9, "cnf": {"jkt": jkt},
                   "evd": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc", "nonce": "n"})
        );
        let earlier = ValidationToken { nonce: None, ..token };
        assert!(
            !String::from_utf8(from_base64url(earlier.mint(&key).split('.').nth(1).unwrap()).unwrap())
                .unwrap()
                .contains("nonce")
        );
    }
}

proptest! {
    #[test]
    fn key_texts_lead_back(secret in any::<[u8; 32]>(), junk in "\\PC{0,90}") {
        let key = SigningKey::from_bytes(Algorithm::Ed25519, &secret).unwrap();
        prop_assert_eq!(*from_text::<SigningKey>(&to_text(&key)).unwrap().to_bytes(), secret);
        let _ = from_text::<SigningKey>(&junk);
        let _ = from_text::<DeviceKey>(&junk);
    }

    #[test]
    fn a_source_repeats_itself_and_no_block_comes_twice(seed in any::<[u8; 32]>(), n in 1usize..100) {
        let draw = |source: &Seeded| { let mut out = vec![0; n]; source.fill(&mut out).unwrap(); out };
        let (a, b) = (Seeded::new(seed), Seeded::new(seed));
        prop_assert_eq!(draw(&a), draw(&b));
        prop_assert!(n < 8 || draw(&a) != draw(&Seeded::new(seed)));
    }
}

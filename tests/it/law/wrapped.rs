//! Lives of numbers whose keys come inside OpenPGP keys and certificates: possession, updates, and one key under two holders.

use callbook::client::holder::CertificateKey;
use callbook::log::event::{Kind, Role};
use callbook::log::possession::{PublishedKey, x25519_public};
use callbook::log::record::{Prefix, Record, Rr};
use callbook::log::state::Flags;
use callbook::number::Number;
use callbook::registry::examine::Submission;
use callbook::registry::possession::Proof;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, SanType, date_time_ymd};

use super::certificate::params;
use super::directory::*;
use super::openpgp::{Recipe, primary};

const LINE: &str = "+447700900123";
const OTHER_LINE: &str = "+447700900124";

fn mailbox(line: &str) -> String {
    format!("{line}@e164.example")
}

fn openpgp(line: &str, change: impl FnOnce(&mut Recipe)) -> Rr {
    let mut recipe = Recipe::new(4);
    recipe.user_id = format!("<{}>", mailbox(line));
    change(&mut recipe);
    Rr { prefix: Prefix::OpenPgpKey, rdata: recipe.build() }
}

fn certificate(line: &str, key: &KeyPair, year: i32) -> Rr {
    let mut params = params();
    params.not_after = date_time_ymd(year, 1, 1);
    params.subject_alt_names = vec![SanType::Rfc822Name(mailbox(line).as_str().try_into().unwrap())];
    let der = params.self_signed(key).unwrap().der().to_vec();
    Rr { prefix: Prefix::SmimeCert, rdata: [&[3, 0, 0], &der[..]].concat() }
}

fn prove(key: &KeyPair, event_tbs: &[u8]) -> Proof {
    let proved = CertificateKey::from_pkcs8(&key.serialize_der()).unwrap().prove(event_tbs).unwrap();
    Proof { prefix: proved.prefix, spki: proved.spki, proof: proved.proof }
}

/// A registration with further records and proofs of certificate keys.
fn create_with(directory: &mut Directory, line: &str, phone: &Phone, more: Vec<Rr>, keys: &[&KeyPair]) -> Submission {
    let line: Number = number(line);
    let token = directory.token("acme", line, &phone.control, 300);
    let mut record: Record = phone.record("acme", line, "alice");
    record.rr.extend(more);
    let (control, not_after) = (phone.control.public().thumbprint(), directory.now_s() + 300 * 86_400);
    let draft = Draft::new(directory, line, Kind::Create, Some("acme"))
        .state(|state| (state.control, state.not_after) = (control, not_after))
        .tokens(vec![token])
        .record(&record)
        .sign(&[(Role::NewControl, &phone.control)]);
    let nonce = directory.nonce_key.make("acme", &label(line), directory.now_s() + 900);
    let mut proofs = phone.proofs(&draft.event, &directory.nonce_key.ephemeral(&nonce));
    let tbs = draft.event.tbs(ORIGIN);
    proofs.extend(keys.iter().map(|key| prove(key, &tbs)));
    draft.proofs(proofs).done()
}

/// An UPDATE to a record with these besides the phone's own, proved by nothing but these keys.
fn update_with(directory: &Directory, line: &str, phone: &Phone, more: Vec<Rr>, keys: &[&KeyPair]) -> Submission {
    let line = number(line);
    let mut record = phone.record("acme", line, "alice");
    record.rr.extend(more);
    let draft = Draft::new(directory, line, Kind::Update, Some("acme"))
        .record(&record)
        .sign(&[(Role::Control, &phone.control)]);
    let tbs = draft.event.tbs(ORIGIN);
    draft.proofs(keys.iter().map(|key| prove(key, &tbs)).collect()).done()
}

fn p256() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

#[test]
fn both_are_published_and_kept_without_a_new_proof() {
    let (mut directory, phone, key) = (Directory::new(), Phone::new(10), p256());
    let wrapped = || vec![openpgp(LINE, |_| {}), certificate(LINE, &key, 2036)];
    let without = create_with(&mut directory, LINE, &phone, wrapped(), &[]);
    assert_eq!(directory.codes(&without), ["possession_missing"], "the certificate's key has to sign");
    let wrong = create_with(&mut directory, LINE, &phone, wrapped(), &[&p256()]);
    assert_eq!(directory.codes(&wrong), ["possession_unexpected", "possession_missing"]);
    let right = create_with(&mut directory, LINE, &phone, wrapped(), &[&key]);
    directory.accept(&right);
    assert!(directory.shows(number(LINE)));
    // Identity, device, primary key, signing subkey, certificate: the encryption subkey is no name in the index.
    assert_eq!(directory.rows[&number(LINE)].key_hashes.len(), 5);
    directory.accept(&update_with(&directory, LINE, &phone, wrapped(), &[]));
    let renewed = || vec![openpgp(LINE, |_| {}), certificate(LINE, &key, 2040)];
    directory.accept(&update_with(&directory, LINE, &phone, renewed(), &[]));
    let other = p256();
    let replaced = || vec![certificate(LINE, &other, 2036)];
    assert_eq!(directory.codes(&update_with(&directory, LINE, &phone, replaced(), &[])), ["possession_missing"]);
    directory.accept(&update_with(&directory, LINE, &phone, replaced(), &[&other]));
    assert_eq!(directory.rows[&number(LINE)].key_hashes.len(), 3);
}

#[test]
fn one_key_has_one_holder_whatever_it_is_wrapped_in() {
    let (mut directory, alice, bob) = (Directory::new(), Phone::new(10), Phone::new(40));
    let key = p256();
    let hers = vec![openpgp(LINE, |_| {}), certificate(LINE, &key, 2036)];
    let hers = create_with(&mut directory, LINE, &alice, hers, &[&key]);
    directory.accept(&hers);
    // Her primary key again, her signing subkey, her identity key, her certificate's key: each in other clothes.
    let scalar: [u8; 32] = key.serialize_der()[36..68].try_into().unwrap();
    let identity = alice.identity.to_bytes();
    let ed25519 = callbook::log::key::Algorithm::Ed25519;
    let clothes: [(Rr, Option<&KeyPair>); 5] = [
        (openpgp(OTHER_LINE, |_| {}), None),
        (openpgp(OTHER_LINE, |r| (r.primary.1, r.signing) = ([81; 32], Some((ed25519, [72; 32])))), None),
        (openpgp(OTHER_LINE, |r| (r.primary.1, r.signing) = (*identity, None)), None),
        (
            openpgp(OTHER_LINE, |r| (r.primary, r.signing) = ((callbook::log::key::Algorithm::Es256, scalar), None)),
            None,
        ),
        (certificate(OTHER_LINE, &key, 2030), Some(&key)),
    ];
    for (i, (rr, key)) in clothes.into_iter().enumerate() {
        let keys: Vec<&KeyPair> = key.into_iter().collect();
        let submission = create_with(&mut directory, OTHER_LINE, &bob, vec![rr], &keys);
        assert_eq!(directory.codes(&submission), ["duplicate_key"], "case {i}");
    }
    // Whose key it is is asked before whether it is there: without a proof nobody learns anything.
    let unproved = create_with(&mut directory, OTHER_LINE, &bob, vec![certificate(OTHER_LINE, &key, 2030)], &[]);
    assert_eq!(directory.codes(&unproved), ["possession_missing"]);
}

#[test]
fn a_key_that_nobody_can_prove_blocks_nobody_and_betrays_nobody() {
    let (mut directory, alice, bob) = (Directory::new(), Phone::new(10), Phone::new(40));
    // A stranger takes her device key as his encryption subkey, before she comes and after.
    let stolen = |recipe: &mut Recipe| {
        (recipe.primary.1, recipe.signing, recipe.encryption) = ([81; 32], None, Some(alice.device))
    };
    let first = create_with(&mut directory, OTHER_LINE, &bob, vec![openpgp(OTHER_LINE, stolen)], &[]);
    directory.accept(&first);
    let hers = create(&mut directory, "acme", number(LINE), &alice);
    directory.accept(&hers);
    let name = callbook::log::sha256(&[&PublishedKey::X25519(x25519_public(&alice.device)).to_spki()]);
    assert!(directory.rows[&number(LINE)].key_hashes.contains(&name));
    assert!(!directory.rows[&number(OTHER_LINE)].key_hashes.contains(&name));
    directory.accept(&update_with(&directory, OTHER_LINE, &bob, vec![openpgp(OTHER_LINE, stolen)], &[]));
}

#[test]
fn a_control_key_is_not_published_inside_something() {
    let mut directory = Directory::new();
    let phone = Phone::new(71); // its control key is the recipe's primary key
    assert_eq!(phone.control.public(), &primary(&Recipe::new(4)));
    let submission = create_with(&mut directory, LINE, &phone, vec![openpgp(LINE, |r| r.encryption = None)], &[]);
    assert!(directory.codes(&submission).contains(&"control_key_shared"));
}

#[test]
fn a_provider_held_number_publishes_neither() {
    let (mut directory, phone, key) = (Directory::new(), Phone::new(10), p256());
    for rr in [openpgp(LINE, |_| {}), certificate(LINE, &key, 2036)] {
        let line = number(LINE);
        let token = directory.token("acme", line, &phone.control, 300);
        let mut record = phone.record("acme", line, "alice");
        record.rr.truncate(1);
        record.rr.push(rr.clone());
        let (control, not_after) = (phone.control.public().thumbprint(), directory.now_s() + 300 * 86_400);
        let draft = Draft::new(&directory, line, Kind::Create, Some("acme"))
            .state(|state| (state.control, state.not_after, state.flags) = (control, not_after, Flags::PROVIDER_HELD))
            .tokens(vec![token])
            .record(&record)
            .sign(&[(Role::NewControl, &phone.control)]);
        let tbs = draft.event.tbs(ORIGIN);
        let proofs = if rr.prefix == Prefix::SmimeCert { vec![prove(&key, &tbs)] } else { vec![] };
        assert_eq!(directory.codes(&draft.proofs(proofs).done()), ["provider_held_keys"]);
    }
}

#[test]
fn a_proof_is_for_one_event() {
    let (mut directory, phone, key) = (Directory::new(), Phone::new(10), p256());
    let mut submission = create_with(&mut directory, LINE, &phone, vec![certificate(LINE, &key, 2036)], &[&key]);
    let proof = submission.possession.last_mut().unwrap();
    let other = prove(&key, b"another event");
    assert_eq!(proof.spki, other.spki);
    proof.proof = other.proof;
    assert_eq!(directory.codes(&submission), ["possession_invalid"]);
}

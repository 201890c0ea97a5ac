//! Record R, commitment, the hashes an event names, proofs of possession.

use callbook::log::event::Door;
use callbook::log::possession::{self, PublishedKey};
use callbook::log::record::{Prefix, Record, Revoked, Rr, commitment, hash_owner};
use callbook::log::{evidence, monitor, pending};
use callbook::number::Number;
use proptest::prelude::*;

use super::{VECTORS, array, bytes, int, label, list, number, origin, signing_key, text};

#[test]
fn records() {
    let records = list(&VECTORS["records"]);
    assert_eq!(records.len(), 4);
    for case in records {
        let raw = text(&case["text"]).as_bytes();
        let record = Record::parse(raw).unwrap();
        assert_eq!(record.write(), raw);
        assert_eq!(record.rr.len(), list(&case["rr"]).len());
        for (rr, expected) in record.rr.iter().zip(list(&case["rr"])) {
            assert_eq!(rr.prefix.as_str(), text(&expected["prefix"]));
            assert_eq!(u64::from(rr.prefix.rr_type()), int(&expected["type"]));
            assert_eq!(rr.rdata, bytes(&expected["rdata"]));
        }
    }
}

#[test]
fn commitments() {
    for case in list(&VECTORS["commitments"]) {
        assert_eq!(commitment(&array(&case["opening"]), text(&case["record"]).as_bytes()), array(&case["commitment"]));
    }
}

#[test]
fn hashes_that_events_name() {
    let hashes = &VECTORS["hashes"];
    for case in list(&hashes["evidence"]) {
        let tokens: Vec<&str> = list(&case["tokens"]).iter().map(text).collect();
        assert_eq!(evidence::hash(&tokens), Some(array(&case["hash"])));
    }
    assert_eq!(evidence::hash(&[vec![b'a'; 65536]]), None);
    let case = &hashes["pending"];
    assert_eq!(int(&case["door"]), Door::Validation as u64);
    assert_eq!(
        pending::hash(Door::Validation, &array(&case["new_control"]), text(&case["provider"])),
        array(&case["hash"])
    );
    let (case, apex) = (&hashes["hash_owner"], text(&hashes["hash_owner"]["apex"]));
    let owner = hash_owner(number(&case["number"]));
    assert_eq!(format!("{owner}.{}.{apex}", Prefix::OpenPgpKey.as_str()), text(&case["openpgpkey"]));
    assert_eq!(format!("{owner}.{}.{apex}", Prefix::SmimeCert.as_str()), text(&case["smimecert"]));
    let case = &hashes["monitor"];
    let tbs = monitor::tbs(origin(), &label("A"), int(&case["from_version"]), int(&case["ts"]));
    assert_eq!(tbs, bytes(&case["tbs"]));
    assert!(signing_key("a3").public().verify(&tbs, &array(&case["sig"])));
}

#[test]
fn possession_of_signing_keys() {
    let case = &VECTORS["possession"][0];
    let (spki, event, proof) = (bytes(&case["spki"]), bytes(&case["event_tbs"]), bytes(&case["sig"]));
    assert_eq!(possession::tbs(&event, Prefix::Id, &spki), bytes(&case["tbs"]));
    assert_eq!(possession::signature(&signing_key("a1"), &event, Prefix::Id)[..], proof);
    let key = PublishedKey::from_spki(&spki).unwrap();
    assert_eq!(key.to_spki(), spki);
    assert!(key.is_proved_by(&proof, &event, Prefix::Id, &[1; 32]));
    assert!(!key.is_proved_by(&proof, &event, Prefix::Mls, &[1; 32]), "another prefix");
    assert!(!key.is_proved_by(&proof, b"another event", Prefix::Id, &[1; 32]));
    assert!(!key.is_proved_by(&proof[..63], &event, Prefix::Id, &[1; 32]));
    let p256 = signing_key("b1");
    let key = PublishedKey::from_spki(&p256.public().to_spki()).unwrap();
    assert_eq!(key.thumbprint(), p256.public().thumbprint());
    assert!(key.is_proved_by(&possession::signature(&p256, &event, Prefix::Id), &event, Prefix::Id, &[1; 32]));
}

#[test]
fn possession_of_x25519_keys() {
    let case = &VECTORS["possession"][1];
    let (spki, event, mac) = (bytes(&case["spki"]), bytes(&case["event_tbs"]), array::<32>(&case["mac"]));
    let (device, server) = (array::<32>(&case["device_secret"]), array::<32>(&case["ephemeral_secret"]));
    let ephemeral = possession::x25519_public(&server);
    assert_eq!(ephemeral, array(&case["ephemeral"]));
    assert_eq!(possession::tbs(&event, Prefix::E2e, &spki), bytes(&case["tbs"]));
    let shared = possession::shared_secret(&device, &ephemeral).unwrap();
    assert_eq!(*shared, array::<32>(&case["shared"]));
    assert_eq!(possession::mac(&shared, &event, Prefix::E2e, &spki), mac);
    let key = PublishedKey::from_spki(&spki).unwrap();
    assert_eq!((key.to_spki(), &key), (spki, &PublishedKey::X25519(possession::x25519_public(&device))));
    assert!(key.is_proved_by(&mac, &event, Prefix::E2e, &server));
    assert!(!key.is_proved_by(&mac, &event, Prefix::E2e, &[1; 32]), "another ephemeral key");
    assert!(!key.is_proved_by(&mac, &event, Prefix::Id, &server), "another prefix");
    assert!(!key.is_proved_by(&mac[..31], &event, Prefix::E2e, &server));
}

/// RFC 7748 7: points of low order give a secret that everybody knows.
#[test]
fn weak_x25519_keys_are_refused() {
    let spki = |key: [u8; 32]| PublishedKey::X25519(key).to_spki();
    let mut two_spellings = possession::x25519_public(&[5; 32]);
    two_spellings[31] |= 0x80;
    let (mut one, mut p_minus_1, mut p) = ([0; 32], [0xff; 32], [0xff; 32]);
    (one[0], p_minus_1[0], p_minus_1[31], p[0], p[31]) = (1, 0xec, 0x7f, 0xed, 0x7f);
    for key in [[0; 32], one, p_minus_1, p, two_spellings] {
        assert!(PublishedKey::from_spki(&spki(key)).is_err(), "{key:02x?}");
    }
    assert!(PublishedKey::from_spki(&spki(possession::x25519_public(&[5; 32]))).is_ok());
}

fn any_rr() -> impl Strategy<Value = Rr> {
    (prop::sample::select(Prefix::ALL.to_vec()), prop::collection::vec(any::<u8>(), 1..60))
        .prop_map(|(prefix, rdata)| Rr { prefix, rdata })
}

fn any_record() -> impl Strategy<Value = Record> {
    let revoked =
        (any::<[u8; 32]>(), 1u64..1_000_000_000_000).prop_map(|(thumbprint, at_s)| Revoked { thumbprint, at_s });
    let lists = (prop::collection::vec(any_rr(), 0..6), prop::collection::vec(revoked, 0..4));
    ("[1-9][0-9]{6,14}", "[a-z0-9][a-z0-9-]{0,62}", lists).prop_map(|(digits, provider, (rr, revoked))| {
        let number = Number::from_digits(digits.as_bytes()).unwrap();
        Record { number, provider, rr, revoked }
    })
}

proptest! {
    #[test]
    fn records_write_what_they_read(mut record in any_record()) {
        let mut seen = std::collections::HashSet::new();
        record.rr.retain(|rr| seen.insert(rr.clone()));
        let raw = record.write();
        let parsed = Record::parse(&raw).unwrap();
        prop_assert_eq!(parsed.write(), raw);
        prop_assert_eq!(parsed.number, record.number);
        prop_assert_eq!(parsed.rr.len(), record.rr.len());
        prop_assert!(record.rr.iter().all(|rr| parsed.rr.contains(rr)));
        prop_assert!(record.revoked.iter().all(|key| parsed.revoked.contains(key)));
    }

    #[test]
    fn a_flipped_bit_is_another_record_or_none(record in any_record(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let raw = record.write();
        let mut other = raw.clone();
        other[at.index(raw.len())] ^= 1 << bit;
        if let Ok(parsed) = Record::parse(&other) {
            prop_assert_eq!(parsed.write(), other, "what is accepted has one spelling");
        }
    }

    #[test]
    fn records_never_panic(raw in prop::collection::vec(any::<u8>(), 0..200), text in "(callbook/record/v1\n)?(number [0-9]{0,17}\n)?(provider [a-z-]{0,70}\n)?((rr|revoked) [@_a-z]{0,4} [A-Z]{0,5} [A-Za-z=]{0,9}\n){0,3}") {
        let _ = Record::parse(&raw);
        if let Ok(record) = Record::parse(text.as_bytes()) {
            prop_assert_eq!(record.write(), text.into_bytes());
        }
    }
}

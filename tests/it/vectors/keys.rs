//! Keys, signatures, VRF.

use callbook::log::bytes::to_base64url;
use callbook::log::key::{Algorithm, PublicKey, SigningKey};
use callbook::log::note::{LineType, VerifierKey};
use callbook::log::vrf;
use proptest::prelude::*;

use super::{VECTORS, array, bytes, label, list, number, origin, public_key, signing_key, text};

#[test]
fn keys_and_their_names() {
    let keys = VECTORS["keys"].as_object().unwrap();
    assert_eq!(keys.len(), 24);
    for (name, key) in keys {
        let (public, secret) = (public_key(key), signing_key(name));
        assert_eq!(secret.public(), &public, "{name}");
        assert_eq!(*secret.to_bytes(), array::<32>(&key["secret"]), "{name}");
        assert_eq!(public.jwk_json(), text(&key["jwk"]), "{name}");
        assert_eq!(public.thumbprint(), array(&key["thumbprint"]), "{name}");
        assert_eq!(to_base64url(&public.thumbprint()), text(&key["jkt"]), "{name}");
        assert_eq!(PublicKey::from_spki(&public.to_spki()).as_ref(), Ok(&public), "{name}");
        if let Some(vkey) = key.get("vkey") {
            let parsed = VerifierKey::parse(text(vkey)).unwrap();
            assert_eq!(parsed.to_string(), text(vkey));
            assert_eq!(VerifierKey::new(parsed.name(), parsed.line_type(), public), Some(parsed));
        }
    }
    let witness = VerifierKey::parse(text(&VECTORS["keys"]["w1"]["vkey"])).unwrap();
    assert_eq!(witness.line_type(), LineType::Cosignature);
}

#[test]
fn ed25519_signatures() {
    for case in list(&VECTORS["ed25519"]) {
        let key = SigningKey::from_bytes(Algorithm::Ed25519, &array(&case["seed"])).unwrap();
        assert_eq!(key.sign(&bytes(&case["message"])), array(&case["sig"]));
    }
}

#[test]
fn p256_signatures() {
    let (message, signature) = (bytes(&VECTORS["p256"]["message"]), array::<64>(&VECTORS["p256"]["sig"]));
    let key = signing_key("b1");
    assert!(key.public().verify(&message, &signature));
    for _ in 0..50 {
        let signature = key.sign(&message); // half of them had to be folded
        assert!(key.public().verify(&message, &signature));
        assert!(!key.public().verify(b"another", &signature));
    }
}

#[test]
fn labels() {
    let key = vrf::SecretKey::from_seed(&array(&VECTORS["keys"]["vrf"]["secret"]));
    assert_eq!(key.public().as_bytes(), &array::<32>(&VECTORS["trust"]["vrf"]));
    for case in list(&VECTORS["vrf"]) {
        let (alpha, pi, output) = (bytes(&case["alpha"]), array::<80>(&case["pi"]), array::<64>(&case["output"]));
        assert_eq!(key.prove(&alpha), pi);
        assert_eq!(vrf::output(&pi), Some(output));
        assert_eq!(key.public().verify(&alpha, &pi), Ok(output));
    }
    for (name, case) in VECTORS["numbers"].as_object().unwrap() {
        let number = number(&case["number"]);
        let (found, pi) = key.label(origin(), number);
        assert_eq!(found, label(name));
        assert_eq!(key.public().verify_label(origin(), number, &pi), Ok(found));
        assert!(key.public().verify_label("other.example/map", number, &pi).is_err());
    }
}

/// Points that prove or sign anything, and second spellings of good ones (RFC 8032 5.1.3, 5.1.7).
#[test]
fn weak_and_respelled_ed25519_keys_are_refused() {
    for key in [
        "0000000000000000000000000000000000000000000000000000000000000000", // order 4
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000", // the neutral element
        "0100000000000000000000000000000000000000000000000000000000000080", // its second spelling
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 2
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // y = p
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // y = p + 3
        "0200000000000000000000000000000000000000000000000000000000000000", // off the curve
    ] {
        let key = data_encoding::HEXLOWER.decode(key.as_bytes()).unwrap();
        assert!(PublicKey::new(Algorithm::Ed25519, &key).is_err(), "{key:02x?}");
    }
    let good = signing_key("a1");
    for wrong in [&good.public().bytes()[..31], &[good.public().bytes(), &[0]].concat(), &[]] {
        assert!(PublicKey::new(Algorithm::Ed25519, wrong).is_err());
        assert!(PublicKey::new(Algorithm::Es256, wrong).is_err());
    }
}

#[test]
fn p256_keys_have_one_spelling() {
    let key = signing_key("b1");
    let spki = key.public().to_spki();
    for (raw, why) in [
        (spki[26..].to_vec(), "uncompressed"),
        ([&[5], &key.public().bytes()[1..]].concat(), "the tag of a compact point"),
        ([&[6], &spki[27..]].concat(), "the tag of a hybrid point"),
        ([&[2], &[0xff; 32][..]].concat(), "x >= p"),
        (vec![0], "infinity"),
    ] {
        assert!(PublicKey::new(Algorithm::Es256, &raw).is_err(), "{why}");
    }
    let compressed = [&spki[..26], key.public().bytes()].concat();
    assert!(PublicKey::from_spki(&compressed).is_err(), "SubjectPublicKeyInfo with a compressed point");
    assert!(PublicKey::from_spki(&[&spki[..], &[0]].concat()).is_err());
}

proptest! {
    #[test]
    fn a_flipped_bit_is_no_signature(bit in 0usize..512, message in any::<[u8; 8]>(), p256 in any::<bool>()) {
        let key = signing_key(if p256 { "b1" } else { "a1" });
        let mut signature = key.sign(&message);
        prop_assert!(key.public().verify(&message, &signature));
        signature[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!key.public().verify(&message, &signature));
    }

    #[test]
    fn keys_never_panic(raw in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = PublicKey::new(Algorithm::Ed25519, &raw);
        let _ = PublicKey::new(Algorithm::Es256, &raw);
        let _ = PublicKey::from_spki(&raw);
        let _ = callbook::log::possession::PublishedKey::from_spki(&raw);
        let _ = VerifierKey::parse(&String::from_utf8_lossy(&raw));
    }
}

//! Validation tokens: a good one passes, and each way to be wrong is refused by its own code.

use callbook::charter::Policy;
use callbook::client::ve::ValidationToken;
use callbook::log::bytes::{from_base64url, to_base64url};
use callbook::log::key::{Algorithm, SigningKey, Thumbprint};
use callbook::log::label::Label;
use callbook::number::Number;
use callbook::registry::nonce::NonceKey;
use callbook::registry::register::{EntityStatus, Register, ValidationEntity, kid};
use callbook::registry::token::{self, Expected, Verdict};
use serde_json::{Value, json};

use super::mint::compact;

const NOW: u64 = 1_795_000_000;
const DAY: u64 = 86_400;
const CONTROL: Thumbprint = [7; 32];
const LABEL: Label = Label([5; 32]);
const APEX: &str = "e164.example.";

struct Desk {
    register: Register,
    policy: Policy,
    nonce_key: NonceKey,
    key: SigningKey,
    es256: SigningKey,
    other: SigningKey,
}

impl Desk {
    fn open() -> Self {
        let key = SigningKey::from_bytes(Algorithm::Ed25519, &[21; 32]).unwrap();
        let es256 = SigningKey::from_bytes(Algorithm::Es256, &[22; 32]).unwrap();
        let other = SigningKey::from_bytes(Algorithm::Ed25519, &[23; 32]).unwrap();
        let entity = |id: &str, status, keys: &[&SigningKey]| {
            ValidationEntity::new(id, status, keys.iter().map(|key| key.public().clone()))
        };
        let entities = [
            entity("checkit", EntityStatus::Accredited, &[&key, &es256]),
            entity("other", EntityStatus::Accredited, &[&other]),
            entity("fallen", EntityStatus::Suspended, &[&key]),
        ];
        Self {
            register: Register::new([], entities, []),
            policy: Policy::embedded(),
            nonce_key: NonceKey::new(&[1; 32]),
            key,
            es256,
            other,
        }
    }

    fn number(&self) -> Number {
        Number::parse("+447700900123").unwrap()
    }

    fn nonce(&self) -> String {
        self.nonce_key.make("acme", &LABEL, NOW + 900)
    }

    fn verify(&self, tokens: &[String]) -> Verdict {
        let expected = Expected {
            register: &self.register,
            policy: &self.policy,
            nonce_key: &self.nonce_key,
            apex: APEX,
            number: self.number(),
            label: &LABEL,
            provider: "acme",
            control: Some(&CONTROL),
            now_s: NOW,
        };
        token::verify(tokens, &expected)
    }

    fn codes(&self, tokens: &[String]) -> Vec<&'static str> {
        self.verify(tokens).refusals.iter().map(|refusal| refusal.code).collect()
    }

    fn good(&self) -> (Value, Value) {
        let header = json!({ "typ": "enum-validation+jwt", "alg": "EdDSA", "kid": kid(self.key.public()) });
        let claims = json!({
            "iss": "checkit", "aud": "e164.example", "jti": "jti-00000001", "iat": NOW - 60, "sub": "tel:+447700900123",
            "prv": "acme", "mth": ["sms"], "vat": NOW - 3600, "vex": NOW - 3600 + 90 * DAY,
            "cnf": { "jkt": to_base64url(&CONTROL) }, "evd": to_base64url(&[8; 32]), "nonce": self.nonce(),
        });
        (header, claims)
    }

    /// A good token with other header members or claims (null: left out), rightly signed.
    fn token(&self, header: Value, claims: Value) -> String {
        let (mut good_header, mut good_claims) = self.good();
        for (good, changes) in [(&mut good_header, header), (&mut good_claims, claims)] {
            for (name, value) in changes.as_object().unwrap() {
                match value {
                    Value::Null => drop(good.as_object_mut().unwrap().remove(name)),
                    value => good[name] = value.clone(),
                }
            }
        }
        compact(&good_header.to_string(), &good_claims.to_string(), &self.key)
    }
}

#[test]
fn a_good_token_says_how_long_and_proves_the_nonce() {
    let desk = Desk::open();
    let verdict = desk.verify(&[desk.token(json!({}), json!({}))]);
    assert_eq!(verdict.refusals, []);
    let validation = verdict.validation.unwrap();
    assert_eq!((validation.until_s, validation.period_s), (NOW - 3600 + 90 * DAY, 90 * DAY));
    assert_eq!((validation.used.len(), validation.two_methods), (1, false));
    assert!(validation.used[0].forget_s > NOW + 14 * DAY);
    assert!(verdict.ephemeral.is_some());
    assert!(desk.verify(&[]).validation.is_none());
}

#[test]
fn a_minted_statement_is_a_good_token_under_both_algorithms() {
    let desk = Desk::open();
    let statement = ValidationToken {
        issuer: "checkit".into(),
        audience: APEX.into(),
        id: "0123456789abcdef".into(),
        issued_s: NOW,
        number: desk.number(),
        provider: "acme".into(),
        methods: vec!["document".into(), "sms".into()],
        validated_s: NOW - 10,
        expires_s: NOW - 10 + 90 * DAY,
        control: CONTROL,
        evidence: [8; 32],
        nonce: Some(desk.nonce()),
    };
    assert_eq!(desk.codes(&[statement.mint(&desk.key)]), [""; 0]);
    // Stock libraries do not fold s: both forms of an ES256 signature are taken, for a JWS has no rule against either.
    let token = statement.mint(&desk.es256);
    assert_eq!(desk.codes(std::slice::from_ref(&token)), [""; 0]);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut signature = from_base64url(signature).unwrap();
    let order = from_base64url("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE").unwrap();
    let mut borrow = 0;
    for i in (0..32).rev() {
        let d = i32::from(order[i]) - i32::from(signature[32 + i]) - borrow;
        borrow = i32::from(d < 0);
        signature[32 + i] = d.rem_euclid(256) as u8;
    }
    assert_eq!(desk.codes(&[format!("{signed}.{}", to_base64url(&signature))]), [""; 0]);
}

#[test]
fn headers_that_are_not_ours() {
    let desk = Desk::open();
    for (header, expected) in [
        (json!({ "alg": "none" }), "token_algorithm"),
        (json!({ "alg": "HS256" }), "token_algorithm"),
        (json!({ "alg": "ES256" }), "token_algorithm"),
        (json!({ "alg": "Ed25519" }), "token_algorithm"),
        (json!({ "alg": null }), "token_algorithm"),
        (json!({ "typ": "JWT" }), "token_header"),
        (json!({ "typ": null }), "token_header"),
        (json!({ "jku": "https://evil.example/keys" }), "token_header"),
        (json!({ "jwk": {} }), "token_header"),
        (json!({ "crit": ["exp"] }), "token_critical"),
        (json!({ "crit": [] }), "token_critical"),
        (json!({ "kid": "nobody" }), "token_key"),
        (json!({ "kid": null }), "token_key"),
        (json!({ "kid": kid(desk.other.public()) }), "token_key"),
    ] {
        assert_eq!(desk.codes(&[desk.token(header.clone(), json!({}))]), [expected], "{header}");
    }
}

#[test]
fn claims_that_are_not_for_us() {
    let desk = Desk::open();
    for (claims, expected) in [
        (json!({ "iss": "nobody" }), "token_entity"),
        (json!({ "iss": 7 }), "token_entity"),
        (json!({ "iss": "fallen" }), "token_entity_suspended"),
        (json!({ "iss": "other" }), "token_key"),
        (json!({ "aud": "e164.other" }), "token_audience"),
        (json!({ "aud": ["e164.example"] }), "token_audience"),
        (json!({ "aud": null }), "token_audience"),
        (json!({ "sub": "tel:+447700900124" }), "token_subject"),
        (json!({ "sub": "+447700900123" }), "token_subject"),
        (json!({ "prv": "bell" }), "token_provider"),
        (json!({ "prv": null }), "token_provider"),
        (json!({ "mth": ["hearsay"] }), "token_method"),
        (json!({ "mth": [] }), "token_method"),
        (json!({ "mth": ["sms", "sms"] }), "token_method"),
        (json!({ "mth": "sms" }), "token_method"),
        (json!({ "cnf": { "jkt": to_base64url(&[6; 32]) } }), "token_binding"),
        (json!({ "cnf": { "jkt": to_base64url(&CONTROL), "jwk": {} } }), "token_binding"),
        (json!({ "cnf": null }), "token_binding"),
        (json!({ "jti": null }), "token_claims"),
        (json!({ "jti": "" }), "token_claims"),
        (json!({ "jti": "x".repeat(129) }), "token_claims"),
        (json!({ "evd": "AAAA" }), "token_claims"),
        (json!({ "evd": null }), "token_claims"),
        (json!({ "iat": (NOW as f64) + 0.5 }), "token_claims"),
        (json!({ "vat": "yesterday" }), "token_claims"),
        (json!({ "vex": null }), "token_claims"),
        (json!({ "vex": -1 }), "token_claims"),
        (json!({ "name": "Alice" }), "token_claims"),
        (json!({ "nonce": 5 }), "token_claims"),
        (json!({ "nonce": null }), "token_nonce"),
        (json!({ "nonce": desk.nonce_key.make("bell", &LABEL, NOW + 900) }), "token_nonce"),
        (json!({ "nonce": desk.nonce_key.make("acme", &Label([6; 32]), NOW + 900) }), "token_nonce"),
        (json!({ "nonce": desk.nonce_key.make("acme", &LABEL, NOW - 1) }), "token_nonce"),
        (json!({ "iat": NOW + 61 }), "token_time"),
        (json!({ "iat": NOW - 7200 }), "token_time"),
        (json!({ "iat": NOW + 9000, "vat": NOW + 9000 }), "token_time"),
        (json!({ "vat": NOW - DAY - 1, "vex": NOW + DAY }), "token_stale"),
        (json!({ "vex": NOW }), "token_expired"),
        (json!({ "vex": NOW - 3600 + 90 * DAY + 1 }), "token_validity"),
        (json!({ "mth": ["document", "sms"], "vex": NOW + 100 * DAY }), "token_validity"),
    ] {
        assert_eq!(desk.codes(&[desk.token(json!({}), claims.clone())]), [expected], "{claims}");
    }
}

#[test]
fn all_mistakes_come_at_once_with_their_place() {
    let desk = Desk::open();
    let bad = desk.token(json!({ "alg": "none" }), json!({ "aud": "x", "prv": "bell", "vex": NOW - 1 }));
    let verdict = desk
        .verify(&[desk.token(json!({}), json!({ "jti": "jti-00000002", "vat": NOW - 4000, "vex": NOW + DAY })), bad]);
    let said: Vec<_> = verdict.refusals.iter().map(|refusal| (refusal.code, refusal.pointer.as_str())).collect();
    let at = "/validation/1";
    let expected = [("token_algorithm", at), ("token_audience", at), ("token_provider", at), ("token_expired", at)];
    assert_eq!(said, expected);
    assert!(verdict.validation.is_none());
}

#[test]
fn bytes_that_are_no_token() {
    let desk = Desk::open();
    let good = desk.token(json!({}), json!({}));
    let (header, claims) = desk.good();
    let (head, rest) = good.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    let doubled = claims.to_string().replacen('{', "{\"prv\":\"acme\",", 1);
    let mut flipped = from_base64url(signature).unwrap();
    flipped[3] ^= 1;
    for (token, expected) in [
        (String::new(), "token_form"),
        ("..".into(), "token_form"),
        (good[..good.len() / 2].into(), "token_form"),
        (format!("{head}.{body}"), "token_form"),
        (format!("{good}.{signature}"), "token_form"),
        (format!("{head}=.{body}.{signature}"), "token_form"),
        (format!(" {good}"), "token_form"),
        (format!("{head}.{body}.{signature}\n"), "token_form"),
        (compact("[]", &claims.to_string(), &desk.key), "token_form"),
        (compact(&header.to_string(), "[\"checkit\"]", &desk.key), "token_form"),
        (compact(&header.to_string(), &doubled, &desk.key), "token_form"),
        (compact(&header.to_string(), &"[".repeat(2000), &desk.key), "token_form"),
        (format!("{head}.{body}.{}", to_base64url(&flipped[..60])), "token_signature"),
        (format!("{head}.{body}."), "token_signature"),
        (format!("{head}.{body}.{}", to_base64url(&flipped)), "token_signature"),
        (compact(&header.to_string(), &claims.to_string(), &desk.other), "token_signature"),
        ("e".repeat(4097), "token_size"),
        ("e".repeat(1_000_000), "token_size"),
    ] {
        let shown: String = token.chars().take(60).collect();
        assert_eq!(desk.codes(&[token]), [expected], "{shown}");
    }
}

#[test]
fn two_methods_are_one_of_each_class_a_day_apart_from_two_entities() {
    let desk = Desk::open();
    let older = |entity: &str, key: &SigningKey, method: &str, validated_s: u64| {
        ValidationToken {
            issuer: entity.into(),
            audience: APEX.into(),
            id: "older-0000".into(),
            issued_s: validated_s,
            number: desk.number(),
            provider: "acme".into(),
            methods: vec![method.into()],
            validated_s,
            expires_s: validated_s + 90 * DAY,
            control: CONTROL,
            evidence: [8; 32],
            nonce: None,
        }
        .mint(key)
    };
    let newest = desk.token(json!({}), json!({}));
    let two = |token: String| {
        let verdict = desk.verify(&[token, newest.clone()]);
        verdict.validation.map(|validation| validation.two_methods).ok_or(verdict.refusals[..].first().map(|r| r.code))
    };
    assert_eq!(two(older("other", &desk.other, "document", NOW - 3 * DAY)), Ok(true));
    assert_eq!(two(older("other", &desk.other, "callback", NOW - 3 * DAY)), Ok(false));
    assert_eq!(two(older("other", &desk.other, "document", NOW - 7200)), Ok(false));
    assert_eq!(two(older("checkit", &desk.key, "document", NOW - 3 * DAY)), Ok(false));
    assert_eq!(two(older("other", &desk.other, "document", NOW - 15 * DAY)), Err(Some("token_stale")));
}

#[test]
fn neither_too_many_nor_one_twice() {
    let desk = Desk::open();
    let good = desk.token(json!({}), json!({}));
    assert_eq!(desk.codes(&[good.clone(), good.clone()]), ["token_count"]);
    assert_eq!(desk.codes(&vec![good; 5]), ["token_count"]);
}

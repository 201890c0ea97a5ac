//! Validation tokens: what a validation entity says about one number, one provider and one control key (REGISTRY.md 2).
//!
//! A token is a compact JWS (RFC 7515) in a profile as strict as RFC 8725 asks for: one type, two algorithms, fixed members. Every
//! mistake of every token is reported, in the order: size, form, header, entity, key, signature, then the claims in the order below.

use zeroize::Zeroizing;

use crate::charter::{Method, MethodClass, Policy};
use crate::log::bytes::{from_base64url, put_lp16};
use crate::log::key::{Algorithm, PublicKey, Thumbprint};
use crate::log::label::Label;
use crate::log::{Hash, sha256};
use crate::number::Number;
use crate::registry::json::Json;
use crate::registry::nonce::{BadNonce, NonceKey};
use crate::registry::refusal::{self, Reason, Refusal};
use crate::registry::register::{EntityStatus, Register};
use crate::registry::terms::DAY_S;

/// The type of a validation token (`typ`).
pub const TYPE: &str = "enum-validation+jwt";
/// The most tokens of a submission: one a method, and two methods suffice.
pub const TOKENS_MAX: usize = 4;
/// The longest token in characters; an honest one has about 900.
pub const TOKEN_LEN_MAX: usize = 4096;
/// The most methods behind one token.
const METHODS_MAX: usize = 8;
/// The longest `jti`.
const JTI_LEN_MAX: usize = 128;
/// For how long after its validation a used token is remembered, in days: longer than any charter may take one.
const MEMORY_D: u64 = 31;
/// The order n of P-256 (SEC 2, 2.4.2), big-endian.
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7,
    0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// What a token must fit.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    /// Who is accredited.
    pub register: &'a Register,
    /// Methods and ages.
    pub policy: &'a Policy,
    /// The key of the nonces of `prepare`.
    pub nonce_key: &'a NonceKey,
    /// The apex of the directory, the audience; a final dot does not matter.
    pub apex: &'a str,
    /// The number of the submission.
    pub number: Number,
    /// Its label.
    pub label: &'a Label,
    /// The provider that submits.
    pub provider: &'a str,
    /// The control key of the event; `None` if the event could not be read.
    pub control: Option<&'a Thumbprint>,
    /// Unix seconds.
    pub now_s: u64,
}

/// What good tokens say together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validation {
    /// The tokens to mark as used, all together.
    pub used: Vec<UsedToken>,
    /// The earliest `vex`, Unix seconds: a registration may not outlive it (clause 3.3).
    pub until_s: u64,
    /// The shortest `vex - vat`, seconds: what a renewal inside the window adds to the old end (clause 5.2).
    pub period_s: u64,
    /// Whether they prove by one method of each class, far enough apart (clause 3.4).
    pub two_methods: bool,
    /// When the methods of class record were used, Unix seconds, in order: what a second round counts (clause 6.3).
    pub record_s: Vec<u64>,
    /// When the line itself was tried last, Unix seconds: who takes a number back still has it (clause 6.10).
    pub line_s: Option<u64>,
    /// By which keys they were signed, and when, in the order of the tokens.
    pub rests_on: Vec<Basis>,
}

/// What a validation rests on: if the key turns out to have been in other hands, the validation does not count (clause 7.11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis {
    /// The validation entity.
    pub entity: String,
    /// The thumbprint of its key.
    pub key: Thumbprint,
    /// When the token was minted (`iat`), Unix seconds.
    pub issued_s: u64,
    /// The ids of the methods.
    pub methods: Vec<String>,
    /// The control key that it names.
    pub control: Thumbprint,
    /// Its commitment to the evidence (`evd`), which an audit opens.
    pub evidence: Hash,
}

/// A token that must not be taken again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedToken {
    /// Names issuer and `jti` without telling them.
    pub hash: Hash,
    /// When it can be forgotten, Unix seconds.
    pub forget_s: u64,
}

impl UsedToken {
    /// The name under which the ledger keeps it: half of the hash names a token well enough.
    pub fn short(&self) -> [u8; 16] {
        *self.hash.first_chunk().expect("a hash has 32 bytes")
    }
}

impl Validation {
    /// Whether there were two validations by class record, both since `since_s` and `apart_s` or more apart (clause 6.3).
    pub fn is_second_round(&self, since_s: u64, apart_s: u64) -> bool {
        let first = self.record_s.iter().find(|at_s| **at_s >= since_s);
        first.zip(self.record_s.last()).is_some_and(|(first, last)| last.saturating_sub(*first) >= apart_s)
    }
}

/// The verdict on the tokens of a submission.
pub struct Verdict {
    /// What they say, if all are good and there is one at least.
    pub validation: Option<Validation>,
    /// The secret half of the ephemeral key of the newest token's nonce, if that is good.
    pub ephemeral: Option<Zeroizing<[u8; 32]>>,
    /// Every mistake, token by token.
    pub refusals: Vec<Refusal>,
}

/// Verifies the tokens of a submission.
pub fn verify(tokens: &[String], expected: &Expected<'_>) -> Verdict {
    let mut verdict = Verdict { validation: None, ephemeral: None, refusals: Vec::new() };
    if tokens.len() > TOKENS_MAX {
        let detail = format!("{} tokens; at most {TOKENS_MAX}", tokens.len());
        verdict.refusals.push(refusal::TOKEN_COUNT.at("/validation", detail));
        return verdict;
    }
    let mut claims = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        let mut reading = Reading { expected, at: format!("/validation/{i}"), refusals: Vec::new() };
        claims.extend(reading.token(token));
        verdict.refusals.append(&mut reading.refusals);
    }
    // Of two of one age the later in the list is the newest: a provider sends tokens in the order in which it got them.
    let newest = claims.iter().enumerate().max_by_key(|(i, claims)| (claims.vat_s, *i)).map(|(i, _)| i);
    for (i, token) in claims.iter().enumerate() {
        let mut reading = Reading { expected, at: token.at.clone(), refusals: Vec::new() };
        if let Some(secret) = reading.age(token, Some(i) == newest) {
            verdict.ephemeral = Some(secret);
        }
        verdict.refusals.append(&mut reading.refusals);
    }
    let used: Vec<UsedToken> = claims.iter().map(Claims::used).collect();
    if (1..used.len()).any(|i| used[..i].iter().any(|other| other.hash == used[i].hash)) {
        verdict.refusals.push(refusal::TOKEN_COUNT.at("/validation", "a token comes twice"));
    }
    if verdict.refusals.is_empty() && !claims.is_empty() {
        verdict.validation = Some(Validation {
            used,
            until_s: claims.iter().map(|token| token.vex_s).min().unwrap_or(0),
            period_s: claims.iter().map(|token| token.vex_s - token.vat_s).min().unwrap_or(0),
            two_methods: two_methods(&claims, expected),
            record_s: record_s(&claims),
            line_s: line_s(&claims),
            rests_on: claims.iter().filter_map(|token| token.basis.clone()).collect(),
        });
    }
    verdict
}

/// The claims of a token whose form is good.
struct Claims {
    at: String,
    entity: String,
    jti: String,
    methods: Vec<Method>,
    vat_s: u64,
    vex_s: u64,
    nonce: Option<String>,
    basis: Option<Basis>,
}

impl Claims {
    fn used(&self) -> UsedToken {
        let mut name = b"callbook/jti/v1\0".to_vec();
        put_lp16(&mut name, self.entity.as_bytes());
        put_lp16(&mut name, self.jti.as_bytes());
        UsedToken { hash: sha256(&[&name]), forget_s: self.vat_s.saturating_add(MEMORY_D * DAY_S) }
    }

    fn has(&self, class: MethodClass) -> bool {
        self.methods.iter().any(|method| method.class == class)
    }
}

/// When the holder was validated by a method of class record.
fn record_s(claims: &[Claims]) -> Vec<u64> {
    let mut found: Vec<u64> =
        claims.iter().filter(|token| token.has(MethodClass::Record)).map(|token| token.vat_s).collect();
    found.sort_unstable();
    found
}

/// When a method of class possession was used last.
fn line_s(claims: &[Claims]) -> Option<u64> {
    claims.iter().filter(|token| token.has(MethodClass::Possession)).map(|token| token.vat_s).max()
}

/// One token of each class, far enough apart, of two entities where two are in good standing.
fn two_methods(claims: &[Claims], expected: &Expected<'_>) -> bool {
    let gap_s = expected.policy.two_method_gap_h * 3600;
    let standing = expected.register.entities().filter(|entity| entity.status == EntityStatus::Accredited).count();
    claims.iter().filter(|token| token.has(MethodClass::Possession)).any(|a| {
        claims
            .iter()
            .filter(|token| token.has(MethodClass::Record))
            .any(|b| a.vat_s.abs_diff(b.vat_s) >= gap_s && (standing < 2 || a.entity != b.entity))
    })
}

/// One token under the reader's eye, and what is wrong with it so far.
struct Reading<'a> {
    expected: &'a Expected<'a>,
    at: String,
    refusals: Vec<Refusal>,
}

impl Reading<'_> {
    fn wrong(&mut self, reason: &'static Reason, detail: &str) {
        self.refusals.push(reason.at(self.at.clone(), detail));
    }

    /// Form, header, key, signature and those claims that do not depend on the other tokens.
    fn token(&mut self, token: &str) -> Option<Claims> {
        if token.len() > TOKEN_LEN_MAX {
            self.wrong(&refusal::TOKEN_SIZE, "the token is too long");
            return None;
        }
        let Some((signed, [header, claims, signature])) = parts(token) else {
            self.wrong(&refusal::TOKEN_FORM, "this is not a compact JWS in canonical base64url");
            return None;
        };
        let objects =
            (Json::parse(&header).and_then(Json::into_object), Json::parse(&claims).and_then(Json::into_object));
        let (Some(header), Some(claims)) = objects else {
            self.wrong(&refusal::TOKEN_FORM, "header and claims are not JSON objects with each member once");
            return None;
        };
        let issuer = member(&claims, "iss").and_then(Json::text).unwrap_or_default().to_owned();
        self.signature(&header, &issuer, signed, &signature);
        let key = member(&header, "kid").and_then(Json::text).and_then(from_base64url);
        let (key, issued_s) = (key.and_then(|kid| kid.try_into().ok()), member(&claims, "iat").and_then(Json::integer));
        let list = member(&claims, "mth").and_then(Json::list).unwrap_or_default();
        let methods = list.iter().filter_map(Json::text).map(str::to_owned).collect();
        let hash = |value: Option<&Json>| from_base64url(value.and_then(Json::text)?)?.try_into().ok();
        let evidence = hash(member(&claims, "evd"));
        let control = self.expected.control.copied(); // the binding is checked below
        let mut read = self.claims(&claims, issuer)?;
        let entity = read.entity.clone();
        let rest = key.zip(issued_s).zip(control.zip(evidence));
        read.basis = rest.map(|((key, issued_s), (control, evidence))| Basis {
            entity,
            key,
            issued_s,
            methods,
            control,
            evidence,
        });
        Some(read)
    }

    /// Header, entity, key, signature.
    fn signature(&mut self, header: &[(String, Json)], issuer: &str, signed: &str, signature: &[u8]) {
        if member(header, "crit").is_some() {
            self.wrong(&refusal::TOKEN_CRITICAL, "crit names an extension that is not known here");
        }
        let known = |name: &str| ["typ", "alg", "kid", "crit"].contains(&name);
        if member(header, "typ").and_then(Json::text) != Some(TYPE) || header.iter().any(|(name, _)| !known(name)) {
            self.wrong(&refusal::TOKEN_HEADER, "typ is wrong or missing, or there are other members");
        }
        let algorithm = match member(header, "alg").and_then(Json::text) {
            Some("EdDSA") => Some(Algorithm::Ed25519),
            Some("ES256") => Some(Algorithm::Es256),
            _ => None,
        };
        if algorithm.is_none() {
            self.wrong(&refusal::TOKEN_ALGORITHM, "alg is neither EdDSA nor ES256");
        }
        let Some(entity) = self.expected.register.entity(issuer) else {
            return self.wrong(&refusal::TOKEN_ENTITY, "iss is no validation entity of the register");
        };
        if entity.status == EntityStatus::Suspended {
            self.wrong(&refusal::TOKEN_ENTITY_SUSPENDED, "the entity is suspended");
        }
        let Some(key) = member(header, "kid").and_then(Json::text).and_then(|kid| entity.token_key(kid)) else {
            return self.wrong(&refusal::TOKEN_KEY, "kid names no key of the entity");
        };
        match algorithm {
            None => {}
            Some(algorithm) if algorithm != key.algorithm() => {
                self.wrong(&refusal::TOKEN_ALGORITHM, "alg is not the algorithm of the key");
            }
            Some(_) if !verifies(key, signed, signature) => {
                self.wrong(&refusal::TOKEN_SIGNATURE, "the signature is not good");
            }
            Some(_) => {}
        }
    }

    /// The claims: all of them, nothing else, and each as it must be.
    fn claims(&mut self, claims: &[(String, Json)], entity: String) -> Option<Claims> {
        const NAMES: [&str; 12] =
            ["iss", "aud", "jti", "iat", "sub", "prv", "mth", "vat", "vex", "cnf", "evd", "nonce"];
        if let Some((name, _)) = claims.iter().find(|(name, _)| !NAMES.contains(&name.as_str())) {
            let shown: String = name.chars().take(32).collect();
            self.wrong(&refusal::TOKEN_CLAIMS, &format!("{shown:?} is no claim of a validation token"));
        }
        let text = |name| member(claims, name).and_then(Json::text);
        let expected = self.expected;
        let subject = format!("tel:{}", expected.number);
        for (name, reason, good) in [
            ("aud", &refusal::TOKEN_AUDIENCE, text("aud").map(|aud| same_name(aud, expected.apex))),
            ("sub", &refusal::TOKEN_SUBJECT, text("sub").map(|sub| sub == subject)),
            ("prv", &refusal::TOKEN_PROVIDER, text("prv").map(|prv| prv == expected.provider)),
        ] {
            if good != Some(true) {
                self.wrong(reason, &format!("{name} is missing or another one"));
            }
        }
        self.binding(member(claims, "cnf"));
        let methods = self.methods(member(claims, "mth"));
        let jti = text("jti")
            .filter(|jti| (1..=JTI_LEN_MAX).contains(&jti.len()) && jti.bytes().all(|b| b.is_ascii_graphic()));
        let evd = text("evd").and_then(from_base64url).filter(|evd| evd.len() == 32);
        let nonce = match member(claims, "nonce") {
            None => Some(None),
            Some(value) => value.text().map(|nonce| Some(nonce.to_owned())),
        };
        let integer = |name| member(claims, name).and_then(Json::integer);
        let (Some(jti), Some(_), Some(nonce), Some(iat_s), Some(vat_s), Some(vex_s)) =
            (jti, evd, nonce, integer("iat"), integer("vat"), integer("vex"))
        else {
            self.wrong(&refusal::TOKEN_CLAIMS, "jti, iat, vat, vex, evd or nonce is missing or not of its form");
            return None;
        };
        self.times(iat_s, vat_s, vex_s, &methods);
        (vat_s <= vex_s).then(|| Claims {
            at: self.at.clone(),
            entity,
            jti: jti.to_owned(),
            methods,
            vat_s,
            vex_s,
            nonce,
            basis: None,
        })
    }

    fn binding(&mut self, cnf: Option<&Json>) {
        let jkt = match cnf {
            Some(Json::Object(members)) if members.len() == 1 => member(members, "jkt").and_then(Json::text),
            _ => None,
        };
        let jkt = jkt.and_then(from_base64url);
        let bound = |control: &Thumbprint| jkt.as_deref() == Some(&control[..]);
        if jkt.is_none() || !self.expected.control.is_none_or(bound) {
            self.wrong(&refusal::TOKEN_BINDING, "cnf is not exactly the jkt of the control key");
        }
    }

    fn methods(&mut self, mth: Option<&Json>) -> Vec<Method> {
        let ids: Option<Vec<&str>> = mth.and_then(Json::list).and_then(|list| list.iter().map(Json::text).collect());
        let ids = ids.filter(|ids| (1..=METHODS_MAX).contains(&ids.len())).unwrap_or_default();
        let twice = (1..ids.len()).any(|i| ids[..i].contains(&ids[i]));
        let methods: Vec<Method> = ids.iter().filter_map(|id| self.expected.policy.methods.get(*id).copied()).collect();
        if ids.is_empty() || twice || methods.len() != ids.len() {
            self.wrong(&refusal::TOKEN_METHOD, "mth is not a list of the charter's methods, each once");
        }
        methods
    }

    fn times(&mut self, iat_s: u64, vat_s: u64, vex_s: u64, methods: &[Method]) {
        let (now_s, policy) = (self.expected.now_s, self.expected.policy);
        if iat_s > now_s.saturating_add(policy.clock_skew_max_s) || vat_s > iat_s {
            self.wrong(&refusal::TOKEN_TIME, "iat lies in the future, or vat after iat");
        }
        if vex_s <= now_s {
            self.wrong(&refusal::TOKEN_EXPIRED, "vex is over");
        }
        let weakest_d = methods.iter().map(|method| method.validity_max_d).min();
        if let Some(days) = weakest_d.filter(|days| vex_s > vat_s.saturating_add(days * DAY_S)) {
            self.wrong(&refusal::TOKEN_VALIDITY, &format!("vex is more than {days} days after vat"));
        } else if vex_s < vat_s {
            self.wrong(&refusal::TOKEN_VALIDITY, "vex lies before vat");
        }
    }

    /// The age that the token's place allows, and the nonce of the newest; gives the ephemeral secret of a good nonce.
    fn age(&mut self, claims: &Claims, newest: bool) -> Option<Zeroizing<[u8; 32]>> {
        let (expected, policy) = (self.expected, self.expected.policy);
        let age_max_s = if newest { policy.token_age_max_h * 3600 } else { policy.token_second_age_max_d * DAY_S };
        if claims.vat_s.saturating_add(age_max_s) < expected.now_s {
            self.wrong(&refusal::TOKEN_STALE, &format!("the validation is more than {age_max_s} s old"));
        }
        if !newest {
            return None;
        }
        let nonce = claims.nonce.as_deref().unwrap_or_default();
        match expected.nonce_key.check(nonce, expected.provider, expected.label, expected.now_s) {
            Ok(secret) => return Some(secret),
            Err(BadNonce::Foreign) if nonce.is_empty() => {
                self.wrong(&refusal::TOKEN_NONCE, "the newest token has no nonce")
            }
            Err(bad) => self.wrong(&refusal::TOKEN_NONCE, &bad.to_string()),
        }
        None
    }
}

/// The signed text and the three decoded parts of a compact JWS.
fn parts(token: &str) -> Option<(&str, [Vec<u8>; 3])> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?; // a fourth part leaves a dot in `claims`, which is no base64url
    Some((signed, [from_base64url(header)?, from_base64url(claims)?, from_base64url(signature)?]))
}

fn member<'a>(object: &'a [(String, Json)], name: &str) -> Option<&'a Json> {
    object.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// Whether two domain names are the same, a final dot and case aside.
fn same_name(a: &str, b: &str) -> bool {
    a.strip_suffix('.').unwrap_or(a).eq_ignore_ascii_case(b.strip_suffix('.').unwrap_or(b))
}

/// JWS takes an ES256 signature with either s; our keys take the low one only, so a high one is folded first. That gives a
/// stranger a second form of a token and nothing else: `jti` is used once.
fn verifies(key: &PublicKey, signed: &str, signature: &[u8]) -> bool {
    let Ok(mut signature) = <[u8; 64]>::try_from(signature) else { return false };
    if key.verify(signed.as_bytes(), &signature) {
        return true;
    }
    key.algorithm() == Algorithm::Es256 && fold(&mut signature) && key.verify(signed.as_bytes(), &signature)
}

/// Turns s into n - s; false if s is not below n.
fn fold(signature: &mut [u8; 64]) -> bool {
    let mut borrow = 0i16;
    for (s, n) in signature[32..].iter_mut().zip(P256_ORDER).rev() {
        let difference = i16::from(n) - i16::from(*s) - borrow;
        borrow = i16::from(difference < 0);
        *s = difference.rem_euclid(256) as u8;
    }
    borrow == 0
}

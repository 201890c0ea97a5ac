//! The validation entity's side: mints the token that says who was shown to hold a number, when and how.
//!
//! A compact JWS (RFC 7515) of type `enum-validation+jwt`, minted last, after the validation and with the nonce.

use serde::Serialize;

use crate::log::Hash;
use crate::log::bytes::to_base64url;
use crate::log::key::{SigningKey, Thumbprint};
use crate::log::random::{NoRandomness, Random};
use crate::number::Number;

/// The `typ` of a validation token (RFC 8725 3.11: explicit, so that no other JWT passes for one).
pub const TYPE: &str = "enum-validation+jwt";

/// What a validation token says. Times are Unix seconds. No personal data beyond the number.
///
/// ```
/// use callbook::client::ve::ValidationToken;
/// use callbook::log::key::{Algorithm, SigningKey};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let key = SigningKey::from_bytes(Algorithm::Ed25519, &[3; 32])?; // of the validation entity
/// let control = SigningKey::from_bytes(Algorithm::Ed25519, &[4; 32])?.public().thumbprint();
/// let token = ValidationToken {
///     issuer: "acme".into(),
///     audience: "e164.example.".into(),
///     id: "7Zr1".into(),
///     issued_s: 1_800_000_000,
///     number: "+447700900123".parse()?,
///     provider: "acme".into(),
///     methods: vec!["sms".into()],
///     validated_s: 1_799_999_000,
///     expires_s: 1_807_775_000,
///     control,
///     evidence: [0; 32],
///     nonce: Some("n-0S6".into()),
/// };
/// assert_eq!(token.mint(&key).split('.').count(), 3);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationToken {
    /// `iss`: the validation entity's id.
    pub issuer: String,
    /// `aud`: the directory's apex.
    pub audience: String,
    /// `jti`: unique for this entity, used once; see [`token_id`].
    pub id: String,
    /// `iat`: when it was minted.
    pub issued_s: u64,
    /// `sub`: the number, as a `tel:` URI (RFC 3966).
    pub number: Number,
    /// `prv`: the provider that it is made for.
    pub provider: String,
    /// `mth`: the methods' ids.
    pub methods: Vec<String>,
    /// `vat`: when the holder was validated.
    pub validated_s: u64,
    /// `vex`: until when that is good.
    pub expires_s: u64,
    /// `cnf.jkt`: the control key that it is bound to (RFC 9449 6.1).
    pub control: Thumbprint,
    /// `evd`: SHA-256 commitment to the evidence that the entity keeps.
    pub evidence: Hash,
    /// `nonce`: the directory's; only in the newest token of a submission.
    pub nonce: Option<String>,
}

impl ValidationToken {
    /// The compact JWS, signed by a key of the entity; `kid` is the key's thumbprint.
    pub fn mint(&self, key: &SigningKey) -> String {
        let public = key.public();
        let kid = to_base64url(&public.thumbprint());
        let header = Header { typ: TYPE, alg: public.algorithm().jws_name(), kid: &kid };
        let signed = format!("{}.{}", encode(&header), encode(&self.claims()));
        let signature = to_base64url(&key.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn claims(&self) -> Claims<'_> {
        Claims {
            iss: &self.issuer,
            aud: &self.audience,
            jti: &self.id,
            iat: self.issued_s,
            sub: format!("tel:{}", self.number),
            prv: &self.provider,
            mth: &self.methods,
            vat: self.validated_s,
            vex: self.expires_s,
            cnf: Confirmation { jkt: to_base64url(&self.control) },
            evd: to_base64url(&self.evidence),
            nonce: self.nonce.as_deref(),
        }
    }
}

/// A fresh `jti`: 128 random bits in base64url.
pub fn token_id(random: &dyn Random) -> Result<String, NoRandomness> {
    let mut id = [0; 16];
    random.fill(&mut id)?;
    Ok(to_base64url(&id))
}

#[derive(Serialize)]
struct Header<'a> {
    typ: &'a str,
    alg: &'a str,
    kid: &'a str,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    jti: &'a str,
    iat: u64,
    sub: String,
    prv: &'a str,
    mth: &'a [String],
    vat: u64,
    vex: u64,
    cnf: Confirmation,
    evd: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

#[derive(Serialize)]
struct Confirmation {
    jkt: String,
}

fn encode<T: Serialize>(part: &T) -> String {
    to_base64url(&serde_json::to_vec(part).expect("texts and integers always have a JSON form"))
}

//! Mints validation tokens: the validation entity's side of [`token`](crate::registry::token).

use serde_json::json;

use crate::log::Hash;
use crate::log::bytes::to_base64url;
use crate::log::key::{SigningKey, Thumbprint};
use crate::number::Number;
use crate::registry::register::kid;
use crate::registry::token::TYPE;

/// What a token says. Times are Unix seconds.
#[derive(Clone, Debug)]
pub struct Statement<'a> {
    /// The validation entity's id.
    pub entity: &'a str,
    /// The apex of the directory.
    pub apex: &'a str,
    /// Unique for this entity: 8 to 128 printable characters.
    pub jti: &'a str,
    /// When it is minted.
    pub issued_s: u64,
    /// The number that was validated.
    pub number: Number,
    /// The provider that it is made for.
    pub provider: &'a str,
    /// The methods, by the charter's ids.
    pub methods: &'a [&'a str],
    /// When the number was validated.
    pub validated_s: u64,
    /// When the validation ends.
    pub expires_s: u64,
    /// The holder's control key.
    pub control: &'a Thumbprint,
    /// The commitment to the evidence that the entity keeps.
    pub evidence: &'a Hash,
    /// The nonce of `prepare`; the newest token of a submission needs it.
    pub nonce: Option<&'a str>,
}

impl Statement<'_> {
    /// The compact JWS, signed with the entity's token key.
    pub fn sign(&self, key: &SigningKey) -> String {
        let header = json!({ "typ": TYPE, "alg": key.public().algorithm().jws_name(), "kid": kid(key.public()) });
        let mut claims = json!({
            "iss": self.entity,
            "aud": self.apex.strip_suffix('.').unwrap_or(self.apex),
            "jti": self.jti,
            "iat": self.issued_s,
            "sub": format!("tel:{}", self.number),
            "prv": self.provider,
            "mth": self.methods,
            "vat": self.validated_s,
            "vex": self.expires_s,
            "cnf": { "jkt": to_base64url(self.control) },
            "evd": to_base64url(self.evidence),
        });
        if let Some(nonce) = self.nonce {
            claims["nonce"] = nonce.into();
        }
        compact(&header.to_string(), &claims.to_string(), key)
    }
}

/// A compact JWS over any header and claims (RFC 7515 7.1); tests sign wrong ones with it.
pub fn compact(header: &str, claims: &str, key: &SigningKey) -> String {
    let signed = format!("{}.{}", to_base64url(header.as_bytes()), to_base64url(claims.as_bytes()));
    let signature = to_base64url(&key.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

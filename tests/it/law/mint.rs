//! Mints validation tokens, right ones and wrong ones.

use serde_json::json;

use callbook::log::Hash;
use callbook::log::bytes::to_base64url;
use callbook::log::key::{SigningKey, Thumbprint};
use callbook::number::Number;
use callbook::registry::register::kid;
use callbook::registry::token::TYPE;

/// What a token says. Times are Unix seconds.
#[derive(Clone, Debug)]
pub(super) struct Statement<'a> {
    /// The validation entity's id.
    pub(super) entity: &'a str,
    /// The apex of the directory.
    pub(super) apex: &'a str,
    /// Unique for this entity: 8 to 128 printable characters.
    pub(super) jti: &'a str,
    /// When it is minted.
    pub(super) issued_s: u64,
    /// The number that was validated.
    pub(super) number: Number,
    /// The provider that it is made for.
    pub(super) provider: &'a str,
    /// The methods, by the charter's ids.
    pub(super) methods: &'a [&'a str],
    /// When the number was validated.
    pub(super) validated_s: u64,
    /// When the validation ends.
    pub(super) expires_s: u64,
    /// The holder's control key.
    pub(super) control: &'a Thumbprint,
    /// The commitment to the evidence that the entity keeps.
    pub(super) evidence: &'a Hash,
    /// The nonce of `prepare`; the newest token of a submission needs it.
    pub(super) nonce: Option<&'a str>,
}

impl Statement<'_> {
    /// The compact JWS, signed with the entity's token key.
    pub(super) fn sign(&self, key: &SigningKey) -> String {
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
pub(super) fn compact(header: &str, claims: &str, key: &SigningKey) -> String {
    let signed = format!("{}.{}", to_base64url(header.as_bytes()), to_base64url(claims.as_bytes()));
    let signature = to_base64url(&key.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

//! Signs any header and claims as a token; right tokens are minted by the client's own code.

use callbook::log::bytes::to_base64url;
use callbook::log::key::SigningKey;

/// A compact JWS over any header and claims (RFC 7515 7.1).
pub(super) fn compact(header: &str, claims: &str, key: &SigningKey) -> String {
    let signed = format!("{}.{}", to_base64url(header.as_bytes()), to_base64url(claims.as_bytes()));
    let signature = to_base64url(&key.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

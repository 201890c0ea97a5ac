//! The nonce of `prepare`: it proves that a token was minted for this provider and number just now, and nothing is stored for it.
//!
//! `nonce = base64url(u64 expiry ‖ HMAC-SHA256(key, "callbook/nonce/v1\0" ‖ lp16(provider) ‖ label ‖ u64 expiry))`. The secret half of
//! the ephemeral key that X25519 keys prove their possession against is an HMAC over the nonce, under the same key.

use ring::hmac;
use zeroize::Zeroizing;

use crate::log::bytes::{from_base64url, put_lp16, to_base64url};
use crate::log::label::Label;
use crate::log::possession::x25519_public;

/// Expiry and MAC.
const NONCE_LEN: usize = 8 + 32;

/// The server's key for nonces. A new one voids every open preparation, nothing more.
pub struct NonceKey(hmac::Key);

/// Never the key.
impl std::fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NonceKey")
    }
}

/// Why a nonce is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadNonce {
    /// Not of this directory, or for another provider or number.
    #[error("the nonce is not one of this directory for this provider and number")]
    Foreign,
    /// Its time is over.
    #[error("the nonce has expired")]
    Expired,
}

impl NonceKey {
    /// A key of 32 random bytes.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The nonce for a provider and label that is good until `expiry_s` (Unix seconds).
    pub fn make(&self, provider: &str, label: &Label, expiry_s: u64) -> String {
        let mac = hmac::sign(&self.0, &Self::message(provider, label, expiry_s));
        to_base64url(&[&expiry_s.to_be_bytes()[..], mac.as_ref()].concat())
    }

    /// Takes a nonce back at `now_s` and gives the secret half of its ephemeral key.
    pub fn check(
        &self,
        nonce: &str,
        provider: &str,
        label: &Label,
        now_s: u64,
    ) -> Result<Zeroizing<[u8; 32]>, BadNonce> {
        let raw: [u8; NONCE_LEN] =
            from_base64url(nonce).and_then(|raw| raw.try_into().ok()).ok_or(BadNonce::Foreign)?;
        let (expiry, mac) = raw.split_first_chunk::<8>().ok_or(BadNonce::Foreign)?;
        let expiry_s = u64::from_be_bytes(*expiry);
        hmac::verify(&self.0, &Self::message(provider, label, expiry_s), mac).map_err(|_| BadNonce::Foreign)?;
        if now_s > expiry_s {
            return Err(BadNonce::Expired);
        }
        Ok(self.ephemeral_secret(nonce))
    }

    /// The public half of a nonce's ephemeral X25519 key, for the answer of `prepare`.
    pub fn ephemeral(&self, nonce: &str) -> [u8; 32] {
        x25519_public(&self.ephemeral_secret(nonce))
    }

    fn ephemeral_secret(&self, nonce: &str) -> Zeroizing<[u8; 32]> {
        let mac = hmac::sign(&self.0, &[b"callbook/ephemeral/v1\0", nonce.as_bytes()].concat());
        Zeroizing::new(mac.as_ref().try_into().expect("HMAC-SHA256 gives 32 bytes"))
    }

    fn message(provider: &str, label: &Label, expiry_s: u64) -> Vec<u8> {
        let mut message = b"callbook/nonce/v1\0".to_vec();
        put_lp16(&mut message, provider.as_bytes());
        message.extend_from_slice(label.as_bytes());
        message.extend_from_slice(&expiry_s.to_be_bytes());
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_good_for_its_provider_its_number_and_its_time() {
        let (key, label) = (NonceKey::new(&[1; 32]), Label([2; 32]));
        let nonce = key.make("acme", &label, 1000);
        let secret = key.check(&nonce, "acme", &label, 1000).unwrap();
        assert_eq!(x25519_public(&secret), key.ephemeral(&nonce));
        assert_eq!(key.check(&nonce, "acme", &label, 1001), Err(BadNonce::Expired));
        assert_eq!(key.check(&nonce, "bell", &label, 1000), Err(BadNonce::Foreign));
        assert_eq!(key.check(&nonce, "acme", &Label([3; 32]), 1000), Err(BadNonce::Foreign));
        assert_eq!(NonceKey::new(&[4; 32]).check(&nonce, "acme", &label, 1000), Err(BadNonce::Foreign));
        let later = [&2000u64.to_be_bytes()[..], &from_base64url(&nonce).unwrap()[8..]].concat();
        for forged in ["", "x", &to_base64url(&later), &nonce[1..], &format!("{nonce}A")] {
            assert_eq!(key.check(forged, "acme", &label, 1000), Err(BadNonce::Foreign));
        }
        assert_ne!(key.ephemeral(&nonce), key.ephemeral(&key.make("acme", &label, 1001)));
    }
}

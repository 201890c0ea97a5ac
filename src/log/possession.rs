//! Proof that whoever publishes a key has its private half: bound to one event, kept beside the log.

use curve25519_dalek::MontgomeryPoint;
use zeroize::Zeroizing;

use crate::log::bytes::{Malformed, put_lp16, to_base64url};
use crate::log::key::{PublicKey, SPKI_X25519, SigningKey, Thumbprint};
use crate::log::record::Prefix;
use crate::log::{Hash, hmac_sha256, sha256};

/// A key that a TLSA 3 1 0 record publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishedKey {
    /// A key that signs: `_id`, `_mls`.
    Signing(PublicKey),
    /// A key that agrees: `_e2e`.
    X25519([u8; 32]),
}

impl PublishedKey {
    /// The key of a DER SubjectPublicKeyInfo: Ed25519, P-256 (uncompressed) or X25519; one encoding each.
    ///
    /// An X25519 key of low order, with its high bit set or u >= p is refused: it has no secret or a second spelling.
    pub fn from_spki(der: &[u8]) -> Result<Self, Malformed> {
        let Some(key) = der.strip_prefix(&SPKI_X25519) else { return PublicKey::from_spki(der).map(Self::Signing) };
        let bad = Malformed::new("key", "not a proper X25519 public key");
        let key: [u8; 32] = key.try_into().map_err(|_| bad)?;
        let canonical = key[31] & 0x80 == 0 && crate::log::key::is_canonical_y(&key);
        // Multiplying by any clamped scalar (a multiple of 8) takes exactly the points of low order to zero.
        let low_order = shared_secret(&[0; 32], &key).is_none();
        if canonical && !low_order { Ok(Self::X25519(key)) } else { Err(bad) }
    }

    /// The DER SubjectPublicKeyInfo (RFC 8410 4, RFC 5480 2).
    pub fn to_spki(&self) -> Vec<u8> {
        match self {
            Self::Signing(key) => key.to_spki(),
            Self::X25519(key) => [&SPKI_X25519[..], key].concat(),
        }
    }

    /// The RFC 7638 thumbprint.
    pub fn thumbprint(&self) -> Thumbprint {
        match self {
            Self::Signing(key) => key.thumbprint(),
            Self::X25519(key) => {
                sha256(&[format!(r#"{{"crv":"X25519","kty":"OKP","x":"{}"}}"#, to_base64url(key)).as_bytes()])
            }
        }
    }

    /// Whether `proof` shows possession of this key for that event, published under `prefix`.
    ///
    /// A signing key's proof is a signature of 64 bytes over [`tbs`]; an X25519 key's is [`mac`] of 32 bytes under the
    /// secret that it shares with `ephemeral`, the private half of what the server gave out.
    pub fn is_proved_by(&self, proof: &[u8], event_tbs: &[u8], prefix: Prefix, ephemeral: &[u8; 32]) -> bool {
        let spki = self.to_spki();
        match self {
            Self::Signing(key) => {
                proof.try_into().is_ok_and(|signature| key.verify(&tbs(event_tbs, prefix, &spki), signature))
            }
            Self::X25519(key) => shared_secret(ephemeral, key).is_some_and(|shared| {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &*shared);
                ring::hmac::verify(&key, &tbs(event_tbs, prefix, &spki), proof).is_ok()
            }),
        }
    }
}

/// What a proof signs: `"callbook/possession/v1\0" ‖ H(event tbs) ‖ lp16(prefix) ‖ lp16(SubjectPublicKeyInfo)`.
///
/// # Panics
/// If the SubjectPublicKeyInfo is longer than 65535 bytes.
pub fn tbs(event_tbs: &[u8], prefix: Prefix, spki: &[u8]) -> Vec<u8> {
    let mut out = b"callbook/possession/v1\0".to_vec();
    out.extend_from_slice(&sha256(&[event_tbs]));
    put_lp16(&mut out, prefix.as_str().as_bytes());
    put_lp16(&mut out, spki);
    out
}

/// The proof of a signing key.
pub fn signature(key: &SigningKey, event_tbs: &[u8], prefix: Prefix) -> [u8; 64] {
    key.sign(&tbs(event_tbs, prefix, &key.public().to_spki()))
}

/// The proof of an X25519 key: HMAC-SHA256 over [`tbs`] under the shared secret.
pub fn mac(shared: &[u8; 32], event_tbs: &[u8], prefix: Prefix, spki: &[u8]) -> Hash {
    hmac_sha256(shared, &[&tbs(event_tbs, prefix, spki)])
}

/// X25519 (RFC 7748 5): `secret` times the point `public`; `None` if the result is all zero.
pub fn shared_secret(secret: &[u8; 32], public: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
    let shared = Zeroizing::new(MontgomeryPoint(*public).mul_clamped(*secret).to_bytes());
    (*shared != [0; 32]).then_some(shared)
}

/// The X25519 public key of a secret (RFC 7748 6.1).
pub fn x25519_public(secret: &[u8; 32]) -> [u8; 32] {
    MontgomeryPoint::mul_base_clamped(*secret).to_bytes()
}

//! Proof that whoever publishes a key has its private half: bound to one event, kept beside the log.

use curve25519_dalek::MontgomeryPoint;
use zeroize::Zeroizing;

use crate::log::bytes::{Malformed, put_lp16, to_base64url};
use crate::log::key::{PublicKey, SPKI_X25519, SigningKey, Thumbprint};
use crate::log::record::Prefix;
use crate::log::rsa::{RsaPublicKey, RsaScheme};
use crate::log::{Hash, hmac_sha256, sha256};

/// The canonical u of every point of low order on Curve25519 and its twist (RFC 7748 7): 0 (order 2), 1 and p - 1 (order 4),
/// and two of order 8. Comparing costs nothing; finding out by multiplication would cost as much as the proof itself.
const LOW_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    *b"\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    *b"\xec\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    *b"\xe0\xeb\x7a\x7c\x3b\x41\xb8\xae\x16\x56\xe3\xfa\xf1\x9f\xc4\x6a\xda\x09\x8d\xeb\x9c\x32\xb1\xfd\x86\x62\x05\x16\x5f\x49\xb8\x00",
    *b"\x5f\x9c\x95\xbc\xa3\x50\x8c\x24\xb1\xd0\xb1\x55\x9c\x83\xef\x5b\x04\x44\x5c\xc4\x58\x1c\x8e\x86\xd8\x22\x4e\xdd\xd0\x9f\x11\x57",
];

/// A key that a record publishes: by itself in TLSA 3 1 0, or inside an OpenPGP key or a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishedKey {
    /// A key that signs: `_id`, `_mls`, `_sip-client`, `_smimecert`. One of P-256 may agree instead, inside `_openpgpkey`.
    Signing(PublicKey),
    /// A key that agrees: `_e2e`.
    X25519([u8; 32]),
    /// An RSA key: inside `_openpgpkey` and `_smimecert` alone.
    Rsa(RsaPublicKey),
}

impl PublishedKey {
    /// The key of a DER SubjectPublicKeyInfo: Ed25519, P-256 (uncompressed), X25519 or RSA; one encoding each.
    ///
    /// An X25519 key of low order, with its high bit set or u >= p is refused: it has no secret or a second spelling.
    pub fn from_spki(der: &[u8]) -> Result<Self, Malformed> {
        let Some(key) = der.strip_prefix(&SPKI_X25519) else {
            return PublicKey::from_spki(der)
                .map(Self::Signing)
                .or_else(|not_that| RsaPublicKey::from_spki(der).map(Self::Rsa).map_err(|_| not_that));
        };
        let bad = Malformed::new("key", "not a proper X25519 public key");
        let key: [u8; 32] = key.try_into().map_err(|_| bad)?;
        let canonical = key[31] & 0x80 == 0 && crate::log::key::is_canonical_y(&key);
        let low_order = LOW_ORDER.contains(&key);
        if canonical && !low_order { Ok(Self::X25519(key)) } else { Err(bad) }
    }

    /// The DER SubjectPublicKeyInfo (RFC 8410 4, RFC 5480 2, RFC 3279 2.3.1).
    pub fn to_spki(&self) -> Vec<u8> {
        match self {
            Self::Signing(key) => key.to_spki(),
            Self::Rsa(key) => key.to_spki(),
            Self::X25519(key) => [&SPKI_X25519[..], key].concat(),
        }
    }

    /// The RFC 7638 thumbprint.
    pub fn thumbprint(&self) -> Thumbprint {
        match self {
            Self::Signing(key) => key.thumbprint(),
            Self::Rsa(key) => key.thumbprint(),
            Self::X25519(key) => {
                sha256(&[format!(r#"{{"crv":"X25519","kty":"OKP","x":"{}"}}"#, to_base64url(key)).as_bytes()])
            }
        }
    }

    /// Whether `proof` shows possession of this key for that event, published under `prefix`.
    ///
    /// A signing key's proof is a signature of 64 bytes over [`tbs`], an RSA key's one of RSASSA-PSS with SHA-256, as long
    /// as its modulus; an X25519 key's is [`mac`] of 32 bytes under the secret that it shares with `ephemeral`, the
    /// private half of what the server gave out.
    pub fn is_proved_by(&self, proof: &[u8], event_tbs: &[u8], prefix: Prefix, ephemeral: &[u8; 32]) -> bool {
        let spki = self.to_spki();
        match self {
            Self::Signing(key) => {
                proof.try_into().is_ok_and(|signature| key.verify(&tbs(event_tbs, prefix, &spki), signature))
            }
            Self::Rsa(key) => key.verify(RsaScheme::PssSha256, &tbs(event_tbs, prefix, &spki), proof),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_order_points_share_no_secret() {
        for key in LOW_ORDER {
            assert!(shared_secret(&[0x42; 32], &key).is_none(), "{key:02x?}");
            assert!(PublishedKey::from_spki(&PublishedKey::X25519(key).to_spki()).is_err());
        }
        for u in 2..=255 {
            let mut key = [0; 32];
            key[0] = u;
            assert!(shared_secret(&[0x42; 32], &key).is_some(), "u = {u}");
        }
    }
}

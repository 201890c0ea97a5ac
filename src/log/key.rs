//! Keys that sign: Ed25519 and ES256, strict enough that nobody but the signer can make a second form of a signature.

use std::fmt;
use std::sync::LazyLock;

use curve25519_dalek::constants::EIGHT_TORSION;
use ed25519_dalek::{Signature as EdSignature, Signer, Verifier, VerifyingKey};
use p256::elliptic_curve::sec1::ToSec1Point;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

use crate::log::bytes::{Malformed, to_base64url};
use crate::log::random::{NoRandomness, Random};
use crate::log::{Hash, sha256};

/// The RFC 7638 SHA-256 thumbprint that names a key everywhere; its base64url is `cnf.jkt`.
pub type Thumbprint = Hash;

/// A signature algorithm of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032), verified strictly.
    Ed25519 = 1,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 3.4), low s only.
    Es256 = 2,
}

impl Algorithm {
    /// The algorithm of that number.
    pub const fn from_u8(n: u8) -> Option<Self> {
        match n {
            1 => Some(Self::Ed25519),
            2 => Some(Self::Es256),
            _ => None,
        }
    }

    /// Its name in a JWS header (RFC 8037, RFC 7518).
    pub const fn jws_name(self) -> &'static str {
        match self {
            Self::Ed25519 => "EdDSA",
            Self::Es256 => "ES256",
        }
    }
}

/// A public key that is known to be a proper point: on its curve, canonical, not of small order.
#[derive(Clone)]
pub struct PublicKey(Point);

#[derive(Clone)]
enum Point {
    Ed25519(VerifyingKey),
    /// SEC1, uncompressed (as ring wants it) and compressed (as the log writes it).
    Es256 {
        uncompressed: [u8; 65],
        compressed: [u8; 33],
    },
}

/// DER of a SubjectPublicKeyInfo up to the key: Ed25519 and X25519 (RFC 8410), P-256 uncompressed (RFC 5480).
const SPKI_ED25519: [u8; 12] = *b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
pub(crate) const SPKI_X25519: [u8; 12] = *b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00";
const SPKI_P256: [u8; 26] =
    *b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";

impl PublicKey {
    /// Takes the key as the log writes it: 32 bytes for Ed25519, 33 (SEC1 compressed) for ES256.
    pub fn new(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, Malformed> {
        let point = match algorithm {
            Algorithm::Ed25519 => bytes.try_into().ok().and_then(ed25519_point),
            Algorithm::Es256 => bytes.try_into().ok().and_then(|compressed: [u8; 33]| p256_point(&compressed)),
        };
        point.map(Self).ok_or(Malformed::new("key", "not a proper point of its curve in its canonical form"))
    }

    /// The key of a DER SubjectPublicKeyInfo: Ed25519, or P-256 with an uncompressed point; one encoding each.
    pub fn from_spki(der: &[u8]) -> Result<Self, Malformed> {
        if let Some(key) = der.strip_prefix(&SPKI_ED25519) {
            return Self::new(Algorithm::Ed25519, key);
        }
        let point = der.strip_prefix(&SPKI_P256).filter(|point| point.len() == 65 && point[0] == 4);
        let point = point.ok_or(Malformed::new("key", "neither an Ed25519 nor a P-256 SubjectPublicKeyInfo"))?;
        p256_point(point).map(Self).ok_or(Malformed::new("key", "not a point of P-256"))
    }

    /// The DER SubjectPublicKeyInfo, as TLSA 3 1 0 publishes it.
    pub fn to_spki(&self) -> Vec<u8> {
        match &self.0 {
            Point::Ed25519(key) => [&SPKI_ED25519[..], key.as_bytes()].concat(),
            Point::Es256 { uncompressed, .. } => [&SPKI_P256[..], uncompressed].concat(),
        }
    }

    /// What kind of key it is.
    pub const fn algorithm(&self) -> Algorithm {
        match self.0 {
            Point::Ed25519(_) => Algorithm::Ed25519,
            Point::Es256 { .. } => Algorithm::Es256,
        }
    }

    /// The key as the log writes it: 32 or 33 bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Point::Ed25519(key) => key.as_bytes(),
            Point::Es256 { compressed, .. } => compressed,
        }
    }

    /// Whether `signature` is this key's, in its only form, over `message`.
    ///
    /// Ed25519 without cofactor, s below the group order, R canonical and not of small order (RFC 8032 5.1.7, strict);
    /// ES256 with 0 < s <= n/2, so that nobody else can turn s into n - s.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        match &self.0 {
            // The key itself is no weak one since `new`; R is compared in its canonical form, of which the weak ones are known.
            Point::Ed25519(key) => {
                !is_weak_r(signature) && key.verify(message, &EdSignature::from_bytes(signature)).is_ok()
            }
            Point::Es256 { uncompressed, .. } => {
                signature[32..] <= P256_HALF_ORDER[..]
                    && UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, uncompressed).verify(message, signature).is_ok()
            }
        }
    }

    /// The JWK of exactly the members that RFC 7638 hashes, in its order.
    pub fn jwk_json(&self) -> String {
        match &self.0 {
            Point::Ed25519(key) => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, to_base64url(key.as_bytes()))
            }
            Point::Es256 { uncompressed, .. } => {
                let (x, y) = (to_base64url(&uncompressed[1..33]), to_base64url(&uncompressed[33..]));
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
        }
    }

    /// SHA-256 of [`PublicKey::jwk_json`] (RFC 7638 3).
    pub fn thumbprint(&self) -> Thumbprint {
        sha256(&[self.jwk_json().as_bytes()])
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for PublicKey {}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// By algorithm, then by bytes: the order of signatures in an event.
impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.algorithm(), self.bytes()).cmp(&(other.algorithm(), other.bytes()))
    }
}

/// Only kind and first bytes: keys do not belong in a log.
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:?}, {:02x}{:02x}…)", self.algorithm(), self.bytes()[0], self.bytes()[1])
    }
}

/// A private key. Its bytes are wiped when it goes, as far as the libraries below allow.
pub struct SigningKey {
    secret: Secret,
    public: PublicKey,
}

enum Secret {
    Ed25519(ed25519_dalek::SigningKey),
    Es256 { scalar: Zeroizing<[u8; 32]>, pair: EcdsaKeyPair },
}

impl SigningKey {
    /// A new key.
    pub fn generate(algorithm: Algorithm, random: &dyn Random) -> Result<Self, NoRandomness> {
        let mut bytes = Zeroizing::new([0; 32]);
        loop {
            random.fill(&mut *bytes)?;
            // Of 2^256 byte strings all but 2^224 are scalars of P-256: the loop ends.
            if let Ok(key) = Self::from_bytes(algorithm, &bytes) {
                return Ok(key);
            }
        }
    }

    /// Ed25519: the RFC 8032 seed. ES256: the scalar, big-endian, 0 < d < n.
    pub fn from_bytes(algorithm: Algorithm, bytes: &[u8; 32]) -> Result<Self, Malformed> {
        let bad = Malformed::new("key", "not a private key");
        match algorithm {
            Algorithm::Ed25519 => {
                let secret = ed25519_dalek::SigningKey::from_bytes(bytes);
                let public = PublicKey(Point::Ed25519(secret.verifying_key()));
                Ok(Self { secret: Secret::Ed25519(secret), public })
            }
            Algorithm::Es256 => {
                let point = p256::SecretKey::from_slice(bytes).map_err(|_| bad)?.public_key().to_sec1_point(false);
                let point = p256_point(point.as_bytes()).ok_or(bad)?;
                let Point::Es256 { uncompressed, .. } = &point else { return Err(bad) };
                let pair = EcdsaKeyPair::from_private_key_and_public_key(
                    &ECDSA_P256_SHA256_FIXED_SIGNING,
                    bytes,
                    uncompressed,
                    &SystemRandom::new(),
                )
                .map_err(|_| bad)?;
                Ok(Self { secret: Secret::Es256 { scalar: Zeroizing::new(*bytes), pair }, public: PublicKey(point) })
            }
        }
    }

    /// What [`SigningKey::from_bytes`] takes, to be stored.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        match &self.secret {
            Secret::Ed25519(key) => Zeroizing::new(key.to_bytes()),
            Secret::Es256 { scalar, .. } => scalar.clone(),
        }
    }

    /// The public half.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs. Ed25519 gives the same signature each time; ES256 draws a nonce from the operating system, folds s low.
    ///
    /// # Panics
    /// For ES256 if the operating system gives no random bytes.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        match &self.secret {
            Secret::Ed25519(key) => key.sign(message).to_bytes(),
            Secret::Es256 { pair, .. } => {
                let signature =
                    pair.sign(&SystemRandom::new(), message).expect("the operating system gives randomness");
                let mut bytes: [u8; 64] = signature.as_ref().try_into().expect("ES256 signatures are 64 bytes");
                fold_low(&mut bytes);
                bytes
            }
        }
    }
}

/// Never the secret.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {:?})", self.public)
    }
}

/// The order n of P-256 and n / 2 rounded down (SEC 2, 2.4.2), big-endian.
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7,
    0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
const P256_HALF_ORDER: [u8; 32] = halved(P256_ORDER);

const fn halved(mut n: [u8; 32]) -> [u8; 32] {
    let mut i = 31;
    while i > 0 {
        n[i] = n[i] >> 1 | n[i - 1] << 7;
        i -= 1;
    }
    n[0] >>= 1;
    n
}

/// Turns s into n - s if s is the larger of the two.
fn fold_low(signature: &mut [u8; 64]) {
    let s = &mut signature[32..];
    if *s <= P256_HALF_ORDER[..] {
        return;
    }
    let mut borrow = false;
    for (s, n) in s.iter_mut().zip(P256_ORDER).rev() {
        let (d, b1) = n.overflowing_sub(*s);
        let (d, b2) = d.overflowing_sub(u8::from(borrow));
        (*s, borrow) = (d, b1 || b2);
    }
}

/// The point of those bytes; `None` for y >= p (RFC 8032 5.1.3), off the curve, or of small order (which takes in the
/// two points with x = 0, for which a sign bit would be a second spelling).
fn ed25519_point(bytes: [u8; 32]) -> Option<Point> {
    let key = VerifyingKey::from_bytes(&bytes).ok()?;
    (is_canonical_y(&bytes) && !key.is_weak()).then_some(Point::Ed25519(key))
}

/// Whether the R of a signature is one of the eight points of small order, each in its canonical form.
fn is_weak_r(signature: &[u8; 64]) -> bool {
    static WEAK: LazyLock<[[u8; 32]; 8]> = LazyLock::new(|| EIGHT_TORSION.map(|point| point.compress().0));
    WEAK.iter().any(|weak| signature[..32] == weak[..])
}

/// Whether the 255 bits of y, little-endian, are below p = 2^255 - 19.
pub(crate) fn is_canonical_y(bytes: &[u8; 32]) -> bool {
    bytes[31] & 0x7f != 0x7f || bytes[1..31].iter().any(|b| *b != 0xff) || bytes[0] < 0xed
}

/// A point of P-256 from SEC1 bytes, compressed or not; never the point at infinity, nor the compact form (tag 5).
fn p256_point(sec1: &[u8]) -> Option<Point> {
    matches!(sec1, [2..=4, ..]).then_some(())?;
    let key = p256::PublicKey::from_sec1_bytes(sec1).ok()?;
    Some(Point::Es256 {
        uncompressed: key.to_sec1_point(false).as_bytes().try_into().ok()?,
        compressed: key.to_sec1_point(true).as_bytes().try_into().ok()?,
    })
}

//! RSA public keys, which stand only inside OpenPGP keys and certificates: one spelling each, verified by ring.

use std::fmt;

use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents,
};

use crate::log::bytes::{Malformed, Reader, to_base64url};
use crate::log::key::Thumbprint;
use crate::log::sha256;

/// The longest modulus in bytes: 8192 bits is what ring verifies.
pub const MODULUS_LEN_MAX: usize = 1024;
/// The longest public exponent in bytes: ring takes 33 bits.
pub const EXPONENT_LEN_MAX: usize = 5;
/// DER of `AlgorithmIdentifier { rsaEncryption, NULL }` (RFC 3279 2.3.1).
const RSA_ENCRYPTION: [u8; 15] = *b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// An RSA public key. That its numbers are sound is a check of the registry.
#[derive(Clone, PartialEq, Eq)]
pub struct RsaPublicKey {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

/// Padding and hash of a signature (RFC 8017).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RsaScheme {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Pkcs1Sha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Pkcs1Sha384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Pkcs1Sha512,
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes.
    PssSha256,
}

impl RsaPublicKey {
    /// The key of these numbers, big-endian and without leading zeros; at most [`MODULUS_LEN_MAX`] and
    /// [`EXPONENT_LEN_MAX`] bytes.
    pub fn new(modulus: &[u8], exponent: &[u8]) -> Result<Self, Malformed> {
        let minimal =
            |number: &[u8], len_max: usize| number.len() <= len_max && number.first().is_some_and(|b| *b != 0);
        let proper = minimal(modulus, MODULUS_LEN_MAX) && minimal(exponent, EXPONENT_LEN_MAX);
        Malformed::unless(proper, "key", "an RSA number that is empty, padded or too long")?;
        Ok(Self { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
    }

    /// The key of a DER SubjectPublicKeyInfo, in the one encoding that [`RsaPublicKey::to_spki`] writes.
    pub fn from_spki(der: &[u8]) -> Result<Self, Malformed> {
        let bad = Malformed::new("key", "not an RSA SubjectPublicKeyInfo");
        let mut outer = Reader::new(tagged(&mut Reader::new(der, "key"), SEQUENCE)?, "key");
        outer.tag(&RSA_ENCRYPTION)?;
        let bits = tagged(&mut outer, BIT_STRING)?.strip_prefix(&[0]).ok_or(bad)?;
        let mut numbers = Reader::new(tagged(&mut Reader::new(bits, "key"), SEQUENCE)?, "key");
        let (modulus, exponent) = (tagged(&mut numbers, INTEGER)?, tagged(&mut numbers, INTEGER)?);
        let unsigned = |number| <[u8]>::strip_prefix(number, &[0]).unwrap_or(number);
        let key = Self::new(unsigned(modulus), unsigned(exponent))?;
        // Whatever the reading above passed over is not written again.
        if key.to_spki() == der { Ok(key) } else { Err(bad) }
    }

    /// The DER SubjectPublicKeyInfo (RFC 8017 A.1.1, RFC 3279 2.3.1).
    pub fn to_spki(&self) -> Vec<u8> {
        let number = |number: &[u8]| {
            let sign = if number.first().is_some_and(|b| b & 0x80 != 0) { &[0][..] } else { &[] };
            der(INTEGER, &[sign, number].concat())
        };
        let numbers = der(SEQUENCE, &[number(&self.modulus), number(&self.exponent)].concat());
        let bits = der(BIT_STRING, &[&[0], &numbers[..]].concat());
        der(SEQUENCE, &[&RSA_ENCRYPTION[..], &bits].concat())
    }

    /// The modulus, big-endian.
    pub fn modulus(&self) -> &[u8] {
        &self.modulus
    }

    /// The public exponent, big-endian.
    pub fn exponent(&self) -> &[u8] {
        &self.exponent
    }

    /// The length of the modulus in bits.
    pub fn bits(&self) -> u64 {
        let spare = self.modulus.first().map_or(0, |first| u64::from(first.leading_zeros()));
        self.modulus.len() as u64 * 8 - spare
    }

    /// The RFC 7638 thumbprint.
    pub fn thumbprint(&self) -> Thumbprint {
        let (e, n) = (to_base64url(&self.exponent), to_base64url(&self.modulus));
        sha256(&[format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#).as_bytes()])
    }

    /// Whether `signature`, exactly as long as the modulus, is this key's over `message`. Never for less than 2048 bits.
    pub fn verify(&self, scheme: RsaScheme, message: &[u8], signature: &[u8]) -> bool {
        let parameters = match scheme {
            RsaScheme::Pkcs1Sha256 => &RSA_PKCS1_2048_8192_SHA256,
            RsaScheme::Pkcs1Sha384 => &RSA_PKCS1_2048_8192_SHA384,
            RsaScheme::Pkcs1Sha512 => &RSA_PKCS1_2048_8192_SHA512,
            RsaScheme::PssSha256 => &RSA_PSS_2048_8192_SHA256,
        };
        let key = RsaPublicKeyComponents { n: &self.modulus, e: &self.exponent };
        key.verify(parameters, message, signature).is_ok()
    }
}

/// Only the length: keys do not belong in a log.
impl fmt::Debug for RsaPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaPublicKey({} bits)", self.bits())
    }
}

/// The content of the next DER value, which must have this tag; lengths of one to three bytes.
fn tagged<'a>(reader: &mut Reader<'a>, tag: u8) -> Result<&'a [u8], Malformed> {
    reader.tag(&[tag])?;
    let len = match reader.u8()? {
        short @ 0..=0x7f => usize::from(short),
        0x81 => usize::from(reader.u8()?),
        0x82 => usize::from(reader.u16()?),
        _ => return Err(Malformed::new("key", "a length that no such key has")),
    };
    reader.take(len)
}

/// A DER value; the lengths of this format are below 64 KiB.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = (content.len() as u16).to_be_bytes();
    let mut out = match content.len() {
        0..0x80 => vec![tag, low],
        0x80..0x100 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_each() {
        for (bytes, first) in [(256, 0xc3), (384, 0x51), (384, 0xff), (1024, 0x80)] {
            let mut modulus = vec![7; bytes];
            modulus[0] = first;
            let key = RsaPublicKey::new(&modulus, &[1, 0, 1]).unwrap();
            let spki = key.to_spki();
            assert_eq!(RsaPublicKey::from_spki(&spki), Ok(key.clone()));
            assert_eq!(key.bits(), bytes as u64 * 8 - u64::from(first < 0x80));
            for at in 0..spki.len().min(40) {
                let mut other = spki.clone();
                other[at] ^= 1;
                // A flipped bit of a number is another key; of anything else it is none.
                assert!(RsaPublicKey::from_spki(&other).is_err() || at >= 32, "{at}");
            }
            assert!(RsaPublicKey::from_spki(&[&spki[..], &[0]].concat()).is_err());
            assert!(RsaPublicKey::from_spki(&spki[..spki.len() - 1]).is_err());
        }
        for (modulus, exponent) in
            [(&[][..], &[3][..]), (&[0, 1], &[3]), (&[1], &[]), (&[1], &[0, 3]), (&[1; 1025], &[3])]
        {
            assert!(RsaPublicKey::new(modulus, exponent).is_err());
        }
    }

    /// RFC 7638 3.1.
    #[test]
    fn the_thumbprint_of_the_example() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs\
                 tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbI\
                 SD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let key = RsaPublicKey::new(&crate::log::bytes::from_base64url(n).unwrap(), &[1, 0, 1]).unwrap();
        assert_eq!(to_base64url(&key.thumbprint()), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }
}

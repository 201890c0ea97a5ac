//! Private keys of other programs: BIND's private-key format v1.3 and PKCS#8, in and out.

use data_encoding::BASE64;
use p256::elliptic_curve::sec1::ToSec1Point;
use ring::signature::{Ed25519KeyPair, KeyPair};
use zeroize::Zeroizing;

use super::files::from_pem;
use crate::dnssec::Algorithm;

/// Octets of a private key of either algorithm.
const SECRET_OCTETS: usize = 32;
/// PKCS#8 around a P-256 key (RFC 5958, RFC 5915): up to the secret, and from there to the public point.
const P256_HEAD: &[u8] = b"\x30\x81\x87\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x04\x6d\x30\x6b\x02\x01\x01\x04\x20";
const P256_MIDDLE: &[u8] = b"\xa1\x44\x03\x42\x00";
/// What stands before a P-256 secret in any PKCS#8 document (RFC 5915 3), and before an Ed25519 one (RFC 8410 7).
const P256_MARK: &[u8] = b"\x02\x01\x01\x04\x20";
const ED25519_MARK: &[u8] = b"\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
/// PKCS#8 before an Ed25519 secret, without the public half (RFC 8410 7).
const ED25519_HEAD: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
const P256_OID: &[u8] = b"\x2a\x86\x48\xce\x3d\x03\x01\x07";

/// A private key as it was read: its algorithm, and a PKCS#8 document that this program writes.
pub struct ReadKey {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The document.
    pub document: Zeroizing<Vec<u8>>,
}

/// Reads a PKCS#8 key in PEM or a key in BIND's format; the error says what does not fit.
pub fn read(text: &[u8]) -> Result<ReadKey, &'static str> {
    let is_pem = text.trim_ascii_start().starts_with(b"-----BEGIN");
    let (algorithm, secret) = if is_pem { of_pkcs8(&from_pem(text)?)? } else { of_bind(text)? };
    let document = document(algorithm, &secret).ok_or("its secret is out of range")?;
    Ok(ReadKey { algorithm, document })
}

/// A key in BIND's format, from its PKCS#8 document.
pub fn write(document: &[u8]) -> Result<Zeroizing<String>, &'static str> {
    let (algorithm, secret) = of_pkcs8(document)?;
    let name = match algorithm {
        Algorithm::EcdsaP256Sha256 => "ECDSAP256SHA256",
        Algorithm::Ed25519 => "ED25519",
    };
    let secret = Zeroizing::new(BASE64.encode(&*secret));
    Ok(Zeroizing::new(format!("Private-key-format: v1.3\nAlgorithm: {algorithm} ({name})\nPrivateKey: {}\n", *secret)))
}

type Secret = Zeroizing<[u8; SECRET_OCTETS]>;

fn of_pkcs8(document: &[u8]) -> Result<(Algorithm, Secret), &'static str> {
    let (algorithm, mark) = if contains(document, ED25519_MARK) {
        (Algorithm::Ed25519, ED25519_MARK)
    } else if contains(document, P256_OID) {
        (Algorithm::EcdsaP256Sha256, P256_MARK)
    } else {
        return Err("neither P-256 nor Ed25519");
    };
    let at = document.windows(mark.len()).position(|window| window == mark).ok_or("no secret in it")? + mark.len();
    let secret = document.get(at..at + SECRET_OCTETS).ok_or("it is cut short")?;
    Ok((algorithm, secret_of(secret)?))
}

/// `Private-key-format: v1.x`, then fields by name.
fn of_bind(text: &[u8]) -> Result<(Algorithm, Secret), &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not text")?;
    let field = |name: &str| {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim()).next()
    };
    match field("Private-key-format") {
        Some(version) if version.starts_with("v1.") => {}
        Some(_) => return Err("its format is not v1.3"),
        None => return Err("neither PEM nor BIND's format"),
    }
    let number = field("Algorithm").and_then(|value| value.split_whitespace().next()).ok_or("it names no algorithm")?;
    let algorithm: Algorithm = number.parse().map_err(|_| "it is of another algorithm")?;
    let secret = field("PrivateKey").ok_or("no secret in it")?;
    let secret = Zeroizing::new(BASE64.decode(secret.as_bytes()).map_err(|_| "its secret is not base64")?);
    Ok((algorithm, secret_of(&secret)?))
}

fn secret_of(octets: &[u8]) -> Result<Secret, &'static str> {
    octets.try_into().map(Zeroizing::new).map_err(|_| "its secret has not 32 octets")
}

/// A PKCS#8 document with its public half where ring wants it.
fn document(algorithm: Algorithm, secret: &Secret) -> Option<Zeroizing<Vec<u8>>> {
    Some(Zeroizing::new(match algorithm {
        Algorithm::EcdsaP256Sha256 => {
            let point = p256::SecretKey::from_slice(&**secret).ok()?.public_key().to_sec1_point(false);
            [P256_HEAD, &**secret, P256_MIDDLE, point.as_bytes()].concat()
        }
        Algorithm::Ed25519 => {
            let _usable = Ed25519KeyPair::from_seed_unchecked(&**secret).ok()?.public_key();
            [ED25519_HEAD, &**secret].concat()
        }
    }))
}

fn contains(document: &[u8], what: &[u8]) -> bool {
    document.windows(what.len()).any(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dnssec::signer;
    use ring::rand::SystemRandom;

    #[test]
    fn what_is_written_is_read_and_is_the_same_key() {
        let random = SystemRandom::new();
        for algorithm in Algorithm::ALL {
            let made = signer::generate(algorithm, &random).unwrap();
            let text = write(&made).unwrap();
            let read = read(text.as_bytes()).unwrap();
            assert_eq!(read.algorithm, algorithm);
            let public = |document: &[u8]| signer::open(algorithm, document, &random).unwrap().public_key().to_vec();
            assert_eq!(public(&made), public(&read.document));
        }
    }

    #[test]
    fn the_key_of_rfc_6605_and_that_of_rfc_8080_are_read() {
        // RFC 6605 6.1 and RFC 8080 6.1, as BIND writes them.
        for (text, public) in [
            (
                "Private-key-format: v1.2\nAlgorithm: 13 (ECDSAP256SHA256)\nPrivateKey: GU6SnQ/Ou+xC5RumuIUIuJZteXT2z0O/ok1s38Et6mQ=\n",
                "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==",
            ),
            (
                "Private-key-format: v1.2\nAlgorithm: 15 (ED25519)\nPrivateKey: ODIyNjAzODQ2MjgwODAxMjI2NDUxOTAyMDQxNDIyNjI=\n",
                "l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=",
            ),
        ] {
            let read = read(text.as_bytes()).unwrap();
            let signer = signer::open(read.algorithm, &read.document, &SystemRandom::new()).unwrap();
            assert_eq!(BASE64.encode(signer.public_key()), public);
        }
    }

    #[test]
    fn what_is_no_key_is_told_apart() {
        for (text, why) in [
            ("", "neither PEM nor BIND's format"),
            ("Private-key-format: v2.0\n", "not v1.3"),
            ("Private-key-format: v1.3\nAlgorithm: 8 (RSASHA256)\n", "another algorithm"),
            ("Private-key-format: v1.3\nAlgorithm: 13\n", "no secret"),
            ("Private-key-format: v1.3\nAlgorithm: 13\nPrivateKey: AAAA\n", "32 octets"),
            ("Private-key-format: v1.3\nAlgorithm: 13\nPrivateKey: %\n", "not base64"),
            (
                "Private-key-format: v1.3\nAlgorithm: 13\nPrivateKey: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
                "out of range",
            ),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "neither P-256 nor Ed25519"),
            ("-----BEGIN RSA PRIVATE KEY-----\n", "not one PEM block"),
        ] {
            assert!(read(text.as_bytes()).err().unwrap().contains(why), "{text}");
        }
    }
}

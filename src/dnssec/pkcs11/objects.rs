//! Keys as objects of a token: how they are asked for, what they are called, and the public half as DNSKEY has it.

use cryptoki::error::Error;
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

use crate::dnssec::Algorithm;

/// Objects that are looked at: a zone has a dozen keys, a directory a few hundred zones.
const OBJECTS_MAX: usize = 16_384;
/// The curve P-256 as an object identifier in DER (RFC 5480 2.1.1.1).
const P256_PARAMS: &[u8] = b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
/// The curve of Ed25519, likewise (RFC 8410 3); PKCS#11 3.0 knows it by a name too.
const ED25519_PARAMS: &[u8] = b"\x06\x03\x2b\x65\x70";
/// What stands before a point that is wrapped in an OCTET STRING, and before one that is not compressed (SEC 1 2.3.3).
const P256_WRAP: &[u8] = b"\x04\x41\x04";
const P256_UNCOMPRESSED: &[u8] = b"\x04";
const ED25519_WRAP: &[u8] = b"\x04\x20";

/// Both halves of a key.
#[derive(Clone, Copy)]
pub(super) struct Pair {
    pub(super) public: ObjectHandle,
    pub(super) private: ObjectHandle,
}

/// Makes a key that never leaves the token, under a label for the time being.
pub(super) fn generate(session: &Session, algorithm: Algorithm, label: &str) -> Result<Pair, Error> {
    let (mechanism, kind, params) = match algorithm {
        Algorithm::EcdsaP256Sha256 => (Mechanism::EccKeyPairGen, KeyType::EC, P256_PARAMS),
        Algorithm::Ed25519 => (Mechanism::EccEdwardsKeyPairGen, KeyType::EC_EDWARDS, ED25519_PARAMS),
    };
    let called = || called(label).into_iter().chain([Attribute::Token(true), Attribute::KeyType(kind)]);
    let public: Vec<Attribute> = called()
        .chain([Attribute::Private(false), Attribute::Verify(true), Attribute::EcParams(params.to_vec())])
        .collect();
    let private: Vec<Attribute> = called()
        .chain([
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
        ])
        .collect();
    let (public, private) = session.generate_key_pair(&mechanism, &public, &private)?;
    Ok(Pair { public, private })
}

/// Signs: what is hashed for ECDSA is a digest already (RFC 6605 4: SHA-256), and Ed25519 is handed the message.
pub(super) fn sign(session: &Session, algorithm: Algorithm, key: ObjectHandle, data: &[u8]) -> Result<Vec<u8>, Error> {
    let mechanism = match algorithm {
        Algorithm::EcdsaP256Sha256 => Mechanism::Ecdsa,
        Algorithm::Ed25519 => Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519)),
    };
    session.sign(&mechanism, key, data)
}

/// Gives both halves another name; the private one last, for a key is what has that.
pub(super) fn rename(session: &Session, pair: Pair, label: &str) -> Result<(), Error> {
    session.update_attributes(pair.public, &called(label))?;
    session.update_attributes(pair.private, &called(label))
}

/// Every object of a class with this label.
pub(super) fn find(session: &Session, class: ObjectClass, label: &str) -> Result<Vec<ObjectHandle>, Error> {
    let template = [Attribute::Class(class), Attribute::Token(true), Attribute::Label(label.as_bytes().to_vec())];
    session.iter_objects(&template)?.take(OBJECTS_MAX).collect()
}

/// The labels of all private keys.
pub(super) fn labels(session: &Session) -> Result<Vec<String>, Error> {
    let template = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Token(true)];
    let all: Vec<ObjectHandle> = session.iter_objects(&template)?.take(OBJECTS_MAX).collect::<Result<_, _>>()?;
    let mut labels = Vec::new();
    for key in all {
        let found = session.get_attributes(key, &[AttributeType::Label])?;
        labels.extend(found.into_iter().filter_map(|attribute| match attribute {
            Attribute::Label(octets) => String::from_utf8(octets).ok(),
            _ => None,
        }));
    }
    Ok(labels)
}

/// Whether a private key can neither be read nor be wrapped.
pub(super) fn is_kept_inside(session: &Session, private: ObjectHandle) -> Result<bool, Error> {
    let found = session.get_attributes(private, &[AttributeType::Sensitive, AttributeType::Extractable])?;
    let has = |wanted: &Attribute| found.contains(wanted);
    Ok(has(&Attribute::Sensitive(true)) && has(&Attribute::Extractable(false)))
}

/// The public key as DNSKEY has it (RFC 6605 4: X and Y; RFC 8080 3: the encoded point); `None` if it is none of its algorithm.
pub(super) fn public_key(session: &Session, key: ObjectHandle, algorithm: Algorithm) -> Result<Option<Vec<u8>>, Error> {
    let found = session.get_attributes(key, &[AttributeType::EcPoint])?;
    Ok(found.into_iter().find_map(|attribute| match attribute {
        Attribute::EcPoint(point) => unwrapped(algorithm, &point).map(<[u8]>::to_vec),
        _ => None,
    }))
}

/// A point without what tokens put around it; some do, some do not.
fn unwrapped(algorithm: Algorithm, point: &[u8]) -> Option<&[u8]> {
    let (wraps, octets): ([&[u8]; 2], usize) = match algorithm {
        Algorithm::EcdsaP256Sha256 => ([P256_WRAP, P256_UNCOMPRESSED], 64),
        Algorithm::Ed25519 => ([ED25519_WRAP, b""], 32),
    };
    wraps.into_iter().filter_map(|wrap| point.strip_prefix(wrap)).find(|rest| rest.len() == octets)
}

/// Label and id say the same: programs look for one or the other.
fn called(label: &str) -> [Attribute; 2] {
    [Attribute::Label(label.as_bytes().to_vec()), Attribute::Id(label.as_bytes().to_vec())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read_wrapped_or_not() {
        let (p256, ed25519) = ([4; 64], [4; 32]);
        for wrap in [&b"\x04\x41\x04"[..], b"\x04"] {
            assert_eq!(unwrapped(Algorithm::EcdsaP256Sha256, &[wrap, &p256].concat()), Some(&p256[..]));
        }
        for wrap in [&b"\x04\x20"[..], b""] {
            assert_eq!(unwrapped(Algorithm::Ed25519, &[wrap, &ed25519].concat()), Some(&ed25519[..]));
        }
        for wrong in [&b""[..], b"\x04", &[4; 63], &[2; 33], &[4; 66], &[4; 100]] {
            assert_eq!(unwrapped(Algorithm::EcdsaP256Sha256, wrong), None, "{wrong:?}");
            assert_eq!(unwrapped(Algorithm::Ed25519, wrong), None, "{wrong:?}");
        }
    }
}

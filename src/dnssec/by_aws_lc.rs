//! Private keys in memory, used by AWS-LC (feature `aws-lc-rs`): the same documents as ring's, a faster Ed25519.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use ring::rand::SecureRandom;

use super::Algorithm;
use super::signer::{SignFault, ZoneSigner};
use crate::zone::slot::SignatureBytes;

/// An ECDSA P-256 key.
pub struct P256Signer(EcdsaKeyPair);

impl P256Signer {
    /// A key from its PKCS#8 document; `None` if that is no P-256 key.
    pub fn from_pkcs8(document: &[u8], _: &dyn SecureRandom) -> Option<Self> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document).ok().map(Self)
    }
}

impl ZoneSigner for P256Signer {
    fn algorithm(&self) -> u8 {
        Algorithm::EcdsaP256Sha256.number()
    }

    fn public_key(&self) -> &[u8] {
        &self.0.public_key().as_ref()[1..] // without the SEC1 octet for "uncompressed"
    }

    fn sign(&self, _: &dyn SecureRandom, message: &[u8]) -> Result<SignatureBytes, SignFault> {
        // The library has random numbers of its own, whatever it is handed.
        let signature = self.0.sign(&SystemRandom::new(), message).map_err(|_| SignFault)?;
        signature.as_ref().try_into().map_err(|_| SignFault)
    }
}

/// An Ed25519 key.
pub struct Ed25519Signer(Ed25519KeyPair);

impl Ed25519Signer {
    /// A key from its PKCS#8 document, with or without its public half (RFC 8410 7); `None` if that is no Ed25519 key.
    pub fn from_pkcs8(document: &[u8]) -> Option<Self> {
        Ed25519KeyPair::from_pkcs8(document).ok().map(Self)
    }
}

impl ZoneSigner for Ed25519Signer {
    fn algorithm(&self) -> u8 {
        Algorithm::Ed25519.number()
    }

    fn public_key(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn sign(&self, _: &dyn SecureRandom, message: &[u8]) -> Result<SignatureBytes, SignFault> {
        self.0.try_sign(message).map_err(|_| SignFault)?.as_ref().try_into().map_err(|_| SignFault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dnssec::by_ring;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    #[test]
    fn both_libraries_hold_the_same_keys() {
        let random = SystemRandom::new();
        for _ in 0..32 {
            let document = by_ring::generate(Algorithm::Ed25519, &random).unwrap();
            let (ours, theirs) =
                (Ed25519Signer::from_pkcs8(&document).unwrap(), by_ring::Ed25519Signer::from_pkcs8(&document).unwrap());
            assert_eq!(ours.public_key(), theirs.public_key());
            assert_eq!(ours.sign(&random, &document), theirs.sign(&random, &document), "Ed25519 is deterministic");
            let document = by_ring::generate(Algorithm::EcdsaP256Sha256, &random).unwrap();
            let ours = P256Signer::from_pkcs8(&document, &random).unwrap();
            let theirs = by_ring::P256Signer::from_pkcs8(&document, &random).unwrap();
            assert_eq!(ours.public_key(), theirs.public_key());
            let point = [&[4][..], ours.public_key()].concat();
            let signature = ours.sign(&random, &document).unwrap();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(&document, &signature).unwrap();
        }
    }

    #[test]
    fn a_key_of_another_sort_is_none() {
        let random = SystemRandom::new();
        let [p256, ed25519] = Algorithm::ALL.map(|algorithm| by_ring::generate(algorithm, &random).unwrap());
        assert!(P256Signer::from_pkcs8(&ed25519, &random).is_none() && Ed25519Signer::from_pkcs8(&p256).is_none());
        assert!(Ed25519Signer::from_pkcs8(&ed25519[..ed25519.len() - 1]).is_none());
    }
}

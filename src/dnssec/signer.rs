//! The seam to whatever holds a private key: this process, or a token.

use std::sync::Arc;

use ring::rand::SecureRandom;

use super::Algorithm;
#[cfg(feature = "aws-lc-rs")]
use super::by_aws_lc::{Ed25519Signer, P256Signer};
use super::by_ring;
#[cfg(not(feature = "aws-lc-rs"))]
use super::by_ring::{Ed25519Signer, P256Signer};
use crate::zone::slot::SignatureBytes;

/// A signature could not be made: the key's holder or the random source failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signature could not be made: the key's holder or the random source failed")]
pub struct SignFault;

/// Makes signatures with one private key.
pub trait ZoneSigner: Send + Sync {
    /// The DNSSEC algorithm number.
    fn algorithm(&self) -> u8;

    /// The public key as DNSKEY RDATA carries it (RFC 6605 4: X and Y; RFC 8080 3: the encoded point).
    fn public_key(&self) -> &[u8];

    /// Signs `message`; `random` feeds the nonce where the algorithm has one.
    fn sign(&self, random: &dyn SecureRandom, message: &[u8]) -> Result<SignatureBytes, SignFault>;
}

/// A new private key as a PKCS#8 document: libraries cannot export a key later.
pub fn generate(algorithm: Algorithm, random: &dyn SecureRandom) -> Result<Vec<u8>, SignFault> {
    by_ring::generate(algorithm, random)
}

/// The signer of a private key; `None` if the PKCS#8 document holds no key of that algorithm.
pub fn open(algorithm: Algorithm, document: &[u8], random: &dyn SecureRandom) -> Option<Arc<dyn ZoneSigner>> {
    match algorithm {
        Algorithm::EcdsaP256Sha256 => Some(Arc::new(P256Signer::from_pkcs8(document, random)?)),
        Algorithm::Ed25519 => Some(Arc::new(Ed25519Signer::from_pkcs8(document)?)),
    }
}

//! The seam to whatever holds a private key: a file now, PKCS#11 later.

use ring::rand::SecureRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

use super::ALGORITHM_13;
use crate::zone::slot::SignatureBytes;

/// A signature could not be made: the key's holder or the random source failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signature could not be made: the key's holder or the random source failed")]
pub struct SignFault;

/// Makes signatures with one private key.
pub trait ZoneSigner: Send + Sync {
    /// The DNSSEC algorithm number.
    fn algorithm(&self) -> u8;

    /// The public key as DNSKEY RDATA carries it (RFC 6605 4: X and Y).
    fn public_key(&self) -> &[u8];

    /// Signs `message`; `random` feeds the nonce.
    fn sign(&self, random: &dyn SecureRandom, message: &[u8]) -> Result<SignatureBytes, SignFault>;
}

/// An ECDSA P-256 key in memory, by ring.
pub struct P256Signer(EcdsaKeyPair);

impl P256Signer {
    /// A new key: its PKCS#8 document (ring cannot export a key later) and the signer.
    pub fn generate(random: &dyn SecureRandom) -> Result<(Vec<u8>, Self), SignFault> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, random).map_err(|_| SignFault)?;
        let signer = Self::from_pkcs8(document.as_ref(), random).ok_or(SignFault)?;
        Ok((document.as_ref().to_vec(), signer))
    }

    /// A key from its PKCS#8 document; `None` if that is no P-256 key with its public half.
    pub fn from_pkcs8(document: &[u8], random: &dyn SecureRandom) -> Option<Self> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document, random).ok().map(Self)
    }
}

impl ZoneSigner for P256Signer {
    fn algorithm(&self) -> u8 {
        ALGORITHM_13
    }

    fn public_key(&self) -> &[u8] {
        &self.0.public_key().as_ref()[1..] // without the SEC1 octet for "uncompressed"
    }

    fn sign(&self, random: &dyn SecureRandom, message: &[u8]) -> Result<SignatureBytes, SignFault> {
        let signature = self.0.sign(random, message).map_err(|_| SignFault)?;
        signature.as_ref().try_into().map_err(|_| SignFault)
    }
}

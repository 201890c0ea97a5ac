//! Private keys in memory, used by ring.

use ring::rand::SecureRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    UnparsedPublicKey,
};

use super::Algorithm;
use super::signer::{SignFault, ZoneSigner};
use crate::zone::slot::SignatureBytes;

/// A new private key as a PKCS#8 document.
pub fn generate(algorithm: Algorithm, random: &dyn SecureRandom) -> Result<Vec<u8>, SignFault> {
    let document = match algorithm {
        Algorithm::EcdsaP256Sha256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, random),
        Algorithm::Ed25519 => Ed25519KeyPair::generate_pkcs8(random),
    };
    document.map(|document| document.as_ref().to_vec()).map_err(|_| SignFault)
}

/// Whether a signature over `message` is that of a public key as DNSKEY RDATA carries it.
pub fn verifies(algorithm: Algorithm, public_key: &[u8], message: &[u8], signature: &SignatureBytes) -> bool {
    match algorithm {
        Algorithm::EcdsaP256Sha256 => {
            let point = [&[4], public_key].concat(); // the SEC1 octet for "uncompressed"
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
        }
        Algorithm::Ed25519 => UnparsedPublicKey::new(&ED25519, public_key).verify(message, signature).is_ok(),
    }
}

/// An ECDSA P-256 key.
pub struct P256Signer(EcdsaKeyPair);

impl P256Signer {
    /// A key from its PKCS#8 document; `None` if that is no P-256 key with its public half.
    pub fn from_pkcs8(document: &[u8], random: &dyn SecureRandom) -> Option<Self> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document, random).ok().map(Self)
    }
}

impl ZoneSigner for P256Signer {
    fn algorithm(&self) -> u8 {
        Algorithm::EcdsaP256Sha256.number()
    }

    fn public_key(&self) -> &[u8] {
        &self.0.public_key().as_ref()[1..] // without the SEC1 octet for "uncompressed"
    }

    fn sign(&self, random: &dyn SecureRandom, message: &[u8]) -> Result<SignatureBytes, SignFault> {
        let signature = self.0.sign(random, message).map_err(|_| SignFault)?;
        signature.as_ref().try_into().map_err(|_| SignFault)
    }
}

/// An Ed25519 key.
pub struct Ed25519Signer(Ed25519KeyPair);

impl Ed25519Signer {
    /// A key from its PKCS#8 document, with or without its public half (RFC 8410 7); `None` if that is no Ed25519 key.
    pub fn from_pkcs8(document: &[u8]) -> Option<Self> {
        // The tag in the file's name stands for the public half that other tools leave out.
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(document).ok().map(Self)
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
        self.0.sign(message).as_ref().try_into().map_err(|_| SignFault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dnssec::{ToSign, Validity, dnskey_rdata, key_tag};
    use crate::wire::{Name, Rdatas, RrType};
    use data_encoding::BASE64;
    use ring::rand::SystemRandom;

    #[test]
    fn ed25519_is_that_of_rfc_8080() {
        // The first key of RFC 8080 6.1 and its MX RRset. What stands before the seed is RFC 8410 7.
        let seed = BASE64.decode(b"ODIyNjAzODQ2MjgwODAxMjI2NDUxOTAyMDQxNDIyNjI=").unwrap();
        let document = [b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20", &seed[..]].concat();
        let key = Ed25519Signer::from_pkcs8(&document).unwrap();
        assert_eq!(BASE64.encode(key.public_key()), "l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=");
        let dnskey = dnskey_rdata(257, key.algorithm(), key.public_key());
        assert_eq!(key_tag(&dnskey), 3613);
        let (owner, mut message) = (Name::from_text("example.com.").unwrap(), Vec::new());
        let to_sign = ToSign {
            owner: &owner,
            rr_type: RrType::MX,
            ttl_s: 3600,
            rdatas: Rdatas(b"\x00\x14\x00\x0a\x04mail\x07example\x03com\x00"),
            validity: Validity { start_s: 0, inception_s: 1_438_207_200, expiration_s: 1_440_021_600 },
            signer: &owner,
            algorithm: key.algorithm(),
            key_tag: key_tag(&dnskey),
        };
        to_sign.message(&mut message);
        let signature = key.sign(&SystemRandom::new(), &message).unwrap();
        assert_eq!(
            BASE64.encode(&signature),
            "oL9krJun7xfBOIWcGHi7mag5/hdZrKWw15jPGrHpjQeRAvTdszaPD+QLs3fx8A4M3e23mRZ9VrbpMngwcrqNAg=="
        );
    }
}

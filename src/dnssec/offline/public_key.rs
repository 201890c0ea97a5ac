//! A key whose private half is elsewhere: its DNSKEY, in the form of a zone file.

use std::fmt;
use std::sync::Arc;

use data_encoding::BASE64;
use ring::rand::SecureRandom;
use serde::{Deserialize, Serialize};

use crate::dnssec::keys::Key;
use crate::dnssec::{Algorithm, KeyId, KeyRole, SignFault, ZoneSigner, by_ring, dnskey_rdata, key_tag};
use crate::zone::slot::SignatureBytes;

/// A KSK or a ZSK without its private half; in files `257 3 13 <base64>` (RFC 4034 2.2).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey {
    role: KeyRole,
    algorithm: Algorithm,
    key: Vec<u8>,
    tag: u16,
}

impl PublicKey {
    /// The public half of a key.
    pub fn of(key: &Key) -> Self {
        let id = key.id();
        Self { role: id.role, algorithm: id.algorithm, key: key.signer.public_key().to_vec(), tag: id.tag }
    }

    /// Which key it is.
    pub fn id(&self) -> KeyId {
        KeyId { role: self.role, algorithm: self.algorithm, tag: self.tag }
    }

    /// Octets of its DNSKEY RDATA.
    pub fn rdata_octets(&self) -> usize {
        4 + self.key.len()
    }

    /// A handle that shows the key and signs nothing.
    pub fn shown(&self) -> Key {
        Key::new(self.role, Arc::new(ShownOnly(self.clone())))
    }

    /// The public key as DNSKEY RDATA carries it.
    pub fn octets(&self) -> &[u8] {
        &self.key
    }

    /// Whether a signature over a message is this key's.
    pub fn verifies(&self, message: &[u8], signature: &SignatureBytes) -> bool {
        by_ring::verifies(self.algorithm, &self.key, message, signature)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let fields: Vec<&str> = text.split(' ').collect();
        let [flags, "3", algorithm, key] = fields[..] else {
            return Err("a key is written as: 256 or 257, 3, the algorithm, and the key in base64");
        };
        let role = [KeyRole::Ksk, KeyRole::Zsk].into_iter().find(|role| role.flags().to_string() == flags);
        let role = role.ok_or("a key's flags are 256 or 257")?;
        let algorithm: Algorithm = algorithm.parse().map_err(|_| "the algorithms are 13 and 15")?;
        let key = BASE64.decode(key.as_bytes()).map_err(|_| "a key is in base64")?;
        if key.len() != algorithm.public_octets() {
            return Err("the key has another length than its algorithm's");
        }
        let tag = key_tag(&dnskey_rdata(role.flags(), algorithm.number(), &key));
        Ok(Self { role, algorithm, key, tag })
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        format!("{} 3 {} {}", key.role.flags(), key.algorithm, BASE64.encode(&key.key))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id().fmt(f)
    }
}

/// Signs nothing: the private half is elsewhere.
struct ShownOnly(PublicKey);

impl ZoneSigner for ShownOnly {
    fn algorithm(&self) -> u8 {
        self.0.algorithm.number()
    }

    fn public_key(&self) -> &[u8] {
        &self.0.key
    }

    fn sign(&self, _: &dyn SecureRandom, _: &[u8]) -> Result<SignatureBytes, SignFault> {
        Err(SignFault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dnssec::signer;
    use ring::rand::SystemRandom;

    #[test]
    fn the_text_is_read_back_and_names_the_same_key() {
        for algorithm in Algorithm::ALL {
            let random = SystemRandom::new();
            let document = signer::generate(algorithm, &random).unwrap();
            let key = Key::new(KeyRole::Zsk, signer::open(algorithm, &document, &random).unwrap());
            let public = PublicKey::of(&key);
            let read = PublicKey::try_from(String::from(public.clone())).unwrap();
            assert_eq!((&read, read.id(), read.shown().dnskey()), (&public, key.id(), key.dnskey()));
            assert_eq!(read.shown().signer.sign(&random, b"m"), Err(SignFault));
            let signature = key.signer.sign(&random, b"m").unwrap();
            assert!(read.verifies(b"m", &signature) && !read.verifies(b"n", &signature));
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "257 3 13", "255 3 13 AAAA", "257 2 13 AAAA", "257 3 8 AAAA", "257 3 13 AAAA", "257 3 15 !"] {
            assert!(PublicKey::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}

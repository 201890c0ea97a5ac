//! The DNSSEC algorithms that zones are signed with here, by their IANA numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An algorithm of zone keys. Both make signatures of 64 octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256 (RFC 6605): every validator knows it.
    #[default]
    EcdsaP256Sha256 = 13,
    /// Ed25519 (RFC 8080): smaller keys, and the same message has the same signature, so no random numbers are spent.
    Ed25519 = 15,
}

/// A number that is none of [`Algorithm::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the algorithms are 13 (ECDSA P-256 with SHA-256) and 15 (Ed25519)")]
pub struct UnknownAlgorithm;

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 2] = [Self::EcdsaP256Sha256, Self::Ed25519];

    /// The number in DNSKEY, DS and RRSIG.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Octets of a public key in DNSKEY RDATA (RFC 6605 4, RFC 8080 3).
    pub const fn public_octets(self) -> usize {
        match self {
            Self::EcdsaP256Sha256 => 64,
            Self::Ed25519 => 32,
        }
    }

    /// The name in the registry.
    pub const fn mnemonic(self) -> &'static str {
        match self {
            Self::EcdsaP256Sha256 => "ECDSAP256SHA256",
            Self::Ed25519 => "ED25519",
        }
    }
}

impl TryFrom<u8> for Algorithm {
    type Error = UnknownAlgorithm;

    fn try_from(number: u8) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.into_iter().find(|algorithm| algorithm.number() == number).ok_or(UnknownAlgorithm)
    }
}

impl From<Algorithm> for u8 {
    fn from(algorithm: Algorithm) -> Self {
        algorithm.number()
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(number: &str) -> Result<Self, UnknownAlgorithm> {
        number.parse::<u8>().map_err(|_| UnknownAlgorithm)?.try_into()
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

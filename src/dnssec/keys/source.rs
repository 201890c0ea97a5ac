//! The seam to where private keys lie: in files, sealed or not, in a token, or in both.

use std::path::Path;

use ring::rand::SystemRandom;

use super::{Key, KeyError, KeyFiles};
use crate::config::{Dnssec, TokenHolds};
#[cfg(feature = "pkcs11")]
use crate::dnssec::pkcs11::{SplitKeys, TokenKeys};
use crate::dnssec::{Algorithm, KeyId, KeyRole};
use crate::wire::Name;

/// What protects a private key where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// The mode of its file alone.
    Plain,
    /// A passphrase.
    Sealed,
    /// A PKCS#11 token, which it does not leave.
    Token,
    /// It is not there any more.
    Gone,
}

impl Protection {
    /// The word for it in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Sealed => "sealed",
            Self::Token => "token",
            Self::Gone => "gone",
        }
    }
}

/// A place that makes, opens and ends the private keys of one zone.
///
/// The life of the keys is kept elsewhere: this knows nothing of states, and a signer may be anything that signs.
pub trait KeySource: Send {
    /// Makes a key whose tags, plain and revoked, are free. It is durable when this returns.
    fn make(&self, role: KeyRole, algorithm: Algorithm, is_free: &dyn Fn([u16; 2]) -> bool) -> Result<KeyId, KeyError>;

    /// Opens a key for signing.
    fn open(&self, id: KeyId) -> Result<Key, KeyError>;

    /// Every key that is there, and when it was made in Unix seconds, as far as that is known.
    fn list(&self) -> Result<Vec<(KeyId, u64)>, KeyError>;

    /// What protects a key, without opening it.
    fn protection(&self, id: KeyId) -> Result<Protection, KeyError>;

    /// Puts a key aside that the zone no longer needs. That it is aside already is no error.
    fn set_aside(&self, id: KeyId) -> Result<(), KeyError>;

    /// Deletes a key that was put aside. That it is gone already is no error.
    fn forget(&self, id: KeyId) -> Result<(), KeyError>;
}

/// Where a configuration says that the keys of a zone are: in files in `dir`, and in a token if there is one.
pub fn configured(dir: &Path, apex: &Name, dnssec: &Dnssec) -> Box<dyn KeySource> {
    let files = KeyFiles::new(dir, apex, Box::new(SystemRandom::new())).sealed_with(&dnssec.passphrase_file);
    #[cfg(feature = "pkcs11")]
    if dnssec.pkcs11.is_set() {
        return Box::new(SplitKeys::new(files, TokenKeys::new(&dnssec.pkcs11, apex), dnssec.pkcs11.holds));
    }
    // Without the feature no configuration with a token passes its check.
    Box::new(files)
}

/// The keys of a zone that the configured token holds, if there is one.
pub fn in_configured_token(apex: &Name, dnssec: &Dnssec) -> Result<Vec<KeyId>, KeyError> {
    #[cfg(feature = "pkcs11")]
    if dnssec.pkcs11.is_set() {
        return Ok(TokenKeys::new(&dnssec.pkcs11, apex).list()?.into_iter().map(|(id, _)| id).collect());
    }
    let _none = (apex, dnssec);
    Ok(Vec::new())
}

/// Whether new keys of a role are made in the token.
pub fn in_token(holds: TokenHolds, role: KeyRole) -> bool {
    match holds {
        TokenHolds::Ksk => role.is_entry(),
        TokenHolds::All => true,
        TokenHolds::None => false,
    }
}

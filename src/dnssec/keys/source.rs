//! The seam to where private keys lie: files today, sealed or not; a security module or an offline key can stand
//! behind it.

use super::{Key, KeyError};
use crate::dnssec::{Algorithm, KeyId, KeyRole};

/// What protects a private key where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// The mode of its file alone.
    Plain,
    /// A passphrase.
    Sealed,
    /// It is not there any more.
    Gone,
}

impl Protection {
    /// The word for it in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Sealed => "sealed",
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

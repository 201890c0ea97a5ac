//! The seam to where private keys lie: files today; sealed files, a security module or an offline key can stand behind it.

use super::{Key, KeyError};
use crate::dnssec::{Algorithm, KeyId, KeyRole};

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

    /// Puts a key aside that the zone no longer needs. That it is aside already is no error.
    fn set_aside(&self, id: KeyId) -> Result<(), KeyError>;

    /// Deletes a key that was put aside. That it is gone already is no error.
    fn forget(&self, id: KeyId) -> Result<(), KeyError>;
}

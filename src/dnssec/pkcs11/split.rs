//! Keys in two places: new ones where the configuration says, those that are there where they are.

use super::TokenKeys;
use crate::config::TokenHolds;
use crate::dnssec::keys::{Key, KeyError, KeyFiles, KeySource, Protection, in_token};
use crate::dnssec::{Algorithm, KeyId, KeyRole};

/// The keys of one zone, in files and in a token.
///
/// The files are looked at first: as long as all keys that are in use are files, no token is needed.
pub struct SplitKeys {
    files: KeyFiles,
    token: TokenKeys,
    holds: TokenHolds,
}

impl SplitKeys {
    /// Both places, and which new keys are for the token.
    pub fn new(files: KeyFiles, token: TokenKeys, holds: TokenHolds) -> Self {
        Self { files, token, holds }
    }
}

impl KeySource for SplitKeys {
    fn make(&self, role: KeyRole, algorithm: Algorithm, is_free: &dyn Fn([u16; 2]) -> bool) -> Result<KeyId, KeyError> {
        match in_token(self.holds, role) {
            true => self.token.make(role, algorithm, is_free),
            false => self.files.make(role, algorithm, is_free),
        }
    }

    fn open(&self, id: KeyId) -> Result<Key, KeyError> {
        if self.files.has(id) { self.files.open(id) } else { self.token.open(id) }
    }

    fn list(&self) -> Result<Vec<(KeyId, u64)>, KeyError> {
        let mut found = self.files.list()?;
        for (id, created_s) in self.token.list()? {
            if found.iter().all(|(other, _)| *other != id) {
                found.push((id, created_s));
            }
        }
        found.sort_by_key(|(id, created_s)| (id.role, *created_s, id.tag));
        Ok(found)
    }

    fn protection(&self, id: KeyId) -> Result<Protection, KeyError> {
        match self.files.protection(id)? {
            Protection::Gone => self.token.protection(id),
            there => Ok(there),
        }
    }

    fn set_aside(&self, id: KeyId) -> Result<(), KeyError> {
        match self.files.protection(id)? {
            Protection::Gone => self.token.set_aside(id),
            _ => self.files.set_aside(id),
        }
    }

    fn forget(&self, id: KeyId) -> Result<(), KeyError> {
        match self.files.protection(id)? {
            Protection::Gone => self.token.forget(id),
            _ => self.files.forget(id),
        }
    }
}

//! The keys that sign webhooks: one, and while it is being changed the one before it as well.
//!
//! ```text
//! K1 signs --rotate--> K2 and K1 sign (receivers learn K2) --finish--> K2 signs
//! ```
//! A receiver that knows either key verifies each delivery in between. What is made or removed counts from the next start.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use crate::authority::keys::{WEBHOOK, WEBHOOK_BEFORE};
use crate::log::bytes::to_base64;
use crate::log::key::SigningKey;
use crate::log::random::Random;
use crate::seal::Lock;
use crate::signer::key_file::{self, KeyError};

/// What a public key for webhooks begins with (Standard Webhooks, "Signature scheme").
const PUBLIC_PREFIX: &str = "whpk_";
/// The scheme of a signature: Ed25519 (Standard Webhooks).
const SCHEME: &str = "v1a";

/// The keys that sign.
pub(in crate::authority) struct WebhookKeys {
    /// The newest first.
    keys: Vec<SigningKey>,
}

impl WebhookKeys {
    /// Reads them from the folder of keys; where there was none, one is made.
    pub(in crate::authority) fn open(dir: &Path, lock: &Lock, random: &dyn Random) -> Result<Self, KeyError> {
        let current = match key_file::signing(dir, WEBHOOK, lock) {
            Err(KeyError::Missing { .. }) => {
                let secret = drawn(random)?;
                key_file::make(dir, WEBHOOK, &secret, lock)?;
                synced(dir)?;
                key_file::signing(dir, WEBHOOK, lock)?
            }
            read => read?,
        };
        let mut keys = vec![current];
        match key_file::signing(dir, WEBHOOK_BEFORE, lock) {
            Err(KeyError::Missing { .. }) => {}
            // Cut off between the two steps of a rotation.
            Ok(before) if before.public() == keys[0].public() => {}
            before => keys.push(before?),
        }
        Ok(Self { keys })
    }

    /// The public keys as receivers write them, the newest first.
    pub(in crate::authority) fn public(&self) -> Vec<String> {
        self.keys.iter().map(|key| format!("{PUBLIC_PREFIX}{}", to_base64(key.public().bytes()))).collect()
    }

    /// The signatures over a message, one for each key, as they stand in the header.
    pub(super) fn sign(&self, content: &[u8]) -> String {
        let each = self.keys.iter().map(|key| format!("{SCHEME},{}", to_base64(&key.sign(content))));
        each.collect::<Vec<_>>().join(" ")
    }
}

/// Makes a new key that signs beside the present one from the next start on. False: there are two already.
pub fn rotate(dir: &Path, lock: &Lock, random: &dyn Random) -> Result<bool, KeyError> {
    let current = key_file::signing(dir, WEBHOOK, lock)?;
    match key_file::signing(dir, WEBHOOK_BEFORE, lock) {
        Err(KeyError::Missing { .. }) => key_file::make(dir, WEBHOOK_BEFORE, &current.to_bytes(), lock)?,
        Ok(before) if before.public() == current.public() => {} // cut off here the last time
        other => return other.map(|_| false),
    }
    let path = key_file::file(dir, WEBHOOK);
    let at = |source| KeyError::Io { path: path.clone(), source };
    let secret = drawn(random)?;
    let content = key_file::content(&path, WEBHOOK, &secret, lock)?;
    let partial = path.with_extension("key.partial");
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(error)),
        _ => {}
    }
    key_file::write_new(&partial, content.as_bytes()).map_err(at)?;
    fs::rename(&partial, &path).map_err(at)?;
    synced(dir)?;
    Ok(true)
}

/// Ends the change of keys: the one before signs no longer from the next start on. False: there is none.
pub fn finish(dir: &Path) -> Result<bool, KeyError> {
    let path = key_file::file(dir, WEBHOOK_BEFORE);
    match fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        removed => removed.map_err(|source| KeyError::Io { path, source })?,
    }
    synced(dir)?;
    Ok(true)
}

fn synced(dir: &Path) -> Result<(), KeyError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(|source| KeyError::Io { path: dir.to_owned(), source })
}

fn drawn(random: &dyn Random) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let mut secret = Zeroizing::new([0; 32]);
    random.fill(&mut *secret)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::random::Seeded;

    fn open(dir: &Path) -> Vec<String> {
        WebhookKeys::open(dir, &Lock::default(), &Seeded::new([1; 32])).unwrap().public()
    }

    #[test]
    fn keys_overlap_while_they_change() {
        let dir = tempfile::tempdir().unwrap();
        let (dir, lock) = (dir.path(), Lock::default());
        let first = open(dir);
        assert_eq!(first, open(dir), "made once");
        assert!(first.len() == 1 && first[0].starts_with("whpk_"));
        assert!(!finish(dir).unwrap());
        assert!(rotate(dir, &lock, &Seeded::new([2; 32])).unwrap());
        let both = open(dir);
        assert_eq!((both.len(), &both[1]), (2, &first[0]));
        assert!(!rotate(dir, &lock, &Seeded::new([3; 32])).unwrap(), "one change at a time");
        assert_eq!(open(dir), both);
        assert!(finish(dir).unwrap());
        assert_eq!(open(dir), both[..1]);
    }

    #[test]
    fn a_change_that_is_cut_off_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let (dir, lock) = (dir.path(), Lock::default());
        let first = open(dir);
        let current = key_file::signing(dir, WEBHOOK, &lock).unwrap();
        key_file::make(dir, WEBHOOK_BEFORE, &current.to_bytes(), &lock).unwrap();
        fs::write(dir.join("webhook.key.partial"), "half").unwrap();
        assert_eq!(open(dir), first, "one key signs once");
        assert!(rotate(dir, &lock, &Seeded::new([2; 32])).unwrap());
        assert_eq!((open(dir).len(), &open(dir)[1]), (2, &first[0]));
    }

    #[test]
    fn every_key_signs() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path());
        rotate(dir.path(), &Lock::default(), &Seeded::new([2; 32])).unwrap();
        let keys = WebhookKeys::open(dir.path(), &Lock::default(), &Seeded::new([1; 32])).unwrap();
        let signed = keys.sign(b"a message");
        let parts: Vec<&str> = signed.split(' ').collect();
        assert_eq!(parts.len(), 2);
        for (part, key) in parts.iter().zip(&keys.keys) {
            let signature = crate::log::bytes::array_from_base64(part.strip_prefix("v1a,").unwrap()).unwrap();
            assert!(key.public().verify(b"a message", &signature));
        }
    }
}

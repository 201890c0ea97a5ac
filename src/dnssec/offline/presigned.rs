//! A KSK as a serving node has it: its public half, and the signatures that it made ahead.

use std::collections::HashMap;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use ring::rand::SecureRandom;

use super::public_key::PublicKey;
use super::response::KeySet;
use crate::dnssec::keys::{Key, KeyError};
use crate::dnssec::{KeyId, KeyRole, SignFault, ZoneKeys, ZoneSigner};
use crate::wire::Name;
use crate::zone::slot::SignatureBytes;

/// Finds signatures by the hash of what was signed; makes none.
struct Presigned {
    key: PublicKey,
    signatures: Arc<HashMap<[u8; 32], SignatureBytes>>,
}

impl ZoneSigner for Presigned {
    fn algorithm(&self) -> u8 {
        self.key.id().algorithm.number()
    }

    fn public_key(&self) -> &[u8] {
        self.key.octets()
    }

    fn sign(&self, _: &dyn SecureRandom, message: &[u8]) -> Result<SignatureBytes, SignFault> {
        let signature = self.signatures.get(&hash(message)).ok_or(SignFault)?;
        // What lies in a file may have been changed there.
        if self.key.verifies(message, signature) { Ok(*signature) } else { Err(SignFault) }
    }
}

impl KeySet {
    /// The keys to serve: signatures of KSKs from the file, this node's ZSK from `open`, other nodes' keys shown only.
    pub fn to_serve(
        &self,
        apex: &Name,
        ttl_s: u32,
        signer: KeyId,
        open: &mut dyn FnMut(KeyId) -> Result<Key, KeyError>,
    ) -> Result<ZoneKeys, KeyError> {
        let shown = self.zone_keys(apex, ttl_s, None, |key| Ok(key.shown()))?;
        let mut signatures = HashMap::new();
        self.each_signature::<KeyError>(apex, &shown, |_, _, message, signature| {
            signatures.insert(hash(message), *signature);
            Ok(())
        })?;
        let signatures = Arc::new(signatures);
        self.zone_keys(apex, ttl_s, Some(signer), |key| match key.id() {
            id if id == signer => open(id),
            id if id.role == KeyRole::Ksk => {
                let (key, signatures) = (key.clone(), Arc::clone(&signatures));
                Ok(Key::new(KeyRole::Ksk, Arc::new(Presigned { key, signatures })))
            }
            _ => Ok(key.shown()),
        })
    }
}

fn hash(message: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, message).as_ref());
    hash
}

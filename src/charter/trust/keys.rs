//! Who may sign: keys by their ids, roles with a threshold, and the count of those who did.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde_json::{Map, Value, json};

use crate::charter::trust::document::Document;
use crate::charter::trust::json::{Members, canonical};
use crate::charter::trust::{KEYS_MAX, Untrusted};
use crate::log::key::{Algorithm, PublicKey};
use crate::log::sha256;

/// The name of the only kind of key and of its signatures (RFC 8032).
const ED25519: &str = "ed25519";

/// The id of an Ed25519 key: the SHA-256 of its canonical JSON, in hexadecimal.
pub fn key_id(key: &PublicKey) -> String {
    id_of(&written(key))
}

/// A key as metadata writes it.
pub(super) fn written(key: &PublicKey) -> Value {
    json!({"keytype": ED25519, "keyval": {"public": HEXLOWER.encode(key.bytes())}, "scheme": ED25519})
}

/// The id covers what makes the key, and none of what may stand beside it (as securesystemslib has it).
fn id_of(key: &Value) -> String {
    let part = |name: &str| key.get(name).cloned().unwrap_or(Value::Null);
    let named = json!({"keytype": part("keytype"), "keyval": part("keyval"), "scheme": part("scheme")});
    HEXLOWER.encode(&sha256(&[&canonical(&named).unwrap_or_default()]))
}

/// Keys by their ids. Each id is that of its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRing(BTreeMap<String, PublicKey>);

impl KeyRing {
    /// Adds a key, and gives its id.
    pub fn add(&mut self, key: &PublicKey) -> String {
        let id = key_id(key);
        self.0.insert(id.clone(), key.clone());
        id
    }

    /// The key of that id.
    pub fn get(&self, id: &str) -> Option<&PublicKey> {
        self.0.get(id)
    }

    pub(super) fn read(keys: &Map<String, Value>, file: &str) -> Result<Self, Untrusted> {
        if keys.len() > KEYS_MAX {
            return Err(Untrusted::form(file, format!("`keys`: at most {KEYS_MAX}"), keys.len().to_string()));
        }
        let mut ring = BTreeMap::new();
        for (id, value) in keys {
            let members = Members::of(value, file, "a key")?;
            let (kind, scheme) = (members.text("keytype")?, members.text("scheme")?);
            if (kind, scheme) != (ED25519, ED25519) {
                return Err(Untrusted::form(file, "keys of type ed25519", format!("{kind}/{scheme}")));
            }
            let public = Members::new(members.object("keyval")?, file).text("public")?;
            let bytes = HEXLOWER_PERMISSIVE.decode(public.as_bytes()).unwrap_or_default();
            let key = PublicKey::new(Algorithm::Ed25519, &bytes);
            let key =
                key.map_err(|_| Untrusted::form(file, "an Ed25519 key of 32 bytes in hexadecimal", "another value"))?;
            if id_of(value) != *id {
                return Err(Untrusted::form(file, format!("the key id {}", id_of(value)), id.clone()));
            }
            ring.insert(id.clone(), key);
        }
        Ok(Self(ring))
    }

    pub(super) fn write(&self) -> Value {
        Value::Object(self.0.iter().map(|(id, key)| (id.clone(), written(key))).collect())
    }
}

/// Keys of which so many must sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Ids of the keys that may.
    pub keys: Vec<String>,
    /// How many of them must.
    pub threshold: u64,
}

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// How many must.
    pub need: u64,
    /// Ids of those who did, each key once.
    pub signed: Vec<String>,
    /// Ids of those who may and did not.
    pub missing: Vec<String>,
}

impl Tally {
    /// Whether they are enough.
    pub fn is_met(&self) -> bool {
        self.signed.len() as u64 >= self.need
    }

    pub(super) fn check(&self, file: &str) -> Result<(), Untrusted> {
        if self.is_met() {
            return Ok(());
        }
        let missing: Vec<&str> = self.missing.iter().map(|id| id.get(..16).unwrap_or(id)).collect();
        let found = format!("{}; missing of those who may: {}", self.signed.len(), missing.join(", "));
        Err(Untrusted::new(
            file,
            super::Why::Signatures,
            format!("good signatures by {} keys of the role", self.need),
            found,
        ))
    }
}

impl Role {
    pub(super) fn read(value: &Value, file: &str) -> Result<Self, Untrusted> {
        let members = Members::of(value, file, "a role")?;
        let (keys, threshold) = (members.texts("keyids")?, members.number("threshold")?);
        let distinct: BTreeSet<&String> = keys.iter().collect();
        if distinct.len() != keys.len() || keys.len() > KEYS_MAX {
            return Err(Untrusted::form(file, "`keyids`: each key once", "a key twice, or too many"));
        }
        if threshold == 0 {
            return Err(Untrusted::form(file, "`threshold`: 1 at least", "0"));
        }
        Ok(Self { keys, threshold })
    }

    pub(super) fn write(&self) -> Value {
        json!({"keyids": self.keys, "threshold": self.threshold})
    }

    /// Counts the good signatures of this role's keys. A key counts once, whatever it is called.
    pub fn tally(&self, ring: &KeyRing, document: &Document) -> Tally {
        let (mut signed, mut missing, mut counted) = (Vec::new(), Vec::new(), BTreeSet::new());
        for id in &self.keys {
            let Some(key) = ring.get(id) else { continue };
            match document.is_signed_by(id, key) && counted.insert(key) {
                true => signed.push(id.clone()),
                false => missing.push(id.clone()),
            }
        }
        Tally { need: self.threshold, signed, missing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charter::trust::document::Kind;
    use crate::log::key::SigningKey;

    fn key(n: u8) -> SigningKey {
        SigningKey::from_bytes(Algorithm::Ed25519, &[n; 32]).unwrap()
    }

    /// As securesystemslib 1.6.0 computes it.
    #[test]
    fn an_id_is_that_of_other_programs() {
        let id = "7ab6b86cb2c9684b0ddc10896153aa2595decf4d4327a5ff1a8ab7422c828b12";
        assert_eq!(key_id(key(1).public()), id);
    }

    #[test]
    fn a_ring_is_read_back_and_a_wrong_id_is_told() {
        let mut ring = KeyRing::default();
        let ids = [1, 2].map(|n| ring.add(key(n).public()));
        let mut written = ring.write();
        assert_eq!(KeyRing::read(written.as_object().unwrap(), "1.root.json"), Ok(ring));
        written[&ids[0]] = written[&ids[1]].clone();
        let no = KeyRing::read(written.as_object().unwrap(), "1.root.json").unwrap_err();
        assert!(no.expected.contains(&ids[1]) && no.found == ids[0], "{no}");
        let weak = json!({"x": {"keytype": ED25519, "scheme": ED25519, "keyval": {"public": "01".to_owned() + &"00".repeat(31)}}});
        assert!(KeyRing::read(weak.as_object().unwrap(), "f").is_err(), "a point of small order");
        let rsa = json!({"x": {"keytype": "rsa", "scheme": "rsassa-pss-sha256", "keyval": {"public": ""}}});
        assert!(KeyRing::read(rsa.as_object().unwrap(), "f").unwrap_err().found.contains("rsa"));
    }

    #[test]
    fn one_key_counts_once_and_only_over_what_it_signed() {
        let mut ring = KeyRing::default();
        let keys = [1, 2, 3].map(|n| ring.add(key(n).public()));
        let role = Role { keys: keys.to_vec(), threshold: 2 };
        let mut document = Document::new(Kind::Targets, 1, 1000, json!({"targets": {}}));
        assert_eq!(role.tally(&ring, &document).signed.len(), 0);
        document.sign(&key(1));
        document.sign(&key(1));
        document.sign(&key(9));
        let tally = role.tally(&ring, &document);
        assert_eq!((tally.is_met(), tally.signed.len(), tally.missing.len()), (false, 1, 2));
        let mut other = Document::new(Kind::Targets, 2, 1000, json!({"targets": {}}));
        other.sign(&key(2));
        assert!(!document.merge(&other), "another text");
        let mut copy = Document::new(Kind::Targets, 1, 1000, json!({"targets": {}}));
        copy.sign(&key(3));
        assert!(document.merge(&copy) && role.tally(&ring, &document).is_met());
    }
}

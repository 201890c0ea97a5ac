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

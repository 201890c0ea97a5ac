//! One file of metadata: what is signed, by whom, and the head that all kinds share.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde_json::{Map, Value, json};

use crate::charter::trust::json::{Members, canonical, read};
use crate::charter::trust::keys::key_id;
use crate::charter::trust::{KEYS_MAX, Untrusted, Why};
use crate::clock::{parse_rfc3339, rfc3339};
use crate::log::key::{PublicKey, SigningKey};
use crate::log::{Hash, sha256};

/// The version of the specification that is written.
const SPEC_VERSION: &str = "1.0.31";

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Who may sign what.
    Root,
    /// What is newest, in one small file.
    Timestamp,
    /// Which versions belong together.
    Snapshot,
    /// Digests of what is to be believed.
    Targets,
}

impl Kind {
    /// Its name in `_type`, and of the role at the top.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Timestamp => "timestamp",
            Self::Snapshot => "snapshot",
            Self::Targets => "targets",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Root, Self::Timestamp, Self::Snapshot, Self::Targets].into_iter().find(|kind| kind.name() == name)
    }
}

/// A file of metadata: its head is read, its signatures are there to be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it is.
    pub kind: Kind,
    /// Its version; the first is 1.
    pub version: u64,
    /// When its time is over, Unix seconds.
    pub expires_s: u64,
    signed: Map<String, Value>,
    bytes: Vec<u8>,
    signatures: Vec<(String, String)>,
}

impl Document {
    /// Reads a file; whether its signatures are good is not looked at.
    pub fn read(bytes: &[u8], file: &str) -> Result<Self, Untrusted> {
        let mut top = read(bytes, file)?;
        let signatures = signatures(&top, file)?;
        let Some(Value::Object(signed)) = top.remove("signed") else {
            return Err(Untrusted::form(file, "`signed`: an object", "no such member, or another value"));
        };
        Self::of(signed, signatures, file)
    }

    fn of(signed: Map<String, Value>, signatures: Vec<(String, String)>, file: &str) -> Result<Self, Untrusted> {
        let members = Members::new(&signed, file);
        let kind = members.text("_type")?;
        let kind = Kind::of(kind).ok_or_else(|| Untrusted::form(file, "`_type`: a role of TUF", kind))?;
        let spec = members.text("spec_version")?;
        if !is_spec_1(spec) {
            return Err(Untrusted::form(file, "`spec_version`: 1.x.y", spec));
        }
        let version = members.number("version")?;
        if version == 0 {
            return Err(Untrusted::form(file, "`version`: 1 at least", "0"));
        }
        let expires = members.text("expires")?;
        let expires_s = parse_rfc3339(expires).filter(|at_s| rfc3339(*at_s) == expires);
        let expires_s = expires_s
            .ok_or_else(|| Untrusted::form(file, "`expires`: a time such as 2027-03-01T00:00:00Z", expires))?;
        let bytes = canonical(&Value::Object(signed.clone()));
        let bytes = bytes.ok_or_else(|| Untrusted::form(file, "integers alone", "a number with a fraction"))?;
        Ok(Self { kind, version, expires_s, signed, bytes, signatures })
    }

    /// New metadata that nobody has signed yet: the head, and the members that its kind has.
    pub(super) fn new(kind: Kind, version: u64, expires_s: u64, members: Value) -> Self {
        let mut signed = members.as_object().cloned().unwrap_or_default();
        signed.insert("_type".to_owned(), json!(kind.name()));
        signed.insert("spec_version".to_owned(), json!(SPEC_VERSION));
        signed.insert("version".to_owned(), json!(version));
        signed.insert("expires".to_owned(), json!(rfc3339(expires_s)));
        let bytes = canonical(&Value::Object(signed.clone())).unwrap_or_default(); // no fraction was put in
        Self { kind, version, expires_s, signed, bytes, signatures: Vec::new() }
    }

    /// The file as it is published: the same text each time.
    pub fn write(&self) -> Vec<u8> {
        let signatures: Vec<Value> = self.signatures.iter().map(|(id, sig)| json!({"keyid": id, "sig": sig})).collect();
        let value = json!({"signatures": signatures, "signed": self.signed});
        let mut text = serde_json::to_vec_pretty(&value).unwrap_or_default(); // a value of texts and integers
        text.push(b'\n');
        text
    }

    /// SHA-256 of what is signed: the same whoever has signed so far.
    pub fn digest(&self) -> Hash {
        sha256(&[&self.bytes])
    }

    /// Signs, in the place of an earlier signature by the same key.
    pub fn sign(&mut self, key: &SigningKey) -> String {
        let id = key_id(key.public());
        self.signatures.retain(|(other, _)| *other != id);
        self.signatures.push((id.clone(), HEXLOWER.encode(&key.sign(&self.bytes))));
        self.signatures.sort();
        id
    }

    /// Takes over the signatures of another copy. False if that one says something else.
    pub fn merge(&mut self, other: &Self) -> bool {
        if other.bytes != self.bytes {
            return false;
        }
        for (id, sig) in &other.signatures {
            if !self.signatures.iter().any(|(known, _)| known == id) {
                self.signatures.push((id.clone(), sig.clone()));
            }
        }
        self.signatures.sort();
        true
    }

    /// Ids of the keys that are said to have signed.
    pub fn signers(&self) -> impl Iterator<Item = &str> {
        self.signatures.iter().map(|(id, _)| id.as_str())
    }

    /// Whether there is a good signature under that id.
    pub(super) fn is_signed_by(&self, id: &str, key: &PublicKey) -> bool {
        let Some((_, sig)) = self.signatures.iter().find(|(signer, _)| signer == id) else { return false };
        let sig = HEXLOWER_PERMISSIVE.decode(sig.as_bytes()).ok().and_then(|sig| sig.try_into().ok());
        sig.is_some_and(|sig: [u8; 64]| key.verify(&self.bytes, &sig))
    }

    pub(super) fn members<'d>(&'d self, file: &'d str) -> Members<'d> {
        Members::new(&self.signed, file)
    }

    /// What it says, without the version and the end of its time.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let said = |document: &Self| {
            let mut signed = document.signed.clone();
            signed.remove("version");
            signed.remove("expires");
            signed
        };
        self.kind == other.kind && said(self) == said(other)
    }

    pub(super) fn must_be(&self, kind: Kind, file: &str) -> Result<(), Untrusted> {
        if self.kind == kind {
            return Ok(());
        }
        Err(Untrusted::form(file, format!("`_type`: {}", kind.name()), self.kind.name()))
    }

    /// Refuses what is over at that time (Unix seconds).
    pub(super) fn must_live(&self, now_s: u64, file: &str) -> Result<(), Untrusted> {
        if now_s < self.expires_s {
            return Ok(());
        }
        let expected = format!("an end after {}", rfc3339(now_s));
        Err(Untrusted::new(file, Why::Expired, expected, rfc3339(self.expires_s)))
    }
}

fn signatures(top: &Map<String, Value>, file: &str) -> Result<Vec<(String, String)>, Untrusted> {
    let list = Members::new(top, file).list("signatures")?;
    if list.len() > KEYS_MAX {
        return Err(Untrusted::form(file, format!("at most {KEYS_MAX} signatures"), list.len().to_string()));
    }
    let mut signatures: Vec<(String, String)> = Vec::new();
    for value in list {
        let members = Members::of(value, file, "a signature")?;
        let (id, sig) = (members.text("keyid")?, members.text("sig")?);
        if signatures.iter().any(|(other, _)| other == id) {
            return Err(Untrusted::form(file, "one signature a key", format!("several of {id}")));
        }
        signatures.push((id.to_owned(), sig.to_owned()));
    }
    Ok(signatures)
}

/// `1.x` or `1.x.y`.
fn is_spec_1(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let digits = |part: &&str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
    matches!(parts.len(), 2 | 3) && parts[0] == "1" && parts.iter().all(digits)
}

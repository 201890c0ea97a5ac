//! Snapshot and timestamp metadata: which versions of which files belong together, and what is newest.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};

use crate::charter::trust::document::{Document, Kind};
use crate::charter::trust::json::Members;
use crate::charter::trust::{Untrusted, Why};
use crate::log::sha256;

/// What is said of another file of metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaInfo {
    /// Its version.
    pub version: u64,
    /// Its length in bytes, if it is said.
    pub length: Option<u64>,
    /// Its digests by algorithm, in hexadecimal; none are said of some.
    pub hashes: Option<BTreeMap<String, String>>,
}

impl MetaInfo {
    /// That of these bytes.
    pub fn of(version: u64, bytes: &[u8]) -> Self {
        let hashes = BTreeMap::from([("sha256".to_owned(), HEXLOWER.encode(&sha256(&[bytes])))]);
        Self { version, length: Some(bytes.len() as u64), hashes: Some(hashes) }
    }

    fn read(value: &Value, file: &str) -> Result<Self, Untrusted> {
        let members = Members::of(value, file, "what is said of a file")?;
        let version = members.number("version")?;
        if version == 0 {
            return Err(Untrusted::form(file, "`version`: 1 at least", "0"));
        }
        let length = if members.has("length") { Some(members.number("length")?) } else { None };
        let hashes = if members.has("hashes") { Some(read_hashes(members.object("hashes")?, file)?) } else { None };
        Ok(Self { version, length, hashes })
    }

    fn write(&self) -> Value {
        let mut value = json!({"version": self.version});
        if let Some(length) = self.length {
            value["length"] = json!(length);
        }
        if let Some(hashes) = &self.hashes {
            value["hashes"] = json!(hashes);
        }
        value
    }

    /// Refuses other bytes than those that are meant.
    pub(super) fn check(&self, bytes: &[u8], file: &str) -> Result<(), Untrusted> {
        if let Some(length) = self.length {
            must_have_length(bytes, length, file)?;
        }
        self.hashes.as_ref().map_or(Ok(()), |hashes| must_have_hashes(bytes, hashes, file))
    }
}

pub(super) fn read_hashes(hashes: &Map<String, Value>, file: &str) -> Result<BTreeMap<String, String>, Untrusted> {
    let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    let read: Option<BTreeMap<_, _>> = hashes.iter().map(text).collect();
    let read = read.filter(|hashes| !hashes.is_empty());
    read.ok_or_else(|| Untrusted::form(file, "`hashes`: digests by their algorithm", "none, or another value"))
}

pub(super) fn must_have_length(bytes: &[u8], length: u64, file: &str) -> Result<(), Untrusted> {
    match bytes.len() as u64 == length {
        true => Ok(()),
        false => Err(Untrusted::new(file, Why::Digest, format!("{length} bytes"), format!("{} bytes", bytes.len()))),
    }
}

/// Each digest must be right, and of an algorithm that is known.
pub(super) fn must_have_hashes(bytes: &[u8], hashes: &BTreeMap<String, String>, file: &str) -> Result<(), Untrusted> {
    for (algorithm, expected) in hashes {
        let found = match algorithm.as_str() {
            "sha256" => HEXLOWER.encode(&sha256(&[bytes])),
            "sha512" => HEXLOWER.encode(&Sha512::digest(bytes)),
            other => return Err(Untrusted::new(file, Why::Digest, "digests of sha256 or sha512", other)),
        };
        if found != *expected {
            return Err(Untrusted::new(file, Why::Digest, format!("{algorithm} {expected}"), found));
        }
    }
    Ok(())
}

/// Which versions belong together: files of targets by their names without a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// `targets.json`, `providers.json`, …
    pub meta: BTreeMap<String, MetaInfo>,
}

impl Snapshot {
    pub(super) fn of(document: &Document, file: &str) -> Result<Self, Untrusted> {
        document.must_be(Kind::Snapshot, file)?;
        let members = document.members(file);
        let meta = members.object("meta")?.iter();
        let meta = meta.map(|(name, value)| Ok((name.clone(), MetaInfo::read(value, file)?)));
        Ok(Self { meta: meta.collect::<Result<_, Untrusted>>()? })
    }

    /// What it becomes as metadata that nobody has signed yet.
    pub fn write(&self, version: u64, expires_s: u64) -> Document {
        let meta: BTreeMap<&String, Value> = self.meta.iter().map(|(name, info)| (name, info.write())).collect();
        Document::new(Kind::Snapshot, version, expires_s, json!({"meta": meta}))
    }

    /// Nothing that was in the one before may be gone or be older (TUF specification 5.5.5).
    pub(super) fn must_follow(&self, before: &Self, file: &str) -> Result<(), Untrusted> {
        for (name, old) in &before.meta {
            let expected = || format!("{name} of version {} at least", old.version);
            let Some(new) = self.meta.get(name) else {
                return Err(Untrusted::new(file, Why::Version, expected(), "no such file"));
            };
            if new.version < old.version {
                return Err(Untrusted::new(file, Why::Version, expected(), format!("version {}", new.version)));
            }
        }
        Ok(())
    }
}

/// What is newest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timestamp {
    /// The snapshot.
    pub snapshot: MetaInfo,
}

/// The one file that a timestamp names.
pub(super) const SNAPSHOT: &str = "snapshot.json";

impl Timestamp {
    pub(super) fn of(document: &Document, file: &str) -> Result<Self, Untrusted> {
        document.must_be(Kind::Timestamp, file)?;
        let members = document.members(file);
        let info = members.object("meta")?.get(SNAPSHOT);
        let info = info.ok_or_else(|| Untrusted::form(file, "`meta`: snapshot.json", "no such member"))?;
        Ok(Self { snapshot: MetaInfo::read(info, file)? })
    }

    /// What it becomes as metadata that nobody has signed yet.
    pub fn write(&self, version: u64, expires_s: u64) -> Document {
        Document::new(Kind::Timestamp, version, expires_s, json!({"meta": {SNAPSHOT: self.snapshot.write()}}))
    }
}

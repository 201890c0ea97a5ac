//! Targets metadata: digests of what is to be believed, and the roles that may add to them.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};

use crate::charter::trust::document::{Document, Kind};
use crate::charter::trust::json::Members;
use crate::charter::trust::keys::{KeyRing, Role};
use crate::charter::trust::path::{is_pattern, is_target_path, matches};
use crate::charter::trust::snapshot::{must_have_hashes, must_have_length, read_hashes};
use crate::charter::trust::{DELEGATIONS_MAX, TARGETS_MAX, Untrusted};
use crate::log::sha256;

/// What is signed of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Its length in bytes.
    pub length: u64,
    /// Its digests by algorithm, in hexadecimal; one at least.
    pub hashes: BTreeMap<String, String>,
}

impl FileInfo {
    /// That of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let hashes = BTreeMap::from([("sha256".to_owned(), HEXLOWER.encode(&sha256(&[bytes])))]);
        Self { length: bytes.len() as u64, hashes }
    }

    /// Refuses other bytes than those that were signed.
    pub fn check(&self, bytes: &[u8], file: &str) -> Result<(), Untrusted> {
        must_have_length(bytes, self.length, file)?;
        must_have_hashes(bytes, &self.hashes, file)
    }

    fn read(path: &str, value: &Value, file: &str) -> Result<Self, Untrusted> {
        let members = Members::of(value, file, path)?;
        Ok(Self { length: members.number("length")?, hashes: read_hashes(members.object("hashes")?, file)? })
    }

    /// Where the file lies below the folder of targets: with its digest before its name where snapshots are consistent.
    pub fn place(&self, path: &str, consistent: bool) -> String {
        let digest = self.hashes.values().next().map_or("", String::as_str);
        match path.rsplit_once('/') {
            _ if !consistent => path.to_owned(),
            Some((folder, name)) => format!("{folder}/{digest}.{name}"),
            None => format!("{digest}.{path}"),
        }
    }
}

/// A role that may sign some of the targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// Its name, and that of its file.
    pub name: String,
    /// Who signs.
    pub role: Role,
    /// Patterns of the targets that it may sign.
    pub paths: Vec<String>,
    /// Whether the search for such a target ends with it.
    pub terminating: bool,
}

/// The roles, the most trusted first, and their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delegations {
    /// The keys that the roles name.
    pub keys: KeyRing,
    /// The roles.
    pub roles: Vec<Delegation>,
}

/// What targets metadata says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// Files by their names.
    pub files: BTreeMap<String, FileInfo>,
    /// Who may add to them.
    pub delegations: Delegations,
}

impl Targets {
    /// Reads what a document says as targets.
    pub fn of(document: &Document, file: &str) -> Result<Self, Untrusted> {
        document.must_be(Kind::Targets, file)?;
        let members = document.members(file);
        let written = members.object("targets")?;
        if written.len() > TARGETS_MAX {
            return Err(Untrusted::form(file, format!("at most {TARGETS_MAX} targets"), written.len().to_string()));
        }
        let mut files = BTreeMap::new();
        for (path, value) in written {
            if !is_target_path(path) {
                return Err(Untrusted::form(file, "names of targets that lead nowhere else", path.as_str()));
            }
            files.insert(path.clone(), FileInfo::read(path, value, file)?);
        }
        let delegations = match members.has("delegations") {
            true => read_delegations(members.object("delegations")?, file)?,
            false => Delegations::default(),
        };
        Ok(Self { files, delegations })
    }

    /// What it becomes as metadata that nobody has signed yet.
    pub fn write(&self, version: u64, expires_s: u64) -> Document {
        let info = |info: &FileInfo| json!({"hashes": info.hashes, "length": info.length});
        let files: BTreeMap<&String, Value> = self.files.iter().map(|(path, file)| (path, info(file))).collect();
        let mut members = json!({"targets": files});
        if !self.delegations.roles.is_empty() {
            let role = |delegation: &Delegation| {
                let mut value = delegation.role.write();
                value["name"] = json!(delegation.name);
                value["paths"] = json!(delegation.paths);
                value["terminating"] = json!(delegation.terminating);
                value
            };
            let roles: Vec<Value> = self.delegations.roles.iter().map(role).collect();
            members["delegations"] = json!({"keys": self.delegations.keys.write(), "roles": roles});
        }
        Document::new(Kind::Targets, version, expires_s, members)
    }

    /// Those of its roles that may sign a target, in order; the search ends behind a terminating one.
    pub(super) fn who_signs<'t>(&'t self, path: &'t str) -> impl Iterator<Item = &'t Delegation> {
        let mut ended = false;
        let may = self.delegations.roles.iter().filter(move |role| role.paths.iter().any(|p| matches(p, path)));
        may.take_while(move |role| !std::mem::replace(&mut ended, role.terminating))
    }
}

fn read_delegations(written: &Map<String, Value>, file: &str) -> Result<Delegations, Untrusted> {
    let members = Members::new(written, file);
    let keys = KeyRing::read(members.object("keys")?, file)?;
    let list = members.list("roles")?;
    if list.len() > DELEGATIONS_MAX {
        return Err(Untrusted::form(file, format!("at most {DELEGATIONS_MAX} roles"), list.len().to_string()));
    }
    let mut roles: Vec<Delegation> = Vec::new();
    for value in list {
        let role = read_delegation(value, file)?;
        if roles.iter().any(|other| other.name == role.name) {
            return Err(Untrusted::form(file, "each role once", format!("{} twice", role.name)));
        }
        roles.push(role);
    }
    Ok(Delegations { keys, roles })
}

fn read_delegation(value: &Value, file: &str) -> Result<Delegation, Untrusted> {
    let role = Role::read(value, file)?;
    let members = Members::of(value, file, "a role")?;
    let (name, paths) = (members.text("name")?.to_owned(), members.texts("paths")?);
    if !is_role_name(&name) {
        return Err(Untrusted::form(file, "a name of [a-z0-9-] that no role at the top has", name));
    }
    if let Some(path) = paths.iter().find(|path| !is_pattern(path)) {
        return Err(Untrusted::form(file, "patterns of [A-Za-z0-9._*?-] and slashes", path.as_str()));
    }
    if members.has("path_hash_prefixes") {
        return Err(Untrusted::form(file, "delegation by `paths` alone", "path_hash_prefixes"));
    }
    Ok(Delegation { name, role, paths, terminating: members.flag("terminating")? })
}

fn is_role_name(name: &str) -> bool {
    let top = ["root", "timestamp", "snapshot", "targets"].contains(&name);
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    !top && (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

//! Root metadata: the keys, and which role needs how many of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::charter::trust::document::{Document, Kind};
use crate::charter::trust::keys::{KeyRing, Role, Tally};
use crate::charter::trust::{ROOT_BYTES_MAX, Untrusted, Why};

/// The roles at the top; a root names each of them and no other.
const ROLES: [Kind; 4] = [Kind::Root, Kind::Timestamp, Kind::Snapshot, Kind::Targets];

/// Who may sign what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The keys that the roles name.
    pub keys: KeyRing,
    /// The roles at the top.
    pub roles: BTreeMap<Kind, Role>,
    /// Whether files carry their version or digest in their name, so that a change never mixes two states.
    pub consistent: bool,
}

impl Root {
    /// Reads what a document says as a root.
    pub fn of(document: &Document, file: &str) -> Result<Self, Untrusted> {
        document.must_be(Kind::Root, file)?;
        let members = document.members(file);
        let keys = KeyRing::read(members.object("keys")?, file)?;
        let written = members.object("roles")?;
        let mut roles = BTreeMap::new();
        for kind in ROLES {
            let role = written.get(kind.name());
            let role =
                role.ok_or_else(|| Untrusted::form(file, format!("the role {}", kind.name()), "no such role"))?;
            roles.insert(kind, Role::read(role, file)?);
        }
        if let Some(other) = written.keys().find(|name| !ROLES.iter().any(|kind| kind.name() == name.as_str())) {
            return Err(Untrusted::form(file, "the four roles of TUF and no other", other.as_str()));
        }
        let consistent = members.has("consistent_snapshot") && members.flag("consistent_snapshot")?;
        Ok(Self { keys, roles, consistent })
    }

    /// Reads a file; whether it is signed is not looked at.
    pub fn read(bytes: &[u8], file: &str) -> Result<(Document, Self), Untrusted> {
        must_fit(bytes, ROOT_BYTES_MAX, file)?;
        let document = Document::read(bytes, file)?;
        let root = Self::of(&document, file)?;
        Ok((document, root))
    }

    /// What it becomes as metadata that nobody has signed yet.
    pub fn write(&self, version: u64, expires_s: u64) -> Document {
        let roles: BTreeMap<&str, Value> = self.roles.iter().map(|(kind, role)| (kind.name(), role.write())).collect();
        let members = json!({"consistent_snapshot": self.consistent, "keys": self.keys.write(), "roles": roles});
        Document::new(Kind::Root, version, expires_s, members)
    }

    /// Who of a role has signed a document.
    pub fn tally(&self, kind: Kind, document: &Document) -> Tally {
        let nobody = Tally { need: u64::MAX, signed: Vec::new(), missing: Vec::new() };
        self.roles.get(&kind).map_or(nobody, |role| role.tally(&self.keys, document))
    }

    /// Refuses a document that too few of its role have signed.
    pub(super) fn check(&self, document: &Document, file: &str) -> Result<(), Untrusted> {
        self.tally(document.kind, document).check(file)
    }
}

/// Refuses bytes that are more than the file may have.
pub(super) fn must_fit(bytes: &[u8], max: u64, file: &str) -> Result<(), Untrusted> {
    match bytes.len() as u64 <= max {
        true => Ok(()),
        false => Err(Untrusted::new(file, Why::Size, format!("at most {max} bytes"), format!("{} bytes", bytes.len()))),
    }
}

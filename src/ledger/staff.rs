//! The operator's people. Their ids stand here and in their acts, and nowhere in a public log.

use rusqlite::Row;

use crate::ledger::error::LedgerError;
use crate::ledger::snapshot::{Snapshot, int, uint, uint_option};
use crate::ledger::transaction::Transaction;
use crate::log::key::{Algorithm, PublicKey};
use crate::registry::acts::StaffRole;

/// A person of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaffRow {
    /// Names the person inside the operator's house.
    pub id: String,
    /// What the person may do.
    pub role: StaffRole,
    /// The person's signing key; None until the first admin has set one.
    pub key: Option<PublicKey>,
    /// When the person joined.
    pub added_ms: u64,
    /// When the person left.
    pub ended_ms: Option<u64>,
    /// The time in the newest request that the key signed, in seconds.
    pub proof_s: u64,
}

impl Snapshot<'_> {
    /// Everybody who ever was of the staff, by id.
    pub fn staff(&self) -> Result<Vec<StaffRow>, LedgerError> {
        let sql = "SELECT id, role, key, added_ms, ended_ms, proof_s FROM staff ORDER BY id";
        self.all(sql, [], stored)?.into_iter().collect()
    }
}

impl Transaction<'_> {
    /// Adds a person, or changes what is kept of one.
    pub fn put_staff(&self, person: &StaffRow) -> Result<(), LedgerError> {
        let key = person.key.as_ref().map(|key| [&[key.algorithm() as u8], key.bytes()].concat());
        self.change(
            "INSERT INTO staff (id, role, key, added_ms, ended_ms, proof_s) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (id) DO UPDATE SET role = ?2, key = ?3, ended_ms = ?5, proof_s = ?6",
            (&person.id, person.role.name(), key, int(person.added_ms), person.ended_ms.map(int), int(person.proof_s)),
        )?;
        Ok(())
    }

    /// Revokes every token of a person.
    pub fn revoke_tokens_of(&self, person: &str, now_ms: u64) -> Result<(), LedgerError> {
        self.change(
            "UPDATE tokens SET revoked_ms = ?2 WHERE staff = ?1 AND revoked_ms IS NULL",
            (person, int(now_ms)),
        )?;
        Ok(())
    }
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Result<StaffRow, LedgerError>> {
    let (role, key): (String, Option<Vec<u8>>) = (row.get(1)?, row.get(2)?);
    let (id, added_ms, ended_ms, proof_s) = (row.get(0)?, uint(row, 3)?, uint_option(row, 4)?, uint(row, 5)?);
    let damaged = || LedgerError::Damaged("a member of the staff");
    Ok((|| {
        let role = StaffRole::from_name(&role).ok_or_else(damaged)?;
        let key = key.map(|raw| read_key(&raw).ok_or_else(damaged)).transpose()?;
        Ok(StaffRow { id, role, key, added_ms, ended_ms, proof_s })
    })())
}

fn read_key(raw: &[u8]) -> Option<PublicKey> {
    let (algorithm, key) = raw.split_first()?;
    PublicKey::new(Algorithm::from_u8(*algorithm)?, key).ok()
}

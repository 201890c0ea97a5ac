//! Bearer tokens of the HTTP API: whose, for what, until when. The tokens themselves are not here, only their hashes.

use crate::ledger::error::LedgerError;
use crate::ledger::snapshot::{Snapshot, int, uint, uint_option};
use crate::ledger::transaction::Transaction;
use crate::log::Hash;

/// A token, without the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// Names it in lists; says nothing about it.
    pub id: String,
    /// SHA-256 of the token.
    pub hash: Hash,
    /// Whose it is; None is the operator's.
    pub provider: Option<String>,
    /// Of an operator's token: the person.
    pub staff: Option<String>,
    /// Whether it reaches the sandbox range only.
    pub test: bool,
    /// What it may do, one scope a line: `verb` or `verb:prefix`.
    pub scopes: String,
    /// SHA-256 of the client certificate to which it is bound.
    pub certificate: Option<Hash>,
    /// When it was made.
    pub created_ms: u64,
    /// From when on it is refused.
    pub expires_ms: u64,
    /// When it was last used, to the minute.
    pub used_ms: Option<u64>,
    /// When it was revoked.
    pub revoked_ms: Option<u64>,
}

impl Snapshot<'_> {
    /// Every token that was ever made.
    pub fn tokens(&self) -> Result<Vec<TokenRow>, LedgerError> {
        let sql = "SELECT id, hash, provider, test, scopes, created_ms, expires_ms, used_ms, revoked_ms, staff, certificate FROM tokens ORDER BY created_ms, id";
        self.all(sql, [], |row| {
            Ok(TokenRow {
                id: row.get(0)?,
                hash: row.get(1)?,
                provider: row.get(2)?,
                test: row.get(3)?,
                scopes: row.get(4)?,
                created_ms: uint(row, 5)?,
                expires_ms: uint(row, 6)?,
                used_ms: uint_option(row, 7)?,
                revoked_ms: uint_option(row, 8)?,
                staff: row.get(9)?,
                certificate: row.get(10)?,
            })
        })
    }
}

impl Snapshot<'_> {
    /// The provider whose token that is; None for the operator's and for none.
    pub fn token_owner(&self, id: &str) -> Result<Option<String>, LedgerError> {
        let found =
            self.first("SELECT provider FROM tokens WHERE id = ?1", [id], |row| row.get::<_, Option<String>>(0))?;
        Ok(found.flatten())
    }
}

impl Transaction<'_> {
    /// Adds a token.
    pub fn add_token(&self, token: &TokenRow) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO tokens (id, hash, provider, test, scopes, created_ms, expires_ms, staff, certificate)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            (
                &token.id,
                &token.hash,
                &token.provider,
                token.test,
                &token.scopes,
                int(token.created_ms),
                int(token.expires_ms),
                &token.staff,
                &token.certificate,
            ),
        )?;
        Ok(())
    }

    /// Notes when a token was last used.
    pub fn touch_token(&self, id: &str, used_ms: u64) -> Result<(), LedgerError> {
        self.change("UPDATE tokens SET used_ms = ?2 WHERE id = ?1", (id, int(used_ms)))?;
        Ok(())
    }

    /// Revokes a token; false if there is none, or it was revoked before.
    pub fn revoke_token(&self, id: &str, now_ms: u64) -> Result<bool, LedgerError> {
        let sql = "UPDATE tokens SET revoked_ms = ?2 WHERE id = ?1 AND revoked_ms IS NULL";
        Ok(self.change(sql, (id, int(now_ms)))? == 1)
    }
}

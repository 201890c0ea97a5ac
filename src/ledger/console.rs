//! The staff's passkeys and sessions, links to register with, and the book of what people looked at.

use rusqlite::Row;

use crate::ledger::error::LedgerError;
use crate::ledger::snapshot::{Snapshot, int, uint, uint_option};
use crate::ledger::transaction::Transaction;
use crate::log::Hash;
use crate::log::label::Label;

/// A passkey of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyRow {
    /// The id that the authenticator gave it.
    pub credential: Vec<u8>,
    /// Whose it is.
    pub person: String,
    /// Its public key, a SubjectPublicKeyInfo.
    pub key: Vec<u8>,
    /// The highest counter that was shown.
    pub counter: u64,
    /// What the person calls it.
    pub name: String,
    /// When it was registered.
    pub added_ms: u64,
    /// When it signed last.
    pub used_ms: Option<u64>,
}

/// A session, without the secret of its cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// SHA-256 of what the cookie holds.
    pub hash: Hash,
    /// Names it in lists; says nothing about it.
    pub id: String,
    /// Whose it is.
    pub person: String,
    /// When it began.
    pub made_ms: u64,
    /// When it was used last, to the minute.
    pub used_ms: u64,
    /// When it ends at the latest.
    pub ends_ms: u64,
}

/// A line of the desk's book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeskRow {
    /// Its place; 0 in one that is to be added.
    pub seq: u64,
    /// When.
    pub at_ms: u64,
    /// Who.
    pub person: String,
    /// What.
    pub what: String,
    /// About which number.
    pub label: Option<Label>,
    /// Why, or what exactly.
    pub reason: String,
}

const PASSKEY: &str = "credential, person, key, counter, name, added_ms, used_ms";
const SESSION: &str = "hash, id, person, made_ms, used_ms, ends_ms";

impl Snapshot<'_> {
    /// The passkey with this id.
    pub fn passkey(&self, credential: &[u8]) -> Result<Option<PasskeyRow>, LedgerError> {
        self.first(&format!("SELECT {PASSKEY} FROM passkeys WHERE credential = ?1"), [credential], passkey)
    }

    /// The passkeys of a person, the oldest first.
    pub fn passkeys_of(&self, person: &str) -> Result<Vec<PasskeyRow>, LedgerError> {
        let sql = format!("SELECT {PASSKEY} FROM passkeys WHERE person = ?1 ORDER BY added_ms, credential");
        self.all(&sql, [person], passkey)
    }

    /// For whom a link is, while it is good.
    pub fn sign_in_link(&self, hash: &Hash, now_ms: u64) -> Result<Option<String>, LedgerError> {
        let sql = "SELECT person FROM sign_in_links WHERE hash = ?1 AND expires_ms > ?2";
        self.first(sql, (hash, int(now_ms)), |row| row.get(0))
    }

    /// Every session that is kept.
    pub fn sessions(&self) -> Result<Vec<SessionRow>, LedgerError> {
        self.all(&format!("SELECT {SESSION} FROM sessions ORDER BY made_ms, id"), [], session)
    }

    /// Lines of the book before `before` (0: from the newest on), the newest first.
    pub fn desk(&self, before: u64, limit: usize) -> Result<Vec<DeskRow>, LedgerError> {
        let sql = "SELECT seq, at_ms, person, what, label, reason FROM desk WHERE ?1 = 0 OR seq < ?1 ORDER BY seq DESC LIMIT ?2";
        self.all(sql, (int(before), limit as i64), |row| {
            let label: Option<[u8; 32]> = row.get(4)?;
            Ok(DeskRow {
                seq: uint(row, 0)?,
                at_ms: uint(row, 1)?,
                person: row.get(2)?,
                what: row.get(3)?,
                label: label.map(Label),
                reason: row.get(5)?,
            })
        })
    }

    /// Numbers by provider, the most first.
    pub fn holdings_all(&self, limit: usize) -> Result<Vec<(String, u64)>, LedgerError> {
        let sql = "SELECT provider, numbers FROM holdings WHERE numbers > 0 ORDER BY numbers DESC, provider LIMIT ?1";
        self.all(sql, [limit as i64], |row| Ok((row.get(0)?, uint(row, 1)?)))
    }

    /// When validations were made (Unix seconds), of the newest `limit` that registrations rest on.
    pub fn validation_times(&self, limit: usize) -> Result<Vec<u64>, LedgerError> {
        self.all("SELECT iat_s FROM validations LIMIT ?1", [limit as i64], |row| uint(row, 0))
    }
}

impl Transaction<'_> {
    /// Adds a passkey, or notes its counter and when it was used.
    pub fn put_passkey(&self, passkey: &PasskeyRow) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO passkeys (credential, person, key, counter, name, added_ms, used_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (credential) DO UPDATE SET counter = ?4, used_ms = ?7",
            (
                &passkey.credential,
                &passkey.person,
                &passkey.key,
                int(passkey.counter),
                &passkey.name,
                int(passkey.added_ms),
                passkey.used_ms.map(int),
            ),
        )?;
        Ok(())
    }

    /// Removes a passkey of a person; false if there is none.
    pub fn remove_passkey(&self, person: &str, credential: &[u8]) -> Result<bool, LedgerError> {
        let sql = "DELETE FROM passkeys WHERE person = ?1 AND credential = ?2";
        Ok(self.change(sql, (person, credential))? == 1)
    }

    /// Adds a link in the place of any before it; those that are over go.
    pub fn add_sign_in_link(&self, hash: &Hash, person: &str, expires_ms: u64, now_ms: u64) -> Result<(), LedgerError> {
        self.change("DELETE FROM sign_in_links WHERE person = ?1 OR expires_ms <= ?2", (person, int(now_ms)))?;
        let sql = "INSERT INTO sign_in_links (hash, person, expires_ms) VALUES (?1, ?2, ?3)";
        self.change(sql, (hash, person, int(expires_ms)))?;
        Ok(())
    }

    /// Uses a link up; false if it is not there any more.
    pub fn use_sign_in_link(&self, hash: &Hash) -> Result<bool, LedgerError> {
        Ok(self.change("DELETE FROM sign_in_links WHERE hash = ?1", [hash])? == 1)
    }

    /// Adds a session; those that are over go.
    pub fn add_session(&self, session: &SessionRow) -> Result<(), LedgerError> {
        self.change("DELETE FROM sessions WHERE ends_ms <= ?1", [int(session.made_ms)])?;
        self.change(
            "INSERT INTO sessions (hash, id, person, made_ms, used_ms, ends_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (
                &session.hash,
                &session.id,
                &session.person,
                int(session.made_ms),
                int(session.used_ms),
                int(session.ends_ms),
            ),
        )?;
        Ok(())
    }

    /// Notes when a session was used last.
    pub fn touch_session(&self, hash: &Hash, used_ms: u64) -> Result<(), LedgerError> {
        self.change("UPDATE sessions SET used_ms = ?2 WHERE hash = ?1", (hash, int(used_ms)))?;
        Ok(())
    }

    /// Ends a session of a person; false if there is none.
    pub fn end_session(&self, person: &str, id: &str) -> Result<bool, LedgerError> {
        Ok(self.change("DELETE FROM sessions WHERE person = ?1 AND id = ?2", (person, id))? == 1)
    }

    /// A person left or has another key: whatever signed him in is gone.
    pub fn end_sign_ins_of(&self, person: &str) -> Result<(), LedgerError> {
        for table in ["passkeys", "sign_in_links", "sessions"] {
            self.change(&format!("DELETE FROM {table} WHERE person = ?1"), [person])?;
        }
        Ok(())
    }

    /// Adds a line to the desk's book.
    pub fn add_desk(&self, line: &DeskRow) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO desk (at_ms, person, what, label, reason) VALUES (?1, ?2, ?3, ?4, ?5)",
            (int(line.at_ms), &line.person, &line.what, line.label.map(|label| label.0), &line.reason),
        )?;
        Ok(())
    }

    /// Forgets lines from before that time, `limit` at most.
    pub fn purge_desk(&self, before_ms: u64, limit: usize) -> Result<usize, LedgerError> {
        let sql = "DELETE FROM desk WHERE seq IN (SELECT seq FROM desk WHERE at_ms < ?1 ORDER BY seq LIMIT ?2)";
        self.change(sql, (int(before_ms), limit as i64))
    }
}

fn passkey(row: &Row<'_>) -> rusqlite::Result<PasskeyRow> {
    Ok(PasskeyRow {
        credential: row.get(0)?,
        person: row.get(1)?,
        key: row.get(2)?,
        counter: uint(row, 3)?,
        name: row.get(4)?,
        added_ms: uint(row, 5)?,
        used_ms: uint_option(row, 6)?,
    })
}

fn session(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    Ok(SessionRow {
        hash: row.get(0)?,
        id: row.get(1)?,
        person: row.get(2)?,
        made_ms: uint(row, 3)?,
        used_ms: uint(row, 4)?,
        ends_ms: uint(row, 5)?,
    })
}

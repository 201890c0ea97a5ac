//! What an auditor keeps on a disk: one SQLite file, some four hundred octets a label; a start reads all labels once.
//!
//! Whole epochs go in, many in one transaction with the position behind them; a crash loses the last of these, never a part.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use crate::attest::auditor::decided::Decided;
use crate::attest::auditor::entry;
use crate::attest::auditor::replay::{Kept, Position};
use crate::log::Hash;
use crate::log::bytes::{array_from_base64, to_base64};
use crate::log::epoch::PrevEra;
use crate::log::label::Label;
use crate::log::map::Leaf;
use crate::log::merkle::Frontier;
use crate::log::note::VerifierKey;
use crate::log::state::Status;
use crate::registry::rules::Entry;

/// The file in an auditor's folder.
pub const FILE_NAME: &str = "auditor.sqlite";
/// "cbau" in ASCII, in the file's header.
const APPLICATION_ID: i64 = 0x6362_6175;
const SCHEMA: &str = "
    CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE gov (idx INTEGER PRIMARY KEY, leaf BLOB NOT NULL);
    CREATE TABLE texts (version INTEGER PRIMARY KEY, policy TEXT NOT NULL);
    CREATE TABLE labels (label BLOB PRIMARY KEY, s BLOB NOT NULL, entry BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE to_carry (s BLOB PRIMARY KEY, entry BLOB NOT NULL) WITHOUT ROWID;";
/// Where the byte of an entry's status stands, counted from 1: behind the State's tag.
const STATUS_AT: usize = 19;
/// Pages in memory, KiB: the labels that one epoch touches are all over the file.
const CACHE_KIB: i64 = 64 * 1024;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is not there.
    #[error(
        "{path} is missing: it is what this auditor has replayed. Restore it; an audit that begins anew is one of another folder, made by `callbook auditor init`"
    )]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It is there already.
    #[error("{path} exists already: an audit is begun once. Choose another folder")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It is another file.
    #[error("{path} is no file of an auditor: restore the right one")]
    Alien {
        /// The file.
        path: PathBuf,
    },
    /// What stands in it makes no sense.
    #[error("{path} is damaged ({what}): restore it from a backup; the replay goes on from what that one has")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// SQLite refuses.
    #[error("{path}: {source}")]
    Sql {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: rusqlite::Error,
    },
}

/// The open file.
pub struct Store {
    conn: Connection,
    path: PathBuf,
    /// Something was written since the last commit.
    begun: bool,
}

impl Store {
    /// Makes the file.
    pub fn create(dir: &Path) -> Result<(), StoreError> {
        let path = dir.join(FILE_NAME);
        if path.exists() {
            return Err(StoreError::Exists { path });
        }
        let made = || -> rusqlite::Result<()> {
            let conn = Connection::open(&path)?;
            conn.pragma_update(None, "application_id", APPLICATION_ID)?;
            conn.pragma_update(None, "journal_mode", "WAL")?;
            conn.execute_batch(SCHEMA)?;
            conn.close().map_err(|(_, error)| error)
        };
        made().map_err(|source| StoreError::Sql { path: path.clone(), source })
    }

    /// Opens the file, to go on.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::with(dir, OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    /// Opens the file to look at it, also while another process goes on.
    pub fn peek(dir: &Path) -> Result<Self, StoreError> {
        Self::with(dir, OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    fn with(dir: &Path, flags: OpenFlags) -> Result<Self, StoreError> {
        let path = dir.join(FILE_NAME);
        if !path.exists() {
            return Err(StoreError::Missing { path });
        }
        let sql = |source| StoreError::Sql { path: path.clone(), source };
        let conn = Connection::open_with_flags(&path, flags).map_err(sql)?;
        let id: i64 = conn.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(sql)?;
        if id != APPLICATION_ID {
            return Err(StoreError::Alien { path });
        }
        conn.pragma_update(None, "cache_size", -CACHE_KIB).map_err(sql)?;
        if flags.contains(OpenFlags::SQLITE_OPEN_READ_WRITE) {
            conn.pragma_update(None, "synchronous", "FULL").map_err(sql)?;
        }
        Ok(Self { conn, path, begun: false })
    }

    /// A fact by its name.
    pub fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.conn.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0));
        self.sql(found.optional())
    }

    /// The same as text.
    pub fn text(&self, name: &str) -> Result<Option<String>, StoreError> {
        let text = self.meta(name)?.map(String::from_utf8).transpose();
        text.map_err(|_| self.damaged(name))
    }

    /// Keeps a fact, from the next commit on.
    pub fn set_meta(&mut self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        self.begin()?;
        let put = self.conn.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)", params![name, value]);
        self.sql(put.map(drop))
    }

    /// How far the log was replayed, if it was begun.
    pub fn position(&self) -> Result<Option<Position>, StoreError> {
        let Some(raw) = self.meta("position")? else { return Ok(None) };
        read_position(&raw).map(Some).ok_or_else(|| self.damaged("position"))
    }

    /// What the gov log added up to at the position.
    pub fn decided(&self, gov_key: VerifierKey, position: &Position) -> Result<Decided, StoreError> {
        let mut decided = Decided::new(gov_key);
        for text in self.rows("SELECT policy FROM texts ORDER BY version", [], |row| row.get::<_, String>(0))? {
            decided.know(&text);
        }
        let size = position.gov_size.max(u64::from(position.log.size() > 0));
        for leaf in
            self.rows("SELECT leaf FROM gov WHERE idx < ?1 ORDER BY idx", [int(size)], |row| row.get::<_, Vec<u8>>(0))?
        {
            decided.append(&leaf).map_err(|rule| self.damaged(&rule.to_string()))?;
        }
        if decided.size() == size { Ok(decided) } else { Err(self.damaged("leaves of the gov log are missing")) }
    }

    /// Keeps a leaf of the gov log.
    pub fn keep_gov(&mut self, idx: u64, leaf: &[u8]) -> Result<(), StoreError> {
        self.begin()?;
        let put = self.conn.execute("INSERT OR REPLACE INTO gov (idx, leaf) VALUES (?1, ?2)", params![int(idx), leaf]);
        self.sql(put.map(drop))
    }

    /// Keeps a text of the charter.
    pub fn keep_text(&mut self, version: u64, policy: &str) -> Result<(), StoreError> {
        self.begin()?;
        let put = self
            .conn
            .execute("INSERT OR REPLACE INTO texts (version, policy) VALUES (?1, ?2)", params![int(version), policy]);
        self.sql(put.map(drop))
    }

    /// Makes everything since the last commit durable, and that the replay has come so far.
    pub fn commit(&mut self, position: &Position) -> Result<(), StoreError> {
        self.set_meta("position", &write_position(position))?;
        self.begun = false;
        self.sql(self.conn.execute_batch("COMMIT"))
    }

    /// The era has ended at the position: what is live waits to be carried over into the map log of the origin `next`.
    pub fn next_era(&mut self, ended: &str, position: &Position, next: &str) -> Result<Position, StoreError> {
        self.begin()?;
        let released = Status::Released as u8;
        let moved = self.conn.execute_batch(&format!(
            "DELETE FROM to_carry;
             INSERT INTO to_carry SELECT s, entry FROM labels WHERE substr(entry, {STATUS_AT}, 1) <> x'{released:02x}';
             DELETE FROM labels;"
        ));
        self.sql(moved)?;
        let head = PrevEra { origin: ended.to_owned(), size: position.log.size(), root: position.log.root() };
        self.set_meta("era before", write_head(&head).as_bytes())?;
        self.set_meta("log", next.as_bytes())?;
        let position = Position { log: Frontier::new(), ..position.clone() };
        self.commit(&position)?;
        Ok(position)
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        if !self.begun {
            self.sql(self.conn.execute_batch("BEGIN IMMEDIATE"))?;
            self.begun = true;
        }
        Ok(())
    }

    fn rows<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let read = || -> rusqlite::Result<Vec<T>> { self.conn.prepare_cached(sql)?.query_map(params, read)?.collect() };
        self.sql(read())
    }

    fn sql<T>(&self, result: rusqlite::Result<T>) -> Result<T, StoreError> {
        result.map_err(|source| StoreError::Sql { path: self.path.clone(), source })
    }

    fn damaged(&self, what: &str) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), what: what.to_owned() }
    }
}

impl Kept for Store {
    type Error = StoreError;

    fn entry(&self, label: &Label) -> Result<Option<Entry>, StoreError> {
        let found = self
            .conn
            .prepare_cached("SELECT entry FROM labels WHERE label = ?1")
            .and_then(|mut select| select.query_row([&label.0[..]], |row| row.get::<_, Vec<u8>>(0)).optional());
        let raw = self.sql(found)?;
        raw.map(|raw| entry::read(&raw)).transpose().map_err(|why| self.damaged(&why.to_string()))
    }

    fn leaves(&self, first: &Label, last: &Label) -> Result<Vec<Leaf>, StoreError> {
        let sql = "SELECT label, s FROM labels WHERE label >= ?1 AND label <= ?2 ORDER BY label";
        self.rows(sql, params![&first.0[..], &last.0[..]], leaf)
    }

    fn each_leaf(&self, each: &mut dyn FnMut(Leaf)) -> Result<(), StoreError> {
        let mut read = || -> rusqlite::Result<()> {
            let mut select = self.conn.prepare_cached("SELECT label, s FROM labels ORDER BY label")?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                each(leaf(row)?);
            }
            Ok(())
        };
        self.sql(read())
    }

    fn keep(&mut self, entries: &[(Label, Entry)]) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        self.begin()?;
        let put = || -> rusqlite::Result<()> {
            let sql = "INSERT OR REPLACE INTO labels (label, s, entry) VALUES (?1, ?2, ?3)";
            let mut put = self.conn.prepare_cached(sql)?;
            for (label, entry) in entries {
                put.execute(params![&label.0[..], &entry.state.hash()[..], entry::write(entry)])?;
            }
            Ok(())
        };
        self.sql(put())
    }

    fn era_before(&self) -> Result<Option<PrevEra>, StoreError> {
        let Some(text) = self.text("era before")? else { return Ok(None) };
        read_head(&text).map(Some).ok_or_else(|| self.damaged("the head of the era before"))
    }

    fn to_carry(&self, state: &Hash) -> Result<Option<Entry>, StoreError> {
        let found = self
            .conn
            .prepare_cached("SELECT entry FROM to_carry WHERE s = ?1")
            .and_then(|mut select| select.query_row([&state[..]], |row| row.get::<_, Vec<u8>>(0)).optional());
        let raw = self.sql(found)?;
        raw.map(|raw| entry::read(&raw)).transpose().map_err(|why| self.damaged(&why.to_string()))
    }

    fn count_to_carry(&self) -> Result<u64, StoreError> {
        let count = self.conn.query_row("SELECT count(*) FROM to_carry", [], |row| row.get::<_, i64>(0));
        self.sql(count).map(|count| u64::try_from(count).unwrap_or(0))
    }

    fn carried(&mut self, states: &[Hash]) -> Result<(), StoreError> {
        self.begin()?;
        let take = || -> rusqlite::Result<()> {
            let mut take = self.conn.prepare_cached("DELETE FROM to_carry WHERE s = ?1")?;
            states.iter().try_for_each(|state| take.execute([&state[..]]).map(drop))
        };
        self.sql(take())
    }
}

/// `ORIGIN SIZE BASE64(root)`.
fn write_head(head: &PrevEra) -> String {
    format!("{} {} {}", head.origin, head.size, to_base64(&head.root))
}

fn read_head(text: &str) -> Option<PrevEra> {
    let mut fields = text.split(' ');
    let (origin, size, root) = (fields.next()?.to_owned(), fields.next()?.parse().ok()?, fields.next()?);
    Some(PrevEra { origin, size, root: array_from_base64(root)? })
}

fn leaf(row: &rusqlite::Row<'_>) -> rusqlite::Result<Leaf> {
    Ok((Label(row.get::<_, Hash>(0)?), row.get::<_, Hash>(1)?))
}

/// SQLite's integers are signed, and no index of ours comes near the sign.
fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// `u64 time ‖ u64 gov size ‖ u64 size ‖ root*`.
fn write_position(position: &Position) -> Vec<u8> {
    let numbers = [position.time_ms, position.gov_size, position.log.size()].map(u64::to_be_bytes);
    [numbers.as_flattened(), position.log.roots().as_flattened()].concat()
}

fn read_position(raw: &[u8]) -> Option<Position> {
    let (time_ms, raw) = raw.split_first_chunk()?;
    let (gov_size, raw) = raw.split_first_chunk()?;
    let (size, roots) = raw.split_first_chunk()?;
    let (roots, []) = roots.as_chunks::<32>() else { return None };
    let log = Frontier::from_parts(u64::from_be_bytes(*size), roots.to_vec())?;
    Some(Position { log, time_ms: u64::from_be_bytes(*time_ms), gov_size: u64::from_be_bytes(*gov_size) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_back_and_a_folder_is_begun_once() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Store::open(dir.path()), Err(StoreError::Missing { .. })));
        Store::create(dir.path()).unwrap();
        assert!(matches!(Store::create(dir.path()), Err(StoreError::Exists { .. })));
        let mut position = Position { log: Frontier::new(), time_ms: 5, gov_size: 1 };
        let mut store = Store::open(dir.path()).unwrap();
        assert_eq!(store.position().unwrap(), None);
        for n in 0..5u8 {
            position.log.append([n; 32]);
        }
        store.set_meta("name", b"a").unwrap();
        store.commit(&position).unwrap();
        store.set_meta("name", b"b").unwrap();
        drop(store); // what was not committed is not there
        let store = Store::peek(dir.path()).unwrap();
        assert_eq!((store.position().unwrap(), store.text("name").unwrap().as_deref()), (Some(position), Some("a")));
        drop(store);
        for file in std::fs::read_dir(dir.path()).unwrap() {
            std::fs::write(file.unwrap().path(), b"").unwrap();
        }
        assert!(matches!(Store::open(dir.path()), Err(StoreError::Alien { .. })));
    }
}

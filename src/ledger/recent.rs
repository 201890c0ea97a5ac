//! What is found by something as good as random, and goes to its large index later, in sorted pieces.
//!
//! ```text
//! a hash, a token, a key -> row of `recent`, hint in memory -> … a GENERATION of them -> some with each commit, sorted
//!                                                    -> event_places, jtis, published_keys; then the rows of `recent` go
//! ```
//! In a large index every new entry changes a page of its own; of some hundred thousand in sorted order several share one.
//! The rows are the truth, a hint only tells which to look at: one of a transaction that was undone leads to nothing. Those
//! whose rows have gone stay for a generation more, for readers who see an older moment.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::JoinHandle;

use rusqlite::{Connection, Row, ToSql};

use crate::ledger::error::LedgerError;
use crate::ledger::filter::Filter;
use crate::ledger::snapshot::{Snapshot, int, uint};
use crate::ledger::transaction::Transaction;

/// Hints that are merged together: a registration makes three, each takes some 24 octets of memory, and there are two generations at
/// most. Few where tests run, so that they meet all of this.
const GENERATION: usize = if cfg!(debug_assertions) { 256 } else { 1 << 19 };
/// Rows that a commit merges, and deletes later, for eight that the commit before added: a generation is gone before the next is full,
/// and what costs more takes nearly all of that time.
const MERGED_FOR_8: usize = 9;
const CLEARED_FOR_8: usize = 96;
/// As many in any case.
const SHARE_MIN: usize = 16;

/// What is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An event, by its hash: `event_places`.
    Event = 0,
    /// A used validation token: `jtis`.
    Token = 1,
    /// A published key: `published_keys`.
    Key = 2,
}

/// Where the keys of each kind stand in the end.
const INDEXES: [&str; 3] = ["SELECT hash FROM event_places", "SELECT hash FROM jtis", "SELECT key FROM published_keys"];

/// What moves a row to where it belongs: nothing, if it has gone meanwhile. An event that was given another place has that one.
const MERGED: [&str; 3] = [
    "INSERT OR REPLACE INTO event_places (hash, seq) SELECT key, value FROM recent WHERE kind = 0 AND id BETWEEN ?1 AND ?2",
    "INSERT OR IGNORE INTO jtis (hash, until_s) SELECT key, value FROM recent WHERE kind = 1 AND id BETWEEN ?1 AND ?2",
    "INSERT OR IGNORE INTO published_keys (key, label) SELECT key, value FROM recent WHERE kind = 2 AND id BETWEEN ?1 AND ?2",
];

/// The kind in two bits, then how the key begins: in the order of the indexes.
type Name = u64;

/// A name, and the id of the row that may be meant.
type Hint = (Name, u64);

fn name(kind: Kind, key: &[u8]) -> Name {
    let head = key.first_chunk().map_or(0, |head| u64::from_be_bytes(*head));
    (kind as u64) << 62 | head >> 2
}

fn kind((name, _): Hint) -> usize {
    (name >> 62) as usize
}

/// The hints, shared by the writer and its readers.
pub(super) struct Recent {
    hints: RwLock<Hints>,
    filter: Filter,
}

#[derive(Default)]
struct Hints {
    new: BTreeSet<Hint>,
    /// Being merged, or merged already.
    old: BTreeSet<Hint>,
}

impl Recent {
    /// Of a ledger that holds nothing.
    #[cfg(test)]
    pub(super) fn empty() -> Self {
        Self { hints: RwLock::default(), filter: Filter::for_keys(0) }
    }

    /// The hints to all rows of `recent`. What stands in the indexes is for [`Recent::learn`].
    pub(super) fn load(conn: &Connection) -> Result<Self, LedgerError> {
        let keys = INDEXES.len() as u64 * Snapshot::new(conn).newest_event()?;
        // For a quarter more, and a generation at the least.
        let recent = Self { hints: RwLock::default(), filter: Filter::for_keys(keys / 4 * 5 + GENERATION as u64) };
        let mut statement = conn.prepare("SELECT kind, key, id FROM recent")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let kind = match row.get(0)? {
                0 => Kind::Event,
                1 => Kind::Token,
                2 => Kind::Key,
                other => return Err(rusqlite::Error::IntegralValueOutOfRange(0, other).into()),
            };
            recent.add(kind, row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?, uint(row, 2)?);
        }
        Ok(recent)
    }

    /// Reads all keys that stand in the indexes, so that others need not be looked up there; ends early when `go_on` says so.
    pub(super) fn learn(&self, conn: &Connection, go_on: impl Fn() -> bool) -> rusqlite::Result<()> {
        for sql in INDEXES {
            let mut statement = conn.prepare(sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                if !go_on() {
                    return Ok(());
                }
                self.filter.add(row.get_ref(0)?.as_blob()?);
            }
        }
        self.filter.trust();
        Ok(())
    }

    fn hints(&self) -> RwLockReadGuard<'_, Hints> {
        self.hints.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn hints_mut(&self) -> RwLockWriteGuard<'_, Hints> {
        self.hints.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, kind: Kind, key: &[u8], id: u64) {
        self.filter.add(key); // before it can be merged
        self.hints_mut().new.insert((name(kind, key), id));
    }

    /// The rows that may hold this name, the newest first.
    fn rows(&self, name: Name) -> Vec<u64> {
        let (hints, all) = (self.hints(), (name, 0)..=(name, u64::MAX));
        hints.new.range(all.clone()).rev().chain(hints.old.range(all).rev()).map(|(_, id)| *id).collect()
    }

    /// The new ones become the old ones.
    fn turn(&self) {
        let mut hints = self.hints_mut();
        hints.old = std::mem::take(&mut hints.new);
    }

    /// So many of the old ones after `after`.
    fn part(&self, after: Option<Hint>, share: usize) -> Vec<Hint> {
        self.hints().old.range((after.map_or(Unbounded, Excluded), Unbounded)).take(share).copied().collect()
    }
}

/// Reads the large indexes once after a start, beside everything else.
pub(super) struct Learning {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Learning {
    /// Without the thread, or when it fails, every key is looked up.
    pub(super) fn start(conn: Connection, recent: Arc<Recent>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let learn = move || {
            if let Err(error) = recent.learn(&conn, || !stopped.load(Ordering::Relaxed)) {
                tracing::warn!(%error, "what stands in the ledger's indexes could not be read: new numbers take longer");
            }
        };
        Self { stop, thread: std::thread::Builder::new().name("indexes".into()).spawn(learn).ok() }
    }
}

impl Drop for Learning {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How far the old generation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It is in the indexes, and its rows are gone.
    Done,
    /// What comes after `after` has still to go there.
    Merging { after: Option<Hint>, up_to: u64 },
    /// Rows after `from` and up to `up_to` are in the indexes and have still to go.
    Clearing { from: u64, up_to: u64 },
}

/// The writer's part: some of the work with each of its transactions.
pub(super) struct Merger {
    recent: Arc<Recent>,
    generation: usize,
    stage: Stage,
    /// The stage after the transaction that is open, should it be committed.
    next: Stage,
    /// New hints when the last transaction began.
    seen: usize,
    /// How many generations' worth the old one is: a start finds two at times.
    haste: usize,
}

impl Merger {
    pub(super) fn new(recent: Arc<Recent>) -> Self {
        let seen = recent.hints().new.len(); // what a start finds is no reason to hurry
        Self { recent, generation: GENERATION, stage: Stage::Done, next: Stage::Done, seen, haste: 1 }
    }

    pub(super) fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Does its part at the beginning of a transaction, when all that stands in `recent` is committed: an id of a transaction that
    /// was undone is given to another row, and may not count as merged.
    pub(super) fn begin(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let waiting = self.recent.hints().new.len();
        let added = waiting.saturating_sub(self.seen);
        self.seen = waiting;
        if self.stage == Stage::Done && waiting >= self.generation {
            let up_to = bound(conn, "SELECT coalesce(max(id), 0) FROM recent")?;
            self.recent.turn();
            self.haste = waiting / self.generation;
            (self.seen, self.stage) = (0, Stage::Merging { after: None, up_to });
        }
        self.next = self.work(conn, added)?;
        Ok(())
    }

    fn work(&self, conn: &Connection, added: usize) -> rusqlite::Result<Stage> {
        let share = |for_8| self.haste * added * for_8 / 8 + SHARE_MIN;
        match self.stage {
            Stage::Done => Ok(Stage::Done),
            Stage::Merging { after, up_to } => {
                let share = share(MERGED_FOR_8);
                let part = self.recent.part(after, share);
                for same in part.chunk_by(|a, b| kind(*a) == kind(*b)) {
                    let mut statement = conn.prepare_cached(MERGED[kind(same[0])])?;
                    same.iter().try_for_each(|(_, id)| statement.execute([int(*id), int(*id)]).map(drop))?;
                }
                match part.last() {
                    Some(last) if part.len() == share => Ok(Stage::Merging { after: Some(*last), up_to }),
                    _ => {
                        let from = bound(conn, "SELECT coalesce(min(id), 1) - 1 FROM recent")?;
                        Ok(Stage::Clearing { from, up_to })
                    }
                }
            }
            Stage::Clearing { from, up_to } => {
                let to = up_to.min(from + share(CLEARED_FOR_8) as u64);
                let sql = "DELETE FROM recent WHERE id > ?1 AND id <= ?2";
                conn.prepare_cached(sql)?.execute([int(from), int(to)])?;
                Ok(if to == up_to { Stage::Done } else { Stage::Clearing { from: to, up_to } })
            }
        }
    }

    /// The transaction is durable.
    pub(super) fn committed(&mut self) {
        self.stage = self.next;
    }
}

fn bound(conn: &Connection, sql: &str) -> rusqlite::Result<u64> {
    conn.prepare_cached(sql)?.query_row([], |row| uint(row, 0))
}

impl Snapshot<'_> {
    /// Whether this key may stand in its index.
    pub(super) fn may_be_merged(&self, key: &[u8]) -> bool {
        self.recent.is_none_or(|recent| recent.filter.may_hold(key))
    }

    /// The rows of `recent` with this key, the newest first: id and value.
    pub(super) fn recent<T>(
        &self,
        kind: Kind,
        key: &[u8],
        value: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<(u64, T)>, LedgerError> {
        let Some(recent) = self.recent else {
            // Whoever looks in from another process has no hints, and looks through all.
            let sql = "SELECT value, id FROM recent WHERE kind = ?1 AND key = ?2 ORDER BY id DESC";
            return self.all(sql, (kind as i64, key), |row| Ok((uint(row, 1)?, value(row)?)));
        };
        let sql = "SELECT value FROM recent WHERE id = ?1 AND kind = ?2 AND key = ?3";
        let mut found = Vec::new();
        for id in recent.rows(name(kind, key)) {
            found.extend(self.first(sql, (int(id), kind as i64, key), &value)?.map(|value| (id, value)));
        }
        Ok(found)
    }
}

impl Transaction<'_> {
    /// Adds a row of `recent`.
    pub(super) fn add_recent(&self, kind: Kind, key: &[u8], value: impl ToSql) -> Result<(), LedgerError> {
        self.change("INSERT INTO recent (kind, key, value) VALUES (?1, ?2, ?3)", (kind as i64, key, value))?;
        if let Some(recent) = self.recent {
            recent.add(kind, key, self.last_insert_rowid());
        }
        Ok(())
    }

    /// Takes one row of `recent` away.
    pub(super) fn remove_recent(&self, id: u64) -> Result<(), LedgerError> {
        self.change("DELETE FROM recent WHERE id = ?1", [int(id)])?;
        Ok(())
    }

    /// Puts all of `recent` where it belongs, for what touches a whole index.
    pub(super) fn settle_recent(&self) -> Result<(), LedgerError> {
        MERGED.iter().try_for_each(|sql| self.change(sql, [0, i64::MAX]).map(drop))?;
        self.change("DELETE FROM recent", [])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::eras::Carried;
    use crate::ledger::migrate;
    use crate::log::label::Label;

    /// A ledger's tables, and the merging of a small generation.
    struct Book {
        conn: Connection,
        merger: Merger,
    }

    impl Book {
        fn new(conn: Connection) -> Self {
            migrate::migrate(&conn).unwrap();
            let recent = Arc::new(Recent::load(&conn).unwrap());
            recent.learn(&conn, || true).unwrap();
            Self { conn, merger: Merger { generation: 24, ..Merger::new(recent) } }
        }

        /// One transaction, which is undone unless `keep`.
        fn write(&mut self, keep: bool, work: impl FnOnce(&Transaction<'_>)) {
            self.conn.execute_batch("BEGIN").unwrap();
            self.merger.begin(&self.conn).unwrap();
            work(&Transaction::with(&self.conn, self.merger.recent()));
            if keep {
                self.conn.execute_batch("COMMIT").unwrap();
                self.merger.committed();
            } else {
                self.conn.execute_batch("ROLLBACK").unwrap();
            }
        }

        fn rows(&self, table: &str) -> i64 {
            self.conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
        }
    }

    fn key(n: u64) -> [u8; 32] {
        crate::log::sha256(&[&n.to_be_bytes()])
    }

    fn token(n: u64) -> [u8; 16] {
        *key(n).first_chunk().unwrap()
    }

    const LABELS: [Label; 3] = [Label([1; 32]), Label([2; 32]), Label([3; 32])];

    #[derive(Default)]
    struct Model {
        tokens: BTreeSet<u64>,
        keys: BTreeSet<(u64, usize)>,
    }

    impl Model {
        fn agrees(&self, now: &Snapshot<'_>, n: u64) {
            for n in n.saturating_sub(120)..n {
                assert_eq!(now.jti_is_used(&token(n)).unwrap(), self.tokens.contains(&n), "token {n}");
            }
            for n in 0..16 {
                for (at, label) in LABELS.iter().enumerate() {
                    let others: Vec<_> =
                        (0..3).filter(|other| *other != at && self.keys.contains(&(n, *other))).collect();
                    let found = now.key_published_elsewhere(&key(n), label).unwrap();
                    let found = found.map(|found| LABELS.iter().position(|label| *label == found).unwrap());
                    assert_eq!(found.is_some(), !others.is_empty(), "key {n}");
                    assert!(found.is_none_or(|found| others.contains(&found)), "key {n}");
                }
            }
        }
    }

    #[test]
    fn what_was_added_is_found_at_every_step_and_what_was_undone_or_removed_is_not() {
        let mut book = Book::new(Connection::open_in_memory().unwrap());
        let (mut model, mut random, mut next) = (Model::default(), 7u64, 0);
        let mut draw = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        let mut cleared = 0;
        for _ in 0..400 {
            let (keep, jobs) = (draw(4) > 0, draw(12));
            let jobs: Vec<_> = (0..jobs).map(|_| (draw(4), draw(16), draw(3) as usize)).collect();
            let before = (model.tokens.clone(), model.keys.clone());
            book.write(keep, |tx| {
                for (what, n, at) in jobs {
                    match what {
                        0 => {
                            tx.remove_published_key(&key(n), &LABELS[at]).unwrap();
                            model.keys.remove(&(n, at));
                        }
                        1 => {
                            tx.add_published_key(&key(n), &LABELS[at]).unwrap();
                            model.keys.insert((n, at));
                        }
                        _ => {
                            assert!(tx.use_jti(&token(next), 5).unwrap());
                            assert!(!tx.use_jti(&token(next), 5).unwrap(), "twice");
                            model.tokens.insert(next);
                            next += 1;
                        }
                    }
                }
                model.agrees(tx, next);
            });
            if !keep {
                (model.tokens, model.keys) = before;
            }
            model.agrees(&Snapshot::with(&book.conn, book.merger.recent()), next);
            model.agrees(&Snapshot::new(&book.conn), next); // from another process
            if draw(40) == 0 {
                let recent = Arc::new(Recent::load(&book.conn).unwrap()); // started again
                if draw(2) == 0 {
                    recent.learn(&book.conn, || true).unwrap();
                }
                book.merger = Merger { generation: 24, ..Merger::new(recent) };
            }
            cleared += u64::from(matches!(book.merger.stage, Stage::Clearing { .. }));
        }
        assert!(cleared > 20 && book.rows("jtis") > 300 && book.rows("recent") < 150, "{cleared}");
        book.write(true, |tx| tx.settle_recent().unwrap());
        assert_eq!((book.rows("recent"), book.rows("jtis")), (0, model.tokens.len() as i64));
        model.agrees(&Snapshot::with(&book.conn, book.merger.recent()), next);
    }

    #[test]
    fn an_event_is_found_by_its_hash_wherever_that_stands() {
        let mut book = Book::new(Connection::open_in_memory().unwrap());
        let add = |tx: &Transaction<'_>, n: u64, seq: u64| {
            let sql =
                "INSERT INTO events (seq, hash, event, received_ms, gov_size, promised) VALUES (?1, ?2, x'', 0, 0, 0)";
            tx.change(sql, (int(seq), key(n))).unwrap();
            tx.add_recent(Kind::Event, &key(n), int(seq)).unwrap();
        };
        // No event has no bytes: to be told so is to have found it.
        let is_found = |now: &Snapshot<'_>, n| match now.event_by_hash(&key(n)) {
            Err(LedgerError::Damaged(_)) => true,
            Ok(None) => false,
            other => panic!("{other:?}"),
        };
        for seq in 1..200 {
            book.write(false, |tx| add(tx, seq, seq));
            assert!(!is_found(&Snapshot::with(&book.conn, book.merger.recent()), seq));
            book.write(true, |tx| add(tx, seq, seq));
            let now = Snapshot::with(&book.conn, book.merger.recent());
            assert!((1..=seq).all(|n| is_found(&now, n) && is_found(&Snapshot::new(&book.conn), n)));
        }
        assert!(book.rows("event_places") > 100, "{}", book.rows("event_places"));
        // What waited in an era that was closed gets another place, or is gone.
        book.write(true, |tx| {
            tx.take_waiting(150).unwrap();
            add(tx, 170, 150);
        });
        for seq in 201..300 {
            book.write(true, |tx| add(tx, seq, seq));
            let now = Snapshot::with(&book.conn, book.merger.recent());
            let found: Vec<u64> = (1..=seq).filter(|n| is_found(&now, *n)).collect();
            assert!(found.into_iter().eq((1..150).chain([170]).chain(201..=seq)), "{seq}");
        }
    }

    #[test]
    fn what_a_start_finds_is_worked_off_in_pieces_and_the_faster_the_more_it_is() {
        let mut book = Book::new(Connection::open_in_memory().unwrap());
        book.merger.generation = 1000;
        let add = |book: &mut Book, tokens: std::ops::Range<u64>| {
            book.write(true, |tx| tokens.for_each(|n| assert!(tx.use_jti(&token(n), 5).unwrap())));
            book.rows("jtis") as usize
        };
        assert_eq!(add(&mut book, 0..90), 0);
        let recent = Arc::new(Recent::load(&book.conn).unwrap());
        book.merger = Merger { generation: 24, ..Merger::new(recent) };
        assert_eq!(add(&mut book, 90..98), SHARE_MIN);
        assert_eq!(add(&mut book, 98..98), 2 * SHARE_MIN + 3 * 8 * MERGED_FOR_8 / 8); // three generations and a rest
    }

    #[test]
    fn what_touches_a_whole_index_touches_what_is_not_in_it_yet() {
        let mut book = Book::new(Connection::open_in_memory().unwrap());
        let [before, after, other] = LABELS;
        let found = |book: &Book| {
            let now = Snapshot::with(&book.conn, book.merger.recent());
            now.key_published_elsewhere(&key(1), &other).unwrap()
        };
        book.write(true, |tx| tx.add_published_key(&key(1), &before).unwrap());
        assert_eq!(found(&book), Some(before));
        let carried = Carried { old: before, new: after, proof: [0; 80] };
        book.write(true, |tx| tx.carry_labels(&[carried]).unwrap());
        assert_eq!(found(&book), Some(after));
        book.write(true, |tx| tx.add_published_key(&key(1), &before).unwrap());
        book.write(true, |tx| tx.forget_published_keys(&before).unwrap());
        assert_eq!(found(&book), Some(after));
        book.write(true, |tx| {
            tx.change("INSERT INTO open_events (label, seq) VALUES (?1, 1)", [&before.0]).unwrap();
            tx.add_published_key(&key(2), &before).unwrap();
            tx.forget_waiting(0).unwrap();
            assert_eq!(tx.key_published_elsewhere(&key(2), &other).unwrap(), None);
        });
        assert_eq!(found(&book), Some(after));
    }

    #[test]
    fn who_sees_an_older_moment_finds_what_was_merged_since() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Connection::open(dir.path().join("ledger")).unwrap();
        let (conn, reader) = (open(), open());
        conn.pragma_update(None, "journal_mode", "WAL").unwrap();
        let mut book = Book::new(conn);
        book.write(true, |tx| (0..20).for_each(|n| assert!(tx.use_jti(&token(n), 5).unwrap())));
        reader.execute_batch("BEGIN").unwrap();
        let all = |conn: &Connection, book: &Book| {
            (0..20).all(|n| Snapshot::with(conn, book.merger.recent()).jti_is_used(&token(n)).unwrap())
        };
        assert!(all(&reader, &book));
        book.write(true, |tx| (20..24).for_each(|n| assert!(tx.use_jti(&token(n), 5).unwrap())));
        (0..6).for_each(|_| book.write(true, |_| ()));
        assert_eq!((book.rows("recent"), book.rows("jtis")), (0, 24));
        assert!(all(&reader, &book) && all(&book.conn, &book));
        assert_eq!(reader.query_row("SELECT count(*) FROM jtis", [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    }
}

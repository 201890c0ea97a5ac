//! The two logs as tiles: bundles and level 0 are made from the leaves, levels above from the roots of complete tiles.
//!
//! Such a root lands in the transaction that adds the leaf which completes its tile, so leaves and tiles cannot disagree,
//! and one file holds both.

use rusqlite::Connection;

use crate::ledger::error::LedgerError;
use crate::ledger::snapshot::{Snapshot, int, uint};
use crate::ledger::transaction::Transaction;
use crate::log::merkle::{self, leaf_hash};
use crate::log::tile::{Log, Row, TILE_WIDTH, Tile, write_bundle, write_hashes};
use crate::log::{Hash, tree::TileSource};

/// Tiles that are filled in by one transaction: what it holds in memory and in the write-ahead log stays small.
const FILLED_AT_ONCE: u64 = 1024;

/// The leaves of one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    /// Of the gov log.
    Gov,
    /// Of the map log.
    Map,
    /// Of the map log of an era that is closed.
    Past(u64),
}

impl From<Log> for Leaves {
    fn from(log: Log) -> Self {
        match log {
            Log::Gov => Self::Gov,
            Log::Map => Self::Map,
        }
    }
}

/// How the table names the map log.
const MAP: i64 = 1;

/// How the table names a log.
const fn number(leaves: Leaves) -> i64 {
    match leaves {
        Leaves::Gov => 0,
        Leaves::Map => MAP,
        Leaves::Past(era) => MAP + 1 + era as i64,
    }
}

impl Snapshot<'_> {
    /// How many leaves a log has.
    pub fn log_size(&self, log: impl Into<Leaves>) -> Result<u64, LedgerError> {
        let size = |row: &rusqlite::Row<'_>| uint(row, 0);
        let found = match log.into() {
            Leaves::Gov => self.first("SELECT coalesce(max(idx) + 1, 0) FROM gov", [], size),
            Leaves::Map => self.first("SELECT coalesce(max(n) + 1, 0) FROM epochs", [], size),
            Leaves::Past(era) => {
                self.first("SELECT coalesce(max(n) + 1, 0) FROM past_epochs WHERE era = ?1", [int(era)], size)
            }
        };
        Ok(found?.unwrap_or(0))
    }

    /// The bytes of a tile; None unless the log has all of it.
    pub fn tile(&self, log: impl Into<Leaves>, tile: &Tile) -> Result<Option<Vec<u8>>, LedgerError> {
        let log = log.into();
        let Some(first) = tile.n().checked_mul(TILE_WIDTH) else { return Ok(None) };
        let raw = match tile.row() {
            Row::Entries => {
                let leaves = self.log_leaves(log, first, tile.width())?;
                let bundle = || write_bundle(&leaves).ok_or(LedgerError::Damaged("a leaf longer than any can be"));
                (leaves.len() as u64 == tile.width()).then(bundle).transpose()?
            }
            Row::Level(level) => {
                let hashes = self.row(log, level, first, tile.width())?;
                (hashes.len() as u64 == tile.width()).then(|| write_hashes(&hashes))
            }
        };
        Ok(raw)
    }

    fn log_leaves(&self, log: Leaves, first: u64, count: u64) -> Result<Vec<Vec<u8>>, LedgerError> {
        let sql = match log {
            Leaves::Gov => "SELECT leaf FROM gov WHERE idx >= ?1 ORDER BY idx LIMIT ?2",
            Leaves::Map => "SELECT leaf FROM epochs WHERE n >= ?1 ORDER BY n LIMIT ?2",
            Leaves::Past(era) => {
                let sql = "SELECT leaf FROM past_epochs WHERE era = ?3 AND n >= ?1 ORDER BY n LIMIT ?2";
                return self.all(sql, (int(first), int(count), int(era)), |row| row.get(0));
            }
        };
        self.all(sql, (int(first), int(count)), |row| row.get(0))
    }

    /// Up to `count` hashes of a row of tiles, from `first` on.
    fn row(&self, log: Leaves, level: u8, first: u64, count: u64) -> Result<Vec<Hash>, LedgerError> {
        let Some(below) = level.checked_sub(1) else {
            return Ok(self.log_leaves(log, first, count)?.iter().map(|leaf| leaf_hash(leaf)).collect());
        };
        let sql = "SELECT root FROM tiles WHERE log = ?1 AND level = ?2 AND n >= ?3 ORDER BY n LIMIT ?4";
        self.all(sql, (number(log), below, int(first), int(count)), |row| row.get(0))
    }

    /// How many complete tiles of a level have their root in the table.
    fn rooted(&self, log: Leaves, level: u8) -> Result<u64, LedgerError> {
        let sql = "SELECT coalesce(max(n) + 1, 0) FROM tiles WHERE log = ?1 AND level = ?2";
        Ok(self.first(sql, (number(log), level), |row| uint(row, 0))?.unwrap_or(0))
    }
}

/// A log as the ledger has it at one moment.
#[derive(Clone, Copy)]
pub struct LedgerTiles<'s, 'c>(pub &'s Snapshot<'c>, pub Leaves);

impl TileSource for LedgerTiles<'_, '_> {
    type Error = LedgerError;

    fn read(&self, tile: &Tile) -> Result<Option<Vec<u8>>, LedgerError> {
        self.0.tile(self.1, tile)
    }
}

impl Transaction<'_> {
    /// Adds the roots of the tiles that are complete with the `size`-th leaf, which was added just now.
    pub(super) fn complete_tiles(&self, log: Leaves, size: u64) -> Result<(), LedgerError> {
        let mut done = size;
        for level in 0..=u8::MAX {
            if done == 0 || !done.is_multiple_of(TILE_WIDTH) {
                break;
            }
            done /= TILE_WIDTH;
            self.add_root(log, level, done - 1)?;
        }
        Ok(())
    }

    /// Puts the tiles of the map log aside, as those of an era that is closed.
    pub(super) fn close_tiles(&self, era: u64) -> Result<(), LedgerError> {
        self.change("UPDATE tiles SET log = ?1 WHERE log = ?2", (number(Leaves::Past(era)), MAP))?;
        Ok(())
    }

    fn add_root(&self, log: Leaves, level: u8, n: u64) -> Result<(), LedgerError> {
        let hashes = self.row(log, level, n * TILE_WIDTH, TILE_WIDTH)?;
        if hashes.len() as u64 != TILE_WIDTH {
            return Err(LedgerError::Damaged("leaves of a log are missing"));
        }
        self.change(
            "INSERT INTO tiles (log, level, n, root) VALUES (?1, ?2, ?3, ?4)",
            (number(log), level, int(n), merkle::root(&hashes)),
        )?;
        Ok(())
    }
}

/// Fills in the roots that follow from leaves which an older version has added.
pub(super) fn fill(conn: &Connection) -> Result<(), LedgerError> {
    for log in [Leaves::Gov, Leaves::Map] {
        let size = Snapshot::new(conn).log_size(log)?;
        for level in 0..=u8::MAX {
            let complete = Row::Level(level).count(size) / TILE_WIDTH;
            if complete == 0 {
                break;
            }
            let mut next = Snapshot::new(conn).rooted(log, level)?;
            while next < complete {
                let end = complete.min(next + FILLED_AT_ONCE);
                let step = conn.unchecked_transaction()?;
                (next..end).try_for_each(|n| Transaction::new(&step).add_root(log, level, n))?;
                step.commit()?;
                next = end;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{EpochRow, Ledger};
    use crate::log::tree::Tree;

    /// More leaves than a tile of level 0 holds, and a few over; level 1 is filled by hand below.
    const LEAVES: u64 = 3 * TILE_WIDTH + 5;

    fn leaf(n: u64) -> Vec<u8> {
        format!("leaf {n}\n").into_bytes()
    }

    fn grown(dir: &std::path::Path) -> Ledger {
        let ledger = Ledger::create(dir).unwrap();
        let added = ledger.write::<_, LedgerError, _>(|tx| {
            for n in 0..LEAVES {
                tx.add_gov_leaf(n, &leaf(n))?;
                tx.seal(&EpochRow { n, time_ms: n, leaf: leaf(n), last_seq: 0, gov_size: n + 1, note: None })?;
            }
            Ok(())
        });
        added.wait_blocking().unwrap();
        ledger
    }

    fn agrees(ledger: &Ledger) {
        let leaves: Vec<Hash> = (0..LEAVES).map(|n| leaf_hash(&leaf(n))).collect();
        for log in [Leaves::Gov, Leaves::Map] {
            ledger
                .read::<_, LedgerError>(|now| {
                    for size in [1, 255, 256, 257, 512, LEAVES] {
                        let tree = Tree::of_own(LedgerTiles(now, log), size).unwrap();
                        assert_eq!(*tree.root(), merkle::root(&leaves[..size as usize]), "{log:?} {size}");
                    }
                    let mut tree = Tree::of_own(LedgerTiles(now, log), LEAVES).unwrap();
                    assert_eq!(tree.entry(LEAVES - 1).unwrap(), leaf(LEAVES - 1));
                    assert_eq!(now.tile(log, &Tile::parse("tile/0/003.p/6").unwrap())?, None);
                    assert_eq!(now.tile(log, &Tile::parse("tile/1/000.p/4").unwrap())?, None);
                    assert_eq!(now.tile(log, &Tile::parse("tile/63/000.p/4").unwrap())?, None);
                    Ok(())
                })
                .unwrap();
        }
    }

    #[test]
    fn tiles_follow_the_leaves() {
        let dir = tempfile::tempdir().unwrap();
        agrees(&grown(dir.path()));
    }

    #[test]
    fn what_an_older_version_left_out_is_filled_in_at_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        drop(grown(dir.path()));
        for gone in ["DELETE FROM tiles", "DELETE FROM tiles WHERE n > 0"] {
            let conn = Connection::open(dir.path().join("ledger.sqlite")).unwrap();
            conn.execute(gone, []).unwrap();
            conn.close().unwrap();
            agrees(&Ledger::open(dir.path()).unwrap());
        }
    }
}

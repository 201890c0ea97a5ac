//! Tiles (C2SP tlog-tiles): a log as files that never change, 256 hashes or entries each, and what their names are.

use std::fmt;

use crate::log::Hash;
use crate::log::bytes::{Malformed, Reader, from_decimal};

/// Hashes or entries of a full tile.
pub const TILE_WIDTH: u64 = 256;
/// The longest entry that a bundle can hold: its length stands before it as a u16.
pub const ENTRY_BYTES_MAX: usize = u16::MAX as usize;
/// The longest bundle: as many of the longest entries as a tile is wide, each behind its length.
pub const BUNDLE_BYTES_MAX: usize = TILE_WIDTH as usize * (ENTRY_BYTES_MAX + 2);
/// Bits of a leaf's index that one level of tiles stands for.
pub(crate) const LEVEL_BITS: u32 = TILE_WIDTH.ilog2();
/// The highest level that a name can have; a log of less than 2^64 leaves has none above 7.
const LEVEL_MAX: u64 = 63;
/// A tile's number is written in groups of three digits; as many groups hold any number that a log can have.
const GROUPS_MAX: usize = 6;

/// One of the two logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Log {
    /// What was decided about the directory.
    Gov,
    /// The epochs.
    Map,
}

/// What a tile is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Row {
    /// The entries themselves: a bundle.
    Entries,
    /// Hashes: of leaves at level 0, above it of full tiles of the level below.
    Level(u8),
}

impl Row {
    /// How many hashes or entries of this row a log of `size` leaves has.
    pub const fn count(self, size: u64) -> u64 {
        let level = match self {
            Self::Entries => 0,
            Self::Level(level) => level as u32,
        };
        match size.checked_shr(level * LEVEL_BITS) {
            Some(count) => count,
            None => 0,
        }
    }
}

/// A tile by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    row: Row,
    n: u64,
    width: u64,
}

impl Tile {
    /// The `n`-th tile of a row as a log of `size` leaves has it, full or partial; None if it has nothing there.
    pub fn of_log(row: Row, n: u64, size: u64) -> Option<Self> {
        let behind = row.count(size).checked_sub(n.checked_mul(TILE_WIDTH)?)?;
        (behind > 0).then_some(Self { row, n, width: behind.min(TILE_WIDTH) })
    }

    /// Reads a name: `tile/0/x001/x234/067.p/8`, `tile/entries/000`. There is one spelling only.
    pub fn parse(path: &str) -> Result<Self, Malformed> {
        let bad = Malformed::new("tile", "name");
        let (row, place) = path.strip_prefix("tile/").and_then(|rest| rest.split_once('/')).ok_or(bad)?;
        let row = match row {
            "entries" => Row::Entries,
            level => {
                let level = from_decimal(level, 2).filter(|level| *level <= LEVEL_MAX).ok_or(bad)?;
                Row::Level(u8::try_from(level).map_err(|_| bad)?)
            }
        };
        let (groups, width) = match place.split_once(".p/") {
            None => (place, TILE_WIDTH),
            Some((groups, width)) => {
                let width = from_decimal(width, 3).filter(|width| (1..TILE_WIDTH).contains(width)).ok_or(bad)?;
                (groups, width)
            }
        };
        Ok(Self { row, n: number(groups).ok_or(bad)?, width })
    }

    /// What it is made of.
    pub const fn row(&self) -> Row {
        self.row
    }

    /// Its number in its row.
    pub const fn n(&self) -> u64 {
        self.n
    }

    /// How many hashes or entries it has: 1 to [`TILE_WIDTH`].
    pub const fn width(&self) -> u64 {
        self.width
    }

    /// Whether it will not grow any more.
    pub const fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The full tile at the same place.
    #[must_use]
    pub const fn full(&self) -> Self {
        Self { row: self.row, n: self.n, width: TILE_WIDTH }
    }

    /// Whether a log of `size` leaves has all of it.
    pub fn is_in(&self, size: u64) -> bool {
        Self::of_log(self.row, self.n, size).is_some_and(|there| self.width <= there.width)
    }

    /// The most bytes that it can have.
    pub const fn bytes_max(&self) -> usize {
        match self.row {
            Row::Entries => BUNDLE_BYTES_MAX,
            Row::Level(_) => self.width as usize * size_of::<Hash>(),
        }
    }
}

/// The name.
impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row {
            Row::Entries => f.write_str("tile/entries/")?,
            Row::Level(level) => write!(f, "tile/{level}/")?,
        }
        let digits = format!("{:03}", self.n);
        let digits = format!("{digits:0>width$}", width = digits.len().next_multiple_of(3));
        let groups = digits.len() / 3;
        for at in 0..groups {
            let (lead, end) = if at + 1 < groups { ("x", "/") } else { ("", "") };
            write!(f, "{lead}{}{end}", &digits[at * 3..at * 3 + 3])?;
        }
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

/// `x001/x234/067`: groups of three digits, all but the last behind an `x`, the first not `x000`.
fn number(text: &str) -> Option<u64> {
    let groups: Vec<&str> = text.splitn(GROUPS_MAX + 1, '/').collect();
    let (last, leading) = groups.split_last().filter(|(_, leading)| leading.len() < GROUPS_MAX)?;
    let leading = leading.iter().map(|group| group.strip_prefix('x')).collect::<Option<Vec<_>>>()?;
    let mut n = 0;
    for group in leading.iter().chain([last]) {
        let is_group = group.len() == 3 && group.bytes().all(|b| b.is_ascii_digit());
        n = n * 1000 + group.parse::<u64>().ok().filter(|_| is_group)?;
    }
    leading.first().is_none_or(|first| *first != "000").then_some(n)
}

/// A tile of hashes as bytes.
pub fn write_hashes(hashes: &[Hash]) -> Vec<u8> {
    hashes.as_flattened().to_vec()
}

/// Reads a tile of exactly `width` hashes.
pub fn read_hashes(raw: &[u8], width: u64) -> Result<Vec<Hash>, Malformed> {
    let (hashes, rest) = raw.as_chunks();
    let fits = rest.is_empty() && hashes.len() as u64 == width;
    if fits { Ok(hashes.to_vec()) } else { Err(Malformed::new("tile", "length")) }
}

/// A bundle as bytes: `lp16(entry)*`. None if an entry is longer than [`ENTRY_BYTES_MAX`].
pub fn write_bundle<E: AsRef<[u8]>>(entries: &[E]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(entries.iter().map(|entry| entry.as_ref().len() + 2).sum());
    for entry in entries.iter().map(AsRef::as_ref) {
        out.extend_from_slice(&u16::try_from(entry.len()).ok()?.to_be_bytes());
        out.extend_from_slice(entry);
    }
    Some(out)
}

/// Reads a bundle of exactly `width` entries.
pub fn read_bundle(raw: &[u8], width: u64) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut reader = Reader::new(raw, "bundle");
    let entries = (0..width).map(|_| reader.lp16().map(<[u8]>::to_vec)).collect::<Result<_, _>>()?;
    reader.end()?;
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_those_of_the_specification() {
        for (row, n, width, name) in [
            (Row::Level(0), 1_234_067, 8, "tile/0/x001/x234/067.p/8"),
            (Row::Level(0), 0, 256, "tile/0/000"),
            (Row::Level(63), 999, 255, "tile/63/999.p/255"),
            (Row::Entries, 1000, 1, "tile/entries/x001/000.p/1"),
            (Row::Entries, 123_456_789_012_345_678, 256, "tile/entries/x123/x456/x789/x012/x345/678"),
        ] {
            let tile = Tile { row, n, width };
            assert_eq!(tile.to_string(), name);
            assert_eq!(Tile::parse(name), Ok(tile));
        }
    }

    #[test]
    fn there_is_one_spelling() {
        for name in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/00",
            "tile/0/0000",
            "tile/00/000",
            "tile/64/000",
            "tile/-1/000",
            "tile/0/x000/000",
            "tile/0/001/000",
            "tile/0/x001",
            "tile/0/x001/x000",
            "tile/0/000/",
            "/tile/0/000",
            "tile//000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000.p/8/",
            "tile/0/000.p/8.p/8",
            "tile/0/000.p",
            "tile/0/X001/000",
            "tile/entries/+00",
            "tile/data/000",
            "tile/0/x001/x002/x003/x004/x005/x006/007",
            "tile/8/0/000",
            "tile/0/00a",
            "tile/0/٠٠٠",
        ] {
            assert!(Tile::parse(name).is_err(), "{name}");
        }
    }

    /// The example of the specification.
    #[test]
    fn a_tree_of_70000_leaves_has_these_tiles() {
        let size = 70_000;
        let full = |row: Row| (0..).map_while(|n| Tile::of_log(row, n, size)).filter(Tile::is_full).count();
        let last = |row: Row| Tile::of_log(row, full(row) as u64, size).map_or(0, |tile| tile.width());
        let counted: Vec<_> = (0..4).map(|level| (full(Row::Level(level)), last(Row::Level(level)))).collect();
        assert_eq!(counted, [(273, 112), (1, 17), (0, 1), (0, 0)]);
        assert_eq!((full(Row::Entries), last(Row::Entries)), (273, 112));
        assert!(Tile::parse("tile/1/001.p/16").unwrap().is_in(size));
        for name in ["tile/1/001.p/18", "tile/1/001", "tile/0/274", "tile/7/000.p/1", "tile/63/000.p/1"] {
            assert!(!Tile::parse(name).unwrap().is_in(size), "{name}");
        }
        assert_eq!(Tile::of_log(Row::Level(0), u64::MAX, u64::MAX), None);
    }

    #[test]
    fn bundles_are_read_whole_or_not_at_all() {
        let entries = [b"".to_vec(), b"a".to_vec(), vec![7; ENTRY_BYTES_MAX]];
        let raw = write_bundle(&entries).unwrap();
        assert_eq!(read_bundle(&raw, 3), Ok(entries.to_vec()));
        assert!(read_bundle(&raw, 2).is_err() && read_bundle(&raw, 4).is_err());
        assert!(read_bundle(&raw[..raw.len() - 1], 3).is_err());
        assert_eq!(write_bundle(&[vec![7; ENTRY_BYTES_MAX + 1]]), None);
        assert!(
            read_hashes(&[0; 64], 2).is_ok() && read_hashes(&[0; 64], 1).is_err() && read_hashes(&[0; 65], 2).is_err()
        );
    }

    proptest! {
        #[test]
        fn what_is_read_writes_back(name in "tile/(0|1|7|entries)/(x[0-9]{3}/){0,2}[0-9]{3}(\\.p/[0-9]{1,3})?", any in "\\PC{0,30}") {
            for name in [name, any] {
                if let Ok(tile) = Tile::parse(&name) {
                    prop_assert_eq!(tile.to_string(), name);
                }
            }
        }
    }
}

//! A log read from its tiles: nothing that comes is believed before it is shown to belong under the root of a checkpoint.
//!
//! ```text
//! edge (the partial tiles) --must make--> root of the checkpoint
//! full tile --its root must be--> a hash in the tile above it --…--> edge
//! bundle --its entries' hashes must be--> the tile of level 0
//! ```

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::log::Hash;
use crate::log::merkle::{self, leaf_hash, node_hash, split};
use crate::log::tile::{LEVEL_BITS, Row, TILE_WIDTH, Tile, read_bundle, read_hashes};

/// Full tiles that are kept at hand: half a megabyte; a walk along the leaves needs one of each level.
const TILES_KEPT_MAX: usize = 64;

/// Where tiles come from.
pub trait TileSource {
    /// Why a tile cannot be had.
    type Error;

    /// The bytes of a tile; None if there is none of that name. A source that has let go of a partial tile is asked for
    /// the full one.
    fn read(&self, tile: &Tile) -> Result<Option<Vec<u8>>, Self::Error>;
}

impl<S: TileSource> TileSource for &S {
    type Error = S::Error;

    fn read(&self, tile: &Tile) -> Result<Option<Vec<u8>>, S::Error> {
        S::read(self, tile)
    }
}

/// Why a log cannot be read.
#[derive(Debug)]
pub enum TreeError<E> {
    /// The source has trouble.
    Source(E),
    /// The source has no such tile, though the checkpoint says that there is one.
    Missing(Tile),
    /// What came as this tile is not under the checkpoint's root.
    Untrue(Tile, &'static str),
    /// The tiles at the end of the log do not make the checkpoint's root.
    Root,
}

impl<E: fmt::Display> fmt::Display for TreeError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => error.fmt(f),
            Self::Missing(tile) => write!(f, "{tile} is missing"),
            Self::Untrue(tile, why) => write!(f, "{tile} {why}"),
            Self::Root => f.write_str("the tiles at the log's end do not make the root that its checkpoint signs"),
        }
    }
}

impl<E: std::error::Error> std::error::Error for TreeError<E> {}

impl<E> From<E> for TreeError<E> {
    fn from(error: E) -> Self {
        Self::Source(error)
    }
}

/// A log of a known size under a known root.
pub struct Tree<S> {
    source: S,
    size: u64,
    root: Hash,
    /// The partial tile of each level, from 0 up; empty where there is none.
    edge: Vec<Arc<[Hash]>>,
    /// Full tiles that were shown to be true.
    full: HashMap<(u8, u64), Arc<[Hash]>>,
}

impl<S: TileSource> Tree<S> {
    /// The log of `size` leaves under `root`; the tiles at its end are read and must agree.
    pub fn open(source: S, size: u64, root: &Hash) -> Result<Self, TreeError<S::Error>> {
        let tree = Self::of_own(source, size)?;
        if tree.root == *root { Ok(tree) } else { Err(TreeError::Root) }
    }

    /// The log of `size` leaves as one's own source has it, whose word is taken for the root.
    pub fn of_own(source: S, size: u64) -> Result<Self, TreeError<S::Error>> {
        let mut edge = Vec::new();
        for level in (0..=u8::MAX).take_while(|level| Row::Level(*level).count(size) > 0) {
            let count = Row::Level(level).count(size);
            let partial = Tile::of_log(Row::Level(level), count / TILE_WIDTH, size);
            edge.push(partial.map_or(Ok(Arc::default()), |tile| read_tile(&source, tile))?);
        }
        let root = root_of_edge(&edge).unwrap_or_else(|| merkle::root(&[]));
        Ok(Self { source, size, root, edge, full: HashMap::new() })
    }

    /// How many leaves there are.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root over them.
    pub const fn root(&self) -> &Hash {
        &self.root
    }

    /// Where its tiles come from.
    pub const fn source(&self) -> &S {
        &self.source
    }

    /// The hashes of a tile as this log has it.
    ///
    /// # Panics
    /// Unless the log has something there.
    pub fn tile(&mut self, level: u8, n: u64) -> Result<Arc<[Hash]>, TreeError<S::Error>> {
        let tile = Tile::of_log(Row::Level(level), n, self.size).expect("a tile of this log");
        if !tile.is_full() {
            return Ok(self.edge[usize::from(level)].clone());
        }
        if let Some(known) = self.full.get(&(level, n)) {
            return Ok(known.clone());
        }
        // A full tile has its hash in the level above, which is one level nearer to the edge.
        let above = self.tile(level + 1, n / TILE_WIDTH)?;
        let hashes = read_tile(&self.source, tile)?;
        if merkle::root(&hashes) != above[(n % TILE_WIDTH) as usize] {
            return Err(TreeError::Untrue(tile, "holds other hashes than the log that its checkpoint signs"));
        }
        if self.full.len() >= TILES_KEPT_MAX {
            self.full.clear();
        }
        self.full.insert((level, n), hashes.clone());
        Ok(hashes)
    }

    /// The entries of a bundle as this log has it.
    ///
    /// # Panics
    /// Unless the log has something there.
    pub fn entries(&mut self, n: u64) -> Result<Vec<Vec<u8>>, TreeError<S::Error>> {
        let bundle = Tile::of_log(Row::Entries, n, self.size).expect("a bundle of this log");
        let hashes = self.tile(0, n)?;
        let entries = read_entries(&self.source, bundle)?;
        if entries.iter().map(|entry| leaf_hash(entry)).ne(hashes.iter().copied()) {
            return Err(TreeError::Untrue(bundle, "holds other entries than the log that its checkpoint signs"));
        }
        Ok(entries)
    }

    /// One entry.
    ///
    /// # Panics
    /// Unless `index` is below the size.
    pub fn entry(&mut self, index: u64) -> Result<Vec<u8>, TreeError<S::Error>> {
        let mut entries = self.entries(index / TILE_WIDTH)?;
        Ok(entries.swap_remove((index % TILE_WIDTH) as usize))
    }

    /// The root over the first `size` leaves.
    ///
    /// # Panics
    /// Unless the log has as many.
    pub fn root_at(&mut self, size: u64) -> Result<Hash, TreeError<S::Error>> {
        assert!(size <= self.size, "a size of this log");
        if size == 0 { Ok(merkle::root(&[])) } else { self.range(0, size) }
    }

    /// The proof that leaf `index` stands in the tree over the first `size` leaves, topmost hash last.
    ///
    /// # Panics
    /// Unless `index < size` and the log has as many leaves.
    pub fn inclusion(&mut self, index: u64, size: u64) -> Result<Vec<Hash>, TreeError<S::Error>> {
        assert!(index < size && size <= self.size, "a leaf of this log");
        let (mut start, mut end, mut others) = (0, size, Vec::new());
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                others.push((middle, end));
                end = middle;
            } else {
                others.push((start, middle));
                start = middle;
            }
        }
        others.into_iter().rev().map(|(start, end)| self.range(start, end)).collect()
    }

    /// The proof that the tree over the first `new` leaves continues that over the first `old`, topmost hash last; from the
    /// empty tree it is empty.
    ///
    /// # Panics
    /// Unless `old <= new` and the log has as many leaves.
    pub fn consistency(&mut self, old: u64, new: u64) -> Result<Vec<Hash>, TreeError<S::Error>> {
        assert!(old <= new && new <= self.size, "sizes of this log");
        if old == 0 {
            return Ok(Vec::new());
        }
        let (mut start, mut end, mut parts) = (0, new, Vec::new());
        while old != end {
            let middle = start + split(end - start);
            if old <= middle {
                parts.push((middle, end));
                end = middle;
            } else {
                parts.push((start, middle));
                start = middle;
            }
        }
        // The old tree itself is known to who checks; a part of it is not.
        if start > 0 {
            parts.push((start, end));
        }
        parts.into_iter().rev().map(|(start, end)| self.range(start, end)).collect()
    }

    /// The root over the leaves of a range that begins where a complete subtree of at least its length begins.
    fn range(&mut self, start: u64, end: u64) -> Result<Hash, TreeError<S::Error>> {
        let leaves = end - start;
        if leaves.is_power_of_two() {
            return self.complete(leaves.ilog2(), start / leaves);
        }
        let middle = start + split(leaves);
        let (left, right) = (self.range(start, middle)?, self.range(middle, end)?);
        Ok(node_hash(&left, &right))
    }

    /// The root of the `n`-th complete subtree of that height.
    fn complete(&mut self, height: u32, n: u64) -> Result<Hash, TreeError<S::Error>> {
        let (level, within) = (height / LEVEL_BITS, height % LEVEL_BITS);
        let first = n << within;
        let tile = self.tile(level as u8, first / TILE_WIDTH)?;
        let at = (first % TILE_WIDTH) as usize;
        Ok(merkle::root(&tile[at..at + (1 << within)]))
    }
}

fn read_tile<S: TileSource>(source: &S, tile: Tile) -> Result<Arc<[Hash]>, TreeError<S::Error>> {
    let (raw, width) = read(source, tile)?;
    let hashes = read_hashes(&raw, width).map_err(|_| TreeError::Untrue(tile, "is of another length"))?;
    Ok(hashes[..tile.width() as usize].into())
}

fn read_entries<S: TileSource>(source: &S, bundle: Tile) -> Result<Vec<Vec<u8>>, TreeError<S::Error>> {
    let (raw, width) = read(source, bundle)?;
    let mut entries = read_bundle(&raw, width)
        .map_err(|_| TreeError::Untrue(bundle, "is no bundle of as many entries as its place asks for"))?;
    entries.truncate(bundle.width() as usize);
    Ok(entries)
}

/// The bytes of a tile, or of the full one if the source has let go of the partial one; and how wide they should be.
fn read<S: TileSource>(source: &S, tile: Tile) -> Result<(Vec<u8>, u64), TreeError<S::Error>> {
    if let Some(raw) = source.read(&tile)? {
        return Ok((raw, tile.width()));
    }
    let full = if tile.is_full() { None } else { source.read(&tile.full())? };
    full.map(|raw| (raw, TILE_WIDTH)).ok_or(TreeError::Missing(tile))
}

/// The root that the partial tiles make: each joins what is right of it, complete subtree by complete subtree.
fn root_of_edge(edge: &[Arc<[Hash]>]) -> Option<Hash> {
    let mut right: Option<Hash> = None;
    for tile in edge {
        let mut end = tile.len();
        while end > 0 {
            let leaves = 1 << end.trailing_zeros();
            let left = merkle::root(&tile[end - leaves..end]);
            right = Some(right.map_or(left, |right| node_hash(&left, &right)));
            end -= leaves;
        }
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::merkle::{check_consistency, check_inclusion};
    use crate::log::tile::{write_bundle, write_hashes};
    use proptest::prelude::*;
    use std::cell::RefCell;

    fn entry(i: u64) -> Vec<u8> {
        i.to_be_bytes().to_vec()
    }

    /// A log in memory of which every tile of every size can be asked for; one of them may lie.
    struct Files {
        leaves: Vec<Hash>,
        lie: Option<(Tile, usize)>,
        partial: bool,
        asked: RefCell<Vec<Tile>>,
    }

    impl Files {
        fn new(size: u64) -> Self {
            let leaves = (0..size).map(|i| leaf_hash(&entry(i))).collect();
            Self { leaves, lie: None, partial: true, asked: RefCell::default() }
        }

        fn tree(&self, size: u64) -> Result<Tree<&Self>, TreeError<()>> {
            Tree::open(self, size, &merkle::root(&self.leaves[..size as usize]))
        }
    }

    impl TileSource for Files {
        type Error = ();

        fn read(&self, tile: &Tile) -> Result<Option<Vec<u8>>, ()> {
            if !tile.is_in(self.leaves.len() as u64) || !(self.partial || tile.is_full()) {
                return Ok(None);
            }
            self.asked.borrow_mut().push(*tile);
            let first = tile.n() * TILE_WIDTH;
            let mut raw = match tile.row() {
                Row::Entries => write_bundle(&(first..first + tile.width()).map(entry).collect::<Vec<_>>()).ok_or(())?,
                Row::Level(level) => {
                    let each = 1usize << (u32::from(level) * LEVEL_BITS);
                    let of = |i: u64| merkle::root(&self.leaves[i as usize * each..(i as usize + 1) * each]);
                    write_hashes(&(first..first + tile.width()).map(of).collect::<Vec<_>>())
                }
            };
            if let Some((_, bit)) = self.lie.filter(|(which, _)| which == tile) {
                let bit = bit % (raw.len() * 8);
                raw[bit / 8] ^= 1 << (bit % 8);
            }
            Ok(Some(raw))
        }
    }

    #[test]
    fn roots_are_those_of_the_tree_at_every_size() {
        let files = Files::new(1030);
        for size in 0..=1030 {
            assert_eq!(*files.tree(size).unwrap().root(), merkle::root(&files.leaves[..size as usize]), "{size}");
        }
        let mut whole = files.tree(1030).unwrap();
        for size in 0..=1030 {
            assert_eq!(whole.root_at(size).unwrap(), merkle::root(&files.leaves[..size as usize]), "{size}");
        }
    }

    #[test]
    fn levels_above_the_first_are_walked() {
        let files = Files::new((1 << 16) + 300);
        let size = files.leaves.len() as u64;
        let mut tree = files.tree(size).unwrap();
        for index in [0, 255, 256, 65_535, 65_536, size - 1] {
            assert_eq!(
                tree.inclusion(index, size).unwrap(),
                merkle::inclusion(index as usize, &files.leaves),
                "{index}"
            );
            assert_eq!(tree.entry(index).unwrap(), entry(index));
        }
        for old in [1, 256, 257, 65_536, 65_537, size - 1, size] {
            let proof = tree.consistency(old, size).unwrap();
            assert_eq!(proof, merkle::consistency(old as usize, &files.leaves), "{old}");
        }
        assert!(tree.full.len() <= TILES_KEPT_MAX);
    }

    #[test]
    fn every_tile_of_a_walk_is_asked_for_and_a_flipped_bit_in_any_is_found() {
        let mut files = Files::new(700);
        let walk = |files: &Files| -> Result<(), TreeError<()>> {
            let mut tree = files.tree(700)?;
            (0..3).try_for_each(|n| tree.entries(n).map(drop))
        };
        walk(&files).unwrap();
        let asked = files.asked.take();
        assert_eq!(asked.len(), 7, "three bundles, three tiles below one: {asked:?}");
        for tile in asked {
            for bit in [0, 9, 77, 1_000_003] {
                files.lie = Some((tile, bit));
                assert!(walk(&files).is_err(), "{tile}, bit {bit}");
            }
        }
    }

    #[test]
    fn a_full_tile_stands_for_a_partial_one_that_is_gone() {
        let mut files = Files::new(512);
        files.partial = false;
        let root = merkle::root(&files.leaves[..300]);
        assert!(matches!(Tree::open(&files, 300, &root), Err(TreeError::Missing(_))), "level 1 has only partial tiles");
        let mut own = Files::new(300);
        own.leaves = files.leaves[..300].to_vec();
        own.partial = true;
        assert_eq!(own.tree(300).unwrap().entries(1).unwrap().len(), 44);
        let full = Tile::parse("tile/0/001.p/44").unwrap();
        assert_eq!(read_tile(&files, full).map(|hashes| hashes.to_vec()).ok(), Some(files.leaves[256..300].to_vec()));
    }

    proptest! {
        #[test]
        fn proofs_are_those_of_the_tree(size in 1u64..1200, a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>(), c in any::<prop::sample::Index>()) {
            let files = Files::new(size);
            let mut tree = files.tree(size).unwrap();
            let new = b.index(size as usize) as u64 + 1;
            let (index, old) = (a.index(new as usize) as u64, c.index(new as usize) as u64 + 1);
            let (leaves, top) = (&files.leaves[..new as usize], merkle::root(&files.leaves[..new as usize]));
            let proof = tree.inclusion(index, new).unwrap();
            prop_assert_eq!(&proof, &merkle::inclusion(index as usize, leaves));
            prop_assert_eq!(check_inclusion(index, new, &leaves[index as usize], &proof, &top), Ok(()));
            let proof = tree.consistency(old, new).unwrap();
            prop_assert_eq!(&proof, &merkle::consistency(old as usize, leaves));
            let old_root = merkle::root(&leaves[..old as usize]);
            prop_assert_eq!(check_consistency((old, &old_root), (new, &top), &proof), Ok(()));
        }
    }
}

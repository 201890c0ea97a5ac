//! The tree of both logs (RFC 6962 2.1): leaf `H(0 ‖ entry)`, inner `H(1 ‖ left ‖ right)`; roots, proofs, their checks.

use std::ops::Range;

use crate::log::bytes::Malformed;
use crate::log::{Hash, sha256};

/// The hash of an entry: `H(0x00 ‖ entry)`.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    sha256(&[&[0], entry])
}

/// The hash of an inner node: `H(0x01 ‖ left ‖ right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// The root over those leaf hashes; of none, `H("")`.
pub fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha256(&[]),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
            node_hash(&root(left), &root(right))
        }
    }
}

/// The inclusion proof of leaf `index`, topmost hash last.
///
/// # Panics
/// Unless `index < leaves.len()`.
pub fn inclusion(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    assert!(index < leaves.len(), "a proof is for a leaf of the tree");
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
    let (mut proof, other) = match index.checked_sub(left.len()) {
        None => (inclusion(index, left), right),
        Some(index) => (inclusion(index, right), left),
    };
    proof.push(root(other));
    proof
}

/// The proof that the tree over the first `old` leaves was a part of this one, topmost hash last.
///
/// # Panics
/// Unless `1 <= old <= leaves.len()`.
pub fn consistency(old: usize, leaves: &[Hash]) -> Vec<Hash> {
    assert!(old >= 1 && old <= leaves.len(), "a proof is from a size of at least 1");
    prove_consistency(old, leaves, true)
}

/// The leaves under each hash of the proof that [`consistency`] gives, in its order: for who reads leaves from a disk.
///
/// # Panics
/// Unless `1 <= old <= size`.
pub fn consistency_ranges(old: u64, size: u64) -> Vec<Range<u64>> {
    assert!(old >= 1 && old <= size, "a proof is from a size of at least 1");
    let (mut ranges, mut tree, mut whole) = (Vec::new(), 0..size, true);
    while old != tree.end {
        let middle = tree.start + split(tree.end - tree.start);
        let other;
        (tree, other) = match old <= middle {
            true => (tree.start..middle, middle..tree.end),
            false => (middle..tree.end, tree.start..middle),
        };
        whole &= old <= middle;
        ranges.push(other);
    }
    if !whole {
        ranges.push(tree);
    }
    ranges.reverse();
    ranges
}

/// `whole`: the old root is known to the checker, so it need not stand in the proof.
fn prove_consistency(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if whole { Vec::new() } else { vec![root(leaves)] };
    }
    let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
    let (mut proof, other) = if old <= left.len() {
        (prove_consistency(old, left, whole), right)
    } else {
        (prove_consistency(old - left.len(), right, false), left)
    };
    proof.push(root(other));
    proof
}

/// Checks that `leaf` stands at `index` of the tree of `size` leaves with that root.
pub fn check_inclusion(index: u64, size: u64, leaf: &Hash, proof: &[Hash], root: &Hash) -> Result<(), Malformed> {
    Malformed::unless(index < size, "tree", "index outside the tree")?;
    let found = inclusion_root(index, size, leaf, proof)?;
    Malformed::unless(found == *root, "tree", "inclusion")
}

/// Checks that the tree of size and root `new` continues the one of `old`: (size, root) each.
///
/// Everything continues the empty tree, and then the proof is empty.
pub fn check_consistency(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> Result<(), Malformed> {
    Malformed::unless(old.0 <= new.0, "tree", "smaller than before")?;
    if old.0 == 0 {
        return Malformed::unless(proof.is_empty() && *old.1 == root(&[]), "tree", "consistency");
    }
    let (old_root, new_root) = consistency_roots(old.0, new.0, old.1, proof, true)?;
    Malformed::unless(old_root == *old.1 && new_root == *new.1, "tree", "consistency")
}

const TOO_SHORT: Malformed = Malformed::new("tree", "proof too short");
const TOO_LONG: Malformed = Malformed::new("tree", "proof too long");

fn inclusion_root(index: u64, size: u64, leaf: &Hash, proof: &[Hash]) -> Result<Hash, Malformed> {
    if size == 1 {
        return if proof.is_empty() { Ok(*leaf) } else { Err(TOO_LONG) };
    }
    let (last, proof) = proof.split_last().ok_or(TOO_SHORT)?;
    let left = split(size);
    if index < left {
        Ok(node_hash(&inclusion_root(index, left, leaf, proof)?, last))
    } else {
        Ok(node_hash(last, &inclusion_root(index - left, size - left, leaf, proof)?))
    }
}

fn consistency_roots(
    old: u64,
    new: u64,
    old_root: &Hash,
    proof: &[Hash],
    whole: bool,
) -> Result<(Hash, Hash), Malformed> {
    if old == new {
        return match (whole, proof) {
            (true, []) => Ok((*old_root, *old_root)),
            (false, [hash]) => Ok((*hash, *hash)),
            (false, []) => Err(TOO_SHORT),
            _ => Err(TOO_LONG),
        };
    }
    let (last, proof) = proof.split_last().ok_or(TOO_SHORT)?;
    let left = split(new);
    if old <= left {
        let (a, b) = consistency_roots(old, left, old_root, proof, whole)?;
        Ok((a, node_hash(&b, last)))
    } else {
        let (a, b) = consistency_roots(old - left, new - left, old_root, proof, false)?;
        Ok((node_hash(last, &a), node_hash(last, &b)))
    }
}

/// The largest power of two below `n`, for `n >= 2`.
pub(crate) const fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// A tree of which only the roots of its complete subtrees are kept, largest first: enough to append and to know the
/// root, in O(log n).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

impl Frontier {
    /// The empty tree.
    pub const fn new() -> Self {
        Self { size: 0, roots: Vec::new() }
    }

    /// A stored frontier; `None` unless there is one root for every bit set in `size`.
    pub fn from_parts(size: u64, roots: Vec<Hash>) -> Option<Self> {
        (roots.len() == size.count_ones() as usize).then_some(Self { size, roots })
    }

    /// How many leaves there are.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the complete subtrees, largest first: with the size, all that is to be stored.
    pub fn roots(&self) -> &[Hash] {
        &self.roots
    }

    /// Appends a leaf hash.
    pub fn append(&mut self, leaf: Hash) {
        let mut hash = leaf;
        // Every trailing bit set in the size is a complete subtree that the new leaf joins into a larger one.
        for _ in 0..self.size.trailing_ones() {
            let left = self.roots.pop().expect("one root for every bit set in the size");
            hash = node_hash(&left, &hash);
        }
        self.roots.push(hash);
        self.size += 1;
    }

    /// The proof that the tree with one more leaf, which has that hash, goes on from this one; as [`consistency`] gives it.
    pub fn consistency_of_next(&self, leaf: &Hash) -> Vec<Hash> {
        match self.roots.split_last() {
            None => Vec::new(),
            // The whole old tree is one complete subtree: its root is known to the checker.
            Some((_, [])) => vec![*leaf],
            Some((last, larger)) => [last, leaf].into_iter().chain(larger.iter().rev()).copied().collect(),
        }
    }

    /// The root over all leaves.
    pub fn root(&self) -> Hash {
        let hashes = self.roots.iter().rev().copied();
        hashes.reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(|| root(&[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leaves(n: usize) -> Vec<Hash> {
        (0..n).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    #[test]
    fn frontier_has_the_root_at_every_size() {
        let (all, mut frontier) = (leaves(130), Frontier::new());
        for n in 0..all.len() {
            assert_eq!(frontier.root(), root(&all[..n]));
            let stored = Frontier::from_parts(frontier.size(), frontier.roots().to_vec());
            assert_eq!(stored.as_ref(), Some(&frontier));
            frontier.append(all[n]);
        }
        assert_eq!(Frontier::from_parts(3, vec![Hash::default()]), None);
    }

    #[test]
    fn proofs_from_ranges_and_from_a_frontier_are_the_same_proofs() {
        let (all, mut frontier) = (leaves(70), Frontier::new());
        for size in 1..=all.len() {
            let next = frontier.consistency_of_next(&all[size - 1]);
            assert_eq!(next, if size == 1 { Vec::new() } else { consistency(size - 1, &all[..size]) });
            frontier.append(all[size - 1]);
            for old in 1..=size {
                let ranges = consistency_ranges(old as u64, size as u64);
                let of = |range: Range<u64>| root(&all[range.start as usize..range.end as usize]);
                assert_eq!(ranges.into_iter().map(of).collect::<Vec<_>>(), consistency(old, &all[..size]));
            }
        }
    }

    proptest! {
        #[test]
        fn proofs_prove(n in 1usize..70, a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>(), flip in any::<(usize, u8)>()) {
            let all = leaves(n);
            let (index, old, top) = (a.index(n), b.index(n) + 1, root(&all));
            let proof = inclusion(index, &all);
            let check = |proof: &[Hash]| check_inclusion(index as u64, n as u64, &all[index], proof, &top);
            prop_assert_eq!(check(&proof), Ok(()));
            prop_assert!(check(&[&proof[..], &[top]].concat()).is_err());
            let since = consistency(old, &all);
            let old_root = root(&all[..old]);
            let follows = |proof: &[Hash]| check_consistency((old as u64, &old_root), (n as u64, &top), proof);
            prop_assert_eq!(follows(&since), Ok(()));
            prop_assert!(follows(&[&since[..], &[top]].concat()).is_err());
            for proof in [&proof, &since] {
                let mut other = proof.clone();
                if !other.is_empty() {
                    let at = flip.0 % other.len();
                    other[at][flip.0 % 32] ^= 1 << (flip.1 % 8);
                    prop_assert!(check(&other).is_err() && follows(&other).is_err());
                }
            }
            prop_assert!(check_inclusion(n as u64, n as u64, &all[index], &proof, &top).is_err());
        }
    }
}

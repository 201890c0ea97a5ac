//! The number map: a Merkle prefix tree over (label, S); who has its root can be shown that a label is in it, or not.
//!
//! Leaf `H(0x02 ‖ label ‖ S)`, inner `H(0x03 ‖ left ‖ right)`, nothing is zero. Bits of the label from the most
//! significant, 0 to the left. A leaf stands at the shallowest depth >= 1 where it is alone; the empty map is zero.

use std::collections::HashMap;

use crate::log::bytes::Malformed;
use crate::log::label::Label;
use crate::log::{Hash, ZERO, sha256};

/// A leaf's content: whose, and the hash of its State.
pub type Leaf = (Label, Hash);

/// The hash of a leaf.
pub fn leaf_hash(leaf: &Leaf) -> Hash {
    sha256(&[&[2], leaf.0.as_bytes(), &leaf.1])
}

/// The root of the map over those leaves, computed from nothing.
///
/// # Panics
/// Unless the labels ascend strictly.
pub fn root(leaves: &[Leaf]) -> Hash {
    assert_ascending(leaves);
    let (left, right) = leaves.split_at(leaves.partition_point(|leaf| !leaf.0.bit(0)));
    join_at_root(subtree(left, 1), subtree(right, 1))
}

/// The way from the root to where a label stands or would stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The hashes beside the way, from depth 1 down; [`ZERO`]: nothing there.
    pub siblings: Vec<Hash>,
    /// The leaf at its end, be it the label's own or another one's; `None`: nothing there.
    pub end: Option<Leaf>,
}

impl Path {
    /// Checks that this is the one way to `label` in the map of that root: not longer than the rule allows either.
    pub fn check(&self, root: &Hash, label: &Label) -> Result<(), Malformed> {
        let depth = self.siblings.len();
        Malformed::unless(depth <= 256, "map", "path too long")?;
        if let Some((other, _)) = &self.end {
            let beside = depth > 0 && (0..depth).all(|i| other.bit(i) == label.bit(i));
            Malformed::unless(beside, "map", "that leaf is not on the path")?;
        }
        let shortest = depth == 0 || self.siblings[depth - 1] != ZERO || depth == 1 && self.end.is_some();
        Malformed::unless(shortest, "map", "path too long")?;
        let mut hash = self.end.as_ref().map_or(ZERO, leaf_hash);
        for (i, sibling) in self.siblings.iter().enumerate().rev() {
            hash = if label.bit(i) { inner(sibling, &hash) } else { inner(&hash, sibling) };
        }
        Malformed::unless(hash == *root, "map", "root")
    }
}

/// What stands at a place of the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Node {
    /// No leaf at or below.
    #[default]
    Empty,
    /// One leaf at or below, which therefore rises to the shallowest place where it is alone.
    Single(Hash),
    /// Two leaves or more below.
    Many(Hash),
}

impl Node {
    const fn hash(&self) -> Hash {
        match self {
            Self::Empty => ZERO,
            Self::Single(hash) | Self::Many(hash) => *hash,
        }
    }

    /// The node above two others, anywhere but at the root.
    fn join(left: Self, right: Self) -> Self {
        match (left, right) {
            (Self::Empty, Self::Empty) => Self::Empty,
            (single @ Self::Single(_), Self::Empty) | (Self::Empty, single @ Self::Single(_)) => single,
            (left, right) => Self::Many(inner(&left.hash(), &right.hash())),
        }
    }
}

/// The top levels of the map, kept in memory so that a change costs one bucket and one path.
///
/// Below the top lie `2^bits` buckets, one for each value of a label's first `bits` bits; their leaves are not kept:
/// the caller reads the labels of [`MapTop::bucket_range`] from where it keeps them, in order.
///
/// ```
/// use callbook::log::{label::Label, map::{self, MapTop}};
/// let leaves = [(Label([1; 32]), [7; 32]), (Label([9; 32]), [8; 32]), (Label([0xf0; 32]), [9; 32])];
/// let mut top = MapTop::new(4);
/// for bucket in [0x0, 0xf] {
///     let (first, last) = top.bucket_range(bucket);
///     let in_it: Vec<_> = leaves.into_iter().filter(|(label, _)| (first..=last).contains(label)).collect();
///     top.update(bucket, &in_it);
/// }
/// assert_eq!(top.root(), map::root(&leaves));
/// ```
///
/// While one version is shown to callers the next is being made: [`MapTop::update`] changes the newer version,
/// [`MapTop::shown_way`] goes through the older one until [`MapTop::show`] makes the newer one that.
#[derive(Clone, Debug)]
pub struct MapTop {
    bits: u32,
    /// As in a heap: 1 is the root, the children of i are 2i and 2i + 1, bucket b is 2^bits + b.
    nodes: Vec<Node>,
    /// What the nodes that differ are in the version that is shown.
    shown: HashMap<usize, Node>,
}

/// The part of a label's way that the top knows; the leaves that stand below its end are in the caller's hands.
#[derive(Clone, Debug)]
pub struct Way {
    siblings: Vec<Hash>,
    depth: usize,
    below: Option<(Label, Label)>,
}

impl Way {
    /// The first and the last label that may stand below; None: nothing does.
    pub const fn below(&self) -> Option<(Label, Label)> {
        self.below
    }

    /// The whole path, given all leaves that stand below, in ascending order of their labels.
    pub fn finish(mut self, label: &Label, leaves: &[Leaf]) -> Path {
        let end = path_below(leaves, label, self.depth, &mut self.siblings);
        Path { siblings: self.siblings, end }
    }
}

impl MapTop {
    /// The fewest and the most top levels: 33 bytes a node, so 1 KB to 1.1 GB.
    pub const BITS_MIN: u32 = 4;
    /// See [`MapTop::BITS_MIN`].
    pub const BITS_MAX: u32 = 24;

    /// The levels that leave about 16 leaves in a bucket: reading them costs one page of a database.
    pub const fn bits_for(leaves_expected: u64) -> u32 {
        let buckets = leaves_expected / 16;
        let bits = if buckets < 2 { 0 } else { buckets.ilog2() + 1 };
        if bits < Self::BITS_MIN {
            Self::BITS_MIN
        } else if bits > Self::BITS_MAX {
            Self::BITS_MAX
        } else {
            bits
        }
    }

    /// The empty map.
    ///
    /// # Panics
    /// Unless `bits` lies within [`MapTop::BITS_MIN`] and [`MapTop::BITS_MAX`].
    pub fn new(bits: u32) -> Self {
        assert!((Self::BITS_MIN..=Self::BITS_MAX).contains(&bits), "the number of top levels has bounds");
        Self { bits, nodes: vec![Node::Empty; 2 << bits], shown: HashMap::new() }
    }

    /// Builds the top from one scan of all leaves, in ascending order of their labels.
    ///
    /// # Errors
    /// The first error of the scan.
    ///
    /// # Panics
    /// As [`MapTop::new`], and unless the labels ascend strictly.
    pub fn build<E>(bits: u32, leaves: impl IntoIterator<Item = Result<Leaf, E>>) -> Result<Self, E> {
        let mut top = Self::new(bits);
        let (mut bucket, mut held) = (0, Vec::new());
        for leaf in leaves {
            let leaf = leaf?;
            let next = top.bucket_of(&leaf.0);
            if next != bucket {
                assert!(next > bucket, "labels ascend");
                top.set_bucket(bucket, &held);
                held.clear();
                bucket = next;
            }
            held.push(leaf);
        }
        top.set_bucket(bucket, &held);
        for i in (1..1 << bits).rev() {
            top.join_children(i);
        }
        Ok(top)
    }

    /// How many top levels there are.
    pub const fn bits(&self) -> u32 {
        self.bits
    }

    /// The bytes that the nodes take, those of the version that is shown included.
    pub fn memory_bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.shown.capacity() * size_of::<(usize, Node)>()
    }

    /// The bucket of a label.
    pub fn bucket_of(&self, label: &Label) -> u32 {
        u32::from_be_bytes(*label.0.first_chunk().expect("a label has 32 bytes")) >> (32 - self.bits)
    }

    /// The first and the last label that a bucket can hold.
    pub fn bucket_range(&self, bucket: u32) -> (Label, Label) {
        range(bucket, self.bits)
    }

    /// Replaces the leaves of one bucket: `leaves` are all that it now holds, in ascending order.
    ///
    /// # Panics
    /// If a leaf belongs to another bucket, or the labels do not ascend strictly.
    pub fn update(&mut self, bucket: u32, leaves: &[Leaf]) {
        let mut i = (1 << self.bits) + bucket as usize;
        self.keep_shown(i);
        self.set_bucket(bucket, leaves);
        i /= 2;
        while i >= 1 {
            self.keep_shown(i);
            self.join_children(i);
            i /= 2;
        }
    }

    /// The root of the map.
    pub fn root(&self) -> Hash {
        join_at_root(self.nodes[2], self.nodes[3])
    }

    /// The path of a label; `read` gives all leaves from the first to the last label that it is handed, in order.
    ///
    /// # Errors
    /// The error of `read`, which is called once at most.
    pub fn path<E>(
        &self,
        label: &Label,
        mut read: impl FnMut(Label, Label) -> Result<Vec<Leaf>, E>,
    ) -> Result<Path, E> {
        let way = self.way(label, |i| self.nodes[i]);
        let leaves = way.below.map_or(Ok(Vec::new()), |(first, last)| read(first, last))?;
        Ok(way.finish(label, &leaves))
    }

    /// The way of a label through the version that is shown.
    pub fn shown_way(&self, label: &Label) -> Way {
        self.way(label, |i| self.shown.get(&i).copied().unwrap_or(self.nodes[i]))
    }

    /// Shows the newer version from now on.
    pub fn show(&mut self) {
        self.shown = HashMap::new();
    }

    fn way(&self, label: &Label, node: impl Fn(usize) -> Node) -> Way {
        let mut siblings = Vec::new();
        if join_at_root(node(2), node(3)) == ZERO {
            return Way { siblings, depth: 0, below: None };
        }
        let mut i = 1;
        for depth in 1..=self.bits {
            i = 2 * i + usize::from(label.bit(depth as usize - 1));
            siblings.push(node(i ^ 1).hash());
            let below = range((i - (1 << depth)) as u32, depth);
            match node(i) {
                Node::Empty => return Way { siblings, depth: depth as usize, below: None },
                Node::Single(_) => return Way { siblings, depth: depth as usize, below: Some(below) },
                Node::Many(_) => {}
            }
        }
        let below = range((i - (1 << self.bits)) as u32, self.bits);
        Way { siblings, depth: self.bits as usize, below: Some(below) }
    }

    fn set_bucket(&mut self, bucket: u32, leaves: &[Leaf]) {
        assert_ascending(leaves);
        assert!(leaves.iter().all(|leaf| self.bucket_of(&leaf.0) == bucket), "leaves belong to their bucket");
        self.nodes[(1 << self.bits) + bucket as usize] = subtree(leaves, self.bits as usize);
    }

    fn join_children(&mut self, i: usize) {
        self.nodes[i] = Node::join(self.nodes[2 * i], self.nodes[2 * i + 1]);
    }

    fn keep_shown(&mut self, i: usize) {
        let now = self.nodes[i];
        self.shown.entry(i).or_insert(now);
    }
}

/// The path of a label in the map over those leaves, computed from nothing.
///
/// # Panics
/// Unless the labels ascend strictly.
pub fn path(leaves: &[Leaf], label: &Label) -> Path {
    assert_ascending(leaves);
    let mut siblings = Vec::new();
    let end = path_below(leaves, label, 0, &mut siblings);
    Path { siblings, end }
}

/// Goes on from `depth` among the leaves below it.
fn path_below(mut leaves: &[Leaf], label: &Label, depth: usize, siblings: &mut Vec<Hash>) -> Option<Leaf> {
    for depth in depth.. {
        match leaves {
            [] => break,
            [leaf] if depth > 0 => return Some(*leaf),
            _ => {}
        }
        let (left, right) = leaves.split_at(leaves.partition_point(|leaf| !leaf.0.bit(depth)));
        let (same, other) = if label.bit(depth) { (right, left) } else { (left, right) };
        siblings.push(subtree(other, depth + 1).hash());
        leaves = same;
    }
    None
}

/// The node at `depth` (>= 1) above leaves that agree in their first `depth` bits.
fn subtree(leaves: &[Leaf], depth: usize) -> Node {
    match leaves {
        [] => Node::Empty,
        [leaf] => Node::Single(leaf_hash(leaf)),
        _ => {
            let (left, right) = leaves.split_at(leaves.partition_point(|leaf| !leaf.0.bit(depth)));
            Node::join(subtree(left, depth + 1), subtree(right, depth + 1))
        }
    }
}

fn inner(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[3], left, right])
}

/// The root is an inner node even over a single leaf, which stands at depth 1.
fn join_at_root(left: Node, right: Node) -> Hash {
    if left == Node::Empty && right == Node::Empty { ZERO } else { inner(&left.hash(), &right.hash()) }
}

/// The first and the last label whose first `bits` bits (1 to 32) are those of `value`.
fn range(value: u32, bits: u32) -> (Label, Label) {
    let (mut first, mut last) = (ZERO, [0xff; 32]);
    let low = value << (32 - bits);
    first[..4].copy_from_slice(&low.to_be_bytes());
    last[..4].copy_from_slice(&(low | (u32::MAX.checked_shr(bits).unwrap_or(0))).to_be_bytes());
    (Label(first), Label(last))
}

/// Two equal labels would have no depth at which each is alone.
fn assert_ascending(leaves: &[Leaf]) {
    assert!(leaves.is_sorted_by(|a, b| a.0 < b.0), "labels ascend");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    type Leaves = BTreeMap<Label, Hash>;

    fn all(leaves: &Leaves) -> Vec<Leaf> {
        leaves.iter().map(|(label, hash)| (*label, *hash)).collect()
    }

    fn between(leaves: &Leaves, first: Label, last: Label) -> Vec<Leaf> {
        leaves.range(first..=last).map(|(label, hash)| (*label, *hash)).collect()
    }

    /// Labels that share long prefixes, so that depths go below the buckets.
    fn label() -> impl Strategy<Value = Label> {
        (0u8..4, 0u8..3, any::<[u8; 2]>()).prop_map(|(a, b, rest)| {
            let mut label = [0; 32];
            (label[0], label[1], label[2], label[31]) = (a * 85, b, rest[0] & 3, rest[1] & 1);
            Label(label)
        })
    }

    #[test]
    fn ranges_meet() {
        let top = MapTop::new(12);
        for bucket in [0, 1, 0x7ff, 0x800, 0xfff] {
            let (first, last) = top.bucket_range(bucket);
            assert_eq!((top.bucket_of(&first), top.bucket_of(&last)), (bucket, bucket));
        }
        assert_eq!(top.bucket_range(0xfff).1, Label([0xff; 32]));
        assert_eq!([0, 100, 1 << 20, 1 << 40].map(MapTop::bits_for), [4, 4, 17, 24]);
    }

    proptest! {
        #[test]
        fn top_equals_the_whole_tree(steps in prop::collection::vec((label(), any::<[u8; 32]>(), any::<bool>()), 0..40), ask in label()) {
            let (mut leaves, mut top) = (Leaves::new(), MapTop::new(4));
            let mut before = leaves.clone();
            for (i, (label, hash, put)) in steps.into_iter().enumerate() {
                if i % 3 == 0 {
                    top.show();
                    before = leaves.clone();
                }
                if put { leaves.insert(label, hash); } else { leaves.remove(&label); }
                let bucket = top.bucket_of(&label);
                let (first, last) = top.bucket_range(bucket);
                top.update(bucket, &between(&leaves, first, last));
                prop_assert_eq!(top.root(), root(&all(&leaves)));
                let way = top.shown_way(&ask);
                let below = way.below().map_or_else(Vec::new, |(first, last)| between(&before, first, last));
                prop_assert_eq!(way.finish(&ask, &below), super::path(&all(&before), &ask));
            }
            let scan = all(&leaves).into_iter().map(Ok::<_, Infallible>);
            let Ok(built) = MapTop::build(4, scan);
            prop_assert_eq!(&built.nodes[1..], &top.nodes[1..]);
            for label in leaves.keys().chain([&ask]) {
                let Ok(path) = top.path(label, |first, last| Ok::<_, Infallible>(between(&leaves, first, last)));
                prop_assert_eq!(&path, &super::path(&all(&leaves), label));
                prop_assert_eq!(path.check(&top.root(), label), Ok(()));
                prop_assert_eq!(path.end.is_some_and(|end| end.0 == *label), leaves.contains_key(label));
            }
        }
    }
}

//! Proofs from a log's tiles, in the text forms of C2SP, each checked here before it is shown.

use serde::Serialize;

use crate::client::log::place::{Files, LogTree};
use crate::client::log::{Head, Leaf, LogAt, LogError, decode};
use crate::log::Hash;
use crate::log::bytes::to_base64;
use crate::log::checkpoint::Checkpoint;
use crate::log::merkle::{check_consistency, check_inclusion, leaf_hash};
use crate::log::tree::Tree;

/// That a leaf is in a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inclusion {
    /// The log's name.
    pub origin: String,
    /// The leaf's place.
    pub index: u64,
    /// The leaf itself.
    pub leaf: String,
    /// The log's leaves.
    pub size: u64,
    /// The root over them, in base64.
    pub root: String,
    /// The path from the leaf up, in base64.
    pub hashes: Vec<String>,
    /// The same with the checkpoint, as C2SP tlog-proof writes it.
    pub text: String,
}

/// That a log has only grown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Consistency {
    /// The log's name.
    pub origin: String,
    /// The smaller size, and its root in base64.
    pub old: (u64, String),
    /// The larger one.
    pub new: (u64, String),
    /// The proof, in base64.
    pub hashes: Vec<String>,
    /// The same as C2SP tlog-witness sends it; with the checkpoint if it is of the larger size.
    pub text: String,
}

impl LogAt {
    /// A leaf as it stands in the log, and read.
    pub fn leaf(&self, head: &Head, index: u64) -> Result<(String, Leaf), LogError> {
        let mut tree = self.tree(head)?;
        self.leaf_of(&mut tree, head, index)
    }

    /// The proof that leaf `index` is in the log.
    pub fn prove_inclusion(&self, head: &Head, index: u64) -> Result<Inclusion, LogError> {
        let mut tree = self.tree(head)?;
        let (leaf, _) = self.leaf_of(&mut tree, head, index)?;
        let (origin, size, root) = (&head.checkpoint.origin, tree.size(), *tree.root());
        let proof = tree.inclusion(index, size).map_err(|error| LogError::of(origin, error))?;
        check_inclusion(index, size, &leaf_hash(leaf.as_bytes()), &proof, &root)
            .map_err(|error| LogError::untrue(origin, error.to_string()))?;
        let hashes = in_base64(&proof);
        let text = format!("c2sp.org/tlog-proof@v1\nindex {index}\n{}\n{}", lines(&hashes), head.note);
        Ok(Inclusion { origin: origin.clone(), index, leaf, size, root: to_base64(&root), hashes, text })
    }

    /// The proof that the log of `new` leaves, or of all, continues that of `old`.
    pub fn prove_consistency(&self, head: &Head, old: u64, new: Option<u64>) -> Result<Consistency, LogError> {
        let mut tree = self.tree(head)?;
        let (origin, size) = (&head.checkpoint.origin, tree.size());
        let new = new.unwrap_or(size);
        if old > new || new > size {
            return Err(LogError::Asked(format!(
                "{origin} has {size} leaves: a proof goes from a size to a larger one, at most that"
            )));
        }
        let failed = |error| LogError::of(origin, error);
        let (old_root, new_root) = (tree.root_at(old).map_err(failed)?, tree.root_at(new).map_err(failed)?);
        let proof = tree.consistency(old, new).map_err(failed)?;
        check_consistency((old, &old_root), (new, &new_root), &proof)
            .map_err(|error| LogError::untrue(origin, error.to_string()))?;
        let hashes = in_base64(&proof);
        let note = if new == size { &head.note } else { "" };
        Ok(Consistency {
            origin: origin.clone(),
            old: (old, to_base64(&old_root)),
            new: (new, to_base64(&new_root)),
            text: format!("old {old}\n{}\n{note}", lines(&hashes)),
            hashes,
        })
    }

    /// The log under a checkpoint that is believed for another reason.
    pub(crate) fn tree_at(&self, at: &Checkpoint) -> Result<LogTree, LogError> {
        Tree::open(Files::new(self.clone(), None), at.size, &at.root).map_err(|error| LogError::of(&at.origin, error))
    }

    fn tree(&self, head: &Head) -> Result<LogTree, LogError> {
        self.tree_at(&head.checkpoint)
    }

    fn leaf_of(&self, tree: &mut LogTree, head: &Head, index: u64) -> Result<(String, Leaf), LogError> {
        let origin = &head.checkpoint.origin;
        if index >= tree.size() {
            return Err(LogError::Asked(format!("{origin} has {} leaves; the first is 0", tree.size())));
        }
        let raw = tree.entry(index).map_err(|error| LogError::of(origin, error))?;
        let untrue = |why| LogError::untrue(origin, format!("leaf {index}: {why}"));
        let leaf = decode(head.kind, &head.keys, index, &raw).map_err(untrue)?;
        let text = String::from_utf8(raw).map_err(|_| untrue("it is not text".to_owned()))?;
        Ok((text, leaf))
    }
}

fn in_base64(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| to_base64(hash)).collect()
}

fn lines(hashes: &[String]) -> String {
    hashes.iter().map(|hash| format!("{hash}\n")).collect()
}

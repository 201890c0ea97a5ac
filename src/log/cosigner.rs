//! What somebody who signs the heads of a log must remember, and when he may sign the next one: the core of the log's own
//! signer and of a witness (C2SP tlog-witness). Pure: who keeps the memory on a disk stands elsewhere.

use crate::log::bytes::Malformed;
use crate::log::merkle;
use crate::log::{Hash, checkpoint::Checkpoint};

/// The newest head that was signed: all that has to be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How many leaves the log had; 0 before the first head.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// Why a head is not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The old size is larger than the head's own.
    #[error("the old size is above the size of the checkpoint")]
    OldSize,
    /// The proof begins at another size than what was signed last, which is this.
    #[error("the newest checkpoint that was signed has another size, {}", .0.size)]
    Elsewhere(Seen),
    /// The same size with another root: whoever signed both would have told two stories.
    #[error("another checkpoint of this size was signed before, {}", .0.size)]
    Fork(Seen),
    /// The proof does not show that the log was only appended to.
    #[error("the proof does not show that the log goes on from what was signed before")]
    Proof,
}

impl Seen {
    /// Nothing yet: the empty log, which every log goes on from.
    pub fn nothing() -> Self {
        Self { size: 0, root: merkle::root(&[]) }
    }

    /// The head that a checkpoint is about.
    pub const fn of(checkpoint: &Checkpoint) -> Self {
        Self { size: checkpoint.size, root: checkpoint.root }
    }

    /// Whether `head` may be signed after this, when `proof` shows that it goes on from size `old`. What is signed then must
    /// be remembered before the signature is given out. The same head may be signed again.
    pub fn admit(&self, old: u64, head: Self, proof: &[Hash]) -> Result<(), Refused> {
        if old > head.size {
            return Err(Refused::OldSize);
        }
        if old != self.size {
            return Err(Refused::Elsewhere(*self));
        }
        if old == head.size && self.root != head.root {
            return Err(Refused::Fork(*self));
        }
        let goes_on: Result<(), Malformed> =
            merkle::check_consistency((self.size, &self.root), (head.size, &head.root), proof);
        goes_on.map_err(|_| Refused::Proof)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leaves(n: usize, salt: u8) -> Vec<Hash> {
        (0..n).map(|i| merkle::leaf_hash(&[&[salt], &i.to_be_bytes()[..]].concat())).collect()
    }

    fn head(leaves: &[Hash]) -> Seen {
        Seen { size: leaves.len() as u64, root: merkle::root(leaves) }
    }

    #[test]
    fn the_first_head_needs_no_proof_and_the_same_again_is_no_fork() {
        let all = leaves(5, 0);
        let first = head(&all);
        assert_eq!(Seen::nothing().admit(0, first, &[]), Ok(()));
        assert_eq!(Seen::nothing().admit(0, first, &[first.root]), Err(Refused::Proof));
        assert_eq!(first.admit(5, first, &[]), Ok(()));
        assert_eq!(first.admit(0, first, &[]), Err(Refused::Elsewhere(first)));
        assert_eq!(first.admit(5, head(&leaves(5, 1)), &[]), Err(Refused::Fork(first)));
        assert_eq!(first.admit(5, first, &[first.root]), Err(Refused::Proof));
        assert_eq!(first.admit(5, head(&all[..4]), &[]), Err(Refused::OldSize));
        assert_eq!(first.admit(4, head(&all[..4]), &[]), Err(Refused::Elsewhere(first)), "a smaller size");
    }

    proptest! {
        /// Whatever is asked in whatever order: two heads that are both signed are never of one size with two roots, and the
        /// later is never smaller.
        #[test]
        fn nobody_is_told_two_stories(asked in proptest::collection::vec((0usize..12, 0usize..12, any::<bool>(), any::<bool>()), 1..60)) {
            let worlds = [leaves(12, 0), leaves(12, 1)];
            let (mut seen, mut signed) = (Seen::nothing(), Vec::new());
            for (old, more, other, honest) in asked {
                let world = &worlds[usize::from(other)];
                let old = if honest { seen.size as usize } else { old };
                let size = (old + more).min(12);
                let proof = if (1..=size).contains(&old) { merkle::consistency(old, &world[..size]) } else { Vec::new() };
                let asked = head(&world[..size]);
                if seen.admit(old as u64, asked, &proof).is_ok() {
                    seen = asked;
                    signed.push(asked);
                }
            }
            prop_assert!(signed.windows(2).all(|pair| pair[0].size < pair[1].size || pair[0] == pair[1]));
            let of_one_world = worlds.iter().any(|world| signed.iter().all(|s| *s == head(&world[..s.size as usize])));
            prop_assert!(of_one_world);
        }
    }
}

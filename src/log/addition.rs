//! The body of `add-checkpoint` (C2SP tlog-witness): an old size, a consistency proof from there, an empty line, a checkpoint.

use crate::log::Hash;
use crate::log::bytes::{Malformed, array_from_base64, from_decimal, to_base64};
use crate::log::checkpoint::INT_DIGITS_MAX;

/// No tree of 64-bit size has a longer proof (C2SP tlog-witness).
pub const PROOF_HASHES_MAX: usize = 63;

/// A checkpoint with the proof that it goes on from an older one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// The size from which the proof begins.
    pub old: u64,
    /// The proof; empty from size 0.
    pub proof: Vec<Hash>,
    /// The checkpoint, with its signature lines if it has any.
    pub note: String,
}

impl Addition {
    /// Reads a body. What the checkpoint says is not looked at.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let bad = Malformed::new("add-checkpoint", "form");
        let (head, note) = text.split_once("\n\n").ok_or(bad)?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).ok_or(bad)?;
        let old = from_decimal(old, INT_DIGITS_MAX).ok_or(bad)?;
        let proof = lines.map(array_from_base64).collect::<Option<Vec<_>>>().ok_or(bad)?;
        Malformed::unless(proof.len() <= PROOF_HASHES_MAX, "add-checkpoint", "proof too long")?;
        Ok(Self { old, proof, note: note.to_owned() })
    }

    /// The body.
    pub fn write(&self) -> String {
        let mut text = format!("old {}\n", self.old);
        for hash in &self.proof {
            text += &to_base64(hash);
            text.push('\n');
        }
        text.push('\n');
        text + &self.note
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_it_reads_and_refuses_other_spellings() {
        let addition = Addition { old: 7, proof: vec![[1; 32], [2; 32]], note: "a\n9\nx\n\n— k AA==\n".to_owned() };
        let text = addition.write();
        assert_eq!(Addition::parse(&text), Ok(addition));
        let none = Addition { old: 0, proof: Vec::new(), note: "a\n".to_owned() };
        assert_eq!((none.write().as_str(), Addition::parse("old 0\n\na\n")), ("old 0\n\na\n", Ok(none)));
        for (from, to) in [
            ("old 7", "old 07"),
            ("old 7", "new 7"),
            ("old 7", "old  7"),
            ("old 7", "old -7"),
            ("old 7\n", "old 7\r\n"),
            ("AQEB", "AQ=B"),
        ] {
            assert!(Addition::parse(&text.replacen(from, to, 1)).is_err(), "{from} -> {to}");
        }
        let long = Addition { old: 1, proof: vec![[3; 32]; PROOF_HASHES_MAX + 1], note: String::new() };
        assert!(Addition::parse(&long.write()).is_err());
        assert!(Addition::parse("").is_err() && Addition::parse("old 1\n").is_err());
    }
}

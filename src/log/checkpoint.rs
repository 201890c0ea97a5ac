//! A log's head (C2SP tlog-checkpoint): origin, size and root, signed as a note. Our own have no extension lines.

use crate::log::Hash;
use crate::log::bytes::{Malformed, array_from_base64, from_decimal, to_base64};

/// The most digits of an integer in a leaf or checkpoint.
pub(crate) const INT_DIGITS_MAX: usize = 18;

/// The size and root of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name: printable ASCII without space and `+`.
    pub origin: String,
    /// How many leaves, below 10^18.
    pub size: u64,
    /// The RFC 6962 root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// Reads the text of a note.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let bad = Malformed::new("checkpoint", "form");
        let mut lines = text.strip_suffix('\n').ok_or(bad)?.split('\n');
        let (Some(origin), Some(size), Some(root), None) = (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(bad);
        };
        Malformed::unless(is_log_name(origin), "checkpoint", "form")?;
        let (size, root) = (from_decimal(size, INT_DIGITS_MAX).ok_or(bad)?, array_from_base64(root).ok_or(bad)?);
        Ok(Self { origin: origin.to_owned(), size, root })
    }

    /// Reads the text of a note of any log: its name may have spaces, and lines may follow, which are signed and mean nothing
    /// here.
    pub fn parse_any(text: &str) -> Result<Self, Malformed> {
        let bad = Malformed::new("checkpoint", "form");
        let mut lines = text.strip_suffix('\n').ok_or(bad)?.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(bad);
        };
        Malformed::unless(!origin.is_empty() && lines.all(|line| !line.is_empty()), "checkpoint", "form")?;
        let (size, root) = (from_decimal(size, INT_DIGITS_MAX).ok_or(bad)?, array_from_base64(root).ok_or(bad)?);
        Ok(Self { origin: origin.to_owned(), size, root })
    }

    /// The text to be signed as a note.
    pub fn write(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, to_base64(&self.root))
    }
}

/// Whether the text can name a log: printable ASCII without space and `+`.
pub fn is_log_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b'+')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of C2SP tlog-checkpoint, with a line after the root.
    #[test]
    fn checkpoints_of_other_logs_are_read_with_what_follows() {
        let text = "example.com/behind the sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\nextra\n";
        let head = Checkpoint::parse_any(text).unwrap();
        assert_eq!((head.origin.as_str(), head.size), ("example.com/behind the sofa", 20_852_163));
        assert!(Checkpoint::parse(text).is_err(), "ours have none");
        for broken in ["\n1\nAA==\n", "a\n01\nAA==\n", "a\n1\n", "a\n1", ""] {
            assert!(Checkpoint::parse_any(broken).is_err(), "{broken:?}");
        }
        assert!(Checkpoint::parse_any(&text.replace("extra", "")).is_err(), "an empty line");
    }
}

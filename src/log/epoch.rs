//! The leaves of the map log: leaf 0 says what the log is, leaf n what epoch n published.

use crate::log::Hash;
use crate::log::bytes::{Malformed, array_from_base64, from_decimal, to_base64};
use crate::log::checkpoint::{INT_DIGITS_MAX, is_log_name};

/// Leaf n >= 1: the roots of epoch n.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochLeaf {
    /// The epoch: this leaf's index.
    pub epoch: u64,
    /// When it was sealed, Unix milliseconds; rises from leaf to leaf.
    pub time_ms: u64,
    /// The root of the number map.
    pub map: Hash,
    /// The root of the epoch's events.
    pub batch: Hash,
    /// The size of the gov log that the epoch was made under.
    pub gov_size: u64,
    /// Its root.
    pub gov_root: Hash,
}

impl EpochLeaf {
    /// Reads a leaf.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut lines = Lines::new(text, "epoch", "callbook/epoch/v1")?;
        let (epoch, time_ms) = (lines.int("epoch ")?, lines.int("time ")?);
        let (map, batch) = (lines.hash("map ")?, lines.hash("batch ")?);
        let gov = lines.field("gov ")?;
        let (size, root) = gov.split_once(' ').ok_or(lines.bad())?;
        let gov_size = from_decimal(size, INT_DIGITS_MAX).ok_or(lines.bad())?;
        let gov_root = array_from_base64(root).ok_or(lines.bad())?;
        lines.end()?;
        Ok(Self { epoch, time_ms, map, batch, gov_size, gov_root })
    }

    /// The leaf's text.
    pub fn write(&self) -> String {
        format!(
            "callbook/epoch/v1\nepoch {}\ntime {}\nmap {}\nbatch {}\ngov {} {}\n",
            self.epoch,
            self.time_ms,
            to_base64(&self.map),
            to_base64(&self.batch),
            self.gov_size,
            to_base64(&self.gov_root)
        )
    }
}

/// Leaf 0: what the log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigLeaf {
    /// The log's own origin.
    pub origin: String,
    /// The VRF public key that places numbers in this era.
    pub vrf: [u8; 32],
    /// The era before, if there was one.
    pub prev_era: Option<PrevEra>,
    /// The origin of the gov log.
    pub gov: String,
}

/// The last head of the era before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrevEra {
    /// Its origin.
    pub origin: String,
    /// Its final size.
    pub size: u64,
    /// Its final root.
    pub root: Hash,
}

impl ConfigLeaf {
    /// Reads a leaf.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut lines = Lines::new(text, "config", "callbook/config/v1")?;
        let origin = lines.name("origin ")?;
        let vrf = lines.hash("vrf ecvrf-edwards25519-sha512-tai ")?;
        lines.field("hash sha256").and_then(|rest| Malformed::unless(rest.is_empty(), "config", "form"))?;
        let prev_era = match lines.field("prev-era ")? {
            "none" => None,
            era => Some(PrevEra::parse(era).ok_or(lines.bad())?),
        };
        let gov = lines.name("gov ")?;
        lines.end()?;
        Ok(Self { origin, vrf, prev_era, gov })
    }

    /// The leaf's text.
    pub fn write(&self) -> String {
        let era = self.prev_era.as_ref();
        let era = era.map_or("none".to_owned(), |e| format!("{} {} {}", e.origin, e.size, to_base64(&e.root)));
        format!(
            "callbook/config/v1\norigin {}\nvrf ecvrf-edwards25519-sha512-tai {}\nhash sha256\nprev-era {era}\ngov {}\n",
            self.origin,
            to_base64(&self.vrf),
            self.gov
        )
    }
}

impl PrevEra {
    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split(' ');
        let (origin, size, root) = (fields.next()?, fields.next()?, fields.next()?);
        let (size, root) = (from_decimal(size, INT_DIGITS_MAX)?, array_from_base64(root)?);
        (fields.next().is_none() && is_log_name(origin)).then(|| Self { origin: origin.to_owned(), size, root })
    }
}

/// Lines that each start with a known word, in a fixed order.
struct Lines<'a> {
    rest: std::str::Split<'a, char>,
    what: &'static str,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str, what: &'static str, tag: &str) -> Result<Self, Malformed> {
        let text = text.strip_suffix('\n').ok_or(Malformed::new(what, "form"))?;
        let mut lines = Self { rest: text.split('\n'), what };
        Malformed::unless(lines.rest.next() == Some(tag), what, "form")?;
        Ok(lines)
    }

    const fn bad(&self) -> Malformed {
        Malformed::new(self.what, "form")
    }

    fn field(&mut self, word: &str) -> Result<&'a str, Malformed> {
        self.rest.next().and_then(|line| line.strip_prefix(word)).ok_or(self.bad())
    }

    fn int(&mut self, word: &str) -> Result<u64, Malformed> {
        from_decimal(self.field(word)?, INT_DIGITS_MAX).ok_or(self.bad())
    }

    fn hash(&mut self, word: &str) -> Result<Hash, Malformed> {
        array_from_base64(self.field(word)?).ok_or(self.bad())
    }

    fn name(&mut self, word: &str) -> Result<String, Malformed> {
        let name = self.field(word)?;
        Malformed::unless(is_log_name(name), self.what, "form")?;
        Ok(name.to_owned())
    }

    fn end(mut self) -> Result<(), Malformed> {
        Malformed::unless(self.rest.next().is_none(), self.what, "form")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_writes_what_it_reads() {
        let mut leaf = ConfigLeaf { origin: "a/map/1".into(), vrf: [7; 32], prev_era: None, gov: "a/gov".into() };
        assert_eq!(ConfigLeaf::parse(&leaf.write()).as_ref(), Ok(&leaf));
        leaf.prev_era = Some(PrevEra { origin: "a/map/0".into(), size: 12, root: [9; 32] });
        let text = leaf.write();
        assert_eq!(ConfigLeaf::parse(&text).as_ref(), Ok(&leaf));
        for (from, to) in
            [("sha256", "sha512"), (" 12 ", " 012 "), (" 12 ", "  12 "), ("a/gov", "a+gov"), ("a/gov\n", "a/gov\n\n")]
        {
            assert!(ConfigLeaf::parse(&text.replace(from, to)).is_err(), "{from} -> {to}");
        }
    }
}

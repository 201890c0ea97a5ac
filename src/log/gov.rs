//! The leaves of the gov log: what was decided about the directory itself, readable by anyone, signed as a note.

use serde_json::Value;

use crate::log::Hash;
use crate::log::bytes::Malformed;
use crate::log::merkle;
use crate::log::note::{Note, NoteSigner, VerifierKey};
use crate::log::tile::ENTRY_BYTES_MAX;

const TAG: &str = "callbook/gov/v1\n";
/// Integers at and above are not exact in every JSON reader (RFC 8785 3.2.2.3, RFC 7493 2.2).
const INT_END: u64 = 1 << 53;

/// One entry of the gov log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GovLeaf {
    /// What was decided: `era-open`, `charter`, `provider`, `incident`, …
    pub kind: String,
    /// When, Unix milliseconds.
    pub time_ms: u64,
    /// The leaf's index.
    pub seq: u64,
    /// The decision. No numbers, labels, addresses or user names, ever; integers below 2^53, ASCII keys.
    pub body: Value,
}

impl GovLeaf {
    /// The text that is signed; `None` if the body has no canonical form here (a fraction, a large integer, a key
    /// that is not ASCII).
    pub fn write(&self) -> Option<String> {
        let leaf = serde_json::json!({
            "type": self.kind, "time": self.time_ms, "seq": self.seq, "body": self.body
        });
        Some(format!("{TAG}{}\n", canonical_json(&leaf)?))
    }

    /// The leaf: the text and the signatures of those who decided. `None` as [`GovLeaf::write`], without a signer, or if it
    /// is longer than a bundle of the log can hold.
    pub fn sign(&self, signers: &[&NoteSigner]) -> Option<String> {
        let text = self.write()?;
        let lines: String = signers.iter().map(|signer| signer.line(&text)).collect();
        let leaf = format!("{text}\n{lines}");
        (!lines.is_empty() && leaf.len() <= ENTRY_BYTES_MAX).then_some(leaf)
    }

    /// Reads leaf `index`; at least one of the keys must have signed it.
    pub fn open(leaf: &str, keys: &[VerifierKey], index: u64) -> Result<Self, Malformed> {
        let note = Note::open(leaf, keys)?;
        Malformed::unless(!note.signed.is_empty(), "gov", "signed by no known key")?;
        let leaf = Self::parse(&note.text)?;
        Malformed::unless(leaf.seq == index, "gov", "seq is not the index")?;
        Ok(leaf)
    }

    /// Reads the text that is signed.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let bad = Malformed::new("gov", "form");
        let json = text.strip_prefix(TAG).and_then(|text| text.strip_suffix('\n')).ok_or(bad)?;
        let mut value: Value = serde_json::from_str(json).map_err(|_| bad)?;
        Malformed::unless(canonical_json(&value).as_deref() == Some(json), "gov", "not in canonical form")?;
        let members = value.as_object_mut().filter(|members| members.len() == 4).ok_or(bad)?;
        let mut take = |name| members.remove(name).ok_or(bad);
        let (body, seq, time, kind) = (take("body")?, take("seq")?, take("time")?, take("type")?);
        let (Some(time_ms), Some(seq), Value::String(kind)) = (time.as_u64(), seq.as_u64(), kind) else {
            return Err(bad);
        };
        Ok(Self { kind, time_ms, seq, body })
    }
}

/// "The gov leaf hash" of an event's evidence: the RFC 6962 leaf hash of the signed leaf.
pub fn hash(leaf: &str) -> Hash {
    merkle::leaf_hash(leaf.as_bytes())
}

/// RFC 8785 for what the gov log holds; `None` for fractions, integers of 2^53 and more, keys that are not ASCII.
pub fn canonical_json(value: &Value) -> Option<String> {
    let mut out = String::new();
    put_canonical(&mut out, value)?;
    Some(out)
}

fn put_canonical(out: &mut String, value: &Value) -> Option<()> {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                put_canonical(out, item)?;
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (i, (key, item)) in members.into_iter().enumerate() {
                key.is_ascii().then_some(())?;
                out.push_str(if i == 0 { "" } else { "," });
                put_canonical(out, &Value::from(key.as_str()))?;
                out.push(':');
                put_canonical(out, item)?;
            }
            out.push('}');
        }
        Value::Number(number) => {
            let size = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs))?;
            (size < INT_END).then(|| out.push_str(&number.to_string()))?;
        }
        // serde_json escapes strings as RFC 8785 3.2.2.2 asks: the two-letter escapes, \u00xx in lower case, no others.
        Value::String(_) | Value::Bool(_) | Value::Null => out.push_str(&value.to_string()),
    }
    Some(())
}

//! What an admitted auditor and a directory say to each other: the signature that opens the batches, and many batches in one answer.
//!
//! ```text
//! Audit-Signature: NAME UNIX-SECONDS BASE64URL(signature over `request`)        batches: (u64 epoch ‖ u32 length ‖ batch)*
//! ```

use crate::log::bytes::{Malformed, Reader, from_base64url, from_decimal, put_lp16, to_base64url};

/// The header that carries an auditor's signature.
pub const HEADER: &str = "audit-signature";
/// How far its time may be off, in seconds.
pub const AGE_MAX_S: u64 = 300;
/// Batches of one answer stop here: some seconds over a slow line. The first is there whole, however long it is.
pub const ANSWER_BYTES_STOP: usize = 2 * 1024 * 1024;
/// Epochs of one answer; most of them are heartbeats, whose batches are empty.
pub const ANSWER_EPOCHS_MAX: usize = 1024;
/// The longest answer: what was below the stop, and one epoch as full as epochs become, four times over.
pub const ANSWER_BYTES_MAX: usize = 4 * ANSWER_BYTES_STOP;

const TAG: &[u8; 26] = b"callbook/audit-request/v1\0";
/// The digits of a time in Unix seconds, for a thousand years.
const TIME_DIGITS_MAX: usize = 12;

/// What is signed, with the key of the auditor's cosignatures: `"callbook/audit-request/v1\0" ‖ lp16(origin of the map log) ‖
/// lp16(name) ‖ u64 Unix seconds ‖ lp16(path and query)`. No note begins like that.
///
/// # Panics
/// If a part is longer than 65535 bytes.
pub fn request(origin: &str, name: &str, at_s: u64, path: &str) -> Vec<u8> {
    let mut out = TAG.to_vec();
    put_lp16(&mut out, origin.as_bytes());
    put_lp16(&mut out, name.as_bytes());
    out.extend_from_slice(&at_s.to_be_bytes());
    put_lp16(&mut out, path.as_bytes());
    out
}

/// The header's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The auditor's name, that of its key.
    pub name: String,
    /// When it was signed, Unix seconds.
    pub at_s: u64,
    /// Over [`request`].
    pub signature: [u8; 64],
}

impl Credentials {
    /// Reads the value.
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split(' ');
        let (name, at_s, signature) = (fields.next()?, fields.next()?, fields.next()?);
        let signature = from_base64url(signature)?.try_into().ok()?;
        let at_s = from_decimal(at_s, TIME_DIGITS_MAX)?;
        (fields.next().is_none() && !name.is_empty()).then(|| Self { name: name.to_owned(), at_s, signature })
    }

    /// The value.
    pub fn write(&self) -> String {
        format!("{} {} {}", self.name, self.at_s, to_base64url(&self.signature))
    }
}

/// Adds an epoch's batch to an answer.
pub fn put_batch(out: &mut Vec<u8>, epoch: u64, batch: &[u8]) {
    out.extend_from_slice(&epoch.to_be_bytes());
    out.extend_from_slice(&u32::try_from(batch.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(batch);
}

/// Reads an answer: the batches of epochs that follow on each other from `first` on.
pub fn read_batches(raw: &[u8], first: u64) -> Result<Vec<&[u8]>, Malformed> {
    let (mut reader, mut batches) = (Reader::new(raw, "batches"), Vec::new());
    while !reader.is_empty() {
        let epoch = reader.u64()?;
        Malformed::unless(first.checked_add(batches.len() as u64) == Some(epoch), "batches", "out of order")?;
        let length = u32::from_be_bytes(reader.array()?);
        batches.push(reader.take(length as usize)?);
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_have_one_spelling() {
        let credentials = Credentials { name: "auditor.example/a".into(), at_s: 1_800_000_000, signature: [7; 64] };
        let text = credentials.write();
        assert_eq!(Credentials::parse(&text), Some(credentials));
        for (from, to) in [(" 18", " 018"), (" 18", "  18"), ("BwcH", "Bwc="), ("auditor.example/a ", " ")] {
            assert_eq!(Credentials::parse(&text.replacen(from, to, 1)), None, "{from:?} -> {to:?}");
        }
        assert_eq!(Credentials::parse(&format!("{text} x")), None);
    }

    #[test]
    fn every_part_of_a_request_counts() {
        let all = [("a", "b", 1, "/"), ("ab", "", 1, "/"), ("a", "b", 2, "/"), ("a", "b", 1, "/x")];
        let all = all.map(|(origin, name, at_s, path)| request(origin, name, at_s, path));
        for (i, one) in all.iter().enumerate() {
            assert!(!all[..i].contains(one));
        }
        assert_eq!(all[0], b"callbook/audit-request/v1\0\0\x01a\0\x01b\0\0\0\0\0\0\0\x01\0\x01/");
    }

    #[test]
    fn an_answer_is_read_whole_or_not() {
        let mut raw = Vec::new();
        for (epoch, batch) in [(5, &b""[..]), (6, b"abc"), (7, b"")] {
            put_batch(&mut raw, epoch, batch);
        }
        assert_eq!(read_batches(&raw, 5), Ok(vec![&b""[..], b"abc", b""]));
        assert!(read_batches(&raw, 6).is_err() && read_batches(&raw[..raw.len() - 1], 5).is_err());
        assert_eq!(read_batches(b"", 9), Ok(Vec::new()));
    }
}

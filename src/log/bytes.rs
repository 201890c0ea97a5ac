//! Taking fields off a byte string, and the canonical text forms of bytes.

use data_encoding::{BASE64, BASE64URL_NOPAD};

/// The peer sent bytes that are not of the format; `what` names the format and `why` the first mistake found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Malformed {
    /// The format that was expected: `record`, `state`, `event`, …
    pub what: &'static str,
    /// What is wrong with the bytes.
    pub why: &'static str,
}

impl Malformed {
    /// A mistake `why` in bytes that should be a `what`.
    pub const fn new(what: &'static str, why: &'static str) -> Self {
        Self { what, why }
    }

    /// `Ok` if the condition holds, else this mistake.
    pub const fn unless(ok: bool, what: &'static str, why: &'static str) -> Result<(), Self> {
        if ok { Ok(()) } else { Err(Self { what, why }) }
    }
}

/// Takes fields off the front; too few bytes are refused, and at the end so are bytes left over.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// A reader over `raw`, which should be a `what`.
    pub const fn new(raw: &'a [u8], what: &'static str) -> Self {
        Self { rest: raw, what }
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(Malformed::new(self.what, "truncated"))?;
        self.rest = rest;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(Malformed::new(self.what, "truncated"))?;
        self.rest = rest;
        Ok(*head)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    /// The next two bytes, big-endian.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// The next eight bytes, big-endian.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// A u16 length and that many bytes.
    pub fn lp16(&mut self) -> Result<&'a [u8], Malformed> {
        let n = self.u16()?;
        self.take(usize::from(n))
    }

    /// Takes `tag` and refuses anything else in its place.
    pub fn tag(&mut self, tag: &[u8]) -> Result<(), Malformed> {
        let found = self.take(tag.len())?;
        Malformed::unless(found == tag, self.what, "another tag or version")
    }

    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Refuses bytes that are left over.
    pub const fn end(self) -> Result<(), Malformed> {
        Malformed::unless(self.rest.is_empty(), self.what, "bytes left over")
    }
}

/// Appends `lp16(x)`. Fields of this format are at most 65535 bytes by their own bounds.
///
/// # Panics
/// If `x` is longer: the caller broke the bound of the field.
pub fn put_lp16(out: &mut Vec<u8>, x: &[u8]) {
    let length = u16::try_from(x.len()).expect("every length-prefixed field has a bound below 64 KiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(x);
}

/// Base64, standard alphabet, padded.
pub fn to_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// Canonical base64 only: padded, no white space, spare bits zero, one run.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let raw = BASE64.decode(text.as_bytes()).ok()?;
    (BASE64.encode(&raw) == text).then_some(raw)
}

/// Canonical base64 of exactly `N` bytes.
pub fn array_from_base64<const N: usize>(text: &str) -> Option<[u8; N]> {
    from_base64(text)?.try_into().ok()
}

/// Base64url without padding (RFC 7515 2).
pub fn to_base64url(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// Canonical base64url only: no padding, no white space, spare bits zero.
pub fn from_base64url(text: &str) -> Option<Vec<u8>> {
    let raw = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    (BASE64URL_NOPAD.encode(&raw) == text).then_some(raw)
}

/// A decimal without sign or leading zero and of at most `digits_max` digits.
pub fn from_decimal(text: &str, digits_max: usize) -> Option<u64> {
    let digits = !text.is_empty() && text.len() <= digits_max && text.bytes().all(|b| b.is_ascii_digit());
    (digits && (text == "0" || !text.starts_with('0'))).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_fields_and_says_when_they_end() {
        let mut reader = Reader::new(b"\x00\x02abc", "thing");
        assert_eq!(reader.lp16(), Ok(&b"ab"[..]));
        assert_eq!(reader.clone().end().unwrap_err().to_string(), "thing: bytes left over");
        assert_eq!(reader.u8(), Ok(b'c'));
        assert_eq!(reader.u8().unwrap_err().to_string(), "thing: truncated");
        assert!(reader.is_empty() && reader.end().is_ok());
    }

    #[test]
    fn one_spelling_only() {
        assert_eq!(from_base64("AQI="), Some(vec![1, 2]));
        for other in ["AQI", "AQJ=", "AQI=\n", "AQI=AQI=", " AQI=", "AQ==AQ==", "_Q=="] {
            assert_eq!(from_base64(other), None, "{other}");
        }
        assert_eq!(from_base64url("-_8"), Some(vec![0xfb, 0xff]));
        for other in ["-_8=", "+/8", "-_9", "-_8 "] {
            assert_eq!(from_base64url(other), None, "{other}");
        }
        assert_eq!(from_decimal("0", 18), Some(0));
        for other in ["", "00", "01", "+1", "-1", "1 ", "1234567890123456789"] {
            assert_eq!(from_decimal(other, 18), None, "{other}");
        }
    }
}

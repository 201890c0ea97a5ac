//! What the holder of a control key signs to see every State of a number, and the leave that it gives to a watcher.

use crate::log::bytes::{Malformed, array_from_base64, from_decimal, put_lp16, to_base64};
use crate::log::checkpoint::{INT_DIGITS_MAX, is_log_name};
use crate::log::key::{Algorithm, PublicKey, SigningKey, Thumbprint};
use crate::log::label::Label;

/// How far ahead a leave may end, in seconds: a year and a day. Who watches for longer asks again, and a key that is lost without notice
/// does not watch for ever.
pub const GRANT_S_MAX: u64 = 366 * 86_400;
/// The first line of a leave's text.
const GRANT_HEADER: &str = "callbook/monitor-grant/v1";
/// The longest text of a leave that is read: an origin and five lines.
pub const GRANT_LEN_MAX: usize = 2048;

/// `"callbook/monitor/v1\0" ‖ lp16(origin of the map log) ‖ label ‖ u64 from_version ‖ u64 time in Unix seconds`.
///
/// # Panics
/// If the origin is longer than 65535 bytes.
pub fn tbs(origin: &str, label: &Label, from_version: u64, at_s: u64) -> Vec<u8> {
    let mut out = b"callbook/monitor/v1\0".to_vec();
    put_lp16(&mut out, origin.as_bytes());
    out.extend_from_slice(label.as_bytes());
    out.extend_from_slice(&from_version.to_be_bytes());
    out.extend_from_slice(&at_s.to_be_bytes());
    out
}

/// Leave for a watcher's key to see the States of one label, for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Until when, Unix seconds.
    pub until_s: u64,
    /// The control key that gives it.
    pub by: PublicKey,
    /// Its signature over [`grant_tbs`].
    pub signature: [u8; 64],
}

/// `"callbook/monitor-grant/v1\0" ‖ lp16(origin of the map log) ‖ label ‖ thumbprint of the watcher's key ‖ u64 until in Unix
/// seconds`.
///
/// # Panics
/// If the origin is longer than 65535 bytes.
pub fn grant_tbs(origin: &str, label: &Label, watcher: &Thumbprint, until_s: u64) -> Vec<u8> {
    let mut out = b"callbook/monitor-grant/v1\0".to_vec();
    put_lp16(&mut out, origin.as_bytes());
    out.extend_from_slice(label.as_bytes());
    out.extend_from_slice(watcher);
    out.extend_from_slice(&until_s.to_be_bytes());
    out
}

impl Grant {
    /// Gives leave.
    pub fn give(origin: &str, label: &Label, watcher: &Thumbprint, until_s: u64, by: &SigningKey) -> Self {
        let signature = by.sign(&grant_tbs(origin, label, watcher, until_s));
        Self { until_s, by: by.public().clone(), signature }
    }

    /// Whether it is good at `now_s` for that watcher and label; one that ends after [`GRANT_S_MAX`] is not.
    pub fn verifies(&self, origin: &str, label: &Label, watcher: &Thumbprint, now_s: u64) -> bool {
        let in_time = now_s < self.until_s && self.until_s <= now_s.saturating_add(GRANT_S_MAX);
        in_time && self.by.verify(&grant_tbs(origin, label, watcher, self.until_s), &self.signature)
    }
}

/// A leave as a file: with what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantFile {
    /// The origin of the map log.
    pub origin: String,
    /// The label that may be watched.
    pub label: Label,
    /// Whose key may watch it.
    pub watcher: Thumbprint,
    /// The leave itself.
    pub grant: Grant,
}

impl GrantFile {
    /// Reads the text; checks its form, not its signature.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let bad = Malformed::new("grant", "form");
        Malformed::unless(text.len() <= GRANT_LEN_MAX, "grant", "longer than any grant")?;
        let mut lines = text.strip_suffix('\n').ok_or(bad)?.split('\n');
        Malformed::unless(lines.next() == Some(GRANT_HEADER), "grant", "form")?;
        let mut field = |word: &str| lines.next().and_then(|line| line.strip_prefix(word)).ok_or(bad);
        let origin = field("origin ")?.to_owned();
        let label = Label(array_from_base64(field("label ")?).ok_or(bad)?);
        let watcher = array_from_base64(field("watcher ")?).ok_or(bad)?;
        let until_s = from_decimal(field("until ")?, INT_DIGITS_MAX).ok_or(bad)?;
        let (algorithm, key) = field("by ")?.split_once(' ').ok_or(bad)?;
        let algorithm = from_decimal(algorithm, 1).and_then(|n| Algorithm::from_u8(n as u8)).ok_or(bad)?;
        let by = PublicKey::new(algorithm, &crate::log::bytes::from_base64(key).ok_or(bad)?)?;
        let signature = array_from_base64(field("signature ")?).ok_or(bad)?;
        Malformed::unless(lines.next().is_none() && is_log_name(&origin), "grant", "form")?;
        Ok(Self { origin, label, watcher, grant: Grant { until_s, by, signature } })
    }

    /// The text.
    pub fn write(&self) -> String {
        let Grant { until_s, by, signature } = &self.grant;
        format!(
            "{GRANT_HEADER}\norigin {}\nlabel {}\nwatcher {}\nuntil {until_s}\nby {} {}\nsignature {}\n",
            self.origin,
            to_base64(self.label.as_bytes()),
            to_base64(&self.watcher),
            by.algorithm() as u8,
            to_base64(by.bytes()),
            to_base64(signature)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_for_one_watcher_one_label_and_a_while() {
        let key = |n: u8| SigningKey::from_bytes(Algorithm::Ed25519, &[n; 32]).unwrap();
        let (holder, watcher, label) = (key(1), key(2).public().thumbprint(), Label([7; 32]));
        let grant = Grant::give("a/map/0", &label, &watcher, 2000, &holder);
        assert!(grant.verifies("a/map/0", &label, &watcher, 1999));
        assert!(!grant.verifies("a/map/0", &label, &watcher, 2000), "over");
        assert!(!grant.verifies("a/map/1", &label, &watcher, 1999));
        assert!(!grant.verifies("a/map/0", &Label([8; 32]), &watcher, 1999));
        assert!(!grant.verifies("a/map/0", &label, &key(3).public().thumbprint(), 1999));
        let long = Grant::give("a/map/0", &label, &watcher, GRANT_S_MAX + 1, &holder);
        assert!(!long.verifies("a/map/0", &label, &watcher, 0) && long.verifies("a/map/0", &label, &watcher, 1));
        let file = GrantFile { origin: "a/map/0".into(), label, watcher, grant };
        let text = file.write();
        assert_eq!(GrantFile::parse(&text), Ok(file));
        let mut bytes = text.clone().into_bytes();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            let read = std::str::from_utf8(&bytes).ok().and_then(|text| GrantFile::parse(text).ok());
            let good = |read: GrantFile| read.grant.verifies(&read.origin, &read.label, &read.watcher, 1999);
            assert!(!read.is_some_and(good), "byte {at}");
            bytes[at] ^= 1;
        }
        assert!((0..text.len()).all(|length| GrantFile::parse(&text[..length]).is_err()));
    }
}

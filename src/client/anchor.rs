//! The trust anchor: which keys of which zone are believed from the start.
//!
//! Two forms are read: master-file lines (`e164.example. IN DNSKEY 257 3 13 …` or `… IN DS 12345 13 2 …`, as `dig`,
//! `unbound-anchor` and `callbook keys ds` write them), and the `trust-anchors { … };` of BIND and `delv`.

use data_encoding::{BASE64, HEXUPPER_PERMISSIVE};
use hickory_proto::rr::Name;

use crate::client::signature::{Dnskey, Ds, is_supported};

/// An anchor file is a few lines; more is a mistake (or the wrong file).
const TEXT_MAX: usize = 64 * 1024;

/// The keys and key digests of one zone that a look-up starts from.
#[derive(Clone, Debug)]
pub struct Anchor {
    zone: Name,
    keys: Vec<Dnskey>,
    digests: Vec<Ds>,
}

/// Why a text is no trust anchor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// No DNSKEY and no DS record in it.
    #[error("the trust anchor holds no usable DNSKEY or DS record; write one with `callbook keys ds` or `dig DNSKEY`")]
    Empty,
    /// Records of more than one zone.
    #[error("the trust anchor speaks of two zones, {0} and {1}: give a file for one")]
    TwoZones(String, String),
    /// An entry that cannot be read: what stands there.
    #[error("the trust anchor has an entry that is neither DNSKEY nor DS: {0:?}")]
    Entry(String),
    /// More text than any anchor has.
    #[error("the trust anchor is longer than {TEXT_MAX} bytes: this is another file")]
    TooLong,
}

impl Anchor {
    /// Reads the text of an anchor file.
    pub fn parse(text: &str) -> Result<Self, AnchorError> {
        if text.len() > TEXT_MAX {
            return Err(AnchorError::TooLong);
        }
        let is_bind = text.lines().filter_map(|line| line.split(';').next()).any(|line| line.contains('{'));
        let entries = if is_bind { bind_entries(text) } else { master_entries(text) };
        let mut anchor: Option<Self> = None;
        for entry in entries {
            let (zone, rdata) = read_entry(&entry).ok_or_else(|| AnchorError::Entry(shortened(&entry)))?;
            let anchor = anchor.get_or_insert_with(|| Self { zone: zone.clone(), keys: vec![], digests: vec![] });
            if anchor.zone != zone {
                return Err(AnchorError::TwoZones(anchor.zone.to_ascii(), zone.to_ascii()));
            }
            match rdata {
                Rdata::Key(rdata) => anchor.keys.extend(Dnskey::read(&rdata)), // one that must not sign anchors nothing
                Rdata::Digest(rdata) => anchor.digests.extend(Ds::read(&rdata)),
            }
        }
        anchor.filter(|anchor| !anchor.keys.is_empty() || !anchor.digests.is_empty()).ok_or(AnchorError::Empty)
    }

    /// The zone that the anchor belongs to, with the final dot.
    pub fn zone_text(&self) -> String {
        self.zone.to_ascii()
    }

    pub(crate) fn zone(&self) -> &Name {
        &self.zone
    }

    /// Whether at least one of its entries is of an algorithm that we check.
    pub(crate) fn is_supported(&self) -> bool {
        self.keys.iter().any(|key| is_supported(key.algorithm)) || self.digests.iter().any(Ds::is_supported)
    }

    /// Whether `key` of the zone is one of the anchored ones.
    pub(crate) fn holds(&self, key: &Dnskey) -> bool {
        self.keys.contains(key) || self.digests.iter().any(|ds| ds.covers(&self.zone, key))
    }
}

enum Rdata {
    Key(Vec<u8>),
    Digest(Vec<u8>),
}

/// The records of a master-file text, each as its fields: comments gone, lines in brackets joined.
fn master_entries(text: &str) -> Vec<Vec<String>> {
    let (mut entries, mut fields, mut depth) = (vec![], vec![], 0usize);
    for line in text.lines() {
        let line = line.split(';').next().unwrap_or_default();
        for word in line.replace('(', " ( ").replace(')', " ) ").split_whitespace() {
            match word {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                word => fields.push(word.to_owned()),
            }
        }
        if depth == 0 && !fields.is_empty() {
            entries.push(std::mem::take(&mut fields));
        }
    }
    entries.extend((!fields.is_empty()).then_some(fields));
    entries.retain(|fields| !fields.first().is_some_and(|word| word.starts_with('$')));
    entries
}

/// The statements inside the braces of BIND's form, each as its fields: comments and quotes gone.
fn bind_entries(text: &str) -> Vec<Vec<String>> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("/*") {
        plain.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    // "//" may stand inside a base64 string, so a comment is only what stands outside quotes.
    let mut statements = String::with_capacity(plain.len());
    let mut quoted = false;
    for line in plain.lines() {
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '"' => quoted = !quoted,
                '#' if !quoted => break,
                '/' if !quoted && chars.peek() == Some(&'/') => break,
                c => statements.push(c),
            }
        }
        statements.push(' ');
    }
    let statements = statements.split(['{', '}', ';']).map(|s| s.split_whitespace().map(str::to_owned).collect());
    let keywords = ["trust-anchors", "trusted-keys", "managed-keys"];
    let is_entry = |f: &Vec<String>| f.first().is_some_and(|word| !keywords.contains(&word.as_str()));
    statements.filter(is_entry).collect()
}

/// `OWNER [TTL] [CLASS] DNSKEY|DS …`, or BIND's `OWNER [static-key|initial-key|static-ds|initial-ds] …`.
fn read_entry(fields: &[String]) -> Option<(Name, Rdata)> {
    let (owner, rest) = fields.split_first()?;
    let mut zone = Name::from_ascii(owner).ok()?.to_lowercase();
    zone.set_fqdn(true);
    let keyword = rest.iter().enumerate().find_map(|(at, word)| match word.to_ascii_lowercase().as_str() {
        "dnskey" | "static-key" | "initial-key" => Some((at, false)),
        "ds" | "static-ds" | "initial-ds" => Some((at, true)),
        _ => None,
    });
    let (between, rest, is_digest) = match keyword {
        Some((at, is_digest)) => (rest.get(..at)?, rest.get(at + 1..)?, is_digest),
        None => (&[][..], rest, false), // the old trusted-keys statement has no keyword
    };
    if !between.iter().all(|word| word.eq_ignore_ascii_case("IN") || word.parse::<u32>().is_ok()) {
        return None;
    }
    let [first, second, third, data @ ..] = rest else { return None };
    let mut rdata = first.parse::<u16>().ok()?.to_be_bytes().to_vec();
    rdata.push(second.parse().ok()?);
    rdata.push(third.parse().ok()?);
    let data: String = data.concat();
    if data.is_empty() {
        return None;
    }
    match is_digest {
        true => rdata.extend(HEXUPPER_PERMISSIVE.decode(data.as_bytes()).ok()?),
        false => rdata.extend(BASE64.decode(data.as_bytes()).ok()?),
    }
    Some((zone, if is_digest { Rdata::Digest(rdata) } else { Rdata::Key(rdata) }))
}

fn shortened(fields: &[String]) -> String {
    let text = fields.join(" ");
    let shown: String = text.chars().take(60).collect();
    if shown.len() < text.len() { shown + "…" } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==";
    const DIGEST: &str = "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D";

    #[test]
    fn master_file_lines() {
        for text in [
            format!("e164.example. 3600 IN DNSKEY 257 3 13 {KEY}"),
            format!("; the anchor\n$TTL 300\nE164.Example IN 3600 DNSKEY 257 3 13 {}\n\n", KEY.replace('X', "X ")),
            format!("e164.example. DNSKEY ( 257 3 13 ; key\n {KEY} ) ;{{id = 59360 (ksk), size = 256b}}"),
            format!("e164.example.\tIN\tDS\t20326 8 2 {DIGEST}"),
            format!("e164.example. 60 DS 20326 8 2 {} {}", &DIGEST[..32].to_lowercase(), &DIGEST[32..]),
        ] {
            let anchor = Anchor::parse(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(anchor.zone_text(), "e164.example.");
            assert_eq!(anchor.keys.len() + anchor.digests.len(), 1, "{text}");
            assert!(anchor.is_supported());
        }
    }

    #[test]
    fn bind_forms() {
        let text = format!(
            "// made by hand\ntrust-anchors {{\n  \"e164.example.\" static-key 257 3 13 \"{}\n   {}\"; # one\n \
             e164.example initial-ds 20326 8 2 \"{DIGEST}\"; /* two */\n}};\n",
            &KEY[..40],
            &KEY[40..]
        );
        let anchor = Anchor::parse(&text).unwrap();
        assert_eq!((anchor.keys.len(), anchor.digests.len()), (1, 1));
        let text = format!("trusted-keys {{ e164.example. 257 3 13 \"{KEY}\"; }};");
        assert_eq!(Anchor::parse(&text).unwrap().keys.len(), 1);
    }

    #[test]
    fn what_is_no_anchor() {
        assert_eq!(Anchor::parse("").unwrap_err(), AnchorError::Empty);
        assert_eq!(Anchor::parse("; nothing\n").unwrap_err(), AnchorError::Empty);
        let revoked = format!("e164.example. DNSKEY 385 3 13 {KEY}");
        assert_eq!(Anchor::parse(&revoked).unwrap_err(), AnchorError::Empty);
        for text in ["e164.example. IN A 192.0.2.1", "e164.example. DNSKEY 257 3 13 %%%", "hello", "a. DS 1 13 2"] {
            assert!(matches!(Anchor::parse(text), Err(AnchorError::Entry(_))), "{text}");
        }
        let two = format!("a.example. DNSKEY 257 3 13 {KEY}\nb.example. DNSKEY 257 3 13 {KEY}");
        assert!(matches!(Anchor::parse(&two), Err(AnchorError::TwoZones(..))));
        assert_eq!(Anchor::parse(&" ".repeat(TEXT_MAX + 1)).unwrap_err(), AnchorError::TooLong);
    }
}

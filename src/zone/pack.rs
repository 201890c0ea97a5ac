//! The compact form of a number's facts: 60 to 130 octets where the wire takes 200 to 300.
//!
//! ```text
//! u8 flags ‖ varint version ‖ varint not_after ‖ state_hash[16] ‖ entry*       entry = u8 (kind | form << 3) ‖ body
//! ```
//! flags: bit 0 for `c=p`, bit 1 + k for each kind k that has entries. The common shapes (a SIP address that holds the number, a raw public key) lose what every number shares; anything
//! else is kept as it is. What is packed is compared with its unpacking first, so no shape can be misread.

use data_encoding::BASE64URL_NOPAD;

use super::NumberData;
use crate::log::record::Prefix;
use crate::number::Number;

/// What an entry is: a prefix of record R, or a revoked key.
pub(super) const KINDS: [Prefix; 7] = Prefix::ALL;
const REVOKED: u8 = 7;
/// Kinds below this have a signature slot; OpenPGP and S/MIME are signed when asked for.
const SLOTTED: usize = 5;

const RAW: u8 = 0;
const NAPTR_SIP: u8 = 1;
/// TLSA `3 1 0` SPKI Ed25519, `3 1 0` SPKI X25519, `3 1 1` SHA-256: a fixed head, then 32 octets.
const HEADS: [(u8, &[u8]); 3] = [
    (2, b"\x03\x01\x00\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"),
    (3, b"\x03\x01\x00\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00"),
    (4, b"\x03\x01\x01"),
];
const NAPTR_MIDDLE: &[u8] = b"\x01u\x07E2U+sip";
/// Stands for the number's digits in a packed address, which is ASCII.
const DIGITS: u8 = 0x80;

/// Packs one number, and says how many signature slots it needs.
pub(super) fn pack(data: &NumberData, into: &mut Vec<u8>) -> usize {
    let flags_at = into.len();
    into.push(u8::from(data.provider_held));
    put_varint(into, data.version);
    put_varint(into, data.not_after_s);
    into.extend_from_slice(&data.state_hash);
    let mut slots = 0;
    for (kind, prefix) in KINDS.into_iter().enumerate() {
        let mut rdatas: Vec<&[u8]> = data.rrs.iter().filter(|r| r.prefix == prefix).map(|r| &r.rdata[..]).collect();
        rdatas.sort_unstable(); // the canonical order of RFC 4034 6.3 is that of the octets
        rdatas.dedup();
        slots += usize::from(kind < SLOTTED && !rdatas.is_empty());
        into[flags_at] |= u8::from(!rdatas.is_empty()) << (kind + 1);
        rdatas.into_iter().for_each(|rdata| put_rdata(into, kind as u8, rdata, data.number));
    }
    for revoked in &data.revoked {
        into.push(REVOKED);
        into.extend_from_slice(&revoked.thumbprint);
        put_varint(into, revoked.at_s);
    }
    slots
}

/// A packed number, as it lies in a shard.
#[derive(Clone, Copy)]
pub struct Packed<'a> {
    /// The number it is about.
    pub number: Number,
    /// Unix seconds; never served from then on.
    pub not_after_s: u64,
    version: u64,
    flags: u8,
    state_hash: &'a [u8],
    entries: &'a [u8],
}

impl<'a> Packed<'a> {
    /// Reads what [`pack`] wrote; `None` only if these are other bytes.
    pub(super) fn read(number: Number, bytes: &'a [u8]) -> Option<Self> {
        let (&flags, rest) = bytes.split_first()?;
        let (version, rest) = varint(rest)?;
        let (not_after_s, rest) = varint(rest)?;
        let (state_hash, entries) = rest.split_at_checked(16)?;
        Some(Self { number, not_after_s, version, flags, state_hash, entries })
    }

    /// Whether there are records of this prefix.
    pub fn has(&self, prefix: Prefix) -> bool {
        kind_of(prefix).is_some_and(|kind| self.kinds() & 1 << kind != 0)
    }

    /// Appends the RDATAs of a prefix in the form of [`crate::wire::Rdatas`]; false if there are none.
    pub fn rdatas(&self, prefix: Prefix, into: &mut Vec<u8>) -> bool {
        let Some(kind) = kind_of(prefix).filter(|_| self.has(prefix)) else { return false };
        for entry in self.entries().filter(|entry| entry.kind == kind) {
            let at = into.len();
            into.extend_from_slice(&[0, 0]);
            entry.unpack(self.number, into);
            let octets = (into.len() - at - 2) as u16; // packed from a u16-sized RDATA
            into[at..at + 2].copy_from_slice(&octets.to_be_bytes());
        }
        true
    }

    /// Appends the one RDATA of `_keys` (TXT): the strings that tie this answer to the log (DNS.md 2).
    pub fn keys_txt(&self, into: &mut Vec<u8>) {
        let at = into.len();
        into.extend_from_slice(&[0, 0]);
        put_string(into, |text| {
            text.extend_from_slice(b"v=cb1; n=");
            put_decimal(text, self.version);
            text.extend_from_slice(b"; s=");
            put_base64::<22>(text, self.state_hash);
            text.extend_from_slice(if self.flags & 1 != 0 { b"; c=p; e=" } else { b"; c=h; e=" });
            put_decimal(text, self.not_after_s);
        });
        for entry in self.entries().filter(|entry| entry.kind == REVOKED) {
            if let Some((thumbprint, at)) = entry.body.split_at_checked(32)
                && let Some((at_s, _)) = varint(at)
            {
                put_string(into, |text| {
                    text.extend_from_slice(b"r=");
                    put_base64::<43>(text, thumbprint);
                    text.push(b'@');
                    put_decimal(text, at_s);
                });
            }
        }
        let octets = (into.len() - at - 2) as u16; // a record R of 16 KiB has far fewer revoked keys than that
        into[at..at + 2].copy_from_slice(&octets.to_be_bytes());
    }

    /// The position of a prefix among the number's signature slots.
    pub(super) fn slot_of(&self, prefix: Prefix) -> Option<usize> {
        let kind = kind_of(prefix).filter(|kind| usize::from(*kind) < SLOTTED)?;
        let before = self.kinds() & ((1 << kind) - 1);
        self.has(prefix).then_some(before.count_ones() as usize)
    }

    /// A bit for each kind that has entries.
    fn kinds(&self) -> u8 {
        self.flags >> 1
    }

    /// Whether the number has records under a hash owner name (OpenPGP, S/MIME).
    pub(super) fn is_hashed(&self) -> bool {
        self.has(Prefix::OpenPgpKey) || self.has(Prefix::SmimeCert)
    }

    fn entries(&self) -> Entries<'a> {
        Entries(self.entries)
    }
}

struct Entries<'a>(&'a [u8]);

#[derive(Clone, Copy)]
struct Entry<'a> {
    kind: u8,
    form: u8,
    body: &'a [u8],
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let (&tag, rest) = self.0.split_first()?;
        let (kind, form) = (tag & 7, tag >> 3);
        let (body, rest) = match (kind, form) {
            (REVOKED, _) => {
                let (_, after) = varint(rest.get(32..)?)?;
                rest.split_at_checked(rest.len() - after.len())?
            }
            (_, RAW | NAPTR_SIP) => {
                let (octets, rest) = varint(rest)?;
                rest.split_at_checked(usize::try_from(octets).ok()?)?
            }
            _ => rest.split_at_checked(32)?,
        };
        self.0 = rest;
        Some(Entry { kind, form, body })
    }
}

/// The place of a prefix among [`KINDS`].
fn kind_of(prefix: Prefix) -> Option<u8> {
    KINDS.iter().position(|kind| *kind == prefix).map(|kind| kind as u8)
}

impl Entry<'_> {
    fn unpack(&self, number: Number, into: &mut Vec<u8>) {
        match self.form {
            RAW => into.extend_from_slice(self.body),
            NAPTR_SIP => unpack_naptr(self.body, number, into),
            form => {
                let head = HEADS.iter().find(|(f, _)| *f == form).map_or(&[][..], |(_, head)| head);
                into.extend_from_slice(head);
                into.extend_from_slice(self.body);
            }
        }
    }
}

fn put_rdata(into: &mut Vec<u8>, kind: u8, rdata: &[u8], number: Number) {
    for (form, head) in HEADS {
        if let Some(tail) = rdata.strip_prefix(head)
            && tail.len() == 32
        {
            into.push(kind | form << 3);
            return into.extend_from_slice(tail);
        }
    }
    let (form, body) = match pack_naptr(rdata, number) {
        Some(short) => (NAPTR_SIP, short),
        None => (RAW, rdata.to_vec()),
    };
    into.push(kind | form << 3);
    put_varint(into, body.len() as u64);
    into.extend_from_slice(&body);
}

/// `100 10i "u" "E2U+sip" "!^.*$!URI!" .` becomes `i ‖ URI`, with one octet for the number's digits.
fn pack_naptr(rdata: &[u8], number: Number) -> Option<Vec<u8>> {
    let (head, rest) = rdata.split_at_checked(4)?;
    let rest = rest.strip_prefix(NAPTR_MIDDLE)?;
    let regexp = rest.get(1..)?.strip_suffix(&[0])?;
    let uri = regexp.strip_prefix(b"!^.*$!")?.strip_suffix(b"!")?;
    let rank = u8::try_from(u16::from_be_bytes([head[2], head[3]]) / 10).ok()?;
    let digits = number.digits();
    let mut packed = vec![rank];
    match uri.windows(digits.len()).position(|w| w == digits.as_bytes()) {
        Some(at) => {
            packed.extend_from_slice(&uri[..at]);
            packed.push(DIGITS);
            packed.extend_from_slice(&uri[at + digits.len()..]);
        }
        None => packed.extend_from_slice(uri),
    }
    let mut again = Vec::with_capacity(rdata.len());
    unpack_naptr(&packed, number, &mut again);
    (again == rdata).then_some(packed)
}

fn unpack_naptr(packed: &[u8], number: Number, into: &mut Vec<u8>) {
    let Some((&rank, uri)) = packed.split_first() else { return };
    into.extend_from_slice(&100u16.to_be_bytes());
    into.extend_from_slice(&(u16::from(rank) * 10).to_be_bytes());
    into.extend_from_slice(NAPTR_MIDDLE);
    let length_at = into.len();
    into.push(0);
    into.extend_from_slice(b"!^.*$!");
    let mut parts = uri.split(|octet| *octet == DIGITS);
    into.extend_from_slice(parts.next().unwrap_or_default());
    for part in parts {
        into.extend_from_slice(number.digits().as_bytes());
        into.extend_from_slice(part);
    }
    into.push(b'!');
    into[length_at] = (into.len() - length_at - 1) as u8;
    into.push(0);
}

/// A character-string (RFC 1035 3.3); those of `_keys` are below 110 octets.
fn put_string(into: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = into.len();
    into.push(0);
    write(into);
    into[at] = (into.len() - at - 1) as u8;
}

/// Base64url without padding in `N` characters.
fn put_base64<const N: usize>(into: &mut Vec<u8>, octets: &[u8]) {
    let mut text = [0u8; N];
    if BASE64URL_NOPAD.encode_len(octets.len()) == N {
        BASE64URL_NOPAD.encode_mut(octets, &mut text);
    }
    into.extend_from_slice(&text);
}

fn put_decimal(into: &mut Vec<u8>, mut value: u64) {
    let at = into.len();
    loop {
        into.push(b'0' + (value % 10) as u8);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    into[at..].reverse();
}

fn put_varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (i, &byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Some((value, &bytes[i + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::record::{Revoked, Rr};
    use crate::wire::Rdatas;
    use proptest::prelude::*;

    fn naptr(preference: u16, uri: &str) -> Vec<u8> {
        let regexp = format!("!^.*$!{uri}!");
        let mut rdata = vec![0, 100];
        rdata.extend(preference.to_be_bytes());
        rdata.extend(NAPTR_MIDDLE);
        rdata.push(regexp.len() as u8);
        rdata.extend(regexp.as_bytes());
        rdata.push(0);
        rdata
    }

    fn data(rrs: Vec<Rr>) -> NumberData {
        NumberData {
            number: Number::parse("+34600111222").unwrap(),
            not_after_s: 1_800_000_000,
            rrs,
            version: 300,
            state_hash: [9; 16],
            provider_held: true,
            revoked: vec![Revoked { thumbprint: [1; 32], at_s: 1_700_000_000 }],
        }
    }

    #[test]
    fn a_usual_number_takes_less_than_a_hundred_octets() {
        let key = [HEADS[0].1, &[5; 32]].concat();
        let naptr = naptr(10, "sip:+34600111222@acme.example");
        let usual = NumberData {
            revoked: vec![],
            ..data(vec![
                Rr { prefix: Prefix::Naptr, rdata: naptr.clone() },
                Rr { prefix: Prefix::Id, rdata: key.clone() },
            ])
        };
        let mut bytes = Vec::new();
        assert_eq!(pack(&usual, &mut bytes), 2);
        assert!(bytes.len() < 90, "{} octets", bytes.len());
        let packed = Packed::read(usual.number, &bytes).unwrap();
        assert_eq!((packed.slot_of(Prefix::Naptr), packed.slot_of(Prefix::Id)), (Some(0), Some(1)));
        assert_eq!((packed.slot_of(Prefix::E2e), packed.is_hashed()), (None, false));
        let mut flat = Vec::new();
        assert!(packed.rdatas(Prefix::Naptr, &mut flat));
        assert_eq!(Rdatas(&flat).collect::<Vec<_>>(), [&naptr[..]]);
        flat.clear();
        assert!(packed.rdatas(Prefix::Id, &mut flat) && !packed.rdatas(Prefix::E2e, &mut flat));
        assert_eq!(Rdatas(&flat).collect::<Vec<_>>(), [&key[..]]);
    }

    #[test]
    fn keys_text_is_that_of_the_reference() {
        let mut bytes = Vec::new();
        pack(&data(vec![]), &mut bytes);
        let mut flat = Vec::new();
        Packed::read(data(vec![]).number, &bytes).unwrap().keys_txt(&mut flat);
        let rdata = Rdatas(&flat).next().unwrap();
        let (head, revoked) = rdata[1..].split_at(usize::from(rdata[0]));
        assert_eq!(std::str::from_utf8(head).unwrap(), "v=cb1; n=300; s=CQkJCQkJCQkJCQkJCQkJCQ; c=p; e=1800000000");
        assert_eq!(&revoked[1..], b"r=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE@1700000000");
    }

    proptest! {
        #[test]
        fn whatever_goes_in_comes_out(
            raw in proptest::collection::vec((0usize..7, proptest::collection::vec(any::<u8>(), 1..300)), 0..6),
            sip in proptest::collection::vec((0u16..3000, "(sip:)?\\PC{0,9}\\+?(34600111222)?(34600111222)?@[a-z.]{1,20}"), 0..4),
        ) {
            let mut rrs: Vec<Rr> = raw.into_iter().map(|(kind, rdata)| Rr { prefix: KINDS[kind], rdata }).collect();
            rrs.extend(sip.into_iter().map(|(preference, uri)| Rr { prefix: Prefix::Naptr, rdata: naptr(preference, &uri) }));
            let data = data(rrs);
            let mut bytes = Vec::new();
            pack(&data, &mut bytes);
            let packed = Packed::read(data.number, &bytes).unwrap();
            prop_assert_eq!(packed.not_after_s, data.not_after_s);
            for prefix in KINDS {
                let mut wanted: Vec<_> = data.rrs.iter().filter(|r| r.prefix == prefix).map(|r| r.rdata.clone()).collect();
                wanted.sort();
                wanted.dedup();
                let mut flat = Vec::new();
                prop_assert_eq!(packed.rdatas(prefix, &mut flat), !wanted.is_empty());
                prop_assert_eq!(Rdatas(&flat).map(<[u8]>::to_vec).collect::<Vec<_>>(), wanted);
            }
        }
    }
}

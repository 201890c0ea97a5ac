//! The TSIG record: taken off the end of a message, and put there (RFC 8945 4.2).

use crate::wire::query::HEADER_OCTETS;
use crate::wire::{Name, RrType};

const TSIG: RrType = RrType::TSIG;
/// Class of TSIG, and the TTL (RFC 8945 4.2).
const CLASS_ANY: u16 = 255;
/// Records that are looked through for a TSIG: requests have few, and answers that we wait for too.
const RECORDS_MAX: u32 = 64;

/// A message and the TSIG at its end.
pub struct Split<'a> {
    packet: &'a [u8],
    /// Where the record begins.
    at: usize,
    /// The key's name.
    pub name: Name,
    /// The algorithm's name.
    pub algorithm: Name,
    /// When it was signed, Unix seconds.
    pub time_s: u64,
    /// By how much clocks may differ, seconds.
    pub fudge_s: u16,
    /// The MAC.
    pub mac: &'a [u8],
    /// The id that was signed.
    pub original_id: u16,
    /// A TSIG error.
    pub error: u16,
    /// With BADTIME the other side's time.
    pub other: &'a [u8],
    /// The header as it was signed: id and counts as they were before.
    header: [u8; HEADER_OCTETS],
}

/// When something was signed, and by how much clocks may differ.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) signed_s: u64,
    pub(super) fudge_s: u16,
}

impl Times {
    /// 48 bits and 16.
    pub(super) fn octets(self) -> [u8; 8] {
        let [_, _, a, b, c, d, e, f] = self.signed_s.to_be_bytes();
        let [g, h] = self.fudge_s.to_be_bytes();
        [a, b, c, d, e, f, g, h]
    }
}

impl Split<'_> {
    /// The message that was signed, in parts.
    pub(super) fn message(&self) -> [&[u8]; 3] {
        [&self.header, self.packet.get(HEADER_OCTETS..self.at).unwrap_or_default(), &[]]
    }

    /// The message without its TSIG, with the id that it came with.
    pub fn plain(&self) -> Vec<u8> {
        let mut plain = self.message().concat();
        if let (Some(id), Some(into)) = (self.packet.first_chunk::<2>(), plain.first_chunk_mut::<2>()) {
            *into = *id;
        }
        plain
    }
}

/// What a message has of TSIG.
pub enum Sought<'a> {
    /// None, or the message is not well-formed at all.
    Nothing,
    /// One that is malformed or not the last record: FORMERR (RFC 8945 5.1).
    Misplaced,
    /// One at its end.
    Found(Box<Split<'a>>),
}

/// Looks for a TSIG.
pub fn seek(packet: &[u8]) -> Sought<'_> {
    let mut seen = false;
    match find(packet, &mut seen) {
        Some(split) => Sought::Found(Box::new(split)),
        None if seen => Sought::Misplaced,
        None => Sought::Nothing,
    }
}

/// Takes the TSIG off a message; `None` if it has none, or is not well-formed up to it.
pub fn split(packet: &[u8]) -> Option<Split<'_>> {
    find(packet, &mut false)
}

/// `seen` becomes true when a record of this type was met.
fn find<'a>(packet: &'a [u8], seen: &mut bool) -> Option<Split<'a>> {
    let header = *packet.first_chunk::<HEADER_OCTETS>()?;
    let [_, _, _, _, q1, q0, a1, a0, n1, n0, r1, r0] = header;
    let [questions, answers, authorities, additionals] =
        [[q1, q0], [a1, a0], [n1, n0], [r1, r0]].map(|count| u32::from(u16::from_be_bytes(count)));
    let records = answers + authorities + additionals;
    if additionals == 0 || questions > 1 || records > RECORDS_MAX {
        return None;
    }
    let mut at = HEADER_OCTETS;
    for _ in 0..questions {
        at = skip_name(packet, at)? + 4;
    }
    for _ in 1..records {
        let fixed = skip_name(packet, at)?;
        if word(packet, fixed)? == TSIG.0 {
            *seen = true;
            return None;
        }
        at = fixed + 10 + usize::from(word(packet, fixed + 8)?);
    }
    // RFC 8945 5.1: the last record, and there alone.
    let (name, octets) = Name::scan(packet.get(at..)?)?;
    let fixed = at + octets;
    if word(packet, fixed)? != TSIG.0 {
        return None;
    }
    *seen = true;
    let rdata = packet.get(fixed + 10..)?;
    if word(packet, fixed + 2)? != CLASS_ANY
        || packet.get(fixed + 4..fixed + 8)? != [0; 4]
        || rdata.len() != usize::from(word(packet, fixed + 8)?)
    {
        return None;
    }
    let (algorithm, octets) = Name::scan(rdata)?;
    let (times, rest) = rdata.get(octets..)?.split_first_chunk::<10>()?;
    let [t5, t4, t3, t2, t1, t0, f1, f0, m1, m0] = *times;
    let (mac, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([m1, m0])))?;
    let (tail, other) = rest.split_first_chunk::<6>()?;
    let [i1, i0, e1, e0, o1, o0] = *tail;
    if other.len() != usize::from(u16::from_be_bytes([o1, o0])) {
        return None;
    }
    let mut signed = header;
    let [c1, c0] = ((additionals - 1) as u16).to_be_bytes(); // it was a u16
    let [a, b, .., y, z] = &mut signed;
    (*a, *b, *y, *z) = (i1, i0, c1, c0);
    Some(Split {
        packet,
        at,
        name,
        algorithm,
        time_s: u64::from_be_bytes([0, 0, t5, t4, t3, t2, t1, t0]),
        fudge_s: u16::from_be_bytes([f1, f0]),
        mac,
        original_id: u16::from_be_bytes([i1, i0]),
        error: u16::from_be_bytes([e1, e0]),
        other,
        header: signed,
    })
}

/// What is signed of a TSIG record beside its times (RFC 8945 4.3.3).
pub(super) fn variables(split: &Split<'_>) -> Vec<u8> {
    let times = Times { signed_s: split.time_s, fudge_s: split.fudge_s };
    variables_of(&split.name, &split.algorithm, times, split.error, split.other)
}

pub(super) fn variables_of(name: &Name, algorithm: &Name, times: Times, error: u16, other: &[u8]) -> Vec<u8> {
    let mut octets = name.as_wire().to_vec();
    octets.extend_from_slice(&CLASS_ANY.to_be_bytes());
    octets.extend_from_slice(&[0; 4]);
    octets.extend_from_slice(algorithm.as_wire());
    octets.extend_from_slice(&times.octets());
    octets.extend_from_slice(&error.to_be_bytes());
    octets.extend_from_slice(&(other.len() as u16).to_be_bytes()); // six at most
    octets.extend_from_slice(other);
    octets
}

/// Puts a TSIG at the end of a message and counts it. `what` is MAC, error and other data.
pub(super) fn append(
    message: &mut Vec<u8>,
    name: &Name,
    algorithm: &Name,
    times: Times,
    (mac, error, other): (&[u8], u16, &[u8]),
) {
    let Some([i1, i0, .., c1, c0]) = message.first_chunk_mut::<HEADER_OCTETS>() else { return };
    let id = [*i1, *i0];
    [*c1, *c0] = u16::from_be_bytes([*c1, *c0]).saturating_add(1).to_be_bytes();
    message.extend_from_slice(name.as_wire());
    message.extend_from_slice(&TSIG.0.to_be_bytes());
    message.extend_from_slice(&CLASS_ANY.to_be_bytes());
    message.extend_from_slice(&[0; 4]);
    let octets = algorithm.as_wire().len() + 16 + mac.len() + other.len();
    message.extend_from_slice(&(octets as u16).to_be_bytes()); // some hundred
    message.extend_from_slice(algorithm.as_wire());
    message.extend_from_slice(&times.octets());
    message.extend_from_slice(&(mac.len() as u16).to_be_bytes());
    message.extend_from_slice(mac);
    message.extend_from_slice(&id);
    message.extend_from_slice(&error.to_be_bytes());
    message.extend_from_slice(&(other.len() as u16).to_be_bytes());
    message.extend_from_slice(other);
}

fn word(packet: &[u8], at: usize) -> Option<u16> {
    packet.get(at..)?.first_chunk::<2>().map(|word| u16::from_be_bytes(*word))
}

/// Where a name ends that may end in a compression pointer: it is stepped over, never followed.
fn skip_name(packet: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match usize::from(*packet.get(at)?) {
            0 => return Some(at + 1),
            octets @ 1..=63 => at += 1 + octets,
            0xc0.. => return Some(at + 2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn signed() -> Vec<u8> {
        let mut message = b"\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x06\x00\x01".to_vec();
        let times = Times { signed_s: 1_800_000_000, fudge_s: 300 };
        let [key, algorithm] = ["k.example.", "hmac-sha256."].map(|name| Name::from_text(name).unwrap());
        append(&mut message, &key, &algorithm, times, (&[7; 32], 18, &[1; 6]));
        message
    }

    #[test]
    fn what_is_appended_is_split_off_again() {
        let message = signed();
        let split = split(&message).unwrap();
        assert_eq!((split.name.to_text().as_str(), split.time_s, split.fudge_s), ("k.example.", 1_800_000_000, 300));
        assert_eq!((split.mac, split.error, split.other, split.original_id), (&[7; 32][..], 18, &[1; 6][..], 0x1234));
        assert_eq!(split.plain(), b"\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x06\x00\x01");
    }

    #[test]
    fn it_must_be_whole_and_the_last() {
        let message = signed();
        for cut in 0..message.len() {
            assert!(split(&message[..cut]).is_none(), "cut at {cut}");
        }
        assert!(split(&[&message[..], b"x"].concat()).is_none());
        let mut more = message.clone();
        more[11] = 2;
        more.extend_from_slice(b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00");
        assert!(split(&more).is_none() && matches!(seek(&more), Sought::Misplaced), "an OPT after it");
        assert!(matches!(seek(&message), Sought::Found(_)) && matches!(seek(&message[..20]), Sought::Nothing));
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(
            changes in prop::collection::vec((0usize..120, any::<u8>()), 0..8),
            tail in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut message = signed();
            message.extend(tail);
            for (at, octet) in changes {
                if let Some(place) = message.get_mut(at) {
                    *place = octet;
                }
            }
            if let Some(split) = split(&message) {
                prop_assert!(split.plain().len() < message.len());
            }
        }
    }
}

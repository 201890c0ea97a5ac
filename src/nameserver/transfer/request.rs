//! The question of a transfer (RFC 5936 2.1, RFC 1995 3), read where the hot path does not look: an IXFR has an SOA in its
//! authority section.

use crate::wire::query::{Edns, HEADER_OCTETS, Header, read_opt};
use crate::wire::rr::CLASS_IN;
use crate::wire::{Name, RrType};
use crate::zone::version::soa_serial;

/// Records after the question that are looked through: the SOA and an OPT, and some more.
const RECORDS_MAX: u16 = 8;

/// A question for a transfer. Its TSIG is taken off.
pub(super) struct Request {
    pub(super) header: Header,
    /// As it came.
    pub(super) question: Vec<u8>,
    pub(super) name: Name,
    pub(super) qtype: RrType,
    /// The version that the asker has.
    pub(super) since: Option<u32>,
    /// Its OPT: then the answer has one (RFC 6891 6.1.1).
    pub(super) edns: Option<Edns>,
}

/// Whether a packet asks for a transfer, by its first question.
pub fn is_transfer(packet: &[u8]) -> bool {
    let Some((question, _)) = question(packet) else { return false };
    matches!(question.1, RrType::AXFR | RrType::IXFR)
}

impl Request {
    pub(super) fn read(packet: &[u8]) -> Option<Self> {
        let [i1, i0, high, low, _, _, a1, a0, n1, n0, r1, r0] = *packet.first_chunk::<HEADER_OCTETS>()?;
        let ((name, qtype, class), after) = question(packet)?;
        let records =
            [[a1, a0], [n1, n0], [r1, r0]].map(u16::from_be_bytes).iter().fold(0u16, |n, m| n.saturating_add(*m));
        if !matches!(qtype, RrType::AXFR | RrType::IXFR) || class != CLASS_IN || records > RECORDS_MAX {
            return None;
        }
        let header =
            Header { id: u16::from_be_bytes([i1, i0]), opcode: high >> 3 & 15, rd: high & 1 != 0, cd: low & 0x10 != 0 };
        let question = packet.get(HEADER_OCTETS..after)?.to_vec();
        let mut request = Self { header, question, name, qtype, since: None, edns: None };
        let mut at = after;
        for _ in 0..records {
            at = owner_end(packet, at)?;
            let (fixed, rest) = packet.get(at..)?.split_first_chunk::<10>()?;
            let [t1, t0, c1, c0, ttl @ .., l1, l0] = *fixed;
            let rdata = rest.get(..usize::from(u16::from_be_bytes([l1, l0])))?;
            match RrType(u16::from_be_bytes([t1, t0])) {
                RrType::SOA => request.since = soa_serial(rdata),
                RrType::OPT if request.edns.is_some() => return None, // RFC 6891 6.1.1
                RrType::OPT => {
                    request.edns = Some(read_opt(u16::from_be_bytes([c1, c0]), u32::from_be_bytes(ttl), rdata));
                }
                _ => {}
            }
            at += fixed.len() + rdata.len();
        }
        // Another version, or options that cannot be read: BADVERS or FORMERR, as to any question.
        let is_known = request.edns.is_none_or(|edns| edns.version == 0 && !edns.malformed);
        (at == packet.len() && is_known).then_some(request)
    }
}

type Asked = (Name, RrType, u16);

/// The only question of a query, and where it ends.
fn question(packet: &[u8]) -> Option<(Asked, usize)> {
    let [_, _, high, _, q1, q0, ..] = *packet.first_chunk::<HEADER_OCTETS>()?;
    let (name, octets) = Name::scan(packet.get(HEADER_OCTETS..)?)?;
    let at = HEADER_OCTETS + octets;
    let [t1, t0, c1, c0] = *packet.get(at..)?.first_chunk::<4>()?;
    let is_query = high & 0xf8 == 0 && [q1, q0] == [0, 1];
    is_query.then_some(((name, RrType(u16::from_be_bytes([t1, t0])), u16::from_be_bytes([c1, c0])), at + 4))
}

/// Where an owner ends that may end in a compression pointer.
fn owner_end(packet: &[u8], mut at: usize) -> Option<usize> {
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

    const IXFR: &[u8] = b"\x12\x34\x00\x00\x00\x01\x00\x00\x00\x01\x00\x01\x01A\x00\x00\xfb\x00\x01\
        \xc0\x0c\x00\x06\x00\x01\x00\x00\x00\x00\x00\x18\xc0\x0c\xc0\x0c\x00\x00\x00\x07\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\
        \x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";

    #[test]
    fn the_serial_is_read_from_a_compressed_soa() {
        let request = Request::read(IXFR).unwrap();
        assert_eq!((request.since, request.edns.is_some(), request.qtype), (Some(7), true, RrType::IXFR));
        assert_eq!((request.name.to_text().as_str(), &request.question[..3]), ("a.", &b"\x01A\x00"[..]));
        assert!(is_transfer(IXFR));
        for cut in 0..IXFR.len() {
            assert!(Request::read(&IXFR[..cut]).is_none());
        }
        let mut other = IXFR.to_vec();
        other[16] = 6;
        assert!(!is_transfer(&other) && Request::read(&other).is_none());
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(changes in prop::collection::vec((0usize..80, any::<u8>()), 1..6)) {
            let mut packet = IXFR.to_vec();
            for (at, octet) in changes {
                if let Some(place) = packet.get_mut(at) {
                    *place = octet;
                }
            }
            let _ = (is_transfer(&packet), Request::read(&packet).is_some());
        }
    }
}

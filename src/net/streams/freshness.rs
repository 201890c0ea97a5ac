//! How long an HTTP cache may keep an answer (RFC 8484 5.1): no longer than a resolver would.

use crate::wire::RrType;
use crate::wire::query::HEADER_OCTETS;

/// The least TTL among the answers, or of the denial (RFC 2308 5); 0 for what is neither, such as an error or a referral.
pub(super) fn freshness_s(message: &[u8]) -> u32 {
    read(message).unwrap_or(0)
}

fn read(message: &[u8]) -> Option<u32> {
    let (header, mut rest) = message.split_first_chunk::<HEADER_OCTETS>()?;
    let [_, _, _, code, counts @ ..] = header;
    if !matches!(code & 0x0f, 0 | 3) {
        return None; // neither NOERROR nor NXDOMAIN
    }
    let [q1, q0, a1, a0, n1, n0, ..] = *counts;
    for _ in 0..u16::from_be_bytes([q1, q0]) {
        rest = after_name(rest)?.get(4..)?;
    }
    let mut least = None;
    let answers = u16::from_be_bytes([a1, a0]);
    for i in 0..u32::from(answers) + u32::from(u16::from_be_bytes([n1, n0])) {
        let (head, after) = after_name(rest)?.split_first_chunk::<10>()?;
        let [t1, t0, _, _, ttl @ .., l1, l0] = *head;
        let (rdata, after) = after.split_at_checked(u16::from_be_bytes([l1, l0]).into())?;
        rest = after;
        let ttl_s = u32::from_be_bytes(ttl);
        let bound_s = match RrType(u16::from_be_bytes([t1, t0])) {
            _ if i < answers.into() => ttl_s,
            RrType::SOA => ttl_s.min(u32::from_be_bytes(*rdata.last_chunk::<4>()?)),
            _ => continue,
        };
        least = Some(least.map_or(bound_s, |least: u32| least.min(bound_s)));
    }
    least
}

/// What follows a name, compressed or not (RFC 1035 4.1.4).
fn after_name(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let (length, after) = rest.split_first()?;
        match length {
            0 => return Some(after),
            0xc0.. => return after.get(1..),
            _ => rest = after.get(usize::from(*length)..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: &[u8] = b"\x01a\x07example\x00\x00\x01\x00\x01";

    fn message(code: u8, counts: [u8; 2], records: &[&[u8]]) -> Vec<u8> {
        let header = [0, 0, 0x84, code, 0, 1, 0, counts[0], 0, counts[1], 0, 0];
        [&header[..], QUESTION, &records.concat()].concat()
    }

    fn record(rr_type: u8, ttl_s: u32, rdata: &[u8]) -> Vec<u8> {
        [&[0xc0, 12, 0, rr_type, 0, 1][..], &ttl_s.to_be_bytes(), &[0, rdata.len() as u8], rdata].concat()
    }

    fn soa(ttl_s: u32, minimum_s: u32) -> Vec<u8> {
        record(6, ttl_s, &[&[0, 0][..], &[0; 16], &minimum_s.to_be_bytes()].concat())
    }

    #[test]
    fn answers_stay_for_their_least_ttl() {
        let (long, short) = (record(1, 300, &[0; 4]), record(16, 40, b"\x01x"));
        assert_eq!(freshness_s(&message(0, [2, 0], &[&long, &short])), 40);
        assert_eq!(
            freshness_s(&message(0, [1, 1], &[&long, &record(2, 5, &[0])])),
            300,
            "the authority section bounds nothing"
        );
        assert_eq!(freshness_s(&message(3, [1, 1], &[&long, &soa(900, 60)])), 60, "an alias to nothing");
    }

    #[test]
    fn denials_stay_as_their_soa_says_and_the_rest_not_at_all() {
        assert_eq!(freshness_s(&message(0, [0, 1], &[&soa(900, 60)])), 60);
        assert_eq!(freshness_s(&message(3, [0, 1], &[&soa(30, 60)])), 30);
        assert_eq!(freshness_s(&message(0, [0, 1], &[&record(2, 300, &[0])])), 0, "a referral");
        assert_eq!(freshness_s(&message(2, [0, 0], &[])), 0);
        assert_eq!(freshness_s(&message(5, [1, 0], &[&record(1, 300, &[0; 4])])), 0);
        let whole = message(0, [1, 0], &[&record(1, 300, &[0; 4])]);
        (0..whole.len()).for_each(|octets| assert_eq!(freshness_s(&whole[..octets]), 0));
    }
}

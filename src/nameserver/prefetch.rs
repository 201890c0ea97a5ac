//! A look ahead over a batch of queries, so that the memory of their numbers is fetched together.
//!
//! Only a hint to the processor: it takes no decision, counts nothing and keeps nothing. What it makes of hostile bytes is
//! at worst the wrong number, or none.

use super::view::View;
use crate::number::DIGITS_MAX;
use crate::wire::query::HEADER_OCTETS;

/// Queries that are looked at together at most: what one call of the system hands over.
const PREFETCH_MAX: usize = 64;

/// Fetches what answers to these packets will probably read.
pub fn prefetch<'q>(view: &View, packets: impl Iterator<Item = &'q [u8]>) {
    let (mut keys, mut count) = ([0u64; PREFETCH_MAX], 0);
    for (into, key) in keys.iter_mut().zip(packets.filter_map(key)) {
        *into = key;
        count += 1;
    }
    let keys = keys.get(..count).unwrap_or_default();
    for zone in view.zones().iter().filter_map(|served| served.number_zone()) {
        zone.table().prefetch(keys);
    }
}

/// The number that the question's name would be about: its digits, after one other label at most.
fn key(packet: &[u8]) -> Option<u64> {
    let mut name = packet.get(HEADER_OCTETS..)?;
    if let [label @ 2..=63, rest @ ..] = name {
        name = rest.get(usize::from(*label)..)?;
    }
    let (mut key, mut scale) = (0u64, 1u64);
    for _ in 0..DIGITS_MAX {
        let [1, digit @ b'0'..=b'9', rest @ ..] = name else { break };
        key += u64::from(digit - b'0') * scale;
        scale *= 10;
        name = rest;
    }
    (scale > 1).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::Number;

    fn packet(name: &str) -> Vec<u8> {
        let labels = name.split('.').flat_map(|label| [&[label.len() as u8][..], label.as_bytes()].concat());
        [0; HEADER_OCTETS].into_iter().chain(labels).collect()
    }

    #[test]
    fn finds_the_number_of_a_question() {
        let number = Number::parse("+34600111222").unwrap();
        let name = number.enum_name("e164.example");
        assert_eq!(key(&packet(&name)), Some(number.as_u64()));
        assert_eq!(key(&packet(&format!("_id.{name}"))), Some(number.as_u64()));
        for other in ["e164.example", "_id.e164.example", ""] {
            assert_eq!(key(&packet(other)), None, "{other}");
        }
        assert_eq!(key(&[0; HEADER_OCTETS - 1]), None);
        assert_eq!(key(&[&[0; HEADER_OCTETS][..], &[63, 1]].concat()), None);
    }
}

//! The RDATA of NSEC and NSEC3 records: what comes next, and the type bitmap (RFC 4034 4, RFC 5155 3, RFC 9824, DNS.md 3).

use crate::wire::{Name, RrType};
use crate::zone::hashed::{HASH_OCTETS, PARAMETERS};

/// Appends NSEC RDATA in the form of [`crate::wire::Rdatas`]: `next`, then the bitmap of `types` with RRSIG and NSEC.
pub fn nsec(next: &Name, types: impl IntoIterator<Item = RrType, IntoIter: Clone>, into: &mut Vec<u8>) {
    let at = into.len();
    into.extend_from_slice(&[0, 0]);
    into.extend_from_slice(next.as_wire());
    bitmap(types.into_iter().chain([RrType::RRSIG, RrType::NSEC]), into);
    put_length(at, into);
}

/// Appends NSEC3 RDATA in that form: `1 0 0 -`, the `next` hash, then the bitmap of exactly these types (RFC 5155 3.2).
pub fn nsec3(next: &[u8; HASH_OCTETS], types: impl IntoIterator<Item = RrType, IntoIter: Clone>, into: &mut Vec<u8>) {
    let at = into.len();
    into.extend_from_slice(&[0, 0]);
    into.extend_from_slice(&PARAMETERS);
    into.push(HASH_OCTETS as u8);
    into.extend_from_slice(next);
    bitmap(types.into_iter(), into);
    put_length(at, into);
}

/// Fills in the octets of what was appended since `at`, where two were left for them.
fn put_length(at: usize, into: &mut [u8]) {
    let octets = (into.len() - at - 2) as u16; // a name and a bitmap stay far below 64 KiB
    into[at..at + 2].copy_from_slice(&octets.to_be_bytes());
}

/// Appends a type bitmap (RFC 4034 4.1.2), window by window. Without allocation; a name's types lie in one window or two.
pub fn bitmap(types: impl Iterator<Item = RrType> + Clone, into: &mut Vec<u8>) {
    let mut next = types.clone().map(|t| t.0 >> 8).min();
    while let Some(window) = next {
        let mut octets = [0u8; 32];
        for rr_type in types.clone().filter(|t| t.0 >> 8 == window) {
            octets[usize::from(rr_type.0 >> 3 & 31)] |= 0x80 >> (rr_type.0 & 7);
        }
        put_window(window as u8, &octets, into);
        next = types.clone().map(|t| t.0 >> 8).filter(|w| *w > window).min();
    }
}

fn put_window(window: u8, octets: &[u8; 32], into: &mut Vec<u8>) {
    let used = octets.iter().rposition(|o| *o != 0).map_or(0, |last| last + 1);
    if used > 0 {
        into.extend_from_slice(&[window, used as u8]);
        into.extend_from_slice(&octets[..used]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Rdatas;

    #[test]
    fn bitmap_is_that_of_rfc_4034() {
        // RFC 4034 4.3: A MX RRSIG NSEC TYPE1234.
        let mut octets = Vec::new();
        bitmap([RrType::A, RrType::MX, RrType::RRSIG, RrType::NSEC, RrType(1234)].into_iter(), &mut octets);
        let mut expected = b"\x00\x06\x40\x01\x00\x00\x00\x03\x04\x1b".to_vec();
        expected.extend([0; 26]);
        expected.push(0x20);
        assert_eq!(octets, expected);
    }

    #[test]
    fn the_uniform_denial_covers_nothing_but_the_name() {
        let name = Name::from_text("5.e164.example.").unwrap();
        let mut flat = Vec::new();
        nsec(&name.successor(), [], &mut flat);
        let rdata = Rdatas(&flat).next().unwrap();
        assert_eq!(rdata, b"\x01\x00\x015\x04e164\x07example\x00\x00\x06\x00\x00\x00\x00\x00\x03");
    }

    #[test]
    fn an_empty_non_terminal_has_no_types_and_nobody_has_nsec3() {
        let (mut flat, next) = (Vec::new(), [7; HASH_OCTETS]);
        nsec3(&next, [], &mut flat);
        nsec3(&next, [RrType::RRSIG, RrType::A], &mut flat);
        let head = [&[1, 0, 0, 0, 0, 20][..], &next].concat();
        let both: Vec<&[u8]> = Rdatas(&flat).collect();
        assert_eq!(both, [&head[..], &[&head[..], b"\0\x06\x40\0\0\0\0\x02"].concat()]);
    }
}

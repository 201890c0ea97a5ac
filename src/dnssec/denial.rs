//! The RDATA of NSEC records made online: next name and type bitmap (RFC 4034 4, RFC 9824, DNS.md 3).

use crate::wire::{Name, RrType};

/// Appends NSEC RDATA in the form of [`crate::wire::Rdatas`]: `next`, then the bitmap of `types` with RRSIG and NSEC.
///
/// Types above 255 are left to [`bitmap`]; a number zone's names have none.
pub fn nsec(next: &Name, types: impl IntoIterator<Item = RrType>, into: &mut Vec<u8>) {
    let at = into.len();
    into.extend_from_slice(&[0, 0]);
    into.extend_from_slice(next.as_wire());
    bitmap(types.into_iter().chain([RrType::RRSIG, RrType::NSEC]), into);
    let octets = (into.len() - at - 2) as u16; // a name and a bitmap stay far below 64 KiB
    into[at..at + 2].copy_from_slice(&octets.to_be_bytes());
}

/// Appends a type bitmap (RFC 4034 4.1.2), window by window. Without allocation while all types are below 256.
pub fn bitmap(types: impl IntoIterator<Item = RrType>, into: &mut Vec<u8>) {
    let (mut first, mut high) = ([0u8; 32], Vec::new());
    for rr_type in types {
        match first.get_mut(usize::from(rr_type.0 >> 3)) {
            Some(octet) => *octet |= 0x80 >> (rr_type.0 & 7),
            None => high.push(rr_type.0),
        }
    }
    put_window(0, &first, into);
    high.sort_unstable();
    for window in high.chunk_by(|a, b| a >> 8 == b >> 8) {
        let mut octets = [0u8; 32];
        window.iter().for_each(|t| octets[usize::from(t >> 3 & 31)] |= 0x80 >> (t & 7));
        put_window((window[0] >> 8) as u8, &octets, into);
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
        bitmap([RrType::A, RrType::MX, RrType::RRSIG, RrType::NSEC, RrType(1234)], &mut octets);
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
}

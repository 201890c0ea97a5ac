//! The RDATA of NSEC records made online: next name and type bitmap (RFC 4034 4, RFC 9824, DNS.md 3).

use crate::wire::{Name, RrType};

/// Appends NSEC RDATA in the form of [`crate::wire::Rdatas`]: `next`, then the bitmap of `types` with RRSIG and NSEC.
pub fn nsec(next: &Name, types: impl IntoIterator<Item = RrType, IntoIter: Clone>, into: &mut Vec<u8>) {
    let at = into.len();
    into.extend_from_slice(&[0, 0]);
    into.extend_from_slice(next.as_wire());
    bitmap(types.into_iter().chain([RrType::RRSIG, RrType::NSEC]), into);
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
}

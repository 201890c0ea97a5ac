//! The catalog zone (RFC 9432, version 2): the list of zones that a secondary is to serve, as a zone.

use std::fmt::Write;

use data_encoding::HEXLOWER;
use ring::digest::{SHA256, digest};

use crate::wire::Name;

/// Octets of the digest that stand in a member's label: enough to tell any zones apart.
const LABEL_OCTETS: usize = 16;

/// The catalog as a master file. A member's label is made from its name, so that it stays while the zone is listed.
pub(super) fn text(members: &[Name]) -> String {
    // RFC 9432 4.1: the NS names nobody.
    let mut text = String::from(
        "$TTL 0\n@ IN SOA invalid. invalid. 1 3600 600 2147483646 0\n@ IN NS invalid.\nversion IN TXT \"2\"\n",
    );
    for member in members {
        let hash = digest(&SHA256, member.as_wire());
        let label = HEXLOWER.encode(&hash.as_ref()[..LABEL_OCTETS]);
        let _ = writeln!(text, "{label}.zones IN PTR {}", member.to_text()); // into a String
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::RrType;
    use crate::zone::StaticZone;

    #[test]
    fn every_member_has_a_label_of_its_own_that_stays() {
        let [a, b] = ["a.example.", "b.example."].map(|name| Name::from_text(name).unwrap());
        let catalog = Name::from_text("catalog.invalid.").unwrap();
        let zone = StaticZone::read(&text(&[a, b]), &catalog).unwrap();
        let version = zone.node(&catalog.prepend(b"version").unwrap()).unwrap().get(RrType::TXT).unwrap();
        assert_eq!(version.iter().next(), Some(&b"\x012"[..]));
        let members = |zone: &StaticZone| -> Vec<Name> {
            let ptr = |name: &Name, node: crate::zone::Node<'_>| node.get(RrType(12)).map(|_| *name);
            zone.in_order().filter_map(|(name, node)| ptr(&name, node)).collect()
        };
        let both = members(&zone);
        let one = members(&StaticZone::read(&text(&[b]), &catalog).unwrap());
        assert!(both.len() == 2 && one.len() == 1 && both.contains(&one[0]));
    }
}

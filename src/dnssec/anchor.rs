//! What others configure to trust a zone: DS for the parent, anchors for unbound, drill and delv.

use ring::digest::{SHA256, SHA384, digest};

use super::keys::{Key, ZoneKeys};
use super::rrsig::key_tag;
use crate::wire::Name;
use data_encoding::{BASE64, HEXUPPER};

/// A DS digest type (RFC 4509, RFC 6605).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DsDigest {
    /// Type 2: what every validator takes.
    Sha256 = 2,
    /// Type 4.
    Sha384 = 4,
}

/// DS RDATA for a DNSKEY (RFC 4034 5.1.4).
pub fn ds_rdata(apex: &Name, dnskey: &[u8], kind: DsDigest) -> Vec<u8> {
    let algorithm = match kind {
        DsDigest::Sha256 => &SHA256,
        DsDigest::Sha384 => &SHA384,
    };
    let hash = digest(algorithm, &[apex.as_wire(), dnskey].concat());
    let key_algorithm = dnskey.get(3).copied().unwrap_or(0);
    [&key_tag(dnskey).to_be_bytes()[..], &[key_algorithm, kind as u8], hash.as_ref()].concat()
}

/// The DS records that the parent should have, one a line; none while it is not known which key it has.
pub fn ds_text(apex: &Name, keys: &ZoneKeys) -> String {
    let line = |key: &Key, kind: DsDigest| {
        let rdata = ds_rdata(apex, key.dnskey(), kind);
        let (tag, algorithm, digest) = (key.tag, rdata[2], HEXUPPER.encode(&rdata[4..]));
        format!("{} IN DS {tag} {algorithm} {} {digest}\n", apex.to_text(), kind as u8)
    };
    let lines = |key| [DsDigest::Sha256, DsDigest::Sha384].map(|kind| line(key, kind)).concat();
    keys.wanted().iter().map(lines).collect()
}

/// DNSKEY records of the entry points: unbound's `trust-anchor-file`, `drill -k`, `unbound-host -f`.
pub fn anchor_key(apex: &Name, keys: &ZoneKeys) -> String {
    let (apex, ttl_s) = (apex.to_text(), keys.ttl_s());
    keys.entries().map(|key| format!("{apex} {ttl_s} IN DNSKEY {}\n", dnskey_fields(key.dnskey(), ""))).collect()
}

/// The same as a file for `delv -a` and BIND's `trust-anchors`.
pub fn anchor_delv(apex: &Name, keys: &ZoneKeys) -> String {
    let apex = apex.to_text();
    let line = |key: &Key| format!("    \"{apex}\" static-key {};\n", dnskey_fields(key.dnskey(), "\""));
    format!("trust-anchors {{\n{}}};\n", keys.entries().map(line).collect::<String>())
}

fn dnskey_fields(dnskey: &[u8], quote: &str) -> String {
    let flags = dnskey.first_chunk::<2>().map_or(0, |f| u16::from_be_bytes(*f));
    let field = |i: usize| dnskey.get(i).copied().unwrap_or(0);
    let key = BASE64.encode(dnskey.get(4..).unwrap_or_default());
    format!("{flags} {} {} {quote}{key}{quote}", field(2), field(3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dnssec::rrsig::{ENTRY_POINT, dnskey_rdata};

    #[test]
    fn ds_is_that_of_rfc_6605() {
        let key = "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==";
        let dnskey = dnskey_rdata(ENTRY_POINT, 13, &BASE64.decode(key.as_bytes()).unwrap());
        let ds = ds_rdata(&Name::from_text("example.net.").unwrap(), &dnskey, DsDigest::Sha256);
        let digest = "B4C8C1FE2E7477127B27115656AD6256F424625BF5C1E2770CE6D6E37DF61D17";
        assert_eq!(HEXUPPER.encode(&ds[4..]), digest);
        assert_eq!(ds[..4], [0xd9, 0x60, 13, 2]);
    }
}

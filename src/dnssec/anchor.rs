//! What others configure to trust a zone: DS for the parent, anchors for unbound, drill and delv.

use ring::digest::{SHA256, SHA384, digest};

use super::keys::ZoneKeys;
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

/// The DS records to hand to the parent, one a line.
pub fn ds_text(apex: &Name, keys: &ZoneKeys) -> String {
    let line = |kind: DsDigest| {
        let rdata = ds_rdata(apex, keys.ksk_dnskey(), kind);
        let tag = keys.ksk_tag();
        format!("{} IN DS {tag} {} {} {}\n", apex.to_text(), rdata[2], kind as u8, HEXUPPER.encode(&rdata[4..]))
    };
    [DsDigest::Sha256, DsDigest::Sha384].map(line).concat()
}

/// A DNSKEY record of the entry point: unbound's `trust-anchor-file`, `drill -k`, `unbound-host -f`.
pub fn anchor_key(apex: &Name, keys: &ZoneKeys) -> String {
    let dnskey = keys.ksk_dnskey();
    format!("{} 3600 IN DNSKEY {}\n", apex.to_text(), dnskey_fields(dnskey, ""))
}

/// The same as a file for `delv -a` and BIND's `trust-anchors`.
pub fn anchor_delv(apex: &Name, keys: &ZoneKeys) -> String {
    format!(
        "trust-anchors {{\n    \"{}\" static-key {};\n}};\n",
        apex.to_text(),
        dnskey_fields(keys.ksk_dnskey(), "\"")
    )
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

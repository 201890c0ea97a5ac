//! RRSIG: the octets that are signed, and the RDATA that carries the signature (RFC 4034 3).

use super::times::Validity;
use crate::wire::{Name, Rdatas, RrType};

/// Octets of RRSIG RDATA before the signer's name.
pub const RRSIG_HEAD_OCTETS: usize = 18;
/// DNSKEY flags of a key that signs data, and of one that is also an entry point (RFC 4034 2.1.1).
pub const ZONE_KEY: u16 = 256;
/// See [`ZONE_KEY`].
pub const ENTRY_POINT: u16 = 257;

/// An RRset that is to be signed, all of it in canonical form.
#[derive(Clone, Copy)]
pub struct ToSign<'a> {
    /// The owner name; of what a wildcard was expanded to, the wildcard (RFC 4035 3.1.3.3).
    pub owner: &'a Name,
    /// The type.
    pub rr_type: RrType,
    /// The original TTL in seconds.
    pub ttl_s: u32,
    /// Sorted, names in them in lower case.
    pub rdatas: Rdatas<'a>,
    /// From when to when.
    pub validity: Validity,
    /// The zone.
    pub signer: &'a Name,
    /// Of the signing key.
    pub algorithm: u8,
    /// Of the signing key.
    pub key_tag: u16,
}

impl ToSign<'_> {
    /// RRSIG RDATA up to the signer's name.
    pub fn head(&self) -> [u8; RRSIG_HEAD_OCTETS] {
        let [t1, t0] = self.rr_type.0.to_be_bytes();
        let [l3, l2, l1, l0] = self.ttl_s.to_be_bytes();
        let [e3, e2, e1, e0] = self.validity.expiration_s.to_be_bytes();
        let [i3, i2, i1, i0] = self.validity.inception_s.to_be_bytes();
        let [k1, k0] = self.key_tag.to_be_bytes();
        // A `*` in front does not count (RFC 4034 3.1.3).
        let wildcard = self.owner.labels().next() == Some(b"*");
        let labels = self.owner.label_count() - u8::from(wildcard);
        [t1, t0, self.algorithm, labels, l3, l2, l1, l0, e3, e2, e1, e0, i3, i2, i1, i0, k1, k0]
    }

    /// Writes the octets to be signed (RFC 4034 3.1.8.1) into `message`, replacing what was there.
    pub fn message(&self, message: &mut Vec<u8>) {
        message.clear();
        message.extend_from_slice(&self.head());
        message.extend_from_slice(self.signer.as_wire());
        for rdata in self.rdatas {
            message.extend_from_slice(self.owner.as_wire());
            message.extend_from_slice(&self.rr_type.0.to_be_bytes());
            message.extend_from_slice(&1u16.to_be_bytes());
            message.extend_from_slice(&self.ttl_s.to_be_bytes());
            message.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
            message.extend_from_slice(rdata);
        }
    }
}

/// DNSKEY RDATA (RFC 4034 2.1).
pub fn dnskey_rdata(flags: u16, algorithm: u8, public_key: &[u8]) -> Vec<u8> {
    [&flags.to_be_bytes()[..], &[3, algorithm], public_key].concat()
}

/// The key tag of DNSKEY RDATA (RFC 4034 appendix B).
pub fn key_tag(dnskey: &[u8]) -> u16 {
    let sum: u32 = dnskey.chunks(2).map(|c| u32::from(c[0]) << 8 | c.get(1).map_or(0, |b| u32::from(*b))).sum();
    (sum + (sum >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_tag_is_that_of_rfc_6605() {
        // RFC 6605 6.1: example.net. DNSKEY 257 3 13 …; its DS says 55648.
        let key = "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==";
        let key = data_encoding::BASE64.decode(key.as_bytes()).unwrap();
        assert_eq!(key_tag(&dnskey_rdata(ENTRY_POINT, 13, &key)), 55648);
    }
}

//! What a person of the operator signs to get a token: proof that the person's key is at hand, for one directory, once.

use crate::log::Hash;
use crate::log::bytes::put_lp16;

const TAG: &[u8; 24] = b"callbook/staff-token/v1\0";
/// Of a token that is bound to a client certificate: neither can the binding be left out on the way, nor another be put in.
const BOUND_TAG: &[u8; 24] = b"callbook/staff-token/v2\0";

/// `"callbook/staff-token/v1\0" ‖ lp16(origin of the map log) ‖ lp16(id) ‖ u64 Unix seconds`.
///
/// # Panics
/// If origin or id are longer than 65535 bytes.
pub fn token_proof(origin: &str, id: &str, at_s: u64) -> Vec<u8> {
    proof(TAG, origin, id, at_s)
}

/// `"callbook/staff-token/v2\0" ‖ lp16(origin of the map log) ‖ lp16(id) ‖ u64 Unix seconds ‖ SHA-256 of the certificate's DER`.
///
/// # Panics
/// If origin or id are longer than 65535 bytes.
pub fn bound_token_proof(origin: &str, id: &str, at_s: u64, certificate: &Hash) -> Vec<u8> {
    let mut out = proof(BOUND_TAG, origin, id, at_s);
    out.extend_from_slice(certificate);
    out
}

fn proof(tag: &[u8; 24], origin: &str, id: &str, at_s: u64) -> Vec<u8> {
    let mut out = tag.to_vec();
    put_lp16(&mut out, origin.as_bytes());
    put_lp16(&mut out, id.as_bytes());
    out.extend_from_slice(&at_s.to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts() {
        let proofs =
            [("a", "b", 1), ("ab", "", 1), ("", "ab", 1), ("a", "b", 2)].map(|(o, id, s)| token_proof(o, id, s));
        for (i, proof) in proofs.iter().enumerate() {
            assert!(!proofs[..i].contains(proof));
        }
        assert_eq!(proofs[0], b"callbook/staff-token/v1\0\0\x01a\0\x01b\0\0\0\0\0\0\0\x01");
        let bound = [[7; 32], [8; 32]].map(|certificate| bound_token_proof("a", "b", 1, &certificate));
        assert_ne!(bound[0], bound[1]);
        assert!(!proofs.contains(&bound[0]) && bound[0].ends_with(&[7; 32]));
    }
}

//! What a person of the operator signs to get a token: proof that the person's key is at hand, for one directory, once.

use crate::log::bytes::put_lp16;

const TAG: &[u8; 24] = b"callbook/staff-token/v1\0";

/// `"callbook/staff-token/v1\0" ‖ lp16(origin of the map log) ‖ lp16(id) ‖ u64 Unix seconds`.
///
/// # Panics
/// If origin or id are longer than 65535 bytes.
pub fn token_proof(origin: &str, id: &str, at_s: u64) -> Vec<u8> {
    let mut out = TAG.to_vec();
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
    }
}

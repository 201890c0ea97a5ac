//! What an event says about the validation tokens that came with it: one hash.

use crate::log::{Hash, ZERO, sha256};

/// `H("callbook/evidence/v1\0" ‖ lp16(token)*)` over compact JWS as submitted and in that order; [`ZERO`] without any.
///
/// A token longer than 65535 bytes has no evidence hash: the answer is `None`.
pub fn hash<T: AsRef<[u8]>>(tokens: &[T]) -> Option<Hash> {
    if tokens.is_empty() {
        return Some(ZERO);
    }
    let mut all = b"callbook/evidence/v1\0".to_vec();
    for token in tokens {
        let token = token.as_ref();
        all.extend_from_slice(&u16::try_from(token.len()).ok()?.to_be_bytes());
        all.extend_from_slice(token);
    }
    Some(sha256(&[&all]))
}

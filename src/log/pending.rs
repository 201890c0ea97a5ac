//! A recovery or release that was asked for and waits: what the State says about it.

use crate::log::bytes::put_lp16;
use crate::log::event::Door;
use crate::log::key::Thumbprint;
use crate::log::{Hash, sha256};

/// `H("callbook/pending/v1\0" ‖ u8 door ‖ new_control ‖ lp16(provider))`.
///
/// A provider's notice of release has door [`Door::Direct`] and the new control key [`ZERO`](crate::log::ZERO).
///
/// # Panics
/// If the provider's id is longer than 65535 bytes; ids have at most 63.
pub fn hash(door: Door, new_control: &Thumbprint, provider: &str) -> Hash {
    let mut all = b"callbook/pending/v1\0".to_vec();
    all.push(door as u8);
    all.extend_from_slice(new_control);
    put_lp16(&mut all, provider.as_bytes());
    sha256(&[&all])
}

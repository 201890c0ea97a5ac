//! The formats of the public log: pure, byte-exact and strict, so that two programs can never disagree on a byte.
//!
//! Shared rules: integers are big-endian, `‖` joins bytes, `lp16(x)` is a u16 length and then x, `H` is SHA-256,
//! [`ZERO`] is 32 zero bytes, times are Unix seconds unless a name says `_ms`. What is parsed writes back to the same
//! bytes, and there is one way only to write a thing: another spelling is [`Malformed`](bytes::Malformed).

pub mod addition;
pub mod audit;
pub mod audited;
pub mod batch;
pub mod bytes;
pub mod checkpoint;
pub mod cosigner;
pub mod epoch;
pub mod event;
pub mod evidence;
pub mod fuzz;
pub mod gov;
pub mod key;
pub mod label;
pub mod map;
pub mod merkle;
pub mod misbehaviour;
pub mod monitor;
pub mod note;
pub mod pending;
pub mod possession;
pub mod proof;
pub mod proved;
pub mod random;
pub mod record;
pub mod revalidation;
pub mod rsa;
pub mod staff;
pub mod state;
pub mod succession;
pub mod tile;
pub mod tree;
pub mod trust;
pub mod vrf;

/// A SHA-256 value.
pub type Hash = [u8; 32];

/// 32 zero bytes: "none" wherever a hash or a key's thumbprint is expected.
pub const ZERO: Hash = [0; 32];

/// SHA-256 over the parts, joined.
pub fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for part in parts {
        context.update(part);
    }
    to_hash(context.finish().as_ref())
}

/// HMAC-SHA256 under `key` over the parts, joined.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Hash {
    let mut context = ring::hmac::Context::with_key(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key));
    for part in parts {
        context.update(part);
    }
    to_hash(context.sign().as_ref())
}

fn to_hash(digest: &[u8]) -> Hash {
    digest.try_into().expect("SHA-256 gives 32 bytes")
}

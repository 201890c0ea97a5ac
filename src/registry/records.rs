//! What the DNS shows of a number: a function of its State, its record and the time, and of nothing else (clause 9.1).

use crate::log::record::{Record, Revoked, Rr};
use crate::log::state::{Flags, State, Status};

/// What is published for a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown<'a> {
    /// The records of R, all of them.
    pub rr: &'a [Rr],
    /// The version, `n` of the `_keys` TXT.
    pub version: u64,
    /// The first 16 bytes of `S`, `s` of the `_keys` TXT.
    pub state_hash: [u8; 16],
    /// Whether a provider keeps the control key, `c` of the `_keys` TXT.
    pub provider_held: bool,
    /// Unix seconds from which nothing is shown any more, `e` of the `_keys` TXT.
    pub not_after_s: u64,
    /// The revoked keys, `r` of the `_keys` TXT.
    pub revoked: &'a [Revoked],
}

/// What is published at `now_s` (Unix seconds), epochs filled in: something iff ACTIVE and before `not_after` (clause 5.1).
pub fn published<'a>(state: &State, record: &'a Record, now_s: u64) -> Option<Shown<'a>> {
    let shown = state.status == Status::Active && now_s < state.not_after;
    shown.then(|| {
        let hash = state.hash();
        Shown {
            rr: &record.rr,
            version: state.version,
            state_hash: *hash.first_chunk().expect("a hash has 32 bytes"),
            provider_held: state.flags.contains(Flags::PROVIDER_HELD),
            not_after_s: state.not_after,
            revoked: &record.revoked,
        }
    })
}

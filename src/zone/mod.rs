//! What is served: a static zone from a master file, the table of numbers, and both together as a number zone.
//!
//! Nothing here signs or answers. A signature is a cache entry (DNS.md 4): this room only keeps the slots it lies in.

mod build;
pub mod chain;
pub mod delegation;
mod draft;
pub mod entries;
pub mod fixed;
pub mod fuzz;
pub mod hashed;
pub mod hashes;
pub mod image;
pub mod journal;
pub mod master;
pub mod numbers;
pub mod owners;
pub mod pack;
mod plain;
pub mod records;
pub mod shard;
pub mod slot;
pub mod stored;
pub mod text;
pub mod version;

pub use chain::Nsec;
pub use fixed::{Found, Node, RrSet, SlotsOf, StaticZone};
pub use hashed::{Denial, Nsec3};
pub use master::MasterError;
pub use numbers::{ApplyError, Loader, NumberZone, Ttls};
pub use owners::Owned;
pub use slot::{Slot, Stamp};
pub use version::Digest;

use crate::log::record::{Revoked, Rr};
use crate::number::Number;

/// Everything that DNS says about one published number: made by the authority from State and record R (DNS.md 2).
#[derive(Clone)]
pub struct NumberData {
    /// The number.
    pub number: Number,
    /// Unix seconds; the number is served iff now is before this, and no signature over its data lives longer.
    pub not_after_s: u64,
    /// The records of R.
    pub rrs: Vec<Rr>,
    /// `n=` in `_keys`: the State's version.
    pub version: u64,
    /// `s=` in `_keys`: the first 16 octets of S.
    pub state_hash: [u8; 16],
    /// `c=p` in `_keys` instead of `c=h`.
    pub provider_held: bool,
    /// The `r=` strings of `_keys`, in the order of R.
    pub revoked: Vec<Revoked>,
}

/// One change of what is served.
#[derive(Clone)]
pub enum Change {
    /// Serve this from now on, instead of whatever was served for the number.
    Put(NumberData),
    /// Serve nothing for the number any more.
    Remove(Number),
}

impl Change {
    /// The number it is about.
    pub fn number(&self) -> Number {
        match self {
            Self::Put(data) => data.number,
            Self::Remove(number) => *number,
        }
    }
}

//! What a delegated zone's servers say about its keys, and what its parent makes of that (RFC 7344, RFC 8078, RFC 9615).
//!
//! ```text
//! every server: DNSKEY, CDS, CDNSKEY ──> all the same? ──> proved by the DS in place? ──> would the new DS still prove
//! the keys? ──> newer than what was taken last? ──> take
//! ```
//! Servers are asked here; the judgement is a pure function. A child is a stranger: counts, octets and waits are bounded.

mod address;
mod ask;
mod bootstrap;
mod judge;
mod refusal;

use std::fmt;
use std::net::SocketAddr;

pub use address::addresses;
pub use ask::{Answers, Said, ask};
pub use bootstrap::{Signal, first_ds};
pub use judge::judge;
pub use refusal::Refusal;

/// A delegated zone as its parent knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Its apex.
    pub zone: String,
    /// RDATA of each DS in place (RFC 4034 5.1).
    pub ds: Vec<Vec<u8>>,
    /// Every address of each of its servers.
    pub servers: Vec<Server>,
}

/// A name server at one of its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name, with the final dot.
    pub name: String,
    /// Where it is asked.
    pub address: SocketAddr,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.address)
    }
}

/// What the parent goes by, beside the answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Whether a child may have all its DS removed.
    pub delete: Delete,
    /// Unix seconds from which on the newest CDS that were taken are signed; 0 if none were.
    pub inception_s: u64,
    /// DS sets whose keys gave way to others signed at that very second: none of them comes back with it. RDATA.
    pub replaced: Vec<Vec<Vec<u8>>>,
}

/// What becomes of a child that asks for no DS (RFC 8078 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delete {
    /// It stays secure.
    #[default]
    Refused,
    /// It becomes insecure.
    Taken,
}

/// What a child asks for, after every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It publishes neither CDS nor CDNSKEY: its operator hands DS over by hand.
    Nothing,
    /// The DS in place are what it asks for.
    Same {
        /// Unix seconds from which on its CDS are signed.
        inception_s: u64,
    },
    /// These DS instead; none: it is to become insecure.
    Take {
        /// RDATA in order (RFC 4034 6.3).
        ds: Vec<Vec<u8>>,
        /// Unix seconds from which on its CDS are signed.
        inception_s: u64,
    },
}

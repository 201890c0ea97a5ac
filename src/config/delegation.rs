//! Delegated blocks: how often their servers are asked for new keys, and what is taken from them.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// What becomes of the DS of delegated blocks (docs/delegation.md).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delegation {
    /// Seconds between two looks at the CDS and CDNSKEY of a block that has DS; each look comes up to a quarter earlier. 0:
    /// nobody is asked. Default: 86 400. At most 604 800.
    pub poll_s: u32,
    /// Whether a block may ask to have no DS any more, which makes it insecure (RFC 8078 4). Default: false.
    pub accept_delete: bool,
    /// Resolvers, such as `192.0.2.53:53`, asked for the addresses of name servers outside this zone. Their answers are used
    /// for nothing else. Default: none. At most 8.
    pub resolver: Vec<SocketAddr>,
}

impl Default for Delegation {
    fn default() -> Self {
        Self { poll_s: 86_400, accept_delete: false, resolver: Vec::new() }
    }
}

impl Delegation {
    /// What is out of bounds, a line a mistake.
    pub(super) fn mistakes(&self) -> Vec<String> {
        /// A week: RFC 7344 6.1 leaves the pace to the parent, and a child that rolls waits for it.
        const POLL_S_MAX: u32 = 604_800;
        /// One that works is enough; the others are for when it does not.
        const RESOLVERS_MAX: usize = 8;
        let mut found = Vec::new();
        if self.poll_s > POLL_S_MAX {
            found.push(format!("delegation.poll_s = {}: at most {POLL_S_MAX} (a week); 0 asks nobody", self.poll_s));
        }
        if self.resolver.len() > RESOLVERS_MAX {
            found.push(format!("delegation.resolver has {} addresses: at most {RESOLVERS_MAX}", self.resolver.len()));
        }
        found
    }
}

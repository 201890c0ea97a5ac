//! Delegated blocks: how often their servers are asked for new keys, and what is taken from them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

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
    /// Whose zones may vouch for the first DS of a block (RFC 9615). Default: none. At most 16.
    pub signal: Vec<Signal>,
}

/// A zone that is believed, so that name servers with names below it can vouch for their zones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// The file of its trust anchor: DNSKEY or DS lines, or BIND's `trust-anchors`.
    pub anchor: PathBuf,
    /// Its servers, or resolvers. At most 8.
    pub servers: Vec<SocketAddr>,
}

impl Default for Delegation {
    fn default() -> Self {
        Self { poll_s: 86_400, accept_delete: false, resolver: Vec::new(), signal: Vec::new() }
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
        /// Name servers of a country's blocks stand in a handful of zones.
        const SIGNALS_MAX: usize = 16;
        if self.signal.len() > SIGNALS_MAX {
            found.push(format!("there are {} [[delegation.signal]]: at most {SIGNALS_MAX}", self.signal.len()));
        }
        for signal in self.signal.iter().filter(|signal| !(1..=RESOLVERS_MAX).contains(&signal.servers.len())) {
            let (anchor, count) = (signal.anchor.display(), signal.servers.len());
            found.push(format!(
                "[[delegation.signal]] {anchor}: servers has {count} addresses: from 1 to {RESOLVERS_MAX} are needed, such as [\"192.0.2.53:53\"]"
            ));
        }
        found
    }

    /// With files seen from `dir`.
    pub(super) fn under(&mut self, dir: &Path) {
        self.signal.iter_mut().for_each(|signal| signal.anchor = dir.join(&signal.anchor));
    }
}

//! The HTTP API's part: where it listens, and how often somebody may ask.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::ranges::AddressRange;

/// The HTTP API's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address to serve the API on; put a TLS proxy in front of it when it is not loopback. Default: `127.0.0.1:8300`.
    pub listen: SocketAddr,
    /// Requests a second from one address (of IPv6: a /56), ten seconds' worth at once; 0 means no limit. Default: 50.
    pub requests_per_s: u32,
    /// Requests a second with one token, ten seconds' worth at once; 0 means no limit. Default: 500.
    pub token_requests_per_s: u32,
    /// Complaints an hour from one address; 0 means no limit. Default: 10.
    pub complaints_per_h: u32,
    /// Ranges to which no limit by address applies. Default: `127.0.0.0/8` and `::1/128`.
    pub exempt: Vec<AddressRange>,
    /// Proxies that are believed when they say in `X-Forwarded-For` who asks. Default: none.
    pub proxies: Vec<AddressRange>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8300)),
            requests_per_s: 50,
            token_requests_per_s: 500,
            complaints_per_h: 10,
            exempt: ["127.0.0.0/8", "::1/128"].iter().filter_map(|range| range.parse().ok()).collect(),
            proxies: Vec::new(),
        }
    }
}

impl Http {
    /// What is out of bounds, a line a mistake.
    pub(super) fn mistakes(&self) -> Vec<String> {
        /// Time in the buckets has microseconds; above this a limit would be none.
        const RATE_MAX: u32 = 100_000;
        /// Ranges are searched one by one for each request.
        const RANGES_MAX: usize = 256;
        let mut found = Vec::new();
        for (key, rate) in [
            ("requests_per_s", self.requests_per_s),
            ("token_requests_per_s", self.token_requests_per_s),
            ("complaints_per_h", self.complaints_per_h),
        ] {
            if rate > RATE_MAX {
                found.push(format!("http.{key} = {rate}: at most {RATE_MAX}; 0 means no limit"));
            }
        }
        for (key, ranges) in [("exempt", &self.exempt), ("proxies", &self.proxies)] {
            if ranges.len() > RANGES_MAX {
                found.push(format!("http.{key} has {} ranges: at most {RANGES_MAX}", ranges.len()));
            }
        }
        found
    }
}

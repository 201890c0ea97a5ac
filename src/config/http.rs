//! The HTTP API's part: where it listens, and how often somebody may ask.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ranges::AddressRange;

/// The HTTP API's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address to serve the API on; put a TLS proxy in front of it when it is not loopback. Default: `127.0.0.1:8300`.
    pub listen: SocketAddr,
    /// Addresses for the API over TLS, such as `192.0.2.80:443`. Default: none.
    pub tls_listen: Vec<SocketAddr>,
    /// The certificate chain for these, PEM, the server's own first; looked at each second. Default: none.
    pub tls_cert: PathBuf,
    /// Its private key, PEM, mode 0600. Default: none.
    pub tls_key: PathBuf,
    /// Requests a second from one address (of IPv6: a /56), ten seconds' worth at once; 0 means no limit. Default: 50.
    pub requests_per_s: u32,
    /// Requests a second with one token, ten seconds' worth at once; 0 means no limit. Default: 500.
    pub token_requests_per_s: u32,
    /// Complaints an hour from one address; 0 means no limit. Default: 10.
    pub complaints_per_h: u32,
    /// Proofs a second for one address, ten seconds' worth at once; 0 means no limit. Default: 10.
    pub proofs_per_s: u32,
    /// Ranges to which no limit by address applies. Default: `127.0.0.0/8` and `::1/128`.
    pub exempt: Vec<AddressRange>,
    /// Proxies that are believed when they say in `X-Forwarded-For` who asks. Default: none.
    pub proxies: Vec<AddressRange>,
    /// Whether every token of the operator's people must be bound to a client certificate (RFC 8705). Default: no.
    pub staff_certificates: bool,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8300)),
            tls_listen: Vec::new(),
            tls_cert: PathBuf::new(),
            tls_key: PathBuf::new(),
            requests_per_s: 50,
            token_requests_per_s: 500,
            complaints_per_h: 10,
            proofs_per_s: 10,
            exempt: ["127.0.0.0/8", "::1/128"].iter().filter_map(|range| range.parse().ok()).collect(),
            proxies: Vec::new(),
            staff_certificates: false,
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
        for (key, file) in [("tls_cert", &self.tls_cert), ("tls_key", &self.tls_key)] {
            if !self.tls_listen.is_empty() && file.as_os_str().is_empty() {
                found.push(format!(
                    "http.{key} is missing: http.tls_listen needs tls_cert and tls_key, PEM files such as \"tls/chain.pem\" and \"tls/key.pem\""
                ));
            }
        }
        if let Some(twice) = self.tls_listen.iter().find(|address| address.port() != 0 && **address == self.listen) {
            found.push(format!("http.tls_listen has {twice}, which http.listen has too: give it a port of its own"));
        }
        for (key, rate) in [
            ("requests_per_s", self.requests_per_s),
            ("token_requests_per_s", self.token_requests_per_s),
            ("complaints_per_h", self.complaints_per_h),
            ("proofs_per_s", self.proofs_per_s),
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
        if self.staff_certificates && self.tls_listen.is_empty() && self.proxies.is_empty() {
            found.push(
                "http.staff_certificates = true: nobody can show a certificate, and none of the staff could come in. Set http.tls_listen, \
                 or http.proxies for a proxy that hands certificates on in Client-Cert"
                    .to_owned(),
            );
        }
        found
    }
}

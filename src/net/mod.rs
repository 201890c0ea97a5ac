//! Sockets: what comes in goes through `nameserver::respond`, whatever the transport.

pub mod bind;
pub mod counted;
pub mod http;
pub mod probe;
pub mod service;
pub mod tcp;
pub mod udp;

pub use bind::BindError;
pub use service::{DnsService, RunningDns};

//! Sockets: what comes in goes through `nameserver::respond`, whatever the transport.

mod alarm;
pub mod bind;
pub mod counted;
pub mod day;
mod filler;
pub mod http;
pub mod mutual;
pub mod probe;
pub mod service;
mod streams;
pub mod udp;

pub use bind::BindError;
pub use service::{DnsService, RunningDns, StartError};
pub use streams::limits::{Cut, Limits};
pub use streams::{Certificate, CertificateError};

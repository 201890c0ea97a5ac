//! callbook: a directory authority for phone numbers.
//!
//! An authoritative DNS server signs ENUM zones that map phone numbers to SIP addresses and public keys; accredited
//! providers submit verified registrations over HTTP; anyone looks keys up over DNS, with DNSSEC.
//!
//! The walk of one number, one way, no going back:
//!
//! ```text
//! provider --HTTP--> http --> authority::submit --> registry::decide --> ledger::commit      (facts: events, durable)
//!                                                                           |
//!                   log: epoch sealed -> signed -> PUBLISHED  <-------------+                (promise: everybody sees the same)
//!                                            |
//!               authority::publish --> zone view --> nameserver::respond --> net --> caller
//! caller: client::lookup (DNSSEC) --> sip:alice@acme.example, keys
//! ```
//!
//! Read the rooms from the top: a room may import only rooms that stand above it (`tests/it/layers.rs` holds the list).

pub mod number;

pub mod clock;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod seal;
#[cfg(feature = "server")]
pub mod telemetry;

pub mod wire;

pub mod log;

#[cfg(feature = "server")]
pub mod charter;
#[cfg(feature = "server")]
pub mod registry;

#[cfg(feature = "server")]
pub mod zone;

#[cfg(feature = "server")]
pub mod dnssec;

#[cfg(feature = "server")]
pub mod nameserver;

pub mod api;

#[cfg(feature = "client")]
pub mod client;

#[cfg(feature = "server")]
pub mod signer;

#[cfg(feature = "server")]
pub mod ledger;

#[cfg(feature = "server")]
pub mod authority;

#[cfg(feature = "server")]
pub mod attest;

#[cfg(feature = "server")]
pub mod rdap;

#[cfg(feature = "server")]
pub mod http;

#[cfg(feature = "server")]
pub mod net;

#[cfg(feature = "server")]
pub mod primary;

#[cfg(feature = "server")]
pub mod cli;

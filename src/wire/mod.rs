//! The hot path's bytes: names, the query scan and the answer writer. No allocation, no clock, no I/O, no panic.
//!
//! Query bytes live in types without `Debug`, `Display` or `Serialize`: what somebody asked for must not reach a log
//! by accident (DNS.md 7).
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod answer;
pub mod cookie;
pub mod name;
pub mod query;
pub mod rr;

pub use answer::{Answer, Full, Rr, Section};
pub use name::{Name, NameError};
pub use query::{Edns, Query, Question, Scan};
pub use rr::{Rcode, Rdatas, RrType};

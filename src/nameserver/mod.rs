//! The answer: a pure function of view, query and time. No I/O, no clock, no lock.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod answer;
pub mod counters;
mod digits;
pub mod filler;
mod fixed;
pub mod fuzz;
pub mod guard;
mod prefetch;
mod proof;
pub mod rare;
pub mod respond;
mod signed;
pub mod transfer;
pub mod transport;
pub mod tsig;
pub mod view;
pub mod worker;

pub use answer::answer;
pub use counters::Counters;
pub use guard::Guard;
pub use prefetch::prefetch;
pub use respond::{Outcome, Peer, respond};
pub use transfer::{Published, Transfer};
pub use transport::Transport;
pub use tsig::{TsigAlgorithm, TsigKey, TsigKeys};
pub use view::{Served, View, ZoneData};
pub use worker::{Signing, Worker};

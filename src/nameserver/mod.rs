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
pub mod transport;
pub mod view;
pub mod worker;

pub use answer::answer;
pub use counters::Counters;
pub use guard::Guard;
pub use prefetch::prefetch;
pub use respond::{Outcome, Peer, respond};
pub use transport::Transport;
pub use view::{Served, View, ZoneData};
pub use worker::{Signing, Worker};

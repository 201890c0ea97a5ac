//! Judges from outside: testers of name servers, and validators that come from the root of a tree of our zones.
//!
//! Those that would ask the real root run in a network of their own, from which nothing leads out (`namespace`).

mod compliance;
mod dnsviz;
mod kresd;
mod lab;
mod namespace;
mod resolved;
mod resolver;
mod said;
pub(crate) mod trust;
mod zonemaster;

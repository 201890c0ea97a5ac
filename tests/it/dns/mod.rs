//! The DNS side against judges that are not ours: delv, unbound, ldns, dig, dnspython.

mod abuse;
mod allocations;
pub(crate) mod ask;
mod corpus;
mod denial;
mod ed25519;
mod edns;
mod export;
mod filler;
mod fixed;
pub(crate) mod house;
mod limits;
mod numbers;
mod rare;
pub(crate) mod serving;
mod slots;
pub(crate) mod streams;
pub(crate) mod tamper;
mod udp;
mod unbound;
mod validate;
mod walk;

//! The validating look-up against servers and signers that are not ours, honest and hostile.

mod answers;
mod ours;
pub(crate) mod packet;
pub(crate) mod proxy;
mod resolver;
mod tampered;
mod world;

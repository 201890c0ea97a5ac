//! The walk, end to end, on the real program: HTTP submission, epoch, signed DNS answer, validated look-up.

mod api;
mod auditor;
mod bad_input;
mod canary;
mod child;
mod console;
mod delegated;
mod eras;
mod erased;
mod frozen;
mod full_disk;
mod guide;
mod image;
mod import;
mod keeps;
mod mail;
mod monitor;
mod proofs;
mod provider;
mod session;
mod sign;
mod signer;
mod traces;

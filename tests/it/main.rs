//! Integration tests: one binary, a module a subject.

// The rooms are handed time and environment; the tests are who hands them.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

mod audit;
mod children;
mod conformance;
mod dns;
mod holder;
mod house;
mod judges;
mod keylife;
mod law;
mod layers;
mod ledger;
mod logs;
mod lookup;
mod numbers;
mod oracle;
mod package;
mod peers;
mod ports;
mod provider;
mod receiver;
mod reference;
mod register;
mod source;
#[cfg(feature = "pkcs11")]
mod token;
mod transfer;
mod vectors;
mod walk;
mod witness;

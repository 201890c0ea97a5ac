//! The law: who may change what, and how. Pure functions; time, randomness and stored facts are handed in.
//!
//! A submission takes two steps: [`examine`] looks at it by the charter and the register alone and reports every mistake;
//! [`decide`] holds what passed against what is stored. The [`rules`] of events below both are what auditors replay.

pub mod acts;
pub mod audit;
pub mod bulk;
mod certificate;
pub mod code;
pub mod decide;
mod doors;
mod entry;
pub mod examine;
pub mod fuzz;
mod json;
pub mod keys;
mod known;
pub mod lapse;
pub mod naptr;
pub mod nonce;
mod openpgp;
pub mod orders;
pub mod past;
pub mod possession;
pub mod records;
pub mod refusal;
pub mod register;
mod rsa;
pub mod rules;
pub mod standing;
pub mod stands;
pub mod terms;
pub mod token;

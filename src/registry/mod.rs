//! The law: who may change what, and how. Pure functions; time, randomness and stored facts are handed in.

mod json;
pub mod keys;
mod known;
pub mod mint;
pub mod naptr;
pub mod nonce;
pub mod possession;
pub mod refusal;
pub mod register;
pub mod rules;
pub mod terms;
pub mod token;

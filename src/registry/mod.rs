//! The law: who may change what, and how. Pure functions; time, randomness and stored facts are handed in.

pub mod register;
pub mod rules;
pub mod terms;

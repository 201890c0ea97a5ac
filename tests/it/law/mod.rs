//! The law: event rules against the reference, tokens, whole lives of numbers, and random sequences of commands.

mod mint;
mod rules;
mod token;

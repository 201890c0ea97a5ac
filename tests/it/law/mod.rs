//! The law: event rules against the reference, tokens, lives of numbers, and random sequences of commands.

mod directory;
mod kit;
mod life;
mod mint;
mod property;
mod rules;
mod token;

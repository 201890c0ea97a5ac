//! The law: event rules against the reference, tokens, lives of numbers, and random sequences of commands.

mod certificate;
mod directory;
mod kit;
mod life;
mod mint;
mod openpgp;
mod property;
mod rules;
mod token;
mod wrapped;

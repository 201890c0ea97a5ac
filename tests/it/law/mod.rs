//! The law: event rules against the reference, tokens, lives of numbers, the doors, random sequences of commands, and a second law.

mod back;
mod bulk;
mod certificate;
mod claims;
mod directory;
mod doors;
mod kit;
mod life;
mod mint;
mod model;
mod openpgp;
mod property;
mod rules;
mod token;
mod wrapped;

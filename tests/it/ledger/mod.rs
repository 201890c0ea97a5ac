//! The ledger on real files: what it refuses to open, and what it keeps whatever happens.

mod files;
mod writes;

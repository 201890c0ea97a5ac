//! Ledger and authority on real files: what is refused, what is kept whatever happens, and what becomes visible when.

mod authority;
mod crash;
mod delegated;
mod desk;
mod faults;
mod files;
mod orders;
mod providers;
mod staff;
mod writes;

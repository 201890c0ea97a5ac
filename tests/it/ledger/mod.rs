//! Ledger and authority on real files: what is refused, what is kept whatever happens, and what becomes visible when.

mod authority;
mod batches;
mod crash;
mod delegated;
mod desk;
mod faults;
mod feed;
mod files;
mod notices;
mod strangers;
mod writes;

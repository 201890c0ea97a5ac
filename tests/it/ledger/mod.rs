//! Ledger and authority on real files: what is refused, what is kept whatever happens, and what becomes visible when.

mod again;
mod authority;
mod batches;
mod bulk;
mod charter;
mod crash;
mod crash_mixed;
mod delegated;
mod desk;
mod doors;
mod faults;
mod feed;
mod files;
mod index;
mod memory;
mod monitor;
mod notices;
mod orders;
mod proofs;
mod providers;
mod staff;
mod strangers;
mod webhooks;
mod witnessed;
mod writes;

//! Static zones at secondaries that are not ours: what they serve, how they follow, and who gets nothing.

mod catalog;
mod child;
mod expire;
mod files;
mod follow;
mod home;
mod large;
mod refused;
mod secondaries;
mod tls;

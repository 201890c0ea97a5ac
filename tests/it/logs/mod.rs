//! The public logs from outside: served, checked, copied, and judged by software that is not ours.

mod copied;
mod eras;
mod forged;
mod judged;
mod served;
mod verified;
mod world;

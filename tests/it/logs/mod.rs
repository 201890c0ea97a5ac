//! The public logs from outside: served, checked, copied, and judged by software that is not ours.

mod cheats;
mod copied;
mod crook;
mod eras;
mod forged;
mod judged;
mod served;
mod verified;
mod world;

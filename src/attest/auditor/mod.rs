//! An auditor: replays every epoch of a directory from the first, checks each change by the law, cosigns what has passed, and
//! shouts when something has not (TRUST.md 1 and 2).
//!
//! ```text
//! follow: gov log, map log, batches --replay: register and charter of that time, rules, map root--> cosign --> hand in
//!                                         | a rule is broken
//!                                         +--> alarm: evidence in a file, standard error, webhook; no cosignature any more
//! ```

pub mod alarm;
mod decided;
pub mod entry;
mod follow;
mod replay;
mod rule;
mod store;

pub use decided::{Decided, Era};
pub use follow::{Auditor, FollowError, Round};
pub use replay::{InMemory, Kept, Position, Replay, Stop, misdated};
pub use rule::{At, Fault, Rule};
pub use store::{FILE_NAME, Store, StoreError};

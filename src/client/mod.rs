//! For those who ask: looking numbers up with DNSSEC, checked here and by nobody else. No server code.
//!
//! ```text
//! lookup ──> chain ──> exchange (UDP, TCP) ──> message
//!    │         └─────> signature, denial, nsec3, anchor
//!    └─> endpoint, keys                                   explain: each step in words
//! ```
//!
//! `delegation` asks one server what DS it has for a zone, for those who wait for their parent; `child` asks the servers of
//! a delegated zone which DS it wants, for the parent; `inspect` looks at a zone from outside, for its operator; `log` checks
//! and copies the public logs, `evidence` keeps and explains what they cannot deny.
//!
//! And for those who register: `holder` signs on the device, `ve` mints validation tokens, `provider` speaks HTTP,
//! `register` is all of it in one call, `transfer` the same for a number that changes hands, `webhook` verifies what it is sent.
//!
//! And for logs: `witness` asks a witness to cosign a checkpoint, `alarm` tells somebody that one is not true.

pub mod alarm;
mod anchor;
mod chain;
pub mod child;
pub mod delegation;
mod denial;
mod endpoint;
pub mod evidence;
mod exchange;
mod explain;
pub mod fuzz;
pub mod holder;
pub mod inspect;
mod keys;
pub mod log;
pub mod lookup;
mod message;
mod nsec3;
pub mod prove;
pub mod provider;
pub mod register;
mod signature;
pub mod transfer;
pub mod ve;
mod way;
pub mod webhook;
pub mod witness;

pub use anchor::{Anchor, AnchorError};
pub use endpoint::Endpoint;
pub use exchange::Transport;
pub use explain::{Step, Trust};
pub use keys::{Class, KeysTxt, PublishedKey, Purpose, RevokedKey};
pub use lookup::{Directory, Exit, Lookup, LookupError};

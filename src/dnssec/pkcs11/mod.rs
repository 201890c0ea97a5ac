//! Keys in a PKCS#11 token: they are made in it, sign in it and never leave it. Only this folder knows PKCS#11.
//!
//! ```text
//! SplitKeys ── by role ──> KeyFiles
//!     └─────────────────> TokenKeys ──> objects (labels, points) ──┐
//!                             └──> TokenSigner ────────────────────┴──> Token (sessions, login) ──> module (the maker's library)
//! ```
//! A key is two objects, private and public, whose label and id are the name that its file would have, without `.p8`. What
//! the zone no longer needs has `removed ` before it. Sessions are lent from a bounded pool; one that was lost is opened
//! again, once, and whoever needed it gets a fault if that does not help. A PIN that was refused is not tried again until
//! its file changes: tokens lock after a few wrong ones (docs/decisions/0018-pkcs11.md).

mod error;
mod keys;
mod module;
mod objects;
mod session;
mod signer;
mod split;
mod token;

pub use error::TokenError;
pub use keys::TokenKeys;
pub use split::SplitKeys;

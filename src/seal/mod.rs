//! Private keys sealed under a passphrase: what lies on a disk, or in a backup, is of no use without it.
//!
//! ```text
//! passphrase (a file, a systemd credential) ──argon2id, salt──> key ──ChaCha20-Poly1305, nonce, the file's name──> sealed file
//! ```
//! A file keeps its name when it is sealed, and what is inside is the file as it was, octet by octet. The name is sealed
//! with it, so that no file passes for another. All files of a folder share a salt, so that a start derives one key.
//!
//! The PIN of a token, in which keys lie that are no files, is read in the same way.
//!
//! Files for somebody else's public key, escrow deposits, are written in the format of age.
//!
//! What this is good for: stolen disks, copies and backups. Whoever can read the memory of the service, or its passphrase,
//! has the keys (docs/decisions/0016-sealed-keys.md).

pub mod age;
mod bech32;
mod error;
mod files;
mod form;
mod lock;
mod passphrase;
mod pin;

pub use error::SealError;
pub use files::{Outcome, reseal, seal, unseal};
pub use form::is_sealed;
pub use lock::{Beside, Lock};
pub use passphrase::Stamp;
pub use pin::Pin;

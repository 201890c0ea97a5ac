//! The charter as signed data: a TUF repository whose roles say which charter, logs, witnesses, directories and providers to believe.
//!
//! ```text
//! root (k of n) --> targets: charter.md policy.toml logs.json witnesses.json directories.json
//!       |              |--> providers: providers/ID.json, the register as it stands
//!       |              `--> brake: brake/suspended.json, which takes away and never gives, for two weeks at most
//!       `--> snapshot, timestamp: keys of the running directory, which say what is newest
//! ```
//! Pure: bytes and the time are handed in. The rules are those of the TUF specification 1.0, section 5; what this room adds to
//! them stands in [`rules`].

pub mod contents;
mod document;
pub mod fuzz;
mod json;
mod keys;
mod path;
pub mod plan;
mod root;
pub mod rules;
mod snapshot;
mod targets;
mod update;

pub use document::{Document, Kind};
pub use json::canonical;
pub use keys::{KeyRing, Role, Tally, key_id};
pub use path::{is_pattern, is_target_path, matches};
pub use root::Root;
pub use snapshot::{MetaInfo, Snapshot, Timestamp};
pub use targets::{Delegation, Delegations, FileInfo, Targets};
pub use update::{Kept, Update, Wanted};

/// Bytes of a root, as much as hundreds of keys need.
pub const ROOT_BYTES_MAX: u64 = 256 * 1024;
/// Bytes of a timestamp, which names one file.
pub const TIMESTAMP_BYTES_MAX: u64 = 16 * 1024;
/// Bytes of a snapshot, which names a file a role.
pub const SNAPSHOT_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of targets, of any role: some thousand providers.
pub const TARGETS_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// Bytes of one target: a register of ten thousand providers.
pub const TARGET_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Roots that one update follows; a rotation a month for twenty years.
pub const ROOTS_MAX: u64 = 256;
/// Roles that targets may delegate to.
pub const DELEGATIONS_MAX: usize = 16;
/// Keys in one list.
pub const KEYS_MAX: usize = 256;
/// Targets of one role.
pub const TARGETS_MAX: usize = 8192;

/// The folder of the targets, beside the metadata.
pub const TARGETS_FOLDER: &str = "targets";
/// The role of the register of providers.
pub const PROVIDERS: &str = "providers";
/// The role that can only suspend.
pub const BRAKE: &str = "brake";

/// Why metadata, or a target, is not believed: which file, what was expected there, what was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: expected {expected}, found {found}")]
pub struct Untrusted {
    /// The file, as the repository names it.
    pub file: String,
    /// What kind of mistake it is.
    pub why: Why,
    /// What would be accepted.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// The kinds of mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is not written as it must be.
    Form,
    /// It is larger than it may be.
    Size,
    /// Too few of those who may sign it have signed it.
    Signatures,
    /// It is older than what was seen, or not the one that is named.
    Version,
    /// Its time is over.
    Expired,
    /// It is not the file whose digest or length is signed.
    Digest,
    /// It is not there.
    Missing,
    /// It breaks a rule of the charter's own.
    Rule,
}

impl Untrusted {
    fn new(file: &str, why: Why, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { file: file.to_owned(), why, expected: plain(&expected.into()), found: plain(&found.into()) }
    }

    fn form(file: &str, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(file, Why::Form, expected, found)
    }
}

/// Characters of a repository's text that are repeated to people.
const TOLD_CHARS_MAX: usize = 400;

/// What a stranger wrote, as a terminal may show it: one line, not too long.
fn plain(text: &str) -> String {
    text.chars().take(TOLD_CHARS_MAX).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

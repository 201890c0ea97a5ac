//! A holder's questions about its own number, on the wire.

use serde::{Deserialize, Serialize};

use crate::api::Base64;
use crate::api::providers::Key;

/// Events of one answer at most; more of them are asked for again, from the version after the last one on.
pub const MONITOR_PAGE_MAX: usize = 256;

/// Asks what became of a number (`POST /v1/monitor`). What is signed: docs/TRUST.md, part 3.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MonitorAsked {
    /// The number's label, 32 bytes.
    pub label: Base64,
    /// The first version that is asked for.
    pub from_version: u32,
    /// When this was signed, Unix seconds; within five minutes of the server's time.
    pub at_s: u32,
    /// The key that signed: one that was the number's control key in that version or a later one, or a watcher's.
    pub key: Key,
    /// Its signature, 64 bytes.
    pub signature: Base64,
    /// The control key's leave, if the key is a watcher's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<MonitorGrant>,
}

/// Leave for a watcher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MonitorGrant {
    /// Until when, Unix seconds; at most 366 days from now.
    pub until_s: u32,
    /// The control key that gives it.
    pub by: Key,
    /// Its signature, 64 bytes.
    pub signature: Base64,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct MonitorAnswer {
    /// The proof of the newest State: text of C2SP `tlog-proof@v1`. For whoever is not its control key itself the VRF proof in it is 80
    /// zero bytes and the record is not opened.
    pub proof: String,
    /// The event of every version from the one that was asked for on, oldest first, with the epochs that the sequencer set; 256 at most.
    pub events: Vec<Base64>,
    /// Whether there are more: ask again from the version after the last one on.
    pub more: bool,
}

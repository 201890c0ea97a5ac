//! A holder's questions about its own number, on the wire.

use serde::{Deserialize, Serialize};

use crate::api::Base64;
use crate::api::providers::Key;

/// Asks what became of a number (`POST /v1/monitor`). What is signed: TRUST.md 3.
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
    /// Until when, Unix seconds.
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
    /// The proof of the newest State: text of C2SP `tlog-proof@v1`. Of a number that was given back its VRF proof is 80 zero bytes.
    pub proof: String,
    /// Every State from the version that was asked for, 212 bytes each, oldest first.
    pub states: Vec<Base64>,
}

//! The two logs on the wire: where each is, and with which keys it is checked. The rest is C2SP tlog-tiles.

use serde::{Deserialize, Serialize};

/// The logs of this directory (`GET /v1/log`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Logs {
    /// The gov log, then the map log.
    pub logs: Vec<LogInfo>,
}

/// A log. Keys that come from the same place as the log prove nothing at the first meeting: get them another way too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct LogInfo {
    /// `gov`: decisions about the directory; `map`: one leaf an epoch.
    pub kind: LogKind,
    /// Its name: the first line of its checkpoints.
    pub origin: String,
    /// Where it is: `checkpoint` and `tile/…` lie below (C2SP tlog-tiles).
    pub prefix: String,
    /// The keys that sign its checkpoints (C2SP signed-note).
    pub vkeys: Vec<String>,
    /// Published leaves.
    pub size: u64,
    /// Keys of the witnesses that cosign its checkpoints.
    pub witnesses: Vec<String>,
    /// How many of them must have cosigned.
    pub quorum: u32,
}

/// Which of the two logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub enum LogKind {
    /// Decisions about the directory.
    Gov,
    /// Epochs.
    Map,
}

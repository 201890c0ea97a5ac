//! The service about itself: health.

use serde::{Deserialize, Serialize};

/// Whether the directory does its job (`GET /healthz`): 200 if every check passes, else 503.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Health {
    /// Whether every check passes.
    pub healthy: bool,
    /// The newest published epoch.
    pub epoch: u64,
    /// Its age in seconds.
    pub epoch_age_s: u64,
    /// Whether changes are refused for maintenance; that alone is no illness.
    #[serde(default)]
    pub maintenance: bool,
    /// The single checks.
    pub checks: Vec<Check>,
}

/// One thing that must work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Check {
    /// What is checked.
    pub name: String,
    /// Whether it works.
    pub ok: bool,
    /// What was seen, or what to do about it.
    pub detail: String,
}

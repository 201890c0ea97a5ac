//! The charter on the wire: the articles as text and the same articles as data.

use serde::{Deserialize, Serialize};

/// The charter in force (`GET /v1/charter`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Charter {
    /// The numbered articles, Markdown.
    pub charter_md: String,
    /// The parameters as they stand in `policy.toml`.
    pub policy_toml: String,
    /// SHA-256 of `policy_toml`, hex.
    pub policy_digest: String,
}

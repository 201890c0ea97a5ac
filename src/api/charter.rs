//! The charter on the wire: the articles as text and the same articles as data.

use serde::{Deserialize, Serialize};

/// The charter in force, and what is announced (`GET /v1/charter`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Charter {
    /// The version in force.
    #[serde(flatten)]
    pub in_force: Version,
    /// The edition of the metadata that says how long each country's numbers are.
    #[serde(default)]
    pub numbering: String,
    /// Versions that are announced and not in force yet, by date.
    #[serde(default)]
    pub announced: Vec<Version>,
}

/// One version of the charter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "server", schema(as = CharterVersion))]
pub struct Version {
    /// Its number; 1 for the first.
    #[serde(default)]
    pub version: u64,
    /// From when on it is in force, RFC 3339.
    #[serde(default)]
    pub effective_from: String,
    /// The numbered articles, Markdown.
    pub charter_md: String,
    /// The parameters as they stand in `policy.toml`.
    pub policy_toml: String,
    /// SHA-256 of `policy_toml`, hex.
    pub policy_digest: String,
}

/// A version to be announced (`POST /v1/charter`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NewVersion {
    /// The numbered articles, Markdown.
    pub charter_md: String,
    /// The parameters, as `policy.toml`.
    pub policy_toml: String,
    /// From when on it shall be in force, RFC 3339; left out, as early as the notice allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<String>,
}

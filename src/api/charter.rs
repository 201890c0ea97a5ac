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

/// A version that shall be announced (`POST /v1/charter`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NewVersion {
    /// The clause of the charter in force that the act rests on, such as `10.1`.
    pub clause: String,
    /// Why, for the operator's own people; no personal data.
    pub reason: String,
    /// The numbered articles, Markdown.
    pub charter_md: String,
    /// The parameters, as `policy.toml`.
    pub policy_toml: String,
    /// From when on it shall be in force, RFC 3339; left out, as early as the notice allows when it is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<String>,
}

/// What an act of kind `charter` announces, and what that changes (`GET /v1/acts/{id}/charter`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ProposedVersion {
    /// The act.
    pub act: String,
    /// The version that it follows; once another was announced, the act is refused.
    pub follows: u64,
    /// The version that was in force when it was asked for: what it is compared with.
    pub compared_with: u64,
    /// The date that was asked for, RFC 3339; absent: as early as the notice allows when it is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<String>,
    /// The numbered articles, Markdown.
    pub charter_md: String,
    /// The parameters, as `policy.toml`.
    pub policy_toml: String,
    /// The parameters that differ, in the order of the articles.
    pub differences: Vec<ParameterChange>,
    /// The clauses whose text differs, is new or is gone.
    pub clauses: Vec<String>,
    /// Whom it touched when it was asked for.
    pub touched: Touched,
}

/// A parameter in two versions of the charter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ParameterChange {
    /// By its path in `policy.toml`.
    pub parameter: String,
    /// Its clause.
    pub article: String,
    /// What the earlier version says; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What the later one says; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Whom a version touches: registrations that could not be renewed or changed as they are. They stay published until they end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Touched {
    /// Registrations that there were.
    pub registrations: u64,
    /// Those that were judged by both versions: all, or a sample of so many.
    pub looked_at: u64,
    /// Of these, how many it touches.
    pub affected: u64,
    /// How many by provider.
    pub by_provider: std::collections::BTreeMap<String, u64>,
    /// How many by what they would be refused for; one may count under several.
    pub by_reason: Vec<TouchedBy>,
}

/// How many registrations would be refused for one reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct TouchedBy {
    /// The refusal's code.
    pub code: String,
    /// Its clause.
    pub clause: String,
    /// How many.
    pub registrations: u64,
}

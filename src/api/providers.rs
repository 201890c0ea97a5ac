//! Providers, validation entities and API tokens on the wire.

use serde::{Deserialize, Serialize};

use crate::api::Base64;

/// A public key with its algorithm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// `ed25519` (32 bytes) or `es256` (33 bytes, SEC 1 compressed).
    pub algorithm: String,
    /// The key.
    pub key: Base64,
    /// The RFC 7638 thumbprint, base64url; the `kid` of validation tokens. Set by the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbprint: Option<String>,
}

/// A new provider or validation entity, or both (`POST /v1/providers`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewProvider {
    /// Its name in records and events: lower-case letters, digits, hyphens, at most 63.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Keys that sign its submissions; without any it is a validation entity only.
    #[serde(default)]
    pub statement_keys: Vec<Key>,
    /// Keys that sign validation tokens; with any it is a validation entity.
    #[serde(default)]
    pub validation_keys: Vec<Key>,
    /// `probation` if left out, or `applied`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// An entry of the public register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Provider {
    /// Its name in records and events.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// `applied`, `probation`, `accredited`, `warned`, `restricted`, `suspended`, `terminated`, `winding_down` or `closed`.
    pub status: String,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// When time moves it on: the end of a term, of a time to mend, of an emergency, of a notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// The clause of the charter that the newest decision rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clause: Option<String>,
    /// Until when its bulk door is open: its holders claim their numbers elsewhere by one method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bulk_door_until: Option<String>,
    /// Keys that sign its submissions.
    pub statement_keys: Vec<Key>,
    /// Keys that sign validation tokens.
    pub validation_keys: Vec<Key>,
}

/// The public register of providers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Providers {
    /// By id.
    pub providers: Vec<Provider>,
    /// The origin of the map log, part of everything that is signed here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The cursor of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What one person may do about a provider's status (`PATCH /v1/providers/{id}`): an emergency, and its end. The rest are acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StatusChange {
    /// `accredited` or `suspended`.
    pub status: String,
    /// The article of the charter that it rests on; goes into the public log.
    pub clause: String,
}

/// A wish for an API token (`POST /v1/providers/{id}/tokens`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// `read:PREFIX` and `write:PREFIX`, where PREFIX is the start of the numbers it is good for: `+` for all, `+999` for the sandbox.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Days until it expires, 1 to 365; default 90.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_d: Option<u32>,
    /// Whether it is a `cb_test_…` token, which reaches the sandbox range +999 only.
    #[serde(default)]
    pub test: bool,
    /// The client certificate to which it is bound: `x5t#S256` of RFC 8705, the SHA-256 of its DER in base64url. The token
    /// is then refused on every connection that has not shown this certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Token {
    /// Names the token.
    pub id: String,
    /// What it is good for.
    pub scopes: Vec<String>,
    /// When it expires.
    pub expires_at: String,
    /// When it was last used, to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<String>,
    /// The client certificate to which it is bound, as in the wish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// A new token; the only time that its secret is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct IssuedToken {
    /// Names the token.
    pub id: String,
    /// The secret, for `Authorization: Bearer`. Stored hashed: it cannot be shown again.
    pub token: String,
    /// What it is good for.
    pub scopes: Vec<String>,
    /// When it expires.
    pub expires_at: String,
}

/// A provider's tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Tokens {
    /// By id.
    pub tokens: Vec<Token>,
    /// The cursor of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// An open bulk door: the provider serves nobody any more, and its holders claim their numbers elsewhere by one method.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct BulkDoor {
    /// The provider.
    pub provider: String,
    /// Since when it is open.
    pub opened: String,
    /// When it closes.
    pub until: String,
    /// How many numbers are still with the provider.
    pub numbers: u64,
}

/// The bulk doors that are open (`GET /v1/bulk-doors`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct BulkDoors {
    /// By provider.
    pub bulk_doors: Vec<BulkDoor>,
}

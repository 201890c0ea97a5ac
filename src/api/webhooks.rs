//! Webhooks on the wire: endpoints, attempts, and what is sent to them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A new endpoint (`POST /v1/webhooks`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// Where to: `https://…`, at a host with public addresses only.
    pub url: String,
    /// The kinds of changes that are sent; left out, all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// What you call it; at most 200 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What is to be another way (`PATCH /v1/webhooks/{id}`); what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct WebhookChange {
    /// Where to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `active` or `paused`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The kinds of changes that are sent; an empty list means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Vec<String>>,
    /// What you call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// From where changes are to be sent again (`POST /v1/webhooks/{id}/redelivery`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Redelivery {
    /// A cursor of the feed: what comes after it is sent. `now` leaves everything out that has happened; left out, it
    /// begins with the oldest change that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// An endpoint and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Webhook {
    /// Names it.
    pub id: String,
    /// Where to.
    pub url: String,
    /// What you call it.
    pub description: String,
    /// The kinds of changes that are sent; empty: all.
    pub kinds: Vec<String>,
    /// `active`, `paused`, `disabled` or `behind`: changes that it has not got are not kept any more.
    pub state: String,
    /// Of a disabled one: `gone` (it answered 410) or `failing` (it took nothing for five days).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was made.
    pub made_at: String,
    /// Everything up to this cursor of the feed was taken.
    pub cursor: String,
    /// How many changes there are behind it.
    pub lag: u64,
    /// Attempts that failed in a row.
    pub failures: u64,
    /// When the first of these was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<String>,
    /// When the next attempt comes, while attempts fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<String>,
    /// The newest attempt that was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<WebhookOutcome>,
    /// The newest that was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<WebhookOutcome>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct WebhookOutcome {
    /// When.
    pub at: String,
    /// The HTTP status, if an answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why it does not count as taken: `status`, `redirect`, `timeout`, `connection`, `tls`, `not_http`, or the code of a
    /// mistake in the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A page of endpoints (`GET /v1/webhooks`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Webhooks {
    /// The oldest first.
    pub webhooks: Vec<Webhook>,
    /// The cursor of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// An endpoint of anybody, as the operator sees it: nothing of its URL but the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct WebhookHealth {
    /// Names it.
    pub id: String,
    /// The provider whose it is; absent: the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The host that it is at, with the port if one is named.
    pub host: String,
    /// `active`, `paused`, `disabled` or `behind`, as its owner sees it.
    pub state: String,
    /// Of a disabled one: `gone` or `failing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many changes there are behind its place.
    pub lag: u64,
    /// When the oldest of them happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_at: Option<String>,
    /// Attempts that failed in a row.
    pub failures: u64,
    /// When the first of these was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<String>,
    /// The newest attempt that was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<WebhookOutcome>,
    /// The newest that was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<WebhookOutcome>,
}

/// A page of everybody's endpoints (`GET /v1/webhooks/health`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct WebhooksHealth {
    /// The oldest first.
    pub webhooks: Vec<WebhookHealth>,
    /// The cursor of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// An attempt to deliver something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Delivery {
    /// `change` or `test`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The change's cursor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// When it began.
    pub at: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Whether it was taken: the answer's status was 2xx.
    pub taken: bool,
    /// The HTTP status, if an answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why it does not count as taken, as in `last_failure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// The latest attempts of an endpoint (`GET /v1/webhooks/{id}/deliveries`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Deliveries {
    /// The newest first, fifty at most.
    pub deliveries: Vec<Delivery>,
}

/// The directory's public keys for webhooks (`GET /v1/webhooks/keys`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct WebhookKeys {
    /// `whpk_` and the Ed25519 key in base64, the newest first. Two while the directory changes its key: each delivery then
    /// has a signature by both.
    pub keys: Vec<String>,
}

/// The body of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Message {
    /// `change` or `test`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened.
    pub timestamp: String,
    /// Of a change: what `GET /v1/changes` shows of it. Of a test: the endpoint's id in `webhook`.
    pub data: Value,
}

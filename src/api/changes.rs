//! The change feed on the wire.

use serde::{Deserialize, Serialize};

use crate::api::Base64;

/// A page of the feed (`GET /v1/changes`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Changes {
    /// What happened, the oldest first.
    pub changes: Vec<Change>,
    /// The cursor to go on from; always there, also of an empty page.
    pub next_cursor: String,
    /// Whether there is more already.
    pub more: bool,
}

/// Something that happened to a number. What its record says is not here: read the number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Change {
    /// The cursor behind this change; also its id: rising, each once.
    pub cursor: String,
    /// `create`, `update`, `transfer`, `request`, `complete`, `veto`, `suspend`, `resume`, `release`, `renew`, `object`,
    /// `carry`; `notice`: the registration ends soon; `bulk-door`: the bulk door of `provider_before` is open, closes soon, or is
    /// closed; or `audit`: your validation entity is asked for evidence (`GET /v1/audits/requests`).
    pub kind: String,
    /// By which door a provider change or recovery goes: `recovery`, `code`, `validation`, `direct`; absent on the ordinary way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<String>,
    /// The number's label in the map (32 bytes); of `audit` and `bulk-door`, which are about no number, all zeros.
    pub label: Base64,
    /// The number; absent once the registration that this belongs to was released, from every change of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// The version that the number has after it.
    pub version: u64,
    /// The epoch that made it public; of a notice the newest one at that time.
    pub epoch: u64,
    /// When.
    pub time: String,
    /// SHA-256 of the event as submitted (hex), the name of its receipt; absent from notices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_hash: Option<String>,
    /// The sponsoring provider before; absent for a new registration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_before: Option<String>,
    /// The sponsoring provider after; absent after a release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_after: Option<String>,
    /// The provider that asks, or asked, for a change at a door.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
    /// Of a notice: the charter's days before the end. Of a bulk door: days until it closes; 0: it is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice_d: Option<u64>,
    /// Of a notice: when the registration ends unless it is renewed. Of a bulk door: when it closes, or closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<String>,
}

//! The operator's people and acts on the wire.

use serde::{Deserialize, Serialize};

use crate::api::numbers::Receipt;
use crate::api::providers::Key;
use crate::api::{Base64, Problem};

/// A person of the operator's staff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Person {
    /// Names the person inside the operator's house; in no public log.
    pub id: String,
    /// `viewer`, `auditor`, `officer` or `admin`.
    pub role: String,
    /// The person's signing key, public in the gov log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// When the person joined.
    pub added_at: String,
    /// When the person left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
}

/// The operator's staff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Staff {
    /// By id, those who left included.
    pub staff: Vec<Person>,
}

/// A request for a token of one's own (`POST /v1/staff/token`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenProof {
    /// The person.
    pub id: String,
    /// The time, Unix seconds; later than in any request before.
    pub at_s: u32,
    /// The person's signature (64 bytes) over `"callbook/staff-token/v1\0" ‖ lp16(map origin) ‖ lp16(id) ‖ u64 at_s`; with a
    /// certificate over `"callbook/staff-token/v2\0" ‖ …` the same `… ‖` the 32 bytes of the certificate's digest.
    pub signature: Base64,
    /// The client certificate to which the token shall be bound: `x5t#S256` of RFC 8705, the SHA-256 of its DER in base64url.
    /// The token is then refused on every connection that has not shown this certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// A link by which a person registers a passkey for the console (`POST /v1/staff/link`); shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SignInLink {
    /// The link, to be opened in the browser that shall hold the passkey, or a neighbour of it.
    pub link: String,
    /// Whose passkey it makes.
    pub person: String,
    /// When it expires; it works once.
    pub expires_at: String,
}

/// A wish for an act (`POST /v1/acts`). Which of the optional fields belong to a kind is in the operator's documentation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewAct {
    /// `admit`, `accredit`, `warn`, `restrict`, `suspend`, `emergency`, `end-emergency`, `terminate`, `wind-down`, `overturn`,
    /// `uphold`, `provider-keys`, `compromised-key`, `staff-add`, `staff-change`, `staff-end`, `suspend-numbers`,
    /// `resume-numbers`, `veto-claim`, `bulk-door`, `auditor-admit` or `auditor-end`.
    pub kind: String,
    /// The clause of the charter that it rests on.
    pub clause: String,
    /// Why; no personal data.
    pub reason: String,
    /// The provider or validation entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Days: of notice, or of a suspension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// The thumbprint (base64url) of a key that is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_key: Option<String>,
    /// Since when it is lost, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_s: Option<u32>,
    /// The person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// The person's role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The person's public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<Key>,
    /// All statement keys that the provider has from now on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statement_keys: Vec<Key>,
    /// All validation keys that it has from now on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validation_keys: Vec<Key>,
    /// The numbers, `+…`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<String>,
    /// The key of an auditor's cosignatures, a `vkey` of type 4 (`auditor-admit`, `auditor-end`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vkey: Option<String>,
}

/// A step of an act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ActStep {
    /// `asked`, `approved`, `withdrawn`, `expired` or `done`.
    pub step: String,
    /// Whose; absent: the register's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// When.
    pub at: String,
}

/// An act of the operator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Act {
    /// Names it; orders in the gov log name it too.
    pub id: String,
    /// The kind.
    pub kind: String,
    /// `open`, `done`, `withdrawn` or `expired`.
    pub state: String,
    /// The clause of the charter.
    pub clause: String,
    /// Why.
    pub reason: String,
    /// What it is about, without numbers.
    pub parameters: serde_json::Value,
    /// How many people it needs.
    pub hands: u64,
    /// Why it needs so many.
    pub hands_why: String,
    /// Every step, with who and when.
    pub steps: Vec<ActStep>,
    /// When it was asked for.
    pub asked_at: String,
    /// When it expires without approval.
    pub expires_at: String,
    /// Of a suspension of numbers, and of a bulk door: when it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The index of the leaf of the gov log that it led to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gov_leaf: Option<u64>,
    /// How many numbers it is about.
    pub numbers: u64,
    /// For how many of them the event was accepted.
    pub accepted: u64,
}

/// A page of acts, the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Acts {
    /// The acts.
    pub acts: Vec<Act>,
    /// The cursor of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An event to be signed by two of the staff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ToSign {
    /// The number, `+…`.
    pub number: String,
    /// The event; without signatures, or with those that it has.
    pub event: Base64,
}

/// The events of an approved act that are still to be signed (`GET /v1/acts/{id}/events`). As a file it goes from hand to hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ActEvents {
    /// The act.
    pub act: Act,
    /// The origin of the map log, part of what is signed.
    pub origin: String,
    /// The events; they are good for a day.
    pub events: Vec<ToSign>,
    /// The cursor of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Signed events of an act (`POST /v1/acts/{id}/events`), at most 50.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignedEvents {
    /// The events.
    pub events: Vec<Base64>,
}

/// What became of one of them: one of the two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct EventResult {
    /// It was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// It was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// What became of them, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct EventResults {
    /// The results.
    pub results: Vec<EventResult>,
}

/// How many numbers of a provider rest on a lost key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct RestingCount {
    /// The provider.
    pub provider: String,
    /// Its numbers.
    pub numbers: u64,
}

/// A key of a validation entity that was reported as lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct LostKey {
    /// Its thumbprint (base64url).
    pub key: String,
    /// The validation entity.
    pub entity: String,
    /// Tokens from then on do not count.
    pub since: String,
    /// When it was reported.
    pub found_at: String,
    /// When what still rests on it is withheld; absent once that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// What rests on it now, by provider; a provider sees its own.
    pub resting: Vec<RestingCount>,
}

/// The lost keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct LostKeys {
    /// By time.
    pub lost_keys: Vec<LostKey>,
}

/// A page of numbers that rest on a lost key and are to be validated anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct FlaggedNumbers {
    /// The numbers, `+…`.
    pub numbers: Vec<String>,
    /// The cursor of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

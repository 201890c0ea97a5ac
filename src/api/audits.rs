//! Audits of validation entities on the wire. `audit` beside it is for auditors of the log, who are others.

use serde::{Deserialize, Serialize};

use crate::api::Base64;

/// The audits (`GET /v1/audits`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Audits {
    /// The newest month first.
    pub audits: Vec<Audit>,
}

/// The audit of a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Audit {
    /// The month, UTC: `2026-11`.
    pub period: String,
    /// `closed`, `drawn` or `published`.
    pub state: String,
    /// When it was closed.
    pub closed_at: String,
    /// When it was drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drawn_at: Option<String>,
    /// When evidence was due at first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<String>,
    /// When the counts were published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<String>,
    /// The signed head of the map log that the draw is by, with the cosignatures that had come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// Its leaves of the gov log: `audit-close`, `audit-draw`, `audit-result`.
    pub leaves: Vec<AuditLeaf>,
}

/// A leaf of the gov log, as it is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AuditLeaf {
    /// Its index in the gov log.
    pub index: u64,
    /// The signed note.
    pub leaf: String,
}

/// What a validation entity is asked for (`GET /v1/audits/requests`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AuditRequests {
    /// By id.
    pub requests: Vec<AuditRequest>,
    /// The cursor of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A request for the evidence behind one token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AuditRequest {
    /// Names it.
    pub id: String,
    /// The month.
    pub period: String,
    /// What the token was for: `new`, `renew` or `contest`.
    pub kind: String,
    /// Its methods.
    pub methods: Vec<String>,
    /// The token's commitment (`evd`, 32 bytes): find the evidence by it.
    pub evidence_sha256: Base64,
    /// When it is due; after that it counts as a fault.
    pub due_at: String,
}

/// Evidence (`POST /v1/audits/{id}/evidence`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewEvidence {
    /// The bytes whose SHA-256 the token names; at most 45000.
    pub evidence: Base64,
}

/// A drawn token, for the operator's auditors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AuditItem {
    /// Names it.
    pub id: String,
    /// The month.
    pub period: String,
    /// The validation entity.
    pub entity: String,
    /// The stratum that it was drawn from: methods, kind, risk.
    pub stratum: String,
    /// The token's methods.
    pub methods: Vec<String>,
    /// `new`, `renew` or `contest`.
    pub kind: String,
    /// When the token was accepted.
    pub token_at: String,
    /// `asked`, `answered`, `passed` or `failed`.
    pub state: String,
    /// When evidence is due.
    pub due_at: String,
    /// When it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<String>,
    /// Why it failed: `silent`, `incomplete`, `mismatch`, `time`, `forged` or `contradicted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The clause that is broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clause: Option<String>,
    /// Who judged; absent if it was time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged_by: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged_at: Option<String>,
    /// The number, while it is registered; only of one item that is asked for by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// The evidence, while it is kept; likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Base64>,
}

/// A page of drawn tokens (`GET /v1/audits/{id}/items`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AuditItems {
    /// By id.
    pub items: Vec<AuditItem>,
    /// The cursor of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A finding (`POST /v1/audits/{id}/finding`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewFinding {
    /// `pass`, or the fault: `incomplete`, `mismatch`, `time`, `forged` or `contradicted`.
    pub finding: String,
}

/// What a beacon said (`POST /v1/audits/{id}/draw`); left out whole where none is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BeaconSaid {
    /// The round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u32>,
    /// Its value, hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Of which entity a sanction is proposed (`POST /v1/audits/{id}/sanctions`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SanctionWanted {
    /// The validation entity.
    pub entity: String,
}

/// What was found so far, for the operator's auditors (`GET /v1/audits/{id}/findings`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AuditFindings {
    /// The month.
    pub period: String,
    /// `closed`, `drawn` or `published`.
    pub state: String,
    /// By entity.
    pub entities: Vec<AuditEntity>,
    /// Every step of the audit.
    pub steps: Vec<AuditStep>,
}

/// What was found of a validation entity. Rates are parts per billion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AuditEntity {
    /// The validation entity.
    pub entity: String,
    /// Its tokens of the month.
    pub tokens: u64,
    /// How many were drawn.
    pub drawn: u64,
    /// Those without a finding.
    pub waiting: u64,
    /// Those that do not stand.
    pub failed: u64,
    /// Of these, those that nobody spoke for.
    pub silent: u64,
    /// The rate of errors, each stratum counted by its size.
    pub rate_ppb: u64,
    /// At least that, with 95 %.
    pub lower_ppb: u64,
    /// At most that, with 95 %.
    pub upper_ppb: u64,
    /// `warn`, `restrict` or `suspend`; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed: Option<String>,
    /// The act that asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<String>,
}

/// A step of an audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AuditStep {
    /// What was done.
    pub step: String,
    /// By whom; absent: by the register itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// When.
    pub at: String,
}

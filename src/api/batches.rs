//! Batches on the wire: NDJSON in, progress as JSON, results as NDJSON.

use serde::{Deserialize, Serialize};

use crate::api::Problem;
use crate::api::numbers::{Receipt, Release, Renewal, Submission};

/// The media type of a batch and of its results: one JSON object a line.
pub const NDJSON: &str = "application/x-ndjson";
/// The longest body of a batch, in bytes (REGISTRY.md 8).
pub const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One line of a batch: a number, and what to do with it. The other fields are those of the single call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct BatchLine {
    /// The number, `+…`.
    pub number: String,
    /// What to do.
    #[serde(flatten)]
    pub act: BatchAct,
}

/// What a line of a batch does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum BatchAct {
    /// As `PUT /v1/numbers/{number}`.
    Put(Submission),
    /// As `POST /v1/numbers/{number}/validation`.
    Renew(Renewal),
    /// As `DELETE /v1/numbers/{number}`.
    Release(Release),
}

/// How far a batch has come (`POST /v1/batches`, `GET /v1/batches/{id}`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Batch {
    /// Names it.
    pub id: String,
    /// `running`, `done`, or `interrupted`: it ended before its last item, and the same request with the same
    /// `Idempotency-Key` goes on with the rest.
    pub state: String,
    /// Whether its items were judged only.
    pub dry_run: bool,
    /// How many items it has.
    pub items: u64,
    /// How many have their result.
    pub done: u64,
    /// How many of those were accepted.
    pub accepted: u64,
    /// How many were refused.
    pub refused: u64,
    /// When it was taken in.
    pub made_at: String,
    /// When its last item got its result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// Where the results are.
    pub results: String,
}

/// What became of one item: a line of `GET /v1/batches/{id}/results`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct BatchResult {
    /// Its place in the batch, from 0; empty lines do not count.
    pub index: u64,
    /// The status that the single call would have had; 200 for an item of a dry run that would be accepted.
    pub status: u16,
    /// The version that an item of a dry run would make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The receipt of an accepted item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// The problem of a refused one, as the single call would have answered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

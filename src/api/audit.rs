//! What auditors send, and what callers are shown of them. Batches themselves are bytes (`log::audit`).

use serde::{Deserialize, Serialize};

/// A checkpoint that an auditor has replayed up to and cosigned (`POST /v1/audit/checkpoint`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AuditedCheckpoint {
    /// The checkpoint as a signed note, with the line of the log and that of the auditor (C2SP tlog-cosignature).
    pub checkpoint: String,
}

/// What the directory keeps of an auditor now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AuditedSize {
    /// Leaves of the map log that this auditor has cosigned.
    pub size: u64,
}

/// The newest checkpoint that an auditor has cosigned, in the answer to a question for a proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AuditorSaid {
    /// The checkpoint as a signed note, with the auditor's cosignature.
    pub checkpoint: String,
    /// The consistency proof from there to the checkpoint of the proof, hashes in base64; empty if they are the same.
    pub consistency: Vec<String>,
}

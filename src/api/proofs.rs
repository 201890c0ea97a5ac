//! Proofs on the wire.

use serde::{Deserialize, Serialize};

use crate::api::audit::AuditorSaid;

/// Answers are padded to a multiple of so many bytes: nobody on the way tells one number from another, or from none, by size.
pub const PROOF_ANSWER_STEP: usize = 8 * 1024;

/// Asks for a proof (`POST /v1/proofs`). The number never stands in a URL, which others write down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ProofAsked {
    /// The number, `+…`.
    pub number: String,
    /// Names of auditors whom the caller believes: the newest checkpoint of one of these is shown. Left out: of any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub auditors: Vec<String>,
}

/// What the directory says of a number, to be checked and not believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ProofAnswer {
    /// The proof: text of C2SP `tlog-proof@v1`.
    pub proof: String,
    /// What an auditor has cosigned last; absent where no auditor has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auditor: Option<AuditorSaid>,
    /// Means nothing: it makes the whole answer a multiple of 8192 bytes.
    pub padding: String,
}

/// What a caller has to believe before it can check a proof; kept as a file, or taken from the directory itself on first use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Trust {
    /// The origin of the map log of this era.
    pub origin: String,
    /// The key of that log, as a `vkey` of C2SP signed-note.
    pub log: String,
    /// The VRF key that places numbers, base64.
    pub vrf: String,
    /// The origin of the gov log.
    pub gov: String,
    /// The key of the gov log, as a `vkey`.
    pub gov_key: String,
    /// Witnesses, as `vkey`s of cosignatures.
    #[serde(default)]
    pub witnesses: Vec<String>,
    /// How many of them must have cosigned.
    #[serde(default)]
    pub quorum: u32,
    /// Auditors, as `vkey`s of cosignatures.
    #[serde(default)]
    pub auditors: Vec<String>,
    /// The origins of earlier eras.
    #[serde(default)]
    pub eras: Vec<String>,
}

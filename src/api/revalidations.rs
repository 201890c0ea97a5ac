//! Codes that the operator sends to numbers, and their answers, on the wire.

use serde::{Deserialize, Serialize};

use crate::api::Base64;
use crate::api::providers::Key;

/// The answer of a holder's device to a code (`POST /v1/revalidations`); no token is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CodeAnswer {
    /// The number that the code came to, `+…`.
    pub number: String,
    /// The code: eight digits.
    pub code: String,
    /// The number's control key.
    pub key: Key,
    /// Its signature (64 bytes) over `"callbook/revalidation/v1\0" ‖ lp16(map origin) ‖ lp16(digits, no '+') ‖ lp16(code)`.
    pub signature: Base64,
}

/// The code was right, and so was the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct CodeTaken {
    /// Always true: anything else is a problem.
    pub confirmed: bool,
}

/// A code that was sent for a drawn token; the code itself is nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Revalidation {
    /// Names it.
    pub id: String,
    /// `sending`, `sent`, `unsent`, `confirmed`, `wrong` or `expired`.
    pub state: String,
    /// When it was made.
    pub made_at: String,
    /// Until when it is taken.
    pub expires_at: String,
    /// When it came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<String>,
}

/// The codes that were sent for a drawn token (`GET /v1/audits/{id}/revalidations`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Revalidations {
    /// The oldest first.
    pub revalidations: Vec<Revalidation>,
}

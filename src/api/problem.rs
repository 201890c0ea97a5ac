//! What goes wrong, as RFC 9457 problem details: one object that lists every mistake with its clause and its remedy.

use serde::{Deserialize, Serialize};

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A problem (RFC 9457). Status 4xx is the caller's, 5xx is ours; nothing secret is ever in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Problem {
    /// A URL (relative to the API's host) that documents this code: `/v1/problems/{code}`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A short summary, the same for every problem of this code.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// The stable code that programs compare.
    pub code: String,
    /// The article of the charter that says so, if a rule of the charter decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clause: Option<String>,
    /// The parameter of the charter's policy that was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Names this request in the operator's log; quote it when asking.
    pub request_id: String,
    /// Every mistake that was found, in the documented order of the checks.
    #[serde(default)]
    pub errors: Vec<ProblemError>,
    /// What the `Retry-After` header beside it said, in seconds; set by the client, not in the JSON.
    #[serde(skip)]
    pub retry_after_s: Option<u64>,
}

/// One mistake in a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ProblemError {
    /// Where: a JSON pointer (RFC 6901) into the body, or the name of a header or path parameter.
    pub pointer: String,
    /// The stable code of this mistake.
    pub code: String,
    /// What is wrong.
    pub detail: String,
    /// The article of the charter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clause: Option<String>,
    /// The parameter of the charter's policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// What would be accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The EPP result code that comes closest (RFC 5730 3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epp: Option<u16>,
}

impl ProblemError {
    /// A mistake in the form of the request, which no article of the charter is needed to tell.
    pub fn form(pointer: impl Into<String>, code: &str, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            code: code.to_owned(),
            detail: detail.into(),
            clause: None,
            parameter: None,
            remedy: None,
            epp: None,
        }
    }
}

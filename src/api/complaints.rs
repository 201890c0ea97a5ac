//! Complaints on the wire.

use serde::{Deserialize, Serialize};

/// A complaint, from anybody (`POST /v1/complaints`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewComplaint {
    /// `wrong_holder`, `abuse`, `privacy`, `provider` or `other`.
    pub about: String,
    /// The number that it is about, `+…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// What is wrong; at most 8000 bytes.
    pub text: String,
    /// How to reach you, if you want an answer; at most 200 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
}

/// A complaint was taken in: the same answer for every number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ComplaintTaken {
    /// Names it; quote it when you write again.
    pub id: String,
}

/// A complaint, for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Complaint {
    /// Names it.
    pub id: String,
    /// `open`, `in_work` or `closed`.
    pub state: String,
    /// Of a closed one: `upheld`, `rejected` or `not_ours`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// What it is about.
    pub about: String,
    /// Whether it names a number.
    pub names_number: bool,
    /// That number, while it is registered here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// What it says; absent once erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// How to reach who sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// The clause of the charter that the outcome rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clause: Option<String>,
    /// The act of the operator that it led to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<String>,
    /// The drawn token of an audit that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Who took it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_by: Option<String>,
    /// Who closed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_by: Option<String>,
    /// When it came.
    pub made_at: String,
    /// When it was last moved on.
    pub changed_at: String,
}

/// A page of complaints (`GET /v1/complaints`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Complaints {
    /// The oldest first.
    pub complaints: Vec<Complaint>,
    /// The cursor of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A complaint is moved on, never back (`PATCH /v1/complaints/{id}`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ComplaintMove {
    /// `in_work` or `closed`.
    pub state: String,
    /// With `closed`: `upheld`, `rejected` or `not_ours`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// With `closed`: the clause of the charter that the outcome rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clause: Option<String>,
    /// With `closed`: the act that it led to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<String>,
    /// With `closed`: the drawn token of an audit that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
}

//! What a provider reads of its numbers: page by page as they are, in order as they change. And a complaint, from anybody.

use ureq::http::Method;

use super::{Api, ApiError, Call, Repeat, path_segment};
use crate::api::changes::Changes;
use crate::api::complaints::{Complaint, ComplaintMove, ComplaintTaken, Complaints, NewComplaint};
use crate::api::monitor::{MonitorAnswer, MonitorAsked};
use crate::api::numbers::Numbers;
use crate::api::proofs::{ProofAnswer, ProofAsked, Trust};
use crate::number::Number;

/// Entries of one page: the most that the server gives.
const PER_PAGE: u32 = 1000;

/// Which numbers a list shall show; everything left out means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumbersFilter {
    /// Only those that begin so: `+44`.
    pub prefix: Option<String>,
    /// Only `pending`, `active`, `lapsed` or `suspended` ones.
    pub status: Option<String>,
    /// Only those that end before this time (RFC 3339, UTC).
    pub expires_before: Option<String>,
}

impl Api {
    /// A page of this provider's numbers (`GET /v1/numbers`), from a cursor on. A filtered page may be empty: go on until
    /// there is no `next_cursor`.
    pub fn numbers(&self, filter: &NumbersFilter, cursor: Option<&str>) -> Result<Numbers, ApiError> {
        let fields = [
            ("prefix", filter.prefix.as_deref()),
            ("status", filter.status.as_deref()),
            ("expires_before", filter.expires_before.as_deref()),
            ("cursor", cursor),
        ];
        let given = fields.iter().filter_map(|(name, value)| Some(format!("&{name}={}", path_segment((*value)?))));
        self.get(format!("/v1/numbers?limit={PER_PAGE}{}", given.collect::<String>()))
    }

    /// A page of what happened to this provider's numbers (`GET /v1/changes`), behind a cursor: none begins with the oldest
    /// change that is kept, `now` with what comes next. If there is nothing yet, it is waited for, `wait_s` (at most 25) long.
    pub fn changes(&self, cursor: Option<&str>, wait_s: u32) -> Result<Changes, ApiError> {
        let cursor = cursor.map_or_else(String::new, |cursor| format!("&cursor={}", path_segment(cursor)));
        self.get(format!("/v1/changes?limit={PER_PAGE}&wait={wait_s}{cursor}"))
    }

    /// What the log says of a number (`POST /v1/proofs`), to be checked; no token is needed.
    pub fn proof(&self, number: Number) -> Result<ProofAnswer, ApiError> {
        self.proof_and_audit(number, &[])
    }

    /// The same, with what one of these auditors has cosigned last; of any, if none is named.
    pub fn proof_and_audit(&self, number: Number, auditors: &[String]) -> Result<ProofAnswer, ApiError> {
        let asked = ProofAsked { number: number.to_string(), auditors: auditors.to_vec() };
        self.call(&Call::new(Method::POST, "/v1/proofs".into(), Repeat::Harmless).json(&asked)?)
    }

    /// What became of a number (`POST /v1/monitor`), to be checked; the question is signed, and no token is needed.
    pub fn monitor(&self, asked: &MonitorAsked) -> Result<MonitorAnswer, ApiError> {
        self.call(&Call::new(Method::POST, "/v1/monitor".into(), Repeat::Harmless).json(asked)?)
    }

    /// What the directory says one has to believe to check its logs (`GET /v1/log/trust`); no token is needed.
    pub fn log_trust(&self) -> Result<Trust, ApiError> {
        self.get("/v1/log/trust".into())
    }

    /// Hands in a complaint (`POST /v1/complaints`); no token is needed.
    pub fn complain(&self, complaint: &NewComplaint) -> Result<ComplaintTaken, ApiError> {
        self.call(&Call::new(Method::POST, "/v1/complaints".into(), Repeat::Never).json(complaint)?)
    }

    /// A page of complaints, for the operator (`GET /v1/complaints`).
    pub fn complaints(&self, state: Option<&str>, cursor: Option<&str>) -> Result<Complaints, ApiError> {
        let given = [("state", state), ("cursor", cursor)];
        let given = given.iter().filter_map(|(name, value)| Some(format!("&{name}={}", path_segment((*value)?))));
        self.get(format!("/v1/complaints?limit=200{}", given.collect::<String>()))
    }

    /// A complaint, for the operator (`GET /v1/complaints/{id}`).
    pub fn complaint(&self, id: &str) -> Result<Complaint, ApiError> {
        self.get(format!("/v1/complaints/{}", path_segment(id)))
    }

    /// Takes a complaint up or closes it, for the operator (`PATCH /v1/complaints/{id}`).
    pub fn move_complaint(&self, id: &str, to: &ComplaintMove) -> Result<Complaint, ApiError> {
        let path = format!("/v1/complaints/{}", path_segment(id));
        self.call(&Call::new(Method::PATCH, path, Repeat::Never).json(to)?)
    }
}

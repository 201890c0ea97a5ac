//! Audits of validation entities: what anybody reads, what an entity answers, what the operator's people find.

use ureq::http::Method;

use super::{Api, ApiError, Call, Repeat, path_segment};
use crate::api::Base64;
use crate::api::acts::Act;
use crate::api::audits::{
    Audit, AuditFindings, AuditItem, AuditItems, AuditRequest, AuditRequests, Audits, BeaconSaid, NewEvidence,
    NewFinding, SanctionWanted,
};
use crate::api::revalidations::{CodeAnswer, CodeTaken, Revalidation, Revalidations};

/// The longest page of a population: 10000 lines of at most some hundred bytes.
const POPULATION_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Pages of a population that are read: a hundred million tokens a month.
const POPULATION_PAGES_MAX: usize = 10_000;

impl Api {
    /// Every audit with its leaves (`GET /v1/audits`); no token is needed.
    pub fn audits(&self) -> Result<Audits, ApiError> {
        self.get("/v1/audits".into())
    }

    /// The whole population of a month (`GET /v1/audits/population`); no token is needed.
    pub fn audit_population(&self, period: &str) -> Result<String, ApiError> {
        let (mut text, mut lines) = (String::new(), 0);
        for _ in 0..POPULATION_PAGES_MAX {
            let path = format!("/v1/audits/population?period={}&from={lines}", path_segment(period));
            let call = Call::new(Method::GET, path, Repeat::Harmless);
            let mut answer = self.answered(&call)?;
            let status = answer.status().as_u16();
            let body = answer.body_mut().with_config().limit(POPULATION_BYTES_MAX).read_to_string();
            let page = body.map_err(|error| self.foreign(&call, status, &error))?;
            if page.is_empty() {
                break;
            }
            lines += page.lines().count();
            text += &page;
        }
        Ok(text)
    }

    /// A page of what this validation entity is asked for (`GET /v1/audits/requests`).
    pub fn audit_requests(&self, cursor: Option<&str>) -> Result<AuditRequests, ApiError> {
        let cursor = cursor.map_or_else(String::new, |cursor| format!("&cursor={}", path_segment(cursor)));
        self.get(format!("/v1/audits/requests?limit=500{cursor}"))
    }

    /// Hands evidence in (`POST /v1/audits/{id}/evidence`); the same again is the same.
    pub fn answer_audit(&self, id: &str, evidence: Vec<u8>) -> Result<AuditRequest, ApiError> {
        self.audit_call(id, "evidence", &NewEvidence { evidence: Base64(evidence) })
    }

    /// A page of the drawn tokens of a month (`GET /v1/audits/{id}/items`).
    pub fn audit_items(
        &self,
        period: &str,
        entity: Option<&str>,
        state: Option<&str>,
        cursor: Option<&str>,
    ) -> Result<AuditItems, ApiError> {
        let fields = [("entity", entity), ("state", state), ("cursor", cursor)];
        let given = fields.iter().filter_map(|(name, value)| Some(format!("&{name}={}", path_segment((*value)?))));
        self.get(format!("/v1/audits/{}/items?limit=500{}", path_segment(period), given.collect::<String>()))
    }

    /// A drawn token with number and evidence (`GET /v1/audits/{id}/evidence`).
    pub fn audit_item(&self, id: &str) -> Result<AuditItem, ApiError> {
        self.get(format!("/v1/audits/{}/evidence", path_segment(id)))
    }

    /// Judges a drawn token (`POST /v1/audits/{id}/finding`): `pass`, or the fault.
    pub fn judge_audit(&self, id: &str, finding: &str) -> Result<AuditItem, ApiError> {
        self.audit_call(id, "finding", &NewFinding { finding: finding.to_owned() })
    }

    /// What was found so far (`GET /v1/audits/{id}/findings`).
    pub fn audit_findings(&self, period: &str) -> Result<AuditFindings, ApiError> {
        self.get(format!("/v1/audits/{}/findings", path_segment(period)))
    }

    /// Closes a month (`POST /v1/audits/{id}/close`).
    pub fn close_audit(&self, period: &str) -> Result<Audit, ApiError> {
        let path = format!("/v1/audits/{}/close", path_segment(period));
        self.call(&Call::new(Method::POST, path, Repeat::Harmless))
    }

    /// Draws (`POST /v1/audits/{id}/draw`).
    pub fn draw_audit(&self, period: &str, said: &BeaconSaid) -> Result<Audit, ApiError> {
        self.audit_call(period, "draw", said)
    }

    /// Asks for the sanction that the findings come to (`POST /v1/audits/{id}/sanctions`).
    pub fn propose_sanction(&self, period: &str, entity: &str) -> Result<Act, ApiError> {
        self.audit_call(period, "sanctions", &SanctionWanted { entity: entity.to_owned() })
    }

    /// Publishes the counts (`POST /v1/audits/{id}/publication`).
    pub fn publish_audit(&self, period: &str) -> Result<Audit, ApiError> {
        let path = format!("/v1/audits/{}/publication", path_segment(period));
        self.call(&Call::new(Method::POST, path, Repeat::Harmless))
    }

    /// Sends a code to the number of a drawn token (`POST /v1/audits/{id}/revalidations`).
    pub fn revalidate(&self, id: &str) -> Result<Revalidation, ApiError> {
        let path = format!("/v1/audits/{}/revalidations", path_segment(id));
        self.call(&Call::new(Method::POST, path, Repeat::Never))
    }

    /// The codes that were sent for a drawn token (`GET /v1/audits/{id}/revalidations`).
    pub fn revalidations(&self, id: &str) -> Result<Revalidations, ApiError> {
        self.get(format!("/v1/audits/{}/revalidations", path_segment(id)))
    }

    /// Answers a code as the holder's device (`POST /v1/revalidations`); no token is needed.
    pub fn answer_code(&self, answer: &CodeAnswer) -> Result<CodeTaken, ApiError> {
        self.call(&Call::new(Method::POST, "/v1/revalidations".into(), Repeat::Never).json(answer)?)
    }

    /// Every one of these calls may be repeated: done twice it is done once.
    fn audit_call<T: serde::de::DeserializeOwned>(
        &self,
        id: &str,
        what: &str,
        body: &impl serde::Serialize,
    ) -> Result<T, ApiError> {
        let path = format!("/v1/audits/{}/{what}", path_segment(id));
        self.call(&Call::new(Method::POST, path, Repeat::Harmless).json(body)?)
    }
}

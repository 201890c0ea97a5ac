//! An auditor's calls: batches by a signature over each request, the cosigned checkpoint, versions of the charter.

use ureq::http::Method;

use super::{Api, ApiError, Call, Repeat};
use crate::api::audit::{AuditedCheckpoint, AuditedSize};
use crate::api::charter::Version;
use crate::log::audit::{ANSWER_BYTES_MAX, Credentials, HEADER, request};
use crate::log::key::SigningKey;

impl Api {
    /// The batches of published epochs from `first` on, as many as one answer holds (`GET /v1/audit/batches`): bytes for
    /// [`read_batches`](crate::log::audit::read_batches). `key` is the one of the auditor's cosignatures, `origin` that of the
    /// map log.
    pub fn audit_batches(
        &self,
        origin: &str,
        name: &str,
        key: &SigningKey,
        at_s: u64,
        first: u64,
    ) -> Result<Vec<u8>, ApiError> {
        let era = origin.rsplit('/').next().unwrap_or_default();
        let path = format!("/v1/audit/batches?from={first}&era={era}");
        let signature = key.sign(&request(origin, name, at_s, &path));
        let mut call = Call::new(Method::GET, path, Repeat::Harmless);
        call.headers.push((HEADER, Credentials { name: name.to_owned(), at_s, signature }.write()));
        let mut answer = self.answered(&call)?;
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX as u64).read_to_vec();
        body.map_err(|error| self.foreign(&call, status, &error))
    }

    /// Hands in a checkpoint that an auditor has cosigned (`POST /v1/audit/checkpoint`).
    pub fn audited(&self, checkpoint: String) -> Result<AuditedSize, ApiError> {
        let call = Call::new(Method::POST, "/v1/audit/checkpoint".into(), Repeat::Harmless);
        self.call(&call.json(&AuditedCheckpoint { checkpoint })?)
    }

    /// A version of the charter (`GET /v1/charter/versions/{version}`).
    pub fn charter_version(&self, number: u64) -> Result<Version, ApiError> {
        self.get(format!("/v1/charter/versions/{number}"))
    }
}

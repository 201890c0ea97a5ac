//! `/v1/audit`: the batches for admitted auditors, and what these have cosigned.

use axum::extract::{FromRequestParts, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use utoipa::ToSchema;

use crate::api::audit::{AuditedCheckpoint, AuditedSize};
use crate::api::{Problem, ProblemError};
use crate::authority::Leaves;
use crate::http::Api;
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::query::Parameters;
use crate::http::request::{Body, Path, blocking, query_value};
use crate::log::audit::{Credentials, HEADER};

/// A batch of a named era is the same for ever, and nobody else's.
const FOR_EVER: &str = "private, max-age=31536000, immutable";
/// More epochs may be published by the next time.
const ASK_AGAIN: &str = "private, no-cache";
/// What everybody else is told: the header is one of ours, and so is the scheme.
const CHALLENGE: &str = "Audit-Signature realm=\"callbook\"";
const BYTES: &str = "application/octet-stream";

/// The bytes of batches.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(crate) struct BatchBytes(#[allow(dead_code, reason = "describes bytes that are sent as they are")] Vec<u8>);

/// An admitted auditor, by a signature over the request itself, and the map log that it is about: that of the era which the
/// query names, or the present one.
pub(crate) struct Auditor(Leaves);

impl FromRequestParts<Api> for Auditor {
    type Rejection = Reply;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Reply> {
        let Ok(id) = RequestId::from_request_parts(parts, api).await;
        let credentials = parts.headers.get(HEADER).and_then(|value| value.to_str().ok()).and_then(Credentials::parse);
        let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
        let era = query_value(parts.uri.query(), "era").map(|era| era.parse().unwrap_or(u64::MAX));
        let log = api.authority.map_log(era);
        let opens = |log: &Leaves| {
            credentials.as_ref().is_some_and(|credentials| api.authority.is_auditor(credentials, *log, path))
        };
        match log.filter(opens) {
            Some(log) => Ok(Self(log)),
            None => Err(Reply::challenged(
                &id,
                CHALLENGE,
                "batches are for admitted auditors, who sign each request (Audit-Signature): see docs/log.md",
            )),
        }
    }
}

/// The batch of a published epoch: its events as the epoch's leaf commits to them.
///
/// `lp16(event)*` by ascending label; empty without events. The same for ever. For admitted auditors alone.
#[utoipa::path(get, path = "/v1/audit/batches/{epoch}", tag = "log", params(("epoch" = u64, Path, description = "The epoch, from 1 on"),
    ("era" = Option<u64>, Query, description = "The era; the present one if left out")),
    security(("auditor" = [])), responses((status = 200, body = BatchBytes, content_type = "application/octet-stream"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn batch(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Auditor(log): Auditor,
    Path(epoch): Path<String>,
    mut parameters: Parameters,
) -> Result<impl IntoResponse, Reply> {
    let nothing =
        || Reply::new(&id, 404, "not_found", "There is nothing here", "no such epoch, or none that is published yet");
    let names_era = era(&mut parameters).is_some();
    parameters.end(&id)?;
    let epoch = epoch.parse().map_err(|_| nothing())?;
    let raw = blocking(&id, move || api.authority.audit_batch(log, epoch)).await?;
    let caching = if names_era { FOR_EVER } else { ASK_AGAIN };
    Ok(([(CONTENT_TYPE, BYTES), (CACHE_CONTROL, caching)], raw))
}

/// The batches of published epochs from one on, as many as one answer holds (2 MiB, 1024 epochs); empty when there are no more.
///
/// `(u64 epoch ‖ u32 length ‖ batch)*`, epochs in their order without a gap. For admitted auditors alone.
#[utoipa::path(get, path = "/v1/audit/batches", tag = "log", params(("from" = u64, Query, description = "The first epoch, from 1 on"),
    ("era" = Option<u64>, Query, description = "The era; the present one if left out")),
    security(("auditor" = [])), responses((status = 200, body = BatchBytes, content_type = "application/octet-stream"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn batches(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Auditor(log): Auditor,
    mut parameters: Parameters,
) -> Result<impl IntoResponse, Reply> {
    let first = |text: &str| text.parse().ok().filter(|from: &u64| *from > 0);
    let from = parameters.value("from", "the first epoch, 1 or above,", first);
    era(&mut parameters);
    parameters.end(&id)?;
    let needed = || ProblemError::form("from", "required", "the first epoch is needed, 1 or above: ?from=1");
    let from = from.ok_or_else(|| Reply::invalid(&id, vec![needed()]))?;
    let raw = blocking(&id, move || api.authority.audit_batches(log, from)).await?;
    Ok(([(CONTENT_TYPE, BYTES), (CACHE_CONTROL, ASK_AGAIN)], raw))
}

/// The era that is named; which log it is was looked up with the signature.
fn era(parameters: &mut Parameters) -> Option<u64> {
    parameters.value("era", "a whole number", |text| text.parse().ok())
}

/// Takes a checkpoint that an auditor has replayed up to and cosigned; callers are shown the newest with their proofs.
///
/// The cosignature is the permission, no token is needed.
#[utoipa::path(post, path = "/v1/audit/checkpoint", tag = "log", request_body = AuditedCheckpoint, responses((status = 200, body = AuditedSize),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn checkpoint(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Body { value, .. }: Body<AuditedCheckpoint>,
) -> Result<Json<AuditedSize>, Reply> {
    let size = blocking(&id, move || api.authority.take_audited(&value.checkpoint)).await?;
    Ok(Json(AuditedSize { size }))
}

//! Every answer that is a no: RFC 9457 problems, made in this one place.

use axum::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, ETAG, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::api::batches::NDJSON;
use crate::api::problem::MEDIA_TYPE;
use crate::api::{Problem, ProblemError};
use crate::authority::{Maintenance, Rejection};
use crate::http::id::RequestId;
use crate::registry::refusal::{Class, Refusal};

/// When to ask again after a quota's no. Quotas are by the day; an hour is short enough to start early on the next one.
const QUOTA_RETRY_S: u32 = 3600;

/// When to ask again while nothing is changed at all: that takes a person.
const FROZEN_RETRY_S: u32 = 300;

/// What a call without a token is told (RFC 6750 3: a challenge has at least one parameter).
const CHALLENGE: &str = "Bearer realm=\"callbook\"";
/// What a call with a token that is not good is told (RFC 6750 3.1).
const INVALID_TOKEN: &str = "Bearer realm=\"callbook\", error=\"invalid_token\"";
/// The same when the token is good and does not reach so far.
const INSUFFICIENT_SCOPE: &str = "Bearer realm=\"callbook\", error=\"insufficient_scope\"";

/// A problem on its way out, with the headers that belong to it.
pub(crate) struct Reply {
    problem: Box<Problem>,
    retry_after_s: Option<u32>,
    /// The header that goes with this status: no problem has more than one.
    with: Option<(HeaderName, HeaderValue)>,
}

impl Reply {
    /// A problem with a stable code, a title that never varies and a detail that may.
    pub(crate) fn new(id: &RequestId, status: u16, code: &str, title: &str, detail: &str) -> Self {
        let problem = Problem {
            kind: format!("/v1/problems/{code}"),
            title: title.to_owned(),
            status,
            detail: detail.to_owned(),
            code: code.to_owned(),
            clause: None,
            parameter: None,
            remedy: None,
            request_id: id.0.clone(),
            errors: Vec::new(),
            retry_after_s: None,
        };
        Self { problem: Box::new(problem), retry_after_s: None, with: None }
    }

    /// The form of the request is wrong; lists every mistake.
    pub(crate) fn invalid(id: &RequestId, errors: Vec<ProblemError>) -> Self {
        let detail = match errors.len() {
            1 => "one mistake; see errors".to_owned(),
            n => format!("{n} mistakes; see errors"),
        };
        let mut reply = Self::new(id, 400, "invalid_request", "The request is not well formed", &detail);
        reply.problem.errors = errors;
        reply
    }

    /// The host is not named, twice, or by what is none.
    pub(crate) fn bad_host(id: &RequestId) -> Self {
        let why = "HTTP/1.1 wants one Host, a name or an address (RFC 9112 3.2)";
        Self::invalid(id, vec![ProblemError::form("Host", "bad_header", why)])
    }

    /// The body is over its bound.
    pub(crate) fn too_large(id: &RequestId, bytes_max: usize) -> Self {
        let detail = format!("a body may have {bytes_max} bytes");
        Self::new(id, 413, "too_large", "The body is too large", &detail)
    }

    /// The body is something else, or does not say what it is.
    pub(crate) fn not_json(id: &RequestId) -> Self {
        let detail = "send `Content-Type: application/json`";
        Self::new(id, 415, "not_json", "The body must be JSON", detail).with(ACCEPT, "application/json")
    }

    /// The same where lines of JSON are wanted.
    pub(crate) fn not_ndjson(id: &RequestId) -> Self {
        let detail = format!("send `Content-Type: {NDJSON}`");
        Self::new(id, 415, "not_ndjson", "The body must be NDJSON", &detail).with(ACCEPT, NDJSON)
    }

    /// The body is compressed or encoded otherwise (RFC 9110 12.5.3, 15.5.16).
    pub(crate) fn encoded(id: &RequestId) -> Self {
        let detail = "send the body as it is, without `Content-Encoding`";
        Self::new(id, 415, "body_encoded", "The body must not be encoded", detail).with(ACCEPT_ENCODING, "identity")
    }

    /// No token, where one is needed.
    pub(crate) fn unauthorized(id: &RequestId, detail: &str) -> Self {
        Self::challenged(id, CHALLENGE, detail)
    }

    /// A token that is not good.
    pub(crate) fn bad_token(id: &RequestId, detail: &str) -> Self {
        Self::challenged(id, INVALID_TOKEN, detail)
    }

    /// Credentials of another kind than tokens are needed: `challenge` says which.
    pub(crate) fn challenged(id: &RequestId, challenge: &'static str, detail: &str) -> Self {
        Self::new(id, 401, "unauthorized", "A valid token is needed", detail).with(WWW_AUTHENTICATE, challenge)
    }

    /// The token is good, and does not reach so far.
    pub(crate) fn forbidden(id: &RequestId, code: &str, title: &str, detail: &str) -> Self {
        Self::new(id, 403, code, title, detail).with(WWW_AUTHENTICATE, INSUFFICIENT_SCOPE)
    }

    /// The same answer for "not registered" and "not yours": no oracle.
    pub(crate) fn no_such_number(id: &RequestId) -> Self {
        Self::new(
            id,
            404,
            "not_found",
            "There is no such number of yours",
            "this number is not registered, or not by you",
        )
    }

    /// A condition on the number's version does not hold; `version` is the present one, if there is one for who asks.
    pub(crate) fn precondition(id: &RequestId, version: Option<u64>) -> Self {
        let detail = match version {
            Some(version) => format!("the number is at version {version}; read it again and base the change on that"),
            None => "there is no such number of yours that a condition could hold for".to_owned(),
        };
        let reply = Self::new(id, 412, "version_mismatch", "The number has changed meanwhile", &detail);
        let etag = version.and_then(|version| HeaderValue::try_from(format!("\"{version}\"")).ok());
        Self { with: etag.map(|etag| (ETAG, etag)), ..reply }
    }

    /// We cannot do it now, but later.
    pub(crate) fn overloaded(id: &RequestId, why: &str, retry_after_s: u32) -> Self {
        Self { retry_after_s: Some(retry_after_s), ..Self::new(id, 503, "unavailable", "Not possible right now", why) }
    }

    /// Nothing is changed any more until the operator has mended it.
    fn frozen(id: &RequestId) -> Self {
        let why = "what the public log has promised and what the ledger says do not agree, so no change is taken; look-ups go on. Nothing was changed";
        let mut reply = Self::new(id, 503, "frozen", "The directory is frozen", why);
        reply.problem.remedy = Some(
            "keep the request and send it again when GET /healthz is well; its operator restores the ledger, or the council opens a new era of \
             the log"
                .to_owned(),
        );
        reply.retry_after_s = Some(FROZEN_RETRY_S);
        reply
    }

    /// Changes are refused for a while, by the operator's decision.
    pub(crate) fn maintenance(id: &RequestId, on: &Maintenance) -> Self {
        let detail = format!("{}. Look-ups and proofs go on; nothing was changed", on.reason);
        let mut reply = Self::new(id, 503, "maintenance", "The directory takes no changes just now", &detail);
        reply.problem.remedy = Some("send the same request again after the time in Retry-After".to_owned());
        reply.retry_after_s = Some(on.retry_after_s);
        reply
    }

    /// Too much at a time, or too often.
    pub(crate) fn too_many(id: &RequestId, why: &str, retry_after_s: u32) -> Self {
        Self { retry_after_s: Some(retry_after_s), ..Self::new(id, 429, "too_many_requests", "Too many requests", why) }
    }

    /// Our fault; the detail stays in the log.
    pub(crate) fn fault(id: &RequestId) -> Self {
        Self::new(
            id,
            500,
            "fault",
            "Something went wrong on our side",
            "it is logged under this request id; nothing was changed half-way",
        )
    }

    /// What the authority refused.
    pub(crate) fn rejected(id: &RequestId, no: Rejection) -> Self {
        match no {
            Rejection::Refused(refusals) => Self::refused(id, &refusals),
            Rejection::NotFound => Self::no_such_number(id),
            Rejection::Forbidden(why) => Self::forbidden(id, "forbidden", "This token may not do that", &why),
            Rejection::Conflict(why) => Self::new(id, 409, "conflict", "This contradicts what is there", &why),
            Rejection::IdempotencyReused => Self::new(
                id,
                422,
                "idempotency_key_reused",
                "This Idempotency-Key was used for another request",
                "the first request with this key had another body; take a new key for a new request",
            ),
            Rejection::IdempotencyInFlight => Self {
                retry_after_s: Some(1),
                ..Self::new(
                    id,
                    409,
                    "idempotency_in_flight",
                    "The first request with this key is still under way",
                    "ask again in a second",
                )
            },
            Rejection::TooMany { retry_after_s, why } => Self::too_many(id, &why, retry_after_s),
            Rejection::Frozen => Self::frozen(id),
            Rejection::Gone(why) => Self::new(id, 410, "cursor_gone", "This cursor is no longer good", &why),
            Rejection::Unavailable { retry_after_s, why } => Self::overloaded(id, &why, retry_after_s),
            Rejection::Fault(detail) => {
                tracing::error!(request_id = %id.0, detail, "fault");
                Self::fault(id)
            }
        }
    }

    fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.with = Some((name, HeaderValue::from_static(value)));
        self
    }

    fn refused(id: &RequestId, refusals: &[Refusal]) -> Self {
        let Some(first) = refusals.first() else { return Self::fault(id) };
        let mut reply = Self::new(id, status_of(first.class), first.code, &title_of(first.code), &first.detail);
        if first.code == "not_found" {
            return Self::no_such_number(id);
        }
        reply.problem.clause = Some(first.clause.to_owned());
        reply.problem.parameter = first.parameter.map(str::to_owned);
        reply.problem.remedy = Some(first.remedy.clone());
        reply.problem.errors = refusals.iter().map(listed).collect();
        reply.retry_after_s = (first.class == Class::Quota).then_some(QUOTA_RETRY_S);
        reply
    }
}

/// The HTTP status of a class of refusals.
pub(crate) fn status_of(class: Class) -> u16 {
    match class {
        Class::Malformed => 400,
        Class::Unlawful => 422,
        Class::Forbidden => 403,
        Class::NotFound => 404,
        Class::Conflict => 409,
        Class::Stale => 412,
        Class::Quota => 429,
    }
}

/// A code as a title: `token_replayed` reads "Token replayed".
pub(crate) fn title_of(code: &str) -> String {
    let words = code.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn listed(refusal: &Refusal) -> ProblemError {
    ProblemError {
        pointer: refusal.pointer.clone(),
        code: refusal.code.to_owned(),
        detail: refusal.detail.clone(),
        clause: Some(refusal.clause.to_owned()),
        parameter: refusal.parameter.map(str::to_owned),
        remedy: Some(refusal.remedy.clone()),
        epp: refusal.epp,
    }
}

impl Reply {
    /// The problem itself, for where it is not the whole answer.
    pub(crate) fn into_problem(self) -> Problem {
        *self.problem
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.problem).unwrap_or_default(); // strings and numbers always serialise
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        headers.extend(self.with);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::refusal::{QUOTA_PREPARES, TOKEN_REPLAYED};

    #[test]
    fn a_quota_says_when_to_ask_again() {
        let id = RequestId("r1".to_owned());
        let headers = |refusal: Refusal| Reply::refused(&id, &[refusal]).into_response().headers().clone();
        let quota = headers(QUOTA_PREPARES.at("", "full"));
        assert_eq!(quota.get(RETRY_AFTER).and_then(|v| v.to_str().ok()), Some("3600"));
        assert_eq!(headers(TOKEN_REPLAYED.at("/validation", "used")).get(RETRY_AFTER), None);
    }
}

//! What handlers take from a request: its id, who asks, a bounded body, the number in its path, conditions.

use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, IF_MATCH};
use axum::http::request::Parts;
use http_body_util::BodyExt;

use crate::api::{BODY_BYTES_MAX, ProblemError};
use crate::authority::{Actor, Idempotency, KEY_LEN_MAX, Party, Rejection};
use crate::http::Api;
use crate::http::fields::{self, Read};
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::log::bytes::{from_base64url, to_base64url};
use crate::log::label::Label;
use crate::log::sha256;
use crate::number::Number;
use crate::registry::refusal;

/// How much of an oversized body is read away before the answer, so that the sender hears it instead of a broken pipe.
const DRAIN_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The longest that `Prefer: wait=` is honoured; the request limit is 30 s.
pub(crate) const WAIT_S_MAX: u64 = 25;

/// Where a person without a key sets the first one.
const FIRST_KEY: &str = "/v1/staff/key";

/// Who asks, by bearer token (RFC 6750).
pub(crate) struct Caller(pub Actor);

impl FromRequestParts<Api> for Caller {
    type Rejection = Reply;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Reply> {
        let Ok(id) = RequestId::from_request_parts(parts, api).await;
        let credentials =
            parts.headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.split_once(' '));
        // A scheme has no case (RFC 9110 11.1).
        let Some((_, token)) = credentials.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer")) else {
            return Err(Reply::unauthorized(&id, "this call needs a token: send `Authorization: Bearer cb_…`"));
        };
        match api.authority.authenticate(token.trim()) {
            Some(Actor { certificate: Some(bound), .. })
                if api.limits.client_certificate(&parts.headers, &parts.extensions) != Some(bound) =>
            {
                let why = "this token is bound to a client certificate, which this connection has not shown";
                Err(Reply::unauthorized(&id, why))
            }
            // The first admin sets his key with the token of `init`: that alone it still does, and once.
            Some(Actor { certificate: None, party: Party::Operator, .. })
                if api.limits.wants_bound_staff() && parts.uri.path() != FIRST_KEY =>
            {
                let why = "this token is not bound to a client certificate, and here those of the staff must be";
                Err(Reply::rejected(&id, refusal::STAFF_UNBOUND.at("", why).into()))
            }
            Some(actor) => Ok(Self(actor)),
            None => Err(Reply::unauthorized(
                &id,
                "this token is unknown, expired or revoked; ask the operator for a new one",
            )),
        }
    }
}

/// A caller who acts for the operator.
pub(crate) struct Operator(pub Actor);

impl FromRequestParts<Api> for Operator {
    type Rejection = Reply;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Reply> {
        let Ok(id) = RequestId::from_request_parts(parts, api).await;
        let Caller(actor) = Caller::from_request_parts(parts, api).await?;
        match actor.party {
            Party::Operator => Ok(Self(actor)),
            Party::Provider(_) => Err(Reply::new(
                &id,
                403,
                "operator_only",
                "Only the operator may do this",
                "this call needs an operator's token",
            )),
        }
    }
}

/// The number in the path, `+…` or `%2B…`.
pub(crate) struct PathNumber(pub Number);

impl FromRequestParts<Api> for PathNumber {
    type Rejection = Reply;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Reply> {
        let Ok(id) = RequestId::from_request_parts(parts, api).await;
        let text = match Path::<String>::from_request_parts(parts, api).await {
            Ok(Path(text)) => text,
            Err(_) => {
                return Err(Reply::invalid(
                    &id,
                    vec![ProblemError::form("number", "not_utf8", "the path is not UTF-8")],
                ));
            }
        };
        number_of(&text, "number").map(Self).map_err(|mistake| Reply::invalid(&id, vec![mistake]))
    }
}

/// Reads a number or says what is wrong with it.
pub(crate) fn number_of(text: &str, pointer: &str) -> Result<Number, ProblemError> {
    Number::parse(text).map_err(|why| ProblemError {
        remedy: Some("write the number in international form, + first: /v1/numbers/+447700900123".to_owned()),
        ..ProblemError::form(pointer, "bad_number", why.to_string())
    })
}

/// A JSON body, read whole within its bound, with all its mistakes told; keeps its digest for the idempotency check.
pub(crate) struct Body<T> {
    /// What it says.
    pub value: T,
    /// SHA-256 of method, path and bytes: what "the same request" means.
    pub digest: [u8; 32],
}

impl<T: Read> FromRequest<Api> for Body<T> {
    type Rejection = Reply;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Reply> {
        let (mut parts, body) = request.into_parts();
        let Ok(id) = RequestId::from_request_parts(&mut parts, api).await;
        let is_json =
            parts.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).is_some_and(|v| {
                v.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
            });
        let bytes = bounded(body, &parts.headers).await.map_err(|why| why.told(&id))?;
        if !is_json {
            return Err(Reply::not_json(&id));
        }
        let value = fields::read(&bytes).map_err(|mistakes| Reply::invalid(&id, mistakes))?;
        let digest = sha256(&[parts.method.as_str().as_bytes(), b" ", parts.uri.path().as_bytes(), b"\n", &bytes]);
        Ok(Self { value, digest })
    }
}

/// A JSON body that may be left out whole: then every field has its default.
pub(crate) struct OptionalBody<T>(pub T);

impl<T: Read + Default> FromRequest<Api> for OptionalBody<T> {
    type Rejection = Reply;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Reply> {
        if request.headers().contains_key(CONTENT_TYPE) {
            return Body::from_request(request, api).await.map(|body: Body<T>| Self(body.value));
        }
        // Nothing says what the body is: then there must be none, however its end is told.
        let (mut parts, body) = request.into_parts();
        let Ok(id) = RequestId::from_request_parts(&mut parts, api).await;
        match bounded(body, &parts.headers).await {
            Ok(bytes) if bytes.is_empty() => Ok(Self(T::default())),
            Ok(_) => Err(Reply::not_json(&id)),
            Err(why) => Err(why.told(&id)),
        }
    }
}

pub(crate) enum Unread {
    TooLong,
    Broken,
}

impl Unread {
    pub(crate) fn told(self, id: &RequestId) -> Reply {
        match self {
            Self::TooLong => Reply::too_large(id, BODY_BYTES_MAX),
            Self::Broken => {
                Reply::invalid(id, vec![ProblemError::form("", "body_cut", "the body ended before its length")])
            }
        }
    }
}

/// Reads a body up to the bound. What is over it is read away (bounded too) and thrown away.
pub(crate) async fn bounded(mut body: axum::body::Body, headers: &HeaderMap) -> Result<Vec<u8>, Unread> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<usize>().ok());
    let (mut bytes, mut seen) = (Vec::with_capacity(announced.unwrap_or(0).min(BODY_BYTES_MAX)), 0usize);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen <= BODY_BYTES_MAX {
            bytes.extend_from_slice(&data);
        } else if seen > DRAIN_BYTES_MAX {
            break;
        }
    }
    if seen > BODY_BYTES_MAX { Err(Unread::TooLong) } else { Ok(bytes) }
}

/// Reads the `Idempotency-Key` header.
pub(crate) fn idempotency(headers: &HeaderMap, digest: [u8; 32]) -> Result<Option<Idempotency>, ProblemError> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    let fits = (1..=KEY_LEN_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    match fits {
        true => Ok(Some(Idempotency { key: text.to_owned(), request: digest })),
        false => Err(ProblemError::form(
            "Idempotency-Key",
            "bad_header",
            "1 to 128 visible ASCII characters, such as a UUID",
        )),
    }
}

/// The version that `If-Match` asks for: `None` without the header or for `*`.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<u64>, ProblemError> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let version = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).and_then(|t| t.parse().ok());
    version.map(Some).ok_or_else(|| {
        ProblemError::form("If-Match", "bad_header", "the ETag of the number is needed, such as \"3\" in quotes")
    })
}

/// How long the caller is ready to wait for publication: `Prefer: wait=5` (RFC 7240 4.3), in milliseconds.
pub(crate) fn prefer_wait_ms(headers: &HeaderMap) -> u64 {
    let preferences =
        headers.get_all("prefer").into_iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split([',', ';']));
    let seconds = preferences.filter_map(|p| p.trim().strip_prefix("wait=")).find_map(|s| s.trim().parse::<u64>().ok());
    seconds.unwrap_or(0).min(WAIT_S_MAX) * 1000
}

/// A value of the query string, plus signs and percent signs as they stand: our values need neither.
pub(crate) fn query_value(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
}

/// A cursor over labels: sealed in nothing, for who may list may know them.
pub(crate) fn label_cursor(query: Option<&str>) -> Result<Option<Label>, ProblemError> {
    let Some(text) = query_value(query, "cursor") else { return Ok(None) };
    let label = from_base64url(&text).and_then(|raw| raw.try_into().ok()).map(Label);
    label.map(Some).ok_or_else(|| ProblemError::form("cursor", "bad_value", "give `next` of the page before"))
}

/// The same as text.
pub(crate) fn shown_cursor(label: &Label) -> String {
    to_base64url(&label.0)
}

/// Runs what waits for the disk on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(
    id: &RequestId,
    work: impl FnOnce() -> Result<T, Rejection> + Send + 'static,
) -> Result<T, Reply> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|no| Reply::rejected(id, no)),
        Err(_panic) => Err(Reply::fault(id)),
    }
}

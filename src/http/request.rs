//! What handlers take from a request: its id, who asks, a bounded body, the number in its path, conditions.

use axum::extract::{self, FromRequest, FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
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
        if parts.headers.get_all(AUTHORIZATION).into_iter().count() > 1 {
            return Err(Reply::bad_token(&id, "`Authorization` came twice: who is asking?"));
        }
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
                Err(Reply::bad_token(&id, why))
            }
            // The first admin sets his key with the token of `init`: that alone it still does, and once.
            Some(Actor { certificate: None, party: Party::Operator, .. })
                if api.limits.wants_bound_staff() && parts.uri.path() != FIRST_KEY =>
            {
                let why = "this token is not bound to a client certificate, and here those of the staff must be";
                Err(Reply::rejected(&id, refusal::STAFF_UNBOUND.at("", why).into()))
            }
            Some(actor) => Ok(Self(actor)),
            None => {
                Err(Reply::bad_token(&id, "this token is unknown, expired or revoked; ask the operator for a new one"))
            }
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
            Party::Provider(_) => Err(Reply::forbidden(
                &id,
                "operator_only",
                "Only the operator may do this",
                "this call needs an operator's token",
            )),
        }
    }
}

/// The one parameter of a path; what is no text is told as every other mistake.
pub(crate) struct Path<T>(pub T);

impl FromRequestParts<Api> for Path<String> {
    type Rejection = Reply;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Reply> {
        let Ok(id) = RequestId::from_request_parts(parts, api).await;
        let mistake = |_| Reply::invalid(&id, vec![ProblemError::form("path", "not_utf8", "the path is not UTF-8")]);
        extract::Path::from_request_parts(parts, api).await.map(|extract::Path(text)| Self(text)).map_err(mistake)
    }
}

/// The number in the path, `+…` or `%2B…`.
pub(crate) struct PathNumber(pub Number);

impl FromRequestParts<Api> for PathNumber {
    type Rejection = Reply;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Reply> {
        let Ok(id) = RequestId::from_request_parts(parts, api).await;
        let Path(text) = Path::from_request_parts(parts, api).await?;
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
    Encoded,
    TooLong,
    Broken,
}

impl Unread {
    pub(crate) fn told(self, id: &RequestId) -> Reply {
        match self {
            Self::Encoded => Reply::encoded(id),
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
    match seen {
        _ if seen > BODY_BYTES_MAX => Err(Unread::TooLong),
        _ if is_encoded(headers) => Err(Unread::Encoded),
        _ => Ok(bytes),
    }
}

/// Whether the body is not what it says but an encoding of it: nobody shall make us unpack something.
pub(crate) fn is_encoded(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(CONTENT_ENCODING).into_iter();
    codings.map(|value| value.as_bytes().trim_ascii()).any(|coding| !coding.eq_ignore_ascii_case(b"identity"))
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

/// How long the caller is ready to wait for publication: `Prefer: wait=5` (RFC 7240 4.3), in milliseconds. Names have no
/// case, the value may be quoted, what it says further is not ours (RFC 7240 2); the first of several counts.
pub(crate) fn prefer_wait_ms(headers: &HeaderMap) -> u64 {
    let preferences = headers.get_all("prefer").into_iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
    let seconds = preferences.filter_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        let is_wait = name.trim().eq_ignore_ascii_case("wait");
        is_wait.then(|| value.trim().trim_matches('"').parse::<u64>().ok())
    });
    seconds.flatten().next().unwrap_or(0).min(WAIT_S_MAX) * 1000
}

/// A value of the query string, plus signs and percent signs as they stand: our values need neither.
pub(crate) fn query_value(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
}

/// A cursor over labels: sealed in nothing, for who may list may know them.
pub(crate) fn label_cursor(text: &str) -> Option<Label> {
    from_base64url(text)?.try_into().ok().map(Label)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preference_is_read_as_the_rfc_writes_it() {
        let wait =
            |value: &str| prefer_wait_ms(&HeaderMap::from_iter([("prefer".parse().unwrap(), value.parse().unwrap())]));
        for value in
            ["wait=5", "Wait = 5", "respond-async, wait=5", "wait=\"5\"", "wait=5; strict, wait=7", "x; wait=9, wait=5"]
        {
            assert_eq!(wait(value), 5000, "{value}");
        }
        for value in ["", "wait", "wait=", "wait=soon", "wait=-1", "waiting=5", "respond-async; wait=5", "wait=1.5"] {
            assert_eq!(wait(value), 0, "{value}");
        }
        assert_eq!(wait("wait=999999"), WAIT_S_MAX * 1000);
    }
}

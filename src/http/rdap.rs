//! `/rdap/…`: registration data by RFC 7480: GET and HEAD, RDAP's media type, open to pages of other origins.
//!
//! Numbers are shown to their provider and to the operator, by bearer token. Everybody else gets one and the same answer for
//! every number, and nothing is looked up for them.

use axum::Extension;
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{MatchedPath, Path, RawQuery, Request, State};
use axum::http::header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::any;

use crate::api::Problem;
use crate::api::problem::MEDIA_TYPE as PROBLEM;
use crate::authority::{Actor, Authority, Rejection};
use crate::http::Api;
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::request::{Caller, blocking};
use crate::number::Number;
use crate::rdap::{self, Answer, Object, Query, Unread};

/// The media type of every answer, errors too (RFC 7480 4.2, RFC 9083).
const MEDIA_TYPE: &str = "application/rdap+json";
/// The route of queries: what stands behind it is read here, so that no name is ever part of a route that is logged or counted.
const ROUTE: &str = "/rdap/{*query}";
/// More than any problem of ours has.
const PROBLEM_BYTES_MAX: usize = 64 * 1024;
const CORS_METHODS: HeaderName = HeaderName::from_static("access-control-allow-methods");

/// The route.
pub(crate) fn router() -> Router<Api> {
    Router::new().route(ROUTE, any(answer)).route("/rdap", any(no_query)).route("/rdap/", any(no_query))
}

/// Nothing is asked for.
async fn no_query(method: Method) -> Response {
    not_read(&method).unwrap_or_else(nothing)
}

async fn answer(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    method: Method,
    path: Result<Path<String>, PathRejection>,
    RawQuery(search): RawQuery,
    caller: Result<Caller, Reply>,
) -> Response {
    if let Some(answer) = not_read(&method) {
        return answer;
    }
    let Ok(Path(path)) = path else { return malformed("the path is not UTF-8") };
    let query = match Query::read(&path, search.as_deref(), &api.apex) {
        Ok(query) => query,
        Err(Unread::Malformed(why)) => return malformed(why),
        Err(Unread::NotOffered) => {
            return said(501, "Not offered here", &["This directory has domains, nameservers and entities: see help."]);
        }
        Err(Unread::NoPath) => return nothing(),
    };
    let actor = caller.ok().map(|Caller(actor)| actor);
    match found(api, &id, query, actor).await {
        Ok(Some(answer)) => written(StatusCode::OK, &answer),
        Ok(None) => nothing(),
        Err(reply) => reply.into_response(),
    }
}

/// The answer to a method that reads nothing.
fn not_read(method: &Method) -> Option<Response> {
    match *method {
        Method::GET | Method::HEAD => None,
        // A page of another origin that shows a token asks first.
        Method::OPTIONS => Some(StatusCode::NO_CONTENT.into_response()),
        _ => Some(said(405, "This method is not offered here", &["RDAP is read by GET and HEAD."])),
    }
}

async fn found(api: Api, id: &RequestId, query: Query, actor: Option<Actor>) -> Result<Option<Answer>, Reply> {
    let epoch_ms = api.authority.vitals().epoch_ms;
    let zone = || {
        let zone = api.zone.clone();
        blocking(id, move || Ok(zone()))
    };
    Ok(match query {
        Query::Help => Some(rdap::help(&api.apex)),
        Query::Apex => Some(Object::apex(&zone().await?, epoch_ms).answer()),
        Query::Nameserver(name) => zone().await?.host(&name).map(|host| Object::host(host).answer()),
        Query::Entity(handle) => {
            let register = api.authority.providers();
            // Ids are in lower case; some clients show them in capitals.
            let id = handle.to_ascii_lowercase();
            register.iter().find(|one| one.id == id).map(|one| Object::entity(one).answer())
        }
        Query::Entities(pattern) => Some(rdap::found(&api.authority.providers(), &pattern)),
        Query::Number(number) => {
            let Some(actor) = actor else { return Ok(None) };
            blocking(id, move || number_of(&api.authority, &actor, number, &api.apex)).await?
        }
        Query::Elsewhere => None,
    })
}

fn number_of(authority: &Authority, actor: &Actor, number: Number, apex: &str) -> Result<Option<Answer>, Rejection> {
    let Some(registration) = authority.registration(actor, number)? else { return Ok(None) };
    let register = authority.providers();
    let provider = register.iter().find(|one| one.id == registration.provider);
    Ok(Some(Object::number(&registration, provider, apex).answer()))
}

fn written(status: StatusCode, answer: &Answer) -> Response {
    let body = serde_json::to_vec(answer).unwrap_or_default(); // texts and numbers always serialise
    (status, [(CONTENT_TYPE, MEDIA_TYPE)], body).into_response()
}

fn said(status: u16, title: &str, description: &[&str]) -> Response {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    written(code, &rdap::error(status, title, description))
}

fn malformed(why: &str) -> Response {
    said(400, "The query is not well formed", &[why])
}

/// The one answer for whatever is not there, or not for the one who asks.
fn nothing() -> Response {
    let why =
        "there is no such object here, or it is not shown to you: a number is shown to its provider, by bearer token";
    said(404, "There is nothing here", &[why])
}

/// Gives what other parts answered under RDAP's path (a limit, a fault) its form too, and every answer its headers.
pub(crate) async fn in_its_form(request: Request, next: Next) -> Response {
    let is_rdap = request.extensions().get::<MatchedPath>().is_some_and(|path| path.as_str().starts_with("/rdap"));
    let response = next.run(request).await;
    if !is_rdap {
        return response;
    }
    let is_problem = response.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes() == PROBLEM.as_bytes());
    let mut response = if is_problem { translated(response).await } else { response };
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::METHOD_NOT_ALLOWED) {
        let headers = response.headers_mut();
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
        headers.insert(CORS_METHODS, HeaderValue::from_static("GET, HEAD"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization"));
    }
    response
}

async fn translated(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let problem = axum::body::to_bytes(body, PROBLEM_BYTES_MAX).await.ok();
    let problem = problem.and_then(|bytes| serde_json::from_slice::<Problem>(&bytes).ok());
    let (title, detail) = problem.map_or_else(Default::default, |problem| (problem.title, problem.detail));
    let error = rdap::error(parts.status.as_u16(), &title, &[&detail]);
    let body = serde_json::to_vec(&error).unwrap_or_default(); // texts and numbers always serialise
    parts.headers.remove(axum::http::header::CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    Response::from_parts(parts, Body::from(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_parts_answer_gets_rdaps_form() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let told = runtime.block_on(async {
            let limit = Reply::too_many(&RequestId("r1".to_owned()), "this address asks too often", 7);
            let (parts, body) = translated(limit.into_response()).await.into_parts();
            (parts, axum::body::to_bytes(body, PROBLEM_BYTES_MAX).await.unwrap())
        });
        let (parts, body) = (told.0, serde_json::from_slice::<serde_json::Value>(&told.1).unwrap());
        assert_eq!((parts.status.as_u16(), &body["errorCode"]), (429, &serde_json::json!(429)));
        assert_eq!(body["description"], serde_json::json!(["this address asks too often"]));
        assert_eq!(parts.headers[CONTENT_TYPE], MEDIA_TYPE);
        assert_eq!(parts.headers["retry-after"], "7");
    }
}

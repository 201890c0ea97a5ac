//! A no as a page: what the API says as a problem (RFC 9457), with clause and remedy, for people.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use crate::api::Problem;
use crate::api::problem::MEDIA_TYPE;
use crate::http::Api;
use crate::http::console::{ROOT, alone};
use crate::http::pages::headers;
use crate::http::pages::parts::{Tone, notice, worded};

/// More than any problem of ours has.
const PROBLEM_BYTES_MAX: usize = 64 * 1024;

/// Around the console: whatever is answered as a problem becomes a page, and every answer has the headers of a page.
pub(crate) async fn in_its_form(State(api): State<Api>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_console = path.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let mut response = next.run(request).await;
    if !is_console || api.console.is_none() {
        return response;
    }
    if response.headers().get(CONTENT_TYPE).is_some_and(|media| media == MEDIA_TYPE) {
        response = page(&api, response).await;
    }
    headers::guard(response.headers_mut());
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn page(api: &Api, response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, PROBLEM_BYTES_MAX).await.unwrap_or_default();
    let Ok(mut problem) = serde_json::from_slice::<Problem>(&bytes) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    if problem.title == "There is no such number of yours" {
        // What the API says whenever the authority finds nothing; here it is seldom a number.
        problem.title = "There is nothing here".to_owned();
        problem.detail = "what was asked for does not exist, or not any more".to_owned();
    }
    let body = html! {
        h1 { (problem.title) }
        (told(&problem))
        p { a href=(ROOT) { "To the first page" } " · use the browser's way back to try again" }
    };
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut shown = alone(api, &problem.title, body).with_status(status).into_response();
    for name in [RETRY_AFTER, "x-request-id".parse().unwrap_or(RETRY_AFTER)] {
        if let Some(value) = parts.headers.get(&name) {
            shown.headers_mut().insert(name, value.clone());
        }
    }
    shown
}

/// A problem in a page: what is wrong, by which clause, what to do, and the id under which it is logged.
pub(crate) fn told(problem: &Problem) -> Markup {
    let tone = if problem.status >= 500 { Tone::Bad } else { Tone::Warn };
    notice(
        tone,
        &problem.title,
        html! {
            @if problem.errors.is_empty() { p { (problem.detail) } }
            @for one in &problem.errors {
                p { @if !one.pointer.is_empty() { code { (one.pointer.trim_start_matches('/')) } ": " } (one.detail)
                    @if let Some(remedy) = one.remedy.as_ref().filter(|_| problem.errors.len() > 1) { " " (remedy) } }
            }
            @if let Some(remedy) = &problem.remedy { p { strong { "What to do: " } (worded(remedy)) } }
            p { small {
                "code " code { (problem.code) }
                @if let Some(clause) = &problem.clause { ", clause " a href={ "/console/charter#c" (clause) } { (clause) } }
                ", request " code { (problem.request_id) }
            } }
        },
    )
}

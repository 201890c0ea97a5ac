//! Around every request: an id, a time limit, contained panics, one log line without personal data, a counter.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, HOST, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use tracing::{error, info};

use crate::http::Api;
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::{batches, log};

/// The longest that a request may take (REGISTRY 8). Far above what any call needs: waiting for an epoch is capped at 30 s less.
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// The same for a batch: its 16 MiB come in that time over a line of 1 Mbit/s.
const BATCH_MAX: Duration = Duration::from_secs(150);

/// Routes that are posted to and change nothing.
const ASKS: [&str; 2] = ["/v1/proofs", "/v1/monitor"];

/// Wraps one request. The route's template is logged, never the path: a path holds a number.
pub(crate) async fn every_request(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let mut random = [0u8; 12];
    let id = match api.random.fill(&mut random) {
        Ok(()) => RequestId(HEXLOWER.encode(&random)),
        Err(_) => RequestId("no-randomness".to_owned()),
    };
    let route = request.extensions().get::<MatchedPath>().map_or("(none)", |p| p.as_str()).to_owned();
    let method = request.method().clone();
    let started_ms = api.clock.now_ms();
    request.extensions_mut().insert(id.clone());
    let of_log = route.strip_prefix(log::ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let asked = match of_log {
        true => api.limits.log_file(request.headers(), request.extensions(), started_ms),
        false => api.limits.request(request.headers(), request.extensions(), started_ms),
    };
    let names_host = request.version() != Version::HTTP_11 || names_one_host(request.headers());
    let patience = if route == batches::ROUTE { BATCH_MAX } else { REQUEST_MAX };
    let answer = match asked {
        Ok(()) if !names_host => Ok(Some(Reply::bad_host(&id).into_response())),
        Ok(()) => match api.authority.maintenance().filter(|_| changes(&method, &route)) {
            Some(on) => Ok(Some(Reply::maintenance(&id, &on).into_response())),
            None => tokio::time::timeout(patience, contained(next.run(request))).await,
        },
        Err(wait_s) => Ok(Some(Reply::too_many(&id, "this address or token asks too often", wait_s).into_response())),
    };
    let mut response = match answer {
        Ok(Some(response)) => response,
        Ok(None) => {
            error!(request_id = %id.0, %method, route, "a request met a fault");
            Reply::fault(&id).into_response()
        }
        Err(_too_late) => {
            let why = format!("this took longer than {} seconds", patience.as_secs());
            Reply::overloaded(&id, &why, 5).into_response()
        }
    };
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert("x-request-id", value);
    }
    guard(response.headers_mut());
    if of_log {
        // Whoever checks a log in a browser reads it from a page of somebody else.
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        response.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("etag"));
    }
    let took_ms = api.clock.now_ms().saturating_sub(started_ms);
    let status = response.status().as_u16();
    api.metrics.http_request(&route, method.as_str(), status);
    info!(request_id = %id.0, %method, route, status, took_ms, "request");
    response
}

/// Nobody guesses what an answer is, and nobody keeps one that does not say so itself: most are for one caller alone.
fn guard(headers: &mut HeaderMap) {
    headers.entry(X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// Whether the host stands there once and is one (RFC 9112 3.2 wants 400 otherwise): servers in front of us that disagree about
/// which host is meant could be played off against each other.
fn names_one_host(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).into_iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.is_empty() || host.to_str().is_ok_and(is_host),
        _ => false,
    }
}

/// A name or an address with or without a port, and no user.
fn is_host(text: &str) -> bool {
    text.parse::<Authority>().is_ok() && !text.contains('@')
}

/// Whether a request may change something: by its method, but for questions that are too long for a path.
fn changes(method: &Method, route: &str) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) && !ASKS.contains(&route)
}

/// Runs a handler; a panic in it ends the request, not the server (ARCHITECTURE, rule 8).
async fn contained(run: impl Future<Output = Response>) -> Option<Response> {
    let mut run = std::pin::pin!(AssertUnwindSafe(run));
    std::future::poll_fn(move |cx| {
        let run = &mut run;
        match std::panic::catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(_panic) => std::task::Poll::Ready(None),
        }
    })
    .await
}

/// An unknown path.
pub(crate) async fn no_such_route(id: RequestId) -> Reply {
    Reply::new(&id, 404, "not_found", "There is nothing here", "no such path; the API is described at /v1/openapi.json")
}

/// A known path with another method.
pub(crate) async fn no_such_method(id: RequestId, method: Method) -> Reply {
    let detail = format!("{method} is not offered here; the Allow header lists what is");
    Reply::new(&id, 405, "method_not_allowed", "This method is not offered here", &detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_one_host() {
        let names = |hosts: &[&str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, host.parse().unwrap());
            }
            names_one_host(&headers)
        };
        for host in ["callbook.example", "127.0.0.1:8300", "[::1]:8300", "xn--bcher-kva.example", ""] {
            assert!(names(&[host]), "{host}");
        }
        for hosts in
            [&[][..], &["a.example", "a.example"], &["a.example, b.example"], &["user@a.example"], &["a.example/x"]]
        {
            assert!(!names(hosts), "{hosts:?}");
        }
    }
}

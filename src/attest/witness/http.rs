//! `POST /add-checkpoint`: a witness over HTTP, as C2SP tlog-witness has it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Extension, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::sync::Semaphore;

use crate::attest::witness::rates::Rates;
use crate::attest::witness::{Answer, Witness};
use crate::clock::Clock;

/// A proof of 63 hashes, a checkpoint, and the signature lines of many witnesses.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Checkpoints that are looked at at the same time: each waits for the disk once.
const AT_WORK_MAX: usize = 32;

/// What the handler needs.
struct Desk {
    witness: Arc<Witness>,
    clock: Arc<dyn Clock>,
    rates: Rates,
    places: Semaphore,
}

/// A witness as a router, for a listener that tells who asks. `secret` must be random; `requests_per_s` are for one address.
pub fn router(witness: Arc<Witness>, clock: Arc<dyn Clock>, requests_per_s: u32, secret: [u8; 16]) -> Router {
    let rates = Rates::new(requests_per_s, secret);
    let desk = Desk { witness, clock, rates, places: Semaphore::new(AT_WORK_MAX) };
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(desk))
}

async fn add_checkpoint(
    State(desk): State<Arc<Desk>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    body: Bytes,
) -> Response {
    let now_ms = desk.clock.now_ms();
    if let Some(Extension(ConnectInfo(peer))) = peer
        && let Err(wait_s) = desk.rates.take(peer.ip(), now_ms)
    {
        let mut response = said(StatusCode::TOO_MANY_REQUESTS, "too many requests from this address\n".to_owned());
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait_s));
        return response;
    }
    let Ok(body) = String::from_utf8(body.to_vec()) else {
        return said(StatusCode::BAD_REQUEST, "the body is not UTF-8\n".to_owned());
    };
    let Ok(_place) = desk.places.acquire().await else { return trouble() };
    let (witness, now_s) = (Arc::clone(&desk.witness), desk.clock.now_s());
    let answer = tokio::task::spawn_blocking(move || witness.add_checkpoint(&body, now_s)).await;
    answer.map_or_else(|_panicked| trouble(), reply)
}

fn reply(answer: Answer) -> Response {
    match answer {
        Answer::Cosigned(line) => said(StatusCode::OK, line),
        Answer::Malformed(why) => said(StatusCode::BAD_REQUEST, format!("{why}\n")),
        Answer::NotSigned => said(StatusCode::FORBIDDEN, "no good signature by a key of this log\n".to_owned()),
        Answer::UnknownLog => said(StatusCode::NOT_FOUND, "this witness does not look after that log\n".to_owned()),
        Answer::Conflict(size) => {
            let mut response = said(StatusCode::CONFLICT, format!("{size}\n"));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/x.tlog.size"));
            response
        }
        Answer::BadProof => {
            let why = "the proof does not show that the log goes on from the old size\n";
            said(StatusCode::UNPROCESSABLE_ENTITY, why.to_owned())
        }
        Answer::Trouble => trouble(),
    }
}

fn trouble() -> Response {
    said(StatusCode::INTERNAL_SERVER_ERROR, "not possible just now\n".to_owned())
}

fn said(status: StatusCode, text: String) -> Response {
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

//! `/v1/charter/trust`: the trust repository as files, which clients read by the rules of TUF. What has a number or a digest in
//! its name never changes.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa::ToSchema;

use crate::api::Problem;
use crate::http::Api;
use crate::http::id::RequestId;
use crate::http::log::{self, FOR_EVER};
use crate::http::problem::Reply;
use crate::http::request::blocking;

/// Where the files lie.
const ROOT: &str = "/v1/charter/trust/";
/// The one file that changes under its name: old after a minute.
const SHORT: &str = "public, max-age=60";
const TIMESTAMP: &str = "timestamp.json";

/// The bytes of a file of the trust repository, as they were signed.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(crate) struct FileBytes(#[allow(dead_code, reason = "describes bytes that are sent as they are")] Vec<u8>);

/// Names with slashes, which the description cannot tell: it shows them as one parameter.
pub(crate) fn files() -> Router<Api> {
    Router::new().route("/v1/charter/trust/{*path}", get(file))
}

/// A file of the trust repository: who may sign what for this directory, and what they signed.
///
/// Metadata and targets as the specification of TUF 1.0 names them, with consistent snapshots: `1.root.json`, `timestamp.json`,
/// `targets/{digest}.charter.md`. `callbook charter verify` reads them, and so does any other client of TUF. The slashes of a
/// path are not escaped. 404 where the directory has no such repository.
#[utoipa::path(get, path = "/v1/charter/trust/{path}", tag = "charter",
    params(("path" = String, Path, description = "`timestamp.json`, `1.root.json`, `targets/{digest}.policy.toml`")),
    responses((status = 200, body = FileBytes, content_type = "application/octet-stream"),
    (status = 304, description = "It is still the one that you have"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn file(State(api): State<Api>, id: RequestId, uri: Uri, headers: HeaderMap) -> Response {
    let Some(name) = uri.path().strip_prefix(ROOT).map(str::to_owned) else { return nothing(&id) };
    let caching = if name == TIMESTAMP { SHORT } else { FOR_EVER };
    match blocking(&id, move || api.authority.trust_file(&name)).await {
        Ok(Some(body)) => log::sent(&headers, body, "application/octet-stream", caching),
        Ok(None) => nothing(&id),
        Err(reply) => reply.into_response(),
    }
}

fn nothing(id: &RequestId) -> Response {
    let detail =
        "no such file of the trust repository: timestamp.json leads to what there is, if the directory has one";
    Reply::new(id, 404, "not_found", "There is nothing here", detail).into_response()
}

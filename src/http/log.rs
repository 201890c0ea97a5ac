//! `/v1/log`: both logs as C2SP tlog-tiles has them. A checkpoint is always asked for anew; a tile never changes.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use data_encoding::HEXLOWER;
use utoipa::ToSchema;

use crate::api::Problem;
use crate::api::log::{LogInfo, LogKind, Logs};
use crate::authority::{Authority, Leaves, LogFacts, Rejection};
use crate::http::Api;
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::request::blocking;
use crate::log::sha256;
use crate::log::tile::{Log, Tile};

/// Where everything of this file lies.
pub(crate) const ROOT: &str = "/v1/log";
/// A checkpoint may be kept, and is compared before it is used again.
pub(super) const ASK_AGAIN: &str = "no-cache";
/// A tile is the same for ever.
pub(super) const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Bytes of the hash that an `ETag` shows: no two bodies share them.
const ETAG_BYTES: usize = 16;

/// The bytes of a tile: hashes, or a bundle of leaves.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(crate) struct TileBytes(#[allow(dead_code, reason = "describes bytes that are sent as they are")] Vec<u8>);

/// Names without end, which the description cannot tell: it shows them as one parameter.
pub(crate) fn tiles() -> Router<Api> {
    Router::new()
        .route("/v1/log/gov/tile/{*path}", get(gov_tile))
        .route("/v1/log/map/{era}/tile/{*path}", get(map_tile))
}

/// The public logs: where they are, how long they are, and the keys that sign them.
///
/// First the gov log, then the map log; behind it the map logs of eras that are closed, the newest first.
#[utoipa::path(get, path = "/v1/log", tag = "log", responses((status = 200, body = Logs),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn list(State(api): State<Api>, id: RequestId) -> Result<Json<Logs>, Reply> {
    let logs = blocking(&id, move || api.authority.logs()).await?;
    Ok(Json(Logs { logs: logs.into_iter().map(shown).collect() }))
}

/// The newest checkpoint of the gov log.
///
/// A signed note: origin, size, root. `ETag` and `If-None-Match` tell whether it is still the same.
#[utoipa::path(get, path = "/v1/log/gov/checkpoint", tag = "log", responses((status = 200, body = String, content_type = "text/plain; charset=utf-8"),
    (status = 304, description = "It is still the one that you have"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn gov_checkpoint(State(api): State<Api>, id: RequestId, uri: Uri, headers: HeaderMap) -> Response {
    serve(api, id, uri, headers).await
}

/// The newest published checkpoint of the map log.
///
/// A signed note: origin, size, root. `ETag` and `If-None-Match` tell whether it is still the same.
#[utoipa::path(get, path = "/v1/log/map/{era}/checkpoint", tag = "log", params(("era" = String, Path, description = "The era, as in the log's origin")),
    responses((status = 200, body = String, content_type = "text/plain; charset=utf-8"),
    (status = 304, description = "It is still the one that you have"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn map_checkpoint(State(api): State<Api>, id: RequestId, uri: Uri, headers: HeaderMap) -> Response {
    serve(api, id, uri, headers).await
}

/// A tile of the gov log: hashes, or a bundle of leaves.
///
/// The path is `{level}/{n}` or `entries/{n}`, with `.p/{width}` for a tile that is not full, as C2SP tlog-tiles writes it: its
/// slashes are not escaped.
#[utoipa::path(get, path = "/v1/log/gov/tile/{path}", tag = "log", params(("path" = String, Path, description = "`0/x001/234.p/8`, `entries/000`")),
    responses((status = 200, body = TileBytes, content_type = "application/octet-stream"),
    (status = 304, description = "It is still the one that you have"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn gov_tile(State(api): State<Api>, id: RequestId, uri: Uri, headers: HeaderMap) -> Response {
    serve(api, id, uri, headers).await
}

/// A tile of the map log: hashes, or a bundle of leaves.
///
/// The path is `{level}/{n}` or `entries/{n}`, with `.p/{width}` for a tile that is not full, as C2SP tlog-tiles writes it: its
/// slashes are not escaped.
#[utoipa::path(get, path = "/v1/log/map/{era}/tile/{path}", tag = "log",
    params(("era" = String, Path, description = "The era, as in the log's origin"), ("path" = String, Path, description = "`0/x001/234.p/8`, `entries/000`")),
    responses((status = 200, body = TileBytes, content_type = "application/octet-stream"),
    (status = 304, description = "It is still the one that you have"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn map_tile(State(api): State<Api>, id: RequestId, uri: Uri, headers: HeaderMap) -> Response {
    serve(api, id, uri, headers).await
}

/// A file of a log by its path as it was sent: another spelling of it is another path, and nothing is there.
struct File {
    log: Leaves,
    /// None: the checkpoint.
    tile: Option<Tile>,
}

impl File {
    fn at(path: &str, authority: &Authority) -> Option<Self> {
        let path = path.strip_prefix(ROOT)?.strip_prefix('/')?;
        if let Some(name) = path.strip_suffix("/checkpoint") {
            return Some(Self { log: authority.log_at(name)?, tile: None });
        }
        let (name, _) = path.split_once("/tile/")?;
        let tile = Tile::parse(path.get(name.len() + 1..)?).ok()?;
        Some(Self { log: authority.log_at(name)?, tile: Some(tile) })
    }

    fn read(&self, authority: &Authority) -> Result<Option<Vec<u8>>, Rejection> {
        match &self.tile {
            None => authority.log_checkpoint(self.log).map(|note| Some(note.into_bytes())),
            Some(tile) => authority.log_tile(self.log, tile),
        }
    }
}

async fn serve(api: Api, id: RequestId, uri: Uri, headers: HeaderMap) -> Response {
    let Some(file) = File::at(uri.path(), &api.authority) else { return nothing(&id).into_response() };
    let is_tile = file.tile.is_some();
    match blocking(&id, move || file.read(&api.authority)).await {
        Ok(Some(body)) if is_tile => sent(&headers, body, "application/octet-stream", FOR_EVER),
        Ok(Some(body)) => sent(&headers, body, "text/plain; charset=utf-8", ASK_AGAIN),
        Ok(None) => nothing(&id).into_response(),
        Err(reply) => reply.into_response(),
    }
}

pub(super) fn sent(asked: &HeaderMap, body: Vec<u8>, media_type: &'static str, caching: &'static str) -> Response {
    let etag = format!("\"{}\"", HEXLOWER.encode(&sha256(&[&body])[..ETAG_BYTES]));
    let known = has(asked, &etag);
    let common = [(ETAG, etag), (CACHE_CONTROL, caching.to_owned())];
    if known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(CONTENT_TYPE, media_type)], body).into_response()
}

/// Whether the client says that it has this body (RFC 9110 13.1.2; the comparison is weak).
fn has(asked: &HeaderMap, etag: &str) -> bool {
    let values = asked.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

fn nothing(id: &RequestId) -> Reply {
    let detail = "no such file of a log, or none that is published yet: the checkpoint tells how many leaves there are, and C2SP tlog-tiles \
                  which tiles those make and how these are written";
    Reply::new(id, 404, "not_found", "There is nothing here", detail)
}

fn shown(facts: LogFacts) -> LogInfo {
    let kind = match facts.log {
        Log::Gov => LogKind::Gov,
        Log::Map => LogKind::Map,
    };
    LogInfo {
        kind,
        prefix: format!("{ROOT}/{}", facts.path),
        origin: facts.origin,
        vkeys: vec![facts.vkey],
        size: facts.size,
        witnesses: facts.witnesses,
        quorum: u32::try_from(facts.quorum).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_has_is_not_sent_again() {
        let asked = |value: &str| HeaderMap::from_iter([(IF_NONE_MATCH, value.parse().unwrap())]);
        let first = sent(&HeaderMap::new(), b"x".to_vec(), "text/plain", ASK_AGAIN);
        let etag = first.headers()[ETAG].to_str().unwrap().to_owned();
        for value in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".to_owned()] {
            assert_eq!(sent(&asked(&value), b"x".to_vec(), "text/plain", ASK_AGAIN).status(), 304, "{value}");
        }
        assert_eq!(sent(&asked(&etag), b"y".to_vec(), "text/plain", ASK_AGAIN).status(), 200);
        assert_eq!(sent(&asked(etag.trim_matches('"')), b"x".to_vec(), "text/plain", ASK_AGAIN).status(), 200);
    }
}

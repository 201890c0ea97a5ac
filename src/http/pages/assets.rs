//! What pages fetch beside themselves: embedded, under a path that names the content, so that it may be kept for ever.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use data_encoding::HEXLOWER;

use crate::http::pages::headers;
use crate::log::sha256;

/// Letters of a hash in a path: enough that no two contents of ours meet.
const HASH_LETTERS: usize = 16;

/// A file that is part of the program.
pub(crate) struct Asset {
    name: &'static str,
    media: &'static str,
    bytes: &'static [u8],
}

/// The stylesheet.
pub(crate) static STYLE: Asset = Asset {
    name: "callbook.css",
    media: "text/css; charset=utf-8",
    bytes: include_bytes!("../../../web/callbook.css"),
};
/// Signing in with a passkey, and registering one.
pub(crate) static PASSKEY: Asset = Asset {
    name: "passkey.js",
    media: "text/javascript; charset=utf-8",
    bytes: include_bytes!("../../../web/passkey.js"),
};
/// The mark in the browser's tab.
pub(crate) static MARK: Asset =
    Asset { name: "mark.svg", media: "image/svg+xml", bytes: include_bytes!("../../../web/mark.svg") };

static ALL: [&Asset; 3] = [&STYLE, &PASSKEY, &MARK];
static HASHES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let hash = |asset: &&Asset| HEXLOWER.encode(&sha256(&[asset.bytes])).chars().take(HASH_LETTERS).collect();
    ALL.iter().map(hash).collect()
});

impl Asset {
    /// Where it is fetched.
    pub(crate) fn path(&self) -> String {
        let hash = ALL.iter().zip(HASHES.iter()).find(|(asset, _)| asset.name == self.name).map(|(_, hash)| hash);
        format!("/assets/{}/{}", hash.map_or("", String::as_str), self.name)
    }
}

/// The one route.
pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/assets/{hash}/{name}", get(serve))
}

async fn serve(Path((hash, name)): Path<(String, String)>) -> Response {
    let found = ALL.iter().zip(HASHES.iter()).find(|(asset, is)| asset.name == name && **is == hash);
    let Some((asset, _)) = found else { return StatusCode::NOT_FOUND.into_response() };
    let mut response = asset.bytes.into_response();
    let kept = HeaderValue::from_static("public, max-age=31536000, immutable");
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(asset.media));
    response.headers_mut().insert(CACHE_CONTROL, kept);
    headers::guard(response.headers_mut());
    response
}

//! The id that names one request in its answer and in the operator's log.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// Names one request in answers and logs.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub String);

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get().cloned().unwrap_or_else(|| Self("none".to_owned())))
    }
}

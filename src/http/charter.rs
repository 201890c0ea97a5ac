//! `/v1/charter`: the rules in force, as text and as data.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::api::Problem;
use crate::api::charter::Charter;
use crate::http::Api;

/// The charter in force. Every refusal names one of its clauses.
#[utoipa::path(get, path = "/v1/charter", tag = "charter", responses((status = 200, body = Charter),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn show(State(api): State<Api>) -> Json<Charter> {
    Json(Arc::unwrap_or_clone(api.charter))
}

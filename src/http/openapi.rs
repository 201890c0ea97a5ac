//! The API described by itself: `/v1/openapi.json` and a page for every problem code.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::response::Response;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

use crate::api::Problem;
use crate::api::batches::BatchResult;
use crate::http::id::RequestId;
use crate::http::problem::{Reply, status_of, title_of};
use crate::http::request::Path;
use crate::http::{log, naming, trust};
use crate::log::audit::HEADER;
use crate::registry::refusal;

/// The frame of the document; paths and schemas come from the handlers.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "callbook",
        description = "A directory authority for phone numbers. Unknown request fields are refused; tolerate unknown response fields. \
                       Problems are RFC 9457 objects that list all mistakes.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    paths(log::gov_tile, log::map_tile, trust::file),
    components(schemas(BatchResult)),
    modifiers(&Tokens)
)]
pub(crate) struct Document;

struct Tokens;

impl Modify for Tokens {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("`cb_live_…` or, for the sandbox, `cb_test_…`"))
            .build();
        document.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(scheme));
        let signature = ApiKeyValue::with_description(
            HEADER,
            "An admitted auditor's signature over the request: `NAME UNIX-SECONDS BASE64URL`",
        );
        let scheme = SecurityScheme::ApiKey(ApiKey::Header(signature));
        document.components.get_or_insert_default().add_security_scheme("auditor", scheme);
    }
}

/// The document as JSON text.
pub(crate) fn text(mut document: utoipa::openapi::OpenApi) -> String {
    naming::complete(&mut document);
    document.to_pretty_json().unwrap_or_default() // strings and maps always serialise
}

pub(crate) async fn serve(asked: HeaderMap, document: Arc<String>) -> Response {
    log::sent(&asked, document.as_bytes().to_vec(), "application/json", log::ASK_AGAIN)
}

/// What a problem code means.
#[derive(Serialize, ToSchema)]
pub(crate) struct CodeExplained {
    /// The code.
    code: String,
    /// What it says.
    title: String,
    /// The HTTP status it comes with.
    status: u16,
    /// The article of the charter behind it, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    clause: Option<String>,
    /// That article's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    article: Option<String>,
}

/// Codes that no article is needed for.
const OWN_CODES: &[(&str, u16, &str)] = &[
    ("invalid_request", 400, "The request is not well formed"),
    ("bad_form", 400, "This is no form of ours"),
    ("unauthorized", 401, "A valid token is needed"),
    ("forbidden", 403, "This token may not do that"),
    ("operator_only", 403, "Only the operator may do this"),
    ("foreign_form", 403, "This form came from elsewhere"),
    ("signed_out", 403, "You are signed out"),
    ("method_not_allowed", 405, "This method is not offered here"),
    ("conflict", 409, "This contradicts what is there"),
    ("no_console", 409, "This directory has no console"),
    ("idempotency_in_flight", 409, "The first request with this key is still under way"),
    ("version_mismatch", 412, "The number has changed meanwhile"),
    ("too_large", 413, "The body is too large"),
    ("not_json", 415, "The body must be JSON"),
    ("body_encoded", 415, "The body must not be encoded"),
    ("idempotency_key_reused", 422, "This Idempotency-Key was used for another request"),
    ("fault", 500, "Something went wrong on our side"),
    ("unavailable", 503, "Not possible right now"),
    ("frozen", 503, "The directory is frozen"),
    ("maintenance", 503, "The directory takes no changes just now"),
    ("cursor_gone", 410, "This cursor is no longer good"),
    ("not_ndjson", 415, "The body must be NDJSON"),
    ("too_many_requests", 429, "Too many requests"),
];

/// Explains a problem code: a problem's `type` leads here.
#[utoipa::path(get, path = "/v1/problems/{code}", tag = "service", params(("code" = String, Path)),
    responses((status = 200, body = CodeExplained), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn explain_code(
    Extension(id): Extension<RequestId>,
    Path(code): Path<String>,
) -> Result<Json<CodeExplained>, Reply> {
    if let Some((code, status, title)) = OWN_CODES.iter().find(|(own, ..)| *own == code) {
        return Ok(Json(CodeExplained {
            code: (*code).to_owned(),
            title: (*title).to_owned(),
            status: *status,
            clause: None,
            article: None,
        }));
    }
    let known = refusal::ALL
        .iter()
        .find(|reason| reason.code == code)
        .ok_or_else(|| Reply::new(&id, 404, "not_found", "There is nothing here", "no such problem code"))?;
    Ok(Json(CodeExplained {
        title: title_of(known.code),
        status: status_of(known.class),
        article: crate::charter::clause(known.clause),
        clause: Some(known.clause.to_owned()),
        code,
    }))
}

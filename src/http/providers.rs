//! `/v1/providers`: the public register, and the operator's changes of it.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};

use crate::api::providers::{NewProvider, Provider, Providers, StatusChange};
use crate::api::{Problem, ProblemError};
use crate::authority::Accreditation;
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::query::Parameters;
use crate::http::request::{Body, Operator, blocking};
use crate::http::{Api, list};
use crate::log::bytes::to_base64url;
use crate::log::key::{Algorithm, PublicKey};

/// Entries of one page of the register, if nothing else is said; more than most registers have.
const PAGE_MAX: usize = 1000;

/// The public register of providers and validation entities.
#[utoipa::path(get, path = "/v1/providers", tag = "providers", params(("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ("limit" = Option<u32>, Query, description = "1 to 1000")), responses((status = 200, body = Providers),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn list(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    mut parameters: Parameters,
) -> Result<Json<Providers>, Reply> {
    let cursor = parameters.value("cursor", "`next_cursor` of an earlier answer", list::name_in);
    let limit = parameters.limit(PAGE_MAX, PAGE_MAX);
    parameters.end(&id)?;
    let (page, next_cursor) = list::page(api.authority.providers(), |one| &one.id, cursor.as_deref(), limit);
    Ok(Json(Providers { providers: page.iter().map(shown).collect(), next_cursor }))
}

/// Accredits a provider, a validation entity, or both; goes into the public log.
#[utoipa::path(post, path = "/v1/providers", tag = "providers", request_body = NewProvider, security(("token" = [])),
    responses((status = 201, body = Provider), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn add(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Body { value, .. }: Body<NewProvider>,
) -> Result<(StatusCode, Json<Provider>), Reply> {
    let mut mistakes = Vec::new();
    let statement_keys = keys(&value.statement_keys, "/statement_keys", &mut mistakes);
    let validation_keys = keys(&value.validation_keys, "/validation_keys", &mut mistakes);
    if value.statement_keys.is_empty() && value.validation_keys.is_empty() {
        let why = "at least one key is needed: a statement key makes a provider, a validation key a validation entity";
        mistakes.push(ProblemError::form("/statement_keys", "required", why));
    }
    if !mistakes.is_empty() {
        return Err(Reply::invalid(&id, mistakes));
    }
    let new = Accreditation {
        id: value.id,
        name: value.name,
        suspended: false,
        statement_keys,
        validation_keys,
        clause: None,
    };
    let made = blocking(&id, move || api.authority.add_provider(&actor, new)).await?;
    Ok((StatusCode::CREATED, Json(shown(&made))))
}

/// Suspends or re-admits a provider. Published numbers stay published: a sanction takes no holder off the air.
#[utoipa::path(patch, path = "/v1/providers/{id}", tag = "providers", request_body = StatusChange, params(("id" = String, Path)), security(("token" = [])),
    responses((status = 200, body = Provider), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn change_status(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Path(provider): Path<String>,
    Body { value, .. }: Body<StatusChange>,
) -> Result<Json<Provider>, Reply> {
    let (suspended, mut mistakes) = (value.status == "suspended", Vec::new());
    if !suspended && value.status != "accredited" {
        mistakes.push(ProblemError::form("/status", "bad_value", "`accredited` or `suspended` is needed"));
    }
    // What goes into the public log rests on the charter in force, whose clauses begin with their number in bold.
    let is_number = !value.clause.is_empty() && value.clause.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if !is_number || !api.charter.charter_md.contains(&format!("\n**{}** ", value.clause)) {
        let why = "the number of a clause of the charter is needed, such as 7.2";
        mistakes.push(ProblemError::form("/clause", "bad_value", why));
    }
    if !mistakes.is_empty() {
        return Err(Reply::invalid(&id, mistakes));
    }
    let made =
        blocking(&id, move || api.authority.set_provider_status(&actor, &provider, suspended, &value.clause)).await?;
    Ok(Json(shown(&made)))
}

fn shown(provider: &Accreditation) -> Provider {
    let key = |key: &PublicKey| crate::api::providers::Key {
        algorithm: match key.algorithm() {
            Algorithm::Ed25519 => "ed25519".to_owned(),
            Algorithm::Es256 => "es256".to_owned(),
        },
        key: key.bytes().into(),
        thumbprint: Some(to_base64url(&key.thumbprint())),
    };
    Provider {
        id: provider.id.clone(),
        name: provider.name.clone(),
        status: if provider.suspended { "suspended".to_owned() } else { "accredited".to_owned() },
        statement_keys: provider.statement_keys.iter().map(key).collect(),
        validation_keys: provider.validation_keys.iter().map(key).collect(),
    }
}

fn keys(texts: &[crate::api::providers::Key], at: &str, mistakes: &mut Vec<ProblemError>) -> Vec<PublicKey> {
    let mut made = Vec::with_capacity(texts.len());
    for (i, text) in texts.iter().enumerate() {
        let algorithm = match text.algorithm.as_str() {
            "ed25519" => Algorithm::Ed25519,
            "es256" => Algorithm::Es256,
            _ => {
                mistakes.push(ProblemError::form(
                    format!("{at}/{i}/algorithm"),
                    "bad_value",
                    "`ed25519` or `es256` is needed",
                ));
                continue;
            }
        };
        match PublicKey::new(algorithm, &text.key.0) {
            Ok(key) => made.push(key),
            Err(why) => mistakes.push(ProblemError::form(format!("{at}/{i}/key"), "bad_key", why.to_string())),
        }
    }
    made
}

//! `/v1/providers`: the public register, and the operator's changes of it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};

use crate::api::providers::{BulkDoor, BulkDoors, Key, NewProvider, Provider, Providers, StatusChange};
use crate::api::{Problem, ProblemError};
use crate::authority::{Accreditation, Entrant};
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::query::Parameters;
use crate::http::receipts::time_of;
use crate::http::request::{Body, Operator, Path, blocking};
use crate::http::{Api, list};
use crate::log::bytes::to_base64url;
use crate::log::key::{Algorithm, PublicKey};
use crate::registry::standing::ProviderStatus;

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
    let origin = Some(api.authority.origin().to_owned());
    let entry = |one: &Accreditation| {
        let bulk_door_until = api.authority.bulk_door_until_ms(&one.id).map(time_of);
        Provider { bulk_door_until, ..shown(one) }
    };
    Ok(Json(Providers { providers: page.iter().map(entry).collect(), origin, next_cursor }))
}

/// The bulk doors that are open, with how many numbers are still behind each.
#[utoipa::path(get, path = "/v1/bulk-doors", tag = "operator", security(("token" = [])), responses((status = 200, body = BulkDoors),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn bulk_doors(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
) -> Result<Json<BulkDoors>, Reply> {
    let open = blocking(&id, move || api.authority.bulk_doors(&actor)).await?;
    let bulk_doors = open.into_iter().map(|open| BulkDoor {
        provider: open.provider,
        opened: time_of(open.door.opened_ms),
        until: time_of(open.door.until_ms),
        numbers: open.numbers,
    });
    Ok(Json(BulkDoors { bulk_doors: bulk_doors.collect() }))
}

/// Enters a provider, a validation entity, or both: its probation begins, or it has applied. Goes into the public log.
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
    let status = match value.status.as_deref() {
        None | Some("probation") => ProviderStatus::Probation,
        Some("applied") => ProviderStatus::Applied,
        Some(_) => {
            let why = "`probation` or `applied`; what follows them is decided by two persons, in acts";
            mistakes.push(ProblemError::form("/status", "bad_value", why));
            ProviderStatus::Applied
        }
    };
    if !mistakes.is_empty() {
        return Err(Reply::invalid(&id, mistakes));
    }
    let (new_id, name) = (value.id, value.name);
    let new = Entrant { id: new_id, name, status, statement_keys, validation_keys };
    let made = blocking(&id, move || api.authority.add_provider(&actor, new)).await?;
    Ok((StatusCode::CREATED, Json(shown(&made))))
}

/// Stops a provider in an emergency, or ends that: one person may, and two confirm it in time (`/v1/acts`). Published numbers stay published: a sanction takes no holder off the air.
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
    clause_of(&api, &value.clause, &mut mistakes);
    if !mistakes.is_empty() {
        return Err(Reply::invalid(&id, mistakes));
    }
    let made =
        blocking(&id, move || api.authority.set_provider_status(&actor, &provider, suspended, &value.clause)).await?;
    Ok(Json(shown(&made)))
}

/// What goes into the public log rests on the charter in force, whose clauses begin with their number in bold.
pub(crate) fn clause_of(api: &Api, clause: &str, mistakes: &mut Vec<ProblemError>) {
    let is_number = !clause.is_empty() && clause.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if !is_number || !api.authority.policy().prose().contains(&format!("\n**{clause}** ")) {
        let why = "the number of a clause of the charter is needed, such as 7.2";
        mistakes.push(ProblemError::form("/clause", "bad_value", why));
    }
}

/// An entry of the register as the API shows it.
pub(crate) fn shown(provider: &Accreditation) -> Provider {
    Provider {
        id: provider.id.clone(),
        name: provider.name.clone(),
        status: provider.standing.status.name().to_owned(),
        since: Some(time_of(provider.standing.since_ms)),
        due: provider.standing.due_ms.map(time_of),
        clause: provider.clause.clone(),
        bulk_door_until: None,
        statement_keys: provider.statement_keys.iter().map(key_shown).collect(),
        validation_keys: provider.validation_keys.iter().map(key_shown).collect(),
    }
}

/// A key as the API shows it.
pub(crate) fn key_shown(key: &PublicKey) -> Key {
    Key {
        algorithm: match key.algorithm() {
            Algorithm::Ed25519 => "ed25519".to_owned(),
            Algorithm::Es256 => "es256".to_owned(),
        },
        key: key.bytes().into(),
        thumbprint: Some(to_base64url(&key.thumbprint())),
    }
}

/// Keys from their JSON; what is wrong with any is noted.
pub(crate) fn keys(texts: &[Key], at: &str, mistakes: &mut Vec<ProblemError>) -> Vec<PublicKey> {
    texts.iter().enumerate().filter_map(|(i, text)| key_of(text, &format!("{at}/{i}"), mistakes)).collect()
}

/// A key from its JSON.
pub(crate) fn key_of(text: &Key, at: &str, mistakes: &mut Vec<ProblemError>) -> Option<PublicKey> {
    let algorithm = match text.algorithm.as_str() {
        "ed25519" => Algorithm::Ed25519,
        "es256" => Algorithm::Es256,
        _ => {
            let why = "`ed25519` or `es256` is needed";
            mistakes.push(ProblemError::form(format!("{at}/algorithm"), "bad_value", why));
            return None;
        }
    };
    let key = PublicKey::new(algorithm, &text.key.0);
    key.map_err(|why| mistakes.push(ProblemError::form(format!("{at}/key"), "bad_key", why.to_string()))).ok()
}

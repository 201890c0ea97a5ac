//! `/v1/staff` and `/v1/lost-keys`: the operator's people, their tokens, and what rests on keys that were lost.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};

use crate::api::Problem;
use crate::api::acts::{FlaggedNumbers, LostKey, LostKeys, Person, RestingCount, SignInLink, Staff, TokenProof};
use crate::api::providers::{IssuedToken, Key};
use crate::clock::rfc3339;
use crate::http::Api;
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::providers::{key_of, key_shown};
use crate::http::query::Parameters;
use crate::http::receipts::time_of;
use crate::http::request::{Body, Caller, Operator, Path, blocking, label_cursor, shown_cursor};
use crate::http::tokens::certificate_of;
use crate::ledger::StaffRow;
use crate::log::bytes::{from_base64url, to_base64url};
use crate::registry::refusal;

/// Lists the operator's people with their roles and keys.
#[utoipa::path(get, path = "/v1/staff", tag = "operator", security(("token" = [])), responses((status = 200, body = Staff),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn list(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
) -> Result<Json<Staff>, Reply> {
    let rows = blocking(&id, move || api.authority.staff(&actor)).await?;
    Ok(Json(shown(rows)))
}

/// Sets one's own key, once: the first admin has a token before he has a key. Other keys come by acts.
#[utoipa::path(put, path = "/v1/staff/key", tag = "operator", request_body = Key, security(("token" = [])), responses((status = 200, body = Staff),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn set_key(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Body { value, .. }: Body<Key>,
) -> Result<Json<Staff>, Reply> {
    let mut mistakes = Vec::new();
    let Some(key) = key_of(&value, "", &mut mistakes) else { return Err(Reply::invalid(&id, mistakes)) };
    let rows = blocking(&id, move || {
        api.authority.set_first_key(&actor, &key)?;
        api.authority.staff(&actor)
    })
    .await?;
    Ok(Json(shown(rows)))
}

/// Gives a person a token, on a signature by that person's key. No other token is needed, and nobody else can get it.
#[utoipa::path(post, path = "/v1/staff/token", tag = "operator", request_body = TokenProof, responses((status = 201, body = IssuedToken),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn token(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Body { value, .. }: Body<TokenProof>,
) -> Result<(StatusCode, Json<IssuedToken>), Reply> {
    let mut mistakes = Vec::new();
    let certificate = certificate_of(value.certificate.as_deref(), &mut mistakes);
    if !mistakes.is_empty() {
        return Err(Reply::invalid(&id, mistakes));
    }
    if certificate.is_none() && api.limits.wants_bound_staff() {
        let why = "here the tokens of the staff are bound to a client certificate: name yours";
        return Err(Reply::rejected(&id, refusal::STAFF_UNBOUND.at("/certificate", why).into()));
    }
    let made = blocking(&id, move || {
        let signature = value.signature.0.try_into().unwrap_or([0; 64]); // read with exactly 64 bytes
        api.authority.staff_token(&value.id, value.at_s.into(), &signature, certificate)
    })
    .await?;
    let scopes = made.scopes.iter().map(ToString::to_string).collect();
    let issued = IssuedToken { id: made.id, token: made.token, scopes, expires_at: time_of(made.expires_ms) };
    Ok((StatusCode::CREATED, Json(issued)))
}

/// Makes a link by which the person whose token this is registers a passkey for the console. It works once.
#[utoipa::path(post, path = "/v1/staff/link", tag = "operator", security(("token" = [])), responses((status = 201, body = SignInLink),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn link(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
) -> Result<(StatusCode, Json<SignInLink>), Reply> {
    let Some(console) = api.console.clone() else {
        let why = "set console.origin in config.toml, then start the service again";
        return Err(Reply::new(&id, 409, "no_console", "This directory has no console", why));
    };
    let person = actor.person.as_ref().map(|person| person.id.clone()).unwrap_or_default();
    let (secret, expires_ms) = blocking(&id, move || api.authority.sign_in_link(&actor)).await?;
    let link = console.link(&secret);
    Ok((StatusCode::CREATED, Json(SignInLink { link, person, expires_at: time_of(expires_ms) })))
}

/// Lists keys of validation entities that were lost, and how many numbers rest on each; a provider sees its own count.
#[utoipa::path(get, path = "/v1/lost-keys", tag = "operator", security(("token" = [])), responses((status = 200, body = LostKeys),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn lost_keys(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
) -> Result<Json<LostKeys>, Reply> {
    let keys = blocking(&id, move || api.authority.lost_keys(&actor)).await?;
    let lost_keys = keys.into_iter().map(|lost| LostKey {
        key: to_base64url(&lost.row.key),
        entity: lost.row.entity,
        since: rfc3339(lost.row.since_s),
        found_at: time_of(lost.row.found_ms),
        due: lost.row.due_ms.map(time_of),
        resting: lost.by_provider.into_iter().map(|(provider, numbers)| RestingCount { provider, numbers }).collect(),
    });
    Ok(Json(LostKeys { lost_keys: lost_keys.collect() }))
}

/// Lists the numbers that rest on a lost key: all for the operator's auditors, its own for a provider. A renewed number is gone.
#[utoipa::path(get, path = "/v1/lost-keys/{id}/numbers", tag = "operator", params(("id" = String, Path, description = "the key's thumbprint"),
    ("cursor" = Option<String>, Query, description = "`next` of the page before")), security(("token" = [])), responses((status = 200, body = FlaggedNumbers),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn flagged(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    Path(key): Path<String>,
    mut parameters: Parameters,
) -> Result<Json<FlaggedNumbers>, Reply> {
    let after = parameters.value("cursor", "`next` of an earlier answer", label_cursor);
    parameters.end(&id)?;
    let key = from_base64url(&key).and_then(|key| key.try_into().ok()).unwrap_or([0; 32]); // no key has that name
    let page = blocking(&id, move || api.authority.flagged(&actor, &key, after.as_ref())).await?;
    let numbers = page.numbers.iter().map(ToString::to_string).collect();
    Ok(Json(FlaggedNumbers { numbers, next: page.next.as_ref().map(shown_cursor) }))
}

fn shown(rows: Vec<StaffRow>) -> Staff {
    let staff = rows.into_iter().map(|row| Person {
        id: row.id,
        role: row.role.name().to_owned(),
        key: row.key.as_ref().map(key_shown),
        added_at: time_of(row.added_ms),
        ended_at: row.ended_ms.map(time_of),
    });
    Staff { staff: staff.collect() }
}

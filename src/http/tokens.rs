//! `/v1/providers/{id}/tokens`: a provider's API tokens, made and listed by the operator.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};

use crate::api::providers::{IssuedToken, NewToken, Token, Tokens};
use crate::api::{Problem, ProblemError};
use crate::authority::{self, Rejection, Scope, TOKEN_LIFE_D, TOKEN_LIFE_D_MAX};
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::query::Parameters;
use crate::http::receipts::time_of;
use crate::http::request::{Body, Caller, Operator, Path, blocking};
use crate::http::{Api, list};
use crate::log::Hash;
use crate::log::bytes::{from_base64url, to_base64url};

/// The most tokens of one page.
const PAGE_MAX: usize = 1000;

/// Lists a provider's tokens, without their secrets.
#[utoipa::path(get, path = "/v1/providers/{id}/tokens", tag = "providers", params(("id" = String, Path),
    ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"), ("limit" = Option<u32>, Query, description = "1 to 1000")), security(("token" = [])),
    responses((status = 200, body = Tokens), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn list(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Path(provider): Path<String>,
    mut parameters: Parameters,
) -> Result<Json<Tokens>, Reply> {
    let cursor = parameters.value("cursor", "`next_cursor` of an earlier answer", list::name_in);
    let limit = parameters.limit(list::PAGE_USUAL, PAGE_MAX);
    parameters.end(&id)?;
    let tokens = blocking(&id, move || api.authority.tokens(&actor, Some(&provider))).await?;
    let (tokens, next_cursor) = list::page(tokens, |token| &token.id, cursor.as_deref(), limit);
    let tokens = tokens.into_iter().map(|token| Token {
        id: token.id,
        scopes: token.scopes.iter().map(ToString::to_string).collect(),
        expires_at: time_of(token.expires_ms),
        last_used_at: token.used_ms.map(time_of),
        certificate: token.certificate.as_ref().map(|hash| to_base64url(hash)),
    });
    Ok(Json(Tokens { tokens: tokens.collect(), next_cursor }))
}

/// Makes a token. Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/v1/providers/{id}/tokens", tag = "providers", request_body = NewToken, params(("id" = String, Path)), security(("token" = [])),
    responses((status = 201, body = IssuedToken), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn add(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Path(provider): Path<String>,
    Body { value, .. }: Body<NewToken>,
) -> Result<(StatusCode, Json<IssuedToken>), Reply> {
    let (mut scopes, mut mistakes) = (Vec::new(), Vec::new());
    for (i, text) in value.scopes.iter().enumerate() {
        match Scope::parse(text) {
            Some(scope) => scopes.push(scope),
            None => mistakes.push(ProblemError::form(
                format!("/scopes/{i}"),
                "bad_value",
                "`read:+PREFIX` or `write:+PREFIX` is needed",
            )),
        }
    }
    let expires_in_d = value.expires_in_d.unwrap_or(TOKEN_LIFE_D);
    if !(1..=TOKEN_LIFE_D_MAX).contains(&expires_in_d) {
        let why = format!("1 to {TOKEN_LIFE_D_MAX} days are possible");
        mistakes.push(ProblemError::form("/expires_in_d", "bad_value", why));
    }
    let certificate = certificate_of(value.certificate.as_deref(), &mut mistakes);
    if !mistakes.is_empty() {
        return Err(Reply::invalid(&id, mistakes));
    }
    let wish = authority::NewToken { provider: Some(provider), scopes, test: value.test, expires_in_d, certificate };
    let made = blocking(&id, move || api.authority.add_token(&actor, wish)).await?;
    let scopes = made.scopes.iter().map(ToString::to_string).collect();
    let issued = IssuedToken { id: made.id, token: made.token, scopes, expires_at: time_of(made.expires_ms) };
    Ok((StatusCode::CREATED, Json(issued)))
}

/// The certificate to which a token shall be bound (RFC 8705 3.1), if it shall be.
pub(crate) fn certificate_of(text: Option<&str>, mistakes: &mut Vec<ProblemError>) -> Option<Hash> {
    let read = from_base64url(text?).and_then(|raw| raw.try_into().ok());
    if read.is_none() {
        let why = "the SHA-256 of the certificate's DER in base64url is needed, 43 characters";
        mistakes.push(ProblemError::form("/certificate", "bad_value", why));
    }
    read
}

/// Revokes a token at once: the operator any, a provider one of its own.
#[utoipa::path(delete, path = "/v1/tokens/{id}", tag = "providers", params(("id" = String, Path, description = "the token's id")), security(("token" = [])),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn revoke(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    Path(token): Path<String>,
) -> Result<StatusCode, Reply> {
    let done = tokio::task::spawn_blocking(move || api.authority.revoke_token(&actor, &token)).await;
    match done {
        Ok(Ok(())) => Ok(StatusCode::NO_CONTENT),
        Ok(Err(Rejection::NotFound)) => Err(Reply::new(
            &id,
            404,
            "not_found",
            "There is no such token",
            "no token of yours has this id, or it was revoked",
        )),
        Ok(Err(no)) => Err(Reply::rejected(&id, no)),
        Err(_panic) => Err(Reply::fault(&id)),
    }
}

//! `/v1/providers/{id}/tokens`: a provider's API tokens, made and listed by the operator.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};

use crate::api::providers::{IssuedToken, NewToken, Token, Tokens};
use crate::api::{Problem, ProblemError};
use crate::authority::{self, Scope, TOKEN_LIFE_D, TOKEN_LIFE_D_MAX};
use crate::http::Api;
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::receipts::time_of;
use crate::http::request::{Body, Operator, blocking};

/// Lists a provider's tokens, without their secrets.
#[utoipa::path(get, path = "/v1/providers/{id}/tokens", tag = "providers", params(("id" = String, Path)), security(("token" = [])),
    responses((status = 200, body = Tokens), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn list(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Path(provider): Path<String>,
) -> Result<Json<Tokens>, Reply> {
    let tokens = blocking(&id, move || api.authority.tokens(&actor, Some(&provider))).await?;
    let tokens = tokens.into_iter().map(|token| Token {
        id: token.id,
        scopes: token.scopes.iter().map(ToString::to_string).collect(),
        expires_at: time_of(token.expires_ms),
        last_used_at: token.used_ms.map(time_of),
    });
    Ok(Json(Tokens { tokens: tokens.collect() }))
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
    if !mistakes.is_empty() {
        return Err(Reply::invalid(&id, mistakes));
    }
    let wish = authority::NewToken { provider: Some(provider), scopes, test: value.test, expires_in_d };
    let made = blocking(&id, move || api.authority.add_token(&actor, wish)).await?;
    let scopes = made.scopes.iter().map(ToString::to_string).collect();
    let issued = IssuedToken { id: made.id, token: made.token, scopes, expires_at: time_of(made.expires_ms) };
    Ok((StatusCode::CREATED, Json(issued)))
}

//! `/v1/revalidations` and the codes of drawn tokens: spot checks by the operator, answered by holders' devices.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};

use crate::api::revalidations::{CodeAnswer, CodeTaken, Revalidation, Revalidations};
use crate::api::{Problem, ProblemError};
use crate::http::Api;
use crate::http::audits::run;
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::providers::key_of;
use crate::http::receipts::time_of;
use crate::http::request::{Body, Operator, Path, number_of};
use crate::ledger::RevalidationRow;

/// The longest code that is looked at; ours have 8 digits.
const CODE_LEN_MAX: usize = 16;

/// Answers a code that came to a number: the control key's signature is the permission, no token is needed.
///
/// Whatever is not right, the answer is the same: nobody learns whether the number is registered or was sent a code.
#[utoipa::path(post, path = "/v1/revalidations", tag = "holder", request_body = CodeAnswer, responses((status = 200, body = CodeTaken),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn answer(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Body { value, .. }: Body<CodeAnswer>,
) -> Result<Json<CodeTaken>, Reply> {
    let mut mistakes = Vec::new();
    let number = number_of(&value.number, "/number").map_err(|mistake| mistakes.push(mistake)).ok();
    let key = key_of(&value.key, "/key", &mut mistakes);
    if value.code.is_empty() || value.code.len() > CODE_LEN_MAX {
        mistakes.push(ProblemError::form("/code", "wrong_length", "the code has eight digits"));
    }
    let signature = <[u8; 64]>::try_from(value.signature.0.as_slice()); // read with exactly 64 bytes
    let (Some(number), Some(key), Ok(signature), true) = (number, key, signature, mistakes.is_empty()) else {
        return Err(Reply::invalid(&id, mistakes));
    };
    let taken = tokio::task::spawn_blocking(move || api.authority.answer_code(number, &value.code, &key, &signature));
    match taken.await {
        Ok(Ok(())) => Ok(Json(CodeTaken { confirmed: true })),
        Ok(Err(crate::authority::Rejection::NotFound)) => {
            let why = "no code waits for an answer by this number and key, or this is another code";
            Err(Reply::new(&id, 404, "not_found", "This answers nothing", why))
        }
        Ok(Err(no)) => Err(Reply::rejected(&id, no)),
        Err(_panic) => Err(Reply::fault(&id)),
    }
}

/// Sends a code to the number of a drawn token; its holder's device answers it.
#[utoipa::path(post, path = "/v1/audits/{id}/revalidations", tag = "audits", params(("id" = String, Path, description = "the item's id")),
    security(("token" = [])), responses((status = 201, body = Revalidation), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn send(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Path(item): Path<String>,
) -> Result<(StatusCode, Json<Revalidation>), Reply> {
    let row = run(&id, move || api.authority.revalidate(&actor, &item)).await?;
    Ok((StatusCode::CREATED, Json(shown(row))))
}

/// The codes that were sent for a drawn token, and what became of them.
#[utoipa::path(get, path = "/v1/audits/{id}/revalidations", tag = "audits", params(("id" = String, Path, description = "the item's id")),
    security(("token" = [])), responses((status = 200, body = Revalidations), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn list(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Path(item): Path<String>,
) -> Result<Json<Revalidations>, Reply> {
    let rows = run(&id, move || api.authority.revalidations(&actor, &item)).await?;
    Ok(Json(Revalidations { revalidations: rows.into_iter().map(shown).collect() }))
}

fn shown(row: RevalidationRow) -> Revalidation {
    Revalidation {
        id: row.id,
        state: row.state,
        made_at: time_of(row.made_ms),
        expires_at: time_of(row.expires_ms),
        done_at: row.done_ms.map(time_of),
    }
}

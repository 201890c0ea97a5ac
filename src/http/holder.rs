//! `/v1/holder/events`: what a holder may do alone, without any provider, signed by the control key.

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::Problem;
use crate::api::numbers::{HolderAct, Receipt};
use crate::authority::{self, Actor};
use crate::http::Api;
use crate::http::id::RequestId;
use crate::http::numbers::{accepted, bare};
use crate::http::problem::Reply;
use crate::http::request::{Body, number_of};

/// Suspends, resumes or releases a number, removes a key, vetoes, objects: the control key's signature is the permission, no token is needed.
///
/// A number that is not registered and a signature by another key get the same answer.
#[utoipa::path(post, path = "/v1/holder/events", tag = "holder", request_body = HolderAct, responses((status = 202, body = Receipt),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn act(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    headers: HeaderMap,
    Body { value, .. }: Body<HolderAct>,
) -> Result<Response, Reply> {
    let number = number_of(&value.number, "/number").map_err(|mistake| Reply::invalid(&id, vec![mistake]))?;
    let submission = authority::Submission {
        record: value.record.map(String::into_bytes),
        opening: value.opening.and_then(|o| o.0.try_into().ok()), // read with exactly 32 bytes
        ..bare(number, value.event)
    };
    let receipt = api.authority.holder_event(submission).await.map_err(|no| Reply::rejected(&id, no))?;
    // The receipt is for whoever could sign; waiting for it needs no other right.
    accepted(&api, &id, &Actor::operator(), &headers, receipt).await
}

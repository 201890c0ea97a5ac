//! `/v1/monitor`: what became of a number, for its own holder and for whom the holder lets watch.

use axum::extract::{FromRequest, Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use axum::{Extension, Json};

use crate::api::monitor::{MonitorAnswer, MonitorAsked};
use crate::api::{Base64, Problem, ProblemError};
use crate::authority::Watch;
use crate::http::Api;
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::providers::key_of;
use crate::http::request::{Body, blocking};
use crate::log::label::Label;
use crate::log::monitor::Grant;

/// Shows every change of a number since a version that its holder knows, and proves the newest State.
///
/// Who asks signs with a key that was the number's control key in one of these versions, also one that has lost the number since, or
/// has that key's leave. For everybody else there is no such number.
#[utoipa::path(post, path = "/v1/monitor", tag = "log", request_body = MonitorAsked, responses((status = 200, body = MonitorAnswer),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn watch(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Result<impl IntoResponse, Reply> {
    let counted = api.limits.monitor(request.headers(), request.extensions(), api.clock.now_ms());
    let Body { value, .. } = Body::<MonitorAsked>::from_request(request, &api).await?;
    counted
        .map_err(|wait_s| Reply::too_many(&id, "the budget on its own numbers of this address is used up", wait_s))?;
    let watch = read(value).map_err(|mistakes| Reply::invalid(&id, mistakes))?;
    let watched = blocking(&id, move || api.authority.watch_blocking(&watch)).await?;
    let events = watched.events.iter().map(|event| Base64::from(event.write())).collect();
    let answer = MonitorAnswer { proof: watched.proof.write(), events, more: watched.more };
    Ok(([(CACHE_CONTROL, "no-store")], Json(answer)))
}

fn read(asked: MonitorAsked) -> Result<Watch, Vec<ProblemError>> {
    let mut mistakes = Vec::new();
    let key = key_of(&asked.key, "/key", &mut mistakes);
    let grant = asked.grant.map(|grant| {
        let by = key_of(&grant.by, "/grant/by", &mut mistakes);
        by.map(|by| Grant { until_s: grant.until_s.into(), by, signature: exactly(grant.signature) })
    });
    match (key, grant.map_or(Some(None), |grant| grant.map(Some))) {
        (Some(key), Some(grant)) => Ok(Watch {
            label: Label(exactly(asked.label)),
            from_version: asked.from_version.into(),
            at_s: asked.at_s.into(),
            key,
            signature: exactly(asked.signature),
            grant,
        }),
        _ => Err(mistakes),
    }
}

/// Bytes of a field that was read with exactly this length.
fn exactly<const N: usize>(bytes: Base64) -> [u8; N] {
    bytes.0.try_into().unwrap_or([0; N])
}

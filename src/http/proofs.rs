//! `/v1/proofs`: what the log says of a number, for whoever asks.

use axum::extract::{FromRequest, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::{Extension, Json};

use crate::api::Problem;
use crate::api::audit::AuditorSaid;
use crate::api::proofs::{PROOF_ANSWER_STEP, ProofAnswer, ProofAsked, Trust};
use crate::authority::Audited;
use crate::http::Api;
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::request::{Body, blocking, number_of};
use crate::log::bytes::to_base64;

/// Proves what the newest published epoch says of a number, present or not.
///
/// The answer is to be checked (docs/TRUST.md, part 3), not believed. Every answer is padded to a multiple of 8192 bytes.
#[utoipa::path(post, path = "/v1/proofs", tag = "log", request_body = ProofAsked,
    responses((status = 200, body = ProofAnswer), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn prove(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Result<impl IntoResponse, Reply> {
    let counted = api.limits.proof(request.headers(), request.extensions(), api.clock.now_ms());
    let Body { value, .. } = Body::<ProofAsked>::from_request(request, &api).await?;
    let over = "the budget on numbers of this address is used up; it is the same for hit and miss";
    counted.map_err(|wait_s| Reply::too_many(&id, over, wait_s))?;
    let number = number_of(&value.number, "/number").map_err(|mistake| Reply::invalid(&id, vec![mistake]))?;
    let proof = api.authority.prove(number).await.map_err(|no| Reply::rejected(&id, no))?;
    let (size, audited) = (proof.index + 1, api.authority.is_audited());
    let auditor = match audited {
        true => blocking(&id, move || api.authority.audited(&value.auditors, size)).await?.map(said),
        false => None,
    };
    // A proof is of this second: a cache would only keep whom somebody asked about.
    Ok(([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], padded(proof.write(), auditor)))
}

/// Shows what has to be believed to check a proof: origins and keys of the logs, witnesses, auditors.
///
/// Who takes it from here trusts on first use; keep it as a file, and compare it with what others have.
#[utoipa::path(get, path = "/v1/log/trust", tag = "log", responses((status = 200, body = Trust),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn trust(State(api): State<Api>) -> Json<Trust> {
    let keys = api.authority.log_keys();
    let (witnesses, quorum) = api.authority.witness_policy();
    Json(Trust {
        origin: api.authority.origin().to_owned(),
        log: keys.map.to_string(),
        vrf: to_base64(&api.authority.vrf_key()),
        gov: keys.gov.name().to_owned(),
        gov_key: keys.gov.to_string(),
        witnesses: witnesses.iter().map(ToString::to_string).collect(),
        quorum: u32::try_from(quorum).unwrap_or(u32::MAX),
        auditors: api.authority.auditors().iter().map(ToString::to_string).collect(),
        eras: api.authority.past_origins(),
    })
}

fn said(audited: Audited) -> AuditorSaid {
    let consistency = audited.consistency.iter().map(|hash| to_base64(hash)).collect();
    AuditorSaid { checkpoint: audited.checkpoint, consistency }
}

/// The answer as JSON text of a multiple of [`PROOF_ANSWER_STEP`] bytes.
fn padded(proof: String, auditor: Option<AuditorSaid>) -> String {
    let mut answer = ProofAnswer { proof, auditor, padding: String::new() };
    let text = |answer: &ProofAnswer| serde_json::to_string(answer).unwrap_or_default();
    let length = text(&answer).len();
    answer.padding = "0".repeat(length.next_multiple_of(PROOF_ANSWER_STEP) - length);
    text(&answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_few_sizes() {
        for length in [0, 1, 3000, 8000, 8191, 8192, 20_000] {
            let text = padded("x".repeat(length), None);
            assert_eq!(text.len() % PROOF_ANSWER_STEP, 0);
            assert!(text.len() < length + 2 * PROOF_ANSWER_STEP);
            assert_eq!(serde_json::from_str::<ProofAnswer>(&text).unwrap().proof.len(), length);
        }
    }
}

//! `/v1/numbers/{number}`: prepare, register, change, renew, release, read.

use axum::extract::State;
use axum::http::header::ETAG;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use data_encoding::HEXLOWER;

use crate::api::numbers::{Asked, NumberView, Pending, Possession, Prepared, Receipt, Release, Renewal, Submission};
use crate::api::{Base64, Problem, ProblemError};
use crate::authority::{self, Actor, Condition};
use crate::clock::rfc3339;
use crate::http::conditions::Conditions;
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::request::{Body, Caller, OptionalBody, PathNumber, blocking, idempotency, prefer_wait_ms};
use crate::http::{Api, list, receipts};
use crate::log::record::Prefix;
use crate::log::sha256;
use crate::log::state::Flags;
use crate::number::Number;
use crate::registry::possession::Proof;

/// Prepares a change: label with its VRF proof, a nonce for the validation token, a key for X25519 possession proofs.
///
/// The answer is alike for every number; version and State come only for the number's own provider, and for who brings a good
/// validation token that names him. The body may be left out.
#[utoipa::path(post, path = "/v1/numbers/{number}/prepare", tag = "numbers", request_body = Option<Asked>, params(("number" = String, Path, description = "E.164, `+…`")),
    security(("token" = [])), responses((status = 200, body = Prepared), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn prepare(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    PathNumber(number): PathNumber,
    OptionalBody(asked): OptionalBody<Asked>,
) -> Result<Json<Prepared>, Reply> {
    let made = api.authority.prepare(&actor, number, asked.validation).await.map_err(|no| Reply::rejected(&id, no))?;
    let (version, prev, state, pending) = match made.sponsored {
        Some(now) => {
            (Some(now.version), Some(now.prev.into()), Some(now.state.write().into()), now.pending.map(waiting))
        }
        None => (None, None, None, None),
    };
    Ok(Json(Prepared {
        apex: api.apex.clone(),
        origin: made.origin,
        label: made.label.0.into(),
        vrf_proof: made.proof.into(),
        vrf_key: made.vrf_key.into(),
        nonce: made.nonce,
        nonce_expires: rfc3339(made.nonce_expires_s),
        ephemeral: made.ephemeral.into(),
        now_s: made.now_s,
        version,
        prev,
        state,
        pending,
    }))
}

/// Registers a number, or changes its record or control key.
///
/// Accepted means durable: the receipt is a promise. `Prefer: wait=5` waits for publication.
#[utoipa::path(put, path = "/v1/numbers/{number}", tag = "numbers", request_body = Submission, params(("number" = String, Path, description = "E.164, `+…`"),
    ("Idempotency-Key" = Option<String>, Header, description = "same key and body: the first answer again, for 24 h"),
    ("If-Match" = Option<String>, Header, description = "the ETag that the change is based on, a list of them, or `*`"),
    ("If-None-Match" = Option<String>, Header, description = "`*`: only if the number is not yours yet"),
    ("Prefer" = Option<String>, Header, description = "`wait=SECONDS`: wait for publication, at most 25")),
    security(("token" = [])), responses((status = 202, body = Receipt), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn put(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    PathNumber(number): PathNumber,
    headers: HeaderMap,
    Body { value, digest }: Body<Submission>,
) -> Result<Response, Reply> {
    let submission = submission_of(number, value).map_err(|mistakes| Reply::invalid(&id, mistakes))?;
    submit(&api, &id, &actor, &headers, submission, digest).await
}

/// Renews a registration with a fresh validation; nothing else changes.
#[utoipa::path(post, path = "/v1/numbers/{number}/validation", tag = "numbers", request_body = Renewal,
    params(("number" = String, Path, description = "E.164, `+…`"), ("Idempotency-Key" = Option<String>, Header, description = "as for PUT")),
    security(("token" = [])), responses((status = 202, body = Receipt), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn validate(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    PathNumber(number): PathNumber,
    headers: HeaderMap,
    Body { value, digest }: Body<Renewal>,
) -> Result<Response, Reply> {
    let submission = authority::Submission { validation: value.validation, ..bare(number, value.event) };
    submit(&api, &id, &actor, &headers, submission, digest).await
}

/// Gives notice of release, or releases after the notice has run.
#[utoipa::path(delete, path = "/v1/numbers/{number}", tag = "numbers", request_body = Release,
    params(("number" = String, Path, description = "E.164, `+…`"), ("Idempotency-Key" = Option<String>, Header, description = "as for PUT")),
    security(("token" = [])), responses((status = 202, body = Receipt), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn delete(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    PathNumber(number): PathNumber,
    headers: HeaderMap,
    Body { value, digest }: Body<Release>,
) -> Result<Response, Reply> {
    submit(&api, &id, &actor, &headers, bare(number, value.event), digest).await
}

/// Shows a registration to its provider; everybody else gets the same 404 as for a number that nobody registered.
#[utoipa::path(get, path = "/v1/numbers/{number}", tag = "numbers", params(("number" = String, Path, description = "E.164, `+…`")),
    security(("token" = [])), responses((status = 200, body = NumberView), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn show(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    PathNumber(number): PathNumber,
) -> Result<Response, Reply> {
    let view = read(&api, &id, &actor, number).await?.ok_or_else(|| Reply::no_such_number(&id))?;
    let view = shown(&view, api.clock.now_s());
    let etag = format!("\"{}\"", view.version);
    Ok(([(ETAG, etag)], Json(view)).into_response())
}

/// A submission that is an event and nothing else.
pub(crate) fn bare(number: Number, event: Base64) -> authority::Submission {
    authority::Submission {
        number,
        record: None,
        opening: None,
        event: event.0,
        possession: Vec::new(),
        validation: Vec::new(),
        nonce: None,
        code: None,
    }
}

/// A submission from its JSON.
pub(crate) fn submission_of(number: Number, body: Submission) -> Result<authority::Submission, Vec<ProblemError>> {
    Ok(authority::Submission {
        record: Some(body.record.into_bytes()),
        opening: body.opening.0.try_into().ok(), // the body was read with exactly 32 bytes
        possession: proofs(body.possession)?,
        validation: body.validation,
        nonce: body.nonce,
        ..bare(number, body.event)
    })
}

/// Proofs of possession from their JSON.
pub(crate) fn proofs(sent: Vec<Possession>) -> Result<Vec<Proof>, Vec<ProblemError>> {
    let (mut possession, mut mistakes) = (Vec::with_capacity(sent.len()), Vec::new());
    for (i, proof) in sent.into_iter().enumerate() {
        match Prefix::from_text(&proof.prefix) {
            Some(prefix) => possession.push(Proof { prefix, spki: proof.spki.0, proof: proof.proof.0 }),
            None => {
                let why = "no such prefix; `_id`, `_e2e`, `_mls`, `_sip-client` or `_smimecert` is needed";
                mistakes.push(ProblemError::form(format!("/possession/{i}/prefix"), "bad_value", why));
            }
        }
    }
    if mistakes.is_empty() { Ok(possession) } else { Err(mistakes) }
}

/// Reads a number on a thread that may wait for the disk.
async fn read(
    api: &Api,
    id: &RequestId,
    actor: &Actor,
    number: Number,
) -> Result<Option<authority::NumberView>, Reply> {
    let (authority, actor) = (api.authority.clone(), actor.clone());
    blocking(id, move || authority.read(&actor, number)).await
}

/// A registration as the API shows it.
fn shown(view: &authority::NumberView, now_s: u64) -> NumberView {
    let state = view.state.as_ref();
    let door = view.pending.as_ref().map(|pending| pending.door);
    let status = list::status(Condition::of(state, door, now_s));
    let record = std::str::from_utf8(&view.record).unwrap_or_default(); // R is ASCII
    let provider = record.lines().find_map(|line| line.strip_prefix("provider ")).unwrap_or_default();
    let held = state.is_some_and(|state| state.flags.contains(Flags::PROVIDER_HELD));
    NumberView {
        number: view.number.to_string(),
        status: status.to_owned(),
        provider: provider.to_owned(),
        class: if held { "provider".to_owned() } else { "holder".to_owned() },
        version: state.map_or(0, |state| state.version),
        not_after: state.map(|state| rfc3339(state.not_after)),
        since_epoch: state.map_or(0, |state| state.since_epoch),
        state: state.map(|state| state.write().into()),
        state_hash: state.map(|state| HEXLOWER.encode(&state.hash())),
        record: (!record.is_empty()).then(|| record.to_owned()),
        charter_version: receipts::charter_version(&view.newest.judged_by),
        numbering: receipts::numbering(&view.newest.judged_by),
        event_pending: view.newest.visibility == authority::Visibility::Pending,
        release_possible_from: view.release_from_s.map(rfc3339),
        pending: view.pending.clone().map(waiting),
    }
}

/// What is pending, as the API shows it.
fn waiting(pending: authority::Pending) -> Pending {
    Pending {
        door: pending.door as u32,
        provider: pending.provider,
        since: rfc3339(pending.since_s),
        effective_from: rfc3339(pending.effective_from_s),
        can_be_vetoed: pending.can_be_vetoed,
        objected_at: pending.objected_s.map(rfc3339),
    }
}

pub(crate) async fn submit(
    api: &Api,
    id: &RequestId,
    actor: &Actor,
    headers: &HeaderMap,
    submission: authority::Submission,
    digest: [u8; 32],
) -> Result<Response, Reply> {
    let invalid = |mistake: ProblemError| Reply::invalid(id, vec![mistake]);
    let idempotency = idempotency(headers, digest).map_err(invalid)?;
    if let Some(conditions) = Conditions::of(headers).map_err(invalid)? {
        unchanged(api, id, actor, &submission, &conditions).await?;
    }
    let receipt = api.authority.submit(actor, submission, idempotency).await.map_err(|no| Reply::rejected(id, no))?;
    accepted(api, id, actor, headers, receipt).await
}

/// Checks the conditions on the version. An event that was accepted before passes: the change that a repeated request meets is its own
/// (RFC 9110 13.1.1 allows that).
async fn unchanged(
    api: &Api,
    id: &RequestId,
    actor: &Actor,
    submission: &authority::Submission,
    conditions: &Conditions,
) -> Result<(), Reply> {
    let now = read(api, id, actor, submission.number).await?;
    let now = now.map(|view| view.state.map_or(0, |state| state.version));
    if conditions.hold(now) {
        return Ok(());
    }
    let (authority, asks, hash) = (api.authority.clone(), actor.clone(), sha256(&[&submission.event]));
    match blocking(id, move || authority.receipt(&asks, &hash)).await? {
        Some(_its_own) => Ok(()),
        None => Err(Reply::precondition(id, now)),
    }
}

/// 202 with the receipt, after the wait that the caller prefers.
pub(crate) async fn accepted(
    api: &Api,
    id: &RequestId,
    actor: &Actor,
    headers: &HeaderMap,
    receipt: authority::Receipt,
) -> Result<Response, Reply> {
    let wait_ms = prefer_wait_ms(headers);
    let mut receipt = receipt;
    if wait_ms > 0 {
        let later = api
            .authority
            .wait_published(actor, &receipt.event_hash, wait_ms)
            .await
            .map_err(|no| Reply::rejected(id, no))?;
        receipt = later.unwrap_or(receipt);
    }
    let receipt = receipts::shown(&receipt);
    let location = format!("/v1/receipts/{}", receipt.event_hash);
    Ok((StatusCode::ACCEPTED, [("location", location)], Json(receipt)).into_response())
}

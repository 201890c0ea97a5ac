//! `/v1/audits`: audits of validation entities; what is public of them, what entities answer, what the staff finds.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use data_encoding::HEXLOWER_PERMISSIVE;

use crate::api::acts::Act;
use crate::api::audits::{
    Audit, AuditEntity, AuditFindings, AuditItem, AuditItems, AuditLeaf, AuditRequest, AuditRequests, AuditStep,
    Audits, BeaconSaid, NewEvidence, NewFinding, SanctionWanted,
};
use crate::api::{Base64, Problem, ProblemError};
use crate::authority::{self, AUDIT_ITEMS_PAGE_MAX, EVIDENCE_BYTES_MAX, Rejection};
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::query::Parameters;
use crate::http::receipts::time_of;
use crate::http::request::{Body, Caller, Operator, OptionalBody, Path};
use crate::http::{Api, acts};
use crate::ledger;
use crate::registry::acts::ActKind;
use crate::registry::audit::period::Period;
use crate::registry::audit::verdict::Fault;

/// Items of one page when nothing is said.
const PAGE_USUAL: usize = 100;
const TEXT: &str = "text/plain; charset=utf-8";

/// Every audit with its leaves of the public log: what was committed to, drawn and found, for anybody to check.
#[utoipa::path(get, path = "/v1/audits", tag = "audits", responses((status = 200, body = Audits),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn all(State(api): State<Api>, Extension(id): Extension<RequestId>) -> Result<Json<Audits>, Reply> {
    let audits = run(&id, move || api.authority.audits()).await?;
    Ok(Json(Audits { audits: audits.iter().map(shown).collect() }))
}

/// The population of a month, 10000 lines at a time: what the draw is from, without a number.
#[utoipa::path(get, path = "/v1/audits/population", tag = "audits", params(("period" = String, Query, description = "the month: 2026-11"),
    ("from" = Option<u32>, Query, description = "lines that you have already")), responses((status = 200, body = String, content_type = "text/plain"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn population(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    mut parameters: Parameters,
) -> Result<impl IntoResponse, Reply> {
    let period = parameters.value("period", "a month, such as 2026-11", Period::parse);
    let from = parameters.value("from", "a whole number", |text| text.parse::<u32>().ok()).unwrap_or(0);
    parameters.end(&id)?;
    let needed = || ProblemError::form("period", "required", "name the month: ?period=2026-11");
    let period = period.ok_or_else(|| Reply::invalid(&id, vec![needed()]))?;
    let text = run(&id, move || api.authority.population(&period.to_string(), from as usize)).await?;
    Ok(([(CONTENT_TYPE, TEXT)], text))
}

/// What your validation entity is asked for and has not answered.
#[utoipa::path(get, path = "/v1/audits/requests", tag = "evidence", params(("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ("limit" = Option<u32>, Query, description = "1 to 500")), security(("token" = [])),
    responses((status = 200, body = AuditRequests), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn requests(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    mut parameters: Parameters,
) -> Result<Json<AuditRequests>, Reply> {
    let after = parameters.value("cursor", "`next_cursor` of an earlier answer", item_id).unwrap_or_default();
    let limit = parameters.limit(PAGE_USUAL, AUDIT_ITEMS_PAGE_MAX);
    parameters.end(&id)?;
    let page = run(&id, move || api.authority.audit_requests(&actor, &after, limit)).await?;
    let requests = page.items.into_iter().map(asked).collect();
    Ok(Json(AuditRequests { requests, next_cursor: page.after }))
}

/// Hands evidence in for what your validation entity is asked for: the bytes that the token committed to. The same again is the same.
#[utoipa::path(post, path = "/v1/audits/{id}/evidence", tag = "evidence", request_body = NewEvidence, params(("id" = String, Path, description = "the request's id")),
    security(("token" = [])), responses((status = 200, body = AuditRequest), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn answer(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    Path(item): Path<String>,
    Body { value, .. }: Body<NewEvidence>,
) -> Result<Json<AuditRequest>, Reply> {
    if value.evidence.0.is_empty() || value.evidence.0.len() > EVIDENCE_BYTES_MAX {
        let why = format!("1 to {EVIDENCE_BYTES_MAX} bytes");
        return Err(Reply::invalid(&id, vec![ProblemError::form("/evidence", "wrong_length", why)]));
    }
    let item = run(&id, move || api.authority.answer_audit(&actor, &item, value.evidence.0)).await?;
    Ok(Json(asked(item)))
}

/// A drawn token with its number and evidence, while these are kept.
#[utoipa::path(get, path = "/v1/audits/{id}/evidence", tag = "audits", params(("id" = String, Path, description = "the item's id")),
    security(("token" = [])), responses((status = 200, body = AuditItem), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn item(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Path(item): Path<String>,
) -> Result<Json<AuditItem>, Reply> {
    let view = run(&id, move || api.authority.audit_item(&actor, &item)).await?;
    let number = view.number.map(|number| number.to_string());
    Ok(Json(AuditItem { number, evidence: view.evidence.map(Base64::from), ..item_shown(view.item) }))
}

/// Judges a drawn token whose evidence came. Until the audit is published a person may think again.
#[utoipa::path(post, path = "/v1/audits/{id}/finding", tag = "audits", request_body = NewFinding, params(("id" = String, Path, description = "the item's id")),
    security(("token" = [])), responses((status = 200, body = AuditItem), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn judge(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Path(item): Path<String>,
    Body { value, .. }: Body<NewFinding>,
) -> Result<Json<AuditItem>, Reply> {
    let fault = finding(&id, &value.finding)?;
    let item = run(&id, move || api.authority.judge_audit(&actor, &item, fault)).await?;
    Ok(Json(item_shown(item)))
}

/// What a person found: a fault, or none. Silence is found by time alone.
pub(crate) fn finding(id: &RequestId, text: &str) -> Result<Option<Fault>, Reply> {
    match (text, Fault::from_name(text)) {
        ("pass", _) => Ok(None),
        (_, Some(fault)) if fault != Fault::Silent => Ok(Some(fault)),
        _ => {
            let why = "`pass`, `incomplete`, `mismatch`, `time`, `forged` or `contradicted` is needed";
            Err(Reply::invalid(id, vec![ProblemError::form("/finding", "bad_value", why)]))
        }
    }
}

/// The drawn tokens of a month.
#[utoipa::path(get, path = "/v1/audits/{id}/items", tag = "audits", params(("id" = String, Path, description = "the month: 2026-11"),
    ("entity" = Option<String>, Query, description = "only those of this validation entity"), ("state" = Option<String>, Query, description = "only `asked`, `answered`, `passed` or `failed`"),
    ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"), ("limit" = Option<u32>, Query, description = "1 to 500")),
    security(("token" = [])), responses((status = 200, body = AuditItems), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn items(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Path(period): Path<String>,
    mut parameters: Parameters,
) -> Result<Json<AuditItems>, Reply> {
    let after = parameters.value("cursor", "`next_cursor` of an earlier answer", item_id).unwrap_or_default();
    let limit = parameters.limit(PAGE_USUAL, AUDIT_ITEMS_PAGE_MAX);
    let entity = parameters.value("entity", "an id", |text| Some(text.to_owned()));
    let states = ["asked", "answered", "passed", "failed"];
    let known = |text: &str| states.contains(&text).then(|| text.to_owned());
    let state = parameters.value("state", "`asked`, `answered`, `passed` or `failed`", known);
    parameters.end(&id)?;
    let page = run(&id, move || {
        api.authority.audit_items(&actor, &period, (entity.as_deref(), state.as_deref()), &after, limit)
    });
    let page = page.await?;
    Ok(Json(AuditItems { items: page.items.into_iter().map(item_shown).collect(), next_cursor: page.after }))
}

/// What was found of each entity so far, and every step.
#[utoipa::path(get, path = "/v1/audits/{id}/findings", tag = "audits", params(("id" = String, Path, description = "the month: 2026-11")),
    security(("token" = [])), responses((status = 200, body = AuditFindings), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn findings(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Path(period): Path<String>,
) -> Result<Json<AuditFindings>, Reply> {
    let (found, audit) = run(&id, move || {
        let found = api.authority.audit_found(&actor, &period)?;
        Ok((found, api.authority.audit_of(&period)?))
    })
    .await?;
    let steps = audit.steps.into_iter().map(|(step, who, at_ms)| AuditStep { step, who, at: time_of(at_ms) });
    let (period, state) = (audit.row.period, audit.row.state);
    Ok(Json(AuditFindings { period, state, entities: found.into_iter().map(entity).collect(), steps: steps.collect() }))
}

/// Closes a month that is over; the directory does it by itself as well. Closed already: nothing happens.
#[utoipa::path(post, path = "/v1/audits/{id}/close", tag = "audits", params(("id" = String, Path, description = "the month: 2026-11")),
    security(("token" = [])), responses((status = 200, body = Audit), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn close(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Path(period): Path<String>,
) -> Result<Json<Audit>, Reply> {
    let audit = run(&id, move || {
        actor.demand(crate::registry::acts::Power::Audit)?;
        api.authority.close_audit(&actor, Period::parse(&period).ok_or(Rejection::NotFound)?)
    });
    Ok(Json(shown(&audit.await?)))
}

/// Draws the audit of a closed month; without a beacon the directory does it by itself. Drawn already: nothing happens.
#[utoipa::path(post, path = "/v1/audits/{id}/draw", tag = "audits", request_body = Option<BeaconSaid>, params(("id" = String, Path, description = "the month: 2026-11")),
    security(("token" = [])), responses((status = 200, body = Audit), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn draw(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Path(period): Path<String>,
    OptionalBody(said): OptionalBody<BeaconSaid>,
) -> Result<Json<Audit>, Reply> {
    let value = match (said.round, said.value.map(|text| HEXLOWER_PERMISSIVE.decode(text.as_bytes()))) {
        (None, None) => None,
        (Some(round), Some(Ok(value))) => Some((u64::from(round), value)),
        _ => {
            let why = "`round` and `value` go together; the value is written in hexadecimal digits";
            return Err(Reply::invalid(&id, vec![ProblemError::form("/value", "bad_value", why)]));
        }
    };
    let audit = run(&id, move || api.authority.draw_audit(&actor, &period, value)).await?;
    Ok(Json(shown(&audit)))
}

/// Asks for the sanction that the findings of an entity come to: an act, which another person approves.
#[utoipa::path(post, path = "/v1/audits/{id}/sanctions", tag = "audits", request_body = SanctionWanted, params(("id" = String, Path, description = "the month: 2026-11")),
    security(("token" = [])), responses((status = 200, body = Act), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn propose(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Path(period): Path<String>,
    Body { value, .. }: Body<SanctionWanted>,
) -> Result<Json<Act>, Reply> {
    let act = run(&id, move || api.authority.propose_sanction(&actor, &period, &value.entity)).await?;
    Ok(Json(acts::shown(&act)))
}

/// Publishes what was found, as counts in the public log. Every drawn token has its finding.
#[utoipa::path(post, path = "/v1/audits/{id}/publication", tag = "audits", params(("id" = String, Path, description = "the month: 2026-11")),
    security(("token" = [])), responses((status = 200, body = Audit), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn publish(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Path(period): Path<String>,
) -> Result<Json<Audit>, Reply> {
    let audit = run(&id, move || api.authority.publish_audit(&actor, &period)).await?;
    Ok(Json(shown(&audit)))
}

/// Runs what blocks; what is not there is no number here.
pub(crate) async fn run<T: Send + 'static>(
    id: &RequestId,
    work: impl FnOnce() -> Result<T, Rejection> + Send + 'static,
) -> Result<T, Reply> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(Rejection::NotFound)) => Err(Reply::new(
            id,
            404,
            "not_found",
            "There is no such audit",
            "no audit and no item of yours has this name",
        )),
        Ok(Err(Rejection::Gone(why))) => Err(Reply::new(id, 404, "not_found", "This is not kept any more", &why)),
        Ok(Err(no)) => Err(Reply::rejected(id, no)),
        Err(_panic) => Err(Reply::fault(id)),
    }
}

/// What an entity is asked for: nothing that it does not know.
fn asked(item: ledger::AuditItem) -> AuditRequest {
    AuditRequest {
        id: item.id,
        period: item.period,
        kind: item.kind,
        methods: item.methods.lines().map(str::to_owned).collect(),
        evidence_sha256: Base64::from(item.evd),
        due_at: time_of(item.due_ms),
    }
}

fn item_id(text: &str) -> Option<String> {
    let fits = text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| text.to_owned())
}

fn shown(audit: &authority::Audit) -> Audit {
    let row = &audit.row;
    Audit {
        period: row.period.clone(),
        state: row.state.clone(),
        closed_at: time_of(row.closed_ms),
        drawn_at: row.drawn_ms.map(time_of),
        due_at: row.due_ms.map(time_of),
        published_at: row.published_ms.map(time_of),
        checkpoint: row.checkpoint.clone(),
        leaves: audit.leaves.iter().map(|(index, leaf)| AuditLeaf { index: *index, leaf: leaf.clone() }).collect(),
    }
}

fn item_shown(item: ledger::AuditItem) -> AuditItem {
    AuditItem {
        id: item.id,
        period: item.period,
        entity: item.entity,
        stratum: item.stratum,
        methods: item.methods.lines().map(str::to_owned).collect(),
        kind: item.kind,
        token_at: time_of(item.token_ms),
        state: item.state,
        due_at: time_of(item.due_ms),
        answered_at: item.answered_ms.map(time_of),
        fault: item.fault,
        clause: item.clause,
        judged_by: item.judged_by,
        judged_at: item.judged_ms.map(time_of),
        number: None,
        evidence: None,
    }
}

fn entity(found: authority::EntityFound) -> AuditEntity {
    AuditEntity {
        entity: found.entity,
        tokens: found.size,
        drawn: found.drawn,
        waiting: found.waiting,
        failed: found.failed,
        silent: found.silent,
        rate_ppb: found.verdict.rate_ppb,
        lower_ppb: found.verdict.lower_ppb,
        upper_ppb: found.verdict.upper_ppb,
        proposed: found.verdict.proposed.map(ActKind::name).map(str::to_owned),
        act: found.act,
    }
}

//! `/v1/acts`: what the operator does, by one person or by two.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};

use crate::api::acts::{Act, ActEvents, ActStep, Acts, EventResult, EventResults, NewAct, SignedEvents, ToSign};
use crate::api::providers::Provider;
use crate::api::{Base64, Problem, ProblemError};
use crate::authority::{self, ACTS_PAGE_MAX, ORDER_EVENTS_MAX, StaffWish, Subject, Wish};
use crate::clock::rfc3339;
use crate::http::Api;
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::providers::{self, key_of, keys};
use crate::http::query::Parameters;
use crate::http::receipts::{self, time_of};
use crate::http::request::{
    Body, Caller, Operator, Path, blocking, idempotency, label_cursor, number_of, shown_cursor,
};
use crate::log::bytes::from_base64url;
use crate::log::note::VerifierKey;
use crate::registry::acts::{ActKind, StaffRole};

/// The states by which acts are listed.
const STATES: [&str; 4] = ["open", "done", "withdrawn", "expired"];

/// Asks for an act. If one person is enough it is done when this returns; else another approves.
#[utoipa::path(post, path = "/v1/acts", tag = "operator", request_body = NewAct, params(
    ("Idempotency-Key" = Option<String>, Header, description = "same key and body: the first act again")), security(("token" = [])),
    responses((status = 201, body = Act), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn ask(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    headers: HeaderMap,
    Body { value, digest }: Body<NewAct>,
) -> Result<(StatusCode, Json<Act>), Reply> {
    let idempotency = idempotency(&headers, digest).map_err(|mistake| Reply::invalid(&id, vec![mistake]))?;
    let wish = wish_of(&api, value).map_err(|mistakes| Reply::invalid(&id, mistakes))?;
    let act = blocking(&id, move || api.authority.request_act(&actor, wish, idempotency.as_ref())).await?;
    Ok((StatusCode::CREATED, Json(shown(&act))))
}

/// Lists acts, the newest first.
#[utoipa::path(get, path = "/v1/acts", tag = "operator", params(("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ("limit" = Option<u32>, Query, description = "1 to 100"), ("state" = Option<String>, Query, description = "open, done, withdrawn or expired")),
    security(("token" = [])), responses((status = 200, body = Acts), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn list(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    mut parameters: Parameters,
) -> Result<Json<Acts>, Reply> {
    let before = parameters.value("cursor", "`next` of an earlier answer", |text| text.parse().ok()).unwrap_or(0);
    let limit = parameters.limit(ACTS_PAGE_MAX, ACTS_PAGE_MAX);
    let known = |text: &str| STATES.into_iter().find(|state| *state == text);
    let state = parameters.value("state", "`open`, `done`, `withdrawn` or `expired`", known);
    parameters.end(&id)?;
    let acts = blocking(&id, move || api.authority.acts(&actor, before, state, limit)).await?;
    let next = (acts.len() == limit).then(|| acts.last().map(|act| act.row.seq.to_string())).flatten();
    Ok(Json(Acts { acts: acts.iter().map(shown).collect(), next }))
}

/// Shows an act with every step.
#[utoipa::path(get, path = "/v1/acts/{id}", tag = "operator", params(("id" = String, Path)), security(("token" = [])),
    responses((status = 200, body = Act), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn show(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Path(act): Path<String>,
) -> Result<Json<Act>, Reply> {
    let act = blocking(&id, move || api.authority.act(&actor, &act)).await?;
    Ok(Json(shown(&act)))
}

/// Approves an act that another person asked for; what it does is done when this returns.
#[utoipa::path(post, path = "/v1/acts/{id}/approval", tag = "operator", params(("id" = String, Path)), security(("token" = [])),
    responses((status = 200, body = Act), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn approve(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Path(act): Path<String>,
) -> Result<Json<Act>, Reply> {
    let act = blocking(&id, move || api.authority.approve_act(&actor, &act)).await?;
    Ok(Json(shown(&act)))
}

/// Withdraws an open act.
#[utoipa::path(delete, path = "/v1/acts/{id}", tag = "operator", params(("id" = String, Path)), security(("token" = [])),
    responses((status = 200, body = Act), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn withdraw(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Path(act): Path<String>,
) -> Result<Json<Act>, Reply> {
    let act = blocking(&id, move || api.authority.withdraw_act(&actor, &act)).await?;
    Ok(Json(shown(&act)))
}

/// The events of an approved act about numbers, for two of the staff to sign.
#[utoipa::path(get, path = "/v1/acts/{id}/events", tag = "operator", params(("id" = String, Path),
    ("cursor" = Option<String>, Query, description = "`next` of the page before")), security(("token" = [])),
    responses((status = 200, body = ActEvents), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn events(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Path(act): Path<String>,
    mut parameters: Parameters,
) -> Result<Json<ActEvents>, Reply> {
    let after = parameters.value("cursor", "`next` of an earlier answer", label_cursor);
    parameters.end(&id)?;
    let origin = api.authority.origin().to_owned();
    let page = blocking(&id, move || api.authority.act_events(&actor, &act, after.as_ref())).await?;
    let to_sign = |one: &authority::ToSign| ToSign { number: one.number.to_string(), event: Base64(one.event.write()) };
    let events = page.events.iter().map(to_sign).collect();
    Ok(Json(ActEvents { act: shown(&page.act), origin, events, next: page.next.as_ref().map(shown_cursor) }))
}

/// Takes events of an act that two of the staff have signed.
#[utoipa::path(post, path = "/v1/acts/{id}/events", tag = "operator", request_body = SignedEvents, params(("id" = String, Path)), security(("token" = [])),
    responses((status = 200, body = EventResults), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn submit_events(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Path(act): Path<String>,
    Body { value, .. }: Body<SignedEvents>,
) -> Result<Json<EventResults>, Reply> {
    if value.events.is_empty() || value.events.len() > ORDER_EVENTS_MAX {
        let why = format!("1 to {ORDER_EVENTS_MAX} events are possible");
        return Err(Reply::invalid(&id, vec![ProblemError::form("/events", "bad_value", why)]));
    }
    let events = value.events.into_iter().map(|event| event.0).collect();
    let answers = blocking(&id, move || api.authority.submit_order(&actor, &act, events)).await?;
    let results = answers.into_iter().map(|answer| match answer {
        Ok(receipt) => EventResult { receipt: Some(receipts::shown(&receipt)), problem: None },
        Err(no) => EventResult { receipt: None, problem: Some(Reply::rejected(&id, no).into_problem()) },
    });
    Ok(Json(EventResults { results: results.collect() }))
}

/// Appeals against the sanction that a provider is under: by the provider itself, or entered for it by an officer.
#[utoipa::path(post, path = "/v1/providers/{id}/appeal", tag = "providers", params(("id" = String, Path)), security(("token" = [])),
    responses((status = 200, body = Provider), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn appeal(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    Path(provider): Path<String>,
) -> Result<Json<Provider>, Reply> {
    let made = blocking(&id, move || api.authority.appeal(&actor, &provider)).await?;
    Ok(Json(providers::shown(&made)))
}

/// An act from its JSON, or everything that is wrong with that.
pub(crate) fn wish_of(api: &Api, body: NewAct) -> Result<Wish, Vec<ProblemError>> {
    let mut mistakes = Vec::new();
    let Some(kind) = ActKind::from_name(&body.kind) else {
        let names: Vec<&str> = ActKind::ALL.into_iter().map(ActKind::name).collect();
        return Err(vec![ProblemError::form("/kind", "bad_value", format!("one of {}", names.join(", ")))]);
    };
    if kind == ActKind::Charter {
        let why = "another version of the charter is asked for with its text: POST /v1/charter";
        return Err(vec![ProblemError::form("/kind", "bad_value", why)]);
    }
    providers::clause_of(api, &body.clause, &mut mistakes);
    let subject = subject_of(kind, &body, &mut mistakes);
    if body.reason.is_empty() {
        mistakes.push(ProblemError::form("/reason", "required", "say why, without personal data"));
    }
    match subject {
        Some(subject) if mistakes.is_empty() => Ok(Wish { kind, clause: body.clause, reason: body.reason, subject }),
        _ => Err(mistakes),
    }
}

fn subject_of(kind: ActKind, body: &NewAct, mistakes: &mut Vec<ProblemError>) -> Option<Subject> {
    let mut needed = |name: &str, there: bool| {
        if !there {
            let why = format!("an act of kind {} needs this field", kind.name());
            mistakes.push(ProblemError::form(format!("/{name}"), "required", why));
        }
    };
    let of_staff = matches!(kind, ActKind::StaffAdd | ActKind::StaffChange | ActKind::StaffEnd);
    needed("provider", of_staff || kind.is_order() || kind.is_of_auditor() || body.provider.is_some());
    needed("vkey", !kind.is_of_auditor() || body.vkey.is_some());
    needed("person", !of_staff || body.person.is_some());
    needed("numbers", !kind.is_order() || !body.numbers.is_empty());
    needed("days", !matches!(kind, ActKind::WindDown | ActKind::SuspendNumbers) || body.days.is_some());
    needed("lost_key", kind != ActKind::CompromisedKey || body.lost_key.is_some());
    needed("since_s", kind != ActKind::CompromisedKey || body.since_s.is_some());
    let days = u64::from(body.days.unwrap_or(0));
    let provider = body.provider.clone().unwrap_or_default();
    Some(match kind {
        ActKind::ProviderKeys => Subject::Keys {
            provider,
            statement_keys: keys(&body.statement_keys, "/statement_keys", mistakes),
            validation_keys: keys(&body.validation_keys, "/validation_keys", mistakes),
        },
        ActKind::CompromisedKey => {
            let key = from_base64url(body.lost_key.as_deref()?).and_then(|key| key.try_into().ok());
            if key.is_none() {
                let why = "the thumbprint of a key is needed, 43 characters of base64url";
                mistakes.push(ProblemError::form("/lost_key", "bad_value", why));
            }
            Subject::LostKey { provider, key: key?, since_s: body.since_s?.into() }
        }
        _ if of_staff => {
            let role = body.role.as_deref().map(StaffRole::from_name);
            if role == Some(None) {
                mistakes.push(ProblemError::form("/role", "bad_value", "viewer, auditor, officer or admin"));
            }
            let key = match &body.public_key {
                Some(key) => Some(key_of(key, "/public_key", mistakes)?),
                None => None,
            };
            Subject::Staff(StaffWish { person: body.person.clone()?, role: role.flatten(), key })
        }
        _ if kind.is_of_auditor() => match VerifierKey::parse(body.vkey.as_deref()?) {
            Ok(key) => Subject::Auditor(key),
            Err(why) => {
                mistakes.push(ProblemError::form(
                    "/vkey",
                    "bad_value",
                    format!("{why}; it is what `auditor init` printed"),
                ));
                return None;
            }
        },
        _ if kind.is_order() => {
            let mut numbers = Vec::with_capacity(body.numbers.len());
            for (i, text) in body.numbers.iter().enumerate() {
                match number_of(text, &format!("/numbers/{i}")) {
                    Ok(number) => numbers.push(number),
                    Err(mistake) => mistakes.push(mistake),
                }
            }
            Subject::Numbers { numbers, days }
        }
        _ => Subject::Provider { provider, days },
    })
}

/// An act as the API shows it.
pub(crate) fn shown(act: &authority::Act) -> Act {
    let row = &act.row;
    let step = |step: &crate::ledger::StepRow| ActStep {
        step: step.step.clone(),
        who: step.who.clone(),
        at: time_of(step.at_ms),
    };
    Act {
        id: row.id.clone(),
        kind: row.kind.clone(),
        state: row.state.clone(),
        clause: row.clause.clone(),
        reason: row.reason.clone(),
        parameters: act.parameters(),
        hands: row.hands,
        hands_why: act.kind.why().to_owned(),
        steps: act.steps.iter().map(step).collect(),
        asked_at: time_of(row.asked_ms),
        expires_at: time_of(row.expires_ms),
        until: row.until_s.map(rfc3339),
        gov_leaf: row.gov,
        numbers: act.numbers,
        accepted: act.accepted,
    }
}

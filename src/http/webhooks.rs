//! `/v1/webhooks`: endpoints that the change feed is sent to, their tests and attempts, and the keys that sign.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};

use crate::api::webhooks::{
    Deliveries, Delivery, NewWebhook, Redelivery, Webhook, WebhookChange, WebhookHealth, WebhookKeys, WebhookOutcome,
    Webhooks, WebhooksHealth,
};
use crate::api::{Problem, ProblemError};
use crate::authority::{
    self, Actor, ChangesFrom, Rejection, UrlMistake, WEBHOOK_DESCRIPTION_MAX, WebhookAttempt, WebhookEdit,
    WebhookState, WebhookUrl, WebhookView, WebhookWanted, change_kinds,
};
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::query::Parameters;
use crate::http::receipts::time_of;
use crate::http::request::{Body, Caller, Operator, OptionalBody, Path};
use crate::http::{Api, changes};

/// Endpoints of one page: more than one owner may have.
const PAGE_MAX: usize = 100;

/// The public keys that webhooks are verified with.
#[utoipa::path(get, path = "/v1/webhooks/keys", tag = "webhooks", responses((status = 200, body = WebhookKeys),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn keys(State(api): State<Api>) -> Json<WebhookKeys> {
    Json(WebhookKeys { keys: api.authority.webhook_keys() })
}

/// Names an endpoint: what happens from now on is sent there, signed as Standard Webhooks has it, in order, each at least once.
#[utoipa::path(post, path = "/v1/webhooks", tag = "webhooks", request_body = NewWebhook, security(("token" = [])),
    responses((status = 201, body = Webhook), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn add(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    Body { value, .. }: Body<NewWebhook>,
) -> Result<(StatusCode, Json<Webhook>), Reply> {
    may_set(&api, &id, &actor, None).await?;
    let mut mistakes = Vec::new();
    check_kinds(&value.kinds, &mut mistakes);
    let description = value.description.unwrap_or_default();
    check_description(&description, &mut mistakes);
    let url = url(&api, &id, value.url, &mut mistakes).await?;
    let Some(url) = url.filter(|_| mistakes.is_empty()) else { return Err(Reply::invalid(&id, mistakes)) };
    let new = authority::NewWebhook { url, kinds: value.kinds, description };
    let made = done(&id, move || api.authority.add_webhook(&actor, new)).await?;
    Ok((StatusCode::CREATED, Json(shown(made))))
}

/// Lists your endpoints, the oldest first.
#[utoipa::path(get, path = "/v1/webhooks", tag = "webhooks", params(("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ("limit" = Option<u32>, Query, description = "1 to 100")), security(("token" = [])), responses((status = 200, body = Webhooks),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn list(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    mut parameters: Parameters,
) -> Result<Json<Webhooks>, Reply> {
    let after = parameters.value("cursor", "`next_cursor` of an earlier answer", changes::place_in).unwrap_or(0);
    let limit = parameters.limit(PAGE_MAX, PAGE_MAX);
    parameters.end(&id)?;
    let (page, more) = done(&id, move || api.authority.webhooks(&actor, after, limit)).await?;
    let next_cursor = page.last().filter(|_| more).map(|last| changes::written(last.row.seq));
    Ok(Json(Webhooks { webhooks: page.into_iter().map(shown).collect(), next_cursor }))
}

/// Lists everybody's endpoints for the operator: how they do, and nothing of their URLs but the host.
#[utoipa::path(get, path = "/v1/webhooks/health", tag = "operator", params(("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ("limit" = Option<u32>, Query, description = "1 to 100")), security(("token" = [])), responses((status = 200, body = WebhooksHealth),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn health(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    mut parameters: Parameters,
) -> Result<Json<WebhooksHealth>, Reply> {
    let after = parameters.value("cursor", "`next_cursor` of an earlier answer", changes::place_in).unwrap_or(0);
    let limit = parameters.limit(PAGE_MAX, PAGE_MAX);
    parameters.end(&id)?;
    let (page, more) = done(&id, move || api.authority.webhooks_health(&actor, after, limit)).await?;
    let next_cursor = page.last().filter(|_| more).map(|last| changes::written(last.seq));
    Ok(Json(WebhooksHealth { webhooks: page.into_iter().map(health_shown).collect(), next_cursor }))
}

/// Shows an endpoint and how far it has come.
#[utoipa::path(get, path = "/v1/webhooks/{id}", tag = "webhooks", params(("id" = String, Path, description = "the endpoint's id")), security(("token" = [])),
    responses((status = 200, body = Webhook), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn show(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    Path(webhook): Path<String>,
) -> Result<Json<Webhook>, Reply> {
    Ok(Json(shown(done(&id, move || api.authority.webhook(&actor, &webhook)).await?)))
}

/// Changes an endpoint. `active` or another URL ends every wait, and makes a disabled one active again (`active` alone).
#[utoipa::path(patch, path = "/v1/webhooks/{id}", tag = "webhooks", request_body = WebhookChange, params(("id" = String, Path, description = "the endpoint's id")),
    security(("token" = [])), responses((status = 200, body = Webhook), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn change(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    Path(webhook): Path<String>,
    Body { value, .. }: Body<WebhookChange>,
) -> Result<Json<Webhook>, Reply> {
    may_set(&api, &id, &actor, Some(&webhook)).await?;
    let mut mistakes = Vec::new();
    check_kinds(value.kinds.as_deref().unwrap_or_default(), &mut mistakes);
    check_description(value.description.as_deref().unwrap_or_default(), &mut mistakes);
    let wanted = match value.state.as_deref() {
        None => None,
        Some("active") => Some(WebhookWanted::Active),
        Some("paused") => Some(WebhookWanted::Paused),
        Some(_) => {
            mistakes.push(ProblemError::form("/state", "bad_value", "`active` or `paused` is needed"));
            None
        }
    };
    let url = match value.url {
        Some(text) => url(&api, &id, text, &mut mistakes).await?,
        None => None,
    };
    if !mistakes.is_empty() {
        return Err(Reply::invalid(&id, mistakes));
    }
    let edit = WebhookEdit { url, wanted, kinds: value.kinds, description: value.description };
    Ok(Json(shown(done(&id, move || api.authority.edit_webhook(&actor, &webhook, edit)).await?)))
}

/// Removes an endpoint. A delivery that is under way may still arrive.
#[utoipa::path(delete, path = "/v1/webhooks/{id}", tag = "webhooks", params(("id" = String, Path, description = "the endpoint's id")), security(("token" = [])),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn remove(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    Path(webhook): Path<String>,
) -> Result<StatusCode, Reply> {
    done(&id, move || api.authority.remove_webhook(&actor, &webhook)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a test at once, whatever the endpoint's state, and says how that went. A test that is taken ends the wait after a failure.
#[utoipa::path(post, path = "/v1/webhooks/{id}/test", tag = "webhooks", params(("id" = String, Path, description = "the endpoint's id")), security(("token" = [])),
    responses((status = 200, body = Delivery), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn test(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    Path(webhook): Path<String>,
) -> Result<Json<Delivery>, Reply> {
    Ok(Json(attempt(&done(&id, move || api.authority.test_webhook(&actor, &webhook)).await?)))
}

/// Sends what comes after a cursor again, or leaves it out: the endpoint goes on from there. One that fell behind is active again.
#[utoipa::path(post, path = "/v1/webhooks/{id}/redelivery", tag = "webhooks", request_body(content = Redelivery, description = "may be left out"),
    params(("id" = String, Path, description = "the endpoint's id")), security(("token" = [])),
    responses((status = 200, body = Webhook), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn redeliver(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    Path(webhook): Path<String>,
    OptionalBody(value): OptionalBody<Redelivery>,
) -> Result<Json<Webhook>, Reply> {
    may_set(&api, &id, &actor, Some(&webhook)).await?;
    let from = match value.cursor.as_deref().map(changes::cursor) {
        None => ChangesFrom::Oldest,
        Some(Some(from)) => from,
        Some(None) => {
            let why = "a cursor of GET /v1/changes, or `now`, is needed";
            return Err(Reply::invalid(&id, vec![ProblemError::form("/cursor", "bad_value", why)]));
        }
    };
    Ok(Json(shown(done(&id, move || api.authority.redeliver(&actor, &webhook, from)).await?)))
}

/// The latest attempts of an endpoint, tests among them.
#[utoipa::path(get, path = "/v1/webhooks/{id}/deliveries", tag = "webhooks", params(("id" = String, Path, description = "the endpoint's id")), security(("token" = [])),
    responses((status = 200, body = Deliveries), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn deliveries(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    Path(webhook): Path<String>,
) -> Result<Json<Deliveries>, Reply> {
    let attempts = done(&id, move || api.authority.webhook_attempts(&actor, &webhook)).await?;
    Ok(Json(Deliveries { deliveries: attempts.iter().map(attempt).collect() }))
}

/// Who may not is told so before any name is looked up, and whose it is counts before what is wrong with the wish.
async fn may_set(api: &Api, id: &RequestId, actor: &Actor, webhook: Option<&str>) -> Result<(), Reply> {
    let (authority, actor, webhook) = (api.authority.clone(), actor.clone(), webhook.map(str::to_owned));
    done(id, move || authority.may_set_webhook(&actor, webhook.as_deref())).await
}

/// Runs what waits for disk or network on a thread that may; NotFound is about webhooks here.
async fn done<T: Send + 'static>(
    id: &RequestId,
    work: impl FnOnce() -> Result<T, Rejection> + Send + 'static,
) -> Result<T, Reply> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(Rejection::NotFound)) => {
            Err(Reply::new(id, 404, "not_found", "There is no such webhook", "no webhook of yours has this id"))
        }
        Ok(Err(no)) => Err(Reply::rejected(id, no)),
        Err(_panic) => Err(Reply::fault(id)),
    }
}

/// Reads a URL and looks its host up; what is wrong with it is noted.
async fn url(
    api: &Api,
    id: &RequestId,
    text: String,
    mistakes: &mut Vec<ProblemError>,
) -> Result<Option<WebhookUrl>, Reply> {
    let authority = api.authority.clone();
    let read = tokio::task::spawn_blocking(move || authority.webhook_url(&text)).await;
    match read.map_err(|_panic| Reply::fault(id))? {
        Ok(url) => Ok(Some(url)),
        Err(mistake) => {
            let remedy = Some(remedy(mistake).to_owned());
            mistakes.push(ProblemError { remedy, ..ProblemError::form("/url", mistake.code(), mistake.to_string()) });
            Ok(None)
        }
    }
}

const fn remedy(mistake: UrlMistake) -> &'static str {
    match mistake {
        UrlMistake::Form => "write it as https://hooks.example.net/callbook, and percent-encode what is not ASCII",
        UrlMistake::Scheme => "serve the endpoint over https, with a certificate of a public authority",
        UrlMistake::UserInfo => "leave it out, and verify the signature of each delivery",
        UrlMistake::Port => "leave the port out, or take one such as 8443",
        UrlMistake::Address => {
            "check the name with a public resolver; every address that it has must be reachable from the internet"
        }
    }
}

fn check_kinds(kinds: &[String], mistakes: &mut Vec<ProblemError>) {
    let known = change_kinds();
    for (i, kind) in kinds.iter().enumerate() {
        let at = format!("/kinds/{i}");
        if !known.contains(&kind.as_str()) {
            mistakes.push(ProblemError::form(at, "bad_value", format!("one of {} is needed", known.join(", "))));
        } else if kinds.iter().take(i).any(|earlier| earlier == kind) {
            mistakes.push(ProblemError::form(at, "bad_value", "this kind is named twice"));
        }
    }
}

fn check_description(text: &str, mistakes: &mut Vec<ProblemError>) {
    if text.len() > WEBHOOK_DESCRIPTION_MAX || text.chars().any(char::is_control) {
        let why = format!("at most {WEBHOOK_DESCRIPTION_MAX} bytes without control characters are possible");
        mistakes.push(ProblemError::form("/description", "bad_value", why));
    }
}

const fn state_shown(state: WebhookState) -> (&'static str, Option<&'static str>) {
    match state {
        WebhookState::Active => ("active", None),
        WebhookState::Paused => ("paused", None),
        WebhookState::Gone => ("disabled", Some("gone")),
        WebhookState::Failed => ("disabled", Some("failing")),
        WebhookState::Behind => ("behind", None),
    }
}

fn outcome(at_ms: u64, status: Option<u16>, why: Option<String>) -> WebhookOutcome {
    WebhookOutcome { at: time_of(at_ms), status, why }
}

fn health_shown(one: authority::WebhookHealth) -> WebhookHealth {
    let progress = one.progress;
    let (state, reason) = state_shown(progress.state);
    WebhookHealth {
        id: one.id,
        owner: one.owner,
        host: one.host,
        state: state.to_owned(),
        reason: reason.map(str::to_owned),
        lag: one.lag,
        oldest_at: one.oldest_ms.map(time_of),
        failures: progress.failures,
        failing_since: progress.failing_ms.map(time_of),
        last_success: progress.succeeded.map(|(at_ms, status)| outcome(at_ms, Some(status), None)),
        last_failure: progress.failed.map(|(at_ms, status, why)| outcome(at_ms, status, Some(why))),
    }
}

/// An endpoint as the API shows it.
fn shown(view: WebhookView) -> Webhook {
    let WebhookView { row, lag } = view;
    let progress = row.progress;
    let (state, reason) = state_shown(progress.state);
    let waits = progress.state == WebhookState::Active && progress.failures > 0;
    Webhook {
        id: row.id,
        url: row.url,
        description: row.description,
        kinds: row.kinds,
        state: state.to_owned(),
        reason: reason.map(str::to_owned),
        made_at: time_of(row.made_ms),
        cursor: changes::written(progress.place),
        lag,
        failures: progress.failures,
        failing_since: progress.failing_ms.map(time_of),
        next_attempt: waits.then(|| time_of(progress.next_ms)),
        last_success: progress.succeeded.map(|(at_ms, status)| outcome(at_ms, Some(status), None)),
        last_failure: progress.failed.map(|(at_ms, status, why)| outcome(at_ms, status, Some(why))),
    }
}

fn attempt(attempt: &WebhookAttempt) -> Delivery {
    Delivery {
        kind: attempt.place.map_or("test", |_| "change").to_owned(),
        cursor: attempt.place.map(changes::written),
        at: time_of(attempt.at_ms),
        took_ms: attempt.took_ms,
        taken: attempt.why.is_none(),
        status: attempt.status,
        why: attempt.why.clone(),
    }
}

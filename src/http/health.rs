//! `/healthz` and `/metrics`: whether the directory does its job, and how much of it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::api::Problem;
use crate::api::service::{Check, Health};
use crate::http::Api;

/// An epoch older than this many heartbeats means that nothing is published any more.
const HEARTBEATS_MISSED_MAX: u64 = 3;

/// Healthy means: the name server gives a signed answer, the newest epoch is fresh, the ledger takes work.
#[utoipa::path(get, path = "/healthz", tag = "service", responses((status = 200, body = Health), (status = 503, body = Health),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn health(State(api): State<Api>) -> Response {
    let health = checks(&api).await;
    let status = if health.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health)).into_response()
}

/// Every check, made now.
pub(crate) async fn checks(api: &Api) -> Health {
    let (vitals, probe) = (api.authority.vitals(), api.dns_probe.clone());
    let dns =
        tokio::task::spawn_blocking(move || probe()).await.unwrap_or_else(|_| check("dns", false, "the probe failed"));
    let age_s = api.clock.now_ms().saturating_sub(vitals.epoch_ms) / 1000;
    let limit_s = vitals.heartbeat_s * HEARTBEATS_MISSED_MAX;
    let ledger = match &vitals.trouble {
        None => check("ledger", true, "takes work"),
        Some(why) => check("ledger", false, why),
    };
    let fresh =
        check("epoch", age_s <= limit_s, &format!("the newest epoch is {age_s} s old; {limit_s} s is the limit"));
    let log = match &vitals.frozen {
        Some(why) => check("log", false, &format!("FROZEN: {why}")),
        None => match &vitals.unsigned {
            Some(why) => check("log", false, why),
            None => check("log", true, "is signed, and goes on from what was signed before"),
        },
    };
    // The epoch is published all the same, so that is no reason to take the directory for ill.
    let witnesses =
        check("witnesses", true, vitals.unconfirmed.as_deref().unwrap_or("the quorum cosigns, or none is wanted"));
    let maintenance = api.authority.maintenance().is_some();
    let checks = vec![dns, fresh, ledger, log, witnesses];
    let healthy = checks.iter().all(|c| c.ok);
    Health { healthy, epoch: vitals.epoch, epoch_age_s: age_s, maintenance, checks }
}

/// Counters for Prometheus; no name and no number is in them.
#[utoipa::path(get, path = "/metrics", tag = "service", responses((status = 200, body = String, content_type = "application/openmetrics-text"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn metrics(State(api): State<Api>) -> Response {
    let vitals = api.authority.vitals();
    api.metrics.epoch(vitals.epoch, vitals.epoch_ms, vitals.labels);
    api.metrics.overdue(vitals.overdue);
    api.metrics.trust(api.authority.trust_vitals().expires.into_iter());
    let webhooks = api.authority.webhook_vitals();
    api.metrics.webhooks(&webhooks.states, webhooks.taken, webhooks.refused);
    // Some of it is read from the disk.
    let metrics = api.metrics.clone();
    let text = tokio::task::spawn_blocking(move || metrics.text()).await.unwrap_or_default();
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}

fn check(name: &str, ok: bool, detail: &str) -> Check {
    Check { name: name.to_owned(), ok, detail: detail.to_owned() }
}

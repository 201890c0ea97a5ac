//! `/status`: whether the directory does its job now, check by check.

use axum::extract::State;
use axum::http::StatusCode;
use maud::{Markup, html};

use crate::http::pages::Page;
use crate::http::pages::parts::{Tone, badge, count, fact, head, notice, span, table};
use crate::http::public::page;
use crate::http::{Api, health};

/// The state, checked now.
pub(crate) async fn show(State(api): State<Api>) -> Page {
    let health = health::checks(&api).await;
    let row = |check: &crate::api::service::Check| -> Vec<Markup> {
        let (tone, word) = if check.ok { (Tone::Good, "well") } else { (Tone::Bad, "ill") };
        vec![html! { (check.name) }, badge(tone, word), html! { (check.detail) }]
    };
    let rows: Vec<Vec<Markup>> = health.checks.iter().map(row).collect();
    let (tone, title) = match health.healthy {
        true => (Tone::Good, "The directory does its job"),
        false => (Tone::Bad, "Something is wrong"),
    };
    let body = html! {
        (head("Status", "Each check asks the running service something real, at this moment."))
        (notice(tone, title, html! {}))
        div.grid {
            (fact(&count(health.epoch), "newest epoch of the public log"))
            (fact(&span(health.epoch_age_s), "its age"))
        }
        section.card { (table("Checks", &["What", "How it is", "In detail"], &rows)) }
        p.soft { "For programs: " a href="/healthz" { "the same as JSON" } "." }
    };
    let status = if health.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    page(&api, "Status", "/status", body).with_status(status)
}

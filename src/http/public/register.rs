//! `/register`: providers and validation entities, where they stand, and by which clause.

use axum::extract::State;
use maud::{Markup, html};

use crate::authority::Accreditation;
use crate::http::Api;
use crate::http::pages::Page;
use crate::http::pages::icons::Icon;
use crate::http::pages::parts::{Tone, badge, empty, head, table, time};
use crate::http::public::shared;
use crate::registry::standing::ProviderStatus;

/// Entries on the page: more than most registers have; programs read all of them from the API.
const SHOWN_MAX: usize = 500;

/// The register.
pub(crate) async fn show(State(api): State<Api>) -> Page {
    let mut all = api.authority.providers();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let more = all.len() > SHOWN_MAX;
    all.truncate(SHOWN_MAX);
    let rows: Vec<Vec<Markup>> = all.iter().map(row).collect();
    let lead = "Who may submit registrations, and who may say that a holder has a number. What is decided about them stands in the public log.";
    let body = html! {
        (head("Providers", lead))
        section.card {
            @if rows.is_empty() { (empty(Icon::Provider, "Nobody is entered yet", "The operator enters providers; each is on probation first (clause 7.6).")) }
            @else { (table("The register as of now", &["Name", "What it is", "Where it stands", "Since", "Until", "Clause"], &rows)) }
            @if more { p.soft { "Not all are shown; " a href="/v1/providers" { "programs read all of them" } "." } }
        }
    };
    shared(&api, "Providers", "/register", body)
}

fn row(one: &Accreditation) -> Vec<Markup> {
    let what = match (one.statement_keys.is_empty(), one.validation_keys.is_empty()) {
        (false, false) => "provider and validation entity",
        (false, true) => "provider",
        _ => "validation entity",
    };
    let status = one.standing.status;
    vec![
        html! { (one.name) " " small { (one.id) } },
        html! { (what) },
        badge(tone(status), status.name()),
        time(one.standing.since_ms),
        html! { @if let Some(due_ms) = one.standing.due_ms { (time(due_ms)) } },
        html! { @if let Some(clause) = &one.clause { a href={ "/charter#c" (clause) } { (clause) } } },
    ]
}

/// How a status looks.
fn tone(status: ProviderStatus) -> Tone {
    match status {
        ProviderStatus::Accredited => Tone::Good,
        ProviderStatus::Probation | ProviderStatus::Applied => Tone::Live,
        ProviderStatus::Warned | ProviderStatus::Restricted | ProviderStatus::WindingDown => Tone::Warn,
        ProviderStatus::Suspended | ProviderStatus::Terminated => Tone::Bad,
        ProviderStatus::Closed => Tone::Plain,
    }
}

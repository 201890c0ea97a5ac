//! `/console/providers`: the register, and entering a newcomer.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use crate::api::providers::Key;
use crate::api::{Base64, Problem, ProblemError};
use crate::authority::{Accreditation, Entrant, NAME_LEN_MAX};
use crate::http::Api;
use crate::http::console::form::Fields;
use crate::http::console::visit::{Posted, Visit, to};
use crate::http::console::{may, page, refused};
use crate::http::id::RequestId;
use crate::http::pages::Page;
use crate::http::pages::icons::Icon;
use crate::http::pages::parts::{Field, Tone, badge, empty, head, table, time};
use crate::http::pages::picture::shares;
use crate::http::problem::Reply;
use crate::http::providers as api_providers;
use crate::http::request::blocking;
use crate::registry::acts::Power;
use crate::registry::standing::ProviderStatus;

/// The register.
pub(crate) async fn list(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    visit: Visit,
) -> Result<Page, Reply> {
    let (authority, actor) = (api.authority.clone(), visit.who.actor.clone());
    let (providers, held) = blocking(&id, move || Ok((authority.providers(), authority.shares(&actor)?))).await?;
    let rows: Vec<Vec<Markup>> = providers.iter().map(row).collect();
    let body = html! {
        (head("Providers", "The public register of providers and validation entities, and what the operator decides about them."))
        @if may(&visit, Power::Act) { div.row { a.button href="/console/providers/new" { "Enter a newcomer" } } }
        section.card {
            @if rows.is_empty() { (empty(Icon::Provider, "Nobody is in the register", "Enter the first provider: it begins its probation, or applies.")) }
            @else { (table("The register, by id", &["Provider", "Id", "Status", "Since", "Term ends"], &rows)) }
        }
        @if !held.is_empty() { section.card { (shares("Numbers by provider", "numbers", &held)) } }
    };
    Ok(page(&api, &visit, "Providers", "/console/providers", body))
}

fn row(one: &Accreditation) -> Vec<Markup> {
    vec![
        html! { a href={ "/console/providers/" (one.id) } { (one.name) } },
        html! { code { (one.id) } },
        status(one.standing.status),
        time(one.standing.since_ms),
        one.standing.due_ms.map_or_else(|| html! { "—" }, time),
    ]
}

/// Where a provider stands.
pub(super) fn status(status: ProviderStatus) -> Markup {
    let tone = match status {
        ProviderStatus::Accredited => Tone::Good,
        ProviderStatus::Applied | ProviderStatus::Probation => Tone::Live,
        ProviderStatus::Warned | ProviderStatus::Restricted | ProviderStatus::WindingDown => Tone::Warn,
        ProviderStatus::Suspended | ProviderStatus::Terminated => Tone::Bad,
        ProviderStatus::Closed => Tone::Plain,
    };
    badge(tone, &status.name().replace('_', " "))
}

/// The form for a newcomer.
pub(crate) async fn new(State(api): State<Api>, visit: Visit) -> Page {
    form(&api, &visit, &Fields::default(), None)
}

fn form(api: &Api, visit: &Visit, fields: &Fields, problem: Option<&Problem>) -> Page {
    let keys = "One a line, as the provider printed it: ed25519:… or es256:…";
    let mistake = |name: &str| {
        let of_field = |one: &&ProblemError| one.pointer.split('/').nth(1) == Some(name);
        let found = problem.into_iter().flat_map(|problem| &problem.errors).find(of_field);
        found.map_or("", |one| one.detail.as_str())
    };
    let field = |name, label, hint, optional, most| {
        let (value, mistake) = (fields.get(name), mistake(name));
        Field { name, label, hint, value, mistake, optional, most }
    };
    let body = html! {
        p.crumb { a href="/console/providers" { "Providers" } }
        (head("Enter a newcomer", "It begins its probation at once, with few numbers; accrediting it after that takes two people."))
        @if let Some(problem) = problem { (refused::told(problem)) }
        section.card {
            form method="post" action="/console/providers" {
                (visit.token())
                (field("id", "Id", "Lower-case letters, digits and hyphens; it stands in records and never changes.", false, 63).line())
                (field("name", "Name", "Of the organisation, for people.", false, NAME_LEN_MAX).line())
                (field("statement_keys", "Statement keys", keys, true, 4000).lines())
                (field("validation_keys", "Validation keys", "The same; with any it is a validation entity.", true, 4000).lines())
                (field("status", "Where it stands", "", false, 0).choice(&[("probation", "begins its probation"), ("applied", "has applied")]))
                button type="submit" { "Enter it into the register" }
            }
        }
    };
    page(api, visit, "Enter a newcomer", "/console/providers", body)
}

/// Enters it; the form comes back with what was wrong.
pub(crate) async fn add(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Posted { visit, fields }: Posted,
) -> Result<Response, Reply> {
    let mut mistakes = Vec::new();
    let new = entrant(&fields, &mut mistakes);
    let (authority, actor) = (api.authority.clone(), visit.who.actor.clone());
    let added = match mistakes.is_empty() {
        true => blocking(&id, move || authority.add_provider(&actor, new)).await,
        false => Err(Reply::invalid(&id, mistakes)),
    };
    match added {
        Ok(made) => Ok(to(&format!("/console/providers/{}", made.id))),
        Err(reply) => {
            let problem = reply.into_problem();
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::BAD_REQUEST);
            Ok(form(&api, &visit, &fields, Some(&problem)).with_status(status).into_response())
        }
    }
}

fn entrant(fields: &Fields, mistakes: &mut Vec<ProblemError>) -> Entrant {
    let mut read = |name: &str| {
        let texts = keys(fields.get(name), &format!("/{name}"), mistakes);
        api_providers::keys(&texts, &format!("/{name}"), mistakes)
    };
    let (statement_keys, validation_keys) = (read("statement_keys"), read("validation_keys"));
    let status = if fields.get("status") == "applied" { ProviderStatus::Applied } else { ProviderStatus::Probation };
    let (id, name) = (fields.get("id").to_owned(), fields.get("name").to_owned());
    Entrant { id, name, status, statement_keys, validation_keys }
}

/// Keys as people paste them, one a line: `ed25519:BASE64`.
pub(super) fn keys(text: &str, at: &str, mistakes: &mut Vec<ProblemError>) -> Vec<Key> {
    let mut keys = Vec::new();
    for (i, line) in text.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let read = line.split_once(':').and_then(|(algorithm, key)| {
            let key = Base64::decode(key.trim()).ok()?;
            Some(Key { algorithm: algorithm.trim().to_ascii_lowercase(), key, thumbprint: None })
        });
        match read {
            Some(key) => keys.push(key),
            None => {
                let why = "this is no key; ed25519: or es256: and the key in base64 are needed";
                mistakes.push(ProblemError::form(format!("{at}/{i}"), "bad_value", why));
            }
        }
    }
    keys
}

//! `/console/charter`: the text beside its parameters, the versions, and what a draft would change.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use crate::api::charter::Touched;
use crate::authority::{Proposed, RoleStatus};
use crate::charter::{self, Policy, Version};
use crate::http::console::page;
use crate::http::console::visit::{Posted, Visit};
use crate::http::id::RequestId;
use crate::http::pages::Page;
use crate::http::pages::icons::Icon;
use crate::http::pages::parts::{Field, Tone, badge, card, empty, head, notice, table, time, worded};
use crate::http::problem::Reply;
use crate::http::request::{blocking, query_value};
use crate::http::{Api, charter as charter_of};

/// Bytes of a draft's parameters: many times what ours has.
const DRAFT_MAX: usize = 60_000;

/// The charter in force, or the version that is asked for.
pub(crate) async fn show(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    visit: Visit,
    RawQuery(query): RawQuery,
) -> Result<Page, Reply> {
    let (versions, now_ms) = (api.authority.charter(), api.clock.now_ms());
    let wanted = query_value(query.as_deref(), "version").and_then(|text| text.parse::<u64>().ok());
    let in_force = versions.at(now_ms);
    let version = match wanted {
        Some(number) => versions.get(number),
        None => Some(in_force),
    };
    let Some(version) = version else {
        return Err(Reply::new(
            &id,
            404,
            "not_found",
            "There is no such version",
            "no version of the charter has this number",
        ));
    };
    let authority = api.authority.clone();
    let roles = blocking(&id, move || authority.trust_roles()).await?;
    let all: Vec<&Version> = (1..=versions.newest().number).rev().filter_map(|number| versions.get(number)).collect();
    let before = version.number.checked_sub(1).and_then(|number| versions.get(number));
    let lead = "The law of the directory: each refusal names one of these clauses. What has a number beside it is a parameter.";
    let body = html! {
        (head("Charter", lead))
        (card("Versions", list(&all, version, in_force, now_ms)))
        @if let Some(before) = before { (card("What this version changed", differences(&before.policy, &version.policy))) }
        (card("Signatures", signatures(&roles, now_ms / 1000)))
        (draft_form(&visit, ""))
        section.card { h2 { "Text and parameters" } (text(&version.policy)) }
    };
    Ok(page(&api, &visit, "Charter", "/console/charter", body))
}

fn list(all: &[&Version], shown: &Version, in_force: &Version, now_ms: u64) -> Markup {
    if all.is_empty() {
        return empty(
            Icon::Charter,
            "Nothing was announced yet",
            "The charter in the installation's folder is in force.",
        );
    }
    let row = |one: &&Version| {
        let state = match one {
            one if one.number == in_force.number => badge(Tone::Good, "in force"),
            one if one.effective_ms > now_ms => badge(Tone::Live, "announced"),
            _ => badge(Tone::Plain, "over"),
        };
        vec![
            html! { a href={ "/console/charter?version=" (one.number) } aria-current=[(one.number == shown.number).then_some("true")] { "Version " (one.number) } },
            state,
            time(one.effective_ms),
        ]
    };
    let rows: Vec<Vec<Markup>> = all.iter().map(row).collect();
    html! {
        (table("Each is in the public log, signed with it", &["Version", "State", "From"], &rows))
        p.soft { "An admin asks for the next one with " code { "callbook charter announce" } "; another person approves, and its notice runs (clause 10.1)." }
    }
}

/// The roles of the trust repository, by which callers know what the directory is.
fn signatures(roles: &[RoleStatus], now_s: u64) -> Markup {
    if roles.is_empty() {
        let why = "Callers take the log's keys from the directory itself. charter/trust.toml and callbook charter draft begin one.";
        return empty(Icon::Key, "There is no trust repository", why);
    }
    let row = |one: &RoleStatus| {
        let tone = match (one.is_draft, one.have as u64 >= one.need, one.is_over(now_s)) {
            (_, false, _) | (_, _, true) => Tone::Bad,
            (true, ..) => Tone::Live,
            _ => Tone::Good,
        };
        let names = |of: &[(String, String)]| {
            let shown = |(id, name): &(String, String)| {
                if name.is_empty() { id.chars().take(8).collect() } else { name.clone() }
            };
            of.iter().map(shown).collect::<Vec<String>>().join(", ")
        };
        vec![
            html! { (one.role) @if one.is_draft { " (draft)" } },
            html! { (one.version) },
            badge(tone, &format!("{} of {}", one.have, one.need)),
            html! { (names(&one.signed)) },
            html! { (names(&one.missing)) },
            time(one.expires_s.saturating_mul(1000)),
        ]
    };
    let rows: Vec<Vec<Markup>> = roles.iter().map(row).collect();
    html! {
        (table("Roles of the trust repository", &["Role", "Version", "Signatures", "Signed", "Could sign", "Ends"], &rows))
        p.soft { "Keys stay with their holders: " code { "callbook charter sign" } ", then " code { "callbook charter publish" } "." }
    }
}

/// Each clause with the parameters that it names.
fn text(policy: &Policy) -> Markup {
    let parameters = |clause: &str| {
        charter::PARAMETERS
            .iter()
            .filter(|one| one.article == clause)
            .map(|one| (one.name, (one.get)(policy)))
            .collect::<Vec<_>>()
    };
    html! {
        @for (number, clause) in charter::clauses_of(policy.prose()) {
            div.beside id={ "c" (number) } {
                p { strong { (number) } " " (worded(&clause)) }
                div { @for (name, value) in parameters(number) { p { code { (name) } " = " strong { (value) } } } }
            }
        }
    }
}

fn differences(before: &Policy, after: &Policy) -> Markup {
    listed(&charter::differences(before, after))
}

fn listed(found: &[charter::Difference]) -> Markup {
    if found.is_empty() {
        return html! { p.soft { "No parameter differs." } };
    }
    let nothing = || "—".to_owned();
    let row = |one: &charter::Difference| {
        let (before, after) = (one.before.clone().unwrap_or_else(nothing), one.after.clone().unwrap_or_else(nothing));
        vec![
            html! { code { (one.parameter) } },
            html! { (one.article) },
            html! { (before) },
            html! { strong { (after) } },
        ]
    };
    let rows: Vec<Vec<Markup>> = found.iter().map(row).collect();
    table("Parameters that differ", &["Parameter", "Clause", "Before", "After"], &rows)
}

/// What an act would announce: what differs, and whom it touches. Whoever approves has read this.
pub(super) fn proposal(of: &Proposed) -> Markup {
    let Touched { registrations, looked_at, affected, by_provider, by_reason } =
        charter_of::touched(of.touched.clone());
    let rows = |of: Vec<(String, u64)>| of.into_iter().map(|(name, n)| vec![html! { (name) }, html! { (n) }]).collect();
    let reasons: Vec<Vec<Markup>> =
        rows(by_reason.into_iter().map(|one| (format!("{} ({})", one.code, one.clause), one.registrations)).collect());
    let providers: Vec<Vec<Markup>> = rows(by_provider.into_iter().collect());
    let (new, old) = (&of.proposal.policy, of.compared_with);
    html! {
        (card("What it announces", html! {
            p { "Version " (of.follows + 1) ", in force from "
                @match of.proposal.effective_ms { Some(at_ms) => { (time(at_ms)) } None => { "the earliest date that the notice allows" } }
                ". It is compared with version " (old) ", which was in force when it was asked for." }
            (listed(&of.differences))
            @if of.clauses.is_empty() { p.soft { "No clause reads otherwise." } }
            @else { p { "Clauses that read otherwise: " (of.clauses.join(", ")) } }
            details { summary { "Its text" } pre.wrap { (new.prose()) } }
            details { summary { "Its policy.toml" } pre.wrap { (new.source()) } }
        }))
        (card("Whom it touches", html! {
            p { strong { (affected) } " of " (looked_at) " registrations that were looked at could not be renewed or changed as they are; there are " (registrations)
                ". They stay published until they end." }
            @if !reasons.is_empty() { (table("By what they would be refused for", &["Refusal", "Registrations"], &reasons)) }
            @if !providers.is_empty() { (table("By provider", &["Provider", "Registrations"], &providers)) }
        }))
    }
}

fn draft_form(visit: &Visit, draft: &str) -> Markup {
    card(
        "What would a draft change?",
        html! {
            form method="post" action="/console/charter/draft" {
                (visit.token())
                (Field { name: "draft", label: "Its policy.toml", hint: "Nothing is stored or announced.", value: draft, most: DRAFT_MAX, ..Field::default() }.lines())
                button.quiet type="submit" { "Compare with the charter in force" }
            }
        },
    )
}

/// Compares a draft with what is in force; nothing is kept of it.
pub(crate) async fn compare(State(api): State<Api>, Posted { visit, fields }: Posted) -> Response {
    let draft = fields.get("draft");
    let (status, answer) = match Policy::parse(draft) {
        Ok(policy) => (StatusCode::OK, card("What it would change", differences(&api.authority.policy(), &policy))),
        Err(mistakes) => {
            let told = html! { @for mistake in &mistakes { p { (mistake.to_string()) } } };
            (StatusCode::UNPROCESSABLE_ENTITY, notice(Tone::Warn, "The draft is no policy", told))
        }
    };
    let body = html! {
        p.crumb { a href="/console/charter" { "Charter" } }
        (head("A draft", ""))
        (answer)
        (draft_form(&visit, draft))
    };
    page(&api, &visit, "A draft of the charter", "/console/charter", body).with_status(status).into_response()
}

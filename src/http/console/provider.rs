//! `/console/providers/{id}`: one provider: where it stands, its keys and tokens, and what may be decided about it.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use crate::api::ProblemError;
use crate::authority::{Accreditation, NewToken, ProviderCounts, ProviderOutcomes, TOKEN_LIFE_D_MAX, TokenInfo};
use crate::clock::rfc3339;
use crate::http::Api;
use crate::http::console::providers::status;
use crate::http::console::visit::{Posted, Visit, to};
use crate::http::console::{may, page};
use crate::http::id::RequestId;
use crate::http::pages::Page;
use crate::http::pages::icons::Icon;
use crate::http::pages::parts::{Field, Tone, badge, card, count, empty, facts, head, notice, table, time};
use crate::http::problem::Reply;
use crate::http::providers::key_shown;
use crate::http::request::{Path, blocking};
use crate::log::key::PublicKey;
use crate::registry::acts::{ActKind, Power};
use crate::registry::standing::ProviderStatus;

/// One provider.
pub(crate) async fn show(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    visit: Visit,
    Path(provider): Path<String>,
) -> Result<Page, Reply> {
    let (authority, actor) = (api.authority.clone(), visit.who.actor.clone());
    let Some(one) = authority.providers().into_iter().find(|one| one.id == provider) else {
        return Err(Reply::new(
            &id,
            404,
            "not_found",
            "There is no such provider",
            "nobody in the register has this id",
        ));
    };
    let (tokens, counts, outcomes) = blocking(&id, move || {
        let (counts, outcomes) =
            (authority.provider_counts(&actor, &provider)?, authority.outcomes(&actor, &provider)?);
        Ok((authority.tokens(&actor, Some(&provider))?, counts, outcomes))
    })
    .await?;
    let body = html! {
        p.crumb { a href="/console/providers" { "Providers" } }
        (head(&one.name, ""))
        section.card {
            (facts(&[
                ("Id", html! { code { (one.id) } }),
                ("Status", status(one.standing.status)),
                ("Since", time(one.standing.since_ms)),
                ("Term ends", one.standing.due_ms.map_or_else(|| html! { "has no end" }, time)),
                ("Latest decision by clause", html! { (one.clause.as_deref().unwrap_or("—")) }),
                ("Numbers", html! { (count(counts.numbers)) }),
            ]))
        }
        @if may(&visit, Power::Act) { (decide(&one)) }
        (card("Refusals", refusals(&outcomes)))
        (card("The last seven days", days(&counts)))
        (card("Keys", html! { (keys("Statement keys", &one.statement_keys)) (keys("Validation keys", &one.validation_keys)) }))
        (card("Access tokens", html! { (tokens_of(&visit, &tokens)) @if may(&visit, Power::Act) { (new_token(&visit, &one)) } }))
    };
    Ok(page(&api, &visit, &one.name, "/console/providers", body))
}

fn days(counts: &ProviderCounts) -> Markup {
    let rows: Vec<Vec<Markup>> = counts
        .days
        .iter()
        .rev()
        .map(|one| {
            let day: String = rfc3339(one.day * 86_400).chars().take(10).collect();
            vec![
                html! { (day) },
                html! { (count(one.created)) },
                html! { (count(one.prepared)) },
                html! { (count(one.wrong_codes)) },
            ]
        })
        .collect();
    table("What it did, by day in UTC", &["Day", "Registered", "Prepared", "Wrong transfer codes"], &rows)
}

/// How often the law said no to it, and why.
fn refusals(outcomes: &ProviderOutcomes) -> Markup {
    let permille = outcomes.refused_permille();
    let mut reasons: Vec<_> = outcomes.reasons.iter().collect();
    reasons.sort_by_key(|(_, times)| std::cmp::Reverse(**times));
    let row = |((code, clause), times): (&(&str, &str), &u64)| {
        vec![
            html! { a href={ "/v1/problems/" (code) } { code { (code) } } },
            html! { a href={ "/console/charter#c" (clause) } { (clause) } },
            html! { (count(*times)) },
        ]
    };
    let rows: Vec<Vec<Markup>> = reasons.into_iter().map(row).collect();
    html! {
        p { (count(outcomes.taken)) " submissions taken, " (count(outcomes.refused)) " refused: " strong { (permille / 10) "." (permille % 10) " %" } " since this service began." }
        @if !rows.is_empty() { (table("Why, the most frequent first", &["Reason", "Clause", "Times"], &rows)) }
    }
}

/// What leads on from where it stands.
fn decide(one: &Accreditation) -> Markup {
    let kinds: &[(ActKind, &str)] = match one.standing.status {
        ProviderStatus::Applied => &[(ActKind::Admit, "Begin the probation")],
        ProviderStatus::Probation => &[(ActKind::Accredit, "Accredit"), (ActKind::Emergency, "Stop in an emergency")],
        ProviderStatus::Accredited => &[
            (ActKind::Accredit, "Renew the accreditation"),
            (ActKind::Warn, "Warn"),
            (ActKind::Suspend, "Suspend"),
            (ActKind::Emergency, "Stop in an emergency"),
            (ActKind::WindDown, "It gives up"),
        ],
        ProviderStatus::Warned | ProviderStatus::Restricted => &[
            (ActKind::Accredit, "Accredit again"),
            (ActKind::Restrict, "Restrict"),
            (ActKind::Suspend, "Suspend"),
            (ActKind::Emergency, "Stop in an emergency"),
        ],
        ProviderStatus::Suspended => &[
            (ActKind::EndEmergency, "End the emergency"),
            (ActKind::Suspend, "Confirm the suspension"),
            (ActKind::Accredit, "Accredit again"),
            (ActKind::Terminate, "Terminate"),
            (ActKind::BulkDoor, "Open the bulk door"),
        ],
        ProviderStatus::Terminated | ProviderStatus::WindingDown | ProviderStatus::Closed => {
            &[(ActKind::BulkDoor, "Open the bulk door")]
        }
    };
    let link = |kind: ActKind| format!("/console/acts/new?kind={}&provider={}", kind.name(), one.id);
    card(
        "Decide",
        html! {
            p.soft { "Each leads to a form; what takes two people then waits for a colleague. Published numbers stay published whatever is decided." }
            div.row {
                @for (kind, text) in kinds { a class="button quiet" href=(link(*kind)) { (text) } }
                a class="button quiet" href=(link(ActKind::ProviderKeys)) { "Other keys" }
                @if !one.validation_keys.is_empty() { a class="button quiet" href=(link(ActKind::CompromisedKey)) { "A key is lost" } }
            }
        },
    )
}

fn keys(title: &str, keys: &[PublicKey]) -> Markup {
    let rows: Vec<Vec<Markup>> = keys
        .iter()
        .map(key_shown)
        .map(|key| {
            vec![
                html! { code { (key.thumbprint.unwrap_or_default()) } },
                html! { (key.algorithm) },
                html! { code { (key.key.encode()) } },
            ]
        })
        .collect();
    html! {
        @if rows.is_empty() { p.soft { (title) ": none" } }
        @else { (table(title, &["Thumbprint", "Algorithm", "Public key"], &rows)) }
    }
}

fn tokens_of(visit: &Visit, tokens: &[TokenInfo]) -> Markup {
    if tokens.is_empty() {
        return empty(
            Icon::Key,
            "No token in force",
            "With a token the provider uses the API. It is shown once, when it is made.",
        );
    }
    let scopes = |token: &TokenInfo| token.scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let row = |token: &TokenInfo| {
        vec![
            html! { code { (token.id) } @if token.test { " " (badge(Tone::Plain, "sandbox")) } },
            html! { (scopes(token)) },
            time(token.expires_ms),
            token.used_ms.filter(|used| *used > 0).map_or_else(|| html! { "never" }, time),
            html! { @if may(visit, Power::Act) {
                form.inline method="post" action={ "/console/tokens/" (token.id) "/revocation" } {
                    (visit.token()) button class="quiet small" type="submit" { "Revoke" span.only-read { " " (token.id) } }
                }
            } },
        ]
    };
    let rows: Vec<Vec<Markup>> = tokens.iter().map(row).collect();
    table("Tokens in force", &["Token", "May", "Expires", "Used", ""], &rows)
}

fn new_token(visit: &Visit, one: &Accreditation) -> Markup {
    html! {
        h3 { "A new token" }
        form method="post" action={ "/console/providers/" (one.id) "/tokens" } {
            (visit.token())
            (Field { name: "days", label: "Days until it expires", value: "90", hint: "1 to 365.", most: 3, ..Field::default() }.line())
            (Field { name: "test", label: "Reaches", ..Field::default() }.choice(&[("no", "every number of the provider"), ("yes", "the sandbox range alone")]))
            button.quiet type="submit" { "Make a token" }
        }
    }
}

/// Makes a token: it is on this page and nowhere else.
pub(crate) async fn add_token(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Path(provider): Path<String>,
    Posted { visit, fields }: Posted,
) -> Result<Page, Reply> {
    let Some(days) = fields.get("days").parse().ok().filter(|days| (1..=TOKEN_LIFE_D_MAX).contains(days)) else {
        let why = format!("1 to {TOKEN_LIFE_D_MAX} days are possible");
        return Err(Reply::invalid(&id, vec![ProblemError::form("/days", "bad_value", why)]));
    };
    let wish = NewToken {
        provider: Some(provider.clone()),
        scopes: Vec::new(),
        test: fields.get("test") == "yes",
        expires_in_d: days,
        certificate: None,
    };
    let (authority, actor) = (api.authority.clone(), visit.who.actor.clone());
    let made = blocking(&id, move || authority.add_token(&actor, wish)).await?;
    let body = html! {
        p.crumb { a href={ "/console/providers/" (provider) } { (provider) } }
        (head("A new token", "Hand it over by a way that nobody else reads."))
        (notice(Tone::Warn, "It is shown this once", html! { p { "Only its hash is kept. If it is lost, revoke it and make another one." } }))
        section.card { pre.wrap { (made.token) } (facts(&[("Id", html! { code { (made.id) } }), ("Expires", time(made.expires_ms))])) }
    };
    Ok(page(&api, &visit, "A new token", "/console/providers", body))
}

/// Revokes a token at once.
pub(crate) async fn revoke(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Path(token): Path<String>,
    Posted { visit, .. }: Posted,
) -> Result<Response, Reply> {
    blocking(&id, move || api.authority.revoke_token(&visit.who.actor, &token)).await?;
    Ok(to("/console/providers"))
}

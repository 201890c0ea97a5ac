//! `/console/audits`: the months, what was drawn and found of each, and the step that is next.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use data_encoding::HEXLOWER_PERMISSIVE;
use maud::{Markup, html};

use crate::api::ProblemError;
use crate::authority::{Audit, EntityFound, ItemsPage, Rejection};
use crate::http::Api;
use crate::http::audits::run;
use crate::http::console::visit::{Posted, Visit, to};
use crate::http::console::{may, page};
use crate::http::id::RequestId;
use crate::http::pages::Page;
use crate::http::pages::icons::Icon;
use crate::http::pages::parts::{Field, Tone, badge, card, count, empty, fact, head, notice, table, time};
use crate::http::problem::Reply;
use crate::http::request::{Path, query_value};
use crate::registry::acts::Power;
use crate::registry::audit::period::Period;

/// Drawn tokens on one page.
const PAGE: usize = 50;
/// Bytes of a month's name.
const PERIOD_LEN: usize = 7;
/// Hexadecimal digits of a beacon's value.
const VALUE_MAX: usize = 256;
const HERE: &str = "/console/audits";

/// Every month.
pub(crate) async fn list(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    visit: Visit,
) -> Result<Page, Reply> {
    let authority = api.authority.clone();
    let audits = run(&id, move || authority.audits()).await?;
    let row = |one: &Audit| {
        let row = &one.row;
        vec![
            html! { a href={ (HERE) "/" (row.period) } { (row.period) } },
            state(&row.state),
            html! { (count(row.count)) },
            time(row.closed_ms),
            html! { @if let Some(due_ms) = row.due_ms { (time(due_ms)) } },
        ]
    };
    let rows: Vec<Vec<Markup>> = audits.iter().map(row).collect();
    let lead = "Each month some validations are drawn, and their entities must show what they rest on (clause 7.5).";
    let body = html! {
        (head("Audits", lead))
        section.card {
            @if rows.is_empty() { (empty(Icon::Audit, "No month was closed yet", "The directory closes a month by itself when it is over, and draws.")) }
            @else { (table("The newest month first", &["Month", "State", "Validations", "Closed", "Evidence due"], &rows)) }
        }
        @if may(&visit, Power::Audit) {
            (card("Close a month now", html! {
                form method="post" action=(HERE) {
                    (visit.token())
                    (Field { name: "period", label: "Month", hint: "One that is over, such as 2026-11", most: PERIOD_LEN, ..Field::default() }.line())
                    button.quiet type="submit" { "Close it" }
                }
            }))
        }
    };
    Ok(page(&api, &visit, "Audits", HERE, body))
}

/// One month: findings by entity, what was drawn, what can be done next.
pub(crate) async fn show(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    visit: Visit,
    Path(period): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Page, Reply> {
    let wanted = query_value(query.as_deref(), "state").filter(|state| !state.is_empty());
    let after = query_value(query.as_deref(), "after").unwrap_or_default();
    let (authority, actor) = (api.authority.clone(), visit.who.actor.clone());
    let (of, asked) = (period.clone(), wanted.clone());
    let (audit, found, items) = run(&id, move || {
        let found = authority.audit_found(&actor, &of)?; // first: it asks for the role
        let audit = authority.audit_of(&of)?;
        let items = authority.audit_items(&actor, &of, (None, asked.as_deref()), &after, PAGE)?;
        Ok((audit, found, items))
    })
    .await?;
    let row = &audit.row;
    let waiting: u64 = found.iter().map(|one| one.waiting).sum();
    let body = html! {
        p.crumb { a href=(HERE) { "Audits" } }
        (head(&format!("Audit of {period}"), ""))
        div.row { (state(&row.state)) @if let Some(published_ms) = row.published_ms { "published " (time(published_ms)) } }
        div.grid {
            (fact(&count(row.count), "validations of the month"))
            (fact(&count(found.iter().map(|one| one.drawn).sum()), "were drawn"))
            (fact(&count(waiting), "have no finding yet"))
            (fact(&count(found.iter().map(|one| one.failed).sum()), "do not stand"))
        }
        (next(&visit, &audit, waiting))
        (card("By validation entity", entities(&visit, &period, &row.state, &found)))
        (card("What was drawn", drawn(&period, wanted.as_deref().unwrap_or_default(), &items)))
        (card("Steps", steps(&audit)))
    };
    Ok(page(&api, &visit, "Audit", HERE, body))
}

fn state(state: &str) -> Markup {
    let tone = match state {
        "published" | "passed" => Tone::Good,
        "failed" => Tone::Bad,
        "asked" => Tone::Plain,
        _ => Tone::Live,
    };
    badge(tone, state)
}

/// What the state asks of somebody.
fn next(visit: &Visit, audit: &Audit, waiting: u64) -> Markup {
    let period = &audit.row.period;
    match audit.row.state.as_str() {
        "closed" => card(
            "Draw",
            html! {
                p { "Without a beacon the directory draws by itself, by a head of the log that all its witnesses have cosigned." }
                form method="post" action={ (HERE) "/" (period) "/draw" } {
                    (visit.token())
                    (Field { name: "round", label: "The beacon's round", hint: "Only where a beacon is configured", optional: true, most: 20, ..Field::default() }.line())
                    (Field { name: "value", label: "Its value", hint: "In hexadecimal digits", optional: true, most: VALUE_MAX, ..Field::default() }.line())
                    button type="submit" { "Draw" }
                }
            },
        ),
        "drawn" if waiting > 0 => notice(
            Tone::Plain,
            "Evidence is to be judged",
            html! { p { "Who has answered stands under " a href="?state=answered" { "answered" } "; whoever is silent until the date fails by itself." } },
        ),
        "drawn" => card(
            "Publish",
            html! {
                p { "Every drawn validation has its finding. The counts go into the public log, no number and no evidence." }
                form method="post" action={ (HERE) "/" (period) "/publication" } {
                    (visit.token())
                    button type="submit" { "Publish the counts" }
                }
            },
        ),
        _ => html! {},
    }
}

/// Parts per billion as percent.
fn percent(ppb: u64) -> String {
    format!("{}.{:02} %", ppb / 10_000_000, ppb / 100_000 % 100)
}

fn entities(visit: &Visit, period: &str, state: &str, found: &[EntityFound]) -> Markup {
    if found.is_empty() {
        return empty(
            Icon::Provider,
            "Nothing was drawn yet",
            "Findings stand here, entity by entity, after the draw.",
        );
    }
    let proposal = |one: &EntityFound| {
        html! {
            @match (&one.act, one.verdict.proposed) {
                (Some(act), _) => { a href={ "/console/acts/" (act) } { "the act" } }
                (None, Some(kind)) if may(visit, Power::Act) && one.waiting == 0 && state != "closed" => {
                    form.inline method="post" action={ (HERE) "/" (period) "/sanctions" } {
                        (visit.token())
                        input type="hidden" name="entity" value=(one.entity);
                        button.quiet.small type="submit" { "Ask: " (kind.name()) }
                    }
                }
                (None, Some(kind)) => { (badge(Tone::Warn, kind.name())) }
                (None, None) => { "none" }
            }
        }
    };
    let row = |one: &EntityFound| {
        let verdict = &one.verdict;
        vec![
            html! { a href={ "/console/providers/" (one.entity) } { (one.entity) } },
            html! { (count(one.drawn)) " of " (count(one.size)) },
            html! { (count(one.waiting)) },
            html! { (count(one.failed)) @if one.silent > 0 { " (" (count(one.silent)) " silent)" } },
            html! { (percent(verdict.rate_ppb)) },
            html! { (percent(verdict.lower_ppb)) " to " (percent(verdict.upper_ppb)) },
            proposal(one),
        ]
    };
    let rows: Vec<Vec<Markup>> = found.iter().map(row).collect();
    let heads = ["Entity", "Drawn", "Without finding", "Do not stand", "Rate", "With 95 %", "Sanction"];
    html! {
        (table("A sanction is proposed where the lower bound lies above a threshold; two people decide", &heads, &rows))
    }
}

fn drawn(period: &str, wanted: &str, items: &ItemsPage) -> Markup {
    let states =
        [("", "all"), ("asked", "asked"), ("answered", "answered"), ("passed", "passed"), ("failed", "failed")];
    let row = |one: &crate::ledger::AuditItem| {
        vec![
            html! { a href={ "/console/audit-items/" (one.id) } { (one.id.chars().take(12).collect::<String>()) "…" } },
            html! { (one.entity) },
            html! { (one.kind) ", " (one.methods.replace('\n', ", ")) },
            html! { (state(&one.state)) @if let Some(fault) = &one.fault { " " (fault) } },
            time(one.due_ms),
        ]
    };
    let rows: Vec<Vec<Markup>> = items.items.iter().map(row).collect();
    html! {
        nav.row aria-label="State" {
            @for (name, text) in states {
                a href={ (HERE) "/" (period) "?state=" (name) } aria-current=[(name == wanted).then_some("true")] { (text) }
            }
        }
        @if rows.is_empty() { (empty(Icon::Audit, "None here", "No drawn validation is in this state.")) }
        @else { (table("Each opens its evidence", &["Item", "Entity", "What", "State", "Due"], &rows)) }
        @if let Some(after) = &items.after { p { a href={ (HERE) "/" (period) "?state=" (wanted) "&after=" (after) } { "More" } } }
    }
}

fn steps(audit: &Audit) -> Markup {
    html! {
        ol.story {
            @for (step, who, at_ms) in &audit.steps {
                li { strong { (step) } span { (who.as_deref().unwrap_or("the directory")) } (time(*at_ms)) }
            }
        }
        p.soft { "Anybody draws again with " code { "callbook audit draw --verify" } "." }
    }
}

/// Closes a month that is over.
pub(crate) async fn close(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Posted { visit, fields }: Posted,
) -> Result<Response, Reply> {
    let period = Period::parse(fields.get("period"));
    let mistake = || ProblemError::form("/period", "bad_value", "a month is needed, such as 2026-11");
    let period = period.ok_or_else(|| Reply::invalid(&id, vec![mistake()]))?;
    let audit = run(&id, move || api.authority.close_audit(&visit.who.actor, period)).await?;
    Ok(to(&format!("{HERE}/{}", audit.row.period)))
}

/// Draws.
pub(crate) async fn draw(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Path(period): Path<String>,
    Posted { visit, fields }: Posted,
) -> Result<Response, Reply> {
    let value = HEXLOWER_PERMISSIVE.decode(fields.get("value").as_bytes());
    let beacon = match (fields.get("round"), value) {
        ("", Ok(value)) if value.is_empty() => None,
        (round, Ok(value)) if round.parse::<u64>().is_ok() && !value.is_empty() => {
            round.parse().ok().map(|n| (n, value))
        }
        _ => {
            let why = "round and value go together; the value is written in hexadecimal digits";
            return Err(Reply::invalid(&id, vec![ProblemError::form("/value", "bad_value", why)]));
        }
    };
    moved(&id, &period, move |period| api.authority.draw_audit(&visit.who.actor, period, beacon).map(drop)).await
}

/// Publishes the counts.
pub(crate) async fn publish(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Path(period): Path<String>,
    Posted { visit, .. }: Posted,
) -> Result<Response, Reply> {
    moved(&id, &period, move |period| api.authority.publish_audit(&visit.who.actor, period).map(drop)).await
}

/// Asks for the sanction that the findings come to.
pub(crate) async fn propose(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Path(period): Path<String>,
    Posted { visit, fields }: Posted,
) -> Result<Response, Reply> {
    let entity = fields.get("entity").to_owned();
    let asked = move || api.authority.propose_sanction(&visit.who.actor, &period, &entity);
    let act = run(&id, asked).await?;
    Ok(to(&format!("/console/acts/{}", act.row.id)))
}

/// A step of a month, and back to its page.
async fn moved(
    id: &RequestId,
    period: &str,
    step: impl FnOnce(&str) -> Result<(), Rejection> + Send + 'static,
) -> Result<Response, Reply> {
    let of = period.to_owned();
    run(id, move || step(&of)).await?;
    Ok(to(&format!("{HERE}/{period}")))
}

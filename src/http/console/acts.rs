//! `/console/acts`: what waits for a second person, what was done, and by whom.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use maud::{Markup, html};

use crate::authority::{ACTS_PAGE_MAX, Act, Rejection};
use crate::http::Api;
use crate::http::console::visit::{Posted, Visit, to};
use crate::http::console::{charter, may, page};
use crate::http::id::RequestId;
use crate::http::pages::Page;
use crate::http::pages::icons::Icon;
use crate::http::pages::parts::{Tone, badge, empty, facts, head, notice, table, time};
use crate::http::problem::Reply;
use crate::http::request::{Path, blocking, query_value};
use crate::registry::acts::{ActKind, Power};

/// The states by which the list is filtered; empty for all.
const STATES: [(&str, &str); 5] =
    [("", "all"), ("open", "waiting"), ("done", "done"), ("withdrawn", "withdrawn"), ("expired", "expired")];

/// Acts, the newest first.
pub(crate) async fn list(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    visit: Visit,
    RawQuery(query): RawQuery,
) -> Result<Page, Reply> {
    let wanted = query_value(query.as_deref(), "state").unwrap_or_default();
    let state = STATES.iter().map(|(name, _)| *name).find(|name| *name == wanted && !name.is_empty());
    let before = query_value(query.as_deref(), "before").and_then(|text| text.parse().ok()).unwrap_or(0);
    let (authority, actor) = (api.authority.clone(), visit.who.actor.clone());
    let acts = blocking(&id, move || authority.acts(&actor, before, state, ACTS_PAGE_MAX)).await?;
    let next = acts.last().map(|act| act.row.seq).filter(|_| acts.len() == ACTS_PAGE_MAX);
    let rows: Vec<Vec<Markup>> = acts.iter().map(row).collect();
    let body = html! {
        (head("Acts", "What the operator does. Most of it takes two people: one asks, another approves."))
        div.row {
            @if may(&visit, Power::Act) { a.button href="/console/acts/new" { "Ask for an act" } }
            @for (name, text) in STATES {
                a href={ "/console/acts?state=" (name) } aria-current=[(name == state.unwrap_or_default()).then_some("true")] { (text) }
            }
        }
        section.card {
            @if rows.is_empty() { (empty(Icon::Hands, "No acts here", "Sanctions, orders about numbers, and changes of the staff appear here.")) }
            @else { (table("Acts, the newest first", &["Act", "About", "State", "Asked", "Why"], &rows)) }
            @if let Some(next) = next { p { a href={ "/console/acts?state=" (state.unwrap_or_default()) "&before=" (next) } { "Earlier ones" } } }
        }
    };
    Ok(page(&api, &visit, "Acts", "/console/acts", body))
}

fn row(act: &Act) -> Vec<Markup> {
    vec![
        html! { a href={ "/console/acts/" (act.row.id) } { (act.row.kind) } },
        html! { (about(act)) },
        state(&act.row.state),
        time(act.row.asked_ms),
        html! { (act.row.reason) },
    ]
}

/// What an act is about, in a few words.
fn about(act: &Act) -> String {
    let parameters = act.parameters();
    let text = |name: &str| parameters.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    text("provider")
        .or_else(|| text("person"))
        .or_else(|| text("vkey"))
        .or_else(|| (act.kind == ActKind::Charter).then(|| "the next version".to_owned()))
        .unwrap_or_else(|| format!("{} numbers", act.numbers))
}

fn state(name: &str) -> Markup {
    match name {
        "open" => badge(Tone::Live, "waits for another"),
        "done" => badge(Tone::Good, "done"),
        other => badge(Tone::Plain, other),
    }
}

/// One act, with every step.
pub(crate) async fn show(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    visit: Visit,
    Path(act): Path<String>,
) -> Result<Page, Reply> {
    let (authority, actor) = (api.authority.clone(), visit.who.actor.clone());
    let (act, proposed) = blocking(&id, move || {
        let act = authority.act(&actor, &act)?;
        let of_charter = act.kind == ActKind::Charter;
        let proposed = of_charter.then(|| authority.proposed_charter(&actor, &act.row.id)).transpose()?;
        Ok((act, proposed))
    })
    .await?;
    let is_open = act.row.state == "open" && api.clock.now_ms() < act.row.expires_ms;
    let own = act.steps.iter().any(|step| step.who.as_ref() == Some(&visit.who.person.id));
    let until = act.row.until_s.map_or_else(|| html! { "—" }, |until_s| time(until_s * 1000));
    let body = html! {
        p.crumb { a href="/console/acts" { "Acts" } }
        (head(&act.row.kind, &act.row.reason))
        section.card {
            (facts(&[
                ("State", state(&act.row.state)),
                ("Clause", html! { a href={ "/console/charter#c" (act.row.clause) } { (act.row.clause) } }),
                ("People it needs", html! { (act.row.hands) ": " (act.kind.why()) }),
                ("Expires without approval", time(act.row.expires_ms)),
                ("Ends", until),
                ("Leaf of the public log", html! { @match act.row.gov { Some(leaf) => { (leaf) } None => { "none" } } }),
                ("Numbers", html! { (act.numbers) @if act.numbers > 0 { ", for " (act.accepted) " of them the event is accepted" } }),
            ]))
            details { summary { "Parameters" } pre.wrap { (serde_json::to_string_pretty(&act.parameters()).unwrap_or_default()) } }
        }
        @if let Some(proposed) = &proposed { (charter::proposal(proposed)) }
        @if is_open && may(&visit, Power::Act) { (decide(&visit, &act, own)) }
        @if act.row.state == "done" && act.kind.is_order() && act.accepted < act.numbers { (to_sign(&act)) }
        section.card {
            h2 { "Steps" }
            ol.story {
                @for step in &act.steps {
                    li { span { strong { (step.step) } " by " (step.who.as_deref().unwrap_or("the register itself")) } (time(step.at_ms)) }
                }
            }
        }
    };
    Ok(page(&api, &visit, &act.row.kind, "/console/acts", body))
}

fn decide(visit: &Visit, act: &Act, own: bool) -> Markup {
    html! {
        section.card {
            h2 { "Decide" }
            @if own { p { "You stand behind this act already: another person approves." } }
            div.row {
                @if !own {
                    form.inline method="post" action={ "/console/acts/" (act.row.id) "/approval" } {
                        (visit.token()) button type="submit" { "Approve: it is done at once" }
                    }
                }
                form.inline method="post" action={ "/console/acts/" (act.row.id) "/withdrawal" } {
                    (visit.token()) button.quiet type="submit" { "Withdraw" }
                }
            }
        }
    }
}

/// Orders about numbers end in events that two people sign with keys of their own; the console holds none.
fn to_sign(act: &Act) -> Markup {
    let id = &act.row.id;
    notice(
        Tone::Warn,
        "Two people sign the events of this order",
        html! {
            p { (act.numbers - act.accepted) " of " (act.numbers) " events wait. Your signing key is with you and never here; on the machine that has it:" }
            pre tabindex="0" { "callbook act events " (id) " --out order.json\ncallbook staff sign order.json --key YOUR.key --out signed-once.json\n"
                "callbook staff sign signed-once.json --key COLLEAGUE.key --out signed.json\ncallbook act submit signed.json" }
        },
    )
}

/// Approves.
pub(crate) async fn approve(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Path(act): Path<String>,
    Posted { visit, .. }: Posted,
) -> Result<Response, Reply> {
    done(&id, move || api.authority.approve_act(&visit.who.actor, &act)).await
}

/// Withdraws.
pub(crate) async fn withdraw(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Path(act): Path<String>,
    Posted { visit, .. }: Posted,
) -> Result<Response, Reply> {
    done(&id, move || api.authority.withdraw_act(&visit.who.actor, &act)).await
}

/// Does something with an act and shows it as it is then.
async fn done(
    id: &RequestId,
    work: impl FnOnce() -> Result<Act, Rejection> + Send + 'static,
) -> Result<Response, Reply> {
    let act = blocking(id, work).await?;
    Ok(to(&format!("/console/acts/{}", act.row.id)))
}

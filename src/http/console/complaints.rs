//! `/console/complaints`: what anybody complains about: taken up, then closed with its outcome.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use maud::{Markup, html};

use crate::api::ProblemError;
use crate::authority::{COMPLAINTS_PAGE_MAX, ComplaintMove, ComplaintState, ComplaintView, LedTo, Outcome};
use crate::http::Api;
use crate::http::console::form::Fields;
use crate::http::console::visit::{Posted, Visit, to};
use crate::http::console::{may, page};
use crate::http::id::RequestId;
use crate::http::pages::Page;
use crate::http::pages::icons::Icon;
use crate::http::pages::parts::{Field, Tone, badge, empty, facts, head, time};
use crate::http::problem::Reply;
use crate::http::request::{Path, blocking, query_value};
use crate::registry::acts::Power;

/// Complaints on one page of the console.
const PAGE: usize = if COMPLAINTS_PAGE_MAX < 50 { COMPLAINTS_PAGE_MAX } else { 50 };

/// What may stand beside an outcome: the field's name in our forms, and what it asks for.
const LINKS: [(&str, &str); 3] = [("clause", "Clause"), ("act", "Act"), ("item", "Drawn item of an audit")];
/// The longest of them, in bytes: ids have 32 at most.
const LINK_LEN_MAX: usize = 64;

/// Complaints in one state, the oldest first.
pub(crate) async fn list(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    visit: Visit,
    RawQuery(query): RawQuery,
) -> Result<Page, Reply> {
    let wanted = query_value(query.as_deref(), "state").unwrap_or_default();
    let state = ComplaintState::from_name(&wanted).unwrap_or(ComplaintState::Open);
    let after = query_value(query.as_deref(), "after").and_then(|text| text.parse().ok()).unwrap_or(0);
    let (authority, actor) = (api.authority.clone(), visit.who.actor.clone());
    let found = blocking(&id, move || authority.complaints(&actor, Some(state), after, PAGE)).await?;
    let body = html! {
        (head("Complaints", "Anybody may complain, also without a name. Text and contact are erased some time after the end."))
        div.row {
            @for one in ComplaintState::ALL {
                a href={ "/console/complaints?state=" (one.name()) } aria-current=[(*one == state).then_some("true")] { (one.name().replace('_', " ")) }
            }
        }
        @if found.complaints.is_empty() {
            section.card { (empty(Icon::Complaint, "None here", "Complaints come by POST /v1/complaints and by the directory's page for them.")) }
        }
        @for complaint in &found.complaints { (shown(&visit, complaint)) }
        @if let Some(after) = found.after { p { a href={ "/console/complaints?state=" (state.name()) "&after=" (after) } { "Later ones" } } }
    };
    Ok(page(&api, &visit, "Complaints", "/console/complaints", body))
}

fn shown(visit: &Visit, one: &ComplaintView) -> Markup {
    let number = match (one.names_number, one.number) {
        (false, _) => "none named".to_owned(),
        (true, None) => "one that is not registered now".to_owned(),
        (true, Some(number)) => number.to_string(),
    };
    let tone = if one.state == ComplaintState::Closed { Tone::Plain } else { Tone::Live };
    let outcome = one.outcome.map(|outcome| format!(", {}", outcome.name().replace('_', " "))).unwrap_or_default();
    html! {
        section.card {
            header { h2 { (one.about.name().replace('_', " ")) } (badge(tone, &format!("{}{outcome}", one.state.name().replace('_', " ")))) }
            @match &one.text { Some(text) => pre.wrap { (text) }, None => p.soft { "The text was erased." } }
            (facts(&[
                ("Number", html! { (number) }),
                ("Contact", html! { (one.contact.as_deref().unwrap_or("none")) }),
                ("Came", time(one.made_ms)),
                ("Moved last", time(one.changed_ms)),
                ("Led to", html! { (links(&one.led_to)) }),
                ("Id", html! { code { (one.id) } }),
            ]))
            @if may(visit, Power::Act) && one.state != ComplaintState::Closed { (moves(visit, one)) }
        }
    }
}

fn links(led_to: &LedTo) -> Markup {
    html! {
        @if led_to.clause.is_none() && led_to.act.is_none() && led_to.item.is_none() { "nothing yet" }
        @if let Some(clause) = &led_to.clause { a href={ "/console/charter#c" (clause) } { "clause " (clause) } " " }
        @if let Some(act) = &led_to.act { a href={ "/console/acts/" (act) } { "act " (act) } " " }
        @if let Some(item) = &led_to.item { "drawn item " code { (item) } }
    }
}

fn moves(visit: &Visit, one: &ComplaintView) -> Markup {
    let button =
        |to: &str, text: &str, quiet: bool| html! { button.quiet[quiet] type="submit" name="to" value=(to) { (text) } };
    // Several complaints stand on a page, and each field needs a name of its own there.
    let names = LINKS.map(|(field, _)| format!("{field}-{}", one.id));
    html! {
        form method="post" action={ "/console/complaints/" (one.id) } {
            (visit.token())
            details {
                summary { "On what the outcome rests, and what it led to" }
                @for ((_, label), name) in LINKS.iter().zip(&names) {
                    (Field { name, label, optional: true, most: LINK_LEN_MAX, ..Field::default() }.line())
                }
            }
            div.row {
                @if one.state == ComplaintState::Open { (button("in_work", "Take it up", false)) }
                (button("upheld", "Close: it was right", true))
                (button("rejected", "Close: it was not", true))
                (button("not_ours", "Close: not ours to decide", true))
            }
        }
    }
}

/// What stands beside an outcome, if anything does.
fn led_to(fields: &Fields, complaint: &str) -> LedTo {
    let field = |name: &str| fields.some(&format!("{name}-{complaint}")).filter(|text| text.len() <= LINK_LEN_MAX);
    LedTo { clause: field("clause"), act: field("act"), item: field("item"), ..LedTo::default() }
}

/// Moves one on.
pub(crate) async fn move_on(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Path(complaint): Path<String>,
    Posted { visit, fields }: Posted,
) -> Result<Response, Reply> {
    let wanted = match (fields.get("to"), Outcome::from_name(fields.get("to"))) {
        ("in_work", _) => ComplaintMove::TakeUp,
        (_, Some(outcome)) => ComplaintMove::Close(outcome, led_to(&fields, &complaint)),
        _ => return Err(Reply::invalid(&id, vec![ProblemError::form("/to", "bad_value", "in_work or an outcome")])),
    };
    let moved = blocking(&id, move || api.authority.move_complaint(&visit.who.actor, &complaint, wanted)).await?;
    Ok(to(&format!("/console/complaints?state={}", moved.state.name())))
}

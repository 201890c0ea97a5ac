//! `/console/audit-items/…`: one drawn validation: its evidence, what is found, and a code sent to its number.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use data_encoding::HEXLOWER;
use maud::{Markup, html};

use crate::authority::ItemView;
use crate::http::Api;
use crate::http::audits::{finding, run};
use crate::http::console::visit::{Posted, Visit, to};
use crate::http::console::{may, page};
use crate::http::id::RequestId;
use crate::http::pages::Page;
use crate::http::pages::icons::Icon;
use crate::http::pages::parts::{Field, card, count, empty, facts, head, table, time};
use crate::http::problem::Reply;
use crate::http::request::Path;
use crate::ledger::RevalidationRow;
use crate::log::sha256;
use crate::registry::acts::Power;

/// Bytes of evidence that are shown as text; the command line saves all of it.
const SHOWN_MAX: usize = 20_000;

/// The item.
pub(crate) async fn show(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    visit: Visit,
    Path(item): Path<String>,
) -> Result<Page, Reply> {
    let (authority, actor) = (api.authority.clone(), visit.who.actor.clone());
    let (view, codes) =
        run(&id, move || Ok((authority.audit_item(&actor, &item)?, authority.revalidations(&actor, &item)?))).await?;
    let body = html! {
        p.crumb { a href={ "/console/audits/" (view.item.period) } { "Audit of " (view.item.period) } }
        (head("A drawn validation", ""))
        (card("What the token says", said(&view)))
        (card("Evidence", evidence(&view)))
        @if view.item.state != "asked" && may(&visit, Power::Audit) { (card("Finding", judge(&visit, &view))) }
        (card("Ask the line itself", ask_the_line(&visit, &view, &codes)))
    };
    Ok(page(&api, &visit, "A drawn validation", "/console/audits", body))
}

fn said(view: &ItemView) -> Markup {
    let item = &view.item;
    let number = view.number.map_or_else(|| "not registered now".to_owned(), |number| number.to_string());
    facts(&[
        ("Number", html! { (number) }),
        ("Entity", html! { a href={ "/console/providers/" (item.entity) } { (item.entity) } }),
        ("What for", html! { (item.kind) }),
        ("Methods", html! { (item.methods.replace('\n', ", ")) }),
        ("Accepted", time(item.token_ms)),
        ("Drawn from", html! { (item.stratum) }),
        (
            "State",
            html! { (item.state) @if let Some(fault) = &item.fault { ": " (fault) } @if let Some(clause) = &item.clause { ", clause " (clause) } },
        ),
        (
            "Judged",
            html! { @if let Some(at_ms) = item.judged_ms { (time(at_ms)) " by " (item.judged_by.as_deref().unwrap_or("time")) } @else { "not yet" } },
        ),
        ("Evidence due", time(item.due_ms)),
    ])
}

fn evidence(view: &ItemView) -> Markup {
    let Some(bytes) = &view.evidence else {
        return empty(Icon::Audit, "No evidence is here", "It was not handed in yet, or its time of keeping is over.");
    };
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= SHOWN_MAX && !text.contains('\0'));
    html! {
        p { (count(bytes.len() as u64)) " bytes, SHA-256 " code { (HEXLOWER.encode(&sha256(&[bytes]))) } ": what the token committed to." }
        @match text {
            Some(text) => { pre.wrap { (text) } }
            None => { p.soft { "No text to show. Save it: " code { "callbook audit item " (view.item.id) " --out FILE" } } }
        }
    }
}

fn judge(visit: &Visit, view: &ItemView) -> Markup {
    let choices: Vec<(&str, &str)> = [("pass", "It stands")].into_iter().chain(FAULTS).collect();
    html! {
        form method="post" action={ "/console/audit-items/" (view.item.id) "/finding" } {
            (visit.token())
            (Field { name: "finding", label: "What do you find?", hint: "Until the audit is published you may think again.", value: view.item.fault.as_deref().unwrap_or("pass"), ..Field::default() }.choice(&choices))
            button type="submit" { "Put it down" }
        }
    }
}

/// What a person may find; silence is found by time alone.
const FAULTS: [(&str, &str); 5] = [
    ("incomplete", "It does not show what the method asks for"),
    ("mismatch", "It is about another number or person"),
    ("time", "It is of another day than the token says"),
    ("forged", "It was made up"),
    ("contradicted", "The line's own holder denies it"),
];

fn ask_the_line(visit: &Visit, view: &ItemView, codes: &[RevalidationRow]) -> Markup {
    let row = |one: &RevalidationRow| {
        vec![time(one.made_ms), html! { (one.state) }, time(one.expires_ms), html! { (count(one.wrong)) }]
    };
    let rows: Vec<Vec<Markup>> = codes.iter().map(row).collect();
    html! {
        p { "A code goes to the number, and the holder's device answers it signed: then the key that is registered is on that line." }
        @if !rows.is_empty() { (table("Codes that were sent", &["Sent", "State", "Taken until", "Wrong codes"], &rows)) }
        @if may(visit, Power::Audit) && view.number.is_some() {
            form method="post" action={ "/console/audit-items/" (view.item.id) "/codes" } {
                (visit.token())
                button.quiet type="submit" { "Send a code" }
            }
        }
    }
}

/// Judges.
pub(crate) async fn find(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Path(item): Path<String>,
    Posted { visit, fields }: Posted,
) -> Result<Response, Reply> {
    let fault = finding(&id, fields.get("finding"))?;
    let judged = run(&id, move || api.authority.judge_audit(&visit.who.actor, &item, fault)).await?;
    Ok(to(&format!("/console/audit-items/{}", judged.id)))
}

/// Sends a code.
pub(crate) async fn send_code(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Path(item): Path<String>,
    Posted { visit, .. }: Posted,
) -> Result<Response, Reply> {
    let sent = run(&id, move || api.authority.revalidate(&visit.who.actor, &item)).await?;
    Ok(to(&format!("/console/audit-items/{}", sent.item)))
}

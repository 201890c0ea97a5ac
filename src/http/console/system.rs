//! `/console/system`: health, counters, the configuration in force, the staff; and one's own sessions and passkeys.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use crate::authority::{PasskeyRow, Registrar, SessionRow};
use crate::clock::rfc3339;
use crate::http::console::visit::{Posted, Visit, console, settings, to};
use crate::http::console::{Quarter, page, page_with, sign_in};
use crate::http::id::RequestId;
use crate::http::pages::Page;
use crate::http::pages::assets::PASSKEY;
use crate::http::pages::icons::Icon;
use crate::http::pages::parts::{Tone, badge, card, empty, head, table, time};
use crate::http::pages::picture::{Lines, shares};
use crate::http::problem::Reply;
use crate::http::request::{Path, blocking};
use crate::http::{Api, health};
use crate::ledger::StaffRow;
use crate::log::bytes::to_base64url;

/// The page.
pub(crate) async fn show(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    visit: Visit,
) -> Result<Page, Reply> {
    let Some(times) = console(&api).map(|console| console.times) else { return Err(Reply::fault(&id)) };
    let (authority, who) = (api.authority.clone(), visit.who.clone());
    let (staff, (sessions, passkeys)) =
        blocking(&id, move || Ok((authority.staff(&who.actor)?, authority.own_sign_ins(&who, times)?))).await?;
    let health = health::checks(&api).await;
    let row = |check: &crate::api::service::Check| {
        let well = if check.ok { badge(Tone::Good, "well") } else { badge(Tone::Bad, "not well") };
        vec![html! { (check.name) }, well, html! { (check.detail) }]
    };
    let checks: Vec<Vec<Markup>> = health.checks.iter().map(row).collect();
    let settings = console(&api).map_or("", |console| &console.settings);
    let metrics = api.metrics.text();
    let answers = counted(&metrics, "callbook_dns_answers_total", "rcode");
    let questions = counted(&metrics, "callbook_dns_number_questions_total", "outcome");
    let body = html! {
        (head("System", "Whether the directory does its job, and who may work on it."))
        (card("Health", table("Checks, made just now", &["Check", "State", "Detail"], &checks)))
        (the_last_day(&console(&api).map(|console| (console.quarters)()).unwrap_or_default()))
        section.card {
            @if answers.is_empty() { (empty(Icon::System, "No DNS query yet", "Answers are counted by their code since the service started.")) }
            @else { (shares("DNS answers by code since the start", "answers", &answers)) }
            @if !questions.is_empty() { (shares("Questions for possible numbers, found or missed", "questions", &questions)) }
            p.soft { "All counters: " a href="/metrics" { "/metrics" } ". No name, number or query is in them." }
        }
        (card("Staff", people(&staff)))
        (card("Your sessions", own_sessions(&visit, &sessions)))
        (card("Your passkeys", own_passkeys(&visit, &passkeys)))
        (card("Configuration in force", html! { details { summary { "Show it; secrets are in files of their own and not here" } pre { (settings) } } }))
    };
    Ok(page(&api, &visit, "System", "/console/system", body))
}

/// How much was answered, and how many of the questions for possible numbers found nothing.
fn the_last_day(quarters: &[Quarter]) -> Markup {
    if quarters.len() < 2 {
        let why = "Rates are drawn by quarters of an hour, from the second one on after the service started.";
        return card("The last day", empty(Icon::System, "Nothing to draw yet", why));
    }
    let clock = |quarter: &Quarter| rfc3339(quarter.from_s).get(11..16).unwrap_or_default().to_owned();
    let points: Vec<String> = quarters.iter().map(clock).collect();
    let answers = quarters.iter().map(|quarter| quarter.answers).collect();
    let missed = |quarter: &Quarter| (quarter.missed * 100).checked_div(quarter.found + quarter.missed).unwrap_or(0);
    let missed = quarters.iter().map(missed).collect();
    html! {
        div.grid.wide {
            (card("Answers", Lines { title: "DNS answers, the last day", unit: "in a quarter of an hour", points: &points, lines: &[("answers", answers)] }.draw()))
            (card("Misses", Lines { title: "Questions for possible numbers that found nothing", unit: "in a hundred", points: &points, lines: &[("missed", missed)] }.draw()))
        }
    }
}

/// What a counter says, by one of its labels; the most first.
fn counted(text: &str, counter: &str, label: &str) -> Vec<(String, u64)> {
    let mut found: Vec<(String, u64)> = Vec::new();
    for line in text.lines().filter(|line| line.starts_with(counter)) {
        let named = line.split_once(&format!("{label}=\"")).and_then(|(_, rest)| rest.split_once('"'));
        let value = line.rsplit(' ').next().and_then(|value| value.parse::<u64>().ok());
        let (Some((name, _)), Some(value)) = (named, value) else { continue };
        match found.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum += value,
            None => found.push((name.to_owned(), value)),
        }
    }
    found.retain(|(_, value)| *value > 0);
    found.sort_by_key(|(_, value)| std::cmp::Reverse(*value));
    found
}

fn people(staff: &[StaffRow]) -> Markup {
    let row = |one: &StaffRow| {
        let key = one.key.as_ref().map(|key| to_base64url(&key.thumbprint()));
        let state = one.ended_ms.map_or_else(
            || badge(Tone::Good, "works here"),
            |at| html! { (badge(Tone::Plain, "left")) " " (time(at)) },
        );
        vec![
            html! { (one.id) },
            html! { (one.role.name()) },
            html! { code { (key.as_deref().unwrap_or("no key yet")) } },
            time(one.added_ms),
            state,
        ]
    };
    let rows: Vec<Vec<Markup>> = staff.iter().map(row).collect();
    html! {
        (table("Everybody, those who left among them", &["Person", "Role", "Key", "Joined", "State"], &rows))
        p { a href="/console/acts/new?kind=staff-add" { "Add somebody" } " · " a href="/console/acts/new?kind=staff-change" { "another role or key" }
            " · " a href="/console/acts/new?kind=staff-end" { "somebody leaves" } }
    }
}

fn own_sessions(visit: &Visit, sessions: &[SessionRow]) -> Markup {
    let row = |one: &SessionRow| {
        let present = one.id == visit.who.session;
        vec![
            html! { code { (one.id) } @if present { " " (badge(Tone::Live, "this one")) } },
            time(one.made_ms),
            time(one.used_ms),
            time(one.ends_ms),
            html! {
                form.inline method="post" action={ "/console/system/sessions/" (one.id) "/end" } {
                    (visit.token()) button class="quiet small" type="submit" { "End" span.only-read { " session " (one.id) } }
                }
            },
        ]
    };
    let rows: Vec<Vec<Markup>> = sessions.iter().map(row).collect();
    table("Where you are signed in", &["Session", "Since", "Used", "Ends at the latest", ""], &rows)
}

fn own_passkeys(visit: &Visit, passkeys: &[PasskeyRow]) -> Markup {
    let row = |one: &PasskeyRow| {
        let id = to_base64url(&one.credential);
        vec![
            html! { (one.name) },
            time(one.added_ms),
            one.used_ms.map_or_else(|| html! { "never" }, time),
            html! {
                form.inline method="post" action={ "/console/system/passkeys/" (id) "/removal" } {
                    (visit.token()) button class="quiet small" type="submit" { "Remove" span.only-read { " " (one.name) } }
                }
            },
        ]
    };
    let rows: Vec<Vec<Markup>> = passkeys.iter().map(row).collect();
    html! {
        (table("Each signs you in", &["Passkey", "Registered", "Used", ""], &rows))
        div.row { a class="button quiet" href="/console/system/passkeys" { "Add a passkey" } }
    }
}

/// The page on which another passkey is registered.
pub(crate) async fn passkey(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    visit: Visit,
) -> Result<Page, Reply> {
    let Some(times) = console(&api).map(|console| console.times) else { return Err(Reply::fault(&id)) };
    let person = visit.who.person.id.clone();
    let (authority, who) = (api.authority.clone(), visit.who.clone());
    let (_, passkeys) = blocking(&id, move || authority.own_sign_ins(&who, times)).await?;
    let known = passkeys.iter().map(|one| to_base64url(&one.credential)).collect::<Vec<_>>().join(" ");
    let challenge = api.authority.challenge(Some(person.clone())).map_err(|no| Reply::rejected(&id, no))?;
    let body = html! {
        p.crumb { a href="/console/system" { "System" } }
        (head("Add a passkey", "On another device, or a key that lies in a safe."))
        section.card { (sign_in::register_form(&api, &person, &challenge, ("/console/system/passkeys", &known), visit.token())) }
    };
    Ok(page_with(&api, &visit, "Add a passkey", "/console/system", &[&PASSKEY], body))
}

/// Takes another passkey of somebody who is signed in.
pub(crate) async fn register(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Posted { visit, fields }: Posted,
) -> Result<Response, Reply> {
    let (site, times) = settings(&api, &id)?;
    let (made, name, by) = (sign_in::made(&fields), fields.get("name").to_owned(), Registrar::SignedIn(visit.who));
    blocking(&id, move || api.authority.register_passkey(&by, &site, times, &name, &made)).await?;
    Ok(to("/console/system"))
}

/// Removes a passkey of one's own.
pub(crate) async fn remove(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Path(passkey): Path<String>,
    Posted { visit, .. }: Posted,
) -> Result<Response, Reply> {
    blocking(&id, move || api.authority.remove_passkey(&visit.who, &passkey)).await?;
    Ok(to("/console/system"))
}

/// Ends a session of one's own.
pub(crate) async fn end(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Path(session): Path<String>,
    Posted { visit, .. }: Posted,
) -> Result<Response, Reply> {
    blocking(&id, move || api.authority.end_session(&visit.who, &session)).await?;
    Ok(to("/console/system"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_summed_by_a_label() {
        let text = "a_total{rcode=\"NOERROR\",t=\"udp\"} 3\na_total{rcode=\"NXDOMAIN\",t=\"udp\"} 9\na_total{rcode=\"NOERROR\",t=\"tcp\"} 1\na_total{rcode=\"X\"} 0\nb_total{rcode=\"Y\"} 5";
        assert_eq!(counted(text, "a_total", "rcode"), [("NXDOMAIN".to_owned(), 9), ("NOERROR".to_owned(), 4)]);
    }
}

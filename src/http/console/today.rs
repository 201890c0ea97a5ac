//! `/console`: what needs a person today, and what waits on whom.

use axum::Extension;
use axum::extract::State;
use maud::{Markup, html};

use crate::authority::{Accreditation, Act, ComplaintState, ComplaintView, Figures};
use crate::http::console::providers::status;
use crate::http::console::visit::{Visit, console};
use crate::http::console::{ZoneKeysShown, may, page};
use crate::http::id::RequestId;
use crate::http::pages::Page;
use crate::http::pages::icons::Icon;
use crate::http::pages::parts::{Tone, badge, card, count, empty, fact, head, notice, span, table, time};
use crate::http::pages::picture::Lines;
use crate::http::problem::Reply;
use crate::http::request::blocking;
use crate::http::{Api, health};
use crate::registry::acts::Power;

/// Acts and complaints that are looked at for this page.
const LOOKED_AT: usize = 100;
/// A provider's term that ends within so many days is told.
const DUE_SOON_MS: u64 = 30 * 86_400_000;

/// What is shown.
struct Day {
    acts: Vec<Act>,
    complaints: Option<Vec<ComplaintView>>,
    due: Vec<Accreditation>,
    keys: Vec<ZoneKeysShown>,
    figures: Figures,
    numbers: u64,
}

/// The first page.
pub(crate) async fn show(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    visit: Visit,
) -> Result<Page, Reply> {
    let (of, actor) = (api.clone(), visit.who.actor.clone());
    let sees_complaints = may(&visit, Power::Audit);
    let now_ms = api.clock.now_ms();
    let day = blocking(&id, move || {
        let authority = &of.authority;
        let complaints = match sees_complaints {
            true => Some(authority.complaints(&actor, Some(ComplaintState::Open), 0, LOOKED_AT)?.complaints),
            false => None,
        };
        let mut due = authority.providers();
        due.retain(|one| one.standing.due_ms.is_some_and(|due| due < now_ms + DUE_SOON_MS));
        Ok(Day {
            acts: authority.acts(&actor, 0, Some("open"), LOOKED_AT)?,
            complaints,
            due,
            keys: console(&of).map(|console| console.keys.zones()).unwrap_or_default(),
            figures: authority.figures(&actor)?,
            numbers: authority.count_numbers()?,
        })
    })
    .await?;
    let health = health::checks(&api).await;
    let vitals = api.authority.vitals();
    let lead = "What needs a person, and what waits on whom.";
    let body = html! {
        (head("Today", lead))
        @for check in health.checks.iter().filter(|check| !check.ok) {
            (notice(Tone::Bad, &format!("{} is not well", check.name), html! { p { (check.detail) } p { a href="/console/system" { "More under System" } } }))
        }
        @if let Some(why) = &vitals.unconfirmed { (notice(Tone::Warn, "Witnesses", html! { p { (why) } })) }
        @if vitals.overdue > 0 {
            (notice(Tone::Bad, "Numbers are withheld past the end of their order", html! { p {
                (count(vitals.overdue)) " of them. Two of the staff resume them: "
                a href="/console/acts/new?kind=resume-numbers" { "ask for it" } } }))
        }
        div class="grid figures" {
            (fact(&count(day.numbers), "numbers registered"))
            (fact(&count(day.acts.len() as u64), "acts that wait for approval"))
            @if let Some(complaints) = &day.complaints { (fact(&count(complaints.len() as u64), "complaints nobody has taken up")) }
            (fact(&span(now_ms.saturating_sub(vitals.epoch_ms) / 1000), "since the newest epoch"))
        }
        div class="grid wide" {
            (card("Waits for a second person", acts(&visit, &day.acts)))
            (card("Zone keys", keys(&day.keys)))
            @if let Some(complaints) = &day.complaints { (card("Complaints", complaints_of(complaints))) }
            (card("Terms that end soon", due(&day.due)))
        }
        section.card { (changes(&day.figures)) }
    };
    Ok(page(&api, &visit, "Today", "/console", body))
}

fn acts(visit: &Visit, acts: &[Act]) -> Markup {
    if acts.is_empty() {
        return empty(
            Icon::Tick,
            "Nothing waits",
            "Acts that need two people appear here until the second one has approved.",
        );
    }
    let own = |act: &Act| act.steps.iter().any(|step| step.who.as_ref() == Some(&visit.who.person.id));
    let rows: Vec<Vec<Markup>> = acts
        .iter()
        .take(10)
        .map(|act| {
            let whom =
                if own(act) { badge(Tone::Plain, "a colleague") } else { badge(Tone::Live, "you, or a colleague") };
            vec![
                html! { a href={ "/console/acts/" (act.row.id) } { (act.row.kind) } },
                html! { (act.row.reason) },
                whom,
                time(act.row.expires_ms),
            ]
        })
        .collect();
    table("Open acts, the newest first", &["Act", "Why", "Waits on", "Expires"], &rows)
}

fn keys(zones: &[ZoneKeysShown]) -> Markup {
    html! {
        @for zone in zones {
            p { strong { (zone.zone) } " "
                @match zone.next.as_str() {
                    "nobody" => { (badge(Tone::Good, "nobody has to act")) }
                    "server" => { (badge(Tone::Live, "the service goes on by itself")) }
                    "parent" => { (badge(Tone::Warn, "the parent must act")) }
                    _ => { (badge(Tone::Bad, "you must act")) }
                }
            }
            @if let Some(why) = &zone.trouble { p.mistake { (why) } }
        }
        p { a href="/console/keys" { "Keys, and what they wait for" } }
    }
}

fn complaints_of(complaints: &[ComplaintView]) -> Markup {
    if complaints.is_empty() {
        return empty(Icon::Complaint, "No open complaint", "What anybody complains about comes here first.");
    }
    let rows: Vec<Vec<Markup>> = complaints
        .iter()
        .take(5)
        .map(|one| {
            vec![html! { a href="/console/complaints" { (one.about.name().replace('_', " ")) } }, time(one.made_ms)]
        })
        .collect();
    table("The oldest five", &["About", "Since"], &rows)
}

fn due(providers: &[Accreditation]) -> Markup {
    if providers.is_empty() {
        return empty(
            Icon::Provider,
            "No term ends within 30 days",
            "Accreditations, warnings and probations have terms.",
        );
    }
    let rows: Vec<Vec<Markup>> = providers
        .iter()
        .map(|one| {
            vec![
                html! { a href={ "/console/providers/" (one.id) } { (one.name) } },
                status(one.standing.status),
                one.standing.due_ms.map_or_else(|| html! {}, time),
            ]
        })
        .collect();
    table("Providers whose term ends", &["Provider", "Status", "Ends"], &rows)
}

/// Registrations and ends by day.
pub(super) fn changes(figures: &Figures) -> Markup {
    let points: Vec<String> =
        figures.days.iter().map(|day| crate::clock::rfc3339(day * 86_400)[..10].to_owned()).collect();
    let lines = Lines {
        title: "Changes by day, 30 days",
        unit: "a day",
        points: &points,
        lines: &[
            ("registered", figures.created.clone()),
            ("renewed", figures.renewed.clone()),
            ("given back or lapsed for good", figures.released.clone()),
        ],
    };
    html! {
        (lines.draw())
        @if figures.cut { p.soft { "Only the newest 20\u{202f}000 changes are counted: earlier days are higher than shown." } }
    }
}

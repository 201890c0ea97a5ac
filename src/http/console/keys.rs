//! `/console/keys`: the keys of the signed zones, what they wait for and who must act; and a roll, asked for by an admin.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use maud::{Markup, html};

use crate::api::ProblemError;
use crate::authority::Rejection;
use crate::http::Api;
use crate::http::console::visit::{Posted, Visit, console, to};
use crate::http::console::{KeyShown, Rolled, ZoneKeysShown, may, page};
use crate::http::id::RequestId;
use crate::http::pages::Page;
use crate::http::pages::icons::Icon;
use crate::http::pages::parts::{Field, Tone, badge, card, empty, head, notice, table, time, worded};
use crate::http::pages::picture::{Lane, timeline};
use crate::http::problem::Reply;
use crate::http::request::{blocking, query_value};
use crate::registry::acts::Power;

const DAY_S: u64 = 86_400;
/// What is shown before and after now at least.
const AROUND_S: u64 = 2 * 3600;

/// Zones with their keys.
pub(crate) async fn show(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    visit: Visit,
    RawQuery(query): RawQuery,
) -> Result<Page, Reply> {
    let asked = query_value(query.as_deref(), "asked").is_some();
    let of = api.clone();
    let zones = blocking(&id, move || Ok(console(&of).map(|console| console.keys.zones()).unwrap_or_default())).await?;
    let now_s = api.clock.now_s();
    let body = html! {
        (head("Zones and keys", "The DNSSEC keys of each signed zone: where each is in its life, and who must act next."))
        @if asked { (notice(Tone::Good, "A roll was asked for", html! { p { "The service takes it up within seconds; what follows, and what is waited for, appears below." } })) }
        @if zones.is_empty() { section.card { (empty(Icon::Key, "No signed zone", "The number zone is signed as soon as it has keys.")) } }
        @for zone in &zones { (one(&visit, zone, now_s)) }
    };
    Ok(page(&api, &visit, "Zones and keys", "/console/keys", body))
}

fn one(visit: &Visit, zone: &ZoneKeysShown, now_s: u64) -> Markup {
    let (tone, says) = match zone.next.as_str() {
        "nobody" => (Tone::Good, "nobody has to act"),
        "server" => (Tone::Live, "the service goes on by itself"),
        "parent" => (Tone::Warn, "the parent must act"),
        _ => (Tone::Bad, "you must act"),
    };
    let row = |key: &KeyShown| {
        vec![
            html! { span.whole { (key.name) } },
            html! { span.whole { (key.algorithm) } },
            badge(if key.state == "active" { Tone::Good } else { Tone::Plain }, &key.state),
            time(key.since_s * 1000),
            html! { @for wait in &key.waits { p { (worded(wait)) } } },
        ]
    };
    let rows: Vec<Vec<Markup>> = zone.keys.iter().map(row).collect();
    html! {
        section.card {
            header { h2 { (zone.zone) } (badge(tone, says)) }
            @if let Some(why) = &zone.trouble { (notice(Tone::Bad, "Nothing is known of these keys", html! { p { (why) } })) }
            @else { (picture(zone, now_s)) (table("Keys", &["Key", "Algorithm", "State", "Since", "Waits for"], &rows)) }
            @for wait in &zone.waits { p { (worded(wait)) } }
            @if may(visit, Power::Staff) { (roll_form(visit, zone)) }
            @else { p.soft { "Admins ask for new keys here." } }
        }
    }
}

fn picture(zone: &ZoneKeysShown, now_s: u64) -> Markup {
    let lanes: Vec<Lane> = zone
        .keys
        .iter()
        .filter(|key| !key.stretches.is_empty())
        .map(|key| Lane { name: key.name.clone(), note: key.state.clone(), spans: key.stretches.clone() })
        .collect();
    let first = lanes.iter().flat_map(|lane| &lane.spans).map(|(from, ..)| *from).min().unwrap_or(now_s);
    let last = lanes.iter().flat_map(|lane| &lane.spans).map(|(_, to, _)| *to).max().unwrap_or(now_s);
    let from = first.clamp(now_s.saturating_sub(400 * DAY_S), now_s.saturating_sub(AROUND_S));
    timeline("Lives of the keys", (from, last.max(now_s + AROUND_S)), now_s, &["coming", "in use", "going"], &lanes)
}

fn roll_form(visit: &Visit, zone: &ZoneKeysShown) -> Markup {
    let name = format!("reason-{}", zone.zone.trim_end_matches('.').replace('.', "-"));
    let field =
        Field { name: &name, label: "Why", hint: "It stands in the book of the desk.", most: 300, ..Field::default() };
    card(
        "Ask for new keys",
        html! {
            p { "The new key is published first and used when every cache can know it. An emergency roll, another algorithm and an offline KSK are for the command line: "
                code { "callbook keys roll --help" } }
            form method="post" action="/console/keys" {
                (visit.token())
                input type="hidden" name="zone" value=(zone.zone);
                input type="hidden" name="field" value=(name);
                fieldset {
                    legend { "Replace" }
                    label.choice { input type="radio" name="what" value="zsk" checked; "the key that signs data (ZSK)" }
                    label.choice { input type="radio" name="what" value="ksk"; "the key that the parent knows (KSK); the parent acts too" }
                }
                (field.line())
                button type="submit" { "Ask for the roll" }
            }
        },
    )
}

/// Asks for a roll: by an admin, with a reason in the book of the desk.
pub(crate) async fn roll(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Posted { visit, fields }: Posted,
) -> Result<Response, Reply> {
    let what = match fields.get("what") {
        "zsk" => Rolled::Zsk,
        "ksk" => Rolled::Ksk,
        _ => return Err(Reply::invalid(&id, vec![ProblemError::form("/what", "bad_value", "zsk or ksk")])),
    };
    let reason = fields.get(fields.get("field")).to_owned();
    if reason.is_empty() || reason.len() > 300 {
        return Err(Reply::invalid(
            &id,
            vec![ProblemError::form("/reason", "required", "say why, in 300 bytes at most")],
        ));
    }
    let zone = fields.get("zone").to_owned();
    blocking(&id, move || {
        let actor = &visit.who.actor;
        actor.demand(Power::Staff)?;
        let Some(console) = console(&api) else { return Err(Rejection::NotFound) };
        console.keys.roll(&zone, what).map_err(Rejection::Conflict)?;
        api.authority.note_at_desk(
            actor,
            "keys-asked",
            &format!("{zone} {}: {reason}", if what == Rolled::Zsk { "ZSK" } else { "KSK" }),
        )
    })
    .await?;
    Ok(to("/console/keys?asked=1"))
}

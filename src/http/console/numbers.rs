//! `/console/numbers`: a number looked up with a reason that colleagues can read, and why something was refused.

use axum::Extension;
use axum::extract::State;
use maud::{Markup, html};

use crate::authority::{DeskLine, Happening, LOOK_UP_REASON_MAX, LookedUp, Registration};
use crate::charter::NotServed;
use crate::http::Api;
use crate::http::console::visit::{Posted, Visit};
use crate::http::console::{may, page};
use crate::http::id::RequestId;
use crate::http::pages::Page;
use crate::http::pages::icons::{Icon, icon};
use crate::http::pages::parts::{Field, Tone, badge, card, empty, facts, head, notice, table, time, worded};
use crate::http::pages::picture::histogram;
use crate::http::problem::Reply;
use crate::http::request::{blocking, number_of};
use crate::log::bytes::to_base64url;
use crate::number::Number;
use crate::registry::acts::Power;
use crate::registry::refusal::{self, Reason};

/// Lines of the book on this page.
const BOOK_LINES: usize = 30;

/// The two questions, and who asked them lately.
pub(crate) async fn ask(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    visit: Visit,
) -> Result<Page, Reply> {
    let (authority, actor) = (api.authority.clone(), visit.who.actor.clone());
    let (lines, ages) =
        blocking(&id, move || Ok((authority.desk(&actor, 0, BOOK_LINES)?, authority.validation_ages(&actor)?))).await?;
    let classes = ["under 30 d", "30–90 d", "90–180 d", "180–365 d", "older"].map(str::to_owned);
    let ages: Vec<(String, u64)> = classes.into_iter().zip(ages).collect();
    let body = html! {
        (head("Numbers", "One number at a time, each with a reason. There is no list of numbers, here or anywhere."))
        div class="grid wide" { (look_up_form(&visit)) (why_form(&visit, "")) }
        (card("The book of the desk", book(&lines)))
        section.card { (histogram("Age of validations", "validations", &ages)) p.soft { "Of at most 20\u{202f}000 validations." } }
    };
    Ok(page(&api, &visit, "Numbers", "/console/numbers", body))
}

fn look_up_form(visit: &Visit) -> Markup {
    let body = match may(visit, Power::Audit) {
        true => html! {
            form method="post" action="/console/numbers" {
                (visit.token())
                (Field { name: "number", label: "Number", hint: "With + and country code; blanks do not matter.", most: 40, ..Field::default() }.line())
                (Field { name: "reason", label: "Why do you look?", hint: "Your colleagues read it beside your name. A case number, not a person's data.", most: LOOK_UP_REASON_MAX, ..Field::default() }.line())
                button type="submit" { (icon(Icon::Search)) "Look up" }
            }
        },
        false => notice(
            Tone::Plain,
            "Your role does not see numbers",
            html! { p { "Auditors, officers and admins look numbers up." } },
        ),
    };
    card("Look a number up", body)
}

fn why_form(visit: &Visit, value: &str) -> Markup {
    card(
        "Why is this refused?",
        html! {
            form method="post" action="/console/refusals" {
                (visit.token())
                (Field { name: "what", label: "A problem's code, or a number", hint: "Such as token_replayed, or +44 7700 900123: then the rules are tried on it, and nothing is looked up.", value, most: 80, ..Field::default() }.line())
                button.quiet type="submit" { "Find out" }
            }
        },
    )
}

fn book(lines: &[DeskLine]) -> Markup {
    if lines.is_empty() {
        return empty(
            Icon::Audit,
            "The book is empty",
            "Who looks at a number, signs in or asks for keys stands here, with the reason.",
        );
    }
    let row = |line: &DeskLine| {
        let number = line.number.map_or_else(|| "—".to_owned(), |number| number.to_string());
        vec![
            html! { (line.person) },
            html! { (line.what.replace('-', " ")) },
            html! { (number) },
            html! { (line.reason) },
            time(line.at_ms),
        ]
    };
    let rows: Vec<Vec<Markup>> = lines.iter().map(row).collect();
    table(
        "Who looked, and why; the newest first. A number is shown while it is registered, to whoever may see numbers.",
        &["Who", "What", "Number", "Why", "When"],
        &rows,
    )
}

/// Looks up. The number is in the body of a form, so that it stands in no address, no history and no log.
pub(crate) async fn look_up(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Posted { visit, fields }: Posted,
) -> Result<Page, Reply> {
    let number = number_of(fields.get("number"), "/number").map_err(|mistake| Reply::invalid(&id, vec![mistake]))?;
    let (authority, actor, reason) = (api.authority.clone(), visit.who.actor.clone(), fields.get("reason").to_owned());
    let found = blocking(&id, move || authority.look_up(&actor, number, &reason)).await?;
    let body = html! {
        p.crumb { a href="/console/numbers" { "Numbers" } }
        (head(&number.to_string(), "Your look is in the book of the desk."))
        @match &found.registration {
            Some(one) => { section.card { (registration(one)) } }
            None => { section.card { (empty(Icon::Number, "Not registered", "Nobody has this number now. The rules below say whether anybody could.")) } }
        }
        (card("Would the rules take it?", rules(&api, number)))
        (card("What happened", history(&found)))
    };
    Ok(page(&api, &visit, "A number", "/console/numbers", body))
}

fn registration(one: &Registration) -> Markup {
    let day = |s: u64| time(s * 1000);
    let or_dash = |at: Option<u64>| at.map_or_else(|| html! { "—" }, time);
    facts(&[
        ("Condition", html! { (format!("{:?}", one.condition).to_lowercase()) }),
        ("Provider", html! { a href={ "/console/providers/" (one.provider) } { (one.provider) } }),
        ("Control key kept by", html! { (if one.held { "the provider" } else { "the holder" }) }),
        ("Withheld by the operator", html! { (if one.withheld { "yes" } else { "no" }) }),
        ("Registered", or_dash(one.created_ms)),
        ("Changed last", or_dash(one.changed_ms)),
        ("Ends", one.not_after_s.map_or_else(|| html! { "not before its first epoch" }, day)),
        (
            "A request waits",
            html! { (one.pending.map_or("no".to_owned(), |door| format!("by the door {door:?}").to_lowercase())) },
        ),
    ])
}

fn history(found: &LookedUp) -> Markup {
    if found.history.is_empty() {
        return empty(
            Icon::Log,
            "Nothing is kept",
            "What a number was before it was given back is erased with its personal data.",
        );
    }
    let item = |one: &Happening| {
        html! {
            li {
                span { strong { (format!("{:?}", one.kind).to_lowercase()) } " by " (if one.provider.is_empty() { "the holder or the register" } else { &one.provider }) " "
                    @match one.epoch { Some(epoch) => { (badge(Tone::Good, &format!("epoch {epoch}"))) } None => { (badge(Tone::Live, "waits for its epoch")) } } }
                (time(one.at_ms))
                small { "receipt " code { (to_base64url(&one.event_hash)) } }
            }
        }
    };
    html! {
        ol.story { @for one in &found.history { (item(one)) } }
        @if found.more { p.soft { "More happened before; the newest 200 are shown." } }
    }
}

/// Says why: what a code means, or what the rules say of a number.
pub(crate) async fn why(State(api): State<Api>, Posted { visit, fields }: Posted) -> Page {
    let what = fields.get("what");
    let code = what.trim_start_matches("/v1/problems/");
    let answer = match (refusal::ALL.iter().find(|reason| reason.code == code), Number::parse(what)) {
        (Some(reason), _) => card(code, explained(&api, reason)),
        (None, Ok(number)) => card(&number.to_string(), rules(&api, number)),
        (None, Err(why)) => notice(
            Tone::Warn,
            "Neither a code nor a number",
            html! {
                p { "As a number: " (why.to_string()) "." }
                p { "A request's id is in the service's log, with the code: " code { "journalctl -u callbook | grep ID" } ". Bring the code back here." }
            },
        ),
    };
    let body = html! {
        p.crumb { a href="/console/numbers" { "Numbers" } }
        (head("Why is this refused?", ""))
        (answer)
        (why_form(&visit, what))
    };
    page(&api, &visit, "Why is this refused?", "/console/numbers", body)
}

fn explained(api: &Api, reason: &Reason) -> Markup {
    let policy = api.authority.policy();
    let clause = crate::charter::clauses_of(policy.prose()).find(|(number, _)| *number == reason.clause);
    html! {
        (facts(&[
            ("What to do", worded(reason.remedy)),
            ("Clause", html! { a href={ "/console/charter#c" (reason.clause) } { (reason.clause) } }),
            ("Says", html! { (worded(&clause.map_or_else(String::new, |(_, text)| text))) }),
            ("Limit", html! { @match reason.parameter { Some(name) => code { (name) } None => { "none" } } }),
            ("Kind of refusal", html! { (format!("{:?}", reason.class).to_lowercase()) }),
        ]))
    }
}

/// What the rules say of a number by itself. Whether it is registered is not looked at: that is a look with a reason.
fn rules(api: &Api, number: Number) -> Markup {
    let policy = api.authority.policy();
    match policy.serves(number) {
        Ok(range) => html! {
            (notice(Tone::Good, "The directory serves this number", html! { p { "Range +" (range.prefix) ": " (range.note) "." } }))
            p.soft { "A refusal then rests on what is submitted, or on how the number stands; its code says which: ask for the code above." }
        },
        Err(no) => {
            let reason = match &no {
                NotServed::Excluded(_) => &refusal::NUMBER_EXCLUDED,
                NotServed::Digits(_) => &refusal::NUMBER_LENGTH,
                _ => &refusal::NUMBER_NOT_SERVED,
            };
            html! {
                (notice(Tone::Warn, "It is always refused", html! { p { "Code " code { (reason.code) } ", clause " (reason.clause) "." } }))
                (explained(api, reason))
            }
        }
    }
}

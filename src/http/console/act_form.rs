//! `/console/acts/new`: asking for an act. First its kind, then what that kind needs; mistakes come back with what was written.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use crate::api::Problem;
use crate::api::acts::NewAct;
use crate::authority::REASON_LEN_MAX;
use crate::clock::parse_rfc3339;
use crate::http::console::form::Fields;
use crate::http::console::visit::{Posted, Visit, to};
use crate::http::console::{page, providers, refused};
use crate::http::id::RequestId;
use crate::http::pages::Page;
use crate::http::pages::parts::{Field, Tone, badge, head};
use crate::http::problem::Reply;
use crate::http::request::{blocking, query_value};
use crate::http::{Api, acts};
use crate::registry::acts::{ActKind, Hands, StaffRole};

/// What each kind is in words, and the clause that it usually rests on.
const fn words(kind: ActKind) -> (&'static str, &'static str) {
    match kind {
        ActKind::Admit => ("Let an applicant begin its probation", "7.6"),
        ActKind::Accredit => ("Accredit a provider, or renew that", "7.1"),
        ActKind::Warn => ("Warn a provider", "7.7"),
        ActKind::Restrict => ("Restrict a provider: no new numbers", "7.7"),
        ActKind::Suspend => ("Suspend a provider: no commands", "7.7"),
        ActKind::Emergency => ("Stop a provider in an emergency", "7.8"),
        ActKind::EndEmergency => ("End an emergency stop", "7.8"),
        ActKind::Terminate => ("End an accreditation for ever", "7.7"),
        ActKind::WindDown => ("A provider gives up", "7.10"),
        ActKind::Overturn => ("Decide an appeal for the provider", "7.9"),
        ActKind::Uphold => ("Decide an appeal against the provider", "7.9"),
        ActKind::ProviderKeys => ("Give a provider other keys", "7.3"),
        ActKind::CompromisedKey => ("A validation key is in other hands", "7.11"),
        ActKind::StaffAdd => ("Add a person to the staff", "11.1"),
        ActKind::StaffChange => ("Give a person another role or key", "11.1"),
        ActKind::StaffEnd => ("A person leaves the staff", "11.1"),
        ActKind::SuspendNumbers => ("Withhold numbers until a date", "5.7"),
        ActKind::ResumeNumbers => ("Publish withheld numbers again", "5.7"),
        ActKind::VetoClaim => ("Decide a claim for the old holder", "6.3"),
        ActKind::BulkDoor => ("Open the bulk door of a provider", "6.9"),
        ActKind::AuditorAdmit => ("Admit an auditor", "9.3"),
        ActKind::AuditorEnd => ("An auditor is none any more", "9.3"),
        ActKind::Charter => ("Announce the next version of the charter", "10.1"),
    }
}

/// The kinds to choose from, or the form of one.
pub(crate) async fn show(State(api): State<Api>, visit: Visit, RawQuery(query): RawQuery) -> Page {
    let value = |name: &str| query_value(query.as_deref(), name).unwrap_or_default();
    // The text of a charter is no field of a form: `callbook charter announce` asks with the files.
    match ActKind::from_name(&value("kind")).filter(|kind| *kind != ActKind::Charter) {
        Some(kind) => {
            let (provider, person) = (value("provider"), value("person"));
            let known = |name: &str| match name {
                "clause" => words(kind).1.to_owned(),
                "provider" => provider.clone(),
                "person" => person.clone(),
                _ => String::new(),
            };
            form(&api, &visit, kind, known, None)
        }
        None => choose(&api, &visit, &value("provider")),
    }
}

fn choose(api: &Api, visit: &Visit, provider: &str) -> Page {
    let may = |kind: &ActKind| *kind != ActKind::Charter && visit.who.person.role.may(kind.asked_by());
    let allowed = ActKind::ALL.into_iter().filter(may);
    let body = html! {
        p.crumb { a href="/console/acts" { "Acts" } }
        (head("Ask for an act", "What shall be done? Whatever touches others' rights for good needs a second person."))
        section.card {
            ul.plain {
                @for kind in allowed {
                    li { a href={ "/console/acts/new?kind=" (kind.name()) "&provider=" (provider) } { (words(kind).0) } " "
                        @match kind.hands() {
                            Hands::One => { (badge(Tone::Plain, "one person")) }
                            Hands::Two => { (badge(Tone::Live, "two people")) }
                            Hands::TwoIfThereAre => { (badge(Tone::Live, "two people, once there are")) }
                        }
                    }
                }
            }
            p.soft { "An admin asks for another version of the charter with its files: " code { "callbook charter announce" } "." }
        }
    };
    page(api, visit, "Ask for an act", "/console/acts", body)
}

/// The form of a kind; `known` is what stands in its fields already.
fn form(api: &Api, visit: &Visit, kind: ActKind, known: impl Fn(&str) -> String, problem: Option<&Problem>) -> Page {
    let mistake = |name: &str| {
        let found = problem
            .into_iter()
            .flat_map(|problem| &problem.errors)
            .find(|one| one.pointer.split('/').nth(1) == Some(name));
        found.map_or(String::new(), |one| one.detail.clone())
    };
    let line = |name: &'static str, label: &str, hint: &str, optional: bool| {
        let (value, mistake) = (known(name), mistake(name));
        Field { name, label, hint, value: &value, mistake: &mistake, optional, most: 200 }.line()
    };
    let lines = |name: &'static str, label: &str, hint: &str, optional: bool| {
        let (value, mistake) = (known(name), mistake(name));
        Field { name, label, hint, value: &value, mistake: &mistake, optional, most: 20_000 }.lines()
    };
    let (title, _) = words(kind);
    let hands = match kind.hands() {
        Hands::One => "One person does it",
        Hands::Two => "Two people do it",
        Hands::TwoIfThereAre => "Two people do it, once there are two",
    };
    let lead = format!("{hands}: {}.", kind.why());
    let of_staff = matches!(kind, ActKind::StaffAdd | ActKind::StaffChange | ActKind::StaffEnd);
    let keys = "One a line, as the key's owner printed it: ed25519:… or es256:…";
    let body = html! {
        p.crumb { a href="/console/acts" { "Acts" } " · " a href="/console/acts/new" { "another kind" } }
        (head(title, &lead))
        @if let Some(problem) = problem { (refused::told(problem)) }
        section.card {
            form method="post" action="/console/acts" {
                (visit.token())
                input type="hidden" name="kind" value=(kind.name());
                @if !of_staff && !kind.is_order() && !kind.is_of_auditor() { (line("provider", "Provider", "Its id in the register.", false)) }
                @if kind == ActKind::ProviderKeys {
                    (lines("statement_keys", "All statement keys from now on", keys, true))
                    (lines("validation_keys", "All validation keys from now on", keys, true))
                }
                @if kind == ActKind::CompromisedKey {
                    (line("lost_key", "The lost key", "Its thumbprint, 43 characters.", false))
                    (line("since", "Lost since", "In UTC, such as 2027-03-01T00:00:00Z.", false))
                }
                @if kind.is_of_auditor() { (line("vkey", "The auditor's key", "As `auditor init` printed it.", false)) }
                @if of_staff { (of_person(kind, &line, &known)) }
                @if kind.is_order() { (lines("numbers", "Numbers", "One a line, with + and country code.", false)) }
                @if matches!(kind, ActKind::WindDown | ActKind::SuspendNumbers) { (line("days", "Days", "Of notice, or until the numbers are published again.", false)) }
                (line("clause", "Clause of the charter", "What this rests on.", false))
                (Field { name: "reason", label: "Why", hint: "For your colleagues; no personal data.", value: &known("reason"),
                    mistake: &mistake("reason"), most: REASON_LEN_MAX, ..Field::default() }.lines())
                button type="submit" { "Ask for it" }
            }
        }
    };
    page(api, visit, title, "/console/acts", body)
}

fn of_person(
    kind: ActKind,
    line: &dyn Fn(&'static str, &str, &str, bool) -> Markup,
    known: &impl Fn(&str) -> String,
) -> Markup {
    let role = known("role");
    let roles: Vec<(&str, &str)> = StaffRole::ALL.iter().map(|role| (role.name(), role.name())).collect();
    let choices = match kind {
        ActKind::StaffChange => [&[("", "the same as now")], &roles[..]].concat(),
        _ => roles,
    };
    html! {
        (line("person", "Person", "The person's id: lower-case letters, digits and hyphens.", false))
        @if kind != ActKind::StaffEnd {
            (Field { name: "role", label: "Role", value: &role, ..Field::default() }.choice(&choices))
            (line("public_key", "The person's public key", "As `callbook staff keygen` printed it: ed25519:… or es256:…", kind == ActKind::StaffChange))
        }
    }
}

/// Asks; the form comes back with what was wrong.
pub(crate) async fn ask(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Posted { visit, fields }: Posted,
) -> Result<Response, Reply> {
    let (authority, actor) = (api.authority.clone(), visit.who.actor.clone());
    let asked = match wish(&api, &id, &fields) {
        Ok(wish) => blocking(&id, move || authority.request_act(&actor, wish, None)).await,
        Err(reply) => Err(reply),
    };
    match (asked, ActKind::from_name(fields.get("kind"))) {
        (Ok(act), _) => Ok(to(&format!("/console/acts/{}", act.row.id))),
        (Err(reply), Some(kind)) => {
            let problem = reply.into_problem();
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::BAD_REQUEST);
            let shown = form(&api, &visit, kind, |name| fields.get(name).to_owned(), Some(&problem));
            Ok(shown.with_status(status).into_response())
        }
        (Err(reply), None) => Err(reply),
    }
}

fn wish(api: &Api, id: &RequestId, fields: &Fields) -> Result<crate::authority::Wish, Reply> {
    let mut mistakes = Vec::new();
    let list = |name: &str| fields.get(name).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let statement_keys = providers::keys(fields.get("statement_keys"), "/statement_keys", &mut mistakes);
    let validation_keys = providers::keys(fields.get("validation_keys"), "/validation_keys", &mut mistakes);
    let public_key = providers::keys(fields.get("public_key"), "/public_key", &mut mistakes).into_iter().next();
    // A number may be written with blanks: then it stands alone on its line.
    let numbers = fields.get("numbers").lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned);
    let since_s = parse_rfc3339(fields.get("since")).and_then(|since_s| u32::try_from(since_s).ok());
    let new = NewAct {
        kind: fields.get("kind").to_owned(),
        clause: fields.get("clause").to_owned(),
        reason: fields.get("reason").to_owned(),
        provider: fields.some("provider"),
        days: fields.get("days").parse().ok(),
        lost_key: fields.some("lost_key"),
        since_s,
        person: fields.some("person"),
        role: fields.some("role"),
        public_key,
        numbers: numbers.collect(),
        statement_keys,
        validation_keys,
        vkey: list("vkey").into_iter().next(),
    };
    match acts::wish_of(api, new) {
        Ok(wish) if mistakes.is_empty() => Ok(wish),
        Ok(_) => Err(Reply::invalid(id, mistakes)),
        Err(more) => Err(Reply::invalid(id, mistakes.into_iter().chain(more).collect())),
    }
}

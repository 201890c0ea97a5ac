//! `/console/log`: the public logs: their sizes, the newest checkpoint and its age, witnesses, and what is wrong.

use axum::Extension;
use axum::extract::State;
use maud::{Markup, html};

use crate::authority::LogFacts;
use crate::http::Api;
use crate::http::console::page;
use crate::http::console::visit::Visit;
use crate::http::id::RequestId;
use crate::http::pages::Page;
use crate::http::pages::parts::{Tone, badge, count, fact, facts, head, notice, span};
use crate::http::problem::Reply;
use crate::http::request::blocking;

/// The logs.
pub(crate) async fn show(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    visit: Visit,
) -> Result<Page, Reply> {
    let authority = api.authority.clone();
    let logs = blocking(&id, move || {
        let logs = authority.logs()?;
        let with_note = |facts: LogFacts| {
            let note = authority.log_at(&facts.path).and_then(|log| authority.log_checkpoint(log).ok());
            (facts, note)
        };
        Ok(logs.into_iter().map(with_note).collect::<Vec<_>>())
    })
    .await?;
    let vitals = api.authority.vitals();
    let age_s = api.clock.now_ms().saturating_sub(vitals.epoch_ms) / 1000;
    let witnesses = api.authority.witness_policy();
    let troubles = [("frozen", &vitals.frozen), ("unsigned", &vitals.unsigned), ("trouble", &vitals.trouble)];
    let body = html! {
        (head("Log", "What everybody can check: every change, in epochs, under signed checkpoints."))
        @for (name, why) in troubles { @if let Some(why) = why { (notice(Tone::Bad, name, html! { p { (why) } })) } }
        @if let Some(why) = &vitals.unconfirmed { (notice(Tone::Warn, "Shown without the quorum of witnesses", html! { p { (why) } })) }
        div class="grid figures" {
            (fact(&count(vitals.epoch), "newest epoch"))
            (fact(&span(age_s), "its age"))
            (fact(&span(vitals.heartbeat_s), "a new one is due at the latest after"))
            (fact(&count(vitals.labels), "labels in the map"))
            (fact(&format!("{} of {}", witnesses.1, witnesses.0.len()), "witnesses an epoch waits for"))
        }
        @for (facts, note) in &logs { (one(facts, note.as_deref())) }
        p.soft { "Auditors read the log's events under /v1/audit, and put their checkpoints beside ours. A log is checked from outside with "
            code { "callbook log verify" } "." }
    };
    Ok(page(&api, &visit, "Log", "/console/log", body))
}

fn one(log: &LogFacts, note: Option<&str>) -> Markup {
    let what = if log.path == "gov" { "Decisions about the directory" } else { "The numbers, by epochs" };
    html! {
        section.card {
            header { h2 { (log.path) } (badge(Tone::Plain, what)) }
            (facts(&[
                ("Origin", html! { code { (log.origin) } }),
                ("Leaves", html! { (count(log.size)) }),
                ("Key", html! { code { (log.vkey) } }),
                ("Witnesses asked", html! { @if log.witnesses.is_empty() { "none" } @else { @for key in &log.witnesses { code { (key) } " " } } }),
                ("Files", html! { a href={ "/log/" (log.path) "/checkpoint" } { "checkpoint" } }),
            ]))
            @if let Some(note) = note { details { summary { "The newest checkpoint, signed" } pre.wrap { (note) } } }
        }
    }
}

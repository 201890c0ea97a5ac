//! `/charter`: the law in force, clause by clause with its parameters, and what is announced.

use axum::extract::State;
use maud::html;

use crate::charter;
use crate::http::Api;
use crate::http::pages::Page;
use crate::http::pages::parts::{Tone, head, notice, time, worded};
use crate::http::public::shared;

/// The charter.
pub(crate) async fn show(State(api): State<Api>) -> Page {
    let (versions, now_ms) = (api.authority.charter(), api.clock.now_ms());
    let in_force = versions.at(now_ms);
    let policy = &in_force.policy;
    let body = html! {
        (head("Charter", "The law of this directory. Every refusal names one of these clauses; a name with a number beside it is a parameter."))
        p.soft { "Version " (in_force.number) ", in force since " (time(in_force.effective_ms)) ". For programs: " a href="/v1/charter" { "the same as data" } "." }
        @for next in versions.coming(now_ms) {
            (notice(Tone::Live, &format!("Version {} is announced", next.number), html! {
                p { "In force from " (time(next.effective_ms)) ". What it changes: "
                    @for (i, one) in charter::differences(policy, &next.policy).iter().enumerate() {
                        @if i > 0 { ", " } code { (one.parameter) }
                    }
                }
            }))
        }
        section.card {
            @for (number, text) in charter::clauses_of(policy.prose()) {
                div.beside id={ "c" (number) } {
                    p { strong { a href={ "#c" (number) } { (number) } } " " (worded(&text)) }
                    div { @for one in charter::PARAMETERS.iter().filter(|one| one.article == number) {
                        p { code { (one.name) } " = " strong { ((one.get)(policy)) } }
                    } }
                }
            }
        }
    };
    shared(&api, "Charter", "/charter", body)
}

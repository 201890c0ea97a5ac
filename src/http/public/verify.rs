//! `/verify`: how anybody checks that everybody is told the same, with our program and without.

use axum::extract::State;
use maud::html;

use crate::http::Api;
use crate::http::pages::Page;
use crate::http::pages::parts::{Tone, card, facts, head, notice};
use crate::http::public::shared;

/// How to verify.
pub(crate) async fn show(State(api): State<Api>) -> Page {
    let keys = api.authority.log_keys();
    let (witnesses, quorum) = api.authority.witness_policy();
    let auditors = api.authority.auditors();
    let body = html! {
        (head("How to verify", "Believe nothing here: take the keys once, from several places, and let a program of yours check."))
        (notice(Tone::Plain, "What is proved", html! {
            p { "That the answer in the DNS is what the public log holds, that the log has only ever grown, and that each change of a number was signed by its holder. Every caller sees the same log: whoever was shown another one can prove it." }
        }))
        (card("One number", html! {
            p { "Validates DNSSEC from an anchor that you give it, then asks for the proof and compares byte by byte." }
            pre tabindex="0" { "callbook lookup \"+44 7700 900001\" --anchor anchor.key --prove --api URL" }
            p { "Your own number, and every change of it since the last time:" }
            pre tabindex="0" { "callbook monitor \"+44 7700 900001\" --api URL --control-key control.key --pins pins.json" }
        }))
        (card("The whole log", html! {
            p { "From its first leaf to the newest checkpoint; or a copy that anybody can check for ever." }
            pre tabindex="0" { "callbook log verify URL\ncallbook log mirror URL copy" }
            p { "Without our program: the logs are files as C2SP tlog-tiles has them. " a href="/v1/log" { "Their list" } "." }
        }))
        (card("Keys", html! {
            p { "Compare these with what others have; on this page alone they prove nothing." }
            (facts(&[
                ("Log of the numbers", html! { code { (keys.map) } }),
                ("Log of decisions", html! { code { (keys.gov) } }),
                ("Witnesses", html! { @if witnesses.is_empty() { "none" } @else { (quorum) " of " (witnesses.len()) ": " @for key in &witnesses { code { (key) } " " } } }),
                ("Auditors", html! { @if auditors.is_empty() { "none" } @else { @for key in &auditors { code { (key) } " " } } }),
                ("As a file", html! { a href="/v1/log/trust" { "the trust list" } }),
            ]))
        }))
    };
    shared(&api, "How to verify", "/verify", body)
}

//! `/leave`: how a holder changes the provider, goes silent for a while, or takes the number out.

use axum::extract::State;
use maud::html;

use crate::http::Api;
use crate::http::pages::Page;
use crate::http::pages::parts::{card, head};
use crate::http::public::shared;

/// How to leave.
pub(crate) async fn show(State(api): State<Api>) -> Page {
    let policy = api.authority.policy();
    let clause = |number: &str| html! { a href={ "/charter#c" (number) } { "clause " (number) } };
    let body = html! {
        (head("How to leave", "Nobody has to be asked. What counts is the control key, which is on your device."))
        div.grid.wide {
            (card("To another provider", html! {
                p { "Your new provider does it with your device, at once; the old one is told and has no veto (" (clause("6.1")) ")." }
                p { "Without the device: a transfer code of the old provider takes " (policy.transfer_code_delay_d) " days (" (clause("6.2")) "); without its help, proof that the number is yours takes "
                    (policy.objection_d) " days, in which the old key may object (" (clause("6.3")) ")." }
            }))
            (card("Taken by somebody else", html! {
                p { "If a change by code or by proof took your number while you were away, your old key takes it back at once for " (policy.claim_pause_d)
                    " days, through any provider, with proof that the line is still yours (" (clause("6.10")) ")." }
            }))
            (card("Out of the directory", html! {
                p { "You take the number out with your device, without any provider, at once; personal data are erased (" (clause("5.5")) ", " (clause("8.2")) "). The number then rests for " (policy.quarantine_d) " days." }
                p { "Or go silent for a while: you suspend and resume what is published (" (clause("5.6")) ")." }
            }))
            (card("When the provider is gone", html! {
                p { "What is published stays. If the operator opens its bulk door, any other provider takes your number over after one proof that it is yours (" (clause("6.9")) ")." }
            }))
            (card("When the key is gone", html! {
                p { "Your provider recovers the number in " (policy.recovery_cooldown_d) " days, in " (policy.recovery_fast_h) " hours with the recovery key; until then the old key can veto (" (clause("6.4")) ")." }
            }))
        }
        (card("When something is wrong", html! {
            p { "Anybody may complain, also without a name (" (clause("8.3")) "):" }
            pre tabindex="0" { "curl -H 'Content-Type: application/json' -d '{\"about\": \"other\", \"text\": \"…\"}' URL/v1/complaints" }
        }))
    };
    shared(&api, "How to leave", "/leave", body)
}

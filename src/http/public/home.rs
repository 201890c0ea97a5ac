//! `/`: what this directory is, for somebody who has never heard of it.

use axum::extract::State;
use maud::html;

use crate::http::Api;
use crate::http::pages::Page;
use crate::http::pages::parts::{card, head};
use crate::http::public::shared;

/// The first page.
pub(crate) async fn show(State(api): State<Api>) -> Page {
    let body = html! {
        (head("A directory of telephone numbers that nobody owns",
            "It says at which address a number can be called over the internet, and by which keys, so that calls are encrypted from end to end."))
        div.grid.wide {
            (card("Who holds a number decides", html! {
                p { "A number is entered by its holder, through a provider of the holder's choice, after it was proved that the holder has it. Each change is signed by the holder's own device. \
                     Neither the provider nor the operator can put another key there: " a href="/verify" { "everybody can check" } "." }
            }))
            (card("Nobody is listed", html! {
                p { "Whoever knows a number can ask for it. Nobody can list the numbers: answers, refusals and the public log are made so that absent numbers look alike, and questions are never recorded." }
            }))
            (card("Under a written charter", html! {
                p { "A non-profit runs the directory under a " a href="/charter" { "charter" } ". It may withhold a record, in public and for a time; it cannot change one. " a href="/register" { "Providers" } " are accredited and audited." }
            }))
            (card("You can leave", html! {
                p { "Holders change the provider at once, without asking the old one, and take the number out whenever they like. " a href="/leave" { "How to leave" } }
            }))
        }
        (card("For programs", html! {
            p { "Numbers are names under " code { (api.apex) } " in the DNS (ENUM, RFC 6116), signed by DNSSEC. Providers submit over " a href="/v1/openapi.json" { "the API" } "." }
            pre tabindex="0" { "dig +dnssec NAPTR 1.0.0.0.0.9.0.0.7.7.4.4." (api.apex) }
        }))
    };
    shared(&api, "This directory", "/", body)
}

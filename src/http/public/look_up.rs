//! `/look-up`: what the public log says of a number, with each step of the proof. The number stands in no address and in no log.

use axum::Extension;
use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use crate::client::prove::trust_list;
use crate::http::console::form::Fields;
use crate::http::id::RequestId;
use crate::http::pages::Page;
use crate::http::pages::parts::{Field, Tone, badge, card, count, facts, head, notice, time};
use crate::http::problem::Reply;
use crate::http::public::{page, refused};
use crate::http::request::bounded;
use crate::http::{Api, proofs};
use crate::log::bytes::{to_base64, to_base64url};
use crate::log::proof::{Found, Proof};
use crate::log::proved::{self, Proved, ProvedNumber, Standing};
use crate::log::record::{Prefix, Record};
use crate::number::Number;

const HERE: &str = "/look-up";
/// Bytes of what is written into the field: a number with blanks between its digits.
const NUMBER_MAX: usize = 60;

/// The empty form.
pub(crate) async fn ask(State(api): State<Api>) -> Page {
    page(&api, "Look up", HERE, html! { (heading()) (form("", "")) })
}

/// The answer, after the same budget as for every proof.
pub(crate) async fn answer(State(api): State<Api>, Extension(id): Extension<RequestId>, request: Request) -> Response {
    let counted = api.limits.proof(request.headers(), request.extensions(), api.clock.now_ms());
    let over = "the budget on numbers of this address is used up; it is the same for hit and miss";
    if let Err(wait_s) = counted {
        return refused(&api, HERE, Reply::too_many(&id, over, wait_s));
    }
    let (parts, body) = request.into_parts();
    let fields = bounded(body, &parts.headers).await.ok().and_then(|bytes| Fields::read(&bytes)).unwrap_or_default();
    let written = fields.get("number");
    let number = match Number::parse(written) {
        Ok(number) => number,
        Err(why) => {
            let told = format!("{why}; write it in international form, such as +44 7700 900001");
            return page(&api, "Look up", HERE, html! { (heading()) (form(written, &told)) }).into_response();
        }
    };
    match show(&api, &id, number).await {
        Ok(body) => page(&api, "Look up", HERE, body).into_response(),
        Err(why) => refused(&api, HERE, why),
    }
}

async fn show(api: &Api, id: &RequestId, number: Number) -> Result<Markup, Reply> {
    let proof = api.authority.prove(number).await.map_err(|no| Reply::rejected(id, no))?;
    let Json(trust) = proofs::trust(axum::extract::State(api.clone())).await;
    let checked = trust_list(&trust).ok().map(|trust| proved::check(&proof, number, &trust, api.clock.now_ms(), None));
    let shown = number.to_string();
    Ok(html! {
        (heading())
        (form(&shown, ""))
        @match checked {
            Some(Ok(proved)) => { (verdict(&shown, &proved)) (steps(api, number, &proof, &proved)) }
            Some(Err(why)) => { (notice(Tone::Bad, "The proof does not hold", html! { p { (why.to_string()) } })) }
            None => { (notice(Tone::Bad, "There is no key to check with", html! {})) }
        }
        (yourself(&shown))
    })
}

fn heading() -> Markup {
    head(
        "Look up a number",
        "What the public log says of it now, and how that is proved. Nobody keeps what you ask; the question is not in the page's address.",
    )
}

fn form(value: &str, mistake: &str) -> Markup {
    html! {
        section.card {
            form method="post" action=(HERE) {
                (Field { name: "number", label: "Number", hint: "In international form, such as +44 7700 900001", value, mistake, most: NUMBER_MAX, ..Field::default() }.line())
                button type="submit" { "Look it up" }
            }
        }
    }
}

/// The answer in a sentence, with what is published.
fn verdict(shown: &str, proved: &Proved) -> Markup {
    let (tone, title) = match proved.standing {
        Standing::Active => (Tone::Good, format!("{shown} is published")),
        Standing::Absent => (Tone::Plain, format!("{shown} was never registered here")),
        Standing::Lapsed => (Tone::Warn, format!("The registration of {shown} is over")),
        Standing::Suspended => (Tone::Warn, format!("{shown} is withheld")),
        Standing::Released => (Tone::Plain, format!("{shown} was given back")),
    };
    html! {
        (notice(tone, &title, html! {
            @if proved.warnings.is_empty() { p { "Proved as of the newest epoch." } }
            @else { p { "Proved, and: " @for warning in &proved.warnings { (badge(Tone::Warn, warning.word())) " " } } }
        }))
        @if let Some(record) = proved.number.as_ref().and_then(|number| number.record.as_ref()) { (published(record)) }
    }
}

fn published(record: &Record) -> Markup {
    let addresses: Vec<String> = record.rdata(Prefix::Naptr).filter_map(address).collect();
    card(
        "What is published",
        html! {
            (facts(&[
                ("Addresses", html! { @if addresses.is_empty() { "none" } @for address in &addresses { code { (address) } " " } }),
                ("Provider", html! { (record.provider) }),
                ("Records in all", html! { (record.rr.len()) }),
            ]))
            details { summary { "The record, as its holder signed it" } pre.wrap { (String::from_utf8_lossy(&record.write())) } }
        },
    )
}

/// The URI of a NAPTR record of the safe profile (charter 4.1): between the last two exclamation marks of `!^.*$!URI!`.
fn address(rdata: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(rdata);
    let (_, rest) = text.split_once("!^.*$!")?;
    rest.split_once('!').map(|(uri, _)| uri.to_owned())
}

/// Each check of the proof, in its order.
fn steps(api: &Api, number: Number, proof: &Proof, proved: &Proved) -> Markup {
    let (checkpoint, leaf) = (&proved.checkpoint, &proof.extra.leaf);
    let deep = proof.extra.siblings.len();
    let end = match &proof.extra.found {
        Found::Empty => "nothing is there",
        Found::Other(_) => "another number's leaf is there",
        Found::Present(_) => "its own leaf is there",
    };
    card(
        "Steps of the proof",
        html! {
            ol.story {
                li { strong { "The log has signed a checkpoint" } p { (count(checkpoint.size)) " leaves of " code { (checkpoint.origin) } " under the root " code { (to_base64(&checkpoint.root)) } "; cosigned by " (proved.witnesses) " witnesses." } }
                li { strong { "Its newest leaf is epoch " (count(proved.epoch)) } p { "Sealed " (time(proved.epoch_ms)) "; shown by " (proof.path.len()) " hashes. It commits to the map " code { (to_base64(&leaf.map)) } "." } }
                li { strong { "The number has one place in the map" } p { "Only the directory can compute it, and a proof shows that it did so rightly (RFC 9381): nobody who reads the log can tell which numbers are in it." } }
                li { strong { "The way there was walked" } p { (deep) " hashes deep; " (end) "." } }
                @if let Some(number) = &proved.number { (state(number)) }
                li { strong { "The DNS must say the same" } p { "Byte by byte, at " code { (number.enum_name(&api.apex)) } ": a caller's program compares." } }
            }
        },
    )
}

fn state(number: &ProvedNumber) -> Markup {
    html! {
        li {
            strong { "Its State is version " (count(number.state.version)) }
            p { "Valid until " (time(number.state.not_after.saturating_mul(1000))) "; since epoch " (count(number.state.since_epoch)) "; signed by the control key " code { (to_base64url(&number.state.control)) } "." }
        }
    }
}

fn yourself(shown: &str) -> Markup {
    notice(
        Tone::Plain,
        "This page is the directory speaking of itself",
        html! {
            p { "Its program has checked the proof that its program has made. A program of yours, with keys that you have from elsewhere, is better:" }
            pre tabindex="0" { "callbook lookup \"" (shown) "\" --anchor anchor.key --prove --api URL" }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_safe_record_is_found_and_nothing_else() {
        let rdata = b"\x00\x64\x00\x0a\x01u\x07E2U+sip\x1b!^.*$!sip:a@acme.example!\x00";
        assert_eq!(address(rdata).as_deref(), Some("sip:a@acme.example"));
        assert_eq!(address(b"\x03\x01\x01"), None);
    }
}

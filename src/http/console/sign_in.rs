//! `/console/sign-in`, `/console/link`, `/console/sign-out`: in with a passkey, the first one by a link, and out.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use crate::authority::{Made, PASSKEY_NAME_MAX, PasskeyShown, Registrar, SignedIn};
use crate::http::Api;
use crate::http::console::form::Fields;
use crate::http::console::visit::{Knock, Posted, console, settings, to_with};
use crate::http::console::{ROOT, shell_alone};
use crate::http::id::RequestId;
use crate::http::pages::Page;
use crate::http::pages::assets::PASSKEY;
use crate::http::pages::icons::{Icon, icon};
use crate::http::pages::parts::{Field, Tone, head, notice};
use crate::http::problem::Reply;
use crate::http::request::{Path, blocking};
use crate::log::bytes::{from_base64url, to_base64url};
use crate::log::sha256;

/// The sign-in page, with a fresh challenge.
pub(crate) async fn ask(State(api): State<Api>, Extension(id): Extension<RequestId>) -> Result<Page, Reply> {
    let challenge = api.authority.challenge(None).map_err(|no| Reply::rejected(&id, no))?;
    let Some(console) = console(&api) else { return Err(Reply::fault(&id)) };
    let body = html! {
        (head("Sign in", "The console is for the people of this directory's operator."))
        section.card {
            form method="post" action="/console/sign-in" data-passkey="assert" data-rp=(console.site.rp_id)
                data-challenge=(to_base64url(&challenge)) {
                @for name in ["credential", "client", "authenticator", "signature"] { input type="hidden" name=(name); }
                button type="submit" hidden { (icon(Icon::Key)) "Sign in with a passkey" }
            }
            (needs())
        }
        section.card {
            h2 { "No passkey yet?" }
            p { "Make a link on the command line, with a token of your own, and open it in this browser:" }
            pre.wrap { "callbook staff link" }
            p.soft { "It works once, for fifteen minutes. Token and passkeys lost: two of your colleagues give you another key by an act, staff-change." }
        }
    };
    Ok(shell_alone(&api, "Sign in", &[&PASSKEY]).page(body))
}

/// Takes what the passkey signed.
pub(crate) async fn answer(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    knock: Knock,
) -> Result<Response, Reply> {
    let (site, times) = settings(&api, &id)?;
    let fields = &knock.fields;
    let shown = PasskeyShown {
        credential: bytes(fields, "credential"),
        client: bytes(fields, "client"),
        authenticator: bytes(fields, "authenticator"),
        signature: bytes(fields, "signature"),
    };
    let before = knock.before;
    let begun = blocking(&id, move || {
        let begun = api.authority.sign_in(&site, times, &shown)?;
        leave(&api, before.as_ref());
        Ok(begun)
    })
    .await?;
    Ok(to_with(ROOT, Some(&begun.secret)))
}

/// The page of a link: whose it is, and the way to a passkey. Looking at it does not use it up.
pub(crate) async fn link(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Path(secret): Path<String>,
) -> Result<Page, Reply> {
    let (authority, of) = (api.authority.clone(), secret.clone());
    let person = blocking(&id, move || authority.link_person(&of)).await?;
    let challenge = api.authority.challenge(Some(person.clone())).map_err(|no| Reply::rejected(&id, no))?;
    let body = html! {
        (head(&format!("Welcome, {person}"), "Register a passkey on this device; from then on it signs you in."))
        section.card { (register_form(&api, &person, &challenge, ("/console/link", ""), html! { input type="hidden" name="link" value=(secret); })) }
    };
    Ok(shell_alone(&api, "Welcome", &[&PASSKEY]).page(body))
}

/// Takes the new passkey of whoever had a link, and signs in.
pub(crate) async fn register(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    knock: Knock,
) -> Result<Response, Reply> {
    let (site, times) = settings(&api, &id)?;
    let (made, name) = (made(&knock.fields), knock.fields.get("name").to_owned());
    let by = Registrar::Link(knock.fields.get("link").to_owned());
    let before = knock.before;
    let begun = blocking(&id, move || {
        let begun = api.authority.register_passkey(&by, &site, times, &name, &made)?;
        leave(&api, before.as_ref());
        Ok(begun)
    })
    .await?;
    Ok(to_with(ROOT, begun.map(|begun| begun.secret).as_deref()))
}

/// Signs out.
pub(crate) async fn out(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Posted { visit, .. }: Posted,
) -> Result<Response, Reply> {
    blocking(&id, move || {
        leave(&api, Some(&visit.who));
        Ok(())
    })
    .await?;
    Ok(to_with("/console/sign-in", None))
}

/// Ends a session, if it has not ended by itself.
fn leave(api: &Api, who: Option<&SignedIn>) {
    if let Some(who) = who {
        let _ = api.authority.end_session(who, &who.session);
    }
}

/// The form that a script fills with a new passkey.
///
/// `known` are passkeys that it shall not make a second time, joined by blanks: an authenticator would put the new one in the
/// place of the old.
pub(crate) fn register_form(
    api: &Api,
    person: &str,
    challenge: &[u8; 32],
    (action, known): (&str, &str),
    hidden: Markup,
) -> Markup {
    let rp_id = console(api).map_or("", |console| &console.site.rp_id);
    // The authenticator's handle of the person: says nothing to who reads it (WebAuthn 14.6.1).
    let user = to_base64url(&sha256(&[
        b"callbook console person\n",
        api.authority.origin().as_bytes(),
        b"\n",
        person.as_bytes(),
    ]));
    let name = Field {
        name: "name",
        label: "What to call it",
        hint: "So that you tell your passkeys apart: the device, or where the key hangs.",
        most: PASSKEY_NAME_MAX,
        optional: true,
        ..Field::default()
    };
    html! {
        form method="post" action=(action) data-passkey="register" data-rp=(rp_id) data-person=(person) data-user=(user)
            data-known=(known) data-challenge=(to_base64url(challenge)) {
            (hidden)
            @for name in ["credential", "client", "authenticator", "key"] { input type="hidden" name=(name); }
            (name.line())
            button type="submit" hidden { (icon(Icon::Key)) "Register a passkey" }
        }
        (needs())
    }
}

fn needs() -> Markup {
    html! {
        p #passkey-says role="alert" hidden {}
        div #passkey-needs {
            (notice(Tone::Plain, "This needs scripts and passkeys", html! {
                p { "Signing in is the one thing here that needs a script: only a script can ask your device for a passkey." }
            }))
        }
    }
}

/// What a script filled in for a new passkey.
pub(crate) fn made(fields: &Fields) -> Made {
    Made {
        credential: bytes(fields, "credential"),
        client: bytes(fields, "client"),
        authenticator: bytes(fields, "authenticator"),
        key: bytes(fields, "key"),
    }
}

/// Bytes of a field; none of ours are empty, so that nothing passes for something.
fn bytes(fields: &Fields, name: &str) -> Vec<u8> {
    from_base64url(fields.get(name)).unwrap_or_default()
}

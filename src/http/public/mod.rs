//! Pages for everybody: what this directory is, its charter, its register, figures, state, how to verify, how to leave, a look-up.
//!
//! They say nothing that the API does not, need no script, and know no session.

mod charter;
mod home;
mod leave;
mod look_up;
mod register;
mod statistics;
mod status;
mod verify;

use std::sync::Arc;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use maud::{Markup, html};

use crate::http::Api;
use crate::http::console::told;
use crate::http::pages::icons::Icon;
use crate::http::pages::parts::head;
use crate::http::pages::{Page, Place, Shell};
use crate::http::problem::Reply;

/// How long a page that is alike for everybody may be kept: as long as an epoch's heartbeat.
const KEPT: &str = "public, max-age=60";

/// The places, in the order in which a stranger would ask.
const PLACES: [(&str, &str, Icon); 8] = [
    ("/", "This directory", Icon::Mark),
    ("/look-up", "Look up", Icon::Search),
    ("/charter", "Charter", Icon::Charter),
    ("/register", "Providers", Icon::Provider),
    ("/statistics", "Statistics", Icon::Today),
    ("/status", "Status", Icon::System),
    ("/verify", "How to verify", Icon::Tick),
    ("/leave", "How to leave", Icon::Leave),
];

/// Every route.
pub(crate) fn router() -> Router<Api> {
    Router::new()
        .route("/", get(home::show))
        .route("/look-up", get(look_up::ask).post(look_up::answer))
        .route("/charter", get(charter::show))
        .route("/register", get(register::show))
        .route("/statistics", get(statistics::show))
        .route("/status", get(status::show))
        .route("/verify", get(verify::show))
        .route("/leave", get(leave::show))
        .layer(Extension(Arc::new(statistics::Kept::default())))
}

/// A page.
fn page(api: &Api, title: &str, here: &str, body: Markup) -> Page {
    let places: Vec<Place> =
        PLACES.iter().map(|(path, name, icon)| Place { path, name, icon: *icon, waiting: 0 }).collect();
    let who = html! { @if api.console.is_some() { a href="/console" { "For the operator's people" } } };
    Shell { title, directory: &api.apex, home: "/", places: &places, here, who, scripts: &[] }.page(body)
}

/// The same for everybody, kept for a while.
fn shared(api: &Api, title: &str, here: &str, body: Markup) -> Page {
    page(api, title, here, body).kept(KEPT)
}

/// A no as a page.
fn refused(api: &Api, here: &str, why: Reply) -> Response {
    let problem = why.into_problem();
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = html! {
        (head(&problem.title, ""))
        (told(&problem))
        p { a href=(here) { "Back" } }
    };
    let mut response = page(api, &problem.title, here, body).with_status(status).into_response();
    if let Some(seconds) = problem.retry_after_s {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

//! The shell of every page: head, navigation, body; what it may load; how long it may be kept.
//!
//! Pages are whole without scripts. No style and no script stands inside a page: the policy of [`headers`] would refuse it.

pub(crate) mod assets;
pub(crate) mod headers;
pub(crate) mod icons;
pub(crate) mod parts;
pub(crate) mod picture;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use crate::http::pages::assets::Asset;
use crate::http::pages::icons::{Icon, icon};

/// A place in the navigation.
pub(crate) struct Place {
    /// Its path.
    pub path: &'static str,
    /// What it is called.
    pub name: &'static str,
    /// The picture beside it.
    pub icon: Icon,
    /// How many things wait there; 0 shows nothing.
    pub waiting: u64,
}

/// What stands around the body of a page.
pub(crate) struct Shell<'a> {
    /// What the page is; it comes first in the browser's tab.
    pub title: &'a str,
    /// The directory's apex or host, beside its mark.
    pub directory: &'a str,
    /// Where the mark leads.
    pub home: &'static str,
    /// The navigation; empty for a page that stands alone.
    pub places: &'a [Place],
    /// The path of the place where this page is.
    pub here: &'a str,
    /// What stands at the top right: who is signed in, a way out.
    pub who: Markup,
    /// Scripts that the page can do without.
    pub scripts: &'a [&'static Asset],
}

impl Shell<'_> {
    /// The page with this body.
    pub(crate) fn page(&self, body: Markup) -> Page {
        let alone = self.places.is_empty();
        Page::new(html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · " (self.directory) }
                    link rel="stylesheet" href=(assets::STYLE.path());
                    link rel="icon" type="image/svg+xml" href=(assets::MARK.path());
                    @for script in self.scripts { script src=(script.path()) defer {} }
                }
                body {
                    a.skip href="#main" { "To the content" }
                    header.top {
                        a.brand href=(self.home) { (icon(Icon::Mark)) span { "callbook " small { (self.directory) } } }
                        div.who { (self.who) }
                    }
                    div class=(if alone { "alone" } else { "shell" }) {
                        @if !alone { (self.navigation()) }
                        main #main tabindex="-1" { (body) }
                    }
                }
            }
        })
    }

    fn navigation(&self) -> Markup {
        html! {
            nav.nav aria-label="Main" {
                ul {
                    @for place in self.places {
                        li {
                            a href=(place.path) aria-current=[(place.path == self.here).then_some("page")] {
                                (icon(place.icon)) (place.name)
                                @if place.waiting > 0 { " " span.count { (place.waiting) span.only-read { " waiting" } } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A page on its way out. It is kept by nobody unless it says otherwise.
pub(crate) struct Page {
    status: StatusCode,
    text: String,
    kept: &'static str,
}

impl Page {
    fn new(markup: Markup) -> Self {
        Self { status: StatusCode::OK, text: markup.into_string(), kept: "no-store" }
    }

    /// The same with another status.
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The same, kept by browsers and caches as `Cache-Control` says: for pages that are alike for everybody.
    pub(crate) fn kept(self, kept: &'static str) -> Self {
        Self { kept, ..self }
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.text).into_response();
        let set = response.headers_mut();
        set.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        set.insert(CACHE_CONTROL, HeaderValue::from_static(self.kept));
        headers::guard(set);
        response
    }
}

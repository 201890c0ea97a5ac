//! Who visits a page: the session behind the cookie, and that a form was really sent from one of our pages.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, LOCATION, ORIGIN, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use crate::authority::{SessionTimes, SignedIn, Site};
use crate::http::Api;
use crate::http::console::form::Fields;
use crate::http::console::{Console, ROOT};
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::request::bounded;
use crate::log::bytes::to_base64url;
use crate::log::sha256;

/// The cookie. The prefix has browsers refuse it from anybody but this very host, over TLS (RFC 6265bis 4.1.3.2).
pub(crate) const COOKIE_NAME: &str = "__Host-callbook";
/// The hidden field of every form.
const TOKEN_FIELD: &str = "form";

/// Somebody who is signed in.
pub(crate) struct Visit {
    /// Who.
    pub who: SignedIn,
    secret: String,
}

impl Visit {
    /// The hidden field that shows that a form comes from a page of this session.
    pub(crate) fn token(&self) -> Markup {
        html! { input type="hidden" name=(TOKEN_FIELD) value=(form_token(&self.secret)); }
    }

    fn of(parts: &Parts, api: &Api) -> Option<Self> {
        let secret = cookie(&parts.headers)?;
        let who = api.authority.signed_in(&secret, console(api)?.times)?;
        Some(Self { who, secret })
    }
}

impl FromRequestParts<Api> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Response> {
        Self::of(parts, api).ok_or_else(|| match parts.method {
            Method::GET | Method::HEAD => to(&format!("{ROOT}/sign-in")),
            _ => {
                let Some(id) = parts.extensions.get::<RequestId>() else {
                    return StatusCode::FORBIDDEN.into_response();
                };
                Reply::new(id, 403, "signed_out", "You are signed out", "sign in again; nothing was changed")
                    .into_response()
            }
        })
    }
}

/// A form that somebody who is signed in sent from one of our pages.
pub(crate) struct Posted {
    /// Who.
    pub visit: Visit,
    /// What.
    pub fields: Fields,
}

impl FromRequest<Api> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Ok(id) = RequestId::from_request_parts(&mut parts, api).await;
        let visit = Visit::from_request_parts(&mut parts, api).await?;
        let fields = read(&id, &parts, body, api).await.map_err(IntoResponse::into_response)?;
        if !same(fields.get(TOKEN_FIELD), &form_token(&visit.secret)) {
            return Err(foreign(&id).into_response());
        }
        Ok(Self { visit, fields })
    }
}

/// A form from our own pages by somebody who is not signed in yet.
pub(crate) struct Knock {
    /// What.
    pub fields: Fields,
    /// The session that the browser had before: it ends when another begins.
    pub before: Option<SignedIn>,
}

impl FromRequest<Api> for Knock {
    type Rejection = Reply;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Reply> {
        let (mut parts, body) = request.into_parts();
        let Ok(id) = RequestId::from_request_parts(&mut parts, api).await;
        let asked = api.limits.sign_in(&parts.headers, &parts.extensions, api.clock.now_ms());
        asked.map_err(|wait_s| Reply::too_many(&id, "this address signs in too often", wait_s))?;
        let before = Visit::of(&parts, api).map(|visit| visit.who);
        Ok(Self { fields: read(&id, &parts, body, api).await?, before })
    }
}

/// The fields of a form whose sender is a page of ours, by what the browser says of it (Fetch: Origin, Sec-Fetch-Site).
async fn read(id: &RequestId, parts: &Parts, body: axum::body::Body, api: &Api) -> Result<Fields, Reply> {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let site = header("sec-fetch-site");
    let ours = match header(ORIGIN.as_str()) {
        // Our pages send no referrer, and then browsers say no origin either (Fetch 3.1): the other header has to say it.
        Some("null") => site == Some("same-origin"),
        origin => console(api).is_some_and(|console| origin == Some(&*console.site.origin)),
    };
    if !ours || site.is_some_and(|site| site != "same-origin") {
        return Err(foreign(id));
    }
    let is_form =
        header(CONTENT_TYPE.as_str()).is_some_and(|media| media.starts_with("application/x-www-form-urlencoded"));
    let bytes = bounded(body, &parts.headers).await.map_err(|why| why.told(id))?;
    let fields = Fields::read(&bytes).filter(|_| is_form);
    fields.ok_or_else(|| Reply::new(id, 400, "bad_form", "This is no form of ours", "send the form of the page itself"))
}

fn foreign(id: &RequestId) -> Reply {
    let why = "a form counts only when it is sent from a page of this console in the same session; open the page anew. Nothing was changed";
    Reply::new(id, 403, "foreign_form", "This form came from elsewhere", why)
}

/// The console that is served; there is one wherever its routes are.
pub(crate) fn console(api: &Api) -> Option<&Console> {
    api.console.as_deref()
}

/// Where passkeys are good, and for how long a sign-in is.
pub(crate) fn settings(api: &Api, id: &RequestId) -> Result<(Site, SessionTimes), Reply> {
    console(api).map(|console| (console.site.clone(), console.times)).ok_or_else(|| Reply::fault(id))
}

/// Goes on to another page, which is then fetched by GET.
pub(crate) fn to(path: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(path) = HeaderValue::from_str(path) {
        response.headers_mut().insert(LOCATION, path);
    }
    response
}

/// The same with the cookie of a session that has begun, or without any session from now on.
pub(crate) fn to_with(path: &str, secret: Option<&str>) -> Response {
    let cookie = match secret {
        Some(secret) => format!("{COOKIE_NAME}={secret}; Path=/; Secure; HttpOnly; SameSite=Strict"),
        None => format!("{COOKIE_NAME}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"),
    };
    let mut response = to(path);
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mine = pairs.find(|(name, _)| *name == COOKIE_NAME).map(|(_, value)| value.to_owned());
    mine.filter(|value| !value.is_empty())
}

/// What a form of this session carries: no use to whoever reads it without the cookie.
fn form_token(secret: &str) -> String {
    to_base64url(&sha256(&[b"callbook console form\n", secret.as_bytes()]))
}

/// Whether two texts are the same, in a time that does not say where they differ.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |seen, (x, y)| seen | (x ^ y)) == 0
}

//! The provider's side of the HTTP API: one call a resource, typed answers, problems as errors, careful repetition.
//!
//! What changes something carries an `Idempotency-Key` that stays the same in every repetition of the call, so a lost
//! answer never makes a second change. Calls without such a key are repeated only when nothing can have happened.
//!
//! ```no_run
//! use callbook::client::provider::Api;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let api = Api::at("https://directory.example", "cb_live_…")?;
//! let prepared = api.prepare("+447700900123".parse()?)?;
//! assert_eq!(prepared.apex, "e164.example.");
//! # Ok(())
//! # }
//! ```

mod audit;
mod audits;
mod batches;
mod files;
mod lists;
mod operator;
mod tls;
mod webhooks;

pub use batches::BatchRun;
pub use lists::NumbersFilter;
pub use tls::{Tls, certificate_thumbprint};

use std::fmt;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Method, Request, Response, StatusCode, header};
use ureq::{Agent, Body};

use crate::api::acts::Act;
use crate::api::charter::{Charter, NewVersion, ProposedVersion};
use crate::api::numbers::{
    Against, Asked, HolderAct, NumberView, Prepared, Receipt, Release, Renewal, Submission, Transfer, TransferCode,
    Visibility,
};
use crate::api::providers::{IssuedToken, NewProvider, NewToken, Provider, Providers, StatusChange, Tokens};
use crate::api::{Problem, problem};
use crate::client::way::{self, Way};
use crate::clock::{Clock, SystemClock};
use crate::number::Number;

/// The longest answer that is read: a register of some thousand providers; everything else is far smaller.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// How long an idle connection is used again: half of what the server waits for the next request, or a request could meet
/// the server's goodbye, and one that must not happen twice is not repeated.
const IDLE: Duration = Duration::from_secs(5);
/// How long one request may take, over the 5 s that the server may hold it back when asked to wait.
const REQUEST_MS: u64 = 30_000;
/// How often a request is sent at most: what three tries do not cure, a person should look at.
const TRIES_MAX: u32 = 3;
/// The wait before the second try; it doubles for the third.
const PAUSE_MS: u64 = 250;
/// The longest `Retry-After` that is obeyed here; with a longer one the problem is returned at once.
const PAUSE_MS_MAX: u64 = 5_000;
/// How long the server is asked to hold an answer back until the change is published.
const PREFER_WAIT_S: u64 = 5;
/// The pause between two looks at a receipt, for servers that answer at once.
const RECEIPT_PAUSE_MS: u64 = 100;

/// A directory's HTTP API, used with one token.
#[derive(Clone)]
pub struct Api {
    agent: Agent,
    base: String,
    token: String,
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The directory says no, and why (RFC 9457).
    #[error("{}", in_words(.0))]
    Problem(Box<Problem>),
    /// No answer came, or it broke off.
    #[error("{url} cannot be reached: {why}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What the network said.
        why: String,
    },
    /// What came is not of this API.
    #[error("{url} answered {status} with something that is not of this API: {why}")]
    Foreign {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What is wrong with it.
        why: String,
    },
    /// The address or the token cannot be used.
    #[error("{0}")]
    Setting(&'static str),
    /// The change is durable, but was not published in time; its receipt says the rest.
    #[error(
        "the change {event_hash} is accepted but was not published within {waited_ms} ms: ask for its receipt again later"
    )]
    NotPublished {
        /// Names the receipt.
        event_hash: String,
        /// How long was waited.
        waited_ms: u64,
    },
}

impl ApiError {
    /// The stable code of a problem, if it is one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Problem(problem) => Some(&problem.code),
            _ => None,
        }
    }

    /// Whether the same call may work later, without anything done about it: the directory is not there, is busy, or asks
    /// for patience. A quota of the day is not such a thing.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Foreign { status, .. } => matches!(status, 502..=504),
            Self::Problem(problem) => {
                matches!(problem.status, 429 | 503) && !problem.code.starts_with("quota_")
                    || problem.code == "idempotency_in_flight"
            }
            Self::Setting(_) | Self::NotPublished { .. } => false,
        }
    }

    /// After how many seconds the directory wants to be asked again (`Retry-After`), if it said so.
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::Problem(problem) => problem.retry_after_s,
            _ => None,
        }
    }
}

/// Whether a request may be sent again when its answer got lost.
#[derive(Clone, Copy)]
enum Repeat<'a> {
    /// It reads, or sets to what it is set to already; the same event again gets its first receipt.
    Harmless,
    /// It changes something, and this `Idempotency-Key` makes it happen once.
    Once(&'a str),
    /// It changes something each time.
    Never,
}

/// One call: what is sent in every try.
struct Call<'a> {
    method: Method,
    path: String,
    body: Option<Vec<u8>>,
    /// What the body is.
    media_type: &'static str,
    headers: Vec<(&'static str, String)>,
    repeat: Repeat<'a>,
    /// How long one try may take.
    try_ms: u64,
}

impl Api {
    /// The API at `base` (`https://host[:port]`; plain `http` only on this machine), with a bearer token, or an empty one
    /// for what is public.
    pub fn at(base: &str, token: &str) -> Result<Self, ApiError> {
        Self::secured(base, token, &Tls::default())
    }

    /// The same with roots or a client certificate of one's own.
    pub fn secured(base: &str, token: &str, tls: &Tls) -> Result<Self, ApiError> {
        let base = base.trim_end_matches('/');
        match way::to(base) {
            Some(Way::Closed) => {}
            Some(Way::Open) => {
                return Err(ApiError::Setting("over plain http the token could be read on the way: use https"));
            }
            None => return Err(ApiError::Setting("the address of a directory begins with https://")),
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ApiError::Setting(
                "the token holds a character that no token has: was the line cut or broken?",
            ));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true) // DELETE with a body
            .max_redirects(0) // the token goes nowhere else
            .tls_config(tls.config())
            .timeout_global(Some(Duration::from_millis(REQUEST_MS)))
            .max_idle_age(IDLE)
            .user_agent(concat!("callbook/", env!("CARGO_PKG_VERSION")));
        Ok(Self { agent: config.build().into(), base: base.to_owned(), token: token.to_owned() })
    }

    /// What a device needs before it can sign (`POST /v1/numbers/{n}/prepare`).
    pub fn prepare(&self, number: Number) -> Result<Prepared, ApiError> {
        // Asked again it costs one more of the day's preparations, and nothing else.
        self.call(&Call::new(Method::POST, format!("/v1/numbers/{number}/prepare"), Repeat::Harmless))
    }

    /// The same with validation tokens that name this provider: for a number of another one too it tells version and State.
    pub fn prepare_with(&self, number: Number, tokens: Vec<String>) -> Result<Prepared, ApiError> {
        let call = Call::new(Method::POST, format!("/v1/numbers/{number}/prepare"), Repeat::Harmless);
        self.call(&call.json(&Asked { validation: tokens })?)
    }

    /// Takes a number over, or a step on the way (`POST /v1/numbers/{n}/transfer`).
    pub fn transfer(&self, number: Number, body: &Transfer) -> Result<Receipt, ApiError> {
        self.change(Method::POST, format!("/v1/numbers/{number}/transfer"), body)
    }

    /// Makes a transfer code for a number of this provider (`POST /v1/numbers/{n}/transfer-code`); it is shown this once.
    pub fn transfer_code(&self, number: Number) -> Result<TransferCode, ApiError> {
        // Asked again, it is another code: the one before it, whose answer got lost, is void.
        self.call(&Call::new(Method::POST, format!("/v1/numbers/{number}/transfer-code"), Repeat::Harmless))
    }

    /// Hands in the holder's objection to a claim (`POST /v1/numbers/{n}/transfer/objection`); no token is needed.
    pub fn object(&self, number: Number, body: &Against) -> Result<Receipt, ApiError> {
        let path = format!("/v1/numbers/{number}/transfer/objection");
        self.call(&Call::new(Method::POST, path, Repeat::Harmless).json(body)?)
    }

    /// Hands in the holder's veto (`DELETE /v1/numbers/{n}/transfer`); no token is needed.
    pub fn veto(&self, number: Number, body: &Against) -> Result<Receipt, ApiError> {
        let path = format!("/v1/numbers/{number}/transfer");
        self.call(&Call::new(Method::DELETE, path, Repeat::Harmless).json(body)?)
    }

    /// Registers or changes a number (`PUT /v1/numbers/{n}`); `version` is the one that it must still have.
    pub fn put(&self, number: Number, body: &Submission, version: Option<u64>) -> Result<Receipt, ApiError> {
        let key = idempotency_key()?;
        let mut call = Call::new(Method::PUT, format!("/v1/numbers/{number}"), Repeat::Once(&key)).json(body)?;
        call.headers.extend(version.map(|version| ("if-match", format!("\"{version}\""))));
        self.call(&call)
    }

    /// Extends a registration with a fresh validation (`POST /v1/numbers/{n}/validation`).
    pub fn renew(&self, number: Number, body: &Renewal) -> Result<Receipt, ApiError> {
        self.change(Method::POST, format!("/v1/numbers/{number}/validation"), body)
    }

    /// Gives notice of a release, or releases after it (`DELETE /v1/numbers/{n}`).
    pub fn release(&self, number: Number, body: &Release) -> Result<Receipt, ApiError> {
        self.change(Method::DELETE, format!("/v1/numbers/{number}"), body)
    }

    /// Hands in what the holder alone signed (`POST /v1/holder/events`); no token is needed.
    pub fn holder_act(&self, body: &HolderAct) -> Result<Receipt, ApiError> {
        self.call(&Call::new(Method::POST, "/v1/holder/events".into(), Repeat::Harmless).json(body)?)
    }

    /// A registration in full (`GET /v1/numbers/{n}`); nothing if it is not there or another provider's.
    pub fn number(&self, number: Number) -> Result<Option<NumberView>, ApiError> {
        match self.get(format!("/v1/numbers/{number}")) {
            Err(ApiError::Problem(problem)) if problem.status == StatusCode::NOT_FOUND.as_u16() => Ok(None),
            outcome => outcome.map(Some),
        }
    }

    /// How far a change has come (`GET /v1/receipts/{event_hash}`).
    pub fn receipt(&self, event_hash: &str) -> Result<Receipt, ApiError> {
        self.get(format!("/v1/receipts/{event_hash}"))
    }

    /// The receipt once the change is published, so that DNS answers with it.
    pub fn published(&self, receipt: Receipt, wait_ms: u64) -> Result<Receipt, ApiError> {
        let (mut receipt, started_ms) = (receipt, SystemClock.now_ms());
        loop {
            if receipt.visibility == Visibility::Published {
                return Ok(receipt);
            }
            let waited_ms = SystemClock.now_ms().saturating_sub(started_ms);
            if waited_ms >= wait_ms {
                return Err(ApiError::NotPublished { event_hash: receipt.event_hash, waited_ms });
            }
            std::thread::sleep(Duration::from_millis(RECEIPT_PAUSE_MS.min(wait_ms - waited_ms)));
            let wait_s = PREFER_WAIT_S.min((wait_ms - waited_ms).div_ceil(1000));
            let mut call = Call::new(Method::GET, format!("/v1/receipts/{}", receipt.event_hash), Repeat::Harmless);
            call.headers.push(("prefer", format!("wait={wait_s}")));
            receipt = self.call(&call)?;
        }
    }

    /// Asks for the next version of the charter, as an admin: an act that another approves (`POST /v1/charter`).
    pub fn propose_charter(&self, new: &NewVersion) -> Result<Act, ApiError> {
        self.change(Method::POST, "/v1/charter".into(), new)
    }

    /// What an act of kind `charter` announces (`GET /v1/acts/{id}/charter`).
    pub fn proposed_charter(&self, act: &str) -> Result<ProposedVersion, ApiError> {
        self.get(format!("/v1/acts/{act}/charter"))
    }

    /// The charter in force, and what is announced (`GET /v1/charter`).
    pub fn charter(&self) -> Result<Charter, ApiError> {
        self.get("/v1/charter".into())
    }

    /// The public register (`GET /v1/providers`).
    pub fn providers(&self) -> Result<Vec<Provider>, ApiError> {
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let query = cursor.map(|cursor: String| format!("?cursor={cursor}")).unwrap_or_default();
            let page: Providers = self.get(format!("/v1/providers{query}"))?;
            all.extend(page.providers);
            match page.next_cursor {
                None => return Ok(all),
                next => cursor = next,
            }
        }
    }

    /// Adds a provider or a validation entity; for the operator (`POST /v1/providers`).
    pub fn add_provider(&self, body: &NewProvider) -> Result<Provider, ApiError> {
        self.call(&Call::new(Method::POST, "/v1/providers".into(), Repeat::Never).json(body)?)
    }

    /// Stops a provider in an emergency or ends that; for the operator (`PATCH /v1/providers/{id}`).
    pub fn set_provider_status(&self, id: &str, body: &StatusChange) -> Result<Provider, ApiError> {
        let path = format!("/v1/providers/{}", path_segment(id));
        self.call(&Call::new(Method::PATCH, path, Repeat::Harmless).json(body)?)
    }

    /// Issues a token; for the operator (`POST /v1/providers/{id}/tokens`). Its secret is shown this once.
    pub fn add_token(&self, id: &str, body: &NewToken) -> Result<IssuedToken, ApiError> {
        let path = format!("/v1/providers/{}/tokens", path_segment(id));
        self.call(&Call::new(Method::POST, path, Repeat::Never).json(body)?)
    }

    /// A provider's tokens, without their secrets; for the operator (`GET /v1/providers/{id}/tokens`).
    pub fn tokens(&self, id: &str) -> Result<Tokens, ApiError> {
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let query = cursor.map(|cursor: String| format!("?cursor={cursor}")).unwrap_or_default();
            let page: Tokens = self.get(format!("/v1/providers/{}/tokens{query}", path_segment(id)))?;
            all.extend(page.tokens);
            match page.next_cursor {
                None => return Ok(Tokens { tokens: all, next_cursor: None }),
                next => cursor = next,
            }
        }
    }

    /// Revokes a token: the operator any, a provider one of its own (`DELETE /v1/tokens/{id}`).
    pub fn revoke_token(&self, id: &str) -> Result<(), ApiError> {
        let call = Call::new(Method::DELETE, format!("/v1/tokens/{}", path_segment(id)), Repeat::Never);
        match self.send(&call)? {
            answer if answer.status().is_success() => Ok(()),
            answer => Err(self.problem(&call, answer)),
        }
    }

    fn get<T: DeserializeOwned>(&self, path: String) -> Result<T, ApiError> {
        self.call(&Call::new(Method::GET, path, Repeat::Harmless))
    }

    fn change<T: DeserializeOwned>(&self, method: Method, path: String, body: &impl Serialize) -> Result<T, ApiError> {
        let key = idempotency_key()?;
        self.call(&Call::new(method, path, Repeat::Once(&key)).json(body)?)
    }

    /// Sends the call, again if that can help and cannot hurt, and reads the answer.
    fn call<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, ApiError> {
        self.read(call, self.answered(call)?)
    }

    /// The same of an answer that has one JSON object a line.
    fn lines<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<Vec<T>, ApiError> {
        let answer = self.answered(call)?;
        let status = answer.status().as_u16();
        let body = self.body(call, answer)?;
        let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let read = |line| serde_json::from_slice(line).map_err(|error| self.foreign(call, status, &error));
        lines.map(read).collect()
    }

    /// Sends the call until an answer says that it is done, as often as that can help and cannot hurt.
    fn answered(&self, call: &Call<'_>) -> Result<Response<Body>, ApiError> {
        let mut pause_ms = PAUSE_MS;
        for _ in 1..TRIES_MAX {
            let error = match self.send(call) {
                Ok(answer) if answer.status().is_success() => return Ok(answer),
                Ok(answer) => self.problem(call, answer),
                Err(error) => error,
            };
            let wait_ms = error.retry_after_s().map_or(pause_ms, |seconds| seconds.saturating_mul(1000));
            if !call.may_repeat_after(&error) || wait_ms > PAUSE_MS_MAX {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(wait_ms));
            pause_ms *= 2;
        }
        match self.send(call)? {
            answer if answer.status().is_success() => Ok(answer),
            answer => Err(self.problem(call, answer)),
        }
    }

    fn send(&self, call: &Call<'_>) -> Result<Response<Body>, ApiError> {
        let url = format!("{}{}", self.base, call.path);
        let mut request = Request::builder().method(call.method.clone()).uri(&url);
        request = request.header(header::ACCEPT, format!("application/json, {}", problem::MEDIA_TYPE));
        if !self.token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        }
        if let Repeat::Once(key) = call.repeat {
            request = request.header("idempotency-key", key);
        }
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let unreachable = |why: String| ApiError::Unreachable { url: url.clone(), why };
        let patience = Some(Duration::from_millis(call.try_ms));
        let outcome = match &call.body {
            Some(body) => {
                let request = request.header(header::CONTENT_TYPE, call.media_type).body(body.as_slice());
                let request = request.map_err(|error| unreachable(error.to_string()))?;
                self.agent.run(self.agent.configure_request(request).timeout_global(patience).build())
            }
            None => self.agent.run(request.body(()).map_err(|error| unreachable(error.to_string()))?),
        };
        outcome.map_err(|error| unreachable(error.to_string()))
    }

    fn read<T: DeserializeOwned>(&self, call: &Call<'_>, answer: Response<Body>) -> Result<T, ApiError> {
        let status = answer.status().as_u16();
        let body = self.body(call, answer)?;
        serde_json::from_slice(&body).map_err(|error| self.foreign(call, status, &error))
    }

    fn body(&self, call: &Call<'_>, mut answer: Response<Body>) -> Result<Vec<u8>, ApiError> {
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        body.map_err(|error| self.foreign(call, status, &error))
    }

    fn foreign(&self, call: &Call<'_>, status: u16, why: &dyn fmt::Display) -> ApiError {
        ApiError::Foreign { url: format!("{}{}", self.base, call.path), status, why: why.to_string() }
    }

    fn problem(&self, call: &Call<'_>, answer: Response<Body>) -> ApiError {
        let retry_after_s = retry_after_s(&answer);
        match self.read::<Problem>(call, answer) {
            Ok(problem) => ApiError::Problem(Box::new(Problem { retry_after_s, ..problem })),
            Err(error) => error,
        }
    }
}

/// Without the token.
impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("base", &self.base).finish_non_exhaustive()
    }
}

impl<'a> Call<'a> {
    fn new(method: Method, path: String, repeat: Repeat<'a>) -> Self {
        let media_type = "application/json";
        Self { method, path, body: None, media_type, headers: vec![], repeat, try_ms: REQUEST_MS }
    }

    fn json(mut self, body: &impl Serialize) -> Result<Self, ApiError> {
        let unwritable = |_| ApiError::Setting("the request cannot be written as JSON");
        self.body = Some(serde_json::to_vec(body).map_err(unwritable)?);
        Ok(self)
    }

    /// 429 and 503 mean that nothing was done; a conflict of this status that a first try of ours still runs. After any
    /// other fault of the server or the network only a call that cannot happen twice is sent again.
    fn may_repeat_after(&self, error: &ApiError) -> bool {
        let status = match error {
            ApiError::Problem(problem) => problem.status,
            ApiError::Foreign { status, .. } => *status,
            ApiError::Unreachable { .. } => 0,
            _ => return false,
        };
        match status {
            429 | 503 => true,
            409 => matches!(self.repeat, Repeat::Once(_)) && error.code() == Some("idempotency_in_flight"),
            0 | 500 | 502 | 504 => !matches!(self.repeat, Repeat::Never),
            _ => false,
        }
    }
}

/// `Retry-After` in seconds (RFC 9110 10.2.3); the form with a date is not used by this API.
fn retry_after_s(answer: &Response<Body>) -> Option<u64> {
    answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()
}

fn idempotency_key() -> Result<String, ApiError> {
    let mut bytes = [0u8; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| ApiError::Setting("the system gives no random numbers"))?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

/// An id as one segment of a path: whatever is not a letter, a digit or `-._~` percent-encoded (RFC 3986 2.3).
fn path_segment(id: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    id.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A problem as lines for people: what, every mistake with its clause and remedy, and the id to quote.
fn in_words(problem: &Problem) -> String {
    let mut text = format!("{}: {}", problem.title, problem.detail);
    for mistake in &problem.errors {
        let at = if mistake.pointer.is_empty() { String::new() } else { format!("{}: ", mistake.pointer) };
        text.push_str(&format!("\n  {at}{} ({})", mistake.detail, mistake.code));
        text.extend(mistake.clause.as_ref().map(|clause| format!(" [charter {clause}]")));
        text.extend(mistake.remedy.as_ref().map(|remedy| format!("\n    remedy: {remedy}")));
    }
    if problem.errors.is_empty() {
        text.extend(problem.clause.as_ref().map(|clause| format!("\n  charter {clause}")));
        text.extend(problem.remedy.as_ref().map(|remedy| format!("\n  remedy: {remedy}")));
    }
    text.push_str(&format!("\n  request {}", problem.request_id));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_stays_off_open_lines() {
        for base in ["http://directory.example", "http://127.0.0.1.example:80", "ftp://x", "directory.example", ""] {
            assert!(matches!(Api::at(base, "t"), Err(ApiError::Setting(_))), "{base}");
        }
        for base in ["https://directory.example/", "http://127.0.0.1:8080", "http://[::1]:1", "http://localhost"] {
            assert!(Api::at(base, "t").is_ok(), "{base}");
        }
        assert!(Api::at("https://directory.example", "line\nbreak").is_err());
        let api = Api::at("https://directory.example", "cb_live_secret").unwrap();
        assert!(!format!("{api:?}").contains("secret"));
    }

    #[test]
    fn ids_cannot_leave_their_segment() {
        assert_eq!(path_segment("acme-1"), "acme-1");
        assert_eq!(path_segment("../x?y#z"), "..%2Fx%3Fy%23z");
    }
}

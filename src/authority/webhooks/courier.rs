//! The way to an endpoint: where a URL may lead, and one POST to it, with everything bounded that its other end decides.
//!
//! A host is resolved for each connection, every address is looked at, and the connection is made to what was looked at:
//! a name that changes its mind reaches nothing. No redirect is followed, no proxy asked, and the answer's body is read a
//! little way and thrown away.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use ureq::config::Config as AgentConfig;
use ureq::http::{Request, Uri, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error, Timeout};

use crate::authority::webhooks::address::is_public;
use crate::config;

/// The longest URL: what browsers and servers take.
const URL_LEN_MAX: usize = 2048;
/// Ports below this belong to other protocols, but for those of HTTP.
const PORT_MIN: u16 = 1024;
const HTTPS_PORT: u16 = 443;
const HTTP_PORT: u16 = 80;
/// How long an attempt may take in all (REGISTRY.md 8).
const PATIENCE: Duration = Duration::from_secs(10);
/// Of that, for the look-up of the name.
const RESOLVE_PATIENCE: Duration = Duration::from_secs(5);
/// How much of an answer's body is read, so that its connection can be used again; no receiver has to say more.
const ANSWER_BYTES_MAX: u64 = 4 * 1024;
/// The longest head of an answer.
const ANSWER_HEAD_BYTES_MAX: usize = 16 * 1024;
/// How long an idle connection waits for the next change: less than any server waits.
const IDLE: Duration = Duration::from_secs(2);
/// Connections that wait so, over all endpoints.
const IDLE_MAX: usize = 32;

/// An address that something may be sent to, as far as its text tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookUrl(Uri);

impl WebhookUrl {
    /// Its text.
    pub fn as_text(&self) -> String {
        self.0.to_string()
    }
}

/// The host of a URL that was read once, and its port if one is named: paths and queries are their owner's, and often a secret.
pub(super) fn host_of(url: &str) -> String {
    let uri = url.parse::<Uri>().ok();
    match uri.as_ref().and_then(|uri| Some((uri.host()?, uri.port_u16()))) {
        Some((host, Some(port))) => format!("{host}:{port}"),
        Some((host, None)) => host.to_owned(),
        None => "?".to_owned(),
    }
}

/// Why nothing is sent to a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlMistake {
    /// It is none, or too long, or has a fragment.
    #[error("this is no URL of at most {URL_LEN_MAX} visible ASCII characters, without a fragment")]
    Form,
    /// Not https.
    #[error("only https is used: what is sent names numbers")]
    Scheme,
    /// A name or password in it.
    #[error("a user name or password may not stand in it: the signature says who sends")]
    UserInfo,
    /// A port of another protocol.
    #[error("port 443, or one from {PORT_MIN} on, is needed")]
    Port,
    /// No public address.
    #[error(
        "its host has no address, or not only public ones: private, loopback and other special addresses get nothing"
    )]
    Address,
}

impl UrlMistake {
    /// Its stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Form => "bad_url",
            Self::Scheme => "url_not_https",
            Self::UserInfo => "url_with_user",
            Self::Port => "url_port",
            Self::Address => "url_not_public",
        }
    }
}

/// Why no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::authority) enum Unsent {
    /// The host has no public address; alike whether it has none at all.
    Address,
    /// It took longer than ten seconds.
    Timeout,
    /// No connection, or it broke.
    Connection,
    /// The certificate, or something else about TLS.
    Tls,
    /// What came is not HTTP, or too much of it.
    Protocol,
}

impl Unsent {
    /// Whether only time ran out.
    pub(in crate::authority) const fn is_late(self) -> bool {
        matches!(self, Self::Timeout)
    }

    /// Its stable code.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Address => UrlMistake::Address.code(),
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::Tls => "tls",
            Self::Protocol => "not_http",
        }
    }
}

/// What an endpoint answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::authority) struct Answer {
    pub(in crate::authority) status: u16,
    /// `Retry-After` in seconds; the form with a date is not looked at.
    pub(super) retry_after_s: Option<u64>,
}

/// Carries messages to endpoints.
#[derive(Clone)]
pub struct Courier {
    agent: Agent,
    checked: Arc<Checked>,
}

impl Courier {
    /// A courier as the configuration wants it; reads its file of certificates.
    pub fn new(config: &config::Webhooks) -> io::Result<Self> {
        let roots = match config.ca_file.as_os_str().is_empty() {
            true => RootCerts::WebPki,
            false => roots(&std::fs::read(&config.ca_file)?)?,
        };
        Ok(Self::with(config.loopback, roots, Box::new(DefaultResolver::default()), PATIENCE))
    }

    /// Only public addresses, only https, the public certification authorities.
    pub(super) fn strict() -> Self {
        Self::with(false, RootCerts::WebPki, Box::new(DefaultResolver::default()), PATIENCE)
    }

    fn with(loopback: bool, roots: RootCerts, resolver: Box<dyn Resolver>, patience: Duration) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None) // not that of the environment: the address that was looked at is the one that is asked
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .timeout_global(Some(patience))
            .timeout_resolve(Some(RESOLVE_PATIENCE.min(patience)))
            .max_response_header_size(ANSWER_HEAD_BYTES_MAX)
            .max_idle_connections(IDLE_MAX)
            .max_idle_connections_per_host(1)
            .max_idle_age(IDLE)
            .user_agent(concat!("callbook/", env!("CARGO_PKG_VERSION")));
        let checked = Arc::new(Checked { loopback, resolver });
        let agent = Agent::with_parts(config.build(), DefaultConnector::new(), Shared(checked.clone()));
        Self { agent, checked }
    }

    /// Reads a URL that something may be sent to.
    pub(in crate::authority) fn read(&self, text: &str) -> Result<WebhookUrl, UrlMistake> {
        let visible = text.len() <= URL_LEN_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !visible || text.contains(['#', '\\']) {
            return Err(UrlMistake::Form);
        }
        let uri: Uri = text.parse().map_err(|_| UrlMistake::Form)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(UrlMistake::Form) };
        let plain = match scheme {
            "https" => false,
            "http" if self.checked.loopback => true,
            _ => return Err(UrlMistake::Scheme),
        };
        if authority.as_str().contains('@') {
            return Err(UrlMistake::UserInfo);
        }
        if authority.host().is_empty() {
            return Err(UrlMistake::Form);
        }
        let written = authority.as_str().rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let usual = if plain { HTTP_PORT } else { HTTPS_PORT };
        match authority.port_u16() {
            None if written => Err(UrlMistake::Port), // a colon, and no port behind it
            Some(port) if port != usual && port < PORT_MIN => Err(UrlMistake::Port),
            _ => Ok(WebhookUrl(uri)),
        }
    }

    /// Whether its host has public addresses and no others just now. Blocks for the look-up.
    pub(super) fn check(&self, url: &WebhookUrl) -> Result<(), UrlMistake> {
        let timeout =
            NextTimeout { after: RESOLVE_PATIENCE.into(), reason: Timeout::Resolve, ..NextTimeout::default() };
        let found = self.checked.resolve(&url.0, &AgentConfig::default(), timeout);
        found.map(drop).map_err(|_| UrlMistake::Address)
    }

    /// Sends a body with these headers; blocks until the answer's head came, ten seconds at most.
    pub(in crate::authority) fn post(
        &self,
        url: &WebhookUrl,
        headers: &[(&'static str, String)],
        body: &[u8],
    ) -> Result<Answer, Unsent> {
        let mut request = Request::post(url.0.clone()).header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(body).map_err(|_| Unsent::Protocol)?;
        let mut answer = self.agent.run(request).map_err(|error| unsent(&error))?;
        let retry_after = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after_s = retry_after.and_then(|seconds| seconds.trim().parse().ok());
        // What it says is of no use, and if it breaks off that changes nothing: it was taken or not by its status.
        let _ = io::copy(&mut answer.body_mut().as_reader().take(ANSWER_BYTES_MAX), &mut io::sink());
        Ok(Answer { status: answer.status().as_u16(), retry_after_s })
    }
}

fn roots(pem: &[u8]) -> io::Result<RootCerts> {
    let bad = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let mut certificates: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| bad(error.to_string()))? {
            certificates.push(certificate);
        }
    }
    match certificates.is_empty() {
        true => Err(bad("it holds no certificate in PEM".to_owned())),
        false => Ok(RootCerts::new_with_certs(&certificates)),
    }
}

fn unsent(error: &Error) -> Unsent {
    match error {
        Error::Other(why) if why.is::<NotPublic>() => Unsent::Address,
        Error::HostNotFound => Unsent::Address,
        Error::Timeout(_) => Unsent::Timeout,
        Error::Tls(_) | Error::Rustls(_) => Unsent::Tls,
        Error::Io(why) => match why.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Unsent::Timeout,
            io::ErrorKind::InvalidData => Unsent::Tls, // so rustls tells what it thinks of its peer
            _ => Unsent::Connection,
        },
        Error::ConnectionFailed => Unsent::Connection,
        _ => Unsent::Protocol,
    }
}

/// The host has no public address.
#[derive(Debug, thiserror::Error)]
#[error("the host has no public address")]
struct NotPublic;

/// Resolves names, and refuses those with any address that is not public.
struct Checked {
    /// Whether addresses of this machine are allowed, also without TLS.
    loopback: bool,
    resolver: Box<dyn Resolver>,
}

impl Checked {
    fn resolve(&self, uri: &Uri, config: &AgentConfig, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let found = self.resolver.resolve(uri, config, timeout).map_err(|error| match error {
            Error::Timeout(of) => Error::Timeout(of),
            _ => Error::Other(Box::new(NotPublic)),
        })?;
        let secret = uri.scheme_str() == Some("https");
        let allowed = found
            .iter()
            .map(|address| address.ip())
            .all(|ip| secret && is_public(ip) || self.loopback && ip.to_canonical().is_loopback());
        if allowed && found.iter().next().is_some() { Ok(found) } else { Err(Error::Other(Box::new(NotPublic))) }
    }
}

/// The same for the agent, which wants its own.
struct Shared(Arc<Checked>);

impl Resolver for Shared {
    fn resolve(&self, uri: &Uri, config: &AgentConfig, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        self.0.resolve(uri, config, timeout)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checked")
    }
}

#[cfg(test)]
mod tests;

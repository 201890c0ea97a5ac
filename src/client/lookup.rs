//! Looking a number up: endpoints, keys and how far they can be trusted.
//!
//! ```no_run
//! use callbook::client::{Anchor, Directory};
//! use callbook::number::Number;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let anchor = Anchor::parse(&std::fs::read_to_string("anchor.txt")?)?;
//! let directory = Directory::at("127.0.0.1:5300".parse()?, anchor);
//! let lookup = directory.lookup_blocking(Number::parse("+44 7700 900123")?)?;
//! assert_eq!(lookup.status.word(), "secure");
//! # Ok(())
//! # }
//! ```

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::rr::Name;
use serde::{Serialize, Serializer};
use tokio::task::JoinSet;

use crate::client::anchor::Anchor;
use crate::client::chain::{Chain, Judged};
use crate::client::endpoint::{Endpoint, endpoints};
use crate::client::explain::{Step, Trust};
use crate::client::keys::{KeysTxt, PublishedKey, Purpose, keys_txt, published_keys};
use crate::client::message::{Message, rr};
use crate::client::prove::{LogProof, Refused};
use crate::clock::{self, Clock, SystemClock};
use crate::log::misbehaviour::{Misbehaviour, SignedRecord};
use crate::number::Number;

/// How long one answer is waited for; a server on the other side of the world answers in a third of it.
const WAIT_MS: u64 = 1_000;
/// How long a whole look-up may take; a caller listens to silence meanwhile.
const TOTAL_MS: u64 = 10_000;
/// Where the servers of delegated zones listen.
const REFERRAL_PORT: u16 = 53;

/// A directory to ask: its servers, its trust anchor, and how long to wait.
#[derive(Clone, Debug)]
pub struct Directory {
    servers: Vec<SocketAddr>,
    anchor: Anchor,
    apex: Name,
    wait_ms: u64,
    total_ms: u64,
    referral_port: u16,
}

/// What a directory says about a number.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Lookup {
    /// The number, as `+…`.
    pub number: String,
    /// The suffix under which it was looked up, with the final dot.
    pub apex: String,
    /// Whether there is an endpoint or a key, and they may be used.
    pub found: bool,
    /// How far all of it can be trusted: the worst of all answers. If bogus, nothing is handed on.
    #[serde(flatten)]
    pub status: Trust,
    /// Where the number can be reached, in the order in which to try.
    pub endpoints: Vec<Endpoint>,
    /// Its published keys, those that were revoked left out.
    pub keys: Vec<PublishedKey>,
    /// How the answer is tied to the log.
    pub directory: Option<KeysTxt>,
    /// Unix seconds until which the answer may be believed: the first signature to expire, or the registration's end.
    #[serde(serialize_with = "time")]
    pub valid_until: Option<u64>,
    /// What was left out, and why.
    pub notes: Vec<String>,
    /// What the log said, if it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<LogProof>,
    /// Each question with its answer and judgement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// What proves to others why the log refused it, if anything does.
    #[serde(skip)]
    pub evidence: Option<Box<Misbehaviour>>,
    /// The keys, delegations and log records that it rests on, with their signatures.
    #[serde(skip)]
    pub(crate) signed: Vec<SignedRecord>,
}

/// Why there is no judgement at all: no answer, or none that could be used.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The server did not answer in time.
    #[error(
        "{server} did not answer the question for {asked} within {waited_ms} ms: is it up, and is this its address?"
    )]
    Silent {
        /// Who was asked.
        server: SocketAddr,
        /// Name and type.
        asked: String,
        /// How long was waited, all tries together.
        waited_ms: u64,
    },
    /// The network refused.
    #[error("{server} cannot be reached: {source}")]
    Unreachable {
        /// Who was asked.
        server: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The server answered with an error.
    #[error("{server} did not answer the question for {asked}: {reason}")]
    Refused {
        /// Who was asked.
        server: SocketAddr,
        /// Name and type.
        asked: String,
        /// Response code, in words, with the extended errors that came along (RFC 8914).
        reason: String,
    },
    /// What came is no DNS answer.
    #[error("{server} sent a broken answer to the question for {asked}: {why}")]
    Malformed {
        /// Who was asked.
        server: SocketAddr,
        /// Name and type.
        asked: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The name is an alias, which a number in a directory never is.
    #[error("{asked}: the answer is an alias to another name, which is not followed for a number")]
    Alias {
        /// Name and type.
        asked: String,
    },
    /// The number lies in a zone of its own whose servers are not known.
    #[error(
        "the number lies in the delegated zone {zone}, whose servers cannot be found from here: ask a resolver instead"
    )]
    Delegated {
        /// The delegated zone.
        zone: String,
    },
    /// More questions than an honest directory makes necessary.
    #[error("the directory makes too many questions necessary (the last one: {asked})")]
    TooManyQuestions {
        /// Name and type.
        asked: String,
    },
    /// The whole look-up took too long.
    #[error("no complete answer from {server} within {total_ms} ms")]
    TooSlow {
        /// The first server.
        server: SocketAddr,
        /// The limit.
        total_ms: u64,
    },
    /// No server was given.
    #[error("no server to ask was given")]
    NoServer,
    /// The apex is no name, or does not lie in the anchor's zone.
    #[error("the apex {apex} does not lie in the zone of the trust anchor, {zone}")]
    Apex {
        /// What was given.
        apex: String,
        /// The anchor's zone.
        zone: String,
    },
    /// The number is too long for this apex.
    #[error("the number has no name under this apex: the name would be too long")]
    Name,
    /// The system gave no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
    /// No thread or runtime to wait on.
    #[error("the look-up could not be run: {0}")]
    Runtime(String),
}

/// How a look-up ends, as an exit code of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// There is something, and it may be used.
    Found = 0,
    /// There is nothing: the number is not in the directory.
    None = 1,
    /// No judgement.
    Error = 2,
    /// The answer must not be used.
    Bogus = 3,
}

impl Exit {
    /// The exit code for the outcome of a look-up.
    pub fn of(outcome: &Result<Lookup, LookupError>) -> Self {
        match outcome {
            Err(_) => Self::Error,
            Ok(lookup) if lookup.status.is_refused() => Self::Bogus,
            Ok(lookup) if lookup.found => Self::Found,
            Ok(_) => Self::None,
        }
    }

    /// The number for the shell.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl Directory {
    /// A directory at one server: authoritative for the anchor's zone, or a resolver.
    pub fn at(server: SocketAddr, anchor: Anchor) -> Self {
        let apex = anchor.zone().clone();
        let servers = vec![server];
        Self { servers, anchor, apex, wait_ms: WAIT_MS, total_ms: TOTAL_MS, referral_port: REFERRAL_PORT }
    }

    /// Another server to ask when those before it fail.
    pub fn or_at(mut self, server: SocketAddr) -> Self {
        self.servers.push(server);
        self
    }

    /// The suffix under which numbers stand, if it is not the anchor's zone itself but lies below it.
    pub fn with_apex(mut self, apex: &str) -> Result<Self, LookupError> {
        let wrong = || LookupError::Apex { apex: apex.to_owned(), zone: self.anchor.zone_text() };
        let mut name = Name::from_ascii(apex).map_err(|_| wrong())?.to_lowercase();
        name.set_fqdn(true);
        if !self.anchor.zone().zone_of(&name) {
            return Err(wrong());
        }
        self.apex = name;
        Ok(self)
    }

    /// Waits `wait_ms` for each answer (twice over UDP) and `total_ms` for the whole look-up.
    pub fn with_limits(mut self, wait_ms: u64, total_ms: u64) -> Self {
        (self.wait_ms, self.total_ms) = (wait_ms, total_ms);
        self
    }

    /// The port at which servers of delegated zones are asked, instead of 53.
    pub fn with_referral_port(mut self, port: u16) -> Self {
        self.referral_port = port;
        self
    }

    /// The suffix under which numbers are looked up, with the final dot.
    pub fn apex(&self) -> String {
        self.apex.to_ascii()
    }

    /// Looks `number` up now.
    pub async fn lookup(&self, number: Number) -> Result<Lookup, LookupError> {
        self.lookup_at(number, SystemClock.now_s()).await
    }

    /// Looks `number` up on a runtime of its own, for callers without one; inside one it would panic.
    pub fn lookup_blocking(&self, number: Number) -> Result<Lookup, LookupError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| LookupError::Runtime(error.to_string()))?.block_on(self.lookup(number))
    }

    /// Looks `number` up and judges signatures as of `now_s` (Unix seconds).
    pub async fn lookup_at(&self, number: Number, now_s: u64) -> Result<Lookup, LookupError> {
        Ok(self.answers_at(number, now_s).await?.0)
    }

    /// The same with the records themselves, on a runtime of its own.
    pub(crate) fn answers_blocking(&self, number: Number) -> Result<(Lookup, Vec<(Ask, Judged)>), LookupError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| LookupError::Runtime(error.to_string()))?;
        runtime.block_on(self.answers_at(number, SystemClock.now_s()))
    }

    async fn answers_at(&self, number: Number, now_s: u64) -> Result<(Lookup, Vec<(Ask, Judged)>), LookupError> {
        let server = *self.servers.first().ok_or(LookupError::NoServer)?;
        let name = Name::from_ascii(number.enum_name(&self.apex.to_ascii())).map_err(|_| LookupError::Name)?;
        let chain = Chain::new(self.anchor.clone(), self.servers.clone(), self.referral_port, self.wait_ms, now_s);
        let chain = Arc::new(chain);
        let answers = tokio::time::timeout(Duration::from_millis(self.total_ms), ask_all(&chain, &name)).await;
        let answers = answers.map_err(|_| LookupError::TooSlow { server, total_ms: self.total_ms })??;
        let mut lookup = Lookup::read(number, &answers, now_s);
        lookup.apex = self.apex.to_ascii();
        (lookup.steps, lookup.signed) = (chain.steps(), chain.signed());
        Ok((lookup, answers))
    }
}

/// The questions for one number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    Endpoints,
    Keys(Purpose),
    Log,
}

impl Ask {
    fn all() -> impl Iterator<Item = Self> {
        [Self::Endpoints, Self::Log].into_iter().chain(Purpose::ALL.map(Self::Keys))
    }

    fn question(self, number: &Name) -> Result<(Name, u16), LookupError> {
        let (label, rr_type) = match self {
            Self::Endpoints => return Ok((number.clone(), rr::NAPTR)),
            Self::Keys(purpose) => (purpose.label(), rr::TLSA),
            Self::Log => ("_keys", rr::TXT),
        };
        Ok((number.prepend_label(label).map_err(|_| LookupError::Name)?, rr_type))
    }
}

/// Asks everything about the number at once; the first error ends it.
async fn ask_all(chain: &Arc<Chain>, number: &Name) -> Result<Vec<(Ask, Judged)>, LookupError> {
    let mut tasks = JoinSet::new();
    for ask in Ask::all() {
        let (name, rr_type) = ask.question(number)?;
        let chain = Arc::clone(chain);
        tasks.spawn(async move { Ok((ask, chain.resolve(&name, rr_type).await?)) });
    }
    let mut answers = Vec::with_capacity(tasks.len());
    while let Some(done) = tasks.join_next().await {
        answers.push(done.map_err(|error| LookupError::Runtime(error.to_string()))??);
    }
    Ok(answers)
}

impl Lookup {
    /// Puts the answers together. The worst one decides about all: keys that somebody tampered with would make good
    /// endpoints useless, and the other way round.
    fn read(number: Number, answers: &[(Ask, Judged)], now_s: u64) -> Self {
        let status = answers.iter().fold(Trust::Secure, |worst, (_, judged)| worst.worse(judged.trust.clone()));
        let mut lookup = Self {
            number: number.to_string(),
            apex: String::new(),
            found: false,
            status,
            endpoints: vec![],
            keys: vec![],
            directory: None,
            valid_until: None,
            notes: vec![],
            proof: None,
            steps: vec![],
            evidence: None,
            signed: vec![],
        };
        if let Trust::Bogus(_) = lookup.status {
            return lookup;
        }
        let rdatas =
            |wanted: Ask| answers.iter().filter(move |(ask, _)| *ask == wanted).flat_map(|(_, j)| j.rdatas.clone());
        lookup.directory = keys_txt(&rdatas(Ask::Log).collect::<Vec<_>>());
        if let Some(over_s) = lookup.directory.as_ref().map(|directory| directory.not_after).filter(|end| *end <= now_s)
        {
            lookup.status = Trust::Bogus(format!("the registration ended at {}", clock::rfc3339(over_s)));
            return lookup;
        }
        (lookup.endpoints, lookup.notes) = endpoints(number, &rdatas(Ask::Endpoints).collect::<Vec<_>>());
        for purpose in Purpose::ALL {
            let (keys, notes) = published_keys(purpose, &rdatas(Ask::Keys(purpose)).collect::<Vec<_>>());
            lookup.keys.extend(keys);
            lookup.notes.extend(notes);
        }
        lookup.drop_revoked();
        lookup.found = !lookup.endpoints.is_empty() || !lookup.keys.is_empty();
        lookup.valid_until = lookup.valid_until(answers);
        lookup
    }

    /// The look-up after the log was asked and gave no proof that holds.
    pub(crate) fn refused_by_log(self, refused: Refused) -> Self {
        Self { evidence: refused.evidence, ..self.without_content(Trust::Bogus(refused.why)) }
    }

    /// The look-up after DNS and log went on differing.
    pub(crate) fn unconfirmed(self, why: String) -> Self {
        self.without_content(Trust::Unconfirmed(why))
    }

    fn without_content(self, status: Trust) -> Self {
        let (endpoints, keys) = (Vec::new(), Vec::new());
        Self { status, found: false, endpoints, keys, directory: None, valid_until: None, ..self }
    }

    /// A key in the list of revoked ones is not handed on, even if it is still published.
    fn drop_revoked(&mut self) {
        let Some(directory) = &self.directory else { return };
        let is_revoked = |key: &PublishedKey| {
            key.thumbprint.as_ref().is_some_and(|own| directory.revoked.iter().any(|gone| gone.thumbprint == *own))
        };
        let (gone, kept): (Vec<_>, Vec<_>) = self.keys.drain(..).partition(is_revoked);
        self.keys = kept;
        let notes = gone.iter().map(|key| format!("a key under {} was left out: it is revoked", key.purpose.label()));
        self.notes.extend(notes);
    }

    /// The earliest end of what the answer rests on: of records if there are any, else of the proofs that there are none.
    fn valid_until(&self, answers: &[(Ask, Judged)]) -> Option<u64> {
        let counts = |judged: &&Judged| !self.found || !judged.rdatas.is_empty();
        let signatures = answers.iter().map(|(_, judged)| judged).filter(counts).map(|judged| judged.expires_s);
        let ends = signatures.chain(self.directory.as_ref().map(|directory| directory.not_after));
        ends.min().filter(|end| *end != u64::MAX)
    }
}

impl LookupError {
    pub(crate) fn refused(server: SocketAddr, asked: String, answer: &Message) -> Self {
        let mut reason = match answer.rcode {
            1 => "it cannot read the question (FORMERR); DNSSEC needs a server that knows EDNS".to_owned(),
            2 => "it failed (SERVFAIL)".to_owned(),
            4 => "it does not do this kind of question (NOTIMP)".to_owned(),
            5 => "it refuses (REFUSED): it does not serve this zone, or not to us".to_owned(),
            other => format!("response code {other}"),
        };
        for (code, text) in &answer.extended_errors {
            reason.push_str(&match text.is_empty() {
                true => format!("; extended error {code}"),
                false => format!("; extended error {code}: {text}"),
            });
        }
        Self::Refused { server, asked, reason }
    }
}

fn time<S: Serializer>(unix_s: &Option<u64>, to: S) -> Result<S::Ok, S::Error> {
    unix_s.map(clock::rfc3339).serialize(to)
}

//! Proving an answer: what DNS says of a number is what the public log says, to everybody alike (TRUST.md 3).
//!
//! ```text
//! prove ──> POST /v1/proofs ──> log::proved::check        every check of the proof
//!   └─────> agree                                         the records from DNS, byte by byte
//! ```

mod agree;
mod trust;

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::client::lookup::{Directory, Lookup, LookupError};
use crate::client::prove::agree::Difference;
use crate::client::provider::{Api, ApiError};
use crate::clock::{self, Clock, SystemClock};
use crate::log::bytes::{Malformed, to_base64url};
use crate::log::proof::Proof;
use crate::log::proved::{self, Proved};
use crate::log::trust::TrustList;
use crate::number::Number;

pub use trust::{TrustError, trust_list};

/// The pauses before DNS and log are asked again when they differ: they are switched together, but not in one instant, and
/// an answer may come out of a cache.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(10), Duration::from_secs(10)];

/// Asks a directory for proofs and checks them.
pub struct Prover {
    api: Api,
    trust: TrustList,
    first_use: bool,
    pauses: Vec<Duration>,
}

/// Why there is no judgement about the log.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The directory gave no proof.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The trust list cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// There was no answer from DNS.
    #[error(transparent)]
    Lookup(#[from] LookupError),
}

/// What the log said, as part of a look-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogProof {
    /// `absent`, `active`, `lapsed`, `suspended` or `released`.
    pub standing: &'static str,
    /// The epoch that was proved: the newest of its log.
    pub epoch: u64,
    /// When it was sealed, Unix seconds.
    #[serde(serialize_with = "time")]
    pub sealed_at: u64,
    /// Its age in seconds when it was checked.
    pub age_s: u64,
    /// How many witnesses of the trust list have cosigned its checkpoint.
    pub witnesses: usize,
    /// What weakens it: `stale`, `unconfirmed`, `unaudited`, `pending`.
    pub warnings: Vec<&'static str>,
    /// The control key's thumbprint, base64url, if the number has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// The epoch of the last change of the control key; 0: before this era.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_epoch: Option<u64>,
    /// The origin of the log.
    pub log: String,
    /// Whether the keys of the log came from the directory itself just now, so that only a trust list of one's own could tell
    /// a false one.
    pub trust_on_first_use: bool,
}

fn time<S: Serializer>(unix_s: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&clock::rfc3339(*unix_s))
}

impl Prover {
    /// Believes that trust list.
    pub fn new(api: Api, trust: TrustList) -> Self {
        Self { api, trust, first_use: false, pauses: PAUSES.to_vec() }
    }

    /// Believes what the directory says about its own log, this once.
    pub fn on_first_use(api: Api) -> Result<Self, ProveError> {
        let trust = trust_list(&api.log_trust()?)?;
        Ok(Self { first_use: true, ..Self::new(api, trust) })
    }

    /// The pauses before asking again when DNS and log differ.
    #[must_use]
    pub fn with_pauses(mut self, pauses: &[Duration]) -> Self {
        self.pauses = pauses.to_vec();
        self
    }

    /// Asks for the proof about `number` and checks it: the directory's word for it, or why it is not to be believed.
    pub fn prove(&self, number: Number) -> Result<Result<Proved, Malformed>, ProveError> {
        let answer = self.api.proof(number)?;
        let proof = match Proof::parse(&answer.proof) {
            Ok(proof) => proof,
            Err(why) => return Ok(Err(why)),
        };
        Ok(proved::check(&proof, number, &self.trust, SystemClock.now_ms(), None))
    }

    /// Looks `number` up in DNS and in the log; nothing is handed on unless both agree.
    ///
    /// # Errors
    /// If one of them cannot be asked. A proof that fails a check makes the look-up [`Trust::Bogus`](crate::client::Trust), a
    /// lasting difference [`Trust::Unconfirmed`](crate::client::Trust).
    pub fn lookup_blocking(&self, directory: &Directory, number: Number) -> Result<Lookup, ProveError> {
        let mut pauses = self.pauses.iter();
        loop {
            let (lookup, answers) = directory.answers_blocking(number)?;
            if lookup.status.is_refused() {
                return Ok(lookup);
            }
            let proved = match self.prove(number)? {
                Ok(proved) => proved,
                Err(why) => return Ok(lookup.refused_by_log(format!("the proof does not hold: {why}"))),
            };
            let now_s = SystemClock.now_s();
            let difference = agree::difference(&proved, &answers, now_s);
            let lookup = Lookup { proof: Some(self.said(&proved, now_s)), ..lookup };
            match (difference, pauses.next()) {
                (None, _) => return Ok(lookup),
                (Some(Difference::TwoFaces(why)), _) => return Ok(lookup.refused_by_log(why)),
                (Some(Difference::Lag(_)), Some(pause)) => std::thread::sleep(*pause),
                (Some(Difference::Lag(why)), None) => return Ok(lookup.unconfirmed(why)),
            }
        }
    }

    fn said(&self, proved: &Proved, now_s: u64) -> LogProof {
        let state = proved.number.as_ref().map(|number| &number.state);
        let has_key = state.filter(|state| state.control != crate::log::ZERO);
        let sealed_at = proved.epoch_ms / 1000;
        LogProof {
            standing: proved.standing.word(),
            epoch: proved.epoch,
            sealed_at,
            age_s: now_s.saturating_sub(sealed_at),
            witnesses: proved.witnesses,
            warnings: proved.warnings.iter().map(|warning| warning.word()).collect(),
            control: has_key.map(|state| to_base64url(&state.control)),
            key_epoch: has_key.map(|state| state.key_epoch),
            log: self.trust.origin.clone(),
            trust_on_first_use: self.first_use,
        }
    }
}

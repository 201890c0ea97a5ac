//! Proving an answer: what DNS says of a number is what the public log says, to everybody alike (TRUST.md 3).
//!
//! ```text
//! lookup ──> POST /v1/proofs ──> log::proved::check       every check of the proof, against
//!    │                             ├─ trust               the keys that are believed
//!    │                             └─ pins                what was seen before, with the log's tiles in between
//!    └─────> agree                                        the records from DNS, byte by byte
//! ```

mod agree;
mod pins;
mod said;
mod trust;

use std::time::Duration;

use crate::api::audit::AuditorSaid;
use crate::client::log::{LogAt, LogError};
use crate::client::lookup::{Directory, Lookup, LookupError};
use crate::client::prove::agree::Difference;
use crate::client::provider::{Api, ApiError};
use crate::clock::{Clock, SystemClock};
use crate::log::Hash;
use crate::log::audited::{self, Audit};
use crate::log::bytes::{Malformed, array_from_base64};
use crate::log::checkpoint::Checkpoint;
use crate::log::epoch::EpochLeaf;
use crate::log::proof::Proof;
use crate::log::proved::{self, Proved, Seen};
use crate::log::trust::TrustList;
use crate::number::Number;

pub use pins::{Pins, PinsError};
pub use said::LogProof;
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
    /// The log itself cannot be read.
    #[error(transparent)]
    Log(LogError),
    /// The trust list cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// There was no answer from DNS.
    #[error(transparent)]
    Lookup(#[from] LookupError),
}

/// A proof that does not hold, in words.
type Refused = String;

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

    /// Looks `number` up in DNS and in the log; nothing is handed on unless both agree. What is to be remembered is put into
    /// `pins`, and what was remembered is compared.
    ///
    /// # Errors
    /// If one of them cannot be asked. A proof that fails a check makes the look-up [`Trust::Bogus`](crate::client::Trust), a
    /// lasting difference [`Trust::Unconfirmed`](crate::client::Trust).
    pub fn lookup_blocking(
        &self,
        directory: &Directory,
        number: Number,
        pins: &mut Pins,
    ) -> Result<Lookup, ProveError> {
        let mut pauses = self.pauses.iter();
        loop {
            let (lookup, answers) = directory.answers_blocking(number)?;
            if lookup.status.is_refused() {
                return Ok(lookup);
            }
            let (proved, note) = match self.prove(number, pins)? {
                Ok(proved) => proved,
                Err(why) => return Ok(lookup.refused_by_log(why)),
            };
            let now_s = SystemClock.now_s();
            match (agree::difference(&proved, &answers, now_s), pauses.next()) {
                (None, _) => {
                    let key_since_s = match self.key_since_s(&proved)? {
                        Ok(since_s) => since_s,
                        Err(why) => return Ok(lookup.refused_by_log(why)),
                    };
                    let changed = pins.remember(number, &proved, note, &lookup.keys);
                    let said = LogProof::of(&proved, now_s, key_since_s, changed, self.first_use);
                    return Ok(Lookup { proof: Some(said), ..lookup });
                }
                (Some(Difference::TwoFaces(why)), _) => return Ok(lookup.refused_by_log(why)),
                (Some(Difference::Lag(_)), Some(pause)) => std::thread::sleep(*pause),
                (Some(Difference::Lag(why)), None) => return Ok(lookup.unconfirmed(why)),
            }
        }
    }

    /// Asks for the proof about `number` and makes every check that needs no DNS; gives the signed checkpoint too.
    fn prove(&self, number: Number, pins: &Pins) -> Result<Result<(Proved, String), Refused>, ProveError> {
        let auditors: Vec<String> = self.trust.auditors.iter().map(|key| key.name().to_owned()).collect();
        let answer = self.api.proof_and_audit(number, &auditors)?;
        let refused = |why: Malformed| format!("the proof does not hold: {why}");
        let proof = match Proof::parse(&answer.proof) {
            Ok(proof) => proof,
            Err(why) => return Ok(Err(refused(why))),
        };
        let now_ms = SystemClock.now_ms();
        let audited = |mut proved: Proved| {
            let said = answer.auditor.as_ref().map_or(Ok(None), |said| self.audited(said, &proved, now_ms))?;
            said.into_iter().for_each(|time_s| proved.add_audit(time_s));
            Ok(proved)
        };
        let alone = match proved::check(&proof, number, &self.trust, now_ms, None).and_then(audited) {
            Ok(proved) => proved,
            Err(why) => return Ok(Err(refused(why))),
        };
        let Some((seen, root)) = pins.logs.get(&self.trust.origin).and_then(|log| Some((log, log.root()?))) else {
            return Ok(Ok((alone, proof.checkpoint)));
        };
        let since = match self.since(seen.size, &alone.checkpoint)? {
            Ok(since) => since,
            Err(why) => return Ok(Err(why)),
        };
        let seen = Seen { size: seen.size, root: &root, since: &since };
        let checked = proved::check(&proof, number, &self.trust, now_ms, Some(seen)).and_then(audited);
        Ok(checked.map(|proved| (proved, proof.checkpoint)).map_err(refused))
    }

    /// When an auditor has cosigned what the proof's head goes on from, Unix seconds.
    fn audited(&self, said: &AuditorSaid, proved: &Proved, now_ms: u64) -> Result<Option<u64>, Malformed> {
        let hashes: Option<Vec<Hash>> = said.consistency.iter().map(|hash| array_from_base64(hash)).collect();
        let consistency = hashes.ok_or(Malformed::new("what the auditor cosigned", "base64"))?;
        let audit = Audit { checkpoint: &said.checkpoint, consistency: &consistency };
        audited::check(audit, &proved.checkpoint, proved.epoch_ms, &self.trust, now_ms)
    }

    /// How the log of the proof continues the first `size` leaves: from its tiles, under the proof's own checkpoint.
    fn since(&self, size: u64, now: &Checkpoint) -> Result<Result<Vec<Hash>, Refused>, ProveError> {
        if size >= now.size {
            return Ok(Ok(Vec::new())); // the check says what is wrong, if anything is
        }
        let proof = self
            .log()
            .tree_at(now)
            .and_then(|mut tree| tree.consistency(size, now.size).map_err(|error| LogError::of(&now.origin, error)));
        untrue_is_refused(proof)
    }

    /// When the epoch was sealed that last changed the control key, Unix seconds; None: before this era, or there is no key.
    fn key_since_s(&self, proved: &Proved) -> Result<Result<Option<u64>, Refused>, ProveError> {
        let epoch = proved.number.as_ref().map_or(0, |number| number.state.key_epoch);
        match epoch {
            0 => return Ok(Ok(None)),
            newest if newest == proved.epoch => return Ok(Ok(Some(proved.epoch_ms / 1000))),
            _ => {}
        }
        let at = &proved.checkpoint;
        let leaf = self.log().tree_at(at).and_then(|mut tree| {
            if epoch >= at.size {
                return Ok(None);
            }
            let raw = tree.entry(epoch).map_err(|error| LogError::of(&at.origin, error))?;
            Ok(std::str::from_utf8(&raw).ok().and_then(|text| EpochLeaf::parse(text).ok()))
        });
        let leaf = match untrue_is_refused(leaf)? {
            Ok(leaf) => leaf.filter(|leaf| leaf.epoch == epoch),
            Err(why) => return Ok(Err(why)),
        };
        let none =
            || format!("epoch {epoch}, in which the control key is said to have changed, is no epoch of the log");
        Ok(leaf.map(|leaf| Some(leaf.time_ms / 1000)).ok_or_else(none))
    }

    fn log(&self) -> LogAt {
        LogAt::in_api(self.api.clone(), &self.trust.origin)
    }
}

/// A log that contradicts its checkpoint is no error of ours: it refuses the proof.
fn untrue_is_refused<T>(read: Result<T, LogError>) -> Result<Result<T, Refused>, ProveError> {
    match read {
        Ok(read) => Ok(Ok(read)),
        Err(error) if error.is_untrue() => Ok(Err(error.to_string())),
        Err(LogError::Api(error)) => Err(error.into()),
        Err(error) => Err(ProveError::Log(error)),
    }
}

//! Proving an answer: what DNS says of a number is what the public log says, to everybody alike (TRUST.md 3).
//!
//! ```text
//! lookup ──> POST /v1/proofs ──> log::proved::check       every check of the proof, against
//!    │                             ├─ trust               the keys that are believed
//!    │                             └─ pins                what was seen before, with the log's tiles in between
//!    └─────> agree                                        the records from DNS, byte by byte
//! ```

mod agree;
mod changes;
mod monitor;
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
use crate::log::misbehaviour::{Forked, Misbehaviour, What};
use crate::log::proof::Proof;
use crate::log::proved::{self, Proved, Seen};
use crate::log::trust::TrustList;
use crate::number::Number;

pub use changes::{Changed, Pending, Signer};
pub use monitor::{Monitored, Question, Subject, Watched};
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
    /// Nothing is there to be watched.
    #[error("{0}")]
    NotThere(String),
}

/// What is refused: why, in words, and what proves to others what was done, if anything does.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Why it is not to be believed.
    pub why: String,
    /// Evidence that holds.
    pub evidence: Option<Box<Misbehaviour>>,
}

/// What a log has after its first leaves, if it has more, and the consistency proof from there on.
type Continued = (Option<Hash>, Vec<Hash>);

impl From<String> for Refused {
    fn from(why: String) -> Self {
        Self { why, evidence: None }
    }
}

impl From<Malformed> for Refused {
    fn from(why: Malformed) -> Self {
        format!("the proof does not hold: {why}").into()
    }
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
            let (proved, proof) = match self.prove(number, pins)? {
                Ok(proved) => proved,
                Err(refused) => return Ok(lookup.refused_by_log(refused)),
            };
            let now_s = SystemClock.now_s();
            match (agree::difference(&proved, &answers, now_s), pauses.next()) {
                (None, _) => {
                    let key_since_s = match self.key_since_s(&proved)? {
                        Ok(since_s) => since_s,
                        Err(refused) => return Ok(lookup.refused_by_log(refused)),
                    };
                    let changed = pins.remember(number, &proved, proof.checkpoint, &lookup.keys);
                    let said = LogProof::of(&proved, now_s, key_since_s, changed, self.first_use);
                    return Ok(Lookup { proof: Some(said), ..lookup });
                }
                (Some(Difference::TwoFaces(why)), _) => {
                    let (seen_s, records, proof) = (now_s, lookup.signed.clone(), proof.write());
                    let what = What::Names { number, seen_s, proof, records };
                    return Ok(lookup.refused_by_log(Refused { why, evidence: self.evidence(what) }));
                }
                (Some(Difference::Lag(_)), Some(pause)) => std::thread::sleep(*pause),
                (Some(Difference::Lag(why)), None) => return Ok(lookup.unconfirmed(why)),
            }
        }
    }

    /// Asks for the proof about `number` and makes every check that needs no DNS.
    fn prove(&self, number: Number, pins: &Pins) -> Result<Result<(Proved, Proof), Refused>, ProveError> {
        let auditors: Vec<String> = self.trust.auditors.iter().map(|key| key.name().to_owned()).collect();
        let answer = self.api.proof_and_audit(number, &auditors)?;
        self.checked(&answer.proof, pins, |proof, now_ms, seen| {
            let mut proved = proved::check(proof, number, &self.trust, now_ms, seen)?;
            let said = answer.auditor.as_ref().map_or(Ok(None), |said| self.audited(said, &proved, now_ms))?;
            said.into_iter().for_each(|time_s| proved.add_audit(time_s));
            Ok(proved)
        })
    }

    /// When an auditor has cosigned what the proof's head goes on from, Unix seconds.
    fn audited(&self, said: &AuditorSaid, proved: &Proved, now_ms: u64) -> Result<Option<u64>, Malformed> {
        let hashes: Option<Vec<Hash>> = said.consistency.iter().map(|hash| array_from_base64(hash)).collect();
        let consistency = hashes.ok_or(Malformed::new("what the auditor cosigned", "base64"))?;
        let audit = Audit { checkpoint: &said.checkpoint, consistency: &consistency };
        audited::check(audit, &proved.checkpoint, proved.epoch_ms, &self.trust, now_ms)
    }

    /// Checks a proof by `check`, first alone and then against what was seen of the log before.
    fn checked(
        &self,
        text: &str,
        pins: &Pins,
        check: impl Fn(&Proof, u64, Option<Seen<'_>>) -> Result<Proved, Malformed>,
    ) -> Result<Result<(Proved, Proof), Refused>, ProveError> {
        let now_ms = SystemClock.now_ms();
        let alone = Proof::parse(text).and_then(|proof| Ok((check(&proof, now_ms, None)?, proof)));
        let (alone, proof) = match alone {
            Ok(alone) => alone,
            Err(why) => return Ok(Err(why.into())),
        };
        let Some((pinned, root)) = pins.logs.get(&self.trust.origin).and_then(|log| Some((log, log.root()?))) else {
            return Ok(Ok((alone, proof)));
        };
        let (there, since) = match self.since(pinned.size, &alone.checkpoint)? {
            Ok(since) => since,
            Err(refused) => return Ok(Err(refused)),
        };
        let seen = Seen { size: pinned.size, root: &root, since: &since };
        Ok(match check(&proof, now_ms, Some(seen)) {
            Ok(proved) => Ok((proved, proof)),
            Err(why) => {
                let forked = there.map(|root| Forked { root, since: since.clone() });
                let notes = [pinned.checkpoint.clone(), proof.checkpoint];
                Err(Refused { evidence: self.evidence(What::Checkpoints { notes, forked }), ..why.into() })
            }
        })
    }

    /// Evidence about this log, unless it proves nothing.
    fn evidence(&self, what: What) -> Option<Box<Misbehaviour>> {
        let of_map = !matches!(what, What::Checkpoints { .. });
        let evidence = Misbehaviour {
            log: self.trust.log.clone(),
            vrf: of_map.then(|| *self.trust.vrf.as_bytes()),
            eras: if of_map { self.trust.eras.clone() } else { Vec::new() },
            what,
        };
        evidence.check().is_ok().then(|| Box::new(evidence))
    }

    /// What the log of the proof has after `size` leaves, if it has more, and how it continues them: from its tiles, under the proof's own
    /// checkpoint.
    fn since(&self, size: u64, now: &Checkpoint) -> Result<Result<Continued, Refused>, ProveError> {
        if size >= now.size {
            return Ok(Ok((None, Vec::new()))); // the check says what is wrong, if anything is
        }
        let failed = |error| LogError::of(&now.origin, error);
        let proof = self.log().tree_at(now).and_then(|mut tree| {
            let root = tree.root_at(size).map_err(failed)?;
            Ok((Some(root), tree.consistency(size, now.size).map_err(failed)?))
        });
        untrue_is_refused(proof)
    }

    /// When the epoch was sealed that last changed the control key, Unix seconds; None: before this era, or there is no key.
    fn key_since_s(&self, proved: &Proved) -> Result<Result<Option<u64>, Refused>, ProveError> {
        let epoch = proved.number.as_ref().map_or(0, |number| number.state.key_epoch);
        if epoch == 0 {
            return Ok(Ok(None));
        }
        let times = self.times_s(proved, &[epoch])?;
        Ok(times.map(|times| times.first().copied()))
    }

    /// When these epochs of the log were sealed, Unix seconds.
    fn times_s(&self, proved: &Proved, epochs: &[u64]) -> Result<Result<Vec<u64>, Refused>, ProveError> {
        let at = &proved.checkpoint;
        let leaves = self.log().tree_at(at).and_then(|mut tree| {
            let mut leaf = |epoch: &u64| match *epoch {
                newest if newest == proved.epoch => Ok(Some(proved.epoch_ms)),
                later if later >= at.size => Ok(None),
                epoch => {
                    let raw = tree.entry(epoch).map_err(|error| LogError::of(&at.origin, error))?;
                    let leaf = std::str::from_utf8(&raw).ok().and_then(|text| EpochLeaf::parse(text).ok());
                    Ok(leaf.filter(|leaf| leaf.epoch == epoch).map(|leaf| leaf.time_ms))
                }
            };
            epochs.iter().map(&mut leaf).collect::<Result<Vec<_>, LogError>>()
        });
        let leaves = match untrue_is_refused(leaves)? {
            Ok(leaves) => leaves,
            Err(refused) => return Ok(Err(refused)),
        };
        let none =
            |epoch| format!("epoch {epoch}, in which the number is said to have changed, is no epoch of the log");
        let times =
            epochs.iter().zip(leaves).map(|(epoch, ms)| ms.map(|ms| ms / 1000).ok_or_else(|| none(epoch).into()));
        Ok(times.collect())
    }

    fn log(&self) -> LogAt {
        LogAt::in_api(self.api.clone(), &self.trust.origin)
    }
}

/// A log that contradicts its checkpoint is no error of ours: it refuses the proof.
fn untrue_is_refused<T>(read: Result<T, LogError>) -> Result<Result<T, Refused>, ProveError> {
    match read {
        Ok(read) => Ok(Ok(read)),
        Err(error) if error.is_untrue() => Ok(Err(error.to_string().into())),
        Err(LogError::Api(error)) => Err(error.into()),
        Err(error) => Err(ProveError::Log(error)),
    }
}

//! The signer's memory against the ledger: proofs for it, notes from it, and what follows when the two do not agree.
//!
//! ```text
//! start: signer (size, root) = ledger's tree at that size? --yes--> the signer goes on     --no--> FROZEN
//! ```
//! FROZEN: the ledger is older than what was signed (a restored backup), or tells something else. DNS and reads go on as the
//! ledger is, every change is refused, no epoch is made and nothing is signed. A start that agrees ends it.

use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use crate::authority::error::{OpenError, Rejection};
use crate::authority::sequencer::Head;
use crate::authority::{Core, Settings};
use crate::ledger::{Ledger, LedgerError, Snapshot};
use crate::log::checkpoint::Checkpoint;
use crate::log::cosigner::{Refused, Seen};
use crate::log::epoch::EpochLeaf;
use crate::log::gov::GovLeaf;
use crate::log::merkle::{self, Frontier};
use crate::log::note::{Note, VerifierKey};
use crate::log::{Hash, bytes::Malformed};
use crate::signer::{Local, Log, LogSigner, Memory, Place, Remote, SignerError};

/// The name under which the signer's public keys are kept in the ledger. That they stand there says that it has a memory,
/// which from then on is never made anew in silence.
pub(super) const REMEMBERED: &str = "signer remembers";
/// Leaves read at a time.
const LEAVES_PAGE: u64 = 1000;

/// Why an epoch was not made: the next turn tries again.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// The ledger refuses.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The signer refuses, or is not there.
    #[error("the log cannot be signed: {0}")]
    Signer(#[from] SignerError),
    /// The witnesses' quorum is not there yet.
    #[error("the newest epoch waits for the cosignatures of its witnesses")]
    Unconfirmed,
}

impl From<TurnError> for OpenError {
    fn from(error: TurnError) -> Self {
        match error {
            TurnError::Ledger(error) => error.into(),
            TurnError::Signer(error) => error.into(),
            TurnError::Unconfirmed => LedgerError::Unavailable(error.to_string()).into(),
        }
    }
}

impl From<TurnError> for Rejection {
    fn from(error: TurnError) -> Self {
        /// A quorum comes within the minute, or is not waited for.
        const RETRY_S: u32 = 60;
        match error {
            TurnError::Ledger(error) => error.into(),
            TurnError::Signer(error) => error.into(),
            TurnError::Unconfirmed => Self::Unavailable { retry_after_s: RETRY_S, why: error.to_string() },
        }
    }
}

impl From<SignerError> for Rejection {
    /// When to ask again if the signer is away: it is restarted, or somebody looks after it.
    fn from(error: SignerError) -> Self {
        const RETRY_S: u32 = 30;
        tracing::error!(%error, "a decision could not be signed");
        Self::Unavailable { retry_after_s: RETRY_S, why: "the public log cannot be signed just now".to_owned() }
    }
}

/// What to do about a ledger that is not the one that was signed.
const FROZEN_REMEDY: &str = "Stop the service, restore the ledger that has at least what was signed, and start again. If no such ledger \
     exists any more, `callbook log refill` brings this one up from a mirror's copy and an auditor's batches. Without these the log is over: the council closes the era and opens a new one. Nothing is ever signed a second time in another way";

/// Says why signer and ledger disagree; None if they agree.
pub(super) fn disagreement(now: &Snapshot<'_>, signed: &[Seen; 2], head: &Head) -> Result<Option<String>, LedgerError> {
    for (log, seen) in Log::ALL.into_iter().zip(signed) {
        let size = size_of(now, log, head)?;
        let what = match seen.size {
            signed if signed > size => format!(
                "the {} was signed up to size {signed}, and the ledger has only {size} of its leaves: it is older than what was published, as \
                 after a backup was restored",
                log.name()
            ),
            signed if root_at(now, log, head, signed)? != seen.root => {
                format!("the ledger's {} is not the one that was signed at size {signed}", log.name())
            }
            _ => continue,
        };
        return Ok(Some(format!("{what}. {FROZEN_REMEDY}")));
    }
    Ok(None)
}

fn size_of(now: &Snapshot<'_>, log: Log, head: &Head) -> Result<u64, LedgerError> {
    match log {
        Log::Map => Ok(head.log.size()),
        Log::Gov => now.gov_size(),
    }
}

/// The root over the first `size` leaves.
fn root_at(now: &Snapshot<'_>, log: Log, head: &Head, size: u64) -> Result<Hash, LedgerError> {
    let known = [Some(&head.log), head.before.as_ref()].into_iter().flatten().find(|tree| tree.size() == size);
    match known {
        Some(tree) if log == Log::Map => Ok(tree.root()),
        _ => root_of(now, log, 0..size),
    }
}

/// The root over some leaves, read from the ledger.
pub(super) fn root_of(now: &Snapshot<'_>, log: Log, range: std::ops::Range<u64>) -> Result<Hash, LedgerError> {
    let mut tree = Frontier::new();
    let mut at = range.start;
    while at < range.end {
        let want = (range.end - at).min(LEAVES_PAGE);
        let page: Vec<Vec<u8>> = match log {
            Log::Map => now.epochs_from(at, want as usize)?.into_iter().map(|epoch| epoch.leaf).collect(),
            Log::Gov => now.gov_leaves_from(at, want)?,
        };
        if page.len() as u64 != want {
            return Err(LedgerError::Damaged("a leaf of a log is missing"));
        }
        page.iter().for_each(|leaf| tree.append(merkle::leaf_hash(leaf)));
        at += want;
    }
    Ok(tree.root())
}

/// The proof that a log of `size` leaves goes on from its first `old`, from the ledger's leaves.
pub(super) fn consistency(now: &Snapshot<'_>, log: Log, old: u64, size: u64) -> Result<Vec<Hash>, LedgerError> {
    match old {
        0 => Ok(Vec::new()),
        old => merkle::consistency_ranges(old, size).into_iter().map(|range| root_of(now, log, range)).collect(),
    }
}

/// Has a head signed: with the proof at hand first, and when the signer was elsewhere, from there.
fn sign(
    ledger: &Ledger,
    signer: &LogSigner,
    log: Log,
    head: &Checkpoint,
    (old, proof): (u64, Vec<Hash>),
) -> Result<String, TurnError> {
    let line = match signer.sign(head, old, &proof) {
        Err(SignerError::Refused(Refused::Elsewhere(seen))) if seen.size <= head.size => {
            let proof = ledger.read(|now| consistency(now, log, seen.size, head.size))?;
            signer.sign(head, seen.size, &proof)
        }
        signed => signed,
    };
    Ok(format!("{}\n{}", head.write(), line?))
}

/// The signed checkpoint over the map log as it is sealed.
pub(super) fn sign_map(ledger: &Ledger, signer: &LogSigner, head: &Head, origin: &str) -> Result<String, TurnError> {
    let checkpoint = Checkpoint { origin: origin.to_owned(), size: head.log.size(), root: head.log.root() };
    let step = match &head.before {
        Some(before) => (before.size(), before.consistency_of_next(&merkle::leaf_hash(&head.epoch.leaf))),
        None => (checkpoint.size, Vec::new()), // the signer says where it is
    };
    sign(ledger, signer, Log::Map, &checkpoint, step)
}

/// A leaf of the gov log with its signature.
pub(super) fn sign_leaf(signer: &LogSigner, leaf: &GovLeaf) -> Result<String, SignerError> {
    let text = leaf.write().ok_or(Malformed::new("gov", "it has no canonical form"))?;
    Ok(format!("{text}\n{}", signer.sign_leaf(&text)?))
}

/// Both keys as they are kept in the ledger.
pub(super) fn write_keys(signer: &LogSigner) -> Vec<u8> {
    Log::ALL.map(|log| format!("{}\n", signer.verifier(log))).concat().into_bytes()
}

/// Both keys, if they are known.
pub(super) fn known_keys(now: &Snapshot<'_>) -> Result<Option<[VerifierKey; 2]>, LedgerError> {
    let Some(raw) = now.meta(REMEMBERED)? else { return Ok(None) };
    let read = || {
        let mut keys = std::str::from_utf8(&raw).ok()?.lines().map(VerifierKey::parse);
        Some([keys.next()?.ok()?, keys.next()?.ok()?])
    };
    read().map(Some).ok_or(LedgerError::Damaged("the stored keys of the logs"))
}

/// What the newest signed checkpoint of the map log says of both logs; `key` must have signed it.
pub(super) fn signed_heads(now: &Snapshot<'_>, key: &VerifierKey) -> Result<Option<[Seen; 2]>, LedgerError> {
    let newest = now.newest_epoch()?;
    let before =
        newest.as_ref().filter(|newest| newest.note.is_none()).map(|newest| now.epoch(newest.n.saturating_sub(1)));
    let Some(epoch) = before.transpose()?.unwrap_or(newest) else { return Ok(None) };
    let opened = Note::open(epoch.note.as_deref().unwrap_or_default(), std::slice::from_ref(key)).ok();
    let opened = opened.filter(|note| !note.signed.is_empty());
    let Some(head) = opened.and_then(|note| Checkpoint::parse(&note.text).ok()) else { return Ok(None) };
    let leaf = std::str::from_utf8(&epoch.leaf).ok().and_then(|text| EpochLeaf::parse(text).ok());
    let gov = leaf.map_or_else(Seen::nothing, |leaf| Seen { size: leaf.gov_size, root: leaf.gov_root });
    Ok((head.size == epoch.n + 1).then_some([Seen::of(&head), gov]))
}

/// Makes the memory of a signer anew, from the newest signed checkpoint in the ledger of an installation that does not run.
/// Gives what it begins from, of the map log and of the gov log. A memory that is there stays.
pub fn adopt(settings: &Settings, state: &Path) -> Result<[Seen; 2], OpenError> {
    let ledger = Ledger::open(&settings.data)?;
    let signer = Local::open(&settings.keys, state, &settings.lock, &settings.origins())?;
    if signer.remembers() {
        return Err(OpenError::Disagree {
            what: format!(
                "{} says what was signed last, and so does its neighbour",
                settings.origins().state_file(Log::Map, state).display()
            ),
            remedy: "There is nothing to be made anew",
        });
    }
    let heads = ledger.read::<_, LedgerError>(|now| {
        let Some(heads) = signed_heads(now, signer.verifier(Log::Map))? else { return Ok(None) };
        let mut same = true;
        for (log, head) in Log::ALL.into_iter().zip(&heads) {
            same &= root_of(now, log, 0..head.size)? == head.root;
        }
        Ok(same.then_some(heads))
    })?;
    let heads = heads.ok_or_else(|| OpenError::Disagree {
        what: "the newest checkpoint in the ledger is not signed by log.key, or not over the leaves that are there"
            .to_owned(),
        remedy: "Restore the ledger that belongs to the key from the backup",
    })?;
    for (log, head) in Log::ALL.into_iter().zip(heads) {
        signer.adopt(log, head)?;
    }
    Ok(heads)
}

/// Why a directory is frozen, or will be when it is started; None if ledger and signer agree. Also while it works.
pub fn log_disagreement(settings: &Settings) -> Result<Option<String>, OpenError> {
    let origins = settings.origins();
    // Before the ledger is looked at, which is ahead of the signer at any moment.
    let signed = match &settings.signer {
        Place::Here(folder) => {
            let peek =
                |log: Log| Memory::peek(&origins.state_file(log, folder), origins.of(log)).map_err(SignerError::from);
            [peek(Log::Map)?, peek(Log::Gov)?]
        }
        Place::Socket(path) => Remote::open(path, &origins, None)?.all_seen()?,
    };
    Ledger::peek(&settings.data, |now| {
        let head = Head::load(now)?.ok_or(LedgerError::Damaged("the map log has no leaf"))?;
        Ok(disagreement(now, &signed, &head)?)
    })
}

impl Core {
    /// A leaf of the gov log with its signature; refused when it cannot be written or nothing is signed any more.
    pub(super) fn sign_leaf(&self, leaf: &GovLeaf) -> Result<String, Rejection> {
        if self.frozen().is_some() {
            return Err(Rejection::Frozen);
        }
        match sign_leaf(&self.signer, leaf) {
            Err(SignerError::Malformed(_)) => {
                Err(Rejection::Conflict("this cannot be written into the public log".to_owned()))
            }
            signed => Ok(signed?),
        }
    }

    /// The signed checkpoint over the map log as it is sealed. A signer that contradicts the ledger freezes it.
    pub(super) fn sign_map(&self, head: &Head) -> Result<String, TurnError> {
        if self.frozen().is_some() {
            return Err(LedgerError::Frozen.into());
        }
        let signed = sign_map(&self.ledger, &self.signer, head, &self.origin);
        self.mind_contradiction(Log::Map, &signed);
        signed
    }

    /// The signed checkpoint over the gov log as it is in force.
    pub(super) fn sign_gov(&self) -> Result<String, TurnError> {
        if self.frozen().is_some() {
            return Err(LedgerError::Frozen.into());
        }
        // Held while the log is looked at, so that no older head comes after a newer one.
        let mut newest = self.gov_note.lock().unwrap_or_else(PoisonError::into_inner);
        let law = self.law();
        if newest.0 != law.size() {
            let checkpoint = Checkpoint { origin: self.settings.gov_origin(), size: law.size(), root: law.root() };
            // The signer says where it is.
            let signed = sign(&self.ledger, &self.signer, Log::Gov, &checkpoint, (checkpoint.size, Vec::new()));
            self.mind_contradiction(Log::Gov, &signed);
            *newest = (law.size(), signed?);
        }
        Ok(newest.1.clone())
    }

    fn mind_contradiction<T>(&self, log: Log, signed: &Result<T, TurnError>) {
        if let Err(TurnError::Signer(SignerError::Refused(refused))) = signed {
            self.freeze(format!("the signer refuses the {}: {refused}. {FROZEN_REMEDY}", log.name()));
        }
    }

    /// Compares with the signer if the start could not, since it was away. False: the directory is frozen.
    pub(super) fn agrees(&self, head: &Head) -> Result<bool, TurnError> {
        if !self.agreed.load(Ordering::Acquire) {
            let signed = self.signer.all_seen()?;
            match self.ledger.read(|now| disagreement(now, &signed, head))? {
                Some(why) => self.freeze(why),
                None => self.agreed.store(true, Ordering::Release),
            }
        }
        Ok(self.frozen().is_none())
    }

    /// Takes no change any more, until a start that agrees.
    pub(super) fn freeze(&self, why: String) {
        tracing::error!(%why, "FROZEN: look-ups go on, every change is refused");
        self.ledger.freeze();
        self.vitals.lock().unwrap_or_else(PoisonError::into_inner).frozen = Some(why.clone());
        let _first_stays = self.frozen.set(why);
    }

    /// Why nothing is changed any more, if so.
    pub(super) fn frozen(&self) -> Option<&str> {
        self.frozen.get().map(String::as_str)
    }
}

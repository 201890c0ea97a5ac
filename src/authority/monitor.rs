//! What became of a number, for its own holder: the newest proof and every State since one that the holder knows.
//!
//! Who may ask: whoever signs with a key that was the number's control key in one of these States, also one that has lost the
//! number since, and a watcher to whom such a key has given leave. For everybody else there is no such number.

use crate::authority::error::Rejection;
use crate::authority::proofs::prove;
use crate::authority::shown::View;
use crate::authority::{Authority, Core};
use crate::ledger::{EventRow, LedgerError, Snapshot};
use crate::log::key::{PublicKey, Thumbprint};
use crate::log::label::Label;
use crate::log::monitor::{self, Grant};
use crate::log::proof::Proof;
use crate::log::state::State;

/// How far the time in a request may lie from ours.
const CLOCKS_APART_S_MAX: u64 = 300;
/// States that are told at most: a number that changes each day reaches it in 27 years.
const STATES_MAX: usize = 10_000;
/// In the place of the VRF proof of a number that was given back: its place is known to who asks, and to nobody else any more.
const NO_VRF_PROOF: [u8; 80] = [0; 80];

/// A question about a label.
#[derive(Clone, Debug)]
pub struct Watch {
    /// The label.
    pub label: Label,
    /// The first version that is asked for.
    pub from_version: u64,
    /// When the question was signed, Unix seconds.
    pub at_s: u64,
    /// The key that signed it.
    pub key: PublicKey,
    /// Its signature over [`monitor::tbs`].
    pub signature: [u8; 64],
    /// The control key's leave, if the key is a watcher's.
    pub grant: Option<Grant>,
}

/// What became of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The proof of its newest State, or of what the newest epoch says.
    pub proof: Proof,
    /// Every State from the version that was asked for, oldest first.
    pub states: Vec<State>,
}

impl Authority {
    /// Answers a question about a label.
    pub fn watch_blocking(&self, watch: &Watch) -> Result<Watched, Rejection> {
        let core = &self.core;
        let now_s = core.now_ms() / 1000;
        if now_s.abs_diff(watch.at_s) > CLOCKS_APART_S_MAX {
            let why = "the time in the request is not the present: set the clock of the device, and sign again";
            return Err(Rejection::Forbidden(why.to_owned()));
        }
        let asker = core.asker(watch, now_s).ok_or(Rejection::NotFound)?;
        core.ledger.read(|now| {
            let view = core.shown.view(|_| now.standing(&watch.label).map(|_| Some(watch.label)))?;
            let view = view.ok_or(LedgerError::Damaged("a label that is not in view"))?;
            let states: Vec<State> =
                states(now, &view)?.into_iter().filter(|state| state.version >= watch.from_version).collect();
            if !states.iter().any(|state| state.control == asker) {
                return Err(Rejection::NotFound);
            }
            let personal = now.personal(&watch.label)?;
            let pi = personal.map_or(NO_VRF_PROOF, |personal| personal.proof);
            Ok(Watched { proof: prove(now, &view, Some(pi))?, states })
        })
    }
}

impl Core {
    /// The control key on whose behalf is asked, if the signatures are good.
    fn asker(&self, watch: &Watch, now_s: u64) -> Option<Thumbprint> {
        let Watch { label, from_version, at_s, key, signature, grant } = watch;
        let tbs = monitor::tbs(&self.origin, label, *from_version, *at_s);
        if !key.verify(&tbs, signature) {
            return None;
        }
        match grant {
            None => Some(key.thumbprint()),
            Some(grant) => grant.verifies(&self.origin, label, &key.thumbprint(), now_s).then(|| grant.by.thumbprint()),
        }
    }
}

/// Every State of a label up to the one that is shown, oldest first: each event again, with the epochs that the sequencer set.
fn states(now: &Snapshot<'_>, view: &View) -> Result<Vec<State>, LedgerError> {
    let standing = match &view.own {
        Some(before) => before.standing.clone(),
        None => now.standing(&view.label)?,
    };
    let Some(standing) = standing else { return Ok(Vec::new()) };
    let lost = || LedgerError::Damaged("an event of a label's past is missing");
    let mut rows: Vec<EventRow> = vec![now.event_by_seq(standing.event_seq)?.ok_or_else(lost)?];
    while let Some(seq) = rows.last().and_then(|row| row.before_seq)
        && rows.len() < STATES_MAX
    {
        rows.push(now.event_by_seq(seq)?.ok_or_else(lost)?);
    }
    let mut states: Vec<State> = Vec::with_capacity(rows.len());
    for row in rows.iter().rev() {
        let epoch = now.epoch_of(row.seq)?.ok_or_else(lost)?.n;
        let before = states.last();
        let same_key = before.is_some_and(|before| before.control == row.event.state.control);
        let key_epoch = before.filter(|_| same_key).map_or(epoch, |before| before.key_epoch);
        states.push(State { since_epoch: epoch, key_epoch, ..row.event.state.clone() });
    }
    match states.last() == Some(&standing.entry.state) {
        true => Ok(states),
        false => Err(LedgerError::Damaged("the events of a label do not make its State")),
    }
}

//! What became of a number, for its own holder: the newest proof and every event since a version that the holder knows.
//!
//! Who may ask: whoever signs with a key that was the number's control key in one of these versions, also one that has lost the number
//! since, and a watcher to whom such a key has given leave. For everybody else there is no such number.

use crate::api::monitor::MONITOR_PAGE_MAX;
use crate::authority::error::Rejection;
use crate::authority::proofs::prove;
use crate::authority::shown::View;
use crate::authority::{Authority, Core};
use crate::ledger::{EventRow, LedgerError, Snapshot};
use crate::log::event::{Event, Kind};
use crate::log::key::{PublicKey, Thumbprint};
use crate::log::label::Label;
use crate::log::monitor::{self, Grant};
use crate::log::proof::{Found, Proof};
use crate::log::state::State;

/// How far the time in a request may lie from ours.
const CLOCKS_APART_S_MAX: u64 = 300;
/// In the place of the VRF proof for whoever is not the control key: with a proof, who only knows the label could try all numbers.
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
    /// The proof of its newest State.
    pub proof: Proof,
    /// The event of every version from the one that was asked for on, oldest first, epochs filled in; [`MONITOR_PAGE_MAX`] at most.
    pub events: Vec<Event>,
    /// Whether there are more.
    pub more: bool,
}

impl Authority {
    /// Answers a question about a label. A stranger, a wrong key, a bad signature and a label that is none are all
    /// [`Rejection::NotFound`].
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
            let past = Past::of(now, &view, watch.from_version)?;
            if !past.had_key(&asker) {
                return Err(Rejection::NotFound);
            }
            let holds = past.newest().is_some_and(|newest| newest.control == asker) && watch.grant.is_none();
            let pi = (!holds).then_some(NO_VRF_PROOF);
            let mut proof = prove(now, &view, pi)?;
            if let Found::Present(present) = &mut proof.extra.found
                && !holds
            {
                present.opened = None;
            }
            let (events, more) = past.page(now)?;
            Ok(Watched { proof, events, more })
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

/// The events of a label up to the one that is shown.
struct Past {
    /// Oldest first, both epochs 0. Before the first version that is asked for stand only those back to the last change of the control key.
    rows: Vec<EventRow>,
    from_version: u64,
    /// As the map holds it.
    shown: Option<State>,
}

impl Past {
    /// From the newest event back: an event names the one before.
    fn of(now: &Snapshot<'_>, view: &View, from_version: u64) -> Result<Self, LedgerError> {
        let standing = match &view.own {
            Some(before) => before.standing.clone(),
            None => now.standing(&view.label)?,
        };
        let (mut rows, mut next) = (Vec::new(), standing.as_ref().map(|standing| standing.event_seq));
        while let Some(seq) = next {
            let row: EventRow = now.event_by_seq(seq)?.ok_or_else(lost)?;
            next = row.before_seq;
            let is_asked = row.event.state.version >= from_version;
            let ends = !is_asked && rows.last().is_some_and(|later: &EventRow| control(later) != control(&row));
            rows.push(row);
            if ends {
                break;
            }
        }
        rows.reverse();
        Ok(Self { rows, from_version, shown: standing.map(|standing| standing.entry.state) })
    }

    fn asked(&self) -> impl Iterator<Item = &EventRow> {
        self.rows.iter().filter(|row| row.event.state.version >= self.from_version)
    }

    fn had_key(&self, key: &Thumbprint) -> bool {
        self.asked().any(|row| control(row) == *key)
    }

    fn newest(&self) -> Option<&State> {
        self.shown.as_ref()
    }

    /// The first events that are asked for, with the epochs that the sequencer set; and whether there are more.
    fn page(&self, now: &Snapshot<'_>) -> Result<(Vec<Event>, bool), LedgerError> {
        let (mut events, mut key_epoch, mut before) = (Vec::new(), 0, None);
        for row in &self.rows {
            let asked = row.event.state.version >= self.from_version;
            let changed = before.replace(control(row)) != Some(control(row));
            if events.len() == MONITOR_PAGE_MAX {
                return Ok((events, true));
            }
            if asked || changed {
                let epoch = now.epoch_of(row.seq)?.ok_or_else(lost)?.n;
                if changed || row.event.kind == Kind::Carry {
                    key_epoch = if row.event.kind == Kind::Carry { 0 } else { epoch };
                }
                let state = State { since_epoch: epoch, key_epoch, ..row.event.state.clone() };
                events.extend(asked.then(|| Event { state, ..row.event.clone() }));
            }
        }
        match events.last().map(|event| &event.state) == self.shown.as_ref() {
            true => Ok((events, false)),
            false => Err(LedgerError::Damaged("the events of a label do not make its State")),
        }
    }
}

const fn control(row: &EventRow) -> Thumbprint {
    row.event.state.control
}

fn lost() -> LedgerError {
    LedgerError::Damaged("an event of a label's past is missing")
}

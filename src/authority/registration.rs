//! What is said of a registration to whom it concerns and to nobody else: since when it is there, whose it is, what becomes of it.

use crate::authority::access::{Actor, Party, Verb};
use crate::authority::error::Rejection;
use crate::authority::lists::Condition;
use crate::authority::{Authority, Core};
use crate::clock::unix_s;
use crate::ledger::{EventRow, LedgerError, Snapshot};
use crate::log::event::{Door, Kind};
use crate::log::state::Flags;
use crate::number::Number;
use crate::registry::acts::Power;
use crate::registry::rules::Entry;

/// How far back the beginning of a registration is looked for; one that changed more often does not tell it.
const HISTORY_STEPS_MAX: usize = 1000;

/// A registration that was not given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The number.
    pub number: Number,
    /// Its provider.
    pub provider: String,
    /// How it is.
    pub condition: Condition,
    /// Whether the provider keeps its control key.
    pub held: bool,
    /// Whether the operator withholds it; else, if it is suspended, its holder does.
    pub withheld: bool,
    /// When it was registered, in milliseconds.
    pub created_ms: Option<u64>,
    /// When it was changed last, in milliseconds; the first event changes nothing.
    pub changed_ms: Option<u64>,
    /// When it ends, Unix seconds; none before its first epoch.
    pub not_after_s: Option<u64>,
    /// By which door a request is pending.
    pub pending: Option<Door>,
}

impl Authority {
    /// A registration, for its provider and for the operator's people from the auditor on; none for everybody else, and for
    /// a number that is not there. Blocks.
    pub fn registration(&self, actor: &Actor, number: Number) -> Result<Option<Registration>, Rejection> {
        let is_auditor = actor.party == Party::Operator && actor.demand(Power::Audit).is_ok();
        if !actor.may(Verb::Read, Some(number)) || actor.party == Party::Operator && !is_auditor {
            return Ok(None);
        }
        let found = self.core.ledger.read::<_, LedgerError>(|now| self.core.registration(now, number))?;
        Ok(found.filter(|found| actor.provider().is_none_or(|provider| provider == found.provider)))
    }
}

impl Core {
    fn registration(&self, now: &Snapshot<'_>, number: Number) -> Result<Option<Registration>, LedgerError> {
        let Some(label) = now.label_of(number)? else { return Ok(None) };
        let open = now.open_event(&label)?.map(|seq| now.event_by_seq(seq)).transpose()?.flatten();
        let first = open.filter(|row| row.event.kind == Kind::Create);
        let standing = now.standing(&label)?.filter(|_| first.is_none());
        let newest = match (&first, &standing) {
            (Some(first), _) => first.clone(),
            (None, Some(standing)) => match now.event_by_seq(standing.event_seq)? {
                Some(row) => row,
                None => return Err(LedgerError::Damaged("a State whose event is not to be found")),
            },
            (None, None) => return Ok(None),
        };
        let state = standing.as_ref().map(|standing| &standing.entry.state);
        let (now_ms, law) = (self.now_ms(), self.law());
        let in_force = |entry: &Entry| entry.void_ms(law.terms_at(now_ms)).is_some_and(|void_ms| now_ms < void_ms);
        let entry = standing.as_ref().map(|standing| &standing.entry).filter(|entry| in_force(entry));
        let pending = entry.and_then(|entry| Some(entry.request.as_ref()?.door));
        let condition = Condition::of(state, pending, unix_s(now_ms));
        if condition == Condition::Released {
            return Ok(None);
        }
        let created = created(now, &newest)?;
        let has = |flag| state.is_some_and(|state| state.flags.contains(flag));
        let provider = standing.as_ref().map_or(&newest.event.provider, |standing| &standing.entry.provider);
        Ok(Some(Registration {
            number,
            provider: provider.clone(),
            condition,
            held: has(Flags::PROVIDER_HELD),
            withheld: has(Flags::SUSP_OP),
            created_ms: created.as_ref().map(|row| row.received_ms),
            changed_ms: created.is_none_or(|row| row.seq != newest.seq).then_some(newest.received_ms),
            not_after_s: state.map(|state| state.not_after),
            pending,
        }))
    }
}

/// The event that this registration began with.
fn created(now: &Snapshot<'_>, newest: &EventRow) -> Result<Option<EventRow>, LedgerError> {
    let mut row = newest.clone();
    for _ in 0..HISTORY_STEPS_MAX {
        if row.event.kind == Kind::Create {
            return Ok(Some(row));
        }
        let Some(before) = row.before_seq.map(|seq| now.event_by_seq(seq)).transpose()?.flatten() else { break };
        row = before;
    }
    Ok(None)
}

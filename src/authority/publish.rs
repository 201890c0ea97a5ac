//! What becomes visible: the changes of what a name server serves, made from State and record R.

use crate::ledger::LedgerError;
use crate::log::record::Record;
use crate::log::state::{Flags, State, Status};
use crate::number::Number;
use crate::zone::{ApplyError, Change, NumberData, NumberZone};

/// Where published epochs become visible: the zone of a name server, or whatever a test watches with.
pub trait View: Send + Sync {
    /// Shows all of these changes; `serial` is the zone's generation from then on and never falls.
    fn apply(&self, changes: &[Change], serial: u32) -> Result<(), ApplyError>;

    /// The delegation that covers a number, if there is one: it cannot be served here.
    fn cut_over(&self, number: Number) -> Option<String>;
}

impl View for NumberZone {
    fn apply(&self, changes: &[Change], serial: u32) -> Result<(), ApplyError> {
        self.apply(changes, serial)
    }

    fn cut_over(&self, number: Number) -> Option<String> {
        self.cut_over(number)
    }
}

/// The SOA serial of a generation: it wraps as RFC 1982 says.
pub(super) fn serial(generation: u64) -> u32 {
    generation as u32
}

/// What DNS says about a number in this State; None if nothing. That it ends at `not_after` is the zone's own business.
pub(super) fn served(number: Number, state: &State, record: &[u8]) -> Result<Option<NumberData>, LedgerError> {
    if state.status != Status::Active {
        return Ok(None);
    }
    let record = Record::parse(record).map_err(|_| LedgerError::Damaged("a record that breaks its own form"))?;
    let hash = state.hash();
    Ok(Some(NumberData {
        number,
        not_after_s: state.not_after,
        rrs: record.rr,
        version: state.version,
        state_hash: *hash.first_chunk().expect("a hash has 32 bytes"),
        provider_held: state.flags.contains(Flags::PROVIDER_HELD),
        revoked: record.revoked,
    }))
}

/// The change that makes a number's new State visible.
pub(super) fn change(number: Number, state: &State, record: &[u8]) -> Result<Change, LedgerError> {
    Ok(served(number, state, record)?.map_or(Change::Remove(number), Change::Put))
}

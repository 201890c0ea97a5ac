//! How a directory stands by its ledger alone, also while another process works in it: for `status`.

use std::path::Path;

use crate::authority::complaints::ComplaintState;
use crate::authority::error::OpenError;
use crate::authority::publish;
use crate::authority::sequencer::Head;
use crate::ledger::{Ledger, LedgerError};

/// What a ledger tells at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// The newest epoch, its time in milliseconds, and whether it is signed.
    pub epoch: u64,
    /// See above.
    pub epoch_ms: u64,
    /// See above.
    pub signed: bool,
    /// The SOA serial of the number zone.
    pub serial: u32,
    /// Accepted changes that wait for an epoch.
    pub waiting: u64,
    /// Leaves of the gov log.
    pub gov_leaves: u64,
    /// Complaints that nobody has looked at.
    pub complaints: u64,
    /// Numbers that are withheld past the end of the operator's order.
    pub overdue: u64,
}

impl Outlook {
    /// Of the directory whose ledger lies in `data`, at `now_s` (Unix seconds).
    pub fn of(data: &Path, now_s: u64) -> Result<Self, OpenError> {
        Ledger::peek(data, |now| {
            let head = Head::load(now)?.ok_or(LedgerError::Damaged("the map log has no leaf"))?;
            Ok(Self {
                epoch: head.epoch.n,
                epoch_ms: head.epoch.time_ms,
                signed: head.epoch.note.is_some(),
                serial: publish::serial(head.generation),
                waiting: now.count_waiting(head.epoch.last_seq)?,
                gov_leaves: now.gov_size()?,
                complaints: now.count_complaints(ComplaintState::Open.name())?,
                overdue: now.count_overdue(now_s)?,
            })
        })
    }
}

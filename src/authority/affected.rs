//! Which registrations a change of the charter touches: those that would be taken as they are now and would not be then.

use std::collections::BTreeMap;
use std::path::Path;

use crate::authority::error::OpenError;
use crate::charter::Policy;
use crate::ledger::{Ledger, LedgerError, Served, Snapshot};
use crate::log::record::Record;
use crate::log::state::Status;
use crate::registry::keys::Circumstances;
use crate::registry::refusal::Refusal;
use crate::registry::stands;

/// What a change of the charter touches, in counts: who they are stays in the directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affected {
    /// Registrations that there are.
    pub registrations: u64,
    /// Those that were looked at: the first by label, and labels are random, so they stand for the rest.
    pub looked_at: u64,
    /// Those that stand now and would not then.
    pub affected: u64,
    /// Of these, how many by provider.
    pub providers: BTreeMap<String, u64>,
    /// How many by what they would be refused for: code and clause. One registration may count under several.
    pub reasons: BTreeMap<(&'static str, &'static str), u64>,
}

/// Compares two versions of the charter over every registration in the folder `dir`, also while the service runs.
pub fn affected(dir: &Path, apex: &str, now_s: u64, before: &Policy, after: &Policy) -> Result<Affected, OpenError> {
    let versions = [before, after].map(|policy| Circumstances { policy, apex, now_s });
    Ledger::peek(dir, |now| Ok(among(now, &versions, u64::MAX)?))
}

/// The same at one moment of an open ledger; at most `most` registrations are looked at, all are counted.
pub(super) fn among(
    now: &Snapshot<'_>,
    [before, after]: &[Circumstances<'_>; 2],
    most: u64,
) -> Result<Affected, LedgerError> {
    let mut found = Affected::default();
    now.each_number(|_, row| {
        if let Some(row) = row.filter(|row| row.state.status != Status::Released) {
            found.registrations += 1;
            if found.looked_at < most {
                found.look(&row, before, after)?;
            }
        }
        Ok(())
    })?;
    Ok(found)
}

impl Affected {
    fn look(&mut self, row: &Served, before: &Circumstances<'_>, after: &Circumstances<'_>) -> Result<(), LedgerError> {
        let record =
            Record::parse(&row.record).map_err(|_| LedgerError::Damaged("a record that breaks its own form"))?;
        let refused = |at| stands::refusals(&record, row.record.len(), row.state.flags, at);
        self.looked_at += 1;
        let then = refused(after);
        if then.is_empty() || !refused(before).is_empty() {
            return Ok(());
        }
        self.affected += 1;
        *self.providers.entry(record.provider.clone()).or_default() += 1;
        let mut reasons: Vec<_> = then.iter().map(|refusal: &Refusal| (refusal.code, refusal.clause)).collect();
        reasons.sort_unstable();
        reasons.dedup();
        reasons.into_iter().for_each(|reason| *self.reasons.entry(reason).or_default() += 1);
        Ok(())
    }
}

//! Which registrations a change of the charter touches: those that would be taken as they are now and would not be then.

use std::collections::BTreeMap;
use std::path::Path;

use crate::authority::error::OpenError;
use crate::charter::Policy;
use crate::ledger::{Ledger, LedgerError, Served, Snapshot};
use crate::log::label::Label;
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
    /// Those that were looked at: drawn by their labels, which are random, so they stand for the rest.
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

/// The same at one moment of an open ledger; about `most` registrations are looked at, all are counted.
pub(super) fn among(
    now: &Snapshot<'_>,
    [before, after]: &[Circumstances<'_>; 2],
    most: u64,
) -> Result<Affected, LedgerError> {
    let (mut found, all) = (Affected::default(), now.count_numbers()?);
    now.each_number(|(label, _), row| {
        if let Some(row) = row.filter(|row| row.state.status != Status::Released) {
            found.registrations += 1;
            if is_drawn(&label, most, all) {
                found.look(&row, before, after)?;
            }
        }
        Ok(())
    })?;
    Ok(found)
}

/// Whether a label is one of the lowest, of which there are about `most` among `all`: an output of a VRF is anywhere with the
/// same chance.
fn is_drawn(label: &Label, most: u64, all: u64) -> bool {
    let place = label.0.first_chunk().map_or(0, |head| u64::from_be_bytes(*head));
    u128::from(place) * u128::from(all) <= u128::from(u64::MAX) * u128::from(most)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_as_many_are_drawn_as_are_wanted_and_all_of_few() {
        let labels: Vec<Label> = (0..4_000u32).map(|i| Label(crate::log::sha256(&[&i.to_be_bytes()]))).collect();
        let drawn = |most, all| labels.iter().filter(|label| is_drawn(label, most, all)).count();
        assert_eq!(drawn(4_000, 4_000), 4_000);
        assert_eq!(drawn(u64::MAX, 4_000), 4_000);
        assert_eq!(drawn(100_000, 4_000), 4_000);
        assert!((900..1_100).contains(&drawn(1_000, 4_000)), "{}", drawn(1_000, 4_000));
        assert_eq!(drawn(0, 4_000), 0);
    }
}

//! One provider's numbers, in their order: what a list costs is its page, however many the others have.

use crate::ledger::error::LedgerError;
use crate::ledger::snapshot::{Snapshot, int, uint};
use crate::log::label::Label;
use crate::log::state::State;
use crate::number::Number;
use crate::registry::rules::Request;

/// A number in a provider's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SponsoredRow {
    /// The number.
    pub number: Number,
    /// Its label.
    pub label: Label,
    /// Its sealed State; None while its first event waits for an epoch.
    pub state: Option<State>,
    /// The open request, void or not.
    pub request: Option<Request>,
    /// Whether an event waits for its epoch.
    pub event_pending: bool,
}

impl Snapshot<'_> {
    /// Numbers of `provider` from `first` to `last` (packed digits), in their order, at most `limit`.
    pub fn sponsored(
        &self,
        provider: &str,
        first: u64,
        last: u64,
        limit: usize,
    ) -> Result<Vec<SponsoredRow>, LedgerError> {
        let sql = "SELECT p.number, p.label, s.state, o.seq IS NOT NULL, s.request FROM personal p
                   LEFT JOIN states s ON s.label = p.label AND s.due_s IS NOT NULL
                   LEFT JOIN open_events o ON o.label = p.label
                   WHERE p.sponsor = ?1 AND p.number BETWEEN ?2 AND ?3 ORDER BY p.number LIMIT ?4";
        let rows = self.all(sql, (provider, int(first), int(last), limit as i64), |row| {
            Ok((uint(row, 0)?, Label(row.get(1)?), row.get(2)?, row.get(3)?, row.get(4)?))
        })?;
        type Stored = (u64, Label, Option<Vec<u8>>, bool, Option<Vec<u8>>);
        let read = |(number, label, state, event_pending, request): Stored| {
            let number = Number::from_u64(number).map_err(|_| LedgerError::Damaged("a number that is none"))?;
            let state = state.map(|raw| State::parse(&raw)).transpose();
            let state = state.map_err(|_| LedgerError::Damaged("a State that breaks its own form"))?;
            let request = request.map(|raw| super::request::read(&raw)).transpose()?;
            Ok(SponsoredRow { number, label, state, request, event_pending })
        };
        rows.into_iter().map(read).collect()
    }
}

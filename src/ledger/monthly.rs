//! What a report counts: events, complaints and the times of epochs in a span of time, one pass each.

use std::collections::BTreeMap;

use crate::ledger::error::LedgerError;
use crate::ledger::snapshot::{Snapshot, int, uint};
use crate::log::event::Event;

impl Snapshot<'_> {
    /// Accepted events from `from_ms` until before `until_ms`, in their order.
    pub fn each_event_between(
        &self,
        from_ms: u64,
        until_ms: u64,
        mut each: impl FnMut(&Event),
    ) -> Result<(), LedgerError> {
        let sql = "SELECT event FROM events WHERE received_ms >= ?1 AND received_ms < ?2 ORDER BY seq";
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query((int(from_ms), int(until_ms)))?;
        while let Some(row) = rows.next()? {
            let event = Event::parse(row.get_ref(0)?.as_blob().unwrap_or_default());
            each(&event.map_err(|_| LedgerError::Damaged("an event that breaks its own form"))?);
        }
        Ok(())
    }

    /// The times of all epochs from `from_ms` until before `until_ms`, closed eras included, rising; leaves 0 are none.
    pub fn each_epoch_between(
        &self,
        from_ms: u64,
        until_ms: u64,
        mut each: impl FnMut(u64),
    ) -> Result<(), LedgerError> {
        let sql = "SELECT time_ms FROM epochs WHERE n > 0 AND time_ms >= ?1 AND time_ms < ?2
                   UNION ALL SELECT time_ms FROM past_epochs WHERE n > 0 AND time_ms >= ?1 AND time_ms < ?2 ORDER BY time_ms";
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query((int(from_ms), int(until_ms)))?;
        while let Some(row) = rows.next()? {
            each(uint(row, 0)?);
        }
        Ok(())
    }

    /// The time of the last epoch before `before_ms`, and of the newest of all.
    pub fn epochs_around(&self, before_ms: u64) -> Result<(Option<u64>, u64), LedgerError> {
        let all = "(SELECT n, time_ms FROM epochs UNION ALL SELECT n, time_ms FROM past_epochs)";
        let before = self.all(
            &format!("SELECT time_ms FROM {all} WHERE n > 0 AND time_ms < ?1 ORDER BY time_ms DESC LIMIT 1"),
            [int(before_ms)],
            |row| uint(row, 0),
        )?;
        let newest = self.first(&format!("SELECT coalesce(max(time_ms), 0) FROM {all}"), [], |row| uint(row, 0))?;
        Ok((before.first().copied(), newest.unwrap_or(0)))
    }

    /// Complaints that came from `from_ms` until before `until_ms`, by what they are about.
    pub fn complaints_between(&self, from_ms: u64, until_ms: u64) -> Result<BTreeMap<String, u64>, LedgerError> {
        let sql = "SELECT about, count(*) FROM complaints WHERE made_ms >= ?1 AND made_ms < ?2 GROUP BY about";
        let rows = self.all(sql, (int(from_ms), int(until_ms)), |row| Ok((row.get(0)?, uint(row, 1)?)))?;
        Ok(rows.into_iter().collect())
    }
}

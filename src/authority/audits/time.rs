//! What time does to audits: months are closed, drawn when their head is there, and who stays silent fails.
//!
//! Each look finds what is due by stored facts, so it is done once, in its order, also after days of downtime. What the directory
//! itself was away is given back to those who were asked: nobody could answer then.

use std::sync::atomic::Ordering;

use crate::authority::Core;
use crate::authority::audits::CLOSED;
use crate::authority::error::Rejection;
use crate::ledger::LedgerError;
use crate::registry::audit::period::Period;
use crate::registry::audit::verdict::Fault;

/// Where the time of the last look stands, while something is asked for.
pub(super) const SEEN: &str = "audits_seen_ms";
/// How often that is written down.
const SEEN_EVERY_MS: u64 = 600_000;
/// Shorter stops are not made up for: they are a restart.
const AWAY_MS_MIN: u64 = 3_600_000;
/// Silent items that fail in one look.
const SILENT_MAX: usize = 2000;
/// Months closed in one look: a program that slept for years gets there too.
const MONTHS_MAX: usize = 24;

impl Core {
    /// Does what is due now.
    pub(in crate::authority) fn audits_fall_due(&self, now_ms: u64) -> Result<(), Rejection> {
        match self.ledger.read::<_, LedgerError>(|now| now.audit_due())? {
            Some(_) => self.make_up_for_absence(now_ms)?,
            None => self.auditing.seen_ms.store(now_ms, Ordering::Relaxed),
        }
        self.close_months(now_ms)?;
        if self.auditing.beacon.get().is_none() {
            self.draw_closed()?;
        }
        let silent = (Fault::Silent.name(), Fault::Silent.clause());
        loop {
            let failed = self.ledger.write::<_, LedgerError, _>(move |tx| {
                let mut periods = tx.fail_silent(silent, now_ms, SILENT_MAX)?;
                let count = periods.len();
                periods.sort_unstable();
                periods.dedup();
                periods.iter().try_for_each(|period| tx.add_audit_step(period, "silent failed", None, now_ms))?;
                Ok(count)
            });
            if failed.wait_blocking()? < SILENT_MAX {
                return Ok(());
            }
        }
    }

    /// Closes every month that is over and in which something was validated, the oldest first.
    fn close_months(&self, now_ms: u64) -> Result<(), Rejection> {
        let mut from_ms = 0;
        for _ in 0..MONTHS_MAX {
            let oldest = self.ledger.read::<_, LedgerError>(|now| {
                let Some(at_ms) = now.oldest_audit_token(from_ms)? else { return Ok(None) };
                let period = Period::of(at_ms);
                Ok(Some((period, now.audit(&period.to_string())?.is_some())))
            })?;
            let Some((period, closed)) = oldest.filter(|(period, _)| period.to_ms() <= now_ms) else { break };
            if !closed {
                self.close_audit(period, None)?;
            }
            from_ms = period.to_ms();
        }
        Ok(())
    }

    fn draw_closed(&self) -> Result<(), Rejection> {
        for row in self.ledger.read::<_, LedgerError>(|now| now.audits())? {
            if row.state != CLOSED {
                continue;
            }
            match self.draw_audit(&row.period, None, None) {
                // The head comes with the next epoch; what is not kept any more is never drawn.
                Ok(()) | Err(Rejection::Refused(_) | Rejection::Gone(_)) => {}
                Err(no) => return Err(no),
            }
        }
        Ok(())
    }

    /// At the first look of a process: the time since the last look of the one before belongs to those who are asked.
    fn make_up_for_absence(&self, now_ms: u64) -> Result<(), Rejection> {
        let seen_ms = self.auditing.seen_ms.load(Ordering::Relaxed);
        if seen_ms != 0 && now_ms.abs_diff(seen_ms) < SEEN_EVERY_MS {
            return Ok(());
        }
        let first = seen_ms == 0;
        let noted = self.ledger.write::<_, LedgerError, _>(move |tx| {
            let before = tx.meta(SEEN)?.and_then(|raw| raw.try_into().ok()).map(u64::from_be_bytes);
            let away_ms = before.filter(|_| first).map_or(0, |before| now_ms.saturating_sub(before));
            if let Some(before) = before.filter(|_| away_ms >= AWAY_MS_MIN) {
                for period in tx.extend_audits(before, away_ms)? {
                    tx.add_audit_step(&period, &format!("extended by {} s", away_ms / 1000), None, now_ms)?;
                }
            }
            tx.set_meta(SEEN, &now_ms.to_be_bytes())
        });
        noted.wait_blocking()?;
        self.auditing.seen_ms.store(now_ms, Ordering::Relaxed);
        Ok(())
    }
}

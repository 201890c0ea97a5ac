//! What time does by itself: numbers that lapsed long ago are released, and what nobody can ask for again is forgotten.
//!
//! That a record ends at its `not_after` is not done here: the zone itself answers nothing past it.

use crate::authority::batches::BATCH_KEPT_D;
use crate::authority::changes::CHANGES_KEPT_D;
use crate::authority::desk::DESK_KEPT_MS;
use crate::authority::sequencer::promise;
use crate::authority::{Authority, Core, codes, prepare};
use crate::clock::unix_s;
use crate::ledger::{Accepted, LedgerError, Transaction};
use crate::log::event::{Event, Kind, Role};
use crate::registry::lapse;
use crate::registry::terms::{DAY_MS, DAY_S, HOUR_MS};

/// How often upkeep looks around.
const EVERY_MS: u64 = 10_000;
/// Releases in one look: each costs a signature, and the next look comes soon.
const RELEASES_MAX: usize = 256;
/// How long a look for lapsed numbers goes on behind the last one while a bulk door is open.
const SWEPT_ANEW_MS: u64 = HOUR_MS;
/// Rows forgotten in one look, of each kind: a million a day and more.
const FORGOTTEN_MAX: usize = 2000;
/// How long first answers are kept (REGISTRY.md 8).
const ANSWERS_KEPT_MS: u64 = 24 * 3600 * 1000;
/// Rounds of notices in one look: enough for ten thousand, and an epoch is not held up for long.
const NOTICE_ROUNDS_MAX: usize = 10;
/// Days of a month of retention: twelve of them are never shorter than a year.
const MONTH_D: u64 = 31;
/// How long counters of past days are kept: nobody's quota looks further back than today.
const COUNTERS_KEPT_D: u64 = 7;

/// How far the index of ends was looked through. Behind an open bulk door there may be hundreds of thousands of lapsed
/// numbers, and each look would pass over all of them: 2 s for 300 000. What changes among them is found within the hour.
#[derive(Debug, Default)]
pub(super) struct Swept {
    kept: Vec<String>,
    began_ms: u64,
    to_s: u64,
}

impl Swept {
    /// Where the next look begins, Unix seconds: at the first end if no door is open or another one is, and each hour.
    fn goes_on(&mut self, kept: &[String], now_ms: u64) -> u64 {
        if kept.is_empty() || self.kept != kept || now_ms.abs_diff(self.began_ms) >= SWEPT_ANEW_MS {
            *self = Self { kept: kept.to_vec(), began_ms: now_ms, to_s: 0 };
        }
        self.to_s
    }
}

impl Core {
    pub(super) fn upkeep_when_due(&self) -> Result<(), LedgerError> {
        let now_ms = self.now_ms();
        {
            let mut line = self.line();
            if now_ms.abs_diff(line.upkeep_ms) < EVERY_MS {
                return Ok(());
            }
            line.upkeep_ms = now_ms;
        }
        self.upkeep(now_ms)?;
        self.keep_trust();
        Ok(())
    }

    fn upkeep(&self, now_ms: u64) -> Result<(), LedgerError> {
        let (uses, prepares, wrong_codes) = (self.tokens.take_uses(), self.prepares.take(), self.wrong_codes.take());
        let policy = self.policy();
        let past_ms = now_ms.saturating_sub(policy.claim_pause_d.max(policy.objected_void_d) * DAY_MS);
        let rest_ms = policy.quarantine_d.max(policy.recycle_lookback_d) * DAY_MS;
        let complaint_keep_ms = policy.complaint_keep_d * DAY_MS;
        let audits_keep_ms = policy.audit_retention_months * MONTH_D * DAY_MS;
        let forget: Result<(), LedgerError> = self
            .ledger
            .write(move |tx| {
                uses.iter().try_for_each(|(id, used_ms)| tx.touch_token(id, *used_ms))?;
                prepare::note(tx, &prepares)?;
                codes::note(tx, &wrong_codes)?;
                tx.purge_counters((unix_s(now_ms) / DAY_S).saturating_sub(COUNTERS_KEPT_D))?;
                tx.purge_answers(now_ms.saturating_sub(ANSWERS_KEPT_MS), FORGOTTEN_MAX)?;
                tx.purge_jtis(unix_s(now_ms), FORGOTTEN_MAX)?;
                tx.purge_past(past_ms, now_ms, FORGOTTEN_MAX)?;
                tx.erase_complaints(now_ms.saturating_sub(complaint_keep_ms), FORGOTTEN_MAX)?;
                tx.purge_resting(now_ms.saturating_sub(rest_ms), FORGOTTEN_MAX)?;
                tx.purge_batches(now_ms.saturating_sub(BATCH_KEPT_D * DAY_MS), FORGOTTEN_MAX)?;
                tx.purge_audits(now_ms.saturating_sub(audits_keep_ms), FORGOTTEN_MAX)?;
                tx.purge_desk(now_ms.saturating_sub(DESK_KEPT_MS), FORGOTTEN_MAX)?;
                tx.purge_changes(now_ms.saturating_sub(CHANGES_KEPT_D * DAY_MS), FORGOTTEN_MAX)?;
                Ok(())
            })
            .wait_blocking();
        forget?;
        for _ in 0..NOTICE_ROUNDS_MAX {
            if !self.give_notices(now_ms)? {
                break;
            }
        }
        self.tell_of_bulk_doors(now_ms)?;
        self.release_lapsed(now_ms)?;
        if let Err(no) = self.register_falls_due(now_ms) {
            tracing::error!(?no, "what falls due for the register could not be done; trying again later");
        }
        self.codes_fall_due(now_ms)?;
        if let Err(no) = self.audits_fall_due(now_ms) {
            tracing::error!(?no, "what falls due for audits could not be done; trying again later");
        }
        if let Err(no) = self.count_complaints(now_ms) {
            tracing::error!(?no, "complaints could not be counted; trying again later");
        }
        let mut line = self.line();
        if line.erased && self.ledger.truncate_wal()? {
            line.erased = false;
        }
        Ok(())
    }

    /// Releases numbers whose grace is over, as the sequencer may (charter: lapse), but none whose provider's bulk door is
    /// open: those are due when it closes.
    fn release_lapsed(&self, now_ms: u64) -> Result<(), LedgerError> {
        let law = self.law();
        let before_s = unix_s(now_ms).saturating_sub(law.terms_at(now_ms).grace_ms / 1000);
        let doors = law.register().bulk_doors().filter(|(_, door)| door.is_open(now_ms));
        let kept: Vec<String> = doors.map(|(provider, _)| provider.to_owned()).collect();
        let from_s = self.line().swept.goes_on(&kept, now_ms);
        let lapsed = self.ledger.read::<_, LedgerError>(|now| now.lapsed(from_s, before_s, &kept, RELEASES_MAX))?;
        if lapsed.len() < RELEASES_MAX {
            self.line().swept.to_s = before_s;
        }
        for label in lapsed {
            let Some(standing) = self.ledger.read::<_, LedgerError>(|now| now.standing(&label))? else { continue };
            let event = lapse::release(&standing.entry, label, &self.origin, now_ms, &self.keys.sequencer);
            let accepted = self.ledger.write(move |tx| accept_release(tx, &event, now_ms));
            if accepted.wait_blocking()? {
                self.wake.pending();
            }
        }
        Ok(())
    }
}

/// Accepts the sequencer's release, unless the number has changed meanwhile.
fn accept_release(tx: &Transaction<'_>, event: &Event, now_ms: u64) -> Result<bool, LedgerError> {
    let Some(standing) = tx.standing(&event.label)? else { return Ok(false) };
    if standing.entry.state.hash() != event.prev || tx.open_event(&event.label)?.is_some() {
        return Ok(false);
    }
    accept(tx, event, &event.write(), now_ms, Some(standing.event_seq))?;
    Ok(true)
}

/// Adds an event to the facts with the promise that goes with it.
pub(super) fn accept(
    tx: &Transaction<'_>,
    event: &Event,
    bytes: &[u8],
    now_ms: u64,
    before_seq: Option<u64>,
) -> Result<(u64, u64), LedgerError> {
    let newest = tx.newest_epoch_position()?;
    let gov_size = tx.gov_size()?;
    let waiting = tx.newest_event()?.saturating_sub(newest.last_seq);
    let promised = promise(newest.n, waiting, gov_size.saturating_sub(newest.gov_size));
    let seq = tx.accept(&Accepted {
        label: &event.label,
        hash: &event.hash(),
        event: bytes,
        received_ms: now_ms,
        gov_size,
        promised,
        before_seq,
    })?;
    match event.kind {
        Kind::Release => {
            tx.end_suspension(&event.label)?;
            tx.remove_validation(&event.label)?;
            tx.erase_judged_evidence(&event.label)?;
        }
        Kind::Resume if event.signature(Role::Operator).is_some() => tx.end_suspension(&event.label)?,
        _ => {}
    }
    Ok((seq, promised))
}

impl Authority {
    /// Does upkeep now, whenever it was done last: releases what lapsed, forgets what is over. Blocks.
    pub fn upkeep(&self) -> Result<(), LedgerError> {
        self.core.upkeep(self.core.now_ms())?;
        self.core.keep_trust();
        Ok(())
    }
}

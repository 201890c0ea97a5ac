//! Notices of bulk doors in the feed: one row a door when it opens, some before it closes, and one when it is closed.
//!
//! A door is about a provider, not about numbers: a million numbers make one row, like an audit's, without a number in it. It is
//! told to those to whom holders may turn, to the provider that is gone, and to the operator. How far a door was told stands
//! beside the rows, in their transaction: each once, also after a standstill, and then the one that says most.

use crate::authority::Core;
use crate::authority::feed::BULK_DOOR_KIND;
use crate::authority::gov::InForce;
use crate::clock::unix_s;
use crate::ledger::{Changed, LedgerError, Snapshot, Transaction};
use crate::log::ZERO;
use crate::log::label::Label;
use crate::registry::bulk::BulkDoor;
use crate::registry::standing::ProviderStatus;
use crate::registry::terms::DAY_MS;

/// What stands in the ledger of a door: when it was opened, and the days of the notice that was given last.
const TOLD: &str = "bulk-door";
/// It was opened, and none of the charter's notices is due yet.
const OPENED: u64 = u64::MAX;
/// It is closed.
const CLOSED: u64 = 0;

/// A row that is due.
struct Due {
    provider: String,
    door: BulkDoor,
    stage: u64,
    /// Days until it closes, and when that is, Unix seconds.
    notice: (u64, u64),
    readers: Vec<String>,
}

impl Core {
    /// Tells of bulk doors what is due.
    pub(super) fn tell_of_bulk_doors(&self, now_ms: u64) -> Result<(), LedgerError> {
        let law = self.law();
        let mut notices_d = self.policy().notices_d.clone();
        notices_d.sort_unstable();
        let due = self.ledger.read::<_, LedgerError>(|now| due(now, &law, &notices_d, now_ms))?;
        if due.is_empty() {
            return Ok(());
        }
        let told = move |tx: &Transaction<'_>| due.iter().try_for_each(|due| tell(tx, due, now_ms));
        self.ledger.write::<_, LedgerError, _>(told).wait_blocking()?;
        self.feed_has_grown();
        Ok(())
    }
}

fn due(now: &Snapshot<'_>, law: &InForce, notices_d: &[u64], now_ms: u64) -> Result<Vec<Due>, LedgerError> {
    let mut due = Vec::new();
    for (provider, door) in law.ordered_bulk_doors() {
        let is_open = law.register().bulk_door(provider).is_some_and(|door| door.is_open(now_ms));
        let left_ms = door.until_ms.saturating_sub(now_ms);
        let stage = match is_open {
            true => notices_d.iter().copied().find(|days| left_ms <= days * DAY_MS).unwrap_or(OPENED),
            false => CLOSED,
        };
        let before = told(now, provider)?.filter(|(opened_ms, _)| *opened_ms == door.opened_ms);
        let is_due = match before {
            // It was closed because the provider worked again, and is gone again before the date.
            Some((_, CLOSED)) => is_open,
            Some((_, before)) => stage < before,
            None => is_open, // of a door that closed unseen there is nothing to tell any more
        };
        if is_due {
            let notice = match is_open {
                true => (left_ms.div_ceil(DAY_MS), door.until_ms.div_ceil(1000)),
                false => (0, unix_s(door.until_ms.min(now_ms))), // before its date, if the provider works again
            };
            let readers = readers(law, provider);
            due.push(Due { provider: provider.to_owned(), door: *door, stage, notice, readers });
        }
    }
    Ok(due)
}

/// Those to whom holders may turn, and the provider itself.
fn readers(law: &InForce, gone: &str) -> Vec<String> {
    let takes = [ProviderStatus::Probation, ProviderStatus::Accredited, ProviderStatus::Warned];
    let told = law.accreditations().filter(|one| one.id == gone || takes.contains(&one.standing.status));
    told.map(|one| one.id.clone()).collect()
}

fn told(now: &Snapshot<'_>, provider: &str) -> Result<Option<(u64, u64)>, LedgerError> {
    let Some(kept) = now.meta(&format!("{TOLD}/{provider}"))? else { return Ok(None) };
    let halves = kept.split_at_checked(8).map(|(opened, stage)| (opened.try_into(), stage.try_into()));
    match halves {
        Some((Ok(opened), Ok(stage))) => Ok(Some((u64::from_be_bytes(opened), u64::from_be_bytes(stage)))),
        _ => Err(LedgerError::Damaged("what was told of a bulk door")),
    }
}

fn tell(tx: &Transaction<'_>, due: &Due, now_ms: u64) -> Result<(), LedgerError> {
    let changed = Changed {
        epoch: tx.newest_epoch_position()?.n,
        time_ms: now_ms,
        label: Label(ZERO),
        kind: BULK_DOOR_KIND,
        door: 0,
        version: 0,
        event: None,
        before: Some(due.provider.clone()),
        after: None,
        requester: None,
        notice: Some(due.notice),
    };
    tx.add_changes([(&changed, &due.readers[..])])?;
    let kept = [due.door.opened_ms.to_be_bytes(), due.stage.to_be_bytes()].concat();
    tx.set_meta(&format!("{TOLD}/{}", due.provider), &kept)
}

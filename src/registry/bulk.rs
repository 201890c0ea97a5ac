//! The bulk door: when a provider serves nobody any more, its holders leave it on a shorter proof for some time (clause 6.9).
//!
//! ```text
//! suspended by two persons, terminated, closed --two persons open it--> open --its date, or the provider works again--> closed
//! ```
//! All of it is stage 2's: an event that the door lets through keeps every rule that auditors replay, waits included.

use crate::charter::Policy;
use crate::clock::rfc3339;
use crate::registry::lapse;
use crate::registry::refusal::{self, Refusal};
use crate::registry::register::Register;
use crate::registry::rules::Entry;
use crate::registry::standing::{ProviderStatus, Standing};
use crate::registry::terms::{DAY_MS, Terms};

/// A bulk door as the gov log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkDoor {
    /// When it was opened, Unix milliseconds.
    pub opened_ms: u64,
    /// From when on it is closed, Unix milliseconds.
    pub until_ms: u64,
}

impl BulkDoor {
    /// Whether it is open at `now_ms`.
    pub const fn is_open(&self, now_ms: u64) -> bool {
        now_ms < self.until_ms
    }
}

/// Whether a provider that stands so serves nobody any more. An emergency is one person's and ends by itself; who winds down
/// still serves.
pub const fn is_gone(standing: &Standing) -> bool {
    match standing.status {
        ProviderStatus::Suspended => standing.stopped.is_none(),
        ProviderStatus::Terminated | ProviderStatus::Closed => true,
        _ => false,
    }
}

/// The door that two persons open for a provider at `now_ms`, or why they may not; `door` is the one before.
pub fn open(standing: &Standing, door: Option<&BulkDoor>, policy: &Policy, now_ms: u64) -> Result<BulkDoor, Refusal> {
    if !is_gone(standing) {
        let detail = format!("the provider's status is {}", standing.status.name());
        return Err(refusal::BULK_STATUS.at("/provider", detail));
    }
    if let Some(door) = door.filter(|door| door.is_open(now_ms)) {
        let detail = format!("it is open until {}", rfc3339(door.until_ms.div_ceil(1000)));
        return Err(refusal::BULK_OPEN.at("/provider", detail));
    }
    Ok(BulkDoor { opened_ms: now_ms, until_ms: now_ms.saturating_add(policy.bulk_door_d * DAY_MS) })
}

/// When the sequencer releases a number that is not renewed, Unix milliseconds: not before its provider's bulk door closes.
/// `None` if it is released already.
pub fn release_due_ms(entry: &Entry, terms: &Terms, register: &Register) -> Option<u64> {
    let closes_ms = register.bulk_door(&entry.provider).map_or(0, |door| door.until_ms);
    lapse::release_due_ms(entry, terms).map(|due_ms| due_ms.max(closes_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::standing::Step;

    const NOW_MS: u64 = 1_800_000_000_000;

    #[test]
    fn a_door_opens_for_who_is_gone_once_at_a_time() {
        let policy = Policy::embedded();
        for status in ProviderStatus::ALL {
            let standing = Standing::fresh(status, &policy, NOW_MS);
            let gone =
                matches!(status, ProviderStatus::Suspended | ProviderStatus::Terminated | ProviderStatus::Closed);
            match open(&standing, None, &policy, NOW_MS) {
                Ok(door) => assert!(gone && door.until_ms == NOW_MS + 90 * DAY_MS, "{status:?}"),
                Err(no) => assert!(!gone && no.is(&refusal::BULK_STATUS), "{status:?}"),
            }
        }
        let accredited = Standing::fresh(ProviderStatus::Accredited, &policy, NOW_MS);
        let stopped = accredited.step(Step::Emergency, &policy, NOW_MS).unwrap();
        assert!(open(&stopped, None, &policy, NOW_MS).unwrap_err().is(&refusal::BULK_STATUS), "one person's");
        let confirmed = stopped.step(Step::Suspend, &policy, NOW_MS).unwrap();
        let door = open(&confirmed, None, &policy, NOW_MS).unwrap();
        let again = |now_ms| open(&confirmed, Some(&door), &policy, now_ms);
        assert!(again(door.until_ms - 1).unwrap_err().is(&refusal::BULK_OPEN));
        assert_eq!(again(door.until_ms).unwrap().opened_ms, door.until_ms);
        assert!(door.is_open(NOW_MS) && !door.is_open(door.until_ms));
    }
}

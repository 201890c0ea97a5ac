//! One endpoint's turn: the changes behind its place, one after the other, until one is not taken or others shall have
//! their turn; then how far it came is kept, in one write.

use crate::authority::Core;
use crate::authority::feed::change_kind;
use crate::authority::webhooks::ATTEMPTS_KEPT;
use crate::authority::webhooks::courier::Answer;
use crate::authority::webhooks::message::Letter;
use crate::authority::webhooks::schedule::{GIVEN_UP_MS, asked_ms, wait_ms};
use crate::clock::unix_s;
use crate::ledger::{ChangeRow, LedgerError, WebhookAttempt, WebhookProgress, WebhookRow, WebhookState};

/// Changes of one turn: so many may come again after a crash, and one write is shared by so many.
const TURN_CHANGES_MAX: usize = 100;
/// After so many milliseconds a turn ends with the change at hand.
const TURN_MS_MAX: u64 = 10_000;
/// What an endpoint answers that wants nothing any more (RFC 9110 15.5.11; Standard Webhooks).
const STATUS_GONE: u16 = 410;
/// What an endpoint answers that asks for time (RFC 6585 4, RFC 9110 15.6.4).
const STATUS_LATER: [u16; 2] = [429, 503];

/// An attempt, and what the endpoint asked for in `Retry-After`.
pub(super) struct Attempted {
    pub(super) attempt: WebhookAttempt,
    retry_after_s: Option<u64>,
}

impl Core {
    /// Sends an endpoint what waits for it. `goes_on` is asked after each change. Blocks.
    pub(super) fn deliver(&self, row: &WebhookRow, goes_on: impl Fn() -> bool) -> Result<(), LedgerError> {
        let (owner, published) = (row.owner.as_deref(), *self.published.borrow());
        let mut progress = row.progress.clone();
        let (head, changes) = self.ledger.read::<_, LedgerError>(|now| {
            let changes = now.changes_after(owner, progress.place, published, TURN_CHANGES_MAX)?;
            Ok((now.change_head(owner)?, changes))
        })?;
        let mut attempts = Vec::new();
        if progress.place < head.purged {
            progress.state = WebhookState::Behind;
        } else {
            self.send(row, &changes, &mut progress, &mut attempts, goes_on);
        }
        if progress.state != row.progress.state {
            tracing::warn!(webhook = row.id, state = progress.state.name(), "nothing is sent to a webhook any more");
        }
        let (seq, edition) = (row.seq, row.edition);
        let kept = self.ledger.write::<_, LedgerError, _>(move |tx| {
            tx.add_webhook_attempts(seq, &attempts, ATTEMPTS_KEPT)?;
            tx.advance_webhook(seq, edition, &progress)
        });
        kept.wait_blocking()
    }

    fn send(
        &self,
        row: &WebhookRow,
        changes: &[ChangeRow],
        progress: &mut WebhookProgress,
        attempts: &mut Vec<WebhookAttempt>,
        goes_on: impl Fn() -> bool,
    ) {
        let began_ms = self.now_ms();
        for change in changes {
            if row.kinds.is_empty() || row.kinds.iter().any(|kind| kind == change_kind(change)) {
                let attempted = self.attempt(row, &Letter::change(change), Some(change.n));
                settle(progress, &row.id, &attempted, self.now_ms());
                let taken = attempted.attempt.why.is_none();
                attempts.push(attempted.attempt);
                self.webhooks.round.count(taken);
                if !taken {
                    return;
                }
            }
            progress.place = change.n;
            if !goes_on() || self.now_ms().saturating_sub(began_ms) > TURN_MS_MAX {
                break;
            }
        }
        // Who has waited longest comes first: now that is somebody else.
        progress.next_ms = self.now_ms();
    }

    /// Sends one message to an endpoint. Blocks for ten seconds at most.
    pub(super) fn attempt(&self, row: &WebhookRow, letter: &Letter, place: Option<u64>) -> Attempted {
        let (courier, at_ms) = (self.webhooks.courier(), self.now_ms());
        let headers = letter.headers(&self.webhooks.keys, unix_s(at_ms));
        let (status, retry_after_s, why) = match courier.read(&row.url) {
            Err(mistake) => (None, None, Some(mistake.code())), // allowed once, and the configuration changed
            Ok(url) => match courier.post(&url, &headers, letter.body()) {
                Err(unsent) => (None, None, Some(unsent.code())),
                Ok(Answer { status, retry_after_s }) => (Some(status), retry_after_s, refusal(status)),
            },
        };
        let took_ms = self.now_ms().saturating_sub(at_ms);
        let attempt = WebhookAttempt { place, at_ms, took_ms, status, why: why.map(str::to_owned) };
        Attempted { attempt, retry_after_s }
    }
}

/// Why a status does not mean that the message was taken.
const fn refusal(status: u16) -> Option<&'static str> {
    match status {
        200..=299 => None,
        300..=399 => Some("redirect"),
        _ => Some("status"),
    }
}

/// What an attempt makes of an endpoint's progress, but for its place.
fn settle(progress: &mut WebhookProgress, id: &str, attempted: &Attempted, now_ms: u64) {
    let Attempted { attempt, retry_after_s } = attempted;
    let Some(why) = &attempt.why else {
        (progress.failures, progress.failing_ms) = (0, None);
        progress.succeeded = attempt.status.map(|status| (attempt.at_ms, status));
        return;
    };
    progress.failures += 1;
    let since_ms = *progress.failing_ms.get_or_insert(attempt.at_ms);
    progress.failed = Some((attempt.at_ms, attempt.status, why.clone()));
    let later = attempt.status.is_some_and(|status| STATUS_LATER.contains(&status));
    let asked = retry_after_s.filter(|_| later).map(asked_ms);
    progress.next_ms = now_ms + asked.unwrap_or_else(|| wait_ms(id, progress.failures));
    if attempt.status == Some(STATUS_GONE) {
        progress.state = WebhookState::Gone;
    } else if now_ms.saturating_sub(since_ms) >= GIVEN_UP_MS {
        progress.state = WebhookState::Failed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_800_000_000_000;

    fn fresh() -> WebhookProgress {
        WebhookProgress {
            state: WebhookState::Active,
            place: 7,
            next_ms: 0,
            failures: 0,
            failing_ms: None,
            succeeded: None,
            failed: None,
        }
    }

    fn answered(status: u16, retry_after_s: Option<u64>, at_ms: u64) -> Attempted {
        let why = refusal(status).map(str::to_owned);
        let attempt = WebhookAttempt { place: Some(8), at_ms, took_ms: 3, status: Some(status), why };
        Attempted { attempt, retry_after_s }
    }

    #[test]
    fn failures_are_counted_and_forgotten() {
        let mut progress = fresh();
        for failures in 1..=3 {
            settle(&mut progress, "a", &answered(500, None, NOW_MS + failures), NOW_MS + failures);
            assert_eq!((progress.failures, progress.failing_ms), (failures, Some(NOW_MS + 1)));
            assert_eq!(progress.next_ms, NOW_MS + failures + wait_ms("a", failures));
        }
        assert_eq!(progress.failed, Some((NOW_MS + 3, Some(500), "status".to_owned())));
        settle(&mut progress, "a", &answered(204, None, NOW_MS + 9), NOW_MS + 9);
        assert_eq!((progress.failures, progress.failing_ms, progress.succeeded), (0, None, Some((NOW_MS + 9, 204))));
        assert_eq!(progress.place, 7, "the place is not its business");
    }

    #[test]
    fn who_asks_for_time_gets_it_within_bounds() {
        for (status, asks_s, wait) in
            [(429, Some(60), 60_000), (503, Some(0), 1_000), (503, Some(u64::MAX), 3_600_000), (500, Some(60), 0)]
        {
            let mut progress = fresh();
            settle(&mut progress, "a", &answered(status, asks_s, NOW_MS), NOW_MS);
            let wait = if wait == 0 { wait_ms("a", 1) } else { wait };
            assert_eq!(progress.next_ms, NOW_MS + wait, "{status}");
        }
    }

    #[test]
    fn gone_ends_at_once_and_failing_after_days() {
        let mut progress = fresh();
        settle(&mut progress, "a", &answered(410, None, NOW_MS), NOW_MS);
        assert_eq!(progress.state, WebhookState::Gone);
        let mut progress = fresh();
        let mut now_ms = NOW_MS;
        while progress.state == WebhookState::Active {
            settle(&mut progress, "a", &answered(301, None, now_ms), now_ms);
            now_ms = progress.next_ms;
        }
        assert_eq!((progress.state, progress.failures), (WebhookState::Failed, 12));
    }
}

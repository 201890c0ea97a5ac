//! Webhooks: whether what happens reaches those who want to be told, and what to do where it does not.

use crate::authority::{WebhookHealth, WebhooksHealth};
use crate::clock::{Clock, SystemClock, rfc3339, unix_s};
use crate::config::Config;

/// Endpoints that are named; more are counted.
const NAMED_MAX: usize = 5;
/// An endpoint that is so far behind is named, in seconds: an hour is an ordinary outage of a receiver.
const BEHIND_S: u64 = 3_600;

/// What is wrong is what the operator can mend: endpoints of his own, or a way out that no endpoint is reached by. Those of
/// providers are told with what to tell them.
pub(super) fn finding(config: &Config) -> Result<String, String> {
    let all = WebhooksHealth::of(&config.paths.data).map_err(|e| e.to_string())?;
    judge(&all, SystemClock.now_s())
}

fn judge(all: &WebhooksHealth, now_s: u64) -> Result<String, String> {
    if all.endpoints == 0 {
        return Ok("nobody has an endpoint".to_owned());
    }
    let mut said = vec![format!(
        "{} endpoints: {} active ({} of these failing), {} paused, {} stopped",
        all.endpoints,
        all.active,
        all.failing,
        all.paused,
        all.stopped.len()
    )];
    said.extend(all.slowest.as_ref().and_then(|one| waiting(one, now_s)));
    let (own, others): (Vec<_>, Vec<_>) = all.stopped.iter().partition(|one| one.owner.is_none());
    said.extend(stopped(&others, "their providers make them active again (callbook provider webhook set ID --state active), or give \
                                  them another place if they are behind (provider webhook redeliver ID --after now); tell them"));
    let mut wrong = Vec::new();
    wrong.extend(stopped(
        &own,
        "these are yours: callbook provider webhook set ID --state active with your token, or remove them",
    ));
    if all.active > 1 && all.failing == all.active {
        wrong.push(
            "no active endpoint takes anything: look whether this machine reaches the internet over https".to_owned(),
        );
    }
    match wrong.is_empty() {
        true => Ok(said.join(". ")),
        false => Err(said.into_iter().chain(wrong).collect::<Vec<_>>().join(". ")),
    }
}

/// What waits longest, once that is long.
fn waiting(one: &WebhookHealth, now_s: u64) -> Option<String> {
    let at_s = unix_s(one.oldest_ms?);
    let age_s = now_s.saturating_sub(at_s);
    (age_s >= BEHIND_S).then(|| {
        format!(
            "That of {} at {} is furthest behind: {} changes wait, the oldest since {} ({} h); after {} days it is lost to it",
            owner(one),
            one.host,
            one.lag,
            rfc3339(at_s),
            age_s / 3_600,
            WebhooksHealth::KEPT_D
        )
    })
}

fn stopped(these: &[&WebhookHealth], advice: &str) -> Option<String> {
    let named = these.iter().take(NAMED_MAX);
    let named: Vec<String> = named
        .map(|one| format!("{} at {} ({}, {} changes wait)", owner(one), one.host, one.progress.state.name(), one.lag))
        .collect();
    let more = match these.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more (callbook webhook health)"),
    };
    (!these.is_empty()).then(|| format!("Nothing is sent any more to: {}{more}; {advice}", named.join(", ")))
}

fn owner(one: &WebhookHealth) -> &str {
    one.owner.as_deref().unwrap_or("the operator")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{WebhookProgress, WebhookState};

    const NOW_S: u64 = 1_800_000_000;

    fn one(owner: Option<&str>, state: WebhookState, behind_s: u64) -> WebhookHealth {
        let progress = WebhookProgress {
            state,
            place: 7,
            next_ms: 0,
            failures: 3,
            failing_ms: Some((NOW_S - behind_s) * 1000),
            succeeded: None,
            failed: None,
        };
        let (owner, host) = (owner.map(str::to_owned), "hooks.example".to_owned());
        WebhookHealth {
            seq: 1,
            id: "x".into(),
            owner,
            host,
            progress,
            lag: 4,
            oldest_ms: Some((NOW_S - behind_s) * 1000),
        }
    }

    #[test]
    fn what_the_operator_can_mend_is_wrong_and_the_rest_is_told() {
        assert_eq!(judge(&WebhooksHealth::default(), NOW_S), Ok("nobody has an endpoint".to_owned()));
        let mut all = WebhooksHealth { endpoints: 3, active: 2, failing: 1, ..WebhooksHealth::default() };
        all.slowest = Some(one(Some("acme"), WebhookState::Active, 59 * 60));
        assert!(!judge(&all, NOW_S).unwrap().contains("furthest behind"), "an ordinary outage");
        all.slowest = Some(one(Some("acme"), WebhookState::Active, 7_200));
        assert!(
            judge(&all, NOW_S).unwrap().contains("That of acme at hooks.example is furthest behind: 4 changes wait")
        );
        all.stopped = vec![one(Some("acme"), WebhookState::Gone, 7_200)];
        let told = judge(&all, NOW_S).unwrap();
        assert!(told.contains("acme at hooks.example (gone, 4 changes wait)") && told.contains("redeliver"), "{told}");
        all.stopped = vec![one(None, WebhookState::Failed, 7_200)];
        assert!(judge(&all, NOW_S).unwrap_err().contains("these are yours"));
        (all.stopped, all.failing) = (Vec::new(), 2);
        assert!(judge(&all, NOW_S).unwrap_err().contains("reaches the internet"));
        all.stopped = (0..9).map(|_| one(Some("acme"), WebhookState::Behind, 7_200)).collect();
        assert!(judge(&all, NOW_S).unwrap_err().contains("and 4 more"));
    }
}

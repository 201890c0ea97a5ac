//! How everybody's endpoints do, for the operator: whose, at which host, since when it takes nothing, what waits. No path and no
//! query of a URL is told: they are their owners', and often hold a secret.

use std::path::Path;

use crate::authority::access::Actor;
use crate::authority::error::{OpenError, Rejection};
use crate::authority::webhooks::courier::host_of;
use crate::authority::{Authority, CHANGES_KEPT_D};
use crate::ledger::{Ledger, LedgerError, Snapshot, WebhookProgress, WebhookRow, WebhookState};
use crate::registry::acts::Power;

/// Endpoints that are read at once.
const STEP: usize = 1000;

/// An endpoint as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookHealth {
    /// Its place in the order in which endpoints were made.
    pub seq: u64,
    /// Names it.
    pub id: String,
    /// Whose it is; None: the operator's.
    pub owner: Option<String>,
    /// The host that it is at, and the port if one is named.
    pub host: String,
    /// How far it has come.
    pub progress: WebhookProgress,
    /// How many changes there are behind its place.
    pub lag: u64,
    /// When the oldest of them happened, in milliseconds.
    pub oldest_ms: Option<u64>,
}

/// All endpoints together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhooksHealth {
    /// How many there are.
    pub endpoints: u64,
    /// Active ones, and of these those whose latest attempts failed.
    pub active: u64,
    /// See above.
    pub failing: u64,
    /// Those to which nothing is sent any more, until their owner acts: gone, failed, behind.
    pub stopped: Vec<WebhookHealth>,
    /// Paused by their owners.
    pub paused: u64,
    /// The active endpoint whose oldest undelivered change is the oldest of all.
    pub slowest: Option<WebhookHealth>,
}

impl Authority {
    /// Everybody's endpoints after place `after` of all, at most `limit`, and whether there are more. Blocks.
    pub fn webhooks_health(
        &self,
        actor: &Actor,
        after: u64,
        limit: usize,
    ) -> Result<(Vec<WebhookHealth>, bool), Rejection> {
        actor.demand(Power::See)?;
        self.core.ledger.read(|now| {
            let mut rows = now.webhooks_after(after, limit + 1)?;
            let more = rows.len() > limit;
            rows.truncate(limit);
            Ok((rows.into_iter().map(|row| health(now, row)).collect::<Result<_, LedgerError>>()?, more))
        })
    }
}

impl WebhooksHealth {
    /// Of the directory whose ledger lies in `data`, also while another process works in it.
    pub fn of(data: &Path) -> Result<Self, OpenError> {
        Ledger::peek(data, |now| {
            let (mut all, mut after) = (Self::default(), 0);
            loop {
                let rows = now.webhooks_after(after, STEP)?;
                let Some(last) = rows.last() else { return Ok(all) };
                after = last.seq;
                for row in rows {
                    all.count(health(now, row)?);
                }
            }
        })
    }

    /// The days for which a change waits for an endpoint.
    pub const KEPT_D: u64 = CHANGES_KEPT_D;

    fn count(&mut self, one: WebhookHealth) {
        self.endpoints += 1;
        match one.progress.state {
            WebhookState::Active => {
                self.active += 1;
                self.failing += u64::from(one.progress.failures > 0);
                let before_ms = self.slowest.as_ref().and_then(|slowest| slowest.oldest_ms);
                if one.oldest_ms.is_some_and(|at_ms| before_ms.is_none_or(|before_ms| at_ms < before_ms)) {
                    self.slowest = Some(one);
                }
            }
            WebhookState::Paused => self.paused += 1,
            WebhookState::Gone | WebhookState::Failed | WebhookState::Behind => self.stopped.push(one),
        }
    }
}

fn health(now: &Snapshot<'_>, row: WebhookRow) -> Result<WebhookHealth, LedgerError> {
    let owner = row.owner.as_deref();
    let newest = now.change_head(owner)?.newest;
    let place = row.progress.place;
    Ok(WebhookHealth {
        lag: newest.saturating_sub(place),
        oldest_ms: now.change_time_after(owner, place)?,
        host: host_of(&row.url),
        seq: row.seq,
        id: row.id,
        owner: row.owner,
        progress: row.progress,
    })
}

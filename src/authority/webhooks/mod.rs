//! Webhooks: the change feed sent to endpoints that a provider, or the operator, names.
//!
//! ```text
//! feed (durable) <--place-- endpoint (durable)      round: who has news and whose time has come -> a thread each
//!                                                   deliver: read behind the place, POST one by one, keep the place
//! ```
//! An endpoint is a place in its owner's feed, and nothing else is kept of what is to be sent: after a crash or a month of
//! standstill it goes on there, and a receiver drops what it has seen by the id.

mod address;
mod courier;
mod deliver;
mod health;
mod keys;
mod message;
mod round;
mod schedule;

use std::sync::OnceLock;

pub use crate::authority::webhooks::courier::{Courier, UrlMistake, WebhookUrl};
pub use crate::authority::webhooks::health::{WebhookHealth, WebhooksHealth};
pub(super) use crate::authority::webhooks::keys::WebhookKeys;
pub use crate::authority::webhooks::keys::{finish as finish_webhook_keys, rotate as rotate_webhook_keys};
pub use crate::authority::webhooks::round::{Sending, WebhookVitals};

use crate::authority::Authority;
use crate::authority::access::{Actor, Party, Verb};
use crate::authority::changes::ChangesFrom;
use crate::authority::error::Rejection;
use crate::authority::webhooks::message::Letter;
use crate::authority::webhooks::round::Round;
use crate::ledger::{LedgerError, Snapshot, WebhookAttempt, WebhookProgress, WebhookRow, WebhookState};
use crate::log::bytes::to_base64url;
use crate::log::random::Random;
use crate::registry::acts::Power;

/// Endpoints of one owner: one for each of its systems, and a new one beside an old one.
pub const WEBHOOKS_PER_OWNER_MAX: usize = 8;
/// The longest description, in bytes.
pub const WEBHOOK_DESCRIPTION_MAX: usize = 200;
/// Attempts that are kept of an endpoint: what a developer looks at.
const ATTEMPTS_KEPT: usize = 50;
/// Milliseconds between two tests of one owner: nobody has the directory knock at a door faster.
const TEST_EVERY_MS: u64 = 2_000;

/// What webhooks need, beside the ledger.
pub(super) struct Webhooks {
    keys: WebhookKeys,
    courier: OnceLock<Courier>,
    round: Round,
}

impl Webhooks {
    pub(super) fn new(keys: WebhookKeys) -> Self {
        Self { keys, courier: OnceLock::new(), round: Round::default() }
    }

    /// There is something new in the feed.
    pub(super) fn feed_has_grown(&self) {
        self.round.news();
    }

    fn courier(&self) -> &Courier {
        self.courier.get_or_init(Courier::strict)
    }
}

/// An endpoint as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookView {
    /// The endpoint.
    pub row: WebhookRow,
    /// How many changes there are behind its place.
    pub lag: u64,
}

/// A wish for an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWebhook {
    /// Where to.
    pub url: WebhookUrl,
    /// Which kinds of changes; none means all.
    pub kinds: Vec<String>,
    /// What its owner calls it.
    pub description: String,
}

/// Whether its owner wants changes sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookWanted {
    /// Yes.
    Active,
    /// Not now.
    Paused,
}

/// What an owner changes; None stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookEdit {
    /// Where to.
    pub url: Option<WebhookUrl>,
    /// Whether changes are sent.
    pub wanted: Option<WebhookWanted>,
    /// Which kinds of changes.
    pub kinds: Option<Vec<String>>,
    /// What it is called.
    pub description: Option<String>,
}

impl Authority {
    /// Reads a URL that something may be sent to, and looks its host up. Blocks.
    pub fn webhook_url(&self, text: &str) -> Result<WebhookUrl, UrlMistake> {
        let courier = self.core.webhooks.courier();
        let url = courier.read(text)?;
        courier.check(&url)?;
        Ok(url)
    }

    /// The public keys that webhooks are verified with, `whpk_…`, the newest first.
    pub fn webhook_keys(&self) -> Vec<String> {
        self.core.webhooks.keys.public()
    }

    /// Whether whoever asks may set endpoints, and this one if one is named: before anything else is looked at. Blocks.
    pub fn may_set_webhook(&self, actor: &Actor, id: Option<&str>) -> Result<(), Rejection> {
        let owner = owner(actor, Power::Act)?;
        match id {
            Some(id) => self.core.ledger.read(|now| mine(now, owner.as_deref(), id).map(drop)),
            None => Ok(()),
        }
    }

    /// Makes an endpoint; it gets what happens from now on. Blocks.
    pub fn add_webhook(&self, actor: &Actor, new: NewWebhook) -> Result<WebhookView, Rejection> {
        let owner = owner(actor, Power::Act)?;
        let place = self.changes(actor, ChangesFrom::Now, 1)?.next;
        let (mut id, now_ms) = ([0; 12], self.core.now_ms());
        self.core.random.fill(&mut id)?;
        let row = WebhookRow {
            seq: 0,
            id: to_base64url(&id),
            owner,
            url: new.url.as_text(),
            kinds: new.kinds,
            description: new.description,
            made_ms: now_ms,
            edition: 0,
            progress: WebhookProgress {
                state: WebhookState::Active,
                place,
                next_ms: now_ms,
                failures: 0,
                failing_ms: None,
                succeeded: None,
                failed: None,
            },
        };
        let stored = self.core.ledger.write::<_, Rejection, _>(move |tx| {
            if tx.webhooks_of(row.owner.as_deref(), 0, WEBHOOKS_PER_OWNER_MAX)?.len() == WEBHOOKS_PER_OWNER_MAX {
                let why = format!("there are {WEBHOOKS_PER_OWNER_MAX} webhooks already: remove one, or change its URL");
                return Err(Rejection::Conflict(why));
            }
            tx.add_webhook(&row)?;
            view(tx, tx.webhook(&row.id)?.ok_or(Rejection::NotFound)?)
        });
        self.set(stored.wait_blocking())
    }

    /// The endpoints of whoever asks after place `after` of all, at most `limit`, and whether there are more. Blocks.
    pub fn webhooks(&self, actor: &Actor, after: u64, limit: usize) -> Result<(Vec<WebhookView>, bool), Rejection> {
        let owner = owner(actor, Power::See)?;
        self.core.ledger.read(|now| {
            let mut rows = now.webhooks_of(owner.as_deref(), after, limit + 1)?;
            let more = rows.len() > limit;
            rows.truncate(limit);
            Ok((rows.into_iter().map(|row| view(now, row)).collect::<Result<_, Rejection>>()?, more))
        })
    }

    /// An endpoint of whoever asks; NotFound alike for those of others and those that nobody made. Blocks.
    pub fn webhook(&self, actor: &Actor, id: &str) -> Result<WebhookView, Rejection> {
        let owner = owner(actor, Power::See)?;
        self.core.ledger.read(|now| view(now, mine(now, owner.as_deref(), id)?))
    }

    /// Changes an endpoint. To make it active, or to give it another URL, ends every wait. Blocks.
    pub fn edit_webhook(&self, actor: &Actor, id: &str, edit: WebhookEdit) -> Result<WebhookView, Rejection> {
        let (owner, id, now_ms) = (owner(actor, Power::Act)?, id.to_owned(), self.core.now_ms());
        let stored = self.core.ledger.write::<_, Rejection, _>(move |tx| {
            let mut row = mine(tx, owner.as_deref(), &id)?;
            if edit.wanted == Some(WebhookWanted::Active)
                && row.progress.place < tx.change_head(owner.as_deref())?.purged
            {
                return Err(fell_behind());
            }
            if edit.url.is_some() || edit.wanted == Some(WebhookWanted::Active) {
                (row.progress.failures, row.progress.failing_ms, row.progress.next_ms) = (0, None, now_ms);
            }
            match edit.wanted {
                Some(WebhookWanted::Active) => row.progress.state = WebhookState::Active,
                Some(WebhookWanted::Paused) => row.progress.state = WebhookState::Paused,
                None => {}
            }
            row.url = edit.url.map_or(row.url, |url| url.as_text());
            row.kinds = edit.kinds.unwrap_or(row.kinds);
            row.description = edit.description.unwrap_or(row.description);
            tx.set_webhook(&row)?;
            view(tx, row)
        });
        self.set(stored.wait_blocking())
    }

    /// Gives an endpoint another place: what comes behind it is sent, again or not any more. One that fell behind is
    /// active again. Blocks.
    pub fn redeliver(&self, actor: &Actor, id: &str, from: ChangesFrom) -> Result<WebhookView, Rejection> {
        let owner = owner(actor, Power::Act)?;
        self.core.ledger.read(|now| mine(now, owner.as_deref(), id).map(drop))?;
        let place = match from {
            ChangesFrom::Oldest => {
                self.core.ledger.read::<_, LedgerError>(|now| now.change_head(owner.as_deref()))?.purged
            }
            ChangesFrom::Now => self.changes(actor, from, 1)?.next,
            ChangesFrom::After(place) => self.changes(actor, from, 1).map(|_| place)?,
        };
        let (id, now_ms) = (id.to_owned(), self.core.now_ms());
        let stored = self.core.ledger.write::<_, Rejection, _>(move |tx| {
            let mut row = mine(tx, owner.as_deref(), &id)?;
            (row.progress.place, row.progress.next_ms) = (place, now_ms);
            if row.progress.state == WebhookState::Behind {
                row.progress.state = WebhookState::Active;
            }
            tx.set_webhook(&row)?;
            view(tx, row)
        });
        self.set(stored.wait_blocking())
    }

    /// Removes an endpoint; an attempt that is under way may still arrive. Blocks.
    pub fn remove_webhook(&self, actor: &Actor, id: &str) -> Result<(), Rejection> {
        let (owner, id) = (owner(actor, Power::Act)?, id.to_owned());
        let stored = self.core.ledger.write::<_, Rejection, _>(move |tx| {
            let row = mine(tx, owner.as_deref(), &id)?;
            Ok(tx.remove_webhook(row.seq)?)
        });
        self.set(stored.wait_blocking())
    }

    /// The latest attempts of an endpoint, the newest first. Blocks.
    pub fn webhook_attempts(&self, actor: &Actor, id: &str) -> Result<Vec<WebhookAttempt>, Rejection> {
        let owner = owner(actor, Power::See)?;
        self.core.ledger.read(|now| {
            let row = mine(now, owner.as_deref(), id)?;
            Ok(now.webhook_attempts(row.seq)?)
        })
    }

    /// Sends an endpoint a test at once, whatever its state, and says how that went. If it is taken, changes that wait after
    /// a failure are sent at once too. Blocks for ten seconds at most.
    pub fn test_webhook(&self, actor: &Actor, id: &str) -> Result<WebhookAttempt, Rejection> {
        let (owner, now_ms) = (owner(actor, Power::Act)?, self.core.now_ms());
        let row = self.core.ledger.read(|now| mine(now, owner.as_deref(), id))?;
        if !self.core.webhooks.round.may_test(owner.as_deref(), now_ms) {
            let why = "one test in two seconds is sent".to_owned();
            return Err(Rejection::TooMany { retry_after_s: TEST_EVERY_MS.div_ceil(1000) as u32, why });
        }
        let mut chance = [0; 12];
        self.core.random.fill(&mut chance)?;
        let attempt = self.core.attempt(&row, &Letter::test(&row.id, &chance, now_ms), None).attempt;
        let (stored, seq, taken) = (attempt.clone(), row.seq, attempt.why.is_none());
        let kept = self.core.ledger.write::<_, LedgerError, _>(move |tx| {
            tx.add_webhook_attempts(seq, &[stored], ATTEMPTS_KEPT)?;
            if taken { tx.hasten_webhook(seq, now_ms) } else { Ok(()) }
        });
        kept.wait_blocking()?;
        self.core.webhooks.round.news();
        Ok(attempt)
    }

    /// What an owner set is looked at by the round at once.
    fn set<T>(&self, stored: Result<T, Rejection>) -> Result<T, Rejection> {
        self.core.webhooks.round.news();
        stored
    }
}

/// Whose endpoints an actor reaches; None is the operator. An endpoint tells everything about all numbers of its owner, so
/// a token for some of them does not reach any.
fn owner(actor: &Actor, power: Power) -> Result<Option<String>, Rejection> {
    let whole = |verb| !actor.test && actor.scopes.iter().any(|scope| scope.verb == verb && scope.prefix.is_empty());
    let may = whole(Verb::Read) && (power == Power::See || whole(Verb::Write));
    match &actor.party {
        Party::Operator => actor.demand(power)?,
        Party::Provider(_) if may => {}
        Party::Provider(_) => {
            let why = "a webhook tells what happens to all your numbers: a token with read:+ is needed to see it, and one with \
                       read:+ and write:+ to set it; test tokens do neither";
            return Err(Rejection::Forbidden(why.to_owned()));
        }
    }
    Ok(actor.provider().map(str::to_owned))
}

fn mine(now: &Snapshot<'_>, owner: Option<&str>, id: &str) -> Result<WebhookRow, Rejection> {
    now.webhook(id)?.filter(|row| row.owner.as_deref() == owner).ok_or(Rejection::NotFound)
}

fn view(now: &Snapshot<'_>, row: WebhookRow) -> Result<WebhookView, Rejection> {
    let newest = now.change_head(row.owner.as_deref())?.newest;
    Ok(WebhookView { lag: newest.saturating_sub(row.progress.place), row })
}

fn fell_behind() -> Rejection {
    Rejection::Gone(
        "changes that this webhook has not got are not kept any more: read GET /v1/numbers, then set its place with POST \
         /v1/webhooks/{id}/redelivery and cursor=now"
            .to_owned(),
    )
}

//! The change feed: what happened to numbers, in order, told to those whom it concerns, and replayed from any place.
//!
//! A row lands in the transaction that seals its epoch and is shown once that epoch is published. It names the label; the
//! number is looked up when somebody reads, so a release makes every earlier row of the registration nameless at once.
//! Each provider has a count of its own, without gaps: its places tell nothing about what happens at others.

use std::time::Duration;

use crate::authority::access::{Actor, Party, Verb};
use crate::authority::error::Rejection;
use crate::authority::{Authority, Core};
use crate::ledger::{ChangeRow, Changed, EventRow, LedgerError};
use crate::log::event::Kind;
use crate::log::state::Status;
use crate::registry::rules::Entry;

/// Days for which changes can be replayed. Who was away longer reads the list of its numbers instead.
pub const CHANGES_KEPT_D: u64 = 90;
/// The most changes of one answer.
pub const CHANGES_PAGE_MAX: usize = 1000;
/// Rows looked at for one answer, when a token sees only some of them.
const SCANNED_MAX: usize = 10_000;
/// Requests that wait for a change at the same time; more would leave no connections for anything else. Who comes later is
/// answered at once.
pub(super) const WAITING_MAX: usize = 256;

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangesFrom {
    /// At the oldest change that is kept.
    Oldest,
    /// After this place.
    After(u64),
    /// With what comes next.
    Now,
}

/// A page of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangesPage {
    /// What happened, the oldest first.
    pub changes: Vec<ChangeRow>,
    /// The place to go on after.
    pub next: u64,
    /// Whether there is more already.
    pub more: bool,
}

impl Authority {
    /// A page of the feed: a provider sees what concerns it, the operator everything. Blocks.
    pub fn changes(&self, actor: &Actor, from: ChangesFrom, limit: usize) -> Result<ChangesPage, Rejection> {
        if !actor.may(Verb::Read, None) {
            return Err(Rejection::Forbidden("this token does not allow reading".to_owned()));
        }
        let reader = reader(actor);
        let published = self.published_epoch();
        self.core.ledger.read(|now| {
            let head = now.change_head(reader)?;
            let visible = |after, limit| now.changes_after(reader, after, published, limit);
            let mut place = match from {
                ChangesFrom::Oldest => head.purged,
                ChangesFrom::After(place) if place < head.purged => return Err(too_old()),
                ChangesFrom::After(place) if place > head.newest => return Err(never_given()),
                ChangesFrom::After(place) => place,
                // Where everything was forgotten, nothing older is a place to go on from.
                ChangesFrom::Now => newest_visible(head.newest, published, |n| visible(n, 1))?.max(head.purged),
            };
            let (mut changes, mut scanned, mut more) = (Vec::new(), 0, false);
            while changes.len() < limit && scanned < SCANNED_MAX && from != ChangesFrom::Now {
                let rows = visible(place, limit - changes.len() + 1)?;
                more = rows.len() > limit - changes.len();
                for row in rows.into_iter().take(limit - changes.len()) {
                    (place, scanned) = (row.n, scanned + 1);
                    if shows(actor, &row) {
                        changes.push(row);
                    }
                }
                if !more {
                    break;
                }
            }
            Ok(ChangesPage { changes, next: place, more })
        })
    }

    /// The same, waiting until there is something, `wait_ms` at most.
    pub async fn wait_changes(
        &self,
        actor: &Actor,
        from: ChangesFrom,
        limit: usize,
        wait_ms: u64,
    ) -> Result<ChangesPage, Rejection> {
        let mut published = self.core.published.subscribe();
        let mut page = self.changes_beside(actor, from, limit).await?;
        let place = self.core.feed_waits.try_acquire();
        if wait_ms == 0 || place.is_err() || !page.changes.is_empty() {
            return Ok(page);
        }
        let waiting = async {
            while page.changes.is_empty() && published.changed().await.is_ok() {
                page = self.changes_beside(actor, ChangesFrom::After(page.next), limit).await?;
            }
            Ok(())
        };
        match tokio::time::timeout(Duration::from_millis(wait_ms), waiting).await {
            Ok(Err(no)) => Err(no),
            Ok(Ok(())) | Err(_) => Ok(page),
        }
    }

    async fn changes_beside(&self, actor: &Actor, from: ChangesFrom, limit: usize) -> Result<ChangesPage, Rejection> {
        let actor = actor.clone();
        self.run(move |authority| authority.changes(&actor, from, limit)).await
    }
}

fn reader(actor: &Actor) -> Option<&str> {
    match &actor.party {
        Party::Operator => None,
        Party::Provider(id) => Some(id),
    }
}

/// The last place that is visible: only the newest epoch can hide some.
fn newest_visible(
    newest: u64,
    published: u64,
    mut after: impl FnMut(u64) -> Result<Vec<ChangeRow>, LedgerError>,
) -> Result<u64, LedgerError> {
    let (mut low, mut high) = (0, newest);
    // `after(n)` gives something iff a place behind n is visible; visibility never comes back once it ended.
    while low < high {
        let middle = low + (high - low) / 2;
        match after(middle)?.first() {
            Some(row) if row.changed.epoch <= published => low = row.n.max(middle + 1),
            _ => high = middle,
        }
    }
    Ok(low)
}

/// Whether a token sees a row: one for some numbers only does not see those of others, nor rows that are nameless.
fn shows(actor: &Actor, row: &ChangeRow) -> bool {
    let all = !actor.test && actor.scopes.iter().any(|scope| scope.verb == Verb::Read && scope.prefix.is_empty());
    all || row.number.is_some_and(|number| actor.may(Verb::Read, Some(number)))
}

fn too_old() -> Rejection {
    Rejection::Gone(format!(
        "changes are kept for {CHANGES_KEPT_D} days, and this cursor is older. Take a new one with cursor=now, then read \
         GET /v1/numbers, then go on from that cursor"
    ))
}

fn never_given() -> Rejection {
    Rejection::Gone(
        "this cursor is ahead of the feed: it is not from this directory, or the directory was restored from a \
         backup. Take a new one with cursor=now, then read GET /v1/numbers, then go on from that cursor"
            .to_owned(),
    )
}

/// A change and the providers whom it concerns.
pub(super) struct Told {
    /// What happened.
    pub(super) changed: Changed,
    /// Whom it concerns, each once.
    pub(super) readers: Vec<String>,
}

/// What is told of a sealed event: to the sponsor before it and after it, and to who asks, or asked, at a door.
pub(super) fn told(row: &EventRow, before: Option<&Entry>, after: &Entry, epoch: u64) -> Told {
    let live = |entry: &&Entry| entry.state.status != Status::Released;
    let sponsor = |entry: &Entry| entry.provider.clone();
    // Who had the number before its quarantine does not learn that somebody registers it again.
    let (before, was_asked) =
        (before.filter(live).map(sponsor), before.filter(live).and_then(|entry| entry.request.as_ref()));
    let after_it = Some(after).filter(live).map(sponsor);
    let asks = matches!(row.event.kind, Kind::Request | Kind::Complete).then(|| row.event.provider.clone());
    let decided = was_asked.filter(|_| after.request.is_none() || row.event.kind == Kind::Object);
    let requester =
        asks.or_else(|| decided.map(|request| request.provider.clone())).filter(|provider| !provider.is_empty());
    let mut readers: Vec<String> = [&before, &after_it, &requester].into_iter().flatten().cloned().collect();
    readers.sort_unstable();
    readers.dedup();
    let changed = Changed {
        epoch,
        time_ms: after.time_ms,
        label: row.event.label,
        kind: row.event.kind as u8,
        door: row.event.door as u8,
        version: after.state.version,
        event: Some(row.hash),
        before,
        after: after_it,
        requester,
        notice: None,
    };
    Told { changed, readers }
}

impl Core {
    /// Wakes whoever waits for changes, though no epoch is new.
    pub(super) fn feed_has_grown(&self) {
        self.published.send_modify(|_| {});
        self.webhooks.feed_has_grown();
    }
}

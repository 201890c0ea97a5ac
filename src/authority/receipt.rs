//! What can be read back: the receipt of a change, and a number by those whom it concerns.

use std::time::Duration;

use crate::authority::access::{Actor, Party, Verb};
use crate::authority::error::Rejection;
use crate::authority::{Authority, Core};
use crate::ledger::{EventRow, LedgerError, Snapshot};
use crate::log::Hash;
use crate::log::event::{Door, Kind};
use crate::log::label::Label;
use crate::log::state::{Flags, State};
use crate::number::Number;
use crate::registry::rules::Entry;
use crate::registry::terms::Terms;

/// The promise that a change is durable and will be published, and then the word that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The event's hash as submitted, which names the receipt.
    pub event_hash: Hash,
    /// When it was accepted, in milliseconds.
    pub accepted_ms: u64,
    /// The latest epoch that will hold it.
    pub epoch_latest: u64,
    /// The version that it gives the number.
    pub version: u64,
    /// By what it was judged.
    pub judged_by: JudgedBy,
    /// How far it has come.
    pub visibility: Visibility,
}

/// The law by which a change was judged. The ledger keeps with each event how many leaves of the gov log were in force then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedBy {
    /// The charter's version; 0 before any was announced.
    pub charter_version: u64,
    /// The edition of the numbering metadata; empty before any was named.
    pub numbering: String,
}

/// How far a change has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// It is durable, and waits for its epoch.
    Pending,
    /// DNS and log show it.
    Published {
        /// The epoch that holds it.
        epoch: u64,
        /// The hash of the State that it made; None for an event too old to look that up.
        state_hash: Option<Hash>,
    },
}

/// A number, in full, for its provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberView {
    /// The number.
    pub number: Number,
    /// Its label.
    pub label: Label,
    /// Its sealed State; None while its first event waits for an epoch.
    pub state: Option<State>,
    /// The record R that goes with the State, or with the waiting CREATE.
    pub record: Vec<u8>,
    /// The receipt of its newest event.
    pub newest: Receipt,
    /// From when on its provider may release it, Unix seconds; None without a notice of release.
    pub release_from_s: Option<u64>,
    /// What is pending, unless it is void.
    pub pending: Option<Pending>,
}

/// A request that waits, as those may see it whom it concerns. Times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Which way it takes.
    pub door: Door,
    /// The provider that asks.
    pub provider: String,
    /// The time of its epoch.
    pub since_s: u64,
    /// From when on it may take effect, if nobody stops it.
    pub effective_from_s: u64,
    /// Whether the control key can end it by a veto.
    pub can_be_vetoed: bool,
    /// When the control key objected.
    pub objected_s: Option<u64>,
}

impl Pending {
    /// What is pending at `now_ms`.
    pub(super) fn of(entry: &Entry, terms: &Terms, now_ms: u64) -> Option<Self> {
        let request = entry.request.as_ref()?;
        let (opens_ms, void_ms) = (entry.opens_ms(terms)?, entry.void_ms(terms)?);
        let held = entry.state.flags.contains(Flags::PROVIDER_HELD);
        (now_ms < void_ms).then(|| Self {
            door: request.door,
            provider: request.provider.clone(),
            since_s: request.time_ms / 1000,
            effective_from_s: opens_ms.div_ceil(1000), // a whole second at which it is open
            can_be_vetoed: request.door != Door::Validation && !held,
            objected_s: request.objected_ms.map(|ms| ms / 1000),
        })
    }
}

/// How far back the State of an old event is looked for.
const HISTORY_STEPS_MAX: usize = 1000;

impl Authority {
    /// The receipt of an event, for the provider that submitted it, the number's provider, and the operator.
    pub fn receipt(&self, actor: &Actor, event_hash: &Hash) -> Result<Option<Receipt>, Rejection> {
        let receipt = self.core.ledger.read::<_, LedgerError>(|now| {
            let Some(row) = now.event_by_hash(event_hash)? else { return Ok(None) };
            if !may_see(actor, &row, now)? {
                return Ok(None);
            }
            self.core.receipt_of(now, &row).map(Some)
        })?;
        Ok(receipt)
    }

    /// Waits until the event is published, `wait_ms` at most; then gives the receipt as it is.
    pub async fn wait_published(
        &self,
        actor: &Actor,
        event_hash: &Hash,
        wait_ms: u64,
    ) -> Result<Option<Receipt>, Rejection> {
        let mut published = self.core.published.subscribe();
        let waiting = async {
            loop {
                published.mark_unchanged();
                let receipt = self.receipt(actor, event_hash)?;
                let pending = receipt.as_ref().is_some_and(|receipt| receipt.visibility == Visibility::Pending);
                if !pending || published.changed().await.is_err() {
                    return Ok(receipt);
                }
            }
        };
        match tokio::time::timeout(Duration::from_millis(wait_ms), waiting).await {
            Ok(found) => found,
            Err(_) => self.receipt(actor, event_hash),
        }
    }

    /// The newest epoch that is published.
    pub fn published_epoch(&self) -> u64 {
        *self.core.published.borrow()
    }

    /// A channel that shows the newest published epoch.
    pub fn watch_published(&self) -> tokio::sync::watch::Receiver<u64> {
        self.core.published.subscribe()
    }

    /// A number in full, for its provider; None for everybody else, whether it is registered or not.
    pub fn read(&self, actor: &Actor, number: Number) -> Result<Option<NumberView>, Rejection> {
        if !actor.may(Verb::Read, Some(number)) {
            return Err(Rejection::Forbidden("this token does not allow reading this number".to_owned()));
        }
        let Party::Provider(provider) = &actor.party else { return Ok(None) };
        let view = self.core.ledger.read::<_, LedgerError>(|now| self.core.number_view(now, provider, number))?;
        Ok(view)
    }
}

/// Whether the actor may see an event's receipt: its submitter, the number's provider, the operator.
fn may_see(actor: &Actor, row: &EventRow, now: &Snapshot<'_>) -> Result<bool, LedgerError> {
    let Party::Provider(provider) = &actor.party else { return Ok(true) };
    let sponsors =
        || Ok::<_, LedgerError>(now.standing(&row.event.label)?.is_some_and(|s| s.entry.provider == *provider));
    Ok(row.event.provider == *provider || sponsors()?)
}

impl Core {
    /// The receipt of an accepted event as things are now.
    pub(super) fn receipt_of(&self, now: &Snapshot<'_>, row: &EventRow) -> Result<Receipt, LedgerError> {
        let published = *self.published.borrow();
        let epoch = now.epoch_of(row.seq)?.map(|epoch| epoch.n).filter(|n| *n <= published);
        let visibility = match epoch {
            None => Visibility::Pending,
            Some(epoch) => Visibility::Published { epoch, state_hash: state_hash(now, row)? },
        };
        Ok(Receipt {
            event_hash: row.hash,
            accepted_ms: row.received_ms,
            epoch_latest: row.promised,
            version: row.event.state.version,
            judged_by: self.law().judged_by(row.gov_size, row.received_ms),
            visibility,
        })
    }

    fn number_view(
        &self,
        now: &Snapshot<'_>,
        provider: &str,
        number: Number,
    ) -> Result<Option<NumberView>, LedgerError> {
        let Some(label) = now.label_of(number)? else { return Ok(None) };
        let Some(personal) = now.personal(&label)? else { return Ok(None) };
        let standing = now.standing(&label)?;
        let open = now.open_event(&label)?.map(|seq| now.event_by_seq(seq)).transpose()?.flatten();
        let sealed = match &standing {
            Some(standing) => now.event_by_seq(standing.event_seq)?,
            None => None,
        };
        let created_by = open.as_ref().filter(|row| row.event.kind == Kind::Create);
        let sponsor = match (created_by, &standing) {
            (Some(row), _) => row.event.provider.as_str(),
            (None, Some(standing)) => standing.entry.provider.as_str(),
            (None, None) => return Ok(None),
        };
        if sponsor != provider {
            return Ok(None);
        }
        let Some(newest) = open.as_ref().or(sealed.as_ref()) else { return Ok(None) };
        let newest = self.receipt_of(now, newest)?;
        let standing = standing.filter(|_| created_by.is_none());
        let notice =
            standing.as_ref().and_then(|standing| standing.entry.request.as_ref()).filter(|r| r.door == Door::Direct);
        let notice_ms = self.law().terms_at(self.now_ms()).cooldown_ms(Door::Direct);
        let release_from_s = notice.map(|request| (request.time_ms + notice_ms).div_ceil(1000)); // a whole second at which it is over
        let terms = Terms::of(&self.policy());
        let pending = standing.as_ref().and_then(|standing| Pending::of(&standing.entry, &terms, self.now_ms()));
        let state = standing.map(|standing| standing.entry.state);
        let record = personal.disclosed.record;
        Ok(Some(NumberView { number, label, state, record, newest, release_from_s, pending }))
    }
}

/// The hash of the State that a sealed event made: the label's present one, or the `prev` of the event that followed.
fn state_hash(now: &Snapshot<'_>, row: &EventRow) -> Result<Option<Hash>, LedgerError> {
    let lost = || LedgerError::Damaged("a sealed event whose State is not to be found");
    let standing = now.standing(&row.event.label)?.ok_or_else(lost)?;
    if standing.event_seq == row.seq {
        return Ok(Some(standing.entry.state.hash()));
    }
    let mut seq = standing.event_seq;
    for _ in 0..HISTORY_STEPS_MAX {
        let later = now.event_by_seq(seq)?.ok_or_else(lost)?;
        match later.before_seq.ok_or_else(lost)? {
            before if before == row.seq => return Ok(Some(later.event.prev)),
            before => seq = before,
        }
    }
    Ok(None)
}

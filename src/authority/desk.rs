//! The desk of the staff: a number looked up with a reason that colleagues can read, the book of such looks, and figures.

use std::collections::BTreeMap;

use crate::authority::Authority;
use crate::authority::access::Actor;
use crate::authority::error::Rejection;
use crate::authority::registration::Registration;
use crate::authority::sign_in::desk;
use crate::clock::unix_s;
use crate::ledger::LedgerError;
use crate::log::event::Kind;
use crate::number::Number;
use crate::registry::acts::Power;
use crate::registry::refusal;
use crate::registry::terms::{DAY_MS, DAY_S};

/// Lines of the book on one page.
pub const DESK_PAGE_MAX: usize = 100;
/// Bytes of a reason for a look.
pub const LOOK_UP_REASON_MAX: usize = 300;
/// A reason that says something has so many bytes at least.
const REASON_LEN_MIN: usize = 5;
/// Changes of one number that are told, the newest first.
const HISTORY_MAX: usize = 200;
/// Days that figures go back.
const FIGURE_DAYS: u64 = 30;
/// Changes that are counted for figures, the newest: some tens of milliseconds of reading.
const COUNTED_MAX: u64 = 20_000;
/// Changes read at once.
const COUNTED_STEP: usize = 1_000;
/// Validations whose age is counted.
const VALIDATIONS_MAX: usize = 20_000;
/// Providers that are told by name in shares.
const SHARES_MAX: usize = 12;
/// Days that a provider's counters are told; they are kept no longer.
const COUNTED_DAYS: u64 = 7;
/// How long the book is kept: longer than anybody may come and ask who looked.
pub(super) const DESK_KEPT_MS: u64 = 2 * 365 * DAY_MS;

/// What happened to a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// When, in milliseconds.
    pub at_ms: u64,
    /// What.
    pub kind: Kind,
    /// The provider in the event.
    pub provider: String,
    /// The epoch that holds it; None while it waits.
    pub epoch: Option<u64>,
    /// The hash of the event, which names its receipt.
    pub event_hash: [u8; 32],
}

/// A number, looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookedUp {
    /// Its registration, if there is one.
    pub registration: Option<Registration>,
    /// What happened to it, the newest first.
    pub history: Vec<Happening>,
    /// Whether more happened before that.
    pub more: bool,
}

/// A line of the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeskLine {
    /// Its place.
    pub seq: u64,
    /// When, in milliseconds.
    pub at_ms: u64,
    /// Who.
    pub person: String,
    /// What: `looked-up`, `signed-in` and so on.
    pub what: String,
    /// About which number, while it is registered, for whoever may see numbers.
    pub number: Option<Number>,
    /// Why, or what exactly.
    pub reason: String,
}

/// What changed by day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// The days, the oldest first, as days since 1970.
    pub days: Vec<u64>,
    /// Registrations on each.
    pub created: Vec<u64>,
    /// Renewals on each.
    pub renewed: Vec<u64>,
    /// Numbers given back or lapsed for good on each.
    pub released: Vec<u64>,
    /// Whether older changes were not counted.
    pub cut: bool,
}

/// What a provider has and does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderCounts {
    /// Numbers, those about to be registered included.
    pub numbers: u64,
    /// The last seven days, the oldest first.
    pub days: Vec<ProviderDay>,
}

/// What a provider did on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProviderDay {
    /// Days since 1970, UTC.
    pub day: u64,
    /// Registrations.
    pub created: u64,
    /// Preparations.
    pub prepared: u64,
    /// Wrong transfer codes.
    pub wrong_codes: u64,
}

impl Authority {
    /// Looks a number up. Who looked, when and why stands in the book before anything is told. Blocks.
    pub fn look_up(&self, actor: &Actor, number: Number, reason: &str) -> Result<LookedUp, Rejection> {
        actor.demand(Power::Audit)?;
        let Some(person) = &actor.person else {
            return Err(refusal::ACT_PERSON.at("", "the program itself looks nobody up").into());
        };
        let reason = reason.trim();
        if !(REASON_LEN_MIN..=LOOK_UP_REASON_MAX).contains(&reason.len()) || reason.chars().any(char::is_control) {
            let why = format!("say why in {REASON_LEN_MIN} to {LOOK_UP_REASON_MAX} bytes, on one line");
            return Err(Rejection::Conflict(why));
        }
        let core = &self.core;
        let label = core.labels.of(&core.keys.vrf, &core.origin, number).0;
        let line = desk(core.now_ms(), &person.id, "looked-up", Some(label), reason);
        core.ledger.write::<_, LedgerError, _>(move |tx| tx.add_desk(&line)).wait_blocking()?;
        let registration = self.registration(actor, number)?;
        let published = self.published_epoch();
        let (history, more) = core.ledger.read::<_, LedgerError>(|now| {
            let open = now.open_event(&label)?;
            let newest = open.or(now.standing(&label)?.map(|standing| standing.event_seq));
            let mut next = newest;
            let mut history = Vec::new();
            while let Some(seq) = next.filter(|_| history.len() < HISTORY_MAX) {
                let Some(row) = now.event_by_seq(seq)? else { break };
                let epoch = now.epoch_of(row.seq)?.map(|epoch| epoch.n).filter(|n| *n <= published);
                let provider = row.event.provider.clone();
                let (at_ms, kind, event_hash) = (row.received_ms, row.event.kind, row.hash);
                history.push(Happening { at_ms, kind, provider, epoch, event_hash });
                next = row.before_seq;
            }
            Ok((history, next.is_some()))
        })?;
        Ok(LookedUp { registration, history, more })
    }

    /// Notes in the book what a person did beside acts, such as asking for new zone keys. Blocks.
    pub fn note_at_desk(&self, actor: &Actor, what: &str, detail: &str) -> Result<(), Rejection> {
        let Some(person) = &actor.person else {
            return Err(refusal::ACT_PERSON.at("", "whoever acts is named").into());
        };
        let line = desk(self.core.now_ms(), &person.id, what, None, detail);
        Ok(self.core.ledger.write::<_, LedgerError, _>(move |tx| tx.add_desk(&line)).wait_blocking()?)
    }

    /// Lines of the book before `before` (0: from the newest on), the newest first. Blocks.
    pub fn desk(&self, actor: &Actor, before: u64, limit: usize) -> Result<Vec<DeskLine>, Rejection> {
        actor.demand(Power::See)?;
        let may_see = actor.demand(Power::Audit).is_ok();
        Ok(self.core.ledger.read::<_, LedgerError>(|now| {
            let rows = now.desk(before, limit.min(DESK_PAGE_MAX))?;
            let line = |row: crate::ledger::DeskRow| {
                let number = match row.label.filter(|_| may_see) {
                    Some(label) => now.number_of(&label)?,
                    None => None,
                };
                let (seq, at_ms, person, what, reason) = (row.seq, row.at_ms, row.person, row.what, row.reason);
                Ok(DeskLine { seq, at_ms, person, what, number, reason })
            };
            rows.into_iter().map(line).collect()
        })?)
    }

    /// What changed by day, from a bounded number of events. Blocks, some tens of milliseconds.
    pub fn figures(&self, actor: &Actor) -> Result<Figures, Rejection> {
        actor.demand(Power::See)?;
        let now_ms = self.core.now_ms();
        Ok(self.core.ledger.read::<_, LedgerError>(|now| {
            let today = now_ms / DAY_MS;
            let days: Vec<u64> = (today.saturating_sub(FIGURE_DAYS - 1)..=today).collect();
            let newest = now.newest_event()?;
            let mut after = newest.saturating_sub(COUNTED_MAX);
            let mut found = BTreeMap::<(u64, u8), u64>::new();
            let mut oldest_day = None;
            loop {
                let rows = now.events_after(after, COUNTED_STEP)?;
                let Some(last) = rows.last().map(|row| row.seq) else { break };
                after = last;
                for row in &rows {
                    let day = row.received_ms / DAY_MS;
                    oldest_day.get_or_insert(day);
                    *found.entry((day, row.event.kind as u8)).or_default() += 1;
                }
            }
            let of = |kind: Kind| -> Vec<u64> {
                days.iter().map(|day| found.get(&(*day, kind as u8)).copied().unwrap_or(0)).collect()
            };
            let (created, renewed, released) = (of(Kind::Create), of(Kind::Renew), of(Kind::Release));
            let cut = newest > COUNTED_MAX && oldest_day >= days.first().copied();
            Ok(Figures { days, created, renewed, released, cut })
        })?)
    }

    /// Validations that registrations rest on, by age: below 30, 90, 180, 365 days, and older; of a bounded number. Blocks.
    pub fn validation_ages(&self, actor: &Actor) -> Result<[u64; 5], Rejection> {
        actor.demand(Power::See)?;
        let now_s = unix_s(self.core.now_ms());
        let times = self.core.ledger.read::<_, LedgerError>(|now| now.validation_times(VALIDATIONS_MAX))?;
        let mut ages = [0; 5];
        for at_s in times {
            let age_d = now_s.saturating_sub(at_s) / DAY_S;
            let class = [30, 90, 180, 365].iter().position(|below| age_d < *below).unwrap_or(4);
            if let Some(count) = ages.get_mut(class) {
                *count += 1;
            }
        }
        Ok(ages)
    }

    /// Numbers by provider, the most first; those beyond the first dozen together. Blocks.
    pub fn shares(&self, actor: &Actor) -> Result<Vec<(String, u64)>, Rejection> {
        actor.demand(Power::See)?;
        let mut shares = self.core.ledger.read::<_, LedgerError>(|now| now.holdings_all(usize::from(u16::MAX)))?;
        let rest: u64 = shares.iter().skip(SHARES_MAX).map(|(_, numbers)| numbers).sum();
        shares.truncate(SHARES_MAX);
        if rest > 0 {
            shares.push(("all others".to_owned(), rest));
        }
        Ok(shares)
    }

    /// What a provider has, and did on each of the last seven days. Blocks.
    pub fn provider_counts(&self, actor: &Actor, provider: &str) -> Result<ProviderCounts, Rejection> {
        actor.demand(Power::See)?;
        let today = self.core.now_ms() / DAY_MS;
        Ok(self.core.ledger.read::<_, LedgerError>(|now| {
            let mut counts = ProviderCounts { numbers: now.holdings(provider)?, days: Vec::new() };
            for day in today.saturating_sub(COUNTED_DAYS - 1)..=today {
                let ((created, prepared), wrong_codes) = (now.counted(provider, day)?, now.wrong_codes(provider, day)?);
                counts.days.push(ProviderDay { day, created, prepared, wrong_codes });
            }
            Ok(counts)
        })?)
    }
}

//! Orders about numbers: the events that two of the staff sign, and their way into the map.

use crate::authority::access::Actor;
use crate::authority::acts::{Act, DONE, load};
use crate::authority::error::Rejection;
use crate::authority::receipt::Receipt;
use crate::authority::submit::{Order, Submission};
use crate::authority::{Authority, Core};
use crate::clock::unix_s;
use crate::ledger::LedgerError;
use crate::log::Hash;
use crate::log::event::Event;
use crate::log::gov;
use crate::log::label::Label;
use crate::number::Number;
use crate::registry::acts::Power;
use crate::registry::{orders, refusal};

/// Events on one page, and in one submission: as many as fit a body.
pub const ORDER_EVENTS_MAX: usize = 50;

/// An event that waits for two signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToSign {
    /// The number.
    pub number: Number,
    /// The event without signatures.
    pub event: Event,
}

/// A page of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToSignPage {
    /// The act.
    pub act: Act,
    /// The events.
    pub events: Vec<ToSign>,
    /// Where the next page begins; None on the last.
    pub next: Option<Label>,
}

impl Authority {
    /// The events of an approved act that are still to be signed, after `after`. Numbers for which there is nothing to do
    /// are left out. Blocks.
    pub fn act_events(&self, actor: &Actor, id: &str, after: Option<&Label>) -> Result<ToSignPage, Rejection> {
        actor.demand(Power::Act)?;
        let now_s = unix_s(self.core.now_ms());
        let (act, evidence) = self.core.ordered(id)?;
        self.core.ledger.read(|now| {
            let labels = now.act_labels(act.row.seq, after, ORDER_EVENTS_MAX)?;
            let next = (labels.len() == ORDER_EVENTS_MAX).then(|| labels.last().map(|last| last.label)).flatten();
            let (lost, mut events) = (now.lost_key_of_act(act.row.seq)?, Vec::new());
            for label in labels.iter().filter(|label| label.event.is_none()).map(|label| label.label) {
                let (Some(standing), Some(personal)) = (now.standing(&label)?, now.personal(&label)?) else { continue };
                // Validated anew since the act was prepared: there is no reason left.
                if let Some((key, since_s)) = &lost
                    && !now.rests_on(&label, key, *since_s)?
                {
                    continue;
                }
                let event = orders::event(act.kind, &standing.entry, label, evidence, now_s);
                events.extend(event.map(|event| ToSign { number: personal.number, event }));
            }
            Ok(ToSignPage { act, events, next })
        })
    }

    /// Takes events of an act that two of the staff have signed. The answers stand in the order of the events. Blocks.
    pub fn submit_order(
        &self,
        actor: &Actor,
        id: &str,
        events: Vec<Vec<u8>>,
    ) -> Result<Vec<Result<Receipt, Rejection>>, Rejection> {
        actor.demand(Power::Act)?;
        let (act, evidence) = self.core.ordered(id)?;
        Ok(events.into_iter().map(|event| self.submit_ordered(&act, evidence, event)).collect())
    }

    fn submit_ordered(&self, act: &Act, evidence: Hash, bytes: Vec<u8>) -> Result<Receipt, Rejection> {
        let not_covered =
            || Rejection::from(refusal::ORDER_NOT_COVERED.at("/event", "the order does not cover this event"));
        let event = Event::parse(&bytes)
            .map_err(|malformed| Rejection::from(refusal::EVENT_MALFORMED.at("/event", malformed.to_string())))?;
        let covered = orders::kind(act.kind) == Some(event.kind) && event.evidence == evidence;
        let number = self.core.ledger.read::<_, LedgerError>(|now| {
            let listed = now.act_label(act.row.seq, &event.label)?.is_some();
            Ok((now.personal(&event.label)?.map(|personal| personal.number)).filter(|_| listed))
        })?;
        let number = number.filter(|_| covered).ok_or_else(not_covered)?;
        let submission = Submission {
            number,
            event: bytes,
            record: None,
            opening: None,
            possession: Vec::new(),
            validation: Vec::new(),
            nonce: None,
            code: None,
        };
        self.ordered_event(&submission, Order { act: act.row.seq })
    }
}

impl Core {
    /// An act about numbers that is approved, and the hash of its order in the gov log.
    fn ordered(&self, id: &str) -> Result<(Act, Hash), Rejection> {
        let (act, leaf) = self.ledger.read::<_, LedgerError>(|now| {
            let act = load(now, id)?;
            let leaf = act.as_ref().and_then(|act| act.row.gov).map(|gov| now.gov_leaf(gov)).transpose()?.flatten();
            Ok((act, leaf))
        })?;
        let act = act.filter(|act| act.kind.is_order()).ok_or(Rejection::NotFound)?;
        if act.row.state != DONE {
            return Err(refusal::ACT_OPEN.at("", format!("the act is {}", act.row.state)).into());
        }
        let leaf = leaf.and_then(|leaf| String::from_utf8(leaf).ok()).ok_or(LedgerError::Damaged("an order's leaf"))?;
        Ok((act, gov::hash(&leaf)))
    }
}

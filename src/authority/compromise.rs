//! Lost keys of validation entities: what rests on them, for the operator and for the providers of those numbers; and appeals.

use crate::authority::Authority;
use crate::authority::access::{Actor, Party};
use crate::authority::error::Rejection;
use crate::authority::gov::Accreditation;
use crate::authority::ruling::Ruling;
use crate::ledger::{CompromisedRow, LedgerError, SanctionRow};
use crate::log::key::Thumbprint;
use crate::log::label::Label;
use crate::log::state::Status;
use crate::number::Number;
use crate::registry::acts::Power;
use crate::registry::refusal;

/// Numbers on one page.
const FLAGGED_PAGE: usize = 500;

/// A lost key and what still rests on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostKey {
    /// The key.
    pub row: CompromisedRow,
    /// Numbers by provider.
    pub by_provider: Vec<(String, u64)>,
}

/// Numbers that rest on a lost key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flagged {
    /// The numbers.
    pub numbers: Vec<Number>,
    /// Where the next page begins; None on the last.
    pub next: Option<Label>,
}

impl Authority {
    /// Every lost key, with how many numbers of each provider rest on it; a provider sees its own count only. Blocks.
    pub fn lost_keys(&self, actor: &Actor) -> Result<Vec<LostKey>, Rejection> {
        let only = match &actor.party {
            Party::Operator => {
                actor.demand(Power::See)?;
                None
            }
            Party::Provider(id) => Some(id.clone()),
        };
        self.core.ledger.read(|now| {
            let mut all = Vec::new();
            for row in now.compromised()? {
                let mut by_provider = now.count_resting_on(&row.key, row.since_s)?;
                by_provider.retain(|(id, _)| only.as_ref().is_none_or(|only| only == id));
                all.push(LostKey { row, by_provider });
            }
            Ok(all)
        })
    }

    /// The numbers that rest on a lost key, after `after`: all of them for auditors of the operator, a provider's own for it.
    /// A number that was validated anew is not among them. Blocks.
    pub fn flagged(&self, actor: &Actor, key: &Thumbprint, after: Option<&Label>) -> Result<Flagged, Rejection> {
        let only = match &actor.party {
            Party::Operator => {
                actor.demand(Power::Audit)?;
                None
            }
            Party::Provider(id) => Some(id.clone()),
        };
        self.core.ledger.read(|now| {
            let row = now.compromised()?.into_iter().find(|row| row.key == *key).ok_or(Rejection::NotFound)?;
            let labels = now.resting_on(key, row.since_s, after, FLAGGED_PAGE)?;
            let next = (labels.len() == FLAGGED_PAGE).then(|| labels.last().copied()).flatten();
            let mut numbers = Vec::new();
            for label in labels {
                let (Some(standing), Some(personal)) = (now.standing(&label)?, now.personal(&label)?) else { continue };
                let entry = standing.entry;
                let theirs = only.as_ref().is_none_or(|only| *only == entry.provider);
                if theirs && entry.state.status != Status::Released {
                    numbers.push(personal.number);
                }
            }
            Ok(Flagged { numbers, next })
        })
    }

    /// A provider appeals against the sanction that it is under (clause 7.9); an officer may enter that for it. Again
    /// changes nothing. Blocks.
    pub fn appeal(&self, actor: &Actor, provider: &str) -> Result<Accreditation, Rejection> {
        match &actor.party {
            Party::Operator => actor.demand(Power::Act)?,
            Party::Provider(id) if id == provider => {}
            Party::Provider(_) => return Err(Rejection::Forbidden("a provider appeals for itself".to_owned())),
        }
        let core = &self.core;
        core.rule(|law| {
            let found = law.accreditation(provider).cloned().ok_or(Rejection::NotFound)?;
            let now_ms = core.now_ms();
            let row = core.ledger.read::<_, LedgerError>(|now| now.sanction(provider))?;
            let since_ms = found.standing.since_ms;
            let row = row.unwrap_or(SanctionRow { act: None, at_ms: since_ms, appealed_ms: None, decided_ms: None });
            let until_ms = found.standing.appeal_until_ms(&core.policy());
            if row.decided_ms.is_some() || until_ms.is_none_or(|until_ms| now_ms >= until_ms) {
                return Err(refusal::APPEAL_LATE
                    .at("", "there is no sanction to appeal against, or it is too late")
                    .into());
            }
            let row = SanctionRow { appealed_ms: row.appealed_ms.or(Some(now_ms)), ..row };
            Ok(Ruling::new(Vec::new(), move |tx, _| {
                tx.set_sanction(&found.id, Some(&row))?;
                Ok(found)
            }))
        })
    }
}

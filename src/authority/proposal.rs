//! The next version of the charter as an act: one asks with its text, another sees what it changes and whom, and approves.
//!
//! The act shows digests, the text stands beside it. What was approved is what was asked for, or nothing: it follows the version
//! that both people knew as the newest.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use crate::authority::access::Actor;
use crate::authority::acts::{self, Act, Subject};
use crate::authority::affected::{self, Affected};
use crate::authority::carry_out::{Deed, Effect};
use crate::authority::error::Rejection;
use crate::authority::gov::{self, InForce};
use crate::authority::{Authority, Core, charter};
use crate::charter::{Difference, Policy, Version, clauses_of, differences};
use crate::clock::{rfc3339, unix_s};
use crate::ledger::{ActCharterRow, LedgerError};
use crate::registry::acts::{ActKind, Power};
use crate::registry::keys::Circumstances;
use crate::registry::refusal;

/// About so many registrations are judged by both versions when one asks; the others are counted.
const LOOKED_AT: u64 = 100_000;

/// A version of the charter that shall be announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Its parameters, and the articles beside them.
    pub policy: Arc<Policy>,
    /// From when on it shall be in force; None: as early as the notice of clause 10.1 allows when it is approved.
    pub effective_ms: Option<u64>,
}

/// What an act would announce, and what that changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposed {
    /// The act.
    pub act: Act,
    /// Its text, and its date if one was asked for.
    pub proposal: Proposal,
    /// The version that it follows.
    pub follows: u64,
    /// The version that was in force when it was asked for: what it is compared with.
    pub compared_with: u64,
    /// The parameters that it changes.
    pub differences: Vec<Difference>,
    /// The clauses whose text it changes, adds or takes away.
    pub clauses: Vec<String>,
    /// Whom it touched when it was asked for: counts.
    pub touched: Value,
}

impl Proposal {
    /// As an act shows it: a digest fixes each text.
    pub(super) fn write(&self) -> Value {
        let (policy, text) = gov::digests(&self.policy);
        json!({
            "policy_digest": HEXLOWER.encode(&policy),
            "text_digest": HEXLOWER.encode(&text),
            "effective_ms": self.effective_ms,
        })
    }
}

impl Authority {
    /// What an act of kind `charter` would announce, or has announced. Blocks.
    pub fn proposed_charter(&self, actor: &Actor, id: &str) -> Result<Proposed, Rejection> {
        actor.demand(Power::See)?;
        let core = &self.core;
        let act = core.ledger.read::<_, LedgerError>(|now| acts::load(now, id))?.ok_or(Rejection::NotFound)?;
        if act.kind != ActKind::Charter {
            return Err(Rejection::NotFound);
        }
        let (row, proposal) = core.proposal_of(&act)?;
        let law = core.law();
        let before = law.charter().at(act.row.asked_ms);
        Ok(Proposed {
            differences: differences(&before.policy, &proposal.policy),
            clauses: changed_clauses(before.policy.prose(), proposal.policy.prose()),
            compared_with: before.number,
            follows: row.follows,
            touched: serde_json::from_str(&row.touched).map_err(|_| LedgerError::Damaged("whom an act touched"))?,
            proposal,
            act,
        })
    }
}

/// Clauses that are not the same in both texts, in the order of the later one, then those that it has no more.
fn changed_clauses(before: &str, after: &str) -> Vec<String> {
    let (before, after): (Vec<_>, Vec<_>) = (clauses_of(before).collect(), clauses_of(after).collect());
    let changed = after.iter().filter(|clause| !before.contains(clause)).map(|(number, _)| *number);
    let is_left = |number: &str| after.iter().any(|(other, _)| *other == number);
    let gone = before.iter().map(|(number, _)| *number).filter(|number| !is_left(number));
    changed.chain(gone).map(str::to_owned).collect()
}

impl Core {
    /// What an act is about, as it was asked for.
    pub(super) fn subject_of(&self, act: &Act) -> Result<Subject, Rejection> {
        if act.kind == ActKind::Charter {
            let (row, proposal) = self.proposal_of(act)?;
            self.still_follows(&self.law(), row.follows)?;
            return Ok(Subject::Charter(proposal));
        }
        let read = Subject::read(act.kind, &act.parameters());
        Ok(read.ok_or(LedgerError::Damaged("the parameters of an act"))?)
    }

    /// The text that stands beside an act; it must have the digests that the act shows.
    fn proposal_of(&self, act: &Act) -> Result<(ActCharterRow, Proposal), LedgerError> {
        let damaged = || LedgerError::Damaged("the charter of an act");
        let row = self.ledger.read::<_, LedgerError>(|now| now.act_charter(act.row.seq))?.ok_or_else(damaged)?;
        let policy = Policy::parse(&row.policy).map_err(|_| damaged())?.beside(row.prose.clone());
        let effective_ms = act.parameters().get("effective_ms").and_then(Value::as_u64);
        let proposal = Proposal { policy: Arc::new(policy), effective_ms };
        match proposal.write() == act.parameters() {
            true => Ok((row, proposal)),
            false => Err(damaged()),
        }
    }

    /// Refuses what was asked for before another version was announced: nobody has seen how the two differ.
    fn still_follows(&self, law: &InForce, follows: u64) -> Result<(), Rejection> {
        match law.charter().newest().number {
            newest if newest == follows => Ok(()),
            newest => {
                let detail = format!("version {newest} was announced since this was asked for");
                Err(refusal::CHARTER_MOVED.at("", detail).into())
            }
        }
    }

    /// What is kept beside an act that is asked for now. Judges registrations by both versions.
    pub(super) fn beside(&self, subject: &Subject) -> Result<Option<ActCharterRow>, Rejection> {
        let Subject::Charter(Proposal { policy, .. }) = subject else { return Ok(None) };
        let (law, now_ms) = (self.law(), self.now_ms());
        let (before, apex, now_s) = (law.charter().at(now_ms), self.settings.apex.as_str(), unix_s(now_ms));
        let versions = [&before.policy, policy].map(|policy| Circumstances { policy, apex, now_s });
        let touched: Affected = self.ledger.read(|now| affected::among(now, &versions, LOOKED_AT))?;
        Ok(Some(ActCharterRow {
            follows: law.charter().newest().number,
            policy: policy.source().to_owned(),
            prose: policy.prose().to_owned(),
            touched: counts(&touched).to_string(),
        }))
    }

    /// The announcement: in force from its date on, which leaves the notice of clause 10.1. Before anybody is accredited it may
    /// be in force at once, for nobody relies on the present one.
    pub(super) fn announcement(&self, law: &InForce, proposal: &Proposal) -> Result<Effect, Rejection> {
        let (newest, policy) = (law.charter().newest(), &proposal.policy);
        if gov::digests(&newest.policy) == gov::digests(policy) {
            return Err(Rejection::Conflict(format!("version {} says exactly this", newest.number)));
        }
        let earliest_ms = charter::earliest_ms(law, self.now_ms());
        let effective_ms = proposal.effective_ms.unwrap_or(earliest_ms);
        if effective_ms < earliest_ms {
            let day = rfc3339(earliest_ms.div_ceil(1000));
            let detail = format!("the earliest date of a version that is announced now is {day}");
            return Err(refusal::CHARTER_NOTICE.at("/effective_from", detail).into());
        }
        let version = Version { number: newest.number + 1, effective_ms, policy: policy.clone() };
        let leaves = vec![(gov::CHARTER, gov::charter_body(&version))];
        Ok(Effect { leaves, deeds: vec![Deed::Announced(version)], until_s: None })
    }
}

/// As it is kept and shown.
fn counts(touched: &Affected) -> Value {
    let reasons = touched.reasons.iter();
    json!({
        "registrations": touched.registrations,
        "looked_at": touched.looked_at,
        "affected": touched.affected,
        "by_provider": touched.providers,
        "by_reason": reasons.map(|((code, clause), count)| json!({"code": code, "clause": clause, "registrations": count})).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_that_change_come_or_go_are_named() {
        let before = "# C\n\n**1.1** One.\n\n**1.2** Two.\n\n**1.3** Three.";
        let after = "# C\n\n**1.1** One.\n\n**1.2** Two,  and more.\n\n**2.1** New.";
        assert_eq!(changed_clauses(before, after), ["1.2", "2.1", "1.3"]);
        assert_eq!(changed_clauses(before, &before.replace("One.", "One.\n")), [""; 0]);
    }
}

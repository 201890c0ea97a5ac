//! Findings: an auditor judges each drawn token; what they come to is published, and a sanction may be proposed to two persons.

use serde_json::{Value, json};

use crate::authority::access::Actor;
use crate::authority::acts::{Act, Subject, Wish};
use crate::authority::audits::{
    ANSWERED, Audit, DRAWN, EntityFound, PUBLISHED, RESULT_LEAF, person, sanctions, wrong_state,
};
use crate::authority::error::Rejection;
use crate::authority::ruling::Ruling;
use crate::authority::tickets::Idempotency;
use crate::authority::{Authority, Core};
use crate::ledger::{AuditCount, AuditItem, LedgerError, Snapshot};
use crate::log::sha256;
use crate::registry::acts::Power;
use crate::registry::audit::verdict::{Fault, Found, verdict};
use crate::registry::refusal;

/// The clause that sanctions after an audit rest on.
const CLAUSE: &str = "7.5";

impl Authority {
    /// Judges a drawn token whose evidence came: it stands, or there is a fault. Until the audit is published a person may judge
    /// again. Blocks.
    pub fn judge_audit(&self, actor: &Actor, id: &str, fault: Option<Fault>) -> Result<AuditItem, Rejection> {
        actor.demand(Power::Audit)?;
        let (who, id, now_ms) = (person(actor)?, id.to_owned(), self.core.now_ms());
        let judged = self.core.ledger.write::<_, Rejection, _>(move |tx| {
            let item = tx.audit_item(&id)?.ok_or(Rejection::NotFound)?;
            let open = tx.audit(&item.period)?.is_some_and(|audit| audit.state == DRAWN);
            let again = item.judged_by.is_some();
            if !open || !(item.state == ANSWERED || again) {
                return Err(wrong_state(format!("this item is {}, its audit {}", item.state, item.period)));
            }
            if fault == Some(Fault::Silent) {
                return Err(wrong_state("who answered was not silent"));
            }
            if again {
                tx.add_audit_step(&item.period, &format!("judged again: {id}"), Some(&who), now_ms)?;
            }
            let found = fault.map(|fault| (fault.name(), fault.clause()));
            tx.judge_audit_item(&id, found, Some(&who), now_ms)?;
            tx.audit_item(&id)?.ok_or(Rejection::NotFound)
        });
        judged.wait_blocking()
    }

    /// What was found of each entity so far, for the staff. Blocks.
    pub fn audit_found(&self, actor: &Actor, period: &str) -> Result<Vec<EntityFound>, Rejection> {
        actor.demand(Power::Audit)?;
        self.core.found(period)
    }

    /// Asks for the sanction that the findings of an entity come to: an act, which another person approves. Asked for already:
    /// that act. Blocks.
    pub fn propose_sanction(&self, actor: &Actor, period: &str, entity: &str) -> Result<Act, Rejection> {
        actor.demand(Power::Act)?;
        person(actor)?;
        let all = self.core.found(period)?;
        let found = all.into_iter().find(|found| found.entity == entity).ok_or(Rejection::NotFound)?;
        if let Some(act) = &found.act {
            return self.act(actor, act);
        }
        if found.waiting > 0 {
            return Err(wrong_state(format!("{} drawn tokens have no finding yet", found.waiting)));
        }
        let Some(kind) = found.verdict.proposed.filter(|kind| sanctions(*kind)) else {
            return Err(refusal::AUDIT_CLEAN.at("", "the findings lie below every threshold").into());
        };
        let reason = format!(
            "audit {period}: {} of {} drawn do not stand; at least {} in a thousand with 95 %",
            found.failed,
            found.drawn,
            found.verdict.lower_ppb / 1_000_000
        );
        let wish = Wish {
            kind,
            clause: CLAUSE.to_owned(),
            reason,
            subject: Subject::Provider { provider: entity.to_owned(), days: 0 },
        };
        // Lost between the two writes, the same person finds the act again by its key.
        let key = format!("audit {period} {entity}");
        let idempotency = Idempotency { request: sha256(&[key.as_bytes()]), key };
        let act = self.request_act(actor, wish, Some(&idempotency))?;
        let (period, entity, id) = (period.to_owned(), entity.to_owned(), act.row.id.clone());
        let noted = self.core.ledger.write::<_, LedgerError, _>(move |tx| tx.set_audit_act(&period, &entity, &id));
        noted.wait_blocking()?;
        Ok(act)
    }

    /// Publishes what was found, as counts: a leaf of the gov log. Every drawn token has its finding. Blocks.
    pub fn publish_audit(&self, actor: &Actor, period: &str) -> Result<Audit, Rejection> {
        actor.demand(Power::Audit)?;
        let who = person(actor)?;
        let core = &self.core;
        core.rule(|law| {
            let row = core.ledger.read::<_, LedgerError>(|now| now.audit(period))?.ok_or(Rejection::NotFound)?;
            if row.state == PUBLISHED {
                return Ok(Ruling::new(Vec::new(), |_, _| Ok(())));
            }
            let found = core.found(period)?;
            let waiting: u64 = found.iter().map(|found| found.waiting).sum();
            if row.state != DRAWN || waiting > 0 {
                return Err(wrong_state(format!("the audit is {}, and {waiting} findings are missing", row.state)));
            }
            let now_ms = core.now_ms();
            let k_min = law.policy_at(now_ms).counter_k_min;
            let entities: Vec<Value> = found.iter().map(|found| shown(found, k_min)).collect();
            let (name, who) = (row.period, who.clone());
            let body = json!({ "period": name, "entities": entities });
            Ok(Ruling::new(vec![(RESULT_LEAF, body)], move |tx, leaf| {
                tx.publish_audit(&name, leaf, now_ms)?;
                tx.add_audit_step(&name, PUBLISHED, Some(&who), now_ms)
            }))
        })?;
        self.audit_of(period)
    }
}

/// What is public of an entity: counts, where enough cases stand behind them (clause 8.1), and what is proposed in any case.
fn shown(found: &EntityFound, k_min: u64) -> Value {
    let proposed = found.verdict.proposed.map(crate::registry::acts::ActKind::name);
    if found.size < k_min {
        return json!({ "id": found.entity, "few": true, "proposed": proposed });
    }
    json!({
        "id": found.entity, "tokens": found.size, "drawn": found.drawn, "failed": found.failed, "silent": found.silent,
        "rate_ppb": found.verdict.rate_ppb, "lower_ppb": found.verdict.lower_ppb, "upper_ppb": found.verdict.upper_ppb,
        "proposed": proposed,
    })
}

impl Core {
    /// What was found of each entity so far, by the charter of now.
    fn found(&self, period: &str) -> Result<Vec<EntityFound>, Rejection> {
        let policy = self.policy();
        self.ledger.read(|now| {
            now.audit(period)?.ok_or(Rejection::NotFound)?;
            let counts = now.audit_counts(period)?;
            let entities = counts.chunk_by(|a, b| a.entity == b.entity);
            entities.map(|strata| Ok(of_entity(now, period, strata, &policy)?)).collect()
        })
    }
}

fn of_entity(
    now: &Snapshot<'_>,
    period: &str,
    strata: &[AuditCount],
    policy: &crate::charter::Policy,
) -> Result<EntityFound, LedgerError> {
    let entity = strata.first().map(|stratum| stratum.entity.clone()).unwrap_or_default();
    let sum = |of: fn(&AuditCount) -> u64| strata.iter().map(of).sum::<u64>();
    let found: Vec<Found> = strata
        .iter()
        .map(|stratum| Found { size: stratum.size, judged: stratum.passed + stratum.failed, failed: stratum.failed })
        .collect();
    Ok(EntityFound {
        size: sum(|s| s.size),
        drawn: sum(|s| s.waiting + s.passed + s.failed),
        waiting: sum(|s| s.waiting),
        failed: sum(|s| s.failed),
        silent: sum(|s| s.silent),
        verdict: verdict(&found, policy),
        act: now.audit_act(period, &entity)?,
        entity,
    })
}

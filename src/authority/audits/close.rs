//! A month is closed: its population is committed to in the gov log, before anybody knows what will be drawn.

use crate::authority::access::Actor;
use crate::authority::audits::{Audit, CLOSE_LEAF, CLOSED, tokens_of, wrong_state};
use crate::authority::error::Rejection;
use crate::authority::ruling::Ruling;
use crate::authority::{Authority, Core};
use crate::ledger::{AuditRow, AuditToken, LedgerError, Transaction};
use crate::log::Hash;
use crate::log::event::{Event, Kind};
use crate::log::label::Label;
use crate::registry::acts::Power;
use crate::registry::audit::draw::Rules;
use crate::registry::audit::period::Period;
use crate::registry::audit::population::{Population, TokenKind, WEAK_D_MAX, digest};
use crate::registry::audit::verify::Closed;
use crate::registry::token::Basis;

impl Authority {
    /// Closes a month that is over. Closed already: nothing happens. Blocks.
    pub fn close_audit(&self, actor: &Actor, period: Period) -> Result<Audit, Rejection> {
        actor.demand(Power::Audit)?;
        let who = actor.person.as_ref().map(|person| person.id.clone());
        self.core.close_audit(period, who)?;
        self.audit_of(&period.to_string())
    }
}

impl Core {
    /// Closes a month, unless it is.
    pub(super) fn close_audit(&self, period: Period, who: Option<String>) -> Result<(), Rejection> {
        let name = period.to_string();
        if self.now_ms() < period.to_ms() {
            return Err(wrong_state(format!("{name} is not over")));
        }
        self.rule(|law| {
            let (known, tokens, newest) = self.ledger.read::<_, LedgerError>(|now| {
                let known = now.audit(&name)?;
                let tokens = match known {
                    Some(_) => Vec::new(),
                    None => now.audit_tokens(period.from_ms(), period.to_ms())?,
                };
                Ok((known, tokens, now.newest_epoch_position()?))
            })?;
            if known.is_some() {
                return Ok(Ruling::new(Vec::new(), |_, _| Ok(())));
            }
            if tokens.is_empty() {
                return Err(wrong_state(format!("nothing was validated in {name}")));
            }
            let now_ms = self.now_ms();
            let policy = law.policy_at(now_ms);
            let on_probation = law.accreditations().filter(|a| a.standing.probation_ms.is_some());
            let rules = Rules::of(policy, on_probation.map(|a| a.id.clone()).collect());
            let population = Population::of(period, &tokens_of(&tokens)?, policy.counter_k_min);
            let said = Closed { period, count: population.count(), population: digest(&population.write()), rules };
            let row = AuditRow {
                period: name.clone(),
                state: CLOSED.to_owned(),
                closed_ms: now_ms,
                count: said.count,
                population: said.population,
                k_min: policy.counter_k_min,
                close_leaf: 0, // known when it is stored
                from_epoch: newest.n,
                draw_leaf: None,
                drawn_ms: None,
                checkpoint: None,
                due_ms: None,
                result_leaf: None,
                published_ms: None,
            };
            Ok(Ruling::new(vec![(CLOSE_LEAF, said.body())], move |tx, leaf| {
                tx.add_audit(&AuditRow { close_leaf: leaf, ..row })?;
                tx.add_audit_step(&name, CLOSED, who.as_deref(), now_ms)
            }))
        })
    }

    /// Notes the tokens of an accepted event for the audit of its month.
    pub(in crate::authority) fn note_audit_tokens(
        &self,
        tx: &Transaction<'_>,
        (accepted, event, label): (&Event, &Hash, &Label),
        rests_on: &[Basis],
        now_ms: u64,
    ) -> Result<(), LedgerError> {
        let kind = match accepted.kind {
            _ if accepted.takes_back() => TokenKind::Contest,
            Kind::Renew => TokenKind::Renew,
            Kind::Request | Kind::Complete => TokenKind::Contest,
            _ => TokenKind::New,
        };
        let policy = self.policy();
        let is_weak = |method: &String| {
            policy.methods.get(method.as_str()).is_some_and(|method| method.validity_max_d <= WEAK_D_MAX)
        };
        for (n, basis) in (0..=u8::MAX).zip(rests_on) {
            tx.add_audit_token(&AuditToken {
                event: *event,
                n,
                at_ms: now_ms,
                entity: basis.entity.clone(),
                methods: basis.methods.join("\n"),
                kind: kind.name().to_owned(),
                weak: basis.methods.iter().all(is_weak),
                label: *label,
                control: basis.control,
                evd: basis.evidence,
            })?;
        }
        Ok(())
    }
}

//! What an act does: the leaves it makes and the rows it changes, computed from how things stand when enough people agree.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::authority::Core;
use crate::authority::acts::{Subject, hands_of};
use crate::authority::audit;
use crate::authority::charter;
use crate::authority::error::Rejection;
use crate::authority::gov::{self, Accreditation, InForce, KEYS_MAX};
use crate::authority::staff::StaffWish;
use crate::charter::{Policy, Version};
use crate::clock::unix_s;
use crate::ledger::{ActRow, CompromisedRow, LedgerError, SanctionRow, StaffRow, Transaction};
use crate::registry::acts::ActKind;
use crate::registry::terms::{DAY_MS, DAY_S};
use crate::registry::{bulk, refusal};

/// What an act does.
pub(super) struct Effect {
    /// Leaves of the gov log.
    pub(super) leaves: Vec<(&'static str, Value)>,
    /// Rows of the ledger.
    pub(super) deeds: Vec<Deed>,
    /// The end of a suspension of numbers or of a bulk door, Unix seconds.
    pub(super) until_s: Option<u64>,
}

/// A change of the ledger beside the act itself.
pub(super) enum Deed {
    /// The provider is under a sanction since then.
    Sanctioned(String, u64),
    /// It is under none.
    Cleared(String),
    /// Its appeal was lost then.
    Upheld(String, SanctionRow, u64),
    /// A person of the staff is this now.
    Staff(StaffRow),
    /// A person left then: his tokens go.
    Left(String, u64),
    /// A person has another key: the passkeys from before it go.
    Rekeyed(String),
    /// A key is lost.
    Lost(CompromisedRow),
    /// A version of the charter is announced.
    Announced(Version),
}

impl Effect {
    /// The text of the charter that it announces, if it does.
    pub(super) fn text(&self) -> Option<Arc<Policy>> {
        self.deeds.iter().find_map(|deed| match deed {
            Deed::Announced(version) => Some(version.policy.clone()),
            _ => None,
        })
    }
}

/// Stores what an act does.
pub(super) fn store(tx: &Transaction<'_>, act: u64, deeds: &[Deed]) -> Result<(), LedgerError> {
    for deed in deeds {
        match deed {
            Deed::Sanctioned(provider, at_ms) => {
                let row = SanctionRow { act: Some(act), at_ms: *at_ms, appealed_ms: None, decided_ms: None };
                tx.set_sanction(provider, Some(&row))?;
            }
            Deed::Cleared(provider) => tx.set_sanction(provider, None)?,
            Deed::Upheld(provider, row, at_ms) => {
                tx.set_sanction(provider, Some(&SanctionRow { decided_ms: Some(*at_ms), ..row.clone() }))?;
            }
            Deed::Staff(row) => tx.put_staff(row)?,
            Deed::Left(person, at_ms) => {
                tx.revoke_tokens_of(person, *at_ms)?;
                tx.end_sign_ins_of(person)?;
            }
            Deed::Rekeyed(person) => tx.end_sign_ins_of(person)?,
            Deed::Lost(row) => tx.add_compromised(row)?,
            Deed::Announced(version) => tx.add_charter(&charter::row(version))?,
        }
    }
    Ok(())
}

impl Core {
    /// What an act would do now, or why it may not be done. `hands` are the people behind it, `count` its numbers.
    pub(super) fn effect(
        &self,
        law: &InForce,
        act: &ActRow,
        subject: &Subject,
        count: u64,
        hands: &[String],
    ) -> Result<Effect, Rejection> {
        let kind = ActKind::from_name(&act.kind).ok_or(LedgerError::Damaged("the kind of an act"))?;
        match (kind, subject) {
            (ActKind::Uphold, Subject::Provider { provider, .. }) => {
                let row = self.appealed(law, provider, hands)?;
                let deeds = vec![Deed::Upheld(provider.clone(), row, self.now_ms())];
                Ok(Effect { leaves: Vec::new(), deeds, until_s: None })
            }
            (ActKind::BulkDoor, Subject::Provider { provider, .. }) => self.bulk_door(law, act, provider),
            (_, Subject::Provider { provider, days }) => self.step_of(law, kind, provider, *days, act, hands),
            (ActKind::ProviderKeys, Subject::Keys { provider, statement_keys, validation_keys }) => {
                let mut changed = law.accreditation(provider).cloned().ok_or(Rejection::NotFound)?;
                let (statement, validation) = (statement_keys.len(), validation_keys.len());
                if statement + validation == 0 || statement > KEYS_MAX || validation > KEYS_MAX {
                    return Err(Rejection::Conflict(
                        "an organisation has at least one key, and at most 16 of each kind".into(),
                    ));
                }
                self.usable_keys(law, statement_keys, validation_keys)?;
                changed.statement_keys.clone_from(statement_keys);
                changed.validation_keys.clone_from(validation_keys);
                Ok(of_provider(changed, act, Vec::new()))
            }
            (ActKind::CompromisedKey, Subject::LostKey { provider, key, since_s }) => {
                self.lost(law, act, provider, key, *since_s)
            }
            (_, Subject::Charter(proposal)) => self.announcement(law, proposal),
            (_, Subject::Auditor(key)) => audit::effect(law, kind, key, act),
            (_, Subject::Staff(wish)) => self.staff_effect(law, kind, wish),
            (_, Subject::Numbers { days, .. }) => self.order(kind, *days, act, count),
            _ => Err(Rejection::Fault("an act and its subject do not fit".to_owned())),
        }
    }

    /// A step of the accreditation machine.
    fn step_of(
        &self,
        law: &InForce,
        kind: ActKind,
        provider: &str,
        days: u64,
        act: &ActRow,
        hands: &[String],
    ) -> Result<Effect, Rejection> {
        let old = law.accreditation(provider).cloned().ok_or(Rejection::NotFound)?;
        if kind == ActKind::Overturn {
            self.appealed(law, provider, hands)?;
        }
        let step = kind.step(days).ok_or_else(|| Rejection::Fault("an act without a step".to_owned()))?;
        let now_ms = self.now_ms();
        let standing = old.standing.step(step, &self.policy(), now_ms)?;
        // An emergency and its end leave the row alone: the sanction before it is still the one to appeal against.
        let deeds = match kind {
            ActKind::Emergency | ActKind::EndEmergency => Vec::new(),
            _ if kind.is_sanction() => vec![Deed::Sanctioned(old.id.clone(), now_ms)],
            _ => vec![Deed::Cleared(old.id.clone())],
        };
        Ok(of_provider(Accreditation { standing, ..old }, act, deeds))
    }

    /// The sanction against which a provider has appealed, when none of these people had a hand in it.
    fn appealed(&self, law: &InForce, provider: &str, hands: &[String]) -> Result<SanctionRow, Rejection> {
        let standing = law.accreditation(provider).ok_or(Rejection::NotFound)?.standing;
        let (row, before) = self.ledger.read::<_, LedgerError>(|now| {
            let row = now.sanction(provider)?;
            let act = row.as_ref().and_then(|row| row.act);
            Ok((row, act.map(|act| now.act_steps(act)).transpose()?))
        })?;
        let appeals = |row: &SanctionRow| row.appealed_ms.is_some() && row.decided_ms.is_none();
        let Some(row) = row.filter(appeals).filter(|_| standing.is_sanction()) else {
            return Err(refusal::APPEAL_MISSING.at("/provider", "the provider has not appealed").into());
        };
        let before = hands_of(&before.unwrap_or_default());
        if hands.iter().any(|person| before.contains(person)) {
            return Err(refusal::APPEAL_SAME_HANDS.at("", "you had a hand in the sanction").into());
        }
        Ok(row)
    }

    /// The bulk door of a provider; the leaf holds no number.
    fn bulk_door(&self, law: &InForce, act: &ActRow, provider: &str) -> Result<Effect, Rejection> {
        let standing = law.accreditation(provider).ok_or(Rejection::NotFound)?.standing;
        let door = bulk::open(&standing, law.register().bulk_door(provider), &self.policy(), self.now_ms())?;
        let body = gov::bulk_body(provider, &door, &act.clause, &act.id);
        let until_s = Some(door.until_ms.div_ceil(1000));
        Ok(Effect { leaves: vec![(gov::BULK_DOOR, body)], deeds: Vec::new(), until_s })
    }

    /// The key is not taken from the moment on at which this is in force.
    fn lost(
        &self,
        law: &InForce,
        act: &ActRow,
        provider: &str,
        key: &[u8; 32],
        since_s: u64,
    ) -> Result<Effect, Rejection> {
        let mut changed = law.accreditation(provider).cloned().ok_or(Rejection::NotFound)?;
        let now_ms = self.now_ms();
        if since_s > unix_s(now_ms) {
            return Err(Rejection::Conflict("a key is lost since some time in the past".to_owned()));
        }
        let had = changed.validation_keys.len();
        changed.validation_keys.retain(|held| held.thumbprint() != *key);
        let (is_new, known) = (changed.validation_keys.len() < had, changed.lost_keys.contains(key));
        if !is_new && !known {
            return Err(refusal::TOKEN_KEY.at("/key", "the entity has no such key").into());
        }
        let row = CompromisedRow {
            key: *key,
            entity: provider.to_owned(),
            since_s,
            found_ms: now_ms,
            due_ms: Some(now_ms.saturating_add(self.policy().revalidation_d * DAY_MS)),
        };
        if !known {
            changed.lost_keys.push(*key);
        }
        let effect = of_provider(changed, act, vec![Deed::Lost(row)]);
        Ok(if is_new { effect } else { Effect { leaves: Vec::new(), ..effect } })
    }

    fn staff_effect(&self, law: &InForce, kind: ActKind, wish: &StaffWish) -> Result<Effect, Rejection> {
        let now_ms = self.now_ms();
        let moved = match kind {
            ActKind::StaffAdd => self.staff_add(law, wish, now_ms)?,
            ActKind::StaffEnd => self.staff_change(law, wish, Some(now_ms))?,
            _ => self.staff_change(law, wish, None)?,
        };
        let mut deeds = Vec::new();
        if moved.row.ended_ms.is_some() {
            deeds.push(Deed::Left(moved.row.id.clone(), now_ms));
        } else if kind == ActKind::StaffChange && wish.key.is_some() {
            deeds.push(Deed::Rekeyed(moved.row.id.clone()));
        }
        deeds.push(Deed::Staff(moved.row));
        Ok(Effect { leaves: moved.leaves, deeds, until_s: None })
    }

    /// The order about numbers; the leaf holds no number and no label.
    fn order(&self, kind: ActKind, days: u64, act: &ActRow, count: u64) -> Result<Effect, Rejection> {
        let what = match kind {
            ActKind::SuspendNumbers => "suspend",
            ActKind::ResumeNumbers => "resume",
            _ => "veto",
        };
        let until_s = match kind {
            ActKind::SuspendNumbers if !(1..=self.policy().order_max_d).contains(&days) => {
                let detail = format!("{days} days; 1 to {} are possible", self.policy().order_max_d);
                return Err(refusal::ORDER_TERM.at("/days", detail).into());
            }
            ActKind::SuspendNumbers => Some(unix_s(self.now_ms()).saturating_add(days * DAY_S)),
            _ => None,
        };
        let body = json!({ "kind": what, "clause": act.clause, "until": until_s, "count": count, "act": act.id });
        Ok(Effect { leaves: vec![(gov::ORDER, body)], deeds: Vec::new(), until_s })
    }
}

fn of_provider(mut changed: Accreditation, act: &ActRow, deeds: Vec<Deed>) -> Effect {
    changed.clause = Some(act.clause.clone());
    Effect { leaves: vec![(gov::PROVIDER, changed.body())], deeds, until_s: None }
}

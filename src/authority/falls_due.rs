//! What falls due for the register: terms of providers, acts that nobody approved, the ends of suspensions, lost keys.
//!
//! Nothing here has a timer. Each look finds what is over by an index over stored facts, does it in the order of its time,
//! and the same transaction changes the fact: so it is done once, also after days of downtime.

use std::sync::PoisonError;

use crate::authority::Core;
use crate::authority::acts::{EXPIRED, Subject};
use crate::authority::error::Rejection;
use crate::authority::gov::{self, Accreditation};
use crate::authority::ruling::Ruling;
use crate::clock::unix_s;
use crate::ledger::{CompromisedRow, LedgerError, SanctionRow};
use crate::log::label::Label;
use crate::log::sha256;
use crate::log::state::{Flags, Status};
use crate::registry::acts::ActKind;
use crate::registry::terms::DAY_S;

/// Acts that expire in one look.
const EXPIRED_MAX: usize = 100;
/// Suspensions whose end is prepared in one look.
const ENDING_MAX: usize = 10;
/// How long before the end of a suspension its resumption is prepared, in seconds: an act's time for two people.
const PREPARED_S: u64 = DAY_S;
/// Labels read at a time.
const LABELS_PAGE: usize = 1000;

impl Core {
    /// Does what is due now.
    pub(super) fn register_falls_due(&self, now_ms: u64) -> Result<(), Rejection> {
        self.standings_by_time(now_ms)?;
        self.expire_acts(now_ms)?;
        self.prepare_resumptions(now_ms)?;
        self.withhold_what_rests_on_lost_keys(now_ms)?;
        let overdue = self.ledger.read::<_, LedgerError>(|now| now.count_overdue(unix_s(now_ms)))?;
        let before = {
            let mut vitals = self.vitals.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut vitals.overdue, overdue)
        };
        if overdue > before {
            tracing::error!(overdue, "numbers are withheld past the end of their order: two people must resume them");
        }
        Ok(())
    }

    /// Providers whose time is over, the earliest first; what follows from that may be due as well.
    fn standings_by_time(&self, now_ms: u64) -> Result<(), Rejection> {
        let is_due = |a: &Accreditation| a.standing.due_ms.is_some_and(|due_ms| due_ms <= now_ms);
        while self.law().accreditations().any(is_due) {
            let moved = self.rule(|law| {
                let due = law.accreditations().filter_map(|a| Some((a.standing.by_time(&self.policy(), now_ms)?, a)));
                let Some(((_, standing), old)) = due.min_by_key(|((due_ms, _), a)| (*due_ms, a.id.clone())) else {
                    return Ok(Ruling::new(Vec::new(), |_, _| Ok(false)));
                };
                let after = Accreditation { standing, clause: Some(clause(old).to_owned()), ..old.clone() };
                let by_time = SanctionRow { act: None, at_ms: now_ms, appealed_ms: None, decided_ms: None };
                // A warning that turned into a restriction is still the decision that the appeal is about.
                let is_new = after.standing.is_sanction() && !old.standing.is_sanction();
                let leaves = vec![(gov::PROVIDER, after.body())];
                Ok(Ruling::new(leaves, move |tx, _| {
                    if is_new {
                        tx.set_sanction(&after.id, Some(&by_time))?;
                    }
                    Ok(true)
                }))
            })?;
            if !moved {
                break; // something is due that time does not move
            }
        }
        Ok(())
    }

    fn expire_acts(&self, now_ms: u64) -> Result<(), Rejection> {
        let over = self.ledger.read::<_, LedgerError>(|now| now.acts_expired(now_ms, EXPIRED_MAX))?;
        if over.is_empty() {
            return Ok(());
        }
        self.rule(|_| {
            Ok(Ruling::new(Vec::new(), move |tx, _| {
                for act in &over {
                    tx.close_act(act.seq, EXPIRED, None, None)?;
                    tx.unfollow_act(act.seq, now_ms)?;
                    tx.add_act_step(act.seq, EXPIRED, None, now_ms)?;
                }
                Ok(())
            }))
        })
    }

    /// A day before a suspension ends, the act that ends it waits for two people. The register cannot sign for them.
    fn prepare_resumptions(&self, now_ms: u64) -> Result<(), Rejection> {
        let by_s = unix_s(now_ms).saturating_add(PREPARED_S);
        let ending = self.ledger.read::<_, LedgerError>(|now| now.suspensions_ending(by_s, ENDING_MAX))?;
        for (suspension, labels) in ending {
            self.prepare(ActKind::ResumeNumbers, 0, "11.4", "the suspension ends", labels, move |tx, prepared| {
                tx.follow_act(suspension.seq, prepared)
            })?;
        }
        Ok(())
    }

    /// Numbers that were not validated anew in time: an act for all of them waits for two people.
    fn withhold_what_rests_on_lost_keys(&self, now_ms: u64) -> Result<(), Rejection> {
        let lost = self.ledger.read::<_, LedgerError>(|now| now.compromised())?;
        for row in lost.into_iter().filter(|row| row.due_ms.is_some_and(|due_ms| due_ms <= now_ms)) {
            let labels = self.still_resting_on(&row)?;
            let key = row.key;
            if labels.is_empty() {
                self.rule(|_| Ok(Ruling::new(Vec::new(), move |tx, _| tx.settle_compromised(&key, None))))?;
                continue;
            }
            let (days, why) = (self.policy().order_max_d, "the validation rests on a lost key");
            self.prepare(ActKind::SuspendNumbers, days, "7.11", why, labels, move |tx, prepared| {
                tx.settle_compromised(&key, Some(prepared))
            })?;
        }
        Ok(())
    }

    fn still_resting_on(&self, row: &CompromisedRow) -> Result<Vec<Label>, LedgerError> {
        let mut all = Vec::new();
        self.ledger.read(|now| {
            let mut after = None;
            loop {
                let page = now.resting_on(&row.key, row.since_s, after.as_ref(), LABELS_PAGE)?;
                let Some(last) = page.last() else { return Ok::<_, LedgerError>(()) };
                after = Some(*last);
                for label in page {
                    let Some(standing) = now.standing(&label)? else { continue };
                    let state = &standing.entry.state;
                    if state.status != Status::Released && !state.flags.contains(Flags::SUSP_OP) {
                        all.push(label);
                    }
                }
            }
        })?;
        Ok(all)
    }

    /// Adds an act about numbers that nobody has asked for: it needs two people like every other.
    fn prepare(
        &self,
        kind: ActKind,
        days: u64,
        clause: &str,
        reason: &str,
        labels: Vec<Label>,
        then: impl FnOnce(&crate::ledger::Transaction<'_>, u64) -> Result<(), LedgerError> + Send + 'static,
    ) -> Result<(), Rejection> {
        self.rule(|_| {
            let parameters = Subject::Numbers { numbers: Vec::new(), days }.write().to_string();
            let digest = sha256(&[reason.as_bytes()]);
            let row = self.new_row(kind, parameters, clause, reason, 2, digest)?;
            Ok(Ruling::new(Vec::new(), move |tx, _| {
                let seq = tx.add_act(&row)?;
                labels.iter().try_for_each(|label| tx.add_act_label(seq, label))?;
                tx.add_act_step(seq, "asked", None, row.asked_ms)?;
                then(tx, seq)
            }))
        })
    }
}

/// The clause by which time moves a provider on.
fn clause(old: &Accreditation) -> &'static str {
    use crate::registry::standing::ProviderStatus as S;
    match old.standing.status {
        S::Accredited => "7.1",
        S::Suspended => "7.8",
        S::WindingDown => "7.10",
        _ => "7.7",
    }
}

//! How the submissions of each provider end: what was taken, what was refused and why, since the service began.
//!
//! In memory alone: it tells the operator who has trouble now, and no number, key or holder is in it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::authority::Authority;
use crate::authority::access::Actor;
use crate::authority::error::Rejection;
use crate::authority::receipt::Receipt;
use crate::registry::acts::Power;

/// What became of a provider's submissions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderOutcomes {
    /// Taken, those that were sent again included.
    pub taken: u64,
    /// Refused by the law.
    pub refused: u64,
    /// How often each reason was given, by its code and clause: one submission may have several.
    pub reasons: BTreeMap<(&'static str, &'static str), u64>,
}

impl ProviderOutcomes {
    /// Refused in a thousand.
    pub fn refused_permille(&self) -> u64 {
        (self.refused * 1000).checked_div(self.taken + self.refused).unwrap_or(0)
    }
}

/// Those of everybody who submits: at most as many as there are providers, each with at most as many reasons as there are.
#[derive(Default)]
pub(super) struct Outcomes(Mutex<BTreeMap<String, ProviderOutcomes>>);

impl Outcomes {
    /// Counts how one submission of the actor's provider ended. What is not the provider's doing is not counted.
    pub(super) fn note(&self, actor: &Actor, ended: &Result<Receipt, Rejection>) {
        let Some(provider) = actor.provider() else { return };
        let refusals = match ended {
            Ok(_) => &[],
            Err(Rejection::Refused(refusals)) => refusals.as_slice(),
            Err(_) => return,
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = match all.get_mut(provider) {
            Some(of) => of,
            None => all.entry(provider.to_owned()).or_default(),
        };
        if ended.is_ok() {
            of.taken += 1;
            return;
        }
        of.refused += 1;
        for refusal in refusals {
            *of.reasons.entry((refusal.code, refusal.clause)).or_default() += 1;
        }
    }
}

impl Authority {
    /// How the submissions of a provider ended since this service began.
    pub fn outcomes(&self, actor: &Actor, provider: &str) -> Result<ProviderOutcomes, Rejection> {
        actor.demand(Power::See)?;
        let all = self.core.outcomes.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(all.get(provider).cloned().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_refusals_is_told_in_a_thousand() {
        let outcomes = ProviderOutcomes { taken: 3, refused: 1, ..ProviderOutcomes::default() };
        assert_eq!(outcomes.refused_permille(), 250);
        assert_eq!(ProviderOutcomes::default().refused_permille(), 0);
    }
}

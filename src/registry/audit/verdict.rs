//! What the findings of an audit say of an entity: its rate of errors by strata, the bounds of that, and what is proposed.

use crate::charter::Policy;
use crate::registry::acts::ActKind;
use crate::registry::audit::wilson::{ONE_PPB, Z95_ONE_SIDED_MICRO, bounds};

/// Why a drawn token does not stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No evidence that opens the commitment came in time.
    Silent,
    /// The evidence does not show what the method asks for.
    Incomplete,
    /// It is about another number or another person.
    Mismatch,
    /// It is of another day than the token says.
    Time,
    /// It was made up.
    Forged,
    /// The line's own holder denies it, or does not have the key.
    Contradicted,
}

impl Fault {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Silent, Self::Incomplete, Self::Mismatch, Self::Time, Self::Forged, Self::Contradicted];

    /// Its code in the API and the ledger.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Incomplete => "incomplete",
            Self::Mismatch => "mismatch",
            Self::Time => "time",
            Self::Forged => "forged",
            Self::Contradicted => "contradicted",
        }
    }

    /// The one of that code.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }

    /// The clause of the charter that it breaks.
    pub const fn clause(self) -> &'static str {
        match self {
            Self::Silent => "7.5",
            Self::Incomplete | Self::Contradicted => "3.3",
            Self::Mismatch | Self::Forged => "3.1",
            Self::Time => "3.2",
        }
    }
}

/// What was found of a stratum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Its tokens.
    pub size: u64,
    /// Those that were drawn and judged.
    pub judged: u64,
    /// Those that do not stand.
    pub failed: u64,
}

/// What the findings of one entity come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The rate of errors, parts per billion, each stratum counted by its size.
    pub rate_ppb: u64,
    /// At least that, with 95 %.
    pub lower_ppb: u64,
    /// At most that, with 95 %.
    pub upper_ppb: u64,
    /// What is proposed; two persons decide.
    pub proposed: Option<ActKind>,
}

/// Judges the findings of one entity (clause 7.5). A sanction is proposed when the rate lies above a threshold with 95 %: the *lower*
/// bound, or an honest entity with a small sample would be suspended for what nobody can know.
pub fn verdict(strata: &[Found], policy: &Policy) -> Verdict {
    let looked: Vec<&Found> = strata.iter().filter(|stratum| stratum.judged > 0).collect();
    let size: u128 = looked.iter().map(|stratum| u128::from(stratum.size)).sum();
    // Sum of size * failed / judged, and of size² / judged, times 10^9: what unequal shares leave of a sample (Kish).
    let (one, mut errors, mut spread) = (u128::from(ONE_PPB), 0, 0);
    for stratum in looked {
        let (size, judged) = (u128::from(stratum.size), u128::from(stratum.judged));
        errors += size * u128::from(stratum.failed) * one / judged;
        spread += size * size * one / judged;
    }
    let rate_ppb = errors.checked_div(size).and_then(|rate| u64::try_from(rate).ok()).unwrap_or(0).min(ONE_PPB);
    let n = (size * size * one).checked_div(spread).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
    let (lower_ppb, upper_ppb) = match n > 0 && strata.iter().all(|stratum| stratum.judged == stratum.size) {
        true => (rate_ppb, rate_ppb), // everything was looked at: nothing is left to guess
        false => bounds(rate_ppb, n, Z95_ONE_SIDED_MICRO),
    };
    let above = |percent: u64| lower_ppb > percent.saturating_mul(ONE_PPB / 100);
    let thresholds = [
        (policy.audit_suspend_percent, ActKind::Suspend),
        (policy.audit_restrict_percent, ActKind::Restrict),
        (policy.audit_warn_percent, ActKind::Warn),
    ];
    let proposed = thresholds.into_iter().find(|(percent, _)| above(*percent)).map(|(_, kind)| kind);
    Verdict { rate_ppb, lower_ppb, upper_ppb, proposed }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(strata: &[(u64, u64, u64)]) -> Verdict {
        let strata: Vec<Found> = strata
            .iter()
            .map(|(size, judged, failed)| Found { size: *size, judged: *judged, failed: *failed })
            .collect();
        verdict(&strata, &Policy::embedded())
    }

    #[test]
    fn the_thresholds_are_the_charters() {
        for (failed, proposed) in [
            (0, None),
            (1, Some(ActKind::Warn)),
            (2, Some(ActKind::Restrict)),
            (3, Some(ActKind::Suspend)),
            (20, Some(ActKind::Suspend)),
        ] {
            assert_eq!(of(&[(2000, 20, failed)]).proposed, proposed, "{failed} of 20");
        }
        assert_eq!(of(&[(100_000, 500, 5)]).proposed, None, "one in a hundred, give or take");
        assert_eq!(of(&[]), Verdict { rate_ppb: 0, lower_ppb: 0, upper_ppb: ONE_PPB, proposed: None });
    }

    #[test]
    fn a_stratum_that_was_looked_at_closely_does_not_count_more_for_it() {
        // All errors are in a hundredth that half of the sample is from.
        let verdict = of(&[(9900, 50, 0), (100, 50, 10)]);
        assert_eq!(verdict.rate_ppb, 2_000_000);
        assert!(verdict.lower_ppb < verdict.rate_ppb && verdict.rate_ppb < verdict.upper_ppb);
        assert_eq!(verdict.proposed, None);
    }

    #[test]
    fn of_who_was_looked_at_whole_everything_is_known() {
        let verdict = of(&[(100, 100, 2)]);
        assert_eq!(
            (verdict.lower_ppb, verdict.upper_ppb, verdict.proposed),
            (20_000_000, 20_000_000, Some(ActKind::Warn))
        );
        assert_eq!(of(&[(100, 100, 1)]).proposed, None, "a threshold is passed, not met");
    }

    #[test]
    fn codes_are_read_back() {
        assert!(Fault::ALL.into_iter().all(|fault| Fault::from_name(fault.name()) == Some(fault)));
    }
}

//! The accreditation machine: where an organisation stands, what leads on from there, and what it may submit (articles 5.7, 7).
//!
//! Sanctions gate commands and never publication (clause 7.2): nothing here is known to the zone.

use crate::charter::Policy;
use crate::clock::rfc3339;
use crate::log::event::{Door, Event, Kind};
use crate::registry::refusal::{self, Reason, Refusal};
use crate::registry::terms::{DAY_MS, HOUR_MS};

/// Days of a month of an accreditation: twelve of them are never shorter than a year.
const MONTH_D: u64 = 31;

/// The status of a provider or validation entity.
///
/// ```text
/// APPLIED -admit-> PROBATION -accredit, after probation_d-> ACCREDITED -term over-> WARNED -cure time over-> RESTRICTED
///                                                               ^                      |                         |
///                                                               '------ accredit ------+-------------------------+
/// any of PROBATION to RESTRICTED -suspend-> SUSPENDED -terminate-> TERMINATED       SUSPENDED -accredit-> ACCREDITED
/// any of PROBATION to RESTRICTED -emergency-> SUSPENDED -not confirmed in time, or ended-> where it stood
/// PROBATION to RESTRICTED -wind down-> WINDING_DOWN -notice over-> CLOSED
/// WARNED, RESTRICTED, SUSPENDED, TERMINATED -appeal won-> where it stood before the sanction
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProviderStatus {
    /// Has asked for an accreditation; nothing is taken from it.
    Applied,
    /// New: few numbers, all evidence audited.
    Probation,
    /// In good standing.
    Accredited,
    /// In good standing for now: something is to be mended.
    Warned,
    /// Registers no numbers and takes none over.
    Restricted,
    /// No command is taken; its holders act by themselves.
    Suspended,
    /// Ended by the operator, for ever.
    Terminated,
    /// Gives up, and has said when.
    WindingDown,
    /// Has given up.
    Closed,
}

impl ProviderStatus {
    /// Every status.
    pub const ALL: [Self; 9] = [
        Self::Applied,
        Self::Probation,
        Self::Accredited,
        Self::Warned,
        Self::Restricted,
        Self::Suspended,
        Self::Terminated,
        Self::WindingDown,
        Self::Closed,
    ];

    /// Its name in the gov log and the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Probation => "probation",
            Self::Accredited => "accredited",
            Self::Warned => "warned",
            Self::Restricted => "restricted",
            Self::Suspended => "suspended",
            Self::Terminated => "terminated",
            Self::WindingDown => "winding_down",
            Self::Closed => "closed",
        }
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Why a provider of this status may not submit an event, if it may not:
    ///
    /// | status | create | update, renew, release, recovery | take over: transfer, doors 2 and 3 |
    /// |---|---|---|---|
    /// | probation | up to its quota | yes | yes |
    /// | accredited, warned | yes | yes | yes |
    /// | restricted, winding down | no | yes | no |
    /// | applied, suspended, terminated, closed | no | no | no |
    ///
    /// What goes out of a suspended provider is submitted by the gaining one, and keys are revoked by their holder alone.
    pub const fn refuses(self, kind: Kind, door: Door) -> Option<&'static Reason> {
        let widens = match kind {
            Kind::Create | Kind::Transfer => true,
            Kind::Request | Kind::Complete => matches!(door, Door::Code | Door::Validation),
            _ => false,
        };
        match self {
            Self::Probation | Self::Accredited | Self::Warned => None,
            Self::Restricted if widens => Some(&refusal::PROVIDER_RESTRICTED),
            Self::WindingDown if widens => Some(&refusal::PROVIDER_WINDING_DOWN),
            Self::Restricted | Self::WindingDown => None,
            Self::Applied => Some(&refusal::PROVIDER_APPLIED),
            Self::Suspended => Some(&refusal::PROVIDER_SUSPENDED),
            Self::Terminated | Self::Closed => Some(&refusal::PROVIDER_ENDED),
        }
    }

    /// The same for an event, or for one that cannot be read: then only who may submit nothing is told.
    pub fn refuses_event(self, event: Option<&Event>) -> Option<&'static Reason> {
        let (kind, door) = event.map_or((Kind::Update, Door::Main), |event| (event.kind, event.door));
        self.refuses(kind, door)
    }

    /// Whether the validation tokens of an entity of this status are taken (clause 3.6).
    pub const fn validates(self) -> bool {
        !matches!(self, Self::Applied | Self::Suspended | Self::Terminated | Self::Closed)
    }
}

/// Where an organisation stands, since when, and what comes by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its status.
    pub status: ProviderStatus,
    /// Since when, Unix milliseconds.
    pub since_ms: u64,
    /// When time moves it on, Unix milliseconds; see [`Standing::by_time`].
    pub due_ms: Option<u64>,
    /// When its probation began, Unix milliseconds; `None` once it was accredited.
    pub probation_ms: Option<u64>,
    /// Where it stood before the sanctions that it is under: of several in a row, before the first.
    pub before: Option<Stood>,
    /// Where an emergency stopped it that nobody has confirmed.
    pub stopped: Option<Stood>,
    /// When such an emergency ended, Unix milliseconds; `None` once two persons have decided about it again.
    pub unconfirmed_ms: Option<u64>,
}

/// Where an organisation stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stood {
    /// Its status.
    pub status: ProviderStatus,
    /// When time would have moved it on, Unix milliseconds.
    pub due_ms: Option<u64>,
}

/// A decision about an organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An application is admitted to the probation.
    Admit,
    /// The probation was passed, the accreditation is renewed, or what was wrong is mended.
    Accredit,
    /// Something is to be mended.
    Warn,
    /// It grows no more.
    Restrict,
    /// It submits nothing more, until two persons say otherwise; or an emergency is confirmed.
    Suspend,
    /// One person stops it until two have looked.
    Emergency,
    /// The emergency is over.
    EndEmergency,
    /// The accreditation ends for ever.
    Terminate,
    /// It gives up after these days.
    WindDown(u64),
    /// An appeal was won.
    Overturn,
}

impl Standing {
    /// A status from now on, with nothing before it.
    pub fn fresh(status: ProviderStatus, policy: &Policy, now_ms: u64) -> Self {
        let days = match status {
            ProviderStatus::Accredited => Some(policy.accreditation_months * MONTH_D),
            ProviderStatus::Warned => Some(policy.warning_cure_d),
            ProviderStatus::WindingDown => Some(policy.winding_down_d),
            _ => None,
        };
        let due_ms = days.map(|days| now_ms.saturating_add(days.saturating_mul(DAY_MS)));
        let probation_ms = (status == ProviderStatus::Probation).then_some(now_ms);
        Self { status, since_ms: now_ms, due_ms, probation_ms, before: None, stopped: None, unconfirmed_ms: None }
    }

    /// What a decision makes of it, or why it does not lead on from here.
    pub fn step(&self, step: Step, policy: &Policy, now_ms: u64) -> Result<Self, Refusal> {
        use ProviderStatus as S;
        let next = |status| Self { probation_ms: self.probation_ms, ..Self::fresh(status, policy, now_ms) };
        let sanctioned = |status| Self { before: Some(self.origin()), ..next(status) };
        let works = matches!(self.status, S::Probation | S::Accredited | S::Warned | S::Restricted);
        match (step, self.status) {
            (Step::Admit, S::Applied) => Ok(Self::fresh(S::Probation, policy, now_ms)),
            (Step::Accredit, S::Probation) => self.passed(policy, now_ms),
            (Step::Accredit, S::Accredited | S::Warned | S::Restricted | S::Suspended) if self.stopped.is_none() => {
                let mended = if self.probation_ms.is_some() { S::Probation } else { S::Accredited };
                Ok(next(mended))
            }
            (Step::Warn, S::Probation | S::Accredited) => Ok(sanctioned(S::Warned)),
            (Step::Restrict, S::Probation | S::Accredited | S::Warned) => Ok(sanctioned(S::Restricted)),
            (Step::Suspend, S::Suspended) if self.stopped.is_some() => {
                let before = self.before.or(self.stopped);
                Ok(Self { due_ms: None, before, stopped: None, ..*self })
            }
            (Step::Suspend, _) if works || self.status == S::WindingDown => Ok(sanctioned(S::Suspended)),
            (Step::Emergency, _) if works || self.status == S::WindingDown => {
                self.may_be_stopped(policy, now_ms)?;
                let due_ms = Some(now_ms.saturating_add(policy.emergency_review_h * HOUR_MS));
                let stopped = Some(Stood { status: self.status, due_ms: self.due_ms });
                Ok(Self { due_ms, stopped, before: self.before, ..next(S::Suspended) })
            }
            (Step::EndEmergency, S::Suspended) if self.stopped.is_some() => Ok(self.goes_on(now_ms)),
            (Step::Terminate, S::Suspended) if self.stopped.is_none() => Ok(sanctioned(S::Terminated)),
            (Step::WindDown(days), _) if works => match days < policy.winding_down_d {
                true => {
                    let detail = format!("{days} days; at least {}", policy.winding_down_d);
                    Err(refusal::WINDING_DOWN_SHORT.at("/days", detail))
                }
                false => Ok(Self {
                    due_ms: Some(now_ms.saturating_add(days.saturating_mul(DAY_MS))),
                    ..next(S::WindingDown)
                }),
            },
            (Step::Overturn, _) if self.is_sanction() && self.stopped.is_none() => match self.before {
                Some(before) => Ok(Self { due_ms: before.due_ms, before: None, ..next(before.status) }),
                None => Err(refusal::STANDING_STEP.at("/provider", "it is not known where it stood before")),
            },
            _ => {
                let detail = format!("this does not lead on from {}", self.status.name());
                Err(refusal::STANDING_STEP.at("/provider", detail))
            }
        }
    }

    /// What time alone makes of it, and when that was due; `None` while nothing is. One step: what follows may be due too.
    pub fn by_time(&self, policy: &Policy, now_ms: u64) -> Option<(u64, Self)> {
        use ProviderStatus as S;
        let due_ms = self.due_ms.filter(|due_ms| *due_ms <= now_ms)?;
        let (probation_ms, unconfirmed_ms) = (self.probation_ms, self.unconfirmed_ms);
        let next = |status| Self { probation_ms, unconfirmed_ms, ..Self::fresh(status, policy, now_ms) };
        let after = match self.status {
            // The provider is told at this moment, however late it is: its time to mend begins now.
            S::Accredited => Self { before: Some(self.origin()), ..next(S::Warned) },
            S::Warned => Self { before: self.before, ..next(S::Restricted) },
            S::Suspended if self.stopped.is_some() => self.goes_on(now_ms),
            S::WindingDown => next(S::Closed),
            _ => return None,
        };
        Some((due_ms, after))
    }

    /// Whether this status is a sanction that can be appealed against.
    pub const fn is_sanction(&self) -> bool {
        use ProviderStatus as S;
        matches!(self.status, S::Warned | S::Restricted | S::Suspended | S::Terminated)
    }

    /// Until when an appeal against the sanction is possible, Unix milliseconds.
    pub fn appeal_until_ms(&self, policy: &Policy) -> Option<u64> {
        let can = self.is_sanction() && self.before.is_some() && self.stopped.is_none();
        can.then(|| self.since_ms.saturating_add(policy.appeal_d * DAY_MS))
    }

    /// One person, or one after the other, does not stop it for ever (clause 7.8).
    fn may_be_stopped(&self, policy: &Policy, now_ms: u64) -> Result<(), Refusal> {
        let until_ms = self.unconfirmed_ms.map(|ended_ms| ended_ms.saturating_add(policy.emergency_pause_d * DAY_MS));
        match until_ms.filter(|until_ms| now_ms < *until_ms) {
            Some(until_ms) => {
                let detail = format!("until {} only two persons suspend it", rfc3339(until_ms.div_ceil(1000)));
                Err(refusal::EMERGENCY_AGAIN.at("/provider", detail))
            }
            None => Ok(()),
        }
    }

    /// The end of the probation.
    fn passed(&self, policy: &Policy, now_ms: u64) -> Result<Self, Refusal> {
        let began_ms = self.probation_ms.unwrap_or(self.since_ms);
        if now_ms < began_ms.saturating_add(policy.probation_d * DAY_MS) {
            return Err(refusal::PROBATION_RUNS.at("/provider", "the probation has not lasted long enough"));
        }
        Ok(Self::fresh(ProviderStatus::Accredited, policy, now_ms))
    }

    /// Where the sanctions began: a chain of them that is overturned leads back there.
    fn origin(&self) -> Stood {
        self.before.filter(|_| self.is_sanction()).unwrap_or(Stood { status: self.status, due_ms: self.due_ms })
    }

    /// After an emergency. A time to mend goes on where it was stopped; every other term has run on.
    fn goes_on(&self, now_ms: u64) -> Self {
        let stood = self.stopped.unwrap_or(Stood { status: self.status, due_ms: self.due_ms });
        let still = stood.status == ProviderStatus::Warned;
        let lost_ms = if still { now_ms.saturating_sub(self.since_ms) } else { 0 };
        let due_ms = stood.due_ms.map(|due_ms| due_ms.saturating_add(lost_ms));
        let unconfirmed_ms = Some(now_ms);
        Self { status: stood.status, since_ms: now_ms, due_ms, stopped: None, unconfirmed_ms, ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ProviderStatus as S;

    const START_MS: u64 = 1_800_000_000_000;

    fn policy() -> Policy {
        Policy::embedded()
    }

    fn at(status: S) -> Standing {
        Standing::fresh(status, &policy(), START_MS)
    }

    #[test]
    fn names_are_read_back() {
        for status in S::ALL {
            assert_eq!(S::from_name(status.name()), Some(status));
        }
        assert_eq!(S::from_name("fired"), None);
    }

    #[test]
    fn what_each_status_may_submit() {
        let widening = [(Kind::Create, Door::Main), (Kind::Transfer, Door::Main), (Kind::Request, Door::Code)];
        let widening = widening.into_iter().chain([(Kind::Complete, Door::Code), (Kind::Request, Door::Validation)]);
        let widening: Vec<_> = widening.chain([(Kind::Complete, Door::Validation)]).collect();
        for status in S::ALL {
            for kind in Kind::ALL {
                for door in [Door::Main, Door::Code, Door::Validation, Door::Direct] {
                    let widens = kind == Kind::Create || kind == Kind::Transfer || widening.contains(&(kind, door));
                    let may = match status {
                        S::Probation | S::Accredited | S::Warned => true,
                        S::Restricted | S::WindingDown => !widens,
                        S::Applied | S::Suspended | S::Terminated | S::Closed => false,
                    };
                    assert_eq!(status.refuses(kind, door).is_none(), may, "{status:?} {kind:?} {door:?}");
                }
            }
        }
    }

    #[test]
    fn a_career_without_blemish() {
        let probation = at(S::Applied).step(Step::Admit, &policy(), START_MS).unwrap();
        assert_eq!((probation.status, probation.probation_ms), (S::Probation, Some(START_MS)));
        let early = probation.step(Step::Accredit, &policy(), START_MS + 90 * DAY_MS - 1).unwrap_err();
        assert!(early.is(&refusal::PROBATION_RUNS));
        let good = probation.step(Step::Accredit, &policy(), START_MS + 90 * DAY_MS).unwrap();
        assert_eq!((good.status, good.probation_ms), (S::Accredited, None));
        let renewed = good.step(Step::Accredit, &policy(), START_MS + 300 * DAY_MS).unwrap();
        assert!(renewed.due_ms > good.due_ms);
        let leaving = renewed.step(Step::WindDown(90), &policy(), START_MS).unwrap();
        assert!(leaving.by_time(&policy(), START_MS + 90 * DAY_MS - 1).is_none());
        let (due_ms, closed) = leaving.by_time(&policy(), START_MS + 200 * DAY_MS).unwrap();
        assert_eq!((due_ms, closed.status, closed.due_ms), (START_MS + 90 * DAY_MS, S::Closed, None));
        assert!(renewed.step(Step::WindDown(89), &policy(), START_MS).unwrap_err().is(&refusal::WINDING_DOWN_SHORT));
    }

    #[test]
    fn whoever_is_not_renewed_and_mends_nothing_is_restricted() {
        let good = at(S::Accredited);
        let late_ms = good.due_ms.unwrap() + 9;
        let (_, warned) = good.by_time(&policy(), late_ms).unwrap();
        assert_eq!((warned.status, warned.due_ms), (S::Warned, Some(late_ms + 21 * DAY_MS)));
        let (_, restricted) = warned.by_time(&policy(), late_ms + 21 * DAY_MS).unwrap();
        assert_eq!((restricted.status, restricted.due_ms), (S::Restricted, None));
        assert_eq!(restricted.before, Some(Stood { status: S::Accredited, due_ms: good.due_ms }));
        assert_eq!(restricted.step(Step::Accredit, &policy(), late_ms).unwrap().status, S::Accredited);
    }

    #[test]
    fn an_emergency_that_nobody_confirms_ends() {
        let warned = at(S::Accredited).step(Step::Warn, &policy(), START_MS).unwrap();
        let stopped = warned.step(Step::Emergency, &policy(), START_MS + DAY_MS).unwrap();
        assert_eq!((stopped.status, stopped.due_ms), (S::Suspended, Some(START_MS + 4 * DAY_MS)));
        assert!(stopped.step(Step::Terminate, &policy(), START_MS).is_err());
        assert!(stopped.step(Step::Accredit, &policy(), START_MS).is_err());
        assert_eq!(stopped.appeal_until_ms(&policy()), None);
        let (_, on) = stopped.by_time(&policy(), START_MS + 4 * DAY_MS).unwrap();
        assert_eq!(on.status, S::Warned);
        assert_eq!(on.due_ms, Some(START_MS + 24 * DAY_MS), "the time to mend stood still");
        assert_eq!(on.before, warned.before);
        let confirmed = stopped.step(Step::Suspend, &policy(), START_MS + 2 * DAY_MS).unwrap();
        assert_eq!((confirmed.status, confirmed.due_ms, confirmed.stopped), (S::Suspended, None, None));
        assert!(confirmed.by_time(&policy(), START_MS + 400 * DAY_MS).is_none());
    }

    /// Ended by time or by hand: one person alone would otherwise stop a provider for good, seventy-two hours at a time.
    #[test]
    fn one_person_does_not_stop_a_provider_again_and_again() {
        let stopped = at(S::Accredited).step(Step::Emergency, &policy(), START_MS).unwrap();
        let ended = stopped.step(Step::EndEmergency, &policy(), START_MS + 1).unwrap();
        let (_, lapsed) = stopped.by_time(&policy(), START_MS + 3 * DAY_MS).unwrap();
        for (after, ended_ms) in [(ended, START_MS + 1), (lapsed, START_MS + 3 * DAY_MS)] {
            let again = |now_ms| after.step(Step::Emergency, &policy(), now_ms);
            let last_ms = ended_ms + 30 * DAY_MS;
            assert!(again(ended_ms).unwrap_err().is(&refusal::EMERGENCY_AGAIN));
            assert!(again(last_ms - 1).unwrap_err().is(&refusal::EMERGENCY_AGAIN));
            assert_eq!(again(last_ms).unwrap().status, S::Suspended);
            // Two persons may at any time, and when they have decided, one may stop it again.
            let suspended = after.step(Step::Suspend, &policy(), ended_ms).unwrap();
            let mended = suspended.step(Step::Accredit, &policy(), ended_ms + 1).unwrap();
            assert!(mended.step(Step::Emergency, &policy(), ended_ms + 2).is_ok());
            // Time alone does not make it forgotten.
            let (due_ms, warned) =
                Standing { due_ms: Some(ended_ms + 5), ..after }.by_time(&policy(), ended_ms + 5).unwrap();
            assert!(warned.step(Step::Emergency, &policy(), due_ms).unwrap_err().is(&refusal::EMERGENCY_AGAIN));
        }
    }

    #[test]
    fn an_appeal_leads_back_to_where_the_sanctions_began() {
        let good = at(S::Accredited);
        let warned = good.step(Step::Warn, &policy(), START_MS + 1).unwrap();
        let suspended = warned.step(Step::Suspend, &policy(), START_MS + 2).unwrap();
        let ended = suspended.step(Step::Terminate, &policy(), START_MS + 3).unwrap();
        assert_eq!(ended.appeal_until_ms(&policy()), Some(START_MS + 3 + 14 * DAY_MS));
        let back = ended.step(Step::Overturn, &policy(), START_MS + 4).unwrap();
        assert_eq!((back.status, back.due_ms, back.before), (S::Accredited, good.due_ms, None));
        assert!(back.step(Step::Overturn, &policy(), START_MS + 5).is_err());
    }

    /// Neither a sanction nor an emergency is a way round the probation.
    #[test]
    fn the_probation_stays_until_it_is_passed() {
        let probation = at(S::Probation);
        for step in [Step::Warn, Step::Restrict, Step::Suspend] {
            let mended = probation.step(step, &policy(), START_MS).unwrap();
            let mended = mended.step(Step::Accredit, &policy(), START_MS + 200 * DAY_MS).unwrap();
            assert_eq!((mended.status, mended.probation_ms), (S::Probation, Some(START_MS)), "{step:?}");
        }
        let stopped = probation.step(Step::Emergency, &policy(), START_MS + 1).unwrap();
        let on = stopped.step(Step::EndEmergency, &policy(), START_MS + 2).unwrap();
        assert_eq!((on.status, on.probation_ms), (S::Probation, Some(START_MS)));
    }

    /// From every status that is not the end there is a way that time or people go.
    #[test]
    fn nobody_is_stuck() {
        let steps = [Step::Admit, Step::Accredit, Step::Terminate, Step::EndEmergency, Step::WindDown(90)];
        for status in S::ALL {
            let standing = at(status);
            let leads_on = steps.iter().any(|step| standing.step(*step, &policy(), START_MS + 400 * DAY_MS).is_ok());
            let time_does = standing.by_time(&policy(), START_MS + 400 * DAY_MS).is_some();
            assert_eq!(leads_on || time_does, !matches!(status, S::Terminated | S::Closed), "{status:?}");
        }
    }
}

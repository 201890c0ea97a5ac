//! Stage 2 of the law at the doors of article 6: who takes a number over, or gets back in, and for what he must wait.
//!
//! ```text
//! door 1  TRANSFER ------------------------------------------------> another provider, the same control key, at once
//!         TRANSFER by the key before, two methods -----------------> undoes doors 2 and 3, at once, for a month
//! door 0  REQUEST --7 d, or 24 h, or 30 d--> COMPLETE -------------> the same provider, another control key
//! door 2  REQUEST with the code --5 d-----> COMPLETE --------------> another provider and control key
//! door 3  REQUEST, two methods --7 d------> COMPLETE --------------> any provider, another holder
//!                   \--OBJECT--second round--> COMPLETE, or from day 14 a ruling
//! ```
//! While the bulk door of its provider is open, a claim takes one method and no pause (clause 6.9); see `bulk`.
//! VETO ends doors 0 and 2. A request that nobody completes is void after 30 days, or 60 when it was objected to.

use crate::clock::rfc3339;
use crate::log::event::{Door, Kind, Role};
use crate::log::key::Thumbprint;
use crate::log::state::{Flags, State, Status};
use crate::registry::decide::{Bench, refuse};
use crate::registry::examine::Entrance;
use crate::registry::past::{Happened, History};
use crate::registry::refusal::{self, Reason, Refusal};
use crate::registry::rules::{Entry, Request, Taken};
use crate::registry::terms::DAY_MS;
use crate::registry::{bulk, lapse};

/// From so many vetoes on the operator's dispute desk decides (clause 6.5).
const VETOES_MAX: usize = 2;

impl Bench<'_> {
    /// Is the number registered, or about to be?
    pub(super) fn live(&self) -> bool {
        self.old().map_or(self.facts.waiting.is_some(), |old| old.status != Status::Released)
    }

    /// Whether a provider that is not the number's own comes with what makes it a party: the control key, the right code,
    /// or the request that is pending.
    pub(super) fn gains(&self, id: &str) -> bool {
        match self.event.kind {
            Kind::Transfer if self.event.takes_back() => self.taken().is_some(),
            Kind::Transfer => self.live() && self.controls(),
            Kind::Request if self.event.door == Door::Code => {
                self.live() && self.examined.code.is_some() && self.examined.code == self.facts.code
            }
            Kind::Complete => self.pending().is_some_and(|request| request.provider == id),
            _ => false,
        }
    }

    /// Clause 6.8; judged before any code is looked at, so that it tells nothing about a number.
    pub(super) fn codes_left(&self) -> Result<(), Refusal> {
        let full = self.facts.counters.wrong_codes_today >= self.policy.wrong_codes_per_day_max;
        match self.examined.code {
            Some(_) if full => refuse(&refusal::QUOTA_CODES, "/code", "the day's wrong codes are used up"),
            _ => Ok(()),
        }
    }

    /// Door 1: the holder's key moves the number at once (clause 6.1).
    pub(super) fn transfer(&self) -> Result<(), Refusal> {
        let Some(entry) = &self.facts.entry else { return Ok(()) };
        if self.event.takes_back() {
            return self.take_back(entry);
        }
        if entry.state.status == Status::Suspended {
            return refuse(&refusal::SUSPENDED, "", "the number is suspended");
        }
        if !self.controls() {
            return refuse(&refusal::EVENT_SIGNERS, "/event", "another key signed than the present control key");
        }
        if entry.provider == self.event.provider {
            return refuse(&refusal::SAME_PROVIDER, "", "the number is with this provider already");
        }
        if entry.state.flags.contains(Flags::PROVIDER_HELD) {
            return refuse(&refusal::HELD_TRANSFER, "", "the present provider holds the control key");
        }
        self.contest_lets_change()?;
        // Nobody is left to renew it before: the gaining provider does afterwards.
        let renewable =
            self.bulk(entry) && lapse::release_due_ms(entry, self.law.terms).is_some_and(|due_ms| self.now_ms < due_ms);
        if self.lapsed() && !renewable {
            return refuse(&refusal::LAPSED, "", "the registration has lapsed");
        }
        self.room_for_one_more()?;
        match &self.examined.record {
            Some(record) => self.follows(record, &self.event.provider),
            None => Ok(()),
        }
    }

    /// The change that the event takes back: the key before signs it as the new one.
    fn taken(&self) -> Option<&Taken> {
        let taken = self.facts.entry.as_ref()?.taken.as_ref();
        taken.filter(|taken| taken.control == self.event.state.control)
    }

    /// Door 1 undoes doors 2 and 3 (clause 6.10). That the line is still the old holder's is proved anew: of a number that
    /// somebody else has by now he has the key, and not the line.
    fn take_back(&self, entry: &Entry) -> Result<(), Refusal> {
        let Some(taken) = self.taken() else {
            return refuse(&refusal::UNDO_MISSING, "/event", "no change took the number from this key");
        };
        let until_ms = taken.time_ms.saturating_add(self.law.terms.pause_ms);
        if self.now_ms >= until_ms {
            let detail = format!("it could be taken back until {}", rfc3339(until_ms / 1000));
            return refuse(&refusal::UNDO_OVER, "", &detail);
        }
        let line_s = self.examined.validation.as_ref().and_then(|validation| validation.line_s);
        if line_s.is_none_or(|line_s| line_s < taken.time_ms / 1000) {
            return refuse(&refusal::UNDO_LINE, "/validation", "the line was not tried since the change");
        }
        if entry.provider == self.event.provider { Ok(()) } else { self.room_for_one_more() }
    }

    /// A request by door 0, 2 or 3.
    pub(super) fn request(&self) -> Result<(), Refusal> {
        let Some(entry) = &self.facts.entry else { return Ok(()) };
        let two = self.examined.validation.as_ref().is_some_and(|validation| validation.two_methods);
        if self.event.door == Door::Validation && !two && !self.bulk(entry) {
            return refuse(&refusal::TWO_METHODS, "/validation", "no bulk door is open for the number's provider");
        }
        // Whoever has only an old phone could suspend for ever what somebody else has by now.
        let by_holder = self.event.door == Door::Validation && !entry.state.flags.contains(Flags::SUSP_OP);
        if entry.state.status == Status::Suspended && !by_holder {
            return refuse(&refusal::SUSPENDED, "", "the number is suspended");
        }
        if self.event.door == Door::Code && entry.provider == self.event.provider {
            return refuse(&refusal::SAME_PROVIDER, "", "the number is with this provider already");
        }
        if entry.request.is_some() && !self.is_void(entry) {
            return refuse(&refusal::REQUEST_PENDING, "", "a request is pending");
        }
        self.pauses(entry)?;
        self.in_time(entry)
    }

    /// What is pending takes effect.
    pub(super) fn complete(&self) -> Result<(), Refusal> {
        let Some(entry) = &self.facts.entry else { return Ok(()) };
        let fits = |request: &&Request| {
            let (event, control) = (self.event, self.event.state.control);
            // The holder may have moved the number since: a recovery stays with its provider, a code leads to another.
            let here = entry.provider == event.provider;
            let led = if request.door == Door::Code { !here } else { here || request.door == Door::Validation };
            led && request.door == event.door && request.provider == event.provider && request.control == control
        };
        let Some(request) = entry.request.as_ref().filter(fits) else {
            return refuse(&refusal::REQUEST_MISSING, "", "no such request is pending");
        };
        if self.is_void(entry) {
            return refuse(&refusal::REQUEST_VOID, "", "the request is void by now");
        }
        if let Some(opens_ms) = entry.opens_ms(self.law.terms).filter(|opens_ms| self.now_ms < *opens_ms) {
            let reason = match request.door {
                Door::Code => &refusal::CODE_WAIT,
                Door::Validation => &refusal::CLAIM_WAIT,
                _ => &refusal::RECOVERY_WAIT,
            };
            return not_before(reason, opens_ms);
        }
        if entry.state.flags.contains(Flags::OBJECTED) && self.event.signature(Role::Operator).is_none() {
            self.second_round(request)?;
        }
        if entry.provider != self.event.provider {
            self.room_for_one_more()?;
        }
        match &self.examined.record {
            // The same provider's customer: what he revoked stays listed.
            Some(record) if request.door == Door::Main => self.follows(record, &self.event.provider),
            _ => Ok(()),
        }
    }

    /// After an objection who alone has validated twice more wins, until two persons must rule (clause 6.3).
    fn second_round(&self, request: &Request) -> Result<(), Refusal> {
        let stop_ms = request.time_ms.saturating_add(self.policy.contest_stop_d * DAY_MS);
        if self.now_ms >= stop_ms {
            return refuse(&refusal::CONTEST_STOP, "", "the contest is over");
        }
        let second_ms = self.law.terms.second_ms;
        let from_ms = request.objected_ms.unwrap_or(request.time_ms).saturating_add(second_ms);
        if self.now_ms < from_ms {
            return not_before(&refusal::SECOND_ROUND, from_ms);
        }
        if !self.validated_twice(request) {
            return refuse(&refusal::SECOND_ROUND, "/validation", "these tokens are no second round");
        }
        if self.history().revalidated_since(request.time_ms) {
            return refuse(&refusal::CONTEST_EVEN, "", "both sides have validated again");
        }
        Ok(())
    }

    /// Whether the tokens are the second round of this claim.
    fn validated_twice(&self, request: &Request) -> bool {
        let apart_s = self.law.terms.second_ms / 1000;
        let validation = self.examined.validation.as_ref();
        validation.is_some_and(|validation| validation.is_second_round(request.time_ms / 1000, apart_s))
    }

    /// The holder has some days to object (clause 6.3).
    pub(super) fn object(&self) -> Result<(), Refusal> {
        let Some(request) = self.pending().filter(|request| request.door == Door::Validation) else { return Ok(()) };
        let until_ms = request.time_ms.saturating_add(self.policy.objection_d * DAY_MS);
        if self.now_ms >= until_ms {
            let detail = format!("objections were possible until {}", rfc3339(until_ms / 1000));
            return refuse(&refusal::OBJECTION_OVER, "", &detail);
        }
        Ok(())
    }

    /// While a number is claimed other changes wait; the holder alone removes keys, and does not lengthen the wait. Who has
    /// validated again after his objection, and everybody after the last day, changes it as before (clause 6.3).
    pub(super) fn contest_lets_change(&self) -> Result<(), Refusal> {
        let (Some(entry), Some(request)) = (&self.facts.entry, self.pending()) else { return Ok(()) };
        let over_ms = request.time_ms.saturating_add(self.policy.contest_stop_d * DAY_MS);
        let free = request.door != Door::Validation || self.now_ms >= over_ms || self.is_void(entry);
        let locks = self.event.state.flags.contains(Flags::LOCK) && !entry.state.flags.contains(Flags::LOCK);
        let alone = self.examined.entrance == Entrance::Holder && !locks;
        if free || alone || self.history().revalidated_since(request.time_ms) {
            return Ok(());
        }
        let detail = format!("the number is claimed; changes wait until {} at most", rfc3339(over_ms.div_ceil(1000)));
        refuse(&refusal::CONTESTED, "", &detail)
    }

    /// What stands between one request and the next (clause 6.5).
    fn pauses(&self, entry: &Entry) -> Result<(), Refusal> {
        let (history, door) = (self.history(), self.event.door);
        let changes_hands = door != Door::Main && !(door == Door::Validation && self.bulk(entry));
        if let Some(until_ms) = history.paused_until_ms(door, &self.asked()).filter(|_| changes_hands) {
            return not_before(&refusal::CLAIM_PAUSE, until_ms);
        }
        if let Some(until_ms) = history.vetoed_until_ms(&self.event.provider) {
            return not_before(&refusal::VETO_PAUSE, until_ms);
        }
        if door != Door::Validation && history.vetoes() >= VETOES_MAX {
            return refuse(&refusal::DISPUTE_DESK, "", "two requests were vetoed lately");
        }
        Ok(())
    }

    /// A lapsed number is released at the end of its grace, whatever is pending (clause 6.7).
    fn in_time(&self, entry: &Entry) -> Result<(), Refusal> {
        let asked = Request {
            door: self.event.door,
            control: self.asked(),
            provider: self.event.provider.clone(),
            time_ms: self.now_ms,
            fast: self.event.signature(Role::Recovery).is_some(),
            objected_ms: None,
        };
        let flags = entry.state.flags.without(Flags::OBJECTED);
        let asked = Entry { state: State { flags, ..entry.state.clone() }, request: Some(asked), ..entry.clone() };
        let Some(released_ms) = bulk::release_due_ms(entry, self.law.terms, self.law.register) else { return Ok(()) };
        if self.lapsed() && asked.opens_ms(self.law.terms).is_some_and(|opens_ms| opens_ms >= released_ms) {
            let detail = format!("the number is released at {}", rfc3339(released_ms.div_ceil(1000)));
            return refuse(&refusal::REQUEST_TOO_LATE, "", &detail);
        }
        Ok(())
    }

    /// What will be remembered of this event.
    pub(super) fn happened(&self) -> Option<Happened> {
        let (old, request) = (self.old()?, self.pending());
        match self.event.kind {
            Kind::Complete if self.event.door != Door::Main => {
                Some(Happened::Completed { control_before: old.control })
            }
            Kind::Veto => request
                .filter(|request| request.door != Door::Direct)
                .map(|request| Happened::Vetoed { provider: request.provider.clone() }),
            Kind::Renew if old.flags.contains(Flags::OBJECTED) => {
                request.filter(|request| self.validated_twice(request)).map(|_| Happened::Revalidated)
            }
            _ => None,
        }
    }

    pub(super) fn is_void(&self, entry: &Entry) -> bool {
        entry.void_ms(self.law.terms).is_some_and(|void_ms| self.now_ms >= void_ms)
    }

    /// Whether the bulk door of the number's provider is open (clause 6.9).
    fn bulk(&self, entry: &Entry) -> bool {
        self.law.register.bulk_door(&entry.provider).is_some_and(|door| door.is_open(self.now_ms))
    }

    fn pending(&self) -> Option<&Request> {
        self.facts.entry.as_ref()?.request.as_ref()
    }

    /// The control key that a request asks for.
    fn asked(&self) -> Thumbprint {
        let signature = self.event.signature(Role::NewControl);
        signature.map_or(self.event.state.control, |signature| signature.key.thumbprint())
    }

    fn history(&self) -> History<'_> {
        History::new(&self.facts.past, self.now_ms, self.policy.claim_pause_d * DAY_MS)
    }
}

fn not_before(reason: &'static Reason, from_ms: u64) -> Result<(), Refusal> {
    refuse(reason, "", &format!("possible from {} on", rfc3339(from_ms.div_ceil(1000))))
}

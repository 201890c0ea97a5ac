//! One step of the machine: facts, policy, news of the parent and the time in; changed facts and what is to be done out.
//!
//! The rules are applied in order until none applies. Each looks at facts alone, so a step that was not taken, or not
//! kept, is taken the next time: there is nothing to resume.

use super::facts::{Ask, KeyLife, Life, Roll, State, Urgency};
use super::policy::{Pinned, Policy};
use super::sighting::Sighting;
use crate::dnssec::{Algorithm, KeyId, KeyRole};

/// Rules applied in one step: each key changes its state a few times at most.
const ROUNDS_MAX: usize = 64;

/// Whether the clock went on evenly since the step before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockTrust {
    /// As far as anybody knows.
    Steady,
    /// It was set: no wait that is under way can be measured, so all of them begin anew.
    Stepped,
}

/// What came of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// What changed, in order.
    pub changes: Vec<Change>,
    /// A key that is needed: make it, [`Life::add`] it, step again.
    pub wanted: Option<(KeyRole, Algorithm)>,
}

/// A change of one key, or the end of one's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It came into a state.
    Entered(KeyId, State),
    /// It has been removed for long enough: delete its file.
    Forgotten(KeyId),
}

/// The facts in hand.
pub(super) struct Turn<'a> {
    pub(super) life: &'a mut Life,
    pub(super) policy: &'a Policy,
    pub(super) now_s: u64,
    step: Step,
}

impl Life {
    /// Takes a key in that was just made. Its tag must be free.
    pub fn add(&mut self, id: KeyId, now_s: u64) {
        self.keys.push(KeyLife::new(id, now_s));
    }

    /// One step. The same arguments always give the same result.
    pub fn step(&mut self, policy: &Policy, sighting: Option<&Sighting>, now_s: u64, clock: ClockTrust) -> Step {
        self.mistrust(policy, now_s, clock);
        self.measure_ttl(policy, now_s);
        if let Some(sighting) = sighting {
            self.look(sighting);
        }
        let mut turn = Turn { life: self, policy, now_s, step: Step::default() };
        for _ in 0..ROUNDS_MAX {
            let before = turn.step.changes.len();
            turn.round();
            if turn.step.changes.len() == before {
                break;
            }
        }
        turn.step
    }

    /// Begins waits anew whose beginning lies in the future, and all of them when the clock was set. That is always safe:
    /// what has been so for a while is so now.
    pub(super) fn mistrust(&mut self, policy: &Policy, now_s: u64, clock: ClockTrust) {
        let tolerated_s = now_s + policy.safety_s / 2;
        let anew = |at_s: &mut u64| {
            if clock == ClockTrust::Stepped || *at_s > tolerated_s {
                *at_s = now_s;
            }
        };
        for key in &mut self.keys {
            anew(&mut key.since_s);
            let more = [&mut key.signing_s, &mut key.stopped_s, &mut key.ds_seen_s, &mut key.ds_checked_s];
            more.into_iter().flatten().for_each(anew);
        }
        self.data_ttl_lowered_s.iter_mut().for_each(anew);
    }

    /// Remembers the highest TTL for as long as it may be cached.
    pub(super) fn measure_ttl(&mut self, policy: &Policy, now_s: u64) {
        if policy.data_ttl_s >= self.data_ttl_s {
            (self.data_ttl_s, self.data_ttl_lowered_s) = (policy.data_ttl_s, None);
            return;
        }
        let lowered_s = *self.data_ttl_lowered_s.get_or_insert(now_s);
        if now_s.saturating_sub(lowered_s) >= policy.data_wait_s(self.data_ttl_s) {
            (self.data_ttl_s, self.data_ttl_lowered_s) = (policy.data_ttl_s, None);
        }
    }
}

impl Turn<'_> {
    fn round(&mut self) {
        self.step.wanted = None;
        self.leave();
        self.grow_ready();
        match self.life.target {
            Some(target) => self.algorithm_roll(target),
            None => {
                self.mark_compromised();
                self.publish_made();
                self.recover_entry();
                self.recover_data();
                self.data_track();
                self.entry_track();
                self.begin_algorithm_roll();
            }
        }
    }

    /// Brings a key into a state.
    pub(super) fn enter(&mut self, id: KeyId, state: State) {
        let now_s = self.now_s;
        if let Some(key) = self.life.key_mut(id) {
            key.enter(state, now_s);
            self.step.changes.push(Change::Entered(id, state));
        }
    }

    /// Says that a key is needed; the first one that is said counts.
    pub(super) fn want(&mut self, role: KeyRole, algorithm: Algorithm) {
        self.step.wanted.get_or_insert((role, algorithm));
    }

    /// The keys that `is` says yes to.
    pub(super) fn ids(&self, is: impl Fn(&KeyLife) -> bool) -> Vec<KeyId> {
        self.life.keys.iter().filter(|key| is(key)).map(KeyLife::id).collect()
    }

    /// The rolls of one sort that were asked for.
    pub(super) fn asked(&self, roll: Roll) -> bool {
        self.life.asks.iter().any(|ask| ask.roll == roll)
    }

    /// Takes such an ask off the list.
    pub(super) fn granted(&mut self, roll: Roll) {
        self.life.asks.retain(|ask| ask.roll != roll);
    }

    /// What nobody has in a cache any more goes.
    fn leave(&mut self) {
        let (now_s, policy) = (self.now_s, self.policy);
        let data_wait_s = policy.data_wait_s(self.life.data_ttl_s);
        let rolling = self.life.target.is_some();
        let waited = |key: &KeyLife, wait_s: u64| key.in_state_s(now_s) >= wait_s;
        for id in self.ids(|key| match key.state {
            State::Retired => waited(key, data_wait_s),
            State::Revoked => waited(key, policy.revoked_wait_s()) && !rolling,
            State::PostSigning => waited(key, policy.key_wait_s()),
            _ => false,
        }) {
            self.enter(id, State::Removed);
        }
        for id in self.ids(|key| key.state == State::Removed && waited(key, policy.removed_keep_s)) {
            self.life.keys.retain(|key| key.id() != id);
            self.step.changes.push(Change::Forgotten(id));
        }
    }

    /// What every cache has is ready.
    fn grow_ready(&mut self) {
        let (now_s, policy) = (self.now_s, self.policy);
        for id in self.ids(|key| {
            let wait_s = if key.role.is_entry() { policy.entry_wait_s() } else { policy.key_wait_s() };
            key.state == State::Published && key.in_state_s(now_s) >= wait_s
        }) {
            self.enter(id, State::Ready);
        }
    }

    /// An emergency: what is in other hands is marked, and stand-by keys among it leave that have signed no data and that
    /// the parent has not heard of.
    fn mark_compromised(&mut self) {
        let of_role = |role: KeyRole, roll: Roll| match roll {
            Roll::Zsk => role == KeyRole::Zsk,
            Roll::Ksk => role.is_entry(),
            Roll::Algorithm(_) => false,
        };
        let unmarked = |ask: &&mut Ask| ask.urgency == Urgency::Emergency && !ask.marked;
        for ask in self.life.asks.iter_mut().filter(unmarked) {
            ask.marked = true;
            for key in self.life.keys.iter_mut().filter(|key| of_role(key.role, ask.roll)) {
                key.compromised = true;
            }
        }
        let idle = |state| matches!(state, State::Generated | State::Published | State::Ready);
        for id in self.ids(|key| key.compromised && idle(key.state) && !key.signs_data() && key.offered_s.is_none()) {
            self.enter(id, State::Removed);
        }
    }

    /// What was made for the zone's algorithm comes into the DNSKEY RRset: the next key, or a stand-by.
    fn publish_made(&mut self) {
        let Some(algorithm) = self.life.algorithm() else { return };
        for id in self.ids(|key| key.state == State::Generated && key.algorithm == algorithm && !key.compromised) {
            self.enter(id, State::Published);
        }
    }

    /// A roll of the algorithm begins when nothing else is under way.
    fn begin_algorithm_roll(&mut self) {
        let target = self.life.asks.iter().find_map(|ask| match ask.roll {
            Roll::Algorithm(algorithm) => Some(algorithm),
            Roll::Zsk | Roll::Ksk => None,
        });
        let Some(target) = target else { return };
        if self.life.is_rolling() || self.asked(Roll::Zsk) || self.asked(Roll::Ksk) {
            return;
        }
        self.granted(Roll::Algorithm(target));
        if self.life.algorithm() != Some(target) {
            self.life.target = Some(target);
            self.algorithm_roll(target);
        }
    }

    /// Whether leaving keys are shown revoked first.
    pub(super) fn revokes(&self) -> bool {
        self.policy.pinned != Pinned::No
    }
}

impl Life {
    /// Whether some key is on its way in or out of use.
    pub fn is_rolling(&self) -> bool {
        let moving = |state| matches!(state, State::Submitted | State::Retired | State::Revoked);
        let active =
            |is: fn(KeyRole) -> bool| self.keys.iter().filter(|key| key.state == State::Active && is(key.role)).count();
        self.target.is_some()
            || self.keys.iter().any(|key| moving(key.state))
            || active(KeyRole::is_entry) > 1
            || self.keys.iter().filter(|key| key.signs_data()).count() > 1
    }
}

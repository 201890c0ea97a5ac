//! The keys' lives where the KSK is offline: they follow a schedule, and only the parent's DS is news.

use serde::{Deserialize, Serialize};

use super::facts::{KeyLife, Life, State};
use super::policy::Policy;
use super::sighting::Sighting;
use super::step::{Change, ClockTrust};
use crate::dnssec::offline::Due;
use crate::dnssec::{Algorithm, KeyId, KeyRole};

/// From here on somebody has to make the next request: a month is time for a ceremony.
const ASK_AHEAD_S: u64 = 30 * 86_400;

/// What is known of an offline KSK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offline {
    /// The algorithm of the zone's keys.
    pub algorithm: Algorithm,
    /// Until when there are signatures, Unix seconds; none: no response was taken yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_until_s: Option<u64>,
    /// It is time for the next request.
    #[serde(default)]
    pub ask: bool,
}

impl Life {
    /// The life of a zone that waits for the first response, or whose record was lost.
    pub fn offline(algorithm: Algorithm) -> Self {
        Self { offline: Some(Offline { algorithm, signed_until_s: None, ask: true }), ..Self::default() }
    }

    /// Brings every key to where the schedule has it.
    pub fn follow(
        &mut self,
        due: &Due<'_>,
        policy: &Policy,
        sighting: Option<&Sighting>,
        now_s: u64,
        clock: ClockTrust,
    ) -> Vec<Change> {
        self.mistrust(policy, now_s, clock);
        self.measure_ttl(policy, now_s);
        if let Some(sighting) = sighting {
            self.look(sighting);
        }
        let shown = due.shown();
        for id in &shown {
            if self.key(id.algorithm, id.tag).is_none() {
                self.add(*id, now_s);
            }
        }
        let mut changes = Vec::new();
        // The KSK that CDS names comes first: the others' states follow from its.
        let mut ids: Vec<KeyId> = self.keys.iter().map(KeyLife::id).collect();
        ids.sort_by_key(|id| Some(*id) != due.cds());
        for id in ids {
            let Some(key) = self.keys.iter().find(|key| key.id() == id) else { continue };
            let (was, is_shown) = (key.state, shown.contains(&id));
            let state = match id.role {
                KeyRole::Zsk => zsk_state(key, is_shown, id == due.signer, policy, now_s),
                _ => self.ksk_state(key, is_shown, due, policy, now_s),
            };
            if let (true, Some(key)) = (state != was, self.key_mut(id)) {
                key.enter(state, now_s);
                changes.push(Change::Entered(id, state));
            }
        }
        let over = |key: &&KeyLife| key.state == State::Removed && key.in_state_s(now_s) >= policy.removed_keep_s;
        let over: Vec<KeyId> = self.keys.iter().filter(over).map(KeyLife::id).collect();
        self.keys.retain(|key| !over.contains(&key.id()));
        changes.extend(over.into_iter().map(Change::Forgotten));
        let ask = now_s.saturating_add(ASK_AHEAD_S) >= due.signed_until_s;
        let (algorithm, signed_until_s) = (due.signer.algorithm, Some(due.signed_until_s));
        self.offline = Some(Offline { algorithm, signed_until_s, ask });
        changes
    }

    fn ksk_state(&self, key: &KeyLife, is_shown: bool, due: &Due<'_>, policy: &Policy, now_s: u64) -> State {
        let (id, named) = (key.id(), due.cds());
        let settled =
            named.is_some_and(|id| self.key(id.algorithm, id.tag).is_some_and(|key| key.state == State::Active));
        match (is_shown, key.state) {
            (false, _) => gone(key),
            (true, State::Active) if named == Some(id) => State::Active,
            (true, State::Submitted) if named == Some(id) && self.ds_is_everywhere(key, policy, now_s) => State::Active,
            (true, _) if named == Some(id) => State::Submitted,
            // What the parent knew stays in use until the next one's DS is alone there; then it only waits for a response
            // without it.
            (true, _) if due.set.has_named(id) && settled => State::Retired,
            (true, _) if due.set.has_named(id) => State::Active,
            (true, _) => waits(key, policy.entry_wait_s(), now_s),
        }
    }
}

fn zsk_state(key: &KeyLife, is_shown: bool, signs: bool, policy: &Policy, now_s: u64) -> State {
    match (is_shown, signs) {
        (false, _) => gone(key),
        (true, true) => State::Active,
        (true, false) if key.signing_s.is_some() => State::Retired,
        (true, false) => waits(key, policy.key_wait_s(), now_s),
    }
}

fn gone(key: &KeyLife) -> State {
    if key.is_out() { State::Removed } else { key.state }
}

fn waits(key: &KeyLife, wait_s: u64, now_s: u64) -> State {
    match key.state {
        State::Ready => State::Ready,
        State::Published if key.in_state_s(now_s) >= wait_s => State::Ready,
        _ => State::Published,
    }
}

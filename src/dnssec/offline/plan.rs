//! Which ZSK of a node is shown and signs when, for months ahead. Everything begins at the beginning of a slot.

use serde::{Deserialize, Serialize};

use super::public_key::PublicKey;
use super::slots::{Slots, whole};
use crate::dnssec::KeyId;
use crate::dnssec::keys::KeyError;
use crate::dnssec::life::Policy;

/// A ZSK and its days, Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// The key.
    pub key: PublicKey,
    /// It is in the DNSKEY RRset from here on; 0: it is there already.
    pub from_s: u64,
    /// It signs data from here on.
    pub signs_s: u64,
    /// And no longer from here on; none: to the end of the plan.
    pub stops_s: Option<u64>,
    /// It has left the DNSKEY RRset; none: not in this plan.
    pub until_s: Option<u64>,
}

/// The ZSKs of one node in the order in which they sign. At each moment from the first one's on exactly one signs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Plan {
    /// In order.
    pub zsks: Vec<Planned>,
}

/// Whether the key that signs is replaced out of turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// By the calendar.
    InTurn,
    /// As soon as it may be; what was to follow it is planned anew.
    Now,
}

/// Times that a plan keeps to, in seconds; waits in whole slots.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// From when a key is shown until it may sign.
    pub key_s: u64,
    /// From when it signs no longer until it may leave.
    pub data_s: u64,
    /// From when an entry point is shown until the parent may hear of it.
    pub entry_s: u64,
    /// How long a ZSK signs; 0: for ever.
    pub life_s: u64,
}

impl Waits {
    /// What a policy says, where `data_ttl_s` is the highest TTL that may be cached.
    pub fn of(policy: &Policy, data_ttl_s: u32) -> Self {
        Self {
            key_s: whole(policy.key_wait_s()),
            data_s: whole(policy.data_wait_s(data_ttl_s)),
            entry_s: whole(policy.entry_wait_s()),
            life_s: policy.zsk_life_s,
        }
    }
}

impl Planned {
    fn is_shown(&self, at_s: u64) -> bool {
        self.from_s <= at_s && self.until_s.is_none_or(|until_s| at_s < until_s)
    }

    fn signs(&self, at_s: u64) -> bool {
        self.signs_s <= at_s && self.stops_s.is_none_or(|stops_s| at_s < stops_s)
    }
}

impl Plan {
    /// The plan of a zone that signs with one key since `since_s`.
    pub fn from_signing(key: PublicKey, since_s: u64) -> Self {
        Self { zsks: vec![Planned { key, from_s: 0, signs_s: since_s, stops_s: None, until_s: None }] }
    }

    /// A key that signs no longer and is shown until then.
    pub fn with_leaving(mut self, key: PublicKey, until_s: u64) -> Self {
        self.zsks.insert(0, Planned { key, from_s: 0, signs_s: 0, stops_s: Some(0), until_s: Some(until_s) });
        self
    }

    /// The first key of a node, shown from one slot on and signing from another.
    pub fn from_first(key: PublicKey, from_s: u64, signs_s: u64) -> Self {
        Self { zsks: vec![Planned { key, from_s, signs_s, stops_s: None, until_s: None }] }
    }

    /// Who signs data.
    pub fn signer(&self, at_s: u64) -> Option<KeyId> {
        self.zsks.iter().find(|zsk| zsk.signs(at_s)).map(|zsk| zsk.key.id())
    }

    /// The keys in the DNSKEY RRset.
    pub fn shown(&self, at_s: u64) -> impl Iterator<Item = KeyId> {
        self.zsks.iter().filter(move |zsk| zsk.is_shown(at_s)).map(|zsk| zsk.key.id())
    }

    /// Whether a key is in it.
    pub fn has(&self, id: KeyId) -> bool {
        self.zsks.iter().any(|zsk| zsk.key.id() == id)
    }

    /// When this node signs for the first time, if that is still to come.
    pub fn begins_s(&self, at_s: u64) -> Option<u64> {
        self.zsks.iter().map(|zsk| zsk.signs_s).min().filter(|begins_s| *begins_s > at_s)
    }

    /// Goes on with the plan: nothing of it changes before `usable_s`, when every node must have the response, and it
    /// reaches to `until_s`. `make` makes keys.
    pub fn extend(
        &mut self,
        slots: Slots,
        span: std::ops::Range<u64>,
        waits: &Waits,
        mut replace: Replace,
        now_s: u64,
        make: &mut dyn FnMut(&[Planned]) -> Result<PublicKey, KeyError>,
    ) -> Result<(), KeyError> {
        self.zsks.retain(|zsk| zsk.until_s.is_none_or(|until_s| until_s > now_s));
        if replace == Replace::Now {
            self.zsks.retain(|zsk| zsk.signs_s <= now_s);
            // What was to follow is gone, so the key that signs does so until the next one is there.
            if let Some(signs) = self.zsks.iter_mut().find(|zsk| zsk.signs(now_s)) {
                (signs.stops_s, signs.until_s) = (None, None);
            }
        }
        while let Some(last) = self.zsks.iter().position(|zsk| zsk.stops_s.is_none()) {
            let due_s = match (replace, waits.life_s) {
                (Replace::InTurn, 0) => break,
                (Replace::InTurn, life_s) => slots.up(self.zsks[last].signs_s.saturating_add(life_s)),
                (Replace::Now, _) => 0,
            };
            let switch_s = due_s.max(span.start + waits.key_s);
            if switch_s >= span.end {
                break;
            }
            let key = make(&self.zsks)?;
            self.zsks[last].stops_s = Some(switch_s);
            self.zsks[last].until_s = Some(switch_s + waits.data_s);
            let from_s = switch_s - waits.key_s;
            self.zsks.push(Planned { key, from_s, signs_s: switch_s, stops_s: None, until_s: None });
            replace = Replace::InTurn;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::SLOT_S;
    use super::*;
    use crate::dnssec::keys::Key;
    use crate::dnssec::{Algorithm, KeyRole, signer};
    use crate::wire::Name;
    use ring::rand::SystemRandom;

    fn key() -> PublicKey {
        let random = SystemRandom::new();
        let document = signer::generate(Algorithm::Ed25519, &random).unwrap();
        PublicKey::of(&Key::new(KeyRole::Zsk, signer::open(Algorithm::Ed25519, &document, &random).unwrap()))
    }

    fn slots() -> Slots {
        Slots::of(&Name::from_text("e164.example.").unwrap())
    }

    const WAITS: Waits = Waits { key_s: SLOT_S, data_s: 2 * SLOT_S, entry_s: SLOT_S, life_s: 30 * SLOT_S };

    fn extended(plan: &mut Plan, from_s: u64, days: u64, replace: Replace) -> usize {
        let mut made = 0;
        let span = from_s + 7 * SLOT_S..from_s + days * SLOT_S;
        let mut make = |_: &[Planned]| {
            made += 1;
            Ok(key())
        };
        plan.extend(slots(), span, &WAITS, replace, from_s, &mut make).unwrap();
        made
    }

    #[test]
    fn at_each_moment_one_key_signs_that_was_shown_before_and_stays_after() {
        let start = slots().start(1_800_000_000);
        let mut plan = Plan::from_signing(key(), start - 20 * SLOT_S - 5);
        assert_eq!(extended(&mut plan, start, 181, Replace::InTurn), 6);
        for day in 0..181 {
            let at_s = start + day * SLOT_S;
            let signers: Vec<KeyId> = plan.zsks.iter().filter(|z| z.signs(at_s)).map(|z| z.key.id()).collect();
            let [signer] = signers[..] else { panic!("day {day}: {signers:?}") };
            for shown_s in [at_s.saturating_sub(WAITS.key_s).max(start), at_s + WAITS.data_s] {
                assert!(plan.shown(shown_s).any(|id| id == signer), "day {day}");
            }
            assert!(plan.shown(at_s).count() <= 3);
        }
        // The first is due after ten days; a second request, a month on, changes nothing of what is planned.
        assert_eq!(plan.zsks[0].stops_s, Some(start + 10 * SLOT_S));
        let before = plan.clone();
        assert_eq!(extended(&mut plan, start + 30 * SLOT_S, 181, Replace::InTurn), 1);
        assert!(before.zsks.iter().skip(1).take(5).all(|zsk| plan.zsks.contains(zsk)));
    }

    #[test]
    fn a_key_out_of_turn_takes_over_as_soon_as_it_may_and_what_was_planned_goes() {
        let start = slots().start(1_800_000_000);
        let mut plan = Plan::from_signing(key(), start - SLOT_S);
        extended(&mut plan, start, 181, Replace::InTurn);
        let (calm, now_s) = (plan.clone(), start + 40 * SLOT_S);
        extended(&mut plan, now_s, 181, Replace::Now);
        let coming: Vec<KeyId> = calm.zsks.iter().filter(|z| z.signs_s > now_s).map(|z| z.key.id()).collect();
        assert!(coming.len() > 3 && coming.iter().all(|id| !plan.has(*id)));
        let switch_s = now_s + 7 * SLOT_S + WAITS.key_s;
        assert_ne!(plan.signer(switch_s), plan.signer(switch_s - 1));
        assert_eq!(plan.signer(switch_s - 1), calm.signer(now_s));
        assert!(plan.shown(switch_s + WAITS.data_s).all(|id| Some(id) != calm.signer(now_s)));
    }

    #[test]
    fn without_a_life_nothing_is_made() {
        let start = slots().start(1_800_000_000);
        let mut plan = Plan::from_first(key(), start, start);
        let waits = Waits { life_s: 0, ..WAITS };
        let mut make = |_: &[Planned]| -> Result<PublicKey, KeyError> { panic!("no key is needed") };
        let span = start + SLOT_S..start + 400 * SLOT_S;
        plan.extend(slots(), span, &waits, Replace::InTurn, start, &mut make).unwrap();
        assert_eq!((plan.begins_s(start), plan.begins_s(start - 1)), (None, Some(start)));
    }
}

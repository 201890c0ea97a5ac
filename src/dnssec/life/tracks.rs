//! The two ordinary rolls: of the key that signs data (RFC 6781 4.1.1.1, pre-publication), and of the key that the parent
//! knows (RFC 6781 4.1.2, RFC 7583 3.3.1, double KSK). They go on side by side.

use super::facts::{KeyLife, Roll, State};
use super::policy::Structure;
use super::step::Turn;
use crate::dnssec::{Algorithm, KeyId, KeyRole};

/// Keys that the parent may have beside the one that it is to take in, and ZSKs that leave at the same time: with more the
/// DNSKEY answer would outgrow a datagram. Only emergencies in a row come so far; the next one waits.
const LEAVING_MAX: usize = 2;

impl Turn<'_> {
    /// The key that signs data: the next one is published ahead, then takes over, and the old one leaves when no cache
    /// has a signature of it.
    pub(super) fn data_track(&mut self) {
        let Some(algorithm) = self.life.algorithm() else { return };
        let signing: Vec<&KeyLife> = self.life.keys.iter().filter(|key| key.signs_data()).collect();
        let [current] = signing[..] else { return };
        let (current, compromised) = (current.clone(), current.compromised);
        let due_s = match current.role {
            // A zone that is to have a ZSK again gets it while the parent changes over to the KSK.
            KeyRole::Csk if !self.becomes_ksk_zsk() => return,
            KeyRole::Zsk if self.becomes_csk() => return,
            KeyRole::Csk => 0,
            _ if self.asked(Roll::Zsk) || compromised => 0,
            _ => due_s(&current, self.policy.zsk_life_s),
        };
        let Some(next) = self.next(KeyRole::Zsk) else {
            if self.now_s >= due_s.saturating_sub(self.policy.key_wait_s()) {
                self.want(KeyRole::Zsk, algorithm);
            }
            return;
        };
        let leaving = self.ids(|key| key.state == State::Retired).len();
        if next.1 == State::Ready && self.now_s >= due_s && leaving < LEAVING_MAX {
            self.enter(next.0, State::Active);
            self.stop_signing(current.id());
            self.granted(Roll::Zsk);
        }
    }

    /// The key that the parent knows: the next one is published and signs the DNSKEY RRset too, then it is the parent's
    /// turn, and the old one leaves when no cache has its DS.
    pub(super) fn entry_track(&mut self) {
        let Some(algorithm) = self.life.algorithm() else { return };
        if let Some(waiting) = self.life.submitted().cloned() {
            return self.await_parent(&waiting, algorithm);
        }
        let actives = self.ids(|key| key.role.is_entry() && key.state == State::Active);
        let [current] = actives[..] else { return };
        let Some(current) = self.life.key_mut(current).cloned() else { return };
        let asked = self.asked(Roll::Ksk) || current.compromised;
        let due_s = if asked { 0 } else { due_s(&current, self.policy.ksk_life_s) };
        if self.now_s >= due_s.saturating_sub(self.policy.entry_wait_s()) {
            self.want_entry(algorithm);
        }
        if let Some((next, State::Ready)) = self.next_entry()
            && self.now_s >= due_s
        {
            self.submit(next);
            self.granted(Roll::Ksk);
        }
    }

    /// CDS names one key, and the parent is to take its DS in.
    fn await_parent(&mut self, waiting: &KeyLife, algorithm: Algorithm) {
        let old = self.ids(|key| key.role.is_entry() && key.state == State::Active).len();
        if waiting.compromised && old < LEAVING_MAX {
            // The parent may have its DS by now, so it stays until the next one's is alone there.
            self.want_entry(algorithm);
            if let Some((next, State::Ready)) = self.next_entry() {
                self.enter(waiting.id(), State::Active);
                self.submit(next);
                self.granted(Roll::Ksk);
                return;
            }
        }
        let data_wait_s = self.policy.data_wait_s(self.life.data_ttl_s);
        let (now_s, done) = (self.now_s, self.life.ds_is_everywhere(waiting, self.policy, self.now_s));
        let outlived = |key: &KeyLife| match key.signing_s {
            None => true,
            Some(_) => key.stopped_s.is_some_and(|stopped_s| now_s.saturating_sub(stopped_s) >= data_wait_s),
        };
        let old: Vec<KeyLife> =
            self.life.keys.iter().filter(|k| k.role.is_entry() && k.state == State::Active).cloned().collect();
        if done && old.iter().all(outlived) {
            self.enter(waiting.id(), State::Active);
            let state = if self.revokes() { State::Revoked } else { State::Removed };
            old.iter().for_each(|key| self.enter(key.id(), state));
            // One stand-by is enough; of the other structure, or in other hands, it has no use.
            let stays = self.next(waiting.role).map(|(id, _)| id);
            for id in self.ids(|key| key.role.is_entry() && is_next(key) && Some(key.id()) != stays) {
                self.enter(id, State::Removed);
            }
        }
    }

    /// Hands a key to the parent. One key for everything signs data from now on: every cache has it.
    fn submit(&mut self, next: KeyId) {
        self.enter(next, State::Submitted);
        if next.role == KeyRole::Csk {
            let now_s = self.now_s;
            for id in self.ids(|key| key.signs_data() && key.id() != next) {
                self.stop_signing(id);
            }
            if let Some(key) = self.life.key_mut(next) {
                (key.signing_s, key.stopped_s) = (Some(now_s), None);
            }
            // Stand-by ZSKs have no use any more; they have signed nothing.
            for id in self.ids(|key| key.role == KeyRole::Zsk && !key.signs_data() && is_next(key)) {
                self.enter(id, State::Removed);
            }
        }
    }

    fn stop_signing(&mut self, id: KeyId) {
        let now_s = self.now_s;
        match id.role {
            KeyRole::Zsk => self.enter(id, State::Retired),
            _ => {
                if let Some(key) = self.life.key_mut(id) {
                    key.stopped_s = Some(now_s);
                }
            }
        }
    }

    fn want_entry(&mut self, algorithm: Algorithm) {
        if self.next_entry().is_none() {
            self.want(self.entry_role(), algorithm);
        }
    }

    /// The role of the next key that the parent is to know.
    pub(super) fn entry_role(&self) -> KeyRole {
        match self.policy.structure {
            Structure::KskZsk => KeyRole::Ksk,
            Structure::Csk => KeyRole::Csk,
        }
    }

    /// The key that is furthest on its way into use.
    fn next(&self, role: KeyRole) -> Option<(KeyId, State)> {
        let ready = self.life.keys.iter().filter(|key| key.role == role && !key.compromised && is_next(key));
        ready.max_by_key(|key| (key.state, std::cmp::Reverse(key.since_s))).map(|key| (key.id(), key.state))
    }

    fn next_entry(&self) -> Option<(KeyId, State)> {
        self.next(self.entry_role())
    }

    /// A CSK is on its way into use in place of KSK and ZSK.
    fn becomes_csk(&self) -> bool {
        self.policy.structure == Structure::Csk
            && self.life.keys.iter().any(|key| key.role == KeyRole::Csk && key.state != State::Removed)
    }

    /// A KSK is on its way into use in place of a CSK.
    fn becomes_ksk_zsk(&self) -> bool {
        let in_use = |key: &KeyLife| matches!(key.state, State::Submitted | State::Active);
        self.life.keys.iter().any(|key| key.role == KeyRole::Ksk && in_use(key))
    }

    /// After a lost record several keys sign data. When every cache has them all and it is known which key the parent
    /// has, one goes on: the one that the parent has if it is for everything, else the newest.
    pub(super) fn recover_data(&mut self) {
        let signing: Vec<KeyLife> = self.life.keys.iter().filter(|key| key.signs_data()).cloned().collect();
        let entries = self.life.keys.iter().filter(|key| key.role.is_entry() && key.state == State::Active).count();
        if signing.len() < 2 || entries > 1 || !signing.iter().all(|key| self.is_everywhere(key)) {
            return;
        }
        let newest = signing.iter().max_by_key(|key| (key.state, key.role, !key.compromised, key.created_s, key.tag));
        let Some(newest) = newest.map(KeyLife::id) else { return };
        signing.iter().filter(|key| key.id() != newest).for_each(|key| self.stop_signing(key.id()));
    }

    /// After a lost record several keys may be the parent's. When every cache has them all, and none has another DS than
    /// the one that the parent shows, that key goes on and the others stand by.
    pub(super) fn recover_entry(&mut self) {
        if !self.life.is_unknown_to_parent() {
            return;
        }
        let actives: Vec<KeyLife> =
            self.life.keys.iter().filter(|k| k.role.is_entry() && k.state == State::Active).cloned().collect();
        let known = actives.iter().find(|key| self.life.ds_is_everywhere(key, self.policy, self.now_s));
        if let (Some(known), true) = (known, actives.iter().all(|key| self.is_everywhere(key))) {
            actives.iter().filter(|key| key.tag != known.tag).for_each(|key| self.enter(key.id(), State::Published));
        }
    }

    /// Whether a key and its signatures are in every cache, by how long it has been in its state.
    fn is_everywhere(&self, key: &KeyLife) -> bool {
        let wait_s = self.policy.data_wait_s(self.life.data_ttl_s).max(self.policy.key_wait_s());
        key.in_state_s(self.now_s) >= wait_s
    }
}

/// Whether a key is on its way into use, or stands by.
fn is_next(key: &KeyLife) -> bool {
    matches!(key.state, State::Generated | State::Published | State::Ready)
}

/// When a key's time in use is over.
fn due_s(key: &KeyLife, life_s: u64) -> u64 {
    if life_s == 0 { u64::MAX } else { key.since_s.saturating_add(life_s) }
}

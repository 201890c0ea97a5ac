//! A roll of the algorithm, the conservative way (RFC 6781 4.1.4): what a validator may demand of an algorithm that it
//! sees in the DNSKEY or DS RRset is always there, because signatures come first and go last.
//!
//! ```text
//! old   Active ──────────────────────────────────────────────┐ (Revoked) ──> PostSigning ──> Removed
//! new   Generated ──> PreSigning ──> Published ──> Ready ──> Submitted ──> Active
//!       answers       the set has    CDS names     the parent's            answers carry
//!       carry two     both           the new KSK   servers all show it     one signature
//! ```

use super::facts::{KeyLife, State};
use super::policy::Structure;
use super::step::Turn;
use crate::dnssec::{Algorithm, KeyId, KeyRole};

impl Turn<'_> {
    pub(super) fn algorithm_roll(&mut self, target: Algorithm) {
        let roles: &[KeyRole] = match self.policy.structure {
            Structure::KskZsk => &[KeyRole::Ksk, KeyRole::Zsk],
            Structure::Csk => &[KeyRole::Csk],
        };
        // What has begun goes on with the roles that it began with, whatever the policy says meanwhile.
        let begun = self.life.of(target).any(KeyLife::is_out);
        if !begun && let Some(missing) = roles.iter().find(|role| self.life.of(target).all(|key| key.role != **role)) {
            return self.want(*missing, target);
        }
        let new: Vec<KeyLife> = self.life.of(target).cloned().collect();
        let wait_s = self.policy.data_wait_s(self.life.data_ttl_s);
        if !begun {
            // Only what is needed comes out; another key of that algorithm rests until it stands by.
            for role in roles {
                if let Some(key) = new.iter().find(|key| key.role == *role) {
                    self.enter(key.id(), State::PreSigning);
                }
            }
            return;
        }
        let out: Vec<&KeyLife> = new.iter().filter(|key| key.is_out()).collect();
        if out.iter().all(|key| key.state == State::PreSigning && key.in_state_s(self.now_s) >= wait_s) {
            out.iter().for_each(|key| self.enter(key.id(), State::Published));
        } else if out.iter().all(|key| key.state == State::Ready) {
            for key in out {
                self.enter(key.id(), if key.role.is_entry() { State::Submitted } else { State::Active });
            }
        } else if self.life.submitted().is_some() {
            self.after_parent(target);
        } else if out.iter().all(|key| key.state == State::Active) {
            self.end_algorithm_roll(target);
        }
    }

    /// When the parent's DS of the old key is in no cache, that key goes, revoked first where resolvers pin it. A key for
    /// everything leaves unrevoked: data needs its signatures to the end, and a revoked key makes none that count.
    fn after_parent(&mut self, target: Algorithm) {
        let Some(waiting) = self.life.submitted() else { return };
        if !self.life.ds_is_everywhere(waiting, self.policy, self.now_s) {
            return;
        }
        self.enter(waiting.id(), State::Active);
        if self.revokes() {
            for id in self.ids(|key| key.algorithm != target && key.role == KeyRole::Ksk && key.state == State::Active)
            {
                self.enter(id, State::Revoked);
            }
        }
        self.end_algorithm_roll(target);
    }

    /// The old keys leave the DNSKEY RRset together, and their signatures stay for as long as it may be cached.
    fn end_algorithm_roll(&mut self, target: Algorithm) {
        let (now_s, wait_s) = (self.now_s, self.policy.revoked_wait_s());
        let revoked = |key: &KeyLife| key.state == State::Revoked && key.in_state_s(now_s) < wait_s;
        if self.life.keys.iter().any(|key| key.algorithm != target && revoked(key)) {
            return;
        }
        let old: Vec<(KeyId, bool, State)> = self
            .life
            .keys
            .iter()
            .filter(|key| key.algorithm != target && key.state != State::Removed)
            .map(|key| {
                let used = key.signs_data() || matches!(key.state, State::Active | State::Revoked);
                (key.id(), used, key.state)
            })
            .collect();
        for (id, used, state) in &old {
            match (used, state) {
                (_, State::PostSigning) => {}
                (true, _) => self.enter(*id, State::PostSigning),
                (false, _) => self.enter(*id, State::Removed),
            }
        }
        if old.is_empty() {
            self.life.target = None;
        }
    }
}

//! The facts about a zone's keys: what each key is in its life, since when, and what was asked for.

use serde::{Deserialize, Serialize};

use super::follow::Offline;
use super::sighting::Seen;
use crate::dnssec::{Algorithm, KeyId, KeyRole};

/// Where a key is in its life (the terms of RFC 7583 3.1 where it has them).
///
/// ```text
/// ZSK        Generated ──> Published ──> Ready ──> Active ──> Retired ──────────────────> Removed
///                   in the set     in every      signs     signs no longer,    no signature
///                                  cache                   but may be cached   of it is cached
///
/// KSK, CSK   Generated ──> Published ──> Ready ──> Submitted ──> Active ──> [Revoked] ──> Removed
///                   signs the      in every      CDS names it;   the parent's    RFC 5011
///                   set too        cache         parent's turn   DS names it
///
/// algorithm  Generated ──> PreSigning ──> Published ──> Ready ──> (as above)     the new algorithm's keys
///                          signs, not in the set
///                                         Active ──> PostSigning ──> Removed     the old algorithm's keys
///                                                    signs, no longer in the set
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// There is a file, and nobody outside knows of it.
    Generated,
    /// Of a new algorithm: its signatures come before its DNSKEY (RFC 6781 4.1.4).
    PreSigning,
    /// In the DNSKEY RRset, but RRsets without it may be cached.
    Published,
    /// Every cached DNSKEY RRset has it: it may be used at any moment. A stand-by key stays here.
    Ready,
    /// CDS and CDNSKEY name it: the parent has to take its DS in and the other ones out.
    Submitted,
    /// In use: a ZSK signs data, a KSK is named by the parent's DS.
    Active,
    /// Signs no longer; its signatures may be cached.
    Retired,
    /// Shown with the REVOKE bit (RFC 5011 2.1).
    Revoked,
    /// Of an old algorithm: its signatures go after its DNSKEY (RFC 6781 4.1.4).
    PostSigning,
    /// Gone. The file is kept for a while.
    Removed,
}

/// The life of one key. Times are Unix seconds of this machine's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyLife {
    /// What it is for.
    pub role: KeyRole,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Its tag as long as it is not revoked.
    pub tag: u16,
    /// Where it is.
    pub state: State,
    /// Since when it is there; begins anew when the clock cannot be trusted.
    pub since_s: u64,
    /// When it was made.
    pub created_s: u64,
    /// When it came into the DNSKEY RRset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_s: Option<u64>,
    /// When it was first ready for use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_s: Option<u64>,
    /// Since when it signs data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_s: Option<u64>,
    /// Since when it no longer does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_s: Option<u64>,
    /// When the parent may first have heard of it: it may show the DS from then on, however late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered_s: Option<u64>,
    /// Since when every answer of the parent's servers has shown its DS and none of another key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ds_seen_s: Option<u64>,
    /// The newest of these answers, or of the operator's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ds_checked_s: Option<u64>,
    /// The operator said that the parent has its DS.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ds_confirmed: bool,
    /// When it came into use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activated_s: Option<u64>,
    /// When it went out of use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_s: Option<u64>,
    /// When it left the zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_s: Option<u64>,
    /// Others may have it: it is replaced and never used again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub compromised: bool,
}

/// What a roll replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Roll {
    /// The key that signs data.
    Zsk,
    /// The key that the parent knows; with one key for everything, that one.
    Ksk,
    /// All keys, by those of another algorithm.
    Algorithm(Algorithm),
}

/// How urgent a roll is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    /// The keys in use are good.
    #[default]
    Ordinary,
    /// Every key of the role that there is may be in other hands, stand-by keys too.
    Emergency,
}

/// A roll that somebody asked for and that has not come to its turn yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Of what.
    pub roll: Roll,
    /// Whether keys are in other hands.
    #[serde(default)]
    pub urgency: Urgency,
    /// When it was asked for.
    pub asked_s: u64,
    /// Whether the keys that are in other hands have been marked.
    #[serde(default, skip_serializing_if = "is_false")]
    pub marked: bool,
}

/// The record of a roll of the algorithm was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TwoAlgorithms;

/// All facts about the keys of one zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Life {
    /// Every key, removed ones for a while.
    pub keys: Vec<KeyLife>,
    /// Rolls that wait for their turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<Ask>,
    /// The algorithm that a roll under way leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Algorithm>,
    /// The highest TTL of data that may be cached.
    #[serde(default)]
    pub data_ttl_s: u32,
    /// Since when the zone's highest TTL is lower than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_ttl_lowered_s: Option<u64>,
    /// The highest TTL of a DS RRset that the parent showed.
    #[serde(default)]
    pub ds_ttl_seen_s: u32,
    /// What the parent's servers said the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Seen>,
    /// The KSK is not here: keys follow a schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offline: Option<Offline>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature is serde's
fn is_false(value: &bool) -> bool {
    !*value
}

impl State {
    /// Whether a key in this state is in the DNSKEY RRset.
    pub const fn in_dnskey(self) -> bool {
        matches!(self, Self::Published | Self::Ready | Self::Submitted | Self::Active | Self::Retired | Self::Revoked)
    }

    /// The name for people and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generated => "generated",
            Self::PreSigning => "pre-signing",
            Self::Published => "published",
            Self::Ready => "ready",
            Self::Submitted => "submitted",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
            Self::PostSigning => "post-signing",
            Self::Removed => "removed",
        }
    }
}

impl KeyLife {
    /// A key that was just made.
    pub fn new(id: KeyId, created_s: u64) -> Self {
        Self {
            role: id.role,
            algorithm: id.algorithm,
            tag: id.tag,
            state: State::Generated,
            since_s: created_s,
            created_s,
            published_s: None,
            ready_s: None,
            signing_s: None,
            stopped_s: None,
            offered_s: None,
            ds_seen_s: None,
            ds_checked_s: None,
            ds_confirmed: false,
            activated_s: None,
            retired_s: None,
            removed_s: None,
            compromised: false,
        }
    }

    /// Which key this is.
    pub fn id(&self) -> KeyId {
        KeyId { role: self.role, algorithm: self.algorithm, tag: self.tag }
    }

    /// Whether its signatures stand beside data.
    pub fn signs_data(&self) -> bool {
        self.signing_s.is_some() && self.stopped_s.is_none() && self.state != State::Removed
    }

    /// Whether it signs the DNSKEY RRset.
    pub fn signs_keys(&self) -> bool {
        self.role.is_entry() && self.state.in_dnskey()
    }

    /// Whether anybody outside may know of it.
    pub fn is_out(&self) -> bool {
        !matches!(self.state, State::Generated | State::Removed)
    }

    /// Seconds in its state, by a clock that shows `now_s`.
    pub(super) fn in_state_s(&self, now_s: u64) -> u64 {
        now_s.saturating_sub(self.since_s)
    }

    /// Brings it into a state, with the dates that belong to it.
    pub(super) fn enter(&mut self, state: State, now_s: u64) {
        (self.state, self.since_s) = (state, now_s);
        if state.in_dnskey() {
            self.published_s.get_or_insert(now_s);
        }
        if self.role.is_entry() && matches!(state, State::Submitted | State::Active) {
            self.offered_s.get_or_insert(now_s);
        }
        match state {
            State::Ready => {
                self.ready_s.get_or_insert(now_s);
            }
            State::PreSigning if self.role.signs_data() => {
                self.signing_s.get_or_insert(now_s);
            }
            State::Active => {
                self.activated_s.get_or_insert(now_s);
                if self.role == KeyRole::Zsk {
                    self.signing_s.get_or_insert(now_s);
                }
            }
            State::Retired | State::Revoked => {
                self.retired_s.get_or_insert(now_s);
                if self.role == KeyRole::Zsk {
                    self.stopped_s.get_or_insert(now_s);
                }
            }
            State::PostSigning => {
                self.retired_s.get_or_insert(now_s);
            }
            State::Removed => {
                if self.signing_s.is_some() {
                    self.stopped_s.get_or_insert(now_s);
                }
                self.removed_s.get_or_insert(now_s);
            }
            _ => {}
        }
    }
}

impl Life {
    /// The first keys of a zone that signs from its first answer on: the data signer is in use, and the parent is to take
    /// the other's DS in.
    pub fn begin(keys: Vec<KeyId>, now_s: u64) -> Self {
        let mut life = Self::default();
        for id in keys {
            let mut key = KeyLife::new(id, now_s);
            key.enter(if id.role.is_entry() { State::Submitted } else { State::Active }, now_s);
            key.signing_s = id.role.signs_data().then_some(now_s);
            life.keys.push(key);
        }
        life
    }

    /// Keys that were found without a record of their lives, with the times when they were made. One of each sort: they
    /// are in use. Several: all of them sign until every cache has them, and until it is known which the parent has. `Err`
    /// where guessing would break something: keys of two algorithms, whose order of signatures and keys matters.
    pub fn adopt(files: &[(KeyId, u64)], now_s: u64) -> Result<Self, TwoAlgorithms> {
        let mut life = Self::default();
        for (id, created_s) in files {
            if files.iter().any(|(other, _)| other.algorithm != id.algorithm) {
                return Err(TwoAlgorithms);
            }
            let mut key = KeyLife::new(*id, (*created_s).min(now_s));
            key.enter(State::Active, now_s);
            key.signing_s = id.role.signs_data().then_some(now_s);
            life.keys.push(key);
        }
        Ok(life)
    }

    /// The algorithm of the keys in use; of a roll of the algorithm under way the one that it leads away from.
    pub fn algorithm(&self) -> Option<Algorithm> {
        let in_use = |key: &&KeyLife| matches!(key.state, State::Active | State::Submitted | State::PostSigning);
        let of = |key: &KeyLife| key.algorithm;
        let leaving = self.keys.iter().filter(in_use).map(of).find(|algorithm| Some(*algorithm) != self.target);
        leaving.or_else(|| self.keys.iter().find(in_use).map(of))
    }

    /// The keys of an algorithm that are not removed.
    pub(super) fn of(&self, algorithm: Algorithm) -> impl Iterator<Item = &KeyLife> {
        self.keys.iter().filter(move |key| key.algorithm == algorithm && key.state != State::Removed)
    }

    /// A key by algorithm and tag.
    pub fn key(&self, algorithm: Algorithm, tag: u16) -> Option<&KeyLife> {
        self.keys.iter().find(|key| (key.algorithm, key.tag) == (algorithm, tag))
    }

    /// The same to be changed.
    pub(super) fn key_mut(&mut self, id: KeyId) -> Option<&mut KeyLife> {
        self.keys.iter_mut().find(|key| key.id() == id)
    }

    /// The key that waits for the parent.
    pub fn submitted(&self) -> Option<&KeyLife> {
        self.keys.iter().find(|key| key.state == State::Submitted)
    }
}

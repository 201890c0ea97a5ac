//! What each key waits for, until when, and who must act next: for people, and for the one who steps the machine.

use super::facts::{KeyLife, Life, Roll, State, Urgency};
use super::follow::Offline;
use super::policy::{ParentNews, Pinned, Policy};
use crate::dnssec::{KeyId, KeyRole};

/// Who must act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Time goes by, and then this server acts.
    Nobody,
    /// This server, as soon as it runs.
    Server,
    /// The parent zone's operator: it reads CDS, or is told.
    Parent,
    /// The operator of this zone.
    Operator,
}

/// Something that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The key that it is about; none: the zone.
    pub key: Option<KeyId>,
    /// In words.
    pub what: String,
    /// Until when, Unix seconds, if that is known.
    pub until_s: Option<u64>,
    /// Who must act.
    pub who: Actor,
}

impl Actor {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Server => "server",
            Self::Parent => "parent",
            Self::Operator => "operator",
        }
    }
}

impl Life {
    /// When the machine has something to do by the clock; none: not before it is asked or has news.
    pub fn next_s(&self, policy: &Policy) -> Option<u64> {
        self.waits(policy).iter().filter_map(|wait| wait.until_s).min()
    }

    /// Everything that is waited for, key by key and then of the zone.
    pub fn waits(&self, policy: &Policy) -> Vec<Wait> {
        let mut waits: Vec<Wait> = self.keys.iter().filter_map(|key| self.wait_of(key, policy)).collect();
        waits.extend(self.offline.iter().map(|offline| wait_for_ceremony(*offline)));
        waits.extend(self.asks.iter().filter_map(|ask| self.wait_of_ask(ask.roll, ask.urgency)));
        waits
    }

    fn wait_of(&self, key: &KeyLife, policy: &Policy) -> Option<Wait> {
        let data_wait_s = policy.data_wait_s(self.data_ttl_s);
        let after = |wait_s: u64| Some(key.since_s.saturating_add(wait_s));
        let time = |what: &str, until_s| wait(key, what, until_s, Actor::Nobody);
        match key.state {
            State::Generated => Some(wait(key, "it is put to use", None, Actor::Server)),
            State::PreSigning => Some(time("answers without its signature leave the caches", after(data_wait_s))),
            State::Published => {
                let (what, wait_s) = match policy.pinned {
                    Pinned::Yes { .. } if key.role.is_entry() => {
                        ("resolvers that pin keys take it (RFC 5011)", policy.entry_wait_s())
                    }
                    _ => ("every cached DNSKEY RRset has it", policy.key_wait_s()),
                };
                Some(time(what, after(wait_s)))
            }
            State::Ready => None, // a stand-by, or the key that it replaces is waited for
            State::Submitted => Some(self.wait_for_parent(key, policy)),
            State::Active => self.wait_in_use(key, policy),
            State::Retired if key.role.is_entry() => {
                let what = "a response leaves it out: `callbook keys request`, before the next ceremony";
                Some(wait(key, what, None, Actor::Nobody))
            }
            State::Retired => Some(time("its signatures leave the caches", after(data_wait_s))),
            State::Revoked => Some(time("resolvers that pin it see it revoked", after(policy.revoked_wait_s()))),
            State::PostSigning => Some(time("DNSKEY RRsets with it leave the caches", after(policy.key_wait_s()))),
            State::Removed => Some(time("its file is deleted", after(policy.removed_keep_s))),
        }
    }

    fn wait_for_parent(&self, key: &KeyLife, policy: &Policy) -> Wait {
        if let Some(seen_s) = key.ds_seen_s {
            let until_s = seen_s.saturating_add(policy.ds_wait_s(self.ds_ttl_seen_s));
            let data_s = self.keys.iter().filter(|k| k.role == KeyRole::Csk).filter_map(|k| k.stopped_s).max();
            let data_s = data_s.map_or(0, |s| s.saturating_add(policy.data_wait_s(self.data_ttl_s)));
            let what = "every cache has the parent's new DS and no signature of the old key";
            return wait(key, what, Some(until_s.max(data_s)), Actor::Nobody);
        }
        let others: Vec<String> = self
            .keys
            .iter()
            .filter(|k| k.role.is_entry() && k.state == State::Active)
            .map(|k| k.tag.to_string())
            .collect();
        let gone = if others.is_empty() { String::new() } else { format!(" and no longer DS {}", others.join(", ")) };
        match policy.parent {
            ParentNews::Asked => {
                let what = format!(
                    "every server of the parent shows DS {}{gone}: it takes it from CDS, or is given what `callbook keys ds` prints",
                    key.tag
                );
                wait(key, &what, None, Actor::Parent)
            }
            ParentNews::Told => {
                let what = format!(
                    "the parent has DS {}{gone}: give it what `callbook keys ds` prints, and when all its servers show it run \
                     `callbook keys ds --confirm {}`",
                    key.tag, key.tag
                );
                wait(key, &what, None, Actor::Operator)
            }
        }
    }

    /// A key in use waits for the end of its time, if somebody set one and nothing replaces it yet.
    fn wait_in_use(&self, key: &KeyLife, policy: &Policy) -> Option<Wait> {
        if key.role.is_entry() && self.is_unknown_to_parent() {
            if let Some(seen_s) = key.ds_seen_s {
                let until_s = seen_s.saturating_add(policy.ds_wait_s(self.ds_ttl_seen_s));
                let until_s = until_s.max(key.since_s.saturating_add(policy.data_wait_s(self.data_ttl_s)));
                let what = "no cache has another DS than its own, which the parent shows";
                return Some(wait(key, what, Some(until_s), Actor::Nobody));
            }
            let what = format!(
                "it is known which key the parent has, since the record of the keys was lost: run `callbook keys ds --confirm TAG` \
                 with the tag of the DS that the parent shows ({} is one of them)",
                key.tag
            );
            let who = if policy.parent == ParentNews::Asked { Actor::Parent } else { Actor::Operator };
            return Some(wait(key, &what, None, who));
        }
        let (life_s, lead_s) = match key.role {
            KeyRole::Zsk => (policy.zsk_life_s, policy.key_wait_s()),
            _ => (policy.ksk_life_s, policy.entry_wait_s()),
        };
        if self.offline.is_some()
            || life_s == 0
            || self.target.is_some()
            || (key.role.is_entry() && self.submitted().is_some())
        {
            return None;
        }
        let due_s = key.since_s.saturating_add(life_s);
        let next = |k: &KeyLife| {
            let same = k.role == key.role || (k.role.is_entry() && key.role.is_entry());
            same && matches!(k.state, State::Generated | State::Published | State::Ready) && !k.compromised
        };
        Some(match self.keys.iter().any(next) {
            true => wait(key, "the next key takes its place", Some(due_s), Actor::Nobody),
            false => wait(key, "the next key is made", Some(due_s.saturating_sub(lead_s)), Actor::Nobody),
        })
    }

    fn wait_of_ask(&self, roll: Roll, urgency: Urgency) -> Option<Wait> {
        let urgent = if urgency == Urgency::Emergency { "emergency " } else { "" };
        let (what, who) = match (roll, self.target) {
            (_, Some(target)) => (format!("{urgent}roll: the roll to algorithm {target} ends"), Actor::Nobody),
            (Roll::Algorithm(to), None) => {
                (format!("roll to algorithm {to}: the rolls that are under way end"), Actor::Nobody)
            }
            (Roll::Zsk, None) => (format!("{urgent}roll of the ZSK: the next ZSK is ready"), Actor::Nobody),
            (Roll::Ksk, None) => {
                (format!("{urgent}roll of the key that the parent knows: the next one is ready"), Actor::Nobody)
            }
        };
        Some(Wait { key: None, what, until_s: None, who })
    }
}

fn wait_for_ceremony(offline: Offline) -> Wait {
    let (key, until_s) = (None, offline.signed_until_s);
    let (what, who) = match (offline.ask, until_s) {
        (_, None) => ("the offline KSK signs for the first time: run `callbook keys request`", Actor::Operator),
        (true, _) => {
            ("the signatures of the offline KSK end: run `callbook keys request` and have it answered", Actor::Operator)
        }
        (false, _) => ("the signatures of the offline KSK end", Actor::Nobody),
    };
    Wait { key, what: what.to_owned(), until_s, who }
}

fn wait(key: &KeyLife, what: &str, until_s: Option<u64>, who: Actor) -> Wait {
    Wait { key: Some(key.id()), what: what.to_owned(), until_s, who }
}

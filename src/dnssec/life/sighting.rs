//! What the parent's servers show: the machine's only news from outside.

use serde::{Deserialize, Serialize};

use super::facts::{KeyLife, Life, State};
use super::policy::Policy;
use crate::dnssec::{Algorithm, KeyId};

/// One look at every server of the parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// When the last of them had answered or been given up: any other DS set was fetched before.
    pub at_s: u64,
    /// One entry a server.
    pub servers: Vec<ServerSaid>,
}

/// What one server of the parent said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSaid {
    /// Its address.
    pub server: String,
    /// Its DS RRset, or why there is none to speak of, in words.
    pub said: Result<DsSet, String>,
}

/// A DS RRset by whom it names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DsSet {
    /// Keys of the zone whose digest is in it.
    pub keys: Vec<(Algorithm, u16)>,
    /// Tags of DS records that fit no key of the zone.
    pub strangers: Vec<u16>,
    /// The RRset's TTL.
    pub ttl_s: u32,
}

/// A sighting as it is kept for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// When.
    pub at_s: u64,
    /// One line a server: its address and what it said.
    pub servers: Vec<String>,
}

impl Sighting {
    /// Whether every server has the DS of `key`.
    pub fn everywhere(&self, key: KeyId) -> bool {
        let has = |set: &DsSet| set.keys.contains(&(key.algorithm, key.tag));
        !self.servers.is_empty() && self.servers.iter().all(|server| server.said.as_ref().is_ok_and(has))
    }

    /// Whether some server that answered does not have the DS of `key`.
    pub fn lacks(&self, key: KeyId) -> bool {
        let lacks = |set: &DsSet| !set.keys.contains(&(key.algorithm, key.tag));
        self.servers.iter().any(|server| server.said.as_ref().is_ok_and(lacks))
    }

    /// Whether some server still has the DS of `key`.
    pub fn anywhere(&self, key: KeyId) -> bool {
        let has = |set: &DsSet| set.keys.contains(&(key.algorithm, key.tag));
        self.servers.iter().any(|server| server.said.as_ref().is_ok_and(has))
    }

    /// Each server in a line.
    fn lines(&self) -> Vec<String> {
        let line = |server: &ServerSaid| match &server.said {
            Err(why) => format!("{}: {why}", server.server),
            Ok(set) => {
                let tags: Vec<String> = set.keys.iter().map(|(_, tag)| tag.to_string()).collect();
                let ours = if tags.is_empty() { "no DS of ours".to_owned() } else { format!("DS {}", tags.join(", ")) };
                let strangers: Vec<String> = set.strangers.iter().map(u16::to_string).collect();
                match strangers.is_empty() {
                    true => format!("{}: {ours}", server.server),
                    false => format!("{}: {ours}; DS {} of no key here", server.server, strangers.join(", ")),
                }
            }
        };
        self.servers.iter().map(line).collect()
    }
}

impl Life {
    /// Takes a sighting in: since when the parent shows the DS of the key that waits for it, and no other. After a lost
    /// record every entry key waits for that.
    pub(super) fn look(&mut self, sighting: &Sighting) {
        let sets = sighting.servers.iter().filter_map(|server| server.said.as_ref().ok());
        self.ds_ttl_seen_s = sets.map(|set| set.ttl_s).fold(self.ds_ttl_seen_s, u32::max);
        self.parent = Some(Seen { at_s: sighting.at_s, servers: sighting.lines() });
        let unknown = self.is_unknown_to_parent();
        let waits = |key: &KeyLife| match key.state {
            State::Submitted => true,
            State::Active => unknown && key.role.is_entry(),
            _ => false,
        };
        let entries: Vec<KeyId> = self.keys.iter().filter(|key| key.role.is_entry()).map(KeyLife::id).collect();
        for key in self.keys.iter_mut().filter(|key| waits(key)) {
            let id = key.id();
            let others_there = entries.iter().any(|other| *other != id && sighting.anywhere(*other));
            if others_there || sighting.lacks(id) {
                (key.ds_seen_s, key.ds_checked_s, key.ds_confirmed) = (None, None, false);
            } else if sighting.everywhere(id) {
                key.ds_seen_s.get_or_insert(sighting.at_s);
                key.ds_checked_s = key.ds_checked_s.max(Some(sighting.at_s));
            }
        }
    }

    /// Whether the DS of a key has been alone in the parent for long enough: no other one is in a cache.
    pub(super) fn ds_is_everywhere(&self, key: &KeyLife, policy: &Policy, now_s: u64) -> bool {
        let known_s = if key.ds_confirmed { Some(now_s) } else { key.ds_checked_s };
        let wait_s = policy.ds_wait_s(self.ds_ttl_seen_s);
        key.ds_seen_s.zip(known_s).is_some_and(|(seen_s, known_s)| known_s.saturating_sub(seen_s) >= wait_s)
    }
}

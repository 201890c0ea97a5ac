//! What an operator may ask of the keys, and why it may be refused. Nothing here changes what is served: the next step does.

use super::facts::{Ask, KeyLife, Life, Roll, State, Urgency};
use crate::dnssec::{Algorithm, KeyId, KeyRole};

/// Why something cannot be asked for. Says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The zone has another structure.
    #[error("the zone has one key for everything (CSK): roll it with --ksk")]
    NoZsk,
    /// It is so already.
    #[error("the zone's keys are of algorithm {0} already")]
    SameAlgorithm(Algorithm),
    /// It has been asked for.
    #[error("this roll was asked for already and waits for its turn: `callbook keys status` says what for")]
    Asked,
    /// There is no such key.
    #[error("there is no key with tag {0}: `callbook keys list` names them")]
    NoKey(u16),
    /// The key does not wait for the parent.
    #[error("{0} does not wait for the parent: `callbook keys status` says what is waited for")]
    NotWaiting(KeyId),
    /// There is a stand-by key.
    #[error("{0} stands by already: one of each role is enough, and more would make the DNSKEY answer large")]
    StandsBy(KeyId),
    /// The KSK is elsewhere.
    #[error(
        "the KSK is offline, and keys follow what it has signed: ask for another ZSK with `callbook keys request --replace`, and \
         for another KSK with `callbook keys answer --next` where it is. Another algorithm needs the KSK here: `callbook keys online`"
    )]
    Offline,
    /// The tag is taken.
    #[error("the zone has or had a key with this tag: use another key, since tags tell keys apart")]
    TagTaken,
}

impl Life {
    /// Asks for a roll.
    pub fn ask(&mut self, roll: Roll, urgency: Urgency, now_s: u64) -> Result<(), Refused> {
        if self.offline.is_some() {
            return Err(Refused::Offline);
        }
        let has_zsk = self.keys.iter().any(|key| key.role == KeyRole::Zsk && key.is_out());
        match roll {
            Roll::Zsk if !has_zsk => return Err(Refused::NoZsk),
            Roll::Algorithm(to) if self.target.or(self.algorithm()) == Some(to) => {
                return Err(Refused::SameAlgorithm(to));
            }
            _ => {}
        }
        match self.asks.iter_mut().find(|ask| ask.roll == roll) {
            Some(ask) if urgency == Urgency::Ordinary || ask.urgency == urgency => Err(Refused::Asked),
            Some(ask) => {
                (ask.urgency, ask.marked) = (urgency, false);
                Ok(())
            }
            None => {
                self.asks.push(Ask { roll, urgency, asked_s: now_s, marked: false });
                Ok(())
            }
        }
    }

    /// Takes the operator's word that every server of the parent shows the DS of this key and none of another.
    pub fn confirm_ds(&mut self, tag: u16, now_s: u64) -> Result<KeyId, Refused> {
        let several = self.is_unknown_to_parent();
        let key = self.keys.iter_mut().filter(|key| key.role.is_entry() && key.is_out()).find(|key| key.tag == tag);
        let key = key.ok_or(Refused::NoKey(tag))?;
        let id = key.id();
        match key.state {
            State::Submitted => {}
            State::Active if several => {}
            _ => return Err(Refused::NotWaiting(id)),
        }
        key.ds_seen_s.get_or_insert(now_s);
        key.ds_confirmed = true;
        // One word at a time: who says that it is this one takes back what was said of another.
        for other in self.keys.iter_mut().filter(|other| other.id() != id && other.ds_confirmed) {
            (other.ds_seen_s, other.ds_confirmed) = (None, false);
        }
        Ok(id)
    }

    /// Whether several keys may be the one that the parent knows, since the record of them was lost.
    pub fn is_unknown_to_parent(&self) -> bool {
        let active = self.keys.iter().filter(|key| key.role.is_entry() && key.state == State::Active).count();
        active > 1 && self.submitted().is_none()
    }

    /// Whether a stand-by key may be made or taken in.
    pub fn may_stand_by(&self, role: KeyRole) -> Result<(), Refused> {
        if self.offline.is_some() {
            return Err(Refused::Offline);
        }
        let waits = |state| matches!(state, State::Generated | State::Published | State::Ready);
        let standing = self.keys.iter().find(|key| key.role == role && waits(key.state) && !key.compromised);
        standing.map_or(Ok(()), |key| Err(Refused::StandsBy(key.id())))
    }

    /// Whether a tag, revoked or not, is free.
    pub fn tag_is_free(&self, tags: [u16; 2]) -> bool {
        !self.keys.iter().flat_map(KeyLife::tags).any(|taken| tags.contains(&taken))
    }
}

impl KeyLife {
    /// Its tag, and those that it may have when it is revoked: 128 more in the sum of RFC 4034 appendix B, and perhaps a
    /// carry (RFC 5011 2.1).
    fn tags(&self) -> [u16; 3] {
        [self.tag, self.tag.wrapping_add(128), self.tag.wrapping_add(129)]
    }
}

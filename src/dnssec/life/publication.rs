//! What follows from the facts: which keys are in the DNSKEY RRset, who signs what, and what CDS and CDNSKEY name.

use super::facts::{KeyLife, Life, State};
use crate::dnssec::KeyId;

/// What is served of the keys. Equal publications need no new view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publication {
    /// The DNSKEY RRset, and whether a key is shown revoked.
    pub dnskeys: Vec<(KeyId, Revocation)>,
    /// Who signs it; the key that the parent knows comes first.
    pub key_signers: Vec<KeyId>,
    /// Who signs CDS and CDNSKEY (RFC 7344 4.1: among them a key that the parent knows).
    pub cds_signers: Vec<KeyId>,
    /// Who signs everything else: one, or one of each algorithm. The first one's signatures stay beside their RRsets.
    pub data_signers: Vec<KeyId>,
    /// What CDS and CDNSKEY name: the key that the parent is to have. Nothing while nobody knows which it has.
    pub cds: Vec<KeyId>,
}

/// Whether a key says that it must no longer be believed (RFC 5011 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// It is good.
    No,
    /// It bears the REVOKE bit, and so another tag.
    Revoked,
}

impl Life {
    /// What is served.
    pub fn publication(&self) -> Publication {
        // Whoever has signed longest comes first: that is whose signatures are there already.
        let mut keys: Vec<&KeyLife> = self.keys.iter().collect();
        keys.sort_by_key(|key| (std::cmp::Reverse(key.state == State::Active), key.signing_s, key.created_s, key.tag));
        let ids = |is: fn(&KeyLife) -> bool| keys.iter().filter(|key| is(key)).map(|key| key.id()).collect();
        let revocation = |key: &KeyLife| match key.state {
            State::Revoked => Revocation::Revoked,
            _ => Revocation::No,
        };
        let shown = keys.iter().filter(|key| key.state.in_dnskey());
        Publication {
            dnskeys: shown.map(|key| (key.id(), revocation(key))).collect(),
            key_signers: ids(KeyLife::signs_keys),
            cds_signers: match self.target {
                None => ids(KeyLife::signs_keys),
                // While two algorithms stand side by side, data has signatures of both at the right times.
                Some(_) => ids(|key| (key.signs_keys() && key.state != State::Revoked) || key.signs_data()),
            },
            data_signers: ids(KeyLife::signs_data),
            cds: self.parent_should_have().into_iter().collect(),
        }
    }

    /// The key whose DS the parent should have, and no other; none while several may be the parent's.
    pub fn parent_should_have(&self) -> Option<KeyId> {
        let mut active = self.keys.iter().filter(|key| key.role.is_entry() && key.state == State::Active);
        match (self.submitted(), active.next(), active.next()) {
            (Some(waiting), ..) => Some(waiting.id()),
            (None, Some(key), None) => Some(key.id()),
            _ => None,
        }
    }
}

//! What an operator wants of keys, and the waits that follow from it (RFC 7583 3, RFC 6781 4).

use std::net::SocketAddr;

use crate::config::Dnssec;
use crate::dnssec::keys::DNSKEY_TTL_S;

/// Added to every wait. Signatures begin an hour early, so a clock may be wrong by as much; what a clock may jump unseen is
/// half of it.
pub const SAFETY_S: u64 = 3_600;
const DAY_S: u64 = 86_400;
/// An RRset stays in a cache no longer than its signatures are valid, whatever its TTL: fourteen days, and one more.
const CACHED_S_MAX: u64 = 15 * 86_400;
/// RFC 5011 2.4.1: a resolver that pins a key takes a new one after thirty days; two more for those that were away.
pub const ADD_HOLD_DOWN_S: u64 = 32 * 86_400;
/// How long a revoked key is shown: resolvers that pin it look each hour at a TTL of an hour (RFC 5011 2.3).
pub const REVOKED_S: u64 = 30 * 86_400;

/// One key for everything, or one for keys and one for data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// A KSK and a ZSK.
    KskZsk,
    /// A CSK.
    Csk,
}

/// Whether resolvers pin the zone's key and follow its changes by themselves (RFC 5011).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinned {
    /// All trust comes down from the parent.
    No,
    /// A new KSK is shown for a hold-down time before the old one goes, and the old one leaves revoked.
    Yes {
        /// Seconds; [`ADD_HOLD_DOWN_S`] outside of tests.
        hold_down_s: u64,
        /// Seconds; [`REVOKED_S`] outside of tests.
        revoked_s: u64,
    },
}

/// Who says what the parent has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParentNews {
    /// Its servers are asked.
    Asked,
    /// The operator confirms.
    Told,
}

/// Everything that the machine does not decide by itself. All times in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Which keys there are to be; a change takes effect with the next roll of the KSK.
    pub structure: Structure,
    /// How long a ZSK signs; 0: until somebody asks for another.
    pub zsk_life_s: u64,
    /// The same of a KSK or CSK.
    pub ksk_life_s: u64,
    /// TTL of DNSKEY, CDS and CDNSKEY.
    pub dnskey_ttl_s: u32,
    /// The highest TTL in the zone.
    pub data_ttl_s: u32,
    /// TTL of the DS RRset in the parent, at least.
    pub ds_ttl_s: u32,
    /// How long all servers of the zone, or of the parent, take to serve a change.
    pub propagation_s: u64,
    /// Added to every wait: the machine's clock may be wrong by half of it, one way or the other.
    pub safety_s: u64,
    /// How the parent's DS is known.
    pub parent: ParentNews,
    /// RFC 5011.
    pub pinned: Pinned,
    /// How long the file of a removed key is kept.
    pub removed_keep_s: u64,
}

impl Policy {
    /// What a configuration says of a zone with these servers at its parent, whose highest TTL is this; 0: the one on
    /// record counts.
    pub fn of(dnssec: &Dnssec, parent: &[SocketAddr], data_ttl_s: u32) -> Self {
        Self {
            structure: if dnssec.csk { Structure::Csk } else { Structure::KskZsk },
            zsk_life_s: u64::from(dnssec.zsk_life_d) * DAY_S,
            ksk_life_s: u64::from(dnssec.ksk_life_d) * DAY_S,
            dnskey_ttl_s: DNSKEY_TTL_S,
            data_ttl_s,
            ds_ttl_s: dnssec.ds_ttl_s,
            propagation_s: dnssec.propagation_s.into(),
            safety_s: SAFETY_S,
            parent: if parent.is_empty() { ParentNews::Told } else { ParentNews::Asked },
            pinned: match dnssec.rfc5011 {
                true => Pinned::Yes { hold_down_s: ADD_HOLD_DOWN_S, revoked_s: REVOKED_S },
                false => Pinned::No,
            },
            removed_keep_s: u64::from(dnssec.removed_keep_d) * DAY_S,
        }
    }

    /// From when a key is in the DNSKEY RRset until every cached RRset without it is gone (RFC 7583 3.2.1 Ipub), and the
    /// other way round.
    pub fn key_wait_s(&self) -> u64 {
        cached_s(self.dnskey_ttl_s) + self.propagation_s + self.safety_s
    }

    /// The same for a key that is an entry point: resolvers that pin keys take longer.
    pub fn entry_wait_s(&self) -> u64 {
        match self.pinned {
            Pinned::No => self.key_wait_s(),
            Pinned::Yes { hold_down_s, .. } => self.key_wait_s().max(hold_down_s + self.safety_s),
        }
    }

    /// From when a key signs, or no longer does, until no cached signature says otherwise (RFC 7583 3.2.1 Iret), where
    /// `data_ttl_s` is the highest TTL that may still be cached.
    pub fn data_wait_s(&self, data_ttl_s: u32) -> u64 {
        cached_s(data_ttl_s.max(self.dnskey_ttl_s)) + self.propagation_s + self.safety_s
    }

    /// From when the last of the parent's servers shows a DS until no other one is cached (RFC 7583 3.3.1 IretP), where
    /// `ds_ttl_s` is the highest TTL that was seen.
    pub fn ds_wait_s(&self, ds_ttl_s: u32) -> u64 {
        cached_s(self.ds_ttl_s.max(ds_ttl_s)) + self.propagation_s + self.safety_s
    }

    /// How long a revoked key is shown.
    pub fn revoked_wait_s(&self) -> u64 {
        match self.pinned {
            Pinned::No => self.key_wait_s(),
            Pinned::Yes { revoked_s, .. } => self.key_wait_s().max(revoked_s + self.safety_s),
        }
    }
}

fn cached_s(ttl_s: u32) -> u64 {
    u64::from(ttl_s).min(CACHED_S_MAX)
}

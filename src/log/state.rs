//! The State of a number: 212 bytes that the map commits to, each chained to the one before.

use crate::log::bytes::{Malformed, Reader, to_base64url};
use crate::log::key::Thumbprint;
use crate::log::record::Record;
use crate::log::{Hash, ZERO, sha256};

/// The length of a State in bytes.
pub const STATE_LEN: usize = 212;
const TAG: &[u8; 18] = b"callbook/state/v1\0";

/// Where a number stands in the directory. That it lapsed is not a status: compare `not_after` with the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    /// Published until `not_after`.
    Active = 1,
    /// Not published; at least one suspension flag is set.
    Suspended = 2,
    /// Given back: no key, no commitment.
    Released = 3,
}

/// The five flags of a State.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u8);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// A recovery takes 30 days.
    pub const LOCK: Self = Self(1);
    /// The provider keeps the control key for a holder who has no device key.
    pub const PROVIDER_HELD: Self = Self(2);
    /// Suspended by the operator, two persons.
    pub const SUSP_OP: Self = Self(4);
    /// Suspended by the holder.
    pub const SUSP_HOLDER: Self = Self(8);
    /// The holder objected to a pending door 3.
    pub const OBJECTED: Self = Self(16);
    /// Both suspensions.
    pub const SUSPENSIONS: Self = Self(4 | 8);

    /// Whether every flag of `other` is set here.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any flag of `other` is set here.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// These flags and those of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These flags but those of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Those of these flags that are in `other` too.
    #[must_use]
    pub const fn only(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The flags in which the two differ.
    #[must_use]
    pub const fn changed(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }
}

/// What the directory commits to for a number, one version after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Where the number stands.
    pub status: Status,
    /// Lock, class of holder, suspensions, objection.
    pub flags: Flags,
    /// 1 for the first State of a number, then one more each time.
    pub version: u64,
    /// The epoch of this State; set by the sequencer, 0 in what is signed.
    pub since_epoch: u64,
    /// The epoch of the last change of the control key; set by the sequencer, 0 in what is signed.
    pub key_epoch: u64,
    /// The end of the registration, Unix seconds; at and after it nothing is published.
    pub not_after: u64,
    /// [`State::hash`] of the version before; [`ZERO`] in version 1 alone.
    pub prev: Hash,
    /// The key that signs changes.
    pub control: Thumbprint,
    /// The key that shortens a recovery; [`ZERO`]: none.
    pub recovery: Thumbprint,
    /// The waiting recovery or release ([`pending::hash`](crate::log::pending::hash)); [`ZERO`]: none.
    pub pending: Hash,
    /// [`record::commitment`](crate::log::record::commitment) to the record R.
    pub commitment: Hash,
}

impl State {
    /// Reads exactly one State and checks the rules that hold for every State by itself.
    pub fn parse(raw: &[u8]) -> Result<Self, Malformed> {
        Malformed::unless(raw.len() == STATE_LEN, "state", "length")?;
        let mut r = Reader::new(raw, "state");
        r.tag(TAG)?;
        let status = match r.u8()? {
            1 => Status::Active,
            2 => Status::Suspended,
            3 => Status::Released,
            _ => return Err(Malformed::new("state", "status")),
        };
        let state = Self {
            status,
            flags: Flags(r.u8()?),
            version: r.u64()?,
            since_epoch: r.u64()?,
            key_epoch: r.u64()?,
            not_after: r.u64()?,
            prev: r.array()?,
            control: r.array()?,
            recovery: r.array()?,
            pending: r.array()?,
            commitment: r.array()?,
        };
        r.end()?;
        state.check()?;
        Ok(state)
    }

    /// The rules of one State; a State built by hand is sound iff this is `Ok`.
    pub fn check(&self) -> Result<(), Malformed> {
        let must = |ok, why| Malformed::unless(ok, "state", why);
        let suspended = self.status == Status::Suspended;
        must(self.flags.0 < 32, "unknown flag")?;
        must(self.flags.intersects(Flags::SUSPENSIONS) == suspended, "status and suspension flags differ")?;
        must(self.version >= 1 && (self.version == 1) == (self.prev == ZERO), "version or prev")?;
        must(self.key_epoch <= self.since_epoch, "epochs")?;
        if self.status == Status::Released {
            let empty = [self.control, self.recovery, self.pending, self.commitment].iter().all(|h| *h == ZERO);
            must(empty && self.flags == Flags::NONE, "a released number keeps neither keys nor flags")?;
        } else {
            must(self.control != ZERO && self.commitment != ZERO, "no control key or no commitment")?;
        }
        must(self.pending != ZERO || !self.flags.contains(Flags::OBJECTED), "objection to nothing")
    }

    /// The 212 bytes.
    pub fn write(&self) -> [u8; STATE_LEN] {
        let mut out = Vec::with_capacity(STATE_LEN);
        out.extend_from_slice(TAG);
        out.extend_from_slice(&[self.status as u8, self.flags.0]);
        for n in [self.version, self.since_epoch, self.key_epoch, self.not_after] {
            out.extend_from_slice(&n.to_be_bytes());
        }
        for hash in [&self.prev, &self.control, &self.recovery, &self.pending, &self.commitment] {
            out.extend_from_slice(hash);
        }
        out.try_into().expect("the fields of a State are 212 bytes long")
    }

    /// `S = H(State)`: what the map holds and what the next version's `prev` names.
    pub fn hash(&self) -> Hash {
        sha256(&[&self.write()])
    }

    /// This State as it is signed: both epochs 0.
    #[must_use]
    pub fn as_signed(&self) -> Self {
        Self { since_epoch: 0, key_epoch: 0, ..self.clone() }
    }

    /// The character-strings of the `_keys` TXT record: `v=cb1; n=…; s=…; c=h|p; e=…`, then one `r=…@…` a revoked key.
    pub fn keys_txt(&self, record: &Record) -> Vec<String> {
        let s = to_base64url(&self.hash()[..16]);
        let class = if self.flags.contains(Flags::PROVIDER_HELD) { 'p' } else { 'h' };
        let mut strings = vec![format!("v=cb1; n={}; s={s}; c={class}; e={}", self.version, self.not_after)];
        strings.extend(record.revoked.iter().map(|r| format!("r={}@{}", to_base64url(&r.thumbprint), r.at_s)));
        strings
    }
}

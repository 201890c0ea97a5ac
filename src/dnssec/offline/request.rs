//! The key signing request: what a node needs signed, from its plan and from the KSKs as they are served.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::refused;
use super::form::{self, VERSION};
use super::public_key::PublicKey;
use super::slots::{SLOT_S, Slots, whole};
use super::{OfflineError, Plan};
use crate::dnssec::KeyRole;
use crate::dnssec::keys::KeyError;
use crate::wire::Name;

/// Longest span of one request: a year and a month.
const DAYS_MAX: u64 = 400;
/// ZSKs of one request: one a week for a year.
const ZSKS_MAX: usize = 60;
const KSKS_MAX: usize = 4;
const NODE_OCTETS_MAX: usize = 64;
const TTL_S_MAX: u32 = 86_400;
const ENTRY_WAIT_S_MAX: u64 = 60 * 86_400;
const WHAT: &str = "key signing request";

/// A request, as it is in its file. Times are Unix seconds, and beginnings of slots but for `made_s`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub(super) version: u64,
    /// The zone.
    pub apex: String,
    /// Which node asks; a name that tells it from the others.
    pub node: String,
    /// When it was made, by the node's clock.
    pub made_s: u64,
    /// TTL of what is signed.
    pub dnskey_ttl_s: u32,
    /// From when to when.
    pub from_s: u64,
    /// See `from_s`.
    pub until_s: u64,
    /// Until then nothing differs from what was planned before: by then every node must have the response.
    pub usable_s: u64,
    /// Seconds from when a KSK is shown until CDS may name it.
    pub entry_wait_s: u64,
    /// The node's ZSKs.
    pub zsks: Vec<Shown>,
    /// The KSKs that are served now; none: the zone, or the node, is new.
    pub ksks: Vec<Served>,
}

/// A ZSK and when it is in the DNSKEY RRset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// The key.
    pub key: PublicKey,
    /// From when to when.
    pub from_s: u64,
    /// See `from_s`.
    pub until_s: u64,
}

/// A KSK that is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Served {
    /// The key.
    pub key: PublicKey,
    /// Since when it is in the DNSKEY RRset.
    pub since_s: u64,
    /// CDS names it, or has named it.
    pub named: bool,
    /// Every server of the parent has shown the DS of another key alone for long enough: it may leave.
    pub leaves: bool,
}

impl Request {
    /// Reads a file of somebody else's. What it says is in bounds afterwards.
    pub fn read(path: &Path) -> Result<(Self, String), KeyError> {
        let text = form::read(path, WHAT)?;
        let text = text.ok_or_else(|| form::garbage(path, WHAT, "there is no such file"))?;
        let request: Self = form::parse(path, WHAT, &text)?;
        request.check()?;
        let fingerprint = request.fingerprint();
        Ok((request, fingerprint))
    }

    /// Writes it. Durable when this returns.
    pub fn write(&self, path: &Path) -> Result<(), KeyError> {
        form::write(path, self)
    }

    /// What people compare on both machines.
    pub fn fingerprint(&self) -> String {
        form::fingerprint(&form::text(self))
    }

    /// The node's part of a plan, for a span.
    pub(super) fn shown(plan: &Plan, from_s: u64, until_s: u64) -> Vec<Shown> {
        let clip = |zsk: &super::Planned| Shown {
            key: zsk.key.clone(),
            from_s: zsk.from_s.max(from_s),
            until_s: zsk.until_s.unwrap_or(u64::MAX).min(until_s),
        };
        plan.zsks.iter().map(clip).filter(|shown| shown.from_s < shown.until_s).collect()
    }

    /// A request of this version; checked, as if it were another's.
    #[allow(clippy::too_many_arguments)] // its fields
    pub(in crate::dnssec) fn new(
        apex: &Name,
        node: &str,
        made_s: u64,
        dnskey_ttl_s: u32,
        [from_s, usable_s, until_s]: [u64; 3],
        entry_wait_s: u64,
        plan: &Plan,
        ksks: Vec<Served>,
    ) -> Result<Self, OfflineError> {
        let zsks = Self::shown(plan, from_s, until_s);
        let (apex, node) = (apex.to_text(), node.to_owned());
        let version = VERSION;
        let request =
            Self { version, apex, node, made_s, dnskey_ttl_s, from_s, until_s, usable_s, entry_wait_s, zsks, ksks };
        request.check()?;
        Ok(request)
    }

    /// The zone.
    pub fn apex(&self) -> Result<Name, OfflineError> {
        Name::from_text(&self.apex).map_err(|e| refused(format!("the request's zone {}: {e}", self.apex)))
    }

    fn check(&self) -> Result<(), OfflineError> {
        let slots = Slots::of(&self.apex()?);
        let no = |why: &str| Err(refused(format!("the request of node {:?} is refused: {why}", self.node)));
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if self.node.is_empty() || self.node.len() > NODE_OCTETS_MAX || !self.node.chars().all(plain) {
            return no("a node's name has letters, digits, '-', '.' and '_', and 64 of them at most");
        }
        let ends = [self.from_s, self.usable_s, self.until_s];
        if !ends.iter().all(|end_s| slots.is_start(*end_s)) || !ends.is_sorted() || self.from_s == self.until_s {
            return no("its days do not begin where the signatures' days begin, or are not in order");
        }
        if (self.until_s - self.from_s) / SLOT_S > DAYS_MAX {
            return no("it reaches further than 400 days: whoever has the KSK should see it more often");
        }
        if self.dnskey_ttl_s > TTL_S_MAX
            || self.entry_wait_s > ENTRY_WAIT_S_MAX
            || whole(self.entry_wait_s) != self.entry_wait_s
        {
            return no("its TTL is longer than a day, or its wait is longer than 60 days");
        }
        if self.zsks.is_empty() || self.zsks.len() > ZSKS_MAX || self.ksks.len() > KSKS_MAX {
            return no("it has no ZSK, more than 60, or more than 4 KSKs");
        }
        let zsk = |shown: &Shown| {
            let ends = [self.from_s, shown.from_s, shown.until_s, self.until_s];
            shown.key.id().role == KeyRole::Zsk
                && ends.iter().all(|end_s| slots.is_start(*end_s))
                && ends.is_sorted()
                && shown.from_s < shown.until_s
        };
        if !self.zsks.iter().all(zsk) || self.ksks.iter().any(|served| served.key.id().role != KeyRole::Ksk) {
            return no("a key is in the wrong place, or is shown at times that are none of the request's");
        }
        let algorithm = self.zsks[0].key.id().algorithm;
        let mut ids: Vec<_> = self.zsks.iter().map(|zsk| zsk.key.id()).collect();
        ids.extend(self.ksks.iter().map(|ksk| ksk.key.id()));
        let twice = |i: usize| ids[..i].iter().any(|other| other.tag == ids[i].tag);
        if ids.iter().any(|id| id.algorithm != algorithm) || (0..ids.len()).any(twice) {
            return no("its keys are of two algorithms, or two of them have the same tag");
        }
        Ok(())
    }
}

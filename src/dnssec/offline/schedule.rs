//! What a node serves of its keys and when: its plan, and the newest response over it.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::refused;
use super::form::{self, VERSION};
use super::response::KeySet;
use super::slots::SLOT_S;
use super::{OfflineError, Plan, Request, Response};
use crate::dnssec::KeyId;
use crate::dnssec::keys::KeyError;
use crate::dnssec::keys::error::io_at;
use crate::dnssec::keys::files::apex_text;
use crate::wire::Name;

/// Sets that are over are kept for as long as their signatures are good: a clock may be set back.
const OVER_KEPT_S: u64 = 7 * SLOT_S;

/// A node's schedule, as it is in its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    version: u64,
    apex: String,
    /// What the others call this node.
    pub node: String,
    /// TTL of what is signed.
    pub dnskey_ttl_s: u32,
    /// The node whose keys are out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<String>,
    /// This node's ZSKs.
    pub plan: Plan,
    sets: Vec<KeySet>,
}

/// A request whose response is waited for, with the plan that it is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::dnssec) struct Pending {
    pub(in crate::dnssec) version: u64,
    pub(in crate::dnssec) request: Request,
    pub(in crate::dnssec) plan: Plan,
    /// Tags of ZSKs that were made ahead and are not to be used: they may be in other hands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::dnssec) discarded: Vec<u16>,
}

/// What is due at a moment.
#[derive(Clone, Copy)]
pub struct Due<'a> {
    /// The keys.
    pub set: &'a KeySet,
    /// Who signs data.
    pub signer: KeyId,
    /// The keys that this node knows: KSKs, and its own ZSKs.
    own: &'a Plan,
    at_s: u64,
    /// Until when there are signatures, Unix seconds.
    pub signed_until_s: u64,
}

impl Due<'_> {
    /// KSKs and this node's own ZSKs that are shown.
    pub fn shown(&self) -> Vec<KeyId> {
        let mut shown: Vec<KeyId> = self.set.ksks().map(super::PublicKey::id).collect();
        shown.extend(self.own.shown(self.at_s).filter(|id| self.set.has(*id)));
        shown
    }

    /// The KSK that CDS names.
    pub fn cds(&self) -> Option<KeyId> {
        self.set.named()
    }
}

impl Schedule {
    /// A new one from a response, in the place of an earlier one. Says nothing of whether it fits what is served.
    pub(in crate::dnssec) fn replacing(
        earlier: Option<&Self>,
        pending: &Pending,
        response: Response,
        now_s: u64,
    ) -> Result<Self, OfflineError> {
        let request = &pending.request;
        let answered = (request.node.clone(), request.fingerprint());
        if !response.requests.contains(&answered) || response.dnskey_ttl_s != request.dnskey_ttl_s {
            return Err(refused(format!(
                "the response is not to the newest request of node {:?}: have that one answered, or run `callbook keys request` again",
                request.node
            )));
        }
        let from_s = response.of_all().next().map_or(0, |set| set.from_s);
        let mut sets: Vec<KeySet> = earlier.map(|earlier| earlier.sets.clone()).unwrap_or_default();
        sets.retain(|set| set.from_s < from_s && set.until_s + OVER_KEPT_S > now_s);
        sets.iter_mut().for_each(|set| set.until_s = set.until_s.min(from_s));
        sets.extend(response.sets);
        let schedule = Self {
            version: VERSION,
            apex: request.apex.clone(),
            node: request.node.clone(),
            dnskey_ttl_s: request.dnskey_ttl_s,
            dropped: None,
            plan: pending.plan.clone(),
            sets,
        };
        schedule.check_plan(from_s)?;
        Ok(schedule)
    }

    /// The node's own keys must be in the sets when the plan shows them, and at no other time.
    fn check_plan(&self, from_s: u64) -> Result<(), OfflineError> {
        for set in self.sets.iter().filter(|set| set.without.is_none() && set.from_s >= from_s) {
            for at_s in (set.from_s..set.until_s).step_by(SLOT_S as usize) {
                let planned = self.plan.zsks.iter().map(|zsk| zsk.key.id());
                let wrong = planned.clone().find(|id| set.has(*id) != self.plan.shown(at_s).any(|shown| shown == *id));
                if let Some(id) = wrong {
                    return Err(refused(format!("the response does not show {id} when it was asked for")));
                }
            }
        }
        Ok(())
    }

    /// What is due.
    pub fn at(&self, now_s: u64) -> Result<Due<'_>, OfflineError> {
        let set = self.set_at(now_s).ok_or_else(|| OfflineError::TooEarly {
            begins_s: self.sets.iter().map(|set| set.from_s).min().unwrap_or_default(),
        })?;
        let signed_until_s = self.sets.iter().map(|set| set.until_s).max().unwrap_or_default();
        let signer = self
            .plan
            .signer(now_s)
            .ok_or(OfflineError::NotYet { signs_s: self.plan.begins_s(now_s).unwrap_or_default() })?;
        Ok(Due { set, signer, own: &self.plan, at_s: now_s, signed_until_s })
    }

    /// The set of a moment; after the last one ends, that one: its signatures reach a day further.
    pub(in crate::dnssec) fn set_at(&self, now_s: u64) -> Option<&KeySet> {
        let of_case = self.sets.iter().filter(|set| set.without == self.dropped);
        of_case.filter(|set| set.from_s <= now_s).max_by_key(|set| set.from_s)
    }

    /// The sets with every node's keys, in order, from now on.
    pub(in crate::dnssec) fn coming(&self, now_s: u64) -> impl Iterator<Item = &KeySet> {
        self.sets.iter().filter(move |set| set.without.is_none() && set.until_s > now_s)
    }

    /// Since when a key is in the sets that are known.
    pub(in crate::dnssec) fn shown_since_s(&self, id: KeyId) -> Option<u64> {
        self.sets.iter().filter(|set| set.has(id)).map(|set| set.from_s).min()
    }

    /// Takes the keys of another node out, at once, or all of them in again.
    pub fn drop_node(&mut self, node: Option<&str>) -> Result<(), OfflineError> {
        let names = |name: &str| self.sets.iter().any(|set| set.without.as_deref() == Some(name));
        match node {
            Some(name) if name == self.node => {
                return Err(refused("this is that node: take it off the network, and drop it on the others"));
            }
            Some(name) if !names(name) => {
                let mut known: Vec<&str> = self.sets.iter().filter_map(|set| set.without.as_deref()).collect();
                known.sort_unstable();
                known.dedup();
                return Err(refused(format!(
                    "there is no node {name:?} in the response; there are: {}",
                    known.join(", ")
                )));
            }
            _ => self.dropped = node.map(str::to_owned),
        }
        Ok(())
    }
}

/// Where a zone's schedule lies, and the request that waits: `K<apex>.offline` and `K<apex>.request`.
pub struct ScheduleFile {
    path: PathBuf,
    pending: PathBuf,
    apex: String,
    /// The last one that was read: it is looked at each two seconds, and changes a few times a year.
    known: RefCell<Option<(Mark, Arc<Schedule>)>>,
}

/// Tells a file from the one that takes its place: its inode, when it was changed, and its size.
type Mark = (u64, i64, i64, u64);

const SCHEDULE: &str = "schedule of keys";
const PENDING: &str = "request that waits";

impl ScheduleFile {
    /// That of `apex` in `dir`.
    pub fn new(dir: &Path, apex: &Name) -> Self {
        let of = |ending: &str| dir.join(format!("K{}.{ending}", apex_text(apex)));
        Self { path: of("offline"), pending: of("request"), apex: apex.to_text(), known: RefCell::new(None) }
    }

    /// Where the schedule lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the schedule; `None` if there is none.
    pub fn read(&self) -> Result<Option<Arc<Schedule>>, KeyError> {
        let mark = match fs::metadata(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other
                .map(|data| (data.ino(), data.mtime(), data.mtime_nsec(), data.len()))
                .map_err(io_at(&self.path))?,
        };
        if let Some((_, schedule)) = self.known.borrow().as_ref().filter(|(known, _)| *known == mark) {
            return Ok(Some(Arc::clone(schedule)));
        }
        let Some(text) = form::read(&self.path, SCHEDULE)? else { return Ok(None) };
        let schedule: Schedule = form::parse(&self.path, SCHEDULE, &text)?;
        if schedule.apex != self.apex || schedule.sets.is_empty() {
            return Err(form::garbage(&self.path, SCHEDULE, "it is another zone's, or empty").into());
        }
        let schedule = Arc::new(schedule);
        *self.known.borrow_mut() = Some((mark, Arc::clone(&schedule)));
        Ok(Some(schedule))
    }

    /// Replaces the schedule in one step.
    pub fn write(&self, schedule: &Schedule) -> Result<(), KeyError> {
        form::write(&self.path, schedule)
    }

    /// Takes the schedule away; the file stays beside, under another name.
    pub fn retire(&self) -> Result<(), KeyError> {
        fs::rename(&self.path, self.path.with_extension("offline.old")).map_err(io_at(&self.path))
    }

    pub(in crate::dnssec) fn pending(&self) -> Result<Option<Pending>, KeyError> {
        let Some(text) = form::read(&self.pending, PENDING)? else { return Ok(None) };
        form::parse(&self.pending, PENDING, &text).map(Some)
    }

    pub(in crate::dnssec) fn wait_for(
        &self,
        request: Request,
        plan: Plan,
        discarded: Vec<u16>,
    ) -> Result<(), KeyError> {
        form::write(&self.pending, &Pending { version: VERSION, request, plan, discarded })
    }
}

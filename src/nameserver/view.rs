//! What is served at one moment: zones with their keys. Swapped whole when keys or static data change; numbers change inside.

use std::cmp::Reverse;
use std::sync::Arc;

use super::guard::{Caller, Guard};
use super::rare::Rare;
use super::transfer::{Places, Published};
use super::transport::Transport;
use super::tsig::TsigKeys;
use crate::dnssec::ZoneKeys;
use crate::wire::answer::Options;
use crate::wire::{Edns, Name, Question, RrType};
use crate::zone::{NumberZone, StaticZone};

/// More than that is no name; the answer has to have room for the rest.
const NSID_OCTETS_MAX: usize = 255;

/// Everything that [`respond`](super::respond()) answers from.
#[derive(Clone, Default)]
pub struct View {
    /// The deepest apexes first.
    zones: Vec<Served>,
    guard: Option<Arc<Guard>>,
    /// What this server calls itself to who asks (RFC 5001); empty: nothing.
    nsid: Arc<[u8]>,
    rare: Rare,
    /// What keepalive options promise, in units of 100 ms (RFC 7828).
    keepalive_100ms: u16,
    /// Shared with secondaries and others who sign what they ask (RFC 8945).
    keys: TsigKeys,
    /// How many transfers run at once; without it there are none.
    places: Option<Arc<Places>>,
}

/// One zone and the keys that sign it.
#[derive(Clone)]
pub struct Served {
    /// The data.
    pub data: ZoneData,
    /// Without keys the zone is served unsigned.
    pub keys: Option<Arc<ZoneKeys>>,
    /// A static zone in versions that never change, and who may fetch it.
    published: Option<Arc<Published>>,
}

/// The two sorts of zones.
#[derive(Clone)]
pub enum ZoneData {
    /// A zone of numbers.
    Numbers(Arc<NumberZone>),
    /// An ordinary zone from a master file.
    Static(Arc<StaticZone>),
}

impl View {
    /// A view of these zones.
    pub fn new(mut zones: Vec<Served>) -> Self {
        deepest_first(&mut zones);
        Self { zones, ..Self::default() }
    }

    /// The same zones, this one signed by these keys from now on. Signatures of keys that stay are kept beside the data.
    pub fn resigned(&self, apex: &Name, keys: &Arc<ZoneKeys>) -> Self {
        let mut view = self.clone();
        for zone in view.zones.iter_mut().filter(|zone| zone.apex() == apex) {
            zone.keys = Some(Arc::clone(keys));
        }
        view
    }

    /// The same zones behind a guard. Without one there are no cookies and no limits.
    pub fn guarded(self, guard: Arc<Guard>) -> Self {
        Self { guard: Some(guard), ..self }
    }

    /// The same zones from a server that says who it is. At most 255 octets are told.
    pub fn named(self, nsid: &[u8]) -> Self {
        Self { nsid: nsid.get(..nsid.len().min(NSID_OCTETS_MAX)).unwrap_or_default().into(), ..self }
    }

    /// The same zones from a server that keeps idle connections for so many seconds; 0: it does not say.
    pub fn keeping(self, idle_s: u64) -> Self {
        Self { keepalive_100ms: u16::try_from(idle_s.saturating_mul(10)).unwrap_or(u16::MAX), ..self }
    }

    /// The same zones from a server that answers rare questions so.
    pub fn answering_rare(self, rare: Rare) -> Self {
        Self { rare, ..self }
    }

    /// The same zones from a server that shares these keys and runs so many transfers at once.
    pub fn transferring(self, keys: TsigKeys, places: Arc<Places>) -> Self {
        Self { keys, places: Some(places), ..self }
    }

    /// The same number zones, and these zones instead of all others.
    pub fn with_static(&self, zones: Vec<Served>) -> Self {
        let numbers = self.zones.iter().filter(|zone| zone.number_zone().is_some()).cloned();
        let mut zones: Vec<Served> = numbers.chain(zones).collect();
        deepest_first(&mut zones);
        Self { zones, ..self.clone() }
    }

    /// The same zones, a number zone replaced by another of the same apex, with the same keys.
    pub fn with_numbers(&self, zone: &Arc<NumberZone>) -> Self {
        let mut view = self.clone();
        for served in view.zones.iter_mut().filter(|served| served.apex() == zone.apex()) {
            served.data = ZoneData::Numbers(Arc::clone(zone));
        }
        view
    }

    /// The keys, if there are any: most servers have none, and look for no TSIG.
    pub(super) fn keys(&self) -> Option<&TsigKeys> {
        Some(&self.keys).filter(|keys| !keys.is_empty())
    }

    /// How many transfers run at once.
    pub(super) fn places(&self) -> Option<&Arc<Places>> {
        self.places.as_ref()
    }

    /// What secondaries may fetch under this name.
    pub(super) fn published(&self, apex: &Name) -> Option<&Arc<Published>> {
        self.zone(apex)?.published.as_ref()
    }

    /// What answers the rare packets.
    pub(super) fn rare(&self) -> &Rare {
        &self.rare
    }

    /// The guard.
    pub(super) fn guard(&self) -> Option<&Guard> {
        self.guard.as_deref()
    }

    /// What OPT says in answers over this transport to what the asker's OPT said.
    pub(super) fn options(&self, edns: &Edns, transport: Transport, caller: Option<&Caller>) -> Options<'_> {
        let keepalive = edns.keepalive && !edns.keepalive_time && matches!(transport, Transport::Tcp | Transport::Tls);
        Options {
            nsid: Some(&*self.nsid).filter(|id| edns.nsid && !id.is_empty()),
            cookie: caller.and_then(|caller| caller.cookie),
            keepalive_100ms: Some(self.keepalive_100ms).filter(|time| keepalive && *time > 0),
            expire_s: None, // whoever knows the zone adds it
            padded: edns.padding && transport.is_encrypted(),
        }
    }

    /// For how long a secondary may keep the zone that answers, if that was asked (RFC 7314 2, 3.1). Every server of ours is
    /// a primary: it is what the SOA says.
    pub(super) fn expire_s(&self, question: &Question<'_>, edns: &Edns) -> Option<u32> {
        match edns.expire {
            true => self.zone_for(&question.name, question.qtype)?.fixed_data().expire_s(),
            false => None,
        }
    }

    /// The zones.
    pub fn zones(&self) -> &[Served] {
        &self.zones
    }

    /// The zone with this apex.
    pub fn zone(&self, apex: &Name) -> Option<&Served> {
        self.zones.iter().find(|zone| zone.apex() == apex)
    }

    /// The zone that answers for a name: the deepest apex at or above it; for DS at an apex the parent's, if it is here.
    pub(super) fn zone_for(&self, name: &Name, qtype: RrType) -> Option<&Served> {
        let deepest = |parent_side: bool| {
            let fits = |z: &&Served| match name.offset_of(z.apex()) {
                Some(at) => at > 0 || !parent_side,
                None => false,
            };
            self.zones.iter().find(fits)
        };
        if qtype == RrType::DS { deepest(true).or_else(|| deepest(false)) } else { deepest(false) }
    }
}

fn deepest_first(zones: &mut [Served]) {
    zones.sort_by_key(|zone| Reverse(zone.apex().as_wire().len()));
}

impl Served {
    /// A number zone with its keys.
    pub fn numbers(zone: Arc<NumberZone>, keys: Option<Arc<ZoneKeys>>) -> Self {
        Self { data: ZoneData::Numbers(zone), keys, published: None }
    }

    /// A static zone with its keys.
    pub fn fixed(zone: Arc<StaticZone>, keys: Option<Arc<ZoneKeys>>) -> Self {
        if let Some(keys) = &keys {
            zone.keep_signatures(keys.signers(RrType::SOA).len());
        }
        Self { data: ZoneData::Static(zone), keys, published: None }
    }

    /// A version of a static zone that secondaries may fetch.
    pub fn published(published: Arc<Published>) -> Self {
        let (zone, keys) = (published.version.zone().clone(), published.version.keys().cloned());
        Self { data: ZoneData::Static(zone), keys, published: Some(published) }
    }

    /// The time for which signatures are made: now, or that of the version, so that secondaries have the same ones.
    pub(super) fn signed_as_of_s(&self, now_s: u64) -> u64 {
        self.published.as_ref().and_then(|published| published.version.signed_as_of_s()).unwrap_or(now_s)
    }

    /// Whether all signatures were made with the version: there is nothing to make ahead.
    pub(super) fn is_published(&self) -> bool {
        self.published.is_some()
    }

    /// The apex.
    pub fn apex(&self) -> &Name {
        self.fixed_data().apex()
    }

    /// The static data of either sort.
    pub fn fixed_data(&self) -> &StaticZone {
        match &self.data {
            ZoneData::Numbers(zone) => zone.fixed(),
            ZoneData::Static(zone) => zone,
        }
    }

    /// The highest TTL of what is served of it in seconds; of keys aside.
    pub fn highest_ttl_s(&self) -> u32 {
        match &self.data {
            ZoneData::Numbers(zone) => zone.highest_ttl_s(),
            ZoneData::Static(zone) => zone.highest_ttl_s(),
        }
    }

    /// The number zone, if it is one.
    pub fn number_zone(&self) -> Option<&Arc<NumberZone>> {
        match &self.data {
            ZoneData::Numbers(zone) => Some(zone),
            ZoneData::Static(_) => None,
        }
    }
}

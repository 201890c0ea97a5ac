//! What is served at one moment: zones with their keys. Swapped whole when keys or static data change; numbers change inside.

use std::cmp::Reverse;
use std::sync::Arc;

use super::guard::{Caller, Guard};
use super::rare::Rare;
use super::transport::Transport;
use crate::dnssec::ZoneKeys;
use crate::wire::answer::Options;
use crate::wire::{Edns, Name, RrType};
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
}

/// One zone and the keys that sign it.
#[derive(Clone)]
pub struct Served {
    /// The data.
    pub data: ZoneData,
    /// Without keys the zone is served unsigned.
    pub keys: Option<Arc<ZoneKeys>>,
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
        zones.sort_by_key(|zone| Reverse(zone.apex().as_wire().len()));
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
            padded: edns.padding && transport.is_encrypted(),
        }
    }

    /// The zones.
    pub fn zones(&self) -> &[Served] {
        &self.zones
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

impl Served {
    /// A number zone with its keys.
    pub fn numbers(zone: Arc<NumberZone>, keys: Option<Arc<ZoneKeys>>) -> Self {
        Self { data: ZoneData::Numbers(zone), keys }
    }

    /// A static zone with its keys.
    pub fn fixed(zone: Arc<StaticZone>, keys: Option<Arc<ZoneKeys>>) -> Self {
        if keys.is_some() {
            zone.keep_signatures();
        }
        Self { data: ZoneData::Static(zone), keys }
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

    /// The number zone, if it is one.
    pub fn number_zone(&self) -> Option<&Arc<NumberZone>> {
        match &self.data {
            ZoneData::Numbers(zone) => Some(zone),
            ZoneData::Static(_) => None,
        }
    }
}

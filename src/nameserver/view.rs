//! What is served at one moment: zones with their keys. Swapped whole when keys or static data change; numbers change inside.

use std::sync::Arc;

use crate::dnssec::ZoneKeys;
use crate::wire::{Name, RrType};
use crate::zone::{NumberZone, StaticZone};

/// Everything that [`respond`](super::respond()) answers from.
#[derive(Clone, Default)]
pub struct View {
    zones: Vec<Served>,
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
    pub fn new(zones: Vec<Served>) -> Self {
        Self { zones }
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
            self.zones.iter().filter(fits).max_by_key(|z| z.apex().as_wire().len())
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

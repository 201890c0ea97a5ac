//! A number zone: static apex data, the table of numbers and the SOA whose serial is a generation counter.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::fixed::StaticZone;
use super::owners::number_name;
use super::pack::{self, Packed};
use super::shard::{Entry, Table, shard_of};
use super::slot::{Slot, Slots};
use super::{Change, NumberData};
use crate::number::Number;
use crate::wire::{Name, Rdatas};

/// TTLs of generated records in seconds: charter parameters (`ttl.positive`, `ttl.negative`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ttls {
    /// Of data.
    pub positive_s: u32,
    /// Of denials; the SOA MINIMUM of the zone's file must be the same.
    pub negative_s: u32,
}

impl Default for Ttls {
    /// The charter's defaults (REGISTRY.md 9).
    fn default() -> Self {
        Self { positive_s: 300, negative_s: 60 }
    }
}

/// A zone of numbers. Readers never wait: numbers change by [`NumberZone::apply`]; static data changes by a new zone that shares the table.
pub struct NumberZone {
    fixed: Arc<StaticZone>,
    table: Arc<Table>,
    ttls: Ttls,
    soa: ArcSwap<Soa>,
}

/// The SOA with the current serial, and the slot of its signature.
pub struct Soa {
    /// In the form of [`Rdatas`].
    pub rdatas: Box<[u8]>,
    /// The serial in it.
    pub serial: u32,
    slot: Slots,
}

impl Soa {
    /// The SOA of `fixed` with another serial.
    fn with_serial(fixed: &StaticZone, serial: u32) -> Self {
        let mut rdatas: Box<[u8]> = fixed.soa_rdatas().into();
        let octets = rdatas.len();
        // SERIAL is the first of the five u32 at the end (RFC 1035 3.3.13).
        rdatas[octets - 20..octets - 16].copy_from_slice(&serial.to_be_bytes());
        Self { rdatas, serial, slot: Slots::empty(1) }
    }

    /// Where its signature lies.
    pub fn slot(&self) -> Option<Slot<'_>> {
        self.slot.slot(0)
    }
}

/// Why changes cannot be served. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The static file delegates the number's block to another directory.
    #[error(
        "the zone's file delegates {cut}, and a number below it is to be served here: remove the delegation or refuse the registration"
    )]
    UnderCut {
        /// The delegated name.
        cut: String,
    },
}

impl NumberZone {
    /// A zone without numbers; `fixed` must have been read as a number zone's file.
    pub fn new(fixed: StaticZone, ttls: Ttls, serial: u32) -> Self {
        fixed.keep_signatures(1);
        let soa = ArcSwap::from_pointee(Soa::with_serial(&fixed, serial));
        Self { fixed: Arc::new(fixed), table: Arc::new(Table::empty()), ttls, soa }
    }

    /// The same numbers and signatures beside other static data. From then on changes go to the new zone: the table is
    /// shared, the serial is not.
    pub fn with_fixed(&self, fixed: impl Into<Arc<StaticZone>>) -> Result<Self, ApplyError> {
        let fixed = fixed.into();
        let mut under_cut = None;
        if fixed.has_cuts() {
            self.table.for_each(|packed| under_cut = under_cut.take().or_else(|| cut_over(&fixed, packed.number)));
        }
        match under_cut {
            Some(cut) => Err(ApplyError::UnderCut { cut: cut.to_text() }),
            None => {
                fixed.keep_signatures(1);
                let soa = ArcSwap::from_pointee(Soa::with_serial(&fixed, self.serial()));
                Ok(Self { fixed, table: self.table.clone(), ttls: self.ttls, soa })
            }
        }
    }

    /// The apex.
    pub fn apex(&self) -> &Name {
        self.fixed.apex()
    }

    /// Static data.
    pub fn fixed(&self) -> &StaticZone {
        &self.fixed
    }

    /// TTLs of generated records.
    pub fn ttls(&self) -> Ttls {
        self.ttls
    }

    /// The highest TTL of what the zone serves, in seconds.
    pub fn highest_ttl_s(&self) -> u32 {
        self.fixed.highest_ttl_s().max(self.ttls.positive_s).max(self.ttls.negative_s)
    }

    /// The numbers.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The SOA as it is now.
    pub fn soa(&self) -> arc_swap::Guard<Arc<Soa>> {
        self.soa.load()
    }

    /// The serial as it is now.
    pub fn serial(&self) -> u32 {
        self.soa.load().serial
    }

    /// A number that is served at `now_s`: in the table and not past its end. `facts` is overwritten.
    pub fn published<'f>(&self, key: u64, now_s: u64, facts: &'f mut Vec<u8>) -> Option<(Entry, Packed<'f>)> {
        live(self.table.get(key)?, now_s, facts)
    }

    /// The same by its hash (RFC 7929 3).
    pub fn published_by_hash<'f>(
        &self,
        hash: &[u8; 28],
        now_s: u64,
        facts: &'f mut Vec<u8>,
    ) -> Option<(Entry, Packed<'f>)> {
        live(self.table.by_hash(hash)?, now_s, facts)
    }

    /// The delegation in the static file that covers a number: such a registration must be refused (DNS.md 3).
    pub fn cut_over(&self, number: Number) -> Option<String> {
        cut_over(&self.fixed, number).map(|cut| cut.to_text())
    }

    /// Serves the changes from now on and shows `serial`, the caller's generation counter, which must never fall.
    ///
    /// All or nothing if it refuses; while it works, readers see each number either as before or as after.
    pub fn apply(&self, changes: &[Change], serial: u32) -> Result<(), ApplyError> {
        if self.fixed.has_cuts() {
            let put = |c: &&Change| matches!(c, Change::Put(_));
            if let Some(cut) = changes.iter().filter(put).find_map(|c| cut_over(&self.fixed, c.number())) {
                return Err(ApplyError::UnderCut { cut: cut.to_text() });
            }
        }
        self.table.apply(changes);
        self.show_serial(serial);
        Ok(())
    }

    fn show_serial(&self, serial: u32) {
        if serial != self.serial() {
            self.soa.store(Arc::new(Soa::with_serial(&self.fixed, serial)));
        }
    }
}

fn live(entry: Entry, now_s: u64, facts: &mut Vec<u8>) -> Option<(Entry, Packed<'_>)> {
    let packed = entry.packed(facts).filter(|packed| now_s < packed.not_after_s)?;
    Some((entry, packed))
}

/// The delegation in static data that covers a number.
pub fn cut_over(fixed: &StaticZone, number: Number) -> Option<Name> {
    fixed.cut_at_or_above(&number_name(number, fixed.apex())?)
}

/// Takes a whole directory at start: numbers one by one, packed at once, so that a million need no second copy.
#[derive(Default)]
pub struct Loader {
    arena: Vec<u8>,
    order: Vec<Packing>,
}

#[derive(Clone, Copy)]
struct Packing {
    number: Number,
    at: usize,
    octets: u32,
    slots: u32,
}

impl Loader {
    /// Takes one number; of two with the same number the later one counts.
    pub fn push(&mut self, data: &NumberData) {
        let at = self.arena.len();
        let slots = pack::pack(data, &mut self.arena) as u32;
        self.order.push(Packing { number: data.number, at, octets: (self.arena.len() - at) as u32, slots });
    }

    /// Takes one number that was packed before.
    pub(super) fn push_packed(&mut self, number: Number, facts: &[u8], slots: u32) {
        let at = self.arena.len();
        self.arena.extend_from_slice(facts);
        self.order.push(Packing { number, at, octets: facts.len() as u32, slots });
    }

    /// How many were taken.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether none was taken.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The zone with all of them, showing `serial`.
    pub fn finish(mut self, fixed: StaticZone, ttls: Ttls, serial: u32) -> Result<NumberZone, ApplyError> {
        if fixed.has_cuts()
            && let Some(cut) = self.order.iter().find_map(|p| cut_over(&fixed, p.number))
        {
            return Err(ApplyError::UnderCut { cut: cut.to_text() });
        }
        let shard = |p: &Packing| shard_of(p.number.as_u64());
        self.order.sort_unstable_by_key(|p| (shard(p), p.number, p.at));
        let zone = NumberZone::new(fixed, ttls, serial);
        for group in self.order.chunk_by(|a, b| shard(a) == shard(b)) {
            let newest = group.chunk_by(|a, b| a.number == b.number).filter_map(|same| same.last());
            let facts = newest.map(|p| (p.number, &self.arena[p.at..p.at + p.octets as usize], p.slots as usize));
            zone.table.fill(shard(&group[0]), facts);
        }
        Ok(zone)
    }
}

/// The fields of an SOA that answers need (RFC 1035 3.3.13): MINIMUM in seconds.
pub(super) fn soa_minimum_s(rdatas: &[u8]) -> Option<u32> {
    Rdatas(rdatas).next()?.last_chunk::<4>().map(|minimum| u32::from_be_bytes(*minimum))
}

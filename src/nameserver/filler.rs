//! Signs ahead: fills signature slots that are empty or of an earlier time slot, a few at a time (DNS.md 4).
//!
//! A slot holds one signature, so tomorrow's is made when tomorrow has begun for that name, not before: until then today's
//! is the one that is asked for. Each name's day begins at a moment of its own, so there is always a little to do.

use std::ops::ControlFlow;

use super::proof;
use super::signed::Set;
use super::view::{Served, View};
use super::worker::{Scratch, Worker};
use crate::dnssec::keys::{Key, ZoneKeys};
use crate::dnssec::{SignFault, Window};
use crate::wire::{Name, RrType};
use crate::zone::shard::{Entry, Place};
use crate::zone::{NumberZone, Owned};

/// Numbers looked at for each signature that a step may make: a walk over filled slots must cost little as well.
const LOOKS_PER_SIGNATURE: usize = 8;
/// Names of a static zone looked at in one step: at most some tenths of a second of signing, after a start or a change.
const FIXED_PER_STEP: usize = 10_000;

/// Where the walk over all zones has come to. Zones and numbers may come and go meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    zone: usize,
    part: Part,
    signed: bool,
    idle: bool,
}

/// The two parts of a zone: what everybody asks for comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Names of the static data from this one on, in canonical order.
    Fixed(usize),
    Numbers(Place),
}

impl Default for Part {
    fn default() -> Self {
        Self::Fixed(0)
    }
}

impl Cursor {
    /// Whether the walk is about to begin anew, and found nothing to sign the last time.
    pub fn is_idle(&self) -> bool {
        self.idle && *self == Self { idle: true, ..Self::default() }
    }
}

/// Signs SOA and DNSKEY of every zone where that is to be done: after a start, a change or the turn of a time slot.
pub fn sign_apexes(view: &View, worker: &mut Worker, now_s: u64) -> Result<(), SignFault> {
    let mut filling = Filling { worker, now_s, signed: 0 };
    view.zones().iter().filter_map(signed).try_for_each(|(zone, keys)| filling.apex(zone, keys))
}

/// One step of the walk: makes at most `max` signatures over numbers and says where to go on.
///
/// Static data is signed without regard to `max`: it is little, and it is what most questions end in.
pub fn fill(view: &View, worker: &mut Worker, cursor: Cursor, now_s: u64, max: usize) -> Cursor {
    let Some(zone) = view.zones().get(cursor.zone) else {
        return Cursor { idle: !cursor.signed, ..Cursor::default() };
    };
    let mut filling = Filling { worker, now_s, signed: 0 };
    let next = match (signed(zone), cursor.part) {
        (None, _) => Ok(None),
        (Some((_, keys)), Part::Fixed(from)) => filling.fixed(zone, keys, from),
        (Some((_, keys)), Part::Numbers(from)) => match zone.number_zone() {
            Some(numbers) => filling.numbers(numbers, keys, from, max),
            None => Ok(None),
        },
    };
    let signed = cursor.signed || filling.signed > 0;
    match next {
        Err(SignFault) => cursor, // the key's holder may come back: the same again
        Ok(Some(part)) => Cursor { part, signed, ..cursor },
        Ok(None) => Cursor { zone: cursor.zone + 1, part: Part::default(), signed, ..cursor },
    }
}

fn signed(zone: &Served) -> Option<(&Served, &ZoneKeys)> {
    zone.keys.as_deref().filter(|_| !zone.is_published()).map(|keys| (zone, keys))
}

struct Filling<'w> {
    worker: &'w mut Worker,
    now_s: u64,
    signed: usize,
}

impl Filling<'_> {
    fn apex(&mut self, zone: &Served, keys: &ZoneKeys) -> Result<(), SignFault> {
        let apex = zone.apex();
        for rr_type in keys.types() {
            let Some(rdatas) = keys.rdatas(rr_type) else { continue };
            for (i, key) in keys.signers(rr_type).iter().enumerate() {
                let slot = keys.slot(rr_type, i);
                self.slot(key, Set::new(apex, rr_type, keys.ttl_s(), rdatas, Window::Dnskey, slot), apex)?;
            }
        }
        let Some(signer) = keys.signers(RrType::SOA).first() else { return Ok(()) };
        let Some(soa) = zone.fixed_data().soa() else { return Ok(()) };
        match zone.number_zone().map(|numbers| numbers.soa()) {
            None => self.slot(signer, Set::fixed(apex, soa), apex),
            Some(now) => {
                let set = Set { rdatas: &now.rdatas, slot: now.slot(), ..Set::fixed(apex, soa) };
                self.slot(signer, set, apex)
            }
        }
    }

    fn fixed(&mut self, zone: &Served, keys: &ZoneKeys, from: usize) -> Result<Option<Part>, SignFault> {
        let (fixed, apex) = (zone.fixed_data(), zone.apex());
        let Some(signer) = keys.signers(RrType::NSEC).first() else { return Ok(None) };
        for (owner, node) in fixed.in_order_from(from).take(FIXED_PER_STEP) {
            let is_ours = |rr_type| match node.is_cut() {
                true => rr_type == RrType::DS,
                false => rr_type != RrType::SOA, // the SOA that is served may be another one: see `apex`
            };
            for set in node.rrsets().filter(|set| !node.is_occluded() && is_ours(set.rr_type)) {
                self.slot(signer, Set::fixed(&owner, set), apex)?;
            }
            if let (Some(link), None) = (proof::link_of(fixed, node), zone.number_zone()) {
                let mut rdatas = std::mem::take(&mut self.worker.nsec);
                let done = self.slot(signer, link.set(zone, &link.owner(), &mut rdatas), apex);
                self.worker.nsec = rdatas;
                done?;
            }
        }
        let next = from + FIXED_PER_STEP;
        Ok(Some(if next < fixed.len() { Part::Fixed(next) } else { Part::Numbers(Place::default()) }))
    }

    fn numbers(
        &mut self,
        zone: &NumberZone,
        keys: &ZoneKeys,
        from: Place,
        max: usize,
    ) -> Result<Option<Part>, SignFault> {
        let (mut looks, mut fault) = (0, Ok(()));
        let next = zone.table().walk(from, |entry| {
            fault = self.number(zone, keys, entry);
            looks += 1;
            // A number has a handful of slots: a step goes over `max` by no more than that.
            match fault.is_err() || self.signed >= max || looks >= max.saturating_mul(LOOKS_PER_SIGNATURE) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        fault.map(|()| next.map(Part::Numbers))
    }

    fn number(&mut self, zone: &NumberZone, keys: &ZoneKeys, entry: &Entry) -> Result<(), SignFault> {
        let mut scratch = std::mem::take(&mut self.worker.scratch);
        let done = self.records(zone, keys, entry, &mut scratch);
        self.worker.scratch = scratch;
        done
    }

    fn records(
        &mut self,
        zone: &NumberZone,
        keys: &ZoneKeys,
        entry: &Entry,
        Scratch { facts, rdatas }: &mut Scratch,
    ) -> Result<(), SignFault> {
        let packed = entry.packed(facts).filter(|packed| self.now_s < packed.not_after_s);
        let Some(packed) = packed else { return Ok(()) };
        let Some(signer) = keys.signers(RrType::NAPTR).first() else { return Ok(()) };
        let window = Window::Number { not_after_s: packed.not_after_s };
        for owned in Owned::ALL {
            let Owned::Records(prefix) = owned else { continue };
            let Some(slot) = entry.slot(&packed, prefix) else { continue };
            let Some(owner) = owned.owner(packed.number, zone.apex()) else { continue };
            let stamp = window.at(self.now_s, owner.as_wire()).stamp(signer.tag);
            if slot.read(stamp).is_some() {
                continue; // before anything is unpacked: most slots are filled
            }
            rdatas.clear();
            owned.rdatas(&packed, rdatas);
            let set = Set::new(&owner, owned.rr_type(), zone.ttls().positive_s, rdatas, window, Some(slot));
            self.slot(signer, set, zone.apex())?;
        }
        Ok(())
    }

    /// Signs a set for the time slot that is now, unless that is done.
    fn slot(&mut self, key: &Key, set: Set<'_>, apex: &Name) -> Result<(), SignFault> {
        let Some(slot) = set.slot else { return Ok(()) };
        let to_sign = set.to_sign(key, apex, self.now_s);
        let stamp = to_sign.validity.stamp(key.tag);
        if slot.read(stamp).is_none() {
            let signature = self.worker.sign(key, &to_sign)?;
            slot.write(stamp, &signature);
            self.signed += 1;
        }
        Ok(())
    }
}

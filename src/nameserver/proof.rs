//! Denials from the NSEC chain of a static zone (RFC 4035 3.1.3): which records prove an answer, each once.

use super::respond::Stop;
use super::signed::{Reply, Set};
use super::view::Served;
use crate::dnssec::{ZoneKeys, denial};
use crate::wire::answer::Section;
use crate::wire::{Name, RrType};
use crate::zone::{Node, Nsec};

/// Two for a denial and one for every wildcard on the way to it.
const PLACES_MAX: usize = super::fixed::ALIASES_MAX + 3;

/// What the authority section will prove, as places in the chain. Empty where nobody asks for proofs.
#[derive(Default)]
pub(super) struct Proof {
    places: [u32; PLACES_MAX],
    len: usize,
}

impl Proof {
    /// That there is no such name, or that a wildcard was rightly expanded to it; also that a name without data has
    /// others below it.
    pub(super) fn covers(&mut self, reply: &Reply<'_, '_, '_>, name: &Name) {
        if wanted(reply) {
            self.add(reply.zone.fixed_data().nsec_over(name));
        }
    }

    /// That a name has certain types and no others.
    pub(super) fn matches(&mut self, reply: &Reply<'_, '_, '_>, node: Node<'_>) {
        if wanted(reply) {
            let fixed = reply.zone.fixed_data();
            self.add(fixed.nsec_of(node).unwrap_or_else(|| fixed.nsec_over(&node.owner())));
        }
    }

    /// That neither the name nor a wildcard that could stand for it exists (RFC 4035 3.1.3.2).
    pub(super) fn denies(&mut self, reply: &Reply<'_, '_, '_>, name: &Name, encloser: Node<'_>) {
        self.covers(reply, name);
        if let Some(wildcard) = encloser.owner().prepend(b"*") {
            self.covers(reply, &wildcard);
        }
    }

    /// Writes the records.
    pub(super) fn put(&self, reply: &mut Reply<'_, '_, '_>) -> Result<(), Stop> {
        let fixed = reply.zone.fixed_data();
        for place in self.places.iter().take(self.len) {
            if let Some(nsec) = fixed.nsec(*place) {
                with(reply, &nsec, |reply, set| reply.put(Section::Authority, set))?;
            }
        }
        Ok(())
    }

    fn add(&mut self, place: u32) {
        let (known, free) = self.places.split_at_mut(self.len.min(PLACES_MAX));
        if let (false, Some(here)) = (known.contains(&place), free.first_mut()) {
            *here = place;
            self.len += 1;
        }
    }
}

/// Answers QTYPE NSEC, or RRSIG with that of the NSEC alone, at a name that owns one; says whether there is one. A
/// wildcard's is shown as the name's that was asked for (RFC 4592 4.8).
pub(super) fn answer(reply: &mut Reply<'_, '_, '_>, name: &Name, node: Node<'_>, qtype: RrType) -> Result<bool, Stop> {
    let fixed = reply.zone.fixed_data();
    let Some(keys) = reply.zone.keys.as_deref() else { return Ok(false) };
    let Some(nsec) = fixed.nsec_of(node).and_then(|place| fixed.nsec(place)) else { return Ok(false) };
    with(reply, &nsec, |reply, set| {
        let set = Set { shown_owner: name, ..set };
        match qtype {
            RrType::NSEC => reply.put(Section::Answer, set),
            _ => reply.put_rrsig(Section::Answer, set, keys),
        }
    })?;
    Ok(true)
}

fn wanted(reply: &Reply<'_, '_, '_>) -> bool {
    reply.signing().is_some() && reply.zone.number_zone().is_none()
}

fn with(
    reply: &mut Reply<'_, '_, '_>,
    nsec: &Nsec<'_>,
    put: impl FnOnce(&mut Reply<'_, '_, '_>, Set<'_>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut rdatas = std::mem::take(&mut reply.worker.nsec);
    let owner = nsec.owner();
    let done = put(reply, set(reply.zone, nsec, &owner, &mut rdatas));
    reply.worker.nsec = rdatas;
    done
}

/// An NSEC of the chain as an RRset, its RDATA written into `rdatas`. Signed like other data of the zone.
pub(super) fn set<'a>(zone: &Served, nsec: &Nsec<'a>, owner: &'a Name, rdatas: &'a mut Vec<u8>) -> Set<'a> {
    rdatas.clear();
    let of_keys = zone.keys.as_deref().filter(|_| owner == zone.apex()).into_iter().flat_map(ZoneKeys::types);
    denial::nsec(&nsec.next(), nsec.types().chain(of_keys), rdatas);
    Set::beside_data(owner, RrType::NSEC, zone.fixed_data().negative_ttl_s(), rdatas, nsec.slots())
}

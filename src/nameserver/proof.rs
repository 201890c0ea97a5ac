//! Denials from the chain of a static zone, NSEC (RFC 4035 3.1.3) or NSEC3 (RFC 5155 7.2): which records prove an answer,
//! each once.

use super::respond::Stop;
use super::signed::{Reply, Set};
use super::view::Served;
use crate::dnssec::{ZoneKeys, denial};
use crate::wire::answer::Section;
use crate::wire::{Name, RrType};
use crate::zone::hashed::next_closer;
use crate::zone::{Denial, Node, Nsec, Nsec3, StaticZone};

/// Three for a denial and one for every wildcard on the way to it. Of the three the one that matches is found without
/// hashing, so no answer takes more hashes than that less one.
const PLACES_MAX: usize = super::fixed::ALIASES_MAX + 3;

/// What the authority section will prove, as places in the chain. Empty where nobody asks for proofs.
#[derive(Default)]
pub(super) struct Proof {
    places: [u32; PLACES_MAX],
    len: usize,
}

impl Proof {
    /// That a wildcard was rightly expanded to a name: nothing is closer to it (RFC 4035 3.1.3.3, RFC 5155 7.2.6).
    pub(super) fn expands(&mut self, reply: &Reply<'_, '_, '_>, name: &Name, wildcard: Node<'_>) -> Result<(), Stop> {
        let fixed = reply.zone.fixed_data();
        match wanted(reply) {
            None => Ok(()),
            Some(Denial::Nsec) => {
                self.add(fixed.nsec_over(name));
                Ok(())
            }
            Some(Denial::Nsec3) => self.covers(fixed, next_closer(name, &wildcard.owner().parent())),
        }
    }

    /// That a name has certain types and no others.
    pub(super) fn matches(&mut self, reply: &Reply<'_, '_, '_>, node: Node<'_>) {
        let fixed = reply.zone.fixed_data();
        match wanted(reply) {
            None => {}
            // Who covers a name without data shows that others are below it.
            Some(Denial::Nsec) => self.add(fixed.nsec_of(node).unwrap_or_else(|| fixed.nsec_over(&node.owner()))),
            Some(Denial::Nsec3) => fixed.nsec3_of(node).into_iter().for_each(|place| self.add(place)),
        }
    }

    /// That a wildcard has certain types and no others, for a name that it was expanded to. By hashes that takes its parent
    /// as well, for a hash does not tell which name was expanded (RFC 5155 7.2.5).
    pub(super) fn matches_wildcard(&mut self, reply: &Reply<'_, '_, '_>, wildcard: Node<'_>) {
        if wanted(reply) == Some(Denial::Nsec3) {
            let encloser = reply.zone.fixed_data().node(&wildcard.owner().parent());
            encloser.into_iter().for_each(|encloser| self.matches(reply, encloser));
        }
        self.matches(reply, wildcard);
    }

    /// That neither the name nor a wildcard that could stand for it exists (RFC 4035 3.1.3.2, RFC 5155 7.2.2).
    pub(super) fn denies(&mut self, reply: &Reply<'_, '_, '_>, name: &Name, encloser: Node<'_>) -> Result<(), Stop> {
        let (Some(denial), above) = (wanted(reply), encloser.owner()) else { return Ok(()) };
        let (fixed, wildcard) = (reply.zone.fixed_data(), above.prepend(b"*"));
        match denial {
            Denial::Nsec => {
                self.add(fixed.nsec_over(name));
                wildcard.iter().for_each(|wildcard| self.add(fixed.nsec_over(wildcard)));
                Ok(())
            }
            Denial::Nsec3 => {
                self.matches(reply, encloser);
                self.covers(fixed, next_closer(name, &above))?;
                wildcard.iter().try_for_each(|wildcard| self.covers(fixed, wildcard.as_wire()))
            }
        }
    }

    /// Writes the records.
    pub(super) fn put(&self, reply: &mut Reply<'_, '_, '_>) -> Result<(), Stop> {
        let fixed = reply.zone.fixed_data();
        for place in self.places.iter().take(self.len) {
            if let Some(link) = link(fixed, *place) {
                with(reply, &link, |reply, set| reply.put(Section::Authority, set))?;
            }
        }
        Ok(())
    }

    /// By hash. A name that is not there with the hash of one that is cannot be denied: SERVFAIL (RFC 5155 7.2.9).
    fn covers(&mut self, fixed: &StaticZone, wire: &[u8]) -> Result<(), Stop> {
        self.add(fixed.nsec3_over(wire).ok_or(Stop::Fault)?);
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

/// Answers QTYPE NSEC, or RRSIG with that of the NSEC alone, at a name that owns one; says whether there is one. Where names
/// are hashed there is none, and RRSIG is answered with that of one RRset, as ANY is (RFC 8482 4.1, 7). A wildcard's is shown
/// as the name's that was asked for (RFC 4592 4.8).
pub(super) fn answer(reply: &mut Reply<'_, '_, '_>, name: &Name, node: Node<'_>, qtype: RrType) -> Result<bool, Stop> {
    let fixed = reply.zone.fixed_data();
    let Some(keys) = reply.zone.keys.as_deref() else { return Ok(false) };
    if fixed.denial() == Denial::Nsec3 {
        let Some(set) = node.rrsets().next().filter(|_| qtype == RrType::RRSIG) else { return Ok(false) };
        let owner = node.owner();
        let set = Set { shown_owner: name, ..Set::fixed(&owner, set) };
        return reply.put_rrsig(Section::Answer, set, keys).map(|()| true);
    }
    let Some(nsec) = link_of(fixed, node) else { return Ok(false) };
    with(reply, &nsec, |reply, set| {
        let set = Set { shown_owner: name, ..set };
        match qtype {
            RrType::NSEC => reply.put(Section::Answer, set),
            _ => reply.put_rrsig(Section::Answer, set, keys),
        }
    })?;
    Ok(true)
}

/// What proofs are made of, if the asker wants any and the zone has a chain.
fn wanted(reply: &Reply<'_, '_, '_>) -> Option<Denial> {
    let is_wanted = reply.signing().is_some() && reply.zone.number_zone().is_none();
    is_wanted.then(|| reply.zone.fixed_data().denial())
}

/// A record of the chain.
pub(super) enum Link<'a> {
    Nsec(Nsec<'a>),
    Nsec3(Nsec3<'a>),
}

/// The one at a place of the chain that the zone has.
fn link(fixed: &StaticZone, place: u32) -> Option<Link<'_>> {
    match fixed.denial() {
        Denial::Nsec => fixed.nsec(place).map(Link::Nsec),
        Denial::Nsec3 => fixed.nsec3(place).map(Link::Nsec3),
    }
}

/// The one that speaks of this very name.
pub(super) fn link_of<'a>(fixed: &'a StaticZone, node: Node<'_>) -> Option<Link<'a>> {
    link(fixed, fixed.nsec_of(node).or_else(|| fixed.nsec3_of(node))?)
}

fn with(
    reply: &mut Reply<'_, '_, '_>,
    link: &Link<'_>,
    put: impl FnOnce(&mut Reply<'_, '_, '_>, Set<'_>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut rdatas = std::mem::take(&mut reply.worker.nsec);
    let owner = link.owner();
    let done = put(reply, link.set(reply.zone, &owner, &mut rdatas));
    reply.worker.nsec = rdatas;
    done
}

impl<'a> Link<'a> {
    /// Who owns it.
    pub(super) fn owner(&self) -> Name {
        match self {
            Self::Nsec(nsec) => nsec.owner(),
            Self::Nsec3(nsec3) => nsec3.owner(),
        }
    }

    /// It as an RRset, its RDATA written into `rdatas`. Signed like other data of the zone.
    pub(super) fn set<'s>(&self, zone: &Served, owner: &'s Name, rdatas: &'s mut Vec<u8>) -> Set<'s>
    where
        'a: 's,
    {
        rdatas.clear();
        let of_keys =
            |of: &Name| zone.keys.as_deref().filter(|_| of == zone.apex()).into_iter().flat_map(ZoneKeys::types);
        let ttl_s = zone.fixed_data().negative_ttl_s();
        match self {
            Self::Nsec(nsec) => {
                denial::nsec(&nsec.next(), nsec.types().chain(of_keys(owner)), rdatas);
                Set::beside_data(owner, RrType::NSEC, ttl_s, rdatas, nsec.slots())
            }
            Self::Nsec3(nsec3) => {
                denial::nsec3(nsec3.next(), nsec3.types().chain(of_keys(&nsec3.of())), rdatas);
                Set::beside_data(owner, RrType::NSEC3, ttl_s, rdatas, nsec3.slots())
            }
        }
    }
}

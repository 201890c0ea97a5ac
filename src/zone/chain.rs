//! The NSEC chain of a static zone (RFC 4035 2.3): who owns one, which one speaks for a name, what it says.

use super::fixed::{Node, SlotsOf, StaticZone};
use crate::wire::name::canonical_order;
use crate::wire::{Name, RrType};

/// One NSEC of the chain.
#[derive(Clone, Copy)]
pub struct Nsec<'a> {
    node: Node<'a>,
    next: Node<'a>,
    slots: SlotsOf<'a>,
}

impl StaticZone {
    /// The place in the chain of the NSEC that a node owns; empty non-terminals and glue own none.
    pub fn nsec_of(&self, node: Node<'_>) -> Option<u32> {
        self.chain.binary_search(&(node.id as u32)).ok().map(|place| place as u32)
    }

    /// The place of the NSEC that speaks for a name: its own, or the one that covers it.
    pub fn nsec_over(&self, name: &Name) -> u32 {
        let is_before = |id: &u32| {
            let node = Node { zone: self, id: *id as usize };
            canonical_order(node.wire(), name.as_wire()).is_le()
        };
        self.chain.partition_point(is_before).saturating_sub(1) as u32
    }

    /// The NSEC at a place of the chain.
    pub fn nsec(&self, place: u32) -> Option<Nsec<'_>> {
        let place = place as usize;
        let node = |id: &u32| Node { zone: self, id: *id as usize };
        let next = self.chain.get(place + 1).or(self.chain.first())?; // the last one leads back to the apex
        let slots = self.slots_at(self.sets.len().saturating_sub(1) + place);
        Some(Nsec { node: node(self.chain.get(place)?), next: node(next), slots })
    }
}

impl<'a> Nsec<'a> {
    /// Who owns it.
    pub fn owner(&self) -> Name {
        self.node.owner()
    }

    /// The next owner in canonical order.
    pub fn next(&self) -> Name {
        self.next.owner()
    }

    /// Types of the owner that the zone speaks for, those that signing adds left out: at a delegation NS and DS alone.
    pub fn types(&self) -> impl Iterator<Item = RrType> + Clone + use<'a> {
        let cut = self.node.is_cut();
        let types = self.node.rrsets().map(|set| set.rr_type);
        types.filter(move |t| !cut || matches!(*t, RrType::NS | RrType::DS))
    }

    /// Where its signatures lie.
    pub fn slots(&self) -> SlotsOf<'a> {
        self.slots
    }
}

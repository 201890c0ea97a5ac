//! A static zone in memory: nodes by name, empty non-terminals among them, and the walk from the apex down to a name.

use std::collections::HashMap;

use super::numbers::soa_minimum_s;
use super::slot::{Slot, Slots};
use crate::wire::rr::flatten;
use crate::wire::{Name, Rdatas, RrType};

/// Static data of one zone. Immutable: a changed file makes a new one.
pub struct StaticZone {
    apex: Name,
    nodes: HashMap<Box<[u8]>, Node>,
    has_cuts: bool,
}

/// The RRsets at one name; none at an empty non-terminal.
#[derive(Default)]
pub struct Node {
    rrsets: Vec<RrSet>,
}

/// One RRset and the slot of its signature.
pub struct RrSet {
    /// The type.
    pub rr_type: RrType,
    /// Seconds.
    pub ttl_s: u32,
    /// In canonical order and form.
    pub rdatas: Box<[u8]>,
    slot: Slots,
}

/// What the walk to a name came upon.
pub enum Found<'a> {
    /// The name itself, perhaps without data (empty non-terminal, RFC 8020).
    Node(&'a Node),
    /// The wildcard that stands in for the name (RFC 4592).
    Wildcard(&'a Node),
    /// A zone cut at the name or above it.
    Cut {
        /// The delegated name.
        owner: Name,
        /// NS, DS and perhaps glue.
        node: &'a Node,
        /// The cut is the name itself, whose DS is this side's to answer.
        exact: bool,
    },
    /// A DNAME above the name (RFC 6672).
    Dname {
        /// Who owns it.
        owner: Name,
        /// The node.
        node: &'a Node,
    },
    /// Nothing, and nothing below.
    Absent,
}

/// One record of a master file, in canonical form.
pub(super) struct Record {
    pub(super) owner: Name,
    pub(super) rr_type: RrType,
    pub(super) ttl_s: u32,
    pub(super) rdata: Vec<u8>,
    pub(super) line: usize,
}

impl StaticZone {
    /// Sorts checked records into nodes. RRs of one RRset get the smallest of their TTLs (RFC 2181 5.2).
    pub(super) fn build(apex: Name, records: Vec<Record>) -> Self {
        type Sets = HashMap<RrType, (u32, Vec<Vec<u8>>)>;
        let mut sets: HashMap<Box<[u8]>, Sets> = HashMap::new();
        for record in records {
            let mut above = record.owner;
            while above != apex && !above.is_root() {
                above = above.parent();
                sets.entry(above.as_wire().into()).or_default();
            }
            let node = sets.entry(record.owner.as_wire().into()).or_default();
            let set = node.entry(record.rr_type).or_insert((record.ttl_s, Vec::new()));
            set.0 = set.0.min(record.ttl_s);
            set.1.push(record.rdata);
        }
        let nodes: HashMap<_, _> = sets.into_iter().map(|(owner, sets)| (owner, Node::build(sets))).collect();
        let has_cuts = nodes.iter().any(|(owner, node)| **owner != *apex.as_wire() && node.get(RrType::NS).is_some());
        Self { apex, nodes, has_cuts }
    }

    /// The apex.
    pub fn apex(&self) -> &Name {
        &self.apex
    }

    /// Whether anything is delegated.
    pub fn has_cuts(&self) -> bool {
        self.has_cuts
    }

    /// The node of exactly this name.
    pub fn node(&self, name: &Name) -> Option<&Node> {
        self.nodes.get(name.as_wire())
    }

    /// The SOA as the file has it; a zone is not built without one.
    pub fn soa(&self) -> Option<&RrSet> {
        self.node(&self.apex)?.get(RrType::SOA)
    }

    pub(super) fn soa_rdatas(&self) -> &[u8] {
        self.soa().map_or(&[0; 22], |soa| &soa.rdatas)
    }

    /// TTL of denials and of the SOA in them: min(MINIMUM, TTL of the SOA) (RFC 2308 3, RFC 9077 3).
    pub fn negative_ttl_s(&self) -> u32 {
        self.soa().map_or(0, |soa| soa_minimum_s(&soa.rdatas).unwrap_or(0).min(soa.ttl_s))
    }

    /// Walks from the apex to a name that is at or below it (RFC 1034 4.3.2).
    pub fn find(&self, name: &Name) -> Found<'_> {
        let (mut starts, mut depth) = ([0usize; 128], 0);
        let Some(apex_at) = name.offset_of(&self.apex) else { return Found::Absent };
        let (wire, mut at) = (name.as_wire(), 0);
        while at < apex_at {
            starts[depth] = at;
            depth += 1;
            at += 1 + usize::from(wire[at]);
        }
        let Some(mut here) = self.node(&self.apex) else { return Found::Absent };
        let mut closest = self.apex;
        for &start in starts[..depth].iter().rev() {
            if here.get(RrType::DNAME).is_some() {
                return Found::Dname { owner: closest, node: here };
            }
            let Some(node) = self.nodes.get(&wire[start..]) else {
                let wildcard = closest.prepend(b"*").and_then(|name| self.node(&name));
                return wildcard.map_or(Found::Absent, Found::Wildcard);
            };
            (here, closest) = (node, Name::from_wire(&wire[start..]).unwrap_or(closest));
            if here.get(RrType::NS).is_some() {
                return Found::Cut { owner: closest, node: here, exact: start == 0 };
            }
        }
        Found::Node(here)
    }

    /// The topmost delegation at or above a name.
    pub fn cut_at_or_above(&self, name: &Name) -> Option<Name> {
        match self.find(name) {
            Found::Cut { owner, .. } => Some(owner),
            _ => None,
        }
    }

    /// Every name with its node, in canonical order, empty non-terminals included.
    pub fn in_order(&self) -> Vec<(Name, &Node)> {
        let mut all: Vec<_> = self.nodes.iter().filter_map(|(o, node)| Some((Name::from_wire(o)?, node))).collect();
        all.sort_by(|a, b| a.0.canonical_cmp(&b.0));
        all
    }
}

impl Node {
    fn build(sets: HashMap<RrType, (u32, Vec<Vec<u8>>)>) -> Self {
        let mut rrsets: Vec<RrSet> = sets
            .into_iter()
            .map(|(rr_type, (ttl_s, rdatas))| RrSet { rr_type, ttl_s, rdatas: flatten(rdatas), slot: Slots::empty(1) })
            .collect();
        rrsets.sort_by_key(|set| set.rr_type);
        Self { rrsets }
    }

    /// The RRset of a type.
    pub fn get(&self, rr_type: RrType) -> Option<&RrSet> {
        self.rrsets.iter().find(|set| set.rr_type == rr_type)
    }

    /// All RRsets, by ascending type.
    pub fn rrsets(&self) -> &[RrSet] {
        &self.rrsets
    }
}

impl RrSet {
    /// Where its signature lies.
    pub fn slot(&self) -> Option<Slot<'_>> {
        self.slot.slot(0)
    }

    /// The RDATAs one by one.
    pub fn iter(&self) -> Rdatas<'_> {
        Rdatas(&self.rdatas)
    }
}

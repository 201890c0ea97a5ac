//! A static zone in memory: nodes in canonical order, empty non-terminals among them, and the walk to a name.
//!
//! One arena for names, one for RDATA, a table of nodes, one of RRsets, and a hash index of names. A look-up takes no heap.

use std::net::IpAddr;
use std::sync::OnceLock;

use super::hashed::Hashed;
use super::numbers::soa_minimum_s;
use super::slot::{Slot, Slots};
use super::version::{Digest, soa_expire_s};
use crate::wire::{Name, Rdatas, RrType};

/// Labels of a longest name, and one for the root.
const LABELS_MAX: usize = 128;
/// Nobody in the index.
pub(super) const EMPTY: u32 = u32::MAX;

/// Static data of one zone. Immutable: a changed file makes a new one.
pub struct StaticZone {
    pub(super) apex: Name,
    /// In canonical order, so the apex is the first; one more at the end, which only marks where the last one's RRsets end.
    pub(super) nodes: Box<[NodeRow]>,
    /// Names in wire form. A node above another needs no octets of its own: its name is the end of the other's.
    pub(super) names: Box<[u8]>,
    /// By node, then by type; one more at the end.
    pub(super) sets: Box<[SetRow]>,
    /// In the form of [`Rdatas`], canonical.
    pub(super) rdatas: Box<[u8]>,
    /// Open addressing: the hash of a name leads to its node, or to [`EMPTY`].
    pub(super) index: Box<[u32]>,
    /// The nodes that own an NSEC (RFC 4035 2.3): those with data of this zone. Nobody if names are hashed.
    pub(super) chain: Box<[u32]>,
    /// The chain of hashed names, if there is an NSEC3PARAM.
    pub(super) hashed: Option<Hashed>,
    /// Who makes the ZONEMD at the apex.
    pub(super) digest: Digest,
    has_cuts: bool,
    highest_ttl_s: u32,
    /// One for each RRset, then one for each NSEC or NSEC3, and that once for each signer; there once the zone is to be signed.
    slots: OnceLock<Slots>,
}

/// One name.
#[derive(Clone, Copy)]
pub(super) struct NodeRow {
    pub(super) name_at: u32,
    pub(super) sets_at: u32,
    pub(super) name_octets: u8,
    pub(super) standing: u8,
}

/// [`NodeRow::standing`]: a delegation begins here; a DNAME is here; one of these is above.
pub(super) const CUT: u8 = 1;
pub(super) const DNAME: u8 = 2;
pub(super) const BELOW: u8 = 4;

/// One RRset.
#[derive(Clone, Copy)]
pub(super) struct SetRow {
    pub(super) rdatas_at: u32,
    pub(super) ttl_s: u32,
    pub(super) rr_type: RrType,
}

/// A name of the zone with its RRsets; none at an empty non-terminal.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    pub(super) zone: &'a StaticZone,
    pub(super) id: usize,
}

/// One RRset and the slots of its signatures.
#[derive(Clone, Copy)]
pub struct RrSet<'a> {
    /// The type.
    pub rr_type: RrType,
    /// Seconds.
    pub ttl_s: u32,
    /// In canonical order and form.
    pub rdatas: &'a [u8],
    slots: SlotsOf<'a>,
}

/// Where the signatures over one RRset lie: a slot for each signer that the zone has room for.
#[derive(Clone, Copy)]
pub struct SlotsOf<'a> {
    zone: &'a StaticZone,
    place: usize,
}

/// What the walk to a name came upon.
pub enum Found<'a> {
    /// The name itself, perhaps without data (empty non-terminal, RFC 8020).
    Node(Node<'a>),
    /// The wildcard that stands in for the name (RFC 4592).
    Wildcard(Node<'a>),
    /// A zone cut at the name or above it.
    Cut {
        /// NS, DS and perhaps glue.
        node: Node<'a>,
        /// The cut is the name itself, whose DS is this side's to answer.
        exact: bool,
    },
    /// A DNAME above the name (RFC 6672).
    Dname(Node<'a>),
    /// Nothing, and nothing below.
    Absent {
        /// The closest name above that is there (RFC 4592 3.3.1).
        encloser: Node<'a>,
    },
}

impl StaticZone {
    /// Puts the parts together; [`super::build`] makes them.
    pub(super) fn new(
        apex: Name,
        (nodes, names): (Vec<NodeRow>, Vec<u8>),
        (sets, rdatas): (Vec<SetRow>, Vec<u8>),
        index: Vec<u32>,
        chain: Vec<u32>,
    ) -> Self {
        Self {
            apex,
            has_cuts: nodes.iter().any(|row| row.standing & CUT != 0),
            highest_ttl_s: sets.iter().map(|row| row.ttl_s).max().unwrap_or(0),
            nodes: nodes.into(),
            names: names.into(),
            sets: sets.into(),
            rdatas: rdatas.into(),
            index: index.into(),
            chain: chain.into(),
            hashed: None,
            digest: Digest::AsInFile,
            slots: OnceLock::new(),
        }
    }

    /// Makes room for the signatures of so many signers, which then stay beside what they sign. An unsigned zone does
    /// without, and room once made stays as it is: what has none is signed for each answer.
    pub fn keep_signatures(&self, signers: usize) {
        self.slots.get_or_init(|| Slots::empty(signers * self.slots_of_one()));
    }

    fn slots_of_one(&self) -> usize {
        self.sets.len() + self.chain.len() + self.links_count()
    }

    /// The apex.
    pub fn apex(&self) -> &Name {
        &self.apex
    }

    /// Whether anything is delegated.
    pub fn has_cuts(&self) -> bool {
        self.has_cuts
    }

    /// The highest TTL of its RRsets in seconds.
    pub fn highest_ttl_s(&self) -> u32 {
        self.highest_ttl_s
    }

    /// How many names there are, empty non-terminals included.
    pub fn len(&self) -> usize {
        self.nodes.len().saturating_sub(1)
    }

    /// Whether there is no name at all, not even the apex.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The node of exactly this name.
    pub fn node(&self, name: &Name) -> Option<Node<'_>> {
        self.lookup(name.as_wire(), name.as_wire().iter().rev().fold(HASH_START, hash_octet))
    }

    /// The addresses at a name, glue among them: IPv4 first.
    pub fn addresses(&self, name: &Name) -> Vec<IpAddr> {
        let set = |rr_type| self.node(name).and_then(|node| node.get(rr_type));
        let v4 = set(RrType::A).into_iter().flat_map(|set| set.iter());
        let v6 = set(RrType::AAAA).into_iter().flat_map(|set| set.iter());
        let v4 = v4.filter_map(|rdata| Some(IpAddr::from(<[u8; 4]>::try_from(rdata).ok()?)));
        v4.chain(v6.filter_map(|rdata| Some(IpAddr::from(<[u8; 16]>::try_from(rdata).ok()?)))).collect()
    }

    /// The SOA as the file has it; a zone is not built without one.
    pub fn soa(&self) -> Option<RrSet<'_>> {
        Node { zone: self, id: 0 }.get(RrType::SOA)
    }

    pub(super) fn soa_rdatas(&self) -> &[u8] {
        self.soa().map_or(&[0; 22], |soa| soa.rdatas)
    }

    /// EXPIRE of the SOA, seconds: for how long a secondary that reaches nobody may go on (RFC 1035 3.3.13).
    pub fn expire_s(&self) -> Option<u32> {
        soa_expire_s(self.soa()?.iter().next()?)
    }

    /// TTL of denials and of the SOA in them: min(MINIMUM, TTL of the SOA) (RFC 2308 3, RFC 9077 3).
    pub fn negative_ttl_s(&self) -> u32 {
        self.soa().map_or(0, |soa| soa_minimum_s(soa.rdatas).unwrap_or(0).min(soa.ttl_s))
    }

    /// Walks to a name that is at or below the apex (RFC 1034 4.3.2), from its own label upwards: what is there costs one
    /// step. Without allocation.
    pub fn find(&self, name: &Name) -> Found<'_> {
        let apex = Node { zone: self, id: 0 };
        let Some(apex_at) = name.offset_of(&self.apex) else { return Found::Absent { encloser: apex } };
        let wire = name.as_wire();
        let suffix = |at: usize| wire.get(at..).unwrap_or_default();
        let (mut starts, mut depth, mut at) = ([0usize; LABELS_MAX], 0, 0);
        for start in &mut starts {
            if at >= apex_at {
                break;
            }
            (*start, depth) = (at, depth + 1);
            at += 1 + wire.get(at).map_or(0, |octets| usize::from(*octets));
        }
        let mut hashes = [0u64; LABELS_MAX];
        let (mut end, mut hash) = (apex_at, suffix(apex_at).iter().rev().fold(HASH_START, hash_octet));
        for (start, into) in starts.iter().zip(&mut hashes).take(depth).rev() {
            hash = wire.get(*start..end).unwrap_or_default().iter().rev().fold(hash, hash_octet);
            (*into, end) = (hash, *start);
        }
        let names = || starts.iter().zip(&hashes).take(depth);
        let nearest = names().find_map(|(start, hash)| Some((*start, *hash, self.lookup(suffix(*start), *hash)?)));
        let apex_hash = suffix(apex_at).iter().rev().fold(HASH_START, hash_octet);
        let (start, hash, mut node) = nearest.unwrap_or((apex_at, apex_hash, apex));
        let mut exact = start == 0;
        if node.standing() & BELOW != 0 {
            // Something above is delegated or renamed: the topmost such name counts.
            let above = names().rev().filter_map(|(start, hash)| self.lookup(suffix(*start), *hash));
            let top = std::iter::once(apex).chain(above).find(|node| node.standing() & (CUT | DNAME) != 0);
            (node, exact) = (top.unwrap_or(node), false);
        }
        match node.standing() {
            standing if standing & CUT != 0 => Found::Cut { node, exact },
            _ if exact => Found::Node(node),
            standing if standing & DNAME != 0 => Found::Dname(node),
            _ => match self.wildcard(suffix(start), hash) {
                Some(wildcard) => Found::Wildcard(wildcard),
                None => Found::Absent { encloser: node },
            },
        }
    }

    /// The topmost delegation at or above a name.
    pub fn cut_at_or_above(&self, name: &Name) -> Option<Name> {
        match self.find(name) {
            Found::Cut { node, .. } => Some(node.owner()),
            _ => None,
        }
    }

    /// Every delegation.
    pub fn cuts(&self) -> impl Iterator<Item = Node<'_>> {
        self.in_order().map(|(_, node)| node).filter(Node::is_cut)
    }

    /// Every name with its node, in canonical order, empty non-terminals included.
    pub fn in_order(&self) -> impl Iterator<Item = (Name, Node<'_>)> {
        self.in_order_from(0)
    }

    /// The same from so many names on.
    pub fn in_order_from(&self, first: usize) -> impl Iterator<Item = (Name, Node<'_>)> {
        (first..self.len()).map(|id| Node { zone: self, id }).map(|node| (node.owner(), node))
    }

    /// Octets on the heap.
    pub fn heap_octets(&self) -> usize {
        size_of_val(&*self.nodes)
            + self.names.len()
            + size_of_val(&*self.sets)
            + self.rdatas.len()
            + size_of_val(&*self.index)
            + size_of_val(&*self.chain)
            + self.hashed_octets()
            + self.slots.get().map_or(0, Slots::heap_octets)
    }

    pub(super) fn slots_at(&self, place: usize) -> SlotsOf<'_> {
        SlotsOf { zone: self, place }
    }

    /// The wildcard right below a name: its hash goes on from the name's own.
    fn wildcard(&self, encloser: &[u8], hash: u64) -> Option<Node<'_>> {
        let hash = b"\x01*".iter().rev().fold(hash, hash_octet);
        self.probe(hash, |name| name.strip_prefix(b"\x01*") == Some(encloser))
    }

    fn lookup(&self, wire: &[u8], hash: u64) -> Option<Node<'_>> {
        self.probe(hash, |name| name == wire)
    }

    fn probe(&self, hash: u64, is_it: impl Fn(&[u8]) -> bool) -> Option<Node<'_>> {
        let mut place = place_of(hash, self.index.len());
        for _ in 0..self.index.len() {
            let id = *self.index.get(place)?;
            if id == EMPTY {
                return None;
            }
            let node = Node { zone: self, id: id as usize };
            if is_it(node.wire()) {
                return Some(node);
            }
            place = (place + 1) % self.index.len();
        }
        None
    }
}

impl<'a> Node<'a> {
    /// The name.
    pub fn owner(&self) -> Name {
        Name::from_wire(self.wire()).unwrap_or(self.zone.apex)
    }

    /// Its place in canonical order.
    pub fn place(&self) -> usize {
        self.id
    }

    /// The RRset of a type.
    pub fn get(&self, rr_type: RrType) -> Option<RrSet<'a>> {
        self.rrsets().find(|set| set.rr_type == rr_type)
    }

    /// All RRsets, by ascending type.
    pub fn rrsets(&self) -> impl Iterator<Item = RrSet<'a>> + Clone + use<'a> {
        let zone = self.zone;
        let sets_at = |id: usize| zone.nodes.get(id).map_or(0, |row| row.sets_at as usize);
        (sets_at(self.id)..sets_at(self.id + 1)).filter_map(|i| zone.set(i))
    }

    /// Whether the name is delegated.
    pub fn is_cut(&self) -> bool {
        self.standing() & (CUT | BELOW) == CUT
    }

    /// Whether a delegation or a DNAME above keeps this name from being answered: glue, if anything.
    pub fn is_occluded(&self) -> bool {
        self.standing() & BELOW != 0
    }

    fn standing(&self) -> u8 {
        self.zone.nodes.get(self.id).map_or(0, |row| row.standing)
    }

    pub(super) fn wire(&self) -> &'a [u8] {
        let zone = self.zone;
        let name = zone.nodes.get(self.id).and_then(|row| {
            let at = row.name_at as usize;
            zone.names.get(at..at + usize::from(row.name_octets))
        });
        name.unwrap_or_default()
    }
}

impl StaticZone {
    fn set(&self, i: usize) -> Option<RrSet<'_>> {
        let (row, next) = (self.sets.get(i)?, self.sets.get(i + 1)?);
        let rdatas = self.rdatas.get(row.rdatas_at as usize..next.rdatas_at as usize)?;
        Some(RrSet { rr_type: row.rr_type, ttl_s: row.ttl_s, rdatas, slots: self.slots_at(i) })
    }
}

impl<'a> RrSet<'a> {
    /// Where its signatures lie.
    pub fn slots(&self) -> SlotsOf<'a> {
        self.slots
    }

    /// The RDATAs one by one.
    pub fn iter(&self) -> Rdatas<'a> {
        Rdatas(self.rdatas)
    }
}

impl<'a> SlotsOf<'a> {
    /// The slot of the `i`-th signer; none if there is no room for it.
    pub fn slot(&self, i: usize) -> Option<Slot<'a>> {
        self.zone.slots.get()?.slot(i * self.zone.slots_of_one() + self.place)
    }
}

pub(super) const HASH_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, octet by octet from a name's end, so that the hash of a name goes on from that of the name above.
pub(super) fn hash_octet(hash: u64, octet: &u8) -> u64 {
    (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3)
}

/// The place in an index of so many places (a power of two) where a search begins.
pub(super) fn place_of(hash: u64, places: usize) -> usize {
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize & places.saturating_sub(1)
}

//! The NSEC3 chain of a static zone (RFC 5155 7.1): every name that the zone speaks for, by hash, and which speaks for another.
//!
//! A zone has it if there is an NSEC3PARAM at its apex, which only [`StaticZone::read_denying`] puts there. It then stands
//! in the place of the chain of NSEC.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_DNSSEC;
use ring::digest;

use super::draft::{Draft, TooLarge};
use super::fixed::{EMPTY, Node, SlotsOf, StaticZone};
use crate::wire::name::{NAME_OCTETS_MAX, canonical_order};
use crate::wire::{Name, RrType};

/// Hash algorithm SHA-1, no flags (so no opt-out), no further iterations, no salt: `1 0 0 -` (RFC 9276 3.1).
pub const PARAMETERS: [u8; 5] = [1, 0, 0, 0, 0];
/// Octets of a hash by SHA-1.
pub const HASH_OCTETS: usize = 20;
/// The label of a hash: five bits an octet (RFC 5155 3.3).
const LABEL_OCTETS: usize = HASH_OCTETS * 8 / 5;
/// Octets of an SOA's MINIMUM, the last of its RDATA.
const MINIMUM_OCTETS: usize = 4;

/// How a signed zone proves what is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Denial {
    /// A chain of NSEC records (RFC 4034 4): whoever follows it has every name.
    #[default]
    Nsec,
    /// A chain of NSEC3 records with the parameters `1 0 0 -` (RFC 5155, RFC 9276): names have to be guessed.
    Nsec3,
}

/// A word that names no chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("absence is proved by nsec or nsec3")]
pub struct NoDenial;

impl FromStr for Denial {
    type Err = NoDenial;

    fn from_str(text: &str) -> Result<Self, NoDenial> {
        match text {
            "nsec" => Ok(Self::Nsec),
            "nsec3" => Ok(Self::Nsec3),
            _ => Err(NoDenial),
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nsec => "nsec",
            Self::Nsec3 => "nsec3",
        })
    }
}

/// Why a zone can have no NSEC3 chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HashFault {
    /// Two names have one hash (RFC 5155 7.1).
    Collision(Box<[Name; 2]>),
    /// Below this apex there is no room for the label of a hash.
    ApexTooLong,
}

/// The hash of a name without salt and further iterations (RFC 5155 5), for a name in wire form and lower case.
pub fn hash(wire: &[u8]) -> [u8; HASH_OCTETS] {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, wire);
    digest.as_ref().try_into().expect("SHA-1 has 20 octets")
}

/// The name one label longer than `encloser` on the way to `name`, in wire form (RFC 5155 1.3); `name` itself if it is not
/// below.
pub fn next_closer<'n>(name: &'n Name, encloser: &Name) -> &'n [u8] {
    let wire = name.as_wire();
    let (end, mut at) = (name.offset_of(encloser).unwrap_or(0), 0);
    loop {
        let next = at + 1 + wire.get(at).map_or(0, |octets| usize::from(*octets));
        if next >= end {
            return wire.get(at..).unwrap_or_default();
        }
        at = next;
    }
}

/// The chain.
pub(super) struct Hashed {
    /// By hash, which is also the canonical order of their owners.
    links: Box<[Link]>,
    /// By node: the place of its link, or [`EMPTY`].
    of_node: Box<[u32]>,
    /// Places of links whose owner is also the name of a node.
    twins: Box<[u32]>,
}

#[derive(Clone, Copy)]
struct Link {
    hash: [u8; HASH_OCTETS],
    node: u32,
    /// Its place in the canonical order of all owners, nodes and links.
    row: u32,
}

/// One NSEC3 of the chain.
#[derive(Clone, Copy)]
pub struct Nsec3<'a> {
    node: Node<'a>,
    hash: &'a [u8; HASH_OCTETS],
    next: &'a [u8; HASH_OCTETS],
    slots: SlotsOf<'a>,
}

/// What stands at a place in the canonical order of all owners of records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// The node.
    pub node: Option<usize>,
    /// The NSEC3, by its place in the chain. Beside a node: of that very name. It then has nothing at its own place.
    pub link: Option<u32>,
}

impl StaticZone {
    /// Makes the chain, if there is an NSEC3PARAM. To be called before there is room for signatures.
    pub(super) fn hash_names(&mut self) -> Result<(), HashFault> {
        if self.in_order().next().is_none_or(|(_, apex)| apex.get(RrType::NSEC3PARAM).is_none()) {
            return Ok(());
        }
        if self.apex.as_wire().len() + 1 + LABEL_OCTETS > NAME_OCTETS_MAX {
            return Err(HashFault::ApexTooLong);
        }
        let nodes = (0..self.len()).map(|id| Node { zone: self, id }).filter(|node| !node.is_occluded());
        let mut links: Vec<Link> =
            nodes.map(|node| Link { hash: hash(node.wire()), node: node.id as u32, row: 0 }).collect();
        links.sort_unstable_by_key(|link| link.hash);
        if let Some((a, b)) = collision(&links) {
            let owners = [a, b].map(|node| Node { zone: self, id: node as usize }.owner());
            return Err(HashFault::Collision(owners.into()));
        }
        let (mut before, mut twins, mut of_node) = (0, Vec::new(), vec![EMPTY; self.len()]);
        for (place, link) in links.iter_mut().enumerate() {
            let owner = owner(&self.apex, &link.hash);
            let at = |id: usize| canonical_order(Node { zone: self, id }.wire(), owner.as_wire());
            while before < self.len() && at(before).is_lt() {
                before += 1;
            }
            if before < self.len() && at(before).is_eq() {
                twins.push(place as u32);
                before += 1;
            }
            link.row = (before + place) as u32;
            if let Some(of_node) = of_node.get_mut(link.node as usize) {
                *of_node = place as u32;
            }
        }
        self.hashed = Some(Hashed { links: links.into(), of_node: of_node.into(), twins: twins.into() });
        self.chain = Box::default();
        Ok(())
    }

    /// How it proves what is not there, once it is signed.
    pub fn denial(&self) -> Denial {
        if self.hashed.is_some() { Denial::Nsec3 } else { Denial::Nsec }
    }

    /// The place in the chain of a node's NSEC3. Glue has none; without such a chain nobody has.
    pub fn nsec3_of(&self, node: Node<'_>) -> Option<u32> {
        self.hashed.as_ref()?.of_node.get(node.id).copied().filter(|place| *place != EMPTY)
    }

    /// The place of the NSEC3 that covers a name in wire form, which is not there: one hash. `None` if it has the hash of a
    /// name that is there (RFC 5155 7.2.9).
    pub fn nsec3_over(&self, wire: &[u8]) -> Option<u32> {
        let (links, hash) = (self.links(), hash(wire));
        match links.binary_search_by_key(&&hash, |link| &link.hash) {
            Ok(_) => None,
            // Before the first comes the last, which leads back to it.
            Err(after) => Some(after.checked_sub(1).unwrap_or(links.len().checked_sub(1)?) as u32),
        }
    }

    /// The NSEC3 at a place of the chain.
    pub fn nsec3(&self, place: u32) -> Option<Nsec3<'_>> {
        let (links, place) = (self.links(), place as usize);
        let link = links.get(place)?;
        let next = links.get(place + 1).or(links.first())?;
        let slots = self.slots_at(self.sets.len().saturating_sub(1) + place);
        Some(Nsec3 { node: Node { zone: self, id: link.node as usize }, hash: &link.hash, next: &next.hash, slots })
    }

    /// How many owners of records there are, empty non-terminals and hashes included.
    pub fn rows(&self) -> usize {
        self.len() + self.links().len()
    }

    /// What stands there, in the canonical order of all of them.
    pub fn row(&self, row: usize) -> Row {
        let links = self.links();
        let next = links.partition_point(|link| link.row as usize <= row);
        let last = next.checked_sub(1).filter(|last| links.get(*last).is_some_and(|link| link.row as usize == row));
        match last {
            Some(place) => Row { node: None, link: Some(place as u32).filter(|place| !self.is_twin(*place)) },
            None => {
                let is_here = |place: &u32| {
                    links.get(next).is_some_and(|link| link.row as usize == row + 1) && self.is_twin(*place)
                };
                Row { node: Some(row - next), link: Some(next as u32).filter(is_here) }
            }
        }
    }

    pub(super) fn links_count(&self) -> usize {
        self.links().len()
    }

    pub(super) fn hashed_octets(&self) -> usize {
        let of =
            |hashed: &Hashed| size_of_val(&*hashed.links) + size_of_val(&*hashed.of_node) + size_of_val(&*hashed.twins);
        self.hashed.as_ref().map_or(0, of)
    }

    fn links(&self) -> &[Link] {
        self.hashed.as_ref().map_or(&[], |hashed| &hashed.links)
    }

    fn is_twin(&self, place: u32) -> bool {
        self.hashed.as_ref().is_some_and(|hashed| hashed.twins.binary_search(&place).is_ok())
    }
}

impl<'a> Nsec3<'a> {
    /// The name whose types it tells.
    pub fn of(&self) -> Name {
        self.node.owner()
    }

    /// Who owns it: the hash as a label right below the apex.
    pub fn owner(&self) -> Name {
        owner(self.node.zone.apex(), self.hash)
    }

    /// The hash that follows; the last one leads back to the first.
    pub fn next(&self) -> &'a [u8; HASH_OCTETS] {
        self.next
    }

    /// Types that the zone speaks for, those that signing adds at the apex left out: at a delegation NS and DS alone, and
    /// RRSIG where anything is signed (RFC 5155 7.1).
    pub fn types(&self) -> impl Iterator<Item = RrType> + Clone + use<'a> {
        let cut = self.node.is_cut();
        let types = self.node.rrsets().map(|set| set.rr_type);
        let is_signed = types.clone().any(|rr_type| !cut || rr_type == RrType::DS);
        let types = types.filter(move |t| !cut || matches!(*t, RrType::NS | RrType::DS));
        types.chain(is_signed.then_some(RrType::RRSIG))
    }

    /// Where its signatures lie.
    pub fn slots(&self) -> SlotsOf<'a> {
        self.slots
    }
}

/// Adds the NSEC3PARAM, with the TTL of denials (RFC 9077 3 has it for the records that it goes with).
pub(super) fn announce(draft: &mut Draft, apex: &Name) -> Result<(), TooLarge> {
    let soa = draft.records().find(|record| record.rr_type == RrType::SOA && record.owner == apex.as_wire());
    let ttl_s = soa.map_or(0, |soa| {
        let minimum_s = soa.rdata.last_chunk::<MINIMUM_OCTETS>().map_or(0, |octets| u32::from_be_bytes(*octets));
        minimum_s.min(soa.ttl_s)
    });
    draft.push(apex.as_wire(), RrType::NSEC3PARAM, ttl_s, &PARAMETERS, 0)?;
    draft.sort();
    Ok(())
}

fn owner(apex: &Name, hash: &[u8; HASH_OCTETS]) -> Name {
    let mut label = [0; LABEL_OCTETS];
    BASE32_DNSSEC.encode_mut(hash, &mut label);
    apex.prepend(&label).unwrap_or(*apex) // there is room: it was looked at when the chain was made
}

/// Two nodes with one hash.
fn collision(links: &[Link]) -> Option<(u32, u32)> {
    links.windows(2).find_map(|pair| match pair {
        [a, b] if a.hash == b.hash => Some((a.node, b.node)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::Digest;

    const FILE: &str = "@ 60 IN SOA ns h 7 1 1 1 30\n@ IN NS ns\nns IN A 192.0.2.1\nb.ent IN TXT x\nopen IN NS ns.open\n\
        ns.open IN A 192.0.2.2\nsafe IN NS ns\nsafe IN DS 1 13 2 \
        0000000000000000000000000000000000000000000000000000000000000001\nd IN DNAME ns\n*.w IN TXT y\n";

    fn name(text: &str) -> Name {
        Name::from_text(text).unwrap()
    }

    fn read(text: &str, apex: &str) -> StaticZone {
        StaticZone::read_denying(text, &name(apex), Digest::AsInFile, Denial::Nsec3).unwrap()
    }

    #[test]
    fn hashes_are_those_of_other_peoples_tools() {
        // `nsec3hash - 1 0 example.` of BIND, and the same for the longer name.
        let label = |text: &str| BASE32_DNSSEC.encode(&hash(name(text).as_wire()));
        assert_eq!(label("example."), "3msev9usmd4br9s97v51r2tdvmr9iqo1");
        assert_eq!(label("2.1.e164.example."), "ii352sg8ff32shond00gju3c85ipa42u");
    }

    #[test]
    fn the_next_closer_name_is_one_label_longer() {
        for (below, encloser, next) in [
            ("a.b.c.example.", "example.", "c.example."),
            ("a.b.c.example.", "b.c.example.", "a.b.c.example."),
            ("a.", ".", "a."),
            ("b.a.", ".", "a."),
        ] {
            assert_eq!(next_closer(&name(below), &name(encloser)), name(next).as_wire());
        }
    }

    #[test]
    fn the_chain_is_a_circle_of_all_names_that_the_zone_speaks_for() {
        let zone = read(FILE, "example.");
        let (mut told, first) = (Vec::new(), zone.nsec3(0).unwrap());
        let mut at = first;
        loop {
            let types: Vec<String> = at.types().map(|rr_type| rr_type.to_string()).collect();
            told.push(format!("{} {}", at.of().to_text(), types.join(" ")).trim_end().to_owned());
            let next = told.len() as u32;
            let Some(link) = zone.nsec3(next) else { break };
            assert_eq!(at.next(), link.hash);
            at = link;
        }
        assert_eq!(at.next(), first.hash);
        told.sort();
        assert_eq!(
            told,
            [
                "*.w.example. TXT RRSIG",
                "b.ent.example. TXT RRSIG",
                "d.example. DNAME RRSIG",
                "ent.example.",
                "example. NS SOA NSEC3PARAM RRSIG",
                "ns.example. A RRSIG",
                "open.example. NS",
                "safe.example. NS DS RRSIG",
                "w.example.",
            ]
        );
        let param = zone.node(&name("example.")).unwrap().get(RrType::NSEC3PARAM).unwrap();
        assert_eq!((param.ttl_s, param.iter().next().unwrap()), (30, &PARAMETERS[..]));
    }

    #[test]
    fn what_is_there_is_covered_by_nothing_and_everything_else_by_its_neighbour() {
        let zone = read(FILE, "example.");
        for (there, node) in zone.in_order() {
            assert_eq!(zone.nsec3_of(node).is_some(), there != name("ns.open.example."), "{}", there.to_text());
            assert_eq!(zone.nsec3_over(there.as_wire()).is_none(), zone.nsec3_of(node).is_some());
        }
        let mut seen = std::collections::BTreeSet::new();
        for i in 0..200 {
            let absent = name(&format!("x{i}.example."));
            let place = zone.nsec3_over(absent.as_wire()).unwrap();
            let (link, hash) = (zone.nsec3(place).unwrap(), hash(absent.as_wire()));
            match link.hash < link.next {
                true => assert!(*link.hash < hash && hash < *link.next),
                false => assert!(*link.hash < hash || hash < *link.next),
            }
            seen.insert(place);
        }
        assert_eq!(seen.len(), zone.links_count());
    }

    #[test]
    fn rows_are_in_canonical_order_and_a_name_that_looks_like_a_hash_shares_its_row() {
        let odd = format!("{FILE}3msev9usmd4br9s97v51r2tdvmr9iqo1 IN NS ns\n");
        for (text, twins) in [(FILE, 0), (&*odd, 1)] {
            let zone = read(text, "example.");
            let (mut nodes, mut links, mut both, mut empty) = (0, 0, 0, 0);
            let mut last: Option<Name> = None;
            for row in 0..zone.rows() {
                let row = zone.row(row);
                let owners = [
                    row.node.and_then(|id| zone.in_order_from(id).next()).map(|(owner, _)| owner),
                    row.link.and_then(|place| zone.nsec3(place)).map(|link| link.owner()),
                ];
                (nodes, links) = (nodes + usize::from(row.node.is_some()), links + usize::from(row.link.is_some()));
                match owners {
                    [Some(a), Some(b)] => both += usize::from(a == b),
                    [None, None] => empty += 1,
                    _ => {}
                }
                let Some(owner) = owners.into_iter().flatten().next() else { continue };
                assert!(last.is_none_or(|last| last.canonical_cmp(&owner).is_lt()), "{}", owner.to_text());
                last = Some(owner);
            }
            assert_eq!((nodes, links, both, empty), (zone.len(), zone.links_count(), twins, twins));
        }
    }

    #[test]
    fn collisions_and_apexes_without_room_are_told() {
        let link = |octet, node| Link { hash: [octet; HASH_OCTETS], node, row: 0 };
        assert_eq!(collision(&[link(1, 5), link(2, 6), link(2, 7)]), Some((6, 7)));
        assert_eq!(collision(&[link(1, 5), link(2, 6)]), None);
        let apex = |octets| format!("{0}.{0}.{0}.{1}.", "l".repeat(63), "l".repeat(octets));
        let text = "@ 60 IN SOA . . 7 1 1 1 30\n@ IN NS .\n";
        let said = StaticZone::read_denying(text, &name(&apex(29)), Digest::AsInFile, Denial::Nsec3).err().unwrap();
        assert_eq!((said[0].line, said[0].remedy), (0, "deny by NSEC instead"));
        assert_eq!(read(text, &apex(28)).nsec3(0).unwrap().owner().as_wire().len(), NAME_OCTETS_MAX);
    }
}

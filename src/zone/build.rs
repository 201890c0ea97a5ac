//! From the records of a master file to the layout of a static zone.

use super::draft::{Draft, Record, is_at_or_below};
use super::fixed::{BELOW, CUT, DNAME, EMPTY, HASH_START, NodeRow, SetRow, StaticZone, hash_octet, place_of};
use crate::wire::{Name, RrType};

/// Parts of a zone in the making.
#[derive(Default)]
struct Parts<'a> {
    nodes: Vec<NodeRow>,
    /// The name of each node: as much of the end of this.
    owners: Vec<&'a [u8]>,
    sets: Vec<SetRow>,
    rdatas: Vec<u8>,
    chain: Vec<u32>,
    /// The topmost delegation or DNAME over what comes now.
    above: Option<&'a [u8]>,
}

impl StaticZone {
    /// Lays out checked and sorted records. RRs of one RRset get the smallest of their TTLs (RFC 2181 5.2).
    pub(super) fn build(apex: Name, draft: &Draft) -> Self {
        let mut parts = Parts::default();
        let mut before: &[u8] = &[];
        for records in draft.owners() {
            let Some(first) = records.clone().next() else { continue };
            parts.non_terminals(first.owner, before, apex.as_wire());
            parts.node(first.owner, apex.as_wire(), records);
            before = first.owner;
        }
        parts.nodes.push(NodeRow { name_at: 0, sets_at: parts.sets.len() as u32, name_octets: 0, standing: 0 });
        parts.sets.push(SetRow { rdatas_at: parts.rdatas.len() as u32, ttl_s: 0, rr_type: RrType(0) });
        let names = parts.names();
        let index = parts.index(&names);
        Self::new(apex, (parts.nodes, names), (parts.sets, parts.rdatas), index, parts.chain)
    }
}

impl<'a> Parts<'a> {
    /// The names between `owner` and the last one that it shares with what came before, from the top.
    fn non_terminals(&mut self, owner: &'a [u8], before: &[u8], apex: &[u8]) {
        let (mut starts, mut missing, mut at) = ([0u8; 128], 0, 0usize);
        loop {
            at += 1 + owner.get(at).map_or(0, |octets| usize::from(*octets));
            let name = owner.get(at..).unwrap_or_default();
            if name.len() < apex.len() || name.is_empty() || is_at_or_below(before, name) {
                break;
            }
            starts[missing] = at as u8;
            missing += 1;
        }
        for start in starts[..missing].iter().rev() {
            self.push(&owner[usize::from(*start)..], 0);
        }
    }

    fn node(&mut self, owner: &'a [u8], apex: &[u8], records: impl Iterator<Item = Record<'a>> + Clone) {
        let has = |rr_type: RrType| records.clone().any(|record| record.rr_type == rr_type);
        let cut = if owner != apex && has(RrType::NS) { CUT } else { 0 };
        let dname = if has(RrType::DNAME) { DNAME } else { 0 };
        let id = self.push(owner, cut | dname);
        if self.above.is_none() {
            self.chain.push(id);
            self.above = (cut | dname != 0).then_some(owner);
        }
        let mut last: Option<Record<'_>> = None;
        for record in records {
            match last {
                Some(last) if last.rr_type == record.rr_type => {
                    if let Some(set) = self.sets.last_mut() {
                        set.ttl_s = set.ttl_s.min(record.ttl_s);
                    }
                    if last.rdata == record.rdata {
                        continue; // RFC 2181 5: a set has no doubles
                    }
                }
                _ => {
                    let rdatas_at = self.rdatas.len() as u32;
                    self.sets.push(SetRow { rdatas_at, ttl_s: record.ttl_s, rr_type: record.rr_type });
                }
            }
            self.rdatas.extend_from_slice(&(record.rdata.len() as u16).to_be_bytes());
            self.rdatas.extend_from_slice(record.rdata);
            last = Some(record);
        }
    }

    fn push(&mut self, owner: &'a [u8], standing: u8) -> u32 {
        self.above = self.above.filter(|above| is_at_or_below(owner, above));
        let standing = if self.above.is_some() { standing | BELOW } else { standing };
        let (sets_at, name_octets) = (self.sets.len() as u32, owner.len() as u8);
        self.nodes.push(NodeRow { name_at: 0, sets_at, name_octets, standing });
        self.owners.push(owner);
        self.nodes.len() as u32 - 1
    }

    /// Writes the names down, those above others as part of theirs.
    fn names(&mut self) -> Vec<u8> {
        let mut names = Vec::new();
        let mut below: Option<(&[u8], u32)> = None;
        for (row, owner) in self.nodes.iter_mut().zip(&self.owners).rev() {
            let name_at = match below.filter(|(name, _)| is_at_or_below(name, owner)) {
                Some((name, at)) => at + (name.len() - owner.len()) as u32,
                None => {
                    names.extend_from_slice(owner);
                    (names.len() - owner.len()) as u32
                }
            };
            row.name_at = name_at;
            below = Some((owner, name_at));
        }
        names
    }

    fn index(&self, names: &[u8]) -> Vec<u32> {
        let places = (self.owners.len() * 4 / 3 + 1).next_power_of_two();
        let mut index = vec![EMPTY; places];
        for (id, row) in self.nodes.iter().take(self.owners.len()).enumerate() {
            let name = &names[row.name_at as usize..row.name_at as usize + usize::from(row.name_octets)];
            let mut place = place_of(name.iter().rev().fold(HASH_START, hash_octet), places);
            while index[place] != EMPTY {
                place = (place + 1) % places;
            }
            index[place] = id as u32;
        }
        index
    }
}

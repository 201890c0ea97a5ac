//! The NSEC3 chain (RFC 5155 7.1): every name that the zone speaks for, empty non-terminals included, by hash.

use std::num::NonZero;

use data_encoding::BASE32_DNSSEC;

use super::order::{Place, Standing};
use super::{Contents, ExportError, NAMES_PER_JOB, crew, pieces};
use crate::wire::Name;
use crate::zone::hashed::{HASH_OCTETS, hash};

/// The chain in hash order, and how it takes turns with the names of the zone.
#[derive(Default)]
pub(super) struct Chain {
    pub(super) links: Vec<Link>,
    /// Before so many names stand so many links. Rising.
    pub(super) turns: Vec<(usize, usize)>,
}

/// One NSEC3 record.
#[derive(Clone, Copy)]
pub(super) struct Link {
    /// SHA-1 of the name.
    pub(super) hash: [u8; HASH_OCTETS],
    /// Where the name stands; `None` for an empty non-terminal, which has no types.
    pub(super) place: Option<NonZero<u32>>,
}

/// What was found at a run of names: their links, and where a label right below the apex begins.
#[derive(Default)]
struct Found {
    links: Vec<Link>,
    firsts: Vec<(usize, Vec<u8>)>,
}

impl Chain {
    pub(super) fn of(zone: Contents<'_>, places: &[Place]) -> Result<Self, ExportError> {
        let runs: Vec<_> = pieces(0..places.len()).collect();
        let (mut links, mut firsts): (Vec<Link>, Vec<(usize, Vec<u8>)>) = (Vec::new(), Vec::new());
        crew::in_order(
            runs.len(),
            |run| Ok::<_, ExportError>(found(zone, places, runs[run].start)),
            |_, found| {
                links.extend(found.links);
                for first in found.firsts {
                    if firsts.last().is_none_or(|(_, label)| *label != first.1) {
                        firsts.push(first);
                    }
                }
                Ok(())
            },
        )?;
        links.sort_unstable_by_key(|link| link.hash);
        if links.windows(2).any(|pair| pair[0].hash == pair[1].hash) {
            return Err(ExportError::Collision);
        }
        let before = |label: &[u8]| links.partition_point(|link| BASE32_DNSSEC.encode(&link.hash).as_bytes() < label);
        let turns = firsts.iter().map(|(at, label)| (*at, before(label))).collect();
        Ok(Self { links, turns })
    }

    /// The hash that follows a link; the last one leads back to the first.
    pub(super) fn next(&self, at: usize) -> &[u8; HASH_OCTETS] {
        &self.links[(at + 1) % self.links.len()].hash
    }
}

/// The links of [`NAMES_PER_JOB`] names from `start` on.
fn found(zone: Contents<'_>, places: &[Place], start: usize) -> Found {
    let mut found = Found::default();
    let ours = |place: &&Place| place.standing(zone) != Standing::Below;
    let mut before = places[..start].iter().rev().find(ours).and_then(|place| place.owner(zone));
    for (at, place) in places.iter().enumerate().skip(start).take(NAMES_PER_JOB) {
        let Some(owner) = place.owner(zone) else { continue };
        found.firsts.extend(found.first_label(&owner, zone.apex(), at));
        if !ours(&place) {
            continue;
        }
        // The position is one more than it is, so that an absent one takes no room.
        found.links.push(Link { hash: hash(owner.as_wire()), place: NonZero::new(at as u32 + 1) });
        found.non_terminals(&owner, before.as_ref(), zone.apex());
        before = Some(owner);
    }
    found
}

impl Found {
    /// The label right below the apex with the position where it begins, if that is here.
    fn first_label(&self, owner: &Name, apex: &Name, at: usize) -> Option<(usize, Vec<u8>)> {
        let depth = usize::from(owner.label_count().checked_sub(apex.label_count())?);
        let label = owner.labels().nth(depth.checked_sub(1)?)?;
        let is_new = self.firsts.last().is_none_or(|(_, known)| known != label);
        is_new.then(|| (at, label.to_vec()))
    }

    /// The names between `owner` and the apex that nothing before it has shown: a name with data stands before all below it.
    fn non_terminals(&mut self, owner: &Name, before: Option<&Name>, apex: &Name) {
        let (wire, before) = (owner.as_wire(), before.map_or(&[][..], Name::as_wire));
        let mut at = 0;
        loop {
            at += 1 + usize::from(wire[at]);
            let name = &wire[at..];
            if name.len() <= apex.as_wire().len() || is_at_or_below(before, name) {
                return;
            }
            self.links.push(Link { hash: hash(name), place: None });
        }
    }
}

/// Whether a name in wire form is `above` or below it.
fn is_at_or_below(name: &[u8], above: &[u8]) -> bool {
    let Some(skip) = name.len().checked_sub(above.len()) else { return false };
    let mut at = 0;
    while at < skip {
        at += 1 + usize::from(name[at]);
    }
    at == skip && &name[at..] == above
}

impl Link {
    /// Where the name stands among the names of the zone.
    pub(super) fn position(&self) -> Option<usize> {
        self.place.map(|place| place.get() as usize - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_small() {
        assert_eq!(size_of::<Link>(), 24);
    }
}

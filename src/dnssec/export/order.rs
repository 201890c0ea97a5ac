//! The names of a zone in canonical order (RFC 4034 6.1), without holding a name: a number stands for all of its names.

use std::cmp::Ordering;

use super::Contents;
use crate::log::record::Prefix;
use crate::number::{DIGITS_MAX, Number};
use crate::wire::{Name, RrType};
use crate::zone::pack::Packed;
use crate::zone::{Node, NumberZone, Owned, StaticZone};

/// A name with data, to be looked up again when its turn comes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// The name at this position of the static data.
    Fixed(u32),
    /// One of the RRsets of a number, each of which has a name of its own.
    Number(Number, Owned),
}

/// How a name stands to the zone cuts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Inside,
    Cut,
    /// Glue, or hidden by a DNAME: neither signed nor in a chain.
    Below,
}

/// Below a number come longer numbers, then these, in this order.
const UNDERSCORED: [Owned; 5] = [
    Owned::Records(Prefix::E2e),
    Owned::Records(Prefix::Id),
    Owned::Keys,
    Owned::Records(Prefix::Mls),
    Owned::Records(Prefix::SipClient),
];
/// After all digits come these trees, in this order.
const HASHED: [Owned; 2] = [Owned::Records(Prefix::OpenPgpKey), Owned::Records(Prefix::SmimeCert)];

/// Every name with data, the apex first. Numbers that are not served at `now_s` have none.
pub(super) fn names(zone: Contents<'_>, now_s: u64) -> Vec<Place> {
    let fixed = zone.fixed();
    let numbers = match zone {
        Contents::Numbers(zone) => numbers(zone, now_s),
        Contents::Fixed(_) => Vec::new(),
    };
    let mut fixed = fixed.in_order().enumerate().filter(|(_, (_, node))| node.rrsets().next().is_some()).peekable();
    let mut all = Vec::with_capacity(numbers.len() + 16);
    for place in numbers {
        let Some(owner) = place.owner(zone) else { continue }; // the apex is too long for any number
        while let Some((id, _)) = fixed.next_if(|(_, (name, _))| name.canonical_cmp(&owner) == Ordering::Less) {
            all.push(Place::Fixed(id as u32));
        }
        all.push(place);
    }
    all.extend(fixed.map(|(id, _)| Place::Fixed(id as u32)));
    all
}

/// The names of numbers. A digit stands before an underscore, so a number's other names come after all longer numbers.
fn numbers(zone: &NumberZone, now_s: u64) -> Vec<Place> {
    let (mut sorted, mut hashed) = (Vec::with_capacity(zone.table().len()), HASHED.map(|_| Vec::new()));
    zone.table().for_each(|packed| {
        if now_s < packed.not_after_s {
            sorted.push(packed.number);
            for (owned, into) in HASHED.into_iter().zip(&mut hashed) {
                if has(owned, &packed) {
                    into.extend(owned.owner(packed.number, zone.apex()).map(|name| (name, packed.number)));
                }
            }
        }
    });
    sorted.sort_unstable_by_key(|number| (aligned(*number), *number));
    let mut all = Vec::with_capacity(3 * sorted.len());
    let mut open: Vec<Number> = Vec::new();
    for number in sorted {
        while let Some(done) = open.pop_if(|over| !is_above(*over, number)) {
            put(zone, done, &UNDERSCORED, &mut all);
        }
        put(zone, number, &[Owned::Records(Prefix::Naptr)], &mut all);
        open.push(number);
    }
    while let Some(done) = open.pop() {
        put(zone, done, &UNDERSCORED, &mut all);
    }
    for (owned, mut names) in HASHED.into_iter().zip(hashed) {
        names.sort_unstable_by(|(a, _), (b, _)| a.canonical_cmp(b));
        all.extend(names.into_iter().map(|(_, number)| Place::Number(number, owned)));
    }
    all
}

/// Those of `which` that the number has.
fn put(zone: &NumberZone, number: Number, which: &[Owned], all: &mut Vec<Place>) {
    let Some(entry) = zone.table().get(number.as_u64()) else { return };
    let mut facts = Vec::new();
    let Some(packed) = entry.packed(&mut facts) else { return };
    all.extend(which.iter().filter(|owned| has(**owned, &packed)).map(|owned| Place::Number(number, *owned)));
}

fn has(owned: Owned, packed: &Packed<'_>) -> bool {
    match owned {
        Owned::Records(prefix) => packed.has(prefix),
        Owned::Keys => true,
    }
}

/// The digits from the left, filled up to the longest number: the order of names, since each digit is a label.
fn aligned(number: Number) -> u64 {
    number.as_u64() * 10u64.pow((DIGITS_MAX - number.digits().len()) as u32)
}

/// Whether the digits of `over` are the first of `number`.
fn is_above(over: Number, number: Number) -> bool {
    number.digits().starts_with(&*over.digits())
}

impl Place {
    /// The name.
    pub(super) fn owner(self, zone: Contents<'_>) -> Option<Name> {
        match self {
            Self::Fixed(id) => node(zone.fixed(), id).map(|(name, _)| name),
            Self::Number(number, owned) => owned.owner(number, zone.apex()),
        }
    }

    pub(super) fn standing(self, zone: Contents<'_>) -> Standing {
        match self {
            Self::Fixed(id) => node(zone.fixed(), id).map_or(Standing::Inside, |(_, node)| standing(&node)),
            Self::Number(..) => Standing::Inside,
        }
    }

    /// Types at the name that this zone speaks for, as the file or the registry has them.
    pub(super) fn types(self, zone: Contents<'_>) -> Vec<RrType> {
        match self {
            Self::Number(_, owned) => vec![owned.rr_type()],
            Self::Fixed(id) => node(zone.fixed(), id).map_or_else(Vec::new, |(_, node)| {
                let standing = standing(&node);
                let types = node.rrsets().map(|set| set.rr_type);
                types.filter(|t| is_ours(standing, *t) || *t == RrType::NS).collect()
            }),
        }
    }
}

/// Whether an RRset is signed: everything inside, the DS alone at a cut (RFC 4035 2.2).
pub(super) fn is_ours(standing: Standing, rr_type: RrType) -> bool {
    standing == Standing::Inside || standing == Standing::Cut && rr_type == RrType::DS
}

pub(super) fn standing(node: &Node<'_>) -> Standing {
    match (node.is_occluded(), node.is_cut()) {
        (true, _) => Standing::Below,
        (_, true) => Standing::Cut,
        _ => Standing::Inside,
    }
}

/// The name at a position of the static data.
pub(super) fn node(fixed: &StaticZone, id: u32) -> Option<(Name, Node<'_>)> {
    fixed.in_order_from(id as usize).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::record::Rr;
    use crate::zone::{Loader, NumberData, Ttls};
    use proptest::prelude::*;

    const FILE: &str = "@ IN SOA ns1 h 1 2 3 4 60\n@ IN NS ns1\n!b IN TXT \"before every digit\"\nns1 IN A 192.0.2.1\n\
                        3.3 IN NS ns.3.3\nns.3.3 IN A 192.0.2.3\n9.9.9.9.9.9.9.8 IN NS ns1\n_a IN TXT \"x\"\nzz IN TXT \"z\"\n";

    proptest! {
        #[test]
        fn the_order_is_canonical_and_nothing_is_missing(numbers in proptest::collection::btree_set("[1278][12]{6,9}", 0..40), kinds in any::<u64>()) {
            let apex = Name::from_text("e164.example.").unwrap();
            let fixed = StaticZone::read_number_zone(FILE, &apex, Ttls::default()).unwrap();
            let (mut loader, mut expected) = (Loader::default(), Vec::new());
            for (i, text) in numbers.iter().enumerate() {
                let number = Number::from_digits(text.as_bytes()).unwrap();
                let kinds = Prefix::ALL.into_iter().enumerate().filter(|(kind, _)| kinds.rotate_left(i as u32) >> kind & 1 == 1);
                let rrs: Vec<Rr> = kinds.map(|(_, prefix)| Rr { prefix, rdata: vec![1; 40] }).collect();
                let own = rrs.iter().map(|rr| Owned::Records(rr.prefix)).chain([Owned::Keys]);
                expected.extend(own.map(|owned| owned.owner(number, &apex).unwrap()));
                loader.push(&NumberData { number, not_after_s: 100, rrs, version: 1, state_hash: [0; 16], provider_held: false, revoked: vec![] });
            }
            let zone = loader.finish(fixed, Ttls::default(), 1).unwrap();
            expected.extend(zone.fixed().in_order().filter(|(_, node)| node.rrsets().next().is_some()).map(|(name, _)| name));
            expected.sort_by(Name::canonical_cmp);
            let contents = Contents::Numbers(&zone);
            let found: Vec<Name> = names(contents, 99).into_iter().map(|place| place.owner(contents).unwrap()).collect();
            prop_assert!(found == expected);
            prop_assert_eq!(names(contents, 100).len(), 8);
        }
    }
}

//! Answers from static data: RRsets, CNAME, DNAME, wildcards, referrals, and compact denial for the rest (RFC 9824).

use super::respond::Stop;
use super::signed::{Reply, Set};
use crate::dnssec::Window;
use crate::wire::answer::Section;
use crate::wire::name::{NAME_OCTETS_MAX, spread};
use crate::wire::{Name, Rcode, RrType};
use crate::zone::{Found, Node, RrSet};

/// Aliases followed inside a zone for one answer: longer chains are left to the asker.
const ALIASES_MAX: usize = 8;

/// Answers a name at or below the apex from the zone's file (RFC 1034 4.3.2).
pub(super) fn answer(reply: &mut Reply<'_, '_, '_>, name: &Name, qtype: RrType) -> Result<(), Stop> {
    let zone = reply.zone;
    let fixed = zone.fixed_data();
    // Hashes of the aliases and of the DNAMEs that were used: of two names with one hash the second is left to the asker.
    let (mut name, mut followed, mut used) = (*name, [0u64; ALIASES_MAX], [0u64; ALIASES_MAX + 1]);
    reply.answer.authoritative(true);
    for hop in 0..=ALIASES_MAX {
        let alias = match fixed.find(&name) {
            Found::Cut { owner, node, exact } if hop == 0 => return cut(reply, &owner, node, exact, qtype),
            Found::Cut { owner, node, exact } => {
                cut(reply, &owner, node, exact, qtype)?;
                reply.answer.authoritative(true); // AA is about the first owner name of the answer (RFC 1035 4.1.1)
                return Ok(());
            }
            Found::Absent => return absent(reply, &name, qtype),
            Found::Dname { owner, node } => {
                let mark = spread(owner.as_wire());
                let shown = used.contains(&mark);
                if let Some(here) = used.get_mut(hop) {
                    *here = mark;
                }
                dname(reply, &name, &owner, node, shown)?.filter(|_| qtype != RrType::CNAME)
            }
            Found::Node(node) => match alias(node, qtype) {
                None => return at_node(reply, &name, node, qtype, false),
                Some(cname) => {
                    reply.put(Section::Answer, Set::fixed(&name, cname))?;
                    target(cname)
                }
            },
            Found::Wildcard(node) => match alias(node, qtype) {
                None => return at_node(reply, &name, node, qtype, true),
                Some(cname) => {
                    reply.put(Section::Answer, Set { slot: None, ..Set::fixed(&name, cname) })?;
                    target(cname)
                }
            },
        };
        // A number zone's digit tree is not answered through an alias: whoever wants it asks for it.
        match alias.filter(|to| to.offset_of(zone.apex()).is_some() && zone.number_zone().is_none()) {
            Some(to) => {
                if let Some(here) = followed.get_mut(hop) {
                    *here = spread(name.as_wire());
                }
                if followed.contains(&spread(to.as_wire())) {
                    return Ok(());
                }
                name = to;
            }
            None => return Ok(()),
        }
    }
    Ok(())
}

/// A zone cut: its DS is answered from this side, everything else is a referral (RFC 4035 3.1.4).
pub(super) fn cut(
    reply: &mut Reply<'_, '_, '_>,
    owner: &Name,
    node: &Node,
    exact: bool,
    qtype: RrType,
) -> Result<(), Stop> {
    if exact && qtype == RrType::DS {
        reply.answer.authoritative(true);
        return match node.get(RrType::DS) {
            Some(ds) => reply.put(Section::Answer, Set::fixed(owner, ds)),
            None => {
                reply.put_soa(Section::Authority)?;
                no_ds(reply, owner)
            }
        };
    }
    reply.answer.authoritative(false);
    let Some(ns) = node.get(RrType::NS) else { return Ok(()) };
    reply.put_unsigned(Section::Authority, Set::fixed(owner, ns))?;
    match node.get(RrType::DS) {
        Some(ds) if reply.signing().is_some() => reply.put(Section::Authority, Set::fixed(owner, ds))?,
        _ => no_ds(reply, owner)?,
    }
    addresses(reply, owner, ns)
}

/// The addresses of a delegation's servers, as far as this zone has them: glue, which nobody signs (RFC 4035 2.2), and
/// the zone's own, which come with their signatures (RFC 4035 3.1.1).
fn addresses(reply: &mut Reply<'_, '_, '_>, owner: &Name, ns: &RrSet) -> Result<(), Stop> {
    let fixed = reply.zone.fixed_data();
    for server in ns.iter().filter_map(Name::from_wire) {
        let (node, glue) = match fixed.find(&server) {
            Found::Cut { .. } => (fixed.node(&server), true),
            Found::Node(node) => (Some(node), false),
            _ => (None, false),
        };
        for set in node.iter().flat_map(|node| [RrType::A, RrType::AAAA].into_iter().filter_map(|t| node.get(t))) {
            let set = Set::fixed(&server, set);
            let added = reply.put_unsigned(Section::Additional, set);
            if added.is_err() && server.offset_of(owner).is_some() {
                return added; // without this glue nobody gets there: truncate (RFC 9471 3.1)
            }
            if let Some(keys) = reply.signing().filter(|_| !glue && added.is_ok()) {
                match reply.put_rrsig(Section::Additional, set, keys) {
                    Err(Stop::Full) => {} // addresses without their signature may stay (RFC 4035 3.1.1)
                    other => other?,
                }
            }
        }
    }
    Ok(())
}

/// The NSEC of an insecure delegation, which must not deny what lies below it (RFC 9824 3.4).
fn no_ds(reply: &mut Reply<'_, '_, '_>, owner: &Name) -> Result<(), Stop> {
    match reply.signing() {
        Some(_) => reply.put_nsec(Section::Authority, owner, &owner.sibling_successor(), [RrType::NS]),
        None => Ok(()),
    }
}

fn at_node(reply: &mut Reply<'_, '_, '_>, name: &Name, node: &Node, qtype: RrType, expanded: bool) -> Result<(), Stop> {
    let apex = name == reply.zone.apex();
    let dnskey = (apex && reply.is_signed()).then_some(RrType::DNSKEY);
    let types = node.rrsets().iter().map(|set| set.rr_type).chain(dnskey);
    match qtype {
        RrType::NSEC if reply.is_signed() => reply.put_nsec(Section::Answer, name, &name.successor(), types),
        RrType::RRSIG if reply.is_signed() => reply.put_nsec_rrsig(name, &name.successor(), types),
        RrType::SOA if apex => reply.put_soa(Section::Answer),
        RrType::DNSKEY if dnskey.is_some() => reply.put_dnskeys(),
        _ => match data(node, qtype) {
            Some(set) => {
                let set = Set::fixed(name, set);
                reply.put(Section::Answer, if expanded { Set { slot: None, ..set } } else { set })
            }
            None => {
                reply.put_soa(Section::Authority)?;
                match reply.signing() {
                    Some(_) => reply.put_nsec(Section::Authority, name, &name.successor(), types),
                    None => Ok(()),
                }
            }
        },
    }
}

/// ANY gets one RRset: NAPTR if there is one, else the first that is there (RFC 8482 4.1).
fn data(node: &Node, qtype: RrType) -> Option<&RrSet> {
    match qtype {
        RrType::ANY => node.get(RrType::NAPTR).or(node.rrsets().iter().find(|set| set.rr_type != RrType::SOA)),
        _ => node.get(qtype),
    }
}

fn absent(reply: &mut Reply<'_, '_, '_>, name: &Name, qtype: RrType) -> Result<(), Stop> {
    let (next, nxname) = (name.successor(), [RrType::NXNAME]);
    match qtype {
        RrType::NSEC if reply.is_signed() => return reply.put_nsec(Section::Answer, name, &next, nxname),
        RrType::RRSIG if reply.is_signed() => return reply.put_nsec_rrsig(name, &next, nxname),
        _ => {}
    }
    // RFC 9824 3.2 and 5: validators of old see NOERROR; who does not validate or says CO sees NXDOMAIN.
    if reply.signing().is_none() || reply.answer.compact_ok() {
        reply.answer.rcode(Rcode::NxDomain);
    }
    reply.put_soa(Section::Authority)?;
    match reply.signing() {
        Some(_) => reply.put_nsec(Section::Authority, name, &next, nxname),
        None => Ok(()),
    }
}

fn alias(node: &Node, qtype: RrType) -> Option<&RrSet> {
    match qtype {
        RrType::CNAME | RrType::NSEC | RrType::RRSIG | RrType::ANY => None,
        _ => node.get(RrType::CNAME),
    }
}

fn target(set: &RrSet) -> Option<Name> {
    set.iter().next().and_then(Name::from_wire)
}

/// Puts the DNAME, unless it was `shown` before, and the CNAME made from it, with the DNAME's TTL (RFC 6672 3.1); says where it leads. A result that is
/// too long for a name is YXDOMAIN (RFC 6672 2.2).
fn dname(
    reply: &mut Reply<'_, '_, '_>,
    name: &Name,
    owner: &Name,
    node: &Node,
    shown: bool,
) -> Result<Option<Name>, Stop> {
    let Some(set) = node.get(RrType::DNAME) else { return Ok(None) };
    if !shown {
        reply.put(Section::Answer, Set::fixed(owner, set))?;
    }
    let Some(to) = target(set).and_then(|to| name.moved(owner, &to)) else {
        reply.answer.rcode(Rcode::YxDomain);
        return Ok(None);
    };
    let mut rdatas = [0; 2 + NAME_OCTETS_MAX];
    let [_, octets, into @ ..] = &mut rdatas;
    *octets = to.as_wire().len() as u8; // a name has at most 255 octets
    into.iter_mut().zip(to.as_wire()).for_each(|(into, octet)| *into = *octet);
    let rdatas = rdatas.get(..2 + to.as_wire().len()).unwrap_or_default();
    reply.put_unsigned(Section::Answer, Set::new(name, RrType::CNAME, set.ttl_s, rdatas, Window::Fixed, None))?;
    Ok(Some(to))
}

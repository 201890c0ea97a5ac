//! Answers from static data: RRsets, CNAME, DNAME, wildcards, referrals, and compact denial for the rest (RFC 9824).

use super::respond::Stop;
use super::signed::{Reply, Set};
use crate::dnssec::Window;
use crate::wire::answer::Section;
use crate::wire::rr::flatten;
use crate::wire::{Name, Rcode, RrType};
use crate::zone::{Found, Node, RrSet};

/// Aliases followed inside a zone for one answer: longer chains are left to the asker, and loops end.
const ALIASES_MAX: usize = 8;

/// Answers a name at or below the apex from the zone's file.
pub(super) fn answer(reply: &mut Reply<'_, '_, '_>, name: &Name, qtype: RrType) -> Result<(), Stop> {
    let zone = reply.zone;
    let fixed = zone.fixed_data();
    let mut name = *name;
    reply.answer.authoritative(true);
    for hop in 0..=ALIASES_MAX {
        let alias = match fixed.find(&name) {
            Found::Cut { owner, node, exact } if hop == 0 => return cut(reply, &owner, node, exact, qtype),
            Found::Cut { .. } => return Ok(()), // behind an alias: the asker comes back for the referral
            Found::Absent => return absent(reply, &name, qtype),
            Found::Dname { owner, node } => dname(reply, &name, &owner, node)?,
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
            Some(to) => name = to,
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
    let fixed = reply.zone.fixed_data();
    for server in ns.iter().filter_map(Name::from_wire) {
        let Some(glue) = fixed.node(&server) else { continue };
        for addresses in [RrType::A, RrType::AAAA].into_iter().filter_map(|t| glue.get(t)) {
            let added = reply.put_unsigned(Section::Additional, Set::fixed(&server, addresses));
            if added.is_err() && server.offset_of(owner).is_some() {
                return added; // without this glue nobody gets there: truncate (RFC 9471 3.1)
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

/// Puts the DNAME and the CNAME made from it (RFC 6672 3.1); says where it leads. Too long a result is YXDOMAIN's case, here left without a CNAME.
fn dname(reply: &mut Reply<'_, '_, '_>, name: &Name, owner: &Name, node: &Node) -> Result<Option<Name>, Stop> {
    let Some(set) = node.get(RrType::DNAME) else { return Ok(None) };
    reply.put(Section::Answer, Set::fixed(owner, set))?;
    let kept = usize::from(name.label_count().saturating_sub(owner.label_count()));
    let labels: Vec<&[u8]> = name.labels().take(kept).collect();
    let Some(to) = target(set).and_then(|to| labels.iter().rev().try_fold(to, |to, label| to.prepend(label))) else {
        return Ok(None);
    };
    let rdatas = flatten(vec![to.as_wire().to_vec()]);
    reply.put_unsigned(Section::Answer, Set::new(name, RrType::CNAME, set.ttl_s, &rdatas, Window::Fixed, None))?;
    Ok(Some(to))
}

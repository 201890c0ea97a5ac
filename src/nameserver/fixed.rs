//! Answers from static data: RRsets, CNAME, DNAME, wildcards, referrals. What is not there is denied by the chain of NSEC
//! or NSEC3 (RFC 4035 3.1.3, RFC 5155 7.2), in a number zone compactly (RFC 9824).

use super::proof::{self, Proof};
use super::respond::Stop;
use super::signed::{Reply, Set};
use crate::dnssec::{Window, ZoneKeys};
use crate::wire::answer::Section;
use crate::wire::name::{NAME_OCTETS_MAX, spread};
use crate::wire::{Name, Rcode, RrType};
use crate::zone::{Found, Node, RrSet};

/// Aliases followed inside a zone for one answer: longer chains are left to the asker.
pub(super) const ALIASES_MAX: usize = 8;

/// The way along aliases.
struct Trail {
    name: Name,
    /// Hashes of the aliases so far: one that comes again is a loop. Of two names with one hash the second is left to the
    /// asker.
    aliases: [u64; ALIASES_MAX + 1],
    /// Hashes of the owners of the DNAMEs so far: each is shown once.
    dnames: [u64; ALIASES_MAX + 1],
    hops: usize,
}

/// Answers a name at or below the apex from the zone's file (RFC 1034 4.3.2).
pub(super) fn answer(reply: &mut Reply<'_, '_, '_>, name: &Name, qtype: RrType) -> Result<(), Stop> {
    let fixed = reply.zone.fixed_data();
    let (aliases, dnames) = ([0; ALIASES_MAX + 1], [0; ALIASES_MAX + 1]);
    let (mut trail, mut proof) = (Trail { name: *name, aliases, dnames, hops: 0 }, Proof::default());
    reply.answer.authoritative(true);
    loop {
        let name = trail.name;
        let target = match fixed.find(&name) {
            Found::Cut { node, exact } => {
                delegation(reply, node, exact, qtype, &mut proof)?;
                if trail.hops > 0 {
                    reply.answer.authoritative(true); // AA is about the answer's first owner (RFC 1035 4.1.1)
                }
                return Ok(());
            }
            Found::Absent { encloser } => return absent(reply, &name, encloser, qtype, &mut proof),
            Found::Dname(node) => dname(reply, &mut trail, node)?.filter(|_| qtype != RrType::CNAME),
            Found::Node(node) => match alias(node, qtype) {
                Some(cname) => {
                    reply.put(Section::Answer, Set::fixed(&name, cname))?;
                    target(cname)
                }
                None => return at_node(reply, &name, node, qtype, &mut proof),
            },
            Found::Wildcard(node) => {
                proof.expands(reply, &name, node)?;
                match alias(node, qtype) {
                    Some(cname) => {
                        let wildcard = node.owner();
                        reply.put(Section::Answer, Set { shown_owner: &name, ..Set::fixed(&wildcard, cname) })?;
                        target(cname)
                    }
                    None => return at_node(reply, &name, node, qtype, &mut proof),
                }
            }
        };
        if !trail.goes_on(reply, target) {
            return proof.put(reply);
        }
    }
}

impl Trail {
    /// Takes a step, unless it leads out of the zone, in a circle or too far. A number zone's digit tree is not answered
    /// through an alias: whoever wants it asks for it.
    fn goes_on(&mut self, reply: &Reply<'_, '_, '_>, target: Option<Name>) -> bool {
        let inside = |to: &Name| to.offset_of(reply.zone.apex()).is_some() && reply.zone.number_zone().is_none();
        let Some(to) = target.filter(inside) else { return false };
        if let Some(here) = self.aliases.get_mut(self.hops) {
            *here = spread(self.name.as_wire());
        }
        self.name = to;
        self.hops += 1;
        self.hops <= ALIASES_MAX && !self.aliases.contains(&spread(to.as_wire()))
    }
}

/// A zone cut: its DS is answered from this side, everything else is a referral (RFC 4035 3.1.4).
pub(super) fn cut(reply: &mut Reply<'_, '_, '_>, node: Node<'_>, exact: bool, qtype: RrType) -> Result<(), Stop> {
    delegation(reply, node, exact, qtype, &mut Proof::default())
}

fn delegation(
    reply: &mut Reply<'_, '_, '_>,
    node: Node<'_>,
    exact: bool,
    qtype: RrType,
    proof: &mut Proof,
) -> Result<(), Stop> {
    let (owner, ds) = (node.owner(), node.get(RrType::DS));
    let owner = &owner;
    if exact && qtype == RrType::DS {
        reply.answer.authoritative(true);
        return match ds {
            Some(ds) => {
                reply.put(Section::Answer, Set::fixed(owner, ds))?;
                proof.put(reply)
            }
            None => {
                reply.put_soa(Section::Authority)?;
                no_ds(reply, owner, node, proof)
            }
        };
    }
    reply.answer.authoritative(false);
    let Some(ns) = node.get(RrType::NS) else { return Ok(()) };
    reply.put_unsigned(Section::Authority, Set::fixed(owner, ns))?;
    match ds {
        Some(ds) if reply.signing().is_some() => {
            reply.put(Section::Authority, Set::fixed(owner, ds))?;
            proof.put(reply)?;
        }
        _ => no_ds(reply, owner, node, proof)?,
    }
    addresses(reply, owner, ns)
}

/// The NSEC or NSEC3 of an insecure delegation; a compact one must not deny what lies below (RFC 9824 3.4).
fn no_ds(reply: &mut Reply<'_, '_, '_>, owner: &Name, node: Node<'_>, proof: &mut Proof) -> Result<(), Stop> {
    if reply.zone.number_zone().is_none() {
        proof.matches(reply, node);
        return proof.put(reply);
    }
    match reply.signing() {
        Some(_) => reply.put_nsec(Section::Authority, owner, &owner.sibling_successor(), [RrType::NS]),
        None => Ok(()),
    }
}

/// The addresses of a delegation's servers, as far as this zone has them: glue, which nobody signs (RFC 4035 2.2), and
/// the zone's own, which come with their signatures (RFC 4035 3.1.1).
fn addresses(reply: &mut Reply<'_, '_, '_>, owner: &Name, ns: RrSet<'_>) -> Result<(), Stop> {
    let fixed = reply.zone.fixed_data();
    for server in ns.iter().filter_map(Name::from_wire) {
        let Some(node) = fixed.node(&server) else { continue };
        let glue = node.is_cut() || node.is_occluded();
        for set in [RrType::A, RrType::AAAA].into_iter().filter_map(|rr_type| node.get(rr_type)) {
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

/// Answers at the last name, from its own node or from the wildcard's that stands in for it.
fn at_node(
    reply: &mut Reply<'_, '_, '_>,
    name: &Name,
    node: Node<'_>,
    qtype: RrType,
    proof: &mut Proof,
) -> Result<(), Stop> {
    let (owner, compact) = (node.owner(), reply.zone.number_zone().is_some());
    let apex = owner == *reply.zone.apex();
    let of_keys = || reply.zone.keys.as_deref().filter(|_| apex).into_iter().flat_map(ZoneKeys::types);
    let is_of_keys = of_keys().any(|rr_type| rr_type == qtype);
    let types = node.rrsets().map(|set| set.rr_type).chain(of_keys());
    match qtype {
        RrType::NSEC if reply.is_signed() && compact => {
            return reply.put_nsec(Section::Answer, name, &name.successor(), types);
        }
        RrType::RRSIG if reply.is_signed() && compact => {
            return reply.put_nsec_rrsig(name, &name.successor(), types);
        }
        RrType::NSEC | RrType::RRSIG if proof::answer(reply, name, node, qtype)? => {}
        RrType::SOA if apex => reply.put_soa(Section::Answer)?,
        _ if is_of_keys => reply.put_keys(qtype)?,
        _ => match data(node, qtype) {
            Some(set) => reply.put(Section::Answer, Set { shown_owner: name, ..Set::fixed(&owner, set) })?,
            None => {
                reply.put_soa(Section::Authority)?;
                match reply.signing() {
                    Some(_) if compact => reply.put_nsec(Section::Authority, name, &name.successor(), types)?,
                    _ if owner == *name => proof.matches(reply, node),
                    _ => proof.matches_wildcard(reply, node),
                }
            }
        },
    }
    proof.put(reply)
}

/// ANY gets one RRset: NAPTR if there is one, else the first that is there (RFC 8482 4.1).
fn data<'a>(node: Node<'a>, qtype: RrType) -> Option<RrSet<'a>> {
    match qtype {
        RrType::ANY => node.get(RrType::NAPTR).or(node.rrsets().find(|set| set.rr_type != RrType::SOA)),
        _ => node.get(qtype),
    }
}

fn absent(
    reply: &mut Reply<'_, '_, '_>,
    name: &Name,
    encloser: Node<'_>,
    qtype: RrType,
    proof: &mut Proof,
) -> Result<(), Stop> {
    if reply.zone.number_zone().is_some() {
        return compactly_absent(reply, name, qtype);
    }
    reply.answer.rcode(Rcode::NxDomain);
    reply.put_soa(Section::Authority)?;
    proof.denies(reply, name, encloser)?;
    proof.put(reply)
}

/// RFC 9824: outside the digit tree of a number zone.
fn compactly_absent(reply: &mut Reply<'_, '_, '_>, name: &Name, qtype: RrType) -> Result<(), Stop> {
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

fn alias<'a>(node: Node<'a>, qtype: RrType) -> Option<RrSet<'a>> {
    match qtype {
        RrType::CNAME | RrType::NSEC | RrType::RRSIG | RrType::ANY => None,
        _ => node.get(RrType::CNAME),
    }
}

fn target(set: RrSet<'_>) -> Option<Name> {
    set.iter().next().and_then(Name::from_wire)
}

/// Puts the DNAME, once, and the CNAME made from it, with the DNAME's TTL (RFC 6672 3.1); says where it leads. A result
/// that is too long for a name is YXDOMAIN (RFC 6672 2.2).
fn dname(reply: &mut Reply<'_, '_, '_>, trail: &mut Trail, node: Node<'_>) -> Result<Option<Name>, Stop> {
    let Some(set) = node.get(RrType::DNAME) else { return Ok(None) };
    let (owner, name) = (node.owner(), &trail.name);
    let mark = spread(owner.as_wire());
    if !trail.dnames.contains(&mark) {
        reply.put(Section::Answer, Set::fixed(&owner, set))?;
    }
    if let Some(here) = trail.dnames.get_mut(trail.hops) {
        *here = mark;
    }
    let Some(to) = target(set).and_then(|to| name.moved(&owner, &to)) else {
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

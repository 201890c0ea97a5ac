//! Signed denial with NSEC: what a set of believed NSEC records proves about a name and a type.
//!
//! Three shapes are understood: the minimal NSEC made for one name (`QNAME NSEC \000.QNAME`), compact denial with the
//! NXNAME bit (RFC 9824), and the ordinary chain of an offline signer (RFC 4035 5.4, RFC 6840 4).

use hickory_proto::rr::Name;
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use crate::client::message::rr;
use crate::client::signature::Flaw;

/// What is proved to be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// The name may exist; the type does not.
    NoData,
    /// The name does not exist, nor anything below it.
    NoName,
    /// There is a delegation at the name, without DS: what lies below is not signed.
    InsecureCut,
}

/// An NSEC record whose signature was checked.
#[derive(Clone, Debug)]
pub(crate) struct Nsec {
    owner: Name,
    next: Name,
    types: Types,
}

impl Nsec {
    /// Reads NSEC RDATA.
    pub(crate) fn read(owner: &Name, rdata: &[u8]) -> Option<Self> {
        let mut input = BinDecoder::new(rdata);
        let next = Name::read(&mut input).ok()?;
        Some(Self { owner: owner.clone(), next, types: Types(rdata.get(input.index()..)?.to_vec()) })
    }

    /// Whether `name` lies strictly between owner and next, in the zone `apex`.
    fn covers(&self, name: &Name, apex: &Name) -> bool {
        self.owner < *name && (*name < self.next || self.next == *apex)
    }

    /// The parent's side of a cut, or a DNAME: it says nothing about names below (RFC 6840 4.1).
    fn ends_at(&self, name: &Name) -> bool {
        self.owner != *name && self.owner.zone_of(name) && (self.types.is_cut() || self.types.has(rr::DNAME))
    }
}

/// The types that exist at a name, as a bitmap (RFC 4034 4.1.2).
#[derive(Clone, Debug)]
pub(crate) struct Types(pub(crate) Vec<u8>);

impl Types {
    pub(crate) fn has(&self, rr_type: u16) -> bool {
        let [window, low] = rr_type.to_be_bytes();
        let mut rest = self.0.as_slice();
        while let [block, length, after @ ..] = rest {
            let Some((bits, after)) = after.split_at_checked(usize::from(*length)) else { return false };
            if *block == window {
                return bits.get(usize::from(low / 8)).is_some_and(|byte| byte & (0x80 >> (low % 8)) != 0);
            }
            rest = after;
        }
        false
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.has(rr::NS) && !self.has(rr::SOA)
    }

    /// What these types, standing at the asked name itself, prove about `rr_type`.
    pub(crate) fn deny(&self, rr_type: u16) -> Result<Absence, Flaw> {
        if self.has(rr_type) || self.has(rr::CNAME) {
            return Err(Flaw::NotDenied("the proof says that the record exists"));
        }
        match rr_type {
            rr::DS if self.has(rr::SOA) => {
                Err(Flaw::NotDenied("the proof comes from the wrong side of the delegation"))
            }
            rr::DS if self.has(rr::NS) => Ok(Absence::InsecureCut),
            _ if self.is_cut() => Err(Flaw::NotDenied("the proof comes from the wrong side of the delegation")),
            _ if self.has(rr::NXNAME) => Ok(Absence::NoName),
            _ => Ok(Absence::NoData),
        }
    }
}

/// What `nsecs` of the zone `apex` prove about `name` and `rr_type`.
pub(crate) fn prove(name: &Name, rr_type: u16, apex: &Name, nsecs: &[Nsec]) -> Result<Absence, Flaw> {
    if let Some(nsec) = nsecs.iter().find(|nsec| nsec.owner == *name) {
        return nsec.types.deny(rr_type);
    }
    let Some(nsec) = nsecs.iter().find(|nsec| nsec.covers(name, apex)) else {
        return Err(Flaw::NotDenied("no signed record speaks of this name"));
    };
    if nsec.ends_at(name) {
        return Err(Flaw::NotDenied("the proof comes from above a delegation"));
    }
    if name.zone_of(&nsec.next) {
        return Ok(Absence::NoData); // an empty non-terminal: names exist below it
    }
    let encloser = closest_encloser(name, nsec);
    let Ok(wildcard) = encloser.prepend_label("*") else { return Ok(Absence::NoName) };
    match nsecs.iter().find(|nsec| nsec.owner == wildcard) {
        Some(nsec) if nsec.types.has(rr_type) || nsec.types.has(rr::CNAME) => {
            Err(Flaw::NotDenied("a wildcard would have answered"))
        }
        Some(_) => Ok(Absence::NoData),
        None if nsecs.iter().any(|nsec| nsec.covers(&wildcard, apex)) => Ok(Absence::NoName),
        None => Err(Flaw::NotDenied("nothing rules out a wildcard")),
    }
}

/// Whether `nsecs` prove that `name` itself does not exist, so that a wildcard may answer for it (RFC 4035 5.3.4).
pub(crate) fn allows_wildcard(name: &Name, apex: &Name, nsecs: &[Nsec]) -> bool {
    nsecs.iter().any(|nsec| nsec.covers(name, apex) && !nsec.ends_at(name) && !name.zone_of(&nsec.next))
}

/// The longest name that exists above `name`, as shown by the NSEC that covers it.
fn closest_encloser(name: &Name, nsec: &Nsec) -> Name {
    let shared = |other: &Name| name.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| same(a, b)).count();
    name.trim_to(shared(&nsec.owner).max(shared(&nsec.next)))
}

fn same(a: &[u8], b: &[u8]) -> bool {
    a.eq_ignore_ascii_case(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn nsec(owner: &str, next: &str, types: &[u16]) -> Nsec {
        let mut bits = [0u8; 32];
        for rr_type in types {
            bits[usize::from(rr_type / 8)] |= 0x80 >> (rr_type % 8);
        }
        let next = if next == "\\000" { name(owner).prepend_label([0u8].as_slice()).unwrap() } else { name(next) };
        Nsec { owner: name(owner), next, types: Types([&[0, 32][..], &bits].concat()) }
    }

    #[test]
    fn minimal_denial_speaks_of_one_name_only() {
        let apex = name("e164.example.");
        let one = [nsec("2.1.e164.example.", "\\000", &[rr::RRSIG, rr::NSEC])];
        assert_eq!(prove(&name("2.1.e164.example."), rr::NAPTR, &apex, &one), Ok(Absence::NoData));
        for other in ["3.2.1.e164.example.", "1.e164.example.", "3.1.e164.example.", "_id.2.1.e164.example."] {
            assert!(prove(&name(other), rr::NAPTR, &apex, &one).is_err(), "{other}");
        }
        let present = [nsec("2.1.e164.example.", "\\000", &[rr::NAPTR, rr::RRSIG, rr::NSEC])];
        assert!(prove(&name("2.1.e164.example."), rr::NAPTR, &apex, &present).is_err());
        assert_eq!(prove(&name("2.1.e164.example."), rr::TLSA, &apex, &present), Ok(Absence::NoData));
        let nxname = [nsec("x.e164.example.", "\\000", &[rr::RRSIG, rr::NSEC, rr::NXNAME])];
        assert_eq!(prove(&name("x.e164.example."), rr::NAPTR, &apex, &nxname), Ok(Absence::NoName));
    }

    #[test]
    fn cuts_are_told_from_plain_names() {
        let apex = name("e164.example.");
        let cut = [nsec("4.3.e164.example.", "5.3.e164.example.", &[rr::NS, rr::RRSIG, rr::NSEC])];
        assert_eq!(prove(&name("4.3.e164.example."), rr::DS, &apex, &cut), Ok(Absence::InsecureCut));
        assert!(prove(&name("4.3.e164.example."), rr::NAPTR, &apex, &cut).is_err());
        assert!(prove(&name("1.4.3.e164.example."), rr::NAPTR, &apex, &cut).is_err(), "below the cut it says nothing");
        assert!(prove(&name("1.4.3.e164.example."), rr::DS, &apex, &cut).is_err());
        let child = [nsec("4.3.e164.example.", "\\000", &[rr::NS, rr::SOA, rr::RRSIG, rr::NSEC])];
        assert!(prove(&name("4.3.e164.example."), rr::DS, &apex, &child).is_err(), "the child's own side");
        assert_eq!(prove(&name("4.3.e164.example."), rr::NAPTR, &apex, &child), Ok(Absence::NoData));
        let alias = [nsec("4.3.e164.example.", "\\000", &[rr::CNAME, rr::RRSIG, rr::NSEC])];
        assert!(prove(&name("4.3.e164.example."), rr::NAPTR, &apex, &alias).is_err());
    }

    #[test]
    fn ordinary_chains() {
        let apex = name("example.");
        let chain = [
            nsec("example.", "c.b.example.", &[rr::SOA, rr::NS]),
            nsec("c.b.example.", "f.example.", &[rr::NAPTR]),
            nsec("f.example.", "example.", &[rr::NAPTR]),
        ];
        assert_eq!(prove(&name("b.example."), rr::NAPTR, &apex, &chain), Ok(Absence::NoData), "empty non-terminal");
        assert_eq!(prove(&name("d.example."), rr::NAPTR, &apex, &chain), Ok(Absence::NoName));
        assert_eq!(prove(&name("z.example."), rr::NAPTR, &apex, &chain), Ok(Absence::NoName), "behind the last name");
        assert!(prove(&name("d.example."), rr::NAPTR, &apex, &chain[1..2]).is_err(), "the wildcard is not denied");
        assert!(prove(&name("d.example."), rr::NAPTR, &apex, &chain[..1]).is_err());
        let star = [nsec("*.example.", "f.example.", &[rr::TXT])];
        assert_eq!(
            prove(&name("d.example."), rr::NAPTR, &apex, &star),
            Ok(Absence::NoData),
            "wildcard without the type"
        );
        assert!(prove(&name("d.example."), rr::TXT, &apex, &star).is_err());
        assert!(allows_wildcard(&name("d.example."), &apex, &star));
        assert!(!allows_wildcard(&name("g.example."), &apex, &star));
    }
}

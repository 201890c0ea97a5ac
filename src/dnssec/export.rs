//! A number zone as a master file, plain or signed: for escrow and for judges such as `ldns-verify-zone`.
//!
//! Whoever has this file has the list of all numbers, and its NSEC chain is that list once more: never serve it (DNS.md 9).

use std::io::{self, Write};

use ring::rand::SecureRandom;

use super::keys::ZoneKeys;
use super::rrsig::ToSign;
use super::times::Window;
use super::{SignFault, denial};
use crate::number::Number;
use crate::wire::{Name, Rdatas, RrType};
use crate::zone::{Node, NumberZone, Owned, text};

/// Why an export did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Writing failed.
    #[error("the export could not be written: {0}")]
    Io(#[from] io::Error),
    /// Signing failed.
    #[error(transparent)]
    Fault(#[from] SignFault),
}

/// Writes static data and every number that is served at `now_s`, in canonical order.
pub fn unsigned(zone: &NumberZone, now_s: u64, out: &mut impl Write) -> Result<(), ExportError> {
    Export { zone, now_s, out, signing: None, message: Vec::new() }.run()
}

/// The same with DNSKEY, RRSIG and an NSEC chain, signed for the time slots of `now_s`.
pub fn signed(
    zone: &NumberZone,
    keys: &ZoneKeys,
    random: &dyn SecureRandom,
    now_s: u64,
    out: &mut impl Write,
) -> Result<(), ExportError> {
    Export { zone, now_s, out, signing: Some((keys, random)), message: Vec::new() }.run()
}

struct Export<'a, W> {
    zone: &'a NumberZone,
    now_s: u64,
    out: &'a mut W,
    signing: Option<(&'a ZoneKeys, &'a dyn SecureRandom)>,
    message: Vec<u8>,
}

/// A name of the zone, to be sorted by its canonical key and looked up again when its turn comes.
enum Source<'a> {
    Fixed(Box<Name>, Node<'a>, Standing),
    Number(Number, Owned),
}

/// How a name of the file stands to the zone cuts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Inside,
    Cut,
    /// Glue: neither signed nor in the NSEC chain.
    Below,
}

/// An RRset on its way out.
struct Set<'a> {
    rr_type: RrType,
    ttl_s: u32,
    rdatas: &'a [u8],
    window: Window,
}

impl<W: Write> Export<'_, W> {
    fn run(mut self) -> Result<(), ExportError> {
        let zone = self.zone;
        let sources = sources(zone, self.now_s);
        let in_chain: Vec<usize> = (0..sources.len()).filter(|i| !sources[*i].1.is_glue()).collect();
        let mut next_in_chain = in_chain.iter().skip(1).chain(in_chain.first());
        for (_, source) in &sources {
            let Some(owner) = source.owner(zone.apex()) else { continue };
            let mut types = match source {
                Source::Fixed(_, node, standing) => self.fixed(&owner, *node, *standing)?,
                Source::Number(number, owned) => self.number(&owner, *number, *owned)?,
            };
            let next = if source.is_glue() { None } else { next_in_chain.next() };
            if let (Some(next), Some(_)) = (next.and_then(|i| sources[*i].1.owner(zone.apex())), self.signing) {
                types.sort_unstable();
                let mut rdatas = Vec::new();
                denial::nsec(&next, types, &mut rdatas);
                let ttl_s = self.zone.fixed().negative_ttl_s();
                // Not a denial's 25 hours: a file in escrow is checked later than an answer.
                self.put(&owner, Set { rr_type: RrType::NSEC, ttl_s, rdatas: &rdatas, window: Window::Fixed }, true)?;
            }
        }
        self.out.flush()?;
        Ok(())
    }

    fn fixed(&mut self, owner: &Name, node: Node<'_>, standing: Standing) -> Result<Vec<RrType>, ExportError> {
        let (soa_now, apex, mut types) = (self.zone.soa(), owner == self.zone.apex(), Vec::new());
        // Master files begin with the SOA.
        let (soa, others): (Vec<_>, Vec<_>) = node.rrsets().partition(|set| set.rr_type == RrType::SOA);
        for set in soa.into_iter().chain(others) {
            let rdatas = if apex && set.rr_type == RrType::SOA { &*soa_now.rdatas } else { set.rdatas };
            let ours = standing == Standing::Inside || standing == Standing::Cut && set.rr_type == RrType::DS;
            self.put(owner, Set { rr_type: set.rr_type, ttl_s: set.ttl_s, rdatas, window: Window::Fixed }, ours)?;
            if ours || set.rr_type == RrType::NS {
                types.push(set.rr_type);
            }
        }
        if let (true, Some((keys, _))) = (apex, self.signing) {
            for rr_type in keys.types() {
                let rdatas = keys.rdatas(rr_type).unwrap_or_default();
                self.put(owner, Set { rr_type, ttl_s: keys.ttl_s(), rdatas, window: Window::Dnskey }, true)?;
                types.push(rr_type);
            }
        }
        Ok(types)
    }

    fn number(&mut self, owner: &Name, number: Number, owned: Owned) -> Result<Vec<RrType>, ExportError> {
        let mut facts = Vec::new();
        let published = self.zone.published(number.as_u64(), self.now_s, &mut facts);
        let Some((_, packed)) = published else { return Ok(Vec::new()) };
        let mut rdatas = Vec::new();
        owned.rdatas(&packed, &mut rdatas);
        let (rr_type, ttl_s) = (owned.rr_type(), self.zone.ttls().positive_s);
        let window = Window::Number { not_after_s: packed.not_after_s };
        self.put(owner, Set { rr_type, ttl_s, rdatas: &rdatas, window }, true)?;
        Ok(vec![rr_type])
    }

    fn put(&mut self, owner: &Name, set: Set<'_>, ours: bool) -> Result<(), ExportError> {
        for rdata in Rdatas(set.rdatas) {
            self.out.write_all(text::record(owner, set.ttl_s, set.rr_type, rdata).as_bytes())?;
        }
        let Some((keys, random)) = self.signing.filter(|_| ours) else { return Ok(()) };
        for key in keys.signers(set.rr_type) {
            let to_sign = ToSign {
                owner,
                rr_type: set.rr_type,
                ttl_s: set.ttl_s,
                rdatas: Rdatas(set.rdatas),
                validity: set.window.at(self.now_s, owner.as_wire()),
                signer: self.zone.apex(),
                algorithm: key.signer.algorithm(),
                key_tag: key.tag,
            };
            to_sign.message(&mut self.message);
            let signature = key.signer.sign(random, &self.message)?;
            let rdata = [&to_sign.head()[..], self.zone.apex().as_wire(), &signature].concat();
            self.out.write_all(text::record(owner, set.ttl_s, RrType::RRSIG, &rdata).as_bytes())?;
        }
        Ok(())
    }
}

/// Every name with data, in canonical order (which puts the apex first).
fn sources(zone: &NumberZone, now_s: u64) -> Vec<(Box<[u8]>, Source<'_>)> {
    let fixed = zone.fixed();
    let mut all = Vec::new();
    for (name, node) in fixed.in_order().filter(|(_, node)| node.rrsets().next().is_some()) {
        let standing = match (node.is_occluded(), node.is_cut()) {
            (true, _) => Standing::Below,
            (_, true) => Standing::Cut,
            _ => Standing::Inside,
        };
        all.push((name.canonical_key(), Source::Fixed(Box::new(name), node, standing)));
    }
    let apex = zone.apex();
    zone.table().for_each(|packed| {
        let mut rdatas = Vec::new();
        for owned in Owned::ALL.into_iter().filter(|_| now_s < packed.not_after_s) {
            rdatas.clear();
            if let Some(owner) = owned.owner(packed.number, apex).filter(|_| owned.rdatas(&packed, &mut rdatas)) {
                all.push((owner.canonical_key(), Source::Number(packed.number, owned)));
            }
        }
    });
    all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    all
}

impl Source<'_> {
    fn is_glue(&self) -> bool {
        matches!(self, Self::Fixed(_, _, Standing::Below))
    }

    fn owner(&self, apex: &Name) -> Option<Name> {
        match self {
            Self::Fixed(name, ..) => Some(**name),
            Self::Number(number, owned) => owned.owner(*number, apex),
        }
    }
}

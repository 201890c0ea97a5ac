//! One sheet of the file: the records of some names, signed, as text and, for a digest, in wire form.

use std::borrow::Cow;
use std::fmt::Write;

use data_encoding::BASE32_DNSSEC;

use super::chain::Chain;
use super::order::{Place, Standing, is_ours, node, standing};
use super::zonemd::{self, ZONEMD};
use super::{Export, ExportError, Summary, Zonemd, lines};
use crate::dnssec::{ToSign, Window, denial};
use crate::number::Number;
use crate::wire::rr::{CLASS_IN, flatten};
use crate::wire::{Name, Rdatas, RrType};
use crate::zone::hashed::PARAMETERS;
use crate::zone::{Denial, Owned, text};

/// Makes the records of some names, one after the other.
pub(super) struct Sheet<'a> {
    export: &'a Export<'a>,
    places: &'a [Place],
    chain: &'a Chain,
    apex: String,
    page: Page,
    message: Vec<u8>,
    /// Records of the name under way in wire form, for the digest: (type, RDATA, TTL).
    wires: Vec<(RrType, Vec<u8>, u32)>,
}

/// A finished sheet.
#[derive(Default)]
pub(super) struct Page {
    pub(super) text: String,
    /// Empty if no digest is wanted.
    pub(super) wire: Vec<u8>,
    pub(super) summary: Summary,
}

/// An RRset on its way out.
struct Set<'a> {
    rr_type: RrType,
    ttl_s: u32,
    rdatas: Cow<'a, [u8]>,
    window: Window,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(export: &'a Export<'a>, places: &'a [Place], chain: &'a Chain) -> Self {
        let apex = export.zone.apex().to_text();
        Self { export, places, chain, apex, page: Page::default(), message: Vec::new(), wires: Vec::new() }
    }

    pub(super) fn finish(self) -> Page {
        self.page
    }

    /// All records at a name.
    pub(super) fn name(&mut self, at: usize) -> Result<(), ExportError> {
        let (zone, place) = (self.export.zone, self.places[at]);
        let Some(owner) = place.owner(zone) else { return Ok(()) };
        let shown = owner.to_text();
        match place {
            Place::Fixed(id) => self.fixed(&owner, &shown, id)?,
            Place::Number(number, owned) => self.number(&owner, &shown, number, owned)?,
        }
        let is_linked = place.standing(zone) != Standing::Below;
        if is_linked && self.denial() == Some(Denial::Nsec) {
            self.nsec(&owner, &shown, at)?;
        }
        self.digest_name(&owner);
        Ok(())
    }

    /// One NSEC3 record.
    pub(super) fn link(&mut self, at: usize) -> Result<(), ExportError> {
        let (chain, zone) = (self.chain, self.export.zone);
        let link = &chain.links[at];
        let label = BASE32_DNSSEC.encode(&link.hash);
        let Some(owner) = zone.apex().prepend(label.as_bytes()) else { return Ok(()) };
        let types = link.position().map_or_else(Vec::new, |at| {
            let place = self.places[at];
            let mut types = self.types(at, place);
            // At an insecure delegation nothing is signed (RFC 5155 7.1).
            if types.iter().any(|t| is_ours(place.standing(zone), *t)) {
                types.push(RrType::RRSIG);
            }
            types.sort_unstable();
            types
        });
        let mut rdatas = Vec::new();
        denial::nsec3(chain.next(at), types.iter().copied(), &mut rdatas);
        let (shown, ttl_s) = (owner.to_text(), zone.fixed().negative_ttl_s());
        let _ = write!(self.page.text, "{shown} {ttl_s} IN NSEC3 "); // into a String
        lines::nsec3(chain.next(at), &types, &mut self.page.text);
        self.page.text.push('\n');
        self.page.summary.records += 1;
        let set = Set { rr_type: RrType::NSEC3, ttl_s, rdatas: rdatas.into(), window: Window::Fixed };
        self.digest_set(&set);
        self.sign(&owner, &shown, &set)?;
        self.digest_name(&owner);
        Ok(())
    }

    /// The digest of everything that was written. It stands at the file's end and is no part of itself (RFC 8976 3.3).
    pub(super) fn zonemd(&mut self, digest: &[u8]) -> Result<(), ExportError> {
        let zone = self.export.zone;
        let soa = zone.soa_rdatas();
        let rdata = zonemd::rdata(Rdatas(&soa).next().unwrap_or_default(), digest);
        let ttl_s = zone.fixed().soa().map_or(0, |soa| soa.ttl_s);
        let set = Set { rr_type: ZONEMD, ttl_s, rdatas: flatten(vec![rdata]).into_vec().into(), window: Window::Fixed };
        let shown = self.apex.clone();
        self.put(zone.apex(), &shown, &set, true)
    }

    fn denial(&self) -> Option<Denial> {
        self.export.signing.map(|signing| signing.denial)
    }

    /// Types at a name, those among them that the export adds.
    fn types(&self, at: usize, place: Place) -> Vec<RrType> {
        let mut types = place.types(self.export.zone);
        if at == 0 {
            types.retain(|t| *t != ZONEMD);
            types.extend((self.export.zonemd == Zonemd::Sha384).then_some(ZONEMD));
            types.extend(self.export.signing.iter().flat_map(|signing| signing.keys.types()));
            types.extend((self.denial() == Some(Denial::Nsec3)).then_some(RrType::NSEC3PARAM));
        }
        types
    }

    fn fixed(&mut self, owner: &Name, shown: &str, id: u32) -> Result<(), ExportError> {
        let zone = self.export.zone;
        let Some((_, node)) = node(zone.fixed(), id) else { return Ok(()) };
        let (standing, apex, soa) = (standing(&node), owner == zone.apex(), zone.soa_rdatas());
        // Master files begin with the SOA. A digest in the file is that of the file, not of this.
        let others = node.rrsets().filter(|set| !apex || !matches!(set.rr_type, RrType::SOA | ZONEMD));
        for set in node.get(RrType::SOA).filter(|_| apex).into_iter().chain(others) {
            let rdatas = if set.rr_type == RrType::SOA { &*soa } else { set.rdatas };
            let signed = is_ours(standing, set.rr_type);
            let set = Set { rr_type: set.rr_type, ttl_s: set.ttl_s, rdatas: rdatas.into(), window: Window::Fixed };
            self.put(owner, shown, &set, signed)?;
        }
        if apex { self.of_signing(owner, shown) } else { Ok(()) }
    }

    /// What signing adds at the apex.
    fn of_signing(&mut self, owner: &Name, shown: &str) -> Result<(), ExportError> {
        let Some(signing) = self.export.signing else { return Ok(()) };
        let keys = signing.keys;
        for rr_type in keys.types() {
            let rdatas = keys.rdatas(rr_type).unwrap_or_default().into();
            self.put(owner, shown, &Set { rr_type, ttl_s: keys.ttl_s(), rdatas, window: Window::Dnskey }, true)?;
        }
        if signing.denial == Denial::Nsec3 {
            let (rdatas, ttl_s) = (flatten(vec![PARAMETERS.to_vec()]), self.export.zone.fixed().negative_ttl_s());
            let rr_type = RrType::NSEC3PARAM;
            self.put(
                owner,
                shown,
                &Set { rr_type, ttl_s, rdatas: rdatas.into_vec().into(), window: Window::Fixed },
                true,
            )?;
        }
        Ok(())
    }

    fn number(&mut self, owner: &Name, shown: &str, number: Number, owned: Owned) -> Result<(), ExportError> {
        let super::Contents::Numbers(zone) = self.export.zone else { return Ok(()) };
        let mut facts = Vec::new();
        let published = zone.published(number.as_u64(), self.export.now_s, &mut facts);
        let Some((_, packed)) = published else { return Ok(()) };
        let mut rdatas = Vec::new();
        owned.rdatas(&packed, &mut rdatas);
        let window = Window::Number { not_after_s: packed.not_after_s };
        let set = Set { rr_type: owned.rr_type(), ttl_s: zone.ttls().positive_s, rdatas: rdatas.into(), window };
        self.put(owner, shown, &set, true)
    }

    fn nsec(&mut self, owner: &Name, shown: &str, at: usize) -> Result<(), ExportError> {
        let (zone, places) = (self.export.zone, self.places);
        let after = places[at + 1..].iter().find(|place| place.standing(zone) != Standing::Below);
        let Some(next) = after.or(places.first()).and_then(|place| place.owner(zone)) else { return Ok(()) };
        let mut types = self.types(at, places[at]);
        types.sort_unstable();
        let mut rdatas = Vec::new();
        denial::nsec(&next, types, &mut rdatas);
        let ttl_s = zone.fixed().negative_ttl_s(); // RFC 9077 3
        // Not a denial's 25 hours: a file in escrow is checked later than an answer.
        let set = Set { rr_type: RrType::NSEC, ttl_s, rdatas: rdatas.into(), window: Window::Fixed };
        self.put(owner, shown, &set, true)
    }

    /// Writes an RRset, and its signature if it is `signed`.
    fn put(&mut self, owner: &Name, shown: &str, set: &Set<'_>, signed: bool) -> Result<(), ExportError> {
        let mnemonic = text::mnemonic(set.rr_type);
        for rdata in Rdatas(&set.rdatas) {
            let shown_rdata = text::rdata_text(set.rr_type, rdata);
            let _ = writeln!(self.page.text, "{shown} {} IN {mnemonic} {shown_rdata}", set.ttl_s); // into a String
            self.page.summary.records += 1;
        }
        self.digest_set(set);
        if signed { self.sign(owner, shown, set) } else { Ok(()) }
    }

    fn sign(&mut self, owner: &Name, shown: &str, set: &Set<'_>) -> Result<(), ExportError> {
        let Some(signing) = self.export.signing else { return Ok(()) };
        let zone = self.export.zone;
        for key in signing.keys.signers(set.rr_type) {
            let to_sign = ToSign {
                owner,
                rr_type: set.rr_type,
                ttl_s: set.ttl_s,
                rdatas: Rdatas(&set.rdatas),
                validity: set.window.at(self.export.now_s, owner.as_wire()),
                signer: zone.apex(),
                algorithm: key.signer.algorithm(),
                key_tag: key.tag,
            };
            to_sign.message(&mut self.message);
            let (head, signature) = (to_sign.head(), key.signer.sign(signing.random, &self.message)?);
            let _ = write!(self.page.text, "{shown} {} IN RRSIG ", set.ttl_s); // into a String
            lines::rrsig(&head, &self.apex, &signature, &mut self.page.text);
            self.page.text.push('\n');
            self.page.summary.records += 1;
            self.page.summary.signatures += 1;
            if self.export.zonemd == Zonemd::Sha384 {
                let rdata = [&head[..], zone.apex().as_wire(), &signature].concat();
                self.wires.push((RrType::RRSIG, rdata, set.ttl_s));
            }
        }
        Ok(())
    }

    fn digest_set(&mut self, set: &Set<'_>) {
        if self.export.zonemd == Zonemd::Sha384 {
            self.wires.extend(Rdatas(&set.rdatas).map(|rdata| (set.rr_type, rdata.to_vec(), set.ttl_s)));
        }
    }

    /// The name's records in the order of RFC 8976 3.3.1: by type, then by RDATA.
    fn digest_name(&mut self, owner: &Name) {
        self.wires.sort_unstable();
        for (rr_type, rdata, ttl_s) in self.wires.drain(..) {
            let wire = &mut self.page.wire;
            wire.extend_from_slice(owner.as_wire());
            wire.extend_from_slice(&rr_type.0.to_be_bytes());
            wire.extend_from_slice(&CLASS_IN.to_be_bytes());
            wire.extend_from_slice(&ttl_s.to_be_bytes());
            wire.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
            wire.extend_from_slice(&rdata);
        }
    }
}

//! One version of a static zone, every record of it: what secondaries fetch, and what is answered here until the next one.
//!
//! A version never changes. All its signatures are for one time (`signed_as_of_s`), and lie in the slots that
//! answers take theirs from; so whoever asks us and whoever asks a secondary gets the same octets.

use std::sync::Arc;

use ring::digest::{Context, SHA384};
use ring::rand::SecureRandom;

use super::keys::{Key, ZoneKeys};
use super::rrsig::ToSign;
use super::times::Window;
use super::{SignFault, denial};
use crate::wire::rr::CLASS_IN;
use crate::wire::{Name, Rdatas, RrType};
use crate::zone::hashed::Row;
use crate::zone::records::{self, Record};
use crate::zone::slot::{SignatureBytes, Slot};
use crate::zone::stored::Facts;
use crate::zone::version::DIGEST_OCTETS;
use crate::zone::{Digest, Node, SlotsOf, StaticZone};

/// Octets of a signature of either algorithm.
const SIGNATURE_OCTETS: usize = size_of::<SignatureBytes>();

/// A static zone with everything that is served of it.
#[derive(Clone)]
pub struct Version {
    zone: Arc<StaticZone>,
    signing: Option<Signing>,
}

#[derive(Clone)]
struct Signing {
    keys: Arc<ZoneKeys>,
    as_of_s: u64,
}

/// An RRset that is signed, by one of its signers, and where that signature lies.
struct Signed<'a> {
    owner: &'a Name,
    /// The name in the zone that it speaks of: its owner, unless that is a hash.
    of: &'a Name,
    rr_type: RrType,
    ttl_s: u32,
    rdatas: &'a [u8],
    window: Window,
    key: &'a Key,
    /// Which of the signers that is: RRsets that are not in the file are there with the first.
    signer: usize,
    slot: Option<Slot<'a>>,
}

/// Where the signatures of an RRset lie.
#[derive(Clone, Copy)]
enum Slots<'a> {
    BesideData(SlotsOf<'a>),
    BesideKeys(&'a ZoneKeys),
}

impl Version {
    /// A version without signatures; its serial is set already.
    pub fn unsigned(zone: StaticZone) -> Self {
        let mut version = Self { zone: Arc::new(zone), signing: None };
        // Without signatures nothing can fail.
        if let Ok(digest) = version.computed_digest() {
            version.put_digest(&digest);
        }
        version
    }

    /// A version with all its signatures, made for the time slots of `as_of_s` by so many threads; what did not change
    /// since the version before keeps its signature, if that is for the same time slot by the same key.
    ///
    /// `keys` are read for this version alone: the signature over the DNSKEYs lies in them.
    pub fn signed(
        zone: StaticZone,
        keys: Arc<ZoneKeys>,
        as_of_s: u64,
        before: Option<&Self>,
        (random, threads): (&(dyn SecureRandom + Sync), usize),
    ) -> Result<Self, SignFault> {
        zone.keep_signatures(keys.signers(RrType::SOA).len());
        let mut version = Self { zone: Arc::new(zone), signing: Some(Signing { keys, as_of_s }) };
        let share = version.zone.len().div_ceil(threads.max(1)).max(1);
        std::thread::scope(|scope| {
            let version = &version;
            let starts = (0..version.zone.len()).step_by(share);
            let all: Vec<_> =
                starts.map(|from| scope.spawn(move || version.sign(from, share, before, random))).collect();
            all.into_iter().try_for_each(|thread| thread.join().unwrap_or(Err(SignFault)))
        })?;
        if version.zone.digest() == Digest::Ours {
            let digest = version.computed_digest()?;
            version.put_digest(&digest);
            version.sign_digest(random)?;
        }
        Ok(version)
    }

    /// A version that was kept on disk; `None` if it was signed by other keys, or its signatures are not all there.
    pub fn restored(zone: StaticZone, keys: Option<Arc<ZoneKeys>>, facts: &Facts) -> Option<Self> {
        let signing = match (facts.signed_as_of_s, keys) {
            (None, None) => None,
            (Some(as_of_s), Some(keys)) if keys.identity() == facts.keys => Some(Signing { keys, as_of_s }),
            _ => return None,
        };
        let version = Self { zone: Arc::new(zone), signing };
        let Some(signing) = &version.signing else { return Some(version) };
        version.zone.keep_signatures(signing.keys.signers(RrType::SOA).len());
        let (mut left, mut whole) = (facts.signatures.chunks_exact(SIGNATURE_OCTETS), true);
        for id in 0..version.zone.len() {
            version.each_signed(id, &mut |signed| {
                let signature = left.next().and_then(|octets| SignatureBytes::try_from(octets).ok());
                match (signature, signed.slot) {
                    (Some(signature), Some(slot)) => {
                        slot.write(signed.to_sign(version.zone.apex(), signing.as_of_s).stamp(), &signature);
                    }
                    _ => whole = false,
                }
            });
        }
        (whole && left.next().is_none()).then_some(version)
    }

    /// The data.
    pub fn zone(&self) -> &Arc<StaticZone> {
        &self.zone
    }

    /// The keys that signed it.
    pub fn keys(&self) -> Option<&Arc<ZoneKeys>> {
        self.signing.as_ref().map(|signing| &signing.keys)
    }

    /// The time for which its signatures are made, Unix seconds.
    pub fn signed_as_of_s(&self) -> Option<u64> {
        self.signing.as_ref().map(|signing| signing.as_of_s)
    }

    /// The serial.
    pub fn serial(&self) -> u32 {
        self.zone.serial()
    }

    /// What is kept on disk beside the records.
    pub fn facts(&self, file_serial: u32) -> Result<Facts, SignFault> {
        let Some(signing) = &self.signing else { return Ok(Facts { file_serial, ..Facts::default() }) };
        let (mut signatures, mut fault) = (Vec::new(), Ok(()));
        for id in 0..self.zone.len() {
            self.each_signed(id, &mut |signed| match self.signature(&signed, signing) {
                Ok(signature) => signatures.extend_from_slice(&signature),
                Err(SignFault) => fault = Err(SignFault),
            });
        }
        let (signed_as_of_s, keys) = (Some(signing.as_of_s), signing.keys.identity());
        fault.map(|()| Facts { file_serial, signed_as_of_s, keys, signatures })
    }

    /// How many names there are, hashed ones among them; empty non-terminals have no records.
    pub fn names(&self) -> usize {
        if self.signing.is_some() { self.zone.rows() } else { self.zone.len() }
    }

    /// Appends all records of a name, by its place in canonical order: signatures, keys, NSEC and NSEC3 among them, by
    /// type and RDATA.
    pub fn push_name(&self, at: usize, row: &mut Vec<u8>) -> Result<(), SignFault> {
        let Some(signing) = &self.signing else {
            self.zone.push_records(at, row);
            return Ok(());
        };
        let (mut all, mut fault, Row { node, link }) = (Vec::new(), Ok(()), self.zone.row(at));
        node.iter().for_each(|id| self.zone.push_records(*id, &mut all));
        let mut visit = |signed: Signed<'_>| {
            let push = |all: &mut Vec<u8>, rr_type, rdata: &[u8]| {
                let owner = signed.owner.as_wire();
                records::push(all, Record { owner, rr_type, ttl_s: signed.ttl_s, rdata });
            };
            let is_denial = matches!(signed.rr_type, RrType::NSEC | RrType::NSEC3);
            if signed.signer == 0 && (is_denial || signing.keys.rdatas(signed.rr_type).is_some()) {
                Rdatas(signed.rdatas).for_each(|rdata| push(&mut all, signed.rr_type, rdata));
            }
            match self.signature(&signed, signing) {
                Ok(signature) => {
                    let head = signed.to_sign(self.zone.apex(), signing.as_of_s).set.head();
                    let rdata = [&head[..], self.zone.apex().as_wire(), &signature].concat();
                    push(&mut all, RrType::RRSIG, &rdata);
                }
                Err(SignFault) => fault = Err(SignFault),
            }
        };
        node.iter().for_each(|id| self.each_signed_at(*id, &mut visit));
        link.iter().for_each(|place| self.each_signed_link(*place, &mut visit));
        let mut sorted: Vec<Record<'_>> = records::each(&all).collect();
        sorted.sort_by(|a, b| (a.rr_type, a.rdata).cmp(&(b.rr_type, b.rdata)));
        sorted.into_iter().for_each(|record| records::push(row, record));
        fault
    }

    fn node(&self, id: usize) -> Option<(Name, Node<'_>)> {
        self.zone.in_order_from(id).next()
    }

    /// Shows every RRset that has a signature and speaks of a name: those at the name, and the NSEC3 at its hash.
    fn each_signed(&self, id: usize, visit: &mut dyn FnMut(Signed<'_>)) {
        self.each_signed_at(id, visit);
        let link = self.node(id).and_then(|(_, node)| self.zone.nsec3_of(node));
        link.iter().for_each(|place| self.each_signed_link(*place, visit));
    }

    /// Shows those at the name itself (RFC 4035 2.2): not glue, at a cut DS and NSEC alone.
    fn each_signed_at(&self, id: usize, visit: &mut dyn FnMut(Signed<'_>)) {
        let (Some(signing), Some((owner, node))) = (&self.signing, self.node(id)) else { return };
        if node.is_occluded() {
            return;
        }
        let (keys, owner) = (&*signing.keys, &owner);
        let mut each_signer = |rr_type, ttl_s, rdatas: &[u8], window, slots: Slots<'_>| {
            for (signer, key) in keys.signers(rr_type).iter().enumerate() {
                let slot = match slots {
                    Slots::BesideData(slots) => slots.slot(signer),
                    Slots::BesideKeys(keys) => keys.slot(rr_type, signer),
                };
                visit(Signed { owner, of: owner, rr_type, ttl_s, rdatas, window, key, signer, slot });
            }
        };
        for set in node.rrsets().filter(|set| !node.is_cut() || set.rr_type == RrType::DS) {
            each_signer(set.rr_type, set.ttl_s, set.rdatas, Window::Fixed, Slots::BesideData(set.slots()));
        }
        let of_keys = Some(keys).filter(|_| owner == self.zone.apex());
        let types = of_keys.into_iter().flat_map(ZoneKeys::types);
        for rr_type in types.clone() {
            let rdatas = keys.rdatas(rr_type).unwrap_or_default();
            each_signer(rr_type, keys.ttl_s(), rdatas, Window::Dnskey, Slots::BesideKeys(keys));
        }
        if let Some(nsec) = self.zone.nsec_of(node).and_then(|place| self.zone.nsec(place)) {
            let mut rdatas = Vec::new();
            denial::nsec(&nsec.next(), nsec.types().chain(types), &mut rdatas);
            let slots = Slots::BesideData(nsec.slots());
            each_signer(RrType::NSEC, self.zone.negative_ttl_s(), &rdatas, Window::Fixed, slots);
        }
    }

    /// Shows the NSEC3 at a place of the chain.
    fn each_signed_link(&self, place: u32, visit: &mut dyn FnMut(Signed<'_>)) {
        let (Some(signing), Some(nsec3)) = (&self.signing, self.zone.nsec3(place)) else { return };
        let (owner, of) = (&nsec3.owner(), &nsec3.of());
        let of_keys = Some(&*signing.keys).filter(|_| of == self.zone.apex()).into_iter().flat_map(ZoneKeys::types);
        let mut rdatas = Vec::new();
        denial::nsec3(nsec3.next(), nsec3.types().chain(of_keys), &mut rdatas);
        let (rr_type, ttl_s, rdatas) = (RrType::NSEC3, self.zone.negative_ttl_s(), &*rdatas);
        for (signer, key) in signing.keys.signers(rr_type).iter().enumerate() {
            let slot = nsec3.slots().slot(signer);
            visit(Signed { owner, of, rr_type, ttl_s, rdatas, window: Window::Fixed, key, signer, slot });
        }
    }

    /// Signs so many names; the ZONEMD that we make comes last, when everything else is signed.
    fn sign(
        &self,
        from: usize,
        names: usize,
        before: Option<&Self>,
        random: &dyn SecureRandom,
    ) -> Result<(), SignFault> {
        let Some(signing) = &self.signing else { return Ok(()) };
        let (mut message, mut fault) = (Vec::new(), Ok(()));
        for id in from..(from + names).min(self.zone.len()) {
            self.each_signed(id, &mut |signed| {
                if self.is_our_digest(id, signed.rr_type) || fault.is_err() {
                    return;
                }
                fault = match before.and_then(|before| before.signature_over(&signed, signing.as_of_s)) {
                    Some(signature) => signed.put(self.zone.apex(), signing.as_of_s, &signature),
                    None => signed.make(self.zone.apex(), signing.as_of_s, random, &mut message),
                };
            });
        }
        fault
    }

    /// The signature over exactly this set in the time slot of `as_of_s`, if this version has it.
    fn signature_over(&self, wanted: &Signed<'_>, as_of_s: u64) -> Option<SignatureBytes> {
        let (signing, node) = (self.signing.as_ref()?, self.zone.node(wanted.of)?);
        let mut found = None;
        self.each_signed(node.place(), &mut |signed| {
            let same = (signed.rr_type, signed.ttl_s, signed.rdatas) == (wanted.rr_type, wanted.ttl_s, wanted.rdatas);
            let stamp = |signed: &Signed<'_>, at_s| signed.to_sign(self.zone.apex(), at_s).stamp();
            let still = stamp(&signed, signing.as_of_s) == stamp(wanted, as_of_s);
            if same && still && signed.key.dnskey() == wanted.key.dnskey() {
                found = self.signature(&signed, signing).ok();
            }
        });
        found
    }

    fn sign_digest(&self, random: &dyn SecureRandom) -> Result<(), SignFault> {
        let Some(signing) = &self.signing else { return Ok(()) };
        let (mut message, mut done) = (Vec::new(), Ok(()));
        self.each_signed(0, &mut |signed| {
            if signed.rr_type == RrType::ZONEMD && done.is_ok() {
                done = signed.make(self.zone.apex(), signing.as_of_s, random, &mut message);
            }
        });
        done
    }

    fn is_our_digest(&self, id: usize, rr_type: RrType) -> bool {
        id == 0 && rr_type == RrType::ZONEMD && self.zone.digest() == Digest::Ours
    }

    fn signature(&self, signed: &Signed<'_>, signing: &Signing) -> Result<SignatureBytes, SignFault> {
        let stamp = signed.to_sign(self.zone.apex(), signing.as_of_s).stamp();
        signed.slot.and_then(|slot| slot.read(stamp)).ok_or(SignFault)
    }

    /// The digest of scheme SIMPLE (RFC 8976 3.3): every record but the ZONEMD itself and its signature, in order.
    fn computed_digest(&self) -> Result<[u8; DIGEST_OCTETS], SignFault> {
        let (mut context, mut row) = (Context::new(&SHA384), Vec::new());
        if self.zone.digest() == Digest::AsInFile {
            return Ok([0; DIGEST_OCTETS]); // nobody asks for it
        }
        for at in 0..self.names() {
            row.clear();
            // Its own signature is not there yet: what is left out need not be made.
            self.push_digested(at, &mut row)?;
            for record in records::each(&row) {
                context.update(record.owner);
                context.update(&record.rr_type.0.to_be_bytes());
                context.update(&CLASS_IN.to_be_bytes());
                context.update(&record.ttl_s.to_be_bytes());
                context.update(&(record.rdata.len() as u16).to_be_bytes());
                context.update(record.rdata);
            }
        }
        <[u8; DIGEST_OCTETS]>::try_from(context.finish().as_ref()).map_err(|_| SignFault)
    }

    /// The records of a name that the digest is over.
    fn push_digested(&self, at: usize, row: &mut Vec<u8>) -> Result<(), SignFault> {
        let mut all = Vec::new();
        match self.push_name(at, &mut all) {
            Err(SignFault) if at > 0 => return Err(SignFault),
            // At the apex the only signature that may be missing is that of the ZONEMD.
            Err(SignFault) | Ok(()) => {}
        }
        let covers_digest = |record: &Record<'_>| {
            record.rr_type == RrType::RRSIG && record.rdata.starts_with(&RrType::ZONEMD.0.to_be_bytes())
        };
        records::each(&all)
            .filter(|record| at > 0 || record.rr_type != RrType::ZONEMD && !covers_digest(record))
            .for_each(|record| records::push(row, record));
        Ok(())
    }

    fn put_digest(&mut self, digest: &[u8; DIGEST_OCTETS]) {
        if let Some(zone) = Arc::get_mut(&mut self.zone) {
            zone.put_digest(digest);
        }
    }
}

/// A set with the stamp that its signature is kept under.
struct Stamped<'a> {
    set: ToSign<'a>,
    key_tag: u16,
}

impl Stamped<'_> {
    fn stamp(&self) -> crate::zone::Stamp {
        self.set.validity.stamp(self.key_tag)
    }
}

impl<'a> Signed<'a> {
    fn to_sign<'b>(&self, apex: &'b Name, as_of_s: u64) -> Stamped<'b>
    where
        'a: 'b,
    {
        let set = ToSign {
            owner: self.owner,
            rr_type: self.rr_type,
            ttl_s: self.ttl_s,
            rdatas: Rdatas(self.rdatas),
            validity: self.window.at(as_of_s, self.owner.as_wire()),
            signer: apex,
            algorithm: self.key.signer.algorithm(),
            key_tag: self.key.tag,
        };
        Stamped { set, key_tag: self.key.tag }
    }

    /// Makes the signature, whatever lies in its place.
    fn make(
        &self,
        apex: &Name,
        as_of_s: u64,
        random: &dyn SecureRandom,
        message: &mut Vec<u8>,
    ) -> Result<(), SignFault> {
        self.to_sign(apex, as_of_s).set.message(message);
        let signature = self.key.signer.sign(random, message)?;
        self.put(apex, as_of_s, &signature)
    }

    fn put(&self, apex: &Name, as_of_s: u64, signature: &SignatureBytes) -> Result<(), SignFault> {
        self.slot.ok_or(SignFault)?.write(self.to_sign(apex, as_of_s).stamp(), signature);
        Ok(())
    }
}

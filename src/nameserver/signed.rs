//! A reply in the making: RRsets with their signatures, denials with their NSEC.

use super::guard::{Budget, Caller, Guard};
use super::respond::Stop;
use super::view::{Served, ZoneData};
use super::worker::Worker;
use crate::dnssec::keys::Key;
use crate::dnssec::rrsig::ToSign;
use crate::dnssec::{Validity, Window, ZoneKeys, denial};
use crate::wire::answer::{Answer, Rr, Section};
use crate::wire::{Name, Rdatas, RrType};
use crate::zone::slot::SignatureBytes;
use crate::zone::{RrSet, Slot, SlotsOf};

/// Everything that writing one answer needs.
pub(super) struct Reply<'r, 'o, 'q> {
    pub(super) zone: &'r Served,
    pub(super) worker: &'r mut Worker,
    pub(super) answer: &'r mut Answer<'o, 'q>,
    pub(super) now_s: u64,
    pub(super) guard: Option<(&'r Guard, &'r Caller)>,
}

/// One RRset to be put into an answer.
#[derive(Clone, Copy)]
pub(super) struct Set<'a> {
    /// Who is signed for.
    pub(super) owner: &'a Name,
    /// Whose the records are shown as: another name than the owner where a wildcard was expanded (RFC 4035 3.1.3.3).
    pub(super) shown_owner: &'a Name,
    pub(super) rr_type: RrType,
    /// What is signed.
    pub(super) ttl_s: u32,
    /// What the records show; lower only in the SOA of a denial. A validator takes the signed one from the RRSIG.
    pub(super) shown_ttl_s: u32,
    pub(super) rdatas: &'a [u8],
    pub(super) window: Window,
    /// Of the first signer; none: signed when asked for.
    pub(super) slot: Option<Slot<'a>>,
    /// Of the others, beside static data.
    pub(super) others: Option<SlotsOf<'a>>,
}

impl<'a> Set<'a> {
    /// A static RRset under its own name.
    pub(super) fn fixed(owner: &'a Name, set: RrSet<'a>) -> Self {
        Self::beside_data(owner, set.rr_type, set.ttl_s, set.rdatas, set.slots())
    }

    /// Static data, or an NSEC of a static zone.
    pub(super) fn beside_data(
        owner: &'a Name,
        rr_type: RrType,
        ttl_s: u32,
        rdatas: &'a [u8],
        slots: SlotsOf<'a>,
    ) -> Self {
        let set = Self::new(owner, rr_type, ttl_s, rdatas, Window::Fixed, slots.slot(0));
        Self { others: Some(slots), ..set }
    }

    /// Any RRset that shows the TTL it is signed with.
    pub(super) fn new(
        owner: &'a Name,
        rr_type: RrType,
        ttl_s: u32,
        rdatas: &'a [u8],
        window: Window,
        slot: Option<Slot<'a>>,
    ) -> Self {
        Self { owner, shown_owner: owner, rr_type, ttl_s, shown_ttl_s: ttl_s, rdatas, window, slot, others: None }
    }

    /// What `key` signs for the time slot of `now_s`.
    pub(super) fn to_sign(self, key: &Key, apex: &'a Name, now_s: u64) -> ToSign<'a> {
        ToSign {
            owner: self.owner,
            rr_type: self.rr_type,
            ttl_s: self.ttl_s,
            rdatas: Rdatas(self.rdatas),
            validity: self.window.at(now_s, self.owner.as_wire()),
            signer: apex,
            algorithm: key.signer.algorithm(),
            key_tag: key.tag,
        }
    }

    /// The signature of an earlier time slot that is still valid: when a key's holder is away for a while, what it signed
    /// before goes on.
    fn earlier(self, key: &Key, slot: Slot<'_>, now_s: u64) -> Option<(Validity, SignatureBytes)> {
        let stamp = slot.stamp()?;
        let validity = self.window.at(stamp.start_s.into(), self.owner.as_wire());
        // A signature that was made for other times would not fit its own.
        let is_good = validity.stamp(key.tag) == stamp && now_s < validity.expiration_s.into();
        is_good.then(|| slot.read(stamp)).flatten().map(|signature| (validity, signature))
    }
}

impl<'r> Reply<'r, '_, '_> {
    /// Charges the asker for a question about a possible number: before the look-up, and again when its outcome is known.
    pub(super) fn charge(&self, missed: Option<bool>) -> Result<(), Stop> {
        let Some((guard, caller)) = self.guard.filter(|_| !self.worker.is_resumed()) else { return Ok(()) };
        match guard.charge(caller, self.now_s, missed) {
            Budget::Within => Ok(()),
            Budget::OverUnproved => Err(Stop::Unproved),
            Budget::Over => Err(Stop::OverBudget),
        }
    }

    /// The keys, if the asker wants signatures and there are any.
    pub(super) fn signing(&self) -> Option<&'r ZoneKeys> {
        self.zone.keys.as_deref().filter(|_| self.answer.dnssec_ok())
    }

    /// Whether denials have an NSEC to show (signed zone).
    pub(super) fn is_signed(&self) -> bool {
        self.zone.keys.is_some()
    }

    /// Adds an RRset, and its RRSIG where that is wanted.
    pub(super) fn put(&mut self, section: Section, set: Set<'_>) -> Result<(), Stop> {
        self.put_unsigned(section, set)?;
        match self.signing() {
            Some(keys) => self.put_rrsig(section, set, keys),
            None => Ok(()),
        }
    }

    /// Adds an RRset alone.
    pub(super) fn put_unsigned(&mut self, section: Section, set: Set<'_>) -> Result<(), Stop> {
        let rr = Rr { owner: set.shown_owner, rr_type: set.rr_type, ttl_s: set.shown_ttl_s };
        Ok(self.answer.rrset(section, rr, set.rdatas)?)
    }

    /// Adds the RRSIG over a set: one, but where keys of two algorithms or several entry points stand side by side.
    pub(super) fn put_rrsig(&mut self, section: Section, set: Set<'_>, keys: &ZoneKeys) -> Result<(), Stop> {
        for (i, key) in keys.signers(set.rr_type).iter().enumerate() {
            let slot = match (i, set.others) {
                (0, _) => set.slot,
                (_, Some(slots)) => slots.slot(i),
                (_, None) => keys.slot(set.rr_type, i),
            };
            self.put_rrsig_by(key, section, Set { slot, ..set })?;
        }
        Ok(())
    }

    fn put_rrsig_by(&mut self, key: &Key, section: Section, set: Set<'_>) -> Result<(), Stop> {
        let zone = self.zone;
        let mut to_sign = set.to_sign(key, zone.apex(), self.now_s);
        let stamp = to_sign.validity.stamp(key.tag);
        let signature = match set.slot {
            None => self.worker.sign_or_recall(key, &to_sign)?,
            Some(slot) => match slot.read(stamp) {
                Some(signature) => signature,
                None => match self.worker.sign(key, &to_sign) {
                    Ok(signature) => {
                        slot.write(stamp, &signature);
                        signature
                    }
                    Err(fault) => {
                        let (validity, signature) = set.earlier(key, slot, self.now_s).ok_or(fault)?;
                        to_sign.validity = validity;
                        signature
                    }
                },
            },
        };
        let rr = Rr { owner: set.shown_owner, rr_type: RrType::RRSIG, ttl_s: set.shown_ttl_s };
        self.answer.record(section, rr, &[&to_sign.head(), zone.apex().as_wire(), &signature])?;
        Ok(())
    }

    /// An RRset that is made of keys, if there is one of this type; signed by the entry points.
    pub(super) fn put_keys(&mut self, rr_type: RrType) -> Result<(), Stop> {
        let Some(keys) = self.zone.keys.as_deref() else { return Ok(()) };
        let Some(rdatas) = keys.rdatas(rr_type) else { return Ok(()) };
        let slot = keys.slot(rr_type, 0);
        self.put(Section::Answer, Set::new(self.zone.apex(), rr_type, keys.ttl_s(), rdatas, Window::Dnskey, slot))
    }

    /// The SOA: in answers with its own TTL, in denials with theirs (RFC 2308 3).
    pub(super) fn put_soa(&mut self, section: Section) -> Result<(), Stop> {
        let zone = self.zone;
        let Some(fixed) = zone.fixed_data().soa() else { return Ok(()) };
        let mut set = Set::fixed(zone.apex(), fixed);
        let current;
        if let ZoneData::Numbers(numbers) = &zone.data {
            current = numbers.soa();
            (set.rdatas, set.slot, set.others) = (&current.rdatas, current.slot(), None);
        }
        if section == Section::Authority {
            set.shown_ttl_s = zone.fixed_data().negative_ttl_s();
        }
        self.put(section, set)
    }

    /// The NSEC of a name that has exactly these types, in the section where the asker expects it.
    pub(super) fn put_nsec(
        &mut self,
        section: Section,
        owner: &Name,
        next: &Name,
        types: impl IntoIterator<Item = RrType, IntoIter: Clone>,
    ) -> Result<(), Stop> {
        self.with_nsec(owner, next, types, |reply, set| reply.put(section, set))
    }

    /// Only the RRSIG of that NSEC: the answer to QTYPE RRSIG (DNS.md 3).
    pub(super) fn put_nsec_rrsig(
        &mut self,
        owner: &Name,
        next: &Name,
        types: impl IntoIterator<Item = RrType, IntoIter: Clone>,
    ) -> Result<(), Stop> {
        let Some(keys) = self.zone.keys.as_deref() else { return Ok(()) };
        self.with_nsec(owner, next, types, |reply, set| reply.put_rrsig(Section::Answer, set, keys))
    }

    fn with_nsec(
        &mut self,
        owner: &Name,
        next: &Name,
        types: impl IntoIterator<Item = RrType, IntoIter: Clone>,
        put: impl FnOnce(&mut Self, Set<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut rdatas = std::mem::take(&mut self.worker.nsec);
        rdatas.clear();
        denial::nsec(next, types, &mut rdatas);
        let ttl_s = self.zone.fixed_data().negative_ttl_s();
        let done = put(self, Set::new(owner, RrType::NSEC, ttl_s, &rdatas, Window::Denial, None));
        self.worker.nsec = rdatas;
        done
    }
}

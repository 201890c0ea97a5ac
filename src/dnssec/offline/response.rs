//! The signed key response: which keys are served when, and the KSKs' signatures over them, a day each.

use std::path::Path;

use ring::rand::SystemRandom;
use serde::{Deserialize, Serialize};

use super::OfflineError;
use super::error::refused;
use super::form::{self, Signature, VERSION};
use super::public_key::PublicKey;
use super::slots::{SLOT_S, Slots};
use crate::dnssec::keys::{Key, KeyError};
use crate::dnssec::life::{Publication, Revocation};
use crate::dnssec::{KeyId, KeyRole, SignFault, ToSign, Window, ZoneKeys};
use crate::wire::{Name, Rdatas, RrType};
use crate::zone::slot::SignatureBytes;

const WHAT: &str = "signed key response";
/// Sets in a file: each key of six nodes comes and goes a few times a year, with and without each node.
pub(super) const SETS_MAX: usize = 4_000;
/// Keys of one set: more would not fit a datagram.
const KEYS_MAX: usize = 16;

/// A response, as it is in its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    pub(super) version: u64,
    /// The zone.
    pub apex: String,
    /// When it was made, by the clock of the machine with the KSK.
    pub made_s: u64,
    /// TTL of what is signed.
    pub dnskey_ttl_s: u32,
    /// Fingerprints of the requests that it answers, by node.
    pub requests: Vec<(String, String)>,
    /// What is served when.
    pub sets: Vec<KeySet>,
}

/// The keys of some days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySet {
    /// From when to when it is served, Unix seconds, beginnings of slots.
    pub from_s: u64,
    /// See `from_s`.
    pub until_s: u64,
    /// The set is for the case that the keys of this node are out: it was broken into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without: Option<String>,
    /// Tag of the KSK that CDS and CDNSKEY name.
    pub cds: u16,
    /// Every key; KSKs in the order in which the parent gets them.
    pub keys: Vec<PublicKey>,
    /// A day and a KSK each: from the day before the set to the day after, since neither clocks nor switches are exact.
    pub(super) signed: Vec<Signed>,
}

/// The signatures of one KSK for one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signed {
    pub(super) slot_s: u64,
    pub(super) ksk: u16,
    pub(super) dnskey: Signature,
    pub(super) cds: Signature,
    pub(super) cdnskey: Signature,
}

impl Response {
    /// Reads a file. Its signatures are not checked yet.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = form::read(path, WHAT)?;
        let text = text.ok_or_else(|| form::garbage(path, WHAT, "there is no such file"))?;
        form::parse(path, WHAT, &text)
    }

    /// Writes it. Durable when this returns.
    pub fn write(&self, path: &Path) -> Result<(), KeyError> {
        form::write(path, self)
    }

    /// Looks at everything in it: bounds, order, and every signature.
    pub fn verify(&self, apex: &Name) -> Result<(), OfflineError> {
        let slots = Slots::of(apex);
        if self.version != VERSION || self.apex != apex.to_text() {
            return Err(refused(format!("the response is for {}, and this zone is {}", self.apex, apex.to_text())));
        }
        if self.sets.is_empty() || self.sets.len() > SETS_MAX {
            return Err(refused("the response has no set of keys, or too many"));
        }
        self.sets.iter().try_for_each(|set| set.verify(apex, slots, self.dnskey_ttl_s))?;
        for (one, next) in self.of_all().zip(self.of_all().skip(1)) {
            if one.until_s != next.from_s {
                return Err(refused("the response leaves out some days: ask for another one"));
            }
        }
        Ok(())
    }

    /// The sets with every node's keys, in order.
    pub(super) fn of_all(&self) -> impl Iterator<Item = &KeySet> {
        self.sets.iter().filter(|set| set.without.is_none())
    }
}

impl KeySet {
    /// The KSKs in it.
    pub(in crate::dnssec) fn ksks(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.iter().filter(|key| key.id().role == KeyRole::Ksk)
    }

    /// The KSK that CDS names.
    pub(in crate::dnssec) fn named(&self) -> Option<KeyId> {
        self.ksks().map(PublicKey::id).find(|id| id.tag == self.cds)
    }

    /// Whether CDS names a KSK, or has named it before another one.
    pub(in crate::dnssec) fn has_named(&self, id: KeyId) -> bool {
        let up_to_named = self.ksks().position(|ksk| ksk.id().tag == self.cds).map_or(0, |at| at + 1);
        self.ksks().take(up_to_named).any(|ksk| ksk.id() == id)
    }

    /// Whether a key is in it.
    pub(in crate::dnssec) fn has(&self, id: KeyId) -> bool {
        self.keys.iter().any(|key| key.id() == id)
    }

    /// What is served of it, data signed by `signer`.
    pub fn publication(&self, signer: Option<KeyId>) -> Publication {
        let ksks: Vec<KeyId> = self.ksks().map(PublicKey::id).collect();
        Publication {
            dnskeys: self.keys.iter().map(|key| (key.id(), Revocation::No)).collect(),
            cds: ksks.iter().copied().filter(|id| id.tag == self.cds).collect(),
            key_signers: ksks.clone(),
            cds_signers: ksks,
            data_signers: signer.into_iter().collect(),
        }
    }

    /// Its keys as they are served, those that `open` does not have shown only.
    pub(super) fn zone_keys(
        &self,
        apex: &Name,
        ttl_s: u32,
        signer: Option<KeyId>,
        mut open: impl FnMut(&PublicKey) -> Result<Key, KeyError>,
    ) -> Result<ZoneKeys, KeyError> {
        ZoneKeys::build(apex, &self.publication(signer), ttl_s, |id| {
            let key = self.keys.iter().find(|key| key.id() == id);
            open(key.ok_or(SignFault)?) // every id is from the list
        })
    }

    /// The days that it is signed for.
    pub(super) fn slots(&self) -> impl Iterator<Item = u64> + use<> {
        let (from_s, until_s) = (self.from_s.saturating_sub(SLOT_S), self.until_s);
        (from_s..=until_s).step_by(SLOT_S as usize)
    }

    /// Signs it with the KSKs in `keys`.
    pub(super) fn sign(&mut self, apex: &Name, keys: &ZoneKeys) -> Result<(), SignFault> {
        let random = SystemRandom::new();
        let mut signed = Vec::new();
        for slot_s in self.slots() {
            for ksk in keys.signers(RrType::DNSKEY) {
                let make = |rr_type| -> Result<Signature, SignFault> {
                    let mut text = Vec::new();
                    message(apex, keys, rr_type, ksk, slot_s, &mut text)?;
                    ksk.signer.sign(&random, &text).map(Signature)
                };
                signed.push(Signed {
                    slot_s,
                    ksk: ksk.tag,
                    dnskey: make(RrType::DNSKEY)?,
                    cds: make(RrType::CDS)?,
                    cdnskey: make(RrType::CDNSKEY)?,
                });
            }
        }
        self.signed = signed;
        Ok(())
    }

    /// Hands out each message of its days with the signature over it that is in the file, and whose it should be.
    pub(super) fn each_signature<E: From<SignFault>>(
        &self,
        apex: &Name,
        keys: &ZoneKeys,
        mut take: impl FnMut(&Signed, RrType, &[u8], &SignatureBytes) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut text = Vec::new();
        for signed in &self.signed {
            let Some(ksk) = keys.signers(RrType::DNSKEY).iter().find(|key| key.tag == signed.ksk) else { continue };
            for (rr_type, signature) in
                [(RrType::DNSKEY, signed.dnskey), (RrType::CDS, signed.cds), (RrType::CDNSKEY, signed.cdnskey)]
            {
                message(apex, keys, rr_type, ksk, signed.slot_s, &mut text)?;
                take(signed, rr_type, &text, &signature.0)?;
            }
        }
        Ok(())
    }

    fn verify(&self, apex: &Name, slots: Slots, ttl_s: u32) -> Result<(), OfflineError> {
        if !slots.is_start(self.from_s) || !slots.is_start(self.until_s) || self.from_s >= self.until_s {
            return Err(refused("a set of the response is for days that do not begin where signatures' days begin"));
        }
        let twice = |i: usize| self.keys[..i].iter().any(|other| other.id().tag == self.keys[i].id().tag);
        if self.keys.len() > KEYS_MAX || (0..self.keys.len()).any(twice) || !self.ksks().any(|k| k.id().tag == self.cds)
        {
            return Err(refused(
                "a set of the response has too many keys, two with one tag, or lacks the KSK that CDS names",
            ));
        }
        for (slot_s, ksk) in self.slots().flat_map(|slot_s| self.ksks().map(move |ksk| (slot_s, ksk.id().tag))) {
            if !self.signed.iter().any(|signed| (signed.slot_s, signed.ksk) == (slot_s, ksk)) {
                return Err(refused(format!("the response lacks signatures of KSK {ksk}: ask for another one")));
            }
        }
        let shown = self.zone_keys(apex, ttl_s, None, |key| Ok(key.shown()));
        let shown = shown.map_err(|e| refused(e.to_string()))?;
        let each = self.each_signature(apex, &shown, |signed, rr_type, message, signature| {
            let ksk = self.ksks().find(|ksk| ksk.id().tag == signed.ksk);
            match ksk.is_some_and(|ksk| ksk.verifies(message, signature)) {
                true => Ok(()),
                false => Err(Bad(Some((rr_type, signed.ksk, signed.slot_s)))),
            }
        });
        each.map_err(|Bad(which)| match which {
            Some((rr_type, tag, slot_s)) => OfflineError::Forged { what: name(rr_type), tag, slot_s },
            None => refused("a set of the response cannot be put together"),
        })
    }
}

/// The first signature that is not good, if it is one.
struct Bad(Option<(RrType, u16, u64)>);

impl From<SignFault> for Bad {
    fn from(_: SignFault) -> Self {
        Self(None)
    }
}

fn name(rr_type: RrType) -> &'static str {
    match rr_type {
        RrType::CDS => "CDS",
        RrType::CDNSKEY => "CDNSKEY",
        _ => "DNSKEY",
    }
}

/// What a KSK signs of one type for one day.
fn message(
    apex: &Name,
    keys: &ZoneKeys,
    rr_type: RrType,
    ksk: &Key,
    slot_s: u64,
    text: &mut Vec<u8>,
) -> Result<(), SignFault> {
    let to_sign = ToSign {
        owner: apex,
        rr_type,
        ttl_s: keys.ttl_s(),
        rdatas: Rdatas(keys.rdatas(rr_type).ok_or(SignFault)?),
        validity: Window::Dnskey.at(slot_s, apex.as_wire()),
        signer: apex,
        algorithm: ksk.signer.algorithm(),
        key_tag: ksk.tag,
    };
    to_sign.message(text);
    Ok(())
}

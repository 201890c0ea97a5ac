//! The keys of a zone as they are served: the DNSKEY, CDS and CDNSKEY RRsets, and who signs what.

pub mod bind;
pub mod error;
pub mod files;
pub mod source;

use std::sync::Arc;

use ring::digest::{SHA256, digest};
use ring::rand::SecureRandom;

pub use error::KeyError;
pub use files::KeyFiles;
pub use source::{KeySource, Protection, configured, in_configured_token, in_token};

use super::anchor::{DsDigest, ds_rdata};
use super::life::{Publication, Revocation};
use super::rrsig::{dnskey_rdata, key_tag};
use super::signer::{self, SignFault, ZoneSigner};
use super::{Algorithm, KeyId, KeyRole};
use crate::wire::rr::flatten;
use crate::wire::{Name, RrType};
use crate::zone::slot::{Slot, Slots};

/// TTL of DNSKEY, CDS and CDNSKEY in seconds: an hour, so that a key roll is a matter of hours.
pub const DNSKEY_TTL_S: u32 = 3_600;
/// How often keys in memory are made again because their tags collide; two in 65 536 do.
const TAG_TRIES: usize = 8;
/// What a key signs to show that it does. No RRSIG covers octets that begin so: there is no algorithm 108.
pub(crate) const PROOF: &[u8] = b"callbook looks whether this key signs";
/// The REVOKE bit (RFC 5011 7).
const REVOKE: u16 = 0x80;
/// The types that are made of keys.
const OF_KEYS: [RrType; 3] = [RrType::DNSKEY, RrType::CDS, RrType::CDNSKEY];

/// The keys of one zone at one moment. A roll makes another one of these.
pub struct ZoneKeys {
    ttl_s: u32,
    key_signers: Vec<Key>,
    cds_signers: Vec<Key>,
    data_signers: Vec<Key>,
    /// What the parent should have.
    wanted: Vec<Key>,
    /// In the order of [`OF_KEYS`], in the form of [`crate::wire::Rdatas`].
    rdatas: [Box<[u8]>; 3],
    slots: Slots,
}

/// A private key's handle and the DNSKEY that names it.
#[derive(Clone)]
pub struct Key {
    /// Makes the signatures.
    pub signer: Arc<dyn ZoneSigner>,
    /// RFC 4034 appendix B.
    pub tag: u16,
    role: KeyRole,
    dnskey: Vec<u8>,
}

impl Key {
    /// A key for a role.
    pub fn new(role: KeyRole, signer: Arc<dyn ZoneSigner>) -> Self {
        Self::with_flags(role, role.flags(), signer)
    }

    /// The same key with the REVOKE bit, and so with another tag (RFC 5011 2.1).
    pub fn revoked(&self) -> Self {
        Self::with_flags(self.role, self.role.flags() | REVOKE, self.signer.clone())
    }

    fn with_flags(role: KeyRole, flags: u16, signer: Arc<dyn ZoneSigner>) -> Self {
        let dnskey = dnskey_rdata(flags, signer.algorithm(), signer.public_key());
        Self { signer, tag: key_tag(&dnskey), role, dnskey }
    }

    /// What the key is called in its life.
    pub fn id(&self) -> KeyId {
        let algorithm = Algorithm::try_from(self.signer.algorithm()).unwrap_or_default(); // signers are made of one
        KeyId { role: self.role, algorithm, tag: self.tag }
    }

    /// Whether its holder makes a signature with it now.
    pub fn signs(&self, random: &dyn SecureRandom) -> bool {
        self.signer.sign(random, PROOF).is_ok()
    }

    /// DNSKEY RDATA.
    pub fn dnskey(&self) -> &[u8] {
        &self.dnskey
    }
}

impl ZoneKeys {
    /// What a publication says, with keys from `open`.
    pub fn build(
        apex: &Name,
        publication: &Publication,
        ttl_s: u32,
        mut open: impl FnMut(KeyId) -> Result<Key, KeyError>,
    ) -> Result<Self, KeyError> {
        let mut shown = |id: KeyId| -> Result<Key, KeyError> {
            let key = open(id)?;
            let revoked = publication.dnskeys.contains(&(id, Revocation::Revoked));
            Ok(if revoked { key.revoked() } else { key })
        };
        let mut all = |ids: &[KeyId]| ids.iter().map(|id| shown(*id)).collect::<Result<Vec<Key>, KeyError>>();
        let ids: Vec<KeyId> = publication.dnskeys.iter().map(|(id, _)| *id).collect();
        let (dnskeys, wanted) = (all(&ids)?, all(&publication.cds)?);
        let cds = wanted.iter().map(|key| ds_rdata(apex, &key.dnskey, DsDigest::Sha256)).collect();
        let keys = |keys: &[Key]| flatten(keys.iter().map(|key| key.dnskey.clone()).collect());
        let (key_signers, cds_signers) = (all(&publication.key_signers)?, all(&publication.cds_signers)?);
        Ok(Self {
            ttl_s,
            slots: Slots::empty(key_signers.len() + 2 * cds_signers.len()),
            data_signers: all(&publication.data_signers)?,
            rdatas: [keys(&dnskeys), flatten(cds), keys(&wanted)],
            key_signers,
            cds_signers,
            wanted,
        })
    }

    /// New keys of the default algorithm that are never written anywhere (tests).
    pub fn in_memory(random: &dyn SecureRandom) -> Result<Self, KeyError> {
        Self::in_memory_of(Algorithm::default(), random)
    }

    /// New keys that are never written anywhere (`zone serve`, tests). No parent is told of them.
    pub fn in_memory_of(algorithm: Algorithm, random: &dyn SecureRandom) -> Result<Self, KeyError> {
        let one = |role| {
            let document = zeroize::Zeroizing::new(signer::generate(algorithm, random)?);
            signer::open(algorithm, &document, random).map(|signer| Key::new(role, signer)).ok_or(SignFault)
        };
        let ksk = one(KeyRole::Ksk)?;
        for _ in 0..TAG_TRIES {
            let zsk = one(KeyRole::Zsk)?;
            // Signature stamps and validators tell keys apart by their tags.
            if zsk.tag != ksk.tag {
                let dnskeys = flatten(vec![ksk.dnskey.clone(), zsk.dnskey.clone()]);
                return Ok(Self {
                    ttl_s: DNSKEY_TTL_S,
                    key_signers: vec![ksk.clone()],
                    cds_signers: Vec::new(),
                    data_signers: vec![zsk],
                    wanted: vec![ksk],
                    rdatas: [dnskeys, Box::default(), Box::default()],
                    slots: Slots::empty(1),
                });
            }
        }
        Err(SignFault.into())
    }

    /// The keys whose signatures stand beside an RRset of this type at the apex, or elsewhere. One, but while keys of two
    /// algorithms stand side by side, or several entry points.
    pub fn signers(&self, rr_type: RrType) -> &[Key] {
        match rr_type {
            RrType::DNSKEY => &self.key_signers,
            RrType::CDS | RrType::CDNSKEY => &self.cds_signers,
            _ => &self.data_signers,
        }
    }

    /// The types that are made of keys and that the apex has.
    pub fn types(&self) -> impl Iterator<Item = RrType> + Clone + use<'_> {
        OF_KEYS.into_iter().zip(&self.rdatas).filter(|(_, rdatas)| !rdatas.is_empty()).map(|(rr_type, _)| rr_type)
    }

    /// An RRset that is made of keys, in the form of [`crate::wire::Rdatas`]; none of other types, or if it is empty.
    pub fn rdatas(&self, rr_type: RrType) -> Option<&[u8]> {
        let at = OF_KEYS.iter().position(|of_keys| *of_keys == rr_type)?;
        self.rdatas.get(at).map(|rdatas| &**rdatas).filter(|rdatas| !rdatas.is_empty())
    }

    /// Where the signature of the `i`-th signer over an RRset made of keys lies; none of other types.
    pub fn slot(&self, rr_type: RrType, i: usize) -> Option<Slot<'_>> {
        let first = match rr_type {
            RrType::DNSKEY => 0,
            RrType::CDS => self.key_signers.len(),
            RrType::CDNSKEY => self.key_signers.len() + self.cds_signers.len(),
            _ => return None,
        };
        self.slots.slot(first + i).filter(|_| i < self.signers(rr_type).len())
    }

    /// TTL of the RRsets that are made of keys.
    pub fn ttl_s(&self) -> u32 {
        self.ttl_s
    }

    /// The DNSKEY RRset in the form of [`crate::wire::Rdatas`].
    pub fn dnskeys(&self) -> &[u8] {
        &self.rdatas[0]
    }

    /// Tells these keys from others: what is published of them, and who signs what.
    pub fn identity(&self) -> [u8; 32] {
        let mut all = self.ttl_s.to_be_bytes().to_vec();
        for rdatas in &self.rdatas {
            all.extend((rdatas.len() as u32).to_be_bytes()); // a few keys
            all.extend(rdatas);
        }
        for signers in [&self.key_signers, &self.cds_signers, &self.data_signers] {
            all.push(signers.len() as u8);
            signers.iter().for_each(|key| all.extend(&key.dnskey));
        }
        let mut identity = [0; 32];
        identity.copy_from_slice(digest(&SHA256, &all).as_ref());
        identity
    }

    /// The keys whose DS the parent should have.
    pub fn wanted(&self) -> &[Key] {
        &self.wanted
    }

    /// The entry points that are good, for anchors: those in use and those that come.
    pub fn entries(&self) -> impl Iterator<Item = &Key> {
        self.key_signers.iter().filter(|key| key.dnskey.starts_with(&key.role.flags().to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dnssec::life::{Life, State};
    use crate::wire::Rdatas;
    use ring::rand::SystemRandom;

    fn key(role: KeyRole) -> Key {
        let random = SystemRandom::new();
        let document = signer::generate(Algorithm::Ed25519, &random).unwrap();
        Key::new(role, signer::open(Algorithm::Ed25519, &document, &random).unwrap())
    }

    #[test]
    fn a_publication_becomes_rrsets_and_signers() {
        let apex = Name::from_text("e164.example.").unwrap();
        let keys = [key(KeyRole::Ksk), key(KeyRole::Zsk), key(KeyRole::Ksk)];
        let mut life = Life::begin(keys[..2].iter().map(Key::id).collect(), 1);
        life.add(keys[2].id(), 1);
        life.keys[0].state = State::Revoked;
        life.keys[2].state = State::Active;
        let open = |id: KeyId| Ok(keys.iter().find(|key| key.id() == id).unwrap().clone());
        let built = ZoneKeys::build(&apex, &life.publication(), 60, open).unwrap();
        assert_eq!(Rdatas(built.dnskeys()).count(), 3);
        let revoked = Rdatas(built.dnskeys()).find(|rdata| rdata[1] & 0x80 != 0).unwrap();
        assert_eq!(key_tag(revoked), keys[0].revoked().tag);
        assert_eq!(built.signers(RrType::DNSKEY).len(), 2);
        assert_eq!(built.signers(RrType::NAPTR)[0].tag, keys[1].tag);
        assert_eq!(built.types().collect::<Vec<_>>(), OF_KEYS);
        assert_eq!(built.rdatas(RrType::CDNSKEY).and_then(|flat| Rdatas(flat).next()), Some(keys[2].dnskey()));
        assert_eq!(built.entries().map(|key| key.tag).collect::<Vec<_>>(), [keys[2].tag]);
        assert!(built.slot(RrType::CDNSKEY, 1).is_some() && built.slot(RrType::CDNSKEY, 2).is_none());
        assert!(built.slot(RrType::NAPTR, 0).is_none());
    }
}

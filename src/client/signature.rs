//! DNSSEC signatures over record sets: DNSKEY, DS and RRSIG, and the checks of RFC 4035 5.3.

use std::sync::atomic::{AtomicU32, Ordering};

use hickory_proto::dnssec::{Algorithm, PublicKey, PublicKeyBuf};
use hickory_proto::rr::Name;
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use ring::digest;

use crate::client::message::{self, Case, Rr, rr};
use crate::clock;

/// Signatures tried for one record set: two algorithms, several keys while they are replaced; more is an attack (CVE-2023-50387).
const SIGNATURES_MAX: usize = 8;
/// Keys of one tag tried for one signature; collisions are rare, so more is an attack (CVE-2023-50387).
const KEYS_PER_TAG_MAX: usize = 2;
/// Signature checks spent on one look-up; an honest one needs about a dozen.
const CHECKS_MAX: u32 = 200;

const FLAG_ZONE: u16 = 0x0100;
const FLAG_REVOKE: u16 = 0x0080;
const PROTOCOL_DNSSEC: u8 = 3;
const DIGEST_SHA256: u8 = 2;
/// Octets of RRSIG RDATA in front of the signer's name.
const RRSIG_HEAD: usize = 18;

/// Why data is not believed. The text goes into `bogus(why)`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    #[error("it is not signed, though the zone is")]
    Unsigned,
    #[error("its signature expired at {}", clock::rfc3339(*.at_s))]
    Expired { at_s: u64 },
    #[error("its signature is valid only from {} on", clock::rfc3339(*.at_s))]
    NotYet { at_s: u64 },
    #[error("it is signed by key {tag}, which {zone} does not have")]
    UnknownKey { tag: u16, zone: String },
    #[error("the signature by key {tag} does not fit the data")]
    Forged { tag: u16 },
    #[error("its signature does not belong to it ({0})")]
    Misplaced(&'static str),
    #[error("no key of {0} fits the trust anchor")]
    NoAnchoredKey(String),
    #[error("no key of {0} fits the DS records of its parent")]
    NoDelegatedKey(String),
    #[error("the absence is not proved: {0}")]
    NotDenied(&'static str),
    #[error("more signature checks than an honest answer needs")]
    TooMuchWork,
}

/// A zone key (RFC 4034 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dnskey {
    pub(crate) algorithm: u8,
    pub(crate) tag: u16,
    key: Vec<u8>,
    rdata: Vec<u8>,
}

impl Dnskey {
    /// Reads DNSKEY RDATA; nothing for keys that must not sign zone data (no zone bit, another protocol, revoked).
    pub(crate) fn read(rdata: &[u8]) -> Option<Self> {
        let [f0, f1, protocol, algorithm, key @ ..] = rdata else { return None };
        let flags = u16::from_be_bytes([*f0, *f1]);
        let usable = flags & FLAG_ZONE != 0 && flags & FLAG_REVOKE == 0 && *protocol == PROTOCOL_DNSSEC;
        usable.then(|| Self { algorithm: *algorithm, tag: key_tag(rdata), key: key.to_vec(), rdata: rdata.to_vec() })
    }

    /// RDATA of its DS at `zone`, with SHA-256 (RFC 4034 5.1.4).
    pub(crate) fn ds_rdata(&self, zone: &Name) -> Vec<u8> {
        let digest = digest_over(&digest::SHA256, zone, &self.rdata);
        [&self.tag.to_be_bytes()[..], &[self.algorithm, DIGEST_SHA256], digest.as_ref()].concat()
    }
}

/// A delegation signer record: the digest of a zone's key (RFC 4034 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ds {
    pub(crate) tag: u16,
    pub(crate) algorithm: u8,
    digest_type: u8,
    digest: Vec<u8>,
}

impl Ds {
    /// Reads DS RDATA.
    pub(crate) fn read(rdata: &[u8]) -> Option<Self> {
        let [t0, t1, algorithm, digest_type, digest @ ..] = rdata else { return None };
        let tag = u16::from_be_bytes([*t0, *t1]);
        Some(Self { tag, algorithm: *algorithm, digest_type: *digest_type, digest: digest.to_vec() })
    }

    /// Whether both the algorithm and the digest are ones that we check.
    pub(crate) fn is_supported(&self) -> bool {
        is_supported(self.algorithm) && digest_of(self.digest_type).is_some()
    }

    /// Whether this is the digest of `key` at `zone` (RFC 4034 5.1.4).
    pub(crate) fn covers(&self, zone: &Name, key: &Dnskey) -> bool {
        if (self.tag, self.algorithm) != (key.tag, key.algorithm) {
            return false;
        }
        let Some(algorithm) = digest_of(self.digest_type) else { return false };
        digest_over(algorithm, zone, &key.rdata).as_ref() == self.digest
    }

    /// Whether the digest has as many octets as its type makes.
    pub(crate) fn is_whole(&self) -> bool {
        digest_of(self.digest_type).is_none_or(|algorithm| self.digest.len() == algorithm.output_len())
    }
}

fn digest_over(algorithm: &'static digest::Algorithm, zone: &Name, dnskey: &[u8]) -> digest::Digest {
    let mut input = Vec::with_capacity(dnskey.len() + zone.len());
    message::name_bytes(&mut input, zone, Case::Lower);
    input.extend_from_slice(dnskey);
    digest::digest(algorithm, &input)
}

/// Whether we check signatures of this algorithm: RSA with SHA-2, ECDSA, Ed25519; SHA-1 no more (RFC 9905).
pub(crate) fn is_supported(algorithm: u8) -> bool {
    matches!(algorithm, 8 | 10 | 13 | 14 | 15)
}

/// SHA-256 and SHA-384; SHA-1 no more (RFC 9905).
fn digest_of(digest_type: u8) -> Option<&'static digest::Algorithm> {
    match digest_type {
        DIGEST_SHA256 => Some(&digest::SHA256),
        4 => Some(&digest::SHA384),
        _ => None,
    }
}

/// RFC 4034 appendix B.
fn key_tag(rdata: &[u8]) -> u16 {
    let sum = rdata.chunks(2).fold(0u32, |sum, pair| {
        let low = pair.get(1).copied().unwrap_or(0);
        sum + u32::from(u16::from_be_bytes([pair[0], low]))
    });
    (sum + (sum >> 16)) as u16
}

/// A signature over a record set (RFC 4034 3).
#[derive(Clone, Debug)]
pub(crate) struct Rrsig {
    algorithm: u8,
    labels: u8,
    original_ttl: u32,
    expiration: u32,
    inception: u32,
    tag: u16,
    pub(crate) signer: Name,
    signature: Vec<u8>,
    /// The RDATA without the signature, the signer in lower case: the start of what is signed.
    head: Vec<u8>,
}

impl Rrsig {
    fn read(rdata: &[u8]) -> Option<(u16, Self)> {
        let (fixed, rest) = rdata.split_at_checked(RRSIG_HEAD)?;
        let [c0, c1, algorithm, labels, o0, o1, o2, o3, e0, e1, e2, e3, i0, i1, i2, i3, t0, t1] = fixed else {
            return None;
        };
        let mut input = BinDecoder::new(rest);
        let signer = Name::read(&mut input).ok()?;
        let signature = rest.get(input.index()..)?.to_vec();
        let rrsig = Self {
            algorithm: *algorithm,
            labels: *labels,
            original_ttl: u32::from_be_bytes([*o0, *o1, *o2, *o3]),
            expiration: u32::from_be_bytes([*e0, *e1, *e2, *e3]),
            inception: u32::from_be_bytes([*i0, *i1, *i2, *i3]),
            tag: u16::from_be_bytes([*t0, *t1]),
            signer,
            head: rdata.get(..RRSIG_HEAD + input.index())?.to_vec(),
            signature,
        };
        Some((u16::from_be_bytes([*c0, *c1]), rrsig))
    }
}

/// The keys of a zone that are believed, and until when.
#[derive(Clone, Debug)]
pub(crate) struct ZoneKeys {
    pub(crate) zone: Name,
    pub(crate) keys: Vec<Dnskey>,
    /// Unix seconds at which the first signature on the way from the anchor expires.
    pub(crate) expires_s: u64,
}

/// A record set with its signatures, taken out of a section.
#[derive(Clone, Debug)]
pub(crate) struct Rrset {
    pub(crate) owner: Name,
    pub(crate) rr_type: u16,
    /// Canonical RDATA, in canonical order, each once (RFC 4034 6.3).
    pub(crate) rdatas: Vec<Vec<u8>>,
    pub(crate) signatures: Vec<Rrsig>,
}

/// What a good signature says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    /// Unix seconds from which on it is valid, and until when.
    pub(crate) inception_s: u64,
    pub(crate) expires_s: u64,
    pub(crate) tag: u16,
    pub(crate) algorithm: u8,
    /// The wildcard that the owner name was made from, if it was.
    pub(crate) wildcard: Option<Name>,
}

impl Rrset {
    /// The set of `rr_type` at `owner` in `section`, with the signatures over it; nothing if there is no such record.
    pub(crate) fn of(section: &[Rr], owner: &Name, rr_type: u16) -> Option<Self> {
        let at_owner = || section.iter().filter(|rr| rr.owner == *owner);
        let mut rdatas: Vec<Vec<u8>> =
            at_owner().filter(|rr| rr.rr_type == rr_type).map(|rr| rr.rdata.clone()).collect();
        rdatas.sort_unstable();
        rdatas.dedup();
        let signatures = at_owner().filter(|rr| rr.rr_type == rr::RRSIG).filter_map(|rr| Rrsig::read(&rr.rdata));
        let signatures = signatures.filter(|(covered, _)| *covered == rr_type).map(|(_, rrsig)| rrsig);
        let signatures = signatures.take(SIGNATURES_MAX).collect();
        (!rdatas.is_empty()).then(|| Self { owner: owner.clone(), rr_type, rdatas, signatures })
    }

    /// From when to when its signature is valid that says so longest, as Unix seconds near `now_s`; unchecked.
    pub(crate) fn times(&self, now_s: u64) -> Option<(u64, u64)> {
        let times = self.signatures.iter().map(|rrsig| (near(rrsig.inception, now_s), near(rrsig.expiration, now_s)));
        times.max_by_key(|(_, expires_s)| *expires_s)
    }

    /// Every set of `rr_type` in `section`.
    pub(crate) fn all(section: &[Rr], rr_type: u16) -> Vec<Self> {
        let mut owners: Vec<&Name> = section.iter().filter(|rr| rr.rr_type == rr_type).map(|rr| &rr.owner).collect();
        owners.sort_unstable();
        owners.dedup();
        owners.into_iter().filter_map(|owner| Self::of(section, owner, rr_type)).collect()
    }

    /// Checks the set: one good signature by one of the zone's keys is enough (RFC 6840 5.4).
    pub(crate) fn verify(&self, zone: &ZoneKeys, now_s: u64, work: &Work) -> Result<Proof, Flaw> {
        let mut flaw = Flaw::Unsigned;
        for rrsig in &self.signatures {
            match self.verify_one(rrsig, zone, now_s, work) {
                Ok(proof) => return Ok(proof),
                Err(found) => flaw = found,
            }
        }
        Err(flaw)
    }

    /// RFC 4035 5.3.1 to 5.3.3 for one signature.
    fn verify_one(&self, rrsig: &Rrsig, zone: &ZoneKeys, now_s: u64, work: &Work) -> Result<Proof, Flaw> {
        if rrsig.signer != zone.zone || !zone.zone.zone_of(&self.owner) {
            return Err(Flaw::Misplaced("its signer is another zone"));
        }
        if rrsig.labels > self.owner.num_labels() {
            return Err(Flaw::Misplaced("it counts more labels than the name has"));
        }
        let (inception_s, expires_s) = (near(rrsig.inception, now_s), near(rrsig.expiration, now_s));
        if now_s > expires_s {
            return Err(Flaw::Expired { at_s: expires_s });
        }
        if now_s < inception_s {
            return Err(Flaw::NotYet { at_s: inception_s });
        }
        let (owner, wildcard) = self.signed_owner(rrsig)?;
        let signed = self.signed_bytes(rrsig, &owner);
        let fits = |key: &&Dnskey| key.tag == rrsig.tag && key.algorithm == rrsig.algorithm;
        let mut flaw = Flaw::UnknownKey { tag: rrsig.tag, zone: zone.zone.to_ascii() };
        for key in zone.keys.iter().filter(fits).take(KEYS_PER_TAG_MAX) {
            work.spend()?;
            flaw = Flaw::Forged { tag: rrsig.tag };
            if is_supported(key.algorithm)
                && PublicKeyBuf::new(key.key.clone(), Algorithm::from_u8(key.algorithm))
                    .verify(&signed, &rrsig.signature)
                    .is_ok()
            {
                return Ok(Proof { inception_s, expires_s, tag: key.tag, algorithm: key.algorithm, wildcard });
            }
        }
        Err(flaw)
    }

    /// The owner name that was signed: this one, or the wildcard that it was made from (RFC 4035 5.3.2).
    fn signed_owner(&self, rrsig: &Rrsig) -> Result<(Vec<u8>, Option<Name>), Flaw> {
        let mut bytes = Vec::with_capacity(self.owner.len() + 2);
        if rrsig.labels == self.owner.num_labels() {
            message::name_bytes(&mut bytes, &self.owner, Case::Lower);
            return Ok((bytes, None));
        }
        if matches!(self.rr_type, rr::NSEC | rr::NSEC3) {
            return Err(Flaw::Misplaced("a denial cannot come from a wildcard"));
        }
        let wildcard = self.owner.trim_to(usize::from(rrsig.labels)).prepend_label("*");
        let wildcard = wildcard.map_err(|_| Flaw::Misplaced("its wildcard is no name"))?;
        message::name_bytes(&mut bytes, &wildcard, Case::Lower);
        Ok((bytes, Some(wildcard)))
    }

    /// RFC 4034 3.1.8.1: the signature's own fields, then every record in canonical form and order.
    fn signed_bytes(&self, rrsig: &Rrsig, owner: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(&rrsig.head);
        for rdata in &self.rdatas {
            out.extend_from_slice(owner);
            out.extend_from_slice(&self.rr_type.to_be_bytes());
            out.extend_from_slice(&1u16.to_be_bytes());
            out.extend_from_slice(&rrsig.original_ttl.to_be_bytes());
            out.extend_from_slice(&(rdata.len() as u16).to_be_bytes()); // it came out of a message
            out.extend_from_slice(rdata);
        }
        out
    }
}

/// The signature checks that are left for a look-up.
#[derive(Debug, Default)]
pub(crate) struct Work(AtomicU32);

impl Work {
    fn spend(&self) -> Result<(), Flaw> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            spent if spent < CHECKS_MAX => Ok(()),
            _ => Err(Flaw::TooMuchWork),
        }
    }
}

/// A 32-bit time as the one nearest to `now_s` (serial number arithmetic, RFC 4034 3.1.5).
fn near(time: u32, now_s: u64) -> u64 {
    let ahead = time.wrapping_sub(now_s as u32) as i32;
    now_s.saturating_add_signed(i64::from(ahead))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_wrap_in_2106() {
        let now_s = u64::from(u32::MAX) + 10;
        assert_eq!(near(u32::MAX, now_s), u64::from(u32::MAX));
        assert_eq!(near(100, now_s), u64::from(u32::MAX) + 101);
        assert_eq!(near(5, 3), 5);
        assert_eq!(near(u32::MAX, 3), 0); // before 1970: long expired
    }

    #[test]
    fn tag_and_digest_of_rfc_4034() {
        // RFC 4034 5.4: dskey.example.com. has key tag 60485.
        let key = data_encoding::BASE64
            .decode(
                b"AQOeiiR0GOMYkDshWoSKz9XzfwJr1AYtsmx3TGkJaNXVbfi/2pHm822aJ5iI9BMzNXxeYCmZDRD99WYwYqUSdjMmmAphXdvx\
                  egXd/M5+X7OrzKBaMbCVdFLUUh6DhweJBjEVv5f2wwjM9XzcnOf+EPbtG9DMBmADjFDc2w/rljwvFw==",
            )
            .unwrap();
        let rdata = [&[1, 0, 3, 5][..], &key].concat();
        let key = Dnskey::read(&rdata).unwrap();
        assert_eq!(key.tag, 60485);
        // RFC 4509 2.3: its SHA-256 digest.
        let digest = data_encoding::HEXUPPER
            .decode(b"D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A")
            .unwrap();
        let ds = Ds { tag: 60485, algorithm: 5, digest_type: 2, digest };
        assert!(ds.covers(&Name::from_ascii("DSKEY.example.com.").unwrap(), &key));
        assert!(!ds.covers(&Name::from_ascii("dskey.example.org.").unwrap(), &key));
        assert!(!ds.is_supported()); // RSASHA1
    }

    #[test]
    fn keys_that_must_not_sign() {
        assert!(Dnskey::read(&[1, 1, 3, 13, 9]).is_some());
        for rdata in [[0, 1, 3, 13, 9], [1, 0x81, 3, 13, 9], [1, 1, 2, 13, 9]] {
            assert!(Dnskey::read(&rdata).is_none());
        }
    }
}

//! OpenPGP signatures: what they say, and whether a key made them. Verified by ring, and Ed25519 strictly.

use ring::digest::{SHA256, SHA384, SHA512, digest};
use ring::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA384_ASN1, UnparsedPublicKey};

use crate::log::bytes::Reader;
use crate::log::key::{Algorithm, PublicKey};
use crate::log::possession::PublishedKey;
use crate::log::rsa::{RsaPublicKey, RsaScheme};
use crate::registry::keys::Wrong;
use crate::registry::openpgp::key::{KeyPacket, Version};
use crate::registry::openpgp::packet::{WHAT, form, integer, lenient_integer, subpacket_length};
use crate::registry::refusal;

/// The bytes in front of the point in the SubjectPublicKeyInfo of P-256.
const P256_HEAD_LEN: usize = 26;
/// The one notation that is let through: random bytes that some programs put into every signature.
const SALT_NOTATION: &[u8] = b"salt@notations.sequoia-pgp.org";

/// What kind of signature it is (RFC 9580 5.2.1).
pub(super) mod kind {
    pub(in super::super) const CERTIFICATIONS: std::ops::RangeInclusive<u8> = 0x10..=0x13;
    pub(in super::super) const SUBKEY_BINDING: u8 = 0x18;
    pub(in super::super) const PRIMARY_BINDING: u8 = 0x19;
    pub(in super::super) const DIRECT_KEY: u8 = 0x1f;
    pub(in super::super) const REVOCATIONS: [u8; 3] = [0x20, 0x28, 0x30];
}

/// A signature packet.
pub(super) struct Signature<'a> {
    /// What it is about.
    pub(super) kind: u8,
    /// When it was made, Unix seconds.
    pub(super) created_s: u64,
    /// After how many seconds it is void, if ever.
    pub(super) life_s: Option<u64>,
    /// How many seconds after its making the key that it is about is void, if ever.
    pub(super) key_life_s: Option<u64>,
    /// Key flags, if it has any.
    pub(super) flags: Option<&'a [u8]>,
    /// The body of the signature that is embedded in it, if one is.
    pub(super) embedded: Option<&'a [u8]>,
    version: Version,
    algorithm: u8,
    hash: Digest,
    issuer: (u8, &'a [u8]),
    key_id: Option<&'a [u8]>,
    head: &'a [u8],
    start: [u8; 2],
    salt: &'a [u8],
    value: Value<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Digest {
    Sha256,
    Sha384,
    Sha512,
}

enum Value<'a> {
    /// R and S, or r and s.
    Pair([u8; 64]),
    Integer(&'a [u8]),
}

impl<'a> Signature<'a> {
    /// Reads the body of a packet (RFC 9580 5.2.3).
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Wrong> {
        let mut reader = Reader::new(body, WHAT);
        let version = Version::from_u8(reader.u8()?)?;
        let (kind, algorithm, hash) = (reader.u8()?, reader.u8()?, Digest::from_u8(reader.u8()?)?);
        let hashed_len = area_length(version, &mut reader)?;
        let mut said = Said::default();
        said.read(reader.take(hashed_len)?, Area::Hashed)?;
        let fixed_len = if version == Version::V4 { 6 } else { 8 };
        let head = body.get(..fixed_len + hashed_len).ok_or(form("truncated"))?;
        let unhashed_len = area_length(version, &mut reader)?;
        said.read(reader.take(unhashed_len)?, Area::Unhashed)?;
        let start = reader.array()?;
        let salt = if version == Version::V6 { salt(hash, &mut reader)? } else { &[] };
        let value = Value::read(algorithm, version, &mut reader)?;
        reader.end()?;
        let missing = |what| Wrong(&refusal::KEY_SELF_SIGNATURE, what);
        Ok(Self {
            kind,
            created_s: said.created_s.ok_or(missing("a signature without its time"))?,
            life_s: said.life_s.filter(|life_s| *life_s != 0),
            key_life_s: said.key_life_s.filter(|life_s| *life_s != 0),
            flags: said.flags,
            embedded: said.embedded,
            version,
            algorithm,
            hash,
            issuer: said.issuer.ok_or(missing("a signature that does not name its key by the fingerprint"))?,
            key_id: said.key_id,
            head,
            start,
            salt,
            value,
        })
    }

    /// Whether it names this key as its maker: by the fingerprint, and where it gives a key id by that as well.
    pub(super) fn names(&self, key: &KeyPacket<'_>) -> bool {
        let fingerprint = key.fingerprint();
        let key_id = match key.version {
            Version::V4 => fingerprint.get(12..),
            Version::V6 => fingerprint.get(..8),
        };
        self.issuer == (key.version.number(), fingerprint.as_slice()) && self.key_id.is_none_or(|id| Some(id) == key_id)
    }

    /// Whether `signer` made it over `data`, framed as its kind demands (RFC 9580 5.2.4).
    pub(super) fn is_by(&self, signer: &KeyPacket<'_>, data: &[u8]) -> bool {
        let length = (self.head.len() as u32).to_be_bytes(); // an RRset has at most 4096 bytes
        let signed = [self.salt, data, self.head, &[self.version.number(), 0xff], &length].concat();
        let hashed = self.hash.of(&signed);
        let same =
            self.version == signer.version && self.algorithm == signer.algorithm && hashed.starts_with(&self.start);
        same && match (&self.value, &signer.key) {
            (Value::Pair(pair), PublishedKey::Signing(key)) => match key.algorithm() {
                Algorithm::Ed25519 => key.verify(&hashed, pair),
                Algorithm::Es256 => self.hash.verify_p256(key, &signed, pair),
            },
            (Value::Integer(number), PublishedKey::Rsa(key)) => self.hash.verify_rsa(key, &signed, number),
            _ => false,
        }
    }
}

impl Digest {
    const fn from_u8(n: u8) -> Result<Self, Wrong> {
        match n {
            8 => Ok(Self::Sha256),
            9 => Ok(Self::Sha384),
            10 => Ok(Self::Sha512),
            1..=3 | 11 => {
                Err(Wrong(&refusal::KEY_SELF_SIGNATURE, "a signature rests on MD5, SHA-1 or another weak hash"))
            }
            _ => Err(Wrong(
                &refusal::KEY_SELF_SIGNATURE,
                "a signature rests on a hash other than SHA-256, SHA-384 or SHA-512",
            )),
        }
    }

    fn of(self, message: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => &SHA256,
            Self::Sha384 => &SHA384,
            Self::Sha512 => &SHA512,
        };
        digest(algorithm, message).as_ref().to_vec()
    }

    /// The octets of the salt of a version 6 signature (RFC 9580 9.5).
    const fn salt_len(self) -> u8 {
        match self {
            Self::Sha256 => 16,
            Self::Sha384 => 24,
            Self::Sha512 => 32,
        }
    }

    /// ring verifies P-256 with SHA-256 and SHA-384.
    fn verify_p256(self, key: &PublicKey, message: &[u8], pair: &[u8; 64]) -> bool {
        let spki = key.to_spki();
        let Some(point) = spki.get(P256_HEAD_LEN..) else { return false };
        match self {
            Self::Sha256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, pair).is_ok(),
            Self::Sha384 => UnparsedPublicKey::new(&ECDSA_P256_SHA384_ASN1, point).verify(message, &asn1(pair)).is_ok(),
            Self::Sha512 => false,
        }
    }

    fn verify_rsa(self, key: &RsaPublicKey, message: &[u8], number: &[u8]) -> bool {
        let scheme = match self {
            Self::Sha256 => RsaScheme::Pkcs1Sha256,
            Self::Sha384 => RsaScheme::Pkcs1Sha384,
            Self::Sha512 => RsaScheme::Pkcs1Sha512,
        };
        let Some(zeros) = key.modulus().len().checked_sub(number.len()) else { return false };
        key.verify(scheme, message, &[&vec![0; zeros], number].concat())
    }
}

impl<'a> Value<'a> {
    /// RFC 9580 5.2.3.1 to 5.2.3.3: native octets, two integers of at most 32, or one.
    fn read(algorithm: u8, version: Version, reader: &mut Reader<'a>) -> Result<Self, Wrong> {
        let mut number = || if version == Version::V6 { integer(reader) } else { lenient_integer(reader) };
        let mut pair = [0; 64];
        match algorithm {
            1 => return Ok(Self::Integer(number()?)),
            19 | 22 => {
                let (left, right) = pair.split_at_mut(32);
                for half in [left, right] {
                    let number = number()?;
                    let at = half.len().checked_sub(number.len()).ok_or(form("a signature that is too long"))?;
                    half.iter_mut().skip(at).zip(number).for_each(|(to, from)| *to = *from);
                }
            }
            27 => pair = reader.array()?,
            _ => return Err(Wrong(&refusal::KEY_ALGORITHM, "a signature by an algorithm that is not published here")),
        }
        Ok(Self::Pair(pair))
    }
}

/// Whether a subpacket is signed along.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Area {
    Hashed,
    Unhashed,
}

/// What the subpackets say (RFC 9580 5.2.3.7).
#[derive(Default)]
struct Said<'a> {
    created_s: Option<u64>,
    life_s: Option<u64>,
    key_life_s: Option<u64>,
    flags: Option<&'a [u8]>,
    embedded: Option<&'a [u8]>,
    issuer: Option<(u8, &'a [u8])>,
    key_id: Option<&'a [u8]>,
}

impl<'a> Said<'a> {
    fn read(&mut self, area: &'a [u8], signed: Area) -> Result<(), Wrong> {
        let mut reader = Reader::new(area, WHAT);
        while !reader.is_empty() {
            let len = subpacket_length(&mut reader)?;
            let (first, data) = reader.take(len)?.split_first().ok_or(form("an empty subpacket"))?;
            let (critical, number) = (first & 0x80 != 0, first & 0x7f);
            match (signed, number) {
                (Area::Unhashed, _) if critical => return Err(form("what is not signed calls itself critical")),
                (Area::Hashed, 2) => once(&mut self.created_s, seconds(data)?)?,
                (Area::Hashed, 3) => once(&mut self.life_s, seconds(data)?)?,
                (Area::Hashed, 9) => once(&mut self.key_life_s, seconds(data)?)?,
                (Area::Hashed, 27) => once(&mut self.flags, data)?,
                (_, 16) => once(&mut self.key_id, data)?,
                (_, 32) => once(&mut self.embedded, data)?,
                (Area::Hashed, 33) => {
                    let (version, fingerprint) = data.split_first().ok_or(form("an empty fingerprint"))?;
                    once(&mut self.issuer, (*version, fingerprint))?;
                }
                (Area::Hashed, 4) if data != [1] => {
                    return Err(Wrong(&refusal::KEY_SELF_SIGNATURE, "a signature that is not for publication"));
                }
                (Area::Hashed, 20) if is_salt(data) => {}
                // Whether it can be revoked, is the primary user id; preferences and features.
                (Area::Hashed, 4 | 7 | 11 | 21..=23 | 25 | 30 | 34 | 39) => {}
                _ if critical => {
                    return Err(Wrong(
                        &refusal::KEY_SELF_SIGNATURE,
                        "a critical part of a signature that is not known here",
                    ));
                }
                _ => return Err(Wrong(&refusal::KEY_EXTRA, "a signature says more than a published key needs")),
            }
        }
        Ok(())
    }
}

/// Two of one sort could be read in two ways.
fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Wrong> {
    match place.replace(value) {
        Some(_) => Err(form("a signature says something twice")),
        None => Ok(()),
    }
}

fn seconds(data: &[u8]) -> Result<u64, Wrong> {
    let bytes = data.try_into().map_err(|_| form("a time that is not four octets long"))?;
    Ok(u64::from(u32::from_be_bytes(bytes)))
}

/// RFC 9580 5.2.3.24: flags, two lengths, name and value.
fn is_salt(notation: &[u8]) -> bool {
    let mut head = vec![0, 0, 0, 0, 0, SALT_NOTATION.len() as u8, 0, 32];
    head.extend_from_slice(SALT_NOTATION);
    notation.strip_prefix(head.as_slice()).is_some_and(|value| value.len() == 32)
}

fn area_length(version: Version, reader: &mut Reader<'_>) -> Result<usize, Wrong> {
    match version {
        Version::V4 => Ok(usize::from(reader.u16()?)),
        Version::V6 => {
            usize::try_from(u32::from_be_bytes(reader.array()?)).map_err(|_| form("a signature that is too long"))
        }
    }
}

fn salt<'a>(hash: Digest, reader: &mut Reader<'a>) -> Result<&'a [u8], Wrong> {
    let len = reader.u8()?;
    if len != hash.salt_len() {
        return Err(form("a salt of another length than its hash has"));
    }
    Ok(reader.take(usize::from(len))?)
}

/// `ECDSA-Sig-Value` in DER (RFC 3279 2.2.3).
fn asn1(pair: &[u8; 64]) -> Vec<u8> {
    let (r, s) = pair.split_at(32);
    let integers: Vec<u8> = [r, s].into_iter().flat_map(integer_der).collect();
    [&[0x30, integers.len() as u8], &integers[..]].concat() // at most 70
}

fn integer_der(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|b| **b == 0).count().min(number.len() - 1);
    let minimal: Vec<u8> = number.iter().copied().skip(zeros).collect();
    let sign = minimal.first().is_some_and(|b| b & 0x80 != 0);
    let content = if sign { [&[0][..], &minimal].concat() } else { minimal };
    [&[0x02, content.len() as u8], &content[..]].concat()
}

//! OpenPGP key packets: versions 4 and 6, and the algorithms that a directory publishes.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use crate::log::bytes::Reader;
use crate::log::key::{Algorithm, PublicKey};
use crate::log::possession::PublishedKey;
use crate::log::rsa::RsaPublicKey;
use crate::registry::keys::{Wrong, published_key};
use crate::registry::openpgp::packet::{WHAT, form, integer};
use crate::registry::refusal;

/// Object identifiers as a key packet writes them (RFC 9580 9.2), without their length.
const ED25519_LEGACY: &[u8] = b"\x2b\x06\x01\x04\x01\xda\x47\x0f\x01";
const CURVE25519_LEGACY: &[u8] = b"\x2b\x06\x01\x04\x01\x97\x55\x01\x05\x01";
const NIST_P256: &[u8] = b"\x2a\x86\x48\xce\x3d\x03\x01\x07";

/// Which version of the format a key or a signature has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// RFC 4880, and RFC 9580.
    V4,
    /// RFC 9580.
    V6,
}

impl Version {
    /// The version that a packet begins with.
    pub(super) const fn from_u8(n: u8) -> Result<Self, Wrong> {
        match n {
            4 => Ok(Self::V4),
            6 => Ok(Self::V6),
            _ => Err(Wrong(&refusal::KEY_KIND, "a key or signature that is neither of version 4 nor of version 6")),
        }
    }

    /// The number in the packet.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }
}

/// What a key can be used for by its algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ability {
    /// Signing alone.
    Signs,
    /// Encryption alone.
    Agrees,
    /// Both: RSA.
    Both,
}

/// A key packet.
#[derive(Clone)]
pub(super) struct KeyPacket<'a> {
    /// Its version.
    pub(super) version: Version,
    /// When it was made, Unix seconds.
    pub(super) created_s: u64,
    /// Its algorithm's number (RFC 9580 9.1).
    pub(super) algorithm: u8,
    /// What that can do.
    pub(super) ability: Ability,
    /// The key itself.
    pub(super) key: PublishedKey,
    body: &'a [u8],
}

impl<'a> KeyPacket<'a> {
    /// Reads the body of a packet (RFC 9580 5.5.2).
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Wrong> {
        let mut reader = Reader::new(body, WHAT);
        let version = Version::from_u8(reader.u8()?)?;
        let created_s = u64::from(u32::from_be_bytes(reader.array()?));
        let algorithm = reader.u8()?;
        let mut material = match version {
            Version::V4 => reader,
            Version::V6 => {
                let len =
                    usize::try_from(u32::from_be_bytes(reader.array()?)).map_err(|_| form("a key that is too long"))?;
                let material = Reader::new(reader.take(len)?, WHAT);
                reader.end()?;
                material
            }
        };
        let (key, ability) = read_material(version, algorithm, &mut material)?;
        material.end()?;
        Ok(Self { version, created_s, algorithm, ability, key, body })
    }

    /// Appends the key as signatures and fingerprints hash it (RFC 9580 5.2.4).
    pub(super) fn put_framed(&self, out: &mut Vec<u8>) {
        match self.version {
            Version::V4 => {
                out.push(0x99);
                out.extend_from_slice(&(self.body.len() as u16).to_be_bytes()); // an RRset has at most 4096 bytes
            }
            Version::V6 => {
                out.push(0x9b);
                out.extend_from_slice(&(self.body.len() as u32).to_be_bytes());
            }
        }
        out.extend_from_slice(self.body);
    }

    /// Its fingerprint (RFC 9580 5.5.4): 20 bytes for version 4, where SHA-1 only names the key, 32 for version 6.
    pub(super) fn fingerprint(&self) -> Vec<u8> {
        let mut framed = Vec::with_capacity(self.body.len() + 5);
        self.put_framed(&mut framed);
        let hash = if self.version == Version::V4 { &SHA1_FOR_LEGACY_USE_ONLY } else { &SHA256 };
        digest(hash, &framed).as_ref().to_vec()
    }
}

/// RFC 9580 5.5.5. RSA of version 6 still writes integers; the legacy curves are for version 4 alone (9.2).
fn read_material(version: Version, algorithm: u8, reader: &mut Reader<'_>) -> Result<(PublishedKey, Ability), Wrong> {
    const OTHER: Wrong = Wrong(&refusal::KEY_ALGORITHM, "an algorithm that is not published here");
    match algorithm {
        1 => {
            let (modulus, exponent) = (integer(reader)?, integer(reader)?);
            let key = RsaPublicKey::new(modulus, exponent);
            let key = key.map_err(|_| Wrong(&refusal::KEY_WEAK, "an RSA modulus or exponent that is too long"))?;
            Ok((PublishedKey::Rsa(key), Ability::Both))
        }
        18 => {
            let curve = curve(reader)?;
            let key = match curve {
                CURVE25519_LEGACY if version == Version::V4 => x25519(native(integer(reader)?)?)?,
                NIST_P256 => p256(integer(reader)?)?,
                _ => return Err(OTHER),
            };
            // Length, reserved 1, hash and cipher of the key derivation (RFC 9580 11.5): SHA-2 and AES.
            match reader.array::<4>()? {
                [3, 1, 8..=10, 7..=9] => Ok((key, Ability::Agrees)),
                _ => Err(Wrong(&refusal::KEY_ALGORITHM, "a key derivation that is not SHA-2 with AES")),
            }
        }
        19 if curve(reader)? == NIST_P256 => Ok((p256(integer(reader)?)?, Ability::Signs)),
        22 if version == Version::V4 && curve(reader)? == ED25519_LEGACY => {
            Ok((ed25519(native(integer(reader)?)?)?, Ability::Signs))
        }
        25 => Ok((x25519(reader.take(32)?)?, Ability::Agrees)),
        27 => Ok((ed25519(reader.take(32)?)?, Ability::Signs)),
        _ => Err(OTHER),
    }
}

fn curve<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Wrong> {
    let len = reader.u8()?;
    Ok(reader.take(usize::from(len))?)
}

/// A point in its native form behind the octet 0x40 (RFC 9580 11.2.2).
fn native(point: &[u8]) -> Result<&[u8], Wrong> {
    let native = point.strip_prefix(&[0x40]).filter(|native| native.len() == 32);
    native.ok_or_else(|| form("a point that is not in its native form"))
}

fn ed25519(bytes: &[u8]) -> Result<PublishedKey, Wrong> {
    let key = PublicKey::new(Algorithm::Ed25519, bytes);
    key.map(PublishedKey::Signing).map_err(|_| Wrong(&refusal::KEY_WEAK, "not a sound point of its curve"))
}

fn x25519(bytes: &[u8]) -> Result<PublishedKey, Wrong> {
    let bytes: [u8; 32] = bytes.try_into().map_err(|_| form("a point of another length"))?;
    published_key(&PublishedKey::X25519(bytes).to_spki())
}

/// SEC1, uncompressed (RFC 9580 11.2.1).
fn p256(point: &[u8]) -> Result<PublishedKey, Wrong> {
    const HEAD: &[u8] =
        b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
    match point {
        [4, ..] if point.len() == 65 => published_key(&[HEAD, point].concat()),
        _ => Err(form("a point of P-256 that is not uncompressed")),
    }
}

//! One OpenPGP transferable public key (RFC 9580 10.1), as small as it can be published: a primary key, the number as its only
//! user id, subkeys, and the key's own newest signature on each.
//!
//! ```text
//! public key   [direct key signature]   user id <+E164@apex>   certification   ( subkey   binding [back signature inside] )*
//! ```
//!
//! The certification is the proof of possession of the primary key (clause 4.8): its owner himself named number and apex. A
//! signing subkey proves itself by its back signature. A subkey that only encrypts cannot prove anything by the format, so
//! it is no name in the index of published keys: else whoever has seen a key could block its owner, or find him.

mod key;
mod packet;
mod signature;

use crate::log::possession::PublishedKey;
use crate::registry::keys::Wrong;
use crate::registry::openpgp::key::{Ability, KeyPacket, Version};
use crate::registry::openpgp::packet::{Packet, form, packets, tag};
use crate::registry::openpgp::signature::{Signature, kind};
use crate::registry::refusal;

/// The longest key that is looked at, in bytes: what a record can hold at all.
const LEN_MAX: usize = crate::log::record::RECORD_LEN_MAX;

/// Key flags (RFC 9580 5.2.3.29).
mod flag {
    pub(super) const CERTIFIES: u8 = 0x01;
    pub(super) const SIGNS: u8 = 0x02;
    pub(super) const ENCRYPTS: u8 = 0x04 | 0x08;
    pub(super) const AUTHENTICATES: u8 = 0x20;
}

/// A key that was read, and is not believed yet.
pub(super) struct TransferableKey<'a> {
    primary: KeyPacket<'a>,
    direct: Option<Signature<'a>>,
    user_id: &'a [u8],
    certification: Signature<'a>,
    subkeys: Vec<Subkey<'a>>,
}

struct Subkey<'a> {
    key: KeyPacket<'a>,
    binding: Signature<'a>,
    back: Option<Signature<'a>>,
}

/// A key inside an OpenPGP key.
pub(super) struct Inner {
    /// The key.
    pub(super) key: PublishedKey,
    /// Whether a signature by it is part of the whole.
    pub(super) signed: bool,
}

/// What a key is held against.
pub(super) struct Expected<'a> {
    /// The only user id that it may have: `<+E164@apex>`.
    pub(super) user_id: &'a str,
    /// Unix seconds.
    pub(super) now_s: u64,
    /// By how much the clock of the maker may be ahead, in seconds.
    pub(super) skew_s: u64,
}

impl<'a> TransferableKey<'a> {
    /// Reads the RDATA of an OPENPGPKEY record (RFC 7929 2). No signature is verified.
    pub(super) fn read(raw: &'a [u8]) -> Result<Self, Wrong> {
        if raw.len() > LEN_MAX {
            return Err(form("it is too long"));
        }
        let packets = packets(raw)?;
        let mut rest = packets.iter().copied().peekable();
        let primary = match rest.next() {
            Some(Packet { tag: tag::PUBLIC_KEY, body }) => KeyPacket::read(body)?,
            other => return Err(surplus(other)),
        };
        let direct = match rest.next_if(|packet| packet.tag == tag::SIGNATURE) {
            Some(packet) if packet.body.get(1) == Some(&kind::DIRECT_KEY) => Some(Signature::read(packet.body)?),
            None => None,
            other => return Err(surplus(other)),
        };
        let user_id = match rest.next() {
            Some(Packet { tag: tag::USER_ID, body }) => body,
            other => return Err(surplus(other)),
        };
        let certification = match rest.next() {
            Some(packet) if is_signature(&packet, |found| kind::CERTIFICATIONS.contains(&found)) => {
                Signature::read(packet.body)?
            }
            other => return Err(surplus(other)),
        };
        let mut subkeys = Vec::new();
        while let Some(packet) = rest.next_if(|packet| packet.tag == tag::PUBLIC_SUBKEY) {
            let key = KeyPacket::read(packet.body)?;
            let binding = match rest.next() {
                Some(packet) if is_signature(&packet, |found| found == kind::SUBKEY_BINDING) => {
                    Signature::read(packet.body)?
                }
                other => return Err(surplus(other)),
            };
            let back = binding.embedded.map(Signature::read).transpose()?;
            subkeys.push(Subkey { key, binding, back });
        }
        match rest.next() {
            None => Ok(Self { primary, direct, user_id, certification, subkeys }),
            packet => Err(surplus(packet)),
        }
    }

    /// The primary key and the subkeys, in their order.
    pub(super) fn keys(&self) -> impl Iterator<Item = Inner> {
        let primary = Inner { key: self.primary.key.clone(), signed: true };
        let subkeys = self.subkeys.iter().map(|sub| Inner { key: sub.key.key.clone(), signed: sub.back.is_some() });
        std::iter::once(primary).chain(subkeys)
    }

    /// Whether all of it is the owner's own word, about this number, and in force.
    pub(super) fn check(&self, expected: &Expected<'_>) -> Result<(), Wrong> {
        if self.user_id != expected.user_id.as_bytes() {
            return Err(Wrong(&refusal::KEY_NAMES, "the user id is not the number and the apex"));
        }
        if self.primary.ability == Ability::Agrees {
            return Err(Wrong(&refusal::KEY_ALGORITHM, "a primary key that cannot sign"));
        }
        if self.primary.created_s > expected.now_s + expected.skew_s {
            return Err(Wrong(&refusal::KEY_EXPIRED, "a key from the future"));
        }
        let framed = framed(&self.primary, None);
        if let Some(direct) = &self.direct {
            self.own(direct, &self.primary, &framed, expected)?;
        }
        let mut named = framed.clone();
        named.push(0xb4);
        named.extend_from_slice(&(self.user_id.len() as u32).to_be_bytes()); // LEN_MAX is below
        named.extend_from_slice(self.user_id);
        self.own(&self.certification, &self.primary, &named, expected)?;
        self.properties(expected)?;
        self.subkeys.iter().try_for_each(|subkey| self.subkey(subkey, expected))
    }

    /// Expiry and flags of the primary key. Version 6 keeps them in the direct key signature (RFC 9580 5.2.3.10).
    fn properties(&self, expected: &Expected<'_>) -> Result<(), Wrong> {
        let said = match self.primary.version {
            Version::V4 => &self.certification,
            Version::V6 => self
                .direct
                .as_ref()
                .ok_or(Wrong(&refusal::KEY_SELF_SIGNATURE, "a key of version 6 without a direct key signature"))?,
        };
        for told in self.direct.iter().chain([&self.certification]) {
            in_force(&self.primary, told, expected)?;
            if told.embedded.is_some() {
                return Err(Wrong(&refusal::KEY_EXTRA, "a signature inside one that is not a subkey's"));
            }
        }
        let flags = flags(said)?;
        let encrypts = if self.primary.ability == Ability::Both { flag::ENCRYPTS } else { 0 };
        let allowed = flag::CERTIFIES | flag::SIGNS | flag::AUTHENTICATES | encrypts;
        if flags & flag::CERTIFIES == 0 || flags & !allowed != 0 {
            return Err(Wrong(&refusal::KEY_USE, "the primary key's flags do not fit it"));
        }
        Ok(())
    }

    fn subkey(&self, subkey: &Subkey<'_>, expected: &Expected<'_>) -> Result<(), Wrong> {
        let Subkey { key, binding, back } = subkey;
        if key.version != self.primary.version {
            return Err(Wrong(&refusal::KEY_KIND, "keys of two versions in one"));
        }
        let data = framed(&self.primary, Some(key));
        self.own(binding, &self.primary, &data, expected)?;
        in_force(key, binding, expected)?;
        let flags = flags(binding)?;
        let allowed = match key.ability {
            Ability::Signs => flag::SIGNS | flag::AUTHENTICATES,
            Ability::Agrees => flag::ENCRYPTS,
            Ability::Both => flag::SIGNS | flag::AUTHENTICATES | flag::ENCRYPTS,
        };
        if flags & (flag::SIGNS | flag::ENCRYPTS) == 0 || flags & !allowed != 0 {
            return Err(Wrong(&refusal::KEY_USE, "a subkey's flags do not fit it, or it neither signs nor encrypts"));
        }
        match back {
            Some(back) if back.kind != kind::PRIMARY_BINDING || back.embedded.is_some() => {
                Err(form("something else is embedded where a back signature belongs"))
            }
            Some(back) => self.own(back, key, &data, expected),
            None if flags & flag::SIGNS != 0 => {
                Err(Wrong(&refusal::KEY_SELF_SIGNATURE, "a subkey that signs without a back signature"))
            }
            None => Ok(()),
        }
    }

    /// A signature that `signer` made about the key, neither from the future nor from before the key, nor expired.
    fn own(
        &self,
        made: &Signature<'_>,
        signer: &KeyPacket<'_>,
        data: &[u8],
        expected: &Expected<'_>,
    ) -> Result<(), Wrong> {
        if !made.names(signer) {
            return Err(Wrong(&refusal::KEY_EXTRA, "a signature by another key"));
        }
        if !made.is_by(signer, data) {
            return Err(Wrong(&refusal::KEY_SELF_SIGNATURE, "a signature of the key that is not good"));
        }
        if made.created_s > expected.now_s + expected.skew_s || made.created_s < self.primary.created_s {
            return Err(Wrong(&refusal::KEY_EXPIRED, "a signature from the future, or from before its key"));
        }
        match made.life_s {
            Some(life_s) if made.created_s + life_s <= expected.now_s => {
                Err(Wrong(&refusal::KEY_EXPIRED, "a signature of the key has expired"))
            }
            _ => Ok(()),
        }
    }
}

fn is_signature(packet: &Packet<'_>, kind: impl Fn(u8) -> bool) -> bool {
    packet.tag == tag::SIGNATURE && packet.body.get(1).is_some_and(|found| kind(*found))
}

/// The key, or both keys, as signatures hash them.
fn framed(primary: &KeyPacket<'_>, subkey: Option<&KeyPacket<'_>>) -> Vec<u8> {
    let mut out = Vec::new();
    primary.put_framed(&mut out);
    subkey.inspect(|key| key.put_framed(&mut out));
    out
}

fn in_force(key: &KeyPacket<'_>, said: &Signature<'_>, expected: &Expected<'_>) -> Result<(), Wrong> {
    if key.created_s > expected.now_s + expected.skew_s || said.created_s < key.created_s {
        return Err(Wrong(&refusal::KEY_EXPIRED, "a key from the future, or younger than what is said of it"));
    }
    match said.key_life_s {
        Some(life_s) if key.created_s + life_s <= expected.now_s => {
            Err(Wrong(&refusal::KEY_EXPIRED, "the key or one of its subkeys has expired"))
        }
        _ => Ok(()),
    }
}

/// The flags in the first octet; any in another say something that is not known here.
fn flags(said: &Signature<'_>) -> Result<u8, Wrong> {
    match said.flags {
        Some([flags, rest @ ..]) if rest.iter().all(|octet| *octet == 0) => Ok(*flags),
        Some(_) => Err(Wrong(&refusal::KEY_USE, "key flags that are not known here")),
        None => Err(Wrong(&refusal::KEY_USE, "a key without key flags")),
    }
}

/// Why what stands here does not belong here.
fn surplus(packet: Option<Packet<'_>>) -> Wrong {
    let Some(packet) = packet else { return form("something is missing at its end") };
    match (packet.tag, packet.body.get(1)) {
        (tag::SECRET_KEY | tag::SECRET_SUBKEY, _) => {
            Wrong(&refusal::KEY_KIND, "this is a private key, which must never leave its owner's device")
        }
        (tag::USER_ID, _) => Wrong(&refusal::KEY_NAMES, "more than one user id"),
        (tag::USER_ATTRIBUTE, _) => Wrong(&refusal::KEY_NAMES, "a user attribute, such as a picture"),
        (tag::SIGNATURE, Some(found)) if kind::REVOCATIONS.contains(found) => {
            Wrong(&refusal::KEY_EXPIRED, "the key, its user id or a subkey is revoked")
        }
        (tag::SIGNATURE, _) => Wrong(&refusal::KEY_EXTRA, "a signature more than the key needs"),
        (tag::PUBLIC_KEY, _) => Wrong(&refusal::KEY_EXTRA, "more than one key"),
        (tag::PUBLIC_SUBKEY, _) => form("the user id or its certification is missing"),
        _ => Wrong(&refusal::KEY_EXTRA, "a packet that no public key has"),
    }
}

//! Which keys of the zone a DS RRset names.

use super::facts::Life;
use super::sighting::DsSet;
use crate::dnssec::anchor::{DsDigest, ds_rdata};
use crate::dnssec::keys::{Key, ZoneKeys};
use crate::wire::Name;

impl DsSet {
    /// Sorts DS RDATAs by the keys that they name. A key that is served is recognised by its digest; one that has left by
    /// algorithm and tag alone, for of these it only matters that they are still named.
    pub fn of(apex: &Name, life: &Life, keys: &ZoneKeys, rdatas: &[Vec<u8>], ttl_s: u32) -> Self {
        let mut set = Self { ttl_s, ..Self::default() };
        let names = |key: &Key, rdata: &[u8]| {
            [DsDigest::Sha256, DsDigest::Sha384].iter().any(|kind| ds_rdata(apex, key.dnskey(), *kind) == rdata)
        };
        for rdata in rdatas {
            let [high, low, algorithm, ..] = rdata[..] else { continue };
            let tag = u16::from_be_bytes([high, low]);
            let served = keys.entries().find(|key| names(key, rdata));
            let left = || {
                let known =
                    life.keys.iter().find(|k| k.role.is_entry() && (k.algorithm.number(), k.tag) == (algorithm, tag));
                known.filter(|known| keys.entries().all(|key| key.id() != known.id())).map(|known| known.id())
            };
            match served.map(Key::id).or_else(left) {
                Some(id) if set.keys.contains(&(id.algorithm, id.tag)) => {}
                Some(id) => set.keys.push((id.algorithm, id.tag)),
                None => set.strangers.push(tag),
            }
        }
        set.strangers.dedup();
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dnssec::keys::KeyError;
    use crate::dnssec::{Algorithm, KeyId, KeyRole, signer};
    use ring::rand::SystemRandom;

    #[test]
    fn a_digest_recognises_and_a_tag_alone_does_not() {
        let (apex, random) = (Name::from_text("e164.example.").unwrap(), SystemRandom::new());
        let document = signer::generate(Algorithm::Ed25519, &random).unwrap();
        let key = Key::new(KeyRole::Csk, signer::open(Algorithm::Ed25519, &document, &random).unwrap());
        let mut life = Life::begin(vec![key.id()], 1);
        let open = |_| Ok::<_, KeyError>(key.clone());
        let keys = ZoneKeys::build(&apex, &life.publication(), 60, open).unwrap();
        let left = KeyId { tag: key.tag ^ 1, ..key.id() };
        life.add(left, 1);
        let good = [DsDigest::Sha256, DsDigest::Sha384].map(|kind| ds_rdata(&apex, key.dnskey(), kind));
        let mut forged = good[0].clone();
        forged[9] ^= 1;
        let gone = [&left.tag.to_be_bytes()[..], &[15, 2], &[0; 32]].concat();
        let rdatas = [good[0].clone(), good[1].clone(), forged, gone, vec![1]];
        let set = DsSet::of(&apex, &life, &keys, &rdatas, 60);
        assert_eq!(set.keys, [(Algorithm::Ed25519, key.tag), (Algorithm::Ed25519, left.tag)]);
        assert_eq!(set.strangers, [key.tag]);
    }
}

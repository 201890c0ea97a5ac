//! From the hash in an OPENPGPKEY or SMIMEA owner name back to the number, for numbers that have such records only.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::log::sha256;
use crate::number::Number;

/// Shards of the index: few numbers have certificates, so few shards do.
const SHARDS: usize = 1 << 12;

/// The first 28 octets of SHA-256 over "+E164" (RFC 7929 3, RFC 8162 3; the local part is `+E164`).
pub fn owner_hash(number: Number) -> [u8; 28] {
    let full = sha256(&[number.to_string().as_bytes()]);
    full[..28].try_into().expect("a hash has 32 octets")
}

/// The label of [`owner_hash`]: 56 hexadecimal digits in lower case.
pub fn owner_label(number: Number) -> String {
    data_encoding::HEXLOWER.encode(&owner_hash(number))
}

type Shard = Vec<([u8; 28], Number)>;

/// The index. One writer (the table holds the lock), readers never wait.
pub(super) struct HashOwners(Box<[ArcSwap<Shard>]>);

impl HashOwners {
    pub(super) fn empty() -> Self {
        let nothing = Arc::new(Vec::new());
        Self((0..SHARDS).map(|_| ArcSwap::new(nothing.clone())).collect())
    }

    pub(super) fn get(&self, hash: &[u8; 28]) -> Option<Number> {
        let shard = self.0[shard_of(hash)].load();
        shard.binary_search_by_key(hash, |(h, _)| *h).ok().map(|i| shard[i].1)
    }

    pub(super) fn insert(&self, number: Number) {
        let hash = owner_hash(number);
        let shard = self.0[shard_of(&hash)].load();
        if let Err(at) = shard.binary_search_by_key(&hash, |(h, _)| *h) {
            let mut new = Shard::clone(&shard);
            new.insert(at, (hash, number));
            self.0[shard_of(&hash)].store(Arc::new(new));
        }
    }

    pub(super) fn remove(&self, number: Number) {
        let hash = owner_hash(number);
        let shard = self.0[shard_of(&hash)].load();
        if let Ok(at) = shard.binary_search_by_key(&hash, |(h, _)| *h) {
            let mut new = Shard::clone(&shard);
            new.remove(at);
            self.0[shard_of(&hash)].store(Arc::new(new));
        }
    }

    pub(super) fn heap_octets(&self) -> usize {
        SHARDS * 8 + self.0.iter().map(|s| s.load().capacity() * size_of::<([u8; 28], Number)>()).sum::<usize>()
    }
}

fn shard_of(hash: &[u8; 28]) -> usize {
    usize::from(u16::from_be_bytes([hash[0], hash[1]])) % SHARDS
}

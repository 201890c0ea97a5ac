//! The strictest validator that there may be: it holds any mixture of DS, DNSKEY and signatures that caches allow.
//!
//! It demands what RFC 4035 2.2 demands of a zone and RFC 6840 5.11 asks validators not to insist on: every algorithm of
//! the DS RRset has a chain, and every algorithm of the DNSKEY RRset has a signature over everything.

use std::collections::HashSet;

use callbook::dnssec::life::{Publication, Revocation};
use callbook::dnssec::{Algorithm, KeyId};

/// A DS RRset by the keys that it names.
pub(super) type Ds = Vec<KeyId>;

/// Something that was served from one moment to another, real time in seconds.
#[derive(Clone)]
struct Version<T> {
    what: T,
    from_s: u64,
    until_s: Option<u64>,
}

/// Everything that one set of servers has served, as far as it may still be cached.
#[derive(Clone)]
pub(super) struct History<T> {
    versions: Vec<Version<T>>,
    /// TTL, and how long some server may be behind.
    cached_s: u64,
}

impl<T: Clone + PartialEq> History<T> {
    pub(super) fn begun(what: T, at_s: u64, cached_s: u64) -> Self {
        Self { versions: vec![Version { what, from_s: at_s, until_s: None }], cached_s }
    }

    /// From now on this is served. Says whether it is something new.
    pub(super) fn serve(&mut self, what: &T, at_s: u64) -> bool {
        let cached_s = self.cached_s;
        self.versions.retain(|version| version.until_s.is_none_or(|until_s| at_s < until_s + cached_s));
        if let Some(last) = self.versions.last_mut() {
            if last.what == *what && last.until_s.is_none() {
                return false;
            }
            last.until_s.get_or_insert(at_s);
        }
        self.versions.push(Version { what: what.clone(), from_s: at_s, until_s: None });
        true
    }

    /// From now on nothing is served, until something is again.
    pub(super) fn pause(&mut self, at_s: u64) {
        if let Some(last) = self.versions.last_mut() {
            last.until_s.get_or_insert(at_s);
        }
    }

    pub(super) fn current(&self) -> &T {
        &self.versions.last().expect("something is served always").what
    }

    /// Everything that may be in a cache now.
    fn alive(&self, at_s: u64) -> impl Iterator<Item = &T> {
        let in_cache =
            move |v: &&Version<T>| v.from_s <= at_s && v.until_s.is_none_or(|until_s| at_s < until_s + self.cached_s);
        self.versions.iter().filter(in_cache).map(|version| &version.what)
    }
}

/// The three RRsets of a publication that live in caches by themselves.
#[derive(Clone)]
pub(super) struct Caches {
    pub(super) dnskey: History<Publication>,
    pub(super) data: History<Vec<KeyId>>,
    pub(super) cds: History<Vec<KeyId>>,
    /// One a server of the parent.
    pub(super) ds: Vec<History<Ds>>,
}

impl Caches {
    /// What is wrong with what may be cached now, if anything is.
    pub(super) fn bogus(&self, at_s: u64) -> Option<String> {
        for keys in self.dnskey.alive(at_s) {
            for ds in self.ds.iter().flat_map(|server| server.alive(at_s)) {
                if let Some(why) = broken_chain(ds, keys) {
                    return Some(why);
                }
            }
            for (what, signers) in self
                .data
                .alive(at_s)
                .map(|signers| ("data", signers))
                .chain(self.cds.alive(at_s).map(|signers| ("CDS", signers)))
            {
                if let Some(why) = unsigned(what, signers, keys) {
                    return Some(why);
                }
            }
        }
        None
    }
}

/// Every algorithm of the DS RRset needs a key that it names and that signs the DNSKEY RRset; without DS nothing is asked.
fn broken_chain(ds: &Ds, keys: &Publication) -> Option<String> {
    let algorithms: HashSet<Algorithm> = ds.iter().map(|key| key.algorithm).collect();
    let leads_in = |algorithm: &Algorithm| {
        ds.iter().any(|key| key.algorithm == *algorithm && is_good(keys, *key) && keys.key_signers.contains(key))
    };
    let broken = algorithms.iter().find(|algorithm| !leads_in(algorithm))?;
    Some(format!("DS {ds:?} of algorithm {broken} does not lead into {keys:?}"))
}

/// Every algorithm of the DNSKEY RRset needs a signature by a good key of it; also over the DNSKEY RRset itself.
fn unsigned(what: &str, signers: &[KeyId], keys: &Publication) -> Option<String> {
    let algorithms: HashSet<Algorithm> = keys.dnskeys.iter().map(|(key, _)| key.algorithm).collect();
    let has = |signers: &[KeyId], algorithm: &Algorithm| {
        signers.iter().any(|key| key.algorithm == *algorithm && is_good(keys, *key))
    };
    let signs_itself = |algorithm: &&Algorithm| keys.key_signers.iter().any(|key| key.algorithm == **algorithm);
    if let Some(algorithm) = algorithms.iter().find(|algorithm| !has(signers, algorithm)) {
        return Some(format!("{what} signed by {signers:?} lacks algorithm {algorithm} of {keys:?}"));
    }
    let lacking = algorithms.iter().find(|algorithm| !signs_itself(algorithm))?;
    Some(format!("the DNSKEY RRset is not signed with its algorithm {lacking}: {keys:?}"))
}

fn is_good(keys: &Publication, key: KeyId) -> bool {
    keys.dnskeys.contains(&(key, Revocation::No))
}

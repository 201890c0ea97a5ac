//! What the machine with the KSK does: all nodes' requests become one list of key sets, and the KSKs sign it.
//!
//! Nobody there believes a request further than it must: its keys are ZSKs of one algorithm, its days are bounded, and
//! people compare its fingerprint and read the summary before the keys are touched.

use super::OfflineError;
use super::error::refused;
use super::form::VERSION;
use super::public_key::PublicKey;
use super::request::Request;
use super::response::{KeySet, Response, SETS_MAX};
use super::slots::{SLOT_S, Slots};
use crate::dnssec::keys::{Key, KeyError};
use crate::dnssec::{KeyId, KeyRole};
use crate::wire::Name;

/// Nodes with ZSKs of their own: with more the DNSKEY answer would outgrow a datagram.
const NODES_MAX: usize = 6;
/// The largest DNSKEY answer: what goes through everywhere without fragments.
const ANSWER_OCTETS_MAX: usize = 1_232;
/// Header, question's type and class, OPT record.
const ANSWER_FRAME_OCTETS: usize = 12 + 4 + 11;
/// A record with a compressed owner, before its RDATA.
const RECORD_OCTETS: usize = 12;
/// RRSIG RDATA without the signer's name.
const RRSIG_OCTETS: usize = 18 + 64;

/// What becomes of the KSKs.
pub enum Entry {
    /// The zone is new: this is its first one.
    First(PublicKey),
    /// They stay as they are served.
    AsServed,
    /// This one is shown too, and CDS names it when every cache has it.
    Next(PublicKey),
}

/// Requests that fit together, and the KSKs' days.
pub struct Ceremony {
    apex: Name,
    requests: Vec<(Request, String)>,
    from_s: u64,
    usable_s: u64,
    until_s: u64,
    ksks: Vec<Ksk>,
}

/// A KSK's days. CDS names the last one whose time has come.
struct Ksk {
    key: PublicKey,
    from_s: u64,
    named_s: u64,
    until_s: u64,
}

/// What is to be signed, for people.
pub struct Summary {
    /// From when to when, Unix seconds.
    pub days: (u64, u64),
    /// By when every node must have the response.
    pub usable_s: u64,
    /// Each KSK, its days, and from when CDS names it.
    pub ksks: Vec<(KeyId, u64, u64, u64)>,
    /// Each ZSK with its node and its days.
    pub zsks: Vec<(String, KeyId, u64, u64)>,
    /// Each node and its request's fingerprint.
    pub fingerprints: Vec<(String, String)>,
}

impl Ceremony {
    /// Puts requests and KSKs together.
    pub fn new(requests: Vec<(Request, String)>, entry: Entry) -> Result<Self, OfflineError> {
        let Some((first, _)) = requests.first() else { return Err(refused("no request was given")) };
        let apex = first.apex()?;
        let each = || requests.iter().map(|(request, _)| request);
        let same = |one: &Request| (&one.apex, one.dnskey_ttl_s) == (&first.apex, first.dnskey_ttl_s);
        if !each().all(same) || requests.len() > NODES_MAX {
            return Err(refused("the requests are of several zones or TTLs, or of more than 6 nodes"));
        }
        for (i, one) in each().enumerate() {
            if each().skip(i + 1).any(|other| other.node == one.node) {
                return Err(refused(format!("two requests are of node {:?}: leave the older one out", one.node)));
            }
        }
        let max = |of: fn(&Request) -> u64| each().map(of).max().unwrap_or_default();
        let (from_s, usable_s) = (max(|one| one.from_s), max(|one| one.usable_s));
        let until_s = each().map(|one| one.until_s).min().unwrap_or_default();
        if usable_s >= until_s {
            return Err(refused("the requests have no days in common: make them anew, all on one day"));
        }
        let mut ceremony = Self { apex, from_s, usable_s, until_s, ksks: Vec::new(), requests };
        ceremony.ksks = ceremony.served()?;
        ceremony.enter(entry)?;
        ceremony.check_tags()?;
        Ok(ceremony)
    }

    /// Whether no request knows of a KSK.
    pub fn knows_no_ksk(requests: &[(Request, String)]) -> bool {
        requests.iter().all(|(request, _)| request.ksks.is_empty())
    }

    /// The KSKs as nodes serve them. A node that serves none yet must not come in before the others know its keys.
    fn served(&self) -> Result<Vec<Ksk>, OfflineError> {
        let served: Vec<&Request> = self.each().filter(|request| !request.ksks.is_empty()).collect();
        let Some(first) = served.first() else { return Ok(Vec::new()) };
        let ids = |request: &Request| {
            let mut ids: Vec<(u16, bool)> = request.ksks.iter().map(|ksk| (ksk.key.id().tag, ksk.named)).collect();
            ids.sort_unstable();
            ids
        };
        if let Some(other) = served.iter().find(|request| ids(request) != ids(first)) {
            let (one, other) = (&first.node, &other.node);
            return Err(refused(format!(
                "nodes {one:?} and {other:?} serve different KSKs: give both the newest response first"
            )));
        }
        let early = |request: &&Request| request.zsks.iter().any(|zsk| zsk.from_s < self.usable_s);
        if let Some(new) = self.each().filter(|request| request.ksks.is_empty()).find(early) {
            return Err(refused(format!(
                "node {:?} is new in a zone that others serve: make its request with --joins, so that its keys are known before they \
                 sign",
                new.node
            )));
        }
        let mut ksks: Vec<Ksk> = Vec::new();
        for one in &first.ksks {
            let of_all = || served.iter().flat_map(|r| &r.ksks).filter(|other| other.key == one.key);
            let since_s = of_all().map(|other| other.since_s).max().unwrap_or(one.since_s);
            let leaves = of_all().count() == served.len() && of_all().all(|other| other.leaves);
            let wait_s = served.iter().map(|request| request.entry_wait_s).max().unwrap_or_default();
            ksks.push(Ksk {
                key: one.key.clone(),
                from_s: self.from_s,
                named_s: if one.named { 0 } else { since_s.saturating_add(wait_s) },
                until_s: if leaves { self.usable_s } else { self.until_s },
            });
        }
        // CDS names the last one whose time has come; of those whose time came long ago a leaving one comes first.
        ksks.sort_by_key(|ksk| (ksk.named_s, ksk.until_s));
        match ksks.iter().any(|ksk| ksk.until_s == self.until_s) {
            true => Ok(ksks),
            false => Err(refused("no KSK would stay: make the requests anew")),
        }
    }

    fn enter(&mut self, entry: Entry) -> Result<(), OfflineError> {
        let (from_s, usable_s, until_s) = (self.from_s, self.usable_s, self.until_s);
        let stay = self.ksks.iter().filter(|ksk| ksk.until_s == until_s).count();
        let wait_s = self.each().map(|one| one.entry_wait_s).max().unwrap_or_default();
        match entry {
            Entry::First(_) if stay > 0 => Err(refused("the zone has a KSK already: the next one comes with --next")),
            Entry::First(key) => {
                self.ksks.push(Ksk { key, from_s, named_s: 0, until_s });
                Ok(())
            }
            Entry::AsServed | Entry::Next(_) if stay == 0 => Err(refused(
                "no request knows of a KSK. If the zone is new, its first one comes with --first; if only this node is new, give the \
                 requests of the others too",
            )),
            Entry::AsServed => Ok(()),
            Entry::Next(_) if stay > 1 => Err(refused(
                "a roll of the KSK is under way: the parent must show the new DS alone, and a request that was made afterwards lets the \
                 old KSK leave",
            )),
            Entry::Next(key) if self.ksks.iter().any(|ksk| ksk.key == key) => {
                Err(refused("the next KSK is served already"))
            }
            Entry::Next(key) => {
                self.ksks.push(Ksk { key, from_s: usable_s, named_s: usable_s + wait_s, until_s });
                Ok(())
            }
        }
    }

    /// Tags tell keys apart, also those of different nodes.
    fn check_tags(&self) -> Result<(), OfflineError> {
        let zsks = self.each().flat_map(|request| request.zsks.iter().map(|zsk| (request.node.as_str(), &zsk.key)));
        let all: Vec<(&str, &PublicKey)> = zsks.chain(self.ksks.iter().map(|ksk| ("KSK", &ksk.key))).collect();
        for (i, (node, key)) in all.iter().enumerate() {
            let (tag, algorithm) = (key.id().tag, key.id().algorithm);
            if let Some((other, _)) = all[..i].iter().find(|(_, other)| other.id().tag == tag) {
                return Err(refused(format!(
                    "keys of {other:?} and {node:?} have the same tag {tag}: make the request of one of them anew with --replace"
                )));
            }
            if algorithm != all[0].1.id().algorithm {
                return Err(refused("the keys are of two algorithms: an offline KSK cannot roll the algorithm"));
            }
        }
        Ok(())
    }

    /// What is to be signed.
    pub fn summary(&self) -> Summary {
        let ksk = |ksk: &Ksk| (ksk.key.id(), ksk.from_s, ksk.until_s, ksk.named_s.max(ksk.from_s));
        let of_node = |request: &Request| {
            let node = request.node.clone();
            let zsks = request.zsks.clone();
            zsks.into_iter().map(move |zsk| (node.clone(), zsk.key.id(), zsk.from_s, zsk.until_s))
        };
        Summary {
            days: (self.from_s, self.until_s),
            usable_s: self.usable_s,
            ksks: self.ksks.iter().map(ksk).collect(),
            zsks: self.each().flat_map(of_node).collect(),
            fingerprints: self.requests.iter().map(|(one, print)| (one.node.clone(), print.clone())).collect(),
        }
    }

    /// Signs all of it with every KSK, also with one that leaves: `open` must have them.
    pub fn sign(
        &self,
        made_s: u64,
        open: &mut dyn FnMut(KeyId) -> Result<Key, KeyError>,
    ) -> Result<Response, KeyError> {
        let mut ksks: Vec<Key> = Vec::new();
        for ksk in &self.ksks {
            let key = open(ksk.key.id())?;
            if PublicKey::of(&key) != ksk.key {
                return Err(
                    refused(format!("{} in the folder is another key than the one that is served", key.id())).into()
                );
            }
            ksks.push(key);
        }
        let ttl_s = self.requests[0].0.dnskey_ttl_s;
        let mut sets = self.sets()?;
        for set in &mut sets {
            let keys = set.zone_keys(&self.apex, ttl_s, None, |public| {
                let private = ksks.iter().find(|key| key.id() == public.id());
                Ok(private.cloned().unwrap_or_else(|| public.shown()))
            })?;
            set.sign(&self.apex, &keys)?;
        }
        let response = Response {
            version: VERSION,
            apex: self.apex.to_text(),
            made_s,
            dnskey_ttl_s: ttl_s,
            requests: self.requests.iter().map(|(one, print)| (one.node.clone(), print.clone())).collect(),
            sets,
        };
        response.verify(&self.apex)?;
        Ok(response)
    }

    /// The sets without their signatures: with all nodes, and without each of them where there are several.
    fn sets(&self) -> Result<Vec<KeySet>, OfflineError> {
        let several = self.requests.len() > 1;
        let without = self.each().filter(|_| several).map(|request| Some(request.node.as_str()));
        let mut sets = Vec::new();
        for without in std::iter::once(None).chain(without) {
            for pair in self.boundaries().windows(2) {
                sets.push(self.set(pair[0], pair[1], without)?);
            }
        }
        match sets.len() <= SETS_MAX {
            true => Ok(sets),
            false => Err(refused("the keys change too often: ask for fewer days, or let ZSKs live longer")),
        }
    }

    /// When anything changes.
    fn boundaries(&self) -> Vec<u64> {
        let mut all = vec![self.from_s, self.until_s];
        all.extend(self.each().flat_map(|request| &request.zsks).flat_map(|zsk| [zsk.from_s, zsk.until_s]));
        let slots = Slots::of(&self.apex);
        all.extend(self.ksks.iter().flat_map(|ksk| [ksk.from_s, slots.up(ksk.named_s), ksk.until_s]));
        all.retain(|at_s| (self.from_s..=self.until_s).contains(at_s));
        all.sort_unstable();
        all.dedup();
        all
    }

    fn set(&self, from_s: u64, until_s: u64, without: Option<&str>) -> Result<KeySet, OfflineError> {
        let ksks = self.ksks.iter().filter(|ksk| (ksk.from_s..ksk.until_s).contains(&from_s));
        let named = ksks.clone().rfind(|ksk| ksk.named_s <= from_s);
        let cds = named.map(|ksk| ksk.key.id().tag).ok_or_else(|| refused("no KSK is served on some day"))?;
        let nodes = self.each().filter(|request| Some(request.node.as_str()) != without);
        let zsks = nodes.flat_map(|request| &request.zsks).filter(|zsk| (zsk.from_s..zsk.until_s).contains(&from_s));
        let keys: Vec<PublicKey> = ksks.map(|ksk| ksk.key.clone()).chain(zsks.map(|zsk| zsk.key.clone())).collect();
        let octets = answer_octets(&self.apex, &keys);
        if octets > ANSWER_OCTETS_MAX {
            return Err(refused(format!(
                "a DNSKEY answer would have {octets} octets, and {ANSWER_OCTETS_MAX} go through everywhere: too many keys at a time. Let \
                 nodes roll at different times, or one KSK leave first"
            )));
        }
        Ok(KeySet { from_s, until_s, without: without.map(str::to_owned), cds, keys, signed: Vec::new() })
    }

    fn each(&self) -> impl Iterator<Item = &Request> + Clone {
        self.requests.iter().map(|(request, _)| request)
    }
}

fn answer_octets(apex: &Name, keys: &[PublicKey]) -> usize {
    let apex_octets = apex.as_wire().len();
    let ksks = keys.iter().filter(|key| key.id().role == KeyRole::Ksk).count();
    let dnskeys: usize = keys.iter().map(|key| RECORD_OCTETS + key.rdata_octets()).sum();
    ANSWER_FRAME_OCTETS + apex_octets + dnskeys + ksks * (RECORD_OCTETS + RRSIG_OCTETS + apex_octets)
}

impl Summary {
    /// Days, whole ones.
    pub fn day_count(&self) -> u64 {
        (self.days.1 - self.days.0) / SLOT_S
    }
}

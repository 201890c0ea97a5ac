//! Years of an offline KSK with ceremonies, one node and two: whatever a resolver has from one node and from the other, and
//! however long one was off, no mixture is ever bogus, and the signatures that are needed are there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use callbook::clock::rfc3339;
use callbook::dnssec::anchor::anchor_key;
use callbook::dnssec::export::{Contents, Export, Signing, Zonemd};
use callbook::dnssec::keys::{KeyFiles, KeySource};
use callbook::dnssec::life::{
    Change, ClockTrust, DsSet, Keeping, ParentNews, Pinned, Policy, Publication, ServerSaid, Sighting, State,
    Structure, Wanted,
};
use callbook::dnssec::offline::{Ceremony, Entry, PublicKey, Replace, Request, Response, ScheduleFile};
use callbook::dnssec::{Algorithm, KeyId, KeyRole, ToSign, Window, ZoneKeys};
use callbook::wire::{Name, Rdatas, RrType};
use callbook::zone::{Denial, StaticZone};
use ring::rand::SystemRandom;
use tempfile::TempDir;

use super::judge::{Caches, History};
use super::world::Random;
use crate::peers;

const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 24 * HOUR_S;
const BEGIN_S: u64 = 1_800_000_000;
const ALGORITHM: Algorithm = Algorithm::Ed25519;
/// Days that a response is good for, and days in which nodes take it.
const DAYS: u64 = 70;
const WITHIN_DAYS: u64 = 5;

struct Node {
    name: String,
    dir: PathBuf,
    keeping: Keeping,
    keys: Option<ZoneKeys>,
    /// Until when it is off.
    off_s: u64,
    asks: bool,
}

/// Histories of what one node shows of its keys and what one (another, or the same) signed.
struct Pair {
    of_keys: usize,
    of_data: usize,
    caches: Option<Caches>,
}

#[derive(Default, Debug)]
struct Tally {
    zsk: u64,
    ksk: u64,
    ceremonies: u64,
    late: u64,
    lost_records: u64,
    off: u64,
    signatures: u64,
    /// Zones that `ldns-verify-zone` accepted.
    verified: u64,
}

struct Zone {
    home: TempDir,
    apex: Name,
    random: Random,
    nodes: Vec<Node>,
    pairs: Vec<Pair>,
    ds: Vec<KeyId>,
    /// The parent's next look at CDS.
    parent_s: u64,
    now_s: u64,
    /// A response on its way, and when each node takes it.
    coming: Option<(Response, Vec<Option<u64>>)>,
    tally: Tally,
}

fn policy() -> Policy {
    Policy {
        structure: Structure::KskZsk,
        zsk_life_s: 25 * DAY_S,
        ksk_life_s: 0,
        dnskey_ttl_s: 3_600,
        data_ttl_s: 7_200,
        ds_ttl_s: 86_400,
        propagation_s: 300,
        safety_s: 3_600,
        parent: ParentNews::Asked,
        pinned: Pinned::No,
        removed_keep_s: 10 * DAY_S,
    }
}

impl Zone {
    fn new(seed: u64, nodes: usize) -> Self {
        let (home, apex) = (tempfile::tempdir().unwrap(), Name::from_text("e164.example.").unwrap());
        let nodes: Vec<Node> = (0..nodes)
            .map(|i| {
                let dir = home.path().join(format!("node{i}"));
                let mut keeping = Keeping::files(&dir, &apex, policy());
                keeping.begin_offline(ALGORITHM).unwrap();
                Node { name: format!("node{i}"), dir, keeping, keys: None, off_s: 0, asks: true }
            })
            .collect();
        fs::create_dir(home.path().join("ksk")).unwrap();
        let each = |of_keys| (0..nodes.len()).map(move |of_data| Pair { of_keys, of_data, caches: None });
        let pairs = (0..nodes.len()).flat_map(each).collect();
        let (random, tally) = (Random(seed), Tally::default());
        let ds = Vec::new();
        Self { home, apex, random, nodes, pairs, ds, parent_s: BEGIN_S, now_s: BEGIN_S, coming: None, tally }
    }

    fn ksks(&self) -> KeyFiles {
        KeyFiles::new(&self.home.path().join("ksk"), &self.apex, Box::new(SystemRandom::new()))
    }

    fn live(&mut self, days: u64) {
        self.ceremony();
        let end_s = self.now_s + days * DAY_S;
        while self.now_s < end_s {
            self.responses_come();
            for i in 0..self.nodes.len() {
                self.turn(i);
            }
            self.parent_acts();
            self.judge();
            self.fate();
            self.now_s += HOUR_S + self.random.below(20 * HOUR_S);
        }
    }

    /// All nodes ask, the KSK signs, and the response comes to each within its time; to one node now and then too late.
    fn ceremony(&mut self) {
        let (now_s, first) = (self.now_s, self.tally.ceremonies == 0);
        let replace = if self.random.below(8) == 0 { Replace::Now } else { Replace::InTurn };
        let compromised = replace == Replace::Now && self.random.below(2) == 0;
        let mut requests: Vec<(Request, String)> = Vec::new();
        for node in &mut self.nodes {
            let (days, within_days, name) = (DAYS, WITHIN_DAYS, node.name.clone());
            let wanted = Wanted { node: &name, days, within_days, replace, compromised, joins: false };
            let request = node.keeping.request(&wanted, now_s).unwrap();
            requests.push((request.clone(), request.fingerprint()));
        }
        let files = self.ksks();
        let served: Vec<KeyId> = requests[0].0.ksks.iter().map(|ksk| ksk.key.id()).collect();
        let settled = requests.iter().all(|(one, _)| one.ksks.iter().filter(|ksk| !ksk.leaves).count() == 1);
        let new = || {
            let id = files.make(KeyRole::Ksk, ALGORITHM, &|_| true).unwrap();
            PublicKey::of(&files.open(id).unwrap())
        };
        let entry = match first {
            true => Entry::First(new()),
            false if settled && !self.ds.is_empty() && self.random.below(3) == 0 => Entry::Next(new()),
            false => Entry::AsServed,
        };
        let usable_s = requests.iter().map(|(one, _)| one.usable_s).max().unwrap();
        let ceremony = Ceremony::new(requests, entry).unwrap();
        let response = ceremony.sign(now_s, &mut |id| files.open(id)).unwrap();
        let room_s = usable_s - now_s - 2 * DAY_S;
        let late = self.nodes.len() == 1 && !first && self.random.below(6) == 0;
        let after_s = if late { usable_s - now_s } else { 0 };
        let when = (0..self.nodes.len()).map(|_| Some(now_s + after_s + self.random.below(room_s))).collect();
        self.coming = Some((response, when));
        self.tally.ceremonies += 1;
        self.tally.late += u64::from(late);
        assert!(served.len() < 4, "{served:?}");
    }

    fn responses_come(&mut self) {
        let Some((response, when)) = &mut self.coming else { return };
        for (node, when) in self.nodes.iter_mut().zip(when.iter_mut()) {
            if when.take_if(|when_s| *when_s <= self.now_s && node.off_s <= self.now_s).is_none() {
                continue;
            }
            // Another process takes it in; the running one finds it.
            let accepted = Keeping::files(&node.dir, &self.apex, policy()).accept(response.clone(), self.now_s);
            match accepted {
                Ok(accepted) => assert!(accepted.still_here.is_empty()),
                Err(error) => {
                    assert!(self.nodes_late(), "{error}");
                    assert!(error.to_string().contains("too late"), "{error}");
                    self.coming = None;
                    return self.ceremony();
                }
            }
        }
        if when.iter().all(Option::is_none) {
            self.coming = None;
        }
    }

    fn nodes_late(&self) -> bool {
        self.tally.late > 0
    }

    fn turn(&mut self, i: usize) {
        if self.nodes[i].off_s > self.now_s {
            return;
        }
        let keys = self.ds.iter().map(|key| (key.algorithm, key.tag)).collect();
        let said = Ok(DsSet { keys, strangers: Vec::new(), ttl_s: 86_400 });
        let servers = vec![ServerSaid { server: "parent".to_owned(), said }];
        let sighting = Sighting { at_s: self.now_s, servers };
        let node = &mut self.nodes[i];
        let Ok(Some(schedule)) = ScheduleFile::new(&node.dir, &self.apex).read() else {
            assert!(node.keys.is_none(), "a schedule does not vanish");
            return;
        };
        let turned = node.keeping.turn(Some(&sighting), self.now_s, ClockTrust::Steady).unwrap();
        let due = schedule.at(self.now_s).unwrap();
        node.asks = turned.life.offline.is_some_and(|offline| offline.ask);
        for change in &turned.changes {
            match change {
                Change::Entered(id, State::Active) if id.role == KeyRole::Ksk => self.tally.ksk += 1,
                Change::Entered(id, State::Active) if id.role == KeyRole::Zsk => self.tally.zsk += 1,
                _ => {}
            }
        }
        if let Some(keys) = turned.keys {
            self.tally.verified += verified(&self.home, &self.apex, &keys, self.now_s);
            self.nodes[i].keys = Some(keys);
        }
        let publication = due.set.publication(Some(due.signer));
        let names: Vec<u16> = turned.life.keys.iter().filter(|k| k.state.in_dnskey()).map(|k| k.tag).collect();
        assert!(names.iter().all(|tag| publication.dnskeys.iter().any(|(id, _)| id.tag == *tag)), "the life follows");
        let keys = self.nodes[i].keys.as_ref().unwrap();
        self.tally.signatures += signatures(&self.apex, keys, self.now_s);
        self.show(i, &publication);
    }

    fn show(&mut self, i: usize, publication: &Publication) {
        let (now_s, ds) = (self.now_s, self.ds.clone());
        for pair in self.pairs.iter_mut().filter(|pair| pair.of_keys == i || pair.of_data == i) {
            let caches = pair.caches.get_or_insert_with(|| {
                let (keys_s, data_s) = (3_600 + 300, 7_200 + 300);
                Caches {
                    data: History::begun(publication.data_signers.clone(), now_s, data_s),
                    cds: History::begun(publication.cds_signers.clone(), now_s, keys_s),
                    dnskey: History::begun(publication.clone(), now_s, keys_s),
                    ds: vec![History::begun(ds.clone(), now_s, 86_400 + 300)],
                }
            });
            // A resolver compares the DNSKEY RRset with data; who signs data here is not part of that RRset.
            let shown = Publication { data_signers: Vec::new(), ..publication.clone() };
            if pair.of_keys == i {
                caches.dnskey.serve(&shown, now_s);
            }
            if pair.of_data == i {
                caches.data.serve(&publication.data_signers, now_s);
                caches.cds.serve(&publication.cds_signers, now_s);
            }
        }
    }

    /// The parent takes what CDS says, sooner or later.
    fn parent_acts(&mut self) {
        if self.now_s < self.parent_s {
            return;
        }
        self.parent_s = self.now_s + self.random.below(12 * DAY_S);
        let Some(caches) = &self.pairs[0].caches else { return };
        self.ds = caches.dnskey.current().cds.clone();
        let now_s = self.now_s;
        let ds = self.ds.clone();
        self.pairs.iter_mut().filter_map(|pair| pair.caches.as_mut()).for_each(|caches| {
            caches.ds[0].serve(&ds, now_s);
        });
    }

    fn judge(&self) {
        for pair in &self.pairs {
            if let Some(why) = pair.caches.as_ref().and_then(|caches| caches.bogus(self.now_s)) {
                panic!("keys of node {}, data of node {}: {why}", pair.of_keys, pair.of_data);
            }
        }
    }

    fn fate(&mut self) {
        let now_s = self.now_s;
        let i = self.random.below(self.nodes.len() as u64) as usize;
        if self.random.below(90) == 0 && self.coming.is_none() {
            // Off for days: nothing of it is served, and it comes back knowing what is on its disk.
            self.tally.off += 1;
            self.nodes[i].off_s = now_s + self.random.below(15 * DAY_S);
            self.nodes[i].keeping = Keeping::files(&self.nodes[i].dir, &self.apex, policy());
            for pair in &mut self.pairs {
                let Some(caches) = &mut pair.caches else { continue };
                if pair.of_keys == i {
                    caches.dnskey.pause(now_s);
                }
                if pair.of_data == i {
                    caches.data.pause(now_s);
                    caches.cds.pause(now_s);
                }
            }
        }
        if self.random.below(300) == 0 {
            let lost = fs::remove_file(self.nodes[i].dir.join("Ke164.example.state"));
            self.tally.lost_records += u64::from(lost.is_ok());
        }
        let all_on = self.nodes.iter().all(|node| node.off_s <= now_s && node.keys.is_some());
        if self.coming.is_none() && all_on && self.nodes.iter().any(|node| node.asks) {
            self.ceremony();
        }
    }
}

/// Makes each signature over the RRsets of keys that a query could ask for now; says how many.
fn signatures(apex: &Name, keys: &ZoneKeys, now_s: u64) -> u64 {
    let (random, mut made, mut message) = (SystemRandom::new(), 0, Vec::new());
    for rr_type in [RrType::DNSKEY, RrType::CDS, RrType::CDNSKEY] {
        for key in keys.signers(rr_type) {
            let to_sign = ToSign {
                owner: apex,
                rr_type,
                ttl_s: keys.ttl_s(),
                rdatas: Rdatas(keys.rdatas(rr_type).unwrap()),
                validity: Window::Dnskey.at(now_s, apex.as_wire()),
                signer: apex,
                algorithm: key.signer.algorithm(),
                key_tag: key.tag,
            };
            to_sign.message(&mut message);
            key.signer.sign(&random, &message).unwrap_or_else(|e| panic!("{rr_type:?} by {}: {e}", key.tag));
            made += 1;
        }
    }
    made
}

/// Has a signed zone of the day looked at by somebody else.
fn verified(home: &TempDir, apex: &Name, keys: &ZoneKeys, now_s: u64) -> u64 {
    let Some(program) = peers::program("ldns-verify-zone") else { return 0 };
    let text = "$TTL 7200\n@ IN SOA ns host 1 3600 900 1209600 60\n@ IN NS ns\nns IN A 127.0.0.1\n";
    let zone = StaticZone::read(text, apex).unwrap();
    let (random, denial) = (SystemRandom::new(), Denial::Nsec);
    let signing = Some(Signing { keys, random: &random, denial });
    let export = Export { zone: Contents::Fixed(&zone), now_s, signing, zonemd: Zonemd::Without };
    let (file, anchor) = (home.path().join("signed"), home.path().join("anchor"));
    export.write(&mut fs::File::create(&file).unwrap(), |_, _| {}).unwrap();
    fs::write(&anchor, anchor_key(apex, keys)).unwrap();
    let then: String = rfc3339(now_s).chars().filter(char::is_ascii_digit).collect();
    let out = Command::new(program).args(["-t", &then, "-k"]).arg(&anchor).arg(&file).output().unwrap();
    assert!(out.status.success(), "{then}: {}", String::from_utf8_lossy(&out.stderr));
    1
}

fn strangers(dir: &Path) -> usize {
    fs::read_dir(dir)
        .unwrap()
        .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().ends_with(".ksk.p8"))
        .count()
}

#[test]
fn one_node_and_an_offline_ksk_for_years() {
    let mut zone = Zone::new(20_261_127, 1);
    zone.live(3 * 365);
    println!("{:?}", zone.tally);
    let Tally { zsk, ksk, ceremonies, late, lost_records, off, .. } = zone.tally;
    assert!(zsk > 30 && ksk > 4 && ceremonies > 18, "much happened");
    assert!(late > 1 && lost_records > 1 && off > 5, "much went wrong");
    assert_eq!(strangers(&zone.nodes[0].dir), 0, "no KSK was ever made on the node");
}

#[test]
fn two_nodes_with_zsks_of_their_own_for_years() {
    let mut zone = Zone::new(8_901, 2);
    zone.live(500);
    println!("{:?}", zone.tally);
    let Tally { zsk, ksk, ceremonies, off, .. } = zone.tally;
    assert!(zsk > 25 && ksk > 1 && ceremonies > 8 && off > 2, "much happened");
}

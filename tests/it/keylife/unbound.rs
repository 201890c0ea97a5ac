//! Once for real: unbound looks on, each tenth of a second, while a zone rolls its ZSK, its KSK and its algorithm. The
//! parent is a zone of our own that takes DS from CDS as unbound validated it. TTLs and waits are seconds.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use callbook::client::delegation::{self, DsRrset};
use callbook::clock::{Clock, SystemClock};
use callbook::config::{Dns, Dnssec};
use callbook::dnssec::life::{
    ClockTrust, DsSet, Keeping, Life, ParentNews, Pinned, Policy, Roll, ServerSaid, Sighting, Structure, Urgency,
};
use callbook::dnssec::{Algorithm, ZoneKeys, anchor};
use callbook::nameserver::{Served, View};
use callbook::net::{DnsService, RunningDns};
use callbook::seal::Lock;
use callbook::wire::{Name, RrType};
use callbook::zone::{Loader, NumberZone, StaticZone, Ttls};
use data_encoding::HEXUPPER;
use ring::rand::SystemRandom;

use crate::dns::house::{APEX, NUMBERS, data, enum_name};
use crate::oracle::packet::{AD, Edns, Question, Reply};
use crate::oracle::servers::{Peer, ask_all, unbound};
use crate::oracle::zones::Zone;

const PARENT: &str = "example.";
/// TTL of everything, so that unbound holds what was for so long; a wait is this and the safety.
const TTL_S: u32 = 2;
/// The whole test ends within this, rolls and all.
const PATIENCE: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(100);

struct Real {
    keeping: Keeping,
    life: Life,
    keys: Arc<ZoneKeys>,
    zone: Arc<NumberZone>,
    parent_keys: Arc<ZoneKeys>,
    ds: String,
    view: Arc<ArcSwap<View>>,
    running: RunningDns,
    unbound: Option<Peer>,
    runtime: tokio::runtime::Runtime,
    /// Answers that unbound called authentic.
    authentic: usize,
    begun: Instant,
}

fn policy() -> Policy {
    Policy {
        structure: Structure::KskZsk,
        zsk_life_s: 0,
        ksk_life_s: 0,
        dnskey_ttl_s: TTL_S,
        data_ttl_s: TTL_S,
        ds_ttl_s: TTL_S,
        propagation_s: 0,
        safety_s: 1,
        parent: ParentNews::Asked,
        pinned: Pinned::No,
        removed_keep_s: 1,
    }
}

fn parent_zone(ds: &str) -> Arc<StaticZone> {
    let text = format!(
        "$TTL {TTL_S}\n@ IN SOA ns hostmaster 1 3600 900 1209600 1\n@ IN NS ns\nns IN A 127.0.0.1\n\
         e164 IN NS ns.e164\nns.e164 IN A 127.0.0.1\n{ds}"
    );
    Arc::new(StaticZone::read(&text, &Name::from_text(PARENT).unwrap()).unwrap())
}

impl Real {
    fn open(dir: &Path, mut keeping: Keeping) -> Self {
        let apex = Name::from_text(APEX).unwrap();
        let ttls = Ttls { positive_s: TTL_S, negative_s: 1 };
        let text = format!(
            "$TTL {TTL_S}\n@ IN SOA ns1 hostmaster 1 3600 900 1209600 1\n@ IN NS ns1\n@ IN TXT \"a directory\"\nns1 IN A 127.0.0.1\n"
        );
        let fixed = StaticZone::read_number_zone(&text, &apex, ttls).unwrap();
        let mut loader = Loader::default();
        loader.push(&data(NUMBERS[0]));
        let zone = Arc::new(loader.finish(fixed, ttls, 1).unwrap());
        let now_s = SystemClock.now_s();
        let keys = Arc::new(keeping.begin(Algorithm::EcdsaP256Sha256, now_s).unwrap());
        let parent_keys = Arc::new(ZoneKeys::in_memory(&SystemRandom::new()).unwrap());
        let ds = anchor::ds_text(&apex, &keys);
        let view = Arc::new(ArcSwap::from_pointee(view(&zone, &keys, &parent_keys, &ds)));
        let dns = Dns { listen: vec!["127.0.0.1:0".parse().unwrap()], ..Dns::default() };
        let running = DnsService::start(view.clone(), &dns, Arc::new(SystemClock)).unwrap();
        let anchors = anchor::anchor_key(&Name::from_text(PARENT).unwrap(), &parent_keys);
        let zones = [Zone::new(PARENT, ""), Zone::new(APEX, "")];
        let unbound = unbound(&zones, running.addresses()[0], &anchors, dir);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let life = keeping.life(now_s).unwrap();
        let begun = Instant::now();
        Self { keeping, life, keys, zone, parent_keys, ds, view, running, unbound, runtime, authentic: 0, begun }
    }

    fn server(&self) -> SocketAddr {
        self.running.addresses()[0]
    }

    fn serve(&self) {
        self.view.store(Arc::new(view(&self.zone, &self.keys, &self.parent_keys, &self.ds)));
    }

    /// Goes on until `done`, and nothing that unbound is asked meanwhile is anything but authentic.
    fn until(&mut self, what: &str, done: impl Fn(&Life) -> bool) {
        while !done(&self.life) {
            assert!(self.begun.elapsed() < PATIENCE, "{what} takes too long: {:#?}", self.life);
            self.turn();
            self.ask();
            self.parent_polls();
            thread::sleep(TICK);
        }
    }

    fn turn(&mut self) {
        let apex = Name::from_text(APEX).unwrap();
        let answer = self.runtime.block_on(delegation::ds_at(self.server(), APEX, 1_000));
        let said = answer.map(|DsRrset { rdatas, ttl_s }| DsSet::of(&apex, &self.life, &self.keys, &rdatas, ttl_s));
        let now_s = SystemClock.now_s();
        let sighting = Sighting { at_s: now_s, servers: vec![ServerSaid { server: "ours".to_owned(), said }] };
        let turned = self.keeping.turn(Some(&sighting), now_s, ClockTrust::Steady).unwrap();
        self.life = turned.life;
        if let Some(keys) = turned.keys {
            self.keys = Arc::new(keys);
            self.serve();
        }
    }

    /// What there is, what there is not, and what is made of keys, at the resolver.
    fn ask(&mut self) {
        let number = enum_name(NUMBERS[0]);
        let questions = [
            (number.as_str(), RrType::NAPTR),
            (&number, RrType::TXT),
            (&number[2..], RrType::NAPTR),
            (APEX, RrType::SOA),
            (APEX, RrType::TXT),
            (APEX, RrType::DNSKEY),
            (APEX, RrType::CDS),
            ("nobody.e164.example.", RrType::A),
        ];
        for (name, qtype) in questions {
            let reply = self.resolve(name, qtype);
            let good = reply.flags & AD != 0 && matches!(reply.rcode, 0 | 3);
            assert!(good, "{name} {qtype:?} after {:?}: {reply}\n{:#?}", self.begun.elapsed(), self.life);
            self.authentic += 1;
        }
    }

    fn resolve(&self, name: &str, qtype: RrType) -> Reply {
        let edns = Some(Edns { version: 0, udp_octets: 4_096, dnssec_ok: true });
        let qname = Name::from_text(name).unwrap().as_wire().to_vec();
        let question = Question { qname, qtype, edns, rd: true, cd: false };
        let unbound = self.unbound.as_ref().expect("it runs");
        Reply::read(&ask_all(unbound.address, &[question])[0]).expect("well-formed")
    }

    /// The parent takes the CDS RRset that unbound calls authentic for its DS (RFC 7344 6.1).
    fn parent_polls(&mut self) {
        let reply = self.resolve(APEX, RrType::CDS);
        let cds = reply.answer.iter().filter(|rr| RrType(rr.rr_type) == RrType::CDS);
        let lines: String = cds
            .map(|rr| {
                let (tag, digest) = (u16::from_be_bytes([rr.rdata[0], rr.rdata[1]]), HEXUPPER.encode(&rr.rdata[4..]));
                format!("{APEX} IN DS {tag} {} {} {digest}\n", rr.rdata[2], rr.rdata[3])
            })
            .collect();
        if !lines.is_empty() && lines != self.ds {
            self.ds = lines;
            self.serve();
        }
    }

    fn roll(&mut self, roll: Roll) {
        let now_s = SystemClock.now_s();
        self.keeping.change(now_s, |life, _| Ok(life.ask(roll, Urgency::Ordinary, now_s)?)).unwrap();
        self.life.ask(roll, Urgency::Ordinary, now_s).unwrap();
        self.until(&format!("{roll:?}"), |life| life.asks.is_empty() && !life.is_rolling());
    }
}

fn view(zone: &Arc<NumberZone>, keys: &Arc<ZoneKeys>, parent_keys: &Arc<ZoneKeys>, ds: &str) -> View {
    View::new(vec![
        Served::numbers(Arc::clone(zone), Some(Arc::clone(keys))),
        Served::fixed(parent_zone(ds), Some(Arc::clone(parent_keys))),
    ])
}

#[test]
fn unbound_finds_every_answer_authentic_through_a_roll_of_each_sort() {
    let dir = tempfile::tempdir().unwrap();
    let mut real = Real::open(dir.path(), Keeping::files(dir.path(), &Name::from_text(APEX).unwrap(), policy()));
    if real.unbound.is_none() {
        return;
    }
    real.until("the first DS", |life| !life.is_rolling());
    let first: Vec<u16> = real.life.keys.iter().map(|key| key.tag).collect();
    for roll in [Roll::Zsk, Roll::Ksk, Roll::Algorithm(Algorithm::Ed25519)] {
        let before = real.begun.elapsed();
        real.roll(roll);
        println!("{roll:?}: {:?}, {} authentic answers so far", real.begun.elapsed() - before, real.authentic);
    }
    assert_eq!(real.life.algorithm(), Some(Algorithm::Ed25519));
    assert!(real.ds.contains(" 15 2 ") && real.ds.lines().count() == 1, "{}", real.ds);
    let served = real.keys.signers(RrType::DNSKEY).iter().chain(real.keys.signers(RrType::NAPTR));
    assert!(served.clone().count() == 2 && served.clone().all(|key| !first.contains(&key.tag)));
    assert!(real.authentic > 500, "{}", real.authentic);
}

#[test]
fn sealed_keys_roll_under_the_eyes_of_unbound() {
    let dir = tempfile::tempdir().unwrap();
    let passphrase = dir.path().join("passphrase");
    std::fs::write(&passphrase, "correct horse battery staple\n").unwrap();
    std::fs::set_permissions(&passphrase, std::fs::Permissions::from_mode(0o600)).unwrap();
    let dnssec = Dnssec { passphrase_file: Lock::of(passphrase.to_str().unwrap()), ..Dnssec::default() };
    let apex = Name::from_text(APEX).unwrap();
    let mut real = Real::open(dir.path(), Keeping::configured(dir.path(), &apex, policy(), &dnssec));
    if real.unbound.is_none() {
        return;
    }
    real.until("the first DS", |life| !life.is_rolling());
    let first: Vec<u16> = real.life.keys.iter().map(|key| key.tag).collect();
    [Roll::Zsk, Roll::Ksk].into_iter().for_each(|roll| real.roll(roll));
    let here = |tag: &u16| real.life.keys.iter().any(|key| key.tag == *tag && key.is_out());
    assert!(!first.iter().any(here), "both keys were replaced");
    for key in real.life.keys.iter().filter(|key| key.is_out()) {
        assert_eq!(real.keeping.protection(key.id()).unwrap().as_str(), "sealed");
    }
}

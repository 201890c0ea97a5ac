//! A child that is our own: its KSK rolls by the machine of the keys' lives, its parent follows, each waits for the other.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use callbook::client::delegation;
use callbook::clock::{Clock, SystemClock};
use callbook::config::Dns;
use callbook::dnssec::life::{
    ClockTrust, DsSet, Keeping, ParentNews, Pinned, Policy, Roll, ServerSaid, Sighting, Structure, Urgency,
};
use callbook::dnssec::{Algorithm, ZoneKeys, anchor};
use callbook::nameserver::{Served, View};
use callbook::net::DnsService;
use callbook::wire::Name;
use callbook::zone::StaticZone;

use super::parent::{CHILD, PATIENCE, Parent, Resolver, until};

/// Waits of a roll are this and a second: the resolver forgets within one.
const TTL_S: u32 = 1;
const TICK: Duration = Duration::from_millis(100);

fn policy() -> Policy {
    Policy {
        structure: Structure::KskZsk,
        zsk_life_s: 0,
        ksk_life_s: 0,
        dnskey_ttl_s: TTL_S,
        data_ttl_s: TTL_S,
        ds_ttl_s: TTL_S,
        propagation_s: 1,
        safety_s: 1,
        parent: ParentNews::Asked,
        pinned: Pinned::No,
        removed_keep_s: 1,
    }
}

fn view(zone: &Arc<StaticZone>, keys: ZoneKeys) -> View {
    View::new(vec![Served::fixed(Arc::clone(zone), Some(Arc::new(keys)))])
}

#[test]
fn our_own_ksk_rolls_twice_and_unbound_finds_everything_secure() {
    let (parent, folder) = (Parent::start("poll_s = 1"), tempfile::tempdir().expect("a folder"));
    let apex = Name::from_text(CHILD).expect("a name");
    let text =
        format!("$TTL {TTL_S}\n@ IN SOA ns host 1 3600 900 1209600 1\n@ IN NS ns\nns IN A 127.0.0.1\n@ IN TXT \"x\"\n");
    let zone = Arc::new(StaticZone::read(&text, &apex).expect("a right zone"));
    let mut keeping = Keeping::files(folder.path(), &apex, policy());
    let keys = keeping.begin(Algorithm::EcdsaP256Sha256, SystemClock.now_s()).expect("keys");
    let ds: Vec<String> = anchor::ds_text(&apex, &keys).lines().map(str::to_owned).collect();
    let view_of = Arc::new(ArcSwap::from_pointee(view(&zone, keys)));
    let (mut served, _) = keeping.load(SystemClock.now_s()).map(|(life, keys)| (keys, life)).expect("kept");
    let dns = Dns { listen: vec!["127.0.0.1:0".parse().expect("an address")], ..Dns::default() };
    let running = DnsService::start(Arc::clone(&view_of), &dns, Arc::new(SystemClock)).expect("DNS");
    let address = running.addresses()[0];
    parent.delegate(&ds, &[address]);
    let Some(resolver) = Resolver::start(&parent, address) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let first = parent.ds_tags();
    // Both digests gave way to the one that CDS name, of the same key.
    until("the first look", || parent.listed()["child"]["changed"]["to"].as_array().map(Vec::len) == Some(1));
    let from = parent.listed()["child"]["changed"]["from"][1].as_str().map(super::parent::tag);
    assert_eq!(from, Some(first[0]), "the owner that the DS was given with is gone");
    let mut seen = vec![first[0]];
    for _ in 0..2 {
        let (now_s, begun) = (SystemClock.now_s(), Instant::now());
        let mut asked = false;
        loop {
            assert!(begun.elapsed() < PATIENCE, "the roll takes too long: {:#?}", keeping.life(SystemClock.now_s()));
            let life = keeping.life(SystemClock.now_s()).expect("a record");
            if !asked && !life.is_rolling() {
                keeping.change(now_s, |life, _| Ok(life.ask(Roll::Ksk, Urgency::Ordinary, now_s)?)).expect("asked for");
                asked = true;
            }
            let said = runtime.block_on(delegation::ds_at(parent.dns, CHILD, 1_000));
            let said = said.map(|set| DsSet::of(&apex, &life, &served, &set.rdatas, TTL_S));
            let at_s = SystemClock.now_s();
            let sighting = Sighting { at_s, servers: vec![ServerSaid { server: "ours".to_owned(), said }] };
            let turned = keeping.turn(Some(&sighting), at_s, ClockTrust::Steady).expect("a turn");
            if let Some(keys) = turned.keys {
                view_of.store(Arc::new(view(&zone, keeping.load(at_s).expect("kept").1)));
                served = keys;
            }
            resolver.finds_secure();
            if asked && turned.life.asks.is_empty() && !turned.life.is_rolling() {
                break;
            }
            thread::sleep(TICK);
        }
        let tags = parent.ds_tags();
        assert!(tags.len() == 1 && !seen.contains(&tags[0]), "{tags:?} after {seen:?}");
        seen.push(tags[0]);
    }
    let changed = &parent.listed()["child"]["changed"];
    assert_eq!(changed["from"][0].as_str().map(super::parent::tag), Some(seen[1]), "{changed}");
}

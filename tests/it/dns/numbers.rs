//! The table of numbers: changes are seen at once, signatures survive their neighbours' changes, memory stays small.

use std::sync::Arc;

use callbook::log::record::{Prefix, Rr};
use callbook::number::Number;
use callbook::wire::Name;
use callbook::zone::{ApplyError, Change, Loader, NumberData, NumberZone, Stamp, StaticZone, Ttls};
use hickory_proto::rr::RecordType;

use super::ask::{Desk, Dnssec, texts};
use super::house::{APEX, House, NUMBERS, ZONE, data, enum_name, naptr};

/// What one number may cost (PERFORMANCE.md: signatures included), and how many are tried here.
const OCTETS_A_NUMBER_MAX: usize = 256;
const MANY: u64 = 200_000;

fn fixed() -> StaticZone {
    StaticZone::read_number_zone(ZONE, &Name::from_text(APEX).unwrap(), Ttls::default()).unwrap()
}

fn synthetic(i: u64) -> NumberData {
    let number = Number::from_u64(999_000_000_000 + i * 7).unwrap();
    let key = [b"\x03\x01\x00\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".as_slice(), &[i as u8; 32]].concat();
    let rrs = vec![
        Rr { prefix: Prefix::Naptr, rdata: naptr(10, &format!("sip:{number}@demo.example")) },
        Rr { prefix: Prefix::Id, rdata: key },
    ];
    NumberData { number, rrs, revoked: vec![], ..data(NUMBERS[0]) }
}

#[test]
fn changes_are_served_when_apply_returns() {
    let zone = House::numbers();
    let mut desk = Desk::numbers(zone.clone(), callbook::clock::Clock::now_s(&callbook::clock::SystemClock));
    let (old, new) = (enum_name(NUMBERS[0]), enum_name("+34600111222"));
    let serial = |desk: &mut Desk| desk.ask(APEX, RecordType::SOA, Dnssec::Ok).answers[0].to_string();
    assert!(serial(&mut desk).contains(" 7 7200 "));
    let mut changed = data(NUMBERS[1]);
    changed.rrs = vec![Rr { prefix: Prefix::Naptr, rdata: naptr(10, "sip:new@acme.example") }];
    let remove = Change::Remove(Number::parse(NUMBERS[0]).unwrap());
    zone.apply(&[Change::Put(data("+34600111222")), remove, Change::Put(changed)], 8).unwrap();
    assert!(desk.ask(&old, RecordType::NAPTR, Dnssec::No).answers.is_empty());
    assert_eq!(desk.ask(&new, RecordType::NAPTR, Dnssec::Ok).answers.len(), 2);
    let naptr = texts(&desk.ask(&enum_name(NUMBERS[1]), RecordType::NAPTR, Dnssec::No).answers);
    assert!(naptr[0].contains("sip:new@acme.example"), "{naptr:?}");
    assert!(desk.ask(&format!("_id.{}", enum_name(NUMBERS[1])), RecordType::TLSA, Dnssec::No).answers.is_empty());
    assert!(serial(&mut desk).contains(" 8 7200 "));
    assert_eq!(zone.table().len(), 3);
}

#[test]
fn hash_names_follow_their_number() {
    let zone = House::numbers();
    let mut desk = Desk::numbers(zone.clone(), callbook::clock::Clock::now_s(&callbook::clock::SystemClock));
    let number = Number::parse(NUMBERS[2]).unwrap();
    let hash = callbook::zone::hashes::owner_label(number);
    for (name, qtype) in [
        (format!("{hash}._openpgpkey.{APEX}"), RecordType::OPENPGPKEY),
        (format!("{}._smimecert.{APEX}", hash.to_uppercase()), RecordType::SMIMEA),
    ] {
        assert_eq!(desk.ask(&name, qtype, Dnssec::Ok).answers.len(), 2, "{name}");
    }
    zone.apply(&[Change::Remove(number)], 8).unwrap();
    assert!(desk.ask(&format!("{hash}._openpgpkey.{APEX}"), RecordType::OPENPGPKEY, Dnssec::No).answers.is_empty());
}

#[test]
fn a_neighbours_change_keeps_signatures_and_ones_own_drops_them() {
    let mut loader = Loader::default();
    (0..2_000).for_each(|i| loader.push(&synthetic(i)));
    let zone = loader.finish(fixed(), Ttls::default(), 1).unwrap();
    let stamp = Stamp { start_s: 1_800_000_000, key_tag: 4711 };
    let key = |i: u64| synthetic(i).number.as_u64();
    let read = |i| {
        let (entry, mut facts) = (zone.table().get(key(i)).unwrap(), Vec::new());
        entry.slot(&entry.packed(&mut facts).unwrap(), Prefix::Id).unwrap().read(stamp)
    };
    for i in 0..2_000 {
        let (entry, mut facts) = (zone.table().get(key(i)).unwrap(), Vec::new());
        entry.slot(&entry.packed(&mut facts).unwrap(), Prefix::Id).unwrap().write(stamp, &[i as u8; 64]);
    }
    let changes: Vec<Change> = (0..2_000).filter(|i| i % 3 == 0).map(|i| Change::Put(synthetic(i))).collect();
    let more: Vec<Change> = (5_000..7_000).map(|i| Change::Put(synthetic(i))).collect();
    zone.apply(&[changes, more].concat(), 2).unwrap();
    for i in 0..2_000 {
        assert_eq!(read(i), (i % 3 != 0).then_some([i as u8; 64]), "{i}");
    }
    assert_eq!(zone.table().len(), 4_000);
}

#[test]
fn delegated_blocks_take_no_registrations() {
    let zone = NumberZone::new(fixed(), Ttls::default(), 1);
    let under = data("+79161234567");
    assert_eq!(zone.cut_over(under.number).as_deref(), Some("7.e164.example."));
    let refused = zone.apply(&[Change::Put(data(NUMBERS[0])), Change::Put(under.clone())], 2);
    assert_eq!(refused, Err(ApplyError::UnderCut { cut: "7.e164.example.".to_owned() }));
    assert!(zone.table().is_empty() && zone.serial() == 1);
    let mut loader = Loader::default();
    loader.push(&under);
    assert!(loader.finish(fixed(), Ttls::default(), 1).is_err());
    zone.apply(&[Change::Put(data(NUMBERS[0]))], 2).unwrap();
    let delegating = format!("{ZONE}\n4.4 IN NS ns1\n");
    let new = StaticZone::read_number_zone(&delegating, &Name::from_text(APEX).unwrap(), Ttls::default()).unwrap();
    assert!(zone.with_fixed(new).is_err());
    assert_eq!(zone.with_fixed(fixed()).unwrap().table().len(), 1);
}

#[test]
fn many_numbers_take_little_memory() {
    let mut loader = Loader::default();
    (0..MANY).for_each(|i| loader.push(&synthetic(i)));
    loader.push(&synthetic(0)); // twice: counts once
    let empty = NumberZone::new(fixed(), Ttls::default(), 1).table().heap_octets();
    let zone = Arc::new(loader.finish(fixed(), Ttls::default(), 1).unwrap());
    assert_eq!(zone.table().len() as u64, MANY);
    // Shards are fuller at a million; their fixed cost is counted here in full.
    let each = (zone.table().heap_octets() - empty) / MANY as usize;
    assert!(each <= OCTETS_A_NUMBER_MAX + 24, "{each} octets a number, signatures included");
    let mut facts = Vec::new();
    for i in [0, 1, MANY / 2, MANY - 1] {
        assert!(zone.published(synthetic(i).number.as_u64(), 0, &mut facts).is_some());
    }
    assert!(zone.published(synthetic(0).number.as_u64() + 1, 0, &mut facts).is_none());
}

/// Resident memory of this process in octets.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

#[test]
#[ignore = "a million numbers; run by hand and alone: it reports time and memory"]
fn a_million_numbers() {
    let (before, begun) = (resident(), std::time::Instant::now());
    let mut loader = Loader::default();
    (0..1_000_000).for_each(|i| loader.push(&synthetic(i)));
    let packed = begun.elapsed();
    let zone = Arc::new(loader.finish(fixed(), Ttls::default(), 1).unwrap());
    let (loaded, each) = (begun.elapsed(), (resident() - before) / 1_000_000);
    println!("packed in {packed:?}, served after {loaded:?}, {each} octets of RSS a number");
    println!("{} octets a number by account", zone.table().heap_octets() / 1_000_000);
    let mut desk = Desk::numbers(zone.clone(), callbook::clock::Clock::now_s(&callbook::clock::SystemClock));
    let begun = std::time::Instant::now();
    for i in 0..20_000 {
        desk.ask(&enum_name(&synthetic(i * 50).number.to_string()), RecordType::NAPTR, Dnssec::Ok);
    }
    println!("{:?} an answer signed for the first time, hickory's part included", begun.elapsed() / 20_000);
    let begun = std::time::Instant::now();
    let changes: Vec<Change> = (0..10_000).map(|i| Change::Put(synthetic(i * 99))).collect();
    zone.apply(&changes, 2).unwrap();
    println!("{:?} a change", begun.elapsed() / 10_000);
    assert!(each <= 400, "{each} octets of RSS a number");
}

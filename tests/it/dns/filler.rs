//! Signing ahead: every slot is filled in bounded steps, and answers then cost no signature.

use std::sync::Arc;
use std::time::{Duration, Instant};

use callbook::clock::{Clock, SystemClock};
use callbook::dnssec::ZoneKeys;
use callbook::nameserver::filler::{Cursor, fill, sign_apexes};
use callbook::nameserver::{Served, View, Worker};
use callbook::number::Number;
use callbook::wire::Name;
use callbook::zone::{Change, Denial, Digest, Loader, NumberData, NumberZone, StaticZone, Ttls};
use hickory_proto::rr::RecordType as T;
use ring::rand::SystemRandom;

use super::ask::{Desk, Dnssec};
use super::house::{APEX, House, NUMBERS, ZONE, data, enum_name};

/// What has a slot: the RRsets of [`NUMBERS`] but for `_keys` and hash names, and the static ones that are ours to sign.
const NUMBER_SLOTS: u64 = 2 + 2 + 5;
const FIXED_SLOTS: u64 = 6;
const APEX_SLOTS: u64 = 2;
/// More steps than any walk here takes.
const STEPS_MAX: usize = 10_000;

fn view(zone: &Arc<NumberZone>) -> View {
    let keys = Arc::new(ZoneKeys::in_memory(&SystemRandom::new()).unwrap());
    View::new(vec![Served::numbers(zone.clone(), Some(keys))])
}

/// A zone of many numbers with two RRsets each.
fn many(count: u64) -> Arc<NumberZone> {
    let fixed = StaticZone::read_number_zone(ZONE, &Name::from_text(APEX).unwrap(), Ttls::default()).unwrap();
    let mut loader = Loader::default();
    (0..count).for_each(|i| loader.push(&numbered(i)));
    Arc::new(loader.finish(fixed, Ttls::default(), 7).unwrap())
}

fn numbered(i: u64) -> NumberData {
    data(&format!("+99900{i:07}"))
}

/// Walks until nothing is left to sign; says how many signatures that took.
fn fill_all(view: &View, worker: &mut Worker, now_s: u64, max: usize) -> u64 {
    let before = worker.counters().signatures();
    let mut cursor = Cursor::default();
    for _ in 0..STEPS_MAX {
        cursor = fill(view, worker, cursor, now_s, max);
        if cursor.is_idle() {
            return worker.counters().signatures() - before;
        }
    }
    panic!("the walk does not end");
}

#[test]
fn what_is_filled_is_answered_without_a_signature() {
    let (view, now_s) = (view(&House::numbers()), SystemClock.now_s());
    let mut filler = Worker::default();
    sign_apexes(&view, &mut filler, now_s).unwrap();
    assert_eq!(filler.counters().signatures(), APEX_SLOTS);
    assert_eq!(fill_all(&view, &mut filler, now_s, 100), NUMBER_SLOTS + FIXED_SLOTS);
    assert_eq!(fill_all(&view, &mut filler, now_s, 100), 0, "it is done");
    let mut desk = Desk::over(view, now_s);
    let device = format!("_e2e.{}", enum_name(NUMBERS[2]));
    for (name, qtype) in [
        (enum_name(NUMBERS[0]).as_str(), T::NAPTR),
        (&enum_name(NUMBERS[2]), T::NAPTR),
        (&device, T::TLSA),
        (APEX, T::SOA),
        (APEX, T::DNSKEY),
        (APEX, T::NS),
        ("www.e164.example.", T::A),
        ("6.4.e164.example.", T::DS),
    ] {
        let answer = desk.ask(name, qtype, Dnssec::Ok);
        assert!(answer.answers.iter().any(|r| r.record_type() == T::RRSIG), "{name} {qtype}: {answer}");
    }
    let counters = desk.worker.counters();
    assert_eq!(counters.signatures(), 0);
    desk.ask(&enum_name("+447700900999"), T::NAPTR, Dnssec::Ok);
    assert_eq!(counters.signatures(), 1, "a denial is signed when it is asked for");
}

#[test]
fn hashed_names_are_filled_as_well() {
    let text = "$TTL 60\n@ IN SOA ns h 1 2 3 4 5\n@ IN NS ns\nns IN A 192.0.2.1\nb.ent IN TXT x\nsub IN NS ns\n";
    let apex = Name::from_text("static.example.").unwrap();
    let zone = StaticZone::read_denying(text, &apex, Digest::AsInFile, Denial::Nsec3).unwrap();
    let keys = Arc::new(ZoneKeys::in_memory(&SystemRandom::new()).unwrap());
    let (view, now_s) = (View::new(vec![Served::fixed(Arc::new(zone), Some(keys))]), SystemClock.now_s());
    let mut filler = Worker::default();
    sign_apexes(&view, &mut filler, now_s).unwrap();
    // NS, NSEC3PARAM, A, TXT; NSEC3 of the apex, ns, ent, b.ent and sub.
    assert_eq!(fill_all(&view, &mut filler, now_s, 100), 4 + 5);
    let mut desk = Desk::over(view, now_s);
    for name in ["x.static.example.", "x.b.ent.static.example.", "x.sub.static.example.", "ent.static.example."] {
        let answer = desk.ask(name, T::A, Dnssec::Ok);
        assert!(answer.authorities.iter().any(|r| r.record_type() == T::NSEC3), "{name}: {answer}");
    }
    assert_eq!(desk.worker.counters().signatures(), 0);
}

#[test]
fn the_next_day_is_filled_when_it_has_begun() {
    let (view, now_s) = (view(&many(50)), SystemClock.now_s());
    let mut filler = Worker::default();
    assert_eq!(fill_all(&view, &mut filler, now_s, 7), 100 + FIXED_SLOTS);
    let half = fill_all(&view, &mut filler, now_s + 43_200, 7);
    assert!((10..100).contains(&half), "days begin at the names' own times: {half}");
    let day = half + fill_all(&view, &mut filler, now_s + 86_400, 7);
    assert!((100..=100 + FIXED_SLOTS).contains(&day), "numbers each day, static data when its turn comes: {day}");
    assert_eq!(fill_all(&view, &mut filler, now_s + 8 * 86_400, 7), 100 + FIXED_SLOTS, "and static data within a week");
}

#[test]
fn a_step_is_bounded() {
    let (view, now_s) = (view(&many(500)), SystemClock.now_s());
    let mut filler = Worker::default();
    let mut cursor = fill(&view, &mut filler, Cursor::default(), now_s, 10);
    assert_eq!(filler.counters().signatures(), FIXED_SLOTS, "static data comes first, at once");
    for step in 1..=10 {
        cursor = fill(&view, &mut filler, cursor, now_s, 10);
        assert_eq!(filler.counters().signatures() - FIXED_SLOTS, step * 10);
    }
}

#[test]
fn what_is_not_served_is_not_signed() {
    let (zone, now_s) = (many(3), SystemClock.now_s());
    let view = view(&zone);
    let lapsed = NumberData { not_after_s: now_s, ..numbered(0) };
    zone.apply(&[Change::Put(lapsed), Change::Remove(numbered(1).number)], 8).unwrap();
    assert_eq!(fill_all(&view, &mut Worker::default(), now_s, 10), 2 + FIXED_SLOTS);
    let unsigned = View::new(vec![Served::numbers(zone, None)]);
    assert_eq!(fill_all(&unsigned, &mut Worker::default(), now_s, 10), 0);
    assert_eq!(fill_all(&View::default(), &mut Worker::default(), now_s, 10), 0);
}

#[test]
fn the_walk_survives_what_changes_meanwhile() {
    let (zone, now_s) = (many(300), SystemClock.now_s());
    let view = view(&zone);
    let (mut filler, mut cursor) = (Worker::default(), Cursor::default());
    for i in 0..150 {
        cursor = fill(&view, &mut filler, cursor, now_s, 2);
        let gone = Number::parse(&format!("+99900{:07}", 2 * i)).unwrap();
        zone.apply(&[Change::Remove(gone), Change::Put(numbered(1_000 + i))], 8 + i as u32).unwrap();
    }
    let signed = filler.counters().signatures() - FIXED_SLOTS;
    assert!((250..=300).contains(&signed), "one number a step, whatever comes and goes: {signed}");
    fill_all(&view, &mut filler, now_s, 50);
    let mut desk = Desk::over(view, now_s);
    for i in (0..150).map(|i| 2 * i + 1).chain(1_000..1_150) {
        desk.ask(&numbered(i).number.enum_name(APEX), T::NAPTR, Dnssec::Ok);
    }
    assert_eq!(desk.worker.counters().signatures(), 0, "every number that is left or new is signed");
}

#[test]
fn a_server_signs_ahead_by_itself() {
    let house = House::open();
    let began = Instant::now();
    let made = || house.counters().iter().map(|worker| worker.signatures()).sum::<u64>();
    while made() < NUMBER_SLOTS + FIXED_SLOTS + APEX_SLOTS {
        assert!(began.elapsed() < Duration::from_secs(30), "only {} signatures", made());
        std::thread::yield_now();
    }
}

//! Headers, EDNS, refusals and truncation, as the EDNS compliance tests expect them; `dig` is the judge.

use std::sync::Arc;

use callbook::clock::FakeClock;
use callbook::nameserver::{Counters, Transport};
use callbook::net::counted::Counted;
use callbook::telemetry::Metrics;
use hickory_proto::rr::RecordType;
use proptest::prelude::*;

use super::ask::{Desk, Dnssec, query};
use super::house::{APEX, House, NUMBERS, enum_name, have};

#[test]
fn dig_gets_what_the_compliance_tests_expect() {
    if !have(&["dig"]) {
        return;
    }
    let house = House::open();
    let number = enum_name(NUMBERS[0]);
    for (args, expected, unexpected) in [
        (vec!["+noedns", APEX, "SOA"], vec!["status: NOERROR", "flags: qr aa;"], vec!["EDNS:"]),
        (vec![APEX, "SOA"], vec!["status: NOERROR", "EDNS: version: 0, flags:; udp: 1232"], vec!["RRSIG"]),
        (vec!["+edns=1", "+noednsnegotiation", APEX, "SOA"], vec!["status: BADVERS", "version: 0"], vec!["hostmaster"]),
        (vec!["+ednsopt=100:beef", APEX, "SOA"], vec!["status: NOERROR", "EDNS:"], vec!["OPT=100"]),
        (vec!["+ednsflags=0x80", APEX, "SOA"], vec!["status: NOERROR", "flags:; udp"], vec!["MBZ"]),
        (vec!["+dnssec", APEX, "SOA"], vec!["flags: do; udp: 1232", "RRSIG"], vec![]),
        (
            vec!["+edns=1", "+noednsnegotiation", "+ednsopt=100", "+dnssec", APEX, "SOA"],
            vec!["BADVERS", "flags: do"],
            vec![],
        ),
        (vec!["+opcode=15", "+header-only"], vec!["status: NOTIMP"], vec![]),
        (vec!["+header-only", "+nocookie"], vec!["status: FORMERR"], vec![]),
        (vec!["+header-only", "+cookie"], vec!["status: NOERROR", "QUERY: 0", "COOKIE", "(good)"], vec![]),
        (vec!["+recurse", "+cdflag", "+adflag", APEX, "NS"], vec!["flags: qr aa rd cd;"], vec![]),
        (vec!["elsewhere.example.", "A"], vec!["status: REFUSED", "EDE: 20"], vec!["qr aa"]),
        (vec![APEX, "AXFR"], vec!["Transfer failed"], vec!["NAPTR"]),
        (vec!["+tcp", APEX, "IXFR=1"], vec!["Transfer failed"], vec!["NAPTR"]),
        (vec![number.as_str(), "TYPE128"], vec!["status: FORMERR", "EDE: 30"], vec![]),
        (vec![number.as_str(), "TYPE250"], vec!["status: FORMERR"], vec![]),
        (vec!["-c", "CH", "version.bind", "TXT"], vec!["status: REFUSED"], vec![]),
        (vec!["+tcp", number.as_str(), "NAPTR"], vec!["(TCP)", "acme.example"], vec![]),
    ] {
        let said = house.dig(&args);
        assert!(expected.iter().all(|e| said.contains(e)), "{args:?}: wanted {expected:?}\n{said}");
        assert!(!unexpected.iter().any(|e| said.contains(e)), "{args:?}: not wanted {unexpected:?}\n{said}");
    }
}

#[test]
fn what_does_not_fit_is_truncated_with_opt_and_comes_whole_over_tcp() {
    if !have(&["dig"]) {
        return;
    }
    let house = House::open();
    let hash = callbook::zone::hashes::owner_label(NUMBERS[2].parse().unwrap());
    let name = format!("{hash}._openpgpkey.{APEX}");
    let cut = house.dig(&["+ignore", "+dnssec", "+bufsize=4096", &name, "OPENPGPKEY"]);
    assert!(cut.contains("qr aa tc") && cut.contains("ANSWER: 0") && cut.contains("EDNS:"), "{cut}");
    let whole = house.dig(&["+dnssec", &name, "OPENPGPKEY"]);
    assert!(whole.contains("Truncated, retrying in TCP mode") && whole.contains("RRSIG\tOPENPGPKEY"), "{whole}");
    let small = house.dig(&["+ignore", "+dnssec", "+bufsize=512", &enum_name(NUMBERS[2]), "NSEC"]);
    assert!(small.contains("NOERROR") && small.contains("NSEC"), "{small}");
    let keys = house.dig(&["+ignore", "+dnssec", "+bufsize=256", APEX, "DNSKEY"]);
    assert!(keys.contains("MSG SIZE  rcvd: ") && keys.contains("status: NOERROR"), "{keys}");
}

proptest! {
    #[test]
    fn hostile_packets_get_small_readable_answers_or_none(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        flips in proptest::collection::vec((0usize..60, any::<u8>()), 0..4),
    ) {
        let mut desk = Desk::numbers(House::numbers(), 1_800_000_000);
        let mut changed = query(&enum_name(NUMBERS[0]), RecordType::NAPTR, Dnssec::Ok);
        flips.iter().for_each(|(at, octet)| if let Some(o) = changed.get_mut(*at) { *o = *octet });
        for packet in [bytes, changed] {
            if let Some(answer) = desk.raw(&packet, Transport::Udp) {
                prop_assert!(answer.len() <= 1_232);
                prop_assert_eq!(&answer[..2], &packet[..2]);
                prop_assert!(hickory_proto::op::Message::from_vec(&answer).is_ok());
            }
        }
    }
}

#[test]
fn case_is_kept_and_ids_are_copied() {
    let mut desk = Desk::numbers(House::numbers(), callbook::clock::Clock::now_s(&callbook::clock::SystemClock));
    let mut asked = query(&enum_name(NUMBERS[0]), RecordType::NAPTR, Dnssec::Ok);
    let at = asked.windows(4).position(|w| w == b"e164").unwrap();
    asked[at] = b'E';
    let answer = desk.raw(&asked, Transport::Udp).unwrap();
    assert_eq!(answer[..2], asked[..2]);
    assert!(answer.windows(4).filter(|w| *w == b"E164").count() == 1);
    assert!(answer.len() <= 512, "a usual signed answer has {} octets", answer.len());
    let mut response = asked.clone();
    response[2] |= 0x80;
    assert!(desk.raw(&response, Transport::Udp).is_none());
    assert!(desk.raw(&asked[..11], Transport::Udp).is_none());
}

#[test]
fn counters_tell_types_codes_and_transports() {
    if !have(&["dig"]) {
        return;
    }
    let house = House::open();
    house.dig(&[&enum_name(NUMBERS[0]), "NAPTR"]);
    house.dig(&["+tcp", &enum_name(NUMBERS[0]), "TLSA"]);
    house.dig(&["elsewhere.example.", "TYPE65280"]);
    let all: Vec<_> =
        house.counters().iter().flat_map(|c: &std::sync::Arc<Counters>| c.answers().collect::<Vec<_>>()).collect();
    for (transport, qtype, rcode) in
        [("udp", "NAPTR", "NOERROR"), ("tcp", "TLSA", "NOERROR"), ("udp", "other", "REFUSED")]
    {
        let there = all.iter().any(|c| (c.transport, c.qtype, c.rcode, c.count) == (transport, qtype, rcode, 1));
        assert!(there, "{transport} {qtype} {rcode}: {all:?}");
    }
}

#[test]
fn figures_move_once_a_minute() {
    let clock = Arc::new(FakeClock::at(1_800_000_000_000));
    let mut desk = Desk::numbers(House::numbers(), 1_800_000_000);
    let metrics = Metrics::new(vec![Box::new(Counted::new(&[desk.worker.counters()], clock.clone()))]);
    let mut told = |questions: usize| {
        for _ in 0..questions {
            desk.ask(&enum_name(NUMBERS[0]), RecordType::NAPTR, Dnssec::Ok);
        }
        let text = metrics.text();
        let line = text.lines().find(|line| line.starts_with("callbook_dns_number_questions_total{outcome=\"found\"}"));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
    };
    assert_eq!(told(2), Some(2));
    assert_eq!(told(3), Some(2), "within the minute nothing tells of a single question");
    clock.advance(60_000);
    assert_eq!(told(0), Some(5));
}

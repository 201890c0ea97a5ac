//! Limits as an asker meets them: the budget on numbers tells nothing, forged packets cost nobody else anything.

use std::sync::Arc;

use callbook::config::Limits;
use callbook::nameserver::{Guard, Outcome, Peer, Signing, Transport, Worker, respond};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use ring::rand::SystemRandom;

use super::ask::{Desk, Dnssec, query};
use super::house::{APEX, House, NUMBERS, enum_name};

const NOW_S: u64 = 1_800_000_000;
/// Ten minutes' worth of one number a second.
const BURST: usize = 600;

struct Server {
    desk: Desk,
    worker: Worker,
}

impl Server {
    fn with(limits: Limits) -> Self {
        let mut desk = Desk::numbers(House::numbers(), NOW_S);
        let guard = Guard::new(limits, Vec::new(), &SystemRandom::new()).unwrap();
        desk.view = desk.view.clone().guarded(Arc::new(guard));
        Self { desk, worker: Worker::default() }
    }

    fn raw(&mut self, address: &str, transport: Transport, name: &str, now_s: u64) -> Option<Vec<u8>> {
        let peer = Peer { address: address.parse().unwrap(), transport };
        let packet = query(name, RecordType::NAPTR, Dnssec::Ok);
        let mut out = vec![0; 65_535];
        match respond(&self.desk.view, &mut self.worker, peer, &packet, now_s, &mut out) {
            Outcome::Answer(octets) => Some(out[..octets].to_vec()),
            _ => None,
        }
    }

    fn ask(&mut self, address: &str, transport: Transport, name: &str) -> Message {
        Message::from_vec(&self.raw(address, transport, name, NOW_S).expect("an answer")).unwrap()
    }
}

fn one_a_second() -> Limits {
    Limits { numbers_per_s: 1, ..Limits::none() }
}

/// Free numbers, one after the other.
fn free(i: usize) -> String {
    enum_name(&format!("+4477008{i:05}"))
}

#[test]
fn over_the_budget_hit_and_miss_are_the_same_octets() {
    let mut server = Server::with(one_a_second());
    for i in 0..BURST {
        assert_eq!(server.ask("192.0.2.1", Transport::Tcp, &free(i)).response_code, ResponseCode::NoError, "{i}");
    }
    for transport in [Transport::Tcp, Transport::Tls, Transport::Quic, Transport::Https] {
        let mut refused = |name: &str| server.raw("192.0.2.9", transport, name, NOW_S).unwrap();
        let (hit, miss) = (refused(&enum_name(NUMBERS[0])), refused(&enum_name("+447700900124")));
        assert_eq!(Message::from_vec(&hit).unwrap().response_code, ResponseCode::Refused);
        let behind = |octets: &[u8]| octets[12 + enum_name(NUMBERS[0]).len() + 1..].to_vec();
        assert_eq!((&hit[..12], behind(&hit)), (&miss[..12], behind(&miss)), "{transport:?}");
    }
    // What is no number of its own is free: a resolver that minimises names needs every prefix.
    let prefix = server.ask("192.0.2.1", Transport::Tcp, &format!("0.0.7.7.4.4.{APEX}"));
    assert_eq!((prefix.response_code, prefix.answers.len()), (ResponseCode::NoError, 0));
    assert_eq!(server.ask("192.0.2.1", Transport::Tcp, APEX).response_code, ResponseCode::NoError);
    // Below a number and in the hash trees it is the same budget.
    for name in [format!("_id.{}", free(1)), format!("x.{}", free(2)), format!("{}._openpgpkey.{APEX}", "0".repeat(56))]
    {
        assert_eq!(server.ask("192.0.2.1", Transport::Tcp, &name).response_code, ResponseCode::Refused, "{name}");
    }
    assert_eq!(server.ask("192.0.3.1", Transport::Tcp, &free(3)).response_code, ResponseCode::NoError, "a neighbour");
    let later = server.raw("192.0.2.1", Transport::Tcp, &free(4), NOW_S + 2).unwrap();
    assert_eq!(Message::from_vec(&later).unwrap().response_code, ResponseCode::NoError, "it refills");
}

#[test]
fn forged_packets_get_tc_and_cost_the_proved_nothing() {
    let mut server = Server::with(one_a_second());
    for i in 0..BURST {
        assert!(!server.ask("192.0.2.1", Transport::Udp, &free(i)).truncation);
    }
    for name in [enum_name(NUMBERS[0]), free(1)] {
        let cut = server.ask("192.0.2.1", Transport::Udp, &name);
        assert_eq!((cut.truncation, cut.response_code, cut.answers.len()), (true, ResponseCode::NoError, 0));
        assert!(cut.authorities.is_empty());
    }
    let whole = server.ask("192.0.2.1", Transport::Tcp, &enum_name(NUMBERS[0]));
    assert!(!whole.answers.is_empty(), "over TCP the same client gets its answer");
}

#[test]
fn a_listed_resolver_gets_hits_for_ever_and_misses_within_its_budget() {
    let limits = Limits { resolvers: vec!["198.51.100.0/24".parse().unwrap()], ..one_a_second() };
    let mut server = Server::with(limits);
    let mut missed = 0;
    while server.ask("198.51.100.7", Transport::Tcp, &free(missed % 90_000)).response_code == ResponseCode::NoError {
        missed += 1;
        assert!(missed <= 100 * BURST, "its budget ends too");
    }
    assert_eq!(missed, 100 * BURST);
    assert!(!server.ask("198.51.100.7", Transport::Tcp, &enum_name(NUMBERS[0])).answers.is_empty());
}

#[test]
fn a_forged_flood_gets_the_allowed_answers_and_then_every_second_one_truncated() {
    let mut server = Server::with(Limits { responses_per_s: 50, slip: 2, ..Limits::none() });
    let (mut full, mut cut, mut silent) = (0, 0, 0);
    for i in 0..1_000 {
        match server.raw("203.0.113.5", Transport::Udp, &free(i), NOW_S).map(|octets| octets[2] & 2 != 0) {
            Some(false) => full += 1,
            Some(true) => cut += 1,
            None => silent += 1,
        }
    }
    assert_eq!((full, cut, silent), (100, 450, 450));
    let limited: u64 = server.worker.counters().limits().map(|(_, count)| count).sum();
    assert_eq!(limited, 900);
    assert!(!server.ask("203.0.113.5", Transport::Tcp, &enum_name(NUMBERS[0])).answers.is_empty());
    // Packets that cannot be read are answers too, and no way around the limit.
    let peer = Peer { address: "203.0.113.5".parse().unwrap(), transport: Transport::Udp };
    let broken = [[0u8; 5], [1; 5]].concat().repeat(3);
    let mut out = vec![0; 1_232];
    let answered = (0..1_000).filter(|_| {
        let outcome = respond(&server.desk.view, &mut server.worker, peer, &broken, NOW_S, &mut out);
        matches!(outcome, Outcome::Answer(_))
    });
    assert!(answered.count() <= 500);
}

#[test]
fn a_walk_down_the_digits_finds_nothing_beyond_the_budget() {
    let mut server = Server::with(one_a_second());
    // A block in which one number is registered, the 5 143rd that is asked for.
    let names = (45_000..55_000).map(|i| enum_name(&format!("+120255{i}")));
    let (mut found, mut asked) = (0, 0);
    for name in names {
        asked += 1;
        found += usize::from(!server.ask("192.0.2.1", Transport::Tcp, &name).answers.is_empty());
    }
    assert_eq!((found, asked), (0, 10_000));
    let (hits, misses) = server.worker.counters().numbers();
    assert_eq!((hits, misses), (0, BURST as u64), "what is refused is not even looked up");
}

#[test]
fn threads_share_one_limit() {
    let server = Server::with(Limits { responses_per_s: 500, slip: 0, ..Limits::none() });
    let answered = |worker: &mut Worker| {
        let peer = Peer { address: "203.0.113.5".parse().unwrap(), transport: Transport::Udp };
        let (packet, mut out) = (query(APEX, RecordType::SOA, Dnssec::No), vec![0; 1_232]);
        let mut ask = || respond(&server.desk.view, worker, peer, &packet, NOW_S, &mut out) != Outcome::Drop;
        (0..1_000).filter(|_| ask()).count()
    };
    let all: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| answered(&mut Worker::default()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!((1_000..1_100).contains(&all), "{all}: a lost race may pass uncounted, not many");
}

#[test]
fn a_question_that_is_put_off_is_counted_once() {
    let mut server = Server::with(one_a_second());
    let peer = Peer { address: "192.0.2.1".parse().unwrap(), transport: Transport::Tcp };
    let mut out = vec![0; 65_535];
    let mut ask = |server: &mut Server, i: usize, how: Signing| {
        server.worker.signing(how);
        let packet = query(&free(i), RecordType::NAPTR, Dnssec::Ok);
        respond(&server.desk.view, &mut server.worker, peer, &packet, NOW_S, &mut out)
    };
    let whole = (0..1_000).filter(|i| {
        let put_off = ask(&mut server, *i, Signing::PutOff) == Outcome::Later;
        put_off && matches!(ask(&mut server, *i, Signing::Resumed), Outcome::Answer(octets) if octets > 200)
    });
    assert_eq!(whole.count(), BURST);
}

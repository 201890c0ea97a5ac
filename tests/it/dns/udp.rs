//! DNS over UDP through real sockets: which address answers, bursts, broken packets, and how it stops.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use callbook::config::Dns;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;

use super::ask::{Dnssec, query};
use super::house::{APEX, House, NUMBERS, enum_name};

fn listening(listen: &[&str]) -> House {
    House::open_with(&Dns { listen: listen.iter().map(|a| a.parse().unwrap()).collect(), ..Dns::default() })
}

/// A socket that takes packets from that address alone.
fn asking(server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }).unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

fn ask(socket: &UdpSocket, query: &[u8]) -> Message {
    let mut answer = [0; 1_500];
    socket.send(query).unwrap();
    let octets = socket.recv(&mut answer).expect("an answer from the address that was asked");
    Message::from_vec(&answer[..octets]).unwrap()
}

fn naptr() -> Vec<u8> {
    query(&enum_name(NUMBERS[0]), RecordType::NAPTR, Dnssec::Ok)
}

fn has_ipv6() -> bool {
    let has = UdpSocket::bind("[::1]:0").is_ok();
    if !has {
        println!("SKIPPED: this machine has no IPv6");
    }
    has
}

#[test]
fn several_addresses_of_both_families_are_answered() {
    let mut listen = vec!["127.0.0.1:0", "127.0.0.2:0"];
    if has_ipv6() {
        listen.push("[::1]:0");
    }
    let house = listening(&listen);
    assert_eq!(house.addresses().len(), listen.len());
    for address in house.addresses() {
        assert_eq!(ask(&asking(*address), &naptr()).answers.len(), 2, "{address}");
    }
}

#[test]
fn a_wildcard_answers_from_the_address_that_was_asked() {
    let house = listening(&["0.0.0.0:0"]);
    for last in 1..=3 {
        let server = (IpAddr::from([127, 0, 0, last]), house.address.port()).into();
        assert_eq!(ask(&asking(server), &naptr()).answers.len(), 2);
    }
    if has_ipv6() {
        let house = listening(&["[::]:0"]);
        let server = (IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), house.address.port()).into();
        assert_eq!(ask(&asking(server), &naptr()).answers.len(), 2);
    }
}

#[test]
fn a_burst_loses_nothing() {
    /// In flight: what the smallest receive buffer of a Linux socket holds with ease.
    const WINDOW: u16 = 100;
    let house = House::open();
    let socket = asking(house.address);
    let mut packet = naptr();
    let mut answer = [0; 1_500];
    for window in 0..100 {
        for id in window * WINDOW..(window + 1) * WINDOW {
            packet[..2].copy_from_slice(&id.to_be_bytes());
            socket.send(&packet).unwrap();
        }
        let mut ids: Vec<u16> = (0..WINDOW)
            .map(|_| {
                let octets = socket.recv(&mut answer).expect("every query is answered");
                assert!(octets > packet.len());
                u16::from_be_bytes([answer[0], answer[1]])
            })
            .collect();
        ids.sort_unstable();
        assert_eq!(ids, (window * WINDOW..(window + 1) * WINDOW).collect::<Vec<_>>());
    }
}

#[test]
fn broken_packets_stop_nobody() {
    let house = House::open();
    let socket = asking(house.address);
    for length in [0, 1, 11] {
        socket.send(&naptr()[..length]).unwrap(); // too short for a header: no answer
    }
    let long = [naptr(), vec![0; 5_000]].concat();
    assert_eq!(ask(&socket, &long).response_code, ResponseCode::FormErr);
    socket.send(&[&naptr()[..2], &[0x84], &naptr()[3..]].concat()).unwrap(); // a response: no answer, or two servers would talk for ever
    let soa = ask(&socket, &query(APEX, RecordType::SOA, Dnssec::No));
    assert_eq!((soa.response_code, soa.answers.len()), (ResponseCode::NoError, 1));
}

#[test]
fn it_stops_soon_and_its_ports_are_free() {
    let house = House::open();
    let address = house.address;
    ask(&asking(address), &naptr());
    let began = Instant::now();
    drop(house);
    assert!(began.elapsed() < Duration::from_secs(5));
    UdpSocket::bind(address).expect("a free port");
}

#[test]
fn threads_can_be_bound_to_processors() {
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let house = House::open_with(&Dns { listen, pin_threads: true, ..Dns::default() });
    // Each socket has a share of the askers, so that several askers meet all threads.
    for _ in 0..20 {
        assert_eq!(ask(&asking(house.address), &naptr()).answers.len(), 2);
    }
    let bound = std::fs::read_dir("/proc/self/task").unwrap().filter(|task| {
        let status = std::fs::read_to_string(task.as_ref().unwrap().path().join("status")).unwrap_or_default();
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").trim();
        field("Name:") == "dns-udp" && field("Cpus_allowed_list:").parse::<u32>().is_ok()
    });
    assert!(bound.count() >= std::thread::available_parallelism().unwrap().get());
}

//! TCP (RFC 7766): pipelining, any segmentation, and peers that are idle, slow, deaf or broken.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use callbook::config::Dns;
use callbook::nameserver::Transport;
use callbook::net::Cut;
use callbook::net::counted::Connections;
use callbook::telemetry::Metrics;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use socket2::{Domain, Socket, Type};

use super::{WAIT, answer, ask, connect, connect_from, framed, is_closed, judge, patient, question};
use crate::dns::ask::{Dnssec, query};
use crate::dns::house::{APEX, House, NUMBERS, ZONE, have, run, text};

/// Short times, for peers that use them up; idle ones are let be, so that nothing else ends a connection.
fn impatient() -> Dns {
    Dns { tcp_patience_s: 1, tcp_idle_s: 600, ..Dns::default() }
}

#[test]
fn a_hundred_queries_in_one_segment_are_all_answered() {
    let house = House::open();
    let mut stream = connect(house.address);
    let ids = 0..300; // more than a turn has
    let all: Vec<u8> = ids.clone().flat_map(|id| framed(&question(id))).collect();
    stream.write_all(&all).unwrap();
    ids.for_each(|id| judge(&answer(&mut stream).unwrap(), id));
    ask(&mut stream, 7);
}

#[test]
fn queries_come_in_any_segments() {
    let house = House::open();
    let mut stream = connect(house.address);
    let two = [framed(&question(1)), framed(&question(2))].concat();
    two.iter().for_each(|octet| stream.write_all(&[*octet]).unwrap());
    (1..=2).for_each(|id| judge(&answer(&mut stream).unwrap(), id));
    let (head, tail) = two.split_at(two.len() / 2 + 1); // inside the second one's length
    stream.write_all(head).unwrap();
    judge(&answer(&mut stream).unwrap(), 1);
    stream.write_all(tail).unwrap();
    judge(&answer(&mut stream).unwrap(), 2);
}

#[test]
fn a_peer_that_has_finished_sending_gets_its_answers() {
    let house = House::open();
    let mut stream = connect(house.address);
    let all: Vec<u8> = (0..5).flat_map(|id| framed(&question(id))).collect();
    stream.write_all(&all).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    (0..5).for_each(|id| judge(&answer(&mut stream).unwrap(), id));
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn what_is_no_query_ends_the_connection_after_the_answers_before_it() {
    let house = House::open();
    let mut response = question(9);
    response[2] |= 0x80;
    for broken in [&[][..], &[0], &[0; 11], &response] {
        let mut stream = connect(house.address);
        stream.write_all(&[framed(&question(1)), framed(broken)].concat()).unwrap();
        judge(&answer(&mut stream).unwrap(), 1);
        assert!(is_closed(&mut stream), "{} octets", broken.len());
    }
}

#[test]
fn the_largest_message_is_read_whole() {
    let house = House::open();
    let mut stream = connect(house.address);
    stream.write_all(&framed(&[0; 65_535])).unwrap();
    let refused = Message::from_vec(&answer(&mut stream).unwrap()).unwrap();
    assert_eq!(refused.metadata.response_code, ResponseCode::FormErr);
    ask(&mut stream, 2);
}

#[test]
fn an_idle_connection_is_closed_in_order() {
    let house = House::open_with(&Dns { tcp_idle_s: 1, ..Dns::default() });
    let mut stream = connect(house.address);
    ask(&mut stream, 1);
    let since = Instant::now();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    assert!(since.elapsed() >= Duration::from_millis(900), "{:?}", since.elapsed());
}

#[test]
fn a_message_that_trickles_in_is_cut_off() {
    let house = House::open_with(&impatient());
    let mut stream = connect(house.address);
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let since = Instant::now();
    loop {
        let sent = stream.write_all(&[1]); // a length of 257, and then too few octets
        match stream.read(&mut [0; 1]) {
            Err(e) if e.kind() == ErrorKind::WouldBlock && sent.is_ok() => assert!(since.elapsed() < WAIT),
            Ok(0) | Err(_) => break,
            Ok(_) => panic!("an answer to nothing"),
        }
    }
    assert!(since.elapsed() >= Duration::from_millis(900), "cut early");
    assert!(house.running.connections().cuts().any(|cut| cut == (Transport::Tcp, Cut::Slow, 1)));
}

#[test]
fn a_peer_that_never_reads_is_cut_and_holds_nobody_up() {
    let house = House::open_with(&impatient());
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(&house.address.into()).unwrap();
    let mut deaf = patient(socket.into());
    let hash = callbook::zone::hashes::owner_label(NUMBERS[2].parse().unwrap());
    let large = framed(&query(&format!("{hash}._openpgpkey.{APEX}"), RecordType::OPENPGPKEY, Dnssec::Ok));
    let flood = std::thread::spawn(move || {
        let turn = large.repeat(100);
        loop {
            if let Err(e) = deaf.write_all(&turn) {
                return e.kind();
            }
        }
    });
    while !flood.is_finished() {
        ask(&mut connect_from(0, 2, house.address), 3);
    }
    let ended = flood.join().unwrap();
    assert!(matches!(ended, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{ended:?}");
    assert!(house.running.connections().cuts().any(|cut| cut == (Transport::Tcp, Cut::Slow, 1)));
}

#[test]
fn two_thousand_idle_connections_keep_nobody_out() {
    let limits = Dns {
        connections_max: 128,
        connections_per_prefix_max: 16,
        tcp_idle_s: 600,
        tcp_patience_s: 60,
        ..Dns::default()
    };
    let house = House::open_with(&limits);
    // The test itself has descriptors for some hundred only; the server never sees more than it holds anyway.
    let mut idle = VecDeque::new();
    let mut friend = connect_from(1, 1, house.address);
    for n in 0..2_000u32 {
        let mut stream = connect_from(2, (n % 200) as u8 + 1, house.address);
        if n % 2 == 0 {
            let _ = stream.write_all(&[0]); // half of them are about to say something; cut ones cannot
        }
        idle.push_back(stream);
        if idle.len() > 400 {
            idle.pop_front();
        }
        if n % 50 == 0 {
            ask(&mut friend, 1); // who asks is not the one that was idle longest
            ask(&mut connect(house.address), 2);
        }
    }
    ask(&mut connect(house.address), 3);
    let connections = house.running.connections();
    assert!(connections.cuts().any(|(t, cut, n)| t == Transport::Tcp && cut == Cut::Total && n > 1_000));
    ask(&mut friend, 4);
}

#[test]
fn one_address_has_its_share_and_even_there_a_new_connection_is_served() {
    let house = House::open_with(&Dns { connections_per_prefix_max: 8, tcp_idle_s: 600, ..Dns::default() });
    let mut other = connect_from(3, 1, house.address);
    let mut idle: Vec<TcpStream> = (0..20).map(|_| connect_from(3, 2, house.address)).collect();
    ask(&mut connect_from(3, 2, house.address), 1);
    ask(&mut other, 2);
    idle[..12].iter_mut().for_each(|stream| assert!(is_closed(stream)));
    ask(&mut idle[19], 3);
    assert!(house.running.connections().cuts().any(|cut| cut == (Transport::Tcp, Cut::Prefix, 13)));
}

#[test]
fn a_query_sent_before_the_stop_gets_its_answer() {
    let house = House::open_with(&Dns { tcp_idle_s: 600, tcp_patience_s: 60, ..Dns::default() });
    let mut streams: Vec<TcpStream> = (0..10).map(|_| connect(house.address)).collect();
    let mut idle = connect(house.address);
    let mut begun = connect(house.address);
    ask(&mut idle, 1);
    begun.write_all(&[0, 60, 1]).unwrap();
    streams.iter_mut().for_each(|stream| stream.write_all(&framed(&question(5))).unwrap());
    let since = Instant::now();
    house.running.stop();
    assert!(since.elapsed() < Duration::from_secs(5), "the drain took {:?}", since.elapsed());
    for stream in &mut streams {
        judge(&answer(stream).unwrap(), 5);
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    }
    assert!(is_closed(&mut idle) && is_closed(&mut begun));
}

#[test]
fn a_server_out_of_descriptors_serves_those_who_ask() {
    let dir = tempfile::tempdir().unwrap();
    let zone = dir.path().join("zone");
    std::fs::write(&zone, ZONE).unwrap();
    let serve = format!(
        "ulimit -n 64; exec {} --json zone serve \"$0\" --origin {APEX} --listen 127.0.0.1:0 --unsigned",
        env!("CARGO_BIN_EXE_callbook")
    );
    let mut server = Command::new("sh").arg("-c").arg(serve).arg(&zone).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let told: serde_json::Value = serde_json::from_str(&line).unwrap();
    let address: SocketAddr = told["dns"][0].as_str().unwrap().parse().unwrap();
    let _idle: Vec<TcpStream> = (0..200).map(|n| connect_from(4, n % 50 + 1, address)).collect();
    let mut stream = connect(address);
    stream.write_all(&framed(&query(APEX, RecordType::SOA, Dnssec::No))).unwrap();
    let answered = answer(&mut stream);
    server.kill().unwrap();
    server.wait().unwrap();
    let message = Message::from_vec(&answered.unwrap()).unwrap();
    assert_eq!(message.answers.len(), 1);
}

#[test]
fn metrics_tell_how_many_and_not_who() {
    let house = House::open_with(&Dns { connections_per_prefix_max: 1, tcp_idle_s: 600, ..Dns::default() });
    let metrics = Metrics::new(vec![Box::new(Connections::new(house.running.connections()))]);
    let mut first = connect_from(6, 1, house.address);
    ask(&mut first, 1);
    ask(&mut connect_from(6, 1, house.address), 2);
    assert!(is_closed(&mut first));
    let told = metrics.text();
    assert!(told.contains("callbook_dns_connections_cut_total{transport=\"tcp\",reason=\"prefix\"} 1"), "{told}");
    assert!(told.contains("callbook_dns_connections{transport=\"tcp\"} ") && !told.contains("127.0"), "{told}");
}

#[test]
fn kdig_and_dig_keep_a_connection_open_for_several_questions() {
    if !have(&["kdig", "dig"]) {
        return;
    }
    let house = House::open();
    let (address, port) = (format!("@{}", house.address.ip()), house.address.port().to_string());
    for program in ["kdig", "dig"] {
        let said = text(&run(Command::new(program).args([
            &address,
            "-p",
            &port,
            "+tcp",
            "+keepopen",
            APEX,
            "SOA",
            APEX,
            "NS",
        ])));
        assert_eq!(said.matches("NOERROR").count(), 2, "{program}: {said}");
    }
}

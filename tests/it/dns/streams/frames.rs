//! HTTP/2 frame by frame (RFC 9113), as no library lets a client misbehave: floods that cost the sender little. Each is ended
//! by the server or held back, and others are served meanwhile.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callbook::config::Dns;
use callbook::nameserver::Transport;
use data_encoding::BASE64URL_NOPAD;

use super::authority::{Ca, NAME, TlsClient, address, handshake};
use super::{WAIT, ask, connect, question};
use crate::dns::house::House;

// RFC 9113 6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = (payload.len() as u32).to_be_bytes();
    [&length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A literal header field that nothing remembers (RFC 7541 6.2.2), by the index of its name.
fn field(name: u8, value: &str) -> Vec<u8> {
    let length = value.len();
    let prefix: Vec<u8> = match length {
        0..127 => vec![length as u8],
        _ => vec![127, (length - 127) as u8 & 0x7f | 0x80, ((length - 127) >> 7) as u8],
    };
    [&[name][..], &prefix, value.as_bytes()].concat()
}

/// The header block of a GET for a question, or of a POST.
fn headers(get: bool) -> Vec<u8> {
    let path = format!("/dns-query?dns={}", BASE64URL_NOPAD.encode(&question(0)));
    match get {
        true => [&[0x82, 0x87][..], &field(4, &path), &field(1, NAME)].concat(),
        // Content-type has a name beyond what four bits hold: 31 is 15 and 16.
        false => {
            let media: &[u8] = b"application/dns-message";
            [&[0x83, 0x87][..], &field(4, "/dns-query"), &field(1, NAME), &[15, 16, media.len() as u8], media].concat()
        }
    }
}

/// A client after preface and settings.
fn open(ca: &Ca, to: SocketAddr) -> TlsClient {
    let mut client = handshake(Arc::new(ca.client(&["h2"])), to).unwrap();
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    client.write_all(&frame(SETTINGS, 0, 0, &[])).unwrap();
    client
}

/// The next frame: kind, stream, payload.
fn next(client: &mut TlsClient) -> std::io::Result<(u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    client.read_exact(&mut head)?;
    let [a, b, c, kind, _, stream @ ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    client.read_exact(&mut payload)?;
    Ok((kind, u32::from_be_bytes(stream), payload))
}

/// Everything that the server says until it ends the connection; the code of its GOAWAY, if there was one.
fn ended(client: &mut TlsClient) -> Option<u32> {
    let began = Instant::now();
    let mut code = None;
    loop {
        match next(client) {
            Ok((GOAWAY, _, payload)) => code = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap())),
            Ok(_) => {}
            Err(e) => {
                let late = matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                assert!(!late && began.elapsed() < WAIT, "the connection was kept");
                return code;
            }
        }
    }
}

/// Sends the same again and again until the server ends or holds it back; how many octets it took, and whether it ended.
fn flood(client: &mut TlsClient, octets: &[u8], octets_max: usize) -> (usize, bool) {
    client.sock.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut sent = 0;
    while sent < octets_max {
        if let Err(e) = client.write_all(octets).and_then(|()| client.flush()) {
            return (sent, !matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
        }
        sent += octets.len();
    }
    (sent, false)
}

/// While `attack` runs, others ask over TCP and over HTTPS, on new connections, and are answered each time.
fn served_meanwhile(ca: &Ca, house: &House, attack: impl FnOnce() + Send) {
    let to = address(house, Transport::Https);
    std::thread::scope(|scope| {
        let attack = scope.spawn(attack);
        loop {
            let over = attack.is_finished();
            let began = Instant::now();
            ask(&mut connect(house.address), 1);
            let mut client = open(ca, to);
            client.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &headers(true))).unwrap();
            while !matches!(next(&mut client).unwrap(), (DATA, 1, answer) if !answer.is_empty()) {}
            assert!(began.elapsed() < Duration::from_secs(5), "others waited {:?}", began.elapsed());
            if over {
                break;
            }
        }
    });
}

fn house() -> (Ca, House) {
    let ca = Ca::new();
    let house = House::open_with(&Dns { tcp_patience_s: 1, tcp_idle_s: 1, ..ca.dns() });
    (ca, house)
}

/// CVE-2023-44487: requests that are taken back as they are made. Streams in time are few, and answers that nobody waits for
/// are not kept; the server may go on or say that it is enough.
#[test]
fn requests_that_are_taken_back_at_once_hold_nobody_up() {
    let (ca, house) = house();
    served_meanwhile(&ca, &house, || {
        let mut client = open(&ca, address(&house, Transport::Https));
        let block = headers(true);
        for round in 0..200u32 {
            let streams = (0..100).map(|i| 2 * (round * 100 + i) + 1);
            let pair = |id: u32| {
                [frame(HEADERS, END_STREAM | END_HEADERS, id, &block), frame(RST_STREAM, 0, id, &[0, 0, 0, 8])].concat()
            };
            if client.write_all(&streams.flat_map(pair).collect::<Vec<_>>()).is_err() {
                break; // GOAWAY, and the end
            }
        }
        ended(&mut client); // idle at last, if not before
    });
}

/// CVE-2024-27316 and its like: a header block without an end.
#[test]
fn headers_without_an_end_are_cut_off() {
    let (ca, house) = house();
    served_meanwhile(&ca, &house, || {
        for with_fields in [true, false] {
            let mut client = open(&ca, address(&house, Transport::Https));
            client.write_all(&frame(HEADERS, END_STREAM, 1, &headers(true))).unwrap();
            // Accept-language: x, without end.
            let more = if with_fields { b"\x0f\x02\x01x".repeat(100) } else { Vec::new() };
            let (sent, is_ended) = flood(&mut client, &frame(CONTINUATION, 0, 1, &more).repeat(20), 64 << 20);
            assert!(is_ended, "after {sent} octets it was not ended");
        }
    });
}

/// Frames that ask for an answer each, from a client that takes none: the server reads no more than it can answer.
#[test]
fn frames_that_are_answered_and_answers_that_are_not_taken_end_the_connection() {
    let (ca, house) = house();
    served_meanwhile(&ca, &house, || {
        for asked in [frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255]), frame(PING, 0, 0, &[7; 8])] {
            let mut client = open(&ca, address(&house, Transport::Https));
            let (sent, is_ended) = flood(&mut client, &asked.repeat(500), 256 << 20);
            assert!(is_ended, "after {sent} octets it was not ended");
        }
    });
}

/// Frames that say nothing keep no connection: neither those that are allowed nor those that are not.
#[test]
fn frames_that_say_nothing_prolong_nothing() {
    let (ca, house) = house();
    let post = frame(HEADERS, END_HEADERS, 1, &headers(false));
    let unknown = frame(0xbb, 0, 0, &[0; 32]);
    for (what, first, again) in [
        ("empty data", &post[..], frame(DATA, 0, 1, &[])),
        ("window", &[], frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("frames of an unknown kind", &[], unknown),
        ("acknowledgements that nobody waits for", &[], frame(PING, 1, 0, &[0; 8])),
    ] {
        let mut client = open(&ca, address(&house, Transport::Https));
        client.write_all(first).unwrap();
        let began = Instant::now();
        // One at a time, far oftener than the idle time is long.
        while client.write_all(&again).and_then(|()| client.flush()).is_ok() {
            assert!(began.elapsed() < WAIT, "{what}: it was kept");
            std::thread::sleep(Duration::from_millis(20)); // the attack's pace, not a wait
        }
    }
}

/// A client whose windows are shut takes no answers, whatever it asks.
#[test]
fn answers_that_are_not_taken_end_the_connection() {
    let (ca, house) = house();
    let mut client = handshake(Arc::new(ca.client(&["h2"])), address(&house, Transport::Https)).unwrap();
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    client.write_all(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])).unwrap(); // no octet of any answer
    for stream in 0..32 {
        client.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 2 * stream + 1, &headers(true))).unwrap();
    }
    ended(&mut client);
}

/// What the protocol forbids ends the connection, each with a code that is not "no error".
#[test]
fn what_the_protocol_forbids_ends_the_connection_with_a_code() {
    let (ca, house) = house();
    let get = headers(true);
    for (what, frames) in [
        ("data on no stream", frame(DATA, 0, 0, b"x")),
        ("headers on an even stream", frame(HEADERS, END_STREAM | END_HEADERS, 2, &get)),
        ("a stream that was passed over", {
            let at = |stream| frame(HEADERS, END_STREAM | END_HEADERS, stream, &get);
            [at(5), at(3)].concat()
        }),
        ("settings of five octets", frame(SETTINGS, 0, 0, &[0; 5])),
        ("a ping of seven octets", frame(PING, 0, 0, &[0; 7])),
        ("a window of nothing", frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("a window too wide", frame(WINDOW_UPDATE, 0, 0, &[0x7f, 255, 255, 255])),
        ("a continuation of nothing", frame(CONTINUATION, END_HEADERS, 1, &get)),
        ("headers that are no HPACK", frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0xff; 20])),
        ("a frame larger than agreed", frame(DATA, 0, 1, &vec![0; 20_000])),
    ] {
        let mut client = open(&ca, address(&house, Transport::Https));
        client.write_all(&frames).unwrap();
        let code = ended(&mut client);
        assert!(code.is_some_and(|code| code != 0), "{what}: {code:?}");
    }
}

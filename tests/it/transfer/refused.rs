//! Who gets no transfer, and how each is told; what signed questions get; how many transfers run at once.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use callbook::clock::{Clock, SystemClock};
use callbook::nameserver::tsig::{Chain, split};
use callbook::nameserver::{TsigAlgorithm, TsigKey, TsigKeys};
use callbook::wire::{Name, RrType};
use data_encoding::BASE64;

use super::home::{Home, KEY, PATIENCE, SECRET, axfr, dig, signed};
use crate::oracle::packet::{Edns, Question, Reply};

const TEXT: &str = "@ 60 IN SOA ns h 10 1 1 1 60\n@ IN NS ns\nns IN A 192.0.2.1\n";
const REFUSED: u16 = 5;
const NOTAUTH: u16 = 9;

fn home(options: &str) -> Home {
    Home::new(&[("a.example.", TEXT, options)], "")
}

fn allowed(more: &str) -> String {
    format!("allow_transfer = [{{ key = \"{KEY}\"{more} }}]")
}

pub(super) fn question(qtype: RrType) -> Vec<u8> {
    let edns = Edns { version: 0, udp_octets: 1_232, dnssec_ok: false };
    let qname = Name::from_text("a.example.").unwrap().as_wire().to_vec();
    Question { qname, qtype, edns: Some(edns), rd: false, cd: false }.packet(7)
}

/// The question of an IXFR from a serial (RFC 1995 3).
pub(super) fn ixfr(serial: u32) -> Vec<u8> {
    let mut packet = question(RrType::IXFR);
    let opt = packet.split_off(packet.len() - 11);
    packet[9] = 1;
    packet.extend_from_slice(b"\xc0\x0c\x00\x06\x00\x01\x00\x00\x00\x00\x00\x16\x00\x00");
    packet.extend_from_slice(&serial.to_be_bytes());
    packet.extend_from_slice(&[0; 16]);
    packet.extend(opt);
    packet
}

pub(super) fn key(name: &str, secret: &str) -> Chain {
    let secret = BASE64.decode(secret.as_bytes()).unwrap();
    let keys = TsigKeys::new(vec![TsigKey::new(Name::from_text(name).unwrap(), TsigAlgorithm::Sha256, &secret)]);
    Chain::asking(keys.find(&Name::from_text(name).unwrap()).unwrap())
}

pub(super) fn over_tcp(server: SocketAddr, packet: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&[&(packet.len() as u16).to_be_bytes()[..], packet].concat()).unwrap();
    message(&mut stream)
}

fn message(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message).unwrap();
    message
}

pub(super) fn over_udp(server: SocketAddr, packet: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(packet, server).unwrap();
    let mut answer = vec![0; 65_535];
    let octets = socket.recv(&mut answer).unwrap();
    answer.truncate(octets);
    answer
}

fn rcode(answer: &[u8]) -> u16 {
    u16::from(answer[3] & 15)
}

/// The code of an extended error (RFC 8914) whose option is the last but TSIG and padding.
fn says_prohibited(answer: &[u8]) -> bool {
    answer.windows(6).any(|six| six == [0, 15, 0, 2, 0, 18])
}

#[test]
fn nobody_gets_a_zone_by_default_or_from_elsewhere() {
    let other = "[[tsig]]\nname = \"other.\"\nfile = \"keys/sec.tsig\"";
    for (options, may) in [
        (String::new(), false),
        (allowed(", from = [\"192.0.2.0/24\", \"::1\"]"), false),
        ("allow_transfer = [{ key = \"other.\" }]".to_owned(), false),
        (format!("transfer_over_tls = true\n{}", allowed("")), false),
        (allowed(""), true),
        (allowed(", from = [\"192.0.2.0/24\", \"127.0.0.1\"]"), true),
    ] {
        let home = Home::new(&[("a.example.", TEXT, &options)], other);
        let service = home.serve();
        let now_s = SystemClock.now_s();
        for packet in [question(RrType::AXFR), ixfr(9)] {
            for ask in [over_tcp, over_udp] {
                let answer = ask(service.address, &packet);
                assert!(rcode(&answer) == REFUSED && says_prohibited(&answer), "{options}: without a key");
            }
            let (mut chain, mut asked) = (key(KEY, SECRET), packet.clone());
            chain.sign(&mut asked, now_s);
            let answer = over_tcp(service.address, &asked);
            assert!(chain.is_answered_by(&answer, now_s), "{options}: the answer is signed, whatever it says");
            assert_eq!(rcode(&answer) == 0, may, "{options}");
            assert!(may || rcode(&answer) == REFUSED && says_prohibited(&answer), "{options}");
        }
        let fetched = axfr(service.address, "a.example", &[&signed()]);
        assert_eq!(fetched.len(), if may { 3 } else { 0 }, "{options}: {fetched:?}");
    }
}

#[test]
fn udp_carries_no_zone_and_says_which_version_there_is() {
    let service = home(&allowed("")).serve();
    let now_s = SystemClock.now_s();
    for (packet, code, records) in [(question(RrType::AXFR), REFUSED, 0), (ixfr(9), 0, 1), (ixfr(10), 0, 1)] {
        let (mut chain, mut asked) = (key(KEY, SECRET), packet);
        chain.sign(&mut asked, now_s);
        let answer = over_udp(service.address, &asked);
        assert!(chain.is_answered_by(&answer, now_s));
        let reply = Reply::read(&split(&answer).unwrap().plain()).unwrap();
        assert_eq!((reply.rcode, reply.answer.len()), (code, records));
        assert!(reply.answer.iter().all(|rr| RrType(rr.rr_type) == RrType::SOA));
    }
}

#[test]
fn wrong_signatures_are_told_as_rfc_8945_says() {
    let service = home(&allowed("")).serve();
    let now_s = SystemClock.now_s();
    let other = BASE64.encode(&[9; 32]);
    for (name, secret, at_s, error, answer_is_signed) in [
        (KEY, &*other, now_s, 16, false),
        ("nobody.example.", SECRET, now_s, 17, false),
        (KEY, SECRET, now_s - 1_000, 18, true),
        (KEY, SECRET, now_s + 1_000, 18, true),
    ] {
        for qtype in [RrType::AXFR, RrType::SOA] {
            for ask in [over_tcp, over_udp] {
                let (mut chain, mut asked) = (key(name, secret), question(qtype));
                chain.sign(&mut asked, at_s);
                let answer = ask(service.address, &asked);
                let told = split(&answer).expect("it ends in a TSIG");
                assert_eq!((rcode(&answer), told.error), (NOTAUTH, error), "{name} {error}");
                assert_eq!(!told.mac.is_empty(), answer_is_signed, "{name} {error}");
                assert_eq!(told.other.len(), if error == 18 { 6 } else { 0 });
                assert!(Reply::read(&told.plain()).unwrap().answer.is_empty());
            }
        }
    }
    // One that is not the last record is malformed.
    let (mut chain, mut asked) = (key(KEY, SECRET), question(RrType::SOA));
    chain.sign(&mut asked, now_s);
    asked[11] += 1;
    asked.extend_from_slice(b"\x00\x00\x10\x00\x01\x00\x00\x00\x00\x00\x00");
    assert_eq!(rcode(&over_tcp(service.address, &asked)), 1);
}

#[test]
fn dig_is_content_with_signed_answers_of_every_algorithm() {
    let algorithms = TsigAlgorithm::ALL.map(TsigAlgorithm::as_str);
    let keys =
        algorithms.map(|a| format!("[[tsig]]\nname = \"{a}.key.\"\nalgorithm = \"{a}\"\nfile = \"keys/sec.tsig\"\n"));
    let allow = algorithms.map(|a| format!("{{ key = \"{a}.key.\" }}")).join(", ");
    let home = Home::new(&[("a.example.", TEXT, &format!("allow_transfer = [{allow}]"))], &keys.concat());
    let service = home.serve();
    for algorithm in algorithms {
        let key = format!("-y{algorithm}:{algorithm}.key.:{SECRET}");
        for args in [["ns.a.example", "A", "+notcp"], ["ns.a.example", "A", "+tcp"], ["no.a.example", "TXT", "+notcp"]]
        {
            let said = dig(service.address, &[&args[..], &[&key]].concat());
            assert!(said.contains("TSIG PSEUDOSECTION") && said.contains("NOERROR"), "{said}");
            assert!(!said.contains("could not be validated") && !said.contains("Couldn't verify"), "{said}");
        }
        let said = dig(service.address, &["a.example", "AXFR", &key]);
        assert!(said.contains("XFR size") && !said.contains("failed"), "{said}");
    }
    let said = dig(service.address, &["a.example", "AXFR", &format!("-yhmac-sha256:hmac-sha512.key.:{SECRET}")]);
    assert!(!said.contains("XFR size"), "a key is for its algorithm alone: {said}");
}

#[test]
fn a_notify_to_us_is_refused() {
    let service = home(&allowed("")).serve();
    let (mut chain, mut asked) = (key(KEY, SECRET), question(RrType::SOA));
    asked[2] = 0x24;
    let answer = over_udp(service.address, &asked);
    assert_eq!((rcode(&answer), answer[2] >> 3 & 15), (REFUSED, 4));
    chain.sign(&mut asked, SystemClock.now_s());
    let answer = over_udp(service.address, &asked);
    assert!(rcode(&answer) == REFUSED && chain.is_answered_by(&answer, SystemClock.now_s()));
}

#[test]
fn transfers_at_once_are_bounded_and_who_goes_away_leaves_his_place() {
    // More than the sockets between us hold.
    let mut text = TEXT.to_owned();
    let filling = format!("\"{}\" ", "x".repeat(250)).repeat(40);
    (0..1_500).for_each(|i| text += &format!("n{i} IN TXT {filling}\n"));
    let home = Home::new(&[("a.example.", &text, &allowed(""))], "[dns]\ntransfers_max = 1\n");
    let service = home.serve();
    let ask = || {
        let mut stream = TcpStream::connect(service.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (mut chain, mut asked) = (key(KEY, SECRET), question(RrType::AXFR));
        chain.sign(&mut asked, SystemClock.now_s());
        stream.write_all(&[&(asked.len() as u16).to_be_bytes()[..], &asked].concat()).unwrap();
        let first = message(&mut stream);
        assert!(chain.is_answered_by(&first, SystemClock.now_s()));
        (stream, rcode(&first))
    };
    let (slow, code) = ask();
    assert_eq!(code, 0);
    // Somebody who does not read holds up neither questions nor other transfers, which are told to come again.
    assert_eq!(ask().1, 2);
    let began = Instant::now();
    assert!(dig(service.address, &["ns.a.example", "A", "+short", "+tcp"]).contains("192.0.2.1"));
    assert!(began.elapsed() < Duration::from_secs(2));
    drop(slow); // cut in the middle
    while ask().1 != 0 {
        assert!(began.elapsed() < PATIENCE, "the place does not come back");
    }
    let fetched = loop {
        let fetched = axfr(service.address, "a.example", &[&signed()]);
        if !fetched.is_empty() || began.elapsed() > PATIENCE {
            break fetched;
        }
    };
    assert_eq!(fetched.len(), 1_503);
}

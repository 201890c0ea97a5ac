//! DNS over QUIC (RFC 9250): one query a stream, errors by their codes, and handshakes that stall.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use callbook::clock::SystemClock;
use callbook::config::Dns;
use callbook::nameserver::{Served, Transport, View};
use callbook::net::{Cut, DnsService, RunningDns};
use callbook::wire::Name;
use callbook::zone::StaticZone;
use hickory_proto::op::{Edns, Message};
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::EdnsOption;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, VarInt};
use tokio::time::timeout;

use super::authority::{Ca, NAME, address};
use super::{WAIT, framed, judge, question};
use crate::dns::ask::{Dnssec, query};
use crate::dns::house::{APEX, House, NUMBERS, have, run, text};

const NO_ERROR: u32 = 0;
const PROTOCOL_ERROR: u32 = 2;
const EXCESSIVE_LOAD: u32 = 4;

/// Runs a test of this file to its end, which comes in time.
fn on_time(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(WAIT, test).await.expect("in time") });
}

pub(crate) fn client(ca: &Ca) -> Endpoint {
    let crypto = QuicClientConfig::try_from(ca.client_of(&[&rustls::version::TLS13], &["doq"])).unwrap();
    let mut endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(ClientConfig::new(Arc::new(crypto)));
    endpoint
}

/// A connection; its endpoint lives as long as it does.
async fn connect(ca: &Ca, to: SocketAddr) -> Connection {
    client(ca).connect(to, NAME).unwrap().await.unwrap()
}

/// Sends this on a stream of its own and gives what comes back, if anything does.
pub(crate) async fn exchange(connection: &Connection, octets: &[u8]) -> Result<Vec<u8>, quinn::ReadToEndError> {
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(octets).await.unwrap();
    send.finish().unwrap();
    recv.read_to_end(70_000).await
}

async fn ask(connection: &Connection) {
    let answer = exchange(connection, &framed(&question(0))).await.unwrap();
    assert_eq!(usize::from(u16::from_be_bytes([answer[0], answer[1]])), answer.len() - 2);
    judge(&answer[2..], 0);
}

/// The code with which the server closes the connection.
async fn close_code(connection: &Connection) -> u32 {
    match connection.closed().await {
        ConnectionError::ApplicationClosed(close) => u64::from(close.error_code) as u32,
        other => panic!("not closed by the server: {other}"),
    }
}

#[test]
fn kdig_is_content() {
    if !have(&["kdig"]) {
        return;
    }
    let ca = Ca::new();
    let house = House::open_with(&ca.dns());
    let to = address(&house, Transport::Quic);
    let server = [format!("@{}", to.ip()), "-p".into(), to.port().to_string()];
    let strict = [format!("+tls-ca={}", ca.path("ca.pem").display()), format!("+tls-hostname={NAME}")];
    let said = text(&run(Command::new("kdig").args(&server).args(&strict).args(["+quic", "+dnssec", APEX, "SOA"])));
    assert!(said.contains("status: NOERROR") && said.contains("RRSIG") && said.contains("QUIC"), "{said}");
}

#[test]
fn every_stream_has_its_answer() {
    let ca = Ca::new();
    let house = House::open_with(&ca.dns());
    on_time(async {
        let connection = connect(&ca, address(&house, Transport::Quic)).await;
        // More than may be open at once.
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..300 {
            let connection = connection.clone();
            all.spawn(async move { ask(&connection).await });
        }
        all.join_all().await;
        let hash = callbook::zone::hashes::owner_label(NUMBERS[2].parse().unwrap());
        let mut large = query(&format!("{hash}._openpgpkey.{APEX}"), RecordType::OPENPGPKEY, Dnssec::Ok);
        large[..2].fill(0);
        let answer = exchange(&connection, &framed(&large)).await.unwrap();
        assert!(Message::from_vec(&answer[2..]).unwrap().answers.len() == 2 && answer.len() > 1_800);
    });
}

#[test]
fn what_the_protocol_forbids_closes_the_connection_with_its_code() {
    let ca = Ca::new();
    let house = House::open_with(&ca.dns());
    let right = question(0);
    let mut keepalive = Message::from_vec(&right).unwrap();
    keepalive.edns.get_or_insert_with(Edns::new).options_mut().insert(EdnsOption::Unknown(11, Vec::new()));
    let notify = |mut packet: Vec<u8>| {
        packet[2] |= 0x20;
        packet
    };
    let cases = [
        ("edns-tcp-keepalive in a NOTIFY", framed(&notify(keepalive.to_vec().unwrap()))),
        ("an id", framed(&question(7))),
        ("an end before the message's", framed(&right)[..20].to_vec()),
        ("half a length", vec![0]),
        ("nothing", Vec::new()),
        ("two messages", [framed(&right), framed(&right)].concat()),
        ("edns-tcp-keepalive", framed(&keepalive.to_vec().unwrap())),
    ];
    on_time(async {
        let other = connect(&ca, address(&house, Transport::Quic)).await;
        for (what, octets) in cases {
            let connection = connect(&ca, address(&house, Transport::Quic)).await;
            ask(&connection).await;
            assert!(exchange(&connection, &octets).await.is_err(), "{what}");
            assert_eq!(close_code(&connection).await, PROTOCOL_ERROR, "{what}");
        }
        ask(&other).await;
    });
}

#[test]
fn a_stream_can_fail_alone() {
    let ca = Ca::new();
    let house = House::open_with(&ca.dns());
    on_time(async {
        let connection = connect(&ca, address(&house, Transport::Quic)).await;
        let mut response = question(0);
        response[2] |= 0x80;
        let failed = exchange(&connection, &framed(&response)).await.unwrap_err();
        let code = VarInt::from_u32(PROTOCOL_ERROR);
        assert_eq!(failed, quinn::ReadToEndError::Read(quinn::ReadError::Reset(code)));
        // A query that is taken back before its end (RFC 9250 4.3.1).
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        send.write_all(&framed(&question(0))[..9]).await.unwrap();
        send.reset(VarInt::from_u32(3)).unwrap();
        let taken_back = recv.read_to_end(70_000).await.unwrap_err();
        assert_eq!(taken_back, quinn::ReadToEndError::Read(quinn::ReadError::Reset(VarInt::from_u32(3))));
        ask(&connection).await;
    });
}

#[test]
fn a_query_without_an_end_costs_its_connection_and_no_other() {
    let ca = Ca::new();
    let house = House::open_with(&Dns { tcp_patience_s: 1, ..ca.dns() });
    on_time(async {
        let to = address(&house, Transport::Quic);
        let (connection, other) = (connect(&ca, to).await, connect(&ca, to).await);
        let (mut send, _recv) = connection.open_bi().await.unwrap();
        send.write_all(&framed(&question(0))).await.unwrap(); // and no FIN
        ask(&other).await;
        assert_eq!(close_code(&connection).await, EXCESSIVE_LOAD);
        ask(&other).await;
        assert!(house.running.connections().cuts().any(|cut| cut == (Transport::Quic, Cut::Slow, 1)));
    });
}

/// A client that takes no more than so many octets of all its answers together.
fn deaf_client(ca: &Ca, octets: u32) -> Endpoint {
    let crypto = QuicClientConfig::try_from(ca.client_of(&[&rustls::version::TLS13], &["doq"])).unwrap();
    let mut config = ClientConfig::new(Arc::new(crypto));
    let mut transport = quinn::TransportConfig::default();
    transport.receive_window(VarInt::from_u32(octets)).stream_receive_window(VarInt::from_u32(octets));
    config.transport_config(Arc::new(transport));
    let mut endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(config);
    endpoint
}

/// How many questions were answered over QUIC.
fn answered(counters: &[Arc<callbook::nameserver::Counters>]) -> u64 {
    let cells = counters.iter().flat_map(|worker| worker.answers().collect::<Vec<_>>());
    cells.filter(|cell| cell.transport == "quic").map(|cell| cell.count).sum()
}

/// A name server for a zone with a set of sixty thousand octets.
fn large_sets(dns: &Dns) -> RunningDns {
    let set: String = (0..240).map(|i| format!("large IN TXT \"{i:0240}\"\n")).collect();
    let text = format!("@ 60 IN SOA ns h 1 1 1 1 60\n@ IN NS ns\nns IN A 192.0.2.1\n{set}");
    let zone = StaticZone::read(&text, &Name::from_text("large.example.").unwrap()).unwrap();
    let view = View::new(vec![Served::fixed(Arc::new(zone), None)]);
    let dns = Dns { listen: vec!["127.0.0.1:0".parse().unwrap()], ..dns.clone() };
    DnsService::start(Arc::new(ArcSwap::from_pointee(view)), &dns, Arc::new(SystemClock)).unwrap()
}

/// A hundred questions whose answers are as large as they get, from a peer that takes none: only what there is room for is
/// answered, and the peer goes when its time is over. Others are served.
#[test]
fn what_a_peer_does_not_take_is_not_kept_for_it() {
    let ca = Ca::new();
    let running = large_sets(&Dns { tcp_patience_s: 1, tcp_idle_s: 600, ..ca.dns() });
    let to = running.encrypted().iter().find(|(of, _)| *of == Transport::Quic).unwrap().1;
    let mut large = query("large.large.example.", RecordType::TXT, Dnssec::No);
    large[..2].fill(0);
    on_time(async {
        let (deaf, hearing) = (deaf_client(&ca, 1), client(&ca));
        let (deaf, hearing) =
            (deaf.connect(to, NAME).unwrap().await.unwrap(), hearing.connect(to, NAME).unwrap().await.unwrap());
        let mut streams = Vec::new();
        for _ in 0..100 {
            let (mut send, recv) = deaf.open_bi().await.unwrap();
            send.write_all(&framed(&large)).await.unwrap();
            send.finish().unwrap();
            streams.push((send, recv));
        }
        assert_eq!(close_code(&deaf).await, EXCESSIVE_LOAD);
        let kept = answered(running.counters());
        // Three that it does not take, and those that come up as these are given up.
        assert!((1..=6).contains(&kept), "{kept} answers were made for a peer that takes none");
        // Who takes them gets them all.
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let (connection, asked) = (hearing.clone(), framed(&large));
            all.spawn(async move { exchange(&connection, &asked).await.unwrap().len() });
        }
        assert!(all.join_all().await.iter().all(|octets| *octets > 57_600));
    });
}

/// Streams that are opened and given up, many times: they keep no place, and hold nobody up.
#[test]
fn streams_that_are_given_up_keep_no_place() {
    let ca = Ca::new();
    let house =
        House::open_with(&Dns { tcp_patience_s: 1, tcp_idle_s: 600, connections_per_prefix_max: 2, ..ca.dns() });
    let to = address(&house, Transport::Quic);
    on_time(async {
        let (flood, friend) = (connect(&ca, to).await, connect(&ca, to).await);
        ask(&friend).await;
        for _ in 0..5_000 {
            let (mut send, mut recv) = flood.open_bi().await.unwrap();
            let _ = send.write(&[0, 9, 0]).await; // the whole connection is not closed for it
            send.reset(VarInt::from_u32(3)).unwrap();
            recv.stop(VarInt::from_u32(3)).unwrap();
        }
        // One too many: of the two that are there the flood has asked nothing at all, so it goes.
        let newcomer = connect(&ca, to).await;
        ask(&newcomer).await;
        assert_eq!(close_code(&flood).await, EXCESSIVE_LOAD);
        ask(&friend).await;
    });
}

/// RFC 9250 4.5: early data may be sent again by anybody; a server that takes none says so with its tickets.
#[test]
fn early_data_are_not_taken() {
    let ca = Ca::new();
    let house = House::open_with(&ca.dns());
    let to = address(&house, Transport::Quic);
    on_time(async {
        let mut tls = ca.client_of(&[&rustls::version::TLS13], &["doq"]);
        tls.enable_early_data = true;
        let crypto = QuicClientConfig::try_from(tls).unwrap();
        let mut endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        endpoint.set_default_client_config(ClientConfig::new(Arc::new(crypto)));
        let first = endpoint.connect(to, NAME).unwrap().await.unwrap();
        ask(&first).await; // the tickets have come with it
        let Err(second) = endpoint.connect(to, NAME).unwrap().into_0rtt() else { panic!("early data are offered") };
        ask(&second.await.unwrap()).await;
    });
}

/// RFC 9250 4.1.1: without its ALPN there is no connection; and streams in one direction are not opened.
#[test]
fn other_protocols_and_streams_in_one_direction_are_not_let_in() {
    let ca = Ca::new();
    let house = House::open_with(&ca.dns());
    let to = address(&house, Transport::Quic);
    on_time(async {
        for alpn in [&["h3"][..], &["dot"], &[]] {
            let crypto = QuicClientConfig::try_from(ca.client_of(&[&rustls::version::TLS13], alpn)).unwrap();
            let mut endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
            endpoint.set_default_client_config(ClientConfig::new(Arc::new(crypto)));
            assert!(endpoint.connect(to, NAME).unwrap().await.is_err(), "{alpn:?}");
        }
        let connection = connect(&ca, to).await;
        assert!(timeout(Duration::from_millis(100), connection.open_uni()).await.is_err());
        assert!(connection.max_datagram_size().is_none());
        ask(&connection).await;
    });
}

/// First packets of so many handshakes, none of which anybody will continue.
pub(crate) async fn first_packets(ca: &Ca, count: usize) -> Vec<Vec<u8>> {
    let nobody = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let endpoint = client(ca);
    let connecting: Vec<_> =
        (0..count).map(|_| endpoint.connect(nobody.local_addr().unwrap(), NAME).unwrap()).collect();
    let (mut packets, mut seen, mut packet) = (Vec::new(), BTreeSet::new(), vec![0; 2_000]);
    while packets.len() < count {
        let octets = nobody.recv(&mut packet).await.unwrap();
        let id = packet[6..6 + usize::from(packet[5])].to_vec(); // RFC 9000 17.2
        if packet[0] & 0xf0 == 0xc0 && seen.insert(id) {
            packets.push(packet[..octets].to_vec());
        }
    }
    drop(connecting);
    packets
}

#[test]
fn stalled_handshakes_keep_nobody_out() {
    let ca = Ca::new();
    let house = House::open_with(&Dns { tcp_patience_s: 60, connections_max: 64, ..ca.dns() });
    on_time(async {
        let to = address(&house, Transport::Quic);
        let living = connect(&ca, to).await;
        let flood = UdpSocket::bind("127.0.0.1:0").unwrap();
        flood.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        for packet in first_packets(&ca, 300).await {
            flood.send_to(&packet, to).unwrap();
        }
        // Whoever comes now is served, on whichever thread: it only has to prove its address first.
        for _ in 0..20 {
            ask(&connect(&ca, to).await).await;
        }
        ask(&living).await;
        let (mut retries, mut packet) = (0, [0; 2_000]);
        while let Ok(octets) = flood.recv(&mut packet) {
            retries += usize::from(octets > 0 && packet[0] & 0xf0 == 0xf0); // RFC 9000 17.2.5
        }
        assert!(retries > 0, "nobody was asked to prove an address"); // a flood's own queue holds few of the 236
        assert!(house.running.connections().cuts().all(|(_, _, cuts)| cuts == 0), "forged packets cut nobody off");
    });
}

#[test]
fn a_stop_lets_answers_arrive_and_says_goodbye() {
    let ca = Ca::new();
    let house = House::open_with(&Dns { tcp_idle_s: 600, ..ca.dns() });
    on_time(async {
        let connection = connect(&ca, address(&house, Transport::Quic)).await;
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        send.write_all(&framed(&question(0))).await.unwrap();
        send.finish().unwrap();
        send.stopped().await.unwrap(); // the server has it
        let stop = tokio::task::spawn_blocking(move || house.running.stop());
        judge(&recv.read_to_end(70_000).await.unwrap()[2..], 0);
        assert_eq!(close_code(&connection).await, NO_ERROR);
        stop.await.unwrap();
    });
}

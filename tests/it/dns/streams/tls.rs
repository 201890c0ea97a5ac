//! DNS over TLS (RFC 7858, RFC 8310): strict clients, stalled handshakes, and certificates that change under way.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use callbook::clock::SystemClock;
use callbook::config::Dns;
use callbook::nameserver::{Transport, View};
use callbook::net::{Cut, DnsService};
use rustls::{HandshakeKind, ProtocolVersion};

use super::authority::{Ca, NAME, TlsClient, address, chmod, handshake, replace};
use super::{WAIT, answer, ask, connect, connect_from, framed, is_closed, judge, question};
use crate::dns::house::{APEX, House, have, run, text};

/// The certificate that a connection was made with.
fn shown(client: &TlsClient) -> &[u8] {
    client.conn.peer_certificates().unwrap()[0].as_ref()
}

#[test]
fn kdig_with_the_strict_profile_is_content() {
    if !have(&["kdig"]) {
        return;
    }
    let ca = Ca::new();
    let house = House::open_with(&ca.dns());
    let to = address(&house, Transport::Tls);
    let server = [format!("@{}", to.ip()), "-p".into(), to.port().to_string()];
    let strict = [format!("+tls-ca={}", ca.path("ca.pem").display()), format!("+tls-hostname={NAME}")];
    let said = text(&run(Command::new("kdig").args(&server).args(&strict).args(["+padding", "+dnssec", APEX, "SOA"])));
    assert!(
        said.contains("status: NOERROR") && said.contains("RRSIG") && said.contains("TLS session (TLS1.3)"),
        "{said}"
    );
    assert!(said.contains("PADDING"), "the answer is padded: {said}");
    let wrong = [strict[0].clone(), "+tls-hostname=elsewhere.example".to_owned()];
    let said = text(&run(Command::new("kdig").args(&server).args(wrong).args([APEX, "SOA"])));
    assert!(!said.contains("status: NOERROR"), "the name was not checked: {said}");
}

#[test]
fn queries_are_pipelined_and_the_end_is_told() {
    let ca = Ca::new();
    let house = House::open_with(&ca.dns());
    let mut client = ca.connect(address(&house, Transport::Tls), &["dot"]).unwrap();
    assert_eq!(client.conn.alpn_protocol(), Some(&b"dot"[..]));
    let all: Vec<u8> = (0..100).flat_map(|id| framed(&question(id))).collect();
    client.write_all(&all).unwrap();
    (0..100).for_each(|id| judge(&answer(&mut client).unwrap(), id));
    client.write_all(&framed(&[])).unwrap();
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "close_notify, or this would be an error");
}

/// Ten thousand questions, all with one id, from a peer that takes no answer: TLS has a buffer of its own, which must not grow.
#[test]
fn a_peer_that_never_reads_is_cut() {
    let ca = Ca::new();
    let house = House::open_with(&Dns { tcp_patience_s: 1, tcp_idle_s: 600, ..ca.dns() });
    let to = address(&house, Transport::Tls);
    let mut deaf = ca.connect(to, &["dot"]).unwrap();
    let all = framed(&question(7)).repeat(10_000);
    let flood = std::thread::spawn(move || {
        loop {
            if deaf.write_all(&all).is_err() {
                return;
            }
        }
    });
    while !flood.is_finished() {
        ask(&mut ca.connect(to, &["dot"]).unwrap(), 1);
    }
    flood.join().unwrap();
    assert!(house.running.connections().cuts().any(|cut| cut == (Transport::Tls, Cut::Slow, 1)));
}

/// RFC 9325 3.5: nobody shakes hands a second time on a connection (CVE-2011-1473).
#[test]
fn renegotiation_is_refused_and_holds_nobody_up() {
    let Some(openssl) = crate::peers::program("openssl") else { return };
    let ca = Ca::new();
    let house = House::open_with(&Dns { tcp_patience_s: 1, tcp_idle_s: 1, ..ca.dns() });
    let to = address(&house, Transport::Tls);
    let mut client = Command::new(openssl);
    client
        .args(["s_client", "-tls1_2", "-connect", &to.to_string(), "-servername", NAME, "-CAfile"])
        .arg(ca.path("ca.pem"));
    let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    client.stdin.as_mut().unwrap().write_all(b"R\nR\nR\n").unwrap(); // its command for it
    ask(&mut ca.connect(to, &["dot"]).unwrap(), 1);
    let said = client.wait_with_output().unwrap(); // its end comes by ours
    let said = [said.stdout, said.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("Protocol  : TLSv1.2") && said.contains("RENEGOTIATING"), "{said}");
    assert_eq!(said.matches("BEGIN CERTIFICATE").count(), 1, "hands were shaken again: {said}");
}

#[test]
fn both_versions_serve_and_other_protocols_do_not() {
    let ca = Ca::new();
    let house = House::open_with(&ca.dns());
    let to = address(&house, Transport::Tls);
    for (version, number) in
        [(&rustls::version::TLS12, ProtocolVersion::TLSv1_2), (&rustls::version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        let config = ca.client_of(&[version], &[]);
        let mut client = handshake(Arc::new(config), to).unwrap();
        assert_eq!(client.conn.protocol_version(), Some(number));
        ask(&mut client, 1);
    }
    assert!(ca.connect(to, &["h2"]).is_err(), "a web client was let in");
    let mut plain = connect(to);
    plain.write_all(&framed(&question(1))).unwrap();
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said); // an alert, then the end or a reset
    assert!(said.len() < 12, "answered without encryption");
}

#[test]
fn a_session_is_resumed_without_early_data() {
    let ca = Ca::new();
    let house = House::open_with(&ca.dns());
    let (config, to) = (Arc::new(ca.client(&["dot"])), address(&house, Transport::Tls));
    let mut first = handshake(config.clone(), to).unwrap();
    ask(&mut first, 1); // with the tickets, which come after the handshake
    let mut second = handshake(config, to).unwrap();
    assert_eq!(second.conn.handshake_kind(), Some(HandshakeKind::Resumed));
    assert!(!second.conn.is_early_data_accepted());
    ask(&mut second, 2);
}

#[test]
fn stalled_handshakes_keep_nobody_out_and_end() {
    let ca = Ca::new();
    let house =
        House::open_with(&Dns { tcp_patience_s: 1, tcp_idle_s: 600, connections_per_prefix_max: 1_000, ..ca.dns() });
    let to = address(&house, Transport::Tls);
    let mut stalled: Vec<TcpStream> = (0..200).map(|n| connect_from(5, n % 50 + 1, to)).collect();
    // A handshake record of 512 octets, of which only the first come.
    stalled.iter_mut().step_by(2).for_each(|stream| stream.write_all(&[22, 3, 1, 2, 0, 1, 0]).unwrap());
    ask(&mut ca.connect(to, &["dot"]).unwrap(), 1);
    assert!(stalled.iter_mut().all(is_closed));
    assert!(house.running.connections().cuts().any(|cut| cut == (Transport::Tls, Cut::Slow, 200)));
}

#[test]
fn a_new_certificate_is_used_while_connections_live_and_a_broken_one_never() {
    let ca = Ca::new();
    let house = House::open_with(&Dns { tcp_idle_s: 600, ..ca.dns() });
    let to = address(&house, Transport::Tls);
    let mut living = ca.connect(to, &["dot"]).unwrap();
    let first = shown(&living).to_vec();
    let wait_for = |wanted: &[u8]| {
        let since = Instant::now();
        while shown(&ca.connect(to, &["dot"]).unwrap()) != wanted {
            assert!(since.elapsed() < WAIT, "the certificate did not change");
        }
    };
    let second = ca.issue();
    assert_ne!(first, second.as_ref());
    wait_for(&second);
    ask(&mut living, 1);
    // Half a renewal: a chain that the key does not belong to. Then the rest of it.
    let key = std::fs::read_to_string(ca.path("key.pem")).unwrap();
    let third = ca.issue();
    let right = std::fs::read_to_string(ca.path("key.pem")).unwrap();
    replace(&ca.path("key.pem"), &key);
    let since = Instant::now();
    while since.elapsed().as_millis() < 1_500 {
        let now = ca.connect(to, &["dot"]).unwrap();
        assert!(shown(&now) == second.as_ref() || shown(&now) == third.as_ref());
    }
    replace(&ca.path("key.pem"), &right);
    wait_for(&third);
    ask(&mut living, 2);
    assert_eq!(shown(&living), first);
}

#[test]
fn a_certificate_that_cannot_be_used_stops_the_start_with_its_remedy() {
    let ca = Ca::new();
    let start = || {
        let view = Arc::new(ArcSwap::from_pointee(View::default()));
        let dns = Dns { listen: vec!["127.0.0.1:0".parse().unwrap()], ..ca.dns() };
        DnsService::start(view, &dns, Arc::new(SystemClock)).err().map(|e| e.to_string()).unwrap_or_default()
    };
    assert_eq!(start(), "");
    chmod(&ca.path("key.pem"), 0o640);
    assert!(start().contains("mode 0640") && start().contains("chmod 600"), "{}", start());
    ca.issue();
    replace(&ca.path("chain.pem"), "no PEM");
    assert!(start().contains("chain.pem holds no certificate"), "{}", start());
    ca.issue();
    replace(&ca.path("key.pem"), "no PEM");
    assert!(start().contains("key.pem holds no private key"), "{}", start());
    let old = std::fs::read_to_string(ca.path("chain.pem")).unwrap();
    ca.issue();
    replace(&ca.path("chain.pem"), &old);
    assert!(start().contains("cannot be used"), "{}", start());
    std::fs::remove_file(ca.path("chain.pem")).unwrap();
    assert!(start().contains("cannot read") && start().contains("dns.tls_cert"), "{}", start());
}

#[test]
fn config_check_tells_beforehand() {
    let ca = Ca::new();
    let files = "tls_listen = [\"127.0.0.1:853\"]\ntls_cert = \"chain.pem\"\ntls_key = \"key.pem\"\n";
    let config = format!("apex = \"{APEX}\"\nhost = \"dir.example\"\n[dns]\n{files}");
    std::fs::write(ca.path("config.toml"), config).unwrap();
    let check =
        || run(Command::new(env!("CARGO_BIN_EXE_callbook")).args(["config", "check", "--dir"]).arg(ca.dir.path()));
    assert!(check().status.success(), "{}", text(&check()));
    chmod(&ca.path("key.pem"), 0o644);
    let said = check();
    assert!(said.status.code() == Some(2) && text(&said).contains("chmod 600"), "{}", text(&said));
}

#[test]
fn a_query_sent_before_the_stop_gets_its_answer() {
    let ca = Ca::new();
    let house = House::open_with(&Dns { tcp_idle_s: 600, tcp_patience_s: 60, ..ca.dns() });
    let mut client = ca.connect(address(&house, Transport::Tls), &["dot"]).unwrap();
    client.write_all(&framed(&question(1))).unwrap();
    house.running.stop();
    judge(&answer(&mut client).unwrap(), 1);
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
}

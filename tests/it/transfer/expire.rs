//! EDNS EXPIRE (RFC 7314): for how long a secondary may keep a zone, told as Knot and BIND tell it, and taken by BIND.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use callbook::clock::{Clock, SystemClock};
use callbook::nameserver::tsig::split;
use callbook::wire::RrType;

use super::home::{Home, KEY, PATIENCE, SECRET, Service, dig};
use super::refused::{ixfr, key, over_tcp, over_udp, question};
use super::secondaries::Secondary;
use crate::oracle::servers::{Kind, Peer};
use crate::oracle::zones::Zone;
use crate::ports::free_port;

/// A zone that is asked for again after a second, and may be kept for a day and 61 seconds.
const TEXT: &str = "@ 60 IN SOA ns h 10 1 1 86461 60\n@ IN NS ns\nns IN A 192.0.2.1\n";
/// Code 9, four octets, 86 461.
const TOLD: [u8; 8] = [0, 9, 0, 4, 0, 1, 0x51, 0xbd];

fn serve(text: &str) -> (Home, Service) {
    let home = Home::new(&[("a.example.", text, &format!("allow_transfer = [{{ key = \"{KEY}\" }}]"))], "");
    let service = home.serve();
    (home, service)
}

/// The value that dig shows, if there is one.
fn shown(server: SocketAddr, args: &[&str]) -> Option<String> {
    let said = dig(server, &[args, &["+expire"]].concat());
    assert!(said.contains("status: "), "{said}");
    said.lines().find_map(|line| line.strip_prefix("; EXPIRE: ")).map(str::to_owned)
}

#[test]
fn knot_and_bind_tell_the_same() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = TEXT.replace("ns IN", "cut IN NS ns.elsewhere.\nns IN");
    let zones = [Zone { apex: "a.example.", text }];
    let start = |kind| Peer::start(kind, &zones, dir.path());
    let (Some(knot), Some(bind)) = (start(Kind::Knot), start(Kind::Bind)) else { return };
    let (_home, service) = serve(&zones[0].text);
    for args in [
        &["a.example", "SOA"][..],
        &["a.example", "SOA", "+tcp"],
        &["a.example", "SOA", "+dnssec", "+nsid"],
        &["a.example", "SOA", "+bufsize=512"],
        &["a.example", "NS"],
        &["ns.a.example", "SOA"],
        &["ns.a.example", "A"],
        &["no.a.example", "SOA"],
        &["x.cut.a.example", "A"],
        &["elsewhere.example", "SOA"],
    ] {
        let ours = shown(service.address, args);
        assert_eq!(ours, shown(knot.address, args), "{args:?}: Knot on the right");
        assert_eq!(ours.is_some(), args[0] != "elsewhere.example", "{args:?}");
        // BIND says it with the SOA alone.
        if args[..2] == ["a.example", "SOA"] {
            assert_eq!(ours, shown(bind.address, args), "{args:?}: BIND on the right");
        }
    }
}

/// The same question with EXPIRE in its OPT, which is its last record and has no options.
fn asking(mut packet: Vec<u8>) -> Vec<u8> {
    let at = packet.len() - 2;
    packet.splice(at.., [0, 4, 0, 9, 0, 0]);
    packet
}

#[test]
fn transfers_say_it_to_who_asks() {
    let (_home, service) = serve(TEXT);
    let now_s = SystemClock.now_s();
    let tells = |answer: &[u8]| answer.windows(TOLD.len()).any(|octets| octets == TOLD);
    let ask = |packet: Vec<u8>, over: fn(SocketAddr, &[u8]) -> Vec<u8>| {
        let (mut chain, mut asked) = (key(KEY, SECRET), packet);
        chain.sign(&mut asked, now_s);
        let answer = over(service.address, &asked);
        assert!(chain.is_answered_by(&answer, now_s));
        split(&answer).expect("signed").plain()
    };
    // The whole zone, a step or all, nothing newer; and over UDP which version there is.
    for (packet, over) in [
        (question(RrType::AXFR), over_tcp as fn(SocketAddr, &[u8]) -> Vec<u8>),
        (ixfr(9), over_tcp),
        (ixfr(10), over_tcp),
        (ixfr(9), over_udp),
        (question(RrType::SOA), over_udp),
    ] {
        assert!(tells(&ask(asking(packet.clone()), over)), "asked for");
        assert!(!tells(&ask(packet, over)), "not asked for");
    }
    let refused = over_tcp(service.address, &asking(question(RrType::AXFR)));
    assert!(refused[3] & 15 == 5 && !tells(&refused), "who may not have the zone");
    // Nobody knows what another version of EDNS means, in a transfer as little as elsewhere (RFC 6891 6.1.3).
    for mut packet in [question(RrType::AXFR), ixfr(9)] {
        let version = packet.len() - 5;
        packet[version] = 1;
        let answer = ask(packet, over_tcp);
        assert_eq!((answer[3] & 15, answer[answer.len() - 6], answer[7]), (0, 1, 0), "BADVERS and no record");
    }
}

fn bind(at: SocketAddr, primary: SocketAddr, dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "key \"{KEY}\" {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n\
         options {{ directory \"{dir}\"; pid-file \"{dir}/named.pid\"; session-keyfile \"{dir}/session.key\"; \
         listen-on port {} {{ {}; }}; listen-on-v6 {{ none; }}; recursion no; notify no; dnssec-validation no; \
         min-refresh-time 1; min-retry-time 1; }};\ncontrols {{ }};\n\
         zone \"a.example.\" {{ type secondary; file \"a\"; primaries {{ {} port {} key \"{KEY}\"; }}; }};\n",
        at.port(),
        at.ip(),
        primary.ip(),
        primary.port(),
    )
}

#[test]
fn bind_takes_it_when_it_looks_for_news() {
    // With its questions for the SOA; its first transfer has no OPT at all.
    let (_home, service) = serve(TEXT);
    let dir = tempfile::tempdir().expect("a folder");
    let Some(_secondary) = Secondary::run("named", &bind(free_port(), service.address, dir.path()), dir.path()) else {
        return;
    };
    let began = Instant::now();
    let wanted = "zone a.example/IN: got EDNS EXPIRE of 86461";
    loop {
        let log = std::fs::read_to_string(dir.path().join("named.log")).unwrap_or_default();
        if log.contains(wanted) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "BIND did not say {wanted}:\n{log}");
        std::thread::sleep(std::time::Duration::from_millis(50)); // until it has written more
    }
}

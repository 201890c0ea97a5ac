//! DNS over HTTPS (RFC 8484): both methods, both versions, every status, and clients that stall.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;

use callbook::config::Dns;
use callbook::nameserver::Transport;
use data_encoding::BASE64URL_NOPAD;
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;

use super::authority::{Ca, NAME, TlsClient, address, rest};
use super::{connect, is_closed, judge, question};
use crate::dns::ask::{Dnssec, query};
use crate::dns::house::{APEX, House, have, run, text};

/// What curl was told: head and body.
struct Told {
    head: String,
    body: Vec<u8>,
}

/// `curl` with these arguments; `path` follows the server's origin.
fn curl(ca: &Ca, house: &House, args: &[&str], path: &str) -> Told {
    let to = address(house, Transport::Https);
    let (head, body) = (ca.path("head"), ca.path("body"));
    let _ = std::fs::remove_file(&body);
    let files = ["-D", head.to_str().unwrap(), "-o", body.to_str().unwrap()];
    let resolve = format!("{NAME}:{}:{}", to.port(), to.ip());
    let mut command = Command::new("curl");
    command
        .args(["-sS", "--max-time", "20", "--cacert"])
        .arg(ca.path("ca.pem"))
        .args(["--resolve", &resolve])
        .args(files)
        .args(args);
    let said = run(command.arg(format!("https://{NAME}:{}{path}", to.port())));
    assert!(said.status.success(), "{args:?} {path}: {}", text(&said));
    Told { head: std::fs::read_to_string(head).unwrap().to_lowercase(), body: std::fs::read(body).unwrap_or_default() }
}

fn get(message: &[u8]) -> String {
    format!("/dns-query?dns={}", BASE64URL_NOPAD.encode(message))
}

const POST: [&str; 3] = ["-H", "content-type: application/dns-message", "--data-binary"];

fn file(path: &Path, octets: &[u8]) -> String {
    std::fs::write(path, octets).unwrap();
    format!("@{}", path.display())
}

#[test]
fn kdig_is_content_with_both_methods() {
    if !have(&["kdig"]) {
        return;
    }
    let ca = Ca::new();
    let house = House::open_with(&ca.dns());
    let to = address(&house, Transport::Https);
    let server = [format!("@{}", to.ip()), "-p".into(), to.port().to_string()];
    let strict = [format!("+tls-ca={}", ca.path("ca.pem").display()), format!("+tls-hostname={NAME}")];
    for method in [&["+https"][..], &["+https", "+https-get"]] {
        let said =
            text(&run(Command::new("kdig").args(&server).args(&strict).args(method).args(["+dnssec", APEX, "SOA"])));
        assert!(
            said.contains("status: NOERROR") && said.contains("RRSIG") && said.contains("HTTP session (HTTP/2"),
            "{said}"
        );
    }
}

#[test]
fn both_versions_answer_and_caches_are_told_for_how_long() {
    if !have(&["curl"]) {
        return;
    }
    let ca = Ca::new();
    let house = House::open_with(&ca.dns());
    for (version, line) in [("--http1.1", "http/1.1 200"), ("--http2", "http/2 200")] {
        let there = curl(&ca, &house, &[version], &get(&question(0)));
        assert!(
            there.head.starts_with(line) && there.head.contains("content-type: application/dns-message"),
            "{}",
            there.head
        );
        assert!(there.head.contains("cache-control: max-age=300"), "{}", there.head);
        judge(&there.body, 0);
        let absent = query(&format!("1.2.3.{APEX}"), RecordType::NAPTR, Dnssec::Ok);
        let data = file(&ca.path("query"), &absent);
        let denied = curl(&ca, &house, &[&[version], &POST[..], &[&data]].concat(), "/dns-query");
        assert!(denied.head.contains("cache-control: max-age=60"), "{}", denied.head);
        assert!(Message::from_vec(&denied.body).unwrap().answers.is_empty());
        let refused = curl(&ca, &house, &[version], &get(&query("elsewhere.example.", RecordType::A, Dnssec::No)));
        assert!(
            refused.head.starts_with(line) && refused.head.contains("cache-control: max-age=0"),
            "{}",
            refused.head
        );
    }
}

#[test]
fn what_is_no_question_gets_its_status() {
    if !have(&["curl"]) {
        return;
    }
    let ca = Ca::new();
    let house = House::open_with(&ca.dns());
    let [right, large, empty] = [("right", question(0)), ("large", vec![0; 65_536]), ("empty", Vec::new())]
        .map(|(name, octets)| file(&ca.path(name), &octets));
    let long = format!("/dns-query?dns={}", "A".repeat(5_000));
    let mut response = question(0);
    response[2] |= 0x80;
    let post = |data| [&POST[..], &[data]].concat();
    for (status, args, path) in [
        ("404", vec![], "/".to_owned()),
        ("404", vec![], get(&question(0)).replace("dns-query", "dns-queries")),
        ("405", vec!["-X", "PUT"], "/dns-query".to_owned()),
        ("405", vec!["-X", "DELETE"], get(&question(0))),
        ("400", vec![], "/dns-query".to_owned()),
        ("400", vec![], "/dns-query?dns=****".to_owned()),
        ("400", vec![], format!("{}=", get(&question(0)))),
        ("400", vec![], get(&response)),
        ("400", post(empty.as_str()), "/dns-query".to_owned()),
        ("413", post(large.as_str()), "/dns-query".to_owned()),
        ("413", [post(large.as_str()), vec!["-H", "transfer-encoding: chunked"]].concat(), "/dns-query".to_owned()),
        ("414", vec![], long),
        ("415", vec!["--data-binary", right.as_str()], "/dns-query".to_owned()),
        ("200", post(right.as_str()), "/dns-query".to_owned()),
    ] {
        for version in ["--http1.1", "--http2"] {
            let told = curl(&ca, &house, &[&[version, "-H", "expect:"], &args[..]].concat(), &path);
            let line = told.head.lines().next().unwrap_or_default();
            assert!(line.contains(&format!(" {status}")), "{version} {args:?} {path}: {line}");
            assert_eq!(status == "405", told.head.contains("allow: get, head, post"), "{}", told.head);
        }
    }
}

/// RFC 9110 9.3.2: HEAD is GET without its body. 12.4.1: what a client would rather have may be disregarded.
#[test]
fn head_is_get_without_a_body_and_accept_changes_nothing() {
    if !have(&["curl"]) {
        return;
    }
    let ca = Ca::new();
    let house = House::open_with(&ca.dns());
    for version in ["--http1.1", "--http2"] {
        let path = get(&question(0));
        let there = curl(&ca, &house, &[version, "-H", "accept: text/html;q=1, */*;q=0"], &path);
        judge(&there.body, 0);
        let head = curl(&ca, &house, &[version, "--head"], &path);
        // curl writes the head where the body would be.
        assert!(
            head.body.is_empty() || head.body.to_ascii_lowercase() == head.head.as_bytes(),
            "{version}: {:?}",
            head.body
        );
        assert!(head.head.contains("content-type: application/dns-message"), "{}", head.head);
        assert!(head.head.contains(&format!("content-length: {}", there.body.len())), "{}", head.head);
        assert!(head.head.contains("cache-control: max-age=300"), "{}", head.head);
        let refused = curl(&ca, &house, &[version, "--head"], "/dns-query?dns=*");
        assert!(refused.head.lines().next().unwrap().contains(" 400"), "{}", refused.head);
    }
}

#[test]
fn headers_beyond_the_bound_are_refused() {
    if !have(&["curl"]) {
        return;
    }
    let ca = Ca::new();
    let house = House::open_with(&ca.dns());
    let (large, small) = (format!("x-large: {}", "x".repeat(20_000)), format!("x-small: {}", "x".repeat(8_000)));
    let many: Vec<String> = (0..2_000).map(|n| format!("x-{n}: {n}")).collect();
    let many: Vec<&str> = many.iter().flat_map(|header| ["-H", header.as_str()]).collect();
    for version in ["--http1.1", "--http2"] {
        for headers in [&["-H", large.as_str()][..], &many] {
            let told = curl(&ca, &house, &[&[version], headers].concat(), &get(&question(0)));
            assert!(told.head.lines().next().unwrap().contains(" 431"), "{version}: {}", told.head);
        }
        judge(&curl(&ca, &house, &[version, "-H", &small], &get(&question(0))).body, 0);
    }
}

/// RFC 9112 6.3: a message whose length can be read in two ways is no way to put a second request behind the first.
#[test]
fn lengths_that_contradict_each_other_hide_no_request() {
    let ca = Ca::new();
    let house = House::open_with(&Dns { tcp_patience_s: 1, tcp_idle_s: 1, ..ca.dns() });
    let hidden = request();
    let head = format!("POST /dns-query HTTP/1.1\r\nhost: {NAME}\r\ncontent-type: application/dns-message\r\n");
    for lengths in [
        format!("content-length: 0\r\ncontent-length: {}\r\n", hidden.len()),
        format!("content-length: {}\r\ncontent-length: 0\r\n", hidden.len()),
        format!("transfer-encoding: chunked, identity\r\ncontent-length: {}\r\n", hidden.len()),
        format!("content-length: +{}\r\n", hidden.len()),
        "transfer-encoding: identity\r\n".to_owned(),
    ] {
        let mut client = ca.connect(address(&house, Transport::Https), &["http/1.1"]).unwrap();
        client.write_all(format!("{head}{lengths}\r\n{hidden}").as_bytes()).unwrap();
        let mut said = Vec::new();
        let _ = client.read_to_end(&mut said); // with or without close_notify
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.starts_with("HTTP/1.1 400") && said.matches("HTTP/1.1").count() == 1, "{lengths}: {said}");
    }
}

/// A GET by HTTP/1.1, as it goes over the line.
fn request() -> String {
    format!("GET {} HTTP/1.1\r\nhost: {NAME}\r\n\r\n", get(&question(0)))
}

/// The next answer of HTTP/1.1, its body judged.
fn told(client: &mut TlsClient) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        client.read_exact(&mut octet).unwrap();
        head.push(octet[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    client.read_exact(&mut body).unwrap();
    judge(&body, 0);
}

#[test]
fn clients_that_stall_are_ended_and_hold_nobody_up() {
    let ca = Ca::new();
    let house = House::open_with(&Dns { tcp_patience_s: 1, tcp_idle_s: 1, ..ca.dns() });
    let to = address(&house, Transport::Https);
    let open = |alpn: &str, said: &str| {
        let mut client = ca.connect(to, &[alpn]).unwrap();
        client.write_all(said.as_bytes()).unwrap();
        client
    };
    let body = format!(
        "POST /dns-query HTTP/1.1\r\nhost: {NAME}\r\ncontent-type: application/dns-message\r\ncontent-length: 9\r\n\r\n"
    );
    let stalled = [
        open("http/1.1", ""),
        open("http/1.1", "GET /dns-query"),
        open("http/1.1", &body),
        open("h2", ""),
        open("h2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        open("h2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
    ];
    let mut client = open("http/1.1", &request());
    told(&mut client);
    for (n, mut client) in stalled.into_iter().enumerate() {
        let mut said = Vec::new();
        let ended = client.read_to_end(&mut said);
        let late =
            ended.is_err_and(|e| matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut));
        assert!(!late, "client {n} was kept: {}", String::from_utf8_lossy(&said));
    }
    let mut plain = connect(to);
    plain.write_all(request().as_bytes()).unwrap();
    let _alert = plain.read(&mut [0; 64]);
    assert!(is_closed(&mut plain));
}

#[test]
fn a_request_sent_before_the_stop_gets_its_answer() {
    let ca = Ca::new();
    let house = House::open_with(&Dns { tcp_idle_s: 600, ..ca.dns() });
    let mut client = ca.connect(address(&house, Transport::Https), &["http/1.1"]).unwrap();
    client.write_all(request().as_bytes()).unwrap();
    told(&mut client);
    client.write_all(request().as_bytes()).unwrap();
    house.running.stop();
    told(&mut client);
    assert!(rest(&mut client).is_empty());
}

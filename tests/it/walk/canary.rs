//! The canary of DNS.md 7: a marker is asked for over every transport, also in packets that are broken, and then looked for
//! in everything that the program wrote.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use callbook::number::Number;
use callbook::zone::hashes::owner_label;
use data_encoding::BASE64URL_NOPAD;
use hickory_proto::rr::RecordType;
use serde_json::Value;

use super::child::{Demo, callbook};
use super::traces::Traces;
use crate::dns::ask::{Dnssec, query};
use crate::dns::house::have;
use crate::dns::streams::authority::{Ca, NAME};
use crate::dns::streams::{answer, connect_from, framed, quic};

/// Nobody has it, so it may stand nowhere at all; 15 digits.
const MARKER: &str = "+999739158264057";
/// Nor does any zone have this label.
const LABEL: &str = "quetzalcoatl";
/// Longer than any answer takes; who waits so long has failed.
const WAIT: Duration = Duration::from_secs(20);
/// Names of numbers that the configuration below lets a prefix ask for at once: ten minutes' worth of one a second.
const BUDGET: usize = 600;

/// What is asked: the packet, and whether an answer must come.
struct Asked {
    packet: Vec<u8>,
    is_right: bool,
}

/// The running program, and what it says.
struct Served {
    child: Child,
    stdout: BufReader<ChildStdout>,
    said: String,
    facts: Value,
    stderr: PathBuf,
}

#[test]
fn a_marker_leaves_no_trace() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let (dir, ca) = (home.path().join("demo"), Ca::new());
    let demo = Demo::start_in(&dir, &["--numbers", "0"]);
    let (registered, apex) = (demo.sample(0).to_owned(), demo.fact("apex").to_owned());
    assert_eq!(demo.stop(), 0);
    configure(&dir.join("config.toml"), &ca);
    // What nobody registered stands nowhere; a registered number stands in the ledger, but in nothing that is said.
    let nowhere = Traces::of(&[MARKER], &[LABEL]);
    let unsaid = Traces::of(&[MARKER, &registered], &[LABEL]);
    for filter in ["callbook=trace", "trace"] {
        let served = Served::start(&dir, filter, &home.path().join(format!("stderr of {filter}")));
        ask_everything(&served, &ca, &questions(&registered, &apex));
        ask_http(&served, &apex);
        exceed_limits(&served, &apex);
        let metrics = served.get("/metrics");
        for counted in ["udp", "tcp", "tls", "quic", "https"].map(|t| format!("transport=\"{t}\",qtype=\"NAPTR\"")) {
            assert!(metrics.contains(&counted), "nothing was asked: no {counted} in {metrics}");
        }
        for limit in ["budget_refused", "dropped", "slipped"] {
            assert!(!metrics.contains(&format!("how=\"{limit}\"}} 0")), "no limit was met: {metrics}");
        }
        none_below(&dir, &nowhere); // the write-ahead log too, which a stop may take away
        let (stdout, stderr) = served.stop();
        assert!(stderr.lines().count() > 3, "{filter}: nothing was logged, so nothing was shown: {stderr}");
        for (what, text) in [("/metrics", &metrics), ("stdout", &stdout), ("stderr", &stderr)] {
            assert_eq!(unsaid.found_in(text.as_bytes()), None, "{filter}: {what}");
        }
        none_below(&dir, &nowhere);
    }
}

/// Every transport, on ports that the system chooses, with limits that a test can meet.
fn configure(path: &Path, ca: &Ca) {
    let mut config: toml::Table = fs::read_to_string(path).expect("readable").parse().expect("TOML");
    let any = toml::Value::from(vec!["127.0.0.1:0"]);
    let dns = config["dns"].as_table_mut().expect("a table");
    for key in ["listen", "tls_listen", "quic_listen", "https_listen"] {
        dns.insert(key.into(), any.clone());
    }
    for (key, text) in [
        ("tls_cert", ca.path("chain.pem").display().to_string()),
        ("tls_key", ca.path("key.pem").display().to_string()),
        ("nsid", "ns1".into()),
        ("version", "callbook".into()),
        ("identity", "ns1".into()),
    ] {
        dns.insert(key.into(), text.into());
    }
    dns.insert("tcp_patience_s".into(), 1.into());
    dns.insert("tcp_idle_s".into(), 2.into());
    config["http"]["listen"] = "127.0.0.1:0".into();
    let limits = "responses_per_s = 100\nnumbers_per_s = 1\nexempt = []";
    config.insert("limits".into(), limits.parse::<toml::Table>().expect("TOML").into());
    fs::write(path, config.to_string()).expect("writable");
}

impl Served {
    fn start(dir: &Path, filter: &str, stderr: &Path) -> Self {
        let mut child = callbook()
            .args(["--log", filter, "--json", "serve", "--dir"])
            .arg(dir)
            .stdout(Stdio::piped())
            .stderr(File::create(stderr).expect("writable"))
            .spawn()
            .expect("the program starts");
        let (mut said, mut stdout) = (String::new(), BufReader::new(child.stdout.take().expect("piped")));
        stdout.read_line(&mut said).expect("its output is text");
        let facts = serde_json::from_str(&said)
            .unwrap_or_else(|_| panic!("it did not start: {said} {}", fs::read_to_string(stderr).unwrap_or_default()));
        Self { child, stdout, said, facts, stderr: stderr.to_owned() }
    }

    fn address(&self, of: &str) -> SocketAddr {
        self.facts[of][0].as_str().expect("an address").parse().expect("an address")
    }

    /// The body of an answer of the API, whatever its status.
    fn get(&self, path: &str) -> String {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(WAIT)).build().into();
        let url = format!("http://{}{path}", self.facts["http"].as_str().expect("an address"));
        agent.get(url).call().expect("an answer").body_mut().read_to_string().expect("text")
    }

    /// Ends it; gives what it said on both outputs.
    fn stop(mut self) -> (String, String) {
        let ended = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("kill runs");
        assert!(ended.success() && self.child.wait().expect("it ends").success());
        self.stdout.read_to_string(&mut self.said).expect("text");
        (std::mem::take(&mut self.said), fs::read_to_string(&self.stderr).expect("text"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Right questions of every kind, and what can be wrong with one.
fn questions(registered: &str, apex: &str) -> Vec<Asked> {
    let name = |digits: &str| -> String { digits.chars().rev().map(|digit| format!("{digit}.")).collect::<String>() };
    let marker = format!("{}{apex}", name(&MARKER[1..]));
    let hash = owner_label(Number::parse(MARKER).expect("a number"));
    let mut names = vec![marker.clone(), format!("{}{apex}", name(&registered[1..]))];
    names.extend((12..MARKER.len()).map(|digits| format!("{}{apex}", name(&MARKER[1..digits]))));
    names.extend(["_id", "_e2e", "_keys", LABEL, "*"].map(|label| format!("{label}.{marker}")));
    names.extend(["_openpgpkey", "_smimecert"].map(|tree| format!("{hash}.{tree}.{apex}")));
    names.extend([format!("{LABEL}.{apex}"), format!("{LABEL}.{}{apex}", name(&registered[1..]))]);
    names.extend([format!("{}e164.arpa.", name(&MARKER[1..])), format!("{LABEL}.example.net.")]);
    let mut types = [16, 35, 43, 46, 47, 52, 53, 61, 128, 251, 252, 255, 65_280].map(RecordType::from).into_iter();
    let mut all = vec![];
    for name in &names {
        let (first, second) = (RecordType::NAPTR, types.next().unwrap_or(RecordType::ANY));
        all.extend([query(name, first, Dnssec::Ok), query(name, second, Dnssec::No)]);
    }
    let mut all: Vec<Asked> = all.into_iter().map(|packet| Asked { packet, is_right: true }).collect();
    all.extend(broken(&query(&marker, RecordType::NAPTR, Dnssec::Ok)).map(|packet| Asked { packet, is_right: false }));
    all
}

/// A right question with everything that can be wrong with it.
fn broken(right: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let question_end = right.len() - 11; // OPT without options is the last record
    let with = |changes: &[(usize, u8)]| {
        let mut packet = right.to_vec();
        changes.iter().for_each(|(at, octet)| packet[*at] = *octet);
        packet
    };
    let opt = question_end;
    let long: Vec<u8> = (0..20).flat_map(|_| [&[LABEL.len() as u8], LABEL.as_bytes()].concat()).chain([0]).collect();
    [
        right[..12 + 17].to_vec(),                                  // the middle of the name
        right[..question_end - 4].to_vec(),                         // no type
        right[..opt + 5].to_vec(),                                  // half an OPT
        with(&[(2, 5 << 3)]),                                       // UPDATE
        with(&[(2, 4 << 3)]),                                       // NOTIFY
        with(&[(2, 2 << 3)]),                                       // STATUS
        with(&[(2, 9 << 3)]),                                       // an opcode that nobody has
        with(&[(2, 0x80)]),                                         // a response
        with(&[(2, 0x82), (3, 3)]),                                 // a response with an error
        with(&[(question_end - 1, 3)]),                             // class CH
        with(&[(question_end - 1, 255)]),                           // class ANY
        with(&[(question_end - 3, 252), (question_end - 4, 0)]),    // AXFR
        with(&[(question_end - 3, 251), (question_end - 4, 0)]),    // IXFR without SOA
        with(&[(5, 2)]),                                            // two questions, of which one is there
        with(&[(5, 0)]),                                            // none, and yet one is there
        with(&[(7, 1)]),                                            // an answer that is not there
        with(&[(opt + 10, 0xff)]),                                  // OPT's data ends too soon
        with(&[(opt + 6, 1)]),                                      // EDNS version 1
        with(&[(opt, 1)]),                                          // OPT with a name
        with(&[(13, b'.'), (12 + 16, 0x41)]),                       // a label of a kind that nobody has
        with(&[(12 + 16, 0xc0), (12 + 17, 12 + 16)]),               // a pointer at itself
        [&right[..12], &long, &right[question_end - 4..]].concat(), // a name of more than 255 octets
        [right, &right[12..]].concat(),                             // something behind the end
        [right, &[0x39; 5_000][..]].concat(),                       // much behind the end
    ]
    .into_iter()
}

/// Asks all of it over every transport; what is right must be answered.
fn ask_everything(served: &Served, ca: &Ca, all: &[Asked]) {
    let (dns, tls) = (served.address("dns"), served.address("tls"));
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
    udp.connect(dns).expect("loopback");
    udp.set_read_timeout(Some(WAIT)).expect("a time");
    for asked in all {
        udp.send(&asked.packet).expect("sent");
        if asked.is_right {
            udp.recv(&mut [0; 4_096]).expect("an answer over UDP");
        }
        let tcp = &mut connect_from(0, 1, dns);
        tcp.write_all(&framed(&asked.packet)).expect("sent");
        assert!(answer(tcp).is_ok() || !asked.is_right, "an answer over TCP");
        let tls = &mut ca.connect(tls, &["dot"]).expect("a handshake");
        tls.write_all(&framed(&asked.packet)).expect("sent");
        assert!(answer(tls).is_ok() || !asked.is_right, "an answer over TLS");
    }
    // Ends that come before the message's.
    connect_from(0, 1, dns).write_all(&framed(&all[0].packet)[..30]).expect("sent");
    ask_quic(served.address("quic"), ca, all);
    for asked in all {
        for request in [get(&asked.packet), post(&asked.packet)] {
            let told = https(served, ca, &request);
            assert!(told.starts_with(b"HTTP/1.1 200") || !asked.is_right, "{}", told.escape_ascii());
        }
    }
}

fn ask_quic(to: SocketAddr, ca: &Ca, all: &[Asked]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let endpoint = quic::client(ca);
        for asked in all {
            let connection = endpoint.connect(to, NAME).expect("an address").await.expect("a handshake");
            let mut packet = asked.packet.clone();
            if asked.is_right {
                packet[..2].fill(0); // RFC 9250 4.2.1; the others have an id, which is one more thing that is wrong
            }
            let answer = tokio::time::timeout(WAIT, quic::exchange(&connection, &framed(&packet))).await;
            assert!(answer.expect("in time").is_ok() || !asked.is_right, "an answer over QUIC");
        }
    });
}

fn get(packet: &[u8]) -> Vec<u8> {
    let dns = BASE64URL_NOPAD.encode(packet);
    format!("GET /dns-query?dns={dns} HTTP/1.1\r\nhost: {NAME}\r\nconnection: close\r\n\r\n").into_bytes()
}

fn post(packet: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /dns-query HTTP/1.1\r\nhost: {NAME}\r\nconnection: close\r\ncontent-type: application/dns-message\r\n\
         content-length: {}\r\n\r\n",
        packet.len()
    );
    [head.as_bytes(), packet].concat()
}

/// One request on a connection of its own, and everything that comes back.
fn https(served: &Served, ca: &Ca, request: &[u8]) -> Vec<u8> {
    let mut stream = ca.connect(served.address("https"), &["http/1.1"]).expect("a handshake");
    let mut told = Vec::new();
    let _ = stream.write_all(request).and_then(|()| stream.read_to_end(&mut told)); // an early end is an answer too
    told
}

/// Requests that are wrong as HTTP, and both methods over HTTP/2; the API's own paths hold numbers too.
fn ask_http(served: &Served, apex: &str) {
    let packet = query(&Number::parse(MARKER).expect("a number").enum_name(apex), RecordType::NAPTR, Dnssec::Ok);
    let dns = BASE64URL_NOPAD.encode(&packet);
    for path in [format!("/v1/numbers/{MARKER}"), format!("/{MARKER}/{dns}"), format!("/v1/charter?dns={dns}")] {
        served.get(&path);
    }
    if !have(&["curl"]) {
        return;
    }
    let to = served.address("https");
    let body = tempfile::NamedTempFile::new().expect("a file");
    fs::write(body.path(), &packet).expect("writable");
    let data = format!("@{}", body.path().display());
    let type_header = ["-H", "content-type: application/dns-message", "--data-binary", &data];
    for (args, path, status) in [
        (&[][..], format!("/dns-query?dns={dns}"), "200"),
        (&type_header, "/dns-query".to_owned(), "200"),
        (&["--data-binary", &data], "/dns-query".to_owned(), "415"),
        (&["-X", "PUT"], format!("/dns-query?dns={dns}"), "405"),
        (&["-H", &format!("x-marker: {MARKER}")], format!("/{MARKER}"), "404"),
        (&[], format!("/dns-query?dns={}", "A".repeat(5_000) + &dns), "414"),
        (&[], format!("/dns-query?dns={dns}="), "400"),
    ] {
        assert_eq!(curl(&[args, &[&format!("https://{to}{path}")]].concat()), format!("2 {status}"), "{args:?}");
    }
    // Paths that HTTP forbids, which a library may complain of.
    for path in [format!("/dns-query?dns={dns}<"), format!("/{MARKER}<"), format!("{MARKER}>")] {
        curl(&["--request-target", &path, &format!("https://{to}/")]);
    }
}

/// `curl` by HTTP/2; gives version and status.
fn curl(args: &[&str]) -> String {
    let usual = ["-sk", "--http2", "--max-time", "20", "-o", "/dev/null", "-w", "%{http_version} %{http_code}"];
    let told = Command::new("curl").args(usual).args(args).output().expect("curl runs");
    String::from_utf8_lossy(&told.stdout).into_owned()
}

/// Marker questions from another prefix, more than any limit allows.
fn exceed_limits(served: &Served, apex: &str) {
    let marker = Number::parse(MARKER).expect("a number").enum_name(apex);
    let packet = query(&marker, RecordType::NAPTR, Dnssec::Ok);
    let mut stream = connect_from(1, 1, served.address("dns"));
    let codes: Vec<u8> = (0..BUDGET + 100)
        .map(|_| {
            stream.write_all(&framed(&packet)).expect("sent");
            answer(&mut stream).expect("an answer")[3] & 0xf
        })
        .collect();
    assert_eq!((codes[0], codes[BUDGET + 99]), (0, 5), "REFUSED in the end");
    let udp = UdpSocket::bind("127.0.1.1:0").expect("a port");
    (0..2_000).for_each(|_| {
        udp.send_to(&packet, served.address("dns")).expect("sent");
    });
}

/// Searches every file below a directory.
fn none_below(dir: &Path, traces: &Traces) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            none_below(&path, traces);
        } else if let Ok(octets) = fs::read(&path) {
            assert_eq!(traces.found_in(&octets), None, "{}", path.display()); // files of SQLite's come and go
        }
    }
}

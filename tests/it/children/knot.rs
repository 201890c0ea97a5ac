//! A child that Knot DNS signs: its first DS is found by itself, its KSK rolls, it publishes CDS, waits for the parent, and at last
//! leaves DNSSEC.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use callbook::wire::RrType;

use super::parent::{CHILD, Ending, PATIENCE, Parent, Resolver, ask, cds, tag, until, write};
use crate::peers;
use crate::ports::free_port;

const TICK: Duration = Duration::from_millis(100);

/// The zone that the name of the child's server lies in.
const NET: &str = "$TTL 1\n@ SOA ns1 host 1 3600 900 1209600 1\n@ NS ns1\nns1 A 127.0.0.1\n";

struct Knot {
    address: SocketAddr,
    folder: tempfile::TempDir,
    _server: Ending,
}

impl Knot {
    fn start(parent: SocketAddr) -> Option<Self> {
        let (program, _) = (peers::program("knotd")?, peers::program("knotc")?);
        let (address, folder) = (free_port(), tempfile::tempdir().expect("a folder"));
        write(
            &folder.path().join("zone"),
            "$TTL 1\n@ SOA ns host 1 3600 900 1209600 1\n@ NS ns\nns A 127.0.0.1\n@ TXT \"a child\"\n",
        );
        write(&folder.path().join("net"), NET);
        configure(folder.path(), address, parent, "rollover");
        let log = fs::File::create(folder.path().join("log")).expect("a log");
        let mut command = Command::new(program);
        command.arg("-c").arg(folder.path().join("conf")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let knot = Self { address, folder, _server: Ending(command.spawn().expect("Knot starts")) };
        let begun = Instant::now();
        while ask_quietly(address).is_none() {
            assert!(begun.elapsed() < PATIENCE, "{}", knot.log());
            thread::sleep(TICK);
        }
        Some(knot)
    }

    fn control(&self, args: &[&str]) {
        let knotc = peers::program("knotc").expect("found before");
        let out = Command::new(knotc).arg("-c").arg(self.folder.path().join("conf")).args(args).output();
        let out = out.expect("knotc runs");
        assert!(out.status.success(), "{args:?}: {}{}", String::from_utf8_lossy(&out.stderr), self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// How many keys with the SEP bit stand in the DNSKEY RRset.
    fn ksks(&self) -> usize {
        let reply = ask(self.address, CHILD, RrType::DNSKEY);
        reply.answer.iter().filter(|rr| rr.rr_type == RrType::DNSKEY.0 && rr.rdata[1] & 1 == 1).count()
    }
}

/// TTLs and waits are seconds; `publish` is when CDS and CDNSKEY are.
fn configure(folder: &Path, address: SocketAddr, parent: SocketAddr, publish: &str) {
    let text = format!(
        "server:\n  rundir: {0}\n  listen: {1}@{2}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\ndatabase:\n  storage: {0}\n\
         log:\n  - target: stderr\n    any: info\nremote:\n  - id: parent\n    address: {3}@{4}\n\
         submission:\n  - id: asked\n    parent: [parent]\n    check-interval: 1s\n    parent-delay: 3s\n\
         policy:\n  - id: fast\n    algorithm: ecdsap256sha256\n    ksk-submission: asked\n    propagation-delay: 1s\n    dnskey-ttl: 1s\n    \
         zone-max-ttl: 1s\n    zsk-lifetime: 0\n    ksk-lifetime: 0\n    cds-cdnskey-publish: {publish}\n  - id: plain\n    algorithm: ecdsap256sha256\n    cds-cdnskey-publish: none\n\
         zone:\n  - domain: {CHILD}\n    file: {0}/zone\n    dnssec-signing: on\n    dnssec-policy: fast\n    zonefile-sync: -1\n    \
         zonefile-load: difference-no-serial\n    journal-content: all\n  - domain: example.net.\n    file: {0}/net\n    dnssec-signing: on\n    \
         dnssec-policy: plain\n    zonefile-sync: -1\n    zonefile-load: difference-no-serial\n    journal-content: all\n",
        folder.display(),
        address.ip(),
        address.port(),
        parent.ip(),
        parent.port(),
    );
    write(&folder.join("conf"), &text);
}

/// The CDS, if the server is up and has some.
fn ask_quietly(server: SocketAddr) -> Option<Vec<String>> {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").ok()?;
    socket.set_read_timeout(Some(Duration::from_millis(200))).ok()?;
    socket.connect(server).ok()?;
    socket.send(&crate::lookup::packet::question(CHILD, RrType::CDS.0)).ok()?;
    let mut answer = [0; 1_500];
    socket.recv(&mut answer).ok().filter(|octets| *octets > 12 && answer[3] & 15 == 0 && answer[7] > 0)?;
    Some(cds(server))
}

#[test]
fn the_ksk_of_knot_rolls_and_unbound_finds_everything_secure() {
    let parent = Parent::start("poll_s = 1");
    let Some(knot) = Knot::start(parent.dns) else { return };
    let first = cds(knot.address);
    parent.delegate(&first, &[knot.address]);
    let Some(resolver) = Resolver::start(&parent, knot.address) else { return };
    let secure_until = |what: &str, is: &dyn Fn() -> bool| {
        let begun = Instant::now();
        while !is() {
            assert!(begun.elapsed() < PATIENCE, "{what} takes too long: {}\n{}", parent.listed(), knot.log());
            resolver.finds_secure();
            thread::sleep(TICK);
        }
    };
    // With rollover, CDS go once the parent has the first key.
    secure_until("the first key", &|| cds(knot.address).is_empty());
    assert_eq!(parent.check(&[]).1["verdict"].as_str(), Some("nothing"));
    knot.control(&["zone-key-rollover", CHILD, "ksk"]);
    let old = tag(&first[0]);
    secure_until("the new DS", &|| !parent.ds_tags().is_empty() && !parent.ds_tags().contains(&old));
    // Knot keeps the old key for as long as resolvers may have the old DS: an hour.
    secure_until("Knot's look at the new DS", &|| knot.log().matches("KSK submission, confirmed").count() == 2);
    assert_eq!(knot.ksks(), 2);
    (0..20).for_each(|_| {
        resolver.finds_secure();
        thread::sleep(TICK);
    });
    let listed = parent.listed();
    assert_eq!(listed["child"]["changed"]["from"][0].as_str(), Some(first[0].as_str()), "{listed}");
}

#[test]
fn a_child_that_leaves_dnssec_becomes_insecure_only_where_that_is_allowed() {
    let parent = Parent::start("poll_s = 0");
    let Some(knot) = Knot::start(parent.dns) else { return };
    parent.delegate(&cds(knot.address), &[knot.address]);
    configure(knot.folder.path(), knot.address, parent.dns, "delete-dnssec");
    knot.control(&["reload"]);
    until("the record that asks for deletion", || cds(knot.address).iter().any(|cds| cds.starts_with("0 0 0")));
    assert_eq!(parent.refusal(), "delete_not_allowed");
    assert_eq!(parent.ds_tags().len(), 1);
    let config = parent.dir().join("config.toml");
    let text = fs::read_to_string(&config).expect("a configuration");
    write(&config, &format!("{text}accept_delete = true\n"));
    let (code, said) = parent.check(&["--take"]);
    assert_eq!(
        (code, said["taken"].as_bool(), said["asked"].as_array().map(Vec::len)),
        (0, Some(true), Some(0)),
        "{said}"
    );
    assert!(parent.ds_tags().is_empty());
    let Some(resolver) = Resolver::start(&parent, knot.address) else { return };
    resolver.finds_insecure();
    assert_eq!(parent.check(&[]).0, 2, "without DS nothing can be proved any more");
}

/// The child's CDS and CDNSKEY as its server's zone repeats them (RFC 9615 2).
fn signals(server: SocketAddr) -> String {
    let owner = "_dsboot.3.3.e164.example._signal.ns1.example.net.";
    let keys = ask(server, CHILD, RrType::CDNSKEY);
    let keys = keys.answer.iter().filter(|rr| rr.rr_type == RrType::CDNSKEY.0).map(|rr| dnskey(&rr.rdata));
    let keys: String = keys.map(|key| format!("{owner} CDNSKEY {key}\n")).collect();
    cds(server).iter().map(|cds| format!("{owner} CDS {cds}\n")).collect::<String>() + &keys
}

fn dnskey(rdata: &[u8]) -> String {
    let key = data_encoding::BASE64.encode(&rdata[4..]);
    format!("{} {} {} {key}", u16::from_be_bytes([rdata[0], rdata[1]]), rdata[2], rdata[3])
}

#[test]
fn the_first_ds_is_found_where_the_servers_own_zone_vouches_for_it() {
    let parent = Parent::start("poll_s = 0");
    let Some(knot) = Knot::start(parent.dns) else { return };
    let at = format!("ns1.example.net={}", knot.address);
    let outside = ["+33", "--to", "ns1.example.net", "--address", &at, "--bootstrap"];
    let refused = |args: &[&str], code: &str| {
        let (exit, said) = parent.run(args);
        let why = said["error"].as_str().unwrap_or_default();
        assert!(exit == 2 && why.contains(&format!("+33: {code}: ")), "{code}: {said}");
        assert!(parent.listed().is_null(), "nothing is delegated");
    };
    refused(&outside, "no_anchor");
    let reply = ask(knot.address, "example.net.", RrType::DNSKEY);
    let keys = reply.answer.iter().filter(|rr| rr.rr_type == RrType::DNSKEY.0 && rr.rdata[1] & 1 == 1);
    let right: String = keys.map(|rr| format!("example.net. IN DNSKEY {}\n", dnskey(&rr.rdata))).collect();
    let foreign = "example.net. IN DS 7 13 2 ".to_owned() + &"ab".repeat(32);
    let config = parent.dir().join("config.toml");
    let text = fs::read_to_string(&config).expect("a configuration");
    let signal = format!("[[delegation.signal]]\nanchor = \"signal.key\"\nservers = [\"{}\"]\n", knot.address);
    write(&config, &format!("{text}{signal}"));
    let anchor = |text: &str| write(&parent.dir().join("signal.key"), text);
    anchor(&right);
    refused(&outside, "disagreement");
    let publish = |signals: &str| {
        write(&knot.folder.path().join("net"), &format!("{NET}{signals}"));
        knot.control(&["-b", "zone-reload", "example.net."]);
    };
    let own = signals(knot.address);
    publish(&format!("{own}_dsboot.3.3.e164.example._signal.ns1.example.net. CDS 7 13 2 {}\n", "ab".repeat(32)));
    refused(&outside, "disagreement");
    publish(&own);
    anchor(&foreign);
    refused(&outside, "not_vouched");
    anchor(&right);
    let glue = format!("ns.{CHILD}=127.0.0.1");
    let (name, at) = (format!("ns.{CHILD}"), format!("ns.{CHILD}={}", knot.address));
    refused(&["+33", "--to", &name, "--glue", &glue, "--address", &at, "--bootstrap"], "no_signal");

    let (code, said) = parent.run(&[&outside[..], &["--dry-run"]].concat());
    assert_eq!((code, parent.listed().is_null()), (0, true), "{said}");
    let (code, said) = parent.run(&outside);
    assert_eq!(code, 0, "{said}");
    assert_eq!(parent.listed()["ds"][0].as_str(), Some(cds(knot.address)[0].as_str()), "{said}");
    let Some(resolver) = Resolver::start(&parent, knot.address) else { return };
    resolver.finds_secure();
    let (code, said) = parent.run(&outside);
    assert!(code == 2 && said["error"].as_str().is_some_and(|why| why.contains("has DS already")), "{said}");
}

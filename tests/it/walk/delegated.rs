//! Blocks that go to other directories while the service runs: taken up at once, proved, and taken back.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use callbook::clock::SystemClock;
use callbook::config::Dns;
use callbook::dnssec::{Algorithm, ZoneKeys, anchor};
use callbook::nameserver::{Served, View};
use callbook::net::{DnsService, RunningDns};
use callbook::wire::{Name, RrType};
use callbook::zone::StaticZone;
use ring::rand::SystemRandom;
use serde_json::Value;

use super::child::{Demo, callbook};
use crate::oracle::packet::{AA, Edns, Question, Reply};
use crate::oracle::servers::ask_all;
use crate::peers;
use crate::ports::free_port;

const APEX: &str = "e164.example.";
/// Nothing on loopback takes so long.
const TRIES: usize = 400;
const TRY: Duration = Duration::from_millis(25);

fn run(demo: &Demo, args: &[&str]) -> (i32, Value) {
    let dir = demo.dir().to_str().expect("UTF-8");
    let out = callbook().arg("--json").args(args).args(["--dir", dir]).output().expect("the program runs");
    let said = if out.stdout.is_empty() { &out.stderr } else { &out.stdout };
    let json = serde_json::from_slice(said).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(said)));
    (out.status.code().unwrap_or(-1), json)
}

fn done(demo: &Demo, args: &[&str]) -> Value {
    let (code, json) = run(demo, args);
    assert_eq!(code, 0, "{args:?}: {json}");
    json
}

fn refused(demo: &Demo, args: &[&str]) -> String {
    let (code, json) = run(demo, args);
    assert_eq!(code, 2, "{args:?}: {json}");
    json["error"].as_str().expect("a reason").to_owned()
}

fn server(demo: &Demo) -> SocketAddr {
    demo.fact("dns").parse().expect("an address")
}

fn ask(server: SocketAddr, name: &str, qtype: RrType) -> Reply {
    let qname = Name::from_text(name).expect("a name").as_wire().to_vec();
    let edns = Some(Edns { version: 0, udp_octets: 1_232, dnssec_ok: true });
    let question = Question { qname, qtype, edns, rd: false, cd: false };
    Reply::read(&ask_all(server, &[question])[0]).expect("well-formed")
}

fn serial(server: SocketAddr) -> u32 {
    let soa = ask(server, APEX, RrType::SOA);
    let soa = soa.answer.iter().find(|rr| rr.rr_type == RrType::SOA.0).expect("an SOA").rdata.clone();
    let at = soa.len() - 20;
    u32::from_be_bytes(soa[at..at + 4].try_into().expect("four octets"))
}

fn has(records: &std::collections::BTreeSet<crate::oracle::packet::Rr>, rr_type: RrType) -> bool {
    records.iter().any(|rr| rr.rr_type == rr_type.0)
}

/// The directory of +33: a signed zone with one number, and its DS.
fn child() -> (RunningDns, String) {
    let origin = Name::from_text("3.3.e164.example.").expect("a name");
    let text = "$TTL 60\n@ IN SOA ns host 1 3600 900 1209600 60\n@ IN NS ns\nns IN A 127.0.0.1\n\
                8.7.6.5.4.3.2.1 IN NAPTR 100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:elle@fr.example!\" .\n";
    let zone = StaticZone::read(text, &origin).expect("a right zone");
    let keys = Arc::new(ZoneKeys::in_memory_of(Algorithm::default(), &SystemRandom::new()).expect("keys"));
    let ds = anchor::ds_text(&origin, &keys).lines().next().expect("a DS").to_owned();
    let dns = Dns { listen: vec!["127.0.0.1:0".parse().expect("an address")], ..Dns::default() };
    let view = View::new(vec![Served::fixed(Arc::new(zone), Some(keys))]);
    let view = Arc::new(ArcSwap::from_pointee(view));
    (DnsService::start(view, &dns, Arc::new(SystemClock)).expect("DNS"), ds)
}

#[test]
fn a_running_service_takes_a_block_up_and_back_and_loses_no_query() {
    let demo = Demo::start();
    let (server, before) = (server(&demo), serial(server(&demo)));
    let (stop, sample) = (Arc::new(AtomicBool::new(false)), demo.sample(0).to_owned());
    let name = callbook::number::Number::parse(&sample).expect("a number").enum_name(APEX);
    let asks = {
        let stop = Arc::clone(&stop);
        thread::spawn(move || {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            socket.connect(server).expect("loopback");
            socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
            let qname = Name::from_text(&name).expect("a name").as_wire().to_vec();
            let question = Question { qname, qtype: RrType(35), edns: None, rd: false, cd: false };
            let (mut asked, mut packet) = (0u16, [0; 4_096]);
            while !stop.load(Ordering::Relaxed) {
                socket.send(&question.packet(asked)).expect("sent");
                let octets = socket.recv(&mut packet).expect("every query is answered");
                let reply = Reply::read(&packet[..octets]).expect("well-formed");
                assert!(reply.rcode == 0 && !reply.answer.is_empty(), "the number is there all the time");
                asked = asked.wrapping_add(1);
                thread::sleep(Duration::from_millis(2)); // a pace that no limit feels
            }
            asked
        })
    };
    let block = ["zone", "delegate", "+33", "--to", "ns.3.3.e164.example", "--glue", "ns.3.3.e164.example=127.0.0.33"];
    let ds = format!("3.3.e164.example. IN DS 7 13 2 {}", "ab".repeat(32));
    let signed = [&block[..], &["--ds", &ds]].concat();
    let trial = done(&demo, &[&signed[..], &["--dry-run"]].concat());
    assert_eq!(trial["added"].as_array().map(Vec::len), Some(3), "{trial}");
    assert!(!has(&ask(server, "3.3.e164.example.", RrType::DS).answer, RrType::DS), "a dry run changes nothing");
    assert_eq!(serial(server), before);

    let made = done(&demo, &signed);
    assert_eq!((made["serving"].as_bool(), made["serial"].as_u64()), (Some(true), Some(u64::from(serial(server)))));
    assert!(serial(server) > before);
    let ds = ask(server, "3.3.e164.example.", RrType::DS);
    assert!(ds.flags & AA != 0 && has(&ds.answer, RrType::DS) && has(&ds.answer, RrType::RRSIG));
    let below = ask(server, "1.2.3.3.e164.example.", RrType(35));
    assert!(below.flags & AA == 0 && below.answer.is_empty() && has(&below.authority, RrType::NS));
    assert!(has(&below.authority, RrType::DS) && has(&below.additional, RrType::A));

    done(&demo, &[&block[..], &["--insecure"]].concat());
    let below = ask(server, "1.2.3.3.e164.example.", RrType(35));
    assert!(!has(&below.authority, RrType::DS) && has(&below.authority, RrType::NSEC), "proved insecure");
    let no_ds = ask(server, "3.3.e164.example.", RrType::DS);
    assert!(no_ds.flags & AA != 0 && no_ds.answer.is_empty() && has(&no_ds.authority, RrType::NSEC));

    let listed = done(&demo, &["zone", "delegate", "--list"]);
    assert_eq!(
        (listed["delegations"][0]["block"].as_str(), listed["delegations"][0]["source"].as_str()),
        (Some("+33"), Some("command"))
    );
    done(&demo, &["zone", "delegate", "+33", "--remove"]);
    let again = ask(server, "1.2.3.3.e164.example.", RrType(35));
    assert!(again.flags & AA != 0 && has(&again.authority, RrType::SOA) && !has(&again.authority, RrType::NS));
    assert!(refused(&demo, &["zone", "delegate", "+33", "--remove"]).contains("not delegated by command"));
    stop.store(true, Ordering::Relaxed);
    assert!(asks.join().expect("no query was lost") > 20);
}

#[test]
fn numbers_and_delegations_keep_out_of_each_others_way() {
    let demo = Demo::start();
    let folder = demo.dir().join("provider");
    let folder = folder.to_str().expect("UTF-8");
    let number = "+447700900999";
    let register = |number: &str| {
        let sip = ["--sip", "sip:me@acme.example", "--provider", folder, "--json"];
        demo.run(&[&["number", "register", number][..], &sip].concat())
    };
    let to = ["--to", "ns.example.net", "--insecure"];
    let with_numbers = refused(&demo, &[&["zone", "delegate", "+44"][..], &to].concat());
    assert!(with_numbers.contains("numbers of +44 are registered here"), "{with_numbers}");
    let trial = refused(&demo, &[&["zone", "delegate", "+44"][..], &to, &["--dry-run"]].concat());
    assert_eq!(trial, with_numbers);
    done(&demo, &[&["zone", "delegate", "+44770090099"][..], &to].concat());
    let said = String::from_utf8(register(number).stderr).expect("text");
    assert!(said.contains("number_not_served") && said.contains("1.2") && said.contains("delegated"), "{said}");
    assert!(refused(&demo, &[&["zone", "delegate", "+447700900999"][..], &to].concat()).contains("part of it"));
    done(&demo, &["zone", "delegate", "+44770090099", "--remove"]);
    assert!(register(number).status.success());
    let late = refused(&demo, &[&["zone", "delegate", "+44770090099"][..], &to].concat());
    assert!(late.contains("numbers of +44770090099") && late.contains("(1)"), "{late}");
}

#[test]
fn a_signal_has_the_file_read_again_and_a_mistake_changes_nothing() {
    let demo = Demo::start();
    let server = server(&demo);
    let file = demo.dir().join("zones/e164.example.zone");
    let text = fs::read_to_string(&file).expect("a zone file");
    let block = ["zone", "delegate", "+33", "--to", "ns.example.net", "--insecure"];
    done(&demo, &block);
    assert_eq!(fs::read_to_string(&file).expect("a zone file"), text, "what a person wrote stays as it is");

    fs::write(&file, format!("{text}\n* IN TXT \"no\"\n")).expect("written");
    let (code, said) = run(&demo, &["zone", "reload"]);
    assert_eq!((code, said["zones"][0]["outcome"].as_str()), (1, Some("refused")), "{said}");
    assert!(said["zones"][0]["problem"].as_str().is_some_and(|why| why.contains("no wildcards")), "{said}");
    assert!(refused(&demo, &["zone", "delegate", "+33", "--remove"]).contains("no wildcards"));
    assert!(has(&ask(server, "1.3.3.e164.example.", RrType(35)).authority, RrType::NS), "as before");

    fs::write(&file, format!("{text}\n3.3 IN NS ns.other.example.\n")).expect("written");
    let (code, said) = run(&demo, &["zone", "diff"]);
    assert_eq!(code, 1, "{said}");
    assert!(said["zones"][0]["problem"].as_str().is_some_and(|why| why.contains("delegates 3.3.e164.example. itself")));

    fs::write(&file, format!("{text}\nhello IN TXT \"new\"\n")).expect("written");
    let (code, said) = run(&demo, &["zone", "reload", "--dry-run"]);
    assert_eq!((code, said["zones"][0]["added"].as_array().map(Vec::len)), (0, Some(1)), "{said}");
    assert!(!has(&ask(server, "hello.e164.example.", RrType::TXT).answer, RrType::TXT));
    let before = serial(server);
    let hangup = Command::new("kill").args(["-HUP", &demo.id().to_string()]).status().expect("kill runs");
    assert!(hangup.success());
    let taken_up = || has(&ask(server, "hello.e164.example.", RrType::TXT).answer, RrType::TXT);
    assert!(
        (0..TRIES).any(|_| taken_up() || {
            thread::sleep(TRY);
            false
        }),
        "the signal is heard"
    );
    assert!(serial(server) > before);
    assert!(
        has(&ask(server, "1.3.3.e164.example.", RrType(35)).authority, RrType::NS),
        "the delegation is still there"
    );
}

#[test]
fn without_a_service_it_is_served_from_the_next_start() {
    let home = tempfile::tempdir().expect("a folder");
    let dir = home.path().join("demo");
    Demo::start_in(&dir, &[]).stop();
    let at = |args: &[&str]| {
        let out =
            callbook().arg("--json").args(args).arg("--dir").arg(dir.as_path()).output().expect("the program runs");
        (out.status.code(), format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr)))
    };
    let to = ["--to", "ns.example.net", "--insecure"];
    let (code, said) = at(&[&["zone", "delegate", "+33"][..], &to].concat());
    assert!(code == Some(0) && said.contains("\"serving\":false"), "{said}");
    let (code, said) = at(&[&["zone", "delegate", "+44"][..], &to].concat());
    assert!(code == Some(2) && said.contains("are registered here"), "{said}");
    assert_eq!(at(&["zone", "delegate", "33", "--to", "ns.example.net", "--insecure"]).0, Some(2));
    assert_eq!(at(&["zone", "delegate", "+33", "--to", "ns.example.net"]).0, Some(2), "DS or --insecure");
    let blocks = ["+81", "+82", "+83", "+84"];
    let at = &at;
    thread::scope(|scope| {
        for block in blocks {
            scope.spawn(move || assert_eq!(at(&[&["zone", "delegate", block][..], &to].concat()).0, Some(0)));
        }
    });
    let (_, listed) = at(&["zone", "delegate", "--list"]);
    assert!(blocks.iter().all(|block| listed.contains(block)), "commands at the same time: {listed}");
    let demo = Demo::start_in(&dir, &[]);
    assert!(has(&ask(server(&demo), "1.3.3.e164.example.", RrType(35)).authority, RrType::NS));
}

struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// unbound that trusts the demo's anchor and knows where both zones are.
fn unbound(demo: &Demo, child: SocketAddr, folder: &std::path::Path) -> Option<(Ending, SocketAddr)> {
    let program = peers::program("unbound")?;
    let (address, parent) = (free_port(), server(demo));
    let stub = |name: &str, at: SocketAddr| {
        format!("stub-zone:\n  name: \"{name}\"\n  stub-addr: {}@{}\n", at.ip(), at.port())
    };
    let text = format!(
        "server:\n  interface: {0}@{1}\n  port: {1}\n  do-daemonize: no\n  use-syslog: no\n  chroot: \"\"\n  username: \"\"\n  \
         directory: \"{2}\"\n  pidfile: \"{2}/pid\"\n  do-not-query-localhost: no\n  trust-anchor-file: \"{3}\"\n  \
         module-config: \"validator iterator\"\n  target-fetch-policy: \"0 0 0 0 0\"\n{4}{5}remote-control:\n  control-enable: no\n",
        address.ip(),
        address.port(),
        folder.display(),
        demo.fact("anchor_file"),
        stub(APEX, parent),
        stub("3.3.e164.example.", child),
    );
    fs::write(folder.join("conf"), text).expect("written");
    let spawned = Command::new(program).arg("-d").arg("-c").arg(folder.join("conf")).stderr(Stdio::null()).spawn();
    Some((Ending(spawned.expect("unbound starts")), address))
}

fn dig(server: SocketAddr, name: &str, qtype: &str) -> String {
    let port = server.port().to_string();
    let at = format!("@{}", server.ip());
    let out = Command::new("dig").args([&at, "-p", &port, "+dnssec", "+time=5", "+tries=1", name, qtype]).output();
    String::from_utf8_lossy(&out.expect("dig runs").stdout).into_owned()
}

#[test]
fn unbound_follows_the_chain_into_the_other_directory() {
    if peers::program("dig").is_none() {
        return;
    }
    let demo = Demo::start();
    let (child, ds) = child();
    let number = "8.7.6.5.4.3.2.1.3.3.e164.example.";
    let block = ["zone", "delegate", "+33", "--to", "ns.3.3.e164.example", "--glue", "ns.3.3.e164.example=127.0.0.1"];
    for (security, authentic) in [(vec!["--ds", &ds], true), (vec!["--insecure"], false)] {
        done(&demo, &[&block[..], &security].concat());
        let folder = tempfile::tempdir().expect("a folder");
        let Some((_running, resolver)) = unbound(&demo, child.addresses()[0], folder.path()) else { return };
        let up = || dig(resolver, APEX, "SOA").contains("status: NOERROR");
        assert!(
            (0..TRIES).any(|_| up() || {
                thread::sleep(TRY);
                false
            }),
            "unbound does not start"
        );
        for (name, qtype) in [(number, "NAPTR"), (number, "TXT"), ("3.3.e164.example.", "SOA")] {
            let said = dig(resolver, name, qtype);
            assert!(said.contains("status: NOERROR"), "{said}");
            assert_eq!(
                said.contains(" ad;") || said.contains(" ad "),
                authentic,
                "{security:?} {name} {qtype}\n{said}"
            );
        }
        let outside = dig(resolver, "4.3.e164.example.", "NAPTR");
        assert!(outside.contains("status: NOERROR") && outside.contains(" ad"), "{outside}");
    }
    let wrong = format!("7 13 2 {}", "ab".repeat(32));
    done(&demo, &[&block[..], &["--ds", &wrong]].concat());
    let folder = tempfile::tempdir().expect("a folder");
    let Some((_running, resolver)) = unbound(&demo, child.addresses()[0], folder.path()) else { return };
    let up = || dig(resolver, APEX, "SOA").contains("status: NOERROR");
    assert!(
        (0..TRIES).any(|_| up() || {
            thread::sleep(TRY);
            false
        }),
        "unbound does not start"
    );
    assert!(dig(resolver, number, "NAPTR").contains("status: SERVFAIL"), "a DS of no key is not passed over");
}

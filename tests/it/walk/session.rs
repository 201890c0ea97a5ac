//! A provider's session and a caller's, with the program and with validators that are not ours.

use std::net::UdpSocket;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use callbook::number::Number;
use serde_json::{Value, json};

use super::child::{Demo, callbook};
use crate::peers;

const NEW: &str = "+447700900999";

fn json_of(demo: &Demo, args: &[&str], exit: i32) -> Value {
    let out = demo.run(args);
    let (text, why) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.status.code(), Some(exit), "{args:?}: {text}{why}");
    serde_json::from_str(if exit == 2 { &why } else { &text }).unwrap_or_else(|e| panic!("{args:?}: {e}: {text}{why}"))
}

#[test]
fn a_number_lives_through_the_program() {
    let demo = Demo::start();
    let folder = demo.dir().join("provider");
    let folder = folder.to_str().expect("UTF-8");
    let (before, exit) = demo.lookup(NEW);
    assert_eq!(
        (before["status"].as_str(), before["found"].as_bool(), exit),
        (Some("secure"), Some(false), 1),
        "{before}"
    );

    let made =
        json_of(&demo, &["number", "register", NEW, "--sip", "sip:me@acme.example", "--provider", folder, "--json"], 0);
    assert_eq!((made["visibility"].as_str(), made["version"].as_u64()), (Some("published"), Some(1)), "{made}");
    let (found, exit) = demo.lookup(NEW);
    assert_eq!((found["status"].as_str(), exit), (Some("secure"), 0), "{found}");
    assert_eq!(found["endpoints"][0]["uri"], json!("sip:me@acme.example"));
    assert_eq!(found["keys"].as_array().map(Vec::len), Some(2), "an identity key and a device key: {found}");

    let shown = json_of(&demo, &["number", "show", NEW, "--provider", folder, "--json"], 0);
    assert_eq!((shown["status"].as_str(), shown["provider"].as_str()), (Some("active"), Some("acme")), "{shown}");
    let again =
        demo.run(&["number", "register", NEW, "--sip", "sip:other@acme.example", "--provider", folder, "--json"]);
    assert_eq!(again.status.code(), Some(0), "registering one's own number again changes its record");
    let (found, _) = demo.lookup(NEW);
    assert_eq!(found["endpoints"][0]["uri"], json!("sip:other@acme.example"));

    let renewed = json_of(&demo, &["number", "renew", NEW, "--provider", folder, "--json"], 0);
    assert_eq!(renewed["version"].as_u64(), Some(3), "{renewed}");
    let gone = json_of(&demo, &["number", "release", NEW, "--provider", folder, "--json"], 0);
    assert_eq!(gone["visibility"].as_str(), Some("published"), "{gone}");
    let (after, exit) = demo.lookup(NEW);
    assert_eq!((after["status"].as_str(), after["found"].as_bool(), exit), (Some("secure"), Some(false), 1), "{after}");
    let refused =
        json_of(&demo, &["number", "register", NEW, "--sip", "sip:me@acme.example", "--provider", folder, "--json"], 2);
    assert!(refused.to_string().contains("quarantine"), "a released number rests first: {refused}");
}

#[test]
fn mistakes_on_the_command_line_teach() {
    let demo = Demo::start();
    let folder = demo.dir().join("provider");
    let folder = folder.to_str().expect("UTF-8");
    let anchor = demo.fact("anchor_file");
    let no_anchor = json_of(&demo, &["lookup", NEW, "--anchor", "/nonexistent", "--json"], 2);
    assert!(no_anchor["error"].as_str().is_some_and(|e| e.contains("/nonexistent")), "{no_anchor}");
    let short = json_of(&demo, &["lookup", "+12", "--anchor", anchor, "--json"], 2);
    assert!(short["error"].as_str().is_some_and(|e| e.contains("7 to 15")), "{short}");
    let foreign = json_of(
        &demo,
        &["number", "register", "+4930123456", "--sip", "sip:a@b.example", "--provider", folder, "--json"],
        2,
    );
    assert!(foreign.to_string().contains("1.2"), "it names the article of the charter: {foreign}");
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("bound").to_string();
    let unreachable = json_of(&demo, &["lookup", NEW, "--server", &address, "--anchor", anchor, "--json"], 2);
    assert!(unreachable["error"].as_str().is_some_and(|e| e.contains(&address)), "{unreachable}");
    let unknown = callbook().args(["lokup"]).output().expect("the program runs");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("lookup"), "it names the nearest command");
}

#[test]
fn the_operators_commands_work_beside_the_running_service() {
    let demo = Demo::start();
    let dir = demo.dir().to_str().expect("UTF-8");
    let keys = json_of(&demo, &["keys", "list", "--dir", dir, "--json"], 0);
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(2), "{keys}");
    let ds = json_of(&demo, &["keys", "ds", "--dir", dir, "--json"], 0);
    assert!(ds["ds"][0].as_str().is_some_and(|ds| ds.contains(" 13 2 ")), "{ds}");
    let checked = json_of(&demo, &["config", "check", "--dir", dir, "--json"], 0);
    assert!(checked["in_force"].as_array().is_some_and(|rows| rows.len() >= 10), "{checked}");
    let out = demo.dir().join("export.zone");
    let exported = json_of(
        &demo,
        &["zone", "export", "--dir", dir, "--signed", "--out", out.to_str().expect("UTF-8"), "--json"],
        0,
    );
    assert_eq!(exported["numbers"].as_u64(), Some(20), "{exported}");
    if let Some(verify) = peers::program("ldns-verify-zone") {
        let verified = Command::new(verify).arg(&out).output().expect("it runs");
        assert!(
            verified.status.success(),
            "{}{}",
            String::from_utf8_lossy(&verified.stdout),
            String::from_utf8_lossy(&verified.stderr)
        );
    }
}

#[test]
fn validators_that_are_not_ours_agree() {
    let Some(program) = peers::program("delv") else { return };
    let demo = Demo::start();
    let (ip, port) = demo.fact("dns").rsplit_once(':').expect("an address");
    let apex = demo.fact("apex");
    let delv = |name: &str, rr_type: &str| {
        let root = format!("+root={}", apex.trim_end_matches('.'));
        let anchor = demo.fact("anchor_delv_file");
        let args = [&format!("@{ip}"), "-p", port, "-a", anchor, &root, name, rr_type];
        let out = Command::new(&program).args(args).output().expect("it runs");
        String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
    };
    let registered = Number::parse(demo.sample(0)).expect("a number").enum_name(apex);
    let free = Number::parse("+447700900500").expect("a number").enum_name(apex);
    assert!(delv(&registered, "NAPTR").contains("; fully validated"), "{}", delv(&registered, "NAPTR"));
    for (name, rr_type) in
        [(registered.clone(), "MX"), (free, "NAPTR"), (format!("_e2e.{registered}"), "TXT"), (apex.to_owned(), "MX")]
    {
        let said = delv(&name, rr_type);
        assert!(said.contains("negative response, fully validated"), "{name} {rr_type}: {said}");
    }
    let mut prefix = registered.as_str();
    while let Some((_, shorter)) = prefix.split_once('.').filter(|(label, _)| label.len() == 1) {
        let said = delv(prefix, "TXT");
        assert!(said.contains("negative response, fully validated"), "{prefix}: {said}");
        prefix = shorter;
    }
    assert!(delv(apex, "SOA").contains("; fully validated"));
    assert!(delv(apex, "DNSKEY").contains("; fully validated"));
}

#[test]
fn a_tampered_answer_is_bogus() {
    let demo = Demo::start();
    let dns = demo.fact("dns").to_owned();
    let flipped = Tamperer::before(&dns, |answer| {
        // A letter of the SIP address inside the NAPTR record.
        if let Some(at) = answer.windows(4).position(|w| w == b"sip:") {
            answer[at + 5] ^= 1;
        }
    });
    let (found, exit) = demo.lookup_at(demo.sample(0), &flipped.address);
    assert_eq!((found["status"].as_str(), exit), (Some("bogus"), 3), "{found}");
    assert_eq!(found["endpoints"].as_array().map(Vec::len), Some(0), "nothing forged is shown: {found}");
    let stripped = Tamperer::before(&dns, |answer| {
        // Turns the DO-only records into another type: to the validator the signatures are gone.
        let rrsig = [0u8, 46, 0, 1];
        while let Some(at) = answer.windows(4).position(|w| w == rrsig) {
            answer[at + 1] = 99;
        }
    });
    let (found, exit) = demo.lookup_at(demo.sample(0), &stripped.address);
    assert_eq!((found["status"].as_str(), exit), (Some("bogus"), 3), "{found}");
}

/// A forwarder on loopback that changes every answer on its way.
struct Tamperer {
    address: String,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Tamperer {
    fn before(server: &str, change: fn(&mut [u8])) -> Self {
        let front = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let back = UdpSocket::bind("127.0.0.1:0").expect("a port");
        back.connect(server).expect("loopback");
        for socket in [&front, &back] {
            socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        }
        let address = front.local_addr().expect("bound").to_string();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0u8; 4096];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, peer)) = front.recv_from(&mut buffer) else { continue };
                let _ = back.send(&buffer[..length]);
                let Ok(length) = back.recv(&mut buffer) else { continue };
                change(&mut buffer[12..length]);
                let _ = front.send_to(&buffer[..length], peer);
            }
        });
        Self { address, stop, thread: Some(thread) }
    }
}

impl Drop for Tamperer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

//! The whole program: an installation with a static zone beside its number zone, told by a signal to read it again.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use callbook::clock::{Clock, SystemClock};
use callbook::config::Dnssec;
use callbook::dnssec::life::{Keeping, Policy, State};
use callbook::wire::Name;
use serde_json::Value;

use super::home::{PATIENCE, callbook, dig};

const TEXT: &str = "@ 60 IN SOA ns h 10 1 1 1 60\n@ IN NS ns\nns IN A 192.0.2.1\n";

/// Ends with its value.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// An installation whose configuration has this at its end, and a file for a.example.
fn house(more: &str) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("house");
    let made = Command::new(env!("CARGO_BIN_EXE_callbook"))
        .args(["init", "--apex", "e164.example", "--dns", "127.0.0.1:0", "--http", "127.0.0.1:0", "--dir"])
        .arg(&dir)
        .output()
        .unwrap();
    assert!(made.status.success());
    let config = fs::read_to_string(dir.join("config.toml")).unwrap();
    fs::write(dir.join("config.toml"), config + more).unwrap();
    fs::write(dir.join("zones/a.example.zone"), TEXT).unwrap();
    (root, dir)
}

/// Serves it; the address of its DNS.
fn serve(dir: &Path) -> (Service, SocketAddr) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callbook"));
    let child =
        command.args(["--json", "serve", "--dir"]).arg(dir).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut service = Service(child.unwrap());
    let mut line = String::new();
    BufReader::new(service.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let facts: Value = serde_json::from_str(&line).unwrap();
    (service, facts["dns"][0].as_str().unwrap().parse().unwrap())
}

/// Runs a command on the installation; its JSON.
fn run(dir: &Path, args: &[&str]) -> Value {
    let output = callbook(args, dir);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Asks again until the answer is as wanted.
fn wait(server: SocketAddr, args: &[&str], is_it: impl Fn(&str) -> bool) -> String {
    let began = Instant::now();
    loop {
        let said = dig(server, args);
        if is_it(&said) {
            return said;
        }
        assert!(began.elapsed() < PATIENCE, "{args:?}: {said}");
    }
}

#[test]
fn a_signal_has_zones_read_again_and_status_tells() {
    let (_root, dir) = house("\n[[zone]]\nname = \"a.example\"\nserial = \"increment\"\n");
    assert!(callbook(&["config", "check"], &dir).status.success());
    let status = |dir: &std::path::Path| -> (Option<i32>, Value) {
        let output = callbook(&["zone", "status"], dir);
        (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
    };
    assert_eq!(status(&dir).0, Some(1), "it does not run yet");
    let (service, server) = serve(&dir);
    assert!(dig(server, &["ns.a.example", "A", "+short"]).contains("192.0.2.1"));
    assert!(dig(server, &["e164.example", "SOA"]).contains("NOERROR"), "the number zone is there too");
    fs::write(dir.join("zones/a.example.zone"), TEXT.replace("192.0.2.1", "192.0.2.2")).unwrap();
    assert!(Command::new("kill").args(["-HUP", &service.0.id().to_string()]).status().unwrap().success());
    wait(server, &["ns.a.example", "A", "+short"], |said| said.contains("192.0.2.2"));
    let (code, told) = status(&dir);
    assert_eq!(
        (code, &told["zones"][0]["serial"], &told["running"]),
        (Some(0), &11.into(), &Value::Bool(true)),
        "{told:#}"
    );
}

/// A house with a signed static zone, served.
struct Signed {
    dir: PathBuf,
    service: Option<Service>,
    server: SocketAddr,
    _root: tempfile::TempDir,
}

impl Signed {
    fn new() -> Self {
        let (root, dir) = house("\n[[zone]]\nname = \"a.example\"\nsign = true\n");
        run(&dir, &["zone", "keygen", "a.example"]);
        let (service, server) = serve(&dir);
        Self { dir, service: Some(service), server, _root: root }
    }

    fn keys(&self, args: &[&str]) -> Value {
        run(&self.dir, &[&["keys"], args, &["--zone", "a.example"]].concat())
    }

    /// The records of a type with their signatures.
    fn ask(name: &'static str, rr_type: &'static str) -> [&'static str; 6] {
        [name, rr_type, "+dnssec", "+nosplit", "+noall", "+answer"]
    }

    fn dig(&self, name: &'static str, rr_type: &'static str) -> String {
        dig(self.server, &Self::ask(name, rr_type))
    }

    fn wait(&self, name: &'static str, rr_type: &'static str, is_it: impl Fn(&str) -> bool) -> String {
        wait(self.server, &Self::ask(name, rr_type), is_it)
    }

    /// As if the parent had taken the DS long ago: no roll begins before.
    fn parent_has_the_ds(&self) {
        let apex = Name::from_text("a.example.").unwrap();
        let policy = Policy::of(&Dnssec::default(), &[], 0);
        let mut keeping = Keeping::files(&self.dir.join("keys"), &apex, policy);
        let done = keeping.change(SystemClock.now_s(), |life, _| {
            life.keys.iter_mut().for_each(|key| key.state = State::Active);
            Ok(())
        });
        done.unwrap();
    }

    /// Whether delv validates a name from the DS that the parent is to have.
    fn is_valid(&self, name: &str) -> bool {
        let ds = self.keys(&["ds"])["ds"][0].as_str().unwrap().to_owned();
        let fields: Vec<&str> = ds.split_whitespace().collect();
        let [.., tag, algorithm, digest, hash] = fields[..] else { panic!("{ds}") };
        let anchor = self.dir.join("a.example.anchor");
        let text = format!("trust-anchors {{ a.example. static-ds {tag} {algorithm} {digest} \"{hash}\"; }};\n");
        fs::write(&anchor, text).unwrap();
        let (ip, port) = (format!("@{}", self.server.ip()), self.server.port().to_string());
        let mut delv = Command::new("delv");
        delv.args([&ip, "-p", &port, "-a"]).arg(anchor).args(["+root=a.example", name, "A"]);
        let said = delv.output().unwrap();
        [said.stdout, said.stderr].iter().any(|said| String::from_utf8_lossy(said).contains("fully validated"))
    }
}

#[test]
fn a_key_that_comes_is_a_new_version_in_which_other_signatures_stay() {
    let house = Signed::new();
    assert!(!callbook(&["keys", "status", "--zone", "b.example"], &house.dir).status.success(), "no such zone");
    assert_eq!(house.keys(&["status"])["apex"], "a.example.");
    let dnskeys = |said: &str| said.lines().filter(|line| line.contains("\tDNSKEY\t")).count();
    assert!(house.is_valid("ns.a.example"));
    let before = house.dig("ns.a.example", "A");
    assert_eq!(dnskeys(&house.dig("a.example", "DNSKEY")), 2);
    house.keys(&["generate", "--role", "zsk"]);
    house.wait("a.example", "DNSKEY", |said| dnskeys(said) == 3);
    assert!(dig(house.server, &["a.example", "SOA", "+short"]).contains(" 11 "), "secondaries must see it");
    assert_eq!(house.dig("ns.a.example", "A"), before);
    assert!(house.is_valid("ns.a.example"));
}

#[test]
fn two_algorithms_sign_side_by_side_also_after_a_restart() {
    let mut house = Signed::new();
    house.parent_has_the_ds();
    house.keys(&["roll", "--algorithm", "15"]);
    let both = house.wait("ns.a.example", "A", |said| said.contains("RRSIG\tA 15 "));
    assert!(both.contains("RRSIG\tA 13 "), "{both}");
    assert_eq!(house.dig("ns.a.example", "A"), both, "they are made once");
    assert!(house.dig("a.example", "NSEC").contains("RRSIG\tNSEC 15 "));
    assert!(house.is_valid("ns.a.example") && house.is_valid("nothing.a.example"));
    house.service = None;
    let (service, server) = serve(&house.dir);
    (house.service, house.server) = (Some(service), server);
    assert_eq!(house.dig("ns.a.example", "A"), both, "the same version, signatures and all");
}

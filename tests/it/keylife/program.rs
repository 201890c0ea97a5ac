//! The commands on a real installation, beside a running service and a parent.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use callbook::clock::SystemClock;
use callbook::config::Dns;
use callbook::nameserver::{Served, View};
use callbook::net::{DnsService, RunningDns};
use callbook::wire::{Name, RrType};
use callbook::zone::StaticZone;
use serde_json::Value;
use tempfile::TempDir;

use crate::oracle::packet::{Edns, Question, Reply};
use crate::oracle::servers::ask_all;
use crate::peers;

/// The service turns each two seconds; a machine that is busy may take some more.
const TRIES: usize = 300;
const TRY: Duration = Duration::from_millis(100);
/// RFC 8080 6.1 as BIND writes it.
const FOREIGN: &str =
    "Private-key-format: v1.2\nAlgorithm: 15 (ED25519)\nPrivateKey: ODIyNjAzODQ2MjgwODAxMjI2NDUxOTAyMDQxNDIyNjI=\n";

struct Made {
    home: TempDir,
}

impl Made {
    fn new() -> Self {
        let made = Self { home: tempfile::tempdir().unwrap() };
        let init = ["init", "--apex", "e164.example", "--dns", "127.0.0.1:0", "--http", "127.0.0.1:0"];
        assert!(made.run(&init).status.success());
        made
    }

    fn dir(&self) -> std::path::PathBuf {
        self.home.path().join("made")
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_callbook")).args(args).arg("--dir").arg(self.dir()).output().unwrap()
    }

    /// What a command that works says.
    fn json(&self, args: &[&str]) -> Value {
        let out = self.run(&[args, &["--json"]].concat());
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).unwrap()
    }

    /// What a command that does not says; the exit code is that of an error.
    fn refused(&self, args: &[&str]) -> String {
        let out = self.run(args);
        assert_eq!(out.status.code(), Some(2), "{args:?}");
        String::from_utf8_lossy(&out.stderr).into_owned()
    }

    fn until(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..TRIES {
            let status = self.json(&["keys", "status"]);
            if is(&status) {
                return status;
            }
            thread::sleep(TRY);
        }
        panic!("{what}: {}", self.json(&["keys", "status"]));
    }

    fn serve(&self) -> (Child, SocketAddr) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callbook"));
        command.args(["serve", "--json", "--dir"]).arg(self.dir());
        serve(command)
    }
}

/// Starts a service; returns once it says where it answers.
pub(super) fn serve(mut command: Command) -> (Child, SocketAddr) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let facts: Value = serde_json::from_str(&line).expect("a service that starts says where it answers");
    (child, facts["dns"][0].as_str().unwrap().parse().unwrap())
}

/// Starts a service that ends with what is given back.
pub(crate) fn serve_while_held(command: Command) -> Ending {
    Ending(serve(command).0)
}

/// Starts a service and ends it once it answers with a signed SOA.
pub(crate) fn serve_until_ready(command: Command) {
    let (child, dns) = serve(command);
    let _service = Ending(child);
    assert_eq!(records(dns, RrType::SOA), 1);
}

/// Ends a child whatever becomes of its test.
pub(crate) struct Ending(pub(crate) Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn records(server: SocketAddr, qtype: RrType) -> usize {
    let qname = Name::from_text("e164.example.").unwrap().as_wire().to_vec();
    let edns = Some(Edns { version: 0, udp_octets: 1_232, dnssec_ok: true });
    let question = Question { qname, qtype, edns, rd: false, cd: false };
    let reply = Reply::read(&ask_all(server, &[question])[0]).expect("well-formed");
    reply.answer.iter().filter(|rr| RrType(rr.rr_type) == qtype).count()
}

/// A parent zone with this DS.
fn parent(ds: &str) -> RunningDns {
    let text =
        format!("$TTL 600\n@ IN SOA ns host 1 3600 900 1209600 60\n@ IN NS ns\nns IN A 127.0.0.1\ne164 IN NS ns\n{ds}");
    let zone = StaticZone::read(&text, &Name::from_text("example.").unwrap()).unwrap();
    let dns = Dns { listen: vec!["127.0.0.1:0".parse().unwrap()], ..Dns::default() };
    let view = View::new(vec![Served::fixed(Arc::new(zone), None)]);
    DnsService::start(Arc::new(ArcSwap::from_pointee(view)), &dns, Arc::new(SystemClock)).unwrap()
}

fn key_in(status: &Value, role: &str, state: &str) -> Option<u64> {
    let keys = status["keys"].as_array()?;
    keys.iter().find(|key| key["role"] == role && key["state"] == state)?["tag"].as_u64()
}

#[test]
fn a_roll_that_is_asked_for_beside_the_service_is_taken_up_and_the_parent_is_seen() {
    let made = Made::new();
    let status = made.json(&["keys", "status"]);
    assert_eq!(status["next_actor"], "operator");
    let ksk = key_in(&status, "KSK", "submitted").expect("the first KSK waits for the parent");
    let ds = made.json(&["keys", "ds"])["ds"][0].as_str().unwrap().to_owned();
    let parent = parent(&format!("{ds}\n"));
    let config = made.dir().join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace("parent = []", &format!("parent = [\"{}\"]", parent.addresses()[0]));
    fs::write(&config, text).unwrap();
    assert_eq!(made.json(&["keys", "status"])["next_actor"], "parent");
    let (child, dns) = made.serve();
    let _service = Ending(child);
    let seen = made.until("the parent is seen", |status| status["keys"][0]["ds_seen_s"].is_u64());
    assert_eq!(seen["next_actor"], "nobody");
    assert!(seen["parent"]["servers"][0].as_str().unwrap().ends_with(&format!("DS {ksk}")), "{seen}");
    assert_eq!((records(dns, RrType::DNSKEY), records(dns, RrType::CDS), records(dns, RrType::CDNSKEY)), (2, 1, 1));
    made.json(&["keys", "roll", "--zsk"]);
    assert!(made.refused(&["keys", "roll", "--zsk"]).contains("asked for already"));
    made.until("the next ZSK is published", |status| key_in(status, "ZSK", "published").is_some());
    for _ in 0..TRIES {
        if records(dns, RrType::DNSKEY) == 3 {
            break;
        }
        thread::sleep(TRY);
    }
    assert_eq!(records(dns, RrType::DNSKEY), 3, "without a restart");
    let stand_by = made.json(&["keys", "generate", "--role", "ksk"])["tag"].as_u64();
    made.until("the stand-by is published", |status| key_in(status, "KSK", "published") == stand_by);
    assert!(made.refused(&["keys", "generate", "--role", "ksk"]).contains("stands by already"));
    let picture = made.dir().join("keys.svg");
    made.json(&["keys", "status", "--svg", picture.to_str().unwrap()]);
    if let Some(python) = peers::python_with("xml.etree.ElementTree") {
        let read = "import sys,xml.etree.ElementTree as x; print(*x.parse(sys.argv[1]).getroot().itertext())";
        let said = Command::new(python).args(["-c", read]).arg(&picture).output().unwrap();
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.status.success() && text.contains(&format!("KSK {ksk}")) && text.contains("now, "), "{text}");
    }
    let anchors = |_: &Value| fs::read_to_string(made.dir().join("anchor.key")).unwrap().lines().count() == 2;
    made.until("the anchor file names both", anchors);
}

#[test]
fn keys_are_carried_in_and_out_with_care() {
    let made = Made::new();
    let zsk = made.json(&["keys", "list"])["keys"][1]["tag"].to_string();
    let out = made.home.path().join("zsk.private");
    let path = out.to_str().unwrap();
    assert_ne!(made.run(&["keys", "export", &zsk]).status.code(), Some(0), "a secret is not printed unasked");
    made.json(&["keys", "export", &zsk, "--out", path]);
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&out).unwrap();
    assert!(text.starts_with("Private-key-format: v1.3\nAlgorithm: 13 (ECDSAP256SHA256)\n"), "its head");
    assert!(made.refused(&["keys", "export", &zsk, "--out", path]).contains("exists"));
    let printed = made.run(&["keys", "export", &zsk, "--stdout"]);
    assert!(String::from_utf8_lossy(&printed.stdout).trim_end() == text.trim_end(), "the same");
    assert!(made.refused(&["keys", "import", path, "--role", "zsk"]).contains("with this tag"));
    let foreign = made.home.path().join("foreign");
    fs::write(&foreign, FOREIGN).unwrap();
    let taken = made.json(&["keys", "import", foreign.to_str().unwrap(), "--role", "zsk"]);
    assert_eq!((taken["algorithm"].as_u64(), taken["role"].as_str()), (Some(15), Some("ZSK")));
    assert!(key_in(&made.json(&["keys", "status"]), "ZSK", "generated").is_some());
    fs::write(&foreign, "nothing").unwrap();
    let said = made.refused(&["keys", "import", foreign.to_str().unwrap(), "--role", "ksk"]);
    assert!(said.contains("neither PEM nor BIND's format") && !said.contains("nothing"), "{said}");
    assert!(made.refused(&["keys", "export", "99999"]).contains("99999"));
}

#[test]
fn a_lost_record_and_a_confirmed_parent() {
    let made = Made::new();
    let ksk = made.json(&["keys", "list"])["keys"][0]["tag"].to_string();
    assert!(made.refused(&["keys", "ds", "--confirm", "1"]).contains("no key with tag 1"));
    made.json(&["keys", "ds", "--confirm", &ksk]);
    let status = made.json(&["keys", "status"]);
    assert_eq!((&status["keys"][0]["ds_confirmed"], &status["next_actor"]), (&Value::Bool(true), &"nobody".into()));
    let said = String::from_utf8(made.run(&["keys", "roll", "--ksk", "--emergency"]).stdout).unwrap();
    assert!(said.contains("can forge anything until the parent's DS has changed"), "{said}");
    let record = made.dir().join("keys/Ke164.example.state");
    let kept = fs::read_to_string(&record).unwrap();
    fs::write(&record, &kept[..kept.len() / 2]).unwrap();
    assert!(made.refused(&["keys", "status"]).contains("restore it from the backup"));
    fs::remove_file(&record).unwrap();
    let status = made.json(&["keys", "status"]);
    assert!(status["keys"].as_array().unwrap().iter().all(|key| key["state"] == "active"), "{status}");
    assert!(files(&made.dir().join("keys")).iter().filter(|name| name.ends_with(".p8")).count() == 2);
}

fn files(dir: &Path) -> Vec<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

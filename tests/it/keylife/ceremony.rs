//! The commands of an offline KSK on real installations: a new zone, two nodes, a KSK that leaves the server, and every file
//! that must not be taken.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use callbook::wire::{Name, RrType};
use serde_json::Value;
use tempfile::TempDir;

use super::program::{Ending, serve};
use crate::oracle::packet::{AD, Edns, Question, Reply};
use crate::oracle::servers::{ask_all, unbound_over};
use crate::oracle::zones::Zone;

struct Home {
    dir: TempDir,
}

impl Home {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_callbook")).args(args).current_dir(self.dir.path()).output().unwrap()
    }

    fn json(&self, line: &str) -> Value {
        let args: Vec<&str> = line.split(' ').chain(["--json"]).collect();
        let out = self.run(&args);
        assert!(out.status.success(), "{line}: {}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).unwrap()
    }

    fn refused(&self, line: &str) -> String {
        let out = self.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(out.status.code(), Some(2), "{line}: {}", String::from_utf8_lossy(&out.stdout));
        String::from_utf8_lossy(&out.stderr).into_owned()
    }

    fn init(&self, name: &str, more: &str) {
        self.json(&format!("init --dir {name} --apex e164.example --dns 127.0.0.1:0 --http 127.0.0.1:0{more}"));
    }

    /// A request, its answer and the way back, all on one machine.
    fn ceremony(&self, name: &str, how: &str) {
        self.json(&format!("keys request --dir {name} --out {name}.request --node {name}"));
        self.json(&format!("keys answer {name}.request --keys ksk --out {name}.response{how}"));
        self.json(&format!("keys accept {name}.response --dir {name}"));
    }

    fn keys(&self, name: &str) -> Vec<Value> {
        self.json(&format!("keys list --dir {name}"))["keys"].as_array().unwrap().clone()
    }

    fn edit(&self, from: &str, to: &str, change: impl Fn(String) -> String) {
        fs::write(self.path(to), change(fs::read_to_string(self.path(from)).unwrap())).unwrap();
    }
}

fn private_keys(dir: &Path, role: &str) -> usize {
    let ending = format!(".{role}.p8");
    fs::read_dir(dir).unwrap().filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().ends_with(&ending)).count()
}

#[test]
fn a_new_zone_whose_ksk_was_never_on_the_server() {
    let home = Home::new();
    home.init("a", " --offline-ksk");
    assert!(home.refused("serve --dir a").contains("signed nothing yet"));
    assert!(home.refused("keys accept nothing --dir a").contains("there is no such file"));
    assert_eq!(home.json("keys status --dir a")["next_actor"], "operator");
    let request = home.json("keys request --dir a --out request --node a");
    assert!(home.refused("keys answer request --keys ksk --out r").contains("--first"));
    assert!(home.refused("keys answer request --keys ksk --out r --first --dry-run").contains("would be made"));
    let answer = home.json("keys answer request --keys ksk --out response --first");
    assert_eq!(answer["fingerprints"][0]["fingerprint"], request["fingerprint"], "what people compare");
    let again = home.json("keys answer request --keys ksk --out response --first");
    assert!(again["made"].is_null() && again["ksks"] == answer["ksks"], "the same KSK, not another one");
    let tag = answer["made"].as_u64().unwrap();
    home.json("keys accept response --dir a");
    assert_eq!((private_keys(&home.path("a/keys"), "ksk"), private_keys(&home.path("ksk"), "ksk")), (0, 1));
    let keys = home.keys("a");
    assert_eq!((&keys[0]["tag"], &keys[0]["protection"]), (&Value::from(tag), &Value::from("offline")));
    assert!(fs::read_to_string(home.path("a/anchor.key")).unwrap().contains("DNSKEY"));
    assert!(home.json("keys ds --dir a")["ds"][0].as_str().unwrap().contains(&format!(" {tag} 13 2 ")));
    assert!(home.refused("keys roll --ksk --dir a").contains("keys answer --next"));
    assert!(home.refused("keys generate --role zsk --dir a").contains("keys request --replace"));
    let (child, dns) = serve_dir(&home, "a");
    let _service = Ending(child);
    let reply = ask(dns, "e164.example.", RrType::DNSKEY, false);
    assert_eq!(reply.answer.len(), 3, "a KSK, a ZSK, the KSK's signature: {reply}");
    // The next KSK, in the place of what was answered before, while the service runs.
    home.json(&format!("keys ds --confirm {tag} --dir a"));
    home.json("keys request --dir a --out request --node a");
    let early = home.refused("keys answer request --keys ksk --out next --next --first");
    assert!(early.contains("cannot be used with"), "{early}");
    let next = home.json("keys answer request --keys ksk --out next --next");
    let (tags, named): (Vec<&Value>, Vec<u64>) =
        next["ksks"].as_array().unwrap().iter().map(|ksk| (&ksk["tag"], ksk["cds_from_s"].as_u64().unwrap())).unzip();
    assert!(tags[0].as_u64() == Some(tag) && tags.len() == 2 && named[1] > next["accept_before_s"].as_u64().unwrap());
    home.json("keys accept next --dir a");
    assert!(home.refused("keys answer request --keys nowhere --out next").contains("nowhere"));
}

fn serve_dir(home: &Home, name: &str) -> (std::process::Child, std::net::SocketAddr) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callbook"));
    command.args(["serve", "--json", "--dir"]).arg(home.path(name));
    serve(command)
}

fn ask(server: std::net::SocketAddr, name: &str, qtype: RrType, rd: bool) -> Reply {
    let qname = Name::from_text(name).unwrap().as_wire().to_vec();
    let edns = Some(Edns { version: 0, udp_octets: 1_232, dnssec_ok: true });
    Reply::read(&ask_all(server, &[Question { qname, qtype, edns, rd, cd: false }])[0]).expect("well-formed")
}

#[test]
fn a_ksk_leaves_the_server_and_comes_back() {
    let home = Home::new();
    home.init("a", "");
    let before = home.keys("a");
    fs::create_dir(home.path("ksk")).unwrap();
    let file = format!("Ke164.example+013+{:05}.ksk.p8", before[0]["tag"].as_u64().unwrap());
    fs::copy(home.path("a/keys").join(&file), home.path("ksk").join(&file)).unwrap();
    home.json("keys request --dir a --out request");
    home.json("keys answer request --keys ksk --out response");
    let accepted = home.json("keys accept response --dir a");
    assert_eq!(accepted["still_here"][0], before[0]["tag"], "the operator is told to move it away");
    fs::remove_file(home.path("a/keys").join(&file)).unwrap();
    let after = home.keys("a");
    assert_eq!((&after[0]["tag"], &after[1]["tag"]), (&before[0]["tag"], &before[1]["tag"]), "the same keys go on");
    let (child, dns) = serve_dir(&home, "a");
    let service = Ending(child);
    assert_eq!(ask(dns, "e164.example.", RrType::CDS, false).answer.len(), 2);
    drop(service);
    let schedule = home.path("a/keys/Ke164.example.offline");
    let kept = fs::read(&schedule).unwrap();
    fs::remove_file(&schedule).unwrap();
    let said = home.refused("serve --dir a");
    assert!(said.contains("restore it from the backup") && private_keys(&home.path("a/keys"), "ksk") == 0, "{said}");
    home.json("keys accept response --dir a"); // the other remedy that was named
    fs::write(&schedule, &kept[..kept.len() / 2]).unwrap();
    assert!(home.refused("keys status --dir a").contains("copy it again"));
    fs::write(&schedule, kept).unwrap();
    let record = home.path("a/keys/Ke164.example.state");
    fs::remove_file(&record).unwrap();
    assert_eq!(home.keys("a").len(), 2, "a lost record follows from the schedule");
    assert!(home.refused("keys online --dir a").contains("missing"));
    fs::copy(home.path("ksk").join(&file), home.path("a/keys").join(&file)).unwrap();
    home.json("keys online --dir a");
    assert!(home.json("keys status --dir a")["offline"].is_null());
    let (child, dns) = serve_dir(&home, "a");
    let _service = Ending(child);
    assert_eq!(ask(dns, "e164.example.", RrType::DNSKEY, false).answer.len(), 3);
}

#[test]
fn two_nodes_sign_with_keys_of_their_own_and_a_stolen_one_is_dropped() {
    let home = Home::new();
    for node in ["a", "b"] {
        home.init(node, " --offline-ksk");
        home.json(&format!("keys request --dir {node} --out {node}.request --node {node}"));
    }
    home.json("keys answer a.request b.request --keys ksk --out response --first");
    home.json("keys accept response --dir a");
    home.json("keys accept response --dir b");
    let signing = |node: &str| home.keys(node).iter().find(|key| key["signs_data"] == true).unwrap()["tag"].clone();
    assert_ne!(signing("a"), signing("b"), "RFC 8901: each has its own");
    let ((a, dns_a), (b, dns_b)) = (serve_dir(&home, "a"), serve_dir(&home, "b"));
    let _services = (Ending(a), Ending(b));
    let keys =
        |dns| ask(dns, "e164.example.", RrType::DNSKEY, false).answer.iter().filter(|rr| rr.rr_type == 48).count();
    assert_eq!((keys(dns_a), keys(dns_b)), (3, 3), "every node shows all keys");
    let anchors = fs::read_to_string(home.path("a/anchor.key")).unwrap();
    let resolver = |servers: &[_]| unbound_over(&[Zone::new("e164.example.", "")], servers, &anchors, home.dir.path());
    let Some(both) = resolver(&[dns_a, dns_b]) else { return };
    let mut authentic = 0;
    for i in 0..60 {
        let reply = ask(both.address, &format!("nobody{i}.e164.example."), RrType::A, true);
        assert!(reply.flags & AD != 0, "whichever node signs: {reply}");
        authentic += 1;
    }
    assert_eq!(authentic, 60);
    // Node b is broken into: a stops vouching for it.
    assert!(home.refused("keys drop-node a --dir a").contains("this is that node"));
    assert!(home.refused("keys drop-node c --dir a").contains("a, b"));
    home.json("keys drop-node b --dir a");
    for _ in 0..200 {
        if keys(dns_a) == 2 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(keys(dns_a), 2, "without a restart");
    let Some(alone) = resolver(&[dns_a]) else { return };
    assert!(ask(alone.address, "e164.example.", RrType::SOA, true).flags & AD != 0);
    home.json("keys drop-node --none --dir a");
}

#[test]
fn a_node_that_joins_waits_until_its_key_is_known() {
    let home = Home::new();
    home.init("a", " --offline-ksk");
    home.ceremony("a", " --first");
    home.init("b", " --offline-ksk");
    home.json("keys request --dir a --out a.request --node a");
    home.json("keys request --dir b --out b.request --node b");
    let both = "keys answer a.request b.request --keys ksk --out response";
    assert!(home.refused(both).contains("--joins"));
    home.json("keys request --dir b --out b.request --node b --joins");
    home.json(both);
    home.json("keys accept response --dir a");
    assert!(home.json("keys accept response --dir b")["begins_s"].is_u64());
    assert!(home.refused("serve --dir b").contains("RFC 8901"));
    let same = home.refused("keys answer a.request a.request --keys ksk --out response");
    assert!(same.contains("two requests are of node"), "{same}");
}

#[test]
fn what_was_changed_on_its_way_or_answers_something_else_is_refused() {
    let home = Home::new();
    home.init("a", " --offline-ksk");
    home.ceremony("a", " --first");
    home.json("keys request --dir a --out request --node a --replace");
    home.json("keys answer request --keys ksk --out response");
    let accept = |file: &str| home.refused(&format!("keys accept {file} --dir a"));
    // Each of the first signatures with one character changed, a key exchanged, a day moved.
    let text = fs::read_to_string(home.path("response")).unwrap();
    for what in ["\"dnskey\": \"", "\"cds\": \"", "\"cdnskey\": \""] {
        let at = text.find(what).unwrap() + what.len() + 9;
        let other = if &text[at..=at] == "A" { "B" } else { "A" };
        home.edit("response", "bad", |text| format!("{}{other}{}", &text[..at], &text[at + 1..]));
        assert!(accept("bad").contains("is not that of KSK"), "{what}");
    }
    home.edit("response", "bad", |text| text[..text.len() / 3].to_owned());
    assert!(accept("bad").contains("copy it again"));
    home.edit("response", "bad", |text| text.replacen("\"version\": 1", "\"version\": 2", 1));
    assert!(accept("bad").contains("of version 2"));
    home.edit("response", "bad", |text| text.replacen("e164.example.", "e165.example.", 1));
    assert!(accept("bad").contains("this zone is e164.example."));
    // An answer to the request before.
    assert!(accept("a.response").contains("not to the newest request"));
    // Another KSK than the one that is served.
    home.json("keys answer a.request --keys other --out foreign --first");
    assert!(home.refused("keys answer request --keys other --out foreign").contains("missing"));
    // Requests that ask for what no node should get.
    let answer = |change: &dyn Fn(String) -> String| {
        home.edit("request", "bad", change);
        home.refused("keys answer bad --keys ksk --out foreign")
    };
    assert!(answer(&|text| text.replacen("\"256 3 13", "\"257 3 13", 1)).contains("wrong place"));
    assert!(
        answer(&|text| text.replacen("\"dnskey_ttl_s\": 3600", "\"dnskey_ttl_s\": 360000", 1))
            .contains("longer than a day")
    );
    assert!(answer(&|text| text.replacen("\"node\": \"a\"", "\"node\": \"a b\"", 1)).contains("a node's name has"));
    let until_s = serde_json::from_str::<Value>(&fs::read_to_string(home.path("request")).unwrap()).unwrap()["until_s"]
        .to_string();
    let moved = (until_s.parse::<u64>().unwrap() + 86_400 * 400).to_string();
    assert!(answer(&|text| text.replace(&until_s, &moved)).contains("400 days"));
    home.json("keys accept response --dir a");
}

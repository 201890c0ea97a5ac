//! A backup of the ledger under a signer that has gone on: the program serves it, changes nothing, and says so everywhere.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use super::child::{Demo, callbook};

const KEPT: &str = "+447700900710";
const LOST: &str = "+447700900711";

fn register(demo: &Demo, number: &str) -> Output {
    let provider = demo.dir().join("provider");
    let provider = provider.to_str().expect("UTF-8");
    demo.run(&["number", "register", number, "--sip", "sip:me@acme.example", "--provider", provider, "--json"])
}

fn registered(demo: &Demo, number: &str) {
    let out = register(demo, number);
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
}

fn found(demo: &Demo, number: &str) -> bool {
    let (found, _) = demo.lookup(number);
    assert_eq!(found["status"].as_str(), Some("secure"), "{found}");
    found["found"].as_bool().expect("yes or no")
}

fn restore(dir: &Path, ledger: &[u8]) {
    for rest in ["ledger.sqlite-wal", "ledger.sqlite-shm"] {
        let _ = fs::remove_file(dir.join("data").join(rest));
    }
    fs::write(dir.join("data/ledger.sqlite"), ledger).expect("writable");
}

fn check<'a>(health: &'a Value, name: &str) -> (bool, &'a str) {
    let checks = health["checks"].as_array().expect("a list");
    let check = checks.iter().find(|check| check["name"] == name).expect("a check of that name");
    (check["ok"].as_bool().expect("yes or no"), check["detail"].as_str().expect("a text"))
}

#[test]
fn an_old_backup_is_served_and_not_changed_until_the_newer_ledger_is_back() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let dir = home.path().join("demo");
    let ledger = || fs::read(dir.join("data/ledger.sqlite")).expect("the ledger");
    let demo = Demo::start_in(&dir, &[]);
    registered(&demo, KEPT);
    assert_eq!(demo.stop(), 0);
    let old = ledger();
    let demo = Demo::start_in(&dir, &[]);
    registered(&demo, LOST);
    assert_eq!(demo.stop(), 0);
    let new = ledger();

    restore(&dir, &old);
    let demo = Demo::start_in(&dir, &[]);
    assert!(found(&demo, KEPT) && found(&demo, demo.sample(3)), "DNS goes on with what there is");
    assert!(!found(&demo, LOST));
    let health = demo.http("GET", "/healthz", None, &[], None);
    assert_eq!(health.status, 503);
    let (ok, said) = check(&health.json, "log");
    assert!(!ok && said.contains("FROZEN") && said.contains("restore") && said.contains("era"), "{said}");
    assert!(check(&health.json, "dns").0, "{}", health.text);
    let refused = register(&demo, LOST);
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2));
    assert!(why.contains("look-ups go on"), "{why}");
    let body = json!({"about": "other", "text": "a test"}).to_string();
    let token = demo.fact("operator_token");
    let complaint = demo.http("POST", "/v1/complaints", Some(token), &[], Some(body.as_bytes()));
    complaint.expect_problem(503, "frozen");
    assert!(complaint.json["remedy"].as_str().is_some_and(|remedy| remedy.contains("era")), "{}", complaint.text);
    let doctor = callbook().args(["doctor", "--json", "--dir"]).arg(&dir).output().expect("the program runs");
    let findings = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert_eq!(doctor.status.code(), Some(1), "{findings}");
    assert!(findings.contains("FROZEN") && findings.contains("era"), "{findings}");
    let log = demo.stop_and_log();
    assert!(log.contains("FROZEN") && log.contains("restore"), "{log}");
    assert_eq!(ledger(), old, "nothing was written");

    restore(&dir, &new);
    let demo = Demo::start_in(&dir, &[]);
    assert!(found(&demo, KEPT) && found(&demo, LOST));
    registered(&demo, "+447700900712");
    assert_eq!(demo.http("GET", "/healthz", None, &[], None).status, 200);
    assert_eq!(demo.stop(), 0);
}

//! How a log ends, as an operator goes about it with the program: the next era is opened, or a lost ledger is brought back.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::child::{Demo, ran, text};

const NUMBER: &str = "+447700900998";

fn found(demo: &Demo, number: &str) -> bool {
    let (found, _) = demo.lookup(number);
    assert_eq!(found["status"], json!("secure"), "{found}");
    found["endpoints"].as_array().is_some_and(|endpoints| !endpoints.is_empty())
}

/// A batch is done when its changes are accepted; an epoch later they are seen.
fn appears(demo: &Demo, number: &str) {
    let began = Instant::now();
    while !found(demo, number) {
        assert!(began.elapsed() < Duration::from_secs(30), "{number} does not appear");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn the_next_era_is_opened() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let dir = home.path().join("demo");
    let demo = Demo::start_in(&dir, &[]);
    let sample = demo.sample(0).to_owned();
    assert!(found(&demo, &sample));
    assert_eq!(demo.stop(), 0);
    let open = ["log", "new-era", "--dir", text(&dir), "--json", "--reason"];
    let open = |reason: &str, exit| ran(&[&open[..], &[reason]].concat(), exit);
    let (_, why) = open("a test of the council", 2);
    assert!(why.contains("Set log.era"), "{why}");
    let config = dir.join("config.toml");
    let before = fs::read_to_string(&config).expect("readable");
    fs::write(&config, format!("{before}\n[log]\nera = 1\n")).expect("writable");
    assert!(open("  ", 2).1.contains("--reason"));
    let (opened, _) = open("a test of the council", 0);
    assert_eq!((&opened["era"], &opened["carried"], &opened["was_open"]), (&json!(1), &json!(20), &json!(false)));
    assert_eq!(open("again", 0).0["was_open"], json!(true));
    let (doctor, _) = ran(&["doctor", "--dir", text(&dir), "--json"], 1);
    let eras = doctor["findings"].as_array().and_then(|all| all.iter().find(|one| one["check"] == "eras")).cloned();
    let detail = eras.unwrap_or_default()["detail"].as_str().unwrap_or_default().to_owned();
    assert!(detail.contains("vrf.key have no use any more"), "{doctor}");

    let demo = Demo::start_in(&dir, &[]);
    assert!(found(&demo, &sample));
    let url = format!("http://{}", demo.fact("http"));
    let (_, said) = ran(&["log", "verify", &url], 0);
    assert!(said.contains("/map/1 goes on from the first"), "{said}");
    let provider = demo.dir().join("provider");
    let register =
        ["number", "register", NUMBER, "--sip", "sip:me@acme.example", "--json", "--provider", text(&provider)];
    ran(&register, 0);
    assert!(found(&demo, NUMBER));
    assert_eq!(demo.stop(), 0);
}

fn restore(dir: &Path, ledger: &[u8]) {
    fs::write(dir.join("data/ledger.sqlite"), ledger).expect("writable");
    for rest in ["ledger.sqlite-wal", "ledger.sqlite-shm", "served.image"] {
        let _ = fs::remove_file(dir.join("data").join(rest)); // not there after a clean stop
    }
}

#[test]
fn a_lost_ledger_comes_back_from_those_who_copied_it() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let [dir, auditor, kept, copy, batch] =
        ["demo", "auditor", "kept", "copy", "one.ndjson"].map(|name| home.path().join(name));
    let demo = Demo::start_in(&dir, &[]);
    let url = format!("http://{}", demo.fact("http"));
    let (made, _) = ran(&["auditor", "init", "--dir", text(&auditor), "--name", "auditor.example", "--json"], 0);
    let vkey = made["vkey"].as_str().expect("a key").to_owned();
    let token = demo.dir().join("operator.token");
    let admit =
        ["act", "ask", "auditor-admit", "--vkey", &vkey, "--clause", "9.3", "--reason", "first auditor", "--json"];
    ran(&[&admit[..], &["--api", &url, "--token-file", text(&token)]].concat(), 0);
    assert_eq!(demo.stop(), 0);
    let old = fs::read(dir.join("data/ledger.sqlite")).expect("a backup");
    // No epoch of its own comes between the mirror's visit and the loss.
    let config = dir.join("config.toml");
    let before = fs::read_to_string(&config).expect("readable");
    assert!(before.contains("heartbeat_s = 60"), "{before}");
    fs::write(&config, before.replace("heartbeat_s = 60", "heartbeat_s = 3600")).expect("writable");

    let demo = Demo::start_in(&dir, &[]);
    let url = format!("http://{}", demo.fact("http"));
    let provider = demo.dir().join("provider");
    let with_provider = |args: &[&str]| ran(&[args, &["--provider", text(&provider)]].concat(), 0).1;
    with_provider(&["number", "register", NUMBER, "--sip", "sip:me@acme.example", "--to-batch", text(&batch)]);
    with_provider(&["provider", "batch", text(&batch), "--wait"]);
    appears(&demo, NUMBER);
    ran(&["auditor", "run", "--dir", text(&auditor), "--api", &url, "--once", "--keep", text(&kept), "--json"], 0);
    ran(&["log", "mirror", &url, text(&copy), "--json"], 0);
    demo.kill();

    restore(&dir, &old);
    let refill = ["log", "refill", "--dir", text(&dir), "--mirror", text(&copy), "--json"];
    let (_, why) = ran(&refill, 2);
    assert!(why.contains("--batches"), "{why}");
    let (done, _) = ran(&[&refill[..], &["--batches", text(&kept)]].concat(), 0);
    assert_eq!(
        (&done["events"], &done["without_record"], &done["forgotten"]),
        (&json!(1), &json!(1), &json!(0)),
        "{done}"
    );

    let demo = Demo::start_in(&dir, &[]);
    assert!(found(&demo, demo.sample(0)) && !found(&demo, NUMBER));
    let provider = demo.dir().join("provider");
    ran(&["provider", "batch", text(&batch), "--wait", "--provider", text(&provider)], 0);
    assert!(found(&demo, NUMBER), "its provider sent it again");
    assert_eq!(demo.stop(), 0);
}

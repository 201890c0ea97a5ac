//! An auditor as a program, beside a directory that is one: admitted, run, seen by callers, alarmed, resumed.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use serde_json::{Value, json};

use super::child::Demo;

fn ran(demo: &Demo, args: &[&str], exit: i32) -> (Value, String) {
    let out = demo.run(args);
    let (text, why) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr).into_owned());
    assert_eq!(out.status.code(), Some(exit), "{args:?}: {text}{why}");
    (serde_json::from_str(&text).unwrap_or(Value::Null), why)
}

#[test]
fn an_auditor_is_admitted_replays_and_is_seen() {
    let demo = Demo::start();
    let api = format!("http://{}", demo.fact("http"));
    let dir = demo.dir().join("auditor");
    let at = dir.to_str().unwrap();
    let (made, _) = ran(&demo, &["auditor", "init", "--dir", at, "--name", "auditor.example", "--json"], 0);
    let vkey = made["vkey"].as_str().unwrap();
    ran(&demo, &["auditor", "init", "--dir", at, "--name", "auditor.example"], 2);
    let run = ["auditor", "run", "--dir", at, "--api", &api, "--once", "--json"];
    let (_, why) = ran(&demo, &run, 2);
    assert!(why.contains("admitted auditors"), "{why}");

    let token = demo.dir().join("operator.token").display().to_string();
    let admit = ["act", "ask", "auditor-admit", "--vkey", vkey, "--clause", "9.3", "--reason", "first auditor"];
    let (act, _) = ran(&demo, &[&admit[..], &["--api", &api, "--token-file", &token, "--json"]].concat(), 0);
    assert_eq!(act["state"], json!("done"), "{act}");
    let gov = demo.http("GET", "/v1/log", None, &[], None).json["logs"][0]["vkeys"][0].as_str().unwrap().to_owned();
    let (round, why) = ran(&demo, &[&run[..], &["--key", &gov]].concat(), 0);
    assert!(round["size"].as_u64() > Some(1) && round["events"].as_u64() > Some(0), "{round}");
    assert!(!why.contains("first use"), "{why}");
    let (status, _) = ran(&demo, &["auditor", "status", "--dir", at, "--json"], 0);
    assert_eq!((&status["size"], &status["vkey"], &status["alarm"]), (&round["size"], &json!(vkey), &Value::Null));
    callers_see_it(&demo, &api);

    // More events, and a run that goes on from there.
    let folder = demo.dir().join("provider");
    let register = ["number", "register", "+447700900998", "--sip", "sip:me@acme.example", "--provider"];
    ran(&demo, &[&register[..], &[folder.to_str().unwrap(), "--json"]].concat(), 0);
    let (next, _) = ran(&demo, &run, 0);
    assert!(next["events"] == json!(1) && next["size"].as_u64() > round["size"].as_u64(), "{next}");
    an_alarm_stops_it(&demo, &dir, &run);
}

fn callers_see_it(demo: &Demo, api: &str) {
    let trust = demo.dir().join("trust.json");
    std::fs::write(&trust, demo.http("GET", "/v1/log/trust", None, &[], None).json.to_string()).unwrap();
    let args =
        ["lookup", demo.sample(0), "--server", demo.fact("dns"), "--anchor", demo.fact("anchor_file"), "--prove"];
    let more = ["--api", api, "--trust", trust.to_str().unwrap()];
    let (found, why) = ran(demo, &[&args[..], &more, &["--json"]].concat(), 0);
    assert_eq!(found["proof"]["warnings"], json!(["young_control_key"]), "{found}{why}");
    assert!(found["proof"]["audited_at"].is_string(), "{found}");
    let out = demo.run(&[&args[..], &more].concat());
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.contains("audited") && !text.contains("unaudited"), "{text}");
}

/// The position is changed on the disk: the log then does not go on from what was replayed, which is two stories.
fn an_alarm_stops_it(demo: &Demo, dir: &Path, run: &[&str]) {
    let at = dir.to_str().unwrap();
    let conn = rusqlite::Connection::open(dir.join("auditor.sqlite")).unwrap();
    let good: Vec<u8> = conn.query_row("SELECT value FROM meta WHERE name = 'position'", [], |row| row.get(0)).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    let set = |value: &[u8]| conn.execute("UPDATE meta SET value = ?1 WHERE name = 'position'", [value]).unwrap();
    set(&bad);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/alarm", listener.local_addr().unwrap());
    let told = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut heard, mut part) = (Vec::new(), [0; 4096]);
        while !String::from_utf8_lossy(&heard).contains("checkpoint: root") {
            let n = stream.read(&mut part).unwrap();
            assert!(n > 0, "{}", String::from_utf8_lossy(&heard));
            heard.extend_from_slice(&part[..n]);
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    });
    let (alarm, why) = ran(demo, &[run, &["--webhook", &url]].concat(), 3);
    assert_eq!(alarm["rule"], json!("checkpoint: root"), "{alarm}");
    assert!(why.contains("ALARM") && why.contains("two stories"), "{why}");
    told.join().unwrap();

    set(&good);
    drop(conn);
    let (again, why) = ran(demo, run, 3);
    assert!(again["rule"] == alarm["rule"] && why.contains("auditor resume"), "it stands until somebody has looked");
    ran(demo, &["auditor", "status", "--dir", at, "--json"], 3);
    ran(demo, &["auditor", "resume", "--dir", at, "--json"], 0);
    ran(demo, &["auditor", "resume", "--dir", at, "--json"], 1);
    ran(demo, run, 0);
    let open = ["--webhook", "http://alarm.example/"];
    let (_, why) = ran(demo, &[run, &open].concat(), 2);
    assert!(why.contains("https"), "{why}");
}

//! Webhooks of the real program: delivered as things happen, verified by software that is not ours, over crashes.

use std::fs;
use std::process::Command;

use callbook::client::webhook::PublicKey;
use serde_json::{Value, json};

use super::kit::{Kit, now_s};
use crate::peers;
use crate::receiver::{Receiver, Reply};
use crate::source;
use crate::walk::child::{Answer, Demo};

fn keys(demo: &Demo) -> Vec<PublicKey> {
    let answer = demo.http("GET", "/v1/webhooks/keys", None, &[], None);
    let keys = answer.json["keys"].as_array().expect("keys").iter();
    keys.map(|key| key.as_str().expect("a text").parse().expect("a key")).collect()
}

fn ask(acme: &Kit<'_>, method: &str, path: &str, body: &Value) -> Answer {
    let body = (!body.is_null()).then(|| body.to_string());
    acme.demo.http(method, path, Some(&acme.token), &[], body.as_ref().map(|body| body.as_bytes()))
}

fn add(acme: &Kit<'_>, receiver: &Receiver) -> String {
    let made = ask(acme, "POST", "/v1/webhooks", &json!({ "url": receiver.url() }));
    assert_eq!((made.status, &made.json["state"]), (201, &json!("active")), "{}", made.json);
    made.json["id"].as_str().expect("an id").to_owned()
}

/// A real delivery, judged by our program and by Python with the lines of the reference.
#[test]
fn a_delivery_is_verified_by_software_that_is_not_ours() {
    let (demo, receiver) = (Demo::start(), Receiver::start());
    let acme = Kit::acme(&demo);
    add(&acme, &receiver);
    acme.registered("+99955520");
    let got = receiver.wait_until(|got| !got.is_empty()).remove(0);
    let message = got.verified(&keys(&demo), now_s()).expect("signed");
    assert_eq!((&message.data["number"], &message.data["kind"]), (&json!("+99955520"), &json!("create")));
    let feed = ask(&acme, "GET", "/v1/changes?cursor=now", &Value::Null);
    assert_eq!(feed.json["next_cursor"], message.data["cursor"]);
    let [head, body, other] = ["head", "body", "other"].map(|name| demo.dir().join(name).display().to_string());
    fs::write(&head, &got.headers).expect("writable");
    fs::write(&body, &got.body).expect("writable");
    fs::write(&other, [&got.body[..], b" "].concat()).expect("writable");
    let api = format!("http://{}", demo.fact("http"));
    let key = keys(&demo)[0].to_string();
    for (file, by, exit) in [(&body, ["--api", &api], 0), (&body, ["--key", &key], 0), (&other, ["--key", &key], 1)] {
        let out = demo.run(&[&["webhook", "verify", file, "--headers", &head, "--json"], &by[..]].concat());
        let said: Value = serde_json::from_slice(&out.stdout).expect("JSON");
        assert_eq!((out.status.code(), &said["verified"]), (Some(exit), &json!(exit == 0)), "{said}");
    }
    let Some(python) = peers::python_with("cryptography") else { return };
    let page = source::read(&source::root().join("docs/reference/api.md"));
    let lines = page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).expect("lines of Python");
    let main = "import sys\nkeys, head, body = sys.argv[1].split(), open(sys.argv[2]).read(), open(sys.argv[3], 'rb').read()\n\
                headers = {n.lower(): v.strip() for n, v in (l.split(':', 1) for l in head.splitlines())}\n\
                print(verify(keys, headers, body)['data']['number'])\n";
    let script = demo.dir().join("verify.py");
    fs::write(&script, format!("{lines}{main}")).expect("writable");
    let judge =
        |key: &str, body: &str| Command::new(&python).arg(&script).args([key, &head, body]).output().expect("it runs");
    let good = judge(&key, &body);
    assert_eq!(String::from_utf8_lossy(&good.stdout).trim(), "+99955520", "{}", String::from_utf8_lossy(&good.stderr));
    let stranger = "whpk_6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=";
    for (key, body) in [(key.as_str(), &other), (stranger, &body)] {
        let bad = judge(key, body);
        assert!(!bad.status.success() && bad.stdout.is_empty(), "{}", String::from_utf8_lossy(&bad.stdout));
    }
}

/// Endpoints that never answer, as many as an owner may have at work, and one that does.
#[test]
fn one_that_stalls_holds_up_nobody_else() {
    let demo = Demo::start();
    let acme = Kit::acme(&demo);
    let stalling: Vec<Receiver> = (0..3).map(|_| Receiver::start()).collect();
    for receiver in &stalling {
        receiver.answer(|_, _| Reply::Stall);
        add(&acme, receiver);
    }
    let steady = Receiver::start();
    add(&acme, &steady);
    for n in 0..5 {
        acme.registered(&format!("+9995553{n}"));
    }
    let got = steady.wait_until(|got| got.len() == 5);
    let numbers: Vec<Value> = got.iter().map(|got| got.json()["data"]["number"].clone()).collect();
    assert_eq!(numbers, (0..5).map(|n| json!(format!("+9995553{n}"))).collect::<Vec<_>>());
    for receiver in &stalling {
        let got = receiver.wait_until(|got| !got.is_empty());
        let first = got[0].header("webhook-id");
        assert!(got.iter().all(|got| got.header("webhook-id") == first), "nothing that is behind it");
    }
}

/// Killed while deliveries fail: the next process goes on, and every change comes at least once and in order.
#[test]
fn a_crash_loses_nothing() {
    let home = tempfile::tempdir().expect("a folder");
    let (dir, receiver) = (home.path().join("demo"), Receiver::start());
    let demo = Demo::start_in(&dir, &[]);
    let acme = Kit::acme(&demo);
    add(&acme, &receiver);
    receiver.answer(|_, nth| if nth < 2 { Reply::Status(204, "") } else { Reply::Status(503, "Retry-After: 1\r\n") });
    for n in 0..4 {
        acme.registered(&format!("+9995554{n}"));
    }
    receiver.wait_until(|got| got.len() >= 4);
    demo.kill();
    let demo = Demo::start_in(&dir, &[]);
    receiver.answer(|_, _| Reply::Status(204, ""));
    Kit::acme(&demo).registered("+99955544");
    let all: Vec<String> = (0..5).map(|n| format!("+9995554{n}")).collect();
    let got = receiver.wait_until(|got| got.last().is_some_and(|last| last.json()["data"]["number"] == json!(all[4])));
    let mut came: Vec<String> = Vec::new();
    for got in &got {
        assert!(got.verified(&keys(&demo), now_s()).is_ok());
        let number = got.json()["data"]["number"].as_str().expect("a number").to_owned();
        if !came.contains(&number) {
            came.push(number);
        }
    }
    assert_eq!(came, all);
    let metrics = demo.http("GET", "/metrics", None, &[], None).text;
    assert!(metrics.contains("callbook_webhooks{state=\"active\"} 1"), "{metrics}");
    assert!(metrics.contains("callbook_webhook_deliveries_total{outcome=\"taken\"}"), "{metrics}");
}

#[test]
fn mistakes_are_told_with_their_place() {
    let (demo, receiver) = (Demo::start(), Receiver::start());
    let acme = Kit::acme(&demo);
    let wrong =
        json!({ "url": "https://10.0.0.1/", "kinds": ["create", "born", "create"], "description": "x".repeat(201) });
    let answer = ask(&acme, "POST", "/v1/webhooks", &wrong);
    let places = ["/kinds/1", "/kinds/2", "/description", "/url"];
    assert_eq!(answer.expect_problem(400, "invalid_request").pointers(), places);
    for (url, code) in [
        ("https://user:pass@hooks.example.net/", "url_with_user"),
        ("gopher://hooks.example.net/", "url_not_https"),
        ("https://hooks.example.net:25/", "url_port"),
        ("https://[::ffff:10.0.0.1]/", "url_not_public"),
        ("http://169.254.169.254/latest/meta-data/", "url_not_public"),
        ("hooks", "bad_url"),
    ] {
        let answer = ask(&acme, "POST", "/v1/webhooks", &json!({ "url": url }));
        let error = &answer.expect_problem(400, "invalid_request").json["errors"][0];
        assert_eq!((&error["code"], &error["pointer"]), (&json!(code), &json!("/url")), "{url}");
        assert!(error["remedy"].as_str().is_some_and(|text| text.len() > 20), "{error}");
    }
    let path = format!("/v1/webhooks/{}", add(&acme, &receiver));
    let answer = ask(&acme, "PATCH", &path, &json!({ "state": "dead", "url": "https://10.0.0.1/" }));
    assert_eq!(answer.expect_problem(400, "invalid_request").pointers(), ["/state", "/url"]);
    ask(&acme, "POST", &format!("{path}/redelivery"), &json!({ "cursor": "!" })).expect_problem(400, "invalid_request");
    let ahead = json!({ "cursor": "AAAAAAAAD__" });
    ask(&acme, "POST", &format!("{path}/redelivery"), &ahead).expect_problem(400, "invalid_request");
    let ahead = json!({ "cursor": "AAAAAAAA__8" });
    ask(&acme, "POST", &format!("{path}/redelivery"), &ahead).expect_problem(410, "cursor_gone");
    assert_eq!(ask(&acme, "POST", &format!("{path}/test"), &Value::Null).status, 200);
    // The same 404 for what is another's and what is nobody's, before anything else.
    let operator = demo.fact("operator_token");
    let stranger = |method: &str, path: &str, body: &Value| {
        let body = (!body.is_null()).then(|| body.to_string());
        let answer = demo.http(method, path, Some(operator), &[], body.as_ref().map(|body| body.as_bytes()));
        answer.expect_problem(404, "not_found");
        super::kit::anonymous(&answer)
    };
    for (method, below, body) in [
        ("GET", "", Value::Null),
        ("PATCH", "", json!({ "state": "dead" })),
        ("DELETE", "", Value::Null),
        ("POST", "/test", Value::Null),
        ("POST", "/redelivery", ahead),
        ("GET", "/deliveries", Value::Null),
    ] {
        let theirs = stranger(method, &format!("{path}{below}"), &body);
        assert_eq!(theirs, stranger(method, &format!("/v1/webhooks/nobody{below}"), &body), "{method} {below}");
    }
}

#[test]
fn a_provider_looks_after_its_webhooks_by_command() {
    let (demo, receiver) = (Demo::start(), Receiver::start());
    let (token, api) = (demo.dir().join("provider/token"), format!("http://{}", demo.fact("http")));
    let token = token.display().to_string();
    let run = |args: &[&str], exit: i32| -> Value {
        let all = [&["provider", "webhook"], args, &["--json", "--api", &api, "--token-file", &token]].concat();
        let out = demo.run(&all);
        assert_eq!(out.status.code(), Some(exit), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).unwrap_or(Value::Null)
    };
    run(&["add", "https://10.0.0.1/"], 2);
    let made = run(&["add", &receiver.url(), "--kind", "release", "--description", "ours"], 0);
    let id = made["id"].as_str().expect("an id");
    assert_eq!((&made["kinds"], &made["description"]), (&json!(["release"]), &json!("ours")));
    assert_eq!(run(&["list"], 0)["webhooks"][0]["id"], json!(id));
    assert_eq!(run(&["test", id], 0)["status"], json!(204));
    run(&["set", id], 2);
    let set = run(&["set", id, "--state", "paused", "--all-kinds"], 0);
    assert_eq!((&set["state"], &set["kinds"]), (&json!("paused"), &json!([])), "{set}");
    Kit::acme(&demo).registered("+99955550");
    assert_eq!(run(&["show", id], 0)["lag"], json!(1));
    run(&["set", id, "--state", "active"], 0);
    receiver.wait_until(|got| got.len() == 2);
    // Everything that is kept: the demo's twenty samples, and the number of here.
    run(&["redeliver", id], 0);
    let got = receiver.wait_until(|got| got.len() == 2 + 21);
    assert_eq!(got.last().map(|last| &last.body), Some(&got[1].body), "the newest is the one that came before");
    let shown = run(&["show", id], 0);
    assert!(shown["deliveries"].as_array().is_some_and(|all| all.len() >= 2), "{shown}");
    run(&["remove", id], 0);
    run(&["remove", id], 2);
    receiver.answer(|_, _| Reply::Status(500, ""));
    let made = run(&["add", &receiver.url()], 0);
    assert_eq!(run(&["test", made["id"].as_str().expect("an id")], 1)["taken"], json!(false));
}

/// The operator's key changes with the service at rest; both sign until the change is ended.
#[test]
fn the_key_is_changed_by_command() {
    let home = tempfile::tempdir().expect("a folder");
    let dir = home.path().join("demo");
    let demo = Demo::start_in(&dir, &[]);
    let before = keys(&demo);
    let rotate = |demo: &Demo, more: &[&str], exit: i32| {
        let out = demo.run(&[&["webhook", "rotate", "--dir", &dir.display().to_string()], more].concat());
        assert_eq!(out.status.code(), Some(exit), "{}", String::from_utf8_lossy(&out.stderr));
    };
    rotate(&demo, &["--finish"], 1);
    rotate(&demo, &[], 0);
    rotate(&demo, &[], 1);
    assert_eq!(demo.stop(), 0);
    let demo = Demo::start_in(&dir, &[]);
    let both = keys(&demo);
    assert_eq!((both.len(), &both[1]), (2, &before[0]));
    rotate(&demo, &["--finish"], 0);
    assert_eq!(demo.stop(), 0);
    assert_eq!(keys(&Demo::start_in(&dir, &[])), both[..1]);
}

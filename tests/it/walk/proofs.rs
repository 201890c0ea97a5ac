//! `lookup --prove` with the real program: the log says the same as DNS, or nothing is handed on.

use std::process::Output;

use serde_json::{Value, json};

use super::child::Demo;

fn prove(dns: &Demo, log: &Demo, number: &str, more: &[&str]) -> (Value, i32, String) {
    let api = format!("http://{}", log.fact("http"));
    let (server, anchor) = (dns.fact("dns"), dns.fact("anchor_file"));
    let args = ["lookup", number, "--server", server, "--anchor", anchor, "--prove", "--api", &api, "--json"];
    let Output { status, stdout, stderr } = dns.run(&[&args, more].concat());
    let json = serde_json::from_slice(&stdout).unwrap_or(Value::Null);
    (json, status.code().unwrap_or(-1), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn dns_and_log_say_the_same() {
    let demo = Demo::start();
    let trust = demo.dir().join("trust.json");
    let shown = demo.http("GET", "/v1/log/trust", None, &[], None);
    std::fs::write(&trust, shown.json.to_string()).unwrap();
    let trust = trust.to_str().unwrap();
    for more in [&["--trust", trust][..], &[]] {
        let (found, exit, why) = prove(&demo, &demo, demo.sample(2), more);
        assert_eq!((found["status"].as_str(), exit), (Some("secure"), 0), "{found}{why}");
        assert_eq!(found["proof"]["standing"], json!("active"), "{found}");
        assert_eq!(found["proof"]["warnings"], json!(["unaudited"]), "nobody has audited a demo");
        assert_eq!(found["proof"]["trust_on_first_use"], json!(more.is_empty()));
        assert!(found["keys"].as_array().is_some_and(|keys| keys.len() == 2), "{found}");
        let (absent, exit, why) = prove(&demo, &demo, "+447700900998", more);
        assert_eq!((absent["status"].as_str(), exit), (Some("secure"), 1), "{absent}{why}");
        assert_eq!(absent["proof"]["standing"], json!("absent"));
    }
    let text = demo.run(&[
        "lookup",
        demo.sample(0),
        "--server",
        demo.fact("dns"),
        "--anchor",
        demo.fact("anchor_file"),
        "--prove",
        "--api",
        &format!("http://{}", demo.fact("http")),
    ]);
    let text = String::from_utf8(text.stdout).unwrap();
    for said in ["proved     active in epoch", "demo.example/map/", "unaudited", "--trust FILE"] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

/// A directory that tells DNS one thing and the log another; here they are two directories under one name.
#[test]
fn a_directory_with_two_faces_is_caught() {
    let (one, other) = (Demo::start(), Demo::start());
    let (found, exit, why) = prove(&one, &other, one.sample(2), &[]);
    assert_eq!((found["status"].as_str(), exit), (Some("bogus"), 3), "{found}{why}");
    assert!(found["why"].as_str().is_some_and(|why| why.contains("two faces")), "{found}");
    assert_eq!((&found["keys"], &found["endpoints"], &found["found"]), (&json!([]), &json!([]), &json!(false)));

    let trust = one.dir().join("trust.json");
    std::fs::write(&trust, one.http("GET", "/v1/log/trust", None, &[], None).json.to_string()).unwrap();
    let (found, exit, _) = prove(&one, &other, one.sample(2), &["--trust", trust.to_str().unwrap()]);
    assert_eq!((found["status"].as_str(), exit), (Some("bogus"), 3), "another log's key: {found}");
    assert!(found["why"].as_str().is_some_and(|why| why.contains("proof does not hold")), "{found}");
}

#[test]
fn mistakes_teach() {
    let demo = Demo::start();
    let (server, anchor) = (demo.fact("dns"), demo.fact("anchor_file"));
    let lookup = |more: &[&str]| {
        let out = demo.run(&[&["lookup", demo.sample(0), "--server", server, "--anchor", anchor], more].concat());
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let (exit, why) = lookup(&["--prove"]);
    assert!(exit == Some(2) && why.contains("--api"), "{why}");
    let (exit, why) = lookup(&["--prove", "--api", "http://127.0.0.1:1"]);
    assert!(exit == Some(2) && why.contains("cannot be reached"), "{why}");
    let api = format!("http://{}", demo.fact("http"));
    let bad = demo.dir().join("bad.json");
    for (text, says) in [("", "bad.json"), ("{}", "missing field"), ("nonsense", "bad.json")] {
        std::fs::write(&bad, text).unwrap();
        let (exit, why) = lookup(&["--prove", "--api", &api, "--trust", bad.to_str().unwrap()]);
        assert!(exit == Some(2) && why.contains(says), "{why}");
    }
    let mut trust = demo.http("GET", "/v1/log/trust", None, &[], None).json;
    trust["quorum"] = json!(2);
    std::fs::write(&bad, trust.to_string()).unwrap();
    let (exit, why) = lookup(&["--prove", "--api", &api, "--trust", bad.to_str().unwrap()]);
    assert!(exit == Some(2) && why.contains("more witnesses than there are"), "{why}");
}

#[test]
fn every_answer_has_the_same_size() {
    let demo = Demo::start();
    let size = |number: &str| {
        let body = json!({"number": number}).to_string();
        let answer = demo.http("POST", "/v1/proofs", None, &[], Some(body.as_bytes()));
        assert_eq!(answer.status, 200);
        answer.text.len()
    };
    assert_eq!(size(demo.sample(0)) % 8192, 0);
    assert_eq!(size(demo.sample(0)), size("+447700900997"));
}

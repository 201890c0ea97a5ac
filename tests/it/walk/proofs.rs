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
        assert_eq!(found["proof"]["warnings"], json!(["unaudited", "young_control_key"]), "{found}");
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
    what_it_signed_proves_it(&one, &other);

    let trust = one.dir().join("trust.json");
    std::fs::write(&trust, one.http("GET", "/v1/log/trust", None, &[], None).json.to_string()).unwrap();
    let (found, exit, _) = prove(&one, &other, one.sample(2), &["--trust", trust.to_str().unwrap()]);
    assert_eq!((found["status"].as_str(), exit), (Some("bogus"), 3), "another log's key: {found}");
    assert!(found["why"].as_str().is_some_and(|why| why.contains("proof does not hold")), "{found}");
}

/// The record that DNS signed and the proof that the log signed are kept, and prove it to whoever has the keys.
fn what_it_signed_proves_it(one: &Demo, other: &Demo) {
    let folder = one.dir().join("evidence");
    let (found, exit, _) = prove(one, other, one.sample(2), &["--evidence", folder.to_str().unwrap()]);
    let file = found["evidence"].as_str().unwrap_or_else(|| panic!("{found}")).to_owned();
    assert_eq!(exit, 3);
    let trust = |demo: &Demo| {
        let path = demo.dir().join("trust-of-log.json");
        std::fs::write(&path, demo.http("GET", "/v1/log/trust", None, &[], None).json.to_string()).unwrap();
        path.display().to_string()
    };
    let explain = |file: &str, more: &[&str]| {
        let ran = one.run(&[&["log", "evidence", file, "--json"], more].concat());
        (serde_json::from_slice::<Value>(&ran.stdout).unwrap(), ran.status.code())
    };
    let anchors = [one.fact("anchor_file"), other.fact("anchor_file")];
    let (alone, exit) = explain(&file, &[]);
    assert_eq!((&alone["verdict"], &alone["kind"], exit), (&json!("proved"), &json!("names"), Some(0)), "{alone}");
    assert!(alone["contradiction"].as_str().is_some_and(|told| told.contains("two faces")), "{alone}");
    let told = alone["not_proved"].to_string();
    assert!(told.contains("--trust") && told.contains("--anchor"), "{told}");
    let (sure, exit) = explain(&file, &["--trust", &trust(other), "--anchor", anchors[0]]);
    assert_eq!((&sure["verdict"], exit), (&json!("proved"), Some(0)), "{sure}");
    assert!(!sure["not_proved"].to_string().contains("--"), "{sure}");
    for (more, why) in [(["--trust", &trust(one)], "another key"), (["--anchor", anchors[1]], "trust anchor")] {
        let (none, exit) = explain(&file, &more);
        assert_eq!((&none["verdict"], exit), (&json!("nothing"), Some(3)), "{none}");
        assert!(none["why"].as_str().is_some_and(|told| told.contains(why)), "{none}");
    }
    every_byte_counts(&file);
}

/// One changed bit in any byte: it proves nothing, or the same.
fn every_byte_counts(file: &str) {
    use callbook::client::evidence::explain;
    use callbook::log::misbehaviour::Misbehaviour;
    let mut bytes = std::fs::read(file).unwrap();
    let explained = |bytes: &[u8]| {
        let read = Misbehaviour::parse(std::str::from_utf8(bytes).ok()?).ok()?;
        explain(&read, None, None).ok()
    };
    let whole = explained(&bytes).unwrap();
    for at in 0..bytes.len() {
        let bit = 1 << (at % 7);
        bytes[at] ^= bit;
        if let Some(changed) = explained(&bytes) {
            assert_eq!(
                (&changed.signed, &changed.contradiction, &changed.vkey),
                (&whole.signed, &whole.contradiction, &whole.vkey),
                "{at}"
            );
        }
        bytes[at] ^= bit;
    }
}

/// What a caller remembers: the log only grows, and a contact's keys do not change untold.
#[test]
fn what_was_seen_is_remembered() {
    let demo = Demo::start();
    let pins = demo.dir().join("pins.json");
    let again = || prove(&demo, &demo, demo.sample(1), &["--pins", pins.to_str().unwrap()]);
    let remembered = || serde_json::from_slice::<Value>(&std::fs::read(&pins).unwrap()).unwrap();
    let remember = |change: &dyn Fn(&mut Value)| {
        let mut value = remembered();
        change(&mut value);
        std::fs::write(&pins, value.to_string()).unwrap();
    };
    let origin = "demo.example/map/0";
    let (found, exit, why) = again();
    assert_eq!((found["proof"]["log"].as_str(), exit), (Some(origin), 0), "{found}{why}");
    assert_eq!(found["proof"]["warnings"], json!(["unaudited", "young_control_key"]), "{found}");
    let first = remembered();
    let folder = demo.dir().join("provider");
    let folder = folder.to_str().unwrap();
    for uri in ["sip:a@acme.example", "sip:b@acme.example"] {
        let made = demo.run(&["number", "register", demo.sample(1), "--sip", uri, "--provider", folder]);
        assert!(made.status.success());
    }
    let (found, exit, why) = again();
    assert_eq!(exit, 0, "the log has grown, and continues the one that was seen: {found}{why}");
    assert_eq!(found["proof"]["warnings"], json!(["unaudited", "young_control_key"]), "an address is no key: {found}");
    let size = |pins: &Value| pins["logs"][origin]["size"].as_u64().unwrap();
    assert!(size(&remembered()) > size(&first));

    let contact = demo.sample(1).to_owned();
    remember(&|pins| pins["contacts"][&contact] = json!({"control": "AAAA", "identity": ["00"]}));
    let (found, exit, _) = again();
    let told = json!(["unaudited", "young_control_key", "control_key_changed", "identity_key_changed"]);
    assert_eq!((&found["proof"]["warnings"], exit), (&told, 0), "{found}");
    assert_eq!(again().0["proof"]["warnings"].as_array().map(Vec::len), Some(2), "told once");

    let newest = remembered();
    remember(&|pins| pins["logs"][origin]["size"] = json!(size(&newest) + 1000));
    let (found, exit, _) = again();
    assert_eq!((found["status"].as_str(), exit), (Some("bogus"), 3), "{found}");
    assert!(found["why"].as_str().is_some_and(|why| why.contains("older than the last one seen")), "{found}");
    std::fs::write(&pins, first.to_string()).unwrap();
    remember(&|pins| pins["logs"][origin]["root"] = newest["logs"][origin]["root"].clone());
    let (found, exit, _) = again();
    assert_eq!((found["status"].as_str(), exit), (Some("bogus"), 3), "{found}");
    assert!(found["why"].as_str().is_some_and(|why| why.contains("fork of the last one seen")), "{found}");
    assert_eq!((&found["keys"], &found["endpoints"]), (&json!([]), &json!([])));

    std::fs::write(&pins, "{\"logs\": 1}").unwrap();
    let (_, exit, why) = again();
    assert!(exit == 2 && why.contains("pins.json is no file of pins"), "{why}");
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

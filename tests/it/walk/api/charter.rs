//! The charter over HTTP and by the program: what is in force, drafts, announcements.

use std::fs;

use serde_json::{Value, json};

use crate::walk::child::Demo;

const CONTENT: (&str, &str) = ("content-type", "application/json");

#[test]
fn versions_are_announced_and_a_draft_counts_for_nothing() {
    let demo = Demo::start();
    let now = demo.http("GET", "/v1/charter", None, &[], None).json;
    assert_eq!((now["version"].as_u64(), &now["announced"]), (Some(1), &json!([])), "{now}");
    assert!(now["numbering"].as_str().is_some_and(|edition| edition.starts_with("libphonenumber")), "{now}");
    mistakes_teach(&demo, &now);
    by_the_program(&demo);
}

fn mistakes_teach(demo: &Demo, now: &Value) {
    let operator = Some(demo.fact("operator_token"));
    let post =
        |token, body: &Value| demo.http("POST", "/v1/charter", token, &[CONTENT], Some(body.to_string().as_bytes()));
    let why = |mut body: Value| {
        (body["clause"], body["reason"]) = (json!("10.1"), json!("a trial"));
        body
    };
    let same = why(json!({"charter_md": now["charter_md"], "policy_toml": now["policy_toml"]}));
    post(None, &same).expect_problem(401, "unauthorized");
    post(Some(demo.fact("token")), &same).expect_problem(403, "operator_only");
    post(operator, &same).expect_problem(409, "conflict");
    let act = json!({"kind": "charter", "clause": "10.1", "reason": "without a text"});
    let no = demo.http("POST", "/v1/acts", operator, &[CONTENT], Some(act.to_string().as_bytes()));
    no.expect_problem(400, "invalid_request");
    assert!(no.json["errors"][0]["detail"].as_str().is_some_and(|text| text.contains("/v1/charter")), "{}", no.json);
    let bad = json!({
        "clause": "99.9",
        "reason": "",
        "charter_md": "# no clauses",
        "policy_toml": "format = 1\n[parameters]\nrenew_window_d = { article = \"5.2\", value = 99 }\nlapse = 1\n",
        "effective_from": "tomorrow",
    });
    let answer = post(operator, &bad);
    answer.expect_problem(400, "invalid_request");
    let mut places = answer.pointers();
    places.dedup();
    assert_eq!(places, ["/clause", "/reason", "/policy_toml", "/charter_md", "/effective_from"], "{}", answer.json);
    let first = &answer.json["errors"][2];
    assert_eq!(
        (first["clause"].as_str(), first["parameter"].as_str()),
        (Some("5.2"), Some("renew_window_d")),
        "{first}"
    );
    let changed = now["policy_toml"].as_str().expect("text").replace("value = 14 }", "value = 13 }");
    let early =
        why(json!({"charter_md": now["charter_md"], "policy_toml": changed, "effective_from": "2026-01-01T00:00:00Z"}));
    let refused = post(operator, &early);
    refused.expect_problem(422, "charter_notice");
    assert_eq!(
        (refused.json["clause"].as_str(), refused.json["parameter"].as_str()),
        (Some("10.1"), Some("charter_notice_d"))
    );
}

fn by_the_program(demo: &Demo) {
    let dir = demo.dir().to_str().expect("UTF-8").to_owned();
    let api = format!("http://{}", demo.fact("http"));
    let run = |args: &[&str], exit: i32| -> Value {
        let out = demo.run(args);
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        assert_eq!(out.status.code(), Some(exit), "{args:?}: {said}{}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"))
    };
    let same = run(&["charter", "diff", "--dir", &dir, "--json"], 0);
    assert_eq!((same["same"].as_bool(), same["registrations"].as_u64()), (Some(true), Some(20)), "{same}");

    let policy = demo.dir().join("charter/policy.toml");
    let draft = fs::read_to_string(&policy).expect("it is there").replace("\"+447700900\"", "\"+447700901\"");
    fs::write(&policy, draft).expect("written");
    let diff = run(&["charter", "diff", "--dir", &dir, "--json"], 1);
    assert_eq!(diff["differences"].as_array().map(Vec::len), Some(2), "one range goes, another comes: {diff}");
    let touched = diff["affected"].as_u64().expect("a count");
    assert!(touched > 0 && diff["by_provider"]["acme"].as_u64() == Some(touched), "{diff}");
    assert_eq!(diff["by_reason"][0]["code"].as_str(), Some("number_not_served"), "{diff}");
    let token = demo.dir().join("operator.token");
    let token = token.to_str().expect("UTF-8");
    let ben = second_person(demo, &api, token);
    let reach = ["--api", &api, "--json", "--token-file"];
    let ask = ["charter", "announce", "--dir", &dir, "--reason", "another range"];
    let act = run(&[&ask[..], &reach, &[token]].concat(), 0);
    assert_eq!((act["kind"].as_str(), act["state"].as_str()), (Some("charter"), Some("open")), "{act}");
    let id = act["id"].as_str().expect("an id");
    let own = demo.run(&[&["act", "approve", id][..], &reach, &[token]].concat());
    assert!(String::from_utf8_lossy(&own.stderr).contains("act_own"), "{own:?}");
    let shown = run(&["charter", "show", "--api", &api, "--json"], 0);
    assert_eq!(shown["announced"], json!([]), "one person announces nothing: {shown}");
    let seen = run(&[&["act", "show", id][..], &reach, &[&ben]].concat(), 0);
    assert_eq!(seen["charter"]["touched"]["affected"].as_u64(), Some(touched), "{seen}");
    let named = |of: &Value| -> Vec<Value> {
        of["differences"].as_array().into_iter().flatten().map(|one| one["parameter"].clone()).collect()
    };
    assert_eq!(named(&seen["charter"]), named(&diff), "what the draft's author saw");
    let told = demo.run(&["act", "show", id, "--api", &api, "--token-file", &ben]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("served +447700901") && told.contains("of provider acme"), "{told}");
    let done = run(&[&["act", "approve", id][..], &reach, &[&ben]].concat(), 0);
    assert_eq!(done["state"].as_str(), Some("done"), "{done}");
    let shown = run(&["charter", "show", "--api", &api, "--json"], 0);
    assert_eq!((shown["version"].as_u64(), shown["announced"][0]["version"].as_u64()), (Some(1), Some(2)), "{shown}");
    // A draft counts for nothing until its date.
    let sample = demo.sample(0);
    let prepared = demo.http("POST", &format!("/v1/numbers/{sample}/prepare"), Some(demo.fact("token")), &[], None);
    assert_eq!(prepared.status, 200, "{}", prepared.json);
    let well = run(&["doctor", "--dir", &dir, "--json"], 0);
    let said = well["findings"].as_array().into_iter().flatten().find(|one| one["check"] == "charter");
    assert!(said.is_some_and(|one| one["detail"].as_str().is_some_and(|text| text.contains("charter diff"))), "{well}");
}

/// A colleague of the first admin, with a token of his own: its file.
fn second_person(demo: &Demo, api: &str, token: &str) -> String {
    let file = |name: &str| demo.dir().join(name).to_str().expect("UTF-8").to_owned();
    let done = |args: &[&str]| -> Value {
        let out = demo.run(args);
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).expect("JSON")
    };
    let reach = ["--api", api, "--json", "--token-file", token];
    done(&["staff", "keygen", &file("ada.key"), "--json"]);
    done(&[&["staff", "key", &file("ada.key")][..], &reach].concat());
    let key = done(&["staff", "keygen", &file("ben.key"), "--json"]);
    let key = key["public_key"].as_str().expect("a key");
    let joins =
        ["act", "ask", "staff-add", "--person", "ben", "--role", "officer", "--clause", "11.1", "--reason", "joins"];
    done(&[&joins[..], &["--public-key", key], &reach].concat());
    done(&["staff", "token", "ben", "--key", &file("ben.key"), "--out", &file("ben.token"), "--api", api, "--json"]);
    file("ben.token")
}

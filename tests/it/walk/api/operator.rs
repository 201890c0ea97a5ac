//! The operator's house through the real program: people with roles, two persons' acts by command, numbers withheld and given back.

use std::path::PathBuf;

use callbook::number::Number;
use serde_json::{Value, json};

use super::kit::Kit;
use crate::walk::child::Demo;

const ROLES: [&str; 4] = ["viewer", "auditor", "officer", "admin"];

/// From which role on a route of the operator is open; the walk below goes through every route that there is.
const ROUTES: [(&str, &str); 44] = [
    ("POST /v1/providers", "officer"),
    ("PATCH /v1/providers/{id}", "officer"),
    ("GET /v1/providers/{id}/tokens", "viewer"),
    ("POST /v1/providers/{id}/tokens", "officer"),
    ("POST /v1/providers/{id}/appeal", "officer"),
    ("DELETE /v1/tokens/{id}", "officer"),
    ("GET /v1/audits/{id}/evidence", "auditor"),
    ("GET /v1/audits/{id}/revalidations", "auditor"),
    ("POST /v1/audits/{id}/revalidations", "auditor"),
    ("POST /v1/audits/{id}/finding", "auditor"),
    ("GET /v1/audits/{id}/items", "auditor"),
    ("GET /v1/audits/{id}/findings", "auditor"),
    ("POST /v1/audits/{id}/close", "auditor"),
    ("POST /v1/audits/{id}/draw", "auditor"),
    ("POST /v1/audits/{id}/sanctions", "officer"),
    ("POST /v1/audits/{id}/publication", "auditor"),
    ("GET /v1/complaints", "auditor"),
    ("GET /v1/complaints/{id}", "auditor"),
    ("PATCH /v1/complaints/{id}", "officer"),
    ("GET /v1/acts", "viewer"),
    ("POST /v1/acts", "officer"),
    ("GET /v1/acts/{id}", "viewer"),
    ("DELETE /v1/acts/{id}", "officer"),
    ("POST /v1/acts/{id}/approval", "officer"),
    ("GET /v1/acts/{id}/charter", "viewer"),
    ("GET /v1/acts/{id}/events", "officer"),
    ("POST /v1/acts/{id}/events", "officer"),
    ("GET /v1/staff", "viewer"),
    ("PUT /v1/staff/key", "viewer"),
    ("POST /v1/staff/link", "viewer"),
    ("GET /v1/lost-keys", "viewer"),
    ("GET /v1/bulk-doors", "viewer"),
    ("GET /v1/lost-keys/{id}/numbers", "auditor"),
    ("GET /v1/webhooks", "viewer"),
    ("POST /v1/webhooks", "officer"),
    ("GET /v1/webhooks/health", "viewer"),
    ("GET /v1/webhooks/{id}", "viewer"),
    ("PATCH /v1/webhooks/{id}", "officer"),
    ("DELETE /v1/webhooks/{id}", "officer"),
    ("POST /v1/webhooks/{id}/test", "officer"),
    ("POST /v1/webhooks/{id}/redelivery", "officer"),
    ("GET /v1/webhooks/{id}/deliveries", "viewer"),
    ("POST /v1/acts staff-end", "admin"),
    ("POST /v1/charter", "admin"),
];

/// The operator's people in a folder: each has a key and a token.
struct House {
    demo: Demo,
    dir: PathBuf,
    api: String,
}

impl House {
    fn open() -> Self {
        let demo = Demo::start();
        let dir = demo.dir().join("people");
        std::fs::create_dir(&dir).expect("a folder");
        let api = format!("http://{}", demo.fact("http"));
        let house = Self { demo, dir, api };
        std::fs::copy(house.demo.dir().join("operator.token"), house.file("admin", "token")).expect("the first token");
        let public = house.keygen("admin");
        let key = house.file("admin", "key").display().to_string();
        let set = house.by("admin", &["staff", "key", &key]);
        assert_eq!(set["staff"][0]["role"], json!("admin"), "{set}");
        let twice = house.keygen("spare");
        assert_ne!(twice, public);
        let spare = house.file("spare", "key").display().to_string();
        let refused = house.run("admin", &["staff", "key", &spare]);
        assert_eq!(refused.status.code(), Some(2), "a key is set once");
        house
    }

    fn file(&self, person: &str, what: &str) -> PathBuf {
        self.dir.join(format!("{person}.{what}"))
    }

    fn keygen(&self, person: &str) -> String {
        let file = self.file(person, "key").display().to_string();
        let made = self.demo.run(&["staff", "keygen", &file, "--json"]);
        let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
        made["public_key"].as_str().expect("a key").to_owned()
    }

    fn run(&self, person: &str, args: &[&str]) -> std::process::Output {
        let token = self.file(person, "token").display().to_string();
        let all = [args, &["--json", "--api", &self.api, "--token-file", &token]].concat();
        self.demo.run(&all)
    }

    /// A command that must work.
    fn by(&self, person: &str, args: &[&str]) -> Value {
        let out = self.run(person, args);
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).expect("JSON")
    }

    /// Asked for by the first and approved by the second.
    fn both(&self, args: &[&str], ask: &str, approve: &str) -> Value {
        let asked = self.by(ask, &[&["act", "ask"], args, &["--clause", "11.2", "--reason", "a test"]].concat());
        assert_eq!(asked["state"], json!("open"), "{asked}");
        let id = asked["id"].as_str().expect("an id");
        assert_eq!(self.run(ask, &["act", "approve", id]).status.code(), Some(2), "nobody approves his own");
        let done = self.by(approve, &["act", "approve", id]);
        assert_eq!(done["state"], json!("done"), "{done}");
        done
    }

    fn login(&self, person: &str) {
        let (key, out) =
            (self.file(person, "key").display().to_string(), self.file(person, "token").display().to_string());
        let made =
            self.demo.run(&["staff", "token", person, "--key", &key, "--out", &out, "--api", &self.api, "--json"]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    fn token(&self, person: &str) -> String {
        std::fs::read_to_string(self.file(person, "token")).expect("a token").trim().to_owned()
    }

    /// Signs an act's events by two people, file by file, and hands them in.
    fn sign(&self, act: &Value, first: &str, second: &str) -> Value {
        let id = act["id"].as_str().expect("an id");
        let files = ["0", "1", "2"].map(|n| self.file(id, n).display().to_string());
        self.by(first, &["act", "events", id, "--out", &files[0]]);
        for (i, person) in [first, second].iter().enumerate() {
            let key = self.file(person, "key").display().to_string();
            let sign = ["staff", "sign", &files[i], "--key", &key, "--out", &files[i + 1], "--json"];
            let signed: Value = serde_json::from_slice(&self.demo.run(&sign).stdout).expect("JSON");
            assert_eq!(signed["signatures"], json!(i + 1), "{signed}");
        }
        self.by(second, &["act", "submit", &files[2]])
    }
}

#[test]
fn people_with_roles_and_acts_of_two() {
    let house = House::open();
    for (person, role) in [("otto", "officer"), ("vera", "viewer"), ("august", "auditor")] {
        let key = house.keygen(person);
        let add = ["staff-add", "--person", person, "--role", role, "--public-key", &key];
        if person == "otto" {
            let made =
                house.by("admin", &[&["act", "ask"], &add[..], &["--clause", "11.1", "--reason", "joins"]].concat());
            assert_eq!((&made["state"], &made["hands"]), (&json!("done"), &json!(1)), "{made}");
        } else {
            house.both(&add, "admin", "otto");
        }
        house.login(person);
    }
    every_route_asks_for_its_role(&house);
    numbers_are_withheld_by_two_and_come_back(&house);
    no_sanction_takes_a_record_off_the_air(&house);
}

fn every_route_asks_for_its_role(house: &House) {
    let document = house.demo.http("GET", "/v1/openapi.json", None, &[], None).json;
    let mut walked = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            let of_operator = ["operator", "providers", "complaints", "webhooks", "audits", "charter"]
                .iter()
                .any(|tag| operation["tags"] == json!([tag]));
            if of_operator && operation.get("security").is_some() {
                let route = format!("{} {path}", method.to_uppercase());
                let from = ROUTES.iter().find(|(known, _)| *known == route);
                let (_, from) = from.unwrap_or_else(|| panic!("{route}: from which role on is it open?"));
                walk(house, &route, from, &body(&route));
                walked += 1;
            }
        }
    }
    assert_eq!(walked, ROUTES.len() - 1);
    walk(
        house,
        "POST /v1/acts staff-end",
        "admin",
        &json!({"kind": "staff-end", "clause": "11.1", "reason": "x", "person": "nobody"}),
    );
}

/// Asks as every role, about things that are not there: who may is told so, who may not learns nothing.
fn walk(house: &House, route: &str, from: &str, body: &Value) {
    let parts: Vec<&str> = route.split(' ').collect();
    let (method, path) = (parts[0], parts[1].replace("{id}", "nobody"));
    let body = (!body.is_null()).then(|| body.to_string());
    let opens_at = ROLES.iter().position(|role| *role == from).expect("a role");
    for (i, person) in ["vera", "august", "otto", "admin"].iter().enumerate() {
        let answer =
            house.demo.http(method, &path, Some(&house.token(person)), &[], body.as_ref().map(|b| b.as_bytes()));
        let refused = (answer.status, answer.json["code"].as_str()) == (403, Some("staff_role"));
        assert_eq!(refused, i < opens_at, "{route} as {person}: {} {}", answer.status, answer.text);
        assert!(answer.status < 500, "{route} as {person}: {}", answer.text);
    }
}

/// A body that is well formed and about nobody.
fn body(route: &str) -> Value {
    let key = json!({"algorithm": "ed25519", "key": "2b8hSHSKhcidparY7gsPwtEF/TnUGkx5ZTY1TwrikAw="});
    match route {
        "POST /v1/providers" => json!({"id": "NOBODY", "name": "x", "statement_keys": [key]}),
        "POST /v1/charter" => {
            json!({"clause": "10.1", "reason": "a test", "charter_md": callbook::charter::TEXT, "policy_toml": callbook::charter::POLICY_TEXT})
        }
        "POST /v1/audits/{id}/finding" => json!({"finding": "pass"}),
        "POST /v1/audits/{id}/sanctions" => json!({"entity": "nobody"}),
        "PATCH /v1/providers/{id}" => json!({"status": "suspended", "clause": "7.8"}),
        "POST /v1/providers/{id}/tokens" => json!({"scopes": ["read:+"]}),
        "POST /v1/acts" => json!({"kind": "emergency", "clause": "7.8", "reason": "x", "provider": "nobody"}),
        "POST /v1/acts/{id}/events" => json!({"events": ["AAAA"]}),
        "PUT /v1/staff/key" => key,
        "PATCH /v1/complaints/{id}" => json!({"state": "in_work"}),
        "POST /v1/webhooks" => json!({"url": "http://127.0.0.1:9/"}),
        "PATCH /v1/webhooks/{id}" => json!({"state": "paused"}),
        _ => Value::Null,
    }
}

fn numbers_are_withheld_by_two_and_come_back(house: &House) {
    let acme = Kit::acme(&house.demo);
    let number = "+447700900755";
    acme.registered(number);
    assert_eq!(house.demo.lookup(number).1, 0);
    let act = house.both(&["suspend-numbers", "--number", number, "--days", "7"], "otto", "admin");
    assert_eq!((&act["numbers"], act["until"].is_string()), (&json!(1), true), "{act}");
    assert!(!act.to_string().contains("7700900755"), "an act holds no number");
    let done = house.sign(&act, "otto", "admin");
    assert_eq!((&done["accepted"], done["refused"].as_array().map(Vec::len)), (&json!(1), Some(0)), "{done}");
    settle(house, number, "suspended");
    let (found, exit) = house.demo.lookup(number);
    assert_eq!(exit, 1, "{found}");
    let act = house.both(&["resume-numbers", "--number", number], "admin", "otto");
    house.sign(&act, "admin", "otto");
    settle(house, number, "active");
    let (found, exit) = house.demo.lookup(number);
    assert_eq!((found["status"].as_str(), exit), (Some("secure"), 0), "{found}");
    let nothing = house.file("nothing", "0").display().to_string();
    let id = act["id"].as_str().expect("an id");
    assert_eq!(house.run("otto", &["act", "events", id, "--out", &nothing]).status.code(), Some(1));
}

/// Waits for the newest change of a number and says what its provider sees then.
fn settle(house: &House, number: &str, status: &str) {
    let acme = Kit::acme(&house.demo);
    let number = Number::parse(number).expect("a number");
    let started = std::time::Instant::now();
    while acme.view(number).event_pending || acme.view(number).status != status {
        assert!(started.elapsed().as_secs() < 20, "{:?}", acme.view(number));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

fn no_sanction_takes_a_record_off_the_air(house: &House) {
    let acme = Kit::acme(&house.demo);
    house.both(&["suspend", "--provider", "acme"], "admin", "otto");
    let refused = acme.create(Number::parse("+447700900756").expect("a number"));
    acme.http("PUT", "/v1/numbers/+447700900756", &[], &refused.body).expect_problem(403, "provider_suspended");
    let appealed = house.demo.http("POST", "/v1/providers/acme/appeal", Some(&acme.token), &[], None);
    assert_eq!(appealed.status, 200, "{}", appealed.text);
    house.both(&["terminate", "--provider", "acme"], "admin", "otto");
    for i in 0..3 {
        let (found, exit) = house.demo.lookup(house.demo.sample(i));
        assert_eq!((found["status"].as_str(), exit), (Some("secure"), 0), "{found}");
    }
    let register = house.demo.http("GET", "/v1/providers", None, &[], None);
    let entry = &register.json["providers"][0];
    assert_eq!((&entry["status"], &entry["clause"]), (&json!("terminated"), &json!("11.2")), "{entry}");
    assert!(!register.text.contains("otto"), "{}", register.text);
}

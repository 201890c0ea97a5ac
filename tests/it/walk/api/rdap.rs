//! RDAP by the rules of RFC 7480, 9082 and 9083, and as a client that is not ours reads it.

use std::collections::BTreeSet;
use std::process::Command;

use callbook::number::Number;
use serde_json::{Value, json};

use super::kit::Kit;
use crate::peers;
use crate::walk::child::Demo;

/// Values of RFC 9083 10.2 and RFC 8056 that the directory uses.
const STATUSES: [&str; 11] = [
    "active",
    "inactive",
    "locked",
    "pending create",
    "pending transfer",
    "pending update",
    "pending delete",
    "server hold",
    "client hold",
    "validated",
    "removed",
];
const EVENTS: [&str; 3] = ["registration", "last changed", "expiration"];
const ROLES: [&str; 2] = ["registrar", "technical"];
/// Parses an answer as a client does, and says what it understood.
const CLIENT: &str = "import json, sys
from whoisit import parser
from whoisit.bootstrap import Bootstrap
kind, query = sys.argv[1:3]
said = parser.parse(Bootstrap(), kind, query, json.load(sys.stdin))
print(json.dumps(said, default=str))";

/// An answer with the headers that RDAP cares for.
struct Answer {
    status: u16,
    media_type: String,
    origins: String,
    text: String,
    json: Value,
}

fn ask(demo: &Demo, method: &str, path: &str, token: Option<&str>) -> Answer {
    let config = ureq::Agent::config_builder().http_status_as_error(false).allow_non_standard_methods(true);
    let agent: ureq::Agent = config.build().into();
    let mut request = ureq::http::Request::builder().method(method).uri(format!("http://{}{path}", demo.fact("http")));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let mut response = agent.run(request.body(()).expect("a request")).expect("an answer");
    let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let (media_type, origins) = (header("content-type"), header("access-control-allow-origin"));
    let status = response.status().as_u16();
    let text = response.body_mut().read_to_string().expect("a body");
    Answer { status, media_type, origins, json: serde_json::from_str(&text).unwrap_or(Value::Null), text }
}

impl Answer {
    /// What every answer has: RFC 7480 4.2 and 5.6, RFC 9083 4.1; errors RFC 9083 6.
    fn conforms(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!((&*self.media_type, &*self.origins), ("application/rdap+json", "*"), "{}", self.text);
        assert_eq!(self.json["rdapConformance"], json!(["rdap_level_0"]), "{}", self.text);
        match status {
            200 => self.json.get("objectClassName").map_or((), |_| object(&self.json)),
            _ => {
                assert_eq!(self.json["errorCode"], json!(status), "{}", self.text);
                assert!(self.json["title"].is_string());
                lines(&self.json["description"]);
            }
        }
        self
    }
}

/// The rules of RFC 9083 5 for an object and those inside it.
fn object(json: &Value) {
    let class = json["objectClassName"].as_str().expect("a class");
    let named = if class == "entity" { "handle" } else { "ldhName" };
    assert!(["domain", "entity", "nameserver"].contains(&class) && json[named].is_string(), "{json}");
    if let Some(name) = json["ldhName"].as_str() {
        assert!(!name.ends_with('.') && name == name.to_ascii_lowercase(), "{name}");
    }
    let each = |name: &str| json.get(name).map(|all| all.as_array().expect("an array").clone()).unwrap_or_default();
    for (member, known) in [("status", &STATUSES[..]), ("roles", &ROLES)] {
        assert!(each(member).iter().all(|one| known.contains(&one.as_str().expect("text"))), "{json}");
    }
    let mut actions = BTreeSet::new();
    for event in each("events") {
        let action = event["eventAction"].as_str().expect("an action").to_owned();
        assert!(EVENTS.contains(&&*action) && actions.insert(action), "{json}");
        assert!(callbook::clock::parse_rfc3339(event["eventDate"].as_str().expect("a date")).is_some(), "{json}");
    }
    each("remarks").iter().for_each(|remark| lines(&remark["description"]));
    if let Some(card) = json.get("vcardArray") {
        assert_eq!((&card[0], &card[1][0]), (&json!("vcard"), &json!(["version", {}, "text", "4.0"])), "{card}");
        assert!(card[1].as_array().expect("properties").iter().any(|one| one[0] == "fn"), "RFC 6350 6.2.1: {card}");
    }
    let parts = [each("entities"), each("nameservers"), each("entitySearchResults")].concat();
    parts.iter().for_each(object);
}

fn lines(text: &Value) {
    let lines = text.as_array().expect("an array of lines");
    assert!(!lines.is_empty() && lines.iter().all(Value::is_string), "{text}");
}

#[test]
fn registration_data_is_told_as_the_standard_says() {
    let demo = Demo::start();
    let acme = Kit::acme(&demo);
    let apex = "e164.example";
    public(&demo, apex);
    numbers(&demo, &acme);
    malformed(&demo);
    others_read_it(&demo, &acme, apex);
}

fn public(demo: &Demo, apex: &str) {
    for spelling in [apex.to_owned(), format!("{apex}."), apex.to_uppercase()] {
        let zone = ask(demo, "GET", &format!("/rdap/domain/{spelling}"), None).conforms(200).json;
        assert_eq!(zone["ldhName"], json!(apex));
        let (secure, anchor) =
            (&zone["secureDNS"], std::fs::read_to_string(demo.fact("anchor_file")).expect("an anchor"));
        assert_eq!(
            (&secure["zoneSigned"], secure.get("delegationSigned")),
            (&json!(true), None),
            "no parent was asked"
        );
        let key = &secure["keyData"][0];
        assert!(anchor.contains(key["publicKey"].as_str().expect("a key")) && key["flags"] == json!(257), "{secure}");
        let dir = demo.dir().to_str().expect("UTF-8");
        let ds = String::from_utf8(demo.run(&["keys", "ds", "--dir", dir]).stdout).expect("text");
        assert!(ds.contains(secure["dsData"][0]["digest"].as_str().expect("a digest")), "{ds} {secure}");
        let server = zone["nameservers"][0]["ldhName"].as_str().expect("a server");
        ask(demo, "GET", &format!("/rdap/nameserver/{}.", server.to_uppercase()), None).conforms(200);
    }
    let provider = ask(demo, "GET", "/rdap/entity/acme", None).conforms(200).json;
    assert_eq!(provider["roles"], json!(["registrar"]), "{provider}");
    assert!(provider["vcardArray"].to_string().contains("Acme Telephony"), "{provider}");
    assert!(provider["remarks"].to_string().contains("accredited since"), "{provider}");
    for (search, found) in
        [("fn=acme*", 1), ("fn=*TELE*", 0), ("fn=Acme*(demo)", 1), ("handle=ac*", 1), ("fn=nobody", 0)]
    {
        let answer = ask(demo, "GET", &format!("/rdap/entities?{search}"), None);
        if search.matches('*').count() > 1 {
            answer.conforms(400);
            continue;
        }
        assert_eq!(answer.conforms(200).json["entitySearchResults"].as_array().map(Vec::len), Some(found), "{search}");
    }
    let help = ask(demo, "GET", "/rdap/help", None).conforms(200).json;
    help["notices"].as_array().expect("notices").iter().for_each(|notice| lines(&notice["description"]));
    let head = ask(demo, "HEAD", "/rdap/entity/acme", None);
    assert_eq!((head.status, &*head.media_type, &*head.text), (200, "application/rdap+json", ""));
    assert_eq!(ask(demo, "HEAD", "/rdap/entity/nobody", None).status, 404);
    assert_eq!(
        (ask(demo, "OPTIONS", "/rdap/help", None).status, ask(demo, "OPTIONS", "/rdap/help", None).origins),
        (204, "*".into())
    );
    ask(demo, "POST", "/rdap/help", None).conforms(405);
}

/// Its provider and the operator see a number; everybody else one answer, whatever the number.
fn numbers(demo: &Demo, acme: &Kit<'_>) {
    let name = |number: &str| Number::parse(number).expect("a number").enum_name("e164.example");
    let registered = format!("/rdap/domain/{}", name(demo.sample(0)));
    for (who, token) in [("its provider", acme.token.as_str()), ("the operator", demo.fact("operator_token"))] {
        let seen = ask(demo, "GET", &registered, Some(token)).conforms(200).json;
        assert_eq!(
            (&seen["status"], &seen["publicIds"][0]["identifier"]),
            (&json!(["active"]), &json!(demo.sample(0))),
            "{who}"
        );
        assert_eq!(seen["entities"][0]["handle"], json!("acme"));
        let actions: Vec<&str> =
            seen["events"].as_array().expect("events").iter().filter_map(|e| e["eventAction"].as_str()).collect();
        assert_eq!(actions, ["registration", "expiration"], "nothing has changed since");
        assert!(!seen.to_string().contains("sip:"), "what the record says is not told: {seen}");
    }
    let folder = demo.dir().join("other");
    let (folder, api) = (folder.to_str().expect("UTF-8"), format!("http://{}", demo.fact("http")));
    let token = demo.dir().join("operator.token");
    let add =
        ["provider", "add", "other", "--folder", folder, "--api", &api, "--token-file", token.to_str().expect("UTF-8")];
    assert!(demo.run(&add).status.success());
    let other = std::fs::read_to_string(demo.dir().join("other/token")).expect("a token");
    let mut told = BTreeSet::new();
    for number in [demo.sample(0), "+447700900500", "+4930123456", "+9991234567"] {
        for token in [None, Some(other.trim()), Some("cb_live_nonsense")] {
            told.insert(ask(demo, "GET", &format!("/rdap/domain/{}", name(number)), token).conforms(404).text);
        }
    }
    for path in [
        "/rdap/domain/4.4.e164.example",
        "/rdap/domain/example.com",
        "/rdap/entity/nobody",
        "/rdap/nameserver/a.example",
    ] {
        told.insert(ask(demo, "GET", path, None).conforms(404).text);
    }
    told.insert(
        ask(demo, "GET", &format!("/rdap/domain/{}", name("+447700900500")), Some(&acme.token)).conforms(404).text,
    );
    assert_eq!(told.len(), 1, "one answer for all of them: {told:?}");
    acme.registered("+447700900611");
    let changed = format!("/rdap/domain/{}", name("+447700900611"));
    let dir = demo.dir().join("provider");
    let renew = ["number", "release", "+447700900611", "--notice", "--provider", dir.to_str().expect("UTF-8")];
    assert!(demo.run(&renew).status.success());
    let seen = ask(demo, "GET", &changed, Some(&acme.token)).conforms(200).json;
    assert_eq!(seen["status"], json!(["active", "pending delete"]), "{seen}");
    assert_eq!(seen["events"][1]["eventAction"], json!("last changed"), "{seen}");
}

fn malformed(demo: &Demo) {
    for path in [
        "domain/a..b",
        "domain/",
        "domain/%FF",
        "domain/b%C3%BCcher.example",
        "nameserver/a_%20b",
        "entities",
        "entities?fn=",
        "domain",
    ] {
        ask(demo, "GET", &format!("/rdap/{path}"), None).conforms(400);
    }
    for path in ["ip/192.0.2.1", "autnum/64496", "domains?name=a*", "nameservers?name=ns1*"] {
        ask(demo, "GET", &format!("/rdap/{path}"), None).conforms(501);
    }
    for path in ["/rdap/person/1", "/rdap/", "/rdap"] {
        ask(demo, "GET", path, None).conforms(404);
    }
    ask(demo, "PUT", "/rdap/", None).conforms(405);
}

fn others_read_it(demo: &Demo, acme: &Kit<'_>, apex: &str) {
    let Some(python) = peers::pypi_python_with("whoisit") else { return };
    let number = Number::parse(demo.sample(0)).expect("a number").enum_name(apex);
    let understood = |kind: &str, query: &str, token: Option<&str>| -> Value {
        let answer = ask(demo, "GET", &format!("/rdap/{kind}/{query}"), token).conforms(200);
        let mut file = tempfile::tempfile().expect("a file");
        std::io::Write::write_all(&mut file, answer.text.as_bytes()).expect("written");
        std::io::Seek::rewind(&mut file).expect("a file");
        let out = Command::new(&python).args(["-c", CLIENT, kind, query]).stdin(file).output().expect("it runs");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).expect("JSON")
    };
    let zone = understood("domain", apex, None);
    assert_eq!(zone["name"], json!(apex), "{zone}");
    assert!(zone["dnssec_ds_data"].as_array().is_some_and(|all| all.len() == 2), "{zone}");
    assert!(zone["nameservers"].as_array().is_some_and(|all| !all.is_empty()), "{zone}");
    let seen = understood("domain", &number, Some(&acme.token));
    assert_eq!(seen["status"], json!(["active"]), "{seen}");
    assert!(seen["registration_date"].is_string() && seen["expiration_date"].is_string(), "{seen}");
    assert_eq!(seen["entities"]["registrar"][0]["handle"], json!("ACME"), "it writes handles in capitals: {seen}");
    assert_eq!(seen["public_ids"][0]["identifier"], json!(demo.sample(0)), "{seen}");
    let provider = understood("entity", "ACME", None);
    assert_eq!(
        (&provider["handle"], &provider["name"]),
        (&json!("ACME"), &json!("Acme Telephony (demo)")),
        "{provider}"
    );
}

//! The API's manners, as somebody's own HTTP library meets them: every header of an answer is looked at, and requests are written
//! by hand where libraries would mend them.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::described::{METHODS, concrete};
use super::kit::Kit;
use crate::walk::child::Demo;

/// Far more than any answer here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer as it came.
struct Raw {
    status: u16,
    headers: BTreeMap<String, String>,
    json: Value,
}

/// Sends these lines and a body, and reads to the end of the connection.
fn send(demo: &Demo, lines: &[&str], body: &str) -> Raw {
    let mut stream = TcpStream::connect(demo.fact("http")).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let request =
        format!("{}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", lines.join("\r\n"), body.len());
    stream.write_all(request.as_bytes()).expect("it is taken");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer in time");
    let answer = String::from_utf8_lossy(&answer); // a tile is no text
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
    let mut head = head.lines();
    let status = head.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Raw { status, headers: head.filter_map(header).collect(), json: serde_json::from_str(body).unwrap_or(Value::Null) }
}

impl Raw {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// A request that names a host and shows a token, with further headers.
fn call(demo: &Demo, line: &str, token: &str, more: &[&str], body: &str) -> Raw {
    let (line, shown) = (format!("{line} HTTP/1.1"), format!("authorization: Bearer {token}"));
    let mut lines = vec![line.as_str(), "host: directory"];
    if !token.is_empty() {
        lines.push(&shown);
    }
    lines.extend(more);
    send(demo, &lines, body)
}

const JSON: &str = "content-type: application/json";

#[test]
fn the_api_has_manners() {
    let demo = Demo::start();
    let acme = Kit::acme(&demo);
    challenges(&demo, &acme.token);
    bodies(&demo, &acme.token);
    paths(&demo, &acme.token);
    what_is_kept(&demo, &acme.token);
    hosts(&demo);
    every_path(&demo);
    conditions(&demo, &acme);
}

/// RFC 6750 3: a challenge has a parameter, and says what is wrong with the token that came.
fn challenges(demo: &Demo, token: &str) {
    let challenge = |line: &str, token: &str, status: u16| {
        let answer = call(demo, line, token, &[], "");
        assert_eq!(answer.status, status, "{line}: {}", answer.json);
        answer.header("www-authenticate").unwrap_or_default().to_owned()
    };
    assert_eq!(challenge("GET /v1/numbers", "", 401), r#"Bearer realm="callbook""#);
    assert_eq!(challenge("GET /v1/numbers", "cb_live_wrong", 401), r#"Bearer realm="callbook", error="invalid_token""#);
    assert_eq!(challenge("GET /v1/staff", token, 403), r#"Bearer realm="callbook", error="insufficient_scope""#);
    let twice = call(demo, "GET /v1/numbers", token, &["authorization: Bearer x"], "");
    assert_eq!(twice.status, 401, "whose is it? {}", twice.json);
    assert_eq!(challenge("GET /v1/audit/batches/1", "", 401), r#"Audit-Signature realm="callbook""#, "not a token");
}

fn bodies(demo: &Demo, token: &str) {
    let line = "PUT /v1/numbers/+447700900888";
    // RFC 8259 4: what means one thing here and another elsewhere is refused.
    let twice = call(demo, line, token, &[JSON], r#"{"record": "a", "event": "AAAA", "record": "b"}"#);
    assert_eq!((twice.status, twice.json["errors"][0]["code"].as_str()), (400, Some("not_json")), "{}", twice.json);
    let why = twice.json["errors"][0]["detail"].as_str().unwrap_or_default();
    assert!(why.contains(r#""record" comes twice"#), "{why}");
    // RFC 9110 15.5.16: what would be taken is said.
    let zipped = call(demo, line, token, &[JSON, "content-encoding: gzip"], "x");
    assert_eq!((zipped.status, zipped.json["code"].as_str()), (415, Some("body_encoded")), "{}", zipped.json);
    assert_eq!(zipped.header("accept-encoding"), Some("identity"));
    let plain = call(demo, line, token, &[JSON, "content-encoding: Identity"], "{}");
    assert_eq!(plain.status, 400, "as it is: {}", plain.json);
    let text = call(demo, line, token, &["content-type: text/plain"], "{}");
    assert_eq!((text.status, text.header("accept")), (415, Some("application/json")), "{}", text.json);
    let ndjson = "content-type: application/x-ndjson";
    let batch = call(demo, "POST /v1/batches", token, &[JSON], "{}");
    assert_eq!((batch.status, batch.header("accept")), (415, Some("application/x-ndjson")), "{}", batch.json);
    let zipped = call(demo, "POST /v1/batches", token, &[ndjson, "content-encoding: br"], "{}");
    assert_eq!((zipped.status, zipped.json["code"].as_str()), (415, Some("body_encoded")), "{}", zipped.json);
    let explained = call(demo, "GET /v1/problems/body_encoded", "", &[], "");
    assert_eq!((explained.status, explained.json["status"].as_u64()), (200, Some(415)));
}

/// What is no text in a path is a mistake like any other.
fn paths(demo: &Demo, token: &str) {
    for path in ["/v1/problems/%FF", "/v1/batches/%FF", "/v1/webhooks/%C3%28", "/v1/numbers/%FF"] {
        let answer = call(demo, &format!("GET {path}"), token, &[], "");
        assert_eq!(answer.status, 400, "{path}: {}", answer.json);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
        assert_eq!(answer.json["errors"][0]["code"].as_str(), Some("not_utf8"), "{path}: {}", answer.json);
    }
}

/// What is for one caller is kept by nobody; what is for everybody has a tag by which it is known again.
fn what_is_kept(demo: &Demo, token: &str) {
    let sample = format!("GET /v1/numbers/{}", demo.sample(0));
    for (line, token) in [
        (&*sample, token),
        ("GET /v1/numbers", token),
        ("GET /v1/numbers", ""),
        ("GET /rdap/help", ""),
        ("GET /nothing", ""),
    ] {
        let answer = call(demo, line, token, &[], "");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{line}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{line}");
        let named = answer.json["request_id"].as_str();
        assert!(named.is_none() || named == answer.header("x-request-id"), "{line}: {:?}", answer.headers);
    }
    for path in ["/v1/openapi.json", "/v1/charter", "/v1/charter/versions/1"] {
        let first = call(demo, &format!("GET {path}"), "", &[], "");
        assert_eq!((first.status, first.header("cache-control")), (200, Some("no-cache")), "{path}");
        let tag = first.header("etag").expect("a tag").to_owned();
        let again = call(demo, &format!("GET {path}"), "", &[&format!("if-none-match: W/{tag}, \"x\"")], "");
        assert_eq!((again.status, again.header("etag")), (304, Some(&*tag)), "{path}");
        let other = call(demo, &format!("GET {path}"), "", &["if-none-match: \"x\""], "");
        assert_eq!((other.status, other.header("etag")), (200, Some(&*tag)), "{path}");
    }
}

/// RFC 9110 9.3.2, 15.5.6: every path says what it offers, HEAD answers as GET does, and every answer has what all have.
fn every_path(demo: &Demo) {
    let document = demo.http("GET", "/v1/openapi.json", None, &[], None).json;
    for (template, item) in document["paths"].as_object().expect("paths") {
        let (path, offered) = (concrete(template), |method: &&str| item.get(*method).is_some());
        let mut wanted: Vec<String> = METHODS.iter().filter(|m| offered(m)).map(|m| m.to_uppercase()).collect();
        if offered(&"get") {
            wanted.push("HEAD".to_owned());
            let [get, head] = ["GET", "HEAD"].map(|method| call(demo, &format!("{method} {path}"), "", &[], ""));
            assert_eq!((get.status, &head.json), (head.status, &Value::Null), "{path}");
            assert_eq!(get.header("content-type"), head.header("content-type"), "{path}");
        }
        let none = call(demo, &format!("TRACE {path}"), "", &[], "");
        let mut told: Vec<&str> = none.header("allow").unwrap_or_default().split(',').map(str::trim).collect();
        told.sort_unstable();
        wanted.sort();
        assert_eq!((none.status, told), (405, wanted.iter().map(String::as_str).collect()), "{path}");
        assert_eq!(none.json["request_id"].as_str(), none.header("x-request-id"), "{path}");
        for header in ["cache-control", "x-content-type-options", "x-request-id"] {
            assert!(none.header(header).is_some(), "{path} lacks {header}");
        }
    }
}

/// RFC 9112 3.2: a request of HTTP/1.1 names one host.
fn hosts(demo: &Demo) {
    for (lines, status) in [
        (&["GET /v1/charter HTTP/1.1", "host: directory.example:8300"][..], 200),
        (&["GET /v1/charter HTTP/1.1", "host: [::1]:8300"], 200),
        (&["GET /v1/charter HTTP/1.0"], 200),
        (&["GET /v1/charter HTTP/1.1"], 400),
        (&["GET /v1/charter HTTP/1.1", "host: a.example", "host: b.example"], 400),
        (&["GET /v1/charter HTTP/1.1", "host: a.example/evil"], 400),
    ] {
        let answer = send(demo, lines, "");
        assert_eq!(answer.status, status, "{lines:?}: {}", answer.json);
        let place = answer.json["errors"][0]["pointer"].as_str();
        assert_eq!(place, (status == 400).then_some("Host"), "{lines:?}: {}", answer.json);
    }
}

/// RFC 9110 13.1: a change finds what it is based on, in any spelling of the header.
fn conditions(demo: &Demo, acme: &Kit<'_>) {
    let made = acme.create("+447700900889".parse().expect("a number"));
    let (line, body) = (format!("PUT /v1/numbers/{}", made.number), serde_json::to_string(&made.body).expect("JSON"));
    let put = |condition: &str| call(demo, &line, &acme.token, &[JSON, "prefer: Wait=20", condition], &body);
    let absent = put("if-match: *");
    assert_eq!((absent.status, absent.json["code"].as_str()), (412, Some("version_mismatch")), "{}", absent.json);
    let first = put("if-none-match: *");
    assert_eq!((first.status, first.json["visibility"].as_str()), (202, Some("published")), "{}", first.json);
    let again = put("if-none-match: *");
    assert_eq!((again.status, &again.json["event_hash"]), (202, &first.json["event_hash"]), "its own effect");
    let other = serde_json::to_string(&acme.create(made.number).body).expect("JSON");
    for (condition, status) in [
        ("if-none-match: *", 412),
        ("if-none-match: \"7\", W/\"1\"", 412),
        ("if-match: W/\"1\"", 412),
        ("if-match: \"7\", \"x\"", 412),
        ("if-match: 1", 400),
        ("if-match: \"7\", \"1\"", 409), // it holds; what is registered cannot be registered again
    ] {
        let answer = call(demo, &line, &acme.token, &[JSON, condition], &other);
        assert_eq!(answer.status, status, "{condition}: {}", answer.json);
        assert_eq!(answer.header("etag").is_some(), status == 412, "{condition}: {:?}", answer.headers);
    }
}

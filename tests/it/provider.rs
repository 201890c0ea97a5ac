//! The provider's HTTP client against a server that plays a script: what it sends, and when it sends again.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use callbook::api::Base64;
use callbook::api::numbers::{Receipt, Release, Submission, Visibility};
use callbook::api::providers::{NewToken, StatusChange};
use callbook::client::provider::{Api, ApiError};
use callbook::number::Number;

/// What arrived: request line, headers in lower case, body.
pub(crate) struct Seen {
    pub(crate) line: String,
    headers: Vec<String>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }
}

/// Answers one connection after the other with the next part of the script; an empty part hangs up.
pub(crate) fn server(script: Vec<String>) -> (SocketAddr, Receiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (send, seen) = channel();
    std::thread::spawn(move || {
        for answer in script {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut line, mut headers) = (String::new(), vec![]);
            reader.read_line(&mut line).unwrap();
            loop {
                let mut header = String::new();
                reader.read_line(&mut header).unwrap();
                let Some((name, value)) = header.trim_end().split_once(": ") else { break };
                headers.push(format!("{}: {value}", name.to_ascii_lowercase()));
            }
            let mut request = Seen { line: line.trim_end().to_owned(), headers, body: String::new() };
            let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            request.body = String::from_utf8(body).unwrap();
            let _ = send.send(request);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, seen)
}

pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

fn receipt(visibility: Visibility) -> Receipt {
    Receipt {
        event_hash: "ab".repeat(32),
        accepted_at: "2026-11-23T00:00:00Z".into(),
        epoch_latest: 9,
        visibility,
        version: 1,
        charter_version: Some(1),
        numbering: None,
        epoch: (visibility == Visibility::Published).then_some(8),
        state_hash: None,
    }
}

pub(crate) fn receipt_answer(visibility: Visibility) -> String {
    answer("202 Accepted", "", &serde_json::to_string(&receipt(visibility)).unwrap())
}

pub(crate) fn problem(status: u16, code: &str, headers: &str) -> String {
    let body = format!(
        r#"{{"type":"/v1/problems/{code}","title":"No","status":{status},"detail":"not so","code":"{code}","request_id":"r1",
        "errors":[{{"pointer":"/record","code":"naptr_scheme","detail":"bad","clause":"5.2","remedy":"write sip:"}}]}}"#
    );
    answer(&format!("{status} No"), headers, &body)
}

fn submission() -> Submission {
    Submission {
        record: "callbook/record/v1\n".into(),
        opening: Base64::from([1; 32]),
        event: Base64::from(b"event"),
        possession: vec![],
        validation: vec!["a.b.c".into()],
        nonce: None,
    }
}

fn number() -> Number {
    Number::parse("+99900123456").unwrap()
}

pub(crate) fn api(address: SocketAddr) -> Api {
    Api::at(&format!("http://{address}"), "cb_test_token").unwrap()
}

#[test]
fn a_change_is_repeated_with_the_same_key() {
    let lost = String::new();
    let (address, seen) =
        server(vec![lost, problem(503, "unavailable", "retry-after: 0\r\n"), receipt_answer(Visibility::Pending)]);
    let accepted = api(address).put(number(), &submission(), Some(3)).unwrap();
    assert_eq!(accepted, receipt(Visibility::Pending));
    let requests: Vec<Seen> = seen.iter().take(3).collect();
    for request in &requests {
        assert_eq!(request.line, "PUT /v1/numbers/+99900123456 HTTP/1.1");
        assert_eq!(request.header("authorization"), Some("Bearer cb_test_token"));
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("if-match"), Some("\"3\""));
        assert_eq!(request.header("idempotency-key"), requests[0].header("idempotency-key"));
        assert_eq!(serde_json::from_str::<Submission>(&request.body).unwrap(), submission());
    }
    assert!(requests[0].header("idempotency-key").is_some_and(|key| key.len() == 22));
}

#[test]
fn a_refusal_is_final_and_says_everything() {
    let (address, seen) = server(vec![problem(422, "invalid", "")]);
    let error = api(address).put(number(), &submission(), None).unwrap_err();
    assert_eq!(error.code(), Some("invalid"));
    let text = error.to_string();
    for part in ["not so", "/record", "naptr_scheme", "charter 5.2", "write sip:", "request r1"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(seen.iter().count(), 1);
}

#[test]
fn what_has_no_key_is_not_repeated_when_the_answer_is_lost() {
    let (address, seen) = server(vec![String::new()]);
    let error = api(address).prepare(number()).unwrap_err();
    assert!(matches!(&error, ApiError::Unreachable { url, .. } if url.ends_with("/prepare")), "{error}");
    assert_eq!(seen.iter().count(), 1);
    // 429: nothing was done, so it may be sent again; but a long wait is for the caller to decide.
    let (address, seen) = server(vec![problem(429, "too_many", "retry-after: 3600\r\n")]);
    let started = Instant::now();
    assert_eq!(api(address).prepare(number()).unwrap_err().code(), Some("too_many"));
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(seen.iter().count(), 1);
}

#[test]
fn publication_is_waited_for() {
    let (address, seen) = server(vec![receipt_answer(Visibility::Pending), receipt_answer(Visibility::Published)]);
    let published = api(address).published(receipt(Visibility::Pending), 20_000).unwrap();
    assert_eq!(published.epoch, Some(8));
    let first = seen.iter().next().unwrap();
    assert_eq!(first.line, format!("GET /v1/receipts/{} HTTP/1.1", "ab".repeat(32)));
    assert_eq!(first.header("prefer"), Some("wait=5"));
    assert_eq!(first.header("idempotency-key"), None);
    let (address, _seen) = server(vec![receipt_answer(Visibility::Pending); 3]);
    let error = api(address).published(receipt(Visibility::Pending), 150).unwrap_err();
    assert!(matches!(error, ApiError::NotPublished { .. }), "{error}");
}

#[test]
fn absence_and_other_methods() {
    let (address, seen) = server(vec![
        problem(404, "not_found", ""),
        receipt_answer(Visibility::Pending),
        answer(
            "201 Created",
            "",
            r#"{"id":"t1","token":"cb_live_x","scopes":["write:+"],"expires_at":"2027-01-01T00:00:00Z"}"#,
        ),
        problem(403, "forbidden", ""),
    ]);
    let api = api(address);
    assert_eq!(api.number(number()).unwrap(), None);
    api.release(number(), &Release { event: Base64::from(b"event") }).unwrap();
    assert_eq!(api.add_token("acme", &NewToken::default()).unwrap().token, "cb_live_x");
    let status = StatusChange { status: "suspended".into(), clause: "6.3".into() };
    assert_eq!(api.set_provider_status("a/b", &status).unwrap_err().code(), Some("forbidden"));
    let lines: Vec<String> = seen.iter().map(|request| request.line).collect();
    assert_eq!(
        lines,
        [
            "GET /v1/numbers/+99900123456 HTTP/1.1",
            "DELETE /v1/numbers/+99900123456 HTTP/1.1",
            "POST /v1/providers/acme/tokens HTTP/1.1",
            "PATCH /v1/providers/a%2Fb HTTP/1.1",
        ]
    );
}

#[test]
fn what_is_not_of_this_api_is_said_so() {
    let huge = format!("[{}1]", "1,".repeat(3 * 1024 * 1024));
    for (script, status) in [
        (answer("200 OK", "", "<html>"), 200),
        (answer("200 OK", "", &huge), 200),
        (answer("404 Not Found", "", "nginx"), 404),
        (answer("302 Found", "location: http://127.0.0.1:1/\r\n", ""), 302),
    ] {
        let (address, seen) = server(vec![script]);
        let error = api(address).charter().unwrap_err();
        assert!(matches!(&error, ApiError::Foreign { status: s, .. } if *s == status), "{error}");
        assert_eq!(seen.iter().count(), 1);
    }
}

//! Batches over HTTP: each line as the single call would have it, progress, pages, and a crash in the middle.

use callbook::number::Number;
use serde_json::{Value, json};

use super::kit::{Kit, anonymous};
use crate::walk::child::{Answer, Demo};

/// Looks that are taken until a batch ends; each takes some milliseconds.
const LOOKS_MAX: usize = 20_000;

pub(super) fn send(kit: &Kit<'_>, query: &str, key: &str, lines: &[String]) -> Answer {
    let headers = [("content-type", "application/x-ndjson"), ("idempotency-key", key)];
    let path = format!("/v1/batches{query}");
    kit.demo.http("POST", &path, Some(&kit.token), &headers, Some(lines.join("\n").as_bytes()))
}

pub(super) fn put(kit: &Kit<'_>, number: &str) -> String {
    let made = kit.create(Number::parse(number).expect("a number"));
    line("put", number, serde_json::to_value(&made.body).expect("JSON"))
}

fn line(op: &str, number: &str, mut body: Value) -> String {
    (body["op"], body["number"]) = (json!(op), json!(number));
    body.to_string()
}

fn ended(kit: &Kit<'_>, id: &str) -> Value {
    for _ in 0..LOOKS_MAX {
        let answer = kit.demo.http("GET", &format!("/v1/batches/{id}"), Some(&kit.token), &[], None);
        assert_eq!(answer.status, 200, "{}", answer.json);
        if answer.json["state"] != "running" {
            return answer.json;
        }
    }
    panic!("the batch does not end");
}

/// All results, page by page.
pub(super) fn results(kit: &Kit<'_>, id: &str, limit: usize) -> Vec<Value> {
    let (mut all, mut next) = (Vec::new(), Some(format!("/v1/batches/{id}/results?limit={limit}")));
    while let Some(path) = next {
        let page = kit.demo.http("GET", &path, Some(&kit.token), &[], None);
        assert_eq!((page.status, page.media_type.as_str()), (200, "application/x-ndjson"));
        all.extend(page.text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")));
        next = page.link.and_then(|link| Some(link.strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?.to_owned()));
    }
    all
}

#[test]
fn many_changes_go_in_one_request() {
    let demo = Demo::start();
    let acme = Kit::acme(&demo);
    // The single call's answers, to compare with.
    let taken = acme.create(Number::parse(demo.sample(0)).expect("a number"));
    let path = format!("/v1/numbers/{}", demo.sample(0));
    let exists = acme.http("PUT", &path, &[], &taken.body);
    let halved = acme.http("PUT", &path, &[], &json!({"event": "AAAA", "record": 7, "extra": 1}));
    let lines = vec![
        put(&acme, "+99966600001"),
        "rubbish".to_owned(),
        String::new(),
        line("put", demo.sample(0), serde_json::to_value(&taken.body).expect("JSON")),
        line("put", demo.sample(0), json!({"event": "AAAA", "record": 7, "extra": 1})),
        line("sing", demo.sample(0), json!({})),
        line("release", "12", json!({"event": "AAAA"})),
        put(&acme, "+99966600002"),
    ];
    let dry = send(&acme, "?dry_run=true", "dry", &lines);
    assert_eq!((dry.status, &dry.json["dry_run"], &dry.json["items"]), (202, &json!(true), &json!(7)), "{}", dry.json);
    let id = dry.json["id"].as_str().expect("an id");
    assert_eq!(dry.location.as_deref(), Some(format!("/v1/batches/{id}").as_str()));
    assert_eq!(ended(&acme, id)["accepted"], json!(2));
    assert_eq!(statuses(&results(&acme, id, 100)), [200, 400, 409, 400, 400, 400, 200]);
    let free = demo.http("GET", "/v1/numbers/+99966600001", Some(&acme.token), &[], None);
    free.expect_problem(404, "not_found");

    let taken = send(&acme, "", "real", &lines);
    let id = taken.json["id"].as_str().expect("an id").to_owned();
    let done = ended(&acme, &id);
    assert_eq!((&done["state"], &done["accepted"], &done["refused"]), (&json!("done"), &json!(2), &json!(5)), "{done}");
    let all = results(&acme, &id, 2);
    assert_eq!(statuses(&all), [202, 400, 409, 400, 400, 400, 202]);
    for (place, single) in [(2, &exists), (3, &halved)] {
        let mut problem = all[place]["problem"].clone();
        problem["request_id"] = Value::Null;
        assert_eq!(problem, anonymous(single), "the same problem as the single call");
    }
    let hash = all[0]["receipt"]["event_hash"].as_str().expect("a receipt");
    let receipt = demo.http("GET", &format!("/v1/receipts/{hash}"), Some(&acme.token), &super::kit::WAIT, None);
    assert_eq!(receipt.json["visibility"], json!("published"), "{}", receipt.json);
    assert_eq!(send(&acme, "", "real", &lines).json, done, "the same again: the same batch");
    send(&acme, "", "real", &lines[1..]).expect_problem(422, "idempotency_key_reused");
    send(&acme, "?dry_run=true", "real", &lines).expect_problem(422, "idempotency_key_reused");
    what_is_no_batch(&acme);
}

fn statuses(results: &[Value]) -> Vec<u64> {
    assert!(results.iter().enumerate().all(|(i, result)| result["index"] == json!(i)), "{results:?}");
    results.iter().map(|result| result["status"].as_u64().expect("a status")).collect()
}

fn what_is_no_batch(acme: &Kit<'_>) {
    send(acme, "", "none", &[]).expect_problem(400, "invalid_request");
    send(acme, "?dry_run=perhaps&x=1", "none", &["{}".to_owned()]).expect_problem(400, "invalid_request");
    send(acme, "", "many", &vec!["{}".to_owned(); 10_001]).expect_problem(413, "too_large");
    let large = "x".repeat(17 << 20);
    send(acme, "", "large", &[large]).expect_problem(413, "too_large");
    acme.http("POST", "/v1/batches", &[], &json!({})).expect_problem(415, "not_ndjson");
    let operator = Some(acme.demo.fact("operator_token"));
    let headers = [("content-type", "application/x-ndjson")];
    acme.demo.http("POST", "/v1/batches", operator, &headers, Some(b"{}")).expect_problem(403, "forbidden");
    acme.demo.http("GET", "/v1/batches/none", Some(&acme.token), &[], None).expect_problem(404, "not_found");
}

/// Killed while a batch runs: the same request to the next process does the rest, and every number is there once.
#[test]
fn the_same_request_goes_on_after_a_crash() {
    const ITEMS: usize = 400;
    let home = tempfile::tempdir().expect("a temporary directory");
    let dir = home.path().join("demo");
    let demo = Demo::start_in(&dir, &[]);
    let acme = Kit::acme(&demo);
    let lines: Vec<String> = (0..ITEMS).map(|n| put(&acme, &format!("+9996671{n:04}"))).collect();
    let taken = send(&acme, "", "crash", &lines);
    assert_eq!(taken.status, 202, "{}", taken.json);
    let id = taken.json["id"].as_str().expect("an id").to_owned();
    demo.kill();
    let demo = Demo::start_in(&dir, &[]);
    let acme = Kit::acme(&demo);
    let left = ended(&acme, &id);
    assert!(left["state"] == "interrupted" || left["done"] == json!(ITEMS), "{left}");
    let again = send(&acme, "", "crash", &lines);
    assert_eq!((again.status, again.json["id"].as_str()), (202, Some(id.as_str())), "{}", again.json);
    let done = ended(&acme, &id);
    assert_eq!((&done["state"], &done["accepted"]), (&json!("done"), &json!(ITEMS)), "{done}");
    let listed = demo.http("GET", "/v1/numbers?prefix=9996671&limit=1000", Some(&acme.token), &[], None);
    assert_eq!(listed.json["numbers"].as_array().map(Vec::len), Some(ITEMS));
}

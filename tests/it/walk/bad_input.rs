//! Bad input at the API: a clear problem each time, nothing lost, nothing crashed, nothing told to strangers.

use serde_json::json;

use super::child::Demo;

#[test]
fn the_api_teaches_whoever_errs() {
    let demo = Demo::start();
    malformed_numbers(&demo);
    wrong_shapes(&demo);
    tokens(&demo);
    sizes_and_headers(&demo);
    strangers_learn_nothing(&demo);
    still_healthy(&demo);
}

fn malformed_numbers(demo: &Demo) {
    let token = Some(demo.fact("token"));
    for (path, says) in [
        ("12345678", "leading +"),
        ("+12", "7 to 15"),
        ("+1234567890123456", "at most 15"),
        ("+0447700900123", "starts with 0"),
        ("+44770090x123", "'x'"),
        ("%2B12", "7 to 15"),
        ("+%FF%FE", "UTF-8"),
    ] {
        for (method, tail) in [("GET", ""), ("POST", "/prepare")] {
            let answer = demo.http(method, &format!("/v1/numbers/{path}{tail}"), token, &[], None);
            answer.expect_problem(400, "invalid_request");
            assert!(
                answer.json["errors"][0]["detail"].as_str().is_some_and(|d| d.contains(says)),
                "{path}: {}",
                answer.json
            );
        }
    }
}

fn wrong_shapes(demo: &Demo) {
    let token = Some(demo.fact("token"));
    let put = |body: &[u8]| demo.http("PUT", "/v1/numbers/+99912345678", token, &[], Some(body));
    for body in ["", "null", "[]", "7", "\"x\"", "{", "{\"a\":}", "\u{0}", "{\"record\":1e999}", "nul"] {
        put(body.as_bytes()).expect_problem(400, "invalid_request");
    }
    put(b"\xff\xfe{}").expect_problem(400, "invalid_request");
    put("[".repeat(60_000).as_bytes()).expect_problem(400, "invalid_request");
    let all = put(br#"{"record": 7, "opening": "AA==", "possession": [{"prefix": "_id", "spki": "!"}], "validation": "x", "more": 1}"#);
    all.expect_problem(400, "invalid_request");
    assert_eq!(
        all.pointers(),
        ["/record", "/opening", "/event", "/possession/0/spki", "/possession/0/proof", "/validation", "/more"]
    );
    let rubbish = json!({"record": "rubbish", "opening": "AA".repeat(21) + "A=", "event": "AAAA", "possession": [], "validation": ["a.b.c"]});
    let answer = put(rubbish.to_string().as_bytes());
    assert!((400..500).contains(&answer.status), "{}", answer.json);
    assert!(answer.pointers().len() >= 3, "record, event and token are wrong, all three are told: {}", answer.json);
}

fn tokens(demo: &Demo) {
    for token in [None, Some(""), Some("cb_test_wrong"), Some("cb_live_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")] {
        demo.http("POST", "/v1/numbers/+99912345678/prepare", token, &[], None).expect_problem(401, "unauthorized");
    }
    let provider = Some(demo.fact("token"));
    let body = br#"{"id": "evil", "name": "Evil"}"#;
    demo.http("POST", "/v1/providers", provider, &[], Some(body)).expect_problem(403, "operator_only");
    let operator = Some(demo.fact("operator_token"));
    demo.http("POST", "/v1/providers", operator, &[], Some(br#"{"id": "Not An Id", "name": ""}"#.as_slice()));
    let keys = br#"{"id": "x", "name": "X", "statement_keys": [{"algorithm": "rsa", "key": "AAAA"}, {"algorithm": "ed25519", "key": "AAAA"}]}"#;
    let answer = demo.http("POST", "/v1/providers", operator, &[], Some(keys));
    assert_eq!(
        answer.expect_problem(400, "invalid_request").pointers(),
        ["/statement_keys/0/algorithm", "/statement_keys/1/key"]
    );
}

fn sizes_and_headers(demo: &Demo) {
    let token = Some(demo.fact("token"));
    let big = vec![b' '; 10 * 1024 * 1024];
    demo.http("PUT", "/v1/numbers/+99912345678", token, &[], Some(&big)).expect_problem(413, "too_large");
    let text = [("content-type", "text/plain")];
    demo.http("PUT", "/v1/numbers/+99912345678", token, &text, Some(b"{}")).expect_problem(415, "not_json");
    let key = [("idempotency-key", "with space")];
    let body = json!({"record": "r", "opening": "AA".repeat(21) + "A=", "event": "AAAA"}).to_string();
    demo.http("PUT", "/v1/numbers/+99912345678", token, &key, Some(body.as_bytes()))
        .expect_problem(400, "invalid_request");
    let if_match = [("if-match", "3")];
    demo.http("PUT", "/v1/numbers/+99912345678", token, &if_match, Some(body.as_bytes()))
        .expect_problem(400, "invalid_request");
    demo.http("GET", "/v1/nothing", None, &[], None).expect_problem(404, "not_found");
    demo.http("PATCH", "/v1/charter", None, &[], None).expect_problem(405, "method_not_allowed");
    let explained = demo.http("GET", "/v1/problems/too_large", None, &[], None);
    assert_eq!((explained.status, explained.json["status"].as_u64()), (200, Some(413)));
}

/// Another provider; its key is only ever a public key here.
const OTHER: &[u8] = br#"{"id": "other", "name": "Other", "statement_keys": [
    {"algorithm": "ed25519", "key": "2b8hSHSKhcidparY7gsPwtEF/TnUGkx5ZTY1TwrikAw="}]}"#;

/// A registered number and one that nobody registered look the same to a stranger.
fn strangers_learn_nothing(demo: &Demo) {
    let operator = demo.fact("operator_token");
    let made = demo.http("POST", "/v1/providers", Some(operator), &[], Some(OTHER));
    assert_eq!(made.status, 201, "{}", made.json);
    let made = demo.http("POST", "/v1/providers/other/tokens", Some(operator), &[], Some(b"{}"));
    assert_eq!(made.status, 201, "{}", made.json);
    let stranger = made.json["token"].as_str().expect("a token").to_owned();
    let registered = demo.sample(0).to_owned();
    let mut answers = [registered.as_str(), "+99987654321"].map(|number| {
        let answer = demo.http("GET", &format!("/v1/numbers/{number}"), Some(&stranger), &[], None);
        answer.expect_problem(404, "not_found");
        answer.json
    });
    for answer in &mut answers {
        answer["request_id"] = json!(null);
    }
    assert_eq!(answers[0], answers[1]);
    let own = demo.http("GET", &format!("/v1/numbers/{registered}"), Some(demo.fact("token")), &[], None);
    assert_eq!((own.status, own.etag.as_deref()), (200, Some("\"1\"")), "{}", own.json);
}

fn still_healthy(demo: &Demo) {
    let health = demo.http("GET", "/healthz", None, &[], None);
    assert_eq!((health.status, health.json["healthy"].as_bool()), (200, Some(true)), "{}", health.json);
    let (found, exit) = demo.lookup(demo.sample(0));
    assert_eq!((found["status"].as_str(), exit), (Some("secure"), 0), "{found}");
}

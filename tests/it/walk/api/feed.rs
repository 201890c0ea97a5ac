//! The change feed, lists, token revocation and complaints over HTTP.

use callbook::number::Number;
use serde_json::{Value, json};

use super::kit::Kit;
use crate::walk::child::Demo;

#[test]
fn a_provider_follows_its_numbers() {
    let demo = Demo::start();
    let acme = Kit::acme(&demo);
    what_waits_is_told(&acme);
    lists(&acme);
    tokens_are_revoked(&acme);
    complaints(&demo);
}

fn what_waits_is_told(acme: &Kit<'_>) {
    let get = |query: &str| acme.demo.http("GET", &format!("/v1/changes{query}"), Some(&acme.token), &[], None);
    let now = get("?cursor=now");
    assert_eq!((now.status, &now.json["changes"]), (200, &json!([])), "{}", now.json);
    let cursor = now.json["next_cursor"].as_str().expect("a cursor");
    // Somebody waits; a registration comes; the wait ends with it.
    let made = acme.create(Number::parse("+99955510").expect("a number"));
    let told = std::thread::scope(|scope| {
        let waits = scope.spawn(|| get(&format!("?cursor={cursor}&wait=25")));
        let answer = acme.http("PUT", "/v1/numbers/+99955510", &[], &made.body);
        assert_eq!(answer.status, 202, "{}", answer.json);
        waits.join().expect("an answer")
    });
    let change = &told.json["changes"][0];
    assert_eq!(
        (&change["kind"], &change["number"], &change["version"]),
        (&json!("create"), &json!("+99955510"), &json!(1))
    );
    assert_eq!(change["cursor"], told.json["next_cursor"]);
    assert!(change.get("provider_before").is_none() && change["provider_after"] == json!("acme"), "{change}");
    assert!(told.text.len() < 1000 && !told.text.contains("sip:"), "what the record says is not told: {}", told.text);
    // From the beginning: the samples too, page by page, each once.
    let (mut all, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let page = get(&query);
        all.extend(page.json["changes"].as_array().expect("a list").iter().map(|c| c["cursor"].clone()));
        query = format!("?limit=2&cursor={}", page.json["next_cursor"].as_str().expect("a cursor"));
        if page.json["more"] == json!(false) {
            break;
        }
    }
    assert_eq!(all.last(), Some(&change["cursor"]));
    all.dedup();
    assert!(all.len() > 3, "{all:?}");
    let wrong = get("?cursor=x&limit=0&wait=26&color=red");
    assert_eq!(wrong.expect_problem(400, "invalid_request").pointers(), ["cursor", "limit", "wait", "color"]);
    get("?cursor=AAAAAAD_____").expect_problem(400, "invalid_request");
    get("?cursor=AAAAAP____8").expect_problem(410, "cursor_gone");
}

fn lists(acme: &Kit<'_>) {
    let get = |query: &str| acme.demo.http("GET", &format!("/v1/numbers{query}"), Some(&acme.token), &[], None);
    let all = get("?limit=1000");
    let numbers = all.json["numbers"].as_array().expect("a list").clone();
    assert!(numbers.len() > 3 && all.json.get("next_cursor").is_none(), "{}", all.json);
    let (mut paged, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let page = get(&query);
        paged.extend(page.json["numbers"].as_array().expect("a list").iter().cloned());
        let Some(next) = page.json["next_cursor"].as_str() else { break };
        query = format!("?limit=2&cursor={next}");
    }
    assert_eq!(paged, numbers);
    let one = get("?prefix=%2B99955510&status=active&expires_before=2100-01-01T00:00:00Z");
    assert_eq!(one.json["numbers"][0]["number"], json!("+99955510"), "{}", one.json);
    for nothing in ["?prefix=%2B99955511", "?prefix=99955510&status=lapsed", "?expires_before=2020-01-01T00:00:00Z"] {
        assert_eq!(get(nothing).json["numbers"], json!([]), "{nothing}");
    }
    let wrong = get("?prefix=x&status=gone&expires_before=soon&cursor=!");
    let places = ["cursor", "prefix", "status", "expires_before"];
    assert_eq!(wrong.expect_problem(400, "invalid_request").pointers(), places);
}

fn tokens_are_revoked(acme: &Kit<'_>) {
    let (demo, operator) = (acme.demo, acme.demo.fact("operator_token"));
    let issue = || {
        let made = demo.http("POST", "/v1/providers/acme/tokens", Some(operator), &[], Some(b"{}"));
        let text = |name: &str| made.json[name].as_str().expect("a text").to_owned();
        (text("id"), text("token"))
    };
    let reads = |token: &str| demo.http("GET", "/v1/numbers", Some(token), &[], None).status;
    for revoker in [acme.token.as_str(), operator] {
        let (id, token) = issue();
        assert_eq!(reads(&token), 200);
        let path = format!("/v1/tokens/{id}");
        assert_eq!(demo.http("DELETE", &path, Some(revoker), &[], None).status, 204);
        assert_eq!(reads(&token), 401);
        demo.http("DELETE", &path, Some(revoker), &[], None).expect_problem(404, "not_found");
    }
    let (id, token) = issue();
    let file = demo.dir().join("operator.token");
    let (file, api) = (file.to_str().expect("UTF-8"), format!("http://{}", demo.fact("http")));
    let listed = demo.run(&["provider", "tokens", "acme", "--api", &api, "--token-file", file, "--json"]);
    let said: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert!(said["tokens"].as_array().is_some_and(|all| all.iter().any(|one| one["id"] == json!(id))), "{said}");
    for exit in [0, 2] {
        let done = demo.run(&["provider", "revoke", &id, "--api", &api, "--token-file", file]);
        assert_eq!(done.status.code(), Some(exit), "{}", String::from_utf8_lossy(&done.stderr));
    }
    assert_eq!(reads(&token), 401);
    let page = demo.http("GET", "/v1/providers/acme/tokens?limit=1", Some(operator), &[], None);
    assert_eq!(page.json["tokens"].as_array().map(Vec::len), Some(1), "{}", page.json);
}

/// Anybody complains and gets the same answer for every number; the operator moves complaints on.
fn complaints(demo: &Demo) {
    let send = |body: Value| demo.http("POST", "/v1/complaints", None, &[], Some(body.to_string().as_bytes()));
    for number in [demo.sample(0), "+99955599"] {
        let taken =
            send(json!({"about": "wrong_holder", "number": number, "text": "Mine.", "contact": "me@example.net"}));
        assert_eq!((taken.status, taken.json.as_object().map(serde_json::Map::len)), (202, Some(1)), "{}", taken.json);
    }
    let wrong = send(json!({"about": "weather", "number": "7", "text": " ", "contact": "x".repeat(300)}));
    let places = ["/about", "/number", "/contact", "/text"];
    assert_eq!(wrong.expect_problem(400, "invalid_request").pointers(), places);
    let operator = Some(demo.fact("operator_token"));
    let list = |query: &str| demo.http("GET", &format!("/v1/complaints{query}"), operator, &[], None);
    let first = list("?limit=1");
    let next = first.json["next_cursor"].as_str().expect("a second page");
    let second = list(&format!("?limit=1&cursor={next}"));
    assert_eq!(first.json["complaints"][0]["number"], json!(demo.sample(0)), "{}", first.json);
    let unknown = &second.json["complaints"][0];
    assert!(unknown.get("number").is_none() && unknown["names_number"] == json!(true), "{unknown}");
    let id = unknown["id"].as_str().expect("an id").to_owned();
    let step = |body: Value| {
        demo.http("PATCH", &format!("/v1/complaints/{id}"), operator, &[], Some(body.to_string().as_bytes()))
    };
    assert_eq!(step(json!({"state": "in_work"})).json["state"], json!("in_work"));
    step(json!({"state": "in_work"})).expect_problem(409, "conflict");
    step(json!({"state": "closed"})).expect_problem(400, "invalid_request");
    assert_eq!(step(json!({"state": "closed", "outcome": "upheld"})).json["outcome"], json!("upheld"));
    step(json!({"state": "in_work"})).expect_problem(409, "conflict");
    assert_eq!(list("?state=open").json["complaints"].as_array().map(Vec::len), Some(1));
    let acme = std::fs::read_to_string(demo.dir().join("provider/token")).expect("a token");
    demo.http("GET", "/v1/complaints", Some(acme.trim()), &[], None).expect_problem(403, "operator_only");
}

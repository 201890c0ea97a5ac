//! The API described by itself: the OpenAPI document and the pages of the problem codes.

use std::collections::BTreeSet;
use std::fs;

use callbook::registry::refusal;
use serde_json::Value;

use crate::source;
use crate::walk::child::Demo;

const SNAPSHOT: &str = "tests/it/walk/openapi.json";
pub(super) const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

#[test]
fn the_document_changes_only_on_purpose() {
    let (path, now) = (source::root().join(SNAPSHOT), callbook::http::openapi_document() + "\n");
    if std::env::var_os("CALLBOOK_UPDATE_SNAPSHOT").is_some() {
        fs::write(&path, &now).expect("the snapshot is written");
    }
    let before = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        before == now,
        "the API is not what {SNAPSHOT} says. If that is meant, run this test with CALLBOOK_UPDATE_SNAPSHOT=1, \
         read the difference (nothing may be taken away within v1) and commit it"
    );
}

#[test]
fn the_api_is_what_it_says() {
    let demo = Demo::start();
    let served = demo.http("GET", "/v1/openapi.json", None, &[], None);
    assert_eq!((served.status, served.media_type.as_str()), (200, "application/json"));
    assert_eq!(served.text, callbook::http::openapi_document());
    let document = served.json;
    assert!(document["openapi"].as_str().is_some_and(|v| v.starts_with("3.1")), "{}", document["openapi"]);
    every_route_is_there(&demo, &document);
    every_code_is_explained(&demo);
}

fn every_route_is_there(demo: &Demo, document: &Value) {
    let (mut routes, mut names) = (0, BTreeSet::new());
    for (template, item) in document["paths"].as_object().expect("paths") {
        let path = concrete(template);
        for method in METHODS.into_iter().filter(|m| item.get(m).is_some()) {
            let operation = &item[method];
            let id = operation["operationId"].as_str().expect("a name");
            assert!(names.insert(id.to_owned()), "two operations have the name {id}: clients are made by it");
            for (status, response) in operation["responses"].as_object().expect("responses") {
                let words = response["description"].as_str().unwrap_or_default();
                assert!(!words.is_empty(), "{method} {template} {status}: OpenAPI wants a description");
            }
            assert!(operation["summary"].as_str().is_some_and(|s| !s.is_empty()), "{method} {template} is explained");
            let answer = demo.http(&method.to_uppercase(), &path, None, &[], None);
            // A demo has no trust repository; its route says so in words of its own.
            let has_none = answer.json["detail"].as_str().is_some_and(|why| why.contains("of the trust repository"));
            let is_there = ![404, 405].contains(&answer.status) || has_none;
            assert!(is_there, "{method} {template}: {} {}", answer.status, answer.json);
            let secured = operation.get("security").is_some();
            assert_eq!(answer.status == 401, secured, "{method} {template} needs a token iff it says so");
            routes += 1;
        }
    }
    assert!(routes >= 16, "{routes} routes");
}

/// A path with something in the place of each parameter.
pub(super) fn concrete(template: &str) -> String {
    let path = [
        ("{number}", "+99912345678"),
        ("{event_hash}", "00"),
        ("{id}", "acme"),
        ("{code}", "fault"),
        ("{era}", "0"),
        ("{path}", "0/000.p/1"),
        ("{epoch}", "1"),
        ("{version}", "1"),
    ]
    .iter()
    .fold(template.to_owned(), |path, (name, value)| path.replace(name, value));
    assert!(!path.contains('{'), "{template} has a parameter that this test does not know");
    path
}

fn every_code_is_explained(demo: &Demo) {
    for reason in refusal::ALL {
        let page = demo.http("GET", &format!("/v1/problems/{}", reason.code), None, &[], None);
        assert_eq!(page.status, 200, "{}", reason.code);
        assert_eq!(
            (page.json["code"].as_str(), page.json["clause"].as_str()),
            (Some(reason.code), Some(reason.clause))
        );
        assert!(page.json["article"].as_str().is_some_and(|text| text.len() > 20), "{}", page.json);
    }
    demo.http("GET", "/v1/problems/no_such_code", None, &[], None).expect_problem(404, "not_found");
}

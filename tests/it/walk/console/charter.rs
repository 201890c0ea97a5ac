//! Another version of the charter on the console: it is asked for with files, read and approved by another person.

use serde_json::{Value, json};

use super::roles::House;
use crate::walk::child::Demo;

#[test]
fn who_approves_a_charter_has_read_what_it_changes() {
    let demo = Demo::start();
    let house = House::open(&demo);
    let (officer, admin) = (house.person("officer"), house.person("admin"));
    let now = demo.http("GET", "/v1/charter", None, &[], None).json;
    let policy = now["policy_toml"].as_str().expect("text").replace("\"+447700900\"", "\"+447700901\"");
    let text = now["charter_md"].as_str().expect("text").replace("**1.1** ", "**1.1** Above all: ");
    let new =
        json!({"clause": "10.1", "reason": "another range", "charter_md": text, "policy_toml": policy}).to_string();
    let json = ("content-type", "application/json");
    let act = demo.http("POST", "/v1/charter", Some(demo.fact("operator_token")), &[json], Some(new.as_bytes()));
    assert_eq!(act.status, 201, "{}", act.json);
    let path = format!("/console/acts/{}", act.json["id"].as_str().expect("an id"));

    let own = admin.get(&path).text;
    assert!(own.contains("another person approves") && !own.contains("Approve: it is done"), "{own}");
    let seen = officer.get(&path).text;
    for said in
        ["served +447700901", "Clauses that read otherwise: 1.1", "Whom it touches", "number_not_served", "acme"]
    {
        assert!(seen.contains(said), "{said} is not in {seen}");
    }
    assert!(officer.get("/console/acts").text.contains("the next version"));
    // It is files, not a form: the console does not offer one that would ask for a provider.
    let kinds = admin.get("/console/acts/new?kind=charter").text;
    assert!(kinds.contains("callbook charter announce") && !kinds.contains("kind=charter"), "{kinds}");

    assert_eq!(officer.post(&format!("{path}/approval"), &[]).status, 303);
    let after: Value = demo.http("GET", "/v1/charter", None, &[], None).json;
    assert_eq!(after["announced"][0]["version"].as_u64(), Some(2), "{after}");
    assert!(officer.get(&path).text.contains("served +447700901"), "afterwards it can still be read");
}

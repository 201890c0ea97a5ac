//! What a holder does alone: `/v1/holder/events`, without any token.

use callbook::client::holder::Change;
use callbook::log::event::Role;
use callbook::log::key::{Algorithm, SigningKey};
use callbook::log::state::State;
use callbook::number::Number;
use ring::rand::SystemRandom;
use serde_json::{Value, json};

use super::kit::{Kit, WAIT, anonymous};
use crate::walk::child::{Answer, Demo};

fn act(kit: &Kit<'_>, number: Number, change: Change, key: &SigningKey) -> Answer {
    let body = kit.signed(change, &[(Role::Control, key)]).holder_act(number);
    let body = serde_json::to_vec(&body).expect("JSON");
    kit.demo.http("POST", "/v1/holder/events", None, &WAIT, Some(&body))
}

#[test]
fn a_holder_acts_alone() {
    let demo = Demo::start();
    let acme = Kit::acme(&demo);
    let made = acme.registered("+447700900720");
    let (number, control) = (made.number, &made.device.control);
    let (label, text) = (acme.label(number), made.number.to_string());
    let published = |answer: &Answer, version: u64| {
        assert_eq!(answer.status, 202, "{}", answer.json);
        assert_eq!((&answer.json["visibility"], &answer.json["version"]), (&json!("published"), &json!(version)));
    };
    let found = |want: bool| {
        let (found, exit) = demo.lookup(&text);
        assert_eq!((found["status"].as_str(), found["found"].as_bool()), (Some("secure"), Some(want)), "{found}");
        assert_eq!(exit, i32::from(!want));
    };

    published(&act(&acme, number, Change::suspend(label, &acme.state(number)), control), 2);
    found(false);
    assert_eq!(acme.view(number).status, "suspended");
    published(&act(&acme, number, Change::resume(label, &acme.state(number)), control), 3);
    found(true);

    strangers_cannot_tell(&acme, number);
    found(true);

    published(&act(&acme, number, Change::release(label, &acme.state(number)), control), 4);
    found(false);
    let after = demo.http("GET", &format!("/v1/numbers/{number}"), Some(&acme.token), &[], None);
    assert!(
        after.status == 404 || (after.json["status"] == "released" && after.json["record"] == Value::Null),
        "{}",
        after.json
    );
    assert!(!after.text.contains("sip:"), "the record is erased: {}", after.text);
}

/// A key that is not the control key learns nothing: not even whether the number is registered.
fn strangers_cannot_tell(acme: &Kit<'_>, registered: Number) {
    let foreign = SigningKey::generate(Algorithm::Ed25519, &SystemRandom::new()).expect("a key");
    let free = Number::parse("+447700900721").expect("a number");
    let state = State { control: foreign.public().thumbprint(), ..acme.state(registered) };
    for make in [Change::suspend, Change::release] {
        let answers = [registered, free].map(|number| act(acme, number, make(acme.label(number), &state), &foreign));
        for answer in &answers {
            answer.expect_problem(404, "not_found");
        }
        assert_eq!(anonymous(&answers[0]), anonymous(&answers[1]));
    }
}

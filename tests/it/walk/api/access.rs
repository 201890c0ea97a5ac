//! Who may do what: other providers, tokens of every sort, a suspended provider.

use callbook::client::holder::{Change, RecordDraft};
use callbook::log::event::Role;
use callbook::log::key::{Algorithm, SigningKey};
use callbook::number::Number;
use ring::rand::SystemRandom;
use serde_json::{Value, json};

use super::kit::{Kit, VALID_S, anonymous, now_s};
use crate::walk::child::Demo;

const FREE: &str = "+447700900710";

#[test]
fn everyone_gets_what_is_theirs() {
    let demo = Demo::start();
    another_provider_is_a_stranger(&demo);
    tokens_open_their_range(&demo);
    a_suspended_provider_waits(&demo);
}

/// A second provider with its folder, made by the operator's command.
fn another_provider_is_a_stranger(demo: &Demo) {
    let folder = demo.dir().join("other");
    let (folder_text, api) = (folder.to_str().expect("UTF-8"), format!("http://{}", demo.fact("http")));
    let operator = demo.dir().join("operator.token");
    let operator = operator.to_str().expect("UTF-8");
    let add = ["provider", "add", "other", "--folder", folder_text, "--api", &api, "--token-file", operator];
    let made = demo.run(&add);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let other = Kit::of(demo, "other", &folder);
    // Nothing that it can sign for a number tells whether another provider has it.
    let answers = [demo.sample(0), FREE].map(|number| {
        let number = Number::parse(number).expect("a number");
        all_it_can_try(&other, Kit::acme(demo).state(Number::parse(demo.sample(0)).expect("a number")), number)
    });
    assert_eq!(answers[0], answers[1]);
    for (number, exit) in [(demo.sample(0), 1), (FREE, 1)] {
        let shown = demo.run(&["number", "show", number, "--provider", folder_text]);
        assert_eq!(shown.status.code(), Some(exit));
        let said = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(said.contains("is not registered by other"), "{said}");
    }
}

/// Update, renewal, notice and release, reading: each a well-signed request of this provider; all are the same 404.
fn all_it_can_try(other: &Kit<'_>, before: callbook::log::state::State, number: Number) -> Vec<Value> {
    let (label, path) = (other.label(number), format!("/v1/numbers/{number}"));
    let control = SigningKey::generate(Algorithm::Ed25519, &SystemRandom::new()).expect("a key");
    let cosigned = |change: Change, signers: &[(Role, &SigningKey)]| {
        let mut signed = other.signed(change, signers);
        signed.cosign(&other.directory, &other.statement);
        signed
    };
    let record =
        RecordDraft::new(number, "other").sip("sip:a@other.example").expect("a URI").build().expect("a record");
    let before = callbook::log::state::State { control: control.public().thumbprint(), ..before };
    let update = Change::update(label, &before, &record, [3; 32]);
    let update = cosigned(update, &[(Role::Control, &control)]).submission(vec![]);
    let token = other.validated(number, control.public().thumbprint(), &other.prepare(number).nonce);
    let renew = Change::renew(label, &before, "other", now_s() + VALID_S).evidence(&[&token]).expect("short");
    let renew = cosigned(renew, &[]).renewal(vec![token]);
    let notice = cosigned(Change::release_notice(label, &before, "other"), &[]).provider_release();
    let release = cosigned(Change::release_after_notice(label, &before, "other"), &[]).provider_release();
    let answers = [
        other.http("PUT", &path, &[("if-match", "\"1\"")], &update),
        other.http("POST", &format!("{path}/validation"), &[], &renew),
        other.http("DELETE", &path, &[], &notice),
        other.http("DELETE", &path, &[], &release),
        other.demo.http("GET", &path, Some(&other.token), &[], None),
    ];
    for answer in &answers {
        answer.expect_problem(404, "not_found");
    }
    answers.iter().map(anonymous).collect()
}

/// A token's expiry has its test beside the code: the shortest life is a day.
fn tokens_open_their_range(demo: &Demo) {
    let operator = Some(demo.fact("operator_token"));
    let issue = |wish: Value| {
        let body = wish.to_string();
        demo.http("POST", "/v1/providers/acme/tokens", operator, &[], Some(body.as_bytes()))
    };
    let token = |wish: Value| issue(wish).json["token"].as_str().expect("a token").to_owned();
    let wrong = issue(json!({"scopes": ["write:+44", "all"], "expires_in_d": 0}));
    assert_eq!(wrong.expect_problem(400, "invalid_request").pointers(), ["/scopes/1", "/expires_in_d"]);

    let sandbox = token(json!({"scopes": ["write:+999"]}));
    let test = token(json!({"test": true}));
    assert!(sandbox.starts_with("cb_live_") && test.starts_with("cb_test_"));
    for token in [&sandbox, &test] {
        let mut kit = Kit::acme(demo);
        kit.token.clone_from(token);
        for number in [FREE, demo.sample(0)] {
            let path = format!("/v1/numbers/{number}");
            demo.http("POST", &format!("{path}/prepare"), Some(token), &[], None).expect_problem(403, "forbidden");
            let body = Kit::acme(demo).create(Number::parse(number).expect("a number")).body;
            kit.http("PUT", &path, &[], &body).expect_problem(403, "forbidden");
        }
        // The last digits tell the two tokens' numbers apart.
        kit.registered(if *token == sandbox { "+99955501" } else { "+99955502" });
    }
    let read = |token: &str, number: &str| demo.http("GET", &format!("/v1/numbers/{number}"), Some(token), &[], None);
    read(&sandbox, "+99955501").expect_problem(403, "forbidden");
    read(&test, demo.sample(0)).expect_problem(403, "forbidden");
    assert_eq!(read(&test, "+99955502").status, 200);
    let listed = demo.http("GET", "/v1/providers/acme/tokens", operator, &[], None);
    assert_eq!(listed.json["tokens"].as_array().map(Vec::len), Some(3), "{}", listed.json);
    assert!(!listed.text.contains("cb_"), "no secret is shown again");
}

fn a_suspended_provider_waits(demo: &Demo) {
    let acme = Kit::acme(demo);
    let made = acme.registered("+447700900711");
    let next = acme.create(Number::parse("+447700900712").expect("a number"));
    let operator = Some(demo.fact("operator_token"));
    let set = |status: &str| {
        let body = json!({"status": status, "clause": "7.2"}).to_string();
        let answer = demo.http("PATCH", "/v1/providers/acme", operator, &[], Some(body.as_bytes()));
        assert_eq!((answer.status, answer.json["status"].as_str()), (200, Some(status)), "{}", answer.json);
    };
    let baseless = json!({"status": "gone", "clause": "99.1"}).to_string();
    let baseless = demo.http("PATCH", "/v1/providers/acme", operator, &[], Some(baseless.as_bytes()));
    assert_eq!(baseless.expect_problem(400, "invalid_request").pointers(), ["/status", "/clause"]);
    set("suspended");
    let path = format!("/v1/numbers/{}", next.number);
    let refused = acme.http("PUT", &path, &[], &next.body);
    refused.expect_problem(403, "provider_suspended");
    assert_eq!(refused.json["clause"].as_str(), Some("7.2"));
    let register = demo.http("GET", "/v1/providers", None, &[], None);
    assert_eq!(register.json["providers"][0]["status"], json!("suspended"), "{}", register.json);
    for number in [demo.sample(0), &made.number.to_string()] {
        let (found, exit) = demo.lookup(number);
        assert_eq!((found["status"].as_str(), exit), (Some("secure"), 0), "no holder goes off the air: {found}");
    }
    set("accredited");
    assert_eq!(acme.http("PUT", &path, &[], &next.body).status, 202, "the very same request");
}

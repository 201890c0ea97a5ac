//! A registration through PUT, its receipt, repetition, conditions, renewal and release with notice.

use callbook::api::numbers::Submission;
use callbook::client::holder::{Change, RecordDraft};
use callbook::log::event::Role;
use callbook::number::Number;
use serde_json::json;

use super::kit::{DAY_S, Kit, Made, VALID_S, WAIT, now_s};
use crate::walk::child::Demo;

#[test]
fn a_registration_lives_through_the_api() {
    let demo = Demo::start();
    let acme = Kit::acme(&demo);
    let made = accepted_with_a_receipt(&acme, "+447700900701");
    the_same_again(&acme, &made);
    keys_of_requests(&acme);
    conditions(&acme, &made);
    a_token_serves_once(&acme, &made);
    release_with_notice(&acme, &made);
}

fn path(number: Number) -> String {
    format!("/v1/numbers/{number}")
}

fn accepted_with_a_receipt(acme: &Kit<'_>, number: &str) -> Made {
    let made = acme.create(Number::parse(number).expect("a number"));
    let accepted = acme.http("PUT", &path(made.number), &[], &made.body);
    assert_eq!(accepted.status, 202, "{}", accepted.json);
    let location = accepted.location.as_deref().expect("a Location");
    assert_eq!(location, format!("/v1/receipts/{}", accepted.json["event_hash"].as_str().expect("a hash")));
    let receipt = acme.demo.http("GET", location, Some(&acme.token), &WAIT, None);
    assert_eq!((receipt.status, receipt.json["visibility"].as_str()), (200, Some("published")), "{}", receipt.json);
    let (epoch, latest) = (receipt.json["epoch"].as_u64(), receipt.json["epoch_latest"].as_u64());
    assert!(epoch.is_some() && epoch <= latest, "the promise is kept: {}", receipt.json);
    let shown = acme.demo.http("GET", &path(made.number), Some(&acme.token), &[], None);
    assert_eq!((shown.status, shown.etag.as_deref()), (200, Some("\"1\"")), "{}", shown.json);
    assert_eq!(shown.json["state_hash"], receipt.json["state_hash"]);
    assert_eq!((&shown.json["status"], &shown.json["class"]), (&json!("active"), &json!("holder")));
    assert_eq!(shown.json["record"].as_str(), Some(made.body.record.as_str()));
    let (found, exit) = acme.demo.lookup(number);
    assert_eq!((found["status"].as_str(), exit), (Some("secure"), 0), "{found}");
    for (who, token) in [("a stranger", None), ("the operator", Some(acme.demo.fact("operator_token")))] {
        let status = acme.demo.http("GET", location, token, &[], None).status;
        assert_eq!(status, if token.is_some() { 200 } else { 401 }, "{who}");
    }
    made
}

fn the_same_again(acme: &Kit<'_>, made: &Made) {
    let headers: [&[(&str, &str)]; 2] = [&[], &[("idempotency-key", "another-key")]];
    let [first, second] = headers.map(|headers| {
        let answer = acme.http("PUT", &path(made.number), headers, &made.body);
        assert_eq!((answer.status, &answer.json["version"]), (202, &json!(1)), "{}", answer.json);
        answer.json
    });
    assert_eq!(first, second);
}

fn keys_of_requests(acme: &Kit<'_>) {
    let made = acme.create(Number::parse("+447700900702").expect("a number"));
    let key = [("idempotency-key", "7f3a-one"), ("prefer", "wait=20")];
    let first = acme.http("PUT", &path(made.number), &key, &made.body);
    let again = acme.http("PUT", &path(made.number), &key, &made.body);
    assert_eq!((first.status, again.status), (202, 202), "{} {}", first.json, again.json);
    assert_eq!(first.json, again.json);
    let other = Submission { nonce: Some("another body".into()), ..made.body };
    acme.http("PUT", &path(made.number), &key, &other).expect_problem(422, "idempotency_key_reused");
}

/// A lost update is told with the version to start from; a repeated request is not mistaken for one.
fn conditions(acme: &Kit<'_>, made: &Made) {
    let (number, control) = (made.number, &made.device.control);
    let record = RecordDraft::new(number, "acme").sip("sip:new@acme.example").expect("a URI");
    let record = record.build().expect("a record");
    let update = Change::update(acme.label(number), &acme.state(number), &record, [9; 32]);
    let mut signed = acme.signed(update, &[(Role::Control, control)]);
    signed.cosign(&acme.directory, &acme.statement);
    let body = signed.submission(vec![]);
    let stale = acme.http("PUT", &path(number), &[("if-match", "\"7\"")], &body);
    stale.expect_problem(412, "version_mismatch");
    assert_eq!(stale.etag.as_deref(), Some("\"1\""));
    let right = [("if-match", "\"1\""), ("idempotency-key", "update-1"), ("prefer", "wait=20")];
    let changed = acme.http("PUT", &path(number), &right, &body);
    assert_eq!((changed.status, changed.json["version"].as_u64()), (202, Some(2)), "{}", changed.json);
    let again = acme.http("PUT", &path(number), &right, &body);
    assert_eq!((again.status, &again.json), (202, &changed.json), "its own effect is no conflict");
    assert_eq!(acme.view(number).version, 2);
}

/// The token of the registration does not renew it; a fresh one does.
fn a_token_serves_once(acme: &Kit<'_>, made: &Made) {
    let number = made.number;
    let renew = |token: &str| {
        let change = Change::renew(acme.label(number), &acme.state(number), "acme", now_s() + VALID_S - DAY_S / 2);
        let mut signed = acme.signed(change.evidence(&[token]).expect("short"), &[]);
        signed.cosign(&acme.directory, &acme.statement);
        acme.http("POST", &format!("{}/validation", path(number)), &WAIT, &signed.renewal(vec![token.to_owned()]))
    };
    let replayed = renew(&made.validation);
    replayed.expect_problem(409, "token_replayed");
    assert_eq!(replayed.json["clause"].as_str(), Some("3.5"));
    let fresh = acme.validated(number, made.device.control.public().thumbprint(), &acme.prepare(number).nonce);
    let renewed = renew(&fresh);
    assert_eq!((renewed.status, renewed.json["version"].as_u64()), (202, Some(3)), "{}", renewed.json);
}

fn release_with_notice(acme: &Kit<'_>, made: &Made) {
    let number = made.number;
    let delete = |change: Change| {
        let mut signed = acme.signed(change, &[]);
        signed.cosign(&acme.directory, &acme.statement);
        acme.http("DELETE", &path(number), &WAIT, &signed.provider_release())
    };
    let (label, before) = (acme.label(number), acme.state(number));
    delete(Change::release_after_notice(label, &before, "acme")).expect_problem(409, "notice_missing");
    let noticed = delete(Change::release_notice(label, &before, "acme"));
    assert_eq!((noticed.status, noticed.json["version"].as_u64()), (202, Some(4)), "{}", noticed.json);
    let from = acme.view(number).release_possible_from.expect("a date");
    let early = delete(Change::release_after_notice(label, &acme.state(number), "acme"));
    early.expect_problem(409, "notice_running");
    assert!(early.json["detail"].as_str().is_some_and(|d| d.contains(&from)), "it names {from}: {}", early.json);
    let (found, exit) = acme.demo.lookup(&number.to_string());
    assert_eq!((found["status"].as_str(), exit), (Some("secure"), 0), "it is served until then: {found}");
}

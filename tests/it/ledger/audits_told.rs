//! An audit by the program itself, over HTTP: the entity answers from a folder, an auditor judges, somebody draws again; and
//! complaints from their entry to their outcome.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use callbook::authority::{
    About, Actor, CodeSender, ComplaintMove, ComplaintState, LedTo, NewComplaint, NewToken, NotSent, Outcome, Rejection,
};
use callbook::http;
use callbook::net;
use callbook::number::Number;
use callbook::registry::acts::ActKind;
use serde_json::Value;

use crate::ledger::audits::{Entity, FEBRUARY_MS, MONTH, small, to_the_draw};
use crate::ledger::desk::device;
use crate::ledger::staff::{House, gov_log, key_of, provider, wish};
use crate::ledger::strangers::api;

/// The API of a house on a port.
struct Served {
    base: String,
    stop: tokio::sync::watch::Sender<bool>,
    _runtime: tokio::runtime::Runtime,
}

impl Served {
    fn start(house: &House) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = net::http::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let router = http::router(api(&house.desk, callbook::config::Http::default()));
        runtime.spawn(net::http::serve(vec![net::http::Front::plain(listener)], router, stopped));
        Self { base, stop, _runtime: runtime }
    }

    /// Runs the program with a token, or without one.
    fn run(&self, token: Option<&Path>, args: &[&str]) -> (Output, Value) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callbook"));
        command.args(["--json"]).args(args).args(["--api", &self.base]);
        if let Some(file) = token {
            command.arg("--token-file").arg(file);
        }
        let output = command.env_remove("CALLBOOK_PROVIDER").output().unwrap();
        let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output, json)
    }

    fn done(&self, token: Option<&Path>, args: &[&str]) -> Value {
        let (output, json) = self.run(token, args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        json
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

/// A token in a file: of a person of the staff, or of a provider.
fn token_file(house: &House, who: &str) -> PathBuf {
    let authority = &house.desk.authority;
    let token = if ["admin", "ben"].contains(&who) {
        house.desk.clock.advance(1000);
        let at_s = house.desk.now_s();
        let signature = key_of(who).sign(&callbook::log::staff::token_proof(authority.origin(), who, at_s));
        authority.staff_token(who, at_s, &signature, None).unwrap().token
    } else {
        let wish = NewToken {
            provider: Some(who.into()),
            scopes: Vec::new(),
            test: false,
            expires_in_d: 90,
            certificate: None,
        };
        authority.add_token(&Actor::operator(), wish).unwrap().token
    };
    let path = house.dir.path().join(format!("{who}.token"));
    std::fs::write(&path, token).unwrap();
    path
}

#[test]
fn the_program_plays_an_audit_from_the_close_to_the_public_count() {
    let (house, acme): (House, Entity) = small(30, |n| n % 3 != 0);
    let served = Served::start(&house);
    let (admin, ben, entity) = (token_file(&house, "admin"), token_file(&house, "ben"), token_file(&house, "acme"));
    let early = served.run(Some(&admin), &["audit", "close", MONTH]);
    assert!(!early.0.status.success(), "the month runs");
    assert_eq!(served.run(None, &["audit", "show", MONTH]).0.status.code(), Some(1));
    house.desk.clock.set(FEBRUARY_MS + 1);
    assert_eq!(served.done(Some(&admin), &["audit", "close", MONTH])["state"], "closed");
    to_the_draw(&house.desk);
    assert_eq!(served.done(Some(&admin), &["audit", "draw", MONTH])["state"], "drawn", "done already");

    let copy = house.dir.path().join("public");
    served.done(None, &["audit", "show", MONTH, "--out", copy.to_str().unwrap()]);
    let again = Command::new(env!("CARGO_BIN_EXE_callbook")).args(["audit", "draw", "--verify"]).arg(&copy).output();
    assert!(again.unwrap().status.success());
    assert_eq!(served.done(None, &["audit", "list"])["audits"][0]["period"], MONTH);

    let folder = house.dir.path().join("evidence");
    std::fs::create_dir(&folder).unwrap();
    for (n, evidence) in acme.kept.values().enumerate() {
        std::fs::write(folder.join(format!("{n}.json")), evidence).unwrap();
    }
    let asked = served.done(Some(&entity), &["provider", "audit", "requests"]);
    assert_eq!(asked["requests"].as_array().unwrap().len(), 20);
    let (output, answered) = served.run(Some(&entity), &["provider", "audit", "answer", folder.to_str().unwrap()]);
    let missing = answered["missing"].as_array().unwrap().len();
    assert_eq!((output.status.code(), answered["answered"].as_u64()), (Some(1), Some(20 - missing as u64)));
    assert!(missing >= 1);

    let items = served.done(Some(&ben), &["audit", "items", MONTH, "--state", "answered"])["items"].clone();
    for (n, item) in items.as_array().unwrap().iter().enumerate() {
        let (id, file) = (item["id"].as_str().unwrap(), house.dir.path().join(format!("seen-{n}")));
        let seen = served.done(Some(&ben), &["audit", "item", id, "--out", file.to_str().unwrap()]);
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.contains(seen["number"].as_str().unwrap()), "{text}");
        served.done(Some(&ben), &["audit", "judge", id, "pass"]);
    }
    house.desk.clock.advance(7 * 86_400_000);
    house.desk.authority.upkeep().unwrap();
    let (admin, ben) = (token_file(&house, "admin"), token_file(&house, "ben"));
    let found = served.done(Some(&ben), &["audit", "findings", MONTH]);
    assert_eq!(found["entities"][0]["failed"].as_u64(), Some(missing as u64), "{found}");
    let act = served.done(Some(&admin), &["audit", "propose", MONTH, "acme"]);
    let done = served.done(Some(&ben), &["act", "approve", act["id"].as_str().unwrap()]);
    assert_eq!((&done["state"], &done["kind"]), (&Value::from("done"), &found["entities"][0]["proposed"]));
    assert_eq!(served.done(Some(&ben), &["audit", "publish", MONTH])["state"], "published");
    assert!(gov_log(&house).pop().unwrap().contains("audit-result"));
}

/// Leaves the text in a file.
struct Letterbox(PathBuf);

impl CodeSender for Letterbox {
    fn send(&self, number: Number, text: &str) -> Result<(), NotSent> {
        std::fs::write(&self.0, format!("{number}\n{text}")).map_err(|_| NotSent::Unreachable)
    }
}

#[test]
fn the_program_sends_a_code_and_a_device_answers_it() {
    let (house, _acme) = small(25, |_| true);
    to_the_draw(&house.desk);
    let letter = house.dir.path().join("letter");
    house.desk.authority.send_codes_by(Arc::new(Letterbox(letter.clone())));
    let served = Served::start(&house);
    let ben = token_file(&house, "ben");
    let items = served.done(Some(&ben), &["audit", "items", MONTH])["items"].clone();
    let item = items[0]["id"].as_str().unwrap();
    assert_eq!(served.done(Some(&ben), &["audit", "send-code", item])["state"], "sent");
    let letter = std::fs::read_to_string(letter).unwrap();
    let (number, text) = letter.split_once('\n').unwrap();
    let code = text.split(' ').next().unwrap();

    let (digits, origin) = (Number::parse(number).unwrap(), house.desk.authority.origin().to_owned());
    let key = device(digits.as_u64() - 999_000_000_000).control;
    let signature = key.sign(&callbook::log::revalidation::tbs(&origin, digits, code));
    let answer = callbook::api::revalidations::CodeAnswer {
        number: number.to_owned(),
        code: code.to_owned(),
        key: callbook::api::providers::Key {
            algorithm: "ed25519".into(),
            key: callbook::api::Base64(key.public().bytes().to_vec()),
            thumbprint: None,
        },
        signature: callbook::api::Base64::from(signature),
    };
    let nobody = callbook::client::provider::Api::at(&served.base, "").unwrap();
    assert!(nobody.answer_code(&answer).unwrap().confirmed);
    let no = nobody.answer_code(&answer).unwrap_err();
    assert_eq!(no.code(), Some("not_found"), "once");
    let codes = served.done(Some(&ben), &["audit", "codes", item]);
    assert_eq!(codes["revalidations"][0]["state"], "confirmed");
    assert!(!codes.to_string().contains(code), "the code is nowhere");
}

#[test]
fn a_complaint_ends_in_an_outcome_with_what_it_led_to_and_is_counted() {
    let (house, _acme) = small(25, |_| true);
    to_the_draw(&house.desk);
    let authority = &house.desk.authority;
    let complain = |text: &str| {
        let new = NewComplaint { about: About::WrongHolder, number: None, text: text.into(), contact: None };
        authority.complain(new).unwrap()
    };
    let item = authority.audit_items(&house.ada, MONTH, (None, None), "", 1).unwrap().items.remove(0).id;
    let act = authority.request_act(&house.ada, wish(ActKind::Warn, provider("acme")), None).unwrap().row.id;
    let id = complain("I never registered there.");
    let taken = authority.move_complaint(&house.ben, &id, ComplaintMove::TakeUp).unwrap();
    assert_eq!((taken.state, taken.led_to.taken_by.as_deref()), (ComplaintState::InWork, Some("ben")));
    let close = |led_to| authority.move_complaint(&house.ada, &id, ComplaintMove::Close(Outcome::Upheld, led_to));
    let unknown = LedTo { item: Some("nothing".into()), ..LedTo::default() };
    assert!(matches!(close(unknown), Err(Rejection::Conflict(_))));
    let led_to = LedTo { clause: Some("3.3".into()), act: Some(act), item: Some(item), ..LedTo::default() };
    let closed = close(led_to.clone()).unwrap();
    assert_eq!(
        (&closed.led_to.act, &closed.led_to.item, &closed.led_to.clause),
        (&led_to.act, &led_to.item, &led_to.clause)
    );
    assert_eq!((closed.led_to.taken_by.as_deref(), closed.led_to.closed_by.as_deref()), (Some("ben"), Some("admin")));
    assert!(matches!(close(LedTo::default()), Err(Rejection::Conflict(_))), "never again");
    assert_eq!(authority.complaint(&house.ben, &id).unwrap(), closed);
    assert!(matches!(authority.complaint(&house.desk.actor, &id), Err(Rejection::Forbidden(_))));

    (0..24).for_each(|n| drop(complain(&format!("number {n}"))));
    house.desk.clock.set(FEBRUARY_MS + 29 * 86_400_000);
    authority.upkeep().unwrap();
    authority.upkeep().unwrap();
    let leaves: Vec<String> =
        gov_log(&house).into_iter().filter(|leaf| leaf.contains("\"type\":\"complaints\"")).collect();
    assert_eq!(leaves.len(), 1, "a month is counted once");
    let said = "\"body\":{\"came\":25,\"closed\":{\"not_ours\":null,\"rejected\":null,\"upheld\":null},\"period\":\"2027-02\"}";
    assert!(leaves[0].contains(said), "{}", leaves[0]);
    assert!(!leaves[0].contains("registered"));
}

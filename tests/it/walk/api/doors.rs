//! How a number changes hands, through the API and the command line: two providers, a holder, strangers.

use callbook::api::numbers::{Asked, Transfer};
use callbook::client::holder::{Change, Device, RecordDraft};
use callbook::log::event::{Door, Role};
use callbook::log::key::{Algorithm, SigningKey};
use callbook::log::state::State;
use callbook::number::Number;
use ring::rand::SystemRandom;
use serde_json::{Value, json};

use super::kit::{Kit, WAIT, anonymous};
use crate::walk::child::{Answer, Demo};

const FREE: &str = "+447700900731";

#[test]
fn a_number_changes_hands() {
    let demo = Demo::start();
    let (acme, other) = (Kit::acme(&demo), Kit::added(&demo, "other"));
    the_holders_key_moves_it(&acme, &other);
    a_code_is_shown_once_and_what_waits_is_seen(&acme, &other);
    strangers_cannot_tell(&acme, &other);
    the_command_line_does_the_same(&demo, &other);
}

fn path(number: Number) -> String {
    format!("/v1/numbers/{number}")
}

/// A token of `kit`'s own for that key, and the State that it is told with it.
fn told(kit: &Kit<'_>, number: Number, control: &SigningKey) -> (Vec<String>, [u8; 32], Option<State>) {
    let prepared = kit.prepare(number);
    assert!(prepared.state.is_none(), "without a token a stranger");
    let tokens = vec![kit.validated(number, control.public().thumbprint(), &prepared.nonce)];
    let asked = Asked { validation: tokens.clone() };
    let answer = kit.http("POST", &format!("{}/prepare", path(number)), &[], &asked);
    assert_eq!(answer.status, 200, "{}", answer.json);
    let state = answer.json["state"].as_str().map(|text| {
        let raw = data_encoding::BASE64.decode(text.as_bytes()).expect("base64");
        State::parse(&raw).expect("a State")
    });
    (tokens, prepared.ephemeral.0.as_slice().try_into().expect("32 bytes"), state)
}

fn transfer(kit: &Kit<'_>, number: Number, device: &Device, before: Option<State>) -> Transfer {
    let (tokens, ephemeral, state) = told(kit, number, &device.control);
    // A stranger's State names his own key: the token is bound to it, as the law demands before it looks anything up.
    let before = State { control: device.control.public().thumbprint(), ..state.or(before).expect("a State") };
    let record = RecordDraft::new(number, &kit.provider).sip("sip:moved@other.example").expect("a URI");
    let record = record.device(device).build().expect("a record");
    let change = Change::transfer(kit.label(number), &before, &record, [4; 32]).evidence(&tokens).expect("short");
    let mut signed = kit.signed(change, &[(Role::Control, &device.control)]);
    signed.prove(&kit.directory, &device.keys, &ephemeral).expect("proofs");
    signed.cosign(&kit.directory, &kit.statement);
    signed.transfer(tokens)
}

fn request(
    kit: &Kit<'_>,
    number: Number,
    control: &SigningKey,
    door: Door,
    before: Option<State>,
    code: Option<&str>,
) -> Transfer {
    let (tokens, _, state) = told(kit, number, control);
    let change =
        Change::request(kit.label(number), &state.or(before).expect("a State"), door, control.public(), &kit.provider);
    let mut signed = kit.signed(change.evidence(&tokens).expect("short"), &[(Role::NewControl, control)]);
    signed.cosign(&kit.directory, &kit.statement);
    Transfer { code: code.map(str::to_owned), ..signed.transfer(tokens) }
}

fn send(kit: &Kit<'_>, number: Number, body: &Transfer) -> Answer {
    kit.http("POST", &format!("{}/transfer", path(number)), &WAIT, body)
}

fn the_holders_key_moves_it(acme: &Kit<'_>, other: &Kit<'_>) {
    let made = acme.registered("+447700900730");
    let number = made.number;
    let body = transfer(other, number, &made.device, None);
    let misnamed = send(other, number, &Transfer { door: 3, ..body.clone() });
    assert_eq!(misnamed.expect_problem(400, "invalid_request").pointers(), ["/door"]);
    let moved = send(other, number, &body);
    assert_eq!((moved.status, &moved.json["version"]), (202, &json!(2)), "{}", moved.json);
    assert_eq!(moved.json["visibility"], json!("published"));
    assert_eq!(other.view(number).provider, "other");
    acme.demo.http("GET", &path(number), Some(&acme.token), &[], None).expect_problem(404, "not_found");
    let (found, exit) = acme.demo.lookup(&number.to_string());
    assert_eq!((found["status"].as_str(), exit), (Some("secure"), 0), "{found}");
    assert!(found.to_string().contains("sip:moved@other.example"), "{found}");
}

fn a_code_is_shown_once_and_what_waits_is_seen(acme: &Kit<'_>, other: &Kit<'_>) {
    let made = acme.registered("+447700900732");
    let number = made.number;
    let ask = |kit: &Kit<'_>, number: Number| {
        kit.demo.http("POST", &format!("{}/transfer-code", path(number)), Some(&kit.token), &[], None)
    };
    let strangers = [number, Number::parse(FREE).expect("a number")].map(|number| ask(other, number));
    for answer in &strangers {
        answer.expect_problem(404, "not_found");
    }
    assert_eq!(anonymous(&strangers[0]), anonymous(&strangers[1]));
    let given = ask(acme, number);
    assert_eq!(given.status, 200, "{}", given.json);
    let code = given.json["code"].as_str().expect("a code").to_owned();
    assert!(code.starts_with("cbt_") && given.json["expires_at"].is_string());

    let new = SigningKey::generate(Algorithm::Ed25519, &SystemRandom::new()).expect("a key");
    let without = send(other, number, &request(other, number, &new, Door::Code, None, None));
    without.expect_problem(400, "code_missing");
    let asked = send(other, number, &request(other, number, &new, Door::Code, None, Some(&code)));
    assert_eq!((asked.status, &asked.json["version"]), (202, &json!(2)), "{}", asked.json);
    let view = acme.view(number);
    let pending = view.pending.expect("something is pending");
    assert_eq!((view.status.as_str(), pending.door, pending.provider.as_str()), ("recovering", 2, "other"));
    assert!(pending.can_be_vetoed && pending.effective_from > pending.since && !given.text.contains("hash"));

    let before = acme.state(number);
    let against = |change: Change| {
        let body = acme.signed(change, &[(Role::Control, &made.device.control)]).against();
        serde_json::to_vec(&body).expect("JSON")
    };
    let veto = against(Change::veto(acme.label(number), &before));
    let misplaced = format!("{}/transfer/objection", path(number));
    let misplaced = acme.demo.http("POST", &misplaced, None, &[], Some(&veto));
    assert_eq!(misplaced.expect_problem(400, "invalid_request").pointers(), ["/event"]);
    let vetoed = acme.demo.http("DELETE", &format!("{}/transfer", path(number)), None, &WAIT, Some(&veto));
    assert_eq!((vetoed.status, &vetoed.json["version"]), (202, &json!(3)), "{}", vetoed.json);
    assert_eq!(acme.view(number).status, "active");
    let fresh = ask(acme, number).json["code"].as_str().expect("a code").to_owned();
    let again = send(other, number, &request(other, number, &new, Door::Code, None, Some(&fresh)));
    again.expect_problem(409, "veto_pause");
    assert_eq!((again.json["clause"].as_str(), again.json["parameter"].as_str()), (Some("6.5"), Some("claim_pause_d")));
}

/// Well-signed steps for a registered and for a free number: the same 404, as long as neither key nor code is theirs.
fn strangers_cannot_tell(acme: &Kit<'_>, other: &Kit<'_>) {
    let registered = Number::parse(acme.demo.sample(0)).expect("a number");
    let device = Device::generate(Algorithm::Ed25519, &SystemRandom::new()).expect("keys");
    let state = State { control: device.control.public().thumbprint(), ..acme.state(registered) };
    let answers = [registered, Number::parse(FREE).expect("a number")].map(|number| {
        let tried = [
            transfer(other, number, &device, Some(state.clone())),
            request(other, number, &device.control, Door::Main, Some(state.clone()), None),
            request(other, number, &device.control, Door::Code, Some(state.clone()), Some("cbt_guessed")),
        ];
        let mut told: Vec<Answer> = tried.iter().map(|body| send(other, number, body)).collect();
        for (method, tail, change) in [
            ("POST", "/transfer/objection", Change::object as fn(_, &State) -> Change),
            ("DELETE", "/transfer", Change::veto),
        ] {
            let pending = State { pending: [9; 32], ..state.clone() };
            let signed = acme.signed(change(acme.label(number), &pending), &[(Role::Control, &device.control)]);
            let body = serde_json::to_vec(&signed.against()).expect("JSON");
            told.push(acme.demo.http(method, &format!("{}{tail}", path(number)), None, &[], Some(&body)));
        }
        for answer in &told {
            answer.expect_problem(404, "not_found");
        }
        told.iter().map(anonymous).collect::<Vec<Value>>()
    });
    assert_eq!(answers[0], answers[1]);
}

fn the_command_line_does_the_same(demo: &Demo, other: &Kit<'_>) {
    let folder = |name: &str| demo.dir().join(name).to_str().expect("UTF-8").to_owned();
    let (acme, theirs) = (folder("provider"), folder("other"));
    let run = |args: &[&str], exit: i32| -> Value {
        let out = demo.run(&[args, &["--json"]].concat());
        let said = if exit == 2 { &out.stderr } else { &out.stdout };
        assert_eq!(out.status.code(), Some(exit), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(said).unwrap_or_else(|why| panic!("{args:?}: {why}"))
    };
    // Door 1, with the holder's keys from the losing provider's folder.
    let moved = demo.sample(1);
    let device = format!("{acme}/holders/{}", moved.trim_start_matches('+'));
    let sip = ["--sip", "sip:me@other.example"];
    let args = [&["number", "transfer", moved, "--provider", &theirs, "--device", &device][..], &sip].concat();
    assert_eq!(run(&args, 0)["version"], json!(2));
    run(&[&["number", "register", moved, "--provider", &theirs][..], &sip].concat(), 0);
    assert_eq!(other.view(Number::parse(moved).expect("a number")).provider, "other");

    // Door 2: the code goes through a file, and the old key vetoes.
    let (line, code) = (demo.sample(2), demo.dir().join("code.txt"));
    let code = code.to_str().expect("UTF-8");
    let given = run(&["number", "code", line, "--provider", &acme, "--out", code], 0);
    assert!(given["code"].is_null() && given["file"] == json!(code), "{given}");
    assert!(run(&["number", "code", line, "--provider", &acme], 0)["code"].is_string());
    run(&["number", "claim", line, "--provider", &theirs, "--code-file", code], 2); // a newer code took its place
    std::fs::remove_file(code).expect("the file is there");
    run(&["number", "code", line, "--provider", &acme, "--out", code], 0);
    run(&["number", "claim", line, "--provider", &theirs, "--code-file", code], 0);
    let shown = run(&["number", "show", line, "--provider", &acme], 0);
    assert_eq!((&shown["status"], &shown["pending"]["door"]), (&json!("recovering"), &json!(2)), "{shown}");
    let early = [&["number", "complete", line, "--provider", &theirs][..], &sip].concat();
    let early = run(&early, 2);
    assert!(early["error"].as_str().is_some_and(|why| why.contains("code_wait") && why.contains("6.2")), "{early}");
    run(&["number", "veto", line, "--provider", &acme], 0);
    assert_eq!(run(&["number", "show", line, "--provider", &acme], 0)["status"], json!("active"));

    // Door 3: one validation by each of two entities, a day apart; the holder objects.
    let line = demo.sample(3);
    let claim = ["number", "claim", line, "--provider", &theirs, "--method", "operator-db"];
    let lone = run(&claim, 2);
    assert!(lone["error"].as_str().is_some_and(|why| why.contains("--first-method")), "{lone}");
    let first = ["--first-method", "sms", "--first-hours-ago", "25", "--days", "80", "--first-days", "80"];
    let alone = run(&[&claim[..], &first].concat(), 2);
    assert!(alone["error"].as_str().is_some_and(|why| why.contains("two_methods")), "{alone}");
    run(&[&claim[..], &first, &["--first-by", &acme]].concat(), 0);
    assert_eq!(run(&["number", "show", line, "--provider", &acme], 0)["status"], json!("contested"));
    run(&["number", "veto", line, "--provider", &acme], 2);
    run(&["number", "object", line, "--provider", &acme], 0);
    let shown = run(&["number", "show", line, "--provider", &acme], 0);
    assert!(
        shown["pending"]["objected_at"].is_string() && shown["pending"]["can_be_vetoed"] == json!(false),
        "{shown}"
    );

    // Nobody took this one: the law is asked, by two methods, and says so.
    let line = demo.sample(4);
    let back =
        [&["number", "take-back", line, "--provider", &acme, "--method", "sms", "--days", "80"][..], &sip].concat();
    let alone = run(&back, 2);
    assert!(alone["error"].as_str().is_some_and(|why| why.contains("--first-method")), "{alone}");
    let first =
        ["--first-method", "operator-db", "--first-hours-ago", "25", "--first-days", "80", "--first-by", &theirs];
    let nothing = run(&[&back[..], &first].concat(), 2);
    assert!(
        nothing["error"].as_str().is_some_and(|why| why.contains("undo_missing") && why.contains("6.10")),
        "{nothing}"
    );

    // Door 0: the same provider, another key.
    let asked = run(&["number", "recover", line, "--provider", &acme], 0);
    assert_eq!(asked["pending"]["door"], json!(0), "{asked}");
}

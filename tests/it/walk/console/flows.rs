//! A day's work in a browser, by a person who has a link and nothing else: accredit, find out why, roll a key, act by two.

use std::time::{Duration, Instant};

use serde_json::json;

use super::browser::Browser;
use super::roles::House;
use super::soft::origin;
use crate::walk::child::Demo;

/// WebDriver's name of the tabulator key.
const TAB: &str = "\u{e004}";

#[test]
fn a_person_who_has_a_link_does_a_days_work() {
    let Some(browser) = Browser::start() else { return };
    let demo = Demo::start();
    signs_in(&browser, &demo);
    accredits_by_two(&browser, &demo);
    finds_out_why(&browser, &demo);
    rolls_a_key(&browser, &demo);
    reads_without_scripts(&browser, &demo);
    walks_by_keyboard(&browser, &demo);
}

fn signs_in(browser: &Browser, demo: &Demo) {
    browser.go(demo.fact("console_link"));
    browser.says("Welcome, admin");
    browser.fill("name", "laptop");
    browser.press("Register a passkey");
    browser.says("What needs a person");
    let cookies = browser.cookies();
    let cookie = &cookies[0];
    assert_eq!(cookie["name"], json!("__Host-callbook"), "{cookies}");
    assert_eq!(
        (&cookie["secure"], &cookie["httpOnly"], &cookie["sameSite"]),
        (&json!(true), &json!(true), &json!("Strict"))
    );
    browser.press("Sign out");
    browser.says("Sign in with a passkey");
    browser.go(&format!("{}/console/acts", origin(demo)));
    assert_eq!(browser.path(), "/console/sign-in", "no session, no page");
    browser.press("Sign in with a passkey");
    browser.says("What needs a person");
    // A second passkey of the same device is refused by no rule of ours; a session of one's own can be ended.
    browser.go(&format!("{}/console/system", origin(demo)));
    browser.says("laptop");
}

fn accredits_by_two(browser: &Browser, demo: &Demo) {
    let house = House::open(demo);
    let here = origin(demo);
    browser.go(&format!("{here}/console/providers/new"));
    browser.fill("id", "newcomer");
    browser.fill("name", "New Phones Ltd");
    browser.fill("statement_keys", "ed25519:not a key");
    browser.press("Enter it into the register");
    browser.says("this is no key");
    browser.fill("statement_keys", "ed25519:2b8hSHSKhcidparY7gsPwtEF/TnUGkx5ZTY1TwrikAw=");
    browser.choose("status", "applied");
    browser.press("Enter it into the register");
    browser.says("New Phones Ltd");
    browser.press("Begin the probation");
    browser.fill("reason", "papers are complete");
    browser.press("Ask for it");
    browser.says("done");
    browser.go(&format!("{here}/console/providers/newcomer"));
    browser.says("probation");
    browser.fill("days", "30");
    browser.press("Make a token");
    browser.says("It is shown this once");
    browser.says("cb_live_");
    // What takes two people waits for the second.
    browser.go(&format!("{here}/console/providers/acme"));
    browser.press("Warn");
    browser.fill("reason", "late with evidence");
    browser.press("Ask for it");
    browser.says("another person approves");
    let act = browser.path();
    browser.go(&format!("{here}/console"));
    browser.says("late with evidence");
    let approved = house.person("officer").post(&format!("{act}/approval"), &[]);
    assert_eq!(approved.status, 303, "{}", approved.text);
    browser.go(&format!("{here}{act}"));
    browser.says("by otto");
    browser.go(&format!("{here}/console/providers/acme"));
    browser.says("warned");
}

fn finds_out_why(browser: &Browser, demo: &Demo) {
    let here = origin(demo);
    browser.go(&format!("{here}/console/numbers"));
    browser.fill("what", "token_replayed");
    browser.press("Find out");
    browser.says("What to do");
    browser.says("3.5");
    browser.fill("what", "+49 30 1234567");
    browser.press("Find out");
    browser.says("It is always refused");
    browser.says("number_not_served");
    browser.go(&format!("{here}/console/numbers"));
    browser.fill("number", demo.sample(0));
    browser.fill("reason", "case 17");
    browser.press("Look up");
    browser.says("active");
    browser.says("create by acme");
    assert_eq!(browser.path(), "/console/numbers", "no number in an address");
    browser.go(&format!("{here}/console/numbers"));
    browser.says("case 17");
    let complaint = json!({"about": "wrong_holder", "text": "this is mine"}).to_string();
    assert_eq!(demo.http("POST", "/v1/complaints", None, &[], Some(complaint.as_bytes())).status, 202);
    browser.go(&format!("{here}/console/complaints"));
    browser.says("this is mine");
    browser.press("Take it up");
    browser.arrives("/console/complaints?state=in_work");
    browser.press("Close: it was right");
    browser.says("closed, upheld");
}

fn rolls_a_key(browser: &Browser, demo: &Demo) {
    let here = origin(demo);
    browser.go(&format!("{here}/console/keys"));
    browser.says("the parent has DS");
    let keys = "document.querySelectorAll('table.cards tbody tr').length";
    let before = browser.eval(keys).as_u64().expect("a count");
    browser.fill("reason-e164-example", "yearly practice");
    browser.press("Ask for the roll");
    browser.says("A roll was asked for");
    let started = Instant::now();
    while browser.eval(keys).as_u64() != Some(before + 1) {
        assert!(started.elapsed() < Duration::from_secs(20), "{}", browser.text());
        std::thread::sleep(Duration::from_millis(200));
        browser.go(&format!("{here}/console/keys"));
    }
    browser.says("published");
    browser.go(&format!("{here}/console/numbers"));
    browser.says("yearly practice");
}

fn reads_without_scripts(browser: &Browser, demo: &Demo) {
    browser.cdp("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    for (path, words) in [
        ("", "What needs a person"),
        ("/acts", "late with evidence"),
        ("/providers", "New Phones Ltd"),
        ("/complaints", "None here"),
        ("/keys", "Lives of the keys"),
        ("/charter", "Text and parameters"),
        ("/system", "Checks, made just now"),
    ] {
        browser.go(&format!("{}/console{path}", origin(demo)));
        browser.says(words);
    }
    browser.cdp("Emulation.setScriptExecutionDisabled", json!({"value": false}));
}

fn walks_by_keyboard(browser: &Browser, demo: &Demo) {
    browser.go(&format!("{}/console/providers", origin(demo)));
    let focus = "(document.activeElement.innerText || document.activeElement.name || '').trim()";
    let outlined = "getComputedStyle(document.activeElement).outlineStyle";
    let mut seen = Vec::new();
    for _ in 0..40 {
        browser.key(TAB);
        seen.push(browser.eval(focus).as_str().unwrap_or_default().to_owned());
        assert_ne!(browser.eval(outlined), json!("none"), "focus is not seen on {seen:?}");
        if seen.last().is_some_and(|last| last == "New Phones Ltd") {
            break;
        }
    }
    assert_eq!(seen.first().map(String::as_str), Some("To the content"));
    for words in
        ["Sign out", "Today", "Acts", "Numbers", "Providers", "Zones and keys", "Enter a newcomer", "New Phones Ltd"]
    {
        assert!(seen.iter().any(|one| one == words), "{words} is not reached: {seen:?}");
    }
}

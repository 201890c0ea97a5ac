//! Every page as it looks: on a phone and on a desk, light and dark, kept as pictures; nothing sticks out, and axe-core finds
//! nothing serious (WCAG 2.1 AA).

use serde_json::Value;

use super::browser::{Browser, axe};
use super::soft::origin;
use crate::walk::child::Demo;

/// Path, what the picture is called, and what the page says.
const PAGES: [(&str, &str, &str); 13] = [
    ("", "today", "What needs a person"),
    ("/acts", "acts", "What the operator does"),
    ("/acts/new", "act-kinds", "What shall be done?"),
    ("/acts/new?kind=suspend-numbers", "act-form", "One a line, with +"),
    ("/providers", "providers", "Acme Telephony"),
    ("/providers/acme", "provider", "Access tokens"),
    ("/providers/new", "provider-new", "begins its probation"),
    ("/numbers", "numbers", "The book of the desk"),
    ("/complaints", "complaints", "None here"),
    ("/log", "log", "newest epoch"),
    ("/keys", "keys", "Lives of the keys"),
    ("/charter", "charter", "Text and parameters"),
    ("/system", "system", "Checks, made just now"),
];
/// Too large for a picture of the whole.
const LONG: &str = "charter";

#[test]
fn every_page_looks_well_and_reads_well() {
    let Some(browser) = Browser::start() else { return };
    let axe = axe();
    let demo = Demo::start();
    let here = origin(&demo);
    browser.go(&format!("{here}/console/sign-in"));
    seen(&browser, &axe, "sign-in");
    // And it is a policy that refuses: what stands inline is not taken.
    browser.eval("document.body.insertAdjacentHTML('beforeend', '<p style=\"color:red\">x</p><img src=\"https://evil.example/x\">')");
    assert!(!browser.refusals().is_empty(), "the browser refuses nothing");
    browser.go(demo.fact("console_link"));
    browser.says("Welcome, admin");
    seen(&browser, &axe, "link");
    browser.press("Register a passkey");
    browser.says("What needs a person");
    // The longest that people write, without a place to break it.
    browser.go(&format!("{here}/console/providers/new"));
    browser.fill("id", &"long".repeat(15));
    browser.fill("name", &"W".repeat(200));
    browser.fill("statement_keys", "ed25519:2b8hSHSKhcidparY7gsPwtEF/TnUGkx5ZTY1TwrikAw=");
    browser.press("Enter it into the register");
    browser.says("probation");
    seen(&browser, &axe, "provider-long");
    browser.go(&format!("{here}/console/providers/acme"));
    browser.press("Stop in an emergency");
    browser.fill("reason", &format!("a drill {}", "W".repeat(900)));
    browser.press("Ask for it");
    browser.says("a drill");
    seen(&browser, &axe, "act");
    for (path, name, words) in PAGES {
        browser.go(&format!("{here}/console{path}"));
        browser.says(words);
        seen(&browser, &axe, name);
    }
    browser.go(&format!("{here}/console/numbers"));
    browser.fill("number", demo.sample(1));
    browser.fill("reason", "a drill");
    browser.press("Look up");
    browser.says("create by acme");
    seen(&browser, &axe, "number");
    browser.go(&format!("{here}/console/providers/new"));
    browser.fill("id", "x");
    browser.fill("name", "x");
    browser.fill("validation_keys", "no key");
    browser.press("Enter it into the register");
    browser.says("this is no key");
    seen(&browser, &axe, "mistake");
    browser.go(&format!("{here}/console/acts/none"));
    browser.says("There is nothing here");
    seen(&browser, &axe, "error");
    browser.forget();
}

/// Looks at a page in every way that counts.
pub(super) fn seen(browser: &Browser, axe: &Option<String>, name: &str) {
    assert_eq!(browser.refusals(), Vec::<String>::new(), "{name} asks for what its own policy refuses");
    for (width, scheme) in [(390, "light"), (1280, "light"), (390, "dark"), (1280, "dark")] {
        browser.looks(width, scheme);
        let wide = browser.eval("document.documentElement.scrollWidth").as_u64().expect("a width");
        assert!(wide <= u64::from(width), "{name} is {wide} wide at {width}");
        if !name.ends_with(LONG) || width == 1280 {
            browser.picture(&format!("{name}-{width}-{scheme}"));
        }
        if let Some(axe) = axe {
            assert_eq!(violations(browser, axe), Vec::<String>::new(), "{name} at {width}, {scheme}");
        }
    }
}

/// What axe-core calls serious or critical.
fn violations(browser: &Browser, axe: &str) -> Vec<String> {
    let script = format!(
        "{axe}; const done = arguments[arguments.length - 1]; \
         axe.run(document, {{resultTypes: ['violations']}}).then(found => done(found.violations), error => done([{{id: String(error), impact: 'critical', nodes: []}}]));"
    );
    let found = browser.run(&script);
    let grave = |one: &&Value| matches!(one["impact"].as_str(), Some("serious" | "critical"));
    let all = found.as_array().expect("a list").iter().filter(grave);
    all.map(|one| format!("{}: {} at {}", one["id"], one["help"], one["nodes"][0]["html"])).collect()
}

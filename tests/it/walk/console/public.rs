//! The pages for everybody: what they say, by plain requests, and how they look.

use super::browser::{Browser, axe};
use super::looks::seen;
use super::soft::origin;
use crate::walk::child::Demo;

/// Path, what the picture is called, and what the page says.
const PAGES: [(&str, &str, &str); 8] = [
    ("/", "public-home", "Who holds a number decides"),
    ("/look-up", "public-look-up", "In international form"),
    ("/charter", "public-charter", "in force since"),
    ("/register", "public-register", "Acme Telephony"),
    ("/statistics", "public-statistics", "Counts behind which fewer than 20 cases stand"),
    ("/status", "public-status", "The directory does its job"),
    ("/verify", "public-verify", "callbook log verify URL"),
    ("/leave", "public-leave", "no veto"),
];

fn get(demo: &Demo, path: &str) -> ureq::http::Response<ureq::Body> {
    agent().get(format!("http://{}{path}", demo.fact("http"))).call().expect("an answer")
}

fn look_up(demo: &Demo, number: &str) -> (u16, String) {
    let form = format!("number={}", number.replace('+', "%2B").replace(' ', "+"));
    let mut answer = agent()
        .post(format!("http://{}/look-up", demo.fact("http")))
        .content_type("application/x-www-form-urlencoded")
        .send(form)
        .expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.body_mut().read_to_string().expect("text"))
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().into()
}

#[test]
fn pages_for_everybody_need_no_script_and_say_what_the_api_says() {
    let demo = Demo::start();
    for (path, _, words) in PAGES {
        let mut answer = get(&demo, path);
        let header =
            |name: &str| answer.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let (policy, kept, cookie) = (header("content-security-policy"), header("cache-control"), header("set-cookie"));
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert!(cookie.is_empty(), "{path} knows no session");
        let shared = !["/look-up", "/status"].contains(&path);
        assert_eq!(kept, if shared { "public, max-age=60" } else { "no-store" }, "{path}");
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        let text = answer.body_mut().read_to_string().expect("text");
        assert!(text.contains(words), "{path} does not say {words:?}: {text}");
        assert!(!text.contains("<script") && !text.contains("style=") && !text.contains("onclick"), "{path}");
    }
}

#[test]
fn a_look_up_shows_each_step_and_keeps_the_number_out_of_the_address() {
    let demo = Demo::start();
    let (status, found) = look_up(&demo, demo.sample(1));
    assert_eq!(status, 200);
    for words in [
        "is published",
        "sip:user02@acme.example",
        "Its newest leaf is epoch",
        "its own leaf is there",
        "Its State is version 1",
    ] {
        assert!(found.contains(words), "{words}: {found}");
    }
    assert!(!found.contains("The proof does not hold"), "{found}");
    let (_, absent) = look_up(&demo, "+447700900998");
    assert!(absent.contains("was never registered here") && !absent.contains("Its State"), "{absent}");
    let (_, wrong) = look_up(&demo, "12<b>");
    assert!(wrong.contains("write it in international form") && wrong.contains("12&lt;b&gt;"), "{wrong}");
    let (_, empty) = look_up(&demo, "");
    assert!(empty.contains("aria-invalid"), "{empty}");
    let mut asked = get(&demo, "/look-up?number=%2B447700900001");
    let text = asked.body_mut().read_to_string().expect("text");
    assert!(!text.contains("447700900001"), "a number in an address is not taken up: {text}");
}

#[test]
fn pages_for_everybody_look_well() {
    let Some(browser) = Browser::start() else { return };
    let axe = axe();
    let demo = Demo::start();
    let here = origin(&demo);
    for (path, name, words) in PAGES {
        browser.go(&format!("{here}{path}"));
        browser.says(words);
        seen(&browser, &axe, name);
    }
    browser.go(&format!("{here}/look-up"));
    browser.fill("number", demo.sample(1));
    browser.press("Look it up");
    browser.says("Steps of the proof");
    seen(&browser, &axe, "public-found");
    browser.forget();
}

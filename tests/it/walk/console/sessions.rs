//! Sessions and passkeys: each link and each answer counts once, nothing is fixed beforehand, and whoever leaves is out.

use super::roles::House;
use super::soft::{Soft, origin, send};
use crate::walk::child::Demo;

#[test]
fn a_link_works_once_and_an_answer_too() {
    let demo = Demo::start();
    let link = demo.fact("console_link").to_owned();
    let mut admin = Soft::by_link(&demo, &link, 9);
    assert!(link.starts_with(&origin(&demo)));
    let again = send(&demo, "GET", link.split_once(&origin(&demo)).expect("ours").1, &[], "");
    assert_eq!((again.status, again.text.contains("sign_in")), (403, true), "{}", again.text);
    let challenge = admin.challenge();
    assert_eq!(admin.answer(&challenge, None).status, 303);
    assert_eq!(admin.answer(&challenge, None).status, 403, "the same challenge again");
    let guess = "A".repeat(43);
    assert_eq!(admin.answer(&guess, None).status, 403, "a challenge of nobody's");
    // A passkey of another seed is nobody's.
    let book = admin.get("/console/numbers").text;
    assert!(book.contains("link made") && book.contains("passkey added") && book.contains("signed in"), "{book}");
}

#[test]
fn a_session_begins_anew_at_each_sign_in_and_ends_when_it_is_left() {
    let demo = Demo::start();
    let mut admin = Soft::by_link(&demo, demo.fact("console_link"), 9);
    let first = admin.cookie();
    assert_eq!(admin.get("/console").status, 200);
    // A cookie that somebody set beforehand does not become a session, and the one before ends at the next sign-in.
    let fixed = "__Host-callbook=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let challenge = admin.challenge();
    let seen = admin.answer(&challenge, Some(&format!("{fixed}; {first}")));
    let cookie = seen.cookie.expect("a cookie");
    assert!(!cookie.starts_with(fixed) && !cookie.starts_with(&first), "{cookie}");
    for part in ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_eq!(send(&demo, "GET", "/console", &[("cookie", fixed)], "").status, 303);
    admin.sign_in();
    let second = admin.cookie();
    let challenge = admin.challenge();
    assert_eq!(admin.answer(&challenge, Some(&second)).status, 303);
    assert_eq!(admin.get("/console").status, 303, "the session before has ended");
    admin.sign_in();
    let out = admin.post("/console/sign-out", &[]);
    assert_eq!((out.status, &*out.location), (303, "/console/sign-in"));
    assert!(out.cookie.expect("a cookie").contains("Max-Age=0"));
    assert_eq!(admin.get("/console").status, 303, "the secret alone opens nothing any more");
}

#[test]
fn whoever_leaves_or_has_another_key_is_out_at_once() {
    let demo = Demo::start();
    let house = House::open(&demo);
    let (viewer, auditor) = (house.person("viewer"), house.person("auditor"));
    let (officer, admin) = (house.person("officer"), house.person("admin"));
    assert_eq!(viewer.get("/console").status, 200);
    let decide = |fields: &[(&str, &str)]| {
        let asked = admin.post("/console/acts", &[&[("clause", "11.1"), ("reason", "a test")], fields].concat());
        assert_eq!(asked.status, 303, "{}", asked.text);
        assert!(admin.get(&asked.location).text.contains("another person approves"));
        let own = admin.post(&format!("{}/approval", asked.location), &[]);
        assert_eq!((own.status, own.text.contains("act_own")), (403, true), "{}", own.text);
        let done = officer.post(&format!("{}/approval", asked.location), &[]);
        assert_eq!(done.status, 303, "{}", done.text);
    };
    decide(&[("kind", "staff-end"), ("person", "vera")]);
    assert_eq!(viewer.get("/console").status, 303, "left");
    // Another role counts from the next request on.
    assert_eq!(auditor.get("/console/complaints").status, 200);
    decide(&[("kind", "staff-change"), ("person", "august"), ("role", "viewer")]);
    assert_eq!(auditor.get("/console/complaints").status, 403);
    // Another key is another beginning.
    let key = "ed25519:2b8hSHSKhcidparY7gsPwtEF/TnUGkx5ZTY1TwrikAw=";
    decide(&[("kind", "staff-change"), ("person", "august"), ("public_key", key)]);
    assert_eq!(auditor.get("/console").status, 303, "the passkey went with the key before");
}

#[test]
fn passkeys_are_added_and_removed_and_the_last_one_stays() {
    let demo = Demo::start();
    let admin = Soft::by_link(&demo, demo.fact("console_link"), 9);
    let mut second = Soft::unknown(&demo, 10);
    let challenge = second.challenge();
    assert_eq!(second.answer(&challenge, None).status, 403, "nobody's yet");
    let only = admin.post(&format!("/console/system/passkeys/{}/removal", admin.credential()), &[]);
    assert_eq!((only.status, only.text.contains("only passkey")), (409, true), "{}", only.text);
    let added = second.register_as(&admin);
    assert_eq!((added.status, &*added.location), (303, "/console/system"), "{}", added.text);
    assert_eq!(second.register_as(&admin).status, 409, "the same again");
    let page = admin.get("/console/system/passkeys").text;
    assert!(page.contains(&admin.credential()) && page.contains(&second.credential()), "none is made twice: {page}");
    second.sign_in();
    assert!(second.get("/console/system").text.contains("this one"));
    let removed = second.post(&format!("/console/system/passkeys/{}/removal", admin.credential()), &[]);
    assert_eq!(removed.status, 303, "{}", removed.text);
    let mut admin = admin;
    let challenge = admin.challenge();
    assert_eq!(admin.answer(&challenge, None).status, 403, "removed");
    assert_eq!(admin.get("/console").status, 200, "its session goes on until it is ended");
    let all = second.get("/console/system").text;
    let ends = all.split("/console/system/sessions/").skip(1).filter_map(|rest| rest.split('/').next());
    for id in ends.map(str::to_owned).collect::<Vec<_>>() {
        let _ended = second.post(&format!("/console/system/sessions/{id}/end"), &[]).status;
    }
    assert_eq!((admin.get("/console").status, second.get("/console").status), (303, 303));
}

//! Forms from elsewhere change nothing; what people wrote stays text on every page; headers stand on every answer.

use super::roles::House;
use super::soft::{origin, send};
use crate::walk::child::Demo;

/// What a page would run if it took text for more than text.
const SCRIPT: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";

#[test]
fn a_form_counts_only_from_a_page_of_the_same_session() {
    let demo = Demo::start();
    let house = House::open(&demo);
    let (officer, admin) = (house.person("officer"), house.person("admin"));
    let key = "ed25519:2b8hSHSKhcidparY7gsPwtEF/TnUGkx5ZTY1TwrikAw=";
    let fields = [("id", "fresh-phones"), ("name", "Fresh Phones"), ("statement_keys", key), ("status", "applied")];
    let (own, others, ours) = (officer.token(), admin.token(), origin(&demo));
    assert_ne!(own, others);
    let with = |token: &str, origin: &str, site: &str| {
        officer.post_with("/console/providers", &[&[("form", token)], &fields[..]].concat(), origin, site)
    };
    for (token, origin, site, why) in [
        ("", &*ours, "same-origin", "no token"),
        (&*others, &*ours, "same-origin", "the token of another session"),
        (&*own, "https://evil.example", "same-origin", "another origin"),
        (&*own, "null", "cross-site", "a frame without an origin"),
        (&*own, "null", "none", "no origin that counts"),
        (&*own, "", "same-origin", "no origin"),
        (&*own, &*ours, "cross-site", "a browser that says cross-site"),
        (&*own, &*ours, "same-site", "a neighbour"),
    ] {
        let seen = with(token, origin, site);
        assert_eq!((seen.status, seen.text.contains("foreign_form")), (403, true), "{why}: {}", seen.text);
    }
    assert!(!admin.get("/console/providers").text.contains("fresh-phones"), "nothing was changed");
    assert_eq!(with(&own, &ours, "same-origin").status, 303);
    assert!(admin.get("/console/providers").text.contains("fresh-phones"));
    // Nobody is signed in as somebody else from a foreign page.
    for path in ["/console/sign-in", "/console/link"] {
        let media = ("content-type", "application/x-www-form-urlencoded");
        let seen = send(&demo, "POST", path, &[("origin", "https://evil.example"), media], "link=x");
        assert_eq!((seen.status, seen.text.contains("foreign_form")), (403, true), "{path}: {}", seen.text);
    }
    // Not as JSON either, which other pages may send with less.
    let cookie = officer.cookie();
    let headers = [("cookie", &*cookie), ("origin", &*ours), ("content-type", "text/plain")];
    let seen = send(&demo, "POST", "/console/providers", &headers, &format!("form={own}&id=other"));
    assert_eq!(seen.status, 400, "{}", seen.text);
}

#[test]
fn what_people_wrote_is_text_everywhere() {
    let demo = Demo::start();
    let house = House::open(&demo);
    let (officer, admin) = (house.person("officer"), house.person("admin"));
    let key = "ed25519:2b8hSHSKhcidparY7gsPwtEF/TnUGkx5ZTY1TwrikAw=";
    let name = &SCRIPT[..60.min(SCRIPT.len())];
    let made = officer.post("/console/providers", &[("id", "evil"), ("name", SCRIPT), ("statement_keys", key)]);
    assert_eq!(made.status, 303, "{}", made.text);
    let act = [("kind", "emergency"), ("clause", "7.8"), ("reason", SCRIPT), ("provider", "evil")];
    let act = officer.post("/console/acts", &act);
    assert_eq!(act.status, 303, "{}", act.text);
    let complaint = serde_json::json!({"about": "abuse", "text": SCRIPT, "contact": SCRIPT}).to_string();
    assert_eq!(demo.http("POST", "/v1/complaints", None, &[], Some(complaint.as_bytes())).status, 202);
    let looked = admin.post("/console/numbers", &[("number", demo.sample(0)), ("reason", SCRIPT)]);
    assert!(looked.status == 200 && looked.text.contains("active"), "{}", looked.text);
    let mistaken = officer.post("/console/providers", &[("id", SCRIPT), ("name", SCRIPT), ("statement_keys", SCRIPT)]);
    assert_eq!(mistaken.status, 400, "{}", mistaken.text);
    let asked = officer.post("/console/refusals", &[("what", SCRIPT)]);
    let query = officer.get("/console/acts/new?kind=warn&provider=%22%3E%3Cscript%3E");
    let path = officer.get("/console/providers/%3Cscript%3E");
    let mut pages = vec![looked, mistaken, asked, query, path];
    let all = [
        "",
        "/acts",
        "/providers",
        "/providers/evil",
        "/complaints",
        "/numbers",
        "/log",
        "/keys",
        "/charter",
        "/system",
    ];
    pages.extend(all.iter().map(|path| admin.get(&format!("/console{path}"))));
    pages.push(admin.get(&act.location));
    let written = pages.iter().filter(|page| page.text.contains("&lt;script&gt;")).count();
    assert!(written >= 8, "what was written is not shown at all: {written}");
    for page in &pages {
        assert!(
            !page.text.contains("<script>") && !page.text.contains("<img") && !page.text.contains(name),
            "{}",
            page.text
        );
        nothing_inline(&page.text);
    }
}

/// No style and no script stands in a page: the policy would refuse it, and what is refused does not work.
fn nothing_inline(page: &str) {
    assert!(!page.contains(" style=") && !page.contains("<style") && !page.contains("javascript:"), "{page}");
    for tag in page.split('<').filter(|tag| !tag.starts_with('/')) {
        // What stands in quotes is a value.
        let tag: String = tag.split('>').next().unwrap_or_default().split('"').step_by(2).collect();
        assert!(!tag.split(' ').skip(1).any(|word| word.starts_with("on") && word.contains('=')), "{tag}");
        assert!(!tag.starts_with("script") || tag.contains(" src="), "{tag}");
    }
    assert_eq!(page.matches("<script").count(), page.matches("<script src=\"/assets/").count());
}

#[test]
fn every_answer_has_its_headers_and_assets_are_kept_by_their_content() {
    let demo = Demo::start();
    let sign_in = send(&demo, "GET", "/console/sign-in", &[], "");
    let missing = send(&demo, "GET", "/console/nothing", &[], "");
    let wrong = send(&demo, "DELETE", "/console", &[], "");
    assert_eq!((sign_in.status, missing.status, wrong.status), (200, 404, 405));
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    for seen in [&sign_in, &missing, &wrong, &send(&demo, "GET", "/console", &[], "")] {
        for (name, value) in [
            ("content-security-policy", policy),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(seen.header(name), value, "{name}");
        }
        assert!(seen.header("permissions-policy").contains("camera=()"));
    }
    assert_eq!(send(&demo, "GET", "/console", &[], "").header("cache-control"), "no-store");
    for seen in [&sign_in, &missing, &wrong] {
        assert_eq!(seen.header("cache-control"), "no-store");
        assert!(seen.header("content-type").starts_with("text/html"), "{}", seen.text);
    }
    let assets: Vec<&str> = sign_in.text.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert_eq!(assets.len(), 3, "{assets:?}");
    for path in assets {
        let asset = send(&demo, "GET", path, &[], "");
        assert_eq!((asset.status, asset.header("cache-control")), (200, "public, max-age=31536000, immutable"));
        assert_eq!(asset.header("x-content-type-options"), "nosniff");
        let (folder, name) = path.rsplit_once('/').expect("a path");
        let other = send(&demo, "GET", &format!("{}0/{name}", &folder[..folder.len() - 1]), &[], "");
        assert!(other.status == 404 || path.contains("0/"), "another content has another path");
    }
}

//! Every route of the console, as every role and as nobody: what the API would refuse, the console refuses.

use serde_json::{Value, json};

use super::soft::{Soft, origin, send};
use crate::source;
use crate::walk::child::Demo;

const ROLES: [&str; 4] = ["viewer", "auditor", "officer", "admin"];

/// The console's routes, and from which role on each is open; `anybody` needs no session.
const ROUTES: [(&str, &str); 41] = [
    ("GET /console", "viewer"),
    ("GET /console/sign-in", "anybody"),
    ("POST /console/sign-in", "anybody"),
    ("GET /console/link/{secret}", "anybody"),
    ("POST /console/link", "anybody"),
    ("POST /console/sign-out", "viewer"),
    ("GET /console/acts", "viewer"),
    ("POST /console/acts", "officer"),
    ("GET /console/acts/new", "viewer"),
    ("GET /console/acts/{id}", "viewer"),
    ("POST /console/acts/{id}/approval", "officer"),
    ("POST /console/acts/{id}/withdrawal", "officer"),
    ("GET /console/providers", "viewer"),
    ("POST /console/providers", "officer"),
    ("GET /console/providers/new", "viewer"),
    ("GET /console/providers/{id}", "viewer"),
    ("POST /console/providers/{id}/tokens", "officer"),
    ("POST /console/tokens/{id}/revocation", "officer"),
    ("GET /console/numbers", "viewer"),
    ("POST /console/numbers", "auditor"),
    ("POST /console/refusals", "viewer"),
    ("GET /console/audits", "viewer"),
    ("POST /console/audits", "auditor"),
    ("GET /console/audits/{id}", "auditor"),
    ("POST /console/audits/{id}/draw", "auditor"),
    ("POST /console/audits/{id}/publication", "auditor"),
    ("POST /console/audits/{id}/sanctions", "officer"),
    ("GET /console/audit-items/{id}", "auditor"),
    ("POST /console/audit-items/{id}/finding", "auditor"),
    ("POST /console/audit-items/{id}/codes", "auditor"),
    ("GET /console/complaints", "auditor"),
    ("POST /console/complaints/{id}", "officer"),
    ("GET /console/log", "viewer"),
    ("GET /console/keys", "viewer"),
    ("POST /console/keys", "admin"),
    ("GET /console/charter", "viewer"),
    ("POST /console/charter/draft", "viewer"),
    ("GET /console/system", "viewer"),
    ("GET /console/system/passkeys", "viewer"),
    ("POST /console/system/passkeys", "viewer"),
    ("POST /console/system/passkeys/{id}/removal", "viewer"),
];
/// The one that ends the session that asks.
const END: &str = "POST /console/system/sessions/{id}/end";

/// What is well formed and about nobody.
fn fields(route: &str) -> Vec<(&'static str, &'static str)> {
    match route {
        "POST /console/acts" => {
            vec![("kind", "emergency"), ("clause", "7.8"), ("reason", "a test"), ("provider", "nobody")]
        }
        "POST /console/providers" => vec![
            ("id", "NOBODY"),
            ("name", "x"),
            ("statement_keys", "ed25519:2b8hSHSKhcidparY7gsPwtEF/TnUGkx5ZTY1TwrikAw="),
        ],
        "POST /console/providers/{id}/tokens" => vec![("days", "9")],
        "POST /console/numbers" => vec![("number", "+447700900999"), ("reason", "a test")],
        "POST /console/refusals" => vec![("what", "token_replayed")],
        "POST /console/audits" => vec![("period", "2020-01")],
        "POST /console/audits/{id}/sanctions" => vec![("entity", "nobody")],
        "POST /console/audit-items/{id}/finding" => vec![("finding", "pass")],
        "POST /console/complaints/{id}" => vec![("to", "in_work")],
        "POST /console/keys" => {
            vec![("zone", "nobody.example."), ("what", "zsk"), ("field", "reason"), ("reason", "a test")]
        }
        "POST /console/charter/draft" => vec![("draft", "x")],
        _ => Vec::new(),
    }
}

/// The operator's people, a passkey each.
pub(super) struct House<'a> {
    pub(super) people: Vec<Soft<'a>>,
}

impl<'a> House<'a> {
    /// A person of each role; the admin is that of the demo.
    pub(super) fn open(demo: &'a Demo) -> Self {
        let dir = demo.dir().join("people");
        std::fs::create_dir(&dir).expect("a folder");
        let admin_token = demo.dir().join("operator.token").display().to_string();
        let api = format!("http://{}", demo.fact("http"));
        let run = |args: &[&str]| -> Value {
            let out = demo.run(&[args, &["--json"]].concat());
            assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
            serde_json::from_slice(&out.stdout).expect("JSON")
        };
        let file = |name: String| dir.join(name).display().to_string();
        let keygen = |person: &str| {
            let made = run(&["staff", "keygen", &file(format!("{person}.key"))]);
            made["public_key"].as_str().expect("a key").to_owned()
        };
        keygen("admin");
        run(&["staff", "key", &file("admin.key".into()), "--api", &api, "--token-file", &admin_token]);
        // The officer comes last, so that the admin is alone and one hand is enough until then.
        for (person, role) in [("vera", "viewer"), ("august", "auditor"), ("otto", "officer")] {
            let key = keygen(person);
            let ask = ["act", "ask", "staff-add", "--person", person, "--role", role, "--public-key", &key];
            let why = ["--clause", "11.1", "--reason", "joins", "--api", &api, "--token-file", &admin_token];
            let made = run(&[&ask[..], &why].concat());
            assert_eq!(made["state"], json!("done"), "{made}");
            let (key, token) = (file(format!("{person}.key")), file(format!("{person}.token")));
            run(&["staff", "token", person, "--key", &key, "--out", &token, "--api", &api]);
        }
        let mut people = Vec::new();
        for (i, person) in ["vera", "august", "otto", "admin"].iter().enumerate() {
            let token = if *person == "admin" { admin_token.clone() } else { file(format!("{person}.token")) };
            let made = run(&["staff", "link", "--api", &api, "--token-file", &token]);
            assert_eq!(made["person"], json!(person));
            people.push(Soft::by_link(demo, made["link"].as_str().expect("a link"), i as u8 + 1));
        }
        Self { people }
    }

    pub(super) fn person(&self, role: &str) -> &Soft<'a> {
        &self.people[ROLES.iter().position(|one| *one == role).expect("a role")]
    }
}

#[test]
fn every_route_asks_for_its_role() {
    let demo = Demo::start();
    let house = House::open(&demo);
    for (route, from) in ROUTES.iter().filter(|(_, from)| *from != "anybody") {
        let (method, path) = route.split_once(' ').expect("a route");
        let path = path.replace("{id}", "nobody");
        nobody_gets_in(&demo, method, &path);
        let opens_at = ROLES.iter().position(|role| role == from).expect("a role");
        for (i, person) in house.people.iter().enumerate() {
            if *route == "POST /console/sign-out" {
                continue; // sessions.rs signs out
            }
            let seen = match method {
                "GET" => person.get(&path),
                _ => person.post(&path, &fields(route)),
            };
            let refused = seen.status == 403 && seen.text.contains("staff_role");
            assert_eq!(refused, i < opens_at, "{route} as {}: {} {}", ROLES[i], seen.status, seen.text);
            assert!(seen.status < 500, "{route} as {}: {}", ROLES[i], seen.text);
            assert_eq!(seen.header("content-security-policy").split(';').next(), Some("default-src 'none'"), "{route}");
        }
    }
    nobody_gets_in(&demo, "POST", "/console/system/sessions/nobody/end");
    for person in &house.people {
        assert_eq!(person.post("/console/system/sessions/nobody/end", &[]).status, 404);
    }
}

/// Without a session a page leads to the sign-in page, and a form changes nothing.
fn nobody_gets_in(demo: &Demo, method: &str, path: &str) {
    let origin = origin(demo);
    let headers = [("origin", &*origin), ("content-type", "application/x-www-form-urlencoded")];
    let forged = [&headers[..], &[("cookie", "__Host-callbook=AAAA")]].concat();
    for headers in [&headers[..], &forged] {
        let seen = send(demo, method, path, headers, "");
        match method {
            "GET" => assert_eq!((seen.status, &*seen.location), (303, "/console/sign-in"), "{method} {path}"),
            _ => assert!(seen.status == 403 && seen.text.contains("signed_out"), "{method} {path}: {}", seen.text),
        }
    }
}

/// The list above is that of the router.
#[test]
fn the_list_of_routes_is_whole() {
    let router = source::read(&source::root().join("src/http/console/mod.rs"));
    let mut found = Vec::new();
    for line in router.split(".route(\"").skip(1) {
        let (path, rest) = line.split_once('"').expect("a path");
        let methods = rest.split_once("\n").map_or(rest, |(first, _)| first);
        for (mark, method) in [("get(", "GET"), ("post(", "POST")] {
            if methods.contains(mark) {
                found.push(format!("{method} {path}"));
            }
        }
    }
    let mut known: Vec<String> = ROUTES.iter().map(|(route, _)| (*route).to_owned()).chain([END.to_owned()]).collect();
    known.sort();
    found.sort();
    assert_eq!(found, known);
}

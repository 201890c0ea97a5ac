//! A day of the operator: how everything stands, and maintenance, during which changes wait and nothing else does.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use callbook::number::Number;
use serde_json::{Value, json};

use super::api::kit::Kit;
use super::child::{Demo, callbook, ran, text};
use crate::peers;
use crate::ports::free_port;

/// An installation that is served at the addresses of its configuration.
struct Served(Child);

impl Served {
    fn start(dir: &Path) -> Self {
        let mut child = callbook()
            .args(["serve", "--json", "--dir"])
            .arg(dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("text");
        assert!(line.contains("serving"), "it did not start: {line:?}");
        Self(child)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

/// A part of `status`: its state and what is said of it.
fn part(dir: &Path, name: &str) -> (String, String) {
    let out = callbook().args(["status", "--json", "--dir"]).arg(dir).output().expect("the program runs");
    let said: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    let well = said["parts"]
        .as_array()
        .expect("parts")
        .iter()
        .all(|part| ["well", "unused"].contains(&part["state"].as_str().unwrap()));
    assert_eq!((out.status.code(), &said["well"]), (Some(i32::from(!well)), &json!(well)));
    let found = said["parts"].as_array().expect("parts").iter().find(|part| part["part"] == name);
    let found = found.unwrap_or_else(|| panic!("no {name}: {said}"));
    (found["state"].as_str().expect("a state").to_owned(), format!("{} / {}", found["cause"], found["next"]))
}

#[test]
fn status_says_what_is_so_and_who_acts_next() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let dir = home.path().join("house");
    let (dns, http) = (free_port().to_string(), free_port().to_string());
    ran(&["init", "--apex", "e164.example", "--dir", text(&dir), "--dns", &dns, "--http", &http], 0);
    let (state, said) = part(&dir, "service");
    assert!(state == "bad" && said.contains("callbook serve"), "{said}");
    let served = Served::start(&dir);
    assert_eq!(part(&dir, "service").0, "well", "{:?}", part(&dir, "service"));
    assert_eq!(part(&dir, "log").0, "well");
    assert_eq!(part(&dir, "zone").0, "well");
    let (state, said) = part(&dir, "keys");
    assert!(state == "due" && said.contains("callbook keys status"), "the parent has no DS yet: {said}");
    let (state, said) = part(&dir, "backup");
    assert!(state == "due" && said.contains("callbook backup make"), "{said}");
    let out = home.path().join("backup");
    ran(&["backup", "make", "--dir", text(&dir), "--out", text(&out)], 0);
    assert_eq!(part(&dir, "backup").0, "due", "one that nobody has proven is none");
    ran(&["backup", "verify", text(&out), "--dir", text(&dir)], 0);
    assert_eq!(part(&dir, "backup").0, "well");
    assert_eq!(part(&dir, "maintenance").0, "unused");
    let (_, said) = ran(&["maintenance", "on", "--dir", text(&dir), "--reason", "a new disk"], 0);
    assert!(!said.contains("no service runs"), "{said}");
    let (state, said) = part(&dir, "maintenance");
    assert!(state == "due" && said.contains("a new disk"), "{said}");
    assert_eq!(part(&dir, "service").0, "well", "maintenance is no illness");
    ran(&["maintenance", "off", "--dir", text(&dir)], 0);
    assert_eq!(part(&dir, "maintenance").0, "unused");
    let (doctor, _) = ran(&["doctor", "--json", "--dir", text(&dir)], 0);
    assert!(doctor["findings"].to_string().contains("backup"), "{doctor}");
    drop(served);
    let memory = dir.join("keys/log.state");
    fs::rename(&memory, home.path().join("aside")).expect("moved");
    let (state, said) = part(&dir, "log");
    assert!(state == "bad" && said.contains("log.state is missing"), "{said}");
}

#[test]
fn during_maintenance_changes_wait_and_nothing_else_does() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let dir = home.path().join("demo");
    assert_eq!(Demo::start_in(&dir, &[]).stop(), 0);
    // A demo listens elsewhere than its configuration says: nobody is to be taken for it.
    let config = dir.join("config.toml");
    let before = fs::read_to_string(&config).expect("readable");
    fs::write(&config, before.replace("127.0.0.1:8300", &free_port().to_string())).expect("writable");
    let demo = Demo::start_in(&dir, &[]);
    let number = Number::parse("+999000777001").expect("a number");
    let (token, body) = {
        let kit = Kit::acme(&demo);
        (kit.token.clone(), serde_json::to_vec(&kit.create(number).body).expect("JSON"))
    };
    let path = format!("/v1/numbers/{number}");
    let switch = |demo: &Demo, to: &[&str], on: bool| {
        ran(&[&["maintenance"], to, &["--dir", text(&dir)]].concat(), 0);
        let began = Instant::now();
        while demo.http("GET", "/healthz", None, &[], None).json["maintenance"] != json!(on) {
            assert!(began.elapsed() < Duration::from_secs(60), "the service does not notice");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let put = |demo: &Demo, headers: &[(&str, &str)]| demo.http("PUT", &path, Some(&token), headers, Some(&body));
    let refused = |demo: &Demo| {
        let answer = put(demo, &[]);
        answer.expect_problem(503, "maintenance");
        assert_eq!(answer.retry_after.as_deref(), Some("77"));
        assert!(answer.json["detail"].as_str().is_some_and(|why| why.contains("a new disk")), "{}", answer.json);
        demo.http("POST", &format!("{path}/prepare"), Some(&token), &[], None).expect_problem(503, "maintenance");
        assert_eq!(demo.lookup(demo.sample(0)).1, 0, "DNS goes on");
        let ask = json!({"number": demo.sample(0)}).to_string();
        let proof = demo.http("POST", "/v1/proofs", None, &[], Some(ask.as_bytes()));
        assert_eq!(proof.status, 200, "proofs go on: {}", proof.text);
        assert_eq!(demo.http("GET", "/healthz", None, &[], None).status, 200);
        assert_eq!(demo.http("GET", &format!("/v1/numbers/{}", demo.sample(0)), Some(&token), &[], None).status, 200);
    };
    switch(&demo, &["on", "--reason", "a new disk", "--retry-after", "77"], true);
    refused(&demo);
    assert_eq!(demo.stop(), 0);
    // A demo that starts has its numbers already, and makes none: it comes up, and refuses still.
    let demo = Demo::start_in(&dir, &[]);
    refused(&demo);
    switch(&demo, &["off"], false);
    let answer = put(&demo, &[("prefer", "wait=20")]);
    assert_eq!(answer.status, 202, "the same request is taken afterwards: {}", answer.text);
    assert_eq!(demo.lookup("+999000777001").1, 0);
    assert_eq!(demo.stop(), 0);
}

/// The load is dnsperf's; without it, this test is no judge.
#[test]
fn a_reload_changes_limits_and_loses_no_query() {
    let Some(dnsperf) = peers::program("dnsperf") else { return };
    let home = tempfile::tempdir().expect("a temporary directory");
    let dir = home.path().join("house");
    let (dns, http) = (free_port(), free_port());
    let init =
        ["init", "--apex", "e164.example", "--dir", text(&dir), "--dns", &dns.to_string(), "--http", &http.to_string()];
    ran(&init, 0);
    let served = Served::start(&dir);
    let config = dir.join("config.toml");
    let plain = fs::read_to_string(&config).expect("readable");
    let queries = home.path().join("queries");
    let all: String = (0..500).map(|i| format!("{}.e164.example. NAPTR\n", i)).collect();
    fs::write(&queries, format!("e164.example. SOA\ne164.example. NS\n{all}")).expect("writable");
    let load = Command::new(dnsperf)
        .args([
            "-s",
            "127.0.0.1",
            "-p",
            &dns.port().to_string(),
            "-l",
            "8",
            "-Q",
            "2000",
            "-t",
            "3",
            "-d",
            text(&queries),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("dnsperf runs");
    let reload = |exit| ran(&["reload", "--json", "--dir", text(&dir)], exit).0;
    assert_eq!(reload(0), json!({"changed": {}, "needs_restart": {}, "refused": null}));
    for round in 0..8 {
        let rate = 100 + round;
        let tables = format!("[limits]\nresponses_per_s = {rate}\n");
        let http = format!("requests_per_s = {rate}\n");
        fs::write(&config, format!("{}\n{tables}", plain.replace("[http]\n", &format!("[http]\n{http}"))))
            .expect("writable");
        let said = reload(0);
        assert_eq!(said["changed"], json!({"limits.responses_per_s": rate, "http.requests_per_s": rate}), "{said}");
        let hup = Command::new("kill").args(["-HUP", &served.0.id().to_string()]).status().expect("kill runs");
        assert!(hup.success());
    }
    // What cannot change while the service works is told, and what is wrong changes nothing.
    fs::write(&config, plain.replace("heartbeat_s = 60", "heartbeat_s = 30")).expect("writable");
    let said = reload(0);
    assert_eq!(said["needs_restart"], json!({"publish.heartbeat_s": 30}), "{said}");
    assert_eq!(said["changed"], json!({"limits.responses_per_s": 1000, "http.requests_per_s": 50}), "{said}");
    fs::write(&config, format!("{plain}\n[limits]\nslip = \"x\"\n")).expect("writable");
    assert!(callbook().args(["reload", "--dir"]).arg(&dir).output().expect("it runs").status.code() == Some(2));
    fs::write(&config, &plain).expect("writable");
    let out = load.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let count = |what: &str| -> u64 {
        let line = said.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("no {what}: {said}"));
        line.split_whitespace().find_map(|word| word.parse().ok()).expect("a count")
    };
    assert!(count("Queries sent:") > 1_000, "{said}");
    assert_eq!(count("Queries lost:"), 0, "{said}");
    assert_eq!(count("Queries sent:"), count("Queries completed:"), "{said}");
}

/// A limit that was reloaded is in force: the API refuses what is over it.
#[test]
fn a_reloaded_rate_is_in_force() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let dir = home.path().join("house");
    let (dns, http) = (free_port().to_string(), free_port().to_string());
    ran(&["init", "--apex", "e164.example", "--dir", text(&dir), "--dns", &dns, "--http", &http], 0);
    let _served = Served::start(&dir);
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let over = || {
        let ask = |_| agent.get(format!("http://{http}/v1/charter")).call().expect("an answer").status().as_u16();
        (0..40).map(ask).filter(|status| *status == 429).count()
    };
    assert_eq!(over(), 0, "loopback is exempt");
    let config = dir.join("config.toml");
    let plain = fs::read_to_string(&config).expect("readable");
    fs::write(&config, plain.replace("[http]\n", "[http]\nrequests_per_s = 1\nexempt = []\n")).expect("writable");
    ran(&["reload", "--dir", text(&dir)], 0);
    assert!(over() >= 25, "ten are let through at once");
}

#[test]
fn a_month_is_told_without_numbers_persons_and_small_counts() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let dir = home.path().join("demo");
    let demo = Demo::start_in(&dir, &[]);
    let contact = "somebody@contact.example";
    for _ in 0..3 {
        let body = json!({"about": "abuse", "text": "a complaint", "contact": contact, "number": demo.sample(0)});
        demo.http("POST", "/v1/complaints", None, &[], Some(body.to_string().as_bytes()));
    }
    let samples: Vec<String> = (0..20).map(|i| demo.sample(i).trim_start_matches('+').to_owned()).collect();
    assert_eq!(demo.stop(), 0);
    let month = Command::new("date").args(["-u", "+%Y-%m"]).output().expect("date runs");
    let month = String::from_utf8(month.stdout).expect("text").trim().to_owned();
    let page = home.path().join("report.html");
    let report = |args: &[&str]| ran(&[&["report", "--dir", text(&dir), "--month", &month], args].concat(), 0);
    let (said, _) = report(&["--json", "--html", text(&page)]);
    // The twenty sample numbers are just enough to be shown, the complaints are not.
    assert_eq!(said["parts"]["changes"], json!([["create", "20"]]), "{said}");
    assert_eq!(said["parts"]["complaints"], json!([["abuse", "fewer than 20"]]), "{said}");
    let decisions = said["parts"]["decisions"].to_string();
    assert!(decisions.contains("organisation acme: accredited") && decisions.contains("is opened"), "{decisions}");
    assert!(said["parts"]["keys"].to_string().contains("KSK"), "{said}");
    let (again, told) = report(&["--json"]);
    assert_eq!(again, said, "the same ledger gives the same report");
    let (_, plain) = report(&[]);
    let page = fs::read_to_string(page).expect("written");
    assert!(page.contains("<h2>Changes</h2>") && plain.contains("Changes"));
    for told in [&told, &plain, &page] {
        assert!(!told.contains(contact) && samples.iter().all(|number| !told.contains(number.as_str())), "{told}");
    }
    let (empty, _) = ran(&["report", "--json", "--dir", text(&dir), "--month", "2020-02"], 0);
    assert_eq!((&empty["parts"]["changes"], &empty["parts"]["public log"]), (&json!([]), &json!([])));
}

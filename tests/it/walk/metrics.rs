//! What the operator is told: every metric of board and alerts is exported, the rules are right by promtool, the log has no number.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::child::{Demo, callbook};
use crate::{peers, source};

/// Names of metrics in a text: words that begin as ours do.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("callbook_")).map(str::to_owned).collect()
}

/// Metrics as a service exports them that has been asked something, and that has an agent, a backup and a webhook's state.
fn exported(demo: &Demo) -> String {
    demo.http("GET", "/metrics", None, &[], None).text
}

#[test]
fn every_metric_of_board_and_alerts_is_exported() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let dir = home.path().join("demo");
    let text = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    let run = |args: &[&str]| {
        let out = callbook().args(args).output().expect("the program runs");
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        out.stdout
    };
    assert_eq!(Demo::start_in(&dir, &[]).stop(), 0);
    let key = home.path().join("agent.key");
    let made: Value = serde_json::from_slice(&run(&["escrow", "keygen", &text(&key), "--json"])).expect("JSON");
    let config = dir.join("config.toml");
    let before = std::fs::read_to_string(&config).expect("readable");
    std::fs::write(&config, format!("{before}\n[escrow]\nrecipient = {}\n", made["recipient"])).expect("writable");
    let backup = text(&home.path().join("backup"));
    run(&["backup", "make", "--dir", &text(&dir), "--out", &backup]);
    run(&["backup", "verify", &backup, "--dir", &text(&dir)]);
    let demo = Demo::start_in(&dir, &[]);
    let began = Instant::now();
    while !dir.join("data/escrow.json").exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "no deposit was made");
        std::thread::sleep(Duration::from_millis(50));
    }
    exported(&demo); // from now on a request was counted
    let told = exported(&demo);
    let described: BTreeSet<String> =
        told.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next().map(str::to_owned)).collect();
    let mut wanted = BTreeSet::new();
    for file in ["deploy/prometheus/alerts.yml", "deploy/prometheus/alerts.test.yml", "deploy/grafana/callbook.json"] {
        wanted.extend(names(&source::read(&source::root().join(file))));
    }
    assert!(wanted.len() > 25, "{wanted:?}");
    // A counter is described without the ending that its samples have (OpenMetrics 5.1).
    let missing: Vec<&String> =
        wanted.iter().filter(|name| !described.contains(name.strip_suffix("_total").unwrap_or(name))).collect();
    assert!(missing.is_empty(), "board or alerts name metrics that the program does not export: {missing:?}\n{told}");
    for name in ["callbook_frozen 0", "callbook_maintenance 0", "callbook_waiting_changes 0"] {
        assert!(told.contains(name), "{name}: {told}");
    }
    if let Some(promtool) = peers::program("promtool") {
        let mut check = Command::new(promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool runs");
        // promtool reads the older text format, which has no last line and calls a counter by the name of its samples.
        let older: String = told
            .lines()
            .filter(|line| *line != "# EOF")
            .map(|line| match line.strip_suffix(" counter").and_then(|line| line.strip_prefix("# TYPE ")) {
                Some(name) => format!("# TYPE {name}_total counter\n"),
                None => format!("{line}\n"),
            })
            .collect();
        std::io::Write::write_all(&mut check.stdin.take().expect("piped"), older.as_bytes()).expect("it reads");
        let out = check.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        // Its style guide would have base units alone; 3 is "read, with remarks", 1 is "cannot be read".
        assert!(matches!(out.status.code(), Some(0 | 3)), "{said}");
        assert!(!said.contains("error while linting"), "{said}");
    }
    assert_eq!(demo.stop(), 0);
}

#[test]
fn the_alert_rules_do_what_they_say() {
    let Some(promtool) = peers::program("promtool") else { return };
    let folder = source::root().join("deploy/prometheus");
    for args in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]] {
        let out = Command::new(&promtool).args(args).current_dir(&folder).output().expect("promtool runs");
        let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success() && said.contains("SUCCESS"), "{args:?}: {said}");
    }
    let board: Value =
        serde_json::from_str(&source::read(&source::root().join("deploy/grafana/callbook.json"))).expect("JSON");
    let panels = board["panels"].as_array().expect("panels");
    let asks = panels.iter().filter(|panel| panel["type"] != json!("row"));
    assert!(asks.clone().count() > 10 && asks.clone().all(|panel| panel["targets"][0]["expr"].is_string()));
}

#[test]
fn a_log_line_is_json_and_has_the_id_that_the_answer_had() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let dir = home.path().join("demo");
    let demo = Demo::start_in(&dir, &["--log", "info", "--log-format", "json"]);
    let contact = "somebody@contact.example";
    let token = demo.fact("token").to_owned();
    let problem = demo.http("GET", "/v1/numbers/+447700900123/nothing", Some(&token), &[], None);
    let id = problem.json["request_id"].as_str().expect("an id").to_owned();
    let complaint = json!({"about": "other", "text": "a complaint text", "contact": contact}).to_string();
    demo.http("POST", "/v1/complaints", None, &[], Some(complaint.as_bytes()));
    demo.http("POST", "/v1/complaints", Some("cb_live_wrong-token"), &[], Some(b"{\"contact\": 7}"));
    let log = demo.stop_and_log();
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect();
    let requests: Vec<&Value> = lines.iter().filter(|line| line["message"] == json!("request")).collect();
    assert!(requests.len() >= 3 && requests.iter().all(|line| line["request_id"].is_string()), "{log}");
    let of_id: Vec<&&Value> = requests.iter().filter(|line| line["request_id"] == json!(id)).collect();
    assert!(of_id.len() == 1 && of_id[0]["status"] == json!(404), "{log}");
    for secret in ["447700900123", contact, "a complaint text", token.as_str(), "wrong-token"] {
        assert!(!log.contains(secret), "the log has {secret}:\n{log}");
    }
}

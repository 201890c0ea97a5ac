//! A provider's scripts: lists, batches, changes and receipts by command, as a program that calls them sees it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use super::child::{Demo, callbook};
use crate::provider::{Seen, answer, server};

const NUMBERS: [&str; 3] = ["+99965500001", "+99965500002", "+99965500003"];

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn lines(out: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&out.stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// Runs a command of the demo's provider.
fn run(demo: &Demo, args: &[&str], exit: i32) -> Output {
    let folder = demo.dir().join("provider");
    let out = demo.run(&[args, &["--provider", path(&folder)]].concat());
    let (text, why) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.status.code(), Some(exit), "{args:?}: {text}{why}");
    out
}

/// Signs a registration of each number into a file.
fn signed(demo: &Demo, numbers: &[&str], file: &Path) {
    for number in numbers {
        run(demo, &["number", "register", number, "--sip", "sip:a@acme.example", "--to-batch", path(file)], 0);
    }
}

#[test]
fn a_file_of_changes_goes_through_and_is_followed() {
    let demo = Demo::start();
    let file = demo.dir().join("many.ndjson");
    let file = path(&file).to_owned();
    signed(&demo, &NUMBERS, file.as_ref());
    assert_eq!(run(&demo, &["provider", "numbers", "--prefix", "+999655"], 0).stdout, b"", "nothing was sent yet");
    let mode = fs::metadata(&file).map(|meta| std::os::unix::fs::PermissionsExt::mode(&meta.permissions()));
    assert_eq!(mode.expect("a file") & 0o777, 0o600, "it holds records");

    let judged = run(&demo, &["provider", "batch", &file, "--dry-run", "--wait"], 0);
    assert_eq!(lines(&judged).iter().map(|one| one["status"].clone()).collect::<Vec<_>>(), vec![json!(200); 3]);
    let done = run(&demo, &["provider", "batch", &file, "--wait"], 0);
    let results = lines(&done);
    assert_eq!(results.iter().map(|one| one["status"].clone()).collect::<Vec<_>>(), vec![json!(202); 3], "{results:?}");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(said.contains("3 changes: 3 accepted, 0 refused"), "{said}");
    // The same file again is the same batch: the same receipts, and nothing twice.
    assert_eq!(lines(&run(&demo, &["provider", "batch", &file, "--wait"], 0)), results);
    let shown = run(&demo, &["provider", "batch", &file, "--json"], 0);
    assert_eq!((&lines(&shown)[0]["state"], &lines(&shown)[0]["accepted"]), (&json!("done"), &json!(3)));

    receipts(&demo, &results);
    let listed = lines(&run(&demo, &["provider", "numbers", "--prefix", "+999655", "--status", "active", "--json"], 0));
    assert_eq!(listed.iter().map(|one| one["number"].as_str().expect("a number")).collect::<Vec<_>>(), NUMBERS);
    let table = run(&demo, &["provider", "numbers"], 0);
    assert_eq!(String::from_utf8_lossy(&table.stdout).lines().count(), 23, "the samples too");
    what_is_refused(&demo, &file);
}

fn receipts(demo: &Demo, results: &[Value]) {
    let hash = results[2]["receipt"]["event_hash"].as_str().expect("a receipt");
    let receipt = lines(&run(demo, &["provider", "receipt", hash, "--wait", "--json"], 0));
    assert_eq!(receipt[0]["visibility"], json!("published"), "{receipt:?}");
    let none = run(demo, &["provider", "receipt", &"0".repeat(64)], 2);
    assert!(
        String::from_utf8_lossy(&none.stderr).contains("no such receipt"),
        "{}",
        String::from_utf8_lossy(&none.stderr)
    );
}

fn what_is_refused(demo: &Demo, file: &str) {
    let mixed = demo.dir().join("mixed.ndjson");
    signed(demo, &["+99965500004"], &mixed);
    // A change that was made already gets its first receipt again; a line that is none has its place in the file all the same.
    let good = fs::read_to_string(&mixed).expect("a file");
    let made = fs::read_to_string(file).expect("a file").lines().next().expect("a line").to_owned();
    fs::write(&mixed, format!("{made}\n\nrubbish\n{good}")).expect("written");
    let out = demo.dir().join("results.ndjson");
    let args = ["provider", "batch", path(&mixed), "--wait", "--out", path(&out), "--json"];
    let sum = lines(&run(demo, &args, 1));
    assert_eq!(
        (&sum[0]["accepted"], &sum[0]["refused"], &sum[0]["items"]),
        (&json!(2), &json!(1), &json!(3)),
        "{sum:?}"
    );
    let results = fs::read_to_string(&out).expect("results");
    let results: Vec<Value> = results.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(results.iter().map(|one| one["index"].clone()).collect::<Vec<_>>(), [json!(0), json!(1), json!(2)]);
    assert_eq!((&results[1]["status"], &results[2]["status"]), (&json!(400), &json!(202)), "{results:?}");
    let again = run(demo, &args, 2);
    assert!(String::from_utf8_lossy(&again.stderr).contains("new file"), "results overwrite nothing");
    let many = demo.dir().join("large.ndjson");
    fs::write(&many, "{}\n".repeat(10_001)).expect("written");
    let told = run(demo, &["provider", "batch", path(&many)], 2);
    assert!(String::from_utf8_lossy(&told.stderr).contains("--wait"), "{}", String::from_utf8_lossy(&told.stderr));
    let counted = run(demo, &["provider", "batch", path(&many), "--wait", "--dry-run"], 1);
    let places: Vec<u64> = lines(&counted).iter().map(|one| one["index"].as_u64().expect("a place")).collect();
    assert!(places.iter().copied().eq(0..10_001), "two batches, one count");
    let nobody = callbook().args(["provider", "batch", file]).output().expect("it runs");
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("--provider DIR"), "whose token is asked for");
}

/// The directory goes away in the middle, comes back and has the batch interrupted: it is sent again under the same key.
#[test]
fn a_batch_goes_on_by_itself_when_the_directory_comes_back() {
    let batch = |state: &str, done: u64| {
        let said = json!({"id": "b1", "state": state, "dry_run": false, "items": 2, "done": done, "accepted": done.min(1),
            "refused": done / 2, "made_at": "2026-11-23T00:00:00Z", "results": "/v1/batches/b1/results"});
        answer("200 OK", "", &said.to_string())
    };
    let busy = json!({"type": "/v1/problems/unavailable", "title": "No", "status": 503, "detail": "busy",
        "code": "unavailable", "request_id": "r1"});
    let busy = answer("503 No", "retry-after: 0\r\n", &busy.to_string());
    let results = "{\"index\":0,\"status\":202}\n{\"index\":1,\"status\":409}\n";
    let (address, seen) = server(vec![
        batch("running", 0),
        String::new(), // hangs up
        busy,
        batch("interrupted", 1),
        batch("running", 1),
        batch("done", 2),
        answer("200 OK", "", results),
        answer("200 OK", "", ""),
    ]);
    let home = tempfile::tempdir().expect("a temporary directory");
    let (file, token) = (home.path().join("many.ndjson"), home.path().join("token"));
    fs::write(&file, "{}\n{}\n").expect("written");
    fs::write(&token, "cb_test_token\n").expect("written");
    let out = callbook()
        .args([
            "provider",
            "batch",
            path(&file),
            "--wait",
            "--api",
            &format!("http://{address}"),
            "--token-file",
            path(&token),
        ])
        .output()
        .expect("it runs");
    assert_eq!(out.status.code(), Some(1), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(String::from_utf8_lossy(&out.stdout), results);
    let requests: Vec<Seen> = seen.iter().take(8).collect();
    let sent: Vec<&Seen> = requests.iter().filter(|request| request.line.starts_with("POST")).collect();
    assert_eq!(sent.len(), 2);
    assert!(sent[0].header("idempotency-key").is_some_and(|key| key.len() == 64));
    assert_eq!(sent[0].header("idempotency-key"), sent[1].header("idempotency-key"));
    assert_eq!((&*sent[1].body, sent[1].header("content-type")), ("{}\n{}\n", Some("application/x-ndjson")));
    assert!(requests[7].line.contains("results?cursor=2"), "{}", requests[7].line);
}

#[test]
fn changes_are_followed_and_remembered() {
    let demo = Demo::start();
    let cursor = demo.dir().join("cursor");
    let changes = ["provider", "changes", "--cursor", path(&cursor)];
    let first = lines(&run(&demo, &changes, 0));
    assert!(first.len() >= 20, "the samples' registrations: {first:?}");
    assert_eq!(run(&demo, &changes, 0).stdout, b"", "each comes once");
    let place = fs::read_to_string(&cursor).expect("a cursor");
    assert_eq!(Some(place.trim()), first.last().and_then(|change| change["cursor"].as_str()));

    let folder = demo.dir().join("provider");
    let mut follower = callbook()
        .args(changes)
        .args(["--follow", "--provider", path(&folder)])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    run(&demo, &["number", "register", NUMBERS[0], "--sip", "sip:a@acme.example"], 0);
    let mut told = String::new();
    BufReader::new(follower.stdout.take().expect("piped")).read_line(&mut told).expect("a line");
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!((&told["kind"], &told["number"]), (&json!("create"), &json!(NUMBERS[0])), "{told}");
    follower.kill().expect("it runs");
    follower.wait().expect("it ends");
    // Killed before or after it wrote its place down: the change comes again or not, and is not lost.
    assert!(lines(&run(&demo, &changes, 0)).len() <= 1);

    fs::write(&cursor, "AAAAAP____8\n").expect("written");
    let gone = run(&demo, &changes, 2);
    let why = String::from_utf8_lossy(&gone.stderr);
    assert!(why.contains("--now") && why.contains("provider numbers"), "{why}");
    fs::remove_file(&cursor).expect("a file");
    assert_eq!(run(&demo, &[&changes[..], &["--now"]].concat(), 0).stdout, b"");
    run(&demo, &["number", "renew", NUMBERS[0]], 0);
    let since = lines(&run(&demo, &changes, 0));
    assert_eq!(since.iter().map(|change| change["kind"].clone()).collect::<Vec<_>>(), [json!("renew")]);
}

#[test]
fn single_calls() {
    let demo = Demo::start();
    let prepared = lines(&run(&demo, &["provider", "prepare", demo.sample(0), "--json"], 0));
    assert_eq!((&prepared[0]["apex"], &prepared[0]["version"]), (&json!("e164.example."), &json!(1)), "{prepared:?}");
    let free = run(&demo, &["provider", "prepare", NUMBERS[1]], 0);
    assert!(String::from_utf8_lossy(&free.stdout).contains("not yours"));
    let api = format!("http://{}", demo.fact("http"));
    let complain = |about: &str| -> Output {
        let mut child = Command::new(callbook().get_program())
            .args([
                "provider",
                "complain",
                "--about",
                about,
                "--number",
                demo.sample(0),
                "--text-file",
                "-",
                "--api",
                &api,
                "--json",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        child.stdin.take().expect("piped").write_all(b"this is my number").expect("it reads");
        child.wait_with_output().expect("it ends")
    };
    assert!(lines(&complain("wrong_holder"))[0]["id"].is_string());
    let wrong = complain("weather");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&wrong.stderr).contains("wrong_holder"),
        "{}",
        String::from_utf8_lossy(&wrong.stderr)
    );
}

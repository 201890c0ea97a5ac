//! The trust repository through the program: three of five sign, callers verify, the log tells, a start refuses what was tampered with.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::child::{Demo, callbook, text};
use crate::judges::trust::{Scenario, Step, theirs};

const HOLDERS: [&str; 5] = ["Ana", "Ben", "Cem", "Dag", "Eve"];
/// The running service looks after the repository every ten seconds.
const TOLD_WITHIN: Duration = Duration::from_secs(60);

fn run(args: &[&str], exit: i32) -> Value {
    let out = callbook().args(args).arg("--json").output().expect("the program runs");
    let (text, why) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.status.code(), Some(exit), "{args:?}: {text}{why}");
    serde_json::from_str(if exit == 2 { &why } else { &text }).unwrap_or_else(|e| panic!("{args:?}: {e}: {text}{why}"))
}

/// Five people with a key each, on paper and in a file; Eve's is sealed.
struct Council {
    dir: PathBuf,
    installation: PathBuf,
    keys: BTreeMap<&'static str, String>,
}

impl Council {
    fn new(dir: &Path, installation: &Path) -> Self {
        fs::create_dir_all(dir).expect("a folder");
        let mut keys = BTreeMap::new();
        let passphrase = dir.join("passphrase");
        fs::write(&passphrase, "correct horse battery staple\n").expect("written");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&passphrase, mode).expect("its mode");
        for name in HOLDERS {
            let file = dir.join(format!("{name}.key"));
            let mut args = vec!["charter", "keygen", text(&file)];
            if name == "Eve" {
                args.extend(["--passphrase-file", text(&passphrase)]);
            }
            keys.insert(name, run(&args, 0)["public_key"].as_str().expect("a key").to_owned());
        }
        Self { dir: dir.to_owned(), installation: installation.to_owned(), keys }
    }

    fn plan(&self, root: (u64, &[&str]), brake: &[&str]) {
        let holders: String =
            self.keys.iter().map(|(name, key)| format!("[[holder]]\nname = {name:?}\nkey = {key:?}\n\n")).collect();
        let role = |name: &str, threshold: u64, who: &[&str], life_d: u64| {
            format!("[{name}]\nthreshold = {threshold}\nholders = {who:?}\nlife_d = {life_d}\n\n")
        };
        let plan = [
            holders,
            role("root", root.0, root.1, 365),
            role("targets", 2, &["Ana", "Ben", "Eve"], 180),
            role("providers", 1, &["Cem"], 90),
            role("brake", 2, brake, 14),
        ];
        fs::write(self.installation.join("charter/trust.toml"), plan.concat()).expect("written");
    }

    fn sign(&self, role: &str, who: &[&str]) {
        let file = self.installation.join(format!("charter/trust-draft/{role}.json"));
        for name in who {
            let key = self.dir.join(format!("{name}.key"));
            let passphrase = self.dir.join("passphrase");
            let mut args = vec!["charter", "sign", text(&file), "--key-file", text(&key)];
            if *name == "Eve" {
                args.extend(["--passphrase-file", text(&passphrase)]);
            }
            run(&args, 0);
        }
    }

    fn at<'a>(&'a self, command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [&["charter", command, "--dir", text(&self.installation)][..], more].concat()
    }
}

/// The published files, for the judges.
fn published(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(one) = folders.pop() {
        for entry in fs::read_dir(&one).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = text(path.strip_prefix(folder).expect("below")).to_owned();
                files.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
    files
}

#[test]
fn three_of_five_sign_and_callers_verify() {
    let demo = Demo::start();
    let house = tempfile::tempdir().unwrap();
    let council = Council::new(&house.path().join("council"), demo.dir());
    let api = format!("http://{}", demo.fact("http"));
    assert_eq!(run(&council.at("status", &[]), 1)["exists"], Value::Bool(false));
    demo.http("GET", "/v1/charter/trust/timestamp.json", None, &[], None).expect_problem(404, "not_found");
    council.plan((3, &HOLDERS), &["Cem", "Dag"]);

    let drafted = run(&council.at("draft", &[]), 0);
    assert_eq!(drafted["drafts"].as_array().map(Vec::len), Some(3), "{drafted}");
    let no = run(&council.at("publish", &[]), 2);
    let why = no["error"].as_str().expect("a reason");
    assert!(HOLDERS.iter().all(|name| why.contains(name)) && why.contains("0 of 3"), "{why}");
    council.sign("root", &["Ana", "Eve"]);
    council.sign("targets", &["Ben", "Eve"]);
    council.sign("providers", &["Cem"]);
    let no = run(&council.at("publish", &[]), 2);
    assert!(no["error"].as_str().is_some_and(|why| why.contains("2 of 3") && !why.contains("targets")), "{no}");
    // Two signatures of one person are one; a copy brings the third person's.
    council.sign("root", &["Ana"]);
    run(&council.at("publish", &[]), 2);
    let copy = house.path().join("copy.json");
    let file = demo.dir().join("charter/trust-draft/root.json");
    let key = council.dir.join("Dag.key");
    run(&["charter", "sign", text(&file), "--key-file", text(&key), "--out", text(&copy)], 0);
    let steps = run(&council.at("ceremony", &[]), 0);
    let digest = drafted["drafts"][0]["digest"].as_str().expect("a digest");
    assert!(steps["text"].as_str().is_some_and(|steps| steps.contains(digest) && steps.contains("3 of 5")), "{steps}");
    let done = run(&council.at("publish", &[text(&copy)]), 0);
    assert_eq!(done["published"].as_array().map(Vec::len), Some(3), "{done}");
    let status = run(&council.at("status", &[]), 0);
    assert_eq!(status["roles"].as_array().map(Vec::len), Some(5), "{status}");
    let minutes = run(&council.at("ceremony", &["--minutes"]), 0);
    let minutes = minutes["text"].as_str().expect("text");
    assert!(["Ana", "Dag", "Eve", "published 20", digest].iter().all(|word| minutes.contains(word)), "{minutes}");

    let pinned = house.path().join("1.root.json");
    fs::write(&pinned, &demo.http("GET", "/v1/charter/trust/1.root.json", None, &[], None).text).expect("written");
    assert_eq!(fs::read(&pinned).unwrap(), fs::read(demo.dir().join("charter/trust/1.root.json")).unwrap());
    let timestamp = demo.http("GET", "/v1/charter/trust/timestamp.json", None, &[], None);
    let known = [("if-none-match", timestamp.etag.as_deref().expect("an ETag"))];
    assert_eq!(demo.http("GET", "/v1/charter/trust/timestamp.json", None, &known, None).status, 304);
    for name in
        ["../trust.toml", "%2e%2e/trust.toml", "../trust-draft/root.json", "trust.lock", "targets", "2.root.json"]
    {
        demo.http("GET", &format!("/v1/charter/trust/{name}"), None, &[], None).expect_problem(404, "not_found");
    }
    verified(&demo, &house.path().join("state"), &pinned, &api);
    let checked = run(&["log", "verify", &api, "--trust", text(&house.path().join("state.trust.json"))], 0);
    assert!(checked["logs"].as_array().is_some_and(|logs| logs.iter().all(|log| log["trust"] == "given")), "{checked}");
    later(&demo, &council, house.path(), &pinned, &api);
}

/// What a caller gets is what look-ups take.
fn verified(demo: &Demo, state: &Path, pinned: &Path, api: &str) {
    let out = state.with_extension("trust.json");
    let args = ["charter", "verify", api, "--root", text(pinned), "--state", text(state), "--out", text(&out)];
    let said = run(&args, 0);
    assert_eq!(
        (said["verified"].as_bool(), said["brake"]["state"].as_str()),
        (Some(true), Some("never_set")),
        "{said}"
    );
    assert_eq!(said["providers"].as_u64(), Some(1), "{said}");
    let trust: Value = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
    assert_eq!(trust, demo.http("GET", "/v1/log/trust", None, &[], None).json);
    let anchor = demo.fact("anchor_file").to_owned();
    let found = run(
        &[
            "lookup",
            demo.sample(0),
            "--server",
            demo.fact("dns"),
            "--anchor",
            &anchor,
            "--prove",
            "--api",
            api,
            "--trust",
            text(&out),
        ],
        0,
    );
    assert_eq!(found["proof"]["trust_on_first_use"].as_bool(), Some(false), "{found}");
}

/// Root rotation, the brake, an old state shown again, and what the log tells.
fn later(demo: &Demo, council: &Council, house: &Path, pinned: &Path, api: &str) {
    let (folder, state) = (demo.dir().join("charter/trust"), house.join("state"));
    let mut states = vec![published(&folder)];
    // Ben leaves the root, four of four sign from now on; and acme is suspended.
    council.plan((4, &["Ana", "Cem", "Dag", "Eve"]), &["Cem", "Dag"]);
    let drafted = run(&council.at("draft", &["--suspend", "acme"]), 0);
    let roles: Vec<&str> =
        drafted["drafts"].as_array().unwrap().iter().filter_map(|one| one["role"].as_str()).collect();
    assert_eq!(roles, ["root", "brake"], "{drafted}");
    let diff = run(&["charter", "diff", "--dir", text(demo.dir())], 1);
    assert!(diff["trust"][0]["changes"].to_string().contains("- root: key of Ben"), "{diff}");
    council.sign("root", &["Ana", "Cem", "Dag"]);
    council.sign("brake", &["Cem", "Dag"]);
    let no = run(&council.at("publish", &[]), 2);
    assert!(no["error"].as_str().is_some_and(|why| why.contains("3 of 4") && why.contains("Eve")), "{no}");
    council.sign("root", &["Eve"]);
    run(&council.at("publish", &[]), 0);
    states.push(published(&folder));
    let args = ["charter", "verify", api, "--root", text(pinned), "--state", text(&state)];
    let said = run(&args, 0);
    assert_eq!((said["brake"]["state"].as_str(), said["brake"]["providers"][0].as_str()), (Some("set"), Some("acme")));
    // Whoever shows the old state again is noticed by a caller who has seen the new one.
    let old = house.join("old");
    crate::judges::trust::repository::write(&old, &states[0]);
    let args = ["charter", "verify", text(&old), "--root", text(pinned), "--state", text(&state)];
    let refused = run(&args, 3);
    assert!(refused["file"].as_str().is_some_and(|file| file == "timestamp.json"), "{refused}");
    run(&["charter", "verify", text(&old), "--root", text(pinned)], 0);
    // A log key under the brake: no list.
    let vkey = said["trust"]["log"].as_str().expect("a vkey").to_owned();
    run(&council.at("draft", &["--suspend", &vkey]), 0);
    council.sign("brake", &["Cem", "Dag"]);
    run(&council.at("publish", &[]), 0);
    states.push(published(&folder));
    let args = ["charter", "verify", api, "--root", text(pinned), "--state", text(&state)];
    assert_eq!(run(&args, 1)["trust"], Value::Null);
    run(&council.at("draft", &["--release"]), 0);
    council.sign("brake", &["Cem", "Dag"]);
    run(&council.at("publish", &[]), 0);
    states.push(published(&folder));
    assert!(run(&args, 0)["trust"].is_object());
    judged(house, states);
    told_in_the_log(api);
}

/// What the program published is judged by python-tuf too, one state after another.
fn judged(house: &Path, states: Vec<BTreeMap<String, Vec<u8>>>) {
    let now_s = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    let steps: Vec<Step> = states.into_iter().map(|files| Step { files, now_s }).collect();
    let scenario = Scenario::write(house, "published by the program", &steps);
    let ours = scenario.ours();
    assert!(ours.iter().all(|verdict| verdict.ok && verdict.targets["charter.md"].len() == 64), "{ours:?}");
    if let Some(theirs) = theirs(house, &[scenario]) {
        let agree = ours.iter().zip(&theirs[0]).all(|(a, b)| a.bare() == b.bare());
        assert!(agree, "we say {ours:?}\nthey say {theirs:?}");
    }
}

fn told_in_the_log(api: &str) {
    let until = Instant::now() + TOLD_WITHIN;
    let wanted = [("root", 2), ("targets", 1), ("providers", 1), ("brake", 3), ("snapshot", 4), ("timestamp", 4)];
    loop {
        let size = run(&["log", "show", api, "--gov"], 0)["size"].as_u64().expect("a size");
        let leaves: Vec<Value> =
            (0..size).map(|i| run(&["log", "show", api, &i.to_string(), "--gov"], 0)["leaf"].clone()).collect();
        let told = |(role, version): &(&str, u64)| {
            leaves.iter().any(|leaf| {
                leaf["type"] == "trust"
                    && leaf["body"]["role"] == *role
                    && leaf["body"]["version"].as_u64() == Some(*version)
            })
        };
        if wanted.iter().all(told) {
            let brakes = leaves.iter().filter(|leaf| leaf["body"]["role"] == "brake").count();
            assert_eq!(brakes, 3, "each version once: {leaves:?}");
            return;
        }
        assert!(Instant::now() < until, "the log does not tell what was published: {leaves:?}");
        std::thread::sleep(Duration::from_secs(1));
    }
}

#[test]
fn one_holder_begins_and_a_start_refuses_what_was_tampered_with() {
    let house = tempfile::tempdir().unwrap();
    let dir = house.path().join("village");
    run(
        &[
            "init",
            "--dir",
            text(&dir),
            "--apex",
            "e164.example",
            "--trust",
            "Ana",
            "--dns",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
        ],
        0,
    );
    let status = run(&["charter", "status", "--dir", text(&dir)], 0);
    assert_eq!(status["roles"][0]["need"].as_u64(), Some(1), "{status}");
    let root = dir.join("charter/trust/1.root.json");
    let folder = dir.join("charter/trust");
    run(&["charter", "verify", text(&folder), "--root", text(&root)], 0);
    starts(&dir);
    // Another charter in the folder would be in force at once, and nobody has signed it.
    let text_file = dir.join("charter/charter.md");
    let charter = fs::read(&text_file).unwrap();
    fs::write(&text_file, [&charter[..], b"\n**99.9** Something else.\n"].concat()).unwrap();
    let why = refuses(&dir);
    assert!(why.contains("1.targets.json") && why.contains("charter draft"), "{why}");
    fs::write(&text_file, charter).unwrap();
    let targets = folder.join("1.targets.json");
    let signed = fs::read(&targets).unwrap();
    fs::write(
        &targets,
        String::from_utf8(signed.clone()).unwrap().replace("180", "181").replace("\"length\": ", "\"length\": 1"),
    )
    .unwrap();
    let why = refuses(&dir);
    assert!(why.contains("1.targets.json") && why.contains("Restore"), "{why}");
    fs::write(&targets, signed).unwrap();
    starts(&dir);
    // Without the key of the timestamp it goes on, and says so.
    fs::remove_file(dir.join("keys/trust-timestamp.key")).unwrap();
    starts(&dir);
}

fn serve(dir: &Path) -> Command {
    let mut command = callbook();
    command.args(["serve", "--json", "--dir"]).arg(dir);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    command
}

fn starts(dir: &Path) {
    let mut child = serve(dir).spawn().expect("the program runs");
    let mut line = String::new();
    let out = child.stdout.take().expect("piped");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).expect("read");
    assert!(line.contains("serving"), "{line}");
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill runs");
    assert!(killed.success() && child.wait().expect("it ends").success());
}

fn refuses(dir: &Path) -> String {
    let out = serve(dir).output().expect("the program runs");
    assert_eq!(out.status.code(), Some(2), "{}", String::from_utf8_lossy(&out.stdout));
    String::from_utf8_lossy(&out.stderr).into_owned()
}

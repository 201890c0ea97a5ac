//! Escrow with the program: deposits that the stock `age` and `tar` open, and a drill that passes or fails.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::child::{Demo, callbook, ran, text};
use crate::peers;

/// A demo with an agent's key in its configuration.
struct House {
    home: tempfile::TempDir,
    identity: PathBuf,
}

impl House {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let identity = home.path().join("agent.key");
        let (made, _) = ran(&["escrow", "keygen", text(&identity), "--json"], 0);
        let house = Self { home, identity };
        assert_eq!(Demo::start_in(&house.dir(), &[]).stop(), 0);
        let config = house.dir().join("config.toml");
        let before = fs::read_to_string(&config).expect("readable");
        let recipient = made["recipient"].as_str().expect("a key");
        fs::write(&config, format!("{before}\n[escrow]\nrecipient = \"{recipient}\"\n")).expect("writable");
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn dir(&self) -> PathBuf {
        self.path("demo")
    }

    fn deposit(&self, kind: &str) -> PathBuf {
        let (made, _) = ran(&["escrow", "deposit", kind, "--json", "--dir", text(&self.dir())], 0);
        PathBuf::from(made["file"].as_str().expect("a path"))
    }

    fn drill(&self, files: &[&Path], exit: i32) -> Value {
        let work = self.path("work");
        fs::create_dir_all(&work).expect("writable");
        let mut args = vec!["escrow", "drill", "--json", "--work", text(&work), "--identity", text(&self.identity)];
        let dir = self.dir();
        args.extend(["--dir", text(&dir)]);
        args.extend(files.iter().map(|file| text(file)));
        let (said, _) = ran(&args, exit);
        assert_eq!(fs::read_dir(&work).expect("readable").count(), 0, "a drill leaves nothing behind");
        assert_eq!(said["passed"], json!(exit == 0), "{said}");
        said
    }

    fn registered(&self, demo: &Demo, number: &str) {
        let provider = self.dir().join("provider");
        ran(&["number", "register", number, "--sip", "sip:me@acme.example", "--provider", text(&provider)], 0);
        assert_eq!(demo.lookup(number).1, 0);
    }
}

#[test]
fn full_and_difference_restore_to_the_same_head_and_the_same_zone() {
    let house = House::new();
    assert!(ran(&["escrow", "deposit", "--diff", "--dir", text(&house.dir())], 2).1.contains("--full"));
    let full = house.deposit("--full");
    let first = house.drill(&[&full], 0);
    // The service runs, and something is registered meanwhile.
    let demo = Demo::start_in(&house.dir(), &[]);
    house.registered(&demo, "+447700900801");
    let diff = house.deposit("--diff");
    house.registered(&demo, "+447700900802");
    let second = house.deposit("--diff");
    assert_eq!(demo.stop(), 0);
    assert!(fs::metadata(&diff).unwrap().len() < fs::metadata(&full).unwrap().len(), "a difference is smaller");
    let third = house.drill(&[&full, &second], 0);
    let numbers = |said: &Value| said["heads"]["numbers"].as_u64().expect("a count");
    assert_eq!(numbers(&third), numbers(&first) + 2);
    assert_eq!(third["header"]["type"], json!("DIFF"));
    assert_eq!(third["header"]["prevId"], first["header"]["id"]);

    // What is opened is a backup, and comes back as an installation with this head.
    let (opened, restored) = (house.path("opened"), house.path("restored"));
    let open = ["escrow", "open", text(&full), text(&second), "--out", text(&opened), "--identity"];
    ran(&[&open[..], &[text(&house.identity)]].concat(), 0);
    ran(&["backup", "verify", text(&opened)], 0);
    ran(&["restore", text(&opened), "--dir", text(&restored)], 0);
    let out = house.path("again");
    let (made, _) = ran(&["backup", "make", "--json", "--dir", text(&restored), "--out", text(&out)], 0);
    assert_eq!(made["manifest"]["heads"], third["heads"]);
    assert_eq!(made["manifest"]["zone_sha256"], third["zone_sha256"]);

    // A difference without its full one, and one from another time.
    let again = house.deposit("--full");
    let said = house.drill(&[&again, &second], 1);
    assert!(said["why"].as_str().is_some_and(|why| why.contains("the one that was named is another")), "{said}");
    house.drill(&[&second], 1);
    // Changed, cut, and for somebody else.
    let bad = house.path("bad.age");
    let octets = fs::read(&full).expect("readable");
    let mut changed = octets.clone();
    changed[octets.len() / 2] ^= 1;
    for octets in [&changed[..], &octets[..octets.len() - 1], &octets[..octets.len() / 2], b"x"] {
        fs::write(&bad, octets).expect("writable");
        house.drill(&[&bad], 1);
    }
    let other = house.path("other.key");
    ran(&["escrow", "keygen", text(&other)], 0);
    let none = house.path("none");
    let wrong = ["escrow", "open", text(&full), "--out", text(&none), "--identity", text(&other)];
    assert!(ran(&wrong, 2).1.contains("not encrypted to this key"));
    assert!(!house.path("none").exists() && !house.path("none.partial").exists());
    fs::set_permissions(&other, fs::Permissions::from_mode(0o644)).expect("ours");
    assert!(ran(&wrong, 2).1.contains("open to others"));
}

#[test]
fn the_stock_tools_open_a_deposit_and_make_keys_for_one() {
    if peers::program("age").is_none() || peers::program("age-keygen").is_none() {
        return;
    }
    let house = House::new();
    let full = house.deposit("--full");
    let plain = house.path("plain.tar");
    let age = |args: &[&str]| {
        let out = Command::new("age").args(args).output().expect("age runs");
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    };
    age(&["-d", "-i", text(&house.identity), "-o", text(&plain), text(&full)]);
    let folder = house.path("taken-out");
    fs::create_dir(&folder).expect("writable");
    let tar = Command::new("tar").arg("-xf").arg(&plain).arg("-C").arg(&folder).output().expect("tar runs");
    assert!(tar.status.success() && tar.stderr.is_empty(), "{}", String::from_utf8_lossy(&tar.stderr));
    let header: Value = serde_json::from_slice(&fs::read(folder.join("header.json")).expect("a header")).expect("JSON");
    assert_eq!((&header["type"], &header["resend"]), (&json!("FULL"), &json!(0)));
    fs::remove_file(folder.join("header.json")).expect("ours");
    ran(&["backup", "verify", text(&folder)], 0);

    // A key of age-keygen, and a file that age made for ours.
    let theirs = house.path("theirs.key");
    let made = Command::new("age-keygen").arg("-o").arg(&theirs).output().expect("age-keygen runs");
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    let recipient = said.trim().strip_prefix("Public key: ").expect("a key").to_owned();
    let config = house.dir().join("config.toml");
    let before = fs::read_to_string(&config).expect("readable");
    let at = before.find("recipient = ").expect("configured");
    fs::write(&config, format!("{}recipient = \"{recipient}\"\n", &before[..at])).expect("writable");
    let for_theirs = house.deposit("--full");
    let work = ["escrow", "drill", text(&for_theirs), "--identity", text(&theirs)];
    ran(&work, 0);
    let ours = Command::new("age-keygen").arg("-y").arg(&house.identity).output().expect("age-keygen runs");
    let ours = String::from_utf8_lossy(&ours.stdout).trim().to_owned();
    let by_age = house.path("by-age");
    age(&["-r", &ours, "-r", &recipient, "-o", text(&by_age), text(&plain)]);
    for identity in [&house.identity, &theirs] {
        ran(&["escrow", "drill", text(&by_age), "--identity", text(identity)], 0);
    }
}

#[test]
fn the_service_makes_what_is_due_and_tells_the_gov_log() {
    let house = House::new();
    let demo = Demo::start_in(&house.dir(), &[]);
    let folder = house.dir().join("escrow");
    let began = Instant::now();
    let state = house.dir().join("data/escrow.json");
    while !state.exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "no deposit was made");
        std::thread::sleep(Duration::from_millis(50));
    }
    let state: Value = serde_json::from_slice(&fs::read(&state).expect("readable")).expect("JSON");
    let file = state["full"]["file"].as_str().expect("a name");
    let url = format!("http://{}", demo.fact("http"));
    let told = loop {
        let gov = callbook().args(["log", "mirror", &url]).arg(house.path("mirror")).stdout(Stdio::null()).status();
        assert!(gov.expect("it runs").success());
        let leaf = leaves(&house.path("mirror/gov"));
        if leaf.contains("\"type\":\"escrow\"") {
            break leaf;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "the gov log was not told: {leaf}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(told.contains(state["full"]["sha256"].as_str().expect("a digest")), "{told}");
    ran(&["log", "verify", &url], 0);
    house.drill(&[&folder.join(file)], 0);
    assert_eq!(demo.stop(), 0);
}

/// Everything in the bundles of a mirrored log, as text.
fn leaves(log: &Path) -> String {
    let found = Command::new("find").arg(log).args(["-path", "*entries*", "-type", "f"]).output().expect("find runs");
    let paths = String::from_utf8_lossy(&found.stdout).into_owned();
    paths.lines().map(|path| String::from_utf8_lossy(&fs::read(path).expect("readable")).into_owned()).collect()
}

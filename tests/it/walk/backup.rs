//! Backups with the program: made while 64 providers' clients register, proven good, restored elsewhere, and refused when damaged.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::api::kit::Kit;
use super::child::{Demo, callbook, ran, text};

const CLIENTS: u64 = 64;
const PATIENCE: Duration = Duration::from_secs(120);

fn make(dir: &Path, out: &Path) -> Value {
    ran(&["backup", "make", "--json", "--dir", text(dir), "--out", text(out)], 0).0["manifest"].clone()
}

fn number(i: u64) -> String {
    format!("+99955{i:06}")
}

/// An installation served as an operator would, ended by its id.
struct Served {
    child: Child,
    facts: Value,
}

impl Served {
    /// On free ports, with a passphrase if the keys are sealed.
    fn start(dir: &Path, passphrase: Option<&Path>) -> Self {
        configured(dir, passphrase);
        let mut child = callbook()
            .args(["serve", "--json", "--dir"])
            .arg(dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("text");
        let facts = serde_json::from_str(&line).unwrap_or_else(|_| panic!("it did not start: {line:?}"));
        Self { child, facts }
    }

    fn get(&self, path: &str) -> (u16, String) {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().into();
        let url = format!("http://{}{path}", self.facts["http"].as_str().expect("an address"));
        let mut answer = agent.get(url).call().expect("an answer");
        (answer.status().as_u16(), answer.body_mut().read_to_string().expect("text"))
    }

    /// What a caller gets for a number, proven from this anchor.
    fn lookup(&self, number: &str, anchor: &Path) -> Value {
        let server = self.facts["dns"][0].as_str().expect("an address");
        let out = callbook()
            .args(["lookup", number, "--json", "--server", server, "--anchor", text(anchor)])
            .output()
            .expect("it runs");
        serde_json::from_slice(&out.stdout).expect("JSON")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

fn configured(dir: &Path, passphrase: Option<&Path>) {
    let path = dir.join("config.toml");
    let config = fs::read_to_string(&path).expect("a configuration");
    let config = config.replace("127.0.0.1:5300", "127.0.0.1:0").replace("127.0.0.1:8300", "127.0.0.1:0");
    let sealed = passphrase.map_or(String::new(), |path| path.display().to_string());
    let config = config.replace("passphrase_file = \"\"", &format!("passphrase_file = \"{sealed}\""));
    fs::write(&path, config).expect("writable");
}

fn secret(path: &Path, line: &str) {
    fs::write(path, format!("{line}\n")).expect("writable");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("ours");
}

/// The digest that `sha256sum` gives of what `zone export` writes.
fn exported(dir: &Path, out: &Path) -> String {
    ran(&["zone", "export", "--unsigned", "--dir", text(dir), "--out", text(out)], 0);
    let said = Command::new("sha256sum").arg(out).output().expect("sha256sum runs");
    String::from_utf8_lossy(&said.stdout).split(' ').next().unwrap_or_default().to_owned()
}

/// Registers on and on with many clients while `work` is done; gives how many numbers there are then.
fn under_load(demo: &Demo, work: impl FnOnce(&AtomicU64)) -> u64 {
    let (stop, made) = (AtomicBool::new(false), AtomicU64::new(0));
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let kit = Kit::acme(demo);
                while !stop.load(Ordering::Relaxed) {
                    kit.registered(&number(next.fetch_add(1, Ordering::Relaxed)));
                    made.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&made)));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = done {
            std::panic::resume_unwind(panic);
        }
    });
    made.load(Ordering::Relaxed)
}

fn until(made: &AtomicU64, count: u64) {
    let began = Instant::now();
    while made.load(Ordering::Relaxed) < count {
        assert!(began.elapsed() < PATIENCE, "{} of {count} numbers", made.load(Ordering::Relaxed));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn made_under_load_and_restored_on_an_empty_machine() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let (dir, work) = (home.path().join("demo"), home.path().join("work"));
    fs::create_dir(&work).expect("writable");
    let demo = Demo::start_in(&dir, &[]);
    let loaded: Vec<PathBuf> = (0..3).map(|i| home.path().join(format!("loaded-{i}"))).collect();
    let mut seen = Vec::new();
    let count = under_load(&demo, |made| {
        for (i, out) in loaded.iter().enumerate() {
            until(made, CLIENTS * (i as u64 + 1));
            seen.push((made.load(Ordering::Relaxed), make(&dir, out), made.load(Ordering::Relaxed)));
        }
    });
    for (out, (before, manifest, _)) in loaded.iter().zip(&seen) {
        let numbers = manifest["heads"]["numbers"].as_u64().expect("a count");
        assert!(numbers >= *before && numbers <= count + 20 + CLIENTS, "{before} <= {numbers} <= {count}");
        let verify = ["backup", "verify", text(out), "--dir", text(&dir), "--work", text(&work), "--json"];
        let (said, _) = ran(&verify, 0);
        assert_eq!(said["passed"], json!(true));
    }
    assert_eq!(fs::read_dir(&work).expect("readable").count(), 0, "a proof leaves nothing behind");
    // Each goes on from the one before, and the log that is shown now goes on from each: its own consistency proofs say so.
    let url = format!("http://{}", demo.fact("http"));
    for (_, manifest, _) in &seen {
        let size = manifest["heads"]["map"][0].as_u64().expect("a size").to_string();
        let (said, _) = ran(&["log", "consistency", &url, &size, "--json"], 0);
        assert_eq!(said["old"]["root"], manifest["heads"]["map"][1], "{said}");
    }
    assert_eq!(demo.stop(), 0);
    let memory: Vec<(String, Vec<u8>)> = ["log.state", "gov.state"]
        .map(|name| (name.to_owned(), fs::read(dir.join("keys").join(name)).expect("the signer's memory")))
        .into();

    // The end: everything is quiet, so the same head and the same zone must come back.
    let (passphrase, last, elsewhere) =
        (home.path().join("passphrase"), home.path().join("last"), home.path().join("elsewhere"));
    secret(&passphrase, "a passphrase for backups");
    let out = ["backup", "make", "--json", "--dir", text(&dir), "--out", text(&last), "--with-keys"];
    let (made, _) = ran(&[&out[..], &["--passphrase-file", text(&passphrase)]].concat(), 0);
    let manifest = &made["manifest"];
    assert_eq!(manifest["zone_sha256"], json!(exported(&dir, &home.path().join("export"))));
    for key in fs::read_dir(last.join("keys")).expect("keys") {
        let path = key.expect("an entry").path();
        let held = fs::read_to_string(&path).expect("text");
        assert!(held.starts_with("callbook/sealed/v1") || path.extension().is_some_and(|e| e == "state"), "{path:?}");
        assert!(!held.starts_with("callbook/signed/"), "what was signed is in no backup");
    }
    let (_, said) = ran(&["restore", text(&last), "--dir", text(&elsewhere), "--work", text(&work)], 0);
    assert!(said.contains("signer adopt") && said.contains("sealed under the backup's passphrase"), "{said}");
    assert!(!elsewhere.join("keys/log.state").exists());
    for (name, octets) in &memory {
        fs::write(elsewhere.join("keys").join(name), octets).expect("writable");
        fs::set_permissions(elsewhere.join("keys").join(name), fs::Permissions::from_mode(0o600)).expect("ours");
    }
    let again = make(&elsewhere, &home.path().join("again"));
    assert_eq!((&again["heads"], &again["zone_sha256"]), (&manifest["heads"], &manifest["zone_sha256"]));
    configured(&elsewhere, Some(&passphrase));
    assert_eq!(json!(exported(&elsewhere, &home.path().join("export-2"))), manifest["zone_sha256"]);
    let served = Served::start(&elsewhere, Some(&passphrase));
    assert_eq!(served.get("/healthz").0, 200, "{}", served.get("/healthz").1);
    let anchor = dir.join("anchor.key");
    for i in [0, count / 2, count - 1] {
        let found = served.lookup(&number(i), &anchor);
        assert_eq!((&found["status"], &found["found"]), (&json!("secure"), &json!(true)), "{found}");
    }
    drop(served);

    an_old_one_is_frozen(&dir, &loaded[0], &home.path().join("frozen"));
}

/// An old backup under the memory of the signer: served, and not changed.
fn an_old_one_is_frozen(dir: &Path, old: &Path, frozen: &Path) {
    ran(&["restore", text(old), "--dir", text(frozen)], 0);
    for key in fs::read_dir(dir.join("keys")).expect("keys") {
        let from = key.expect("an entry").path();
        fs::copy(&from, frozen.join("keys").join(from.file_name().expect("a name"))).expect("copied");
    }
    let served = Served::start(frozen, None);
    let (status, health) = served.get("/healthz");
    assert!(status == 503 && health.contains("FROZEN"), "{health}");
    assert_eq!(served.lookup(demo_sample(), &dir.join("anchor.key"))["found"], json!(true));
}

/// A number that every demo has.
fn demo_sample() -> &'static str {
    "+447700900001"
}

#[test]
fn a_damaged_backup_is_refused_with_the_reason() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let (dir, work) = (home.path().join("demo"), home.path().join("work"));
    fs::create_dir(&work).expect("writable");
    assert_eq!(Demo::start_in(&dir, &[]).stop(), 0);
    let good = home.path().join("good");
    make(&dir, &good);
    let refused = ["backup", "make", "--dir", text(&dir), "--out", text(&good)];
    assert!(ran(&refused, 2).1.contains("no backup replaces another"));
    let damaged = |what: &str, damage: &dyn Fn(&Path)| {
        let bad = home.path().join("bad");
        let _ = fs::remove_dir_all(&bad);
        assert!(Command::new("cp").arg("-r").args([&good, &bad]).status().expect("cp runs").success());
        damage(&bad);
        let (said, _) = ran(&["backup", "verify", text(&bad), "--work", text(&work), "--json"], 1);
        assert_eq!(said["passed"], json!(false));
        let why = said["why"].as_str().expect("why").to_owned();
        assert!(why.contains(what), "{what}: {why}");
        let into = home.path().join("into");
        ran(&["restore", text(&bad), "--dir", text(&into), "--work", text(&work)], 2);
        assert!(!into.join("config.toml").exists(), "{what}");
        assert_eq!(fs::read_dir(&work).expect("readable").count(), 0, "{what} leaves something behind");
    };
    let ledger = |bad: &Path| bad.join("data/ledger.sqlite");
    damaged("its digest is another", &|bad| {
        let mut octets = fs::read(ledger(bad)).expect("readable");
        let middle = octets.len() / 2;
        octets[middle] ^= 1;
        fs::write(ledger(bad), octets).expect("writable");
    });
    damaged("octets, and had", &|bad| {
        let octets = fs::read(ledger(bad)).expect("readable");
        fs::write(ledger(bad), &octets[..octets.len() - 4096]).expect("writable");
    });
    damaged("this program reads callbook/backup/v1", &|bad| edit(bad, "callbook/backup/v1", "callbook/backup/v2"));
    damaged("which no backup has", &|bad| edit(bad, "\"charter/charter.md\"", "\"../charter.md\""));
    damaged("the manifest does not name it", &|bad| fs::write(bad.join("zones/other"), b"x").expect("writable"));
    damaged("charter/policy.toml", &|bad| fs::remove_file(bad.join("charter/policy.toml")).expect("removed"));
    damaged("the zone that comes of it", &|bad| {
        let zone = bad.join("zones/e164.example.zone");
        let text = fs::read_to_string(&zone).expect("readable").replace("callbook directory", "another directory");
        replaced(bad, &zone, &text);
    });
    damaged("records are not those that their States commit to", &|bad| {
        let swap = "import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
rows = db.execute('SELECT label, number, opening, record FROM personal ORDER BY label LIMIT 2').fetchall()
db.execute('UPDATE personal SET record = ? WHERE label = ?', (rows[1][3], rows[0][0]))
db.commit()";
        let done = Command::new("python3").args(["-c", swap]).arg(ledger(bad)).status().expect("python3 runs");
        assert!(done.success());
        let octets = fs::read(ledger(bad)).expect("readable");
        relisted(bad, &ledger(bad), octets.len());
    });
    damaged("the head of the map log", &|bad| {
        let before: Value = serde_json::from_slice(&fs::read(bad.join("manifest.json")).unwrap()).unwrap();
        let root = before["heads"]["map"][1].as_str().expect("a root").to_owned();
        edit(bad, &root, &root.chars().rev().collect::<String>());
    });
    damaged("manifest.json", &|bad| fs::remove_file(bad.join("manifest.json")).expect("removed"));
    ran(&["backup", "verify", text(&good), "--work", text(&work)], 0);
    // Nothing is restored over something.
    assert!(ran(&["restore", text(&good), "--dir", text(&dir)], 2).1.contains("is not empty"));
    let other = home.path().join("other");
    let init = ["init", "--apex", "e164.example", "--dir", text(&other)];
    ran(&init, 0);
    let (said, _) = ran(&["backup", "verify", text(&good), "--dir", text(&other), "--json"], 1);
    assert!(said["why"].as_str().is_some_and(|why| why.contains("another directory")), "{said}");
}

fn edit(bad: &Path, from: &str, to: &str) {
    let path = bad.join("manifest.json");
    let text = fs::read_to_string(&path).expect("readable");
    assert!(text.contains(from), "{from}");
    fs::write(path, text.replace(from, to)).expect("writable");
}

/// Puts another content into a file, with a manifest that fits: whoever can write the backup can do that.
fn replaced(bad: &Path, file: &Path, text: &str) {
    fs::write(file, text).expect("writable");
    relisted(bad, file, text.len());
}

/// Names the file as it is now in the manifest.
fn relisted(bad: &Path, file: &Path, bytes: usize) {
    let path = bad.join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).expect("readable")).expect("JSON");
    let name = file.strip_prefix(bad).expect("inside").to_str().expect("UTF-8");
    let said = Command::new("sha256sum").arg(file).output().expect("sha256sum runs");
    let digest = String::from_utf8_lossy(&said.stdout).split(' ').next().unwrap_or_default().to_owned();
    let files = manifest["files"].as_array_mut().expect("a list");
    let entry = files.iter_mut().find(|entry| entry["name"] == name).expect("named");
    (entry["bytes"], entry["sha256"]) = (json!(bytes), json!(digest));
    fs::write(path, serde_json::to_vec(&manifest).expect("JSON")).expect("writable");
}

#[test]
fn one_that_was_cut_off_is_none() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let (dir, out) = (home.path().join("demo"), home.path().join("backup"));
    let demo = Demo::start_in(&dir, &["--numbers", "200"]);
    let partial = home.path().join("backup.partial");
    let mut cut = 0;
    for at in ["data", "data/ledger.sqlite", "config.toml", "zones"] {
        let mut child = callbook()
            .args(["backup", "make", "--dir", text(&dir), "--out", text(&out)])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        while !partial.join(at).exists() && child.try_wait().expect("ours").is_none() {
            std::thread::yield_now();
        }
        let _ = child.kill();
        child.wait().expect("it ends");
        if out.exists() {
            // It was too fast: then it must be whole.
            ran(&["backup", "verify", text(&out)], 0);
            fs::remove_dir_all(&out).expect("ours");
        } else {
            cut += 1;
        }
    }
    assert!(cut > 0, "none was cut off");
    make(&dir, &out);
    assert!(!partial.exists(), "what was left is cleared away");
    ran(&["backup", "verify", text(&out)], 0);
    assert_eq!(demo.stop(), 0);
}

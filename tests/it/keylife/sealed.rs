//! Sealed keys on a real installation: made so, sealed later, under another passphrase, and every way in which it goes wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use callbook::seal::{Lock, Outcome, is_sealed, reseal};
use serde_json::Value;
use tempfile::TempDir;

use super::program::serve_until_ready;

const FIRST: &str = "correct horse battery staple";
const NEXT: &str = "another line of words altogether";

struct Home {
    dir: TempDir,
}

impl Home {
    fn new() -> Self {
        let home = Self { dir: tempfile::tempdir().unwrap() };
        home.passphrase("first", FIRST);
        home
    }

    fn passphrase(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        let _ = fs::remove_file(&path);
        fs::write(&path, format!("{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn made(&self) -> PathBuf {
        self.dir.path().join("made")
    }

    fn init(&self, more: &[&str]) -> Output {
        let init = ["init", "--apex", "e164.example", "--dns", "127.0.0.1:0", "--http", "127.0.0.1:0"];
        self.run(&[&init, more].concat())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callbook"));
        command.args(args).arg("--dir").arg(self.made()).env_remove("CREDENTIALS_DIRECTORY");
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        let out = self.run(&[args, &["--json"]].concat());
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).unwrap()
    }

    /// What a command says that must fail; whatever it says, it says no secret.
    fn refused(&self, args: &[&str]) -> String {
        let out = self.run(args);
        assert_eq!(out.status.code(), Some(2), "{args:?}: {}", String::from_utf8_lossy(&out.stdout));
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(!said.contains(FIRST) && !said.contains(NEXT) && !said.contains("PRIVATE KEY"), "{said}");
        said
    }

    /// The configured place of the passphrase; `""` is none.
    fn configure(&self, place: &str) {
        let path = self.made().join("config.toml");
        let text = fs::read_to_string(&path).unwrap();
        let of = |line: &str| line.starts_with("passphrase_file").then(|| format!("passphrase_file = \"{place}\""));
        let lines: Vec<String> = text.lines().map(|line| of(line).unwrap_or_else(|| line.to_owned())).collect();
        fs::write(&path, lines.join("\n")).unwrap();
    }

    /// Every private key, by name, and what is in its file.
    fn keys(&self) -> Vec<(String, Vec<u8>)> {
        let mut found: Vec<(String, Vec<u8>)> = ["keys", "keys/removed"]
            .iter()
            .filter_map(|folder| fs::read_dir(self.made().join(folder)).ok())
            .flatten()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "p8" || ending == "key"))
            .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()))
            .collect();
        found.sort();
        found
    }

    fn sealed(&self) -> usize {
        self.keys().iter().filter(|(_, text)| is_sealed(text)).count()
    }

    fn protections(&self) -> Vec<String> {
        let list = self.json(&["keys", "list"]);
        list["keys"].as_array().unwrap().iter().map(|key| key["protection"].as_str().unwrap().to_owned()).collect()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_plain_installation_is_sealed_changes_its_passphrase_and_is_unsealed() {
    let home = Home::new();
    assert!(home.init(&[]).status.success());
    assert!(home.refused(&["keys", "seal"]).contains("no passphrase is configured"));
    assert_eq!(home.protections(), ["plain", "plain"]);
    let plain = home.keys();
    home.configure("../first");
    let status = home.json(&["keys", "status"]);
    assert!(status["notes"][0].as_str().unwrap().contains("callbook keys seal"), "{status}");
    assert_eq!(home.json(&["keys", "seal"])["changed"], 8);
    assert_eq!(home.json(&["keys", "seal"])["changed"], 0);
    assert_eq!((home.sealed(), home.protections()), (8, vec!["sealed".to_owned(); 2]));
    let status = home.json(&["keys", "status"]);
    assert_eq!((&status["notes"], &status["keys"][0]["protection"]), (&Value::Array(Vec::new()), &"sealed".into()));
    // A new key is sealed, like the others; what is not needed any more stays sealed.
    home.json(&["keys", "generate", "--role", "zsk"]);
    assert_eq!(home.sealed(), 9);
    serve_until_ready(home.command(&["serve", "--json"]));
    let next = home.passphrase("next", NEXT);
    assert_eq!(home.json(&["keys", "seal", "--new-passphrase-file", text(&next)])["changed"], 9);
    assert!(home.refused(&["keys", "ds"]).contains("does not open with the passphrase"));
    assert!(home.refused(&["serve"]).contains("does not open with the passphrase"));
    fs::rename(&next, home.dir.path().join("first")).unwrap();
    serve_until_ready(home.command(&["serve", "--json"]));
    let said = home.json(&["keys", "unseal"]);
    assert_eq!((&said["changed"], &said["files"]), (&9.into(), &9.into()));
    home.configure("");
    let back = home.keys();
    assert!(plain.iter().all(|key| back.contains(key)), "octet by octet");
    serve_until_ready(home.command(&["serve", "--json"]));
}

#[test]
fn an_installation_is_sealed_from_its_first_moment() {
    let home = Home::new();
    fs::set_permissions(home.dir.path().join("first"), fs::Permissions::from_mode(0o644)).unwrap();
    let first = home.dir.path().join("first");
    let refused = home.init(&["--passphrase-file", text(&first)]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("chmod 600") && !home.made().exists());
    home.passphrase("first", FIRST);
    assert!(home.init(&["--passphrase-file", text(&first)]).status.success());
    assert_eq!(home.sealed(), 8);
    serve_until_ready(home.command(&["serve", "--json"]));
    // In and out as ever.
    let tag = home.json(&["keys", "list"])["keys"][1]["tag"].to_string();
    let out = home.dir.path().join("zsk.private");
    home.json(&["keys", "export", &tag, "--out", text(&out)]);
    assert!(fs::read_to_string(&out).unwrap().starts_with("Private-key-format: v1.3"));
    let foreign =
        "Private-key-format: v1.2\nAlgorithm: 15 (ED25519)\nPrivateKey: ODIyNjAzODQ2MjgwODAxMjI2NDUxOTAyMDQxNDIyNjI=\n";
    fs::write(&out, foreign).unwrap();
    home.json(&["keys", "import", text(&out), "--role", "zsk"]);
    assert_eq!(home.sealed(), 9);
    let signed = home.dir.path().join("signed.zone");
    let written = home.json(&["zone", "export", "--signed", "--out", text(&signed)]);
    assert!(written["signatures"].as_u64().unwrap() > 3, "{written}");
    // A credential, as systemd hands it over.
    home.configure("credential:zone-keys");
    assert!(home.refused(&["keys", "ds"]).contains("LoadCredential="));
    assert!(home.run(&["config", "check"]).status.success());
    let credentials = home.dir.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    fs::copy(&first, credentials.join("zone-keys")).unwrap();
    let mut service = home.command(&["serve", "--json"]);
    service.env("CREDENTIALS_DIRECTORY", &credentials);
    serve_until_ready(service);
}

#[test]
fn whatever_is_wrong_is_told_and_no_key_is_made_in_place_of_one() {
    let home = Home::new();
    let first = home.dir.path().join("first");
    assert!(home.init(&["--passphrase-file", text(&first)]).status.success());
    let before = home.keys();
    for (place, word) in [
        ("", "dnssec.passphrase_file"),
        ("../missing", "without it the sealed keys are lost"),
        (text(&home.passphrase("wrong", NEXT)), "does not open with the passphrase"),
        (text(&home.passphrase("short", "short")), "too short"),
        (text(&home.passphrase("empty", "")), "it is empty"),
    ] {
        home.configure(place);
        assert!(home.refused(&["serve"]).contains(word), "{place}");
        assert!(home.refused(&["keys", "ds"]).contains(word), "{place}");
        let tells = !place.is_empty() && !place.ends_with("wrong"); // that is known only with a key to open
        assert_eq!(home.run(&["config", "check"]).status.success(), !tells, "{place}");
        if !place.is_empty() {
            let made = home.refused(&["keys", "generate", "--role", "zsk"]);
            assert!(made.contains(word) || made.contains("sealed under another passphrase"), "{made}");
        }
        for command in [&["keys", "seal"][..], &["keys", "unseal"]] {
            let said = home.refused(command);
            assert!(said.contains(word) || said.contains("no passphrase is configured"), "{said}");
        }
        assert_eq!(home.keys(), before, "{place}");
    }
    fs::set_permissions(&first, fs::Permissions::from_mode(0o640)).unwrap();
    home.configure("../first");
    assert!(home.refused(&["serve"]).contains("chmod 600"));
    home.passphrase("first", FIRST);
    // The authority's key in the place of another, a cut file, and one that asks for a terabyte.
    let log = home.made().join("keys/log.key");
    let good = fs::read_to_string(&log).unwrap();
    fs::copy(home.made().join("keys/gov.key"), &log).unwrap();
    assert!(home.refused(&["serve"]).contains("another key's file"));
    fs::write(&log, &good[..good.len() / 2]).unwrap();
    assert!(home.refused(&["serve"]).contains("restore it from the backup"));
    fs::write(&log, good.replace("m=65536", "m=1073741824")).unwrap();
    assert!(home.refused(&["serve"]).contains("asks for more than a sealed key"));
    fs::write(&log, &good).unwrap();
    serve_until_ready(home.command(&["serve", "--json"]));
}

#[test]
fn a_run_that_is_killed_is_done_again_and_loses_nothing() {
    let home = Home::new();
    assert!(home.init(&[]).status.success());
    let plain = home.keys();
    home.configure("../first");
    // Killed at once, a little later, later still: whatever it got to, every key opens and the next run goes on.
    for wait_ms in [0, 40, 120, 160, 200, 240, 280, 320] {
        let mut seal = home.command(&["keys", "seal"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait_ms));
        let _ = seal.kill();
        seal.wait().unwrap();
        home.json(&["keys", "ds"]);
        assert_eq!(home.keys().len(), plain.len());
    }
    home.json(&["keys", "seal"]);
    assert_eq!(home.sealed(), plain.len());
    // A change of the passphrase that got to one file, and half of the next.
    let (first, next) = (home.dir.path().join("first"), home.passphrase("next", NEXT));
    let keys = home.made().join("keys");
    let (old, new) = (Lock::of(text(&first)), Lock::of(text(&next)));
    assert_eq!(reseal(&keys.join("gov.key"), &old, &new).unwrap(), Outcome::Changed);
    fs::write(keys.join("log.key.partial"), "callbook/sealed/v1\nargon2id m=6").unwrap();
    assert!(home.refused(&["serve"]).contains("--new-passphrase-file again"));
    let done = home.json(&["keys", "seal", "--new-passphrase-file", text(&next)]);
    assert_eq!((done["changed"].as_u64(), done["files"].as_u64()), (Some(7), Some(8)));
    assert!(!keys.join("log.key.partial").exists());
    fs::rename(&next, &first).unwrap();
    serve_until_ready(home.command(&["serve", "--json"]));
    home.json(&["keys", "unseal"]);
    assert_eq!(home.keys(), plain);
}

#[test]
fn a_master_file_is_signed_with_sealed_keys() {
    let home = Home::new();
    let (dir, first) = (home.dir.path(), home.dir.path().join("first"));
    let (zone, keys, out) = (dir.join("zone"), dir.join("keys"), dir.join("signed"));
    fs::write(&zone, "$TTL 60\n@ IN SOA ns host 1 3600 900 1209600 60\n@ IN NS ns\nns IN A 192.0.2.1\n").unwrap();
    let sign = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callbook"));
        command.args(["zone", "sign", text(&zone), "--origin", "example.", "--keys", text(&keys), "--out", text(&out)]);
        command.args(more).output().unwrap()
    };
    assert!(sign(&["--new-keys", "--passphrase-file", text(&first)]).status.success());
    assert!(sign(&["--passphrase-file", text(&first)]).status.success());
    let said = sign(&[]);
    assert_eq!(said.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&said.stderr).contains("--passphrase-file"));
}

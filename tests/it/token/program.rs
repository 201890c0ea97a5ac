//! The real program on installations with a token.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{LABEL, PIN, Token};
use crate::keylife::{serve_until_ready, serve_while_held};
use crate::peers;

impl Token {
    fn made(&self) -> PathBuf {
        self.home.path().join("made")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callbook"));
        command.args(args).arg("--dir").arg(self.made());
        command.env("SOFTHSM2_CONF", self.settings()).env_remove("CREDENTIALS_DIRECTORY");
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn init(&self, more: &[&str]) -> Output {
        let (module, pin) = (self.module.display().to_string(), self.home.path().join("pin").display().to_string());
        let init = ["init", "--apex", "e164.example", "--dns", "127.0.0.1:0", "--http", "127.0.0.1:0"];
        let token = ["--pkcs11-module", &module, "--pkcs11-token", LABEL, "--pkcs11-pin-file", &pin];
        self.run(&[&init, &token[..], more].concat())
    }

    fn json(&self, args: &[&str]) -> Value {
        let out = self.run(&[args, &["--json"]].concat());
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).unwrap()
    }

    /// What a command says that must fail; whatever it says, it says no PIN.
    fn refused(&self, args: &[&str]) -> String {
        let out = self.run(args);
        assert_eq!(out.status.code(), Some(2), "{args:?}: {}", String::from_utf8_lossy(&out.stdout));
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(!said.contains(PIN), "{said}");
        said
    }

    /// Puts something else into the configuration.
    fn configure(&self, from: &str, to: &str) {
        let path = self.made().join("config.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&path, text.replace(from, to)).unwrap();
    }

    fn protections(&self) -> Vec<(String, String)> {
        let list = self.json(&["keys", "list"]);
        let text = |key: &Value, field: &str| key[field].as_str().unwrap().to_owned();
        list["keys"].as_array().unwrap().iter().map(|key| (text(key, "role"), text(key, "protection"))).collect()
    }

    fn tag(&self, role: &str) -> String {
        let list = self.json(&["keys", "list"]);
        list["keys"].as_array().unwrap().iter().find(|key| key["role"] == role).unwrap()["tag"].to_string()
    }

    /// Whether ldns accepts what the installation's keys sign.
    fn is_accepted_by_ldns(&self) {
        let Some(verify) = peers::program("ldns-verify-zone") else { return };
        let file = self.home.path().join("signed.zone");
        let written = self.json(&["zone", "export", "--signed", "--out", file.to_str().unwrap()]);
        assert!(written["signatures"].as_u64().unwrap() > 3, "{written}");
        let anchor = self.made().join("anchor.key");
        let said = Command::new(verify).args(["-V", "3", "-k"]).arg(anchor).arg(&file).output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    }
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect()
}

#[test]
fn a_new_installation_has_its_ksk_in_the_token() {
    let Some(token) = Token::new() else { return };
    let made = token.init(&[]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert!(String::from_utf8_lossy(&made.stdout).contains("back it up as its maker says"));
    assert_eq!(token.protections(), pairs(&[("KSK", "token"), ("ZSK", "plain")]));
    token.is_accepted_by_ldns();
    serve_until_ready(token.command(&["serve", "--json"]));
    token.json(&["keys", "generate", "--role", "ksk"]);
    assert_eq!(token.protections()[2], ("KSK".to_owned(), "token".to_owned()));
    serve_until_ready(token.command(&["serve", "--json"]));
    assert_eq!(
        token.json(&["config", "check"])["in_force"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|row| row["key"] == "dnssec.pkcs11")
            .count(),
        1
    );
    let findings = token.json(&["doctor"]);
    assert_eq!(findings["well"], true, "{findings}");
    // What cannot be done with a key in the token is said; what can be done with the others works.
    let out = token.home.path().join("out");
    let out = out.to_str().unwrap();
    assert!(token.refused(&["keys", "export", &token.tag("KSK"), "--out", out]).contains("never leaves it"));
    token.json(&["keys", "export", &token.tag("ZSK"), "--out", out]);
    assert!(token.refused(&["keys", "import", out, "--role", "ksk"]).contains("callbook keys generate --role ksk"));
    token.write("passphrase", "correct horse battery staple\n");
    token.configure("passphrase_file = \"\"", "passphrase_file = \"../passphrase\"");
    let sealed = String::from_utf8_lossy(&token.run(&["keys", "seal"]).stdout).into_owned();
    assert!(sealed.contains("no passphrase reaches them"), "{sealed}");
    assert_eq!(token.protections()[..2], pairs(&[("KSK", "token"), ("ZSK", "sealed")]));
    assert_eq!(token.json(&["keys", "status"])["notes"], Value::Array(Vec::new()));
    serve_until_ready(token.command(&["serve", "--json"]));
    // Another installation would take the same keys for its own.
    fs::rename(token.made(), token.home.path().join("first")).unwrap();
    let said = token.init(&[]);
    assert!(String::from_utf8_lossy(&said.stderr).contains("already") && !token.made().exists());
}

#[test]
fn a_running_service_takes_up_what_a_command_makes_in_the_token() {
    let Some(token) = Token::new() else { return };
    assert!(token.init(&[]).status.success());
    let _service = serve_while_held(token.command(&["serve", "--json"]));
    let made = token.json(&["keys", "generate", "--role", "ksk"]);
    let began = Instant::now();
    loop {
        let list = token.json(&["keys", "list"]);
        let key = list["keys"].as_array().unwrap().iter().find(|key| key["tag"] == made["tag"]).unwrap();
        if key["state"] == "published" {
            assert_eq!(key["protection"], "token");
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{list}");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_new_installation_has_all_its_keys_in_the_token() {
    let Some(token) = Token::new() else { return };
    let made = token.init(&["--pkcs11-holds", "all", "--algorithm", "15"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert_eq!(token.protections(), pairs(&[("KSK", "token"), ("ZSK", "token")]));
    token.is_accepted_by_ldns();
    serve_until_ready(token.command(&["serve", "--json"]));
}

#[test]
fn two_zones_share_a_token() {
    let Some(token) = Token::new() else { return };
    assert!(token.init(&[]).status.success());
    let config = token.made().join("config.toml");
    let text = fs::read_to_string(&config).unwrap() + "\n[[zone]]\nname = \"example.org\"\nsign = true\n";
    fs::write(&config, text).unwrap();
    let zone = "$TTL 60\n@ IN SOA ns host 1 3600 900 1209600 60\n@ IN NS ns\nns IN A 192.0.2.1\n";
    fs::write(token.made().join("zones/example.org.zone"), zone).unwrap();
    assert!(token.refused(&["serve"]).contains("callbook zone keygen"));
    token.json(&["zone", "keygen", "example.org"]);
    assert!(token.refused(&["zone", "keygen", "example.org"]).contains("already holds keys"));
    for zone in ["e164.example", "example.org"] {
        let list = token.json(&["keys", "list", "--zone", zone]);
        assert_eq!(
            (&list["keys"][0]["protection"], list["keys"].as_array().unwrap().len()),
            (&"token".into(), 2),
            "{list}"
        );
        assert_eq!(token.json(&["keys", "status", "--zone", zone])["notes"], Value::Array(Vec::new()));
    }
    serve_until_ready(token.command(&["serve", "--json"]));
}

#[test]
fn whatever_is_wrong_with_the_token_is_told_and_no_key_is_made() {
    let Some(token) = Token::new() else { return };
    let pin = token.home.path().join("pin");
    fs::set_permissions(&pin, fs::Permissions::from_mode(0o644)).unwrap();
    let open = token.init(&[]);
    assert!(String::from_utf8_lossy(&open.stderr).contains("chmod 600") && !token.made().exists());
    token.write("pin", PIN);
    assert!(token.init(&[]).status.success());
    let keys = || {
        let entries = fs::read_dir(token.made().join("keys")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let mut keys: Vec<PathBuf> =
            paths.filter(|path| path.extension().is_some_and(|e| e == "p8" || e == "key")).collect();
        keys.sort();
        keys
    };
    let before = keys();
    let text = fs::read_to_string(token.made().join("config.toml")).unwrap();
    let (module, pin) = (token.module.to_str().unwrap(), pin.to_str().unwrap());
    token.write("wrong", "55555\n");
    token.write("empty", "");
    for (from, to, word) in [
        (module, "/nowhere/module.so", "dnssec.pkcs11.module"),
        (LABEL, "elsewhere", "no token is called"),
        (pin, "../wrong", "refuses the PIN"),
        (pin, "../missing", "without the PIN"),
        (pin, "../empty", "it is empty"),
        (pin, "credential:pin", "LoadCredential="),
    ] {
        token.configure(from, to);
        for command in [&["serve"][..], &["keys", "ds"], &["keys", "generate", "--role", "ksk"], &["keys", "status"]] {
            assert!(token.refused(command).contains(word), "{to}: {}", token.refused(command));
        }
        assert_eq!(keys(), before, "{to}");
        fs::write(token.made().join("config.toml"), &text).unwrap();
    }
    // Without the setting the key is looked for as a file.
    token.configure(module, "");
    assert!(token.refused(&["config", "check"]).contains("dnssec.pkcs11.module is missing"));
    let line = text.lines().find(|line| line.starts_with("pkcs11 = ")).unwrap();
    fs::write(token.made().join("config.toml"), text.replace(line, "")).unwrap();
    assert!(token.refused(&["serve"]).contains("No other key is made in its place"));
    fs::write(token.made().join("config.toml"), &text).unwrap();
    serve_until_ready(token.command(&["serve", "--json"]));
    // The token is another one of the same name.
    fs::remove_dir_all(token.home.path().join("tokens")).unwrap();
    fs::create_dir(token.home.path().join("tokens")).unwrap();
    token.label(&peers::program("softhsm2-util").unwrap(), LABEL);
    assert!(token.refused(&["serve"]).contains("neither the token"));
    assert_eq!(keys(), before);
}

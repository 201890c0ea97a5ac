//! The signer as a process of its own: killed at any moment, away for a while, asked by a service that is killed too; no size
//! of a log is ever signed in two ways.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use callbook::ledger::{Ledger, LedgerError};
use callbook::log::addition::Addition;
use callbook::log::checkpoint::Checkpoint;
use serde_json::Value;

use super::child::callbook;

/// A start, an epoch and a look at it take a second or two each.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// A process that ends with this.
struct Process(Child);

impl Process {
    /// Starts it; the first line that it says is JSON.
    fn start(command: &mut Command) -> (Self, Value) {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
        let mut process = Self(child);
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().expect("piped")).read_line(&mut line).expect("text");
        let said = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        (process, said)
    }

    fn stop(mut self) -> Option<i32> {
        let status = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().expect("kill runs");
        assert!(status.success());
        self.0.wait().expect("it ends").code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An installation whose keys of the logs are elsewhere.
struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new(asked_at: &str) -> Self {
        let home = Self { dir: tempfile::tempdir().expect("a temporary directory") };
        let init = [
            "init",
            "--apex",
            "e164.example",
            "--host",
            "dir.example",
            "--dns",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
            "--dir",
        ];
        let made = callbook().args(init).arg(home.made()).output().expect("the program runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::create_dir(home.keys()).expect("a new folder");
        for name in ["log.key", "gov.key", "log.state", "gov.state"] {
            fs::rename(home.made().join("keys").join(name), home.keys().join(name)).expect("moved");
        }
        let config = home.made().join("config.toml");
        let text = fs::read_to_string(&config).expect("readable");
        let text = text.replace("epoch_ms = 1000", "epoch_ms = 20").replace("heartbeat_s = 60", "heartbeat_s = 1");
        fs::write(&config, format!("{text}\n[log]\nsigner = \"unix:../{asked_at}\"\n")).expect("writable");
        home
    }

    fn made(&self) -> PathBuf {
        self.dir.path().join("made")
    }

    fn keys(&self) -> PathBuf {
        self.dir.path().join("signer")
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("signer.sock")
    }

    fn signer(&self) -> Process {
        let mut command = callbook();
        command.args(["signer", "serve", "--json", "--host", "dir.example", "--keys"]).arg(self.keys());
        let (process, said) = Process::start(command.arg("--socket").arg(self.socket()));
        assert_eq!(said["signing"], "dir.example");
        process
    }

    fn serve(&self) -> (Process, String) {
        let (process, said) = Process::start(callbook().args(["serve", "--json", "--dir"]).arg(self.made()));
        (process, said["http"].as_str().expect("an address").to_owned())
    }

    fn run(&self, args: &[&str]) -> (Option<i32>, String) {
        let out = callbook().args(args).output().expect("the program runs");
        (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr))
    }
}

fn health(http: &str) -> Value {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(10)))
        .build()
        .into();
    let answer = agent.get(format!("http://{http}/healthz")).call();
    answer.ok().and_then(|mut answer| answer.body_mut().read_json().ok()).unwrap_or(Value::Null)
}

fn detail(health: &Value, name: &str) -> (bool, String) {
    let found = health["checks"].as_array().and_then(|all| all.iter().find(|check| check["name"] == name));
    let found = found.cloned().unwrap_or(Value::Null);
    (found["ok"] == true, found["detail"].as_str().unwrap_or_default().to_owned())
}

fn until(what: &str, http: &str, is: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let health = health(http);
        if is(&health) {
            return health;
        }
        assert!(began.elapsed() < WAIT_MAX, "{what}: {health}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn while_the_signer_is_away_what_is_published_goes_on_and_its_return_is_noticed() {
    let home = Home::new("signer.sock");
    let signer = home.signer();
    let mode = fs::metadata(home.socket()).expect("a socket").permissions().mode() & 0o777;
    assert_eq!(mode, 0o660);
    let (service, http) = home.serve();
    let before =
        until("epochs are made", &http, |health| health["healthy"] == true && health["epoch"].as_u64() > Some(1));

    let socket = home.socket();
    let socket = socket.to_str().expect("UTF-8");
    let (exit, said) = home.run(&["signer", "status", "--socket", socket, "--host", "dir.example", "--json"]);
    let status: Value = serde_json::from_str(&said).expect("JSON");
    assert!(exit == Some(0) && status["log"]["size"].as_u64() >= before["epoch"].as_u64(), "{said}");
    let (exit, said) = home.run(&["signer", "status", "--socket", socket, "--host", "other.example"]);
    assert!(exit == Some(2) && said.contains("--host"), "{said}");
    let keys = home.keys();
    let keys = keys.to_str().expect("UTF-8");
    let second = ["signer", "serve", "--host", "dir.example", "--keys", keys, "--socket", socket];
    let (exit, said) = home.run(&second);
    assert!(exit == Some(2) && said.contains("is in use"), "{said}");

    drop(signer); // as a crash would
    let away = until("its absence is told", &http, |health| !detail(health, "log").0 && health["checks"].is_array());
    assert!(detail(&away, "log").1.contains("signer serve"), "{away}");
    assert!(detail(&away, "dns").0 && detail(&away, "ledger").0, "{away}");
    let signer = home.signer();
    until("it goes on by itself", &http, |health| {
        health["healthy"] == true && health["epoch"].as_u64() > away["epoch"].as_u64()
    });

    // A start without the signer serves what is signed, and goes on when it is back.
    assert_eq!(signer.stop(), Some(0));
    assert!(!home.socket().exists());
    assert_eq!(service.stop(), Some(0));
    let signed = {
        let ledger = Ledger::open(&home.made().join("data")).expect("it opens");
        ledger
            .read::<_, LedgerError>(|now| Ok(now.newest_epoch()?.is_some_and(|epoch| epoch.note.is_some())))
            .expect("read")
    };
    if signed {
        let (service, http) = home.serve();
        until("DNS answers", &http, |health| detail(health, "dns").0 && !detail(health, "log").0);
        let _signer = home.signer();
        until("it goes on", &http, |health| health["healthy"] == true);
        assert_eq!(service.stop(), Some(0));
    }

    let copy = home.made().join("keys/log.key");
    let _signer = home.signer();
    fs::copy(home.keys().join("log.key"), &copy).expect("copied");
    let made = home.made();
    let (exit, said) = home.run(&["doctor", "--dir", made.to_str().expect("UTF-8")]);
    assert!(exit == Some(1) && said.contains("log.key lies here"), "{said}");
}

/// What was signed, by log and size: the root, and the line.
type Given = BTreeMap<(String, u64), (String, String)>;

/// Stands between the service and the signer and takes note of everything that is given out.
fn recorder(home: &Home, given: Arc<Mutex<Given>>) {
    let listener = UnixListener::bind(home.dir.path().join("recorder.sock")).expect("a socket");
    let target = home.socket();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (target, given) = (target.clone(), Arc::clone(&given));
            std::thread::spawn(move || pass_on(stream, &target, &given));
        }
    });
}

fn pass_on(mut service: UnixStream, target: &Path, given: &Mutex<Given>) -> Option<()> {
    let mut signer = UnixStream::connect(target).ok()?;
    loop {
        let question = take(&mut service)?;
        send(&mut signer, &question)?;
        let answer = take(&mut signer)?;
        if let (Some(body), Some(line)) = (question.strip_prefix("add-checkpoint\n"), answer.strip_prefix("line\n")) {
            let head = Checkpoint::parse(&Addition::parse(body).expect("its form").note).expect("its form");
            let new = (callbook::log::bytes::to_base64(&head.root), line.to_owned());
            let mut given = given.lock().expect("held shortly");
            let first = given.entry((head.origin, head.size)).or_insert_with(|| new.clone());
            assert_eq!(*first, new, "one size was signed in two ways");
        }
        send(&mut service, &answer)?;
    }
}

fn take(from: &mut UnixStream) -> Option<String> {
    let mut head = [0; 4];
    from.read_exact(&mut head).ok()?;
    let mut text = vec![0; u32::from_be_bytes(head) as usize];
    from.read_exact(&mut text).ok()?;
    String::from_utf8(text).ok()
}

fn send(to: &mut UnixStream, text: &str) -> Option<()> {
    to.write_all(&(text.len() as u32).to_be_bytes()).ok()?;
    to.write_all(text.as_bytes()).ok()
}

#[test]
fn killed_again_and_again_no_size_is_signed_in_two_ways() {
    let home = Home::new("recorder.sock");
    let given = Arc::new(Mutex::new(Given::new()));
    recorder(&home, Arc::clone(&given));
    let mut signer = home.signer();
    for round in 0..8u64 {
        let (service, http) = home.serve();
        let began = until("it answers", &http, |health| health["epoch"].is_u64())["epoch"].as_u64();
        until("an epoch is made", &http, |health| health["epoch"].as_u64() > began);
        // At another moment each time: the next epoch comes a second later.
        std::thread::sleep(Duration::from_millis(130 * round));
        match round % 3 {
            0 => drop(service),
            1 => {
                drop(signer);
                std::thread::sleep(Duration::from_millis(700)); // an epoch is sealed meanwhile and waits
                drop(service);
                signer = home.signer();
            }
            _ => {
                drop(signer);
                signer = home.signer();
                until("it goes on", &http, |health| health["healthy"] == true);
                drop(service);
            }
        }
    }
    let (service, http) = home.serve();
    until("it is well", &http, |health| health["healthy"] == true);
    assert_eq!(service.stop(), Some(0));
    let given = given.lock().expect("nobody panicked");
    let ledger = Ledger::open(&home.made().join("data")).expect("it opens");
    let epochs = ledger.read::<_, LedgerError>(|now| now.epochs_from(1, 10_000)).expect("read");
    assert!(epochs.len() >= 8, "{}", epochs.len());
    for epoch in epochs {
        let (root, line) = &given[&("dir.example/map/0".to_owned(), epoch.n + 1)];
        let note = epoch.note.expect("signed");
        assert!(note.ends_with(line) && note.contains(root), "what was given out is what is kept: {note}");
    }
}

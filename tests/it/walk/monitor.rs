//! `callbook monitor` with the real program: a holder, a watcher, a daemon with a webhook that fails and is restarted.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use callbook::client::webhook::PublicKey;
use callbook::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use super::child::{Demo, callbook};
use crate::receiver::{Receiver, Reply};

/// A demo, and files of a holder beside it.
struct House {
    demo: Demo,
    api: String,
}

impl House {
    fn open() -> Self {
        let demo = Demo::start();
        let api = format!("http://{}", demo.fact("http"));
        Self { demo, api }
    }

    fn file(&self, name: &str) -> String {
        self.demo.dir().join(name).display().to_string()
    }

    fn folder(&self) -> String {
        self.file("provider")
    }

    /// The control key of the i-th sample number's holder.
    fn control_key(&self, i: usize) -> String {
        let digits = self.demo.sample(i).trim_start_matches('+').to_owned();
        let path: PathBuf = [&self.folder(), "holders", &digits, "control.key"].iter().collect();
        path.display().to_string()
    }

    fn by_provider(&self, args: &[&str]) {
        let folder = self.folder();
        let ran = self.demo.run(&[args, &["--provider", &folder]].concat());
        assert!(ran.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    fn monitor(&self, what: &[&str], key: &str, pins: &str, more: &[&str]) -> (Value, i32, String) {
        let (pins, args) = (self.file(pins), ["--api", &self.api, "--control-key", key, "--json"]);
        let Output { status, stdout, stderr } =
            self.demo.run(&[&["monitor"], what, &args[..], &["--pins", &pins], more].concat());
        let json = serde_json::from_slice(&stdout).unwrap_or(Value::Null);
        (json, status.code().unwrap_or(-1), String::from_utf8_lossy(&stderr).into_owned())
    }

    fn own(&self, i: usize) -> (Value, i32, String) {
        self.monitor(&[self.demo.sample(i)], &self.control_key(i), "pins.json", &[])
    }
}

#[test]
fn a_holder_sees_every_change_once() {
    let house = House::open();
    let (first, exit, why) = house.own(1);
    assert_eq!((exit, &first["first_use"], &first["result"]), (0, &json!(true), &json!("unchanged")), "{first}{why}");
    assert_eq!(
        (&first["standing"], &first["own"], &first["trust_on_first_use"]),
        (&json!("active"), &json!(true), &json!(true))
    );
    assert_eq!(first["changes"][0]["kind"], json!("create"), "{first}");
    let (again, exit, _) = house.own(1);
    assert_eq!((exit, &again["changes"]), (0, &json!([])), "{again}");

    house.by_provider(&["number", "register", house.demo.sample(1), "--sip", "sip:new@acme.example"]);
    let (changed, exit, _) = house.own(1);
    assert_eq!((exit, &changed["result"], &changed["alarm"]), (4, &json!("changed"), &json!(false)), "{changed}");
    assert_eq!((&changed["changes"][0]["kind"], &changed["changes"][0]["own"]), (&json!("update"), &json!(true)));
    house.by_provider(&["number", "recover", house.demo.sample(1)]);
    let (asked, exit, _) = house.own(1);
    assert_eq!((exit, &asked["alarm"], &asked["changes"][0]["alarm"]), (4, &json!(true), &json!(true)), "{asked}");
    let pending = &asked["pending"];
    let waits = pending["opens_s"].as_u64().unwrap() - pending["asked_s"].as_u64().unwrap();
    assert_eq!((pending["door"].as_u64(), waits), (Some(0), 7 * 86_400), "{pending}");
    let text = house.demo.run(&[
        "monitor",
        house.demo.sample(1),
        "--api",
        &house.api,
        "--control-key",
        &house.control_key(1),
        "--pins",
        &house.file("pins.json"),
    ]);
    let said = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(said.contains("LOOK") && said.contains("callbook number veto"), "{said}");
    house.by_provider(&["number", "veto", house.demo.sample(1)]);
    let (vetoed, exit, _) = house.own(1);
    assert_eq!((exit, &vetoed["pending"], &vetoed["alarm"]), (4, &Value::Null, &json!(false)), "{vetoed}");

    // The same file serves look-ups.
    let pins = house.file("pins.json");
    let looked = house.demo.run(&[
        "lookup",
        house.demo.sample(1),
        "--server",
        house.demo.fact("dns"),
        "--anchor",
        house.demo.fact("anchor_file"),
        "--prove",
        "--api",
        &house.api,
        "--pins",
        &pins,
        "--json",
    ]);
    assert!(looked.status.success(), "{}", String::from_utf8_lossy(&looked.stderr));
    assert_eq!(house.own(1).1, 0);
    house.by_provider(&["number", "release", house.demo.sample(1)]);
    let (gone, exit, _) = house.own(1);
    assert_eq!(
        (exit, &gone["standing"], &gone["own"], &gone["alarm"]),
        (4, &json!("released"), &json!(false), &json!(true)),
        "{gone}"
    );
}

#[test]
fn a_watcher_sees_the_same_without_the_number() {
    let house = House::open();
    let (key, leave) = (house.file("watcher.key"), house.file("leave"));
    let made = house.demo.run(&["monitor", "key", &key, "--json"]);
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let thumbprint = made["thumbprint"].as_str().unwrap();
    let grant = |control: &str, out: &str| {
        house.demo.run(&[
            "monitor",
            "grant",
            house.demo.sample(2),
            "--api",
            &house.api,
            "--control-key",
            control,
            "--watcher",
            thumbprint,
            "--days",
            "2",
            "--out",
            out,
            "--json",
        ])
    };
    let granted = grant(&house.control_key(2), &leave);
    assert!(granted.status.success(), "{}", String::from_utf8_lossy(&granted.stderr));
    let not_his = grant(&house.control_key(1), &house.file("other"));
    assert!(String::from_utf8_lossy(&not_his.stderr).contains("with this control key"));
    assert_eq!(not_his.status.code(), Some(2));

    let watch = || house.monitor(&["--grant", &leave], &key, "watcher.json", &[]);
    let (first, exit, why) = watch();
    assert_eq!((exit, &first["own"], &first["number"]), (0, &json!(true), &Value::Null), "{first}{why}");
    house.by_provider(&["number", "register", house.demo.sample(2), "--sip", "sip:new@acme.example"]);
    let (changed, exit, _) = watch();
    assert_eq!((exit, &changed["changes"][0]["kind"]), (4, &json!("update")), "{changed}");
    let kept = std::fs::read_to_string(house.file("watcher.json")).unwrap();
    let digits = house.demo.sample(2).trim_start_matches('+');
    assert!(!kept.contains(digits) && !changed.to_string().contains(digits), "the number is nowhere");

    let (_, exit, why) = house.monitor(&["--grant", &leave], &house.control_key(2), "x.json", &[]);
    assert!(exit == 2 && why.contains("the leave is for the key"), "{why}");
}

#[test]
fn mistakes_teach() {
    let house = House::open();
    let (_, exit, why) = house.monitor(&[house.demo.sample(1)], &house.control_key(2), "a.json", &[]);
    assert!(exit == 2 && why.contains("no such number"), "{why}");
    let (_, exit, why) = house.monitor(&["+447700900998"], &house.control_key(2), "a.json", &[]);
    assert!(exit == 2 && why.contains("is not registered in demo.example/map/0, and that is proved"), "{why}");
    let (_, exit, why) = house.monitor(&[house.demo.sample(1)], &house.file("nothing"), "a.json", &[]);
    assert!(exit == 2 && why.contains("nothing"), "{why}");
    let (_, exit, why) = house.monitor(&[], &house.control_key(1), "a.json", &[]);
    assert!(exit == 2 && why.contains("NUMBER"), "{why}");
    let (_, exit, why) =
        house.monitor(&[house.demo.sample(1)], &house.control_key(1), "a.json", &["--webhook", "ftp://x"]);
    assert!(exit == 2 && why.contains("https://"), "{why}");
    let trust = house.file("trust.json");
    std::fs::write(&trust, house.demo.http("GET", "/v1/log/trust", None, &[], None).json.to_string()).unwrap();
    let (seen, exit, _) = house.monitor(&[house.demo.sample(1)], &house.control_key(1), "a.json", &["--trust", &trust]);
    assert_eq!((exit, &seen["trust_on_first_use"]), (0, &json!(false)), "{seen}");
    let ran = house.demo.run(&[
        "monitor",
        house.demo.sample(1),
        "--api",
        "http://127.0.0.1:1",
        "--control-key",
        &house.control_key(1),
        "--pins",
        &house.file("a.json"),
        "--trust",
        &trust,
        "--json",
    ]);
    let json: Value = serde_json::from_slice(&ran.stdout).unwrap_or(Value::Null);
    assert_eq!(
        (ran.status.code(), &json["result"]),
        (Some(5), &json!("silent")),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    // A directory that names another log than before is not believed on its own word.
    let pins = std::fs::read_to_string(house.file("a.json")).unwrap();
    std::fs::write(house.file("a.json"), pins.replace("demo.example/map/0", "demo.example/map/7")).unwrap();
    let (other, exit, _) = house.monitor(&[house.demo.sample(1)], &house.control_key(1), "a.json", &[]);
    assert!(
        exit == 3 && other["why"].as_str().is_some_and(|why| why.contains("and it was demo.example/map/7")),
        "{other}"
    );
    std::fs::write(&trust, "nothing\n").unwrap();
    let evidence = house.demo.run(&["log", "evidence", &trust]);
    let said = String::from_utf8_lossy(&evidence.stdout).into_owned();
    assert!(evidence.status.code() == Some(3) && said.contains("PROVES NOTHING"), "{said}");
}

/// A daemon, its lines, and its end by SIGTERM.
struct Daemon {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Daemon {
    fn start(house: &House, hook: &str, key: &str) -> Self {
        let mut child = callbook()
            .args([
                "monitor",
                house.demo.sample(1),
                "--api",
                &house.api,
                "--control-key",
                &house.control_key(1),
                "--json",
            ])
            .args(["--pins", &house.file("daemon.json"), "--every", "1", "--webhook", hook, "--webhook-key", key])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"))
    }

    fn stop(mut self) -> Option<i32> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        self.child.wait().unwrap().code()
    }
}

#[test]
fn a_daemon_tells_its_webhook_at_least_once() {
    let house = House::open();
    let receiver = Receiver::start();
    let key = house.file("hook.key");
    let made = house.demo.run(&["monitor", "key", &key, "--json"]);
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let public: PublicKey = made["webhook_key"].as_str().unwrap().parse().unwrap();
    let mut daemon = Daemon::start(&house, &receiver.url(), &key);
    assert_eq!(daemon.line()["first_use"], json!(true));
    receiver.answer(|_, _| Reply::Status(503, ""));
    house.by_provider(&["number", "register", house.demo.sample(1), "--sip", "sip:one@acme.example"]);
    assert_eq!(daemon.line()["changes"][0]["kind"], json!("update"));
    let refused = receiver.wait_until(|got| !got.is_empty());
    assert_eq!(daemon.stop(), Some(0));

    // What was not taken comes again from the next one, with the same id, and before what is newer.
    receiver.answer(|_, _| Reply::Status(204, ""));
    house.by_provider(&["number", "register", house.demo.sample(1), "--sip", "sip:two@acme.example"]);
    let before = receiver.got().len();
    let daemon = Daemon::start(&house, &receiver.url(), &key);
    let got = receiver.wait_until(|got| got.len() >= before + 2);
    let told: Vec<_> = got[before..]
        .iter()
        .map(|got| got.verified(std::slice::from_ref(&public), SystemClock.now_s()).unwrap())
        .collect();
    assert_eq!(got[before].header("webhook-id"), refused[0].header("webhook-id"));
    let versions = |i: usize| told[i].data["changes"][0]["version"].as_u64().unwrap();
    assert_eq!((told[0].kind.as_str(), versions(1)), ("monitor.changed", versions(0) + 1), "{told:?}");
    assert_eq!(daemon.stop(), Some(0));
    let waiting = std::fs::read_to_string(house.file("daemon.json.outbox")).unwrap();
    assert_eq!(waiting, "[]", "everything was taken");
}

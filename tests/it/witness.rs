//! A witness against logs that err, lie and hurry: every answer of C2SP tlog-witness, and never two stories of one log.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use callbook::attest::witness::{self, Answer, Witness};
use callbook::config::{self, WitnessedLog};
use callbook::log::Hash;
use callbook::log::addition::Addition;
use callbook::log::bytes::{from_base64, to_base64};
use callbook::log::checkpoint::Checkpoint;
use callbook::log::key::{Algorithm, SigningKey};
use callbook::log::merkle;
use callbook::log::note::{LineType, Note, NoteSigner, VerifierKey};
use serde_json::Value;

use crate::peers;

const ORIGIN: &str = "log.example/a log";
const NAME: &str = "witness.example/w1";

/// A log that can tell more than one story.
struct Log {
    signer: NoteSigner,
    worlds: [Vec<Hash>; 2],
}

impl Log {
    fn new() -> Self {
        let key = SigningKey::from_bytes(Algorithm::Ed25519, &[41; 32]).unwrap();
        let leaves =
            |salt: u8| (0..300u64).map(|n| merkle::leaf_hash(&[&[salt], &n.to_be_bytes()[..]].concat())).collect();
        Self { signer: NoteSigner::new("log.example", key).unwrap(), worlds: [leaves(0), leaves(1)] }
    }

    fn vkey(&self) -> String {
        self.signer.verifier(LineType::Signature).to_string()
    }

    fn text(&self, world: usize, size: usize) -> String {
        let root = merkle::root(&self.worlds[world][..size]);
        Checkpoint { origin: ORIGIN.to_owned(), size: size as u64, root }.write()
    }

    /// What is sent, from `old` to `size` in one of the worlds.
    fn addition(&self, world: usize, old: usize, size: usize) -> Addition {
        let leaves = &self.worlds[world][..size];
        let proof = if (1..=size).contains(&old) { merkle::consistency(old, leaves) } else { Vec::new() };
        Addition { old: old as u64, proof, note: self.signer.sign(&self.text(world, size)) }
    }

    fn body(&self, world: usize, old: usize, size: usize) -> String {
        self.addition(world, old, size).write()
    }
}

/// A witness as a process.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: String,
    pub(crate) key: VerifierKey,
}

impl Running {
    pub(crate) fn start(dir: &Path) -> Self {
        Self::start_at(dir, "127.0.0.1:0")
    }

    pub(crate) fn start_at(dir: &Path, listen: &str) -> Self {
        let mut command = program();
        command.args(["witness", "serve", "--json", "--listen", listen, "--dir"]).arg(dir);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        let key = VerifierKey::parse(said["vkey"].as_str().unwrap()).unwrap();
        Self { child, address: said["http"].as_str().unwrap().to_owned(), key }
    }

    fn post(&self, body: &[u8]) -> Option<(u16, String, String)> {
        post(&self.address, "/add-checkpoint", body)
    }

    fn stop(mut self) -> Option<i32> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Status, media type and body.
fn post(address: &str, path: &str, body: &[u8]) -> Option<(u16, String, String)> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(20)))
        .build()
        .into();
    let mut answer = agent.post(format!("http://{address}{path}")).send(body).ok()?;
    let media_type = answer.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    Some((answer.status().as_u16(), media_type, answer.body_mut().read_to_string().ok()?))
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_callbook"))
}

fn run(args: &[&str]) -> (Option<i32>, String) {
    let out = program().args(args).output().unwrap();
    (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr))
}

fn made(log: &Log) -> (tempfile::TempDir, PathBuf) {
    made_for(ORIGIN, &log.vkey())
}

/// A witness of that log, made by command.
pub(crate) fn made_for(origin: &str, vkey: &str) -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("witness");
    let text = dir.to_str().unwrap().to_owned();
    let (exit, said) = run(&["witness", "init", "--name", NAME, "--dir", &text]);
    assert!(exit == Some(0) && said.contains("witness.example/w1+"), "{said}");
    let (exit, said) = run(&["witness", "watch", "--dir", &text, "--origin", origin, "--vkey", vkey]);
    assert_eq!(exit, Some(0), "{said}");
    // Nobody counts requests in these tests but where it is tested.
    let file = dir.join("witness.toml");
    let told = std::fs::read_to_string(&file).unwrap().replace("requests_per_s = 10", "requests_per_s = 0");
    std::fs::write(file, told).unwrap();
    (home, dir)
}

fn time_of(text: &str, line: &str, key: &VerifierKey) -> u64 {
    let opened = Note::open(&format!("{text}\n{line}"), std::slice::from_ref(key)).expect("a good cosignature");
    opened.signed_by(0).expect("by the witness").expect("with its time")
}

#[test]
fn every_answer_is_the_one_of_the_specification() {
    let log = Log::new();
    let (_home, dir) = made(&log);
    let witness = Running::start(&dir);
    let post = |body: &str| witness.post(body.as_bytes()).unwrap();
    let (status, _, line) = post(&log.body(0, 0, 5));
    assert_eq!((status, line.lines().count()), (200, 1), "{line}");
    let now_s = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(time_of(&log.text(0, 5), &line, &witness.key).abs_diff(now_s) < 60);
    assert_eq!(post(&log.body(0, 5, 5)).0, 200, "the same again");
    assert_eq!(post(&log.body(0, 5, 8)).0, 200);

    let conflict = (409, "text/x.tlog.size".to_owned(), "8\n".to_owned());
    assert_eq!(post(&log.body(0, 0, 9)), conflict, "another old size");
    assert_eq!(post(&log.body(0, 5, 5)), conflict, "a smaller size");
    assert_eq!(post(&log.body(1, 8, 8)), conflict, "another root of the same size");
    assert_eq!(post(&log.body(1, 8, 9)).0, 422, "a proof of another world");
    let mut long = log.addition(0, 8, 9);
    long.proof.push([0; 32]);
    assert_eq!(post(&long.write()).0, 422, "a proof too long");
    assert_eq!(post(&log.body(0, 9, 8)).0, 400, "an old size above the checkpoint's");

    let mut unsigned = log.addition(0, 8, 9);
    unsigned.note = unsigned.note.replacen("\n9\n", "\n10\n", 1);
    assert_eq!(post(&unsigned.write()).0, 403, "signed something else");
    let stranger =
        NoteSigner::new("log.example", SigningKey::from_bytes(Algorithm::Ed25519, &[42; 32]).unwrap()).unwrap();
    unsigned.note = stranger.sign(&log.text(0, 9));
    assert_eq!(post(&unsigned.write()).0, 403, "signed by another");
    unsigned.note += &log.signer.line(&log.text(0, 9));
    assert_eq!(post(&unsigned.write()).0, 200, "others may have signed too");
    let other = log.text(0, 9).replacen(ORIGIN, "log.example/other", 1);
    assert_eq!(post(&Addition { old: 0, proof: Vec::new(), note: log.signer.sign(&other) }.write()).0, 404);

    for broken in
        ["", "old 9\n", "old 09\n\n", "old 9\nAAAA\n\n", &log.text(0, 9), &log.body(0, 9, 9).replace("old ", "old\t")]
    {
        assert_eq!(post(broken).0, 400, "{broken:?}");
    }
    assert_eq!(witness.post(b"old 9\n\n\xff\n").unwrap().0, 400);
    assert_eq!(witness.post(&[b'x'; 70_000]).unwrap().0, 413);
    assert_eq!(super::witness::post(&witness.address, "/", b"").unwrap().0, 404);
    let get = ureq::get(format!("http://{}/add-checkpoint", witness.address)).call();
    assert!(get.is_err_and(|error| error.to_string().contains("405")));

    // Lines after the root are signed with the rest.
    let extended = format!("{}more\n", log.text(0, 10));
    let body = Addition { note: log.signer.sign(&extended), ..log.addition(0, 9, 10) }.write();
    let (status, _, line) = post(&body);
    assert_eq!(status, 200, "{line}");
    time_of(&extended, &line, &witness.key);
    let (exit, said) = run(&["witness", "status", "--json", "--dir", dir.to_str().unwrap()]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((exit, said["logs"][0]["size"].as_u64()), (Some(0), Some(10)));
    assert_eq!(witness.stop(), Some(0));
}

/// The statement as OpenSSL checks it, from the octets that the specification says are signed.
#[test]
fn a_cosignature_is_one_to_openssl_and_curl() {
    let (Some(curl), Some(openssl)) = (peers::program("curl"), peers::program("openssl")) else { return };
    let log = Log::new();
    let (home, dir) = made(&log);
    let witness = Running::start(&dir);
    let url = format!("http://{}/add-checkpoint", witness.address);
    let mut sending = Command::new(curl)
        .args(["-s", "--fail", "--data-binary", "@-", &url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    sending.stdin.take().unwrap().write_all(log.body(0, 0, 7).as_bytes()).unwrap();
    let line = String::from_utf8(sending.wait_with_output().unwrap().stdout).unwrap();
    let blob = from_base64(line.trim_end().rsplit(' ').next().unwrap()).unwrap();
    let (time, signature) = blob[4..].split_at(8);
    let time = u64::from_be_bytes(time.try_into().unwrap());
    let vkey = witness.key.to_string();
    let key = from_base64(vkey.splitn(3, '+').nth(2).unwrap()).unwrap();
    assert_eq!((key[0], key.len(), signature.len()), (4, 33, 64));
    // The form of an Ed25519 public key (RFC 8410 4).
    let spki = [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00][..], &key[1..]].concat();
    let file = |name: &str, bytes: &[u8]| {
        let path = home.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", to_base64(&spki));
    let message = format!("cosignature/v1\ntime {time}\n{}", log.text(0, 7));
    let (pem, message, signature) =
        (file("key.pem", pem.as_bytes()), file("message", message.as_bytes()), file("signature", signature));
    let verified = Command::new(openssl)
        .args(["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey"])
        .arg(pem)
        .arg("-in")
        .arg(message)
        .arg("-sigfile")
        .arg(signature)
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

#[test]
fn who_asks_too_often_is_told_when_to_come_again() {
    let log = Log::new();
    let (_home, dir) = made(&log);
    let file = dir.join("witness.toml");
    let told = std::fs::read_to_string(&file).unwrap().replace("requests_per_s = 0", "requests_per_s = 1");
    std::fs::write(file, told).unwrap();
    let witness = Running::start(&dir);
    let statuses: Vec<u16> = (0..30).map(|_| witness.post(b"").unwrap().0).collect();
    assert!(statuses[..10].iter().all(|status| *status == 400) && statuses[29] == 429, "{statuses:?}");
}

#[test]
fn mistakes_of_its_operator_are_told_in_words() {
    let log = Log::new();
    let (_home, dir) = made(&log);
    let dir_text = dir.to_str().unwrap();
    let refused = |args: &[&str], word: &str| {
        let (exit, said) = run(args);
        assert!(exit == Some(2) && said.contains(word), "{args:?}: {said}");
    };
    refused(&["witness", "init", "--name", "another", "--dir", dir_text], "exist");
    refused(&["witness", "init", "--name", "a b+c", "--dir", &format!("{dir_text}2")], "cannot name a witness");
    refused(&["witness", "serve", "--dir", "/nonexistent"], "witness init");
    let watch = |vkey: &str, word: &str| {
        refused(&["witness", "watch", "--dir", dir_text, "--origin", "x", "--vkey", vkey], word)
    };
    watch("rubbish", "vkey");
    watch(&Running::start(&dir).key.to_string(), "makes cosignatures");
    // What was cosigned is lost.
    std::fs::remove_file(witness::state_file(&dir.join("state"), ORIGIN)).unwrap();
    refused(&["witness", "serve", "--listen", "127.0.0.1:0", "--dir", dir_text], "is missing");
    let again = ["witness", "watch", "--dir", dir_text, "--origin", ORIGIN, "--vkey", &log.vkey()];
    refused(&again, "--anew");
    assert_eq!(run(&[&again[..], &["--anew"]].concat()).0, Some(0));
    let running = Running::start(&dir);
    refused(&["witness", "serve", "--listen", "127.0.0.1:0", "--dir", dir_text], "in use");
    assert_eq!(running.stop(), Some(0));
}

/// What was cosigned: the root of each size. Two of one size are two stories.
#[derive(Default)]
struct Told(Mutex<BTreeMap<usize, usize>>);

impl Told {
    fn note(&self, world: usize, size: usize) {
        let first = *self.0.lock().unwrap().entry(size).or_insert(world);
        assert_eq!(first, world, "size {size} was cosigned in two worlds");
    }

    fn is_one_story(&self) -> bool {
        let told = self.0.lock().unwrap();
        told.values().all(|world| Some(world) == told.values().next())
    }
}

#[test]
fn many_at_once_are_told_one_story() {
    let log = Log::new();
    let dir = tempfile::tempdir().unwrap();
    let watched = WitnessedLog { origin: ORIGIN.to_owned(), vkey: log.vkey() };
    witness::begin(dir.path(), &watched).unwrap();
    let told = config::Witness { log: vec![watched], ..config::Witness::new(NAME) };
    let key = SigningKey::from_bytes(Algorithm::Ed25519, &[43; 32]).unwrap();
    let witness = Witness::open(&told, key, dir.path()).unwrap();
    let (story, log) = (Told::default(), &log);
    std::thread::scope(|scope| {
        for thread in 0..16usize {
            let (witness, story) = (&witness, &story);
            scope.spawn(move || {
                let (world, mut at) = (thread % 2, 0);
                for step in 1..=20 {
                    let size = at + 1 + (thread + step) % 3;
                    match witness.add_checkpoint(&log.body(world, at, size), 1_800_000_000) {
                        Answer::Cosigned(_) => {
                            story.note(world, size);
                            at = size;
                        }
                        Answer::Conflict(other) => at = other as usize,
                        Answer::BadProof => {}
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
    });
    assert!(story.is_one_story() && story.0.lock().unwrap().len() >= 10);
}

#[test]
fn killed_in_the_midst_of_a_crowd_it_tells_one_story() {
    let log = Log::new();
    let (_home, dir) = made(&log);
    let story = Told::default();
    for round in 0..6u64 {
        let witness = Running::start(&dir);
        std::thread::scope(|scope| {
            for thread in 0..6usize {
                let (log, story, address) = (&log, &story, witness.address.clone());
                scope.spawn(move || {
                    let (world, mut at) = (thread % 2, 0);
                    // Until it is killed, or the log is at its end.
                    while let Some((status, _, text)) =
                        post(&address, "/add-checkpoint", log.body(world, at, at + 1).as_bytes())
                    {
                        match status {
                            200 => {
                                story.note(world, at + 1);
                                at += 1;
                            }
                            409 => at = text.trim_end().parse().unwrap(),
                            422 => std::thread::sleep(Duration::from_millis(1)),
                            other => panic!("{other} {text}"),
                        }
                        if at + 1 >= log.worlds[0].len() {
                            break;
                        }
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(120 + 45 * round));
            let pid = witness.child.id().to_string();
            assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
        });
    }
    let witness = Running::start(&dir);
    let newest = *story.0.lock().unwrap().keys().last().unwrap();
    let (status, _, size) = witness.post(log.body(0, 0, 1).as_bytes()).unwrap();
    assert_eq!(status, 409);
    let size: usize = size.trim_end().parse().unwrap();
    assert!(size >= newest, "{newest} was given out, {size} is remembered");
    assert!(story.is_one_story());
}

//! Registrations through HTTP with every check: how many a second, how long each takes, how soon DNS shows them.
//!
//! Starts the real program on loopback and drives it from 64 clients. The clients share the machine with the server:
//! what they need for their own keys and signatures is done before the clock starts, the requests are not.
//!
//! `cargo bench --bench registrations -- [--smoke] [--count N] [--clients N] [--stock N]`

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use callbook::api::numbers::Submission;
use callbook::client::holder::{self, Change, Device, DeviceKey, Directory, RecordDraft};
use callbook::client::provider::Api;
use callbook::client::ve::{ValidationToken, token_id};
use callbook::log::event::Role;
use callbook::log::key::{Algorithm, SigningKey};
use callbook::log::record::Prefix;
use callbook::number::Number;
use ring::rand::SystemRandom;
use serde_json::Value;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

struct Demo {
    child: Child,
    facts: Value,
    _home: tempfile::TempDir,
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().collect();
    let given = |name: &str| {
        args.iter().position(|a| a == name).and_then(|i| args.get(i + 1)).and_then(|v| v.parse::<usize>().ok())
    };
    let smoke = args.iter().any(|a| a == "--smoke");
    let count = given("--count").unwrap_or(if smoke { 200 } else { 10_000 });
    let clients = given("--clients").unwrap_or(64);
    let stock = given("--stock").unwrap_or(0);
    let demo = start(stock)?;
    let text = |name: &str| demo.facts[name].as_str().unwrap_or_default().to_owned();
    let (http, dns, apex) = (format!("http://{}", text("http")), text("dns"), text("apex"));
    let api = Api::at(&http, &text("token"))?;
    let statement: SigningKey = holder::load(format!("{}/statement.key", text("provider_dir")).as_ref())?;
    let validation: SigningKey = holder::load(format!("{}/validation.key", text("provider_dir")).as_ref())?;

    let began = Instant::now();
    let numbers: Mutex<VecDeque<usize>> = Mutex::new((0..count).collect());
    let ready: Mutex<VecDeque<(Number, Submission)>> = Mutex::default();
    each_client(clients, || {
        while let Some(i) = pop(&numbers) {
            let made = signed(&api, &statement, &validation, &apex, i)?;
            ready.lock().expect("no client panics").push_back(made);
        }
        Ok(())
    })?;
    println!(
        "prepare and sign   {:>8.0}/s   ({count} numbers, {clients} clients, stock {stock})",
        count as f64 / began.elapsed().as_secs_f64()
    );

    let took: Mutex<Vec<Duration>> = Mutex::default();
    let last: Mutex<Option<Number>> = Mutex::default();
    let began = Instant::now();
    each_client(clients, || {
        let mut mine = Vec::new();
        while let Some((number, body)) = pop(&ready) {
            let sent = Instant::now();
            api.put(number, &body, None)?;
            mine.push(sent.elapsed());
            *last.lock().expect("no client panics") = Some(number);
        }
        took.lock().expect("no client panics").append(&mut mine);
        Ok(())
    })?;
    let acknowledged = Instant::now();
    let rate = count as f64 / (acknowledged - began).as_secs_f64();
    let mut took = took.into_inner()?;
    took.sort();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    println!(
        "register (PUT)     {rate:>8.0}/s   p50 {:.1} ms   p99 {:.1} ms   max {:.1} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    let last = last.into_inner()?.ok_or("nothing was registered")?;
    wait_visible(&dns, &last.enum_name(&apex))?;
    println!("acknowledged to visible in DNS, the last one: {:.0} ms", acknowledged.elapsed().as_secs_f64() * 1000.0);
    Ok(())
}

fn start(stock: usize) -> Outcome<Demo> {
    let home = tempfile::tempdir()?;
    let mut child = Command::new(env!("CARGO_BIN_EXE_callbook"))
        .args([
            "demo",
            "--json",
            "--dns",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
            "--numbers",
            &stock.to_string(),
            "--dir",
        ])
        .arg(home.path().join("demo"))
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    Ok(Demo { child, facts: serde_json::from_str(&line)?, _home: home })
}

fn each_client(clients: usize, work: impl Fn() -> Outcome<()> + Sync) -> Outcome<()> {
    std::thread::scope(|scope| {
        let hands: Vec<_> = (0..clients).map(|_| scope.spawn(&work)).collect();
        hands.into_iter().try_for_each(|hand| hand.join().map_err(|_| "a client panicked")?)
    })
}

fn pop<T>(queue: &Mutex<VecDeque<T>>) -> Option<T> {
    queue.lock().expect("no client panics").pop_front()
}

/// What device, validation entity and provider do before the request.
fn signed(
    api: &Api,
    statement: &SigningKey,
    validation: &SigningKey,
    apex: &str,
    i: usize,
) -> Outcome<(Number, Submission)> {
    let random = SystemRandom::new();
    let number = Number::parse(&format!("+999{:08}", 10_000_000 + i))?; // eleven digits: the demo's own stock has twelve
    let prepared = api.prepare(number)?;
    let directory = Directory::new(&prepared.origin, prepared.vrf_key.0.as_slice().try_into()?)?;
    let label = directory.label(number, &prepared.vrf_proof.0)?;
    let identity = DeviceKey::Signing(SigningKey::generate(Algorithm::Ed25519, &random)?);
    let device = Device {
        control: SigningKey::generate(Algorithm::Ed25519, &random)?,
        keys: vec![(Prefix::Id, identity)],
        certificates: vec![],
    };
    let record = RecordDraft::new(number, "acme").sip("sip:bench@acme.example")?.device(&device).build()?;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let token = ValidationToken {
        issuer: "acme".into(),
        audience: apex.to_owned(),
        id: token_id(&random)?,
        issued_s: now_s,
        number,
        provider: "acme".into(),
        methods: vec!["operator-db".into()],
        validated_s: now_s,
        expires_s: now_s + 90 * 86_400,
        control: device.control.public().thumbprint(),
        evidence: [7; 32],
        nonce: Some(prepared.nonce.clone()),
    }
    .mint(validation);
    let change =
        Change::create(label, &record, holder::opening(&random)?, device.control.public(), now_s + 90 * 86_400);
    let mut made = change
        .evidence(&[&token])?
        .valid_until(now_s + 3600)
        .sign(&directory, &[(Role::NewControl, &device.control)])?;
    made.prove(&directory, &device.keys, prepared.ephemeral.0.as_slice().try_into()?)?;
    made.cosign(&directory, statement);
    Ok((number, made.submission(vec![token])))
}

/// Asks the name server for the NAPTR until it is there.
fn wait_visible(dns: &str, name: &str) -> Outcome<()> {
    const WAIT: Duration = Duration::from_secs(30);
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(dns)?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut query = vec![0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.').filter(|l| !l.is_empty()) {
        query.push(label.len() as u8);
        query.extend_from_slice(label.as_bytes());
    }
    query.extend_from_slice(&[0, 0, 35, 0, 1]);
    let began = Instant::now();
    let mut answer = [0u8; 1500];
    while began.elapsed() < WAIT {
        socket.send(&query)?;
        if socket.recv(&mut answer).is_ok() && answer[7] > 0 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Err("not visible within 30 s".into())
}

//! Registrations through HTTP with every check: how many a second, one by one and in batches, how long each takes, how
//! soon DNS shows them. And proofs of what was registered, and of what was not.
//!
//! Starts the real program on loopback and drives it from 64 clients. The clients share the machine with the server:
//! what they need for their own keys and signatures is done before the clock starts, the requests are not.
//!
//! `cargo bench --bench registrations -- [--smoke] [--count N] [--batched N] [--clients N] [--stock N] [--rounds N] [--dir DIR]...`
//!
//! With `--dir` the demo in that folder is gone on with (made if missing, kept), so that a large stock is filled once. With
//! several, small and large ones, they take turns in each round, once all of them are at rest, so that what else the
//! machine does falls on all.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
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

/// A demo that runs; ended with it, and its folder removed if it was made for this.
struct Demo {
    child: Child,
    facts: Value,
    _made: Option<tempfile::TempDir>,
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What signs and sends.
struct Provider {
    api: Api,
    base: String,
    token: String,
    statement: SigningKey,
    validation: SigningKey,
    apex: String,
}

type Made = (Number, Submission);

/// Lines of one batch: within its 16 MiB.
const BATCH_LINES: usize = 5000;

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().collect();
    let texts = |name: &'static str| args.windows(2).filter(move |pair| pair[0] == name).map(|pair| pair[1].clone());
    let given = |name| texts(name).next().and_then(|v| v.parse::<usize>().ok());
    let smoke = args.iter().any(|a| a == "--smoke");
    let count = given("--count").unwrap_or(if smoke { 200 } else { 10_000 });
    let batched = given("--batched").unwrap_or(count);
    let clients = given("--clients").unwrap_or(64);
    let stock = given("--stock").unwrap_or(0);
    let rounds = given("--rounds").unwrap_or(1);
    let dirs: Vec<PathBuf> = texts("--dir").map(PathBuf::from).collect();
    let dirs = if dirs.is_empty() { vec![None] } else { dirs.into_iter().map(Some).collect() };
    let demos = dirs.into_iter().map(|dir| start(stock, dir)).collect::<Outcome<Vec<_>>>()?;
    if demos.len() > 1 {
        demos.iter().try_for_each(at_rest)?;
    }
    let mut known = Vec::new();
    for round in 0..rounds {
        for (nth, demo) in demos.iter().enumerate() {
            if rounds * demos.len() > 1 {
                println!("round {round}, directory {nth}");
            }
            known = registered(demo, count, batched, clients)?;
        }
    }
    let provider = Provider::of(demos.last().ok_or("no directory")?)?;
    proofs(&provider, "present", &known)?;
    // No number of thirteen digits is in the demo; each of these costs the server a VRF proof, at a pace that it keeps to.
    let strangers: Vec<Number> =
        (0..known.len() / 10).map(|i| Number::parse(&format!("+999{i:010}"))).collect::<Result<_, _>>()?;
    proofs(&provider, "absent", &strangers)
}

/// `count` numbers one by one, then `batched` in batches; gives these.
fn registered(demo: &Demo, count: usize, batched: usize, clients: usize) -> Outcome<Vec<Number>> {
    let provider = Provider::of(demo)?;
    // Numbers that no earlier run in this folder has taken.
    let first = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() as usize % 500_000 * 100_000;
    let began = Instant::now();
    let mut ready = prepared(&provider, first, count + batched, clients)?;
    println!("prepare and sign   {:>8.0}/s   ({clients} clients)", rate(count + batched, began));
    let (last, acknowledged) = one_by_one(&provider, ready.split_off(batched), clients)?;
    let known: Vec<Number> = ready.iter().map(|(number, _)| *number).collect();
    wait_visible(demo, &last.enum_name(&provider.apex))?;
    println!("acknowledged to visible in DNS, the last one: {:.0} ms", acknowledged.elapsed().as_secs_f64() * 1000.0);
    in_batches(&provider, ready)?;
    wait_visible(demo, &known.last().ok_or("nothing was registered")?.enum_name(&provider.apex))?;
    Ok(known)
}

/// Waits until a demo does next to nothing any more: after a start it signs in the background what it serves.
fn at_rest(demo: &Demo) -> Outcome<()> {
    let ticks = || -> Outcome<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", demo.child.id()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().ok_or("no fields")?.split_whitespace().collect();
        Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
    };
    let mut before = ticks()?;
    loop {
        std::thread::sleep(Duration::from_secs(2));
        let now = ticks()?;
        if now - before <= 4 {
            return Ok(()); // 2 % of a processor, of 10 ms a tick
        }
        before = now;
    }
}

/// Proofs of these numbers, each asked for once.
fn proofs(provider: &Provider, what: &str, numbers: &[Number]) -> Outcome<()> {
    const CLIENTS: usize = 8;
    let requests: VecDeque<Vec<u8>> = numbers.iter().map(|number| proof_request(*number)).collect();
    let (requests, took) = (Mutex::new(requests), Mutex::<Vec<Duration>>::default());
    let size = Mutex::new(0);
    let began = Instant::now();
    each_client(CLIENTS, || {
        let (mut mine, mut wire) = (Vec::new(), Wire::connect(&provider.base)?);
        while let Some(request) = pop(&requests) {
            let sent = Instant::now();
            wire.answered(&request, "200")?;
            mine.push(sent.elapsed());
        }
        took.lock().expect("no client panics").append(&mut mine);
        *size.lock().expect("no client panics") = wire.answer.len();
        Ok(())
    })?;
    let rate = rate(numbers.len(), began);
    let (mut took, size) = (took.into_inner()?, size.into_inner()?);
    took.sort();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    println!("proofs, {what:<10} {rate:>8.0}/s   p50 {:.1} ms   p99 {:.1} ms   {size} octets each", at(0.5), at(0.99));
    Ok(())
}

fn proof_request(number: Number) -> Vec<u8> {
    let body = format!("{{\"number\": \"{number}\"}}");
    let head = format!(
        "POST /v1/proofs HTTP/1.1\r\nhost: directory\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head, body].concat().into_bytes()
}

fn rate(count: usize, began: Instant) -> f64 {
    count as f64 / began.elapsed().as_secs_f64()
}

/// Everything before the requests themselves.
fn prepared(provider: &Provider, first: usize, count: usize, clients: usize) -> Outcome<VecDeque<Made>> {
    let numbers: Mutex<VecDeque<usize>> = Mutex::new((first..first + count).collect());
    let ready: Mutex<VecDeque<Made>> = Mutex::default();
    each_client(clients, || {
        while let Some(i) = pop(&numbers) {
            let made = signed(provider, i)?;
            ready.lock().expect("no client panics").push_back(made);
        }
        Ok(())
    })?;
    Ok(ready.into_inner()?)
}

fn one_by_one(provider: &Provider, ready: VecDeque<Made>, clients: usize) -> Outcome<(Number, Instant)> {
    let count = ready.len();
    let ready = ready.into_iter().map(|(number, body)| Ok((number, provider.put_request(number, &body)?)));
    let (ready, took, last) =
        (Mutex::new(ready.collect::<Outcome<VecDeque<_>>>()?), Mutex::<Vec<Duration>>::default(), Mutex::new(None));
    let began = Instant::now();
    each_client(clients, || {
        let (mut mine, mut wire) = (Vec::new(), Wire::connect(&provider.base)?);
        while let Some((number, request)) = pop(&ready) {
            let sent = Instant::now();
            wire.answered(&request, "202")?;
            mine.push(sent.elapsed());
            *last.lock().expect("no client panics") = Some(number);
        }
        took.lock().expect("no client panics").append(&mut mine);
        Ok(())
    })?;
    let (acknowledged, rate) = (Instant::now(), rate(count, began));
    let mut took = took.into_inner()?;
    took.sort();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    println!(
        "register (PUT)     {rate:>8.0}/s   p50 {:.1} ms   p99 {:.1} ms   max {:.1} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    Ok((last.into_inner()?.ok_or("nothing was registered")?, acknowledged))
}

/// A connection that is kept. Requests are bytes before the clock starts, answers are looked at and not parsed: what the
/// client costs is taken from the server, which runs on the same cores.
struct Wire {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Wire {
    fn connect(base: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(base.trim_start_matches("http://"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self { stream, answer: Vec::new() })
    }

    /// Sends a request whose answer must have that status.
    fn answered(&mut self, request: &[u8], status: &str) -> Outcome<()> {
        self.stream.write_all(request)?;
        self.answer.clear();
        let mut piece = [0; 4096];
        loop {
            let len = self.stream.read(&mut piece)?;
            self.answer.extend_from_slice(&piece[..len]);
            let text = std::str::from_utf8(&self.answer)?;
            let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
                length.and_then(|length| length.parse().ok()) == Some(body.len())
            });
            match (whole, len) {
                (true, _) if text.starts_with("HTTP/1.1 ") && text[9..].starts_with(status) => return Ok(()),
                (false, 1..) => {}
                _ => return Err(format!("not {status}: {text}").into()),
            }
        }
    }
}

/// The same numbers' worth of changes as NDJSON; the clock runs from the first byte sent to the last result.
fn in_batches(provider: &Provider, ready: VecDeque<Made>) -> Outcome<()> {
    let count = ready.len();
    let lines = ready.into_iter().map(|(number, body)| {
        let mut line = serde_json::to_value(&body)?;
        line["op"] = "put".into();
        line["number"] = number.to_string().into();
        Ok(line.to_string())
    });
    let lines: Vec<String> = lines.collect::<Outcome<_>>()?;
    let began = Instant::now();
    let mut running: VecDeque<String> = VecDeque::new();
    for lines in lines.chunks(BATCH_LINES) {
        while running.len() >= 2 {
            provider.wait_batch(&running.pop_front().ok_or("no batch")?)?;
        }
        running.push_back(provider.send_batch(&lines.join("\n"))?);
    }
    running.iter().try_for_each(|id| provider.wait_batch(id))?;
    println!("register (batch)   {:>8.0}/s   ({count} numbers)", rate(count, began));
    Ok(())
}

impl Provider {
    fn of(demo: &Demo) -> Outcome<Self> {
        let text = |name: &str| demo.facts[name].as_str().unwrap_or_default().to_owned();
        let (base, token, dir) = (format!("http://{}", text("http")), text("token"), text("provider_dir"));
        Ok(Self {
            api: Api::at(&base, &token)?,
            statement: holder::load(format!("{dir}/statement.key").as_ref())?,
            validation: holder::load(format!("{dir}/validation.key").as_ref())?,
            apex: text("apex"),
            base,
            token,
        })
    }

    fn put_request(&self, number: Number, body: &Submission) -> Outcome<Vec<u8>> {
        let body = serde_json::to_string(body)?;
        let head = format!(
            "PUT /v1/numbers/{number} HTTP/1.1\r\nhost: directory\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             idempotency-key: bench-{}\r\ncontent-length: {}\r\n\r\n",
            self.token,
            &*number.digits(),
            body.len()
        );
        Ok([head, body].concat().into_bytes())
    }

    fn send_batch(&self, body: &str) -> Outcome<String> {
        let request = ureq::post(format!("{}/v1/batches", self.base))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/x-ndjson");
        let batch: Value = request.send(body)?.body_mut().read_json()?;
        Ok(batch["id"].as_str().ok_or("a batch without id")?.to_owned())
    }

    fn wait_batch(&self, id: &str) -> Outcome<()> {
        let url = format!("{}/v1/batches/{id}", self.base);
        loop {
            let request = ureq::get(&url).header("authorization", format!("Bearer {}", self.token));
            let batch: Value = request.call()?.body_mut().read_json()?;
            match batch["state"].as_str() {
                Some("running") => std::thread::sleep(Duration::from_millis(20)),
                Some("done") if batch["refused"] == 0 => return Ok(()),
                _ => return Err(format!("the batch ended as {batch}").into()),
            }
        }
    }
}

/// A demo with `stock` numbers, which does not count the requests of its provider.
fn start(stock: usize, dir: Option<PathBuf>) -> Outcome<Demo> {
    let made = if dir.is_none() { Some(tempfile::tempdir()?) } else { None };
    let dir = dir.or_else(|| Some(made.as_ref()?.path().join("demo"))).ok_or("no folder")?;
    let config = dir.join("config.toml");
    if !config.exists() {
        run(&dir, 0, None)?; // makes the folder
        let text = std::fs::read_to_string(&config)?;
        let mut table: toml::Table = text.parse()?;
        let http = table.entry("http").or_insert_with(|| toml::Table::new().into());
        http.as_table_mut().ok_or("[http] is no table")?.insert("token_requests_per_s".into(), 0.into());
        std::fs::write(&config, toml::to_string(&table)?)?;
    }
    run(&dir, stock, made)
}

fn run(dir: &Path, stock: usize, made: Option<tempfile::TempDir>) -> Outcome<Demo> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_callbook"))
        .args(["demo", "--json", "--dns", "127.0.0.1:0", "--http", "127.0.0.1:0", "--numbers", &stock.to_string()])
        .arg("--dir")
        .arg(dir)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let facts = serde_json::from_str(&line).inspect_err(|_| {
        let _ = child.kill();
    })?;
    Ok(Demo { child, facts, _made: made })
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
fn signed(provider: &Provider, i: usize) -> Outcome<Made> {
    let random = SystemRandom::new();
    let number = Number::parse(&format!("+999{i:011}"))?; // fourteen digits: the demo's own stock has twelve
    let prepared = provider.api.prepare(number)?;
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
        audience: provider.apex.clone(),
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
    .mint(&provider.validation);
    let change =
        Change::create(label, &record, holder::opening(&random)?, device.control.public(), now_s + 90 * 86_400);
    let mut made = change
        .evidence(&[&token])?
        .valid_until(now_s + 3600)
        .sign(&directory, &[(Role::NewControl, &device.control)])?;
    made.prove(&directory, &device.keys, prepared.ephemeral.0.as_slice().try_into()?)?;
    made.cosign(&directory, &provider.statement);
    Ok((number, made.submission(vec![token])))
}

/// Asks the name server for the NAPTR until it is there.
fn wait_visible(demo: &Demo, name: &str) -> Outcome<()> {
    const WAIT: Duration = Duration::from_secs(30);
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(demo.facts["dns"].as_str().ok_or("no address")?)?;
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

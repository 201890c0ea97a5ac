//! A directory with long logs, served over HTTP. It is made once and copied for each test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use callbook::authority::{self, Actor, Authority, Entrant, EraWish, Settings, Step};
use callbook::charter::Policy;
use callbook::client::log::{Before, Check, Checked, LogError, Place};
use callbook::client::provider::Api as Client;
use callbook::clock::FakeClock;
use callbook::config;
use callbook::http::{self, Api, Limits};
use callbook::ledger::{Ledger, LedgerError, OpenError};
use callbook::log::key::{Algorithm, SigningKey};
use callbook::log::note::VerifierKey;
use callbook::log::random::Seeded;
use callbook::net::http::{Front, bind, serve};
use callbook::registry::standing::ProviderStatus;
use callbook::seal::Lock;
use callbook::telemetry::Metrics;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;

const START_MS: u64 = 1_800_000_000_000;
const HEARTBEAT_MS: u64 = 60_000;
/// Leaves of each log: more than a full tile, with something behind it.
pub(super) const EPOCHS: u64 = 300;
/// When the directory is opened again; behind all of its leaves.
const LATER_MS: u64 = START_MS + (EPOCHS + 10) * HEARTBEAT_MS;

static GROWN: LazyLock<TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    authority::init(&settings(dir.path()), START_MS, &Seeded::new([5; 32])).unwrap();
    let world = World::open_at(dir.path(), START_MS);
    for n in 0..EPOCHS {
        world.decide(n);
        world.epoch(HEARTBEAT_MS);
    }
    drop(world);
    dir
});

/// The era that a directory in this folder is in: a file says so, as `log.era` does.
fn era_in(dir: &Path) -> u64 {
    std::fs::read_to_string(dir.join("era")).map_or(0, |era| era.parse().unwrap())
}

fn settings(dir: &Path) -> Settings {
    Settings {
        apex: "e164.example.".into(),
        host: "dir.example".into(),
        era: era_in(dir),
        epoch_ms: 0,
        heartbeat_s: HEARTBEAT_MS / 1000,
        keys: dir.join("keys"),
        data: dir.join("data"),
        lock: Lock::default(),
        signer: callbook::signer::Place::Here(dir.join("keys")),
        witnesses: Default::default(),
    }
}

/// The directory as it runs. Dropping it waits until its ledger is free.
pub(super) struct World {
    pub(super) authority: Option<Authority>,
    clock: Arc<FakeClock>,
    fails: Arc<AtomicBool>,
    http: SocketAddr,
    stop: watch::Sender<bool>,
    runtime: Option<tokio::runtime::Runtime>,
    dir: PathBuf,
    _owned: Option<TempDir>,
}

impl World {
    /// One of its own, with [`EPOCHS`] and as many decisions.
    pub(super) fn grown() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for part in ["keys", "data"] {
            std::fs::create_dir(dir.path().join(part)).unwrap();
            for file in std::fs::read_dir(GROWN.path().join(part)).unwrap() {
                let file = file.unwrap();
                std::fs::copy(file.path(), dir.path().join(part).join(file.file_name())).unwrap();
            }
        }
        let mut world = Self::open_at(dir.path(), LATER_MS);
        world._owned = Some(dir);
        world
    }

    fn open_at(dir: &Path, now_ms: u64) -> Self {
        let clock = Arc::new(FakeClock::at(now_ms));
        let authority = Authority::open(settings(dir), Policy::embedded(), clock.clone(), |_| {}).unwrap();
        let fails = Arc::new(AtomicBool::new(false));
        let fail = Arc::clone(&fails);
        authority.interrupt(move |step| match step {
            Step::BeforeSign if fail.load(Ordering::Relaxed) => Err(LedgerError::Closed),
            _ => Ok(()),
        });
        let api = Api {
            authority: authority.clone(),
            clock: clock.clone(),
            random: Arc::new(ring::rand::SystemRandom::new()),
            metrics: Metrics::new(Vec::new()),
            console: None,
            dns_probe: Arc::new(|| unreachable!("nobody asks for health")),
            apex: "e164.example.".into(),
            zone: Arc::new(|| unreachable!("nobody asks for the zone")),
            limits: Arc::new(Limits::new(config::Http::default(), [7; 16])),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let http = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        runtime.spawn(serve(vec![Front::plain(listener)], http::router(api), stopped));
        let (authority, runtime, dir) = (Some(authority), Some(runtime), dir.to_owned());
        Self { authority, clock, fails, http, stop, runtime, dir, _owned: None }
    }

    /// Stops it, opens the next era and starts it again.
    pub(super) fn in_the_next_era(mut self) -> Self {
        let (owned, dir, now_ms) = (self._owned.take(), self.dir.clone(), callbook::clock::Clock::now_ms(&*self.clock));
        drop(self);
        std::fs::write(dir.join("era"), (era_in(&dir) + 1).to_string()).unwrap();
        let wish = EraWish { reason: "a test of the council".into(), forgets_waiting: false };
        let random = ring::rand::SystemRandom::new();
        authority::open_era(&settings(&dir), Policy::embedded(), &wish, now_ms + 1000, &random).unwrap();
        let mut world = Self::open_at(&dir, now_ms + 2000);
        world._owned = owned;
        world
    }

    pub(super) fn authority(&self) -> &Authority {
        self.authority.as_ref().unwrap()
    }

    /// Adds a leaf to the gov log: the n-th organisation.
    pub(super) fn decide(&self, n: u64) {
        let mut seed = [3; 32];
        seed[..8].copy_from_slice(&n.to_be_bytes());
        let key = SigningKey::from_bytes(Algorithm::Ed25519, &seed).unwrap();
        let entrant = Entrant {
            id: format!("p{n}"),
            name: format!("Number {n}"),
            status: ProviderStatus::Accredited,
            statement_keys: vec![key.public().clone()],
            validation_keys: Vec::new(),
        };
        self.authority().add_provider(&Actor::operator(), entrant).unwrap();
    }

    /// Adds a leaf to the map log, so much later.
    pub(super) fn epoch(&self, later_ms: u64) {
        self.clock.advance(later_ms);
        self.authority().turn().unwrap();
    }

    /// Seals an epoch and fails to sign it.
    pub(super) fn seal_only(&self) {
        self.fails.store(true, Ordering::Relaxed);
        self.clock.advance(HEARTBEAT_MS);
        assert!(self.authority().turn().is_err());
        self.fails.store(false, Ordering::Relaxed);
    }

    /// The API's address.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.http)
    }

    pub(super) fn get(&self, path: &str) -> Got {
        self.ask("GET", path, None)
    }

    pub(super) fn ask(&self, method: &str, path: &str, known: Option<&str>) -> Got {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .into();
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url()));
        if let Some(etag) = known {
            request = request.header("if-none-match", etag);
        }
        let mut answer = agent.run(request.body(()).unwrap()).unwrap();
        let header = |name: &str| answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        let headers = ["etag", "cache-control", "content-type", "access-control-allow-origin"].map(header);
        let [etag, caching, media_type, cors] = headers;
        let status = answer.status().as_u16();
        Got { status, etag, caching, media_type, cors, body: answer.body_mut().read_to_vec().unwrap() }
    }

    /// Where its logs are, for the library.
    pub(super) fn place(&self) -> Place {
        Place::Http(Client::at(&self.url(), "").unwrap(), String::new())
    }

    /// The keys of the gov log and of the map log.
    pub(super) fn vkeys(&self) -> [String; 2] {
        let logs = self.authority().logs().unwrap();
        [0, 1].map(|at| logs[at].vkey.clone())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        drop(self.runtime.take());
        drop(self.authority.take());
        // What its writer did last may end after its answer.
        for _ in 0..2000 {
            match Ledger::open(&self.dir.join("data")) {
                Err(OpenError::InUse { .. }) => std::thread::sleep(Duration::from_millis(5)),
                _ => return,
            }
        }
    }
}

/// An HTTP answer.
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) etag: String,
    pub(super) caching: String,
    pub(super) media_type: String,
    pub(super) cors: String,
    pub(super) body: Vec<u8>,
}

impl Got {
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Checks a place by the library.
pub(super) fn check(place: &Place, given: &[&str], before: &[Before]) -> Result<Checked, LogError> {
    let given: Vec<VerifierKey> = given.iter().map(|vkey| VerifierKey::parse(vkey).unwrap()).collect();
    Check { given: &given, before, progress: &mut |_, _| {} }.run(&place.logs()?)
}

/// Runs the program.
pub(super) fn callbook(args: &[&str]) -> Ran {
    let out = Command::new(env!("CARGO_BIN_EXE_callbook")).args(args).output().expect("the program runs");
    Ran(out)
}

/// What it said.
pub(super) struct Ran(Output);

impl Ran {
    pub(super) fn code(&self) -> i32 {
        self.0.status.code().unwrap()
    }

    pub(super) fn said(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    pub(super) fn complained(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.0.stdout).unwrap_or_else(|_| panic!("{} {}", self.said(), self.complained()))
    }
}

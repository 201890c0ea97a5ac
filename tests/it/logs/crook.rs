//! An operator that does what it wants, on a port: it holds the log's key, signs whatever it likes and shows each caller what it likes. One
//! number, one provider; the client's clock is the real one.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::routing::{get, post};
use callbook::api::Base64;
use callbook::api::monitor::{MonitorAnswer, MonitorAsked};
use callbook::api::proofs::ProofAnswer;
use callbook::client::holder::{Change, Directory, RecordDraft};
use callbook::client::prove::{Pins, ProveError, Prover, Question, Subject, Watched};
use callbook::client::provider::Api;
use callbook::clock::{Clock, SystemClock};
use callbook::log::checkpoint::Checkpoint;
use callbook::log::epoch::{ConfigLeaf, EpochLeaf};
use callbook::log::event::{Event, Role};
use callbook::log::key::{Algorithm, SigningKey};
use callbook::log::label::Label;
use callbook::log::merkle::{self, leaf_hash};
use callbook::log::note::{LineType, NoteSigner};
use callbook::log::proof::{Extra, Found, Opened, Present, Proof};
use callbook::log::state::{State, Status};
use callbook::log::tile::{write_bundle, write_hashes};
use callbook::log::trust::TrustList;
use callbook::log::{Hash, map, vrf};
use callbook::number::Number;

pub(super) const ORIGIN: &str = "dir.example/map/0";
const OPENING: [u8; 32] = [6; 32];

pub(super) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(Algorithm::Ed25519, &[seed; 32]).unwrap()
}

/// The holder's control key, and that of somebody who wants the number.
pub(super) const HOLDER: u8 = 10;
pub(super) const THIEF: u8 = 11;
const PROVIDER: u8 = 12;

pub(super) fn number() -> Number {
    Number::parse("+999000000001").unwrap()
}

/// Everything that the operator has made up.
#[derive(Clone)]
pub(super) struct World {
    leaves: Vec<Vec<u8>>,
    pub(super) state: Option<State>,
    /// As it shows them, epochs set.
    pub(super) events: Vec<Event>,
    pi: vrf::Proof,
    pub(super) label: Label,
    /// Shown instead of what is true, if it is set.
    pub(super) proof: Option<String>,
}

/// The operator.
pub(super) struct Crook {
    pub(super) world: Arc<Mutex<World>>,
    base: String,
    _runtime: tokio::runtime::Runtime,
}

fn log() -> NoteSigner {
    NoteSigner::new(ORIGIN, key(1)).unwrap()
}

fn place() -> vrf::SecretKey {
    vrf::SecretKey::from_seed(&[2; 32])
}

pub(super) fn trust() -> TrustList {
    TrustList {
        origin: ORIGIN.to_owned(),
        log: log().verifier(LineType::Signature),
        witnesses: Vec::new(),
        quorum: 0,
        auditors: Vec::new(),
        vrf: vrf::PublicKey::new(place().public().as_bytes()).unwrap(),
        eras: Vec::new(),
    }
}

impl World {
    fn new() -> Self {
        let (label, pi) = place().label(ORIGIN, number());
        let config = ConfigLeaf {
            origin: ORIGIN.into(),
            vrf: *place().public().as_bytes(),
            prev_era: None,
            gov: "dir.example/gov".into(),
        };
        let leaves = vec![config.write().into_bytes()];
        Self { leaves, state: None, events: Vec::new(), pi, label, proof: None }
    }

    fn directory() -> Directory {
        Directory::new(ORIGIN, place().public().as_bytes()).unwrap()
    }

    /// A change, signed by those keys and the provider's as they are needed.
    pub(super) fn signed(change: Change, signers: &[(Role, u8)], by_provider: bool) -> Event {
        let keys: Vec<(Role, SigningKey)> = signers.iter().map(|(role, seed)| (*role, key(*seed))).collect();
        let keys: Vec<(Role, &SigningKey)> = keys.iter().map(|(role, key)| (*role, key)).collect();
        let until = SystemClock.now_s() + 3600;
        let mut signed = change.valid_until(until).sign(&Self::directory(), &keys).unwrap();
        if by_provider {
            signed.cosign(&Self::directory(), &key(PROVIDER));
        }
        signed.event
    }

    pub(super) fn record(uri: &str) -> callbook::log::record::Record {
        RecordDraft::new(number(), "acme").sip(uri).unwrap().build().unwrap()
    }

    pub(super) fn creation(&self, control: u8) -> Event {
        let until = SystemClock.now_s() + 90 * 86_400;
        let change =
            Change::create(self.label, &Self::record("sip:a@acme.example"), OPENING, key(control).public(), until);
        Self::signed(change.evidence(&["a.b.c"]).unwrap(), &[(Role::NewControl, control)], true)
    }

    pub(super) fn update(&self, uri: &str, by: u8) -> Event {
        let change = Change::update(self.label, self.state.as_ref().unwrap(), &Self::record(uri), OPENING);
        Self::signed(change, &[(Role::Control, by)], true)
    }

    /// The next epoch, with that event in it, sealed so long ago.
    pub(super) fn publish(&mut self, event: Option<Event>, ago_ms: u64) {
        let epoch = self.leaves.len() as u64;
        if let Some(mut event) = event {
            let same = self.state.as_ref().filter(|before| before.control == event.state.control);
            event.state.key_epoch = same.map_or(epoch, |before| before.key_epoch);
            event.state.since_epoch = epoch;
            self.state = Some(event.state.clone());
            self.events.push(event);
        }
        self.seal(ago_ms);
    }

    /// The next epoch of the State as it is, whoever agreed to it.
    pub(super) fn seal(&mut self, ago_ms: u64) {
        let epoch = self.leaves.len() as u64;
        let leaf = EpochLeaf {
            epoch,
            time_ms: SystemClock.now_ms() - ago_ms,
            map: map::root(&self.map()),
            batch: merkle::root(&[]),
            gov_size: 1,
            gov_root: [3; 32],
        };
        self.leaves.push(leaf.write().into_bytes());
    }

    fn map(&self) -> Vec<map::Leaf> {
        self.state.iter().map(|state| (self.label, state.hash())).collect()
    }

    fn hashes(&self) -> Vec<Hash> {
        self.leaves.iter().map(|leaf| leaf_hash(leaf)).collect()
    }

    pub(super) fn checkpoint(&self) -> String {
        let hashes = self.hashes();
        let head = Checkpoint { origin: ORIGIN.into(), size: hashes.len() as u64, root: merkle::root(&hashes) };
        log().sign(&head.write())
    }

    /// Changes what an old epoch said.
    pub(super) fn rewrite(&mut self, epoch: usize) {
        let text = String::from_utf8(self.leaves[epoch].clone()).unwrap();
        let mut leaf = EpochLeaf::parse(&text).unwrap();
        leaf.time_ms -= 1;
        self.leaves[epoch] = leaf.write().into_bytes();
    }

    /// The proof of the newest epoch; the record is opened if it is the one of `record`.
    pub(super) fn proof(&self) -> String {
        if let Some(proof) = &self.proof {
            return proof.clone();
        }
        let hashes = self.hashes();
        let index = hashes.len() as u64 - 1;
        let leaf = EpochLeaf::parse(std::str::from_utf8(self.leaves.last().unwrap()).unwrap()).unwrap();
        let found = self.state.as_ref().map_or(Found::Empty, |state| {
            let setting = self.events.iter().rev().find(|event| event.kind.sets_record());
            let records = ["sip:a@acme.example", "sip:b@acme.example", "sip:c@acme.example"].map(Self::record);
            let opened = records.iter().map(|record| Opened { opening: OPENING, record: record.write() });
            let fits = |opened: &Opened| {
                callbook::log::record::commitment(&opened.opening, &opened.record) == state.commitment
            };
            Found::Present(Box::new(Present {
                state: state.clone(),
                event: setting.filter(|_| state.status != Status::Released).map(Event::as_submitted),
                opened: opened.into_iter().find(fits).filter(|_| state.status == Status::Active),
            }))
        });
        let siblings = map::path(&self.map(), &self.label).siblings;
        let path = path_of_last(&hashes);
        Proof { extra: Extra { leaf, pi: self.pi, found, siblings }, index, path, checkpoint: self.checkpoint() }
            .write()
    }

    fn monitor(&self, from: u64) -> MonitorAnswer {
        let events = self.events.iter().filter(|event| event.state.version >= from);
        MonitorAnswer {
            proof: self.proof(),
            events: events.map(|event| Base64::from(event.write())).collect(),
            more: false,
        }
    }

    fn tile(&self, path: &str) -> Option<Vec<u8>> {
        let (row, rest) = path.split_once("/000")?;
        let width = rest.strip_prefix(".p/")?.parse::<usize>().ok().filter(|width| *width <= self.leaves.len())?;
        match row {
            "0" => Some(write_hashes(&self.hashes()[..width])),
            "entries" => write_bundle(&self.leaves[..width]),
            _ => None,
        }
    }
}

/// The inclusion proof of the last leaf, topmost hash last.
fn path_of_last(hashes: &[Hash]) -> Vec<Hash> {
    let mut path = Vec::new();
    let mut rest = hashes;
    while rest.len() > 1 {
        let left = 1 << (usize::BITS - 1 - (rest.len() - 1).leading_zeros());
        path.push(merkle::root(&rest[..left]));
        rest = &rest[left..];
    }
    path.reverse();
    path
}

impl Crook {
    /// One that has been honest so far: the number is registered and was changed once.
    pub(super) fn honest() -> Self {
        let mut world = World::new();
        world.publish(Some(world.creation(HOLDER)), 5000);
        world.publish(Some(world.update("sip:b@acme.example", HOLDER)), 4000);
        Self::with(world)
    }

    /// Another one that shows that.
    pub(super) fn with(world: World) -> Self {
        let world = Arc::new(Mutex::new(world));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let app = Router::new()
            .route("/v1/proofs", post(prove))
            .route("/v1/monitor", post(monitor))
            .route("/v1/log/map/0/checkpoint", get(checkpoint))
            .route("/v1/log/map/0/tile/{*path}", get(tile))
            .with_state(world.clone());
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self { world, base, _runtime: runtime }
    }

    pub(super) fn do_so(&self, cheat: impl FnOnce(&mut World)) {
        cheat(&mut self.world.lock().unwrap());
    }

    pub(super) fn copy(&self) -> World {
        self.world.lock().unwrap().clone()
    }

    pub(super) fn prover(&self) -> Prover {
        Prover::new(Api::at(&self.base, "").unwrap(), trust())
    }

    /// What the holder sees.
    pub(super) fn watch(&self, pins: &mut Pins) -> Result<Watched, ProveError> {
        self.watch_for(pins, None)
    }

    pub(super) fn watch_for(&self, pins: &mut Pins, promised: Option<(Hash, u64)>) -> Result<Watched, ProveError> {
        let (subject, key) = (Subject::Number(number()), key(HOLDER));
        self.prover().watch_blocking(Question { subject: &subject, key: &key, promised }, pins)
    }
}

type Made = Shared<Arc<Mutex<World>>>;

async fn prove(Shared(world): Made) -> String {
    let answer = ProofAnswer { proof: world.lock().unwrap().proof(), padding: String::new(), auditor: None };
    serde_json::to_string(&answer).unwrap()
}

async fn monitor(Shared(world): Made, body: Bytes) -> String {
    let asked: MonitorAsked = serde_json::from_slice(&body).unwrap();
    serde_json::to_string(&world.lock().unwrap().monitor(asked.from_version.into())).unwrap()
}

async fn checkpoint(Shared(world): Made) -> String {
    world.lock().unwrap().checkpoint()
}

async fn tile(Shared(world): Made, Path(path): Path<String>) -> Result<Vec<u8>, StatusCode> {
    world.lock().unwrap().tile(&path).ok_or(StatusCode::NOT_FOUND)
}

//! An auditor's replay: events checked in a second, all of them registrations with two signatures, with labels in memory and on a disk.
//!
//! `cargo bench --bench replay -- [--smoke] [--events N]`

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

use std::time::Instant;

use callbook::attest::auditor::{InMemory, Kept, Position, Replay, Store};
use callbook::charter::Policy;
use callbook::log::batch::Batch;
use callbook::log::bytes::to_base64;
use callbook::log::epoch::{ConfigLeaf, EpochLeaf};
use callbook::log::event::{Door, Event, Kind, Role};
use callbook::log::gov::GovLeaf;
use callbook::log::key::{Algorithm, SigningKey};
use callbook::log::label::Label;
use callbook::log::map::{self, Leaf};
use callbook::log::merkle::{leaf_hash, root};
use callbook::log::note::{LineType, NoteSigner, VerifierKey};
use callbook::log::state::{Flags, State, Status};
use callbook::log::{Hash, ZERO, sha256};
use serde_json::json;

const ORIGIN: &str = "dir.example/map/0";
const START_MS: u64 = 1_800_000_000_000;
/// Events of an epoch.
const EVENTS: usize = 1000;

struct Log {
    gov_key: VerifierKey,
    gov: Vec<Vec<u8>>,
    leaves: Vec<Vec<u8>>,
    batches: Vec<Vec<u8>>,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let given = args.windows(2).find(|pair| pair[0] == "--events").and_then(|pair| pair[1].parse().ok());
    let events = given.unwrap_or(if args.iter().any(|arg| arg == "--smoke") { 2000 } else { 50_000 });
    let log = Log::of(events);
    let dir = tempfile::tempdir().expect("a folder");
    Store::create(dir.path()).expect("a store");
    let mut store = Store::open(dir.path()).expect("a store");
    store.set_meta("log", ORIGIN.as_bytes()).expect("written");
    let memory = log.replay(InMemory::default(), |_, _| {});
    let disk = log.replay(store, |store, position| store.commit(position).expect("durable"));
    for (what, seconds) in [("in memory", memory), ("on disk, a commit an epoch", disk)] {
        println!("{events} events {what}: {seconds:.2} s, {:.0} a second", events as f64 / seconds);
    }
}

fn signing(n: u64) -> SigningKey {
    let seed = sha256(&[&n.to_be_bytes()]);
    SigningKey::from_bytes(Algorithm::Ed25519, &seed).expect("a key")
}

impl Log {
    fn of(events: usize) -> Self {
        let gov_signer = NoteSigner::new("dir.example/gov", signing(1)).expect("a name");
        let map_key = NoteSigner::new(ORIGIN, signing(2)).expect("a name").verifier(LineType::Signature);
        let key = |n: u64| json!({"algorithm": "ed25519", "key": to_base64(signing(n).public().bytes())});
        let digest = |text: &str| to_base64(&sha256(&[text.as_bytes()]));
        let policy = Policy::embedded();
        let bodies = [
            (
                "era-open",
                json!({"map": ORIGIN, "log_key": map_key.to_string(), "vrf_key": to_base64(&[4; 32]), "sequencer_key": key(3)}),
            ),
            (
                "charter",
                json!({"version": 1, "effective": 0, "policy": digest(policy.source()), "text": digest(policy.prose())}),
            ),
            (
                "provider",
                json!({"id": "acme", "name": "Acme", "status": "accredited", "statement_keys": [key(4)], "validation_keys": []}),
            ),
        ];
        let leaf = |(seq, (kind, body)): (usize, (&str, serde_json::Value))| {
            let leaf = GovLeaf { kind: kind.into(), time_ms: START_MS + seq as u64, seq: seq as u64, body };
            leaf.sign(&[&gov_signer]).expect("canonical").into_bytes()
        };
        let gov: Vec<Vec<u8>> = bodies.into_iter().enumerate().map(leaf).collect();
        let config = ConfigLeaf { origin: ORIGIN.into(), vrf: [4; 32], prev_era: None, gov: "dir.example/gov".into() };
        let (mut leaves, mut batches, mut labels) = (vec![config.write().into_bytes()], Vec::new(), Vec::<Leaf>::new());
        let gov_root = root(&gov.iter().map(|leaf| leaf_hash(leaf)).collect::<Vec<Hash>>());
        for epoch in 1..=events.div_ceil(EVENTS) as u64 {
            let time_ms = START_MS + epoch * 1000;
            let of_epoch: Vec<Event> =
                (0..EVENTS as u64).map(|i| create(epoch * 1_000_000 + i, epoch, time_ms)).collect();
            let batch = Batch::new(of_epoch).expect("labels differ");
            labels.extend(batch.events().iter().map(|event| (event.label, event.state.hash())));
            labels.sort_unstable();
            let (map, batch_root) = (map::root(&labels), batch.root());
            let leaf = EpochLeaf { epoch, time_ms, map, batch: batch_root, gov_size: gov.len() as u64, gov_root };
            leaves.push(leaf.write().into_bytes());
            batches.push(batch.write());
        }
        Self { gov_key: gov_signer.verifier(LineType::Signature), gov, leaves, batches }
    }

    /// The seconds that a replay takes.
    fn replay<K: Kept>(&self, kept: K, mut keep: impl FnMut(&mut K, &Position)) -> f64
    where
        K::Error: std::fmt::Debug,
    {
        let mut replay = Replay::new(kept, ORIGIN, self.gov_key.clone()).expect("it begins");
        assert!(replay.know(Policy::embedded().source()));
        self.gov.iter().for_each(|leaf| replay.add_gov(leaf.clone()));
        let began = Instant::now();
        replay.config(&self.leaves[0]).expect("lawful");
        for (leaf, batch) in self.leaves[1..].iter().zip(&self.batches) {
            replay.epoch(leaf, batch).expect("lawful");
            let position = replay.position().clone();
            keep(replay.kept(), &position);
        }
        began.elapsed().as_secs_f64()
    }
}

/// The registration of a number by a holder of its own.
fn create(n: u64, epoch: u64, time_ms: u64) -> Event {
    let holder = signing(n);
    let state = State {
        status: Status::Active,
        flags: Flags::NONE,
        version: 1,
        since_epoch: epoch,
        key_epoch: epoch,
        not_after: time_ms / 1000 + 86_400,
        prev: ZERO,
        control: holder.public().thumbprint(),
        recovery: ZERO,
        pending: ZERO,
        commitment: [1; 32],
    };
    let mut event = Event {
        kind: Kind::Create,
        door: Door::Main,
        label: Label(sha256(&[b"label", &n.to_be_bytes()])),
        prev: ZERO,
        state,
        provider: "acme".into(),
        evidence: [9; 32],
        valid_until: time_ms / 1000 + 60,
        signatures: Vec::new(),
    };
    event.sign(ORIGIN, Role::Provider, &signing(4));
    event.sign(ORIGIN, Role::NewControl, &holder);
    event
}

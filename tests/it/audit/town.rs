//! Logs of one's own making: lawful ones, and whatever one wants to forge. Nothing here checks a rule.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Command;

use callbook::attest::auditor::{Fault, InMemory, Replay, Stop, misdated};
use callbook::charter::Policy;
use callbook::log::bytes::{put_lp16, to_base64};
use callbook::log::epoch::{ConfigLeaf, EpochLeaf};
use callbook::log::event::{Door, Event, Kind, Role};
use callbook::log::gov::GovLeaf;
use callbook::log::key::{Algorithm, SigningKey, Thumbprint};
use callbook::log::label::Label;
use callbook::log::merkle::{leaf_hash, root};
use callbook::log::note::{LineType, NoteSigner};
use callbook::log::state::{Flags, State, Status};
use callbook::log::{Hash, ZERO, map, pending, sha256};
use serde_json::{Value, json};

use crate::peers;

pub(super) const GOV: &str = "dir.example/gov";
pub(super) const MAP: &str = "dir.example/map/0";
pub(super) const HOUR_MS: u64 = 3_600_000;
pub(super) const DAY_MS: u64 = 24 * HOUR_MS;
const START_MS: u64 = 1_800_000_000_000;
const VRF: [u8; 32] = [4; 32];

/// A key by its number; odd ones are Ed25519, even ones ES256.
pub(super) fn key(n: u8) -> SigningKey {
    let algorithm = if n % 2 == 1 { Algorithm::Ed25519 } else { Algorithm::Es256 };
    SigningKey::from_bytes(algorithm, &[n; 32]).unwrap()
}

pub(super) fn name_of(key: &SigningKey) -> Thumbprint {
    key.public().thumbprint()
}

/// The statement keys of acme and bell, the staff's, the sequencer's.
pub(super) const ACME: u8 = 101;
pub(super) const BELL: u8 = 102;
pub(super) const ADA: u8 = 103;
pub(super) const BEN: u8 = 105;
pub(super) const SEQUENCER: u8 = 107;

fn signer(name: &str, seed: u8) -> NoteSigner {
    NoteSigner::new(name, SigningKey::from_bytes(Algorithm::Ed25519, &[seed; 32]).unwrap()).unwrap()
}

fn key_body(n: u8) -> Value {
    let key = key(n);
    let algorithm = if key.public().algorithm() == Algorithm::Ed25519 { "ed25519" } else { "es256" };
    json!({"algorithm": algorithm, "key": to_base64(key.public().bytes())})
}

/// A directory's two logs with their batches.
#[derive(Clone)]
pub(super) struct Town {
    pub(super) gov: Vec<Vec<u8>>,
    gov_ms: u64,
    pub(super) leaves: Vec<Vec<u8>>,
    pub(super) batches: Vec<Vec<u8>>,
    pub(super) states: BTreeMap<Label, State>,
    /// The time of the next epoch.
    pub(super) now_ms: u64,
    pub(super) cosigned: Vec<u64>,
}

impl Town {
    /// Two providers, two of the staff, the charter as it is shipped, and no epoch.
    pub(super) fn new() -> Self {
        let config = ConfigLeaf { origin: MAP.into(), vrf: VRF, prev_era: None, gov: GOV.into() };
        let leaves = vec![config.write().into_bytes()];
        let (gov, batches, states) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut town =
            Self { gov, gov_ms: START_MS, leaves, batches, states, now_ms: START_MS + DAY_MS, cosigned: Vec::new() };
        let log_key = signer(MAP, 2).verifier(LineType::Signature).to_string();
        town.decide("era-open", json!({"apex": "e164.example.", "map": MAP, "log_key": log_key, "vrf_key": to_base64(&VRF), "sequencer_key": key_body(SEQUENCER)}));
        let policy = Policy::embedded();
        let digest = |text: &str| to_base64(&sha256(&[text.as_bytes()]));
        town.decide("charter", json!({"version": 1, "effective": START_MS, "policy": digest(policy.source()), "text": digest(policy.prose())}));
        town.provider("acme", "accredited", ACME);
        town.provider("bell", "accredited", BELL);
        town.staff(ADA, "officer", "active");
        town.staff(BEN, "admin", "active");
        town
    }

    /// Adds a leaf to the gov log; gives its hash.
    pub(super) fn decide(&mut self, kind: &str, body: Value) -> Hash {
        self.gov_ms += 1;
        let leaf = GovLeaf { kind: kind.into(), time_ms: self.gov_ms, seq: self.gov.len() as u64, body };
        self.gov.push(leaf.sign(&[&signer(GOV, 1)]).unwrap().into_bytes());
        leaf_hash(self.gov.last().unwrap())
    }

    /// The next leaf of the gov log is a millisecond later than this.
    pub(super) fn set_gov_time(&mut self, time_ms: u64) {
        self.gov_ms = time_ms;
    }

    pub(super) fn provider(&mut self, id: &str, status: &str, statement: u8) {
        self.decide("provider", json!({"id": id, "name": id, "status": status, "statement_keys": [key_body(statement)], "validation_keys": []}));
    }

    pub(super) fn staff(&mut self, n: u8, role: &str, status: &str) {
        self.decide("staff", json!({"role": role, "key": key_body(n), "status": status}));
    }

    /// The number of the next epoch.
    pub(super) fn next(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// An event that copies the present State, one version on; not signed.
    pub(super) fn draft(&self, n: u8, kind: Kind, door: Door, provider: &str) -> Event {
        let label = label(n);
        let old = self.states.get(&label);
        let state = match old {
            Some(old) => {
                State { version: old.version + 1, prev: old.hash(), since_epoch: 0, key_epoch: 0, ..old.clone() }
            }
            None => State {
                status: Status::Active,
                flags: Flags::NONE,
                version: 1,
                since_epoch: 0,
                key_epoch: 0,
                not_after: self.now_ms / 1000 + 90 * 86_400,
                prev: ZERO,
                control: ZERO,
                recovery: ZERO,
                pending: ZERO,
                commitment: [n; 32],
            },
        };
        let token = match kind {
            Kind::Create | Kind::Transfer | Kind::Complete | Kind::Renew => true,
            Kind::Request => door != Door::Direct,
            _ => false,
        };
        Event {
            kind,
            door,
            label,
            prev: state.prev,
            state,
            provider: provider.to_owned(),
            evidence: if token { [9; 32] } else { ZERO },
            valid_until: self.now_ms / 1000 + 3600,
            signatures: Vec::new(),
        }
    }

    /// The registration of number `n` with its own control key.
    pub(super) fn create(&self, n: u8) -> Event {
        let mut event = self.draft(n, Kind::Create, Door::Main, "acme");
        event.state.status = Status::Active;
        event.state.control = name_of(&key(n));
        event.state.commitment = [n; 32];
        event.state.not_after = self.now_ms / 1000 + 90 * 86_400;
        signed(event, &[(Role::Provider, ACME), (Role::NewControl, n)])
    }

    /// A record of another content.
    pub(super) fn update(&self, n: u8) -> Event {
        let mut event = self.draft(n, Kind::Update, Door::Main, "acme");
        event.state.commitment[31] ^= 0x55;
        signed(event, &[(Role::Control, n), (Role::Provider, ACME)])
    }

    /// A request for number `n` by a door, for the control key `new`.
    pub(super) fn request(&self, n: u8, door: Door, provider: &str, new: u8) -> Event {
        let mut event = self.draft(n, Kind::Request, door, provider);
        let statement = if provider == "acme" { ACME } else { BELL };
        let asked = if door == Door::Direct { ZERO } else { name_of(&key(new)) };
        event.state.pending = pending::hash(door, &asked, provider);
        match door {
            Door::Direct => signed(event, &[(Role::Provider, statement)]),
            _ => signed(event, &[(Role::Provider, statement), (Role::NewControl, new)]),
        }
    }

    /// The end of such a request.
    pub(super) fn complete(&self, n: u8, door: Door, provider: &str, new: u8) -> Event {
        let mut event = self.draft(n, Kind::Complete, door, provider);
        let statement = if provider == "acme" { ACME } else { BELL };
        event.state.pending = ZERO;
        event.state.control = name_of(&key(new));
        event.state.flags = event.state.flags.without(Flags::OBJECTED).without(Flags::LOCK);
        event.state.not_after = self.now_ms / 1000 + 90 * 86_400;
        signed(event, &[(Role::Provider, statement), (Role::NewControl, new)])
    }

    /// The key `old` takes number `n` back.
    pub(super) fn take_back(&self, n: u8, provider: &str, old: u8) -> Event {
        let mut event = self.complete(n, Door::Validation, provider, old);
        event.kind = Kind::Transfer;
        let statement = if provider == "acme" { ACME } else { BELL };
        signed(event, &[(Role::Provider, statement), (Role::NewControl, old)])
    }

    /// What the holder alone does, or the staff with the evidence of an order.
    pub(super) fn flags(&self, n: u8, kind: Kind, change: impl Fn(Flags) -> Flags, order: Option<Hash>) -> Event {
        let door = if order.is_some() { Door::Main } else { Door::Direct };
        let mut event = self.draft(n, kind, door, "");
        event.state.flags = change(event.state.flags);
        let suspended = event.state.flags.intersects(Flags::SUSPENSIONS);
        event.state.status = if suspended { Status::Suspended } else { Status::Active };
        match order {
            Some(order) => {
                event.evidence = order;
                signed(event, &[(Role::Operator, ADA), (Role::Operator, BEN)])
            }
            None => signed(event, &[(Role::Control, n)]),
        }
    }

    /// The release of number `n` by its holder, or by others.
    pub(super) fn release(&self, n: u8, door: Door, provider: &str, by: &[(Role, u8)]) -> Event {
        let mut event = self.draft(n, Kind::Release, door, provider);
        let state = &mut event.state;
        (state.status, state.flags) = (Status::Released, Flags::NONE);
        (state.control, state.recovery, state.pending, state.commitment) = (ZERO, ZERO, ZERO, ZERO);
        signed(event, by)
    }

    /// Fills the epochs in as the sequencer does.
    pub(super) fn sealed(&self, event: &Event) -> Event {
        let mut sealed = event.clone();
        let (n, old) = (self.next(), self.states.get(&event.label));
        sealed.state.since_epoch = n;
        sealed.state.key_epoch = match old {
            Some(old) if old.control == event.state.control => old.key_epoch,
            _ => n,
        };
        sealed
    }

    /// Adds an epoch of these events, and goes an hour on.
    pub(super) fn epoch(&mut self, events: &[Event]) {
        let sealed = events.iter().map(|event| self.sealed(event)).collect();
        self.publish(sealed, |_| {});
    }

    /// Adds an epoch of these events as they are; `forge` may change its leaf.
    pub(super) fn publish(&mut self, mut events: Vec<Event>, forge: impl FnOnce(&mut EpochLeaf)) {
        events.sort_by_key(|event| event.label);
        self.publish_unsorted(&events, forge);
    }

    /// The same with the events in this order.
    pub(super) fn publish_unsorted(&mut self, events: &[Event], forge: impl FnOnce(&mut EpochLeaf)) {
        let mut batch = Vec::new();
        for event in events {
            put_lp16(&mut batch, &event.write());
            self.states.insert(event.label, event.state.clone());
        }
        let hashes: Vec<Hash> = events.iter().map(|event| leaf_hash(&event.write())).collect();
        self.publish_bytes(batch, root(&hashes), forge);
    }

    /// The same of any bytes.
    pub(super) fn publish_bytes(&mut self, batch: Vec<u8>, batch_root: Hash, forge: impl FnOnce(&mut EpochLeaf)) {
        let gov: Vec<Hash> = self.gov.iter().map(|leaf| leaf_hash(leaf)).collect();
        let mut leaf = EpochLeaf {
            epoch: self.next(),
            time_ms: self.now_ms,
            map: self.map_root(),
            batch: batch_root,
            gov_size: gov.len() as u64,
            gov_root: root(&gov),
        };
        forge(&mut leaf);
        self.leaves.push(leaf.write().into_bytes());
        self.batches.push(batch);
        self.now_ms += HOUR_MS;
    }

    pub(super) fn map_root(&self) -> Hash {
        let leaves: Vec<map::Leaf> = self.states.iter().map(|(label, state)| (*label, state.hash())).collect();
        map::root(&leaves)
    }

    /// What our auditor says: None, or the fault.
    pub(super) fn replayed(&self) -> Option<Fault> {
        let told = |stop: Stop<std::convert::Infallible>| match stop {
            Stop::Broken(fault) => fault,
            other => panic!("{other}"),
        };
        let gov_key = signer(GOV, 1).verifier(LineType::Signature);
        let mut replay = Replay::new(InMemory::default(), MAP, gov_key).unwrap();
        assert!(replay.know(Policy::embedded().source()));
        self.gov.iter().for_each(|leaf| replay.add_gov(leaf.clone()));
        if let Err(stop) = replay.config(&self.leaves[0]) {
            return Some(told(stop));
        }
        for (leaf, batch) in self.leaves[1..].iter().zip(&self.batches) {
            if let Err(stop) = replay.epoch(leaf, batch) {
                return Some(told(stop));
            }
        }
        assert_eq!(replay.labels(), self.states.len() as u64);
        let rule = misdated(replay.position().time_ms, &self.cosigned)?;
        Some(Fault { at: callbook::attest::auditor::At::Head(self.leaves.len() as u64), rule })
    }

    /// The same for the other auditor.
    pub(super) fn dump(&self) -> Value {
        dump(
            &signer(GOV, 1).verifier(LineType::Signature).to_string(),
            MAP,
            &self.gov,
            &self.leaves,
            &self.batches,
            &self.cosigned,
        )
    }
}

/// A log for the other auditor.
pub(crate) fn dump(
    gov_key: &str,
    origin: &str,
    gov: &[Vec<u8>],
    leaves: &[Vec<u8>],
    batches: &[Vec<u8>],
    cosigned: &[u64],
) -> Value {
    let base64 = |all: &[Vec<u8>]| all.iter().map(|one| to_base64(one)).collect::<Vec<_>>();
    let policy = Policy::embedded();
    let text = policy.source();
    json!({
        "origin": origin, "gov_key": gov_key, "gov": base64(gov), "map": base64(leaves), "batches": base64(batches),
        "charter": {to_base64(&sha256(&[text.as_bytes()])): text}, "cosigned": cosigned,
    })
}

/// What the other auditor says of each log; nothing if this machine cannot run it.
pub(crate) fn second_opinion(logs: &[Value]) -> Option<Vec<Option<String>>> {
    let python = peers::python_with("cryptography")?;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for log in logs {
        writeln!(file, "{log}").unwrap();
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judges/audit.py");
    let out = Command::new(python).arg(script).arg(file.path()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let said = String::from_utf8(out.stdout).unwrap();
    let rules =
        said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["rule"].as_str().map(str::to_owned));
    let rules: Vec<_> = rules.collect();
    assert_eq!(rules.len(), logs.len());
    Some(rules)
}

/// The place of number `n`: anywhere, as a VRF would have it.
pub(super) fn label(n: u8) -> Label {
    Label(sha256(&[b"label", &[n]]))
}

/// Signs anew.
pub(super) fn signed(mut event: Event, by: &[(Role, u8)]) -> Event {
    event.signatures.clear();
    by.iter().for_each(|(role, n)| event.sign(MAP, *role, &key(*n)));
    event
}

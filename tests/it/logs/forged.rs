//! Logs that are signed and still not what logs must be: each leaf follows from the one before, and both logs agree.

use std::fs;
use std::path::Path;

use callbook::client::log::Place;
use callbook::log::bytes::to_base64;
use callbook::log::checkpoint::Checkpoint;
use callbook::log::epoch::{ConfigLeaf, EpochLeaf};
use callbook::log::gov::GovLeaf;
use callbook::log::key::{Algorithm, SigningKey};
use callbook::log::merkle::{leaf_hash, root};
use callbook::log::note::{LineType, NoteSigner};
use callbook::log::tile::{write_bundle, write_hashes};
use callbook::log::{Hash, ZERO};
use serde_json::json;

use super::world::check;

const GOV: &str = "dir.example/gov";
const MAP: &str = "dir.example/map/0";
const VRF: [u8; 32] = [4; 32];

fn signer(name: &str, seed: u8) -> NoteSigner {
    NoteSigner::new(name, SigningKey::from_bytes(Algorithm::Ed25519, &[seed; 32]).unwrap()).unwrap()
}

/// Both logs with leaves of one's choice, in a folder.
struct Forger {
    gov: NoteSigner,
    map: NoteSigner,
    gov_leaves: Vec<GovLeaf>,
    config: ConfigLeaf,
    epochs: Vec<EpochLeaf>,
}

impl Forger {
    /// Logs that pass.
    fn honest() -> Self {
        let (gov, map) = (signer(GOV, 1), signer(MAP, 2));
        let body =
            json!({"map": MAP, "log_key": map.verifier(LineType::Signature).to_string(), "vrf_key": to_base64(&VRF)});
        let leaf = |kind: &str, seq, body| GovLeaf { kind: kind.into(), time_ms: 1000 + seq, seq, body };
        let gov_leaves =
            vec![leaf("era-open", 0, body), leaf("incident", 1, json!({})), leaf("incident", 2, json!({}))];
        let config = ConfigLeaf { origin: MAP.into(), vrf: VRF, prev_era: None, gov: GOV.into() };
        let mut forger = Self { gov, map, gov_leaves, config, epochs: Vec::new() };
        let hashes: Vec<Hash> = forger.signed().iter().map(|leaf| leaf_hash(leaf)).collect();
        let epoch = |epoch: u64, gov_size: u64| EpochLeaf {
            epoch,
            time_ms: 2000 + epoch,
            map: ZERO,
            batch: root(&[]),
            gov_size,
            gov_root: root(&hashes[..gov_size as usize]),
        };
        forger.epochs = vec![epoch(1, 1), epoch(2, 1), epoch(3, 3)];
        forger
    }

    fn signed(&self) -> Vec<Vec<u8>> {
        self.gov_leaves.iter().map(|leaf| leaf.sign(&[&self.gov]).unwrap().into_bytes()).collect()
    }

    fn write(&self, dir: &Path) {
        let map: Vec<Vec<u8>> = [self.config.write()]
            .into_iter()
            .chain(self.epochs.iter().map(EpochLeaf::write))
            .map(String::into_bytes)
            .collect();
        let logs = [("gov", GOV, &self.gov, self.signed()), ("map", MAP, &self.map, map)];
        let mut listed = Vec::new();
        for (kind, origin, signer, leaves) in logs {
            let prefix = if kind == "gov" { "gov" } else { "map/0" };
            let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
            let checkpoint = Checkpoint { origin: origin.into(), size: leaves.len() as u64, root: root(&hashes) };
            for (name, bytes) in [
                ("checkpoint".to_owned(), signer.sign(&checkpoint.write()).into_bytes()),
                (format!("tile/0/000.p/{}", leaves.len()), write_hashes(&hashes)),
                (format!("tile/entries/000.p/{}", leaves.len()), write_bundle(&leaves).unwrap()),
            ] {
                let path = dir.join(prefix).join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
            let vkey = signer.verifier(LineType::Signature).to_string();
            listed.push(json!({"kind": kind, "origin": origin, "prefix": prefix, "vkeys": [vkey], "size": leaves.len(), "witnesses": [], "quorum": 0}));
        }
        fs::write(dir.join("log.json"), json!({ "logs": listed }).to_string()).unwrap();
    }

    /// What a check says.
    fn checked(&self) -> Result<(), String> {
        let dir = tempfile::tempdir().unwrap();
        self.write(dir.path());
        match check(&Place::Folder(dir.path().to_owned()), &[], &[]) {
            Ok(_) => Ok(()),
            Err(error) => {
                assert!(error.is_untrue(), "{error}");
                Err(error.to_string())
            }
        }
    }
}

/// A change to honest logs, and what a check must say of it.
type Case = (&'static str, fn(&mut Forger));

const CASES: [Case; 15] = [
    ("leaf 2: its epoch is not its index", |f| f.epochs[1].epoch = 3),
    ("leaf 2: its time is not later", |f| f.epochs[1].time_ms = f.epochs[0].time_ms),
    ("the gov log that it rests on became smaller", |f| f.epochs.swap_gov(0, 2)),
    ("one size of the gov log has two roots", |f| f.epochs[1].gov_root = ZERO),
    ("it rests on another gov log", |f| f.epochs[2].gov_root = ZERO),
    ("leaves of the gov log that the gov log does not show", |f| f.epochs[2].gov_size = 4),
    ("became smaller", |f| f.epochs[0].gov_size = 0),
    ("leaf 0: it is about another log", |f| f.config.origin = "dir.example/map/1".into()),
    ("leaf 0: it names another gov log", |f| f.config.gov = "other.example/gov".into()),
    ("opens no era with this map log and this VRF key", |f| f.config.vrf = [5; 32]),
    ("the gov log does not name the key that signs it", |f| f.map = signer(MAP, 3)),
    ("leaf 1: gov: seq is not the index", |f| f.gov_leaves[1].seq = 2),
    ("leaf 2: its time is not later", |f| f.gov_leaves[2].time_ms = 5),
    ("does not begin with the opening of an era", |f| f.gov_leaves[0].kind = "incident".into()),
    ("the gov log does not name the key", |f| f.gov_leaves[0].body["map"] = json!("dir.example/map/1")),
];

trait SwapGov {
    fn swap_gov(&mut self, a: usize, b: usize);
}

impl SwapGov for Vec<EpochLeaf> {
    fn swap_gov(&mut self, a: usize, b: usize) {
        let (one, other) = ((self[a].gov_size, self[a].gov_root), (self[b].gov_size, self[b].gov_root));
        (self[a].gov_size, self[a].gov_root) = other;
        (self[b].gov_size, self[b].gov_root) = one;
    }
}

#[test]
fn signed_nonsense_does_not_pass() {
    assert_eq!(Forger::honest().checked(), Ok(()));
    for (words, change) in CASES {
        let mut forger = Forger::honest();
        change(&mut forger);
        let said = forger.checked().expect_err(words);
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn a_leaf_of_the_gov_log_needs_the_logs_signature() {
    let forger = Forger::honest();
    let dir = tempfile::tempdir().unwrap();
    forger.write(dir.path());
    // The tiles of a log whose leaves another key has signed, under a checkpoint by the right key.
    let other = Forger { gov: signer(GOV, 9), ..Forger::honest() };
    let leaves = other.signed();
    let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    let checkpoint = Checkpoint { origin: GOV.into(), size: 3, root: root(&hashes) };
    fs::write(dir.path().join("gov/checkpoint"), forger.gov.sign(&checkpoint.write())).unwrap();
    fs::write(dir.path().join("gov/tile/0/000.p/3"), write_hashes(&hashes)).unwrap();
    fs::write(dir.path().join("gov/tile/entries/000.p/3"), write_bundle(&leaves).unwrap()).unwrap();
    let error = check(&Place::Folder(dir.path().to_owned()), &[], &[]).unwrap_err();
    assert!(error.is_untrue() && error.to_string().contains("leaf 0: gov: signed by no known key"), "{error}");
}

#[test]
fn sizes_beyond_reason_cost_nothing() {
    let forger = Forger::honest();
    let dir = tempfile::tempdir().unwrap();
    forger.write(dir.path());
    for size in [0, 999_999_999_999_999_999, 1 << 56] {
        let checkpoint = Checkpoint { origin: GOV.into(), size, root: ZERO };
        fs::write(dir.path().join("gov/checkpoint"), forger.gov.sign(&checkpoint.write())).unwrap();
        let error = check(&Place::Folder(dir.path().to_owned()), &[], &[]).unwrap_err();
        assert!(error.is_untrue(), "{size}: {error}");
    }
}

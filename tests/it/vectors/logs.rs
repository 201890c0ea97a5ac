//! The two logs: leaves, checkpoints, notes, the tree.

use callbook::log::checkpoint::Checkpoint;
use callbook::log::epoch::{ConfigLeaf, EpochLeaf};
use callbook::log::gov::{self, GovLeaf};
use callbook::log::merkle::{self, Frontier};
use callbook::log::note::{Note, NoteSigner, VerifierKey};
use callbook::log::{Hash, ZERO};
use proptest::prelude::*;

use super::{VECTORS, array, hashes, int, list, origin, signing_key, text};

fn vkey(name: &str) -> VerifierKey {
    VerifierKey::parse(text(&VECTORS["keys"][name]["vkey"])).unwrap()
}

fn signer(name: &str) -> NoteSigner {
    NoteSigner::new(vkey(name).name(), signing_key(name)).unwrap()
}

#[test]
fn map_log_leaves() {
    let (leaves, times) = (list(&VECTORS["map_log"]["leaves"]), list(&VECTORS["map_log"]["time_ms"]));
    let config = ConfigLeaf::parse(text(&leaves[0])).unwrap();
    assert_eq!(config.write(), text(&leaves[0]));
    assert_eq!((config.origin.as_str(), config.vrf), (origin(), array(&VECTORS["trust"]["vrf"])));
    for (n, leaf) in leaves.iter().enumerate().skip(1) {
        let leaf = text(leaf);
        let epoch = EpochLeaf::parse(leaf).unwrap();
        assert_eq!(epoch.write(), leaf);
        assert_eq!((epoch.epoch, epoch.time_ms), (n as u64, int(&times[n])));
        assert_eq!(epoch.batch, array(&VECTORS["batches"][n - 1]["root"]));
    }
    let found: Vec<Hash> = leaves.iter().map(|leaf| merkle::leaf_hash(text(leaf).as_bytes())).collect();
    assert_eq!(found, hashes(&VECTORS["map_log"]["leaf_hashes"]));
}

#[test]
fn map_log_checkpoints() {
    let (keys, leaves) = ([vkey("log"), vkey("w1"), vkey("w2")], hashes(&VECTORS["map_log"]["leaf_hashes"]));
    let mut frontier = Frontier::new();
    for (n, case) in list(&VECTORS["map_log"]["checkpoints"]).iter().enumerate() {
        frontier.append(leaves[n]);
        let note = Note::open(text(case), &keys).unwrap();
        let time_s = int(&VECTORS["map_log"]["time_ms"][n]) / 1000 + 2;
        assert_eq!(note.signed, [(0, None), (1, Some(time_s)), (2, Some(time_s))]);
        let checkpoint = Checkpoint::parse(&note.text).unwrap();
        let expected = Checkpoint { origin: origin().into(), size: n as u64 + 1, root: frontier.root() };
        assert_eq!((&checkpoint, checkpoint.write()), (&expected, note.text.clone()));
        let ours = signer("log").sign(&note.text);
        assert_eq!(
            ours + &signer("w1").cosign(&note.text, time_s) + &signer("w2").cosign(&note.text, time_s),
            text(case)
        );
    }
    assert_eq!(frontier.size(), leaves.len() as u64);
}

#[test]
fn checkpoints_have_one_spelling() {
    let good = Checkpoint { origin: "a/gov".into(), size: 3, root: ZERO }.write();
    assert!(Checkpoint::parse(&good).is_ok());
    for (from, to) in
        [("3", "03"), ("a/gov", "a gov"), ("a/gov", "a+gov"), ("a/gov", ""), ("=\n", "=\nextension\n"), ("=\n", "=")]
    {
        assert!(Checkpoint::parse(&good.replace(from, to)).is_err(), "{from:?} -> {to:?}");
    }
}

#[test]
fn gov_log() {
    let log = &VECTORS["gov_log"];
    let keys = [VerifierKey::parse(text(&log["vkeys"][0])).unwrap()];
    let mut leaves = Vec::new();
    for (i, leaf) in list(&log["leaves"]).iter().enumerate() {
        let (leaf, value) = (text(leaf), &log["values"][i]);
        let opened = GovLeaf::open(leaf, &keys, i as u64).unwrap();
        assert_eq!((opened.kind.as_str(), opened.time_ms), (text(&value["type"]), int(&value["time"])));
        assert_eq!((opened.seq, &opened.body), (int(&value["seq"]), &value["body"]));
        assert_eq!(opened.sign(&[&signer("council")]).as_deref(), Some(leaf));
        assert_eq!(gov::hash(leaf), array(&log["hashes"][i]));
        leaves.push(gov::hash(leaf));
    }
    let note = Note::open(text(&log["checkpoint"]), &[vkey("gov")]).unwrap();
    let checkpoint = Checkpoint::parse(&note.text).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (leaves.len() as u64, merkle::root(&leaves)));
    assert_eq!(checkpoint.origin, text(&log["origin"]));
}

#[test]
fn canonical_json_is_that_of_rfc_8785() {
    let value =
        serde_json::json!({"b": [1, -5, true, null, {}], "a": "€\"\\\u{8}\n\u{1}\u{7f}/", "A": {"z": "", "y": []}});
    let expected = "{\"A\":{\"y\":[],\"z\":\"\"},\"a\":\"€\\\"\\\\\\b\\n\\u0001\u{7f}/\",\"b\":[1,-5,true,null,{}]}";
    assert_eq!(gov::canonical_json(&value).as_deref(), Some(expected));
    for value in [serde_json::json!(0.5), serde_json::json!(1u64 << 53), serde_json::json!({"é": 1})] {
        assert_eq!(gov::canonical_json(&value), None);
    }
    assert_eq!(gov::canonical_json(&serde_json::json!((1u64 << 53) - 1)).as_deref(), Some("9007199254740991"));
}

#[test]
fn rfc_6962_trees() {
    let section = &VECTORS["rfc6962"];
    let leaves: Vec<Hash> = (0..20).map(|i| merkle::leaf_hash(format!("leaf {i}").as_bytes())).collect();
    let roots = hashes(&section["roots"]);
    for n in 0..=20 {
        assert_eq!(merkle::root(&leaves[..n]), roots[n]);
        for i in 0..n {
            let proof = hashes(&section["inclusion"][n][i]);
            assert_eq!(merkle::inclusion(i, &leaves[..n]), proof);
            assert_eq!(merkle::check_inclusion(i as u64, n as u64, &leaves[i], &proof, &roots[n]), Ok(()));
        }
        for m in 1..=n {
            let proof = hashes(&section["consistency"][n][m]);
            assert_eq!(merkle::consistency(m, &leaves[..n]), proof);
            assert_eq!(merkle::check_consistency((m as u64, &roots[m]), (n as u64, &roots[n]), &proof), Ok(()));
            assert!(merkle::check_consistency((m as u64, &ZERO), (n as u64, &roots[n]), &proof).is_err());
        }
        assert_eq!(merkle::check_consistency((0, &roots[0]), (n as u64, &roots[n]), &[]), Ok(()));
    }
    let shrunk = merkle::check_consistency((20, &roots[20]), (19, &roots[19]), &[]);
    assert!(shrunk.is_err());
}

proptest! {
    #[test]
    fn texts_never_panic(raw in "(\\PC|\n|— ){0,60}", at in any::<prop::sample::Index>(), put in any::<char>()) {
        let keys = [vkey("log"), vkey("w1"), vkey("w2")];
        let _ = (Note::open(&raw, &keys), Checkpoint::parse(&raw), EpochLeaf::parse(&raw), ConfigLeaf::parse(&raw));
        let _ = GovLeaf::open(&raw, &keys, 0);
        for good in [&VECTORS["map_log"]["leaves"][0], &VECTORS["map_log"]["leaves"][1], &VECTORS["map_log"]["checkpoints"][1]] {
            let mut other: Vec<char> = text(good).chars().collect();
            let at = at.index(other.len());
            let same = std::mem::replace(&mut other[at], put) == put;
            let other: String = other.into_iter().collect();
            if let Ok(leaf) = EpochLeaf::parse(&other) {
                prop_assert_eq!(leaf.write(), other.as_str());
            }
            if let Ok(leaf) = ConfigLeaf::parse(&other) {
                prop_assert_eq!(leaf.write(), other.as_str());
            }
            if let Ok(note) = Note::open(&other, &keys) {
                // A change may hide a signature (its name or id no longer known), never alter what the others signed.
                prop_assert!(same || note.signed.len() < 3);
            }
        }
    }
}

//! The number map: roots of four maps, and the paths that the proofs over them show.

use std::convert::Infallible;

use callbook::log::bytes::Reader;
use callbook::log::bytes::from_base64;
use callbook::log::epoch::EpochLeaf;
use callbook::log::event::Event;
use callbook::log::label::Label;
use callbook::log::map::{self, Leaf, MapTop, Path};
use callbook::log::vrf;
use callbook::log::{Hash, ZERO, sha256};
use serde_json::Value;

use super::{VECTORS, array, bytes, int, list, number, origin, text};

/// What a proof's `extra` says about the map.
struct Extra {
    map: Hash,
    pi: Vec<u8>,
    path: Path,
}

/// Reads `extra` of an accepted proof, as far as it concerns the map; `label` is the number's own.
fn extra(proof: &Value, label: impl Fn(&[u8]) -> Label) -> Extra {
    let line = text(&proof["text"]).lines().nth(1).and_then(|line| line.strip_prefix("extra ")).unwrap();
    let raw = from_base64(line).unwrap();
    assert_eq!(raw, bytes(&proof["extra"]));
    let mut r = Reader::new(&raw, "extra");
    assert_eq!(r.u8(), Ok(1));
    let leaf = EpochLeaf::parse(std::str::from_utf8(r.lp16().unwrap()).unwrap()).unwrap();
    let pi = r.take(80).unwrap().to_vec();
    let end = match r.u8().unwrap() {
        0 => None,
        1 => Some((Label(r.array().unwrap()), r.array().unwrap())),
        _ => {
            let state = r.take(212).unwrap();
            r.lp16().unwrap();
            if r.u8().unwrap() == 1 {
                r.take(32).unwrap();
                r.lp16().unwrap();
            }
            Some((label(&pi), sha256(&[state])))
        }
    };
    let depth = usize::from(r.u8().unwrap());
    let bitmap = r.take(depth.div_ceil(8)).unwrap();
    let empty = |i: usize| bitmap[i / 8] >> (7 - i % 8) & 1 == 1;
    let siblings = (0..depth).map(|i| if empty(i) { ZERO } else { r.array().unwrap() }).collect();
    r.end().unwrap();
    Extra { map: leaf.map, pi, path: Path { siblings, end } }
}

fn leaves_of(case: &Value) -> Vec<Leaf> {
    let present = list(&case["proofs"]).iter().filter(|proof| text(&proof["name"]).ends_with("present"));
    let mut leaves: Vec<Leaf> = present
        .map(|proof| {
            let digits = text(&proof["number"]);
            let known =
                VECTORS["numbers"].as_object().unwrap().values().find(|n| text(&n["number"]) == digits).unwrap();
            (Label(array(&known["label"])), array(&proof["verdict"]["S"]))
        })
        .collect();
    for i in 0..int(&case["leaves"]) as usize - leaves.len() {
        leaves.push((Label(sha256(&[format!("x{i}").as_bytes()])), sha256(&[format!("y{i}").as_bytes()])));
    }
    leaves.sort_unstable();
    leaves
}

#[test]
fn roots_and_paths() {
    let key = vrf::PublicKey::new(&array(&VECTORS["trust"]["vrf"])).unwrap();
    let mut paths = 0;
    for case in list(&VECTORS["maps"]) {
        let (leaves, root) = (leaves_of(case), array::<32>(&case["root"]));
        assert_eq!(map::root(&leaves), root);
        let Ok(top) =
            MapTop::build(MapTop::bits_for(leaves.len() as u64), leaves.iter().copied().map(Ok::<_, Infallible>));
        assert_eq!(top.root(), root);
        for proof in list(&case["proofs"]) {
            let number = number(&proof["number"]);
            let label = |pi: &[u8]| key.verify_label(origin(), number, pi).unwrap();
            let extra = extra(proof, label);
            let label = label(&extra.pi);
            assert_eq!((extra.map, &extra.path), (root, &map::path(&leaves, &label)));
            assert_eq!(extra.path.check(&root, &label), Ok(()));
            let read = |first, last| {
                Ok::<_, Infallible>(leaves.iter().copied().filter(|leaf| (first..=last).contains(&leaf.0)).collect())
            };
            assert_eq!(top.path(&label, read), Ok(extra.path.clone()));
            refuses_other_paths(&extra.path, &root, &label);
            paths += 1;
        }
    }
    assert!(paths >= 10, "{paths}");
}

fn refuses_other_paths(path: &Path, root: &Hash, label: &Label) {
    for i in 0..path.siblings.len() {
        let mut other = path.clone();
        other.siblings[i][31] ^= 1;
        assert!(other.check(root, label).is_err());
    }
    let mut longer = path.clone();
    longer.siblings.push(ZERO);
    assert!(longer.check(root, label).is_err());
    let absent = Path { end: None, ..path.clone() };
    assert!(path.end.is_none() || absent.check(root, label).is_err());
    let elsewhere = Path { end: Some((Label([!label.0[0]; 32]), ZERO)), ..path.clone() };
    assert!(elsewhere.check(root, label).is_err());
}

/// The map of every epoch, from nothing but the events.
#[test]
fn roots_of_the_epochs() {
    let mut leaves: Vec<Leaf> = Vec::new();
    let mut top = MapTop::new(MapTop::BITS_MIN);
    for batch in list(&VECTORS["batches"]) {
        let epoch = int(&batch["epoch"]) as usize;
        for case in list(&VECTORS["events"]).iter().filter(|case| int(&case["epoch"]) as usize == epoch) {
            let event = Event::parse(&bytes(&case["event"])).unwrap();
            leaves.retain(|leaf| leaf.0 != event.label);
            leaves.push((event.label, event.state.hash()));
            leaves.sort_unstable();
            let bucket = top.bucket_of(&event.label);
            let (first, last) = top.bucket_range(bucket);
            let in_it: Vec<Leaf> = leaves.iter().copied().filter(|leaf| (first..=last).contains(&leaf.0)).collect();
            top.update(bucket, &in_it);
        }
        let leaf = EpochLeaf::parse(text(&VECTORS["map_log"]["leaves"][epoch])).unwrap();
        assert_eq!((top.root(), map::root(&leaves)), (leaf.map, leaf.map));
    }
}

//! `callbook log mirror`: a copy grows with its log, is checked like one, and keeps the proof when a log changes its past.

use std::fs;
use std::path::{Path, PathBuf};

use callbook::client::log::{LogError, Place};
use callbook::log::checkpoint::Checkpoint;
use callbook::log::note::{Note, VerifierKey};
use serde_json::json;

use super::world::{World, callbook, check};

/// Every file below a folder, with its path from there.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(dir).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn names(dir: &Path) -> Vec<String> {
    files(dir).iter().map(|path| path.display().to_string()).collect()
}

fn mirror(world: &World, dir: &Path) -> super::world::Ran {
    callbook(&["log", "mirror", &world.url(), &dir.display().to_string(), "--json"])
}

#[test]
fn a_copy_grows_and_passes() {
    let world = World::grown();
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy");
    let first = mirror(&world, &copy);
    assert_eq!(first.code(), 0, "{}{}", first.said(), first.complained());
    let leaves = |told: &serde_json::Value| (0..2).map(|i| told["logs"][i]["size"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(first.json()["new_leaves"], json!(leaves(&first.json())));
    let size = first.json()["logs"][1]["size"].as_u64().unwrap();
    let of_map = |size: u64| {
        let width = size - 256;
        let part = format!(".p/{width}");
        [
            "checkpoint".to_owned(),
            "tile/0/000".into(),
            format!("tile/0/001{part}"),
            "tile/1/000.p/1".into(),
            "tile/entries/000".into(),
            format!("tile/entries/001{part}"),
        ]
        .map(|name| format!("map/0/{name}"))
    };
    let there = |size: u64| names(&copy).into_iter().filter(|name| name.starts_with("map")).eq(of_map(size));
    assert!(there(size), "{:?}", names(&copy));

    let ran = callbook(&["log", "verify", &copy.display().to_string()]);
    assert_eq!(ran.code(), 0, "{}{}", ran.said(), ran.complained());

    for _ in 0..3 {
        world.epoch(60_000);
    }
    let second = mirror(&world, &copy).json();
    assert_eq!((&second["new_leaves"], &second["logs"][1]["known_before"]), (&json!(3), &json!(size)));
    assert!(there(size + 3), "partial tiles of before are gone: {:?}", names(&copy));
    assert_eq!(mirror(&world, &copy).json()["new_leaves"], json!(0));
    assert_eq!(callbook(&["log", "verify", &copy.display().to_string()]).code(), 0);
    let text = copy.display().to_string();
    assert_eq!(callbook(&["log", "proof", &text, "3"]).code(), 0);
}

#[test]
fn a_run_that_was_broken_off_is_taken_up() {
    let world = World::grown();
    let dir = tempfile::tempdir().unwrap();
    let whole = mirror(&world, dir.path());
    assert_eq!(whole.code(), 0);
    for gone in ["log.json", "map/0/checkpoint", "gov/checkpoint", "map/0/tile/0/000"] {
        fs::remove_file(dir.path().join(gone)).unwrap();
    }
    assert_eq!(mirror(&world, dir.path()).code(), 0);
    assert_eq!(callbook(&["log", "verify", &dir.path().display().to_string()]).code(), 0);
}

#[test]
fn a_log_that_changes_its_past_leaves_proof() {
    let (one, other, short) = (World::grown(), World::grown(), World::grown());
    let dir = tempfile::tempdir().unwrap();
    one.epoch(60_000);
    assert_eq!(mirror(&one, dir.path()).code(), 0);
    let before: Vec<_> = files(dir.path()).into_iter().map(|file| fs::read(dir.path().join(file)).unwrap()).collect();
    let [_, map] = one.vkeys();
    let key = [VerifierKey::parse(&map).unwrap()];

    for _ in 0..2 {
        other.epoch(61_000);
    }
    for (world, words) in [(&other, "changed its past"), (&short, "never becomes shorter")] {
        let ran = mirror(world, dir.path());
        assert_eq!(ran.code(), 3, "{}{}", ran.said(), ran.complained());
        let told = ran.json();
        assert!(told["why"].as_str().unwrap().contains(words), "{told}");
        let kept: Vec<String> = serde_json::from_value(told["fork"]["kept"].clone()).unwrap();
        let heads: Vec<Checkpoint> = kept
            .iter()
            .map(|path| Note::open(&fs::read_to_string(path).unwrap(), &key).unwrap())
            .map(|note| (note.signed_by(0).unwrap(), Checkpoint::parse(&note.text).unwrap()).1)
            .collect();
        assert_eq!(heads.len(), 2, "both are signed by the log");
        assert_ne!(heads[0], heads[1]);
        match told["evidence"].as_str() {
            Some(path) => {
                assert!(words.contains("past"), "{told}");
                let ran = callbook(&["log", "evidence", path, "--json"]);
                assert_eq!((ran.code(), &ran.json()["verdict"]), (0, &json!("proved")), "{}", ran.said());
                assert_eq!(ran.json()["vkey"], json!(map));
            }
            None => assert!(words.contains("shorter"), "an old state of the same log contradicts nothing: {told}"),
        }
        let names: Vec<PathBuf> = files(dir.path()).into_iter().filter(|file| !file.starts_with("evidence")).collect();
        let after: Vec<_> = names.iter().map(|file| fs::read(dir.path().join(file)).unwrap()).collect();
        assert!(after == before, "the copy is as it was: {names:?}");
    }
    let said = callbook(&["log", "mirror", &other.url(), &dir.path().display().to_string()]).said();
    assert!(said.contains("NOT TRUE") && said.contains("kept: ") && said.contains("Show them to others"), "{said}");
    assert_eq!(mirror(&one, dir.path()).code(), 0, "the log that was copied goes on");
}

#[test]
fn one_changed_byte_anywhere_is_found() {
    let world = World::grown();
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(mirror(&world, dir.path()).code(), 0);
    let [gov, _] = world.vkeys();
    let place = Place::Folder(dir.path().to_owned());
    let checked = || check(&place, &[&gov], &[]);
    checked().unwrap();
    let untrue = |what: &str| match checked() {
        Err(error) => assert!(error.is_untrue() || matches!(error, LogError::NoLog { .. }), "{what}: {error}"),
        Ok(_) => panic!("{what} passes"),
    };
    let all = files(dir.path());
    let all: Vec<_> = all.iter().filter(|file| file.file_name().is_some_and(|name| name != "log.json")).collect();
    assert_eq!(all.len(), 12, "two logs: a checkpoint, three tiles of hashes, two bundles each");
    for file in all {
        let path = dir.path().join(file);
        let good = fs::read(&path).unwrap();
        for at in [0, 1, good.len() / 3, good.len() / 2, good.len() - 2, good.len() - 1] {
            for mask in [1, 0x80] {
                let mut bad = good.clone();
                bad[at] ^= mask;
                fs::write(&path, bad).unwrap();
                untrue(&format!("{} with byte {at} changed", file.display()));
            }
        }
        fs::write(&path, &good[..good.len() - 1]).unwrap();
        untrue(&format!("{} cut", file.display()));
        fs::write(&path, [&good[..], b"\n"].concat()).unwrap();
        untrue(&format!("{} with a byte more", file.display()));
        fs::remove_file(&path).unwrap();
        untrue(&format!("{} gone", file.display()));
        fs::write(&path, &good).unwrap();
    }
    checked().unwrap();
    let tile = dir.path().join("map/0/tile/0/000");
    let mut bad = fs::read(&tile).unwrap();
    bad[77] ^= 4;
    fs::write(&tile, bad).unwrap();
    let ran = callbook(&["log", "verify", &dir.path().display().to_string()]);
    assert_eq!(ran.code(), 3);
    assert!(ran.said().contains("dir.example/map/0: tile/0/000 holds other hashes"), "{}", ran.said());
}

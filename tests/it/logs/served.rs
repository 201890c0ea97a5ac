//! The files of both logs over HTTP: names, headers, and nothing before its time.

use callbook::log::checkpoint::Checkpoint;
use callbook::log::merkle::{self, leaf_hash};
use callbook::log::note::{Note, VerifierKey};
use callbook::log::tile::{read_bundle, read_hashes};

use super::world::{EPOCHS, World};

#[test]
fn both_logs_are_listed_and_signed() {
    let world = World::grown();
    let index = world.get("/v1/log");
    assert_eq!((index.status, index.cors.as_str()), (200, "*"));
    let logs = index.json()["logs"].as_array().unwrap().clone();
    let about: Vec<_> =
        logs.iter().map(|log| ["kind", "origin", "prefix"].map(|name| log[name].as_str().unwrap())).collect();
    let expected = [["gov", "dir.example/gov", "/v1/log/gov"], ["map", "dir.example/map/0", "/v1/log/map/0"]];
    assert_eq!(about, expected);
    for log in &logs {
        let prefix = log["prefix"].as_str().unwrap();
        let key = VerifierKey::parse(log["vkeys"][0].as_str().unwrap()).unwrap();
        let got = world.get(&format!("{prefix}/checkpoint"));
        assert_eq!((got.status, got.caching.as_str(), got.cors.as_str()), (200, "no-cache", "*"));
        assert_eq!(got.media_type, "text/plain; charset=utf-8");
        let note = Note::open(got.text(), &[key]).unwrap();
        assert_eq!(note.signed_by(0), Some(None));
        let checkpoint = Checkpoint::parse(&note.text).unwrap();
        assert_eq!(
            (checkpoint.origin.as_str(), Some(checkpoint.size)),
            (log["origin"].as_str().unwrap(), log["size"].as_u64())
        );
        assert!(checkpoint.size > EPOCHS);

        let leaves: Vec<_> = (0..=1)
            .flat_map(|n| {
                let width = if n == 0 { 256 } else { checkpoint.size - 256 };
                let suffix = if n == 0 { String::new() } else { format!(".p/{width}") };
                let bundle = world.get(&format!("{prefix}/tile/entries/00{n}{suffix}"));
                let tile = world.get(&format!("{prefix}/tile/0/00{n}{suffix}"));
                assert_eq!((tile.status, tile.media_type.as_str()), (200, "application/octet-stream"));
                assert!(tile.caching.contains("immutable") && bundle.caching.contains("immutable"));
                let hashes = read_hashes(&tile.body, width).unwrap();
                let entries = read_bundle(&bundle.body, width).unwrap();
                assert_eq!(entries.iter().map(|entry| leaf_hash(entry)).collect::<Vec<_>>(), hashes);
                hashes
            })
            .collect();
        assert_eq!(merkle::root(&leaves), checkpoint.root);
        let above = world.get(&format!("{prefix}/tile/1/000.p/1"));
        assert_eq!(read_hashes(&above.body, 1).unwrap(), [merkle::root(&leaves[..256])]);
    }
}

#[test]
fn what_is_known_is_not_sent_again() {
    let world = World::grown();
    for path in ["/v1/log/gov/checkpoint", "/v1/log/map/0/checkpoint", "/v1/log/map/0/tile/0/000"] {
        let first = world.get(path);
        let again = world.ask("GET", path, Some(&first.etag));
        assert_eq!((again.status, again.body.len(), &again.etag), (304, 0, &first.etag), "{path}");
        let head = world.ask("HEAD", path, None);
        assert_eq!((head.status, head.body.len(), &head.etag), (200, 0, &first.etag), "{path}");
        assert_eq!(world.ask("POST", path, None).status, 405);
    }
    let before = world.get("/v1/log/map/0/checkpoint").etag;
    world.epoch(60_000);
    assert_eq!(world.ask("GET", "/v1/log/map/0/checkpoint", Some(&before)).status, 200);
    let before = world.get("/v1/log/gov/checkpoint");
    world.decide(EPOCHS);
    let after = world.get("/v1/log/gov/checkpoint");
    assert_ne!(before.etag, after.etag);
    assert_eq!(after.etag, world.get("/v1/log/gov/checkpoint").etag);
}

#[test]
fn another_spelling_is_another_file() {
    let world = World::grown();
    for path in [
        "/v1/log/gov",
        "/v1/log/gov/",
        "/v1/log/gov/tile",
        "/v1/log/gov/tile/0",
        "/v1/log/gov/tile/0/0",
        "/v1/log/gov/tile/0/x000/000",
        "/v1/log/gov/tile/0/000.p/0",
        "/v1/log/gov/tile/0/000.p/256",
        "/v1/log/gov/tile/0/001",
        "/v1/log/gov/tile/1/000",
        "/v1/log/gov/tile/0%2F000",
        "/v1/log/gov/tile/%30/000",
        "/v1/log/gov/tile/0/000/",
        "/v1/log/gov/tile/8/0/000",
        "/v1/log/gov/tile/63/000.p/1",
        "/v1/log/gov/tile/entries/x999/x999/x999/x999/x999/999",
        "/v1/log/map/1/checkpoint",
        "/v1/log/map/00/checkpoint",
        "/v1/log/map/checkpoint",
        "/v1/log/map/0/checkpoint/",
        "/v1/log/map/%30/checkpoint",
        "/v1/log/map/0/tile/entries/000.p/1/..",
        "/v1/log/map/0/tile/../checkpoint",
    ] {
        let got = world.get(path);
        assert_eq!((got.status, got.media_type.as_str()), (404, "application/problem+json"), "{path}");
        assert_eq!(got.json()["code"], "not_found", "{path}");
    }
    assert_eq!(world.get("/v1/log/gov/tile/0/001").cors, "*");
}

#[test]
fn nothing_is_shown_before_it_is_published() {
    let world = World::grown();
    let size = || world.get("/v1/log").json()["logs"][1]["size"].as_u64().unwrap();
    let tile = |row: &str, size: u64| world.get(&format!("/v1/log/map/0/tile/{row}/001.p/{}", size - 256)).status;
    let published = size();
    let checkpoint = world.get("/v1/log/map/0/checkpoint").body;
    world.seal_only();
    assert_eq!(
        (size(), tile("0", published), tile("0", published + 1), tile("entries", published + 1)),
        (published, 200, 404, 404)
    );
    assert_eq!(world.get("/v1/log/map/0/checkpoint").body, checkpoint);
    world.epoch(0);
    assert_eq!((size(), tile("0", published + 1), tile("entries", published + 1)), (published + 1, 200, 200));
    assert_eq!(tile("0", published), 200, "a partial tile of an earlier checkpoint stays");
}

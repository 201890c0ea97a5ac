//! Logs of several eras: all of them are served for ever, pass, and go on from each other.

use serde_json::json;

use super::world::{World, callbook};

#[test]
fn a_closed_log_is_the_same_for_ever() {
    let world = World::grown();
    let paths =
        ["checkpoint", "tile/0/000", "tile/1/000.p/1", "tile/entries/000"].map(|file| format!("/v1/log/map/0/{file}"));
    let before = paths.clone().map(|path| world.get(&path).body);
    let world = world.in_the_next_era();
    for (path, body) in paths.iter().zip(before) {
        let got = world.get(path);
        assert_eq!((got.status, got.body == body), (200, true), "{path}");
    }
    let logs = world.get("/v1/log").json();
    let origins: Vec<_> = logs["logs"].as_array().unwrap().iter().map(|log| log["origin"].as_str().unwrap()).collect();
    assert_eq!(origins, ["dir.example/gov", "dir.example/map/1", "dir.example/map/0"]);
    assert_eq!(world.get("/v1/log/map/2/checkpoint").status, 404);
    assert_eq!(world.get("/v1/log/trust").json()["eras"], json!(["dir.example/map/0"]));
}

#[test]
fn all_eras_pass_together_and_a_copy_grows_on() {
    let world = World::grown();
    let dir = tempfile::tempdir().unwrap();
    let (copy, state) = (dir.path().join("copy"), dir.path().join("state").display().to_string());
    let copy = copy.display().to_string();
    let (mirror, verify) = (
        |world: &World| callbook(&["log", "mirror", &world.url(), &copy, "--json"]),
        |world: &World| callbook(&["log", "verify", &world.url(), "--state", &state]),
    );
    assert_eq!((mirror(&world).code(), verify(&world).code()), (0, 0));
    let mut world = world.in_the_next_era();
    for era in 1..=2 {
        for _ in 0..3 {
            // Leaves of the gov log behind the one that opened the era: what is known of it must not be forgotten.
            world.decide(1000 * era + world.authority().published_epoch());
            world.epoch(60_000);
            let ran = verify(&world);
            assert_eq!(ran.code(), 0, "{}{}", ran.said(), ran.complained());
            for before in 0..era {
                let words = format!("dir.example/map/{} goes on from the first", before + 1);
                assert!(ran.said().contains(&words), "{words}: {}", ran.said());
            }
            assert!(!ran.said().contains("are lost"), "{}", ran.said());
            let ran = mirror(&world);
            assert_eq!(ran.code(), 0, "{}{}", ran.said(), ran.complained());
        }
        let ran = callbook(&["log", "verify", &copy]);
        assert_eq!(ran.code(), 0, "{}{}", ran.said(), ran.complained());
        assert!(ran.said().contains(&format!("true  dir.example/map/{era}")), "{}", ran.said());
        if era == 1 {
            world = world.in_the_next_era();
        }
    }
    // A copy without the log of the era before says that it cannot tell.
    let alone = callbook(&["log", "verify", &format!("{}/v1/log/map/2", world.url())]);
    assert_eq!(alone.code(), 0, "{}", alone.complained());
    assert!(
        alone.said().contains("whether it goes on from dir.example/map/1: that log is not here"),
        "{}",
        alone.said()
    );
}

#[test]
fn an_era_that_goes_on_from_another_log_is_refused() {
    let [one, other] = [1, 2].map(|n| {
        let world = World::grown();
        world.decide(5000 + n);
        world.epoch(60_000);
        world.in_the_next_era()
    });
    let dir = tempfile::tempdir().unwrap();
    let copy = |world: &World, name: &str| {
        let folder = dir.path().join(name);
        let ran = callbook(&["log", "mirror", &world.url(), &folder.display().to_string()]);
        assert_eq!(ran.code(), 0, "{}{}", ran.said(), ran.complained());
        folder
    };
    let (one, other) = (copy(&one, "one"), copy(&other, "other"));
    // The old log of one directory under the new log of the other: the host, its name and keys are the same.
    let check = |folder: &std::path::Path| callbook(&["log", "verify", &folder.display().to_string()]);
    assert_eq!(check(&one).code(), 0);
    std::fs::remove_dir_all(one.join("map/0")).unwrap();
    let moved = std::process::Command::new("cp").arg("-r").args([other.join("map/0"), one.join("map/0")]).status();
    assert!(moved.unwrap().success());
    let ran = check(&one);
    assert_eq!(ran.code(), 3, "{}{}", ran.said(), ran.complained());
}

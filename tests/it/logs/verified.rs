//! `callbook log verify`, `show`, `proof`, `consistency`: what passes, how it is said, and which exit code tells it.

use callbook::client::log::{Before, Trust};
use callbook::log::Hash;
use callbook::log::bytes::array_from_base64;
use callbook::log::merkle::{check_consistency, check_inclusion, leaf_hash};
use serde_json::{Value, json};

use super::world::{EPOCHS, World, callbook, check};

#[test]
fn both_logs_pass_and_what_was_not_checked_is_said() {
    let world = World::grown();
    let ran = callbook(&["log", "verify", &world.url()]);
    assert_eq!(ran.code(), 0, "{}{}", ran.said(), ran.complained());
    let said = ran.said();
    for words in [
        "true  dir.example/gov",
        "true  dir.example/map/0",
        "not checked:",
        "trust on first use",
        "it came from the same place",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(ran.complained(), "", "no progress where nobody watches");
    let [gov, _] = world.vkeys();
    let pinned = callbook(&["log", "verify", world.url().trim_start_matches("http://"), "--key", &gov, "--json"]);
    assert_eq!(pinned.code(), 0, "{}", pinned.complained());
    let told = pinned.json();
    assert_eq!(
        (&told["verified"], &told["logs"][0]["trust"], &told["logs"][1]["trust"]),
        (&json!(true), &json!("given"), &json!("gov"))
    );
    assert!(told["logs"][1]["size"].as_u64().unwrap() > EPOCHS && told["logs"][1]["newest"].is_string());
    // Two bundles, two tiles of hashes below one: all that there are.
    assert_eq!(told["logs"][1]["tiles"], json!(5), "{told}");
    assert!(!told["not_checked"].to_string().contains("same place"), "{told}");
}

#[test]
fn one_log_alone_passes_too() {
    let world = World::grown();
    for (below, words) in [("/v1/log/gov", "no witness"), ("/v1/log/map/0", "it is not here")] {
        let ran = callbook(&["log", "verify", &format!("{}{below}", world.url())]);
        assert_eq!(ran.code(), 0, "{}{}", ran.said(), ran.complained());
        assert!(ran.said().contains(words), "{}", ran.said());
    }
    assert_eq!(callbook(&["log", "verify", &format!("{}/v1/log", world.url())]).code(), 0);
}

#[test]
fn a_check_goes_on_where_the_last_one_ended() {
    let world = World::grown();
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state").display().to_string();
    let verify = || callbook(&["log", "verify", &world.url(), "--state", &state, "--json"]);
    assert_eq!(verify().json()["logs"][1]["known_before"], json!(0));
    world.epoch(60_000);
    let again = verify().json();
    let map = &again["logs"][1];
    assert_eq!(map["known_before"].as_u64().unwrap() + 1, map["size"].as_u64().unwrap());
    assert_eq!(map["trust"], json!("before"));

    let other = World::grown();
    let forked = callbook(&["log", "verify", &other.url(), "--state", &state, "--json"]);
    assert_eq!(forked.code(), 3, "{}", forked.said());
    let told = forked.json();
    assert_eq!((&told["verified"], &told["fork"]["log"]), (&json!(false), &json!("dir.example/map/0")));
    assert!(told["why"].as_str().unwrap().contains("never becomes shorter"), "{told}");
    assert_eq!(told["fork"]["checkpoints"].as_array().unwrap().len(), 2);
}

#[test]
fn errors_say_what_to_do() {
    let world = World::grown();
    let [_, map] = world.vkeys();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (args, words) in [
        (vec!["verify", &format!("http://{free}")], "cannot be reached"),
        (vec!["verify", &world.url(), "--key", "nonsense"], "quote it for the shell"),
        (vec!["verify", &world.url(), "--key", &map], "name its vkey with --key"),
        (vec!["verify", &format!("{}/v1/log/map/7", world.url())], "there is no log at"),
        (vec!["verify", "./nowhere"], "a folder that `callbook log mirror` made"),
        (vec!["show", &world.url(), "100000"], "the first is 0"),
        (vec!["proof", &world.url(), "100000"], "the first is 0"),
        (vec!["consistency", &world.url(), "5", "3"], "from a size to a larger one"),
        (vec!["verify", "http://directory.example"], "use https"),
    ]
    .iter()
    .map(|(args, words)| (args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<String>>(), *words))
    {
        let all: Vec<&str> = ["log"].into_iter().chain(args.iter().map(String::as_str)).collect();
        let ran = callbook(&all);
        assert_eq!(ran.code(), 2, "{all:?}: {}", ran.said());
        assert!(ran.complained().contains(words), "{all:?}: {}", ran.complained());
    }
}

#[test]
fn heads_and_leaves_are_shown() {
    let world = World::grown();
    let head = callbook(&["log", "show", &world.url(), "--json"]).json();
    assert_eq!(head["origin"], json!("dir.example/map/0"));
    assert!(head["note"].as_str().unwrap().starts_with("dir.example/map/0\n") && head["newest"].is_string());
    let leaf = callbook(&["log", "show", &world.url(), "7", "--json"]).json();
    assert_eq!((&leaf["leaf"]["kind"], &leaf["leaf"]["epoch"]), (&json!("epoch"), &json!(7)));
    let config = callbook(&["log", "show", &world.url(), "0", "--json"]).json();
    assert_eq!((&config["leaf"]["kind"], &config["leaf"]["gov"]), (&json!("config"), &json!("dir.example/gov")));
    let opened = callbook(&["log", "show", &world.url(), "--gov", "0"]);
    assert!(opened.said().contains("era-open") && opened.said().contains("callbook/gov/v1"), "{}", opened.said());
}

fn hashes(value: &Value) -> Vec<Hash> {
    value.as_array().unwrap().iter().map(|hash| array_from_base64(hash.as_str().unwrap()).unwrap()).collect()
}

#[test]
fn proofs_prove() {
    let world = World::grown();
    for (below, index) in [("", "0"), ("/v1/log/map/0", "299"), ("/v1/log/gov", "256")] {
        let ran = callbook(&["log", "proof", &format!("{}{below}", world.url()), index, "--json"]);
        let proof = ran.json();
        let (size, root) =
            (proof["size"].as_u64().unwrap(), array_from_base64(proof["root"].as_str().unwrap()).unwrap());
        let leaf = leaf_hash(proof["leaf"].as_str().unwrap().as_bytes());
        let index = index.parse().unwrap();
        assert_eq!(check_inclusion(index, size, &leaf, &hashes(&proof["hashes"]), &root), Ok(()));
        assert!(proof["text"].as_str().unwrap().starts_with(&format!("c2sp.org/tlog-proof@v1\nindex {index}\n")));
    }
    for more in [&["1"][..], &["255"], &["256", "257"], &["0"], &["300", "300"]] {
        let url = world.url();
        let all: Vec<&str> =
            ["log", "consistency", &url].into_iter().chain(more.iter().copied()).chain(["--json"]).collect();
        let ran = callbook(&all);
        assert_eq!(ran.code(), 0, "{more:?}: {}", ran.complained());
        let proof = ran.json();
        let of = |name: &str| {
            let root: Hash = array_from_base64(proof[name]["root"].as_str().unwrap()).unwrap();
            (proof[name]["size"].as_u64().unwrap(), root)
        };
        let (old, new) = (of("old"), of("new"));
        assert_eq!(check_consistency((old.0, &old.1), (new.0, &new.1), &hashes(&proof["hashes"])), Ok(()), "{more:?}");
    }
}

#[test]
fn the_key_of_the_check_before_is_kept() {
    let world = World::grown();
    let first = check(&world.place(), &[], &[]).unwrap();
    let before: Vec<Before> = first.logs.iter().map(callbook::client::log::CheckedLog::before).collect();
    let again = check(&world.place(), &[], &before).unwrap();
    assert!(again.logs.iter().all(|log| log.trust == Trust::Before && log.known_before == log.size));
    let [gov, map] = world.vkeys();
    let given = check(&world.place(), &[&gov, &map], &before).unwrap();
    assert!(given.logs.iter().all(|log| log.trust == Trust::Given));
}

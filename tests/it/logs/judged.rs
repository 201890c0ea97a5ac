//! Judges that are not ours: the Go project's checksum-database libraries read the tiles, Python checks a printed proof.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::world::{World, callbook};
use crate::{peers, source};

/// Where Debian puts Go libraries; `golang-golang-x-mod-dev` has these.
const GOPATH: &str = "/usr/share/gocode";
const LIBRARY: &str = "src/golang.org/x/mod/sumdb/tlog/tile.go";

#[test]
fn the_libraries_of_the_go_project_read_both_logs() {
    let Some(go) = peers::program("go") else { return };
    if !Path::new(GOPATH).join(LIBRARY).exists() {
        return peers::skipped("the Go library golang.org/x/mod is not installed");
    }
    let world = World::grown();
    for _ in 0..230 {
        world.epoch(60_000); // beyond a second full tile
    }
    let dir = tempfile::tempdir().unwrap();
    let judge = dir.path().join("judge");
    let built = Command::new(go)
        .args(["build", "-o"])
        .arg(&judge)
        .arg(source::root().join("tests/judges/tlog/main.go"))
        .envs([("GO111MODULE", "off"), ("GOPATH", GOPATH), ("GOFLAGS", ""), ("GOPROXY", "off"), ("CGO_ENABLED", "0")])
        .env("GOCACHE", source::root().join("target/peers/go"))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let logs = world.get("/v1/log").json();
    for log in logs["logs"].as_array().unwrap() {
        let (prefix, vkey) = (log["prefix"].as_str().unwrap(), log["vkeys"][0].as_str().unwrap());
        let out = Command::new(&judge).args([&format!("{}{prefix}", world.url()), vkey]).output().unwrap();
        assert!(out.status.success(), "{prefix}: {}", String::from_utf8_lossy(&out.stderr));
        let said: Value = serde_json::from_slice(&out.stdout).unwrap();
        assert_eq!((&said["origin"], &said["leaves"]), (&log["origin"], &log["size"]));
        let full = log["size"].as_u64().unwrap() / 256;
        assert_eq!(said["files"].as_u64().unwrap(), 1 + 2 * (full + 1) + 1, "all of it was read: {said}");
        assert!(said["grown"].as_u64().unwrap() >= 8, "{said}");
    }
}

#[test]
fn python_checks_a_printed_proof() {
    let Some(python) = peers::python_with("cryptography") else { return };
    let world = World::grown();
    for (which, vkey) in [&["--gov"][..], &[]].into_iter().zip(world.vkeys()) {
        for index in ["0", "255", "256", "300"] {
            let url = world.url();
            let proof = callbook(&[&["log", "proof", &url, index, "--json"], which].concat()).json();
            let judge = |proof: &Value| {
                let mut child = Command::new(&python)
                    .arg(source::root().join("tests/judges/tlog_proof.py"))
                    .arg(&vkey)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap();
                child.stdin.take().unwrap().write_all(proof.to_string().as_bytes()).unwrap();
                child.wait_with_output().unwrap()
            };
            let out = judge(&proof);
            assert!(out.status.success(), "{vkey} {index}: {}", String::from_utf8_lossy(&out.stderr));
            let mut other = proof.clone();
            other["leaf"] = json!(format!("{} ", proof["leaf"].as_str().unwrap()));
            assert!(!judge(&other).status.success(), "the judge sees a leaf that is not there");
        }
    }
}

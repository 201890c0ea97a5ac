//! The provider's guide and the operator's first hour show a session; this runs it, every command of it, against the program under test.

use std::path::Path;
use std::process::Command;

use super::child::callbook;
use crate::{peers, source};

/// Programs that the guide's commands are made of.
const TOOLS: [&str; 6] = ["bash", "curl", "jq", "openssl", "dig", "delv"];

#[test]
fn the_providers_guide_is_true() {
    is_true("docs/provider-guide.md");
}

#[test]
fn the_operators_first_hour_is_true() {
    is_true("docs/manual/first-hour.md");
}

fn is_true(page: &str) {
    if TOOLS.iter().any(|tool| peers::program(tool).is_none()) {
        return;
    }
    let root = source::root();
    let programs = Path::new(callbook().get_program()).parent().expect("a folder").to_owned();
    let out = Command::new("bash")
        .arg(root.join("tests/readme-session.sh"))
        .arg(root.join(page))
        .env("SESSION_PROGRAMS", programs)
        .output()
        .expect("it runs");
    let (said, why) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && said.contains("all as shown"), "{said}{why}");
}

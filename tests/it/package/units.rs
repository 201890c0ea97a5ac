//! The systemd units: what they take away, judged by systemd, and that the program lives with it.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::callbook;
use crate::{peers, source};

/// Tenths of systemd's scale from 0 (nothing is exposed) to 100; an ordinary service has 96.
const EXPOSURE_MAX: &str = "20";
/// Calls that the unit's user never makes: the program's own start is the tracer's doing, and SQLite gives its files to their
/// owner where it is root.
const ELSEWHERE: [&str; 2] = ["execve", "fchown"];
/// How long a traced program may take to answer: tracing slows it many times.
const START_MAX: Duration = Duration::from_secs(60);

#[test]
fn the_units_are_hardened() {
    let Some(analyze) = peers::program("systemd-analyze") else { return };
    for unit in ["callbook.service", "callbook-signer.service"] {
        let out = Command::new(&analyze)
            .args(["security", "--offline=true", "--threshold", EXPOSURE_MAX])
            .arg(source::root().join("deploy/systemd").join(unit))
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success() && said.contains("Overall exposure level"), "{unit}: {said}");
    }
}

/// systemd kills nothing here: the calls are traced, and each must be one that the unit's filter lets through.
#[test]
fn the_program_makes_no_call_that_its_unit_forbids() {
    let (Some(strace), Some(analyze)) = (peers::program("strace"), peers::program("systemd-analyze")) else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let (trace, facts) = (dir.path().join("trace"), dir.path().join("demo/demo.json"));
    let mut traced = Command::new(strace)
        .args(["-f", "-qq", "-o"])
        .arg(&trace)
        .arg(callbook().get_program())
        .args(["demo", "--numbers", "5", "--dns", "127.0.0.1:0", "--http", "127.0.0.1:0", "--dir"])
        .arg(dir.path().join("demo"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let begun = Instant::now();
    while !facts.exists() && begun.elapsed() < START_MAX && traced.try_wait().expect("a child").is_none() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let answers = facts.exists();
    // strace hands the signal on to nobody when it is killed itself: the program is asked, and the tracer ends with it.
    let _ = Command::new("pkill").args(["-TERM", "-P", &traced.id().to_string()]).status();
    traced.wait().expect("it ends");
    let calls = calls(&String::from_utf8_lossy(&std::fs::read(&trace).unwrap_or_default()));
    if !answers && calls.is_empty() {
        return peers::not_here("nothing can be traced here (ptrace)");
    }
    assert!(answers && calls.len() > 20, "the traced program did not answer; its calls: {calls:?}");
    let allowed = allowed(&analyze);
    let forbidden: Vec<_> = calls.difference(&allowed).collect();
    assert!(forbidden.is_empty(), "deploy/systemd/callbook.service forbids {forbidden:?}");
}

/// The names of the calls in a trace: `PID name(arguments…`.
fn calls(trace: &str) -> BTreeSet<String> {
    let name = |line: &str| {
        let (name, _) = line.split_once(' ')?.1.trim_start().split_once('(')?;
        name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_').then(|| name.to_owned())
    };
    trace.lines().filter_map(name).filter(|name| !ELSEWHERE.contains(&name.as_str())).collect()
}

/// What the unit's SystemCallFilter lets through: each line adds, or with ~ takes away.
fn allowed(analyze: &std::path::Path) -> BTreeSet<String> {
    let unit = source::read(&source::root().join("deploy/systemd/callbook.service"));
    let mut allowed = BTreeSet::new();
    for line in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let (takes, words) = line.strip_prefix('~').map_or((false, line), |words| (true, words));
        for name in words.split_whitespace().flat_map(|word| members(analyze, word)) {
            if takes {
                allowed.remove(&name);
            } else {
                allowed.insert(name);
            }
        }
    }
    allowed
}

/// The calls of a set such as `@system-service`, with the sets inside it; a call is itself.
fn members(analyze: &std::path::Path, word: &str) -> Vec<String> {
    if !word.starts_with('@') {
        return vec![word.to_owned()];
    }
    let out = Command::new(analyze).args(["syscall-filter", "--no-pager", word]).output().expect("it runs");
    assert!(out.status.success(), "systemd does not know {word}");
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let below = said.lines().skip(1).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    below.flat_map(|line| members(analyze, line)).collect()
}

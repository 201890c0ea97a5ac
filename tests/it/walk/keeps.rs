//! What must survive: restarts, crashes, a second instance, a taken port, a damaged ledger.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use super::child::{Demo, callbook};

/// Starts a demo that must not start. One that does would serve for ever: `timeout` makes a failure of that.
fn start_fails(dir: &Path, more: &[&str]) -> (i32, String) {
    start_for(Duration::from_secs(60), dir, more)
}

/// Runs a demo until it ends or is killed; gives exit code (-1: killed) and what it said.
fn start_for(time: Duration, dir: &Path, more: &[&str]) -> (i32, String) {
    let mut limited = Command::new("timeout");
    limited
        .args(["--signal=KILL", &time.as_secs().to_string()])
        .arg(callbook().get_program())
        .args(["demo", "--dir"])
        .arg(dir)
        .args(more);
    let Output { status, stderr, .. } = limited.output().expect("the program runs");
    (status.code().unwrap_or(-1), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn a_restart_serves_the_same_numbers() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let dir = home.path().join("demo");
    let first = Demo::start_in(&dir, &["--numbers", "50"]);
    let (before, exit) = first.lookup(first.sample(3));
    assert_eq!((before["status"].as_str(), exit), (Some("secure"), 0), "{before}");
    let sample = first.sample(3).to_owned();
    assert_eq!(first.stop(), 0);
    let second = Demo::start_in(&dir, &["--numbers", "50"]);
    let (after, exit) = second.lookup(&sample);
    assert_eq!(
        (&after["endpoints"], &after["keys"], &after["directory"], exit),
        (&before["endpoints"], &before["keys"], &before["directory"], 0)
    );
    second.kill();
    let third = Demo::start_in(&dir, &[]);
    assert_eq!(third.lookup(&sample).1, 0);
}

/// The i-th synthetic number of a demo: they step through +999 and nine digits.
fn synthetic(i: u64) -> String {
    format!("+999{:09}", i * 617_283_951 % 1_000_000_000)
}

#[test]
fn a_fill_that_was_cut_off_goes_on() {
    /// More than the program registers in the time that it is given.
    const NUMBERS: u64 = 4000;
    let home = tempfile::tempdir().expect("a temporary directory");
    let dir = home.path().join("demo");
    let count = NUMBERS.to_string();
    let (exit, _) = start_for(
        Duration::from_secs(1),
        &dir,
        &["--dns", "127.0.0.1:0", "--http", "127.0.0.1:0", "--numbers", &count],
    );
    let again = Demo::start_in(&dir, &["--numbers", &count]);
    for i in [0, NUMBERS / 2, NUMBERS - 1] {
        let (found, exit) = again.lookup(&synthetic(i));
        assert_eq!((found["status"].as_str(), exit), (Some("secure"), 0), "{found}");
    }
    assert_ne!(exit, 2, "the first run was cut off, it did not fail");
}

#[test]
fn a_second_instance_on_the_same_directory_is_refused() {
    let demo = Demo::start();
    let (exit, why) = start_fails(demo.dir(), &["--dns", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    assert_eq!(exit, 2, "{why}");
    assert!(why.contains(&demo.id().to_string()), "it names the process that holds the directory: {why}");
    assert_eq!(demo.lookup(demo.sample(0)).1, 0, "the first one goes on");
}

#[test]
fn a_taken_port_is_named() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    for (flag, other) in [("--http", "--dns"), ("--dns", "--http")] {
        let (exit, why) = start_fails(&home.path().join(flag), &[flag, &address, other, "127.0.0.1:0"]);
        assert_eq!(exit, 2, "{why}");
        assert!(why.contains(&address) && why.contains("in use"), "{why}");
    }
}

#[test]
fn a_damaged_ledger_is_not_served() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let dir = home.path().join("demo");
    assert_eq!(Demo::start_in(&dir, &[]).stop(), 0);
    let ledger = dir.join("data/ledger.sqlite");
    let mut bytes = std::fs::read(&ledger).expect("readable");
    let middle = bytes.len() / 2;
    bytes[..16].fill(b'x');
    bytes[middle..middle + 512].fill(0xff);
    std::fs::write(&ledger, bytes).expect("writable");
    let (exit, why) = start_fails(&dir, &["--dns", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    assert_eq!(exit, 2, "{why}");
    assert!(why.contains("backup") || why.contains("restore"), "it names the remedy: {why}");
}

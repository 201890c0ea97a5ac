//! The image that makes a start fast: it serves what the ledger says, nothing older, nothing erased, nothing damaged.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::child::Demo;

const MARKED: &str = "+447700900700";
const MARK: &str = "erase-me-entirely";

fn image(dir: &Path) -> PathBuf {
    dir.join("data/served.image")
}

fn register(demo: &Demo, number: &str, sip: &str) {
    let provider = demo.dir().join("provider");
    let provider = provider.to_str().expect("UTF-8");
    let out = demo.run(&["number", "register", number, "--sip", sip, "--provider", provider, "--json"]);
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
}

/// The endpoint that is found, if any.
fn found(demo: &Demo, number: &str) -> Option<String> {
    let (found, _) = demo.lookup(number);
    assert_eq!(found["status"].as_str(), Some("secure"), "{found}");
    found["endpoints"][0]["uri"].as_str().map(str::to_owned)
}

#[test]
fn a_start_from_an_image_serves_the_ledger_and_never_an_older_one() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let dir = home.path().join("demo");
    assert_eq!(Demo::start_in(&dir, &[]).stop(), 0);
    let first = fs::read(image(&dir)).expect("an image is kept when the service stops");
    assert_eq!(fs::metadata(image(&dir)).expect("it is there").permissions().mode() & 0o777, 0o600);

    let demo = Demo::start_in(&dir, &[]);
    register(&demo, MARKED, "sip:first@acme.example");
    register(&demo, MARKED, "sip:second@acme.example");
    demo.kill();
    // After a crash the image is older than the ledger: the events since are added.
    fs::write(image(&dir), &first).expect("writable");
    let demo = Demo::start_in(&dir, &[]);
    assert_eq!(found(&demo, MARKED).as_deref(), Some("sip:second@acme.example"));
    assert!(found(&demo, demo.sample(7)).is_some());
    let log = demo.stop_and_log();
    assert!(!log.contains("damaged"), "{log}");
}

#[test]
fn a_damaged_or_foreign_image_is_not_served() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let (dir, other) = (home.path().join("demo"), home.path().join("other"));
    assert_eq!(Demo::start_in(&dir, &[]).stop(), 0);
    assert_eq!(Demo::start_in(&other, &["--numbers", "30"]).stop(), 0);
    let good = fs::read(image(&dir)).expect("an image");
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    let foreign = fs::read(image(&other)).expect("an image");
    for (what, bytes) in
        [("flipped", &flipped[..]), ("cut", &good[..good.len() - 40]), ("empty", b""), ("foreign", &foreign)]
    {
        fs::write(image(&dir), bytes).expect("writable");
        let demo = Demo::start_in(&dir, &[]);
        assert!(found(&demo, demo.sample(7)).is_some(), "{what}");
        assert_eq!(demo.stop(), 0, "{what}");
    }
}

#[test]
fn a_released_number_is_in_no_image() {
    let holds_mark = |dir: &Path| {
        let bytes = fs::read(image(dir)).unwrap_or_default();
        bytes.windows(MARK.len()).any(|window| window == MARK.as_bytes())
    };
    let home = tempfile::tempdir().expect("a temporary directory");
    let dir = home.path().join("demo");
    let demo = Demo::start_in(&dir, &[]);
    register(&demo, MARKED, &format!("sip:{MARK}@acme.example"));
    assert_eq!(demo.stop(), 0);
    assert!(holds_mark(&dir), "the test looks for what is there");
    let demo = Demo::start_in(&dir, &[]);
    let provider = demo.dir().join("provider");
    let released = demo.run(&["number", "release", MARKED, "--provider", provider.to_str().expect("UTF-8"), "--json"]);
    assert_eq!(released.status.code(), Some(0), "{}", String::from_utf8_lossy(&released.stderr));
    assert!(!holds_mark(&dir), "it is deleted before the release is visible");
    assert_eq!(found(&demo, MARKED), None);
    demo.kill();
    let demo = Demo::start_in(&dir, &[]);
    assert_eq!(found(&demo, MARKED), None);
    assert_eq!(demo.stop(), 0);
    assert!(image(&dir).exists() && !holds_mark(&dir), "the next image is without it");
}

//! A full disk: changes are refused in words, look-ups go on, and with space again everything goes on by itself.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::child::Demo;

/// Room for the demo and some changes, small enough to fill at once.
const DISK_MIB: u32 = 24;
/// The write-ahead log may still have room when the disk has none: so many changes may succeed before the first refusal.
const CHANGES_MAX: usize = 64;
/// How long the program may take to notice that there is space again.
const RECOVERY_MAX: Duration = Duration::from_secs(60);

#[test]
fn a_full_disk_stops_changes_and_nothing_else() {
    let Some((home, demo)) = Demo::on_small_disk(DISK_MIB) else { return };
    // The provider's files lie elsewhere: it is the directory's disk that is full, not the provider's.
    let provider = home.path().join("provider");
    copy_folder(&demo.dir().join("provider"), &provider);
    let register = |number: &str| {
        let folder = provider.to_str().expect("UTF-8");
        let out =
            demo.run(&["number", "register", number, "--sip", "sip:me@acme.example", "--provider", folder, "--json"]);
        let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or(Value::Null);
        (out.status.code(), json(&out.stdout), json(&out.stderr))
    };
    let (exit, _, why) = register("+447700900900");
    assert_eq!(exit, Some(0), "{why}");

    let filler = demo.dir().join("filler");
    fill(&filler);
    let refused = (0..CHANGES_MAX).find_map(|i| {
        let number = format!("+4477009008{i:02}");
        let (exit, _, why) = register(&number);
        (exit != Some(0)).then_some((number, exit, why))
    });
    let (number, exit, why) = refused.expect("a full disk takes no more");
    assert_eq!(exit, Some(2), "{why}");
    let said = why.to_string();
    assert!(said.contains("cannot be stored") && said.contains("look-ups go on"), "{said}");
    for served in ["+447700900900", demo.sample(0), demo.sample(19)] {
        let (found, exit) = demo.lookup(served);
        assert_eq!((found["status"].as_str(), exit), (Some("secure"), 0), "{served} on a full disk: {found}");
    }
    let (absent, exit) = demo.lookup(&number);
    assert_eq!((absent["found"].as_bool(), exit), (Some(false), 1), "what was refused is not served: {absent}");

    fs::remove_file(&filler).expect("it can be removed");
    let began = Instant::now();
    loop {
        let (exit, _, why) = register(&number);
        if exit == Some(0) {
            break;
        }
        assert!(began.elapsed() < RECOVERY_MAX, "with space again it goes on without a restart: {why}");
    }
    let (found, exit) = demo.lookup(&number);
    assert_eq!((found["status"].as_str(), exit), (Some("secure"), 0), "{found}");
    assert_eq!(demo.stop(), 0);
}

/// Writes until nothing more fits, down to the last octet.
pub(super) fn fill(path: &Path) {
    let mut file = File::create(path).expect("a new file");
    let mut piece = 1 << 20;
    while piece > 0 {
        match file.write(&vec![0x55; piece]) {
            Ok(octets) if octets > 0 => {}
            Ok(_) => piece /= 2,
            Err(full) => {
                assert_eq!(full.kind(), ErrorKind::StorageFull);
                piece /= 2;
            }
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a new folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("readable");
        let copy = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy_folder(&entry.path(), &copy),
            false => drop(fs::copy(entry.path(), copy).expect("a file")),
        }
    }
}

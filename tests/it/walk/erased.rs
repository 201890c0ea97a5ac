//! Erasure (TRUST.md 5): after a release no file of the directory has a byte of the record, the opening or the number, while it
//! runs, after a crash and after a stop.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use callbook::number::Number;
use rusqlite::{Connection, OpenFlags};

use super::child::Demo;

const NUMBER: &str = "+447700900731";
const MARKS: [&str; 2] = ["first-mark-to-erase", "second-mark-to-erase"];
/// Upkeep looks around every ten seconds, and a reader may put the emptying of the write-ahead log off once.
const CLEAN_WITHIN: Duration = Duration::from_secs(60);
/// Shorter pieces might be found by accident.
const PIECE_BYTES: usize = 24;

fn run(demo: &Demo, args: &[&str]) {
    let folder = demo.dir().join("provider");
    let out = demo.run(&[args, &["--provider", folder.to_str().expect("UTF-8"), "--json"]].concat());
    let (text, why) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.status.code(), Some(0), "{args:?}: {text}{why}");
}

/// What must be gone, each with a name.
fn secrets(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let number = Number::parse(NUMBER).expect("a number").as_u64();
    let conn = Connection::open_with_flags(dir.join("data/ledger.sqlite"), OpenFlags::SQLITE_OPEN_READ_ONLY);
    let row = conn.expect("readable").query_row(
        "SELECT opening, proof, record FROM personal WHERE number = ?1",
        [i64::try_from(number).expect("small")],
        |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, Vec<u8>>(2)?)),
    );
    let (opening, proof, record) = row.expect("it is registered");
    let record = String::from_utf8(record).expect("a record is text");
    let digits = &NUMBER[1..];
    let packed = number.to_be_bytes();
    let packed = packed.iter().skip_while(|byte| **byte == 0).copied().collect(); // as SQLite stores an integer
    let mut secrets = vec![
        ("the digits".to_owned(), digits.as_bytes().to_vec()),
        ("the number as an integer".to_owned(), packed),
        ("the opening".to_owned(), opening),
        ("the VRF proof".to_owned(), proof),
    ];
    secrets.extend(MARKS.map(|mark| (format!("the address {mark}"), mark.as_bytes().to_vec())));
    for line in record.lines() {
        let rdata = line.rsplit(' ').next().unwrap_or_default().as_bytes();
        if rdata.len() >= PIECE_BYTES {
            secrets.push((format!("RDATA of {line:.20}"), rdata[rdata.len() - PIECE_BYTES..].to_vec()));
        }
    }
    assert!(secrets.len() > 2 * MARKS.len() + 3, "the record has keys: {record}");
    secrets
}

/// Which of the secrets stand in which files of the directory. The provider's and the holder's own files are their own.
fn found(dir: &Path, secrets: &[(String, Vec<u8>)]) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                if path != dir.join("provider") {
                    folders.push(path);
                }
                continue;
            }
            let Ok(bytes) = fs::read(&path) else { continue }; // it went away meanwhile
            let holds = |secret: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
            let held = secrets.iter().filter(|(_, secret)| holds(secret));
            found.extend(held.map(|(what, _)| format!("{what} in {}", path.display())));
        }
    }
    found
}

#[test]
fn a_released_number_leaves_no_byte_in_any_file() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let dir = home.path().join("demo");
    let demo = Demo::start_in(&dir, &[]);
    let batch = home.path().join("one.ndjson");
    let batch = batch.to_str().expect("UTF-8");
    for mark in MARKS {
        run(&demo, &["number", "register", NUMBER, "--sip", &format!("sip:{mark}@acme.example")]);
    }
    run(&demo, &["number", "register", NUMBER, "--sip", "sip:last@acme.example", "--to-batch", batch]);
    run(&demo, &["provider", "batch", batch, "--dry-run", "--wait"]);
    assert_eq!(demo.stop(), 0);
    let demo = Demo::start_in(&dir, &[]);
    let secrets = secrets(&dir);
    let before = found(&dir, &secrets);
    for what in ["the number as an integer in", "the opening in", "the VRF proof in", MARKS[1]] {
        assert!(
            before.iter().any(|found| found.contains(what)),
            "the test looks for what is there: {what}: {before:?}"
        );
    }

    run(&demo, &["number", "release", NUMBER]);
    let began = Instant::now();
    loop {
        let left = found(&dir, &secrets);
        if left.is_empty() {
            break;
        }
        assert!(began.elapsed() < CLEAN_WITHIN, "still there: {left:#?}");
        std::thread::sleep(Duration::from_millis(200));
    }
    demo.kill();
    assert_eq!(found(&dir, &secrets), Vec::<String>::new(), "after a crash");
    let demo = Demo::start_in(&dir, &[]);
    assert_eq!(demo.lookup(NUMBER).0["endpoints"].as_array().map_or(0, Vec::len), 0);
    let log = demo.stop_and_log();
    assert!(!log.contains(&NUMBER[1..]) && !MARKS.iter().any(|mark| log.contains(mark)), "{log}");
    assert_eq!(found(&dir, &secrets), Vec::<String>::new(), "after a stop");
}

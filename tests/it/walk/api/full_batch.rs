//! The disk runs full under a batch: look-ups go on, changes are refused in words, and with space again the batch ends by itself.

use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use callbook::number::Number;
use serde_json::json;

use super::batches::{put, results, send};
use super::kit::{Kit, Made};
use crate::walk::child::Demo;
use crate::walk::full_disk::fill;

/// The ledger's write-ahead log alone may have 32 MiB before it is moved into the file.
const DISK_MIB: u32 = 64;
/// Items of the batch: some MiB with their index entries.
const ITEMS: usize = 400;
/// What is left on the disk when the batch begins: room for taking it in, and for some of its items at most.
const ROOM_OCTETS: u64 = 256 << 10;
/// Single changes that are tried until one is refused: together they are larger than the room that is left.
const SPARE: usize = 60;
/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_batch_outlasts_a_full_disk() {
    let Some((_home, demo)) = Demo::on_small_disk(DISK_MIB) else { return };
    let acme = Kit::of(&demo, "acme", &demo.dir().join("provider"));
    let lines: Vec<String> = (0..ITEMS).map(|i| put(&acme, &format!("+99955500{i:03}"))).collect();
    let spare = (0..SPARE).map(|i| acme.create(Number::parse(&format!("+999555110{i:02}")).expect("a number")));
    let spare: Vec<Made> = spare.collect();
    let (over, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let _over = Over(&over);
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let (found, exit) = demo.lookup(demo.sample(3));
                assert_eq!((found["status"].as_str(), exit), (Some("secure"), 0), "{found}");
                answers.fetch_add(1, Ordering::Relaxed);
            }
        });
        runs_full_and_on(&acme, &lines, &spare, &answers);
    });
    // Every event of both kinds of request is in the log, and the log is whole.
    let origin = format!("http://{}", demo.fact("http"));
    let verified = demo.run(&["log", "verify", &origin, "--json"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    assert_eq!(demo.stop(), 0);
}

/// Ends the look-ups, also when something fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends the batch to a disk that is nearly full, sees everything stand still but look-ups, makes room, and waits for the end.
fn runs_full_and_on(acme: &Kit<'_>, lines: &[String], spare: &[Made], answers: &AtomicU64) {
    let filler = acme.demo.dir().join("filler");
    fill(&filler);
    shorten(&filler); // whoever kept it open would keep its room after it is removed
    let taken = send(acme, "", "k", lines);
    assert_eq!(taken.status, 202, "{}", taken.json);
    let id = taken.json["id"].as_str().expect("an id");
    let look = || acme.demo.http("GET", &format!("/v1/batches/{id}"), Some(&acme.token), &[], None).json;
    let single = |made: &Made| acme.http("PUT", &format!("/v1/numbers/{}", made.number), &[], &made.body);
    let accepted = |made: &Made| match single(made).status {
        202 => true,
        503 => false,
        other => panic!("{other}"),
    };
    let stored = spare.iter().take_while(|made| accepted(made)).count();
    let refused = single(spare.get(stored).expect("a full disk takes no more"));
    refused.expect_problem(503, "unavailable");
    assert!(refused.text.contains("look-ups go on"), "{}", refused.json);
    let held = look();
    assert_eq!(held["state"], json!("running"), "it waits for room: {held}");
    assert!(held["done"].as_u64().is_some_and(|done| done < ITEMS as u64), "{held}");
    let again = send(acme, "", "k", lines);
    assert_eq!(
        (again.status, &again.json["id"]),
        (202, &taken.json["id"]),
        "known, and not begun anew: {}",
        again.json
    );
    let before = answers.load(Ordering::Relaxed);
    until("look-ups on a full disk", || answers.load(Ordering::Relaxed) >= before + 3);
    fs::remove_file(&filler).expect("it can be removed");

    until("the batch ends", || look()["state"] != json!("running"));
    let ended = look();
    assert_eq!((&ended["accepted"], &ended["refused"]), (&json!(ITEMS), &json!(0)), "{ended}");
    let results = results(acme, id, 1000);
    let places: Vec<Option<u64>> = results.iter().map(|result| result["index"].as_u64()).collect();
    assert_eq!(places, (0..ITEMS as u64).map(Some).collect::<Vec<_>>(), "every item once, in order");
    // What was refused is as if it had never come: the same again is taken, once.
    let again = single(&spare[stored]);
    assert_eq!((again.status, again.json["version"].as_u64()), (202, Some(1)), "{}", again.json);
    let last = Number::parse(&format!("+99955500{:03}", ITEMS - 1)).expect("a number");
    for number in [last].into_iter().chain(spare[..=stored].iter().map(|made| made.number)) {
        until("it is published", || acme.demo.lookup(&number.to_string()).1 == 0);
        assert_eq!(acme.view(number).version, 1);
    }
}

fn shorten(filler: &Path) {
    let file = File::options().write(true).open(filler).expect("it is there");
    file.set_len(file.metadata().expect("its length").len() - ROOM_OCTETS).expect("it can be made shorter");
}

fn until(what: &str, mut there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !there() {
        assert!(began.elapsed() < PATIENCE, "{what}: not in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

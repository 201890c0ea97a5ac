//! The disk runs full under a batch: look-ups go on, changes are refused in words, and with space again the batch ends by itself.

use std::fs::{self, File};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use callbook::number::Number;
use serde_json::{Value, json};

use super::batches::{put, send};
use super::kit::{Kit, Made};
use crate::peers;
use crate::walk::child::{Demo, in_small_disk};
use crate::walk::full_disk::{DISK_MIB, fill};

/// Items of the batch: some MiB with their index entries.
const ITEMS: usize = 400;
/// What is left on the disk when the batch begins: room for taking it in, and for some of its items at most.
const ROOM_OCTETS: u64 = 256 << 10;
/// Single changes that are tried until one is refused: together they are larger than the room that is left.
const SPARE: usize = 90;
/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(50);

#[test]
fn a_batch_outlasts_a_full_disk() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let disk = home.path().join("disk");
    fs::create_dir(&disk).expect("a new folder");
    let Some(command) = in_small_disk(&disk, DISK_MIB) else {
        return peers::not_here("no file system of one's own can be mounted here (unshare)");
    };
    let demo = Demo::start_by(command, &disk.join("demo"), &[]);
    let acme = Kit::of(&demo, "acme", &demo.dir().join("provider"));
    let lines: Vec<String> = (0..ITEMS).map(|i| put(&acme, &format!("+99955500{i:03}"))).collect();
    let spare = (0..SPARE).map(|i| acme.create(Number::parse(&format!("+999555110{i:02}")).expect("a number")));
    let spare: Vec<Made> = spare.collect();
    let filler = demo.dir().join("filler");
    fill(&filler);
    let file = File::options().write(true).open(&filler).expect("it is there");
    file.set_len(file.metadata().expect("its length").len() - ROOM_OCTETS).expect("it can be made shorter");

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
        let ended = runs_full_and_on(&acme, &lines, |look| {
            let send = |made: &Made| acme.http("PUT", &format!("/v1/numbers/{}", made.number), &[], &made.body);
            let refused = spare.iter().map(send).find(|answer| answer.status != 202);
            let refused = refused.expect("a full disk takes no more");
            assert_eq!(refused.status, 503, "{}", refused.json);
            assert!(refused.retry_after.is_some() && refused.text.contains("look-ups go on"), "{}", refused.json);
            is_held_up(&look());
            let before = answers.load(Ordering::Relaxed);
            until("look-ups on a full disk", || answers.load(Ordering::Relaxed) >= before + 3);
            fs::remove_file(&filler).expect("it can be removed");
        });
        assert_eq!((&ended["accepted"], &ended["refused"]), (&json!(ITEMS), &json!(0)), "{ended}");
    });
    let last = Number::parse(&format!("+99955500{:03}", ITEMS - 1)).expect("a number");
    until("the last one is published", || acme.view(last).version == 1);
    assert_eq!(demo.lookup(&last.to_string()).1, 0);
    assert_eq!(demo.stop(), 0);
}

/// Ends the look-ups, also when something fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends the batch, does what is to be done while it runs, and waits for its end.
fn runs_full_and_on(acme: &Kit<'_>, lines: &[String], meanwhile: impl FnOnce(&dyn Fn() -> Value)) -> Value {
    let taken = send(acme, "", "k", lines);
    assert_eq!(taken.status, 202, "{}", taken.json);
    let path = format!("/v1/batches/{}", taken.json["id"].as_str().expect("an id"));
    let look = || acme.demo.http("GET", &path, Some(&acme.token), &[], None).json;
    meanwhile(&look);
    until("the batch ends", || look()["state"] != json!("running"));
    look()
}

/// It waits for room, and tries again each second.
fn is_held_up(held: &Value) {
    assert_eq!(held["state"], json!("running"), "{held}");
    assert!(held["done"].as_u64().is_some_and(|done| done < ITEMS as u64), "{held}");
}

fn until(what: &str, mut there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !there() {
        assert!(began.elapsed() < PATIENCE, "{what}: not in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

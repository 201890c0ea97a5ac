//! A disk that runs full under every kind of command: each is refused in words or taken, reads go on, and with room again the
//! same command is taken without a restart, once. The same with kill -9 while the disk is full, and with a restart on it.
//!
//! A disk of a few MiB is full of the ledger's own write-ahead log, and is not so for ever.
//!
//! The disk is a file system of a test binary of its own ([`child`]), in memory and seen by it and its children alone.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use callbook::authority::{BatchState, NewBatch, Rejection, Submission, Turned};
use callbook::clock::Clock;
use callbook::ledger::{Ledger, LedgerError};
use callbook::log::checkpoint::Checkpoint;
use callbook::log::merkle::{self, Frontier};

use crate::ledger::crash_mixed::{Crash, patiently};
use crate::ledger::desk::{Desk, START_MS, let_go, number};
use crate::ledger::kinds::{self, Heard, LATER_MS, POOL, STRIDE, Town};
use crate::ledger::staff::{House, gov_log};
use crate::peers;

const DISK: &str = "CALLBOOK_TEST_DISK";
/// Room for the directories of one test with some to spare.
const DISK_MIB: u32 = 96;
/// Less than the 32 MiB that the write-ahead log may have before it is moved into the file.
const SMALL_MIB: u32 = 16;
/// Changes that are sent until one is refused: the ledger's files may have room inside when the disk has none.
const SPARE: u64 = 60;
/// Items of the batch that is under way when the disk runs full.
const ITEMS: u64 = 200;
/// The numbers of the batch and of the spare changes: nobody else's.
const OF_BATCH: u64 = 7_000_000;
const OF_SPARE: u64 = 8_000_000;
/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a child may take for everything.
const CHILD_MAX: Duration = Duration::from_secs(400);

/// Runs one of the walks below on a disk of its own.
fn on_a_small_disk(walk: &str, mib: u32) {
    let home = tempfile::tempdir().unwrap();
    let disk = home.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mount = format!("mount -t tmpfs -o size={mib}m,mode=700 disk \"$0\" && exec \"$@\"");
    let namespaces = [&["--mount"][..], &["--mount", "--user", "--map-root-user"]];
    let command = |namespaces: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(namespaces).args(["sh", "-c", &mount]).arg(&disk);
        command
    };
    let allowed = namespaces
        .into_iter()
        .find(|names| command(names).arg("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success()));
    let Some(allowed) = allowed else {
        return peers::not_here("no file system of one's own can be mounted here (unshare)");
    };
    let mut child = command(allowed)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "ledger::full_disk::child", "--nocapture", "--test-threads=1"])
        .env(DISK, walk)
        .env("TMPDIR", &disk)
        .spawn()
        .unwrap();
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > CHILD_MAX {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{walk}: it does not end");
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(status.success(), "{walk}: see above");
}

/// What is run on the small disk. Does nothing when it is run as a test among others.
#[test]
fn child() {
    match std::env::var(DISK).as_deref() {
        Ok("refused") => every_kind_refused_and_taken(),
        Ok("killed") => killed_while_it_is_full(),
        Ok("log") => the_log_gives_its_room_back(),
        Ok(other) => panic!("{other}?"),
        Err(_) => {}
    }
}

#[test]
fn every_kind_of_command_is_refused_in_words_and_taken_once_there_is_room() {
    on_a_small_disk("refused", DISK_MIB);
}

#[test]
fn killed_while_the_disk_is_full_nothing_acknowledged_is_lost_or_done_twice() {
    on_a_small_disk("killed", DISK_MIB);
}

#[test]
fn a_disk_smaller_than_the_write_ahead_log_is_not_full_for_ever() {
    on_a_small_disk("log", SMALL_MIB);
}

/// A small ledger that is changed again and again: what fills the disk lies twice, and one refusal gives it back.
fn the_log_gives_its_room_back() {
    let dir = std::env::temp_dir();
    let first = Ledger::create(&dir).unwrap();
    let write = |tx: &callbook::ledger::Transaction<'_>| tx.set_meta("large", &vec![0; 200 << 10]);
    first.write::<_, LedgerError, _>(write).wait_blocking().unwrap();
    drop(first); // its log is moved into the file, which needs to grow no more
    let ledger = Ledger::open(&dir).unwrap();
    let mut refused = 0;
    for i in 0..200_u8 {
        let write =
            || ledger.write::<_, LedgerError, _>(move |tx| tx.set_meta("large", &vec![i; 200 << 10])).wait_blocking();
        if let Err(error) = write() {
            assert!(matches!(error, LedgerError::Unavailable(_)), "{error}");
            refused += 1;
            write().expect("the log was emptied, and there is room");
        }
        let kept = ledger.read::<_, LedgerError>(|now| now.meta("large")).unwrap();
        assert_eq!(kept.map(|value| (value.len(), value[0])), Some((200 << 10, i)));
    }
    assert!(refused > 0, "the disk was never full");
}

/// A file that takes all the room there is, again and again until it is removed.
struct Filler(PathBuf);

impl Filler {
    fn new() -> Self {
        Self(std::env::temp_dir().join("filler"))
    }

    /// Takes the last octet.
    fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(&self.0).unwrap();
        let mut piece = 1 << 20;
        while piece > 0 {
            match file.write(&vec![0x55; piece]) {
                Ok(octets) if octets > 0 => {}
                _ => piece /= 2,
            }
        }
    }

    fn gone(&self) {
        fs::remove_file(&self.0).unwrap();
    }
}

fn until(what: &str, mut there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !there() {
        assert!(began.elapsed() < PATIENCE, "{what}: not in time");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_refused<T>(answer: &Result<T, Rejection>) -> bool {
    match answer {
        Err(Rejection::Unavailable { retry_after_s, why }) => {
            assert!(*retry_after_s > 0 && !why.contains('/'), "{why}");
            true
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => false,
    }
}

/// A house with everything a walk needs, opened again when the waits of its pool are over.
fn town_folder() -> House {
    let mut house = House::new();
    kinds::founded(&house);
    let elsewhere = tempfile::tempdir().unwrap();
    house.desk = Desk::new(elsewhere.path());
    let_go(house.dir.path());
    house
}

fn every_kind_refused_and_taken() {
    let (house, filler) = (town_folder(), Filler::new());
    let dir = house.dir.path();
    let desk = Desk::open(dir, START_MS + LATER_MS).unwrap();
    let town = Town::new(&desk);
    let running = desk.authority.start(desk.board.clone()).unwrap();
    let kinds = kinds::all();
    let mut heard = Vec::new();
    for round in 0..2 {
        let number_of = |i: usize| 100 + (round * kinds.len() as u64 + i as u64) * STRIDE;
        let ready: Vec<_> =
            kinds.iter().enumerate().map(|(i, what)| town.ready(what, number_of(i), POOL - 1 - round)).collect();
        let spare: Vec<Submission> = (0..SPARE)
            .map(|i| desk.registration(OF_SPARE + round * SPARE + i, &format!("spare {round} {i}")))
            .collect();
        let items: Vec<u64> = (0..ITEMS).map(|i| OF_BATCH + round * ITEMS + i).collect();
        let batch = NewBatch {
            items: items.iter().map(|n| Ok(desk.registration(*n, &format!("of the batch {n}")))).collect(),
            dry_run: false,
            request: [round as u8; 32],
            key: None,
        };
        let batch = desk.authority.take_batch(&desk.actor, batch).unwrap().id;
        filler.fill();
        let stored = spare.iter().take_while(|spare| !is_refused(&desk.submit(spare))).count();
        assert!(stored < spare.len(), "the disk was never full");
        // Whatever the ledger has room for inside is taken; whatever is refused is not there, and comes again.
        let answers: Vec<_> = ready.iter().map(|command| command()).collect();
        let refused = answers.iter().filter(|answer| is_refused(answer)).count();
        assert!(refused * 2 > kinds.len(), "{refused} of {} were refused: the disk was hardly full", kinds.len());
        let (shown, known) = (desk.board.len(), desk.authority.count_numbers().unwrap());
        assert!(shown > 0 && known >= shown as u64, "reads go on");
        assert!(desk.authority.read(&desk.actor, number(kinds::its_number("released", 0, 0))).is_ok());
        filler.gone();
        for ((command, answer), (i, what)) in ready.iter().zip(answers).zip(kinds.iter().enumerate()) {
            let of = answer.unwrap_or_else(|_| patiently(&**command));
            heard.push(Heard { what: what.clone(), n: kinds::its_number(what, number_of(i), POOL - 1 - round), of });
        }
        let of = patiently(&|| Ok(desk.submit(&spare[stored])?.version.to_string()));
        heard.push(Heard { what: "number".into(), n: OF_SPARE + round * SPARE + stored as u64, of });
        let ended = || desk.authority.batch(&desk.actor, &batch).unwrap().unwrap();
        until("the batch ends", || ended().state != BatchState::Running);
        assert_eq!((ended().state, ended().done, ended().refused), (BatchState::Done, ITEMS, 0));
        let taken = items.into_iter().chain((0..stored as u64).map(|i| OF_SPARE + round * SPARE + i));
        heard.extend(taken.map(|n| Heard { what: "number".into(), n, of: "1".into() }));
        all_published(&desk);
        let log = gov_log(&house);
        heard.iter().for_each(|heard| kinds::happened(&desk, &log, heard, true));
        assert_eq!(desk.authority.vitals().trouble, None);
    }
    let now_ms = desk.clock.now_ms();
    drop((town, running));
    drop(desk);
    let_go(dir);
    log_is_whole(dir);
    // A start on a full disk succeeds or says why not, and hurts nothing.
    filler.fill();
    if let Err(why) = Desk::open(dir, now_ms + 1000) {
        assert!(why.to_string().contains("space"), "{why}");
    }
    filler.gone();
    let_go(dir);
    let desk = Desk::open(dir, now_ms + 2000).unwrap();
    while desk.authority.turn().unwrap() != Turned::Idle {}
    let log = gov_log(&house);
    heard.iter().for_each(|heard| kinds::happened(&desk, &log, heard, true));
}

fn all_published(desk: &Desk) {
    until("everything is published", || {
        let ledger = desk.authority.settings().data.join("ledger.sqlite");
        let file = rusqlite::Connection::open(ledger).unwrap();
        let waiting =
            "SELECT (SELECT max(seq) FROM events) = (SELECT max(last_seq) FROM epochs WHERE note IS NOT NULL)";
        file.query_row(waiting, [], |row| row.get::<_, bool>(0)).unwrap()
    });
}

/// Every head that the log signed is that of its leaves, times rise, and no event stands there twice.
fn log_is_whole(dir: &Path) {
    let ledger = Ledger::open(&dir.join("data")).unwrap();
    let epochs = ledger.read::<_, LedgerError>(|now| now.epochs_from(0, 100_000)).unwrap();
    let mut log = Frontier::new();
    for epoch in &epochs {
        log.append(merkle::leaf_hash(&epoch.leaf));
        let text = epoch.note.as_ref().expect("signed").rsplit_once("\n\n").unwrap().0.to_owned() + "\n";
        let checkpoint = Checkpoint::parse(&text).unwrap();
        assert_eq!((checkpoint.size, checkpoint.root), (epoch.n + 1, log.root()), "epoch {}", epoch.n);
    }
    assert!(epochs.is_sorted_by(|a, b| a.time_ms < b.time_ms), "time rises");
}

/// Children that are killed while the disk fills and empties under them, some of them while it is full.
fn killed_while_it_is_full() {
    let (_elsewhere, mut crash) = Crash::new();
    let filler = Filler::new();
    for count in [3, 8, 2, 6, 4] {
        let child = crash.child(None);
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (filler, over) = (&filler, &over);
            // Mostly full, and for a moment now and then not, so that something goes on.
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    filler.fill();
                    std::thread::sleep(Duration::from_millis(30));
                    filler.gone();
                    std::thread::sleep(Duration::from_millis(60));
                }
            });
            crash.kill_when(child, |heard| heard >= count);
            over.store(true, Ordering::Relaxed);
        });
        let_go(crash.house.dir.path());
        crash.check();
    }
    assert!(crash.heard.len() >= 23, "{}", crash.heard.len());
    log_is_whole(crash.house.dir.path());
}

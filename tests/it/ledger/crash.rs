//! kill -9 at random moments and at every step of an epoch: what was acknowledged is served after the restart, the log
//! goes on from what it said before, and nothing half-done is shown.
//!
//! The process that is killed is this test binary again, asked for [`child`] alone.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use callbook::authority::{Step, Turned, Visibility};
use callbook::ledger::{Ledger, LedgerError};
use callbook::log::Hash;
use callbook::log::checkpoint::Checkpoint;
use callbook::log::merkle;
use callbook::signer::Memory;

use crate::ledger::desk::{Desk, START_MS, let_go, number};

const DIR: &str = "CALLBOOK_TEST_CRASH_DIR";
const FIRST: &str = "CALLBOOK_TEST_CRASH_FIRST";
const STEP: &str = "CALLBOOK_TEST_CRASH_STEP";
const STEPS: [Step; 6] =
    [Step::BeforeSeal, Step::AfterSeal, Step::BeforeSigner, Step::BeforeSign, Step::AfterSign, Step::AfterPublish];
/// Registrations that one child makes at most, if nobody kills it.
const CHILD_MAX: u64 = 500;

/// Registers numbers and says so, until it is killed. Does nothing when it is run as a test among others.
#[test]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let desk = Desk::open(Path::new(&dir), START_MS + first * 1000).unwrap();
    if let Ok(step) = std::env::var(STEP) {
        let step = STEPS[step.parse::<usize>().unwrap()];
        desk.authority.interrupt(move |reached| if reached == step { std::process::abort() } else { Ok(()) });
    }
    let _running = desk.authority.start(desk.board.clone()).unwrap();
    for n in first..first + CHILD_MAX {
        desk.submit(&desk.registration(n, &format!("jti {n}"))).unwrap();
        println!("\nacknowledged {n}");
    }
}

struct Crash {
    dir: tempfile::TempDir,
    acknowledged: Vec<u64>,
    next: u64,
    seen: Vec<(u64, Hash)>,
    notes: BTreeMap<u64, String>,
}

impl Crash {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        drop(Desk::new(dir.path()));
        let_go(dir.path());
        Self { dir, acknowledged: Vec::new(), next: 1, seen: Vec::new(), notes: BTreeMap::new() }
    }

    fn spawn(&self, step: Option<usize>) -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "ledger::crash::child", "--nocapture", "--test-threads=1"]);
        command.env(DIR, self.dir.path()).env(FIRST, self.next.to_string());
        if let Some(step) = step {
            command.env(STEP, step.to_string());
        }
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Lets a child work until it has acknowledged `count` changes, kills it, and takes note of what it still said.
    fn kill_after(&mut self, count: usize, step: Option<usize>) {
        let mut child = self.spawn(step);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut heard = Vec::new();
        let number = |line: String| line.strip_prefix("acknowledged ").map(|n| n.parse::<u64>().unwrap());
        while heard.len() < count
            && let Some(line) = lines.next()
        {
            heard.extend(number(line));
        }
        child.kill().unwrap();
        heard.extend(lines.filter_map(number));
        child.wait().unwrap();
        self.next = heard.iter().max().map_or(self.next, |n| *n) + 2; // one more may have landed unheard
        self.acknowledged.extend(heard);
    }

    /// Opens what the child left, and compares it with what was heard.
    fn check(&mut self) {
        let desk = Desk::open(self.dir.path(), START_MS + self.next * 1000).unwrap();
        while desk.authority.turn().unwrap() != Turned::Idle {}
        for n in &self.acknowledged {
            let view = desk.authority.read(&desk.actor, number(*n)).unwrap().expect("acknowledged and lost");
            let Visibility::Published { state_hash: Some(hash), .. } = view.newest.visibility else {
                panic!("{view:?}")
            };
            let shown = desk.board.shows(number(*n)).expect("published and not shown");
            assert_eq!(hash[..16], shown.state_hash);
        }
        assert_eq!(desk.board.len() as u64, desk.authority.count_numbers().unwrap(), "shown and known are the same");
        drop(desk);
        let_go(self.dir.path());
        self.check_log();
    }

    /// Every root that the log ever signed is still the root of its first leaves.
    fn check_log(&mut self) {
        let ledger = Ledger::open(&self.dir.path().join("data")).unwrap();
        let epochs = ledger.read::<_, LedgerError>(|now| now.epochs_from(0, 100_000)).unwrap();
        let leaves: Vec<Hash> = epochs.iter().map(|epoch| merkle::leaf_hash(&epoch.leaf)).collect();
        let note = epochs.last().and_then(|epoch| epoch.note.clone()).unwrap();
        let text = note.rsplit_once("\n\n").unwrap().0.to_owned() + "\n";
        let checkpoint = Checkpoint::parse(&text).unwrap();
        assert_eq!(checkpoint.size, leaves.len() as u64);
        self.seen.push((checkpoint.size, checkpoint.root));
        for (size, root) in &self.seen {
            assert_eq!(merkle::root(&leaves[..*size as usize]), *root, "the log at size {size} has changed");
        }
        for epoch in &epochs {
            let note = epoch.note.clone().expect("signed by the next process");
            let first = self.notes.entry(epoch.n).or_insert_with(|| note.clone());
            assert_eq!(*first, note, "epoch {} was signed in two ways", epoch.n);
        }
        // What the signer remembers is never behind what was given out.
        let remembered = Memory::peek(&self.dir.path().join("keys/log.state"), &checkpoint.origin).unwrap();
        assert_eq!((remembered.size, remembered.root), (checkpoint.size, checkpoint.root));
        assert!(epochs.is_sorted_by(|a, b| a.time_ms < b.time_ms), "time rises");
    }
}

#[test]
fn killed_at_random_moments_nothing_acknowledged_is_lost() {
    let mut crash = Crash::new();
    // How much each child may say before it is killed: some die in their first epoch, some in the midst of work.
    for count in [1, 2, 3, 5, 8, 13, 4, 21] {
        crash.kill_after(count, None);
        crash.check();
    }
    assert!(crash.acknowledged.len() >= 57, "{}", crash.acknowledged.len());
}

#[test]
fn stopped_at_every_step_of_an_epoch_the_next_process_goes_on() {
    let mut crash = Crash::new();
    for step in 0..STEPS.len() {
        crash.kill_after(usize::MAX, Some(step));
        crash.check();
    }
}

//! kill -9 in the midst of everything at once: a batch and one kind of command after the other, until every kind there is
//! was acknowledged by somebody. What was acknowledged is there after the restart, once.
//!
//! The process that is killed is this test binary again, asked for [`child`] alone.

use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use callbook::authority::{Rejection, Step, Turned};
use callbook::ledger::{Ledger, LedgerError};

use crate::ledger::desk::{Desk, START_MS, let_go};
use crate::ledger::kinds::{self, Heard, LATER_MS, POOL, STRIDE, Town};
use crate::ledger::staff::{House, gov_log};

const DIR: &str = "CALLBOOK_TEST_MIXED_DIR";
const FIRST: &str = "CALLBOOK_TEST_MIXED_FIRST";
const TURN: &str = "CALLBOOK_TEST_MIXED_TURN";
const POOLED: &str = "CALLBOOK_TEST_MIXED_POOL";
const STEP: &str = "CALLBOOK_TEST_MIXED_STEP";
const STEPS: [Step; 6] =
    [Step::BeforeSeal, Step::AfterSeal, Step::BeforeSigner, Step::BeforeSign, Step::AfterSign, Step::AfterPublish];
/// Commands of one child at most, if nobody kills it: once around.
const COMMANDS_MAX: usize = 60;
/// Numbers of one child: also what it did unheard is behind the next one's.
const CHILD_NUMBERS: u64 = 2000;
/// How often a command may be refused by a full disk before that is a mistake.
const REFUSED_MAX: u32 = 3000;

/// Works until it is killed, and says what was acknowledged. Does nothing when it is run as a test among others.
#[test]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let asked = |name: &str| std::env::var(name).unwrap().parse::<u64>().unwrap();
    let (first, turn, pool) = (asked(FIRST), asked(TURN) as usize, asked(POOLED));
    let open = || Desk::open(Path::new(&dir), START_MS + LATER_MS + first * 1000);
    let desk = (0..REFUSED_MAX).find_map(|_| open().ok()).expect("it opens");
    let town = Town::new(&desk);
    if let Ok(step) = std::env::var(STEP) {
        let step = STEPS[step.parse::<usize>().unwrap()];
        desk.authority.interrupt(move |reached| if reached == step { std::process::abort() } else { Ok(()) });
    }
    let _running = desk.authority.start(desk.board.clone()).unwrap();
    let kinds = kinds::all();
    let mut numbers = (first..).step_by(STRIDE as usize);
    for i in 0..COMMANDS_MAX.min(kinds.len()) {
        let what = &kinds[(turn + i) % kinds.len()];
        // On a full disk what a command needs beforehand fails as well: then with other numbers, from the beginning.
        let (n, command) = (0..REFUSED_MAX)
            .find_map(|_| {
                let n = numbers.next()?;
                let ready = catch_unwind(AssertUnwindSafe(|| town.ready(what, n, pool)));
                Some((n, ready.ok()?))
            })
            .expect("it can be made ready");
        let of = patiently(&*command);
        println!("\nacknowledged {what} {} {of}", kinds::its_number(what, n, pool));
    }
}

/// Gives a command until it is taken, as a client does that is told to come again.
pub(super) fn patiently(command: &dyn Fn() -> Result<String, Rejection>) -> String {
    for _ in 0..REFUSED_MAX {
        match command() {
            Err(Rejection::Unavailable { .. }) => std::thread::sleep(std::time::Duration::from_millis(10)),
            answer => return answer.unwrap(),
        }
    }
    panic!("it is never taken")
}

pub(super) struct Crash {
    pub(super) house: House,
    pub(super) heard: Vec<Heard>,
    next: u64,
    children: u64,
}

impl Crash {
    /// A directory with people, two providers, and requests whose waits are over when the children come; closed.
    pub(super) fn new() -> (tempfile::TempDir, Self) {
        let mut house = House::new();
        kinds::founded(&house);
        // The house stays for its folder and its gov log; its authority moves to one that nobody opens again.
        let elsewhere = tempfile::tempdir().unwrap();
        house.desk = Desk::new(elsewhere.path());
        let_go(house.dir.path());
        (elsewhere, Self { house, heard: Vec::new(), next: 100, children: 0 })
    }

    /// Begins a child that goes on with the kinds where the one before it ended.
    pub(super) fn child(&mut self, step: Option<usize>) -> Child {
        assert!(self.children < POOL, "the pool is used up");
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "ledger::crash_mixed::child", "--nocapture", "--test-threads=1"]);
        command.env(DIR, self.house.dir.path()).env(FIRST, self.next.to_string());
        command.env(TURN, self.heard.len().to_string()).env(POOLED, self.children.to_string());
        command.envs(step.map(|step| (STEP, step.to_string())));
        self.children += 1;
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Lets a child work until it has acknowledged `count` things, kills it, and takes note of what it still said.
    pub(super) fn kill_after(&mut self, count: usize, step: Option<usize>) {
        let child = self.child(step);
        self.kill_when(child, |heard| heard >= count);
    }

    /// The same when `enough` says so; it is asked before each line that is read.
    pub(super) fn kill_when(&mut self, mut child: Child, mut enough: impl FnMut(usize) -> bool) {
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut heard = Vec::new();
        let read = |line: String| {
            let mut words = line.strip_prefix("acknowledged ")?.splitn(3, ' ');
            let (what, n, of) = (words.next()?.to_owned(), words.next()?.parse().ok()?, words.next()?.to_owned());
            Some(Heard { what, n, of })
        };
        while !enough(heard.len())
            && let Some(line) = lines.next()
        {
            heard.extend(read(line));
        }
        child.kill().unwrap();
        heard.extend(lines.filter_map(read));
        child.wait().unwrap();
        self.next += CHILD_NUMBERS;
        self.heard.extend(heard);
    }

    /// Opens what the child left, and compares it with what was heard.
    pub(super) fn check(&self) {
        let desk = Desk::open(self.house.dir.path(), START_MS + LATER_MS + self.next * 1000).unwrap();
        while desk.authority.turn().unwrap() != Turned::Idle {}
        let log = gov_log(&self.house);
        self.heard.iter().for_each(|heard| kinds::happened(&desk, &log, heard, false));
        let known = desk.authority.count_numbers().unwrap();
        drop(desk);
        let_go(self.house.dir.path());
        let ledger = Ledger::open(&self.house.dir.path().join("data")).unwrap();
        let held = ledger.read::<_, LedgerError>(|now| Ok(now.holdings("acme")? + now.holdings("bell")?)).unwrap();
        assert_eq!(held, known, "each number is in one provider's account, once");
    }
}

#[test]
fn killed_in_the_midst_of_everything_nothing_acknowledged_is_lost_or_done_twice() {
    let (_elsewhere, mut crash) = Crash::new();
    // How much each child may say before it is killed; together more than there are kinds.
    for count in [1, 13, 2, 9, 24, 5, 14] {
        crash.kill_after(count, None);
        crash.check();
    }
    for kind in kinds::all() {
        assert!(crash.heard.iter().any(|heard| heard.what == kind), "{kind} was never acknowledged");
    }
}

#[test]
fn stopped_at_every_step_of_an_epoch_everything_else_goes_on() {
    let (_elsewhere, mut crash) = Crash::new();
    for step in 0..STEPS.len() {
        crash.kill_after(usize::MAX, Some(step));
        crash.check();
    }
}

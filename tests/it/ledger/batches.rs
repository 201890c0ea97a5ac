//! Batches: judged item by item, never twice, never forgotten, whatever ends the process.
//!
//! The process that is killed is this test binary again, asked for [`child`] alone.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use callbook::api::ProblemError;
use callbook::authority::{
    Actor, BatchItem, BatchState, BatchView, ItemOutcome, NewBatch, Party, Rejection, Submission, Turned,
};

use crate::ledger::desk::{Desk, START_MS, number};

const DIR: &str = "CALLBOOK_TEST_BATCH_DIR";
const STOP_AT: &str = "CALLBOOK_TEST_BATCH_STOP_AT";
/// Items of the batch in which the process is killed: some commits' worth.
const ITEMS: u64 = 700;
/// Far more than any of these batches takes.
const PATIENCE: Duration = Duration::from_secs(120);

fn desk() -> (tempfile::TempDir, Desk) {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    (dir, desk)
}

fn new(items: Vec<BatchItem>, key: Option<&str>, dry_run: bool) -> NewBatch {
    NewBatch { items, dry_run, request: [u8::from(dry_run); 32], key: key.map(str::to_owned) }
}

/// Looks again and again until nobody works on it.
fn ended(desk: &Desk, id: &str) -> BatchView {
    for _ in 0..PATIENCE.as_millis() / 5 {
        let view = desk.authority.batch(&desk.actor, id).unwrap().unwrap();
        if view.state != BatchState::Running {
            return view;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the batch does not end");
}

/// What became of each item: `accepted`, `would`, or the code of its first mistake.
fn outcomes(desk: &Desk, id: &str) -> Vec<String> {
    let outcomes = desk.authority.batch_outcomes(&desk.actor, id, 0, 10_000).unwrap().unwrap();
    assert!(outcomes.iter().map(|(item, _)| *item).eq(0..outcomes.len() as u64), "every item once, in order");
    let name = |outcome: ItemOutcome| match outcome {
        ItemOutcome::Accepted(_) => "accepted".to_owned(),
        ItemOutcome::Would(version) => format!("would {version}"),
        ItemOutcome::Malformed(mistakes) => mistakes[0].code.clone(),
        ItemOutcome::Refused(Rejection::Refused(refusals)) => refusals[0].code.to_owned(),
        ItemOutcome::Refused(other) => format!("{other:?}"),
    };
    outcomes.into_iter().map(|(_, outcome)| name(outcome)).collect()
}

fn mixed(desk: &Desk) -> Vec<BatchItem> {
    let foreign = Submission { number: number(50), ..desk.registration(4, "for another") };
    vec![
        Ok(desk.registration(1, "one")),
        Ok(desk.registration(2, "two")),
        Err(vec![ProblemError::form("/event", "required", "it is missing")]),
        Ok(desk.registration(2, "two again")),
        Ok(desk.update(9, "sip:new@acme.example")),
        Ok(foreign),
    ]
}

#[test]
fn each_item_is_judged_as_if_it_came_alone() {
    let (_dir, desk) = desk();
    desk.register(9);
    desk.clock.advance(1000);
    let items = mixed(&desk);
    let dry = desk.authority.take_batch(&desk.actor, new(items.clone(), None, true)).unwrap();
    let dry = ended(&desk, &dry.id);
    assert_eq!((dry.state, dry.done, dry.refused), (BatchState::Done, 6, 2));
    // Each by itself: that two want the same number is found out when they are done.
    assert_eq!(outcomes(&desk, &dry.id), ["would 1", "would 1", "required", "would 1", "would 2", "label"]);
    assert_eq!(desk.authority.count_numbers().unwrap(), 1, "nothing was stored");

    let taken = desk.authority.take_batch(&desk.actor, new(items, Some("k"), false)).unwrap();
    let done = ended(&desk, &taken.id);
    assert_eq!((done.state, done.items, done.done, done.refused), (BatchState::Done, 6, 6, 3));
    let want = ["accepted", "accepted", "required", "event_pending", "accepted", "label"];
    assert_eq!(outcomes(&desk, &taken.id), want);
    desk.authority.turn().unwrap();
    assert_eq!(desk.authority.count_numbers().unwrap(), 3);
    let again = desk.authority.take_batch(&desk.actor, new(mixed(&desk), Some("k"), false)).unwrap();
    assert_eq!(again, done, "the same again: the first answer");
    let reused = desk.authority.take_batch(&desk.actor, new(vec![], Some("k"), true));
    assert!(matches!(reused, Err(Rejection::IdempotencyReused)), "{reused:?}");
}

#[test]
fn a_batch_is_its_providers_own() {
    let (_dir, desk) = desk();
    let other = Actor { party: Party::Provider("zeta".into()), ..desk.actor.clone() };
    let taken = desk.authority.take_batch(&desk.actor, new(mixed_small(&desk), None, true)).unwrap();
    ended(&desk, &taken.id);
    for id in [taken.id.as_str(), "no-such-batch"] {
        assert_eq!(desk.authority.batch(&other, id).unwrap(), None);
        assert!(desk.authority.batch_outcomes(&other, id, 0, 10).unwrap().is_none());
    }
    assert!(desk.authority.batch(&Actor::operator(), &taken.id).unwrap().is_some());
    let operators = desk.authority.take_batch(&Actor::operator(), new(vec![], None, false));
    assert!(matches!(operators, Err(Rejection::Forbidden(_))), "{operators:?}");
}

fn mixed_small(desk: &Desk) -> Vec<BatchItem> {
    vec![Ok(desk.registration(1, "small"))]
}

#[test]
fn too_many_at_a_time_are_told_to_wait() {
    let (_dir, desk) = desk();
    let items: Vec<BatchItem> = (10..20).map(|n| Ok(desk.registration(n, &format!("many {n}")))).collect();
    let long: Vec<BatchItem> = items.iter().cycle().take(1000).cloned().collect();
    let many: Vec<_> = (0..8).map(|_| desk.authority.take_batch(&desk.actor, new(long.clone(), None, true))).collect();
    let told = many.iter().filter(|taken| matches!(taken, Err(Rejection::TooMany { retry_after_s: 1.., .. }))).count();
    assert!(told >= 5, "two run at a time: {told}");
    for taken in many.iter().flatten() {
        assert_eq!(ended(&desk, &taken.id).state, BatchState::Done);
    }
}

/// Sends the batch and says how far it is, until it is killed. Does nothing when it is run as a test among others.
#[test]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let stop_at: u64 = std::env::var(STOP_AT).unwrap().parse().unwrap();
    let desk = Desk::open(Path::new(&dir), START_MS + 1000).unwrap();
    let _running = desk.authority.start(desk.board.clone()).unwrap();
    let taken = desk.authority.take_batch(&desk.actor, new(registrations(&desk, 0), Some("the batch"), false)).unwrap();
    println!("\ntaken {}", taken.id);
    loop {
        let view = desk.authority.batch(&desk.actor, &taken.id).unwrap().unwrap();
        if view.done >= stop_at {
            println!("\nreached {}", view.done);
            std::thread::sleep(PATIENCE); // it is killed here
        }
        std::thread::yield_now();
    }
}

fn registrations(desk: &Desk, run: u64) -> Vec<BatchItem> {
    (1..=ITEMS).map(|n| Ok(desk.registration(n, &format!("run {run} item {n}")))).collect()
}

#[test]
fn killed_in_the_middle_nothing_is_done_twice_and_nothing_forgotten() {
    for (run, stop_at) in [(1, 1), (2, 300)] {
        let dir = tempfile::tempdir().unwrap();
        drop(Desk::new(dir.path()));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "ledger::batches::child", "--nocapture", "--test-threads=1"])
            .env(DIR, dir.path())
            .env(STOP_AT, stop_at.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut id = String::new();
        for line in lines {
            if let Some(taken) = line.strip_prefix("taken ") {
                id = taken.to_owned();
            }
            if line.starts_with("reached ") {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let desk = Desk::open(dir.path(), START_MS + 10_000).unwrap();
        let left = desk.authority.batch(&desk.actor, &id).unwrap().expect("acknowledged and lost");
        assert!(left.done >= stop_at && left.items == ITEMS, "{left:?}");
        assert_eq!(left.done == ITEMS, left.state == BatchState::Done, "{left:?}");
        while desk.authority.turn().unwrap() != Turned::Idle {}
        assert_eq!(desk.authority.count_numbers().unwrap(), left.done, "each result has its registration");
        // Other events for the same numbers: what is done already is not looked at again.
        let again =
            desk.authority.take_batch(&desk.actor, new(registrations(&desk, run), Some("the batch"), false)).unwrap();
        assert_eq!(again.id, id);
        let done = ended(&desk, &id);
        assert_eq!((done.state, done.done, done.refused), (BatchState::Done, ITEMS, 0), "{done:?}");
        while desk.authority.turn().unwrap() != Turned::Idle {}
        assert_eq!(desk.authority.count_numbers().unwrap(), ITEMS);
    }
}

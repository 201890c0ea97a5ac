//! kill -9 in the midst of everything at once: registrations, changes, transfers, requests, batches, acts of two people and
//! tokens. What was acknowledged is there after the restart, once.
//!
//! The process that is killed is this test binary again, asked for [`child`] alone.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use callbook::authority::{
    Actor, Authority, BatchState, ItemOutcome, NewBatch, NewToken, NumberView, Party, Step, Subject, Turned,
    Visibility, Wish,
};
use callbook::client::holder::Change;
use callbook::ledger::{Ledger, LedgerError};
use callbook::log::event::Door;
use callbook::log::staff::token_proof;
use callbook::registry::acts::ActKind;
use callbook::registry::code::TransferCode;
use tokio::runtime::Runtime;

use crate::ledger::bulk;
use crate::ledger::desk::{Desk, START_MS, acme, address, device, let_go, number};
use crate::ledger::staff::{House, gov_log, key_of};

const DIR: &str = "CALLBOOK_TEST_MIXED_DIR";
const FIRST: &str = "CALLBOOK_TEST_MIXED_FIRST";
const STEP: &str = "CALLBOOK_TEST_MIXED_STEP";
const STEPS: [Step; 6] =
    [Step::BeforeSeal, Step::AfterSeal, Step::BeforeSigner, Step::BeforeSign, Step::AfterSign, Step::AfterPublish];
/// Rounds of one child at most, if nobody kills it.
const ROUNDS_MAX: u64 = 200;
/// Numbers of one round: one by itself, the others in a batch.
const ROUND: u64 = 10;
/// Items of a batch.
const ITEMS: u64 = 5;
/// Far more than an epoch takes.
const PUBLISHED_WAIT_MS: u64 = 20_000;

/// Works until it is killed, and says what was acknowledged. Does nothing when it is run as a test among others.
#[test]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let desk = Desk::open(Path::new(&dir), START_MS + first * 1000).unwrap();
    let people = ["admin", "ben"].map(|id| login(&desk.authority, desk.now_s(), id));
    if let Ok(step) = std::env::var(STEP) {
        let step = STEPS[step.parse::<usize>().unwrap()];
        desk.authority.interrupt(move |reached| if reached == step { std::process::abort() } else { Ok(()) });
    }
    let _running = desk.authority.start(desk.board.clone()).unwrap();
    let work = Work { desk: &desk, bell: bell(&desk), people, runtime: Runtime::new().unwrap() };
    for round in 0..ROUNDS_MAX {
        work.round(first + round * ROUND, round);
    }
}

fn bell(desk: &Desk) -> Actor {
    Actor { party: Party::Provider("bell".into()), ..desk.actor.clone() }
}

fn login(authority: &Authority, at_s: u64, id: &str) -> Actor {
    let signature = key_of(id).sign(&token_proof(authority.origin(), id, at_s));
    let issued = authority.staff_token(id, at_s, &signature, None).unwrap();
    authority.authenticate(&issued.token).unwrap()
}

fn say(what: &str, of: impl std::fmt::Display) {
    println!("\nacknowledged {what} {of}");
}

struct Work<'a> {
    desk: &'a Desk,
    bell: Actor,
    people: [Actor; 2],
    runtime: Runtime,
}

impl Work<'_> {
    /// Registers the number `n`, begins a batch behind it, and does with the number what is this round's turn.
    fn round(&self, n: u64, round: u64) {
        let (desk, authority) = (self.desk, &self.desk.authority);
        let made = desk.submit(&desk.registration(n, &format!("jti {n}"))).unwrap();
        say("number", n);
        let items = (1..=ITEMS).map(|i| Ok(desk.registration(n + i, &format!("item {n} {i}")))).collect();
        let batch = NewBatch { items, dry_run: false, request: [n as u8; 32], key: None };
        say("batch", authority.take_batch(&desk.actor, batch).unwrap().id);
        let wait = authority.wait_published(&desk.actor, &made.event_hash, PUBLISHED_WAIT_MS);
        self.runtime.block_on(wait).unwrap();
        match round % 5 {
            0 => {
                desk.submit(&desk.update(n, &format!("sip:changed-{n}@acme.example"))).unwrap();
                say("changed", n);
            }
            1 => {
                let moved = bulk::step(desk, &self.bell, n, &device(n), None);
                authority.submit_blocking(&self.bell, &moved, None).unwrap();
                say("moved", n);
            }
            2 => {
                let code = authority.transfer_code(&desk.actor, number(n)).unwrap();
                let mut asked = bulk::step(desk, &self.bell, n, &device(n + 1_000_000), Some(Door::Code));
                asked.code = TransferCode::from_text(code.code.text());
                authority.submit_blocking(&self.bell, &asked, None).unwrap();
                say("asked", n);
            }
            3 => {
                authority.holder_event_blocking(&desk.holder(n, Change::suspend)).unwrap();
                say("suspended", n);
            }
            _ => self.acts(n),
        }
    }

    /// Two people decide about the number, and somebody gets a token.
    fn acts(&self, n: u64) {
        let authority = &self.desk.authority;
        let subject = Subject::Numbers { numbers: vec![number(n)], days: 5 };
        let wish = Wish { kind: ActKind::SuspendNumbers, clause: "11.4".into(), reason: "a test".into(), subject };
        let act = authority.request_act(&self.people[0], wish, None).unwrap();
        say("open", &act.row.id);
        authority.approve_act(&self.people[1], &act.row.id).unwrap();
        say("act", &act.row.id);
        let wish = NewToken {
            provider: Some("bell".into()),
            scopes: Vec::new(),
            test: true,
            expires_in_d: 9,
            certificate: None,
        };
        say("token", authority.add_token(&Actor::operator(), wish).unwrap().token);
    }
}

struct Crash {
    house: House,
    heard: Vec<(String, String)>,
    next: u64,
}

impl Crash {
    /// A directory with two people and two providers, closed.
    fn new() -> (tempfile::TempDir, Self) {
        let mut house = House::new();
        let mut bell = acme();
        bell.id = "bell".into();
        bell.statement_keys = vec![bulk::bell_key().public().clone()];
        bell.validation_keys = vec![bulk::bells_token_key().public().clone()];
        house.desk.authority.add_provider(&Actor::operator(), bell).unwrap();
        while house.desk.authority.turn().unwrap() != Turned::Idle {}
        // The house stays for its folder and its gov log; its authority moves to one that nobody opens again.
        let elsewhere = tempfile::tempdir().unwrap();
        house.desk = Desk::new(elsewhere.path());
        let_go(house.dir.path());
        (elsewhere, Self { house, heard: Vec::new(), next: 100 })
    }

    /// Lets a child work until it has acknowledged `count` things, kills it, and takes note of what it still said.
    fn kill_after(&mut self, count: usize, step: Option<usize>) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "ledger::crash_mixed::child", "--nocapture", "--test-threads=1"]);
        command.env(DIR, self.house.dir.path()).env(FIRST, self.next.to_string());
        command.envs(step.map(|step| (STEP, step.to_string())));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut heard = Vec::new();
        let read = |line: String| {
            let (what, of) = line.strip_prefix("acknowledged ")?.split_once(' ')?;
            Some((what.to_owned(), of.to_owned()))
        };
        while heard.len() < count
            && let Some(line) = lines.next()
        {
            heard.extend(read(line));
        }
        child.kill().unwrap();
        heard.extend(lines.filter_map(read));
        child.wait().unwrap();
        let newest = heard.iter().filter(|(what, _)| what == "number").filter_map(|(_, n)| n.parse().ok()).max();
        self.next = newest.unwrap_or(self.next) + 2 * ROUND; // one more may have landed unheard
        self.heard.extend(heard);
    }

    /// Opens what the child left, and compares it with what was heard.
    fn check(&self) {
        let desk = Desk::open(self.house.dir.path(), START_MS + self.next * 1000).unwrap();
        while desk.authority.turn().unwrap() != Turned::Idle {}
        let log = gov_log(&self.house);
        for (what, of) in &self.heard {
            match what.as_str() {
                "batch" => batch_is_whole(&desk, of),
                "open" => assert!(desk.authority.act(&Actor::operator(), of).is_ok(), "acknowledged and lost"),
                "act" => {
                    assert_eq!(desk.authority.act(&Actor::operator(), of).unwrap().row.state, "done");
                    assert_eq!(log.iter().filter(|leaf| leaf.contains(of)).count(), 1, "its leaf is there once");
                }
                "token" => assert!(desk.authority.authenticate(of).is_some(), "acknowledged and lost"),
                _ => number_is_there(&desk, what, of.parse().unwrap()),
            }
        }
        let known = desk.authority.count_numbers().unwrap();
        drop(desk);
        let_go(self.house.dir.path());
        let ledger = Ledger::open(&self.house.dir.path().join("data")).unwrap();
        let held = ledger.read::<_, LedgerError>(|now| Ok(now.holdings("acme")? + now.holdings("bell")?)).unwrap();
        assert_eq!(held, known, "each number is in one provider's account, once");
    }

    fn counts(&self, kinds: &[&str]) {
        for kind in kinds {
            assert!(self.heard.iter().any(|(what, _)| what == kind), "{kind} was never acknowledged");
        }
    }
}

/// Every result of a batch stands for a registration that is there.
fn batch_is_whole(desk: &Desk, id: &str) {
    let view = desk.authority.batch(&desk.actor, id).unwrap().expect("acknowledged and lost");
    assert!(view.state != BatchState::Running && view.items == ITEMS, "{view:?}");
    let outcomes = desk.authority.batch_outcomes(&desk.actor, id, 0, 100).unwrap().unwrap();
    assert_eq!((outcomes.len() as u64, view.refused), (view.done, 0), "{outcomes:?}");
    for (_, outcome) in outcomes {
        let ItemOutcome::Accepted(receipt) = outcome else { panic!("{outcome:?}") };
        let found = desk.authority.receipt(&desk.actor, &receipt.event_hash).unwrap().expect("its event is there");
        assert!(matches!(found.visibility, Visibility::Published { .. }), "{found:?}");
    }
}

/// What was said of a number is so: published, with one provider, in the version that it led to. A later step of the same
/// number may have landed unheard.
fn number_is_there(desk: &Desk, what: &str, n: u64) {
    let read = |actor: &Actor| desk.authority.read(actor, number(n)).unwrap();
    let (ours, bells) = (read(&desk.actor), read(&bell(desk)));
    assert!(ours.is_some() != bells.is_some(), "{n} is with one provider: {}", ours.is_some());
    let moved = bells.is_some();
    let view: NumberView = ours.or(bells).expect("one of them");
    let state = view.state.expect("published");
    assert!(matches!(view.newest.visibility, Visibility::Published { .. }), "{n}: {:?}", view.newest);
    assert!((1..=2).contains(&state.version), "{n} has version {}", state.version);
    let shown = desk.board.shows(number(n));
    match what {
        "number" => {}
        "changed" => assert!(address(&shown.unwrap()).contains(&format!("changed-{n}@")), "{n}"),
        "moved" => assert!(moved && address(&shown.unwrap()).contains("bell.example"), "{n}"),
        "asked" => assert!(view.pending.is_some_and(|pending| pending.door == Door::Code), "{n}"),
        "suspended" => assert!(shown.is_none() && state.version == 2, "{n}"),
        other => panic!("{other}?"),
    }
}

#[test]
fn killed_in_the_midst_of_everything_nothing_acknowledged_is_lost_or_done_twice() {
    let (_elsewhere, mut crash) = Crash::new();
    // How much each child may say before it is killed: a round says three to five things.
    for count in [1, 17, 2, 9, 33, 5, 21] {
        crash.kill_after(count, None);
        crash.check();
    }
    crash.counts(&["number", "batch", "changed", "moved", "asked", "suspended", "open", "act", "token"]);
    assert!(crash.heard.len() >= 88, "{}", crash.heard.len());
}

#[test]
fn stopped_at_every_step_of_an_epoch_everything_else_goes_on() {
    let (_elsewhere, mut crash) = Crash::new();
    for step in 0..STEPS.len() {
        crash.kill_after(usize::MAX, Some(step));
        crash.check();
    }
}

//! The crash matrix of an epoch: at each step, the step fails, the service ends, the signer is killed, or both; then everything
//! goes on. Nothing that was acknowledged is lost or done twice, no size of a log has two heads, and nothing is shown early.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use callbook::authority::{Receipt, Step, Turned, Visibility};
use callbook::ledger::{Ledger, LedgerError};
use callbook::log::checkpoint::Checkpoint;
use callbook::log::epoch::EpochLeaf;
use callbook::log::merkle::{self, Frontier};
use callbook::log::note::{Note, VerifierKey};

use crate::ledger::desk::{Desk, SOCKET, START_MS, let_go, number};

const STEPS: [Step; 6] =
    [Step::BeforeSeal, Step::AfterSeal, Step::BeforeSigner, Step::BeforeSign, Step::AfterSign, Step::AfterPublish];

/// What goes wrong at the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// The step fails once.
    Fails,
    /// The service ends there; another process goes on.
    Ends,
    /// The signer is killed and comes back later.
    SignerIsKilled,
    /// Both at once.
    BothEnd,
}

const TROUBLES: [Trouble; 4] = [Trouble::Fails, Trouble::Ends, Trouble::SignerIsKilled, Trouble::BothEnd];
/// A process starts in much less.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The signer as a process of its own.
struct Signer(Child);

impl Signer {
    fn start(dir: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callbook"));
        command.args(["signer", "serve", "--json", "--host", "dir.example", "--keys"]).arg(dir.join("keys"));
        let child = command.arg("--socket").arg(dir.join(SOCKET)).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut signer = Self(child.expect("the program starts"));
        let mut line = String::new();
        BufReader::new(signer.0.stdout.take().expect("piped")).read_line(&mut line).expect("text");
        assert!(line.contains("signing"), "{line:?}");
        signer
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Every head of the map log that was ever given out, by its size.
#[derive(Default)]
struct Heads(std::collections::BTreeMap<u64, callbook::log::Hash>);

impl Heads {
    /// Adds what the ledger has signed; the tree under each head must be that of the leaves.
    fn take(&mut self, dir: &Path) {
        let ledger = Ledger::open(&dir.join("data")).unwrap();
        let epochs = ledger.read::<_, LedgerError>(|now| now.epochs_from(0, 1000)).unwrap();
        let secret = callbook::signer::key_file::signing(&dir.join("keys"), "log", &Default::default()).unwrap();
        let line_type = callbook::log::note::LineType::Signature;
        let key = VerifierKey::new("dir.example/map/0", line_type, secret.public().clone()).unwrap();
        let (mut log, mut before_ms) = (Frontier::new(), 0);
        for (n, epoch) in (0..).zip(&epochs) {
            assert_eq!(epoch.n, n);
            log.append(merkle::leaf_hash(&epoch.leaf));
            if let Ok(leaf) = EpochLeaf::parse(std::str::from_utf8(&epoch.leaf).unwrap()) {
                assert!(leaf.time_ms > before_ms, "time rises");
                before_ms = leaf.time_ms;
            }
            let Some(note) = &epoch.note else { continue };
            let head = Checkpoint::parse(&Note::open(note, std::slice::from_ref(&key)).unwrap().text).unwrap();
            assert_eq!((head.size, head.root), (n + 1, log.root()));
            assert_eq!(*self.0.entry(head.size).or_insert(head.root), head.root, "one size, two heads");
        }
        let newest = self.0.keys().next_back().copied().unwrap_or(0);
        assert!(newest <= epochs.len() as u64, "what was signed is gone");
    }
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < WAIT_MAX, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn reopened(desk: Desk, dir: &Path, now_ms: u64) -> Desk {
    drop(desk);
    let_go(dir);
    Desk::open(dir, now_ms).unwrap()
}

fn one(step: Step, trouble: Trouble) {
    let what = format!("{step:?} {trouble:?}");
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    drop(Desk::new(dir));
    let_go(dir);
    std::fs::write(dir.join("socket"), "").unwrap(); // from now on the signer is a process of its own
    let signer = Arc::new(Mutex::new(Some(Signer::start(dir))));
    let mut heads = Heads::default();
    let desk = Desk::open(dir, START_MS + 1000).unwrap();
    desk.register(1);
    desk.clock.advance(1000);
    let receipts: Vec<Receipt> = vec![
        desk.submit(&desk.registration(2, "b")).unwrap(),
        desk.submit(&desk.update(1, "sip:new@acme.example")).unwrap(),
    ];
    let once = Mutex::new(true);
    desk.authority.interrupt({
        let signer = signer.clone();
        move |now| {
            if now != step || !std::mem::take(&mut *once.lock().unwrap()) {
                return Ok(());
            }
            if matches!(trouble, Trouble::SignerIsKilled | Trouble::BothEnd) {
                signer.lock().unwrap().take();
            }
            if trouble == Trouble::SignerIsKilled { Ok(()) } else { Err(LedgerError::Unavailable("a test".into())) }
        }
    });
    let turned = desk.authority.turn();
    let is_shown = || desk.board.shows(number(2)).is_some();
    assert_eq!(is_shown(), step == Step::AfterPublish || turned.is_ok(), "{what}: {turned:?}");
    let now_ms = START_MS + 3000;
    if signer.lock().unwrap().is_none() {
        // Without its signer nothing new is shown, however often that is tried.
        if turned.is_err() && trouble == Trouble::SignerIsKilled {
            assert!(desk.authority.turn().is_err() && !is_shown(), "{what}");
        }
        *signer.lock().unwrap() = Some(Signer::start(dir));
    }
    let desk = match trouble {
        Trouble::Ends | Trouble::BothEnd => {
            drop(desk);
            let_go(dir);
            heads.take(dir);
            Desk::open(dir, now_ms).unwrap()
        }
        Trouble::Fails | Trouble::SignerIsKilled => desk,
    };
    wait_until(&what, || matches!(desk.authority.turn(), Ok(Turned::Idle)));
    for receipt in &receipts {
        let published = desk.authority.receipt(&desk.actor, &receipt.event_hash).unwrap().unwrap();
        assert!(matches!(published.visibility, Visibility::Published { epoch: 2, .. }), "{what}: {published:?}");
    }
    let versions = |desk: &Desk| [1, 2].map(|n| desk.board.shows(number(n)).map(|shown| shown.version));
    assert_eq!(versions(&desk), [Some(2), Some(1)], "{what}");
    desk.register(3);
    let desk = reopened(desk, dir, now_ms + 1000);
    assert_eq!((desk.board.len(), versions(&desk)), (3, [Some(2), Some(1)]), "{what}");
    drop(desk);
    let_go(dir);
    heads.take(dir);
    assert_eq!(heads.0.len() as u64, heads.0.keys().next_back().copied().unwrap_or(0), "{what}: every size has a head");
}

#[test]
fn whatever_ends_at_whatever_step_the_log_goes_on_as_one() {
    for step in STEPS {
        TROUBLES.into_iter().for_each(|trouble| one(step, trouble));
    }
}

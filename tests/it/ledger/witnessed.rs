//! Epochs that wait for witnesses: shown with the quorum, after a minute without it, and told in public then.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use callbook::authority::{OpenError, TurnError, Turned, Visibility};
use callbook::ledger::{Ledger, LedgerError};
use callbook::log::note::{LineType, Note, VerifierKey};
use callbook::signer::key_file;

use crate::ledger::desk::{Desk, START_MS, let_go, number};
use crate::witness::{Running, made_for};

const ORIGIN: &str = "dir.example/map/0";
/// Far more than a witness takes.
const TRIES: usize = 200;
const TRY: Duration = Duration::from_millis(50);

/// A directory and the folders of its witnesses.
struct World {
    dir: tempfile::TempDir,
    witnesses: Vec<(tempfile::TempDir, PathBuf)>,
}

impl World {
    /// A directory without a policy yet, closed, and witnesses that know its log.
    fn new(witnesses: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        drop(Desk::new(dir.path()));
        let_go(dir.path());
        let key = key_file::signing(&dir.path().join("keys"), "log", &Default::default()).unwrap();
        let vkey = VerifierKey::new(ORIGIN, LineType::Signature, key.public().clone()).unwrap().to_string();
        let witnesses = (0..witnesses).map(|_| made_for(ORIGIN, &vkey)).collect();
        Self { dir, witnesses }
    }

    fn start(&self) -> Vec<Running> {
        self.witnesses.iter().map(|(_, folder)| Running::start(folder)).collect()
    }

    fn policy(&self, quorum: usize, witnesses: &[(&VerifierKey, &str)]) {
        let each = |(key, address): &(&VerifierKey, &str)| {
            format!("[[witness]]\nvkey = \"{key}\"\nurl = \"http://{address}\"\n")
        };
        let text = format!("quorum = {quorum}\n{}", witnesses.iter().map(each).collect::<String>());
        std::fs::write(self.dir.path().join("witnesses.toml"), text).unwrap();
    }

    fn open(&self) -> Desk {
        Desk::open(self.dir.path(), START_MS).unwrap()
    }
}

/// How many of the keys have cosigned epoch `n`, which the log has signed.
fn cosigned(dir: &Path, n: u64, keys: &[VerifierKey]) -> usize {
    let note =
        Ledger::peek::<_, Failed>(&dir.join("data"), |now| Ok(now.epoch(n)?.and_then(|epoch| epoch.note))).unwrap();
    let opened = Note::open(&note.unwrap(), keys).unwrap();
    assert!(opened.signed.iter().all(|(_, time_s)| time_s.is_some()));
    opened.signed.len()
}

/// Any failure of a look into the ledger.
#[derive(Debug)]
struct Failed(#[allow(dead_code)] String);

impl From<callbook::ledger::OpenError> for Failed {
    fn from(error: callbook::ledger::OpenError) -> Self {
        Self(error.to_string())
    }
}

impl From<LedgerError> for Failed {
    fn from(error: LedgerError) -> Self {
        Self(error.to_string())
    }
}

#[test]
fn an_epoch_is_shown_when_the_quorum_has_cosigned_it() {
    let world = World::new(2);
    let running = world.start();
    let keys: Vec<VerifierKey> = running.iter().map(|witness| witness.key.clone()).collect();
    let asked: Vec<_> = running.iter().map(|witness| (&witness.key, witness.address.as_str())).collect();
    world.policy(2, &asked);
    let desk = world.open();
    for n in 1..=3 {
        desk.register(n);
        assert!(desk.board.shows(number(n)).is_some());
        assert_eq!(cosigned(world.dir.path(), n, &keys), 2, "epoch {n}");
    }
    assert_eq!(desk.authority.vitals().unconfirmed, None);
    // The next process does not know where the witnesses are: they tell it.
    drop(desk);
    let_go(world.dir.path());
    let desk = world.open();
    desk.register(4);
    assert_eq!(cosigned(world.dir.path(), 4, &keys), 2);
}

#[test]
fn without_the_quorum_an_epoch_waits_a_minute_and_that_is_told_in_public() {
    let world = World::new(1);
    let witness = world.start().remove(0);
    let (key, address) = (witness.key.clone(), witness.address.clone());
    world.policy(1, &[(&key, &address)]);
    drop(witness);
    let desk = world.open();
    let receipt = desk.submit(&desk.registration(1, "a")).unwrap();
    for _ in 0..2 {
        assert!(matches!(desk.authority.turn(), Err(TurnError::Unconfirmed)));
        assert!(desk.board.shows(number(1)).is_none());
        desk.clock.advance(25_000);
    }
    let pending = desk.authority.receipt(&desk.actor, &receipt.event_hash).unwrap().unwrap();
    assert_eq!(pending.visibility, Visibility::Pending);
    desk.clock.advance(11_000);
    while desk.authority.turn().unwrap() != Turned::Idle {}
    assert!(desk.board.shows(number(1)).is_some(), "published all the same");
    let said = desk.authority.vitals().unconfirmed.unwrap();
    assert!(said.contains("unconfirmed") && said.contains("1 of 1"), "{said}");
    let incidents = || {
        let leaves =
            Ledger::peek::<_, Failed>(&world.dir.path().join("data"), |now| Ok(now.gov_leaves(now.gov_size()?)?));
        let leaves = leaves.unwrap().into_iter().map(|leaf| String::from_utf8(leaf).unwrap());
        leaves.filter(|leaf| leaf.contains("\"type\":\"incident\"")).collect::<Vec<_>>()
    };
    assert_eq!(incidents().len(), 1, "told once");
    assert!(incidents()[0].contains("\"what\":\"unconfirmed\""), "{:?}", incidents());
    // As long as that lasts, nobody waits a minute each time; and it is told once.
    desk.submit(&desk.registration(2, "b")).unwrap();
    while desk.authority.turn().unwrap() != Turned::Idle {}
    assert!(desk.board.shows(number(2)).is_some());
    assert_eq!(incidents().len(), 1);
    // It is back: the newest epoch is cosigned, over all that came before.
    let _witness = Running::start_at(&world.witnesses[0].1, &address);
    desk.submit(&desk.registration(3, "c")).unwrap();
    while desk.authority.turn().unwrap() != Turned::Idle {}
    assert_eq!(desk.authority.vitals().unconfirmed, None);
    let newest = desk.authority.vitals().epoch;
    assert_eq!(cosigned(world.dir.path(), newest, std::slice::from_ref(&key)), 1);
}

/// Passes one connection after the other on, each answer late.
fn slow(target: String, delay: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let target = target.clone();
            std::thread::spawn(move || {
                let mut server = TcpStream::connect(target).unwrap();
                let (mut back, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let answers = std::thread::spawn(move || {
                    let mut buffer = [0; 65_536];
                    while let Ok(octets @ 1..) = back.read(&mut buffer) {
                        std::thread::sleep(delay);
                        if to_client.write_all(&buffer[..octets]).is_err() {
                            return;
                        }
                    }
                });
                let _ended = std::io::copy(&mut client, &mut server);
                let _ended = answers.join();
            });
        }
    });
    address
}

#[test]
fn a_slow_witness_keeps_nobody_waiting_and_its_cosignature_is_added() {
    let world = World::new(2);
    let running = world.start();
    let keys: Vec<VerifierKey> = running.iter().map(|witness| witness.key.clone()).collect();
    let late = slow(running[1].address.clone(), Duration::from_millis(700));
    world.policy(1, &[(&keys[0], &running[0].address), (&keys[1], &late)]);
    let desk = world.open();
    desk.register(1);
    assert!(desk.board.shows(number(1)).is_some());
    assert_eq!(cosigned(world.dir.path(), 1, &keys[1..]), 0, "nobody waited for it");
    for _ in 0..TRIES {
        assert_eq!(desk.authority.turn().unwrap(), Turned::Idle);
        if cosigned(world.dir.path(), 1, &keys) == 2 {
            return;
        }
        std::thread::sleep(TRY);
    }
    panic!("it was not added");
}

#[test]
fn a_policy_that_cannot_be_is_refused_in_words() {
    let world = World::new(0);
    let path = world.dir.path().join("witnesses.toml");
    let refused = |text: &str, word: &str| {
        std::fs::write(&path, text).unwrap();
        match Desk::open(world.dir.path(), START_MS) {
            Err(OpenError::Disagree { what, .. }) => assert!(what.contains(word), "{what}"),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it opened"),
        }
    };
    refused("quorum = 1\nwitness = []\n", "from 1 to");
    refused("quorum = 1\n[[witness]]\nvkey = \"x\"\nurl = \"https://w.example\"\n", "vkey");
    let key = key_file::signing(&world.dir.path().join("keys"), "log", &Default::default()).unwrap();
    let log = VerifierKey::new(ORIGIN, LineType::Signature, key.public().clone()).unwrap();
    refused(&format!("quorum = 1\n[[witness]]\nvkey = \"{log}\"\nurl = \"https://w.example\"\n"), "no cosignatures");
}

//! Witnesses of the map log: each checkpoint goes to all of them at once, and an epoch is shown when enough have cosigned.
//!
//! ```text
//! SIGNED --to all, a thread each--> cosignatures are added to the note --quorum, or 60 s without--> PUBLISHED
//! ```
//! One that is away or slow keeps nobody waiting once the quorum is there; its cosignature is added when it comes. When the
//! quorum does not come the directory goes on, tells it in the gov log, and says `unconfirmed` until it has one again.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use serde_json::json;

use crate::authority::Core;
use crate::authority::error::{OpenError, Rejection};
use crate::authority::gov;
use crate::authority::sequencer::Head;
use crate::authority::signed::{TurnError, consistency};
use crate::client::witness::{Answer, NotCosigned, Witness};
use crate::config::WitnessPolicy;
use crate::ledger::LedgerError;
use crate::log::addition::Addition;
use crate::log::note::{LineType, Note, VerifierKey};
use crate::signer::Log;

/// How long an epoch waits for its quorum (TRUST.md 1).
const WAIT_MS: u64 = 60_000;
/// How often one witness is asked about one epoch in a row: it says where it is, and then it gets the right proof.
const ASKED_MAX: usize = 2;

/// Who is asked.
pub(super) struct Witnesses {
    needed: usize,
    keys: Vec<VerifierKey>,
    links: Vec<Link>,
    desk: Arc<Desk>,
    /// The newest epoch was shown without its quorum.
    unconfirmed: AtomicBool,
    /// That is to be told in the gov log: since this epoch.
    incident: Mutex<Option<u64>>,
}

struct Link {
    witness: Witness,
    /// The size of what it cosigned last, as far as is known.
    at: Mutex<u64>,
}

/// Where the threads leave what came of it.
#[derive(Default)]
struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Which witnesses are being asked.
    busy: Vec<bool>,
    done: Vec<Done>,
}

/// What came of one question.
struct Done {
    witness: usize,
    epoch: u64,
    size: u64,
    answer: Result<Answer, NotCosigned>,
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Witnesses {
    /// Reads the policy file; no path: no witnesses.
    pub(super) fn load(path: &Path) -> Result<Option<Self>, OpenError> {
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        let bad =
            |what: String| OpenError::Disagree { what, remedy: "Put that right in the file that log.witnesses names" };
        if !path.is_file() {
            return Err(bad(format!("{} is not there", path.display())));
        }
        let policy = WitnessPolicy::load(path).map_err(|error| bad(error.to_string()))?;
        let mut keys = Vec::new();
        for witness in &policy.witness {
            let key =
                VerifierKey::parse(&witness.vkey).map_err(|why| bad(format!("vkey {:?}: {why}", witness.vkey)))?;
            if key.line_type() != LineType::Cosignature {
                return Err(bad(format!("vkey {:?} makes no cosignatures: a witness's key has type 4", witness.vkey)));
            }
            keys.push(key);
        }
        let link = |url: &str| Link { witness: Witness::at(url), at: Mutex::new(0) };
        let links: Vec<_> = policy.witness.iter().map(|witness| link(&witness.url)).collect();
        let desk = Arc::new(Desk::default());
        desk.state().busy = vec![false; links.len()];
        let (unconfirmed, incident) = (AtomicBool::new(false), Mutex::new(None));
        Ok(Some(Self { needed: policy.quorum, keys, links, desk, unconfirmed, incident }))
    }

    /// Whose cosignatures are asked for, and how many are needed.
    pub(super) fn policy(&self) -> (Vec<VerifierKey>, usize) {
        (self.keys.clone(), self.needed)
    }

    /// Who has cosigned a note.
    fn cosigned(&self, note: &str) -> Vec<usize> {
        Note::open(note, &self.keys).map_or_else(|_| Vec::new(), |note| note.signed.iter().map(|(i, _)| *i).collect())
    }

    /// What is to be said while the newest epoch has no quorum.
    pub(super) fn words(&self) -> Option<String> {
        let (needed, count) = (self.needed, self.links.len());
        let unconfirmed = self.unconfirmed.load(Ordering::Acquire);
        unconfirmed
            .then(|| format!("unconfirmed: fewer than {needed} of {count} witnesses cosigned the newest epoch in time"))
    }

    fn incident(&self) -> MutexGuard<'_, Option<u64>> {
        self.incident.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks the policy file, for who only wants to know.
pub fn check_witnesses(path: &Path) -> Result<(), OpenError> {
    Witnesses::load(path).map(drop)
}

impl Core {
    /// The keys of the witnesses that are asked, and how many of them an epoch waits for.
    pub(super) fn witness_policy(&self) -> (Vec<VerifierKey>, usize) {
        self.witnesses.as_ref().map_or((Vec::new(), 0), |witnesses| (witnesses.keys.clone(), witnesses.needed))
    }

    /// Asks for cosignatures of the newest epoch, which is signed. False: the quorum is not there, and it is worth waiting.
    pub(super) fn confirm(&self, head: &mut Head) -> Result<bool, TurnError> {
        let Some(witnesses) = &self.witnesses else { return Ok(true) };
        self.collect(head)?;
        let mut to_ask: Vec<usize> = (0..witnesses.links.len()).collect();
        // Who says where it is gets another proof, so the questions end even if somebody always says something else.
        for _ in 0..=ASKED_MAX * witnesses.links.len() {
            let cosigned = witnesses.cosigned(head.epoch.note.as_deref().unwrap_or_default());
            if cosigned.len() >= witnesses.needed {
                witnesses.unconfirmed.store(false, Ordering::Release);
                return Ok(true);
            }
            for i in to_ask.drain(..).filter(|i| !cosigned.contains(i)) {
                self.ask(witnesses, i, head)?;
            }
            let quiet = |state: &mut State| state.done.is_empty() && state.busy.contains(&true);
            let state = witnesses.desk.changed.wait_while(witnesses.desk.state(), quiet);
            if state.unwrap_or_else(PoisonError::into_inner).done.is_empty() {
                break;
            }
            to_ask = self.collect(head)?;
        }
        if !witnesses.unconfirmed.load(Ordering::Acquire) {
            if self.now_ms() < head.epoch.time_ms.saturating_add(WAIT_MS) {
                return Ok(false);
            }
            tracing::error!(epoch = head.epoch.n, "the witnesses' quorum did not come in time: going on unconfirmed");
            witnesses.unconfirmed.store(true, Ordering::Release);
            *witnesses.incident() = Some(head.epoch.n);
        }
        Ok(true)
    }

    /// Takes up what witnesses have answered meanwhile, also about earlier epochs. Gives those who said where they are.
    pub(super) fn collect(&self, head: &mut Head) -> Result<Vec<usize>, TurnError> {
        let mut elsewhere = Vec::new();
        let Some(witnesses) = &self.witnesses else { return Ok(elsewhere) };
        let done = std::mem::take(&mut witnesses.desk.state().done);
        for Done { witness, epoch, size, answer } in done {
            let Some((link, key)) = witnesses.links.get(witness).zip(witnesses.keys.get(witness)) else { continue };
            match answer {
                Err(why) => tracing::warn!(%why, "a witness did not cosign"),
                Ok(Answer::At(at)) => {
                    *link.at.lock().unwrap_or_else(PoisonError::into_inner) = at;
                    elsewhere.push(witness);
                }
                Ok(Answer::Cosigned(lines)) => {
                    *link.at.lock().unwrap_or_else(PoisonError::into_inner) = size;
                    self.keep_cosignature(head, epoch, &lines, key)?;
                }
            }
        }
        Ok(elsewhere)
    }

    /// Adds a cosignature to the epoch's note, if it is a good one.
    fn keep_cosignature(&self, head: &mut Head, n: u64, lines: &str, key: &VerifierKey) -> Result<(), TurnError> {
        let is_newest = head.epoch.n == n;
        let note = match is_newest {
            true => head.epoch.note.clone(),
            false => self.ledger.read::<_, LedgerError>(|now| now.epoch(n))?.and_then(|epoch| epoch.note),
        };
        let Some(note) = note else { return Ok(()) };
        let of_key = |line: &&str| line.starts_with(&format!("— {} ", key.name()));
        let Some(line) = lines.lines().find(of_key).map(|line| format!("{line}\n")) else {
            tracing::warn!(witness = key.name(), "a witness answered without a cosignature of its own");
            return Ok(());
        };
        let opened = Note::open(&format!("{note}{line}"), std::slice::from_ref(key));
        if !opened.is_ok_and(|note| !note.signed.is_empty()) {
            tracing::warn!(witness = key.name(), "a witness's cosignature is not good");
            return Ok(());
        }
        let added = line.clone();
        self.ledger.write::<_, LedgerError, _>(move |tx| tx.cosign(n, &added)).wait_blocking()?;
        if is_newest && let Some(note) = &mut head.epoch.note {
            note.push_str(&line);
        }
        Ok(())
    }

    /// Asks one witness, on a thread of its own; not one that is being asked already.
    fn ask(&self, witnesses: &Witnesses, i: usize, head: &Head) -> Result<(), TurnError> {
        let (Some(link), Some(note)) = (witnesses.links.get(i), head.epoch.note.clone()) else { return Ok(()) };
        let (epoch, size) = (head.epoch.n, head.log.size());
        let old = *link.at.lock().unwrap_or_else(PoisonError::into_inner);
        let proof = match &head.before {
            _ if old == 0 || old >= size => Ok(Vec::new()),
            Some(before) if before.size() == old => {
                Ok(before.consistency_of_next(&crate::log::merkle::leaf_hash(&head.epoch.leaf)))
            }
            _ => self.ledger.read::<_, LedgerError>(|now| consistency(now, Log::Map, old, size)),
        };
        let body = Addition { old: old.min(size), proof: proof?, note }.write();
        match witnesses.desk.state().busy.get_mut(i) {
            Some(busy) if !*busy => *busy = true,
            _ => return Ok(()),
        }
        let place = Place { desk: Arc::clone(&witnesses.desk), witness: i, done: None };
        let witness = link.witness.clone();
        let work = move || {
            let answer = witness.add_checkpoint(&body);
            place.leave(Done { witness: i, epoch, size, answer });
        };
        if let Err(error) = std::thread::Builder::new().name("witness".into()).spawn(work) {
            tracing::error!(%error, "no thread to ask a witness");
        }
        Ok(())
    }

    /// Tells in the gov log that an epoch was shown without its quorum, once for each time that it stays away.
    pub(super) fn note_incident(&self) {
        let Some(witnesses) = &self.witnesses else { return };
        let Some(epoch) = witnesses.incident().take() else { return };
        let body = json!({ "what": "unconfirmed", "epoch": epoch, "quorum": witnesses.needed, "witnesses": witnesses.links.len() });
        let told: Result<(), Rejection> =
            self.add_decided(&|seq, time_ms| gov::leaf(gov::INCIDENT, body.clone(), seq, time_ms));
        if let Err(no) = told {
            tracing::error!(?no, "an incident could not be told in the gov log; trying again");
            *witnesses.incident() = Some(epoch);
        }
    }
}

/// A witness that is being asked; free again however that ends.
struct Place {
    desk: Arc<Desk>,
    witness: usize,
    done: Option<Done>,
}

impl Place {
    /// Gives the place back, with what came of it.
    fn leave(mut self, done: Done) {
        self.done = Some(done);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.desk.state();
        if let Some(busy) = state.busy.get_mut(self.witness) {
            *busy = false;
        }
        state.done.extend(self.done.take());
        drop(state);
        self.desk.changed.notify_all();
    }
}

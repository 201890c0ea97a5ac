//! Batches: many changes in one request, each judged as if it had come alone; taken in at once, worked on beside everything else.
//!
//! ```text
//! taken in (durable) -> RUNNING --every item has its result--> DONE
//!                          '--restart, token revoked, nothing can be stored--> INTERRUPTED --the same again--> RUNNING
//! ```
//! An item's result lands in the transaction of its event, so nothing is done twice and nothing is forgotten. The items
//! themselves are held in memory alone: they are numbers and records, which stand in one table only. That is why a batch
//! does not go on by itself after a restart: it says how far it came, and the same request again does the rest.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::api::ProblemError;
use crate::authority::access::{Actor, Party, Verb};
use crate::authority::error::Rejection;
use crate::authority::receipt::Receipt;
use crate::authority::submit::{Keep, Submission};
use crate::authority::tickets::{Begun, Idempotency};
use crate::authority::{Authority, Core};
use crate::ledger::{BatchResult, BatchRow, LedgerError, Snapshot};
use crate::log::Hash;
use crate::log::bytes::to_base64url;
use crate::log::random::Random;
use crate::registry::refusal;

/// The most items of a batch (REGISTRY.md 8).
pub const BATCH_ITEMS_MAX: usize = 10_000;
/// Batches of one provider that may run at a time: one that runs, and the next.
pub const BATCHES_PER_PROVIDER_MAX: usize = 2;
/// Batches in memory at a time: each has at most 16 MiB of items.
const BATCHES_MAX: usize = 16;
/// Days for which a batch and its results can be read, and sent again under its Idempotency-Key.
pub const BATCH_KEPT_D: u64 = 7;
/// Items of one batch before the next batch has its turn: four commits, a fraction of a second.
const TURN_ITEMS: usize = 1024;
/// Turns that fail in a row (a full disk) before a batch is given up.
const FAILED_TURNS_MAX: u32 = 60;
/// The wait after a failed turn.
const FAILED_WAIT: Duration = Duration::from_secs(1);
/// When to come again while too many batches run: most end in seconds.
const RETRY_S: u32 = 5;

/// One item as it came: a change, or the mistakes in its form.
pub type BatchItem = Result<Submission, Vec<ProblemError>>;

/// A batch as it was sent.
pub struct NewBatch {
    /// Its items, in their order.
    pub items: Vec<BatchItem>,
    /// Whether they shall be judged only.
    pub dry_run: bool,
    /// SHA-256 of the request.
    pub request: Hash,
    /// Its Idempotency-Key.
    pub key: Option<String>,
}

/// How far a batch has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchView {
    /// Names it.
    pub id: String,
    /// Whether somebody works on it.
    pub state: BatchState,
    /// Whether its items are judged only.
    pub dry_run: bool,
    /// How many items it has.
    pub items: u64,
    /// How many have their result.
    pub done: u64,
    /// How many of these were refused.
    pub refused: u64,
    /// When it was taken in, in milliseconds.
    pub made_ms: u64,
    /// When its last item got its result.
    pub ended_ms: Option<u64>,
}

/// Whether somebody works on a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchState {
    /// It is worked on, or waits for its turn.
    Running,
    /// Every item has its result.
    Done,
    /// It ended before its last item; the same request again goes on with it.
    Interrupted,
}

/// What became of an item.
#[derive(Debug)]
pub enum ItemOutcome {
    /// It was accepted.
    Accepted(Receipt),
    /// It would be accepted, and make this version (a dry run).
    Would(u64),
    /// Its form is wrong.
    Malformed(Vec<ProblemError>),
    /// It was refused.
    Refused(Rejection),
}

/// Batches in memory.
#[derive(Default)]
pub(super) struct Batches(Mutex<Held>);

#[derive(Default)]
struct Held {
    queue: VecDeque<Job>,
    /// Who sent each batch that waits or is worked on.
    running: HashMap<String, String>,
    at_work: bool,
}

struct Job {
    id: String,
    actor: Actor,
    dry_run: bool,
    items: VecDeque<(u64, BatchItem)>,
    failed_turns: u32,
}

impl Authority {
    /// Takes a batch in: it is durable that it came when this returns, and it is worked on. Blocks for one commit.
    pub fn take_batch(&self, actor: &Actor, new: NewBatch) -> Result<BatchView, Rejection> {
        let Some(owner) = actor.provider().filter(|_| actor.may(Verb::Write, None)) else {
            return Err(Rejection::Forbidden("only providers send batches, with a token that may write".to_owned()));
        };
        let core = &self.core;
        let wanted = new.key.clone().map(|key| Idempotency { key, request: new.request });
        let ticket = wanted.as_ref().map(|wanted| core.tickets.begin(&core.ledger, owner, wanted)).transpose()?;
        if matches!(ticket, Some(Begun::Again(_))) {
            return Err(Rejection::IdempotencyReused);
        }
        let seen = match &new.key {
            Some(key) => core.ledger.read::<_, LedgerError>(|now| now.batch_by_key(owner, key))?,
            None => None,
        };
        let row = match seen {
            Some(row) if row.ended_ms.is_some() || core.batches.is_running(&row.id) => {
                return Ok(core.batch_view(row)?);
            }
            Some(row) => row,
            None => core.new_batch(owner, &new)?,
        };
        core.batches.admit(&row)?;
        match core.begin_batch(&row, actor, new) {
            Ok(job) => {
                self.work_on(job);
                Ok(core.batch_view(row)?)
            }
            Err(error) => {
                core.batches.forget(&row.id);
                Err(error.into())
            }
        }
    }

    /// How far a batch has come, for its provider and the operator.
    pub fn batch(&self, actor: &Actor, id: &str) -> Result<Option<BatchView>, Rejection> {
        let row = self.core.ledger.read::<_, LedgerError>(|now| now.batch(id))?;
        match row.filter(|row| may_see(actor, row)) {
            Some(row) => Ok(Some(self.core.batch_view(row)?)),
            None => Ok(None),
        }
    }

    /// Results from item `from` on, at most `limit`, with their places; None as for [`Authority::batch`].
    pub fn batch_outcomes(
        &self,
        actor: &Actor,
        id: &str,
        from: u64,
        limit: usize,
    ) -> Result<Option<Vec<(u64, ItemOutcome)>>, Rejection> {
        self.core.ledger.read(|now| {
            if !now.batch(id)?.is_some_and(|row| may_see(actor, &row)) {
                return Ok(None);
            }
            let results = now.batch_results(id, from, limit)?;
            let outcomes = results.into_iter().map(|result| Ok((result.item, self.core.outcome(now, result)?)));
            outcomes.collect::<Result<Vec<_>, Rejection>>().map(Some)
        })
    }

    /// Hands a batch to the one thread that works on them in turn; begins that if it rests.
    fn work_on(&self, job: Job) {
        let mut held = self.core.batches.held();
        held.queue.push_back(job);
        if !std::mem::replace(&mut held.at_work, true) {
            let core = Arc::downgrade(&self.core);
            let begun = std::thread::Builder::new().name("batches".into()).spawn(move || work(&core));
            if let Err(error) = begun {
                tracing::error!(%error, "no thread for batches");
                held.at_work = false;
                let lost: Vec<Job> = held.queue.drain(..).collect();
                lost.iter().for_each(|job| drop(held.running.remove(&job.id)));
            }
        }
    }
}

fn may_see(actor: &Actor, row: &BatchRow) -> bool {
    match &actor.party {
        Party::Operator => true,
        Party::Provider(id) => *id == row.owner,
    }
}

impl Batches {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_running(&self, id: &str) -> bool {
        self.held().running.contains_key(id)
    }

    /// Takes a place for a batch, if there is one.
    fn admit(&self, row: &BatchRow) -> Result<(), Rejection> {
        let mut held = self.held();
        let theirs = held.running.values().filter(|owner| **owner == row.owner).count();
        if theirs >= BATCHES_PER_PROVIDER_MAX || held.running.len() >= BATCHES_MAX {
            let why =
                format!("{theirs} batches of yours run; a provider has at most {BATCHES_PER_PROVIDER_MAX} at a time");
            return Err(Rejection::TooMany { retry_after_s: RETRY_S, why });
        }
        held.running.insert(row.id.clone(), row.owner.clone());
        Ok(())
    }

    fn forget(&self, id: &str) {
        self.held().running.remove(id);
    }
}

/// Works on batches in turn until there is none. Holds the authority only while it does, so that closing waits for a turn
/// and not for a batch.
fn work(core: &Weak<Core>) {
    let _rests = Rests(core);
    while let Some(core) = core.upgrade() {
        let mut held = core.batches.held();
        let Some(mut job) = held.queue.pop_front() else {
            held.at_work = false;
            return;
        };
        drop(held);
        let authority = Authority { core };
        let left = authority.turn_of(&mut job);
        let mut held = authority.core.batches.held();
        match left {
            Left::More => held.queue.push_back(job),
            Left::Nothing => drop(held.running.remove(&job.id)),
        }
    }
}

/// However the thread ends, nobody is left thinking that it works.
struct Rests<'a>(&'a Weak<Core>);

impl Drop for Rests<'_> {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(core) = self.0.upgrade()
        {
            *core.batches.held() = Held::default();
        }
    }
}

/// Whether a batch needs another turn.
enum Left {
    More,
    Nothing,
}

impl Authority {
    /// Some items of a batch: their results are durable afterwards, or they stay in it.
    fn turn_of(&self, job: &mut Job) -> Left {
        let now_ms = self.core.now_ms();
        if !self.core.tokens.is_in_force(&job.actor.token_id, now_ms) {
            tracing::warn!("a batch ends early: its token is no longer in force");
            return Left::Nothing;
        }
        let count = job.items.len().min(TURN_ITEMS);
        let turn: Vec<(u64, BatchItem)> = job.items.drain(..count).collect();
        let (mut places, mut submissions, mut results) = (Vec::new(), Vec::new(), Vec::new());
        for (item, content) in &turn {
            match content {
                Ok(submission) => {
                    places.push(*item);
                    submissions.push(submission.clone());
                }
                Err(mistakes) => results.push(refused(*item, &Stored::Malformed(mistakes.clone()))),
            }
        }
        let mut done: BTreeSet<u64> = results.iter().map(|result| result.item).collect();
        match job.dry_run {
            true => {
                let judged = self.judge_many(&job.actor, &submissions);
                for (item, answer) in places.iter().zip(&judged) {
                    results.extend(result_of(*item, answer.as_ref().map(|version| (None, *version))));
                }
                done.extend(results.iter().map(|result| result.item));
            }
            false => done.extend(self.submit_items(job, &places, &submissions)),
        }
        let (id, last) = (job.id.clone(), job.items.is_empty() && done.len() == turn.len());
        let kept: Result<(), LedgerError> = self
            .core
            .ledger
            .write_bulk(results.len().max(1), move |tx| {
                results.iter().try_for_each(|result| tx.add_batch_result(&id, result))?;
                if last { tx.end_batch(&id, now_ms) } else { Ok(()) }
            })
            .wait_blocking();
        if kept.is_err() {
            done.clear(); // what landed is known by its event when it is tried again
        }
        let again: Vec<_> = turn.into_iter().filter(|(item, _)| !done.contains(item)).collect();
        self.after_turn(job, again)
    }

    /// Puts back what could not be stored, and says whether to go on.
    fn after_turn(&self, job: &mut Job, again: Vec<(u64, BatchItem)>) -> Left {
        job.failed_turns = if again.is_empty() { 0 } else { job.failed_turns + 1 };
        if job.failed_turns > FAILED_TURNS_MAX {
            tracing::error!("a batch ends early: its items cannot be stored");
            return Left::Nothing;
        }
        if !again.is_empty() {
            std::thread::sleep(FAILED_WAIT);
        }
        for item in again.into_iter().rev() {
            job.items.push_front(item);
        }
        if job.items.is_empty() { Left::Nothing } else { Left::More }
    }

    /// Submits items; gives those whose results are durable.
    fn submit_items(&self, job: &Job, places: &[u64], submissions: &[Submission]) -> Vec<u64> {
        let (id, kept_places) = (job.id.clone(), places.to_vec());
        let keep: Keep = Arc::new(move |tx, first, answers| {
            let places = kept_places.iter().skip(first);
            for (item, answer) in places.zip(answers) {
                let answer = answer.as_ref().map(|receipt| (Some(receipt.event_hash), receipt.version));
                if let Some(result) = result_of(*item, answer) {
                    tx.add_batch_result(&id, &result)?;
                }
            }
            Ok(())
        });
        let answers = self.submit_chunks(&job.actor, submissions, Some(&keep));
        let durable = |(_, answer): &(&u64, &Result<Receipt, Rejection>)| !answer.as_ref().is_err_and(passes);
        places.iter().zip(&answers).filter(durable).map(|(item, _)| *item).collect()
    }
}

impl Core {
    fn new_batch(&self, owner: &str, new: &NewBatch) -> Result<BatchRow, Rejection> {
        let mut id = [0; 12];
        self.random.fill(&mut id)?;
        Ok(BatchRow {
            id: to_base64url(&id),
            owner: owner.to_owned(),
            key: new.key.clone(),
            request: new.request,
            dry_run: new.dry_run,
            items: new.items.len() as u64,
            made_ms: self.now_ms(),
            ended_ms: None,
        })
    }

    /// Makes it durable that the batch came; what is left to do of it.
    fn begin_batch(&self, row: &BatchRow, actor: &Actor, new: NewBatch) -> Result<Job, LedgerError> {
        let stored = row.clone();
        let done = self.ledger.write::<_, LedgerError, _>(move |tx| {
            if tx.batch(&stored.id)?.is_none() {
                tx.add_batch(&stored)?;
            }
            tx.batch_done(&stored.id)
        });
        let done: BTreeSet<u64> = done.wait_blocking()?.into_iter().collect();
        let items = (0..).zip(new.items).filter(|(item, _)| !done.contains(item)).collect();
        Ok(Job { id: row.id.clone(), actor: actor.clone(), dry_run: row.dry_run, items, failed_turns: 0 })
    }

    fn batch_view(&self, row: BatchRow) -> Result<BatchView, LedgerError> {
        // First whether it runs: one that ends meanwhile then counts as running for another moment, never as interrupted.
        let running = self.batches.is_running(&row.id);
        let (count, ended_ms) = self.ledger.read::<_, LedgerError>(|now| {
            Ok((now.batch_count(&row.id)?, now.batch(&row.id)?.and_then(|row| row.ended_ms)))
        })?;
        let state = match (running, ended_ms) {
            (_, Some(_)) => BatchState::Done,
            (false, None) if count.done == row.items => BatchState::Done, // killed before it could say when
            (true, None) => BatchState::Running,
            (false, None) => BatchState::Interrupted,
        };
        Ok(BatchView {
            id: row.id,
            state,
            dry_run: row.dry_run,
            items: row.items,
            done: count.done,
            refused: count.refused,
            made_ms: row.made_ms,
            ended_ms,
        })
    }

    fn outcome(&self, now: &Snapshot<'_>, result: BatchResult) -> Result<ItemOutcome, Rejection> {
        if let Some(refusal) = result.refusal {
            let stored = serde_json::from_str(&refusal).map_err(|_| LedgerError::Damaged("a batch's result"))?;
            return Ok(read(stored));
        }
        let damaged = || LedgerError::Damaged("a batch's result without its event");
        match result.event {
            None => Ok(ItemOutcome::Would(result.version.ok_or_else(damaged)?)),
            Some(hash) => {
                let row = now.event_by_hash(&hash)?.ok_or_else(damaged)?;
                Ok(ItemOutcome::Accepted(self.receipt_of(now, &row)?))
            }
        }
    }
}

/// A refusal as it is stored: codes, places and details; clause and remedy are the code's.
#[derive(Serialize, Deserialize)]
enum Stored {
    Malformed(Vec<ProblemError>),
    Refused(Vec<(String, String, String)>),
    Forbidden(String),
    Conflict(String),
    NotFound,
}

/// Whether a refusal passes by itself: it says nothing about the item.
const fn passes(no: &Rejection) -> bool {
    matches!(
        no,
        Rejection::Unavailable { .. }
            | Rejection::Frozen
            | Rejection::Fault(_)
            | Rejection::TooMany { .. }
            | Rejection::IdempotencyReused
            | Rejection::IdempotencyInFlight
    )
}

/// The result to keep, if the answer is one that lasts.
fn result_of(item: u64, answer: Result<(Option<Hash>, u64), &Rejection>) -> Option<BatchResult> {
    let no = match answer {
        Ok((event, version)) => return Some(BatchResult { item, event, version: Some(version), refusal: None }),
        Err(no) if passes(no) => return None,
        Err(no) => no,
    };
    let stored = match no {
        Rejection::Refused(refusals) => Stored::Refused(
            refusals.iter().map(|no| (no.code.to_owned(), no.pointer.clone(), no.detail.clone())).collect(),
        ),
        Rejection::Forbidden(why) => Stored::Forbidden(why.clone()),
        Rejection::Conflict(why) => Stored::Conflict(why.clone()),
        _ => Stored::NotFound,
    };
    Some(refused(item, &stored))
}

fn refused(item: u64, stored: &Stored) -> BatchResult {
    let refusal = serde_json::to_string(stored).expect("texts always serialise");
    BatchResult { item, event: None, version: None, refusal: Some(refusal) }
}

fn read(stored: Stored) -> ItemOutcome {
    let again = |(code, pointer, detail): (String, String, String)| {
        let reason = refusal::ALL.iter().find(|reason| reason.code == code);
        reason.map(|reason| reason.at(pointer, detail))
    };
    ItemOutcome::Refused(match stored {
        Stored::Malformed(mistakes) => return ItemOutcome::Malformed(mistakes),
        Stored::Refused(refusals) => Rejection::Refused(refusals.into_iter().filter_map(again).collect()),
        Stored::Forbidden(why) => Rejection::Forbidden(why),
        Stored::Conflict(why) => Rejection::Conflict(why),
        Stored::NotFound => Rejection::NotFound,
    })
}

//! The one thread that writes: many jobs in one commit, a savepoint each, an answer only once the commit is durable.
//!
//! ```text
//! job, job, … -> bounded queue -> BEGIN  (SAVEPOINT job RELEASE | ROLLBACK)*  COMMIT+fsync -> answers
//! ```

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::ledger::error::{LedgerError, lost_durability};
use crate::ledger::transaction::Transaction;

/// Writes that may wait. At 2000 a second that is two seconds of work: who comes later is better told to come back.
const QUEUE_JOBS_MAX: usize = 4096;
/// Weight of the jobs in one commit: enough to share a disk's fsync among them, few enough that the first of them still
/// waits only some milliseconds for the last.
const GROUP_WEIGHT_MAX: usize = 256;

/// The answer that a write will get, once it is durable or refused.
#[must_use = "a write may be refused"]
pub struct Reply<T, E>(oneshot::Receiver<Result<T, E>>);

impl<T, E: From<LedgerError>> Reply<T, E> {
    /// Waits inside async code.
    pub async fn wait(self) -> Result<T, E> {
        self.0.await.unwrap_or_else(|_| Err(LedgerError::Closed.into()))
    }

    /// Waits on an ordinary thread; panics inside async code.
    pub fn wait_blocking(self) -> Result<T, E> {
        self.0.blocking_recv().unwrap_or_else(|_| Err(LedgerError::Closed.into()))
    }
}

/// One unit of change: all of it lands or nothing.
trait Job: Send {
    fn weight(&self) -> usize;
    /// Does the work; false takes it back.
    fn run(&mut self, tx: &Transaction<'_>) -> bool;
    /// Hands out the answer. An error here means that the group did not become durable.
    fn settle(self: Box<Self>, group: Result<(), LedgerError>);
}

struct Change<T, E, F> {
    weight: usize,
    work: Option<F>,
    outcome: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Job for Change<T, E, F>
where
    T: Send,
    E: From<LedgerError> + Send,
    F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send,
{
    fn weight(&self) -> usize {
        self.weight
    }

    fn run(&mut self, tx: &Transaction<'_>) -> bool {
        self.outcome = self.work.take().map(|work| work(tx));
        matches!(self.outcome, Some(Ok(_)))
    }

    fn settle(self: Box<Self>, group: Result<(), LedgerError>) {
        let answer = match (group, self.outcome) {
            (_, Some(Err(refused))) => Err(refused), // it changed nothing, whatever became of the others
            (Ok(()), Some(Ok(done))) => Ok(done),
            (Err(lost), _) => Err(lost.into()),
            (Ok(()), None) => Err(LedgerError::Closed.into()),
        };
        let _ = self.reply.send(answer); // whoever asked may have gone; the change stands all the same
    }
}

/// The writing thread and the queue in front of it. Dropping it finishes what waits, then ends the thread.
pub(super) struct Writer {
    queue: Option<SyncSender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(conn: Connection) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE_JOBS_MAX);
        let thread = std::thread::Builder::new().name("ledger".into()).spawn(move || work(&conn, &jobs))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Queues a change. A full queue refuses at once, unless `patient`: then the caller's thread waits for room.
    pub(super) fn submit<T, E, F>(&self, weight: usize, patient: bool, work: F) -> Reply<T, E>
    where
        T: Send + 'static,
        E: From<LedgerError> + Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Box<dyn Job> = Box::new(Change { weight, work: Some(work), outcome: None, reply });
        let refused = match &self.queue {
            None => Some((job, LedgerError::Closed)),
            Some(queue) if patient => queue.send(job).err().map(|e| (e.0, LedgerError::Closed)),
            Some(queue) => match queue.try_send(job) {
                Ok(()) => None,
                Err(TrySendError::Full(job)) => Some((job, LedgerError::Busy)),
                Err(TrySendError::Disconnected(job)) => Some((job, LedgerError::Closed)),
            },
        };
        if let Some((job, why)) = refused {
            job.settle(Err(why));
        }
        Reply(answer)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        // A job may hold the last handle of the ledger itself; then the thread ends by itself after it.
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != std::thread::current().id()) {
            let _ = thread.join();
        }
    }
}

fn work(conn: &Connection, jobs: &Receiver<Box<dyn Job>>) {
    while let Ok(first) = jobs.recv() {
        let mut group = vec![first];
        let outcome = commit(conn, jobs, &mut group);
        for job in group {
            job.settle(match &outcome {
                Ok(()) => Ok(()),
                Err(why) => Err(LedgerError::Unavailable(why.clone())),
            });
        }
    }
}

/// Runs the group, and whatever joins it meanwhile, in one transaction. An error says that nothing of it is durable.
fn commit(conn: &Connection, jobs: &Receiver<Box<dyn Job>>, group: &mut Vec<Box<dyn Job>>) -> Result<(), String> {
    let failed = |error: rusqlite::Error| {
        if lost_durability(&error) {
            super::die("the disk refused to make a commit durable", &error);
        }
        // The transaction may be gone already; then there is nothing to roll back.
        let _ = conn.execute_batch("ROLLBACK");
        tracing::error!(%error, "the ledger did not commit");
        Err(error.to_string())
    };
    if let Err(error) = step(conn, "BEGIN IMMEDIATE") {
        return failed(error);
    }
    let (mut next, mut weight) = (0, 0);
    while let Some(job) = group.get_mut(next) {
        weight += job.weight();
        if let Err(error) = run(conn, job.as_mut()) {
            return failed(error);
        }
        next += 1;
        if next == group.len() && weight < GROUP_WEIGHT_MAX {
            match jobs.try_recv() {
                Ok(job) => group.push(job),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => {} // never wait for company
            }
        }
    }
    step(conn, "COMMIT").or_else(failed)
}

/// One job in its savepoint. An error here means that the whole transaction is lost, not only this job.
fn run(conn: &Connection, job: &mut dyn Job) -> rusqlite::Result<()> {
    step(conn, "SAVEPOINT job")?;
    let keep = job.run(&Transaction::new(conn));
    if conn.is_autocommit() {
        // SQLite rolls everything back by itself after some failures (disk full, I/O): the others cannot land either.
        return Err(rusqlite::Error::InvalidQuery);
    }
    if !keep {
        step(conn, "ROLLBACK TO job")?;
    }
    step(conn, "RELEASE job")
}

fn step(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.execute([]).map(|_| ())
}

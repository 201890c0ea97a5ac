//! The one thread that writes: many jobs in one commit, a savepoint each, an answer only once the commit is durable.
//!
//! ```text
//! job, job, … -> bounded queue -> BEGIN  (SAVEPOINT job RELEASE | ROLLBACK)*  COMMIT+fsync -> answers
//! ```
//! A savepoint costs a copy of every page that its job changes. A job that decides before it writes needs none: when it
//! refuses it has left nothing behind. That is looked at, and not believed: see [`Care`].

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::ledger::checkpoint::Checkpoints;
use crate::ledger::error::{LedgerError, lost_durability};
use crate::ledger::open;
use crate::ledger::recent::Merger;
use crate::ledger::transaction::Transaction;

/// Writes that may wait. At 2000 a second that is two seconds of work: who comes later is better told to come back.
const QUEUE_JOBS_MAX: usize = 4096;
/// Weight of the jobs in one commit: enough to share a disk's fsync among them, few enough that the first of them still
/// waits only some milliseconds for the last.
const GROUP_WEIGHT_MAX: usize = 256;

/// How many jobs have a savepoint each after one of those that need none did not keep its word.
const CAREFUL_JOBS: u32 = 10_000;

/// Whether a job that refuses may have written before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// It may: what it wrote is undone.
    Savepoint,
    /// It decides first and writes then. If it refuses and has written all the same, the whole group fails, and for some
    /// time every job has its savepoint.
    DecidesFirst,
}

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
    fn care(&self) -> Care;
    /// Does the work; false takes it back.
    fn run(&mut self, tx: &Transaction<'_>) -> bool;
    /// Hands out the answer. An error here means that the group did not become durable.
    fn settle(self: Box<Self>, group: Result<(), LedgerError>);
}

struct Change<T, E, F> {
    weight: usize,
    care: Care,
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

    fn care(&self) -> Care {
        self.care
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
    frozen: AtomicBool,
}

impl Writer {
    /// A database in a file has checkpoints, and is kept open for as long as `conn`.
    pub(super) fn start(
        conn: Connection,
        merger: Merger,
        file: Option<(Checkpoints, Arc<File>)>,
    ) -> std::io::Result<Self> {
        let (checkpoints, file) = file.unzip();
        let (queue, jobs) = sync_channel(QUEUE_JOBS_MAX);
        let desk = Desk { checkpoints, conn, _file: file, merger, careful: 0, failed: 0 };
        let thread = std::thread::Builder::new().name("ledger".into()).spawn(move || desk.work(&jobs))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), frozen: AtomicBool::new(false) })
    }

    /// Takes nothing any more.
    pub(super) fn freeze(&self) {
        self.frozen.store(true, Ordering::Release);
    }

    /// Queues a change. A full queue refuses at once, unless `patient`: then the caller's thread waits for room.
    pub(super) fn submit<T, E, F>(&self, weight: usize, care: Care, patient: bool, work: F) -> Reply<T, E>
    where
        T: Send + 'static,
        E: From<LedgerError> + Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Box<dyn Job> = Box::new(Change { weight, care, work: Some(work), outcome: None, reply });
        let refused = match &self.queue {
            None => Some((job, LedgerError::Closed)),
            Some(_) if self.frozen.load(Ordering::Acquire) => Some((job, LedgerError::Frozen)),
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

/// Where the thread works.
struct Desk {
    /// None: a database in memory has no log. Ended before the connection that can fold the rest into the file.
    checkpoints: Option<Checkpoints>,
    conn: Connection,
    /// Closed after the connection, see [`crate::ledger::Ledger`].
    _file: Option<Arc<File>>,
    merger: Merger,
    /// For how many more jobs nobody's word is taken.
    careful: u32,
    /// Commits that failed since one succeeded.
    failed: u32,
}

impl Desk {
    fn work(mut self, jobs: &Receiver<Box<dyn Job>>) {
        while let Ok(first) = jobs.recv() {
            let mut group = vec![first];
            let outcome = self.commit(jobs, &mut group);
            for job in group {
                job.settle(match &outcome {
                    Ok(()) => Ok(()),
                    Err(why) => Err(LedgerError::Unavailable(why.clone())),
                });
            }
            self.checkpoints.iter_mut().for_each(|checkpoints| checkpoints.after_commit(&self.conn));
        }
    }

    /// Runs the group, and whatever joins it meanwhile, in one transaction. An error says that nothing of it is durable.
    fn commit(&mut self, jobs: &Receiver<Box<dyn Job>>, group: &mut Vec<Box<dyn Job>>) -> Result<(), String> {
        let outcome = self.run_group(jobs, group).and_then(|()| step(&self.conn, "COMMIT"));
        let Err(error) = outcome else {
            self.failed = 0;
            self.merger.committed();
            return Ok(());
        };
        if lost_durability(&error) {
            super::die("the disk refused to make a commit durable", &error);
        }
        // The transaction may be gone already; then there is nothing to roll back.
        let _ = self.conn.execute_batch("ROLLBACK");
        tracing::error!(%error, "the ledger did not commit");
        self.make_room();
        Err(error.to_string())
    }

    /// After a failure, most often a full disk, gives back what the write-ahead log has no more need of: ever more seldom,
    /// since that copies all of it, and for nothing where the file itself has no room to grow.
    fn make_room(&mut self) {
        self.failed = self.failed.saturating_add(1);
        if !self.failed.is_power_of_two() {
            return;
        }
        match open::cut_wal(&self.conn) {
            Ok(cut) => tracing::info!(cut, "the ledger gave back the room of its write-ahead log"),
            Err(error) if lost_durability(&error) => {
                super::die("the disk refused to make the ledger's file durable", &error)
            }
            Err(error) => tracing::warn!(%error, "the ledger's write-ahead log could not be emptied"),
        }
    }

    fn run_group(&mut self, jobs: &Receiver<Box<dyn Job>>, group: &mut Vec<Box<dyn Job>>) -> rusqlite::Result<()> {
        step(&self.conn, "BEGIN IMMEDIATE")?;
        self.merger.begin(&self.conn)?;
        let (mut next, mut weight) = (0, 0);
        while let Some(job) = group.get_mut(next) {
            weight += job.weight();
            match job.care() {
                Care::DecidesFirst if self.careful == 0 => self.run_bare(job.as_mut())?,
                _ => self.run_in_savepoint(job.as_mut())?,
            }
            next += 1;
            if next == group.len() && weight < GROUP_WEIGHT_MAX {
                match jobs.try_recv() {
                    Ok(job) => group.push(job),
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => {} // never wait for company
                }
            }
        }
        Ok(())
    }

    /// One job whose refusal leaves nothing behind. An error here means that the whole transaction is lost.
    fn run_bare(&mut self, job: &mut dyn Job) -> rusqlite::Result<()> {
        let before = self.conn.total_changes();
        let keep = job.run(&Transaction::with(&self.conn, self.merger.recent()));
        let half = !keep && self.conn.total_changes() != before;
        if half {
            tracing::error!("a change failed after it had begun to write; what shared its commit is refused too");
            self.careful = CAREFUL_JOBS;
        }
        // SQLite rolls everything back by itself after some failures (disk full, I/O): the others cannot land either.
        if half || self.conn.is_autocommit() { Err(rusqlite::Error::InvalidQuery) } else { Ok(()) }
    }

    /// One job in its savepoint. An error here means that the whole transaction is lost, not only this job.
    fn run_in_savepoint(&mut self, job: &mut dyn Job) -> rusqlite::Result<()> {
        self.careful = self.careful.saturating_sub(1);
        step(&self.conn, "SAVEPOINT job")?;
        let keep = job.run(&Transaction::with(&self.conn, self.merger.recent()));
        if self.conn.is_autocommit() {
            return Err(rusqlite::Error::InvalidQuery); // as above
        }
        if !keep {
            step(&self.conn, "ROLLBACK TO job")?;
        }
        step(&self.conn, "RELEASE job")
    }
}

/// Runs a statement of a transaction, prepared once a connection.
pub(super) fn step(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.execute([]).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::recent::Recent;

    fn writer() -> Writer {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL)").unwrap();
        Writer::start(conn, Merger::new(Arc::new(Recent::empty())), None).unwrap()
    }

    fn put(writer: &Writer, care: Care, name: &'static str, then: Result<(), LedgerError>) -> Reply<(), LedgerError> {
        writer.submit(1, care, true, move |tx| {
            tx.set_meta(name, &[1])?;
            then
        })
    }

    fn names(writer: &Writer) -> Vec<String> {
        let all = writer.submit::<_, LedgerError, _>(1, Care::Savepoint, true, |tx| {
            tx.all("SELECT name FROM meta ORDER BY name", [], |row| row.get(0))
        });
        all.wait_blocking().unwrap()
    }

    #[test]
    fn whoever_writes_and_then_refuses_takes_nothing_along_twice() {
        let (writer, refused) = (writer(), || Err(LedgerError::Busy));
        put(&writer, Care::DecidesFirst, "a", Ok(())).wait_blocking().unwrap();
        // In a savepoint nobody else is touched, nor is anything left behind.
        assert!(matches!(put(&writer, Care::Savepoint, "b", refused()).wait_blocking(), Err(LedgerError::Busy)));
        assert_eq!(names(&writer), ["a"]);
        // Without one the group is lost, and the next ones are careful.
        assert!(put(&writer, Care::DecidesFirst, "c", refused()).wait_blocking().is_err());
        assert_eq!(names(&writer), ["a"]);
        let replies: Vec<_> = (0..3)
            .map(|i| put(&writer, Care::DecidesFirst, ["d", "e", "f"][i], if i == 1 { refused() } else { Ok(()) }))
            .collect();
        let done: Vec<bool> = replies.into_iter().map(|reply| reply.wait_blocking().is_ok()).collect();
        assert_eq!(done, [true, false, true]);
        assert_eq!(names(&writer), ["a", "d", "f"]);
    }
}

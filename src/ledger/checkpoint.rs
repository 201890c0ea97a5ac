//! Checkpoints: pages go from the write-ahead log into the file beside the writer, which would else stand still meanwhile.
//!
//! ```text
//! commit, commit, … -> FRAMES_ASKED behind -> this thread moves what is there, syncs the file  (the writer goes on)
//!                   -> FRAMES_ANEW in the log -> the thread catches up, the writer moves the last few and begins it anew
//! ```
//! With a million numbers the pages of a thousand registrations lie all over the file, and syncing them takes a tenth of
//! a second. Only the writer can begin the log anew, since only it can keep others from adding to it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use crate::ledger::error::lost_durability;
use crate::ledger::open;

/// Frames that are not in the file yet when a checkpoint begins; a frame is a page of 4 KiB.
const FRAMES_ASKED: u32 = 8192;
/// Frames in the log from which on it is to begin anew: 64 MiB.
pub(super) const FRAMES_ANEW: u32 = 16_384;
/// Frames that the writer moves itself then: some milliseconds.
const FRAMES_LEFT_MAX: u32 = 1024;
/// How long it waits for readers then. One that reads for longer (a backup, say) lets the log grow meanwhile.
const READERS_WAIT: Duration = Duration::from_millis(20);

const UNSYNCED: &str = "the disk refused to make a checkpoint durable";

/// The thread that moves pages, seen by the writer.
pub(super) struct Checkpoints {
    progress: Arc<Progress>,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// No new beginning is tried below so many frames: the last one found a reader in its way.
    patient_until: u32,
}

/// What both sides know.
#[derive(Default)]
struct Progress {
    /// Frames in the log after the last commit.
    logged: AtomicU32,
    /// Frames of it that are in the file.
    moved: AtomicU32,
    /// Whether the thread is at work.
    busy: AtomicBool,
}

impl Checkpoints {
    /// Starts the thread, which syncs `file`, and has `writer` tell how long the log is.
    pub(super) fn start(dir: &Path, file: Arc<File>, writer: &mut Connection) -> rusqlite::Result<Self> {
        let (progress, conn) = (Arc::new(Progress::default()), open::checkpointer(dir)?);
        let told = progress.clone();
        writer.wal_hook(Some(move |_: &mut _, frames: i32| {
            told.logged.store(frames.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        }))?;
        let (wake, asked) = sync_channel(1);
        let theirs = progress.clone();
        let work = move || work(&conn, &file, &theirs, &asked);
        // Without the thread the writer does all of it, when the log has grown to its length.
        let thread = std::thread::Builder::new().name("checkpoint".into()).spawn(work).ok();
        Ok(Self { progress, wake: Some(wake), thread, patient_until: 0 })
    }

    /// After a commit: has pages moved, or begins the log anew, when it is time.
    pub(super) fn after_commit(&mut self, writer: &Connection) {
        let progress = &self.progress;
        if progress.busy.load(Ordering::Acquire) {
            return;
        }
        let (logged, moved) = (progress.logged.load(Ordering::Relaxed), progress.moved.load(Ordering::Relaxed));
        // More was moved than there is: the log has begun anew since.
        let left = logged - if moved > logged { 0 } else { moved };
        if logged < FRAMES_ANEW {
            self.patient_until = 0;
        }
        let is_long = logged >= FRAMES_ANEW.max(self.patient_until);
        let is_alone = self.thread.is_none();
        if is_long && (left <= FRAMES_LEFT_MAX || is_alone) {
            if let Err(error) = begin_anew(writer) {
                tracing::warn!(%error, "the write-ahead log could not begin anew");
            }
            self.patient_until = logged + FRAMES_ASKED;
        } else if !is_alone && (left >= FRAMES_ASKED || is_long) {
            progress.busy.store(true, Ordering::Release);
            if self.wake.as_ref().is_none_or(|wake| wake.try_send(()).is_err()) {
                progress.busy.store(false, Ordering::Release);
            }
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(conn: &Connection, file: &File, progress: &Progress, asked: &Receiver<()>) {
    while asked.recv().is_ok() {
        match checkpoint(conn, "PASSIVE") {
            Ok(moved) => {
                // As before: a reader keeps them back, and there is nothing to sync.
                if progress.moved.swap(moved, Ordering::Relaxed) != moved {
                    sync(file);
                }
            }
            Err(error) => tracing::warn!(%error, "pages stay in the write-ahead log for now"),
        }
        progress.busy.store(false, Ordering::Release);
    }
}

/// SQLite itself syncs the file only when the whole log is in it. Beside a writer that goes on it never is, and the writer, which
/// moves the last pages, would have all of them to sync.
fn sync(file: &File) {
    if let Err(error) = file.sync_data() {
        super::die(UNSYNCED, &error); // as in `checkpoint`
    }
}

/// The next commit writes at the beginning of the log, if no reader is in the way.
fn begin_anew(writer: &Connection) -> rusqlite::Result<()> {
    writer.busy_timeout(READERS_WAIT)?;
    let done = checkpoint(writer, "RESTART");
    writer.busy_timeout(open::WRITER_WAIT)?;
    done.map(drop)
}

/// Moves pages; says how many frames of the log are in the file then.
fn checkpoint(conn: &Connection, how: &str) -> rusqlite::Result<u32> {
    let done = conn.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |row| row.get::<_, i64>(2));
    let moved = done.inspect_err(|error| {
        // What was not synced may be lost without another error, and the log would be written over.
        if lost_durability(error) {
            super::die(UNSYNCED, error);
        }
    })?;
    Ok(u32::try_from(moved).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Ledger, LedgerError};

    fn wal_octets(dir: &Path) -> u64 {
        std::fs::metadata(dir.join("ledger.sqlite-wal")).unwrap().len()
    }

    /// Values of two pages each, 32 a commit; others than before, for what stays as it is takes no frames.
    fn write_frames(ledger: &Ledger, frames: u32, fill: u8) {
        for i in 0..frames / 64 {
            let values = move |tx: &crate::ledger::Transaction<'_>| {
                (0..32).try_for_each(|n| tx.set_meta(&format!("{}", i * 32 + n), &[fill; 8192]))
            };
            ledger.write::<_, LedgerError, _>(values).wait_blocking().unwrap();
        }
    }

    #[test]
    fn a_log_that_grew_long_begins_anew_and_a_reader_only_puts_that_off() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::create(dir.path()).unwrap();
        let room = u64::from(FRAMES_ANEW + 2 * FRAMES_ASKED) * 4120;
        write_frames(&ledger, 4 * FRAMES_ANEW, 1);
        let length = wal_octets(dir.path());
        assert!(length < room, "{length}");
        // Who reads keeps his moment; the log grows, nobody waits, and it is as before once he is gone.
        ledger
            .read::<_, LedgerError>(|now| {
                assert!(now.meta("0")?.is_some());
                write_frames(&ledger, 2 * FRAMES_ANEW, 2);
                Ok(())
            })
            .unwrap();
        let grown = wal_octets(dir.path());
        assert!(grown >= u64::from(2 * FRAMES_ANEW) * 4096, "{grown}");
        write_frames(&ledger, 2 * FRAMES_ANEW, 3);
        assert!(wal_octets(dir.path()) < room, "{}", wal_octets(dir.path()));
    }
}

//! The ledger: what is true, durably. One SQLite file, one thread that writes, several connections that read.
//!
//! All SQL of the program stands in this room; the rest sees typed rows. [`Ledger::read`] lends a [`Snapshot`] (one
//! moment of the ledger), [`Ledger::write`] a [`Transaction`]: what a job did lands as a whole or not at all, shares its
//! fsync with other jobs, and is answered once it is durable. Facts (events, gov leaves, epochs) are only ever added.

mod checkpoint;
mod error;
mod filter;
mod migrate;
mod open;
mod readers;
mod recent;
mod request;
mod snapshot;
mod transaction;
mod writer;

mod acts;
mod audits;
mod batches;
mod changes;
mod charters;
mod complaints;
mod console;
mod copy;
mod counters;
mod doors;
mod epochs;
mod eras;
mod events;
mod idempotency;
mod monthly;
mod numbers;
mod revalidations;
mod sponsored;
mod staff;
mod tiles;
mod tokens;
mod validations;
mod webhooks;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use crate::ledger::acts::{ActLabel, ActRow, SanctionRow, StepRow};
pub use crate::ledger::audits::{AuditCount, AuditItem, AuditRow, AuditToken};
pub use crate::ledger::batches::{BatchCount, BatchResult, BatchRow};
pub use crate::ledger::changes::{ChangeHead, ChangeRow, Changed};
pub use crate::ledger::charters::{ActCharterRow, CharterRow};
pub use crate::ledger::complaints::{ComplaintRow, LedTo};
pub use crate::ledger::console::{DeskRow, PasskeyRow, SessionRow};
pub use crate::ledger::epochs::{EpochPosition, EpochRow};
pub use crate::ledger::eras::{Carried, EraRow};
pub use crate::ledger::error::{LedgerError, OpenError};
pub use crate::ledger::events::{Accepted, EventRow};
pub use crate::ledger::idempotency::FirstAnswer;
pub use crate::ledger::numbers::{Disclosed, Personal, Served, Standing};
pub use crate::ledger::revalidations::RevalidationRow;
pub use crate::ledger::snapshot::Snapshot;
pub use crate::ledger::sponsored::SponsoredRow;
pub use crate::ledger::staff::StaffRow;
pub use crate::ledger::tiles::{Leaves, LedgerTiles};
pub use crate::ledger::tokens::TokenRow;
pub use crate::ledger::transaction::Transaction;
pub use crate::ledger::validations::CompromisedRow;
pub use crate::ledger::webhooks::{WebhookAttempt, WebhookProgress, WebhookRow, WebhookState};
pub use crate::ledger::writer::Reply;

use crate::ledger::checkpoint::Checkpoints;
use crate::ledger::open::Held;
use crate::ledger::readers::Readers;
use crate::ledger::recent::{Learning, Merger, Recent};
use crate::ledger::writer::{Care, Writer, step};

/// An open ledger. It belongs to this process until it is dropped.
pub struct Ledger {
    _learning: Learning,
    readers: Readers, // closed before the writer: only a connection that writes can fold the WAL into the file at the end
    writer: Writer,
    recent: Arc<Recent>,
    dir: PathBuf,
    _file: Arc<File>, // closed after every connection: closing it takes SQLite's locks on the file away
    _lock: Held,      // released last
}

impl Ledger {
    /// Makes an empty ledger in the folder `dir`, which must exist and hold none, and opens it.
    pub fn create(dir: &Path) -> Result<Self, OpenError> {
        let lock = open::lock(dir)?;
        open::create(dir)?;
        Self::start(dir, lock)
    }

    /// Opens the ledger in the folder `dir`: checks it, brings it to the newest format, and locks out other processes.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        if !dir.is_dir() {
            return Err(OpenError::Missing { path: dir.join(open::FILE_NAME) });
        }
        Self::start(dir, open::lock(dir)?)
    }

    fn start(dir: &Path, lock: Held) -> Result<Self, OpenError> {
        let mut conn = open::writer(dir)?;
        let readers = Readers::open(dir)?;
        let path = dir.join(open::FILE_NAME);
        let file = match File::open(&path) {
            Ok(file) => Arc::new(file),
            Err(source) => return Err(OpenError::Io { path, source }),
        };
        let checkpoints = Checkpoints::start(dir, file.clone(), &mut conn);
        let checkpoints = checkpoints.map_err(|source| OpenError::Sql { path: path.clone(), source })?;
        let onlooker = open::reader(dir)?; // what it reads takes no place in the writer's page cache
        let recent = Arc::new(Recent::load(&onlooker).map_err(|error| open::told(&path, error))?);
        let writer = Writer::start(conn, Merger::new(recent.clone()), Some((checkpoints, file.clone())));
        let writer = writer.map_err(|source| OpenError::Io { path: dir.to_owned(), source })?;
        let learning = Learning::start(onlooker, recent.clone());
        Ok(Self { _learning: learning, readers, writer, recent, dir: dir.to_owned(), _file: file, _lock: lock })
    }

    /// Refuses every write from now on, with [`LedgerError::Frozen`]; reads go on. Only a new opening ends it.
    pub fn freeze(&self) {
        self.writer.freeze();
    }

    /// The folder it lies in.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Queues a change; refuses with [`LedgerError::Busy`] when too many wait. The reply comes once it is durable.
    pub fn write<T, E, F>(&self, job: F) -> Reply<T, E>
    where
        T: Send + 'static,
        E: From<LedgerError> + Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    {
        self.writer.submit(1, Care::Savepoint, false, job)
    }

    /// Like [`Ledger::write`], cheaper, for a job that decides before it writes: once it has written it must not refuse.
    pub fn write_decided<T, E, F>(&self, job: F) -> Reply<T, E>
    where
        T: Send + 'static,
        E: From<LedgerError> + Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    {
        self.writer.submit(1, Care::DecidesFirst, false, job)
    }

    /// Like [`Ledger::write_decided`] for bulk work that counts as `weight` jobs: blocks the calling thread while the
    /// queue is full. When it fails half-way, so does all that shares its commit.
    pub fn write_bulk<T, E, F>(&self, weight: usize, job: F) -> Reply<T, E>
    where
        T: Send + 'static,
        E: From<LedgerError> + Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    {
        self.writer.submit(weight, Care::DecidesFirst, true, job)
    }

    /// Reads one moment of the ledger. Blocks for the disk: in async code, call it from a blocking thread.
    pub fn read<T, E: From<LedgerError>>(&self, reading: impl FnOnce(&Snapshot<'_>) -> Result<T, E>) -> Result<T, E> {
        self.readers.with(|conn| {
            // Prepared once: a request reads two or three times, and each of these would be parsed twice.
            step(conn, "BEGIN").map_err(LedgerError::from)?;
            let read = reading(&Snapshot::with(conn, &self.recent));
            step(conn, "COMMIT").map_err(LedgerError::from)?;
            read
        })
    }

    /// Reads one moment of the ledger in `dir`, also while another process has it open.
    pub fn peek<T, E>(dir: &Path, reading: impl FnOnce(&Snapshot<'_>) -> Result<T, E>) -> Result<T, E>
    where
        E: From<OpenError> + From<LedgerError>,
    {
        let conn = open::peek(dir)?;
        let moment = conn.unchecked_transaction().map_err(LedgerError::from)?;
        reading(&Snapshot::new(&moment))
    }

    /// Empties the write-ahead log into the file, so that no erased bytes stay in it. False: someone is reading or
    /// writing just now; try again later.
    pub fn truncate_wal(&self) -> Result<bool, LedgerError> {
        open::truncate_wal(&self.dir)
    }

    /// For tests: lets the file grow to `pages` pages of 4096 bytes only, as a full disk would.
    #[doc(hidden)]
    pub fn limit_pages(&self, pages: u32) -> Reply<(), LedgerError> {
        self.write(move |tx| tx.limit_pages(pages))
    }
}

/// Ends the process after a broken promise of disk or code: whoever limps on makes it worse, a restart checks everything.
pub(crate) fn die(what: &str, why: &dyn std::fmt::Display) -> ! {
    tracing::error!(%why, "{what}: stopping here, so that nothing false is served; the next start checks and repairs");
    std::process::abort()
}

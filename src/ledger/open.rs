//! Opens the ledger's file: the lock against a second process, the checks of the file, the settings of connections.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::ledger::error::{LedgerError, OpenError};
use crate::ledger::{migrate, tiles};

/// The database's name in the data folder.
pub(super) const FILE_NAME: &str = "ledger.sqlite";
const LOCK_NAME: &str = "ledger.lock";

/// Files up to this size are checked page by page at each start; larger ones would make a start slow, and the start-up
/// comparison of map and log reads every State and record of them anyway.
const QUICK_CHECK_BYTES_MAX: u64 = 64 << 20;
/// The writer's page cache in KiB: holds the upper levels of the trees at a million numbers, and little beside a zone.
const WRITER_CACHE_KIB: i64 = 32 << 10;
/// A reader's page cache in KiB: the system's file cache stands behind it.
const READER_CACHE_KIB: i64 = 2 << 10;
/// The write-ahead log is cut back to this after it was emptied: it seldom grows longer before it begins anew.
const WAL_BYTES_KEPT: i64 = 96 << 20;
/// Statements kept prepared in each connection: more than there are in the code.
const STATEMENTS_KEPT: usize = 128;
/// How long the writer waits for a checkpoint that another connection makes; it copies [`WAL_BYTES_KEPT`] at most.
pub(super) const WRITER_WAIT: Duration = Duration::from_secs(30);
/// How long a checkpoint waits for the writer and the readers to pause; their work is a matter of milliseconds.
const CHECKPOINT_WAIT: Duration = Duration::from_millis(250);

/// The lock on a folder; it goes with the process, however that ends.
pub(super) struct Held(File);

impl Drop for Held {
    /// Lets go at once. Closing alone would not: a child process that is being started at this moment has the file too,
    /// until it becomes another program.
    fn drop(&mut self) {
        let _ = self.0.unlock(); // what cannot be unlocked goes with the file
    }
}

/// Takes the folder for this process, or says who has it.
pub(super) fn lock(dir: &Path) -> Result<Held, OpenError> {
    let path = dir.join(LOCK_NAME);
    let io = |source| OpenError::Io { path: path.clone(), source };
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let known = file.read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
            let holder = if known { holder.trim().to_owned() } else { "unknown".to_owned() };
            return Err(OpenError::InUse { path, holder });
        }
        Err(TryLockError::Error(source)) => return Err(io(source)),
    }
    file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(io)?;
    Ok(Held(file))
}

/// Makes a new, empty ledger file and the folder's entry for it durable.
pub(super) fn create(dir: &Path) -> Result<(), OpenError> {
    let path = dir.join(FILE_NAME);
    if path.exists() {
        return Err(OpenError::Exists { path });
    }
    let sql = |source| OpenError::Sql { path: path.clone(), source };
    let conn = Connection::open(&path).map_err(sql)?;
    conn.pragma_update(None, "application_id", migrate::APPLICATION_ID).map_err(sql)?;
    conn.close().map_err(|(_, source)| sql(source))?;
    File::open(dir).and_then(|d| d.sync_all()).map_err(|source| OpenError::Io { path: dir.to_owned(), source })
}

/// The one connection that writes: checks the file first, then brings it to the newest format.
pub(super) fn writer(dir: &Path) -> Result<Connection, OpenError> {
    let path = dir.join(FILE_NAME);
    let size = match std::fs::metadata(&path) {
        Ok(found) => found.len(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(OpenError::Missing { path }),
        Err(source) => return Err(OpenError::Io { path, source }),
    };
    let why = |source| explain(&path, source);
    let conn = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE, WRITER_CACHE_KIB).map_err(why)?;
    let found = check_format(&path, &conn)?;
    if size <= QUICK_CHECK_BYTES_MAX {
        let said: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(why)?;
        if said != "ok" {
            return Err(OpenError::Damaged { path, what: said });
        }
    }
    conn.busy_timeout(WRITER_WAIT).map_err(why)?;
    conn.pragma_update(None, "journal_mode", "WAL").map_err(why)?;
    conn.pragma_update(None, "synchronous", "FULL").map_err(why)?;
    conn.pragma_update(None, "secure_delete", "ON").map_err(why)?; // released numbers leave no bytes behind (TRUST.md 5)
    conn.pragma_update(None, "wal_autocheckpoint", 0).map_err(why)?; // a thread of its own does that
    conn.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT).map_err(why)?;
    if found < migrate::newest() {
        migrate::migrate(&conn).map_err(why)?;
    }
    tiles::fill(&conn).map_err(|error| told(&path, error))?;
    Ok(conn)
}

/// Whether this is a ledger in a format known here; gives the format.
fn check_format(path: &Path, conn: &Connection) -> Result<i64, OpenError> {
    let why = |source| explain(path, source);
    let id: i64 = conn.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(why)?;
    if id != migrate::APPLICATION_ID {
        return Err(OpenError::Alien { path: path.to_owned() });
    }
    let (found, known) = (migrate::version(conn).map_err(why)?, migrate::newest());
    if found > known {
        return Err(OpenError::TooNew { path: path.to_owned(), found, known });
    }
    Ok(found)
}

/// A connection that reads a ledger which another process may have open; it must be in the newest format.
pub(super) fn peek(dir: &Path) -> Result<Connection, OpenError> {
    let path = dir.join(FILE_NAME);
    if !path.exists() {
        return Err(OpenError::Missing { path });
    }
    let conn = reader(dir)?;
    match check_format(&path, &conn)? {
        found if found == migrate::newest() => Ok(conn),
        _ => Err(OpenError::Damaged { path, what: "it was never opened by this version".to_owned() }),
    }
}

/// A connection that can only read.
pub(super) fn reader(dir: &Path) -> Result<Connection, OpenError> {
    let path = dir.join(FILE_NAME);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    connect(&path, flags, READER_CACHE_KIB).map_err(|source| explain(&path, source))
}

/// A connection that moves pages from the write-ahead log into the file.
pub(super) fn checkpointer(dir: &Path) -> rusqlite::Result<Connection> {
    let conn = connect(&dir.join(FILE_NAME), OpenFlags::SQLITE_OPEN_READ_WRITE, READER_CACHE_KIB)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    Ok(conn)
}

/// Moves the write-ahead log into the file and cuts it to nothing. False: a reader or the writer was in the way.
pub(super) fn truncate_wal(dir: &Path) -> Result<bool, LedgerError> {
    let conn = checkpointer(dir)?;
    conn.busy_timeout(CHECKPOINT_WAIT)?;
    let busy: i64 = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(busy == 0)
}

/// The same by the writer itself, which waits for the readers no longer than a checkpoint does.
pub(super) fn cut_wal(writer: &Connection) -> rusqlite::Result<bool> {
    writer.busy_timeout(CHECKPOINT_WAIT)?;
    let busy = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    writer.busy_timeout(WRITER_WAIT)?;
    Ok(busy? == 0)
}

fn connect(path: &Path, flags: OpenFlags, cache_kib: i64) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    conn.pragma_update(None, "cache_size", -cache_kib)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?; // no personal data in temporary files
    conn.pragma_update(None, "trusted_schema", "OFF")?;
    Ok(conn)
}

/// An error of reading, as one of opening.
pub(super) fn told(path: &Path, error: LedgerError) -> OpenError {
    let path = path.to_owned();
    match error {
        LedgerError::Sql(source) => explain(&path, source),
        LedgerError::Unavailable(why) => OpenError::Io { path, source: std::io::Error::other(why) },
        other => OpenError::Damaged { path, what: other.to_string() },
    }
}

fn explain(path: &Path, source: rusqlite::Error) -> OpenError {
    let path = PathBuf::from(path);
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::Alien { path },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path, what: source.to_string() },
        // A full disk comes in all of these dresses: SQLite cannot even make its index of the write-ahead log.
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly) => {
            OpenError::Io { path, source: std::io::Error::other(source) }
        }
        _ => OpenError::Sql { path, source },
    }
}

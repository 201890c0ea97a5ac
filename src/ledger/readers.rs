//! A few connections that only read, shared by all who ask; each reading sees one moment of the ledger.

use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};

use rusqlite::Connection;

use crate::ledger::error::OpenError;
use crate::ledger::open;

/// Readings at the same time. They are short (microseconds); more connections would only hold more page caches.
const READERS: usize = 4;

pub(super) struct Readers {
    idle: Mutex<Vec<Connection>>,
    back: Condvar,
}

impl Readers {
    pub(super) fn open(dir: &Path) -> Result<Self, OpenError> {
        let idle = (0..READERS).map(|_| open::reader(dir)).collect::<Result<_, _>>()?;
        Ok(Self { idle: Mutex::new(idle), back: Condvar::new() })
    }

    /// Lends a connection to `reading`, waiting for one if all are lent.
    pub(super) fn with<T>(&self, reading: impl FnOnce(&Connection) -> T) -> T {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let conn = loop {
            match idle.pop() {
                Some(conn) => break conn,
                None => idle = self.back.wait(idle).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(idle);
        let lent = Lent { readers: self, conn: Some(conn) };
        lent.conn.as_ref().map(reading).expect("lent until dropped")
    }
}

/// Brings the connection back even when the reading panics.
struct Lent<'r> {
    readers: &'r Readers,
    conn: Option<Connection>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            if !conn.is_autocommit() {
                let _ = conn.execute_batch("ROLLBACK"); // the reading panicked inside its transaction
            }
            self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
            self.readers.back.notify_one();
        }
    }
}

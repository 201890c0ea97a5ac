//! What becomes visible: the changes of what a name server serves, made from State and record R.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{channel, sync_channel};

use crate::ledger::{LedgerError, Served, Snapshot};
use crate::log::Hash;
use crate::log::map::Leaf;
use crate::log::record::Record;
use crate::log::state::{Flags, State, Status};
use crate::number::Number;
use crate::zone::image::{self, Point};
use crate::zone::{ApplyError, Change, NumberData, NumberZone, StaticZone};

/// Where published epochs become visible: the zone of a name server, or whatever a test watches with.
pub trait View: Send + Sync {
    /// Shows all of these changes; `serial` is the zone's generation from then on and never falls.
    fn apply(&self, changes: &[Change], serial: u32) -> Result<(), ApplyError>;

    /// The delegation that covers a number, if there is one: it cannot be served here.
    fn cut_over(&self, number: Number) -> Option<String>;

    /// Serves other static data from now on and shows `serial`; whoever has none has nothing to do.
    fn replace_fixed(&self, _fixed: Arc<StaticZone>, _serial: u32) -> Result<(), ApplyError> {
        Ok(())
    }

    /// Writes all that is served, for the next start; false from whoever keeps nothing.
    fn write_image(&self, _point: &Point, _out: &mut dyn Write) -> io::Result<bool> {
        Ok(false)
    }
}

impl View for NumberZone {
    fn apply(&self, changes: &[Change], serial: u32) -> Result<(), ApplyError> {
        self.apply(changes, serial)
    }

    fn cut_over(&self, number: Number) -> Option<String> {
        self.cut_over(number)
    }

    fn write_image(&self, point: &Point, out: &mut dyn Write) -> io::Result<bool> {
        image::write(self.table(), point, out).map(|()| true)
    }
}

/// The SOA serial of a generation: it wraps as RFC 1982 says.
pub(super) fn serial(generation: u64) -> u32 {
    generation as u32
}

/// What DNS says about a number in this State, whose hash is `hash`; None if nothing. That it ends at `not_after` is the
/// zone's own business.
pub(super) fn served(
    number: Number,
    state: &State,
    hash: &Hash,
    record: &[u8],
) -> Result<Option<NumberData>, LedgerError> {
    if state.status != Status::Active {
        return Ok(None);
    }
    let record = Record::parse(record).map_err(|_| LedgerError::Damaged("a record that breaks its own form"))?;
    Ok(Some(NumberData {
        number,
        not_after_s: state.not_after,
        rrs: record.rr,
        version: state.version,
        state_hash: *hash.first_chunk().expect("a hash has 32 bytes"),
        provider_held: state.flags.contains(Flags::PROVIDER_HELD),
        revoked: record.revoked,
    }))
}

/// The change that makes a number's new State visible.
pub(super) fn change(number: Number, state: &State, record: &[u8]) -> Result<Change, LedgerError> {
    Ok(served(number, state, &state.hash(), record)?.map_or(Change::Remove(number), Change::Put))
}

/// Numbers handed from thread to thread at once.
const CHUNK: usize = 1024;
/// Chunks that wait for the second thread: enough that neither waits for the other, little enough to hold.
const CHUNKS_AHEAD: usize = 8;

/// Reads the whole map and all that is served. One thread reads the ledger, a second one reads the records: a start with a
/// million numbers waits for both.
pub(super) fn read_all(
    now: &Snapshot<'_>,
    mut leaf: impl FnMut(Leaf),
    mut each: impl FnMut(NumberData),
) -> Result<(), LedgerError> {
    let (to_read, chunks) = sync_channel::<Vec<(Served, Hash)>>(CHUNKS_AHEAD);
    let (done, ready) = channel::<Result<Vec<NumberData>, LedgerError>>();
    let read = |(row, hash): (Served, Hash)| served(row.number, &row.state, &hash, &row.record).transpose();
    // `move`: however this ends, the queues close before the second thread is waited for.
    std::thread::scope(move |scope| {
        scope.spawn(move || {
            for chunk in chunks {
                if done.send(chunk.into_iter().filter_map(read).collect()).is_err() {
                    return;
                }
            }
        });
        let mut chunk = Vec::with_capacity(CHUNK);
        let gone = |_| LedgerError::Closed;
        now.each_number(|found, row| {
            leaf(found);
            chunk.extend(row.map(|row| (row, found.1)));
            if chunk.len() == CHUNK {
                to_read.send(std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK))).map_err(gone)?;
                for numbers in ready.try_iter() {
                    numbers?.into_iter().for_each(&mut each);
                }
            }
            Ok(())
        })?;
        to_read.send(chunk).map_err(gone)?;
        drop(to_read);
        for numbers in ready {
            numbers?.into_iter().for_each(&mut each);
        }
        Ok(())
    })
}

//! The journal of a static zone: what each version took away and brought, so that secondaries fetch changes alone (RFC 1995).
//!
//! ```text
//! "callbook ixfr 1\0" ‖ entry* ‖ SHA-256 of all before it
//! entry = u64 octets removed ‖ u64 octets added ‖ removed ‖ added        rows of records, each with its SOA in front
//! ```
//! Derived and bounded: without an entry for its serial a secondary gets the whole zone.

use std::collections::VecDeque;
use std::sync::Arc;

use ring::digest::{SHA256, digest};

use super::records;
use super::version::soa_serial;
use crate::wire::RrType;

const MAGIC: &[u8; 16] = b"callbook ixfr 1\0";
/// Octets of all entries: it is in memory and is written whole. A zone that changes more at once is better fetched whole.
pub const OCTETS_MAX: usize = 4 << 20;
/// Entries: a secondary that is further behind fetches the zone.
pub const ENTRIES_MAX: usize = 256;

/// One step from a version to the next.
#[derive(PartialEq, Eq)]
pub struct Entry {
    /// The serial before.
    pub from: u32,
    /// The serial after.
    pub to: u32,
    /// The old SOA, then the records that went, as a row of [`records`].
    pub removed: Box<[u8]>,
    /// The new SOA, then the records that came.
    pub added: Box<[u8]>,
}

/// The steps that led to the version that is served, oldest first.
#[derive(Clone, Default)]
pub struct Journal {
    entries: VecDeque<Arc<Entry>>,
}

impl Entry {
    /// A step from its two rows; `None` if one does not begin with an SOA.
    pub fn new(removed: Vec<u8>, added: Vec<u8>) -> Option<Self> {
        let serial = |row: &[u8]| {
            let (soa, _) = records::first(row).filter(|(record, _)| record.rr_type == RrType::SOA)?;
            soa_serial(soa.rdata)
        };
        Some(Self { from: serial(&removed)?, to: serial(&added)?, removed: removed.into(), added: added.into() })
    }

    /// Octets of both rows.
    pub fn octets(&self) -> usize {
        self.removed.len() + self.added.len()
    }
}

impl Journal {
    /// Adds the newest step; one that does not go on from the last makes everything before it useless. Drops the oldest
    /// beyond the bounds, and all if the new one alone is beyond them.
    pub fn push(&mut self, entry: Entry) {
        if self.entries.back().is_some_and(|last| last.to != entry.from) {
            self.entries.clear();
        }
        self.entries.push_back(Arc::new(entry));
        while self.entries.len() > ENTRIES_MAX || self.octets() > OCTETS_MAX {
            self.entries.pop_front();
        }
    }

    /// Forgets everything: what is served does not go on from it.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// The steps from a serial to the newest version; `None` if they are not known.
    pub fn since(&self, serial: u32) -> Option<Vec<Arc<Entry>>> {
        let first = self.entries.iter().rposition(|entry| entry.from == serial)?;
        Some(self.entries.iter().skip(first).cloned().collect())
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no step.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The file's octets.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        for entry in &self.entries {
            out.extend_from_slice(&(entry.removed.len() as u64).to_be_bytes());
            out.extend_from_slice(&(entry.added.len() as u64).to_be_bytes());
            out.extend_from_slice(&entry.removed);
            out.extend_from_slice(&entry.added);
        }
        let hash = digest(&SHA256, &out);
        out.extend_from_slice(hash.as_ref());
        out
    }

    /// Reads a file of which the steps up to `serial` count: those after it were written for a version that was never
    /// served. `None` if any octet is not as it was written; empty if no step leads to `serial`.
    pub fn decode(file: &[u8], serial: u32) -> Option<Self> {
        let (body, hash) = file.split_last_chunk::<32>()?;
        if digest(&SHA256, body).as_ref() != hash {
            return None;
        }
        let (mut rest, mut journal) = (body.strip_prefix(MAGIC)?, Self::default());
        while !rest.is_empty() {
            let (removed, after) = rest.split_first_chunk::<8>()?;
            let (added, after) = after.split_first_chunk::<8>()?;
            let octets = |length: &[u8; 8]| usize::try_from(u64::from_be_bytes(*length)).ok();
            let (removed, after) = after.split_at_checked(octets(removed)?)?;
            let (added, after) = after.split_at_checked(octets(added)?)?;
            journal.push(Entry::new(removed.to_vec(), added.to_vec())?);
            rest = after;
        }
        let upto = journal.entries.iter().rposition(|entry| entry.to == serial).map_or(0, |last| last + 1);
        journal.entries.truncate(upto);
        Some(journal)
    }

    fn octets(&self) -> usize {
        self.entries.iter().map(|entry| entry.octets()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::records::{Record, push};

    fn row(serial: u32, octets: usize) -> Vec<u8> {
        let soa = [&[0, 0][..], &serial.to_be_bytes(), &[0; 16]].concat();
        let mut row = Vec::new();
        push(&mut row, Record { owner: b"\x01a\x00", rr_type: RrType::SOA, ttl_s: 1, rdata: &soa });
        push(&mut row, Record { owner: b"\x01a\x00", rr_type: RrType::TXT, ttl_s: 1, rdata: &vec![1; octets] });
        row
    }

    fn entry(from: u32, to: u32, octets: usize) -> Entry {
        Entry::new(row(from, 10), row(to, octets)).unwrap()
    }

    fn journal(steps: &[(u32, u32)]) -> Journal {
        let mut journal = Journal::default();
        steps.iter().for_each(|(from, to)| journal.push(entry(*from, *to, 20)));
        journal
    }

    #[test]
    fn steps_lead_from_any_known_serial_to_the_newest() {
        let journal = journal(&[(1, 2), (2, 5), (5, u32::MAX), (u32::MAX, 3)]);
        let steps = |serial| journal.since(serial).map(|steps| steps.iter().map(|s| s.to).collect::<Vec<_>>());
        assert_eq!(steps(2), Some(vec![5, u32::MAX, 3]));
        assert_eq!(steps(u32::MAX), Some(vec![3]));
        assert_eq!((steps(3), steps(4)), (None, None));
    }

    #[test]
    fn a_gap_and_the_bounds_drop_what_is_old() {
        assert_eq!(journal(&[(1, 2), (3, 4)]).len(), 1);
        let many: Vec<(u32, u32)> = (0..ENTRIES_MAX as u32 + 9).map(|n| (n, n + 1)).collect();
        let many = journal(&many);
        assert!(many.len() == ENTRIES_MAX && many.since(8).is_none() && many.since(9).is_some());
        let mut large = journal(&[(1, 2)]);
        for n in 2..200 {
            large.push(entry(n, n + 1, 60_000));
        }
        assert!(large.octets() <= OCTETS_MAX && large.octets() > OCTETS_MAX - 70_000);
        let record = row(200, 60_000);
        let huge = [record.repeat(2 * OCTETS_MAX / record.len())].concat();
        large.push(Entry::new(huge, row(201, 1)).unwrap());
        assert!(large.is_empty(), "one that is too large is not kept, and nothing before it leads on");
    }

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        let written = journal(&[(1, 2), (2, 3), (3, 4)]);
        let file = written.encode();
        let read =
            |file: &[u8], serial| Journal::decode(file, serial).map(|j| j.entries.into_iter().collect::<Vec<_>>());
        assert!(read(&file, 4) == Some(written.entries.iter().cloned().collect()));
        assert_eq!(read(&file, 3).map(|e| e.len()), Some(2), "the last was written for a version never served");
        assert_eq!(read(&file, 9).map(|e| e.len()), Some(0));
        for at in (0..file.len()).step_by(7) {
            let mut broken = file.clone();
            broken[at] ^= 1;
            assert!(read(&broken, 4).is_none() && read(&file[..at], 4).is_none(), "octet {at}");
        }
    }
}

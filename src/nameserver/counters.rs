//! What was asked and answered, counted by type, code and transport. Never by name.

use std::sync::atomic::{AtomicU64, Ordering};

use super::transport::Transport;
use crate::wire::{Rcode, RrType};

const TYPES: [(RrType, &str); 16] = [
    (RrType::NAPTR, "NAPTR"),
    (RrType::TLSA, "TLSA"),
    (RrType::TXT, "TXT"),
    (RrType::SOA, "SOA"),
    (RrType::NS, "NS"),
    (RrType::DNSKEY, "DNSKEY"),
    (RrType::DS, "DS"),
    (RrType::NSEC, "NSEC"),
    (RrType::OPENPGPKEY, "OPENPGPKEY"),
    (RrType::SMIMEA, "SMIMEA"),
    (RrType::A, "A"),
    (RrType::AAAA, "AAAA"),
    (RrType::ANY, "ANY"),
    (RrType::AXFR, "AXFR"),
    (RrType::IXFR, "IXFR"),
    (RrType(0), "other"),
];
const CODES: [(Rcode, &str); 10] = [
    (Rcode::NoError, "NOERROR"),
    (Rcode::FormErr, "FORMERR"),
    (Rcode::ServFail, "SERVFAIL"),
    (Rcode::NxDomain, "NXDOMAIN"),
    (Rcode::NotImp, "NOTIMP"),
    (Rcode::Refused, "REFUSED"),
    (Rcode::YxDomain, "YXDOMAIN"),
    (Rcode::NotAuth, "NOTAUTH"),
    (Rcode::BadVers, "BADVERS"),
    (Rcode::BadCookie, "BADCOOKIE"),
];
const CELLS: usize = Transport::ALL.len() * TYPES.len() * CODES.len();

/// What limits did to queries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limited {
    /// Over the pace: no answer.
    Dropped,
    /// Over the pace: an answer without records.
    Slipped,
    /// Over the budget on numbers: TC.
    BudgetTruncated,
    /// Over the budget on numbers: REFUSED.
    BudgetRefused,
}

const LIMITED: [&str; 4] = ["dropped", "slipped", "budget_truncated", "budget_refused"];

/// One worker's counters; a reader adds those of all workers up.
pub struct Counters {
    answers: [AtomicU64; CELLS],
    dropped: [AtomicU64; Transport::ALL.len()],
    limited: [AtomicU64; LIMITED.len()],
    /// Questions for possible numbers: found, and not.
    numbers: [AtomicU64; 2],
    signatures: AtomicU64,
    shed: AtomicU64,
}

/// One counter with its labels, ready for an exporter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Count {
    /// As in [`Transport::label`].
    pub transport: &'static str,
    /// The query's type, `other` if it is none of the usual ones (or could not be read).
    pub qtype: &'static str,
    /// The answer's code.
    pub rcode: &'static str,
    /// How often since start.
    pub count: u64,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            answers: [const { AtomicU64::new(0) }; CELLS],
            dropped: [const { AtomicU64::new(0) }; Transport::ALL.len()],
            limited: [const { AtomicU64::new(0) }; LIMITED.len()],
            numbers: [const { AtomicU64::new(0) }; 2],
            signatures: AtomicU64::new(0),
            shed: AtomicU64::new(0),
        }
    }
}

impl Counters {
    pub(super) fn answered(&self, transport: Transport, qtype: RrType, rcode: Rcode) {
        let qtype = TYPES.iter().position(|(t, _)| *t == qtype).unwrap_or(TYPES.len() - 1);
        let rcode = CODES.iter().position(|(c, _)| *c == rcode).unwrap_or(0);
        let cell = (transport as usize * TYPES.len() + qtype) * CODES.len() + rcode;
        add(self.answers.get(cell));
    }

    pub(super) fn dropped(&self, transport: Transport) {
        add(self.dropped.get(transport as usize));
    }

    pub(super) fn limited(&self, how: Limited) {
        add(self.limited.get(how as usize));
    }

    pub(super) fn number_asked(&self, found: bool) {
        add(self.numbers.get(usize::from(!found)));
    }

    pub(super) fn signed(&self) {
        add(Some(&self.signatures));
    }

    /// Every counter of answers that is not zero.
    pub fn answers(&self) -> impl Iterator<Item = Count> {
        let labels = Transport::ALL.iter().flat_map(|transport| {
            TYPES
                .iter()
                .flat_map(move |(_, qtype)| CODES.iter().map(move |(_, rcode)| (transport.label(), *qtype, *rcode)))
        });
        labels.zip(&self.answers).filter_map(|((transport, qtype, rcode), cell)| {
            let count = cell.load(Ordering::Relaxed);
            (count > 0).then_some(Count { transport, qtype, rcode, count })
        })
    }

    /// Packets that got no answer (too short, or responses), by transport.
    pub fn drops(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let labels = Transport::ALL.into_iter().map(Transport::label);
        labels.zip(&self.dropped).map(|(transport, cell)| (transport, cell.load(Ordering::Relaxed)))
    }

    /// Counts queries whose answers were put off for too long ([`super::Outcome::Later`]) and given up.
    pub fn shed(&self, queries: u64) {
        self.shed.fetch_add(queries, Ordering::Relaxed);
    }

    /// Queries that were given up under overload.
    pub fn sheds(&self) -> u64 {
        self.shed.load(Ordering::Relaxed)
    }

    /// Queries that met a limit, by what was done.
    pub fn limits(&self) -> impl Iterator<Item = (&'static str, u64)> {
        LIMITED.into_iter().zip(&self.limited).map(|(how, cell)| (how, cell.load(Ordering::Relaxed)))
    }

    /// Questions for possible numbers: how many found one, how many did not. Their ratio tells of a walk.
    pub fn numbers(&self) -> (u64, u64) {
        let [found, missed] = &self.numbers;
        (found.load(Ordering::Relaxed), missed.load(Ordering::Relaxed))
    }

    /// Signatures made.
    pub fn signatures(&self) -> u64 {
        self.signatures.load(Ordering::Relaxed)
    }
}

fn add(cell: Option<&AtomicU64>) {
    if let Some(cell) = cell {
        // One thread writes each counter, so nothing is lost between load and store, and no bus is locked.
        cell.store(cell.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
}

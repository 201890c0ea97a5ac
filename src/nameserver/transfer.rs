//! Zone transfer to secondaries (RFC 5936, RFC 1995): who may have it, and the messages that carry it.
//!
//! ```text
//! packet ──► AXFR or IXFR? ──► TSIG right? ──► zone of ours with this key, address and transport allowed? ──► Transfer
//!                                              otherwise it is answered like any other question: REFUSED or NOTAUTH
//! ```
//! A transfer holds the version that was served when it began, and makes one message at a time: a slow secondary costs a
//! place and one message's memory.

mod message;
mod request;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::respond::Peer;
use super::transport::Transport;
use super::tsig::{Chain, Verified, split};
use super::view::View;
use super::worker::Worker;
use crate::config::AddressRange;
use crate::dnssec::{SignFault, Version};
use crate::wire::{Name, Rcode, RrType};
use crate::zone::RrSet;
use crate::zone::journal::{Entry, Journal};
use crate::zone::records::{self, Record};
use message::Writer;
use request::Request;
pub use request::is_transfer;

/// What secondaries may fetch of a zone.
pub struct Published {
    /// What is served.
    pub version: Version,
    /// What led to it.
    pub journal: Journal,
    /// Who may have it; nobody else.
    pub allowed: Vec<Allowed>,
    /// Whether only over TLS (RFC 9103).
    pub only_encrypted: bool,
}

/// Somebody who may fetch a zone: the holder of a key, from some addresses or from anywhere.
#[derive(Clone)]
pub struct Allowed {
    /// The name of the key.
    pub key: Name,
    /// From where; empty: from anywhere.
    pub from: Vec<AddressRange>,
}

/// How many transfers run at once, all zones together. Shared by every view.
pub struct Places {
    most: usize,
    taken: AtomicUsize,
}

/// A transfer's place. Given back when dropped.
struct Place(Arc<Places>);

impl Places {
    /// So many at once.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: AtomicUsize::new(0) })
    }

    fn take(self: &Arc<Self>) -> Option<Place> {
        let free = |taken: usize| (taken < self.most).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).ok().map(|_| Place(self.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Published {
    fn allows(&self, key: &Name, peer: Peer) -> bool {
        let address: IpAddr = peer.address;
        let from = |allowed: &Allowed| allowed.from.is_empty() || allowed.from.iter().any(|r| r.contains(address));
        (peer.transport == Transport::Tls || !self.only_encrypted)
            && self.allowed.iter().any(|allowed| allowed.key == *key && from(allowed))
    }

    fn soa(&self) -> Option<RrSet<'_>> {
        self.version.zone().soa()
    }
}

/// A transfer under way.
pub struct Transfer {
    request: Arc<Request>,
    published: Arc<Published>,
    chain: Option<Chain>,
    source: Source,
    /// Records that are next, and how far they are written.
    row: Vec<u8>,
    at: usize,
    _place: Option<Place>,
}

/// Where the next records come from.
enum Source {
    /// The SOA alone: there is nothing newer.
    Current,
    /// Every name from this one on, between two SOAs.
    Whole(usize),
    /// These steps, between two SOAs, from this one on; twice as many parts as steps.
    Steps(Vec<Arc<Entry>>, usize),
    /// The last SOA.
    Last,
    /// Nothing more.
    Over,
    /// No transfer but this code.
    Failed(Rcode),
}

/// Begins the transfer that a packet over a connection asks for; `None` if it asks for none, or may not have it: then it is
/// answered by [`super::answer()`], which says why.
pub fn open(view: &View, worker: &Worker, peer: Peer, packet: &[u8], now_s: u64) -> Option<Transfer> {
    let places = view.places().filter(|_| matches!(peer.transport, Transport::Tcp | Transport::Tls))?;
    if !is_transfer(packet) {
        return None;
    }
    let split = split(packet)?;
    let Verified::Right(chain) = view.keys()?.verify(&split, now_s) else { return None };
    let request = Arc::new(Request::read(&split.plain())?);
    let published = view.published(&request.name)?;
    if !published.allows(chain.key_name(), peer) {
        return None;
    }
    let place = places.take();
    let source = match place {
        Some(_) => source(published, &request),
        None => Source::Failed(Rcode::ServFail),
    };
    // Counted by what is sent, not by what was asked for.
    let (sent, rcode) = match source {
        Source::Failed(rcode) => (request.qtype, rcode),
        Source::Current => (RrType::SOA, Rcode::NoError),
        Source::Steps(..) => (RrType::IXFR, Rcode::NoError),
        _ => (RrType::AXFR, Rcode::NoError),
    };
    worker.counters.answered(peer.transport, sent, rcode);
    let published = published.clone();
    Some(Transfer { request, published, chain: Some(chain), source, row: Vec::new(), at: 0, _place: place })
}

/// The answer to an IXFR over UDP by somebody who may have the zone: the SOA, so that he comes back over TCP if he is
/// behind (RFC 1995 2). Unsigned; whoever calls signs it.
pub(super) fn over_datagram(view: &View, peer: Peer, chain: &Chain, packet: &[u8]) -> Option<Vec<u8>> {
    let request = Arc::new(Request::read(packet).filter(|request| request.qtype == RrType::IXFR)?);
    let published = view.published(&request.name)?;
    if !published.allows(chain.key_name(), peer) {
        return None;
    }
    let (published, source) = (published.clone(), Source::Current);
    let mut transfer = Transfer { request, published, chain: None, source, row: Vec::new(), at: 0, _place: None };
    let mut message = Vec::new();
    transfer.next_message(0, &mut message).ok()?;
    Some(message)
}

fn source(published: &Published, request: &Request) -> Source {
    let serial = published.version.serial();
    match request.since.filter(|_| request.qtype == RrType::IXFR) {
        None => Source::Whole(0),
        Some(theirs) if !crate::zone::version::is_after(serial, theirs) => Source::Current,
        // A larger history than the zone is no help; the whole zone is always an answer (RFC 1995 4).
        Some(theirs) => match published.journal.since(theirs).filter(|steps| is_worth(steps, &published.version)) {
            Some(steps) => Source::Steps(steps, 0),
            None => Source::Whole(0),
        },
    }
}

/// Whether the steps are shorter than the zone, by what can be known without writing it.
fn is_worth(steps: &[Arc<Entry>], version: &Version) -> bool {
    let octets: usize = steps.iter().map(|step| step.octets()).sum();
    octets < version.zone().data_octets() * if version.keys().is_some() { SIGNED_TIMES } else { 1 }
}

/// A signed zone has about so many times the octets of its data.
const SIGNED_TIMES: usize = 4;

impl Transfer {
    /// Appends the next message to `out`; false when it was the last.
    pub fn next_message(&mut self, now_s: u64, out: &mut Vec<u8>) -> Result<bool, SignFault> {
        let (mut message, request) = (Vec::new(), self.request.clone());
        let mut writer = Writer::new(&mut message, &request);
        match self.source {
            Source::Failed(rcode) => {
                writer.fail(rcode);
                self.source = Source::Over;
            }
            _ => writer.expires(self.published.version.zone().expire_s()),
        }
        let first =
            matches!(self.source, Source::Current | Source::Whole(0) | Source::Steps(_, 0)) && self.row.is_empty();
        if first && let Some(soa) = soa_record(&self.published) {
            writer.put(soa);
        }
        let more = loop {
            while let Some((record, after)) = self.row.get(self.at..).and_then(records::first) {
                if !writer.has_room(record) {
                    break;
                }
                writer.put(record);
                self.at = self.row.len() - after.len();
            }
            if self.at < self.row.len() {
                break true;
            }
            if !self.next_row()? {
                break false;
            }
        };
        writer.finish();
        if let Some(chain) = &mut self.chain {
            chain.sign(&mut message, now_s);
        }
        out.extend_from_slice(&message);
        Ok(more)
    }

    /// Loads the records that come next; false at the end.
    fn next_row(&mut self) -> Result<bool, SignFault> {
        self.row.clear();
        self.at = 0;
        loop {
            match &mut self.source {
                Source::Current | Source::Over | Source::Failed(_) => {
                    self.source = Source::Over;
                    return Ok(false);
                }
                Source::Whole(id) if *id < self.published.version.names() => {
                    self.published.version.push_name(*id, &mut self.row)?;
                    if *id == 0 {
                        without_soa(&mut self.row); // it came first and comes last
                    }
                    *id += 1;
                }
                Source::Steps(steps, part) => match steps.get(*part / 2) {
                    Some(step) => {
                        self.row.extend_from_slice(if *part % 2 == 0 { &step.removed } else { &step.added });
                        *part += 1;
                    }
                    None => self.source = Source::Last,
                },
                Source::Whole(_) => self.source = Source::Last,
                Source::Last => {
                    if let Some(soa) = soa_record(&self.published) {
                        records::push(&mut self.row, soa);
                    }
                    self.source = Source::Over;
                }
            }
            if !self.row.is_empty() {
                return Ok(true);
            }
        }
    }
}

fn soa_record(published: &Published) -> Option<Record<'_>> {
    let set = published.soa()?;
    let (owner, rdata) = (published.version.zone().apex().as_wire(), set.iter().next()?);
    Some(Record { owner, rr_type: RrType::SOA, ttl_s: set.ttl_s, rdata })
}

fn without_soa(row: &mut Vec<u8>) {
    let mut kept = Vec::with_capacity(row.len());
    records::each(row).filter(|record| record.rr_type != RrType::SOA).for_each(|r| records::push(&mut kept, r));
    *row = kept;
}

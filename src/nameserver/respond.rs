//! `respond`: one packet in, one packet out. The same function for every transport, for tests and for benchmarks.

use std::net::IpAddr;

use super::signed::Reply;
use super::transport::Transport;
use super::view::View;
use super::worker::Worker;
use super::{digits, fixed};
use crate::dnssec::SignFault;
use crate::wire::answer::{Answer, Full, TCP_OCTETS_MAX, UDP_OCTETS_MAX};
use crate::wire::query::{Scan, scan};
use crate::wire::rr::{CLASS_IN, Ede};
use crate::wire::{Query, Rcode, RrType};

/// Who asks, and how.
#[derive(Clone, Copy)]
pub struct Peer {
    /// The address: for limits, never for logs.
    pub address: IpAddr,
    /// The transport.
    pub transport: Transport,
}

/// What to do with the packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Send the first so many octets of the out buffer.
    Answer(usize),
    /// Send nothing.
    Drop,
    /// The answer needs a signature, and the worker was told to put those off ([`Worker::defer`]): ask again with
    /// deferring off, after the queries that cost less.
    Later,
}

/// Why an answer cannot be finished as it was begun.
pub(super) enum Stop {
    /// Too large: truncate.
    Full,
    /// A signature could not be made: SERVFAIL.
    Fault,
    /// A signature for a denial is needed and put off.
    Later,
}

impl From<Full> for Stop {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

impl From<SignFault> for Stop {
    fn from(_: SignFault) -> Self {
        Self::Fault
    }
}

/// Answers `query` from `view` as of `now_s` (Unix seconds) into `out`, which should hold 1232 octets for UDP and 65 535 for TCP.
///
/// Synchronous, without I/O, clock and lock: the same arguments give the same answer but for ECDSA's random nonces.
pub fn respond(view: &View, worker: &mut Worker, peer: Peer, query: &[u8], now_s: u64, out: &mut [u8]) -> Outcome {
    let (size_max, udp) = match peer.transport {
        Transport::Udp => (UDP_OCTETS_MAX, true),
        _ => (TCP_OCTETS_MAX, false),
    };
    if out.len() < UDP_OCTETS_MAX {
        return Outcome::Drop; // the caller's mistake; nothing sensible fits
    }
    let (qtype, answer) = match scan(query) {
        Scan::Drop => {
            worker.counters.dropped(peer.transport);
            return Outcome::Drop;
        }
        Scan::Broken(header) => {
            let mut answer = Answer::new(out, size_max, udp, header, None, None);
            answer.rcode(if header.opcode == 0 { Rcode::FormErr } else { Rcode::NotImp });
            (RrType(0), answer)
        }
        Scan::Query(query) => {
            let answer = Answer::new(out, size_max, udp, query.header, Some(&query.question), query.edns);
            let Some((rcode, octets)) = answer_query(view, worker, &query, now_s, answer) else {
                return Outcome::Later;
            };
            worker.counters.answered(peer.transport, query.question.qtype, rcode);
            return Outcome::Answer(octets);
        }
    };
    worker.counters.answered(peer.transport, qtype, answer.rcode_now());
    Outcome::Answer(answer.finish())
}

fn answer_query(
    view: &View,
    worker: &mut Worker,
    query: &Query<'_>,
    now_s: u64,
    mut answer: Answer<'_, '_>,
) -> Option<(Rcode, usize)> {
    let (name, qtype) = (&query.question.name, query.question.qtype);
    if let Some((rcode, ede)) = refusal(query) {
        match ede {
            Some(ede) => answer.refuse(rcode, ede),
            None => answer.rcode(rcode),
        }
    } else if let Some(zone) = view.zone_for(name, qtype) {
        let mut reply = Reply { zone, worker, answer: &mut answer, now_s };
        let written = match zone.number_zone() {
            Some(numbers) => digits::answer(&mut reply, numbers, name, qtype),
            None => fixed::answer(&mut reply, name, qtype),
        };
        match written {
            Ok(()) => {}
            Err(Stop::Later) => return None,
            Err(Stop::Full) => answer.truncate(),
            Err(Stop::Fault) => {
                answer.authoritative(false);
                answer.refuse(Rcode::ServFail, Ede::Other);
            }
        }
    } else {
        answer.refuse(Rcode::Refused, Ede::NotAuthoritative);
    }
    Some((answer.rcode_now(), answer.finish()))
}

/// What is refused before any look-up, so that it says nothing about names.
fn refusal(query: &Query<'_>) -> Option<(Rcode, Option<Ede>)> {
    let qtype = query.question.qtype;
    if query.edns.is_some_and(|e| e.version != 0) {
        Some((Rcode::BadVers, None)) // RFC 6891 6.1.3
    } else if query.question.qclass != CLASS_IN {
        Some((Rcode::Refused, Some(Ede::NotSupported)))
    } else if qtype == RrType::AXFR || qtype == RrType::IXFR {
        Some((Rcode::Refused, Some(Ede::Prohibited)))
    } else if qtype.is_meta() || qtype.0 == 0 {
        Some((Rcode::FormErr, Some(Ede::InvalidQueryType)))
    } else {
        None
    }
}

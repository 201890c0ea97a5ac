//! `respond`: one packet in, one packet out. The same function for every transport, for tests and for benchmarks.

use std::net::IpAddr;

use super::counters::Limited;
use super::guard::{Caller, Pace};
use super::signed::Reply;
use super::transport::Transport;
use super::view::View;
use super::worker::Worker;
use super::{digits, fixed};
use crate::dnssec::SignFault;
use crate::wire::answer::{Answer, Full, Limit, Options, TCP_OCTETS_MAX, UDP_OCTETS_MAX};
use crate::wire::query::{Scan, scan};
use crate::wire::rr::{CLASS_IN, Ede};
use crate::wire::{Edns, Query, Rcode, RrType};

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
    /// The answer needs a signature, and the worker was told to put those off ([`Worker::signing`]): ask again with
    /// [`super::Signing::Resumed`], after the queries that cost less.
    Later,
    /// The packet is of a rare kind: the slow path's ([`super::answer()`]).
    Rare,
}

/// Why an answer cannot be finished as it was begun.
pub(super) enum Stop {
    /// Too large: truncate.
    Full,
    /// A signature could not be made: SERVFAIL.
    Fault,
    /// A signature for a denial is needed and put off.
    Later,
    /// Over the budget on numbers: TC, since the address may be forged.
    Unproved,
    /// Over the budget on numbers: REFUSED.
    OverBudget,
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

/// Answers `query` from `view` as of `now_s` (Unix seconds) into `out`, which should hold 1232 octets for UDP and 65 535 for streams.
///
/// Synchronous, without I/O, clock, lock and allocation: the same arguments give the same answer but for ECDSA's random
/// nonces and for what limits count.
pub fn respond(view: &View, worker: &mut Worker, peer: Peer, query: &[u8], now_s: u64, out: &mut [u8]) -> Outcome {
    if out.len() < UDP_OCTETS_MAX {
        return Outcome::Drop; // the caller's mistake; nothing sensible fits
    }
    let scanned = scan(query);
    let (qtype, cookie) = match &scanned {
        Scan::Drop => {
            worker.counters.dropped(peer.transport);
            return Outcome::Drop;
        }
        Scan::Broken(_) => (RrType(0), None),
        Scan::NoQuestion(_, edns) => (RrType(0), edns.cookie),
        Scan::Query(query) => (query.question.qtype, query.edns.and_then(|edns| edns.cookie)),
    };
    let caller = view.guard().map(|guard| guard.meet(peer, cookie, now_s));
    let pace = match view.guard().zip(caller.as_ref()).filter(|_| !worker.is_resumed()) {
        Some((guard, caller)) => guard.pace(caller, now_s, worker.next_slip()),
        None => Pace::Answer,
    };
    if pace == Pace::Drop {
        worker.counters.limited(Limited::Dropped);
        return Outcome::Drop;
    }
    if pace == Pace::Answer && is_rare(&scanned) {
        return Outcome::Rare;
    }
    let limit = match peer.transport.is_datagram() {
        true => Limit::Datagram(UDP_OCTETS_MAX),
        false => Limit::Stream(TCP_OCTETS_MAX),
    };
    let answered = match &scanned {
        Scan::Drop => None,
        Scan::Broken(header) => {
            let mut answer = Answer::new(out, limit, *header, None, None, Options::default());
            answer.rcode(if header.opcode == 0 { Rcode::FormErr } else { Rcode::NotImp });
            Some((answer.rcode_now(), answer.finish()))
        }
        Scan::NoQuestion(header, edns) => {
            let options = view.options(edns, peer.transport, caller.as_ref());
            let mut answer = Answer::new(out, limit, *header, None, Some(*edns), options);
            let wrong = caller.as_ref().is_some_and(Caller::shows_wrong_cookie);
            answer.rcode(without_question(edns, wrong));
            Some((answer.rcode_now(), answer.finish()))
        }
        Scan::Query(query) => {
            let options = query.edns.map(|edns| Options {
                expire_s: view.expire_s(&query.question, &edns),
                ..view.options(&edns, peer.transport, caller.as_ref())
            });
            let options = options.unwrap_or_default();
            let answer = Answer::new(out, limit, query.header, Some(&query.question), query.edns, options);
            match pace {
                Pace::Slip => {
                    worker.counters.limited(Limited::Slipped);
                    Some(slip(answer, options.cookie.is_some()))
                }
                _ => answer_query(
                    Asking { view, worker, caller, now_s, is_stream: !peer.transport.is_datagram() },
                    query,
                    answer,
                ),
            }
        }
    };
    let Some((rcode, octets)) = answered else { return Outcome::Later };
    worker.counters.answered(peer.transport, qtype, rcode);
    Outcome::Answer(octets)
}

/// What an OPT without a question is told: of its cookie (RFC 7873 5.4), or that it says nothing.
fn without_question(edns: &Edns, wrong_cookie: bool) -> Rcode {
    match edns.cookie {
        _ if edns.version != 0 => Rcode::BadVers,
        None => Rcode::FormErr,
        Some(_) if wrong_cookie => Rcode::BadCookie,
        Some(_) => Rcode::NoError,
    }
}

/// Who asks what is answered from.
struct Asking<'a> {
    view: &'a View,
    worker: &'a mut Worker,
    caller: Option<Caller>,
    now_s: u64,
    /// No message is larger than the one that is written.
    is_stream: bool,
}

/// The answer to a flood that may be forged: no records. A client with half a cookie learns the other half (RFC 7873 5.2.3).
fn slip(mut answer: Answer<'_, '_>, cookie: bool) -> (Rcode, usize) {
    match cookie {
        true => answer.rcode(Rcode::BadCookie),
        false => answer.truncate(),
    }
    (answer.rcode_now(), answer.finish())
}

fn answer_query(asking: Asking<'_>, query: &Query<'_>, mut answer: Answer<'_, '_>) -> Option<(Rcode, usize)> {
    let Asking { view, worker, caller, now_s, is_stream } = asking;
    let (name, qtype) = (&query.question.name, query.question.qtype);
    if let Some((rcode, ede)) = refusal(query) {
        match ede {
            Some(ede) => answer.refuse(rcode, ede),
            None => answer.rcode(rcode),
        }
    } else if let Some(zone) = view.zone_for(name, qtype) {
        let guard = view.guard().zip(caller.as_ref());
        let mut reply = Reply { zone, worker, answer: &mut answer, now_s: zone.signed_as_of_s(now_s), guard };
        let written = match zone.number_zone() {
            Some(numbers) => digits::answer(&mut reply, numbers, name, qtype),
            None => fixed::answer(&mut reply, name, qtype),
        };
        match written {
            Ok(()) => {}
            Err(Stop::Later) => return None,
            Err(Stop::Full) if is_stream => {
                // TC would send the asker to where it comes from.
                answer.authoritative(false);
                answer.refuse(Rcode::ServFail, Ede::Other);
            }
            Err(Stop::Full) => answer.truncate(),
            Err(Stop::Unproved) => {
                worker.counters.limited(Limited::BudgetTruncated);
                answer.authoritative(false);
                answer.truncate();
            }
            Err(Stop::OverBudget) => {
                worker.counters.limited(Limited::BudgetRefused);
                answer.authoritative(false);
                answer.refuse(Rcode::Refused, Ede::Prohibited);
            }
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

/// Whether this is not answered here: other opcodes, other classes, transfers, a TSIG that nobody has taken off.
fn is_rare(scanned: &Scan<'_>) -> bool {
    match scanned {
        Scan::Drop | Scan::NoQuestion(..) => false,
        Scan::Broken(header) => header.opcode != 0,
        Scan::Query(query) => {
            let question = &query.question;
            let transfer = matches!(question.qtype, RrType::AXFR | RrType::IXFR);
            query.edns.is_none_or(|edns| edns.version == 0 && !edns.malformed)
                && (question.qclass != CLASS_IN || transfer || query.signed)
        }
    }
}

/// What is refused before any look-up, so that it says nothing about names.
fn refusal(query: &Query<'_>) -> Option<(Rcode, Option<Ede>)> {
    let qtype = query.question.qtype;
    if query.edns.is_some_and(|e| e.version != 0) {
        Some((Rcode::BadVers, None)) // RFC 6891 6.1.3
    } else if query.edns.is_some_and(|e| e.malformed) {
        Some((Rcode::FormErr, None)) // RFC 6891 7
    } else if qtype.is_meta() || qtype.0 == 0 {
        Some((Rcode::FormErr, Some(Ede::InvalidQueryType)))
    } else {
        None
    }
}

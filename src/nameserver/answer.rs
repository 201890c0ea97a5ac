//! What the sockets call: the fast path, and behind it the slow one for what is rare; before both, TSIG if there are keys.

use super::guard::Pace;
use super::respond::{Outcome, Peer, respond};
use super::transfer;
use super::tsig::{Chain, Refused, Sought, Split, TSIG_OCTETS_MAX, TsigKeys, Verified, seek};
use super::view::View;
use super::worker::Worker;
use crate::wire::answer::{Answer, Limit, Options, TCP_OCTETS_MAX, UDP_OCTETS_MAX};
use crate::wire::query::{HEADER_OCTETS, Scan, scan};
use crate::wire::{Name, Rcode, RrType};

/// An answer over UDP to whoever sent no OPT (RFC 1035 4.2.1).
const PLAIN_UDP_OCTETS: usize = 512;
/// TC in the third octet of a header.
const TRUNCATED: u8 = 2;

/// [`respond`], whose rare packets go to [`super::rare::Rare`]. Never [`Outcome::Rare`].
pub fn answer(view: &View, worker: &mut Worker, peer: Peer, query: &[u8], now_s: u64, out: &mut [u8]) -> Outcome {
    let mut desk = Desk { view, worker, peer, now_s };
    let Some(keys) = view.keys() else {
        return match plain(&mut desk, query, None, out) {
            Outcome::Rare => unknown(desk, query, out),
            outcome => outcome,
        };
    };
    match seek(query) {
        Sought::Nothing => plain(&mut desk, query, None, out),
        Sought::Found(split) => signed(desk, keys, &split, out),
        Sought::Misplaced => tell(desk, query, None, out),
    }
}

/// Who asks, and what is answered from.
struct Desk<'a> {
    view: &'a View,
    worker: &'a mut Worker,
    peer: Peer,
    now_s: u64,
}

fn plain(desk: &mut Desk<'_>, query: &[u8], chain: Option<&Chain>, out: &mut [u8]) -> Outcome {
    match respond(desk.view, desk.worker, desk.peer, query, desk.now_s, out) {
        Outcome::Rare if desk.view.keys().is_none() && !matches!(seek(query), Sought::Nothing) => return Outcome::Rare,
        Outcome::Rare => {}
        // The fast path knows no authority section in a question; an IXFR has one (RFC 1995 3).
        Outcome::Answer(_) if code(out) == Rcode::FormErr as u8 && transfer::is_transfer(query) => {}
        outcome => return outcome,
    }
    let (view, peer) = (desk.view, desk.peer);
    let current = chain.filter(|_| peer.transport.is_datagram());
    let octets = match current.and_then(|chain| transfer::over_datagram(view, peer, chain, query)) {
        Some(message) => out.get_mut(..message.len()).map(|into| {
            into.copy_from_slice(&message);
            message.len()
        }),
        None => view.rare().answer(view, peer, query, desk.now_s, out),
    };
    match octets {
        Some(octets) => {
            let code = code(out);
            let rcode = Rcode::BASIC.into_iter().find(|rcode| *rcode as u8 == code).unwrap_or(Rcode::NoError);
            desk.worker.counters.answered(peer.transport, RrType(0), rcode);
            Outcome::Answer(octets)
        }
        None => {
            desk.worker.counters.dropped(peer.transport);
            Outcome::Drop
        }
    }
}

/// A signed packet: judged, answered without its TSIG, and the answer signed.
fn signed(mut desk: Desk<'_>, keys: &TsigKeys, split: &Split<'_>, out: &mut [u8]) -> Outcome {
    let query = split.plain();
    let mut chain = match keys.verify(split, desk.now_s) {
        Verified::Right(chain) => chain,
        Verified::Wrong(refused) => return tell(desk, &query, Some(refused), out),
        Verified::Malformed => return tell(desk, &query, None, out),
    };
    let octets = match plain(&mut desk, &query, Some(&chain), out) {
        Outcome::Answer(octets) => octets,
        outcome => return outcome,
    };
    let mut message = out.get(..octets).unwrap_or_default().to_vec();
    if octets + TSIG_OCTETS_MAX > octets_max(&desk, &query) {
        message = without_records(&message);
    }
    chain.sign(&mut message, desk.now_s);
    copy(&message, out)
}

/// A signed packet where no key is shared with anybody: BADKEY, so that the asker does not wait for a signature that nobody
/// can make (RFC 8945 5.2.1).
fn unknown(desk: Desk<'_>, query: &[u8], out: &mut [u8]) -> Outcome {
    match seek(query) {
        Sought::Found(split) => signed(desk, &TsigKeys::default(), &split, out),
        Sought::Misplaced | Sought::Nothing => tell(desk, query, None, out),
    }
}

/// NOTAUTH with the TSIG error, or FORMERR (RFC 8945 5.2).
fn tell(desk: Desk<'_>, query: &[u8], refused: Option<Box<Refused>>, out: &mut [u8]) -> Outcome {
    let scanned = scan(query);
    let (header, question, edns) = match &scanned {
        Scan::Query(query) => (query.header, Some(&query.question), query.edns),
        Scan::Broken(header) => (*header, None, None), // another opcode: the header says enough
        Scan::NoQuestion(header, edns) => (*header, None, Some(*edns)),
        Scan::Drop => {
            desk.worker.counters.dropped(desk.peer.transport);
            return Outcome::Drop;
        }
    };
    // It did not pass the fast path, where the pace is kept; addresses may be forged here as well.
    let caller = desk.view.guard().map(|guard| (guard, guard.meet(desk.peer, None, desk.now_s)));
    if caller.is_some_and(|(guard, caller)| guard.pace(&caller, desk.now_s, desk.worker.next_slip()) != Pace::Answer) {
        desk.worker.counters.dropped(desk.peer.transport);
        return Outcome::Drop;
    }
    let rcode = if refused.is_some() { Rcode::NotAuth } else { Rcode::FormErr };
    let limit = Limit::Stream(TCP_OCTETS_MAX);
    let mut answer = Answer::new(&mut *out, limit, header, question, edns, Options::default());
    answer.rcode(rcode);
    let octets = answer.finish();
    let mut message = out.get(..octets).unwrap_or_default().to_vec();
    if let Some(refused) = refused {
        refused.tell(&mut message, desk.now_s);
    }
    desk.worker.counters.answered(desk.peer.transport, question.map_or(RrType(0), |question| question.qtype), rcode);
    copy(&message, out)
}

fn copy(message: &[u8], out: &mut [u8]) -> Outcome {
    match out.get_mut(..message.len()) {
        Some(into) => {
            into.copy_from_slice(message);
            Outcome::Answer(message.len())
        }
        None => Outcome::Drop,
    }
}

fn code(message: &[u8]) -> u8 {
    message.get(3).map_or(0, |low| low & 15)
}

/// Octets that the whole answer may have, TSIG included.
fn octets_max(desk: &Desk<'_>, query: &[u8]) -> usize {
    let asked = match scan(query) {
        Scan::Query(query) => query.edns.map(|edns| usize::from(edns.udp_octets)),
        _ => None,
    };
    match desk.peer.transport.is_datagram() {
        true => asked.unwrap_or(PLAIN_UDP_OCTETS).clamp(PLAIN_UDP_OCTETS, UDP_OCTETS_MAX),
        false => TCP_OCTETS_MAX,
    }
}

/// Header and question with TC: what is left when the TSIG leaves no room for more (RFC 8945 5.3).
fn without_records(message: &[u8]) -> Vec<u8> {
    let question = message.get(HEADER_OCTETS..).and_then(Name::scan).map_or(0, |(_, octets)| octets + 4);
    let mut short = message.get(..HEADER_OCTETS + question).unwrap_or(message).to_vec();
    if let Some([_, _, high, low, _, _, counts @ ..]) = short.first_chunk_mut::<HEADER_OCTETS>() {
        (*high, *low, *counts) = (*high | TRUNCATED, *low & 0xf0, [0; 6]);
    }
    short
}

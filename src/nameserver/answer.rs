//! What the sockets call: the fast path, and behind it the slow one for what is rare.

use super::respond::{Outcome, Peer, respond};
use super::view::View;
use super::worker::Worker;
use crate::wire::{Rcode, RrType};

/// [`respond`], whose rare packets go to [`super::rare::Rare`]. Never [`Outcome::Rare`].
pub fn answer(view: &View, worker: &mut Worker, peer: Peer, query: &[u8], now_s: u64, out: &mut [u8]) -> Outcome {
    match respond(view, worker, peer, query, now_s, out) {
        Outcome::Rare => {}
        outcome => return outcome,
    }
    match view.rare().answer(view, peer, query, now_s, out) {
        Some(octets) => {
            let code = out.get(3).map_or(0, |low| low & 15);
            let rcode = Rcode::BASIC.into_iter().find(|rcode| *rcode as u8 == code).unwrap_or(Rcode::NoError);
            worker.counters.answered(peer.transport, RrType(0), rcode);
            Outcome::Answer(octets)
        }
        None => {
            worker.counters.dropped(peer.transport);
            Outcome::Drop
        }
    }
}

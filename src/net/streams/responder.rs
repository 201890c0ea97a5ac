//! What all connections of a thread share to answer: one worker and one out buffer, since a thread answers one query at a time.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::clock::Clock;
use crate::nameserver::{Outcome, Peer, Transfer, View, Worker, answer, transfer};
use crate::wire::answer::TCP_OCTETS_MAX;

/// A thread's way to `nameserver::respond`.
pub(super) struct Responder {
    view: Arc<ArcSwap<View>>,
    clock: Arc<dyn Clock>,
    answering: RefCell<(Worker, Box<[u8]>)>,
}

impl Responder {
    /// Answers from whatever `view` holds at the moment.
    pub(super) fn new(view: Arc<ArcSwap<View>>, clock: Arc<dyn Clock>, worker: Worker) -> Self {
        Self { view, clock, answering: RefCell::new((worker, vec![0; TCP_OCTETS_MAX].into_boxed_slice())) }
    }

    /// The transfer that a query asks for, if the peer may have it.
    pub(super) fn transfer(&self, peer: Peer, query: &[u8]) -> Option<Transfer> {
        let answering = self.answering.borrow();
        let begun = catch_unwind(AssertUnwindSafe(|| {
            transfer::open(&self.view.load(), &answering.0, peer, query, self.clock.now_s())
        }));
        begun.ok().flatten() // what panics there is answered as any other query, and told there
    }

    /// Appends the next message of a transfer with its length; false when it was the last, `None` when it cannot go on.
    pub(super) fn next_message(&self, transfer: &mut Transfer, into: &mut Vec<u8>) -> Option<bool> {
        let at = into.len();
        into.extend_from_slice(&[0, 0]);
        let more = transfer.next_message(self.clock.now_s(), into).ok()?;
        let octets = u16::try_from(into.len() - at - 2).ok()?;
        into[at..at + 2].copy_from_slice(&octets.to_be_bytes());
        Some(more)
    }

    /// Hands the answer to `take`; `None` when there is none: whoever sends responses or broken headers is no resolver.
    pub(super) fn answer<T>(&self, peer: Peer, query: &[u8], take: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let mut answering = self.answering.borrow_mut();
        let (worker, out) = &mut *answering;
        let answered =
            catch_unwind(AssertUnwindSafe(|| answer(&self.view.load(), worker, peer, query, self.clock.now_s(), out)));
        match answered {
            Ok(Outcome::Answer(octets)) => out.get(..octets).map(take),
            Ok(Outcome::Drop | Outcome::Later | Outcome::Rare) => None, // nothing is put off here
            Err(_) => {
                // One bad message must not stop DNS; what was in it must not be logged.
                tracing::error!(
                    transport = peer.transport.label(),
                    "a query made the responder panic; it got no answer"
                );
                None
            }
        }
    }
}

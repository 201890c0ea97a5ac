//! What all connections of a thread share to answer: one worker and one out buffer, since a thread answers one query at a time.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::clock::Clock;
use crate::nameserver::{Outcome, Peer, View, Worker, answer};
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

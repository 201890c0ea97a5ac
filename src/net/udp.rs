//! DNS over UDP: one thread a core and address, packets taken and given back by the batch, signatures last.
//!
//! ```text
//!            ┌──── receive: up to 64 packets; waits only if nothing was put off ◄───┐
//!            ▼                                                                      │
//!   a full batch, or some put off already, and lately something cheap among them?   │
//!     no: answer each as it comes ──────────────────────────► send ─────────────────┤
//!     yes: answer what is cheap, put off what needs a signature (bounded, the       │
//!          oldest are shed) ──► send ──► sign a few of those put off ──► send ──────┘
//! ```
//!
//! So a flood of questions that need signatures costs those their answers, never the others (DNS.md 7). Time and view are
//! read once a batch. Nothing here allocates, and no error of the network ends the loop.

mod deferred;
mod packet;
pub(super) mod system;

use std::net::UdpSocket;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

use self::deferred::Deferred;
use self::packet::{Asker, Batch};
use self::system::Mailbox;
use crate::clock::Clock;
use crate::nameserver::{Counters, Outcome, Peer, Signing, Transport, View, Worker, answer, prefetch};
use crate::wire::answer::UDP_OCTETS_MAX;

/// Queries have no reason to be longer; the rest of a longer packet is cut off and it is refused as malformed.
const QUERY_OCTETS_MAX: usize = 4_096;
/// Answers put off that are made between two looks at the socket: about 0.3 ms, which new packets may well wait.
const SIGNATURES: usize = 16;
/// Batches in a row without a single cheap answer after which nothing is put off: there is nobody whom that would serve,
/// and looking at a query twice takes a twentieth of what its signature takes. 16 384 packets when they are full.
const DEAR_BATCHES: u32 = 256;

type Queries = Batch<QUERY_OCTETS_MAX>;
type Answers = Batch<UDP_OCTETS_MAX>;

/// Whether to wait for a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wait {
    /// Until one is there, but not much longer than [`system::STOP_LOOK`].
    ForOne,
    /// Take what is there.
    Not,
}

/// Where queries come from and answers go: a socket, or a test.
trait Post {
    /// Replaces the batch by what has come, perhaps nothing.
    fn receive(&mut self, queries: &mut Queries, wait: Wait);

    /// Sends the batch and empties it. What cannot be sent is lost, and asked for again by whoever misses it.
    fn send(&mut self, answers: &mut Answers);
}

/// Answers on `socket` until `stop` is set; on one processor, if one is given.
pub(super) fn run(
    socket: UdpSocket,
    processor: Option<usize>,
    view: Arc<ArcSwap<View>>,
    worker: Worker,
    clock: Arc<dyn Clock>,
    stop: Arc<AtomicBool>,
) {
    if let Some(Err(error)) = processor.map(system::pin_this_thread) {
        tracing::warn!(%error, "a DNS thread could not be bound to one processor; it runs on any");
    }
    let mut desk = Desk::new(Mailbox::new(socket), worker);
    while !stop.load(Ordering::Relaxed) {
        desk.turn(&view, &*clock);
    }
}

/// One thread's work.
struct Desk<P> {
    post: P,
    responder: Responder,
    counters: Arc<Counters>,
    queries: Queries,
    answers: Answers,
    deferred: Deferred,
    signatures: usize,
    dear_batches: u32,
}

impl<P: Post> Desk<P> {
    fn new(post: P, worker: Worker) -> Self {
        Self {
            post,
            counters: worker.counters(),
            responder: Responder(worker),
            queries: Batch::new(),
            answers: Batch::new(),
            deferred: Deferred::new(),
            signatures: SIGNATURES,
            dear_batches: 0,
        }
    }

    /// Once around the loop.
    fn turn(&mut self, view: &ArcSwap<View>, clock: &dyn Clock) {
        let idle = self.deferred.is_empty();
        self.post.receive(&mut self.queries, if idle { Wait::ForOne } else { Wait::Not });
        let (view, now_s) = (view.load(), clock.now_s());
        let flooded = self.queries.is_full();
        // With each full batch in a row half as many, down to one: signing must not take the time that the rest needs.
        self.signatures = if flooded { (self.signatures / 2).max(1) } else { SIGNATURES };

        let signed_before = self.counters.signatures();
        let put_off = (flooded || !idle) && self.dear_batches < DEAR_BATCHES;
        self.responder.0.signing(if put_off { Signing::PutOff } else { Signing::Now });
        if self.queries.iter().len() > 1 {
            prefetch(&view, self.queries.iter().map(|query| query.octets()));
        }
        for query in self.queries.iter() {
            let outcome = self.responder.answer(&view, now_s, query.asker, query.octets(), &mut self.answers);
            if outcome == Outcome::Later {
                self.counters.shed(self.deferred.keep(query));
            }
        }
        let dear = self.counters.signatures() - signed_before;
        if self.answers.iter().len() as u64 > dear {
            self.dear_batches = 0;
        } else if self.queries.iter().len() > 0 {
            self.dear_batches = self.dear_batches.saturating_add(1);
        }
        self.post.send(&mut self.answers);

        self.responder.0.signing(Signing::Resumed);
        for query in self.deferred.take(self.signatures) {
            self.responder.answer(&view, now_s, query.asker, query.octets(), &mut self.answers);
        }
        self.post.send(&mut self.answers);
    }
}

/// The worker, and what stands between it and the batches.
struct Responder(Worker);

impl Responder {
    fn answer(&mut self, view: &View, now_s: u64, asker: Asker, query: &[u8], answers: &mut Answers) -> Outcome {
        if asker.from.port() == 0 {
            return Outcome::Drop; // nobody can be answered there: forged (RFC 768)
        }
        let peer = Peer { address: asker.from.ip(), transport: Transport::Udp };
        let mut outcome = Outcome::Drop;
        answers.push(asker, |out| {
            outcome = catch_unwind(AssertUnwindSafe(|| answer(view, &mut self.0, peer, query, now_s, out)))
                .unwrap_or_else(|_| {
                    // One bad packet must not stop DNS; what was in it must not be logged.
                    tracing::error!("a query over UDP made the responder panic; it was dropped");
                    Outcome::Drop
                });
            match outcome {
                Outcome::Answer(octets) => Some(octets),
                Outcome::Drop | Outcome::Later | Outcome::Rare => None,
            }
        });
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use ring::rand::SystemRandom;

    use super::packet::BATCH;
    use super::*;
    use crate::clock::SystemClock;
    use crate::dnssec::ZoneKeys;
    use crate::nameserver::Served;
    use crate::wire::Name;
    use crate::zone::{NumberZone, StaticZone, Ttls};

    /// Batches that come, and what became of them: ids, a list for each batch sent.
    #[derive(Default)]
    struct Script {
        coming: VecDeque<Vec<Vec<u8>>>,
        port: u16,
        waits: Vec<Wait>,
        sent: Vec<Vec<u16>>,
    }

    impl Post for Script {
        fn receive(&mut self, queries: &mut Queries, wait: Wait) {
            self.waits.push(wait);
            queries.clear();
            for query in self.coming.pop_front().unwrap_or_default() {
                queries.push(Asker { from: ([192, 0, 2, 1], self.port).into(), at: None }, |room| {
                    room[..query.len()].copy_from_slice(&query);
                    Some(query.len())
                });
            }
        }

        fn send(&mut self, answers: &mut Answers) {
            let ids: Vec<u16> = answers.iter().map(|a| u16::from_be_bytes([a.octets()[0], a.octets()[1]])).collect();
            if !ids.is_empty() {
                self.sent.push(ids);
            }
            answers.clear();
        }
    }

    struct House {
        desk: Desk<Script>,
        view: ArcSwap<View>,
    }

    impl House {
        /// A signed number zone without numbers; its SOA has been asked for once, so that its signature is there.
        fn open(coming: impl IntoIterator<Item = Vec<Vec<u8>>>) -> Self {
            let zone = "@ 300 IN SOA ns1 hostmaster 1 7200 3600 1209600 60\n@ 300 IN NS ns1\nns1 300 IN A 127.0.0.1\n";
            let fixed = StaticZone::read_number_zone(zone, &Name::from_text("e164.example.").unwrap(), Ttls::default());
            let zone = NumberZone::new(fixed.unwrap(), Ttls::default(), 1);
            let keys = ZoneKeys::in_memory(&SystemRandom::new()).unwrap();
            let view = View::new(vec![Served::numbers(Arc::new(zone), Some(Arc::new(keys)))]);
            let script = Script { coming: [vec![cheap(9_999)]].into(), port: 53, ..Script::default() };
            let mut house = Self { desk: Desk::new(script, Worker::default()), view: ArcSwap::from_pointee(view) };
            house.turn();
            assert_eq!(house.desk.post.sent, [[9_999]]);
            house.desk.post = Script { coming: coming.into_iter().collect(), port: 53, ..Script::default() };
            house
        }

        fn turn(&mut self) {
            self.desk.turn(&self.view, &SystemClock);
        }

        /// Turns until nothing comes and nothing is put off.
        fn finish(&mut self) {
            while !self.desk.post.coming.is_empty() || !self.desk.deferred.is_empty() {
                self.turn();
            }
        }

        fn answered(&self) -> Vec<u16> {
            self.desk.post.sent.concat()
        }
    }

    /// The SOA, which has a signature already.
    fn cheap(id: u16) -> Vec<u8> {
        query(id, b"", 6)
    }

    /// A denial that nobody has asked for: 4 digits make a name for each id.
    fn dear(id: u16) -> Vec<u8> {
        let digits = format!("{id:04}");
        let labels: Vec<u8> = digits.bytes().flat_map(|digit| [1, digit]).collect();
        query(id, &labels, 35)
    }

    fn query(id: u16, labels: &[u8], qtype: u8) -> Vec<u8> {
        let head = [&id.to_be_bytes()[..], &[0, 0, 0, 1, 0, 0, 0, 0, 0, 1], labels, b"\x04e164\x07example\0"].concat();
        [&head[..], &[0, qtype, 0, 1], &[0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0]].concat()
    }

    #[test]
    fn while_it_is_calm_each_is_answered_at_once() {
        let mut house = House::open([vec![dear(0), cheap(1), dear(2)]]);
        house.finish();
        assert_eq!(house.desk.post.sent, [[0, 1, 2]]);
    }

    #[test]
    fn in_a_flood_what_is_cheap_goes_first_and_the_rest_follows_in_order() {
        let mut flood: Vec<_> = (0..63).map(dear).collect();
        flood.push(cheap(63));
        let mut house = House::open([flood, vec![dear(64), cheap(65)]]);
        house.finish();
        let (first, rest) = house.desk.post.sent.split_first().unwrap();
        assert_eq!(*first, [63]);
        // Half of the usual signatures after a full batch; then the socket first, again what is cheap.
        assert_eq!(rest[..2], [(0..8).collect::<Vec<_>>(), vec![65]]);
        let rest: Vec<u16> = rest.concat().into_iter().filter(|id| *id != 65).collect();
        assert_eq!(rest, (0..63).chain([64]).collect::<Vec<_>>());
        // It waits only when nothing is put off.
        let (first, later) = house.desk.post.waits.split_first().unwrap();
        assert_eq!(*first, Wait::ForOne);
        assert!(later.iter().all(|wait| *wait == Wait::Not));
    }

    #[test]
    fn a_lasting_flood_sheds_the_oldest_and_nothing_cheap() {
        let batches = (0..20u16).map(|b| {
            let first = b * BATCH as u16;
            (first..first + 63).map(dear).chain([cheap(first + 63)]).collect()
        });
        let mut house = House::open(batches);
        house.finish();
        let mut answered = house.answered();
        let shed = house.desk.counters.sheds();
        assert_eq!(answered.len() as u64 + shed, 20 * 64);
        assert!(shed > 0);
        // The flood takes 8, 4, 2 and then one signature a batch, so that it hardly slows the rest.
        let dear_in_flood = house.desk.post.sent[..2 * 20].iter().skip(1).step_by(2).map(Vec::len);
        assert_eq!(dear_in_flood.collect::<Vec<_>>(), [[8, 4, 2, 1].to_vec(), vec![1; 16]].concat());
        let newest = answered.iter().rev().take(512).copied().collect::<Vec<_>>();
        assert!(newest.iter().min() > Some(&(shed as u16)), "the oldest are shed");
        answered.sort_unstable();
        assert!((0..20).all(|b| answered.binary_search(&(b * 64 + 63)).is_ok()), "a cheap one got no answer");
        answered.dedup();
        assert_eq!(answered.len() as u64 + shed, 20 * 64, "one was answered twice");
    }

    #[test]
    fn nothing_is_put_off_for_nobody() {
        let dear_only = |b: u16| (b * 64..(b + 1) * 64).map(dear).collect();
        let mut house = House::open((0..DEAR_BATCHES as u16).map(dear_only));
        house.finish();
        assert!(house.desk.counters.sheds() > 0, "so far something cheap was looked for");
        let (first, last) = (DEAR_BATCHES as u16 * 64, DEAR_BATCHES as u16 * 64 + 127);
        let mut coming = vec![dear_only(DEAR_BATCHES as u16)];
        coming.push((first + 64..last).map(dear).chain([cheap(last)]).collect());
        coming.push((0..63).map(dear).chain([cheap(1_000)]).collect());
        (house.desk.post.coming, house.desk.post.sent) = (coming.into(), Vec::new());
        house.finish();
        let sent = &house.desk.post.sent;
        assert_eq!(sent[..2].concat(), (first..=last).collect::<Vec<_>>(), "each was answered at once");
        assert_eq!(sent[2].last(), Some(&1_000));
        assert!(sent[2].len() < 63, "and since something cheap came, what is dear waits again");
    }

    #[test]
    fn nobody_is_answered_at_port_0_and_nothing_but_queries() {
        let mut house =
            House::open([vec![cheap(1)], vec![vec![0; 11], vec![], [&[0, 1, 0x80][..], &cheap(1)[3..]].concat()]]);
        house.desk.post.port = 0;
        house.turn();
        house.desk.post.port = 53;
        house.turn();
        assert!(house.answered().is_empty());
    }
}

//! Queries whose answers were put off: a bounded queue that sheds its oldest, since they have waited longest in vain.

use std::collections::VecDeque;

use super::packet::Packet;

/// Queries that wait. At 20 us a signature the last one waits 10 ms, much less than a resolver's patience.
const QUERIES_MAX: usize = 512;
/// Longer queries are shed at once: a name and the usual EDNS options fit (RFC 1035 2.3.4), and 512 of them take 300 KB.
const OCTETS_MAX: usize = 512;

/// The queue.
pub(super) struct Deferred(VecDeque<Packet<OCTETS_MAX>>);

impl Deferred {
    pub(super) fn new() -> Self {
        Self(VecDeque::with_capacity(QUERIES_MAX))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps a copy; says how many queries had to go for it.
    pub(super) fn keep<const ROOM: usize>(&mut self, query: &Packet<ROOM>) -> u64 {
        let Some(query) = query.moved() else { return 1 };
        let shed = if self.0.len() == QUERIES_MAX { self.0.pop_front().map_or(0, |_| 1) } else { 0 };
        self.0.push_back(query);
        shed
    }

    /// Takes out the oldest ones, at most so many.
    pub(super) fn take(&mut self, count: usize) -> impl Iterator<Item = Packet<OCTETS_MAX>> {
        self.0.drain(..count.min(self.0.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::packet::{Asker, Batch};
    use super::*;

    fn packets(lengths: impl IntoIterator<Item = usize>) -> Batch<4_096> {
        let mut batch = Batch::new();
        for (i, length) in lengths.into_iter().enumerate() {
            let from = ([127, 0, 0, 1], i as u16 + 1).into();
            batch.push(Asker { from, at: None }, |_| Some(length));
        }
        batch
    }

    #[test]
    fn the_oldest_go_first_and_are_shed_first() {
        let mut deferred = Deferred::new();
        let batch = packets([100; 60]);
        let shed: u64 = (0..10).flat_map(|_| batch.iter()).map(|query| deferred.keep(query)).sum();
        assert_eq!(shed, 600 - QUERIES_MAX as u64);
        let ports: Vec<u16> = deferred.take(3).map(|query| query.asker.from.port()).collect();
        let first = (shed % 60) as u16 + 1;
        assert_eq!(ports, [first, first + 1, first + 2]);
        assert_eq!(deferred.take(usize::MAX).count(), QUERIES_MAX - 3);
        assert!(deferred.is_empty());
    }

    #[test]
    fn what_is_too_long_is_shed() {
        let mut deferred = Deferred::new();
        let batch = packets([OCTETS_MAX, OCTETS_MAX + 1]);
        assert_eq!(batch.iter().map(|query| deferred.keep(query)).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(deferred.take(9).map(|query| query.octets().len()).collect::<Vec<_>>(), [OCTETS_MAX]);
    }
}

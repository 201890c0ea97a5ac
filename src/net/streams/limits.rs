//! How many connections there may be and which one gives way: an idle or slow peer never keeps another out.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::nameserver::Transport;

/// Leading bits of an IPv6 address that one household has: limiting less would let it take every place.
const V6_PREFIX_BITS: u32 = 56;

/// The connections of every thread and transport. A lock is taken when one begins or ends, never for a query.
pub struct Limits {
    connections_max: usize,
    per_prefix_max: usize,
    started: Instant,
    table: Mutex<Table>,
    tally: Tally,
}

/// Why a connection had to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// Its address prefix has as many as one may have.
    Prefix,
    /// There are as many as the server holds, or as the system gives it descriptors for.
    Total,
    /// A handshake or a message was not finished in time, or an answer not taken.
    Slow,
}

impl Cut {
    /// Every reason, in the order of their values.
    pub const ALL: [Self; 3] = [Self::Prefix, Self::Total, Self::Slow];

    /// The label in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Prefix => "prefix",
            Self::Total => "total",
            Self::Slow => "slow",
        }
    }
}

#[derive(Default)]
struct Tally {
    open: [AtomicU64; Transport::ALL.len()],
    cut: [[AtomicU64; Cut::ALL.len()]; Transport::ALL.len()],
}

#[derive(Default)]
struct Table {
    last_id: u64,
    places: HashMap<u64, Entry>,
    by_prefix: HashMap<IpAddr, Vec<u64>>,
    /// When each was last seen active, and its id. What happened since is noted only when a place is looked for.
    order: BTreeSet<(u64, u64)>,
}

struct Entry {
    noted_ms: u64,
    prefix: IpAddr,
    transport: Transport,
    signs: Arc<Signs>,
}

/// What a connection and the table tell each other.
struct Signs {
    active_ms: AtomicU64,
    cut: Notify,
}

/// A connection's place. Given back when dropped.
pub(crate) struct Place {
    limits: Arc<Limits>,
    id: u64,
    transport: Transport,
    signs: Arc<Signs>,
}

impl Limits {
    /// At most so many connections in all, and so many from one /32 (IPv4) or /56 (IPv6).
    pub(crate) fn new(connections_max: usize, per_prefix_max: usize) -> Arc<Self> {
        let (table, tally) = (Mutex::default(), Tally::default());
        Arc::new(Self { connections_max, per_prefix_max, started: Instant::now(), table, tally })
    }

    /// A place for a new connection. When there is none, the one that has been idle longest gives way: of its own prefix
    /// when that is full, else of all. So whoever holds connections open without asking loses them to those who ask.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr, transport: Transport) -> Place {
        let (prefix, now_ms) = (prefix(address), self.now_ms());
        let mut table = self.table();
        if table.by_prefix.get(&prefix).is_some_and(|ids| ids.len() >= self.per_prefix_max) {
            let oldest = table.idlest_of(prefix);
            self.cut(&mut table, oldest, Cut::Prefix);
        } else if table.places.len() >= self.connections_max {
            let oldest = table.idlest();
            self.cut(&mut table, oldest, Cut::Total);
        }
        table.last_id += 1;
        let id = table.last_id;
        let signs = Arc::new(Signs { active_ms: AtomicU64::new(now_ms), cut: Notify::new() });
        table.places.insert(id, Entry { noted_ms: now_ms, prefix, transport, signs: signs.clone() });
        table.by_prefix.entry(prefix).or_default().push(id);
        table.order.insert((now_ms, id));
        drop(table);
        self.tally.open[transport as usize].fetch_add(1, Relaxed);
        Place { limits: self.clone(), id, transport, signs }
    }

    /// Cuts the connection that has been idle longest, when the system has run out of descriptors; false when there is none.
    pub(crate) fn make_room(&self) -> bool {
        let mut table = self.table();
        let oldest = table.idlest();
        self.cut(&mut table, oldest, Cut::Total);
        oldest.is_some()
    }

    /// Open connections.
    pub fn open(&self) -> impl Iterator<Item = (Transport, u64)> {
        Transport::ALL.into_iter().zip(self.tally.open.iter().map(|count| count.load(Relaxed)))
    }

    /// Connections that had to go since start.
    pub fn cuts(&self) -> impl Iterator<Item = (Transport, Cut, u64)> {
        Transport::ALL.into_iter().zip(&self.tally.cut).flat_map(|(transport, counts)| {
            Cut::ALL.into_iter().zip(counts).map(move |(cut, count)| (transport, cut, count.load(Relaxed)))
        })
    }

    fn cut(&self, table: &mut Table, id: Option<u64>, why: Cut) {
        let Some(entry) = id.and_then(|id| table.remove(id)) else { return };
        self.tally.cut[entry.transport as usize][why as usize].fetch_add(1, Relaxed);
        entry.signs.cut.notify_one(); // remembered until the connection looks
    }

    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64 // half a billion years
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.places.remove(&id)?;
        self.order.remove(&(entry.noted_ms, id));
        if let Some(ids) = self.by_prefix.get_mut(&entry.prefix) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_prefix.remove(&entry.prefix);
            }
        }
        Some(entry)
    }

    fn idlest_of(&self, prefix: IpAddr) -> Option<u64> {
        let active_ms = |id: &u64| self.places.get(id).map(|entry| entry.signs.active_ms.load(Relaxed));
        self.by_prefix.get(&prefix)?.iter().copied().min_by_key(|id| (active_ms(id), *id))
    }

    /// The first in the order whose note is still true: all others have been active later than their notes, which are later.
    fn idlest(&mut self) -> Option<u64> {
        loop {
            let (noted_ms, id) = self.order.first().copied()?;
            let entry = self.places.get_mut(&id)?;
            let active_ms = entry.signs.active_ms.load(Relaxed);
            if active_ms <= noted_ms {
                return Some(id);
            }
            entry.noted_ms = active_ms;
            self.order.remove(&(noted_ms, id));
            self.order.insert((active_ms, id));
        }
    }
}

impl Place {
    /// Notes that the connection does what it is for: a query was answered.
    pub(crate) fn active(&self) {
        self.signs.active_ms.store(self.limits.now_ms(), Relaxed);
    }

    /// How long no query has been answered.
    pub(crate) fn idle_for(&self) -> Duration {
        Duration::from_millis(self.limits.now_ms().saturating_sub(self.signs.active_ms.load(Relaxed)))
    }

    /// Returns when the connection has to give way.
    pub(crate) async fn cut(&self) {
        self.signs.cut.notified().await;
    }

    /// Counts that the connection was too slow.
    pub(crate) fn slow(&self) {
        self.limits.tally.cut[self.transport as usize][Cut::Slow as usize].fetch_add(1, Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.limits.table().remove(self.id);
        self.limits.tally.open[self.transport as usize].fetch_sub(1, Relaxed);
    }
}

fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => Ipv4Addr::into(v4),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> (128 - V6_PREFIX_BITS) << (128 - V6_PREFIX_BITS)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    async fn is_cut(place: &Place) -> bool {
        tokio::time::timeout(Duration::ZERO, place.cut()).await.is_ok()
    }

    fn block_on(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test);
    }

    #[test]
    fn a_full_prefix_gives_up_its_own_that_was_idle_longest() {
        block_on(async {
            let limits = Limits::new(100, 2);
            let other = limits.admit(address("192.0.2.1"), Transport::Tcp);
            let [first, second] = [1, 2].map(|_| limits.admit(address("2001:db8::1"), Transport::Tcp));
            first.signs.active_ms.store(5, Relaxed);
            second.signs.active_ms.store(4, Relaxed);
            let third = limits.admit(address("2001:db8:0:ff::2"), Transport::Tls);
            assert!(is_cut(&second).await && !is_cut(&first).await && !is_cut(&other).await && !is_cut(&third).await);
            let elsewhere = limits.admit(address("2001:db8:0:100::"), Transport::Tcp); // the next /56
            assert!(!is_cut(&first).await && !is_cut(&elsewhere).await);
            assert!(limits.cuts().any(|cut| cut == (Transport::Tcp, Cut::Prefix, 1)));
        });
    }

    #[test]
    fn a_full_server_gives_up_the_one_that_was_idle_longest_of_all() {
        block_on(async {
            let limits = Limits::new(3, 2);
            let places: Vec<Place> =
                (1..=3).map(|n| limits.admit(IpAddr::from([127, 0, 0, n]), Transport::Tcp)).collect();
            for (place, active_ms) in places.iter().zip([900_000, 700_000, 800_000]) {
                place.signs.active_ms.store(active_ms, Relaxed);
            }
            let _new = limits.admit(address("127.0.0.9"), Transport::Tcp);
            // The newcomer has not been active since these times, so it would be next if it were not for the two others' notes.
            assert!(is_cut(&places[1]).await && !is_cut(&places[0]).await && !is_cut(&places[2]).await);
            assert!(limits.cuts().any(|cut| cut == (Transport::Tcp, Cut::Total, 1)));
        });
    }

    #[test]
    fn places_come_back_and_nothing_is_kept_of_them() {
        let limits = Limits::new(3, 3);
        let places: Vec<Place> = (0..9).map(|n| limits.admit(IpAddr::from([127, 0, n, 1]), Transport::Quic)).collect();
        assert!(limits.open().any(|open| open == (Transport::Quic, 9)), "cut ones count until they are closed");
        drop(places);
        let table = limits.table();
        assert!(table.places.is_empty() && table.by_prefix.is_empty() && table.order.is_empty());
        assert!(limits.open().all(|(_, count)| count == 0));
    }
}

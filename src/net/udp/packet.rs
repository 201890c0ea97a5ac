//! Packets and batches of them: room that is taken once, when a thread starts.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Packets taken or given back with one call: enough that the call's own cost vanishes, few enough to stay in the cache.
pub(super) const BATCH: usize = 64;

/// Who asked, and at which of our addresses, where the socket has more than one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Asker {
    /// Where the answer goes.
    pub(super) from: SocketAddr,
    /// Where the answer must come from. None: the socket is bound to one address.
    pub(super) at: Option<IpAddr>,
}

impl Asker {
    const NOBODY: Self = Self { from: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0), at: None };
}

/// One packet in room for `ROOM` octets.
pub(super) struct Packet<const ROOM: usize> {
    /// The other side.
    pub(super) asker: Asker,
    length: usize,
    room: [u8; ROOM],
}

impl<const ROOM: usize> Packet<ROOM> {
    const EMPTY: Self = Self { asker: Asker::NOBODY, length: 0, room: [0; ROOM] };

    /// What is in it.
    pub(super) fn octets(&self) -> &[u8] {
        &self.room[..self.length]
    }

    /// The same in other room, if it fits.
    pub(super) fn moved<const OTHER: usize>(&self) -> Option<Packet<OTHER>> {
        let mut other = Packet { asker: self.asker, length: self.length, ..Packet::EMPTY };
        other.room.get_mut(..self.length)?.copy_from_slice(self.octets());
        Some(other)
    }

    /// The whole room, to be written to from outside.
    pub(super) fn room(&mut self) -> &mut [u8; ROOM] {
        &mut self.room
    }

    /// Says who sent what stands in the room now, and how much of it counts.
    pub(super) fn stamp(&mut self, asker: Asker, length: usize) {
        (self.asker, self.length) = (asker, length.min(ROOM));
    }
}

/// Up to [`BATCH`] packets.
pub(super) struct Batch<const ROOM: usize> {
    packets: Box<[Packet<ROOM>]>,
    count: usize,
}

impl<const ROOM: usize> Batch<ROOM> {
    pub(super) fn new() -> Self {
        Self { packets: (0..BATCH).map(|_| Packet::EMPTY).collect(), count: 0 }
    }

    /// Whether there is no room for another packet.
    pub(super) fn is_full(&self) -> bool {
        self.count == self.packets.len()
    }

    /// The packets in it.
    pub(super) fn iter(&self) -> std::slice::Iter<'_, Packet<ROOM>> {
        self.packets[..self.count].iter()
    }

    /// Adds a packet to `asker`, if `write` makes one: it says how many octets of the room it has used.
    pub(super) fn push(&mut self, asker: Asker, write: impl FnOnce(&mut [u8]) -> Option<usize>) {
        let Some(packet) = self.packets.get_mut(self.count) else { return };
        if let Some(length) = write(&mut packet.room) {
            packet.stamp(asker, length);
            self.count += 1;
        }
    }

    /// Replaces the packets: `fill` says how many of those that it is handed it has filled.
    pub(super) fn refill(&mut self, fill: impl FnOnce(&mut [Packet<ROOM>]) -> usize) {
        self.count = fill(&mut self.packets).min(self.packets.len());
    }

    /// Empties it.
    pub(super) fn clear(&mut self) {
        self.count = 0;
    }
}

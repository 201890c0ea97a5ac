//! What a connection may hold for a peer that asks much and takes little: the next message waits until there is room for
//! the largest.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::wire::answer::TCP_OCTETS_MAX;

/// A message at its largest, with its length in front.
const LARGEST_OCTETS: usize = 2 + TCP_OCTETS_MAX;
/// Two of the largest or hundreds of usual ones on their way, and one more that is being made.
const ROOM_OCTETS: usize = 3 * LARGEST_OCTETS;

/// One connection's room.
pub(super) struct Room(Arc<Semaphore>);

/// Room for the largest message, which is not there yet.
pub(super) struct Reserved(OwnedSemaphorePermit);

/// A message with just its room, which is free again when nobody needs the octets any more.
pub(super) struct Kept {
    octets: Vec<u8>,
    _room: Reserved,
}

impl Room {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(ROOM_OCTETS)))
    }

    /// Waits for room, in the order in which others wait. `None` never comes: nobody closes a room.
    pub(super) async fn reserve(&self) -> Option<Reserved> {
        self.0.clone().acquire_many_owned(LARGEST_OCTETS as u32).await.ok().map(Reserved)
    }

    /// Room if there is some now.
    pub(super) fn reserve_now(&self) -> Option<Reserved> {
        self.0.clone().try_acquire_many_owned(LARGEST_OCTETS as u32).ok().map(Reserved)
    }
}

impl Reserved {
    /// The message is there; what it leaves free others may have.
    pub(super) fn keep(mut self, octets: Vec<u8>) -> Kept {
        drop(self.0.split(LARGEST_OCTETS.saturating_sub(octets.len())));
        Kept { octets, _room: self }
    }
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_messages_are_many_and_large_ones_two() {
        let (room, small) = (Room::new(), vec![0; 1_000]);
        let many: Vec<Kept> =
            std::iter::from_fn(|| room.reserve_now()).map(|reserved| reserved.keep(small.clone())).collect();
        assert_eq!(many.len(), 2 * LARGEST_OCTETS / 1_000 + 1);
        drop(many);
        let large = || room.reserve_now().map(|reserved| reserved.keep(vec![0; LARGEST_OCTETS]));
        let kept = [large(), large(), large()];
        assert!(kept.iter().all(Option::is_some) && large().is_none());
        drop(kept);
        assert!(large().is_some(), "what is sent makes room");
    }
}

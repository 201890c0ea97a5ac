//! Bulk doors as the operator sees them: which are open, until when, and how many numbers are still there.

use crate::authority::Authority;
use crate::authority::access::Actor;
use crate::authority::error::Rejection;
use crate::registry::acts::Power;
use crate::registry::bulk::BulkDoor;

/// An open bulk door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBulkDoor {
    /// The provider that serves nobody any more.
    pub provider: String,
    /// Since when and until when.
    pub door: BulkDoor,
    /// How many numbers are still with it.
    pub numbers: u64,
}

impl Authority {
    /// The bulk doors that are open now, by provider. Blocks.
    pub fn bulk_doors(&self, actor: &Actor) -> Result<Vec<OpenBulkDoor>, Rejection> {
        actor.demand(Power::See)?;
        let (law, now_ms) = (self.core.law(), self.core.now_ms());
        let open = law.register().bulk_doors().filter(|(_, door)| door.is_open(now_ms));
        self.core.ledger.read(|now| {
            open.map(|(provider, door)| {
                let numbers = now.holdings(provider)?;
                Ok(OpenBulkDoor { provider: provider.to_owned(), door: *door, numbers })
            })
            .collect()
        })
    }

    /// Until when the bulk door of a provider is open, Unix milliseconds: public, as its leaf is.
    pub fn bulk_door_until_ms(&self, provider: &str) -> Option<u64> {
        let (law, now_ms) = (self.core.law(), self.core.now_ms());
        law.register().bulk_door(provider).filter(|door| door.is_open(now_ms)).map(|door| door.until_ms)
    }
}

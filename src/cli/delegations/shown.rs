//! The number zone that is answered from: epochs change its numbers, delegations its static part.

use std::io::{self, Write};
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::authority::View as Published;
use crate::nameserver::View;
use crate::number::Number;
use crate::wire::Name;
use crate::zone::image::{self, Point};
use crate::zone::{ApplyError, Change, NumberZone, StaticZone};

/// Where the authority shows what it publishes. The authority calls one method after the other, never two at once.
pub(crate) struct Shown {
    zone: ArcSwap<NumberZone>,
    view: Arc<ArcSwap<View>>,
}

impl Shown {
    /// Shows `zone`, which `view` answers from.
    pub(crate) fn new(zone: Arc<NumberZone>, view: Arc<ArcSwap<View>>) -> Self {
        Self { zone: ArcSwap::new(zone), view }
    }

    /// The zone as it is now.
    pub(crate) fn zone(&self) -> Arc<NumberZone> {
        self.zone.load_full()
    }

    /// The apex.
    pub(crate) fn apex(&self) -> Name {
        *self.zone.load().apex()
    }
}

impl Published for Shown {
    fn apply(&self, changes: &[Change], serial: u32) -> Result<(), ApplyError> {
        self.zone.load().apply(changes, serial)
    }

    fn cut_over(&self, number: Number) -> Option<String> {
        self.zone.load().cut_over(number)
    }

    fn replace_fixed(&self, fixed: Arc<StaticZone>, serial: u32) -> Result<(), ApplyError> {
        let zone = self.zone.load().with_fixed(fixed)?;
        zone.apply(&[], serial)?;
        let zone = Arc::new(zone);
        self.zone.store(Arc::clone(&zone));
        // Queries that are being answered keep the old view until they are done.
        self.view.rcu(|view| view.with_numbers(&zone));
        Ok(())
    }

    fn write_image(&self, point: &Point, out: &mut dyn Write) -> io::Result<bool> {
        image::write(self.zone.load().table(), point, out).map(|()| true)
    }
}

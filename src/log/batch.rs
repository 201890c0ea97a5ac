//! The events of one epoch: at most one a label, in the order of their labels.

use crate::log::bytes::{Malformed, Reader, put_lp16};
use crate::log::event::Event;
use crate::log::{Hash, merkle};

/// The events of one epoch, epochs filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch(Vec<Event>);

impl Batch {
    /// Puts the events in order; refuses two for one label.
    pub fn new(mut events: Vec<Event>) -> Result<Self, Malformed> {
        events.sort_unstable_by_key(|event| event.label);
        Self(events).checked()
    }

    /// Reads an epoch's file: `lp16(event)*` by ascending label.
    pub fn parse(raw: &[u8]) -> Result<Self, Malformed> {
        let (mut reader, mut events) = (Reader::new(raw, "batch"), Vec::new());
        while !reader.is_empty() {
            events.push(Event::parse(reader.lp16()?)?);
        }
        Self(events).checked()
    }

    /// The epoch's file; empty without events.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for event in &self.0 {
            put_lp16(&mut out, &event.write());
        }
        out
    }

    /// The RFC 6962 root over the events' bytes; `H("")` without events.
    pub fn root(&self) -> Hash {
        let leaves: Vec<Hash> = self.0.iter().map(|event| merkle::leaf_hash(&event.write())).collect();
        merkle::root(&leaves)
    }

    /// The events in order.
    pub fn events(&self) -> &[Event] {
        &self.0
    }

    fn checked(self) -> Result<Self, Malformed> {
        let ordered = self.0.is_sorted_by(|a, b| a.label < b.label);
        Malformed::unless(ordered, "batch", "labels out of order or twice")?;
        Ok(self)
    }
}

//! Labels of numbers, remembered for a while: a proof costs 0.1 ms, and a submission follows its `prepare`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::log::label::Label;
use crate::log::vrf::{Proof, SecretKey};
use crate::number::Number;

/// Numbers remembered, 2 MB. When it is full everything is forgotten: that costs one proof a number.
const REMEMBERED_MAX: usize = 1 << 14;

/// Labels that were computed lately.
#[derive(Default)]
pub(super) struct Labels(Mutex<HashMap<Number, (Label, Proof)>>);

impl Labels {
    /// The number's label with the proof of it.
    pub(super) fn of(&self, key: &SecretKey, origin: &str, number: Number) -> (Label, Proof) {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&number).copied();
        held.unwrap_or_else(|| {
            let fresh = key.label(origin, number);
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= REMEMBERED_MAX {
                known.clear();
            }
            known.insert(number, fresh);
            fresh
        })
    }
}

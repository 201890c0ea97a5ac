//! Labels of numbers, remembered for a while: a proof costs 0.1 ms, and a submission follows its `prepare`.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::authority::error::OpenError;
use crate::authority::keys::vrf_of;
use crate::ledger::{EraRow, Ledger, LedgerError};
use crate::log::label::Label;
use crate::log::vrf::{Proof, SecretKey};
use crate::number::Number;
use crate::seal::Lock;
use crate::signer::key_file::{self, KeyError};

/// Numbers in one generation, about 8 MB: what full load prepares in some twenty seconds.
const GENERATION_MAX: usize = 1 << 15;

/// Labels that were computed lately. When the young generation is full it becomes the old one, and what was old is forgotten.
#[derive(Default)]
pub(super) struct Labels(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<Number, (Label, Proof)>,
    old: HashMap<Number, (Label, Proof)>,
}

impl Labels {
    /// The number's label with the proof of it.
    pub(super) fn of(&self, key: &SecretKey, origin: &str, number: Number) -> (Label, Proof) {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(number);
        held.unwrap_or_else(|| {
            let fresh = key.label(origin, number);
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(number, fresh);
            fresh
        })
    }
}

/// The eras that are closed, with the keys of theirs that are there. A number that was given back in one rests at its label of
/// then: nobody knows any more whose that is, but whoever asks for the number shows which one it would be.
pub(super) struct PastEras {
    /// The oldest first.
    pub(super) rows: Vec<EraRow>,
    keys: Vec<(String, SecretKey)>,
}

impl PastEras {
    /// Reads them; a key that was destroyed tells of nothing any more.
    pub(super) fn open(ledger: &Ledger, dir: &Path, lock: &Lock) -> Result<Self, OpenError> {
        let rows = ledger.read::<_, LedgerError>(|now| now.eras())?;
        let mut keys = Vec::with_capacity(rows.len());
        for era in &rows {
            match key_file::read(dir, &vrf_of(era.era), lock) {
                Ok(seed) => keys.push((era.origin.clone(), SecretKey::from_seed(&seed))),
                Err(KeyError::Missing { .. }) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Ok(Self { rows, keys })
    }

    /// The labels that a number had, or would have had.
    pub(super) fn labels_of(&self, number: Number) -> Vec<Label> {
        self.keys.iter().map(|(origin, key)| key.label(origin, number).0).collect()
    }
}

impl Generations {
    fn get(&self, number: Number) -> Option<(Label, Proof)> {
        self.young.get(&number).or_else(|| self.old.get(&number)).copied()
    }

    fn insert(&mut self, number: Number, label: (Label, Proof)) {
        if self.young.len() >= GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(number, label);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_is_known_and_what_is_old_is_forgotten() {
        let (label, proof) = SecretKey::from_seed(&[7; 32]).label("origin", number(0));
        let mut known = Generations::default();
        let count = 3 * GENERATION_MAX as u64;
        (0..count).for_each(|i| known.insert(number(i), (label, proof)));
        assert!((2 * GENERATION_MAX as u64..count).all(|i| known.get(number(i)).is_some()));
        assert!(known.get(number(0)).is_none());
        assert!(known.young.len() + known.old.len() <= 2 * GENERATION_MAX);
    }

    fn number(i: u64) -> Number {
        Number::parse(&format!("+999{:08}", 10_000_000 + i)).unwrap()
    }
}

//! Other static data under a running directory: blocks that go to other directories, and come back.
//!
//! ```text
//! new creates below the cuts are refused -> registered numbers below them? -> kept on disk -> served
//! ```
//! Decisions are made in the ledger's writer one after the other, so a registration is either there when the writer looks
//! for numbers below a cut, or comes after it and is refused.

use std::path::Path;
use std::sync::Arc;

use crate::authority::error::OpenError;
use crate::authority::publish;
use crate::authority::sequencer::GENERATION;
use crate::authority::signed::TurnError;
use crate::authority::{Authority, Core};
use crate::ledger::{Ledger, LedgerError, Snapshot};
use crate::number::{DIGITS_MAX, Number};
use crate::signer::SignerError;
use crate::wire::Name;
use crate::zone::delegation::block_of;
use crate::zone::{ApplyError, StaticZone, numbers};

/// Why static data stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum FixedError {
    /// A block would go to another directory although numbers of it are registered here.
    #[error(
        "numbers of {block} are registered here, or about to be ({count}): let them be released first, or delegate blocks without numbers"
    )]
    Registered {
        /// The block.
        block: String,
        /// How many.
        count: u64,
    },
    /// The ledger does not work.
    #[error("{0}")]
    Ledger(#[from] LedgerError),
    /// What was sealed before is not signed, so it cannot be shown first.
    #[error("the log cannot be signed: {0}")]
    Signer(SignerError),
    /// It could not be kept on disk.
    #[error("{0}")]
    Unkept(String),
    /// The view does not take it.
    #[error(transparent)]
    View(#[from] ApplyError),
}

impl From<TurnError> for FixedError {
    fn from(error: TurnError) -> Self {
        match error {
            TurnError::Ledger(error) => Self::Ledger(error),
            TurnError::Signer(error) => Self::Signer(error),
            TurnError::Unconfirmed => Self::Unkept(format!("{error}: try again in a minute")),
        }
    }
}

impl Authority {
    /// Serves other static data from now on, beside the same numbers, and gives the new serial. `keep` makes it durable
    /// once it is known to be right and before anybody sees it; if that fails nothing changes. Blocks.
    pub fn replace_fixed(
        &self,
        fixed: StaticZone,
        keep: impl FnOnce() -> Result<(), String>,
    ) -> Result<u32, FixedError> {
        let fixed = Arc::new(fixed);
        let mut line = self.core.line();
        // What is sealed is shown first: then the view has no number that the ledger has not.
        self.core.publish(&mut line)?;
        let Some(head) = line.head.as_mut().filter(|head| head.epoch.note.is_some()) else {
            return Err(LedgerError::Unavailable("an epoch could not be made".to_owned()).into());
        };
        self.core.coming.store(Some(Arc::clone(&fixed)));
        let _whatever_comes = Forget(&self.core);
        let generation = head.generation + 1;
        let looked_at = Arc::clone(&fixed);
        let looked = self.core.ledger.write::<_, LedgerError, _>(move |tx| {
            let registered = registered_below(tx, &looked_at)?;
            if registered.is_none() {
                tx.set_meta(GENERATION, &generation.to_be_bytes())?;
            }
            Ok(registered)
        });
        if let Some((block, count)) = looked.wait_blocking()? {
            return Err(FixedError::Registered { block, count });
        }
        head.generation = generation; // a serial that nobody sees is skipped
        keep().map_err(FixedError::Unkept)?;
        let serial = publish::serial(generation);
        if let Some(view) = self.core.view.get() {
            view.replace_fixed(fixed, serial)?;
        }
        Ok(serial)
    }
}

/// Takes back what is coming, however it ended.
struct Forget<'a>(&'a Core);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.0.coming.store(None);
    }
}

impl Core {
    /// The delegation that covers a number, now or in a moment.
    pub(super) fn cut_over(&self, number: Number) -> Option<String> {
        let coming = self.coming.load();
        let soon = || numbers::cut_over(coming.as_deref()?, number).map(|cut| cut.to_text());
        self.view.get().and_then(|view| view.cut_over(number)).or_else(soon)
    }
}

/// A block that static data delegates although numbers of it are in the ledger, and how many, also while another process
/// works in it.
pub fn delegated_and_registered(data: &Path, fixed: &StaticZone) -> Result<Option<(String, u64)>, OpenError> {
    Ledger::peek(data, |now| Ok(registered_below(now, fixed)?))
}

fn registered_below(now: &Snapshot<'_>, fixed: &StaticZone) -> Result<Option<(String, u64)>, LedgerError> {
    for block in blocks(fixed) {
        let mut count = 0;
        for (first, last) in numbers_of(&block) {
            count += now.count_numbers_between(first, last)?;
        }
        if count > 0 {
            return Ok(Some((block, count)));
        }
    }
    Ok(None)
}

fn blocks(fixed: &StaticZone) -> impl Iterator<Item = String> {
    let apex: &Name = fixed.apex();
    fixed.cuts().filter_map(move |node| block_of(&node.owner(), apex))
}

/// The packed numbers that begin with a block's digits: a range for each length.
fn numbers_of(block: &str) -> impl Iterator<Item = (u64, u64)> {
    let digits = block.trim_start_matches('+');
    let (prefix, longer) = (digits.parse::<u64>().unwrap_or(0), DIGITS_MAX.saturating_sub(digits.len()));
    let range = move |more: usize| {
        let times = 10u64.pow(more as u32); // at most 15
        (prefix * times, prefix * times + (times - 1))
    };
    (0..=longer).filter(move |_| prefix > 0).map(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_a_range_for_each_length() {
        let ranges: Vec<_> = numbers_of("+33").collect();
        assert_eq!(ranges.len(), 14);
        assert_eq!((ranges[0], ranges[1]), ((33, 33), (330, 339)));
        assert_eq!(ranges[13], (330_000_000_000_000, 339_999_999_999_999));
        assert_eq!(numbers_of("+123456789012345").collect::<Vec<_>>(), [(123_456_789_012_345, 123_456_789_012_345)]);
    }
}

//! A month of a directory as its ledger tells it: how many of what, how the log was, what was decided. No number, no person.

use std::collections::BTreeMap;
use std::path::Path;

use crate::authority::error::OpenError;
use crate::authority::{gov, signed};
use crate::ledger::{Ledger, LedgerError, Snapshot};
use crate::log::gov::GovLeaf;

/// Leaves of the gov log read at a time.
const LEAVES_PAGE: u64 = 1000;

/// What happened from one time until before another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Month {
    /// Accepted events by kind, exact: whoever shows them suppresses small counts.
    pub events: BTreeMap<&'static str, u64>,
    /// Complaints by what they are about, exact.
    pub complaints: BTreeMap<String, u64>,
    /// How the map log grew.
    pub log: Growth,
    /// Decisions in the gov log: time in milliseconds, and in words.
    pub decisions: Vec<(u64, String)>,
    /// Escrow deposits that the gov log was told of, by type.
    pub deposits: BTreeMap<String, u64>,
}

/// How the map log grew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// Epochs.
    pub epochs: u64,
    /// The longest time without one, in milliseconds.
    pub longest_gap_ms: u64,
    /// How long, in milliseconds, the newest epoch was older than it may be.
    pub late_ms: u64,
    /// The end of what was looked at: the span's, or the newest epoch's time if that is earlier.
    pub until_ms: u64,
}

impl Month {
    /// Of the directory whose ledger lies in `data`, also while another process works in it. An epoch may be `patience_ms` old.
    pub fn of(data: &Path, (from_ms, until_ms): (u64, u64), patience_ms: u64) -> Result<Self, OpenError> {
        Ledger::peek(data, |now| {
            let mut month = Self { complaints: now.complaints_between(from_ms, until_ms)?, ..Self::default() };
            now.each_event_between(from_ms, until_ms, |event| {
                *month.events.entry(event.kind.word()).or_insert(0) += 1
            })?;
            month.log = growth(now, (from_ms, until_ms), patience_ms)?;
            month.decide(now, from_ms, until_ms)?;
            Ok(month)
        })
    }

    fn decide(&mut self, now: &Snapshot<'_>, from_ms: u64, until_ms: u64) -> Result<(), LedgerError> {
        let keys = signed::known_keys(now)?.ok_or(LedgerError::Damaged("the keys of the logs are not known"))?;
        let mut at = 0;
        loop {
            let page = now.gov_leaves_from(at, LEAVES_PAGE)?;
            if page.is_empty() {
                return Ok(());
            }
            for leaf in page {
                let text = std::str::from_utf8(&leaf).map_err(|_| LedgerError::Damaged("a leaf of the gov log"))?;
                let leaf = GovLeaf::open(text, &keys, at).map_err(|_| LedgerError::Damaged("a leaf of the gov log"))?;
                at += 1;
                if !(from_ms..until_ms).contains(&leaf.time_ms) {
                    continue;
                }
                if leaf.kind == gov::ESCROW {
                    let kind = leaf.body["type"].as_str().unwrap_or_default().to_owned();
                    *self.deposits.entry(kind).or_insert(0) += 1;
                } else {
                    self.decisions.push((leaf.time_ms, words(&leaf)));
                }
            }
        }
    }
}

fn growth(now: &Snapshot<'_>, span: (u64, u64), patience_ms: u64) -> Result<Growth, LedgerError> {
    let (before_ms, newest_ms) = now.epochs_around(span.0)?;
    let mut gaps = Gaps { span, patience_ms, last_ms: before_ms, growth: Growth::default() };
    now.each_epoch_between(span.0, span.1, |at_ms| gaps.epoch(at_ms))?;
    Ok(gaps.end(newest_ms))
}

/// Times between epochs; of those that reach into the span or out of it, the part inside.
struct Gaps {
    span: (u64, u64),
    patience_ms: u64,
    last_ms: Option<u64>,
    growth: Growth,
}

impl Gaps {
    fn epoch(&mut self, at_ms: u64) {
        self.growth.epochs += 1;
        self.until(at_ms);
        self.last_ms = Some(at_ms);
    }

    fn until(&mut self, at_ms: u64) {
        let Some(last_ms) = self.last_ms else { return };
        let begins_ms = self.span.0;
        self.growth.longest_gap_ms = self.growth.longest_gap_ms.max(at_ms.saturating_sub(last_ms.max(begins_ms)));
        self.growth.late_ms += at_ms.saturating_sub((last_ms + self.patience_ms).max(begins_ms));
    }

    /// Nothing is known of the time behind the newest epoch of all.
    fn end(mut self, newest_ms: u64) -> Growth {
        if newest_ms >= self.span.1 {
            self.until(self.span.1);
        }
        Growth { until_ms: self.span.1.min(newest_ms), ..self.growth }
    }
}

/// What a leaf decided, in words. Whatever it names is public for ever: organisations, versions, no person.
fn words(leaf: &GovLeaf) -> String {
    let text = |name: &str| leaf.body[name].as_str().unwrap_or("?").to_owned();
    let number = |name: &str| leaf.body[name].as_u64().map_or("?".to_owned(), |n| n.to_string());
    let clause = leaf.body["clause"].as_str().map_or(String::new(), |clause| format!(" (charter {clause})"));
    match leaf.kind.as_str() {
        gov::PROVIDER => format!("organisation {}: {}{clause}", text("id"), text("status")),
        gov::CHARTER => format!("charter version {} announced", number("version")),
        gov::INCIDENT => format!("incident: {}", text("what")),
        gov::ERA_OPEN => format!("the log {} is opened", text("map")),
        kind => format!("{}{clause}", kind.replace('-', " ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grown(before_ms: Option<u64>, epochs: &[u64], newest_ms: u64) -> Growth {
        let mut gaps = Gaps { span: (1000, 2000), patience_ms: 100, last_ms: before_ms, growth: Growth::default() };
        epochs.iter().for_each(|at_ms| gaps.epoch(*at_ms));
        gaps.end(newest_ms)
    }

    #[test]
    fn only_what_lies_inside_the_span_is_late() {
        let of = |growth: Growth| (growth.epochs, growth.longest_gap_ms, growth.late_ms, growth.until_ms);
        assert_eq!(of(grown(Some(950), &[1050, 1150, 1900], 2050)), (3, 750, 650, 2000));
        // From before the span until its end nothing: all of it is late.
        assert_eq!(of(grown(Some(10), &[], 9000)), (0, 1000, 1000, 2000));
        // What comes after the newest epoch is not known.
        assert_eq!(of(grown(None, &[1900], 1900)), (1, 0, 0, 1900));
        assert_eq!(of(grown(Some(1990), &[2000 - 1], 2000)), (1, 9, 0, 2000));
    }
}

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

/// Times between epochs, those that reach into the span and out of it counted inside it alone.
fn growth(now: &Snapshot<'_>, (from_ms, until_ms): (u64, u64), patience_ms: u64) -> Result<Growth, LedgerError> {
    let (before_ms, newest_ms) = now.epochs_around(from_ms)?;
    let mut growth = Growth { until_ms: until_ms.min(newest_ms), ..Growth::default() };
    let mut last_ms = before_ms;
    let mut step = |growth: &mut Growth, at_ms: u64| {
        if let Some(last_ms) = last_ms {
            let gap_ms = at_ms.saturating_sub(last_ms.max(from_ms));
            growth.longest_gap_ms = growth.longest_gap_ms.max(gap_ms);
            growth.late_ms += at_ms.saturating_sub((last_ms + patience_ms).max(from_ms));
        }
        last_ms = Some(at_ms);
    };
    now.each_epoch_between(from_ms, until_ms, |at_ms| {
        growth.epochs += 1;
        step(&mut growth, at_ms);
    })?;
    if newest_ms >= until_ms {
        step(&mut growth, until_ms);
    }
    Ok(growth)
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

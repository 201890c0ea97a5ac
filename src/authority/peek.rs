//! Looks into a directory's ledger, also while another process works in it: for the command line's exports and checks.

use std::path::Path;

use crate::authority::error::OpenError;
use crate::authority::{charter, publish};
use crate::charter::Policy;
use crate::ledger::{Ledger, LedgerError};
use crate::zone::NumberData;

/// Reads what a directory serves, also while another process works in it: for exports and checks. Gives the newest
/// signed epoch and its time in milliseconds.
pub fn load_published(dir: &Path, each: impl FnMut(NumberData)) -> Result<(u64, u64), OpenError> {
    Ledger::peek(dir, |now| {
        let epoch = now.newest_epoch()?.ok_or(LedgerError::Damaged("the map log has no leaf"))?;
        publish::read_all(now, |_| {}, each)?;
        Ok((epoch.n, epoch.time_ms))
    })
}

/// The charter's parameters in force in a directory, also while another process works in it; None before any version was
/// announced.
pub fn charter_in_force(dir: &Path, now_ms: u64) -> Result<Option<Policy>, OpenError> {
    Ledger::peek(dir, |now| Ok(charter::read_in_force(now, now_ms)?))
}

/// The newest epoch of a directory and its time in milliseconds, also while another process works in it.
pub fn newest_epoch(dir: &Path) -> Result<(u64, u64), OpenError> {
    Ledger::peek(dir, |now| {
        let epoch = now.newest_epoch()?.ok_or(LedgerError::Damaged("the map log has no leaf"))?;
        Ok((epoch.n, epoch.time_ms))
    })
}

/// The tokens of the operator's people that are in force in a directory, also while another process works in it: id, person, and
/// whether it is bound to a client certificate.
pub fn staff_tokens(dir: &Path, now_ms: u64) -> Result<Vec<(String, String, bool)>, OpenError> {
    Ledger::peek(dir, |now| {
        let rows = now.tokens()?.into_iter().filter(|row| row.revoked_ms.is_none() && now_ms < row.expires_ms);
        Ok(rows.filter_map(|row| Some((row.id, row.staff?, row.certificate.is_some()))).collect())
    })
}

/// How many numbers of a directory are withheld past the end of the operator's order, also while another process works in it.
pub fn overdue(dir: &Path, now_s: u64) -> Result<u64, OpenError> {
    Ledger::peek(dir, |now| Ok(now.count_overdue(now_s)?))
}

/// The bulk doors that were ordered in a directory and are not closed by time, also while another process works in it: the
/// provider, when it closes (Unix seconds), and how many numbers are still there.
pub fn bulk_doors_ordered(dir: &Path, now_s: u64) -> Result<Vec<(String, u64, u64)>, OpenError> {
    Ledger::peek(dir, |now| Ok(now.bulk_doors(now_s)?))
}

//! Counters of providers: what they did today, and how many numbers they have.

use crate::ledger::error::LedgerError;
use crate::ledger::snapshot::{Snapshot, int, uint};
use crate::ledger::transaction::Transaction;

impl Snapshot<'_> {
    /// Registrations and preparations of a provider on a day (days since 1970, UTC).
    pub fn counted(&self, provider: &str, day: u64) -> Result<(u64, u64), LedgerError> {
        let sql = "SELECT creates, prepares FROM counters WHERE provider = ?1 AND day = ?2";
        Ok(self.first(sql, (provider, int(day)), |row| Ok((uint(row, 0)?, uint(row, 1)?)))?.unwrap_or((0, 0)))
    }

    /// Wrong transfer codes of a provider on a day.
    pub fn wrong_codes(&self, provider: &str, day: u64) -> Result<u64, LedgerError> {
        let sql = "SELECT wrong_codes FROM counters WHERE provider = ?1 AND day = ?2";
        Ok(self.first(sql, (provider, int(day)), |row| uint(row, 0))?.unwrap_or(0))
    }

    /// How many numbers a provider has, those about to be registered included.
    pub fn holdings(&self, provider: &str) -> Result<u64, LedgerError> {
        let sql = "SELECT numbers FROM holdings WHERE provider = ?1";
        Ok(self.first(sql, [provider], |row| uint(row, 0))?.unwrap_or(0))
    }
}

impl Transaction<'_> {
    /// Counts registrations and preparations of a provider on a day.
    pub fn count(&self, provider: &str, day: u64, creates: u64, prepares: u64) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO counters (provider, day, creates, prepares) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (provider, day) DO UPDATE SET creates = creates + ?3, prepares = prepares + ?4",
            (provider, int(day), int(creates), int(prepares)),
        )?;
        Ok(())
    }

    /// Counts wrong transfer codes of a provider on a day.
    pub fn count_wrong_codes(&self, provider: &str, day: u64, count: u64) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO counters (provider, day, creates, prepares, wrong_codes) VALUES (?1, ?2, 0, 0, ?3)
             ON CONFLICT (provider, day) DO UPDATE SET wrong_codes = wrong_codes + ?3",
            (provider, int(day), int(count)),
        )?;
        Ok(())
    }

    /// One number more for a provider.
    pub fn add_holding(&self, provider: &str) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO holdings (provider, numbers) VALUES (?1, 1) ON CONFLICT (provider) DO UPDATE SET numbers = numbers + 1",
            [provider],
        )?;
        Ok(())
    }

    /// One number less.
    pub fn remove_holding(&self, provider: &str) -> Result<(), LedgerError> {
        self.change("UPDATE holdings SET numbers = numbers - 1 WHERE provider = ?1 AND numbers > 0", [provider])?;
        Ok(())
    }

    /// Forgets the counters of days before `day`.
    pub fn purge_counters(&self, day: u64) -> Result<usize, LedgerError> {
        self.change("DELETE FROM counters WHERE day < ?1", [int(day)])
    }
}

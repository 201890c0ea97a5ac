//! What `/metrics` tells of the installation beside the counters: whether changes are taken, what is due, the room on the disk.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::authority::{Authority, Backups, Outlook};
use crate::cli::{disk, escrow};
use crate::clock::Clock;
use crate::config::Config;

/// Reads the state at each scrape: a few small files, and a moment of the ledger.
pub(crate) struct Standing {
    config: Config,
    authority: Authority,
    clock: Arc<dyn Clock>,
}

impl Standing {
    /// Of the service that runs by `config`.
    pub(crate) fn new(config: &Config, authority: &Authority, clock: Arc<dyn Clock>) -> Self {
        Self { config: config.clone(), authority: authority.clone(), clock }
    }

    fn yes_or_no(&self) -> [(&'static str, &'static str, bool); 5] {
        let vitals = self.authority.vitals();
        [
            ("frozen", "1: ledger and signer disagree, every change is refused", vitals.frozen.is_some()),
            ("maintenance", "1: changes are refused by the operator", self.authority.maintenance().is_some()),
            ("unsigned", "1: the newest epoch could not be signed", vitals.unsigned.is_some()),
            (
                "unconfirmed",
                "1: the newest epoch is shown without the quorum of witnesses",
                vitals.unconfirmed.is_some(),
            ),
            ("ledger_trouble", "1: the latest attempt to make an epoch failed", vitals.trouble.is_some()),
        ]
    }

    /// Unix times; what never was is left out.
    fn times(&self) -> Vec<(&'static str, &'static str, Option<u64>)> {
        let (data, policy) = (&self.config.paths.data, self.authority.policy());
        let backups = Backups::read(data);
        let state = escrow::State::read(data).unwrap_or_default();
        let (_, due_s) = state.next(&policy);
        let wanted = !self.config.escrow.recipient.is_empty();
        vec![
            (
                "backup_made_seconds",
                "The moment that the last backup holds",
                backups.made.last().map(|made| made.made_s),
            ),
            (
                "backup_verified_seconds",
                "The moment that the last backup holds which was proven good",
                backups.verified.map(|verified| verified.backup.made_s),
            ),
            (
                "escrow_deposit_seconds",
                "The moment that the last escrow deposit holds",
                state.last().map(|last| last.watermark_s),
            ),
            ("escrow_due_seconds", "When the next escrow deposit is due", wanted.then_some(due_s)),
            (
                "escrow_drill_due_seconds",
                "When the next drill of the escrow is due",
                state.drill_due_s(&policy).filter(|_| wanted),
            ),
        ]
    }

    fn counts(&self) -> Vec<(&'static str, &'static str, u64)> {
        let mut counts = Vec::new();
        if let Ok(outlook) = Outlook::of(&self.config.paths.data, self.clock.now_s()) {
            counts.push(("waiting_changes", "Accepted changes that wait for an epoch", outlook.waiting));
            counts.push(("open_complaints", "Complaints that nobody has looked at", outlook.complaints));
        }
        if let Ok(room) = disk::room(&self.config.paths.data) {
            counts.push(("disk_free_bytes", "Room on the disk of the ledger", room.free));
            counts.push(("disk_size_bytes", "Size of the disk of the ledger", room.all));
        }
        counts
    }
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Standing")
    }
}

impl Collector for Standing {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let yes_or_no = self.yes_or_no().map(|(name, help, yes)| (name, help, Some(u64::from(yes))));
        let counts = self.counts().into_iter().map(|(name, help, count)| (name, help, Some(count)));
        for (name, help, value) in yes_or_no.into_iter().chain(self.times()).chain(counts) {
            let Some(value) = value else { continue };
            let one = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::<i64>::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(one)?;
        }
        Ok(())
    }
}

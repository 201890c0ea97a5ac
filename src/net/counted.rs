//! The name server's counters for `/metrics`: by type, code, transport and reason, never by name or address.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::streams::limits::Limits;
use crate::nameserver::Counters;

/// Adds up the counters of all workers at each scrape.
pub struct Counted(Vec<Arc<Counters>>);

impl Counted {
    /// The counters of these workers.
    pub fn new(workers: &[Arc<Counters>]) -> Self {
        Self(workers.to_vec())
    }
}

impl Counted {
    fn encode_limits(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (mut limited, mut numbers) = (BTreeMap::new(), BTreeMap::new());
        for worker in &self.0 {
            for (how, count) in worker.limits() {
                *limited.entry(how).or_insert(0) += count;
            }
            let (found, missed) = worker.numbers();
            for (outcome, count) in [("found", found), ("missed", missed)] {
                *numbers.entry(outcome).or_insert(0) += count;
            }
        }
        for (name, help, label, counts) in [
            ("dns_limited", "Queries that met a limit, by what was done", "how", limited),
            ("dns_number_questions", "Questions for possible numbers, by outcome", "outcome", numbers),
        ] {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (value, count) in counts {
                ConstCounter::<u64>::new(count).encode(family.encode_family(&[(label, value)])?)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Counted({} workers)", self.0.len())
    }
}

impl Collector for Counted {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut answers = BTreeMap::new();
        let mut drops = BTreeMap::new();
        for worker in &self.0 {
            for c in worker.answers() {
                *answers.entry((c.transport, c.qtype, c.rcode)).or_insert(0) += c.count;
            }
            for (transport, count) in worker.drops() {
                *drops.entry(transport).or_insert(0) += count;
            }
        }
        let mut family = encoder.encode_descriptor(
            "dns_answers",
            "DNS answers by transport, query type and code",
            None,
            MetricType::Counter,
        )?;
        for ((transport, qtype, rcode), count) in answers {
            let labels = [("transport", transport), ("qtype", qtype), ("rcode", rcode)];
            ConstCounter::<u64>::new(count).encode(family.encode_family(&labels)?)?;
        }
        let mut family = encoder.encode_descriptor(
            "dns_dropped",
            "Packets without an answer by transport",
            None,
            MetricType::Counter,
        )?;
        for (transport, count) in drops {
            ConstCounter::<u64>::new(count).encode(family.encode_family(&[("transport", transport)])?)?;
        }
        let shed: u64 = self.0.iter().map(|worker| worker.sheds()).sum();
        let one =
            encoder.encode_descriptor("dns_shed", "Denials given up under overload", None, MetricType::Counter)?;
        ConstCounter::<u64>::new(shed).encode(one)?;
        self.encode_limits(&mut encoder)?;
        let signatures: u64 = self.0.iter().map(|worker| worker.signatures()).sum();
        let one = encoder.encode_descriptor("dns_signatures", "DNSSEC signatures made", None, MetricType::Counter)?;
        ConstCounter::<u64>::new(signatures).encode(one)
    }
}

/// The connections of the name server, by transport.
pub struct Connections(Arc<Limits>);

impl Connections {
    /// Those that keep to these limits.
    pub fn new(limits: Arc<Limits>) -> Self {
        Self(limits)
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connections")
    }
}

impl Collector for Connections {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut family =
            encoder.encode_descriptor("dns_connections", "Open connections by transport", None, MetricType::Gauge)?;
        for (transport, count) in self.0.open() {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            ConstGauge::<i64>::new(count).encode(family.encode_family(&[("transport", transport.label())])?)?;
        }
        let mut family = encoder.encode_descriptor(
            "dns_connections_cut",
            "Connections that had to go by transport and reason",
            None,
            MetricType::Counter,
        )?;
        for (transport, cut, count) in self.0.cuts() {
            let labels = [("transport", transport.label()), ("reason", cut.label())];
            ConstCounter::<u64>::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

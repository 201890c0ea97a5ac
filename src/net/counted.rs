//! The name server's counters for `/metrics`: by type, code, transport and reason, never by name or address.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::streams::limits::Limits;
use crate::clock::Clock;
use crate::nameserver::Counters;
use crate::net::day::Quarter;

/// How often the figures move: whoever reads them sees what a minute brought, not what a single query did (DNS.md 7).
const STEP_S: u64 = 60;

/// Adds up the counters of all workers, once a minute at most.
pub struct Counted {
    workers: Vec<Arc<Counters>>,
    clock: Arc<dyn Clock>,
    shown: Mutex<(u64, Totals)>,
}

/// The sums over all workers at one moment.
#[derive(Default)]
struct Totals {
    answers: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    dropped: BTreeMap<&'static str, u64>,
    limited: BTreeMap<&'static str, u64>,
    numbers: BTreeMap<&'static str, u64>,
    shed: u64,
    signatures: u64,
}

impl Counted {
    /// The counters of these workers.
    pub fn new(workers: &[Arc<Counters>], clock: Arc<dyn Clock>) -> Self {
        Self { workers: workers.to_vec(), clock, shown: Mutex::default() }
    }
}

/// Answers, and questions for possible numbers, since the start.
pub(super) fn sums(workers: &[Arc<Counters>]) -> Quarter {
    let totals = Totals::of(workers);
    let of = |outcome| totals.numbers.get(outcome).copied().unwrap_or(0);
    Quarter { from_s: 0, answers: totals.answers.values().sum(), found: of("found"), missed: of("missed") }
}

impl Totals {
    fn of(workers: &[Arc<Counters>]) -> Self {
        let mut totals = Self::default();
        for worker in workers {
            for c in worker.answers() {
                *totals.answers.entry((c.transport, c.qtype, c.rcode)).or_insert(0) += c.count;
            }
            let (found, missed) = worker.numbers();
            for (into, counts) in [
                (&mut totals.dropped, worker.drops().collect::<Vec<_>>()),
                (&mut totals.limited, worker.limits().collect()),
                (&mut totals.numbers, vec![("found", found), ("missed", missed)]),
            ] {
                for (label, count) in counts {
                    *into.entry(label).or_insert(0) += count;
                }
            }
            totals.shed += worker.sheds();
            totals.signatures += worker.signatures();
        }
        totals
    }

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "DNS answers by transport, query type and code";
        let mut family = encoder.encode_descriptor("dns_answers", help, None, MetricType::Counter)?;
        for ((transport, qtype, rcode), count) in &self.answers {
            let labels = [("transport", *transport), ("qtype", *qtype), ("rcode", *rcode)];
            ConstCounter::<u64>::new(*count).encode(family.encode_family(&labels)?)?;
        }
        for (name, help, label, counts) in [
            ("dns_dropped", "Packets without an answer by transport", "transport", &self.dropped),
            ("dns_limited", "Queries that met a limit, by what was done", "how", &self.limited),
            ("dns_number_questions", "Questions for possible numbers, by outcome", "outcome", &self.numbers),
        ] {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (value, count) in counts {
                ConstCounter::<u64>::new(*count).encode(family.encode_family(&[(label, *value)])?)?;
            }
        }
        for (name, help, count) in [
            ("dns_shed", "Denials given up under overload", self.shed),
            ("dns_signatures", "DNSSEC signatures made", self.signatures),
        ] {
            let one = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::<u64>::new(count).encode(one)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Counted({} workers)", self.workers.len())
    }
}

impl Collector for Counted {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let step = self.clock.now_s() / STEP_S;
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.0 != step {
            *shown = (step, Totals::of(&self.workers));
        }
        shown.1.encode(&mut encoder)
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

//! What the operator sees of the running service: log lines and counters, never a number, a query, a token or a key.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tracing::Subscriber;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person at a terminal.
    Text,
    /// For a log collector: one JSON object a line.
    Json,
    /// Text at a terminal, JSON elsewhere.
    Fitting,
}

impl std::str::FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "auto" => Ok(Self::Fitting),
            _ => Err("text, json or auto".to_owned()),
        }
    }
}

impl LogFormat {
    /// What it comes to here.
    fn is_text(self) -> bool {
        match self {
            Self::Text => true,
            Self::Json => false,
            Self::Fitting => std::io::stderr().is_terminal(),
        }
    }
}

/// Starts logging for the whole process. `filter` is a list of `target=level` directives, such as `info` or `callbook=debug`.
///
/// A second call changes nothing, so tests may call it freely.
pub fn start(format: LogFormat, filter: &str) {
    let _already_started = subscriber(format, filter, std::io::stderr).try_init();
}

/// Libraries that log what peers send, such as a malformed path with a question in it. No filter switches them on.
const TELLS_QUERIES: [&str; 1] = ["h2"];

fn subscriber<W>(format: LogFormat, filter: &str, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let harmless = filter_fn(|event| {
        let origin = event.target().split("::").next().unwrap_or_default();
        !TELLS_QUERIES.contains(&origin)
    });
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match format.is_text() {
        true => lines.with_target(false).boxed(),
        false => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(EnvFilter::new(filter).and(harmless)))
}

/// The service's counters. Cheap to clone; one set a server, so that servers in one process do not mix.
#[derive(Clone)]
pub struct Metrics(Arc<Counters>);

struct Counters {
    registry: Registry,
    http_requests: Family<HttpLabels, Counter>,
    epoch: Gauge<u64, AtomicU64>,
    epoch_made_ms: Gauge<u64, AtomicU64>,
    labels: Gauge<u64, AtomicU64>,
    overdue: Gauge<u64, AtomicU64>,
    trust: Family<RoleLabels, Gauge<u64, AtomicU64>>,
    webhooks: Family<StateLabels, Gauge<u64, AtomicU64>>,
    webhook_deliveries: Family<OutcomeLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RoleLabels {
    role: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HttpLabels {
    route: String,
    method: String,
    status: u16,
}

impl Metrics {
    /// Counters at zero. `others` are further sources, such as the name server's own counters.
    pub fn new(others: Vec<Box<dyn Collector>>) -> Self {
        let mut registry = Registry::with_prefix("callbook");
        let (http_requests, epoch) = (Family::default(), Gauge::default());
        let (epoch_made_ms, labels) = (Gauge::default(), Gauge::default());
        registry.register(
            "http_requests",
            "HTTP requests by route template, method and status",
            Family::clone(&http_requests),
        );
        registry.register("epoch", "The newest published epoch", Gauge::clone(&epoch));
        registry.register("epoch_made_milliseconds", "When it was made, Unix time", Gauge::clone(&epoch_made_ms));
        registry.register("labels", "Labels in the number map, released ones included", Gauge::clone(&labels));
        let overdue = Gauge::default();
        registry.register(
            "overdue_suspensions",
            "Numbers that are withheld past the end of the operator's order",
            Gauge::clone(&overdue),
        );
        let trust = Family::default();
        let help = "When each role of the trust repository is over, Unix time";
        registry.register("trust_expires_seconds", help, Family::clone(&trust));
        let (webhooks, webhook_deliveries) = (Family::default(), Family::default());
        registry.register("webhooks", "Webhooks by state", Family::clone(&webhooks));
        registry.register(
            "webhook_deliveries",
            "Changes sent to webhooks, by whether they were taken",
            Family::clone(&webhook_deliveries),
        );
        for other in others {
            registry.register_collector(other);
        }
        let counters = Counters {
            registry,
            http_requests,
            epoch,
            epoch_made_ms,
            labels,
            overdue,
            trust,
            webhooks,
            webhook_deliveries,
        };
        Self(Arc::new(counters))
    }

    /// Counts one HTTP request.
    pub fn http_request(&self, route: &str, method: &str, status: u16) {
        let method = if KNOWN_METHODS.contains(&method) { method } else { "other" };
        let labels = HttpLabels { route: route.to_owned(), method: method.to_owned(), status };
        self.0.http_requests.get_or_create(&labels).inc();
    }

    /// Notes the newest epoch, when it was made and how many labels its map holds.
    pub fn epoch(&self, epoch: u64, made_ms: u64, labels: u64) {
        self.0.epoch.set(epoch);
        self.0.epoch_made_ms.set(made_ms);
        self.0.labels.set(labels);
    }

    /// Notes how many numbers are withheld past the end of the operator's order.
    pub fn overdue(&self, numbers: u64) {
        self.0.overdue.set(numbers);
    }

    /// Notes when the roles of the trust repository are over, Unix seconds.
    pub fn trust(&self, expires: impl Iterator<Item = (&'static str, u64)>) {
        for (role, end_s) in expires {
            self.0.trust.get_or_create(&RoleLabels { role }).set(end_s);
        }
    }

    /// Notes how many webhooks are in each state, and how many deliveries since the start were taken and were not.
    pub fn webhooks(&self, states: &[(&'static str, u64)], taken: u64, refused: u64) {
        for (state, count) in states {
            self.0.webhooks.get_or_create(&StateLabels { state }).set(*count);
        }
        for (outcome, count) in [("taken", taken), ("refused", refused)] {
            let counter = self.0.webhook_deliveries.get_or_create(&OutcomeLabels { outcome });
            counter.inner().store(count, Ordering::Relaxed);
        }
    }

    /// Everything in the OpenMetrics text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail; a collector that does leaves its part out.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.0.registry);
        text
    }
}

/// Methods that become a label; anything else a caller may invent is counted as one, so that labels stay few.
const KNOWN_METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_filter_makes_a_library_tell_queries() {
        for (format, filter) in [(LogFormat::Text, "trace"), (LogFormat::Json, "trace,h2=trace,h2::server=trace")] {
            let lines = Lines::default();
            let writer = lines.clone();
            tracing::subscriber::with_default(subscriber(format, filter, move || writer.clone()), || {
                tracing::error!(target: "h2::server", "malformed path (marker)");
                tracing::error!(target: "h2", "marker");
                tracing::trace!(target: "callbook::net", "ours");
            });
            let told = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
            assert!(told.contains("ours") && !told.contains("marker"), "{told}");
        }
    }
}

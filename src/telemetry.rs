//! Logs for the operator: JSON lines or text on standard error, never a number, a query, a token or a key.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person at a terminal.
    Text,
    /// For a log collector: one JSON object a line.
    Json,
}

impl LogFormat {
    /// Text at a terminal, JSON elsewhere.
    pub fn fitting() -> Self {
        if std::io::stderr().is_terminal() { Self::Text } else { Self::Json }
    }
}

/// Starts logging for the whole process. `filter` is a list of `target=level` directives, such as `info` or `callbook=debug`.
///
/// A second call changes nothing, so tests may call it freely.
pub fn start(format: LogFormat, filter: &str) {
    let builder = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(EnvFilter::new(filter));
    let _already_started = match format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
}

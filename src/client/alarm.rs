//! Shouting: a message to a URL of one's own, once, to be read by whoever looks after it.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;

use crate::client::way::{self, Way};

/// Who does not answer by then is told by the other ways.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why nobody was told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTold {
    /// The address cannot be used.
    #[error("{0:?} cannot be told: an https:// URL is needed, or http:// on this machine")]
    Address(String),
    /// It did not take it.
    #[error("{url} did not take the alarm: {why}")]
    Answer {
        /// Where it went.
        url: String,
        /// What came of it.
        why: String,
    },
}

/// Whether an alarm can be sent to this address.
pub fn check(url: &str) -> Result<(), NotTold> {
    match way::to(url) {
        Some(Way::Closed) => Ok(()),
        _ => Err(NotTold::Address(url.to_owned())),
    }
}

/// Sends the message as JSON (`POST`); any 2xx is an answer. Blocks for 10 s at most.
pub fn shout(url: &str, message: &Value) -> Result<(), NotTold> {
    check(url)?;
    let failed = |why: String| NotTold::Answer { url: url.to_owned(), why };
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(PATIENCE))
        .build()
        .into();
    let sent = agent.post(url).header("content-type", "application/json").send(message.to_string());
    match sent.map_err(|error| failed(error.to_string()))?.status() {
        status if status.is_success() => Ok(()),
        status => Err(failed(format!("status {}", status.as_u16()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_do_not_go_over_open_lines() {
        for url in ["https://alarm.example/x", "http://127.0.0.1:9/a", "http://localhost", "http://[::1]:80/"] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
        for url in [
            "http://alarm.example/",
            "http://127.0.0.1.example/",
            "http://localhost:1@alarm.example/",
            "https://",
            "ftp://x",
            "",
        ] {
            assert!(check(url).is_err(), "{url}");
        }
    }
}

//! What is sent: one change, or a test, as Standard Webhooks has it.
//!
//! The id of a change is made of its cursor: it is the same at every attempt, to every endpoint of the owner, and after a
//! restart, and nothing has to be kept for that.

use crate::api::webhooks::Message;
use crate::authority::feed::{change_shown, cursor_text};
use crate::authority::webhooks::keys::WebhookKeys;
use crate::clock::{rfc3339, unix_s};
use crate::ledger::ChangeRow;
use crate::log::bytes::to_base64url;

/// A message, before it is signed.
pub(super) struct Letter {
    id: String,
    body: Vec<u8>,
}

impl Letter {
    /// A change.
    pub(super) fn change(row: &ChangeRow) -> Self {
        let change = change_shown(row);
        let timestamp = change.time.clone();
        Self::of(format!("chg_{}", cursor_text(row.n)), "change", timestamp, serde_json::to_value(&change))
    }

    /// A test of the endpoint `webhook`; `chance` makes its id new.
    pub(super) fn test(webhook: &str, chance: &[u8; 12], now_ms: u64) -> Self {
        let data = Ok(serde_json::json!({ "webhook": webhook }));
        Self::of(format!("test_{}", to_base64url(chance)), "test", rfc3339(unix_s(now_ms)), data)
    }

    fn of(id: String, kind: &str, timestamp: String, data: serde_json::Result<serde_json::Value>) -> Self {
        // Texts and numbers always serialise.
        let message = Message { kind: kind.to_owned(), timestamp, data: data.unwrap_or_default() };
        Self { id, body: serde_json::to_vec(&message).unwrap_or_default() }
    }

    /// The body.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The headers of an attempt at `now_s`: id, time, signatures over both and the body.
    pub(super) fn headers(&self, keys: &WebhookKeys, now_s: u64) -> [(&'static str, String); 3] {
        let content = [self.id.as_bytes(), b".", now_s.to_string().as_bytes(), b".", &self.body].concat();
        [
            ("webhook-id", self.id.clone()),
            ("webhook-timestamp", now_s.to_string()),
            ("webhook-signature", keys.sign(&content)),
        ]
    }
}

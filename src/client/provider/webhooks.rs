//! Calls about webhooks: endpoints, tests, and from where changes are sent again.

use ureq::http::Method;

use super::{Api, ApiError, Call, Repeat, path_segment};
use crate::api::webhooks::{
    Deliveries, Delivery, NewWebhook, Redelivery, Webhook, WebhookChange, WebhookKeys, Webhooks, WebhooksHealth,
};

impl Api {
    /// The public keys that webhooks are verified with (`GET /v1/webhooks/keys`); no token is needed.
    pub fn webhook_keys(&self) -> Result<WebhookKeys, ApiError> {
        self.get("/v1/webhooks/keys".into())
    }

    /// Names an endpoint (`POST /v1/webhooks`).
    pub fn add_webhook(&self, new: &NewWebhook) -> Result<Webhook, ApiError> {
        self.call(&Call::new(Method::POST, "/v1/webhooks".into(), Repeat::Never).json(new)?)
    }

    /// One's endpoints (`GET /v1/webhooks`, all pages).
    pub fn webhooks(&self) -> Result<Webhooks, ApiError> {
        let mut all: Webhooks = self.get("/v1/webhooks".into())?;
        while let Some(cursor) = all.next_cursor.take() {
            let page: Webhooks = self.get(format!("/v1/webhooks?cursor={}", path_segment(&cursor)))?;
            all.webhooks.extend(page.webhooks);
            all.next_cursor = page.next_cursor;
        }
        Ok(all)
    }

    /// Everybody's endpoints, for the operator (`GET /v1/webhooks/health`, all pages).
    pub fn webhooks_health(&self) -> Result<WebhooksHealth, ApiError> {
        let mut all: WebhooksHealth = self.get("/v1/webhooks/health".into())?;
        while let Some(cursor) = all.next_cursor.take() {
            let page: WebhooksHealth = self.get(format!("/v1/webhooks/health?cursor={}", path_segment(&cursor)))?;
            all.webhooks.extend(page.webhooks);
            all.next_cursor = page.next_cursor;
        }
        Ok(all)
    }

    /// An endpoint and how far it has come (`GET /v1/webhooks/{id}`).
    pub fn webhook(&self, id: &str) -> Result<Webhook, ApiError> {
        self.get(webhook(id, ""))
    }

    /// The latest attempts of an endpoint (`GET /v1/webhooks/{id}/deliveries`).
    pub fn webhook_deliveries(&self, id: &str) -> Result<Deliveries, ApiError> {
        self.get(webhook(id, "/deliveries"))
    }

    /// Changes an endpoint (`PATCH /v1/webhooks/{id}`).
    pub fn change_webhook(&self, id: &str, change: &WebhookChange) -> Result<Webhook, ApiError> {
        self.call(&Call::new(Method::PATCH, webhook(id, ""), Repeat::Harmless).json(change)?)
    }

    /// Sends an endpoint a test (`POST /v1/webhooks/{id}/test`).
    pub fn test_webhook(&self, id: &str) -> Result<Delivery, ApiError> {
        self.call(&Call::new(Method::POST, webhook(id, "/test"), Repeat::Never))
    }

    /// Sets from where changes are sent to an endpoint (`POST /v1/webhooks/{id}/redelivery`).
    pub fn redeliver_webhook(&self, id: &str, from: &Redelivery) -> Result<Webhook, ApiError> {
        self.call(&Call::new(Method::POST, webhook(id, "/redelivery"), Repeat::Harmless).json(from)?)
    }

    /// Removes an endpoint (`DELETE /v1/webhooks/{id}`).
    pub fn remove_webhook(&self, id: &str) -> Result<(), ApiError> {
        let call = Call::new(Method::DELETE, webhook(id, ""), Repeat::Never);
        match self.send(&call)? {
            answer if answer.status().is_success() => Ok(()),
            answer => Err(self.problem(&call, answer)),
        }
    }
}

fn webhook(id: &str, below: &str) -> String {
    format!("/v1/webhooks/{}{below}", path_segment(id))
}

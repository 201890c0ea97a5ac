//! A code by a web hook: one POST to a gateway, under the rules of webhooks.

use serde_json::json;
use zeroize::Zeroizing;

use crate::authority::Courier;
use crate::authority::revalidations::sender::{CodeSender, NotSent};
use crate::authority::webhooks::{UrlMistake, WebhookUrl};
use crate::number::Number;

/// A gateway behind a URL.
pub(super) struct Hook {
    url: WebhookUrl,
    token: Zeroizing<String>,
    courier: Courier,
}

impl Hook {
    pub(super) fn new(url: &str, token: Zeroizing<String>, courier: Courier) -> Result<Self, UrlMistake> {
        Ok(Self { url: courier.read(url)?, token, courier })
    }
}

impl CodeSender for Hook {
    /// `POST {"to": "+…", "text": "…"}` with `Authorization: Bearer`, if there is a token; 2xx is taken.
    fn send(&self, number: Number, text: &str) -> Result<(), NotSent> {
        let body = Zeroizing::new(json!({ "to": number.to_string(), "text": text }).to_string());
        let bearer = (!self.token.is_empty()).then(|| ("authorization", format!("Bearer {}", *self.token)));
        let headers: Vec<(&'static str, String)> = bearer.into_iter().collect();
        match self.courier.post(&self.url, &headers, body.as_bytes()) {
            Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
            Ok(answer) => Err(NotSent::Refused(u32::from(answer.status))),
            Err(why) if why.is_late() => Err(NotSent::Timeout),
            Err(_) => Err(NotSent::Unreachable),
        }
    }
}

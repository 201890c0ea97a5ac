//! The console's part: where people of the staff find it, and how long they stay signed in.

use serde::{Deserialize, Serialize};

/// The console's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Console {
    /// The origin under which browsers find the console, such as `https://desk.example`; its host is the WebAuthn RP ID. Port 0
    /// means that of `http.listen`. Default: empty, there is no console.
    pub origin: String,
    /// Minutes without a request after which somebody is signed out. Default: 30. From 1 to 480.
    pub idle_min: u64,
    /// Hours after which somebody signs in again in any case. Default: 12. From 1 to 24.
    pub session_h: u64,
}

impl Default for Console {
    fn default() -> Self {
        Self { origin: String::new(), idle_min: 30, session_h: 12 }
    }
}

impl Console {
    /// The host of the origin, if it is one: `https`, or `http` on this machine, a domain name and perhaps a port.
    pub fn host(&self) -> Option<&str> {
        let secure = self.origin.strip_prefix("https://");
        let rest = secure.or_else(|| self.origin.strip_prefix("http://"))?;
        let (host, port) = rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
        let named = super::is_domain(&super::absolute(host)) && *host == *host.to_ascii_lowercase();
        // The RP ID is a domain name: passkeys are not bound to addresses (WebAuthn 5.1.2).
        let is_address = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
        let ported = port.is_none_or(|port| port.parse::<u16>().is_ok());
        (named && !is_address && ported && (secure.is_some() || host == "localhost")).then_some(host)
    }

    /// What is out of bounds, a line a mistake.
    pub(super) fn mistakes(&self) -> Vec<String> {
        let mut found = Vec::new();
        if !self.origin.is_empty() && self.host().is_none() {
            found.push(format!(
                "console.origin = {:?}: scheme and host name are needed, such as \"https://desk.example\"; http is possible for localhost alone",
                self.origin
            ));
        }
        for (key, value, to) in [("idle_min", self.idle_min, 480), ("session_h", self.session_h, 24)] {
            if !(1..=to).contains(&value) {
                found.push(format!("console.{key} = {value}: from 1 to {to}"));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_name() {
        let host = |origin: &str| Console { origin: origin.to_owned(), ..Console::default() }.host().map(str::to_owned);
        assert_eq!(host("https://desk.example").as_deref(), Some("desk.example"));
        assert_eq!(host("https://desk.example:8443").as_deref(), Some("desk.example"));
        assert_eq!(host("http://localhost:0").as_deref(), Some("localhost"));
        for wrong in [
            "",
            "desk.example",
            "http://desk.example",
            "https://desk.example/",
            "https://192.0.2.1",
            "https://Desk.example",
            "https://desk.example:x",
            "https://a@b",
        ] {
            assert_eq!(host(wrong), None, "{wrong}");
        }
        let mistakes = Console { origin: "x".to_owned(), idle_min: 0, session_h: 25 }.mistakes();
        assert_eq!(mistakes.len(), 3);
    }
}

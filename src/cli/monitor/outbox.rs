//! What a webhook has still to take: on disk before anything is remembered as told, so that each message comes at least once.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::json;
use ureq::Agent;

use crate::api::webhooks::Message;
use crate::cli::monitor::{Look, json_of};
use crate::cli::report::Failure;
use crate::client::holder;
use crate::clock::{Clock, SystemClock, rfc3339};
use crate::log::bytes::to_base64;
use crate::log::key::{Algorithm, SigningKey};
use crate::log::sha256;

/// How long an endpoint may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause after the first attempt that failed; it doubles, up to the last one.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// Attempts of a single look.
const TRIES: u32 = 3;
/// Messages that wait at most: a number changes rarely, so something is wrong.
const WAITING_MAX: usize = 1000;

/// A message that waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Waiting {
    id: String,
    body: String,
}

/// The messages of one watch, and where they go.
pub(super) struct Outbox {
    path: PathBuf,
    url: String,
    key: Option<SigningKey>,
    agent: Agent,
    waiting: Vec<Waiting>,
    failures: u32,
    not_before_s: u64,
    refused: String,
}

impl Outbox {
    pub(super) fn open(path: &Path, url: &str, key: Option<&Path>) -> Result<Self, Failure> {
        let wrong = |why: String| Failure::new(format!("{}: {why}", path.display()));
        if !url.starts_with("https://") && !url.starts_with("http://") {
            return Err(Failure::new("--webhook: it is no address that begins with https://"));
        }
        let waiting = match fs::read(path) {
            Ok(raw) => {
                serde_json::from_slice(&raw).map_err(|e| wrong(format!("no list of messages ({e}): move it away")))?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(wrong(error.to_string())),
        };
        let key: Option<SigningKey> = key.map(holder::load).transpose()?;
        if key.as_ref().is_some_and(|key| key.public().algorithm() != Algorithm::Ed25519) {
            return Err(Failure::new(
                "--webhook-key: webhooks are signed with Ed25519; `callbook monitor key FILE` makes such a key",
            ));
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(PATIENCE))
            .build()
            .into();
        let (url, path) = (url.to_owned(), path.to_owned());
        Ok(Self { path, url, key, agent, waiting, failures: 0, not_before_s: 0, refused: String::new() })
    }

    /// Adds what a look came to, if that is news; durable when this returns.
    pub(super) fn put(&mut self, look: &Look) -> Result<(), Failure> {
        let kind = match look {
            Look::Seen(seen) if seen.has_changed() => "monitor.changed",
            Look::Refused { why, .. } if *why != self.refused => {
                self.refused.clone_from(why);
                "monitor.refused"
            }
            Look::Seen(_) => {
                self.refused.clear();
                return Ok(());
            }
            Look::Refused { .. } | Look::Silent(_) => return Ok(()),
        };
        self.add(kind, json_of(look))
    }

    /// Adds that the directory has not answered for long.
    pub(super) fn put_silence(&mut self, why: &str) -> Result<(), Failure> {
        self.add("monitor.silent", json!({"result": "silent", "why": why}))
    }

    fn add(&mut self, kind: &str, data: serde_json::Value) -> Result<(), Failure> {
        if self.waiting.len() >= WAITING_MAX {
            return Err(Failure::new(format!(
                "{}: {WAITING_MAX} messages wait for the webhook; mend it, or move the file away",
                self.path.display()
            )));
        }
        let message = Message { kind: kind.to_owned(), timestamp: rfc3339(SystemClock.now_s()), data };
        let body = serde_json::to_string(&message)?;
        let id = format!("mon_{}", HEXLOWER.encode(&sha256(&[body.as_bytes()])[..16]));
        self.waiting.push(Waiting { id, body });
        self.save()
    }

    fn save(&self) -> Result<(), Failure> {
        let failed = |e: std::io::Error| Failure::new(format!("cannot write {}: {e}", self.path.display()));
        let partial = self.path.with_extension("outbox.partial");
        let text = serde_json::to_vec(&self.waiting)?;
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&partial);
        file.and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&partial, &self.path))
            .map_err(failed)
    }

    /// Sends what waits, in order, unless it is too early after a failure; gives how long to wait for the next attempt, if one is due.
    pub(super) fn deliver(&mut self) -> Option<Duration> {
        let now_s = SystemClock.now_s();
        if now_s < self.not_before_s && !self.waiting.is_empty() {
            return Some(Duration::from_secs(self.not_before_s - now_s));
        }
        let why = self.send_all().err()?;
        let pause = PAUSE.saturating_mul(1 << self.failures.min(16)).min(PAUSE_MAX);
        if self.failures == 0 {
            tracing::warn!(%why, "the webhook has not taken a message; it is sent again");
        }
        (self.failures, self.not_before_s) = (self.failures + 1, now_s + pause.as_secs());
        Some(pause)
    }

    /// The same with a few attempts at once.
    pub(super) fn deliver_patiently(&mut self) -> Result<(), String> {
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            if self.send_all().is_ok() {
                return Ok(());
            }
            std::thread::sleep(pause);
            pause *= 2;
        }
        self.send_all()
    }

    fn send_all(&mut self) -> Result<(), String> {
        while let Some(first) = self.waiting.first() {
            self.send(first)?;
            self.waiting.remove(0);
            self.save().map_err(|failure| failure.to_string())?;
        }
        self.failures = 0;
        Ok(())
    }

    /// One attempt (Standard Webhooks): taken if the answer is 2xx.
    fn send(&self, message: &Waiting) -> Result<(), String> {
        let at_s = SystemClock.now_s().to_string();
        let mut request = self.agent.post(&self.url).header("content-type", "application/json");
        request = request.header("webhook-id", &message.id).header("webhook-timestamp", &at_s);
        if let Some(key) = &self.key {
            let signature = key.sign(format!("{}.{at_s}.{}", message.id, message.body).as_bytes());
            request = request.header("webhook-signature", format!("v1a,{}", to_base64(&signature)));
        }
        let answer = request.send(&message.body).map_err(|error| error.to_string())?;
        match answer.status().is_success() {
            true => Ok(()),
            // The address may have a secret in it.
            false => Err(format!("it answered {}", answer.status().as_u16())),
        }
    }
}

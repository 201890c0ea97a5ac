//! Asks a witness to cosign a checkpoint (C2SP tlog-witness): what a log does, or whoever has one at hand.

use std::time::Duration;

use ureq::Agent;

/// A witness that takes longer is not waited for: others are as good (TRUST.md 4).
const PATIENCE: Duration = Duration::from_secs(5);
/// Some cosignature lines; longer answers are something else.
const ANSWER_BYTES_MAX: u64 = 16 * 1024;

/// A witness at a URL.
#[derive(Clone, Debug)]
pub struct Witness {
    agent: Agent,
    url: String,
}

/// What a witness answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Cosignature lines. Whose, and whether they are good, is for the asker to check.
    Cosigned(String),
    /// The newest checkpoint that it cosigned has this size: the proof has to begin there.
    At(u64),
}

/// Why a witness did not cosign: unreachable, slow, or what it said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{url}: {why}")]
pub struct NotCosigned {
    /// What was asked.
    pub url: String,
    /// What came of it.
    pub why: String,
}

impl Witness {
    /// The witness with that submission prefix, such as `https://witness.example`.
    pub fn at(prefix: &str) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(PATIENCE))
            .build()
            .into();
        Self { agent, url: format!("{}/add-checkpoint", prefix.trim_end_matches('/')) }
    }

    /// Sends the body of an `add-checkpoint`. Blocks for 5 s at most.
    pub fn add_checkpoint(&self, body: &str) -> Result<Answer, NotCosigned> {
        let failed = |why: String| NotCosigned { url: self.url.clone(), why };
        let mut answer = self.agent.post(&self.url).send(body).map_err(|error| failed(error.to_string()))?;
        let status = answer.status().as_u16();
        let size_follows = answer.headers().get("content-type").is_some_and(|kind| kind == "text/x.tlog.size");
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = text.map_err(|error| failed(error.to_string()))?;
        match status {
            200 => Ok(Answer::Cosigned(text)),
            409 if size_follows => {
                let size = text.strip_suffix('\n').and_then(|size| size.parse().ok());
                size.map(Answer::At).ok_or_else(|| failed("a size that is none".to_owned()))
            }
            other => Err(failed(format!("status {other}: {}", text.lines().next().unwrap_or_default().escape_debug()))),
        }
    }
}

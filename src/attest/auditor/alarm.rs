//! The alarm: what was broken, with the evidence, in a file that stops the auditor until somebody has looked.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::attest::auditor::rule::Fault;
use crate::clock::rfc3339;
use crate::log::bytes::to_base64;

/// The file in an auditor's folder; while it is there nothing is cosigned.
const FILE_NAME: &str = "alarm.json";

/// What was looked at when a rule was found broken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The leaf of the epoch, or of the gov log.
    pub leaf: Vec<u8>,
    /// The epoch's batch.
    pub batch: Vec<u8>,
    /// The checkpoint that the log has signed over it.
    pub checkpoint: String,
}

/// An alarm. With the keys of the log, the leaves before and this file anybody can see for himself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// When it was raised, RFC 3339.
    pub raised_at: String,
    /// The map log.
    pub log: String,
    /// The rule's name.
    pub rule: String,
    /// What that means.
    pub meaning: String,
    /// Where.
    pub place: String,
    /// The leaf in base64.
    pub leaf: String,
    /// The batch in base64.
    pub batch: String,
    /// The signed checkpoint.
    pub checkpoint: String,
}

impl Alarm {
    /// An alarm about a fault that was found at `now_s` (Unix seconds).
    pub fn new(log: &str, fault: &Fault, evidence: &Evidence, now_s: u64) -> Self {
        Self {
            raised_at: rfc3339(now_s),
            log: log.to_owned(),
            rule: fault.rule.to_string(),
            meaning: fault.rule.words().to_owned(),
            place: fault.at.to_string(),
            leaf: to_base64(&evidence.leaf),
            batch: to_base64(&evidence.batch),
            checkpoint: evidence.checkpoint.clone(),
        }
    }

    /// In a few lines.
    pub fn in_words(&self) -> String {
        format!("ALARM: {} breaks a rule at {}: {}\n  {}", self.log, self.place, self.rule, self.meaning)
    }

    /// For who is told over the network: without leaf and batch.
    pub fn told(&self) -> serde_json::Value {
        serde_json::json!({
            "type": "alarm", "raised_at": self.raised_at, "log": self.log, "rule": self.rule, "meaning": self.meaning,
            "place": self.place, "checkpoint": self.checkpoint,
        })
    }

    /// The file of a folder's alarm.
    pub fn file(dir: &Path) -> PathBuf {
        dir.join(FILE_NAME)
    }

    /// The alarm that stands; a file that cannot be read is one too.
    pub fn standing(dir: &Path) -> std::io::Result<Option<Self>> {
        let raw = match std::fs::read(Self::file(dir)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        Ok(Some(serde_json::from_slice(&raw).map_err(std::io::Error::other)?))
    }

    /// Writes the file, durably.
    pub fn raise(&self, dir: &Path) -> std::io::Result<()> {
        let partial = dir.join("alarm.json.partial");
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        std::fs::rename(&partial, Self::file(dir))?;
        std::fs::File::open(dir)?.sync_all()
    }

    /// Puts the alarm aside under another name, which it gives: somebody has looked.
    pub fn put_aside(dir: &Path, now_s: u64) -> std::io::Result<PathBuf> {
        let aside = dir.join(format!("alarm-{now_s}.json"));
        std::fs::rename(Self::file(dir), &aside)?;
        std::fs::File::open(dir)?.sync_all()?;
        Ok(aside)
    }
}

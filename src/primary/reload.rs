//! How a running service is asked to read its zone files again, and what it answers: two files in its folder, looked at
//! each second. So whoever may write there may ask, and is told every mistake; no process number can be wrong.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::PrimaryError;
use super::disk::{self, Durable};

const REQUEST: &str = "reload.request";
const RESULT: &str = "reload.result";
/// How often an answer is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Tells requests apart.
    pub id: String,
    /// Zones whose serial may go back.
    pub restart_serial: Vec<String>,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Of the request.
    pub id: String,
    /// Every zone.
    pub zones: Vec<Reloaded>,
}

/// One zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Its apex.
    pub name: String,
    /// What became of its file.
    pub outcome: Outcome,
    /// The serial that is served now.
    pub serial: Option<u32>,
    /// Why it was refused.
    pub problem: Option<String>,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It says what is served.
    Unchanged,
    /// There is a new version.
    Changed,
    /// It cannot be served; what was served before is served on.
    Refused,
}

/// Asks the service of this folder and waits for its answer so long; `None` if none came.
pub fn ask(folder: &Path, request: &Request, wait: Duration) -> Result<Option<Answer>, PrimaryError> {
    let text = serde_json::to_vec(request).unwrap_or_default(); // plain data
    disk::replace(&folder.join(REQUEST), Durable::No, |out| out.write_all(&text))?;
    for _ in 0..wait.as_millis() / LOOK.as_millis() {
        std::thread::sleep(LOOK);
        let answer =
            disk::read(&folder.join(RESULT))?.and_then(|octets| serde_json::from_slice::<Answer>(&octets).ok());
        if let Some(answer) = answer.filter(|answer| answer.id == request.id) {
            return Ok(Some(answer));
        }
    }
    let _ = std::fs::remove_file(folder.join(REQUEST)); // nobody took it
    Ok(None)
}

/// Takes the request, if there is one.
pub(super) fn take(folder: &Path) -> Option<Request> {
    let path = folder.join(REQUEST);
    let octets = disk::read(&path).ok().flatten()?;
    std::fs::remove_file(&path).ok()?;
    serde_json::from_slice(&octets).ok()
}

/// Answers it.
pub(super) fn answer(folder: &Path, answer: &Answer) -> Result<(), PrimaryError> {
    let text = serde_json::to_vec(answer).unwrap_or_default(); // plain data
    disk::replace(&folder.join(RESULT), Durable::No, |out| out.write_all(&text))
}
